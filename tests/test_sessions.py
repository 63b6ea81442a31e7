"""Sessions live on the server: they end when they are told to, when they are idle, and when they are old."""

from datetime import timedelta

import pytest
from shop import PASSWORD, Browser, Shop
from sqlmodel import select, update

from webapp.accounts import sessions
from webapp.accounts.models import Account, WebSession


def sign_in(shop: Shop, email: str = "alice@example.com", password: str = PASSWORD) -> Browser:
    """A browser that went through the form."""
    browser = shop.browser()
    browser.post("/sign-in", {"email": email, "password": password})
    return browser


def test_the_browser_holds_the_token_and_the_desk_its_hash(shop: Shop) -> None:
    browser = sign_in(shop)
    cookie = browser.client.get_cookie(sessions.cookie_name(shop.settings))
    assert cookie is not None
    assert cookie.http_only
    with shop.database.reading() as session:
        (row,) = session.exec(select(WebSession)).all()
    assert row.token_hash == sessions.key_of(cookie.value)
    assert cookie.value not in row.token_hash
    browser.get("/certificates")


def test_signing_out_ends_the_session_on_the_server(shop: Shop) -> None:
    browser = sign_in(shop)
    cookie = browser.client.get_cookie(sessions.cookie_name(shop.settings))
    assert cookie is not None
    browser.post("/sign-out")
    # Somebody who kept the cookie gets nowhere.
    browser.client.set_cookie(cookie.key, cookie.value)
    assert "/sign-in" in (browser.get("/certificates", 303).location or "")


@pytest.mark.parametrize(
    ("after", "there"),
    [
        (timedelta(minutes=59), True),
        (timedelta(minutes=61), False),
    ],
)
def test_an_idle_session_ends(shop: Shop, after: timedelta, there: bool) -> None:
    browser = sign_in(shop)
    shop.clock.now += after
    browser.get("/certificates", 200 if there else 303)


def test_a_busy_session_ends_too_when_it_is_old(shop: Shop) -> None:
    browser = sign_in(shop)
    for _ in range(23):
        shop.clock.advance(minutes=31)
        browser.get("/certificates")
    shop.clock.advance(minutes=10)
    browser.get("/certificates", 303)


def test_a_page_that_refreshes_itself_does_not_keep_the_session_alive(shop: Shop) -> None:
    browser = sign_in(shop)
    for _ in range(3):
        shop.clock.advance(minutes=19)
        browser.get("/certificates", htmx=True)
    shop.clock.advance(minutes=19)
    browser.get("/certificates", 204, htmx=True)


def test_a_disabled_account_is_out_at_once(shop: Shop) -> None:
    browser = sign_in(shop)
    with shop.database.writing() as session:
        session.exec(update(Account).values(disabled_at=shop.clock()))
    browser.get("/certificates", 303)


def test_a_cookie_that_is_no_token_is_nobody(shop: Shop) -> None:
    browser = shop.browser()
    for value in ("", "x", "é" * 40, "0" * 3000):
        browser.client.set_cookie(sessions.cookie_name(shop.settings), value)
        browser.get("/certificates", 303)


def test_htmx_is_sent_to_the_sign_in_page_as_a_whole(shop: Shop) -> None:
    page = shop.browser().get("/certificates", 204, htmx=True)
    assert page.location == "/sign-in"
