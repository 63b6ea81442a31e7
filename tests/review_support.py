"""What the tests of the reviewers' pages share: finding rows and parts, deciding, and a desk for real browsers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ca_support import serving as serving_pages
from complaints import complaints_of
from live_support import HubProcess
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page as Tab
from processes import free_ports
from shop import Browser, Page, Shop

from webapp.accounts import sessions
from webapp.accounts.models import Account
from webapp.certificates.models import Certificate

REJECTION = {"words": "The site still uses it.", "instructions": "Install another one first."}
FAILURE = {"words": "There was no record."}


def url_of(certificate: Certificate) -> str:
    """The address of a case."""
    return f"/review/{certificate.id}"


def element(page: Page, key: str) -> Any:
    """The element with this id."""
    return next(node for node in page.tree.iter() if node.get("id") == key)


def text_of(node: Any) -> str:
    """What a reader sees of an element, with white space folded."""
    return " ".join(" ".join(node.itertext()).split())


def button(page: Page, label: str) -> Any:
    """The button with this label."""
    return next(node for node in page.tree.iter("button") if "".join(node.itertext()) == label)


def rows(page: Page) -> list[Any]:
    """The rows of the queue."""
    return [node for node in page.tree.iter("tr") if (node.get("id") or "").startswith("case-")]


def domains(page: Page) -> list[str]:
    """The domains of the queue's rows, in their order."""
    return ["".join(next(iter(row.iter("a"))).itertext()) for row in rows(page)]


def row_of(page: Page, certificate: Certificate) -> str:
    """What the row of a certificate says."""
    (found,) = [row for row in rows(page) if row.get("id") == f"case-{certificate.id}"]
    return text_of(found)


def decide(browser: Browser, certificate: Certificate, verb: str, status: int = 303, **more: Any) -> Page:
    """Send a decision as the case's page would."""
    htmx = more.pop("htmx", False)
    data = {"version": certificate.version} | more
    return browser.post(f"{url_of(certificate)}/{verb}", data, status, htmx=htmx)


@dataclass
class Console:
    """A shop that real browsers reach, with its live hub; the shop can be acted on beside them."""

    shop: Shop
    chromium: Chromium
    url: str

    @contextmanager
    def tab(self, account: Account, *, scripts: bool = True, **context: Any) -> Iterator[Tab]:
        """Somebody's browser, signed in; it must not complain about anything while it is used."""
        session = self.shop.browser(account).client
        name = sessions.cookie_name(self.shop.settings)
        token = session.get_cookie(name)
        assert token is not None
        opened = self.chromium.new_context(java_script_enabled=scripts, timezone_id="Asia/Shanghai", **context)
        opened.add_cookies([{"name": name, "value": token.value, "url": self.url}])
        tab = opened.new_page()
        problems = complaints_of(tab)
        try:
            yield tab
        finally:
            opened.close()
        assert problems == [], problems


@contextmanager
def serving(
    open_shop: Callable[..., Shop], database_url: str, chromium: Chromium, **settings: Any
) -> Iterator[Console]:
    """Serve a shop on free ports, with the time of the clock on the wall, which is the browsers' as well."""
    port, live_port = free_ports(2)
    url = f"http://127.0.0.1:{port}"
    shop = open_shop(
        database_url,
        port=port,
        live_port=live_port,
        public_url=url,
        live_url=f"http://127.0.0.1:{live_port}/live",
        console_origins=(url,),
        **settings,
    )
    shop.clock.now = datetime.now(UTC)
    hub = HubProcess(database_url, secret_key=shop.settings.secret_key, port=live_port, origins=(url,), heartbeat=1.0)
    with hub, serving_pages(shop.app, port):
        yield Console(shop, chromium, url)
