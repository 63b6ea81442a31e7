"""People at real browsers in front of a running desk: what the tests of whole journeys are told with."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from chromium import PATIENCE
from complaints import complaints_of
from playwright.sync_api import Browser, Locator, Page, expect
from processes import end, environment, eventually, free_ports
from shop import signing_request, test_settings

from webapp.demo import PASSWORD


@dataclass
class Console:
    """A running desk."""

    url: str
    folder: Path


@contextmanager
def running_console(folder: Path, **more: str) -> Iterator[Console]:
    """The desk as ``make run`` starts it, in a folder of its own; ``more`` are further settings."""
    port, live_port = free_ports(2)
    url = f"sqlite:///{folder / 'desk.sqlite3'}"
    settings = test_settings(url, folder, port=port, live_port=live_port)
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "webapp.serve", "--demo"],
        env=environment(settings, **more),
        stdout=log,
        stderr=log,
    )
    try:
        eventually(lambda: b"is open at" in (folder / "log").read_bytes(), 180)
        yield Console(f"http://127.0.0.1:{port}", folder)
    finally:
        end(process)
        log.close()
    assert process.returncode == 0, (folder / "log").read_text()


class Person:
    """Somebody at a browser. With ``scripts`` they never reload; without, they do."""

    def __init__(self, browser: Browser, console: Console, email: str, *, scripts: bool) -> None:
        self.console = console
        self.scripts = scripts
        self.context = browser.new_context(java_script_enabled=scripts, timezone_id="Asia/Shanghai")
        self.page: Page = self.context.new_page()
        self.problems = complaints_of(self.page)
        self.open("/sign-in")
        self.page.get_by_label("Email address").fill(email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.press("Sign in")

    def open(self, where: str) -> None:
        """Type an address."""
        self.page.goto(self.console.url + where)

    def press(self, button: str) -> None:
        """Press a button of the page's content."""
        self._click(self.page.locator("main").get_by_role("button", name=button, exact=True))

    def follow(self, link: str | re.Pattern[str], *, exact: bool = False) -> None:
        """Follow a link of the page's content to another page."""
        self._click(self.page.locator("main").get_by_role("link", name=link, exact=exact).first)

    def _click(self, what: Locator) -> None:
        """Click. Without scripts that loads a page, and nobody reloads one before it came: that would break it off."""
        with nullcontext() if self.scripts else self.page.expect_navigation(timeout=PATIENCE):
            what.click()

    def sees(self, text: str, patience: float = PATIENCE) -> None:
        """Wait until a text shows in the content: by itself with scripts, by reloading without."""
        wanted = self.page.locator("main").get_by_text(text).first
        if self.scripts:
            expect(wanted).to_be_visible(timeout=patience)
            return

        def shows() -> bool:
            self.page.reload()
            return wanted.is_visible()

        eventually(shows, patience / 1000)

    def watches(self, act: Callable[[], None], text: str) -> None:
        """See what somebody else did. With scripts it comes to this page without the page being loaded anew."""
        # What the person did before may still be arriving.
        self.page.wait_for_load_state()
        loads: list[str] = []
        self.page.on("load", lambda page: loads.append(page.url))
        act()
        self.sees(text)
        if self.scripts:
            assert loads == []

    def close(self) -> None:
        """Leave, having seen no error."""
        self.context.close()
        assert self.problems == [], self.problems


def download(person: Person, folder: Path) -> Path:
    """Download the chain, as the button does."""
    chain = folder / "chain.pem"
    with person.page.expect_download() as downloading:
        person.page.locator("main").get_by_role("link", name="Download PEM").first.click()
    downloading.value.save_as(chain)
    return chain


def order(person: Person, domain: str, price: str = "268.00 CNY") -> str:
    """Order a certificate for a domain; returns the address of its page."""
    person.open("/order")
    person.follow("Order")
    person.page.get_by_role("textbox", name="Domain").fill(domain)
    person.press(f"Order and pay {price}")
    expect(person.page.get_by_role("heading", name=domain, level=1)).to_be_visible()
    return person.page.url


def hand_in(person: Person, domain: str) -> None:
    """From the page of a certificate, hand in a CSR for its domain."""
    person.follow("Submit for verification")
    person.page.get_by_label(re.compile("CSR")).first.fill(signing_request(domain))
    person.press("Check the CSR")
    person.sees("EC, P-256")
    person.press("Submit for verification")


def revoke(person: Person, domain: str, reason: str = "superseded") -> None:
    """From the page of a certificate, revoke it."""
    person.follow("Revoke")
    person.page.locator(f"input[name=reason][value={reason}]").check()
    person.page.get_by_role("textbox", name="Domain").fill(domain)
    person.press("Revoke")
