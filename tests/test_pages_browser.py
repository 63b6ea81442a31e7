"""The figures and the help in a real browser. Whether they suit everybody is for test_every_page.py to show."""

from collections.abc import Iterator

import chromium
import pytest
from ca_support import serving
from conftest import required
from playwright.sync_api import Browser
from shop import PASSWORD, Shop

from certlifecycle import State

pytestmark = pytest.mark.browser


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
