"""Signing in as a person does, and an authenticator app that shows its codes."""

import base64
import re
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from shop import PASSWORD, Browser, Page, Shop
from sqlmodel import col, select

from webapp.accounts import sessions
from webapp.accounts.models import Account, AccountEvent, Act, Way
from webapp.accounts.open_sessions import NAME_LENGTH


class App:
    """An authenticator app on somebody's phone."""

    def __init__(self, page: Page) -> None:
        (typed,) = re.findall(r"(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}", page.words)
        self.totp = TOTP(base64.b32decode(typed.replace(" ", "")), 6, SHA1(), 30)  # noqa: S303  # As apps do.

    def shows(self, now: datetime, steps: int = 0) -> str:
        """The code of this moment, or of one some steps away."""
        return self.totp.generate(int(now.timestamp()) + 30 * steps).decode()


def sign_in(shop: Shop, who: Account, browser: Browser | None = None, to: str = "") -> tuple[Browser, Page]:
    """Type address and password; the browser, and where that leads."""
    browser = browser or shop.browser()
    answer = browser.post(f"/sign-in{to}", {"email": who.email, "password": PASSWORD})
    return browser, answer


def events_of(shop: Shop, who: Account) -> list[tuple[Act, Way | None]]:
    """What happened to an account, the earliest first."""
    wanted = select(AccountEvent).where(AccountEvent.account_id == who.id).order_by(col(AccountEvent.id))
    with shop.database.reading() as session:
        return [(row.act, row.way) for row in session.exec(wanted).all()]


def with_app(shop: Shop, who: Account) -> tuple[Browser, App, list[str]]:
    """Somebody who has set up an app: their browser, the app, and the recovery codes."""
    browser = shop.browser(who)
    app = App(browser.get("/account/second-factor"))
    typed = {"code": app.shows(shop.clock()), "password": PASSWORD}
    page = browser.post("/account/second-factor", typed, 200)
    return browser, app, codes_on(page)


def codes_on(page: Page) -> list[str]:
    """The recovery codes that a page shows."""
    return re.findall(r"\b(?:[A-Z2-9]{4}-){5}[A-Z2-9]{4}\b", page.words)


def session_name(shop: Shop, browser: Browser) -> str:
    """What stands in an address for the session of a browser."""
    cookie = browser.client.get_cookie(sessions.cookie_name(shop.settings))
    assert cookie is not None
    return sessions.key_of(cookie.value)[:NAME_LENGTH]
