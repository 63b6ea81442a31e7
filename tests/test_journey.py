"""The whole journey in real browsers, by two people side by side: from the order to the money on the account.

Everything runs as ``make run`` runs it: the pages, the worker, the hub, the built-in CA. Once with scripts, where each
sees the other's step without reloading, and once without, where every page and form must work just the same.
"""

import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from chromium import INSTALL, path, running
from conftest import required
from playwright.sync_api import Browser, Page, expect
from processes import end, environment, eventually
from shop import signing_request, test_settings

from webapp.demo import PASSWORD

DOMAIN = "journey.example.com"
PATIENCE = 20_000
"""Milliseconds that a step of the other person, or of the worker, may take to show."""


def free_ports() -> tuple[int, int]:
    """Two ports that nobody uses."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


@dataclass
class Console:
    """A running desk."""

    url: str
    folder: Path


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """The desk as ``make run`` starts it, in a folder of its own."""
    folder = tmp_path_factory.mktemp("console")
    port, live_port = free_ports()
    url = f"sqlite:///{folder / 'desk.sqlite3'}"
    settings = test_settings(url, folder, port=port, live_port=live_port)
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "webapp.serve", "--demo"],
        env=environment(settings),
        stdout=log,
        stderr=log,
    )
    try:
        eventually(lambda: b"is open at" in (folder / "log").read_bytes(), 60)
        yield Console(f"http://127.0.0.1:{port}", folder)
    finally:
        end(process)
        log.close()
    assert process.returncode == 0, (folder / "log").read_text()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for this file; each person gets a profile of their own."""
    if path() is None:
        required("Chromium", INSTALL)
    with running() as browser:
        yield browser


class Person:
    """Somebody at a browser. With ``scripts`` they never reload; without, they do."""

    def __init__(self, browser: Browser, console: Console, email: str, *, scripts: bool) -> None:
        self.console = console
        self.scripts = scripts
        self.context = browser.new_context(java_script_enabled=scripts, timezone_id="Asia/Shanghai")
        self.page: Page = self.context.new_page()
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on(
            "console",
            lambda message: self.problems.append(message.text) if message.type == "error" else None,
        )
        self.open("/sign-in")
        self.page.get_by_label("Email address").fill(email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.press("Sign in")

    def open(self, where: str) -> None:
        """Type an address."""
        self.page.goto(self.console.url + where)

    def press(self, button: str) -> None:
        """Press a button of the page's content."""
        self.page.locator("main").get_by_role("button", name=button, exact=True).click()

    def follow(self, link: str | re.Pattern[str]) -> None:
        """Follow a link of the page's content."""
        self.page.locator("main").get_by_role("link", name=link).first.click()

    def sees(self, text: str) -> None:
        """Wait until a text shows in the content: by itself with scripts, by reloading without."""
        wanted = self.page.locator("main").get_by_text(text).first
        if self.scripts:
            expect(wanted).to_be_visible(timeout=PATIENCE)
            return

        def shows() -> bool:
            self.page.reload()
            return wanted.is_visible()

        eventually(shows, PATIENCE / 1000)

    def watches(self, act: Callable[[], None], text: str) -> None:
        """See what somebody else did. With scripts it comes to this page without the page being loaded anew."""
        loads: list[str] = []
        self.page.on("load", lambda page: loads.append(page.url))
        act()
        self.sees(text)
        if self.scripts:
            assert loads == []

    def close(self) -> None:
        """Leave, having seen no error."""
        self.context.close()
        assert self.problems == []


@pytest.mark.parametrize("scripts", [True, False], ids=["htmx", "no-javascript"])
def test_from_order_to_refund_with_two_people_side_by_side(
    console: Console, chromium: Browser, tmp_path: Path, scripts: bool
) -> None:
    domain = DOMAIN if scripts else f"plain.{DOMAIN}"
    carla = Person(chromium, console, "carla@example.com", scripts=scripts)
    rita = Person(chromium, console, "rita@example.com", scripts=scripts)

    # Carla orders.
    carla.open("/order")
    balance = carla.page.get_by_text("Your balance:").inner_text()
    carla.page.locator("main").get_by_role("link", name="Order").first.click()
    carla.page.get_by_role("textbox", name="Domain").fill(domain)
    carla.press("Order and pay 268.00 CNY")
    expect(carla.page.get_by_role("heading", name=domain, level=1)).to_be_visible()
    details = carla.page.url
    carla.sees("Refundable: it was never submitted for verification.")

    # She hands in a CSR; Rita, who looks at her queue, sees it come in.
    rita.open("/review")
    carla.follow("Submit for verification")
    carla.page.get_by_label(re.compile("CSR")).first.fill(signing_request(domain))
    carla.press("Check the CSR")
    carla.sees("EC, P-256")
    rita.watches(lambda: carla.press("Submit for verification"), domain)

    # Rita verifies; the CA issues; Carla sees both.
    rita.page.get_by_role("link", name=domain, exact=True).click()
    carla.watches(lambda: rita.press("Verify"), "Download PEM")
    chain = download(carla, tmp_path)
    assert_openssl(console, chain, tmp_path, revoked=False)

    # Carla revokes, and reads beforehand whether the money comes back.
    carla.follow("Revoke")
    carla.sees("Your money can come back")
    carla.page.locator("input[name=reason][value=superseded]").check()
    carla.page.get_by_role("textbox", name="Domain").fill(domain)
    carla.press("Revoke")
    carla.sees("Browsers no longer accept it.")
    assert_openssl(console, chain, tmp_path, revoked=True)

    # She applies, and Rita sees it come in.
    rita.open("/review")
    carla.page.goto(details)
    carla.follow("Refund")
    carla.page.locator("input[name=reason_code][value=not_needed]").check()
    carla.page.locator("textarea[name=reason]").fill("The site moved to another address.")
    rita.watches(lambda: carla.press("Submit"), domain)
    expect(carla.page.get_by_text("Applied, please wait for the verification.").first).to_be_visible()
    carla.sees("In review")

    # Rita approves; the worker pays; Carla watches it happen.
    rita.page.get_by_role("link", name=domain, exact=True).click()
    carla.watches(lambda: rita.press("Approve the refund"), "ledger")
    carla.sees("Refunded")
    carla.open("/order")
    assert carla.page.get_by_text("Your balance:").inner_text() == balance

    carla.close()
    rita.close()


def download(person: Person, folder: Path) -> Path:
    """Download the chain, as the button does."""
    chain = folder / "chain.pem"
    with person.page.expect_download() as downloading:
        person.follow("Download PEM")
    downloading.value.save_as(chain)
    return chain


def assert_openssl(console: Console, chain: Path, folder: Path, *, revoked: bool) -> None:
    """OpenSSL, asked with the CA's own CRL and OCSP responder, must agree with the desk."""
    fetched = {}
    for name in ("root.crt", "root.crl", "issuing.crt", "issuing.crl"):
        with urllib.request.urlopen(f"{console.url}/ca/{name}") as answer:  # noqa: S310
            fetched[name] = folder / name
            fetched[name].write_bytes(answer.read())
    for name in ("root.crt", "issuing.crt"):
        openssl("x509", "-inform", "DER", "-in", fetched[name], "-out", fetched[name].with_suffix(".pem"))
    for name in ("root.crl", "issuing.crl"):
        openssl("crl", "-inform", "DER", "-in", fetched[name], "-out", fetched[name].with_suffix(".crl.pem"))
    lists = folder / "lists.pem"
    lists.write_bytes((folder / "root.crl.pem").read_bytes() + (folder / "issuing.crl.pem").read_bytes())
    verified = openssl(
        "verify",
        "-crl_check_all",
        "-CAfile",
        folder / "root.pem",
        "-CRLfile",
        lists,
        "-untrusted",
        chain,
        chain,
        status=2 if revoked else 0,
    )
    assert ("certificate revoked" if revoked else ": OK") in verified
    asked = openssl(
        "ocsp",
        "-issuer",
        folder / "issuing.pem",
        "-cert",
        chain,
        "-url",
        f"{console.url}/ca/ocsp",
        "-CAfile",
        folder / "root.pem",
        "-verify_other",
        folder / "issuing.pem",
    )
    assert f"{chain}: {'revoked' if revoked else 'good'}" in asked
    assert "Response verify OK" in asked


def openssl(*words: str | Path, status: int = 0) -> str:
    """Run the command and return all it printed."""
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr
