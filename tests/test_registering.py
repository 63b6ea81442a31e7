"""Registering by oneself: only where the setting allows it, and only whoever owns the address gets an account."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from organisation_support import NEW_PASSWORD, OPEN, link_in, post
from shop import Shop
from sqlmodel import select

from webapp.accounts.models import Account
from webapp.accounts.settings import SignInSettingError, load_sign_in
from webapp.audit.models import AuditEvent
from webapp.organisations.models import Organisation, Registration

FORM = {
    "name": "Carol",
    "email": "carol@example.com",
    "password": NEW_PASSWORD,
    "again": NEW_PASSWORD,
    "organisation": "",
}


@pytest.fixture
def shop(sqlite_url: str, open_shop: Callable[..., Shop]) -> Shop:
    return open_shop(sqlite_url, sign_in=OPEN)


def account_of(shop: Shop, email: str) -> Account | None:
    with shop.database.reading() as session:
        return session.exec(select(Account).where(Account.email == email)).first()


def test_from_the_form_to_an_account_with_an_organisation(shop: Shop) -> None:
    carol = shop.browser()
    assert 'href="/register"' in carol.get("/sign-in").text
    carol.get("/register")
    page = carol.post("/register", FORM | {"organisation": "Carol & Sons", "email": " Carol@Example.com "}, 200)
    assert "carol@example.com" in page.text
    assert account_of(shop, "carol@example.com") is None
    credentials = {"email": "carol@example.com", "password": NEW_PASSWORD}
    carol.post("/sign-in", credentials, 422)
    (message,) = post(shop)
    link = link_in(message)
    assert "carol@example.com" in carol.get(link).text
    carol.post(link, {"password": ""}, 422)
    # Whoever opened the mail but did not register gets no account with somebody else's password.
    assert "not the password" in carol.post(link, {"password": "another one altogether"}, 422).text
    assert account_of(shop, "carol@example.com") is None
    assert carol.post(link, {"password": NEW_PASSWORD}).location == "/"
    assert "Carol &amp; Sons" in carol.get("/account/organisation").text
    carol.get("/register", 303)
    shop.browser().get(link, 404)
    shop.browser().post(link, {"password": NEW_PASSWORD}, 404)
    shop.browser().post("/sign-in", credentials)
    with shop.database.reading() as session:
        assert session.exec(select(Registration)).all() == []
        added = session.exec(select(AuditEvent).where(AuditEvent.kind == "account_added")).one()
    assert (added.actor_name, added.subject) == ("Carol", "carol@example.com")


def test_an_address_with_an_account_gets_the_same_answer_and_another_mail(shop: Shop) -> None:
    first = shop.browser().post("/register", FORM, 200).text
    second = shop.browser().post("/register", FORM | {"email": "alice@example.com"}, 200).text

    def without_secrets(text: str, email: str) -> list[str]:
        return [line for line in text.replace(email, "EMAIL").splitlines() if "oken" not in line and "csrf" not in line]

    assert without_secrets(first, "carol@example.com") == without_secrets(second, "alice@example.com")
    told = {message["To"]: message for message in post(shop)}
    assert link_in(told["carol@example.com"]).startswith("/register/")
    assert link_in(told["alice@example.com"]) == "/sign-in"
    with shop.database.reading() as session:
        assert [row.email for row in session.exec(select(Registration)).all()] == ["carol@example.com"]


def test_a_link_counts_for_a_day_and_what_ran_out_is_forgotten(shop: Shop) -> None:
    shop.browser().post("/register", FORM, 200)
    (message,) = post(shop)
    link = link_in(message)
    shop.clock.advance(days=1, microseconds=-1)
    shop.browser().get(link)
    shop.clock.advance(microseconds=1)
    shop.browser().get(link, 404)
    shop.browser().post("/register", FORM | {"email": "dan@example.com"}, 200)
    with shop.database.reading() as session:
        assert [row.email for row in session.exec(select(Registration)).all()] == ["dan@example.com"]


def test_registered_twice_one_account_comes_of_it(shop: Shop) -> None:
    links = []
    for organisation in ("", "Second"):
        shop.browser().post("/register", FORM | {"organisation": organisation}, 200)
        (message,) = post(shop)
        links.append(link_in(message))
    first, second = links
    shop.browser().post(first, {"password": NEW_PASSWORD})
    assert (
        "There is an account for carol@example.com already"
        in shop.browser().post(second, {"password": NEW_PASSWORD}, 404).text
    )
    with shop.database.reading() as session:
        assert session.exec(select(Organisation)).all() == []


def test_what_is_wrong_with_a_form_is_said(shop: Shop) -> None:
    for wrong, said in (
        ({"email": "nobody"}, "not an email address"),
        ({"password": "short", "again": "short"}, "at least 12"),
        ({"password": "x" * 201, "again": "x" * 201}, "at most 200"),
        ({"password": "carol@example.com1", "again": "carol@example.com1"}, "easy to guess"),
        ({"again": "something else"}, "another one than above"),
        ({"name": ""}, "Enter your name"),
    ):
        assert said in shop.browser().post("/register", FORM | wrong, 422).text
    assert post(shop) == []


def test_so_many_registrations_and_no_more(shop: Shop) -> None:
    for _number in range(10):
        shop.browser().post("/register", FORM, 200)
    assert "too many tries" in shop.browser().post("/register", FORM, 429).text
    messages = post(shop)
    assert len(messages) == 10
    link = link_in(messages[0])
    for _number in range(10):
        shop.browser().post(link, {"password": "not the right one"}, 422)
    shop.browser().post(link, {"password": NEW_PASSWORD}, 429)


def test_where_it_is_off_nobody_registers(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    closed = open_shop(sqlite_url)
    assert "/register" not in closed.browser().get("/sign-in").text
    closed.browser().get("/register", 403)
    closed.browser().post("/register", FORM, 403)
    closed.browser().get("/register/nonsense", 403)
    with closed.database.reading() as session:
        assert session.exec(select(Registration)).all() == []


def test_the_setting() -> None:
    assert not load_sign_in({}, demo=False).registration
    assert load_sign_in({}, demo=True).registration
    assert load_sign_in({"REGISTRATION": "on"}, demo=False).registration
    assert not load_sign_in({"SIGN_IN_WITH": "passkey"}, demo=True).registration
    with pytest.raises(SignInSettingError, match="REGISTRATION=on makes accounts with passwords"):
        load_sign_in({"REGISTRATION": "on", "SIGN_IN_WITH": "passkey"}, demo=False)
    with pytest.raises(SignInSettingError, match="REGISTRATION must be on or off"):
        load_sign_in({"REGISTRATION": "yes"}, demo=False)


def test_a_registration_whose_time_is_over_is_not_written_to(shop: Shop) -> None:
    shop.browser().post("/register", FORM, 200)
    shop.clock.now += timedelta(days=2)
    assert post(shop) == []
