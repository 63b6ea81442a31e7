"""That tests in a browser hear what goes wrong there."""

from collections.abc import Iterator

import pytest
from complaints import complaints_of
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Page]:
    tab = chromium.new_page()
    yield tab
    tab.close()


def say(tab: Page, *lines: str) -> None:
    """Have the page's console tell these errors, and wait until they were heard."""
    with tab.expect_console_message(lambda message: message.text == "the end"):
        tab.evaluate("lines => { for (const line of lines) console.error(line); console.info('the end'); }", lines)


def test_errors_are_heard_and_what_is_said_otherwise_is_not(tab: Page) -> None:
    heard = complaints_of(tab)
    tab.evaluate("console.info('nothing'); console.warn('not much')")
    say(tab, "Something broke")
    with tab.expect_event("pageerror"):
        tab.evaluate("setTimeout(() => { throw new Error('A script broke'); })")
    assert len(heard) == 2
    assert heard[0].startswith("Something broke (")
    assert "A script broke" in heard[1]


def test_a_request_that_was_broken_off_is_no_complaint_and_one_that_failed_is(tab: Page) -> None:
    heard = complaints_of(tab)
    say(tab, "htmx:afterRequest, [object Element]", "htmx:sendAbort, [object Element]")
    assert heard == []
    say(tab, "htmx:afterRequest, [object Element]", "htmx:sendError, [object Element]")
    assert [one.split(",")[0] for one in heard] == ["htmx:afterRequest", "htmx:sendError"]
    # Only its own first line goes with the second.
    say(tab, "htmx:afterRequest, [object Other]", "htmx:sendAbort, [object Element]")
    assert len(heard) == 3
