"""``make screenshots``: the pictures of the documents, taken from a running demo so that they cannot rot.

Starts a demo shop of its own on free loopback ports and ends it again. The pictures of an earlier run are replaced.
"""

import io
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import chromium
from PIL import Image
from playwright.sync_api import Browser, Page
from processes import free_ports

from webapp.demo import PASSWORD

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "screenshots"
CUSTOMER, REVIEWER = "carla@example.com", "rita@example.com"

Way = Callable[[Page, str], None]
"""How to get from the start page to what is shown; is given the demo's address."""


def to(path: str) -> Way:
    """To an address."""
    return lambda page, base: _open(page, base + path)


def to_certificate(domain: str, *clicks: str, tab: str = "signed") -> Way:
    """To the page of one certificate, and on by the links or buttons with these words."""

    def go(page: Page, base: str) -> None:
        _open(page, f"{base}/certificates?tab={tab}&q={domain}")
        _click(page, domain)
        for words in clicks:
            _click(page, words)

    return go


def to_case(domain: str) -> Way:
    """To one case of the queue."""

    def go(page: Page, base: str) -> None:
        _open(page, f"{base}/review")
        _click(page, domain)

    return go


def _open(page: Page, address: str) -> None:
    page.goto(address, wait_until="load")


def _click(page: Page, words: str) -> None:
    with page.expect_navigation(wait_until="load"):
        page.locator("main").get_by_role("link", name=words).first.click()


SHOTS: dict[str, tuple[str, int, Way]] = {
    "list": (CUSTOMER, 900, to("/certificates?tab=signed")),
    "domain-control": (CUSTOMER, 1000, to_certificate("api.example.com", tab="unsigned")),
    "details": (CUSTOMER, 1000, to_certificate("soon.example.com")),
    "apply": (CUSTOMER, 1000, to_certificate("tomorrow.example.com", "Refund")),
    "refund": (CUSTOMER, 900, to_certificate("waiting.example.com", "Follow the refund")),
    "queue": (REVIEWER, 1000, to("/review")),
    "case": (REVIEWER, 1000, to_case("waiting.example.com")),
    "figures": (REVIEWER, 1150, to("/figures?days=90")),
}
"""For each picture who looks, how high the window is, and the way there."""


def take(browser: Browser, base: str, name: str) -> None:
    """Take one picture."""
    who, height, way = SHOTS[name]
    context = browser.new_context(
        viewport={"width": 1200, "height": height}, color_scheme="light", reduced_motion="reduce", locale="en-GB"
    )
    page = context.new_page()
    _open(page, base)
    page.get_by_label("Email address").fill(who)
    page.get_by_label("Password").fill(PASSWORD)
    with page.expect_navigation(wait_until="load"):
        page.get_by_role("button", name="Sign in").click()
    way(page, base)
    if page.locator("[data-live-status]").count():
        page.wait_for_selector("[data-live-status='live']")
    page.mouse.move(0, 0)
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").save(FOLDER / f"{name}.png", optimize=True)
    context.close()


@contextmanager
def demo() -> Iterator[str]:
    """A demo shop with its data in a folder that is thrown away; gives its address."""
    with tempfile.TemporaryDirectory(prefix="desk-screenshots-") as folder:
        port, live_port = free_ports(2)
        base = f"http://127.0.0.1:{port}"
        settings = {"DATA_DIR": folder, "PORT": str(port), "LIVE_PORT": str(live_port), "WEB_WORKERS": "1"}
        environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
        command = [sys.executable, "-m", "webapp.serve", "--demo"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment | settings)
        try:
            _wait_until_open(process, base)
            yield base
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _wait_until_open(process: "subprocess.Popen[bytes]", base: str) -> None:
    for _ in range(1200):
        if process.poll() is not None:
            raise SystemExit("The demo did not start.")
        try:
            with urllib.request.urlopen(f"{base}/healthz", timeout=5):  # noqa: S310  # Our own loopback address.
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise SystemExit("The demo did not answer within two minutes.")


def main() -> None:
    """Take the pictures that are named on the command line, or all of them."""
    wanted = sys.argv[1:] or list(SHOTS)
    FOLDER.mkdir(exist_ok=True)
    with demo() as base, chromium.running() as browser:
        for name in wanted:
            take(browser, base, name)
            print(f"docs/screenshots/{name}.png")


if __name__ == "__main__":
    main()
