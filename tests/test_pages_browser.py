"""The figures and the help in a real browser: accessible, inside the screen, and nothing that the policy stops."""

from collections.abc import Iterator

import chromium
import pytest
from ca_support import serving
from conftest import required
from playwright.sync_api import Browser, BrowserContext, Page
from shop import PASSWORD, Shop

from certlifecycle import State

pytestmark = pytest.mark.browser

PAGES = ["/figures?days=7", "/help", "/help/customers", "/help/settings"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of this file."""
    if chromium.path() is None:
        required("Chromium", chromium.INSTALL)
    with chromium.running() as running:
        yield running


@pytest.fixture
def address(shop: Shop) -> Iterator[str]:
    """The pages of a shop in which something has happened, on a free port."""
    shop.certificate_in(State.REFUNDED)
    shop.certificate_in(State.REJECTED)
    with serving(shop.app) as url:
        yield url


def signed_in(browser: Browser, address: str, theme: str, width: int) -> BrowserContext:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=theme,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(f"{address}/sign-in")
    page.get_by_label("Email address").fill("ada@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    with page.expect_navigation():
        page.get_by_role("button", name="Sign in").click()
    page.close()
    return context


def open_page(context: BrowserContext, url: str, complaints: list[str]) -> Page:
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(url)
    return page


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 320)])
def test_the_pages_are_for_everybody(browser: Browser, address: str, theme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    context = signed_in(browser, address, theme, width)
    for path in PAGES:
        complaints: list[str] = []
        page = open_page(context, address + path, complaints)
        for more in page.locator("details").all():
            more.locator("summary").click()
        assert [told for told in complaints if "Content Security Policy" in told] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        found = axe.run(page).response["violations"]
        assert found == [], f"{path} {theme} {width}: {[(one['id'], one['nodes'][0]['target']) for one in found]}"
        page.close()
    context.close()


def test_another_period_is_chosen_without_a_script(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/sign-in?next=/figures")
    page.get_by_label("Email address").fill("ada@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("From", exact=True).fill("2026-05-01")
    page.get_by_label("To", exact=True).fill("2026-05-04")
    page.get_by_role("button", name="Show").click()
    assert page.url.endswith("/figures?from=2026-05-01&to=2026-05-04")
    assert page.get_by_text("Friday, 1 May 2026").first.is_visible()
    context.close()


def test_a_place_of_the_help_is_one_click_away(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 700})
    page = context.new_page()
    page.goto(f"{address}/sign-in")
    page.get_by_role("link", name="Help").click()
    page.get_by_role("link", name="For customers").click()
    page.get_by_role("navigation", name="On this page").get_by_role("link", name="Follow a refund").click()
    assert page.url.endswith("/help/customers#follow-a-refund")
    assert page.get_by_role("heading", name="Follow a refund").is_visible()
    context.close()
