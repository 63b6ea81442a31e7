"""The bar in a real browser: it moves by itself and is true, can be left and come back to; and without scripts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from ca_support import serving
from job_support import decide, executor, job_of, key_of
from playwright.sync_api import Browser, Page, expect
from shop import Shop

from certlifecycle import Event, State
from webapp.accounts import sessions
from webapp.accounts.models import Account

pytestmark = pytest.mark.browser


@pytest.fixture
def served(shop: Shop) -> Iterator[str]:
    """The shop's pages on a free port. No hub: the bar needs none."""
    with serving(shop.app) as url:
        yield url


@contextmanager
def page_of(chromium: Browser, shop: Shop, served: str, who: Account, *, scripts: bool = True) -> Iterator[Page]:
    """Somebody's browser, signed in."""
    cookie = shop.browser(who).client.get_cookie(sessions.cookie_name(shop.settings))
    assert cookie is not None
    context = chromium.new_context(java_script_enabled=scripts)
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": served}])
    try:
        yield context.new_page()
    finally:
        context.close()


def ask(shop: Shop, count: int = 4) -> tuple[str, Callable[[int], None]]:
    """A job of Rita's, and a worker that takes so many steps when it is told to."""
    certificates = [shop.certificate_in(State.SUBMITTED, domain=f"{n}.example.com") for n in range(count)]
    job_id = decide(shop, shop.rita, Event.VERIFY, certificates)

    def go_on(steps: int) -> None:
        turns = iter([False] * steps + [True])
        executor(shop, is_stopping=lambda: next(turns)).run(job_id, key_of(job_of(shop, job_id)))

    return job_id, go_on


def test_the_bar_moves_by_itself_and_the_page_can_be_left(chromium: Browser, shop: Shop, served: str) -> None:
    job_id, go_on = ask(shop)
    with page_of(chromium, shop, served, shop.rita) as page:
        page.goto(f"{served}/jobs/{job_id}")
        loads: list[str] = []
        asked: list[str] = []
        page.on("load", lambda one: loads.append(one.url))
        page.on("request", lambda one: asked.append(one.url))
        bar = page.locator("#job progress")
        expect(bar).to_have_attribute("value", "0")
        go_on(1)
        expect(bar).to_have_attribute("value", "1")
        expect(page.get_by_text("1 of 4").first).to_be_visible()
        expect(page.locator("#item-0")).to_contain_text("Verified.")
        expect(page.locator("#item-1")).to_contain_text("Not yet")
        assert loads == []

        # Left, and come back to by the sign in the navigation.
        page.goto(f"{served}/review")
        expect(page.locator("#under-way")).to_be_visible()
        go_on(2)
        page.locator("#under-way").click()
        expect(bar).to_have_attribute("value", "3")

        loads.clear()
        go_on(2)
        expect(page.get_by_text("Everything is done.").first).to_be_visible()
        expect(bar).to_have_attribute("value", "4")
        expect(page.locator("#job-news")).to_have_text("Finished. Everything is done.")
        expect(page.locator("#under-way")).to_be_hidden()
        assert loads == []
        # It has ended, so nobody asks any more; no hub runs here, which is tried again now and then.
        asked.clear()
        page.wait_for_timeout(2500)
        assert [one for one in asked if one.startswith(served)] == []


def test_a_button_keeps_the_focus_while_the_bar_stands_still(chromium: Browser, shop: Shop, served: str) -> None:
    """An answer that says nothing new replaces nothing: whoever has tabbed to the button can press it."""
    job_id, _ = ask(shop)
    with page_of(chromium, shop, served, shop.rita) as page:
        page.goto(f"{served}/jobs/{job_id}")
        stop = page.get_by_role("button", name="Stop")
        stop.focus()
        with page.expect_response(lambda one: f"/jobs/{job_id}" in one.url):
            pass
        with page.expect_response(lambda one: f"/jobs/{job_id}" in one.url):
            pass
        expect(stop).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_text("Stopped by Rita.").first).to_be_visible()


def test_without_scripts_loading_again_shows_how_far_it_is(chromium: Browser, shop: Shop, served: str) -> None:
    job_id, go_on = ask(shop)
    with page_of(chromium, shop, served, shop.rita, scripts=False) as page:
        page.goto(f"{served}/jobs/{job_id}")
        bar = page.locator("#job progress")
        expect(bar).to_have_attribute("value", "0")
        go_on(2)
        page.get_by_role("link", name="Load the page again to see how far it is.").click()
        expect(bar).to_have_attribute("value", "2")
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("Stopped by Rita.").first).to_be_visible()
        expect(page.locator("#item-3")).to_contain_text("Left as it is")
