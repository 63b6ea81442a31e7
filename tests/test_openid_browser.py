"""The organisation's own sign-in and recovery by mail in a real browser: redirects, cookies, and what the policy for
content lets a page do.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from ca_support import serving
from login_provider import login_provider, person
from mail_shop import MailShop, text_of
from playwright.sync_api import Browser, Page, expect
from processes import free_ports
from shop import PASSWORD, START, Clock, Shop

from webapp.accounts.settings import Entrance, SecondFactor, SignInSettings

NEW = "ferry lantern quilt moss"
MINUTE = 60_000
"""Milliseconds that a browser on a busy machine may take."""


class Pictures:
    """For whoever asks for pictures, by naming a folder in ``DESK_PICTURES``."""

    def __init__(self) -> None:
        self.folder = os.environ.get("DESK_PICTURES")

    def take(self, page: Page, name: str) -> None:
        if self.folder is None:
            return
        for width, scheme in ((1280, "light"), (390, "dark")):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.screenshot(path=Path(self.folder) / f"{name}-{width}-{scheme}.png", full_page=True)


def told(page: Page, words: str) -> None:
    """Wait until the page says so, where it tells what was done or what is wrong."""
    expect(page.locator("#messages, .errors").get_by_text(words)).to_be_visible(timeout=MINUTE)


@pytest.mark.browser
def test_a_journey_in_a_browser(chromium: Browser, sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    """Alice links her account, signs in through the organisation, and forgets her password."""
    (port,) = free_ports(1)
    address, pictures = f"http://127.0.0.1:{port}", Pictures()
    with login_provider(Clock(START)) as provider:
        provider.client.returns_to = f"{address}/sign-in/provider/return"
        provider.person, provider.asks = person(email="alice@login.example.com", name="Alice"), True
        settings = SignInSettings(SecondFactor.OFF, entrances=frozenset(Entrance), provider=provider.settings())
        shop = open_shop(sqlite_url, sign_in=settings, public_url=address, console_origins=(address,))
        post, provider.clock = MailShop(shop), shop.clock
        with serving(shop.app, port):
            context = chromium.new_context(reduced_motion="reduce")
            context.set_default_timeout(MINUTE)
            page, complaints = context.new_page(), list[str]()
            page.on("console", lambda heard: complaints.append(heard.text))

            page.goto(f"{address}/sign-in?next=/account/security")
            pictures.take(page, "sign-in")
            page.get_by_label("Email address").fill("alice@example.com")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in", exact=True).click()
            pictures.take(page, "security-unlinked")
            page.get_by_role("link", name="Link it").click()
            pictures.take(page, "link")
            page.get_by_label("Your password").fill(PASSWORD)
            page.get_by_role("button", name="Go on to Example login").click()
            # The browser goes there by itself, although no form of ours may lead to another site.
            page.get_by_role("button", name="Sign in as Alice").click()
            told(page, "It is linked.")
            pictures.take(page, "security-linked")
            page.goto(f"{address}/account/provider/remove")
            pictures.take(page, "unlink")

            context.clear_cookies()
            page.goto(f"{address}/refunds")
            page.get_by_role("button", name="Sign in with Example login").click()
            page.get_by_role("button", name="Sign in as Alice").click()
            page.wait_for_url(f"{address}/refunds")

            context.clear_cookies()
            page.goto(f"{address}/sign-in")
            page.get_by_role("link", name="Forgotten password?").click()
            pictures.take(page, "recover")
            page.get_by_label("Email address").fill("alice@example.com")
            page.get_by_role("button", name="Send me a link").click()
            expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible(timeout=MINUTE)
            pictures.take(page, "recovery-sent")
            post.office.recover()
            (path,) = re.findall(r"https://desk\.example\.com(/sign-in/recover/\S+)", text_of(post.compose()))
            page.goto(address + path)
            pictures.take(page, "reset")
            page.get_by_label("New password", exact=True).fill(NEW)
            page.get_by_label("New password again").fill(NEW)
            page.get_by_role("button", name="Replace the password").click()
            told(page, "Your password is replaced")
            pictures.take(page, "replaced")
            page.goto(address + path)
            told(page, "It is used up")
            pictures.take(page, "used-up")

            provider.broken, provider.broken_at = "error", "/token"
            page.goto(f"{address}/sign-in?next=/refunds")
            page.get_by_role("button", name="Sign in with Example login").click()
            page.get_by_role("button", name="Sign in as Alice").click()
            told(page, "Example login does not answer at present.")
            pictures.take(page, "provider-down")
            page.get_by_label("Email address").fill("alice@example.com")
            page.get_by_label("Password").fill(NEW)
            page.get_by_role("button", name="Sign in", exact=True).click()
            page.wait_for_url(f"{address}/refunds")
            assert [one for one in complaints if "Content Security Policy" in one] == []
            context.close()
