"""Passwords that are good enough, how often one may fail, and what the account's owner reads of it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from pages import value
from shop import PASSWORD, Shop
from sign_in_support import events_of, sign_in

from webapp.accounts import passwords, sessions
from webapp.accounts.browsers import browser_of
from webapp.accounts.limits import SignInLimits, too_many
from webapp.accounts.models import Act, Way
from webapp.accounts.passwords import Weakness, weakness
from webapp.accounts.settings import SecondFactor, SignInSettingError, SignInSettings, load_sign_in

NEW = "ferry lantern quilt moss"


# Passwords


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("elevenchars", Weakness.SHORT),
        ("a" * 201, Weakness.LONG),
        ("password1234", Weakness.COMMON),
        ("qwertyuiop123", Weakness.COMMON),
        ("iloveyou2026", Weakness.COMMON),
        ("alice@example.com", Weakness.COMMON),
        ("certificate-desk", Weakness.COMMON),
        ("x" * 60, Weakness.COMMON),
        (NEW, None),
        (NEW * 8, None),
        ("长密码由几个毫无关系的词组成", None),
    ],
)
def test_which_passwords_are_taken(password: str, why: Weakness | None) -> None:
    assert weakness(password, ("alice@example.com", "Alice", "Certificate desk")) is why


def test_another_password_ends_the_sessions_elsewhere(shop: Shop) -> None:
    browser, elsewhere = shop.browser(shop.alice), shop.browser(shop.alice)
    before = browser.client.get_cookie("desk")
    page = browser.get("/account/password")
    assert "At least twelve characters" in page.words
    answer = browser.post("/account/password", {"password": PASSWORD, "new": NEW, "again": NEW})
    assert answer.location == "/account/security"
    assert "Your password is changed." in browser.follow(answer).words
    elsewhere.get("/certificates", 303)
    after = browser.client.get_cookie("desk")
    assert before is not None
    assert after is not None
    assert before.value != after.value
    shop.browser().post("/sign-in", {"email": shop.alice.email, "password": PASSWORD}, 422)
    shop.browser().post("/sign-in", {"email": shop.alice.email, "password": NEW})
    acts = [act for act, _ in events_of(shop, shop.alice)]
    assert acts == [Act.PASSWORD_CHANGED, Act.SIGN_IN_FAILED, Act.SIGNED_IN]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"password": "wrong", "new": NEW, "again": NEW}, "This is not your password."),
        ({"password": PASSWORD, "new": "short", "again": "short"}, "Take at least 12 characters."),
        ({"password": PASSWORD, "new": "y" * 300, "again": "y" * 300}, "Take at most 200 characters."),
        ({"password": PASSWORD, "new": "password1234", "again": "password1234"}, "This password is easy to guess"),
        ({"password": PASSWORD, "new": NEW, "again": "other"}, "This is another one than above."),
    ],
)
def test_what_is_wrong_with_it_is_said(shop: Shop, typed: dict[str, str], message: str) -> None:
    page = shop.browser(shop.alice).post("/account/password", typed, 422)
    assert message in page.words
    assert NEW not in page.text
    sign_in(shop, shop.alice)


# Equal work for everybody


def test_an_unknown_address_costs_as_many_verifications_as_a_known_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, not timed: one run of argon2 with the same parameters for each."""
    with shop.database.writing() as session:
        none = session.get(type(shop.bob), shop.bob.id)
        assert none is not None
        none.password_hash = passwords.NONE
    asked: list[str] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # The library's own name.
            asked.append(str(hash).rpartition("$")[0].rpartition("$")[0])
            return super().verify(hash, password)  # type: ignore[return-value]

    monkeypatch.setattr(passwords, "_hasher", Counting())
    texts = set()
    for email in ("alice@example.com", "nobody@example.com", "bob@example.com"):
        page = shop.browser().post("/sign-in", {"email": email, "password": "wrong"}, 422)
        texts.add(page.words)
        assert value(page, "email") == email
    assert len(texts) == 1
    assert len(asked) == 3
    assert len(set(asked)) == 1


# Limits


def limited(open_shop: Callable[..., Shop], url: str, **limits: int) -> Shop:
    return open_shop(url, sign_in=SignInSettings(second_factor=SecondFactor.OFF, **limits))


@pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
def test_an_account_has_to_wait_whether_there_is_one_or_not(
    sqlite_url: str, open_shop: Callable[..., Shop], email: str
) -> None:
    shop = limited(open_shop, sqlite_url, limit_account=3)
    for _ in range(3):
        shop.browser().post("/sign-in", {"email": email, "password": "wrong"}, 422)
    page = shop.browser().post("/sign-in", {"email": email.upper(), "password": PASSWORD}, 429)
    assert "There were too many tries that failed. The next one is looked at from" in page.words
    assert value(page, "email") == email.upper()
    assert 0 < int(page.response.headers["Retry-After"]) <= 15 * 60
    # Others are not held up.
    sign_in(shop, shop.bob)


@pytest.mark.parametrize(
    ("second", "told"), [(0, "20:00"), (0.001, "20:01"), (59.9, "20:01")], ids=["whole", "begun", "nearly-over"]
)
def test_nobody_is_told_a_minute_that_is_too_early(shop: Shop, second: float, told: str) -> None:
    until = datetime(2026, 3, 4, 12, 0, tzinfo=UTC) + timedelta(seconds=second)
    with shop.app.test_request_context():
        assert f"from 4 Mar 2026, {told} CST on." in too_many(until)


def test_an_address_has_to_wait_and_others_have_not(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    shop = limited(open_shop, sqlite_url, limit_address=3)
    for number in range(3):
        typed = {"email": f"nobody{number}@example.com", "password": "wrong"}
        shop.browser().post("/sign-in", typed, 422, environ_base={"REMOTE_ADDR": "192.0.2.1"})
    typed = {"email": "alice@example.com", "password": PASSWORD}
    shop.browser().post("/sign-in", typed, 429, environ_base={"REMOTE_ADDR": "192.0.2.1"})
    shop.browser().post("/sign-in", typed, environ_base={"REMOTE_ADDR": "192.0.2.2"})


def test_all_together_have_to_wait(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    shop = limited(open_shop, sqlite_url, limit_all=3)
    for number in range(3):
        typed = {"email": f"nobody{number}@example.com", "password": "wrong"}
        shop.browser().post("/sign-in", typed, 422, environ_base={"REMOTE_ADDR": f"192.0.2.{number}"})
    shop.browser().post("/sign-in", {"email": "alice@example.com", "password": PASSWORD}, 429)


def test_the_right_password_forgets_the_failures(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    shop = limited(open_shop, sqlite_url, limit_account=3)
    for _ in range(4):
        shop.browser().post("/sign-in", {"email": "alice@example.com", "password": "wrong"}, 422)
        sign_in(shop, shop.alice)


def test_the_password_cannot_be_guessed_from_inside(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    shop = limited(open_shop, sqlite_url, limit_account=2)
    browser = shop.browser(shop.alice)
    for _ in range(2):
        browser.post("/account/password", {"password": "wrong", "new": NEW, "again": NEW}, 422)
    browser.post("/account/password", {"password": PASSWORD, "new": NEW, "again": NEW}, 429)


def test_a_limit_ends_by_itself() -> None:
    counted = SignInLimits(SignInSettings(limit_account=1), seconds=1)
    assert counted.begin("alice@example.com", "192.0.2.1") is None
    until = counted.begin("alice@example.com", "192.0.2.1")
    assert until is not None
    patience = time.monotonic() + 30
    while counted.begin("alice@example.com", "192.0.2.1") is not None:
        assert time.monotonic() < patience
        time.sleep(0.05)
    assert time.time() >= until.timestamp() - 1


# What the owner reads


def test_the_owner_reads_where_they_signed_in(shop: Shop) -> None:
    firefox = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    shop.browser().post("/sign-in", {"email": shop.alice.email, "password": "wrong"}, 422)
    browser = shop.browser()
    token = browser.client.get("/csrf-for-tests").text
    typed = {"email": shop.alice.email, "password": PASSWORD, "csrf_token": token}
    browser.client.post("/sign-in", data=typed, headers=firefox, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    page = browser.get("/account/security")
    assert "Signed in with the password Firefox on Linux 192.0.2.7" in page.words
    assert "Sign-in failed with the password Another program 127.0.0.1" in page.words
    other = shop.browser(shop.bob).get("/account/security")
    assert "192.0.2.7" not in other.words
    assert "Nothing is written down yet" in other.words
    assert events_of(shop, shop.alice) == [(Act.SIGN_IN_FAILED, Way.PASSWORD), (Act.SIGNED_IN, Way.PASSWORD)]


def test_what_happened_cannot_be_changed(any_shop: Shop) -> None:
    """It may be let go of when it is old; the audit trail, from which nothing can be removed, has it as well."""
    sign_in(any_shop, any_shop.alice)
    for statement in ("UPDATE account_event SET address = ''", "DELETE FROM audit_event"):
        with pytest.raises(Exception, match="append-only"), any_shop.database.writing() as session:
            session.connection().exec_driver_sql(statement)


def test_signing_out_everywhere_ends_every_session_of_the_account_and_no_other(shop: Shop) -> None:
    here, there, bobs = (shop.browser(who) for who in (shop.alice, shop.alice, shop.bob))
    answer = here.post("/account/sign-out-everywhere")
    assert "You are signed out on every device." in here.follow(answer).words
    for one in (here, there):
        one.get("/certificates", 303)
    bobs.get("/certificates")
    assert events_of(shop, shop.alice) == [(Act.SIGNED_OUT_EVERYWHERE, None)]


def test_signing_in_ends_the_session_that_the_browser_came_with(shop: Shop) -> None:
    browser, _ = sign_in(shop, shop.alice)
    old = browser.client.get_cookie(sessions.cookie_name(shop.settings))
    assert old is not None
    sign_in(shop, shop.bob, browser)
    thief = shop.browser()
    thief.client.set_cookie(old.key, old.value)
    thief.get("/certificates", 303)


@pytest.mark.parametrize(
    ("user_agent", "said"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0.0.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iOS"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.5.0", "Another program"),
        ("", "Another program"),
    ],
)
def test_browsers_are_told_by_family(shop: Shop, user_agent: str, said: str) -> None:
    with shop.app.test_request_context():
        assert browser_of(user_agent) == said


# Settings


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("SECOND_FACTOR", "maybe"),
        ("SIGN_IN_LIMIT_ACCOUNT", "0"),
        ("SIGN_IN_LIMIT_ADDRESS", "many"),
        ("SIGN_IN_LIMIT_ALL", "²"),
        ("SIGN_IN_LIMIT_MINUTES", "99999"),
        ("RATELIMIT_STORAGE_URI", "nonsense"),
        ("RATELIMIT_STORAGE_URI", "memcached://127.0.0.1:11211"),
        ("RATELIMIT_STORAGE_URI", "redis://redis.example.com:6379"),
        ("RATELIMIT_STORAGE_URI", "redis://192.0.2.7"),
        ("RATELIMIT_STORAGE_URI", "redis://[::1"),
    ],
)
def test_a_malformed_setting_is_named(name: str, given: str) -> None:
    with pytest.raises(SignInSettingError, match=f"^{name} "):
        load_sign_in({name: given}, demo=False)


@pytest.mark.parametrize("uri", ["redis://127.0.0.1:6379", "redis://localhost", "rediss://redis.example.com:6379"])
def test_another_machine_counts_over_tls(uri: str) -> None:
    assert load_sign_in({"RATELIMIT_STORAGE_URI": uri}, demo=False).limit_storage == uri


def test_production_asks_the_staff_and_the_demo_asks_nobody() -> None:
    assert load_sign_in({}, demo=False).second_factor is SecondFactor.STAFF
    assert load_sign_in({}, demo=True).second_factor is SecondFactor.OFF
    assert load_sign_in({"SECOND_FACTOR": "all"}, demo=True).second_factor is SecondFactor.ALL


def test_a_password_of_the_store_is_not_repeated() -> None:
    with pytest.raises(SignInSettingError) as caught:
        load_sign_in({"RATELIMIT_STORAGE_URI": "nonsense://desk:hunter2@127.0.0.1"}, demo=False)
    assert "hunter2" not in str(caught.value)
