"""Parts of pages that still hold: no cache keeps them, so an open page remembers them itself and asks."""

from collections.abc import Iterator

import pytest
from ca_support import serving
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, Response, expect
from shop import Shop

from webapp.accounts import sessions

pytestmark = pytest.mark.browser

REFRESH = "() => htmx.trigger(document.body, 'desk:refresh')"


@pytest.fixture
def tab(shop: Shop, chromium: Chromium) -> Iterator[Page]:
    """Alice's list, open in a browser."""
    shop.order(domain="first.example.com")
    cookie = shop.browser(shop.alice).client.get_cookie(sessions.cookie_name(shop.settings))
    assert cookie is not None
    with serving(shop.app) as address:
        context = chromium.new_context()
        context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": address}])
        page = context.new_page()
        page.goto(f"{address}/certificates")
        yield page
        context.close()


def refreshed(tab: Page) -> Response:
    """Have the list asked for again, and wait for the answer."""
    with tab.expect_response(lambda one: "/certificates" in one.url) as caught:
        tab.evaluate(REFRESH)
    caught.value.finished()
    return caught.value


def test_what_still_holds_is_not_sent_again_and_is_shown_all_the_same(shop: Shop, tab: Page) -> None:
    first, second = refreshed(tab), refreshed(tab)
    assert (first.status, second.status) == (200, 304)
    assert first.headers["cache-control"] == second.headers["cache-control"] == "no-store"
    # What another answer, or a script, has made of the page meanwhile gives way to what holds.
    row = tab.locator("main").get_by_text("first.example.com").first
    tab.evaluate("() => { document.querySelector('main tbody').textContent = '' }")
    expect(row).to_have_count(0)
    assert refreshed(tab).status == 304
    expect(row).to_be_visible()


def test_what_changed_is_sent_and_from_then_on_holds(shop: Shop, tab: Page) -> None:
    refreshed(tab)
    shop.order(domain="second.example.com")
    assert refreshed(tab).status == 200
    expect(tab.locator("main").get_by_text("second.example.com").first).to_be_visible()
    assert refreshed(tab).status == 304
    expect(tab.locator("main").get_by_text("second.example.com").first).to_be_visible()
