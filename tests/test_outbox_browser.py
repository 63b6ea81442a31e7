"""The outbox in a real browser: counts and entries come and go by themselves, and nothing that is typed is lost."""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from processes import end, eventually, free_ports, start
from shop import PASSWORD, Shop

from certlifecycle import Event, State
from webapp.accounts.models import Account
from webapp.certificates.models import Certificate
from webapp.hindrances import Hindrance
from webapp.parts import present

pytestmark = pytest.mark.browser


@dataclass
class Scene:
    """A shop whose pages and hub are served, without a worker: nothing moves that the test does not move."""

    shop: Shop
    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list)

    def sign_in(self, account: Account, **context: object) -> Page:
        """Somebody's page, signed in. Whatever the browser complains of fails the test."""
        self.contexts.append(self.browser.new_context(**context))  # type: ignore[arg-type]
        page = self.contexts[-1].new_page()
        page.on("pageerror", lambda error: pytest.fail(str(error)))
        page.goto(f"{self.shop.settings.public_url}/sign-in")
        page.get_by_label("Email address").fill(account.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.locator("main").get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/review")
        return page

    def failing(self, state: State = State.VERIFIED) -> Certificate:
        """A certificate for which work fails."""
        self.shop.clock.now = present()
        certificate = self.shop.certificate_in(state)
        self.shop.desk.note_failure(certificate.id, "OSError: gone", Hindrance.UNREACHABLE)
        return certificate


@pytest.fixture
def scene(sqlite_url: str, open_shop: Callable[..., Shop], chromium: Browser) -> Iterator[Scene]:
    port, live_port = free_ports(2)
    here = "http://127.0.0.1"
    addresses = {"public_url": f"{here}:{port}", "live_url": f"{here}:{live_port}/live"}
    shop = open_shop(sqlite_url, port=port, live_port=live_port, **addresses)
    options = ("--interface=wsgi", "--factory", "--no-ws", f"--port={port}", "--workers-kill-timeout=2")
    scene = Scene(shop, chromium)
    processes = [
        start(shop.settings, "-m", "granian", *options, "webapp:create_app"),
        start(shop.settings, "-m", "webapp.live"),
    ]
    try:
        eventually(lambda: _answers(shop.settings.public_url), 60)
        yield scene
    finally:
        for context in scene.contexts:
            context.close()
        for process in processes:
            end(process)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=3):  # noqa: S310  # Our own server.
            return True
    except (urllib.error.URLError, OSError):
        return False


def test_the_count_beside_review_changes_and_the_focus_stays(scene: Scene) -> None:
    page = scene.sign_in(scene.shop.rita)
    page.goto(f"{scene.shop.settings.public_url}/certificates")
    expect(page.locator("[data-live-status=live]")).to_be_visible()
    review = page.get_by_role("navigation", name="Main").get_by_role("link", name="Review")
    expect(review).to_have_text("Review")
    review.focus()
    scene.shop.clock.now = present()
    certificate = scene.shop.certificate_in(State.SUBMITTED)
    expect(review).to_have_text("Review 1")
    expect(review).to_be_focused()
    scene.shop.fire(certificate, Event.VERIFY)
    expect(review).to_have_text("Review")
    expect(review).to_be_focused()


def test_an_administrator_sees_what_fails_and_has_it_tried_again(scene: Scene) -> None:
    page = scene.sign_in(scene.shop.ada)
    page.goto(f"{scene.shop.settings.public_url}/outbox")
    expect(page.get_by_text("Nothing fails")).to_be_visible()
    # A failure leaves no trace in the history: the page finds it all the same, and without being loaded anew.
    loads: list[str] = []
    page.on("load", lambda loaded: loads.append(loaded.url))
    certificate = scene.failing()
    entry = page.locator(f"#work-{certificate.id}")
    expect(entry).to_be_visible()
    entry.get_by_text("Try again…").click()
    reason = entry.get_by_label("Reason")
    reason.fill("The authority says that it is back.")
    # Something else changes while it is being typed, and takes nothing away.
    other = scene.failing(State.REVOKING)
    page.wait_for_timeout(1500)
    expect(reason).to_have_value("The authority says that it is back.")
    assert loads == []
    entry.get_by_role("button", name="Retry now").click()
    expect(page.locator("#messages").get_by_text("It is tried again now.")).to_be_visible()
    expect(page.locator(f"#work-{other.id}")).to_be_visible()
    expect(entry.get_by_text("Ada had it tried again on")).to_be_visible()
    assert scene.shop.history(certificate)[-1].event == "retry"
    scene.shop.fire(scene.shop.get(certificate.id), Event.ISSUE)
    expect(entry).to_have_count(0)
