"""Signing in and out."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from pages import button, value
from shop import PASSWORD, Shop
from sqlmodel import select

from webapp import demo
from webapp.accounts.models import Account, WebSession

RIGHT = {"email": "alice@example.com", "password": PASSWORD}


def sessions_of(shop: Shop) -> list[WebSession]:
    with shop.database.reading() as session:
        return list(session.exec(select(WebSession)).all())


def test_the_right_password_opens_the_console(shop: Shop) -> None:
    browser = shop.browser()
    page = browser.get("/sign-in")
    assert value(page, "email") == ""
    answer = browser.post("/sign-in", {**RIGHT, "email": " Alice@Example.com "})
    assert answer.location == "/"
    browser.get("/certificates")
    (opened,) = sessions_of(shop)
    assert opened.account_id == shop.alice.id
    # The table does not hold what the browser holds.
    cookie = browser.client.get_cookie("desk")
    assert cookie is not None
    assert cookie.value != opened.token_hash
    assert cookie.http_only


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"email": "alice@example.com", "password": "wrong"}, "do not belong together"),
        ({"email": "nobody@example.com", "password": PASSWORD}, "do not belong together"),
        ({"email": "", "password": PASSWORD}, "Enter your email address."),
        ({"email": "alice@example.com", "password": ""}, "Enter your password."),
        ({"email": "alice@example.com", "password": "x" * 5000}, "Field cannot be longer than 200 characters."),
    ],
)
def test_the_wrong_one_keeps_the_address_but_not_the_password(shop: Shop, typed: dict[str, str], message: str) -> None:
    page = shop.browser().post("/sign-in", typed, 422)
    assert message in page.words
    assert value(page, "email") == typed["email"]
    assert value(page, "password") == ""
    assert sessions_of(shop) == []


def test_somebody_who_was_locked_out_stays_out(shop: Shop) -> None:
    with shop.database.writing() as session:
        account = session.get(Account, shop.alice.id)
        assert account is not None
        account.disabled_at = shop.clock()
    shop.browser().post("/sign-in", RIGHT, 422)
    shop.browser(shop.alice).get("/certificates", 303)


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/certificates?tab=signed", "/certificates?tab=signed"),
        ("https://evil.example.net/", "/"),
        ("//evil.example.net/", "/"),
        ("/\t/evil.example.net", "/"),
        ("/\\evil.example.net", "/"),
        ("/sign-out", "/"),
    ],
)
def test_after_it_one_is_where_one_wanted_to_be_and_never_elsewhere(shop: Shop, target: str, leads_to: str) -> None:
    page = shop.browser().client.post("/sign-in", query_string={"next": target}, data=RIGHT)
    assert page.status_code == 400, "without the form's secret nothing happens"
    browser = shop.browser()
    token = browser.client.get("/csrf-for-tests").get_data(as_text=True)
    answer = browser.client.post("/sign-in", query_string={"next": target}, data=RIGHT | {"csrf_token": token})
    assert answer.headers["Location"] == leads_to


def test_whoever_is_signed_in_is_not_asked_again(shop: Shop) -> None:
    assert shop.browser(shop.alice).get("/sign-in", 303).location == "/"


def test_signing_out_ends_the_session_on_the_server(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    token = browser.client.get_cookie("desk")
    assert token is not None
    assert browser.post("/sign-out").location == "/sign-in"
    # Even somebody who kept the cookie is out.
    browser.client.set_cookie("desk", token.value)
    assert browser.get("/certificates", 303).location == "/sign-in?next=/certificates"


def test_an_idle_session_ends(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    browser.get("/certificates")
    shop.clock.now += timedelta(minutes=shop.settings.session_idle_minutes, seconds=1)
    browser.get("/certificates", 303)


def test_a_fragment_for_somebody_whose_session_ended_leads_to_the_sign_in(shop: Shop) -> None:
    assert shop.browser().get("/certificates", 204, htmx=True).location == "/sign-in"


def test_a_real_shop_names_nobody(shop: Shop) -> None:
    page = shop.browser().get("/sign-in")
    assert "demo" not in page.words
    assert all(person.email not in page.text for person in demo.PEOPLE)
    assert demo.PASSWORD not in page.text


def test_a_demo_lets_everybody_walk_in(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    page = open_shop(sqlite_url, demo=True).browser().get("/sign-in")
    for person in demo.PEOPLE:
        assert person.email in page.words
        assert button(page, person.name) is not None
    assert demo.PASSWORD in page.words
