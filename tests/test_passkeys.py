"""Passkeys, in a real browser with a virtual authenticator: added, used as second factor and alone, removed."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from ca_support import serving
from playwright.sync_api import Browser, Page
from shop import PASSWORD, Shop
from sign_in_support import events_of, sign_in
from sqlmodel import select

from webapp.accounts import passkeys
from webapp.accounts.models import Act, Passkey, PasskeyChallenge, Way
from webapp.accounts.passkeys import PasskeyRefused
from webapp.accounts.settings import SignInSettings

SOFT = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def strict(sqlite_url: str, open_shop: Callable[..., Shop]) -> Shop:
    """A shop whose staff must have a second factor."""
    return open_shop(sqlite_url, sign_in=SignInSettings())


@pytest.fixture
def address(strict: Shop) -> Iterator[str]:
    """Its pages under the name of this machine, for which browsers know passkeys without TLS."""
    with serving(strict.app) as url:
        here = f"http://localhost:{urlsplit(url).port}"
        object.__setattr__(strict.parts, "settings", replace(strict.settings, public_url=here, console_origins=(here,)))
        yield here


class Device:
    """A person at a browser with a device that keeps passkeys."""

    def __init__(self, chromium: Browser, address: str) -> None:
        self.address = address
        self.context = chromium.new_context()
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.cdp = self.context.new_cdp_session(self.page)
        self.cdp.send("WebAuthn.enable")
        self.key: str = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": SOFT})["authenticatorId"]

    def verifies(self, yes: bool) -> None:
        """Whether the device asks its owner for a finger or a PIN, and gets it."""
        self.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": self.key, "isUserVerified": yes})

    def password(self, email: str) -> None:
        self.page.goto(f"{self.address}/sign-in")
        self.page.get_by_label("Email address").fill(email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.press("Sign in")

    def press(self, label: str) -> None:
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=label, exact=True).click()

    @property
    def path(self) -> str:
        return urlsplit(self.page.url).path

    @property
    def words(self) -> str:
        return self.page.locator("main").inner_text()


@pytest.mark.browser
def test_a_journey_with_a_passkey(strict: Shop, address: str, chromium: Browser) -> None:
    shop, rita = strict, Device(chromium, address)
    # A reviewer without a second factor adds a passkey instead of an app, and is in.
    rita.password("rita@example.com")
    assert rita.path == "/account/second-factor"
    rita.page.get_by_role("link", name="Add a passkey").click()
    rita.page.get_by_label("Name of the passkey").fill("Office laptop")
    rita.press("Add a passkey")
    assert "They are shown now and never again" in rita.words
    rita.page.get_by_role("link", name="I have kept them").click()
    rita.page.goto(f"{address}/account/security")
    assert "Office laptop" in rita.words

    # As the second factor, after the password: the device need not ask for a PIN.
    rita.context.clear_cookies()
    rita.verifies(False)
    rita.password("rita@example.com")
    assert rita.path == "/sign-in/code"
    rita.press("Use a passkey")
    assert rita.path == "/review" or rita.path == "/"

    # As the only thing that is shown, the device must ask for it.
    rita.context.clear_cookies()
    rita.page.goto(f"{address}/sign-in?next=/figures")
    rita.page.get_by_role("button", name="Use a passkey").click()
    rita.page.get_by_text("The browser gave no passkey for this console.").wait_for()
    assert rita.path == "/sign-in"
    rita.verifies(True)
    rita.press("Use a passkey")
    assert rita.path == "/figures"
    with shop.database.reading() as session:
        (kept,) = session.exec(select(Passkey)).all()
        assert session.exec(select(PasskeyChallenge)).all() != [], "the one that the device did not sign"
    assert kept.sign_count > 1
    assert kept.used_at == shop.clock()
    ways = [way for act, way in events_of(shop, shop.rita) if act is Act.SIGNED_IN]
    assert ways == [Way.PASSKEY] * 3

    # Without it she is where she began.
    rita.page.goto(f"{address}/account/passkeys/{kept.id}/remove")
    rita.page.get_by_label("Your password").fill(PASSWORD)
    rita.press("Remove the passkey")
    assert rita.path == "/account/second-factor"
    rita.context.clear_cookies()
    rita.page.goto(f"{address}/sign-in")
    rita.press("Use a passkey")
    assert "This passkey does not open the console." in rita.words
    assert [one for one in rita.complaints if "Content Security Policy" in one or "Error" in one] == []


@pytest.mark.browser
def test_an_answer_counts_once_and_for_whom_it_was_asked(strict: Shop, address: str, chromium: Browser) -> None:
    shop, alice = strict, Device(chromium, address)
    alice.password("alice@example.com")
    alice.page.goto(f"{address}/account/passkeys/add")
    alice.page.get_by_label("Name of the passkey").fill("Phone")
    alice.press("Add a passkey")
    assert "This is not your password." in alice.words or "Enter your password." in alice.words
    alice.page.get_by_label("Your password").fill(PASSWORD)
    alice.press("Add a passkey")
    assert "Ten codes" in alice.words
    settings = shop.parts.settings
    now = shop.clock()
    with shop.database.writing() as session:
        options = passkeys.ask_to_sign(session, None, settings, now)
    alice.page.goto(f"{address}/sign-in")
    signed = alice.page.evaluate(
        """async (text) => {
          const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(text));
          return JSON.stringify((await navigator.credentials.get({ publicKey })).toJSON());
        }""",
        options,
    )

    def tried(sent: str, **more: Any) -> str:
        with shop.database.writing() as session:
            given = {"account": None, "settings": settings, "now": now} | more
            return passkeys.who_signed(session, given["account"], sent, given["settings"], given["now"]).email

    refused = [
        # Whoever came with bob's password, another console, too late, and something that was changed on the way.
        (signed, {"account": shop.bob}),
        (signed, {"account": shop.alice}),
        (signed, {"settings": replace(settings, console_origins=("https://desk.example.com",))}),
        (signed, {"settings": replace(settings, public_url="https://desk.example.com")}),
        (signed, {"now": now.replace(year=now.year + 1)}),
        (altered(signed), {}),
        *((junk, {}) for junk in ("", "[]", "{}", "null", "1" * 50, '{"response": {"clientDataJSON": "e30"}}')),
    ]
    for sent, more in refused:
        with pytest.raises(PasskeyRefused):
            tried(sent, **more)
    assert tried(signed) == "alice@example.com"
    with pytest.raises(PasskeyRefused):
        tried(signed)


def altered(sent: str) -> str:
    """The same answer with another signature."""
    content = json.loads(sent)
    signature = content["response"]["signature"]
    content["response"]["signature"] = signature[:20] + ("A" if signature[20] != "A" else "B") + signature[21:]
    return json.dumps(content)


def test_without_a_script_nothing_is_lost(shop: Shop) -> None:
    """The form without what the browser should have added says so, and there is the password as ever."""
    browser = shop.browser(shop.alice)
    page = browser.post("/account/passkeys/add", {"name": "Phone", "password": PASSWORD}, 422)
    assert "The browser has made no passkey." in page.words
    assert page.field("name") == "Phone"
    page = shop.browser().post("/sign-in/passkey", {"credential": "junk"}, 422)
    assert "This passkey does not open the console." in page.words
    sign_in(shop, shop.alice)


def test_somebody_elses_passkey_cannot_be_removed(shop: Shop) -> None:
    with shop.database.writing() as session:
        row = Passkey(
            credential_id="eA", account_id=shop.alice.id, public_key="", sign_count=0, name="A", created_at=shop.clock()
        )
        session.add(row)
    stranger = shop.browser(shop.bob)
    stranger.get(f"/account/passkeys/{row.id}/remove", 404)
    stranger.post(f"/account/passkeys/{row.id}/remove", {"password": PASSWORD}, 404)
    browser = shop.browser(shop.alice)
    browser.post(f"/account/passkeys/{row.id}/remove", {"password": "wrong"}, 422)
    browser.post(f"/account/passkeys/{row.id}/remove", {"password": PASSWORD})
    assert events_of(shop, shop.alice) == [(Act.PASSKEY_REMOVED, None)]
