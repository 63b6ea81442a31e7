"""In real browsers: a passkey proves again who one is, and a right that is taken leaves open pages at once."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from ca_support import serving as serving_pages
from playwright.sync_api import Browser, expect
from review_support import serving, url_of
from shop import PASSWORD, Shop
from test_passkeys import Device
from test_review_browser import is_live, soon
from test_rights import LOOK

from certlifecycle import PRESETS, State
from webapp.certificates.models import Channel
from webapp.desk import By
from webapp.people.changing import Standing, change

pytestmark = pytest.mark.browser


@pytest.fixture
def shop(open_shop: Callable[..., Shop], sqlite_url: str) -> Shop:
    """Above 100.00 CNY two reviewers decide."""
    return open_shop(sqlite_url, policy=replace(PRESETS["30-days-from-issue"], two_reviewers_above_minor=10_000))


@pytest.fixture
def address(shop: Shop) -> Iterator[str]:
    """Its pages under the name of this machine, for which browsers know passkeys without TLS."""
    with serving_pages(shop.app) as url:
        here = f"http://localhost:{urlsplit(url).port}"
        object.__setattr__(shop.parts, "settings", replace(shop.settings, public_url=here, console_origins=(here,)))
        yield here


def test_a_passkey_proves_it_and_what_was_typed_goes_along(shop: Shop, address: str, chromium: Browser) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    rita = Device(chromium, address)
    rita.password("rita@example.com")
    rita.page.goto(f"{address}/account/passkeys/add")
    rita.page.get_by_label("Name of the passkey").fill("Office laptop")
    rita.page.get_by_label("Your password").fill(PASSWORD)
    rita.press("Add a passkey")
    shop.clock.advance(minutes=11)

    rita.page.goto(f"{address}{url_of(certificate)}")
    rita.page.get_by_text("With an internal note").first.click()
    rita.page.locator("#go-note").fill("Called the customer.")
    rita.press("Approve the refund")
    assert "Confirm that it is you" in rita.words
    # Presence alone is no proof: the device has to have asked for a finger or a PIN.
    rita.verifies(False)
    rita.page.get_by_role("button", name="Use a passkey").click()
    rita.page.get_by_text("No passkey was used.").wait_for()
    rita.verifies(True)
    with rita.page.expect_navigation():
        rita.page.get_by_role("button", name="Use a passkey").click()
    assert shop.get(certificate.id).version == certificate.version + 1
    rita.page.goto(f"{address}{url_of(certificate)}")
    assert "Called the customer." in rita.words
    assert [one for one in rita.complaints if "Content Security Policy" in one or "Error" in one] == []


def test_a_right_that_is_taken_leaves_the_open_page_at_once(
    open_shop: Callable[..., Shop], sqlite_url: str, chromium: Browser
) -> None:
    with serving(open_shop, sqlite_url, chromium) as console:
        shop = console.shop
        certificate = shop.certificate_in(State.SUBMITTED)
        ada = By(shop.ada.actor, Channel.WEB)
        standing = Standing.of(shop.rita)
        with console.tab(shop.rita) as rita:
            rita.goto(console.url + url_of(certificate))
            is_live(rita)
            looks_only = replace(standing, may_decide=False)
            change(shop.desk, ada, shop.rita.id, str(standing), looks_only, "On leave.")
            soon(rita, LOOK, "#decision")
            change(shop.desk, ada, shop.rita.id, str(looks_only), standing, "Back again.")
            expect(rita.locator("#decision #go")).to_be_visible()
