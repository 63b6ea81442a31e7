"""A customer's pages in a real browser, with scripts and without: few clicks, a focus that stays, words that are told.

The pages run in this process over a shop whose clock stands still; the hub is not there, so a page that lives is told
to look again by hand. That it is told by itself is for test_journey.py to show.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ca_support import serving
from playwright.sync_api import Browser, Locator, Page, expect
from shop import PASSWORD, Shop

from certlifecycle import Event, State
from webapp.certificates.queries import PAGE_SIZE

pytestmark = pytest.mark.browser
SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["htmx", "no-javascript"])


@pytest.fixture
def address(shop: Shop) -> Iterator[str]:
    """The shop's pages on a free port."""
    with serving(shop.app) as url:
        yield url


class Alice:
    """Alice at a browser, who counts what she presses."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.clicks = 0
        self.loads = 0
        page.on("load", lambda _: self._loaded())

    def _loaded(self) -> None:
        self.loads += 1

    def open(self, where: str) -> None:
        self.page.goto(self.address + where)

    def click(self, what: Locator) -> None:
        self.clicks += 1
        what.click()

    def link(self, label: str) -> Locator:
        # What only a screen reader reads stands apart, so Chromium puts a space before it.
        name = re.compile(re.escape(label).replace(":", " ?:"))
        return self.page.locator("main").get_by_role("link", name=name)

    def button(self, label: str) -> Locator:
        return self.page.locator("main").get_by_role("button", name=label, exact=True)

    def look_again(self) -> None:
        """What the stream does when something has changed."""
        self.page.evaluate("htmx.trigger(document.body, 'desk:refresh')")

    @property
    def said(self) -> Locator:
        """What a screen reader is told."""
        return self.page.locator("#announcer")

    @property
    def focus(self) -> str:
        """What has the focus: its id, or its words."""
        told: str = self.page.evaluate("document.activeElement.id || document.activeElement.innerText.trim()")
        return told


@contextmanager
def alice_at(chromium: Browser, address: str, *, scripts: bool = True, **more: Any) -> Iterator[Alice]:
    """Alice, signed in."""
    context = chromium.new_context(java_script_enabled=scripts, timezone_id="Asia/Shanghai", **more)
    alice = Alice(context.new_page(), address)
    alice.open("/sign-in")
    alice.page.get_by_label("Email address").fill("alice@example.com")
    alice.page.get_by_label("Password").fill(PASSWORD)
    alice.button("Sign in").click()
    alice.page.wait_for_url("**/")
    try:
        yield alice
    finally:
        context.close()


# Three clicks and a sentence


@SCRIPTS
@pytest.mark.parametrize("state", [State.PENDING, State.FAILED, State.REVOKED])
def test_from_the_list_to_a_refund_in_three_clicks_and_one_sentence(
    shop: Shop, chromium: Browser, address: str, state: State, scripts: bool
) -> None:
    certificate = shop.certificate_in(state)
    with alice_at(chromium, address, scripts=scripts) as alice:
        alice.open("/certificates")
        alice.click(alice.link("Refund: www.example.com"))
        alice.click(alice.page.get_by_label("Something else"))
        alice.page.get_by_label("Refund reason").fill("We do not need it any more.")
        alice.click(alice.button("Submit"))
        expect(alice.page.locator("#messages")).to_have_text("Applied, please wait for the verification.")
        assert alice.clicks == 3
    assert shop.get(certificate.id).state == State.REFUND_REQUESTED


@SCRIPTS
def test_help_is_offered_and_skipped_without_a_press(
    shop: Shop, chromium: Browser, address: str, scripts: bool
) -> None:
    shop.certificate_in(State.FAILED)
    with alice_at(chromium, address, scripts=scripts) as alice:
        alice.open("/certificates")
        alice.link("Refund: www.example.com").click()
        expect(alice.page.get_by_text("No record was found.")).to_be_visible()
        alice.link("Go on with the refund").click()
        expect(alice.button("Submit")).to_be_in_viewport()
        alice.link("Submit again").click()
        expect(alice.page.get_by_role("heading", level=1)).to_have_text("Submit for verification")


# Home


@SCRIPTS
def test_home_says_what_needs_her_and_leads_there(shop: Shop, chromium: Browser, address: str, scripts: bool) -> None:
    shop.certificate_in(State.REVOKED)
    shop.clock.advance(days=28)
    with alice_at(chromium, address, scripts=scripts) as alice:
        expect(alice.page.get_by_text("2 days left")).to_be_visible()
        expect(alice.page.get_by_text("3 Jun 2026, 17:00 CST")).to_be_visible()
        alice.link("Apply for the refund: www.example.com").click()
        expect(alice.page.get_by_role("heading", level=1)).to_have_text("Refund application")


def test_home_changes_without_a_reload_and_says_so(shop: Shop, chromium: Browser, address: str) -> None:
    certificate = shop.order()
    with alice_at(chromium, address) as alice:
        loads = alice.loads
        alice.link("Submit: www.example.com").focus()
        shop.order(domain="second.example.com")
        alice.look_again()
        expect(alice.link("Submit: second.example.com")).to_be_visible()
        expect(alice.said).to_have_text("2 things need you.")
        # The link was drawn anew; it is the same link to whoever stood on it.
        assert alice.focus.startswith("Submit")
        assert alice.page.evaluate("document.activeElement.getAttribute('href')").endswith(f"{certificate.id}/submit")
        assert alice.loads == loads


# The list


@SCRIPTS
def test_searching(shop: Shop, chromium: Browser, address: str, scripts: bool) -> None:
    shop.order(domain="shop.example.com")
    shop.order(domain="mail.example.com")
    with alice_at(chromium, address, scripts=scripts) as alice:
        alice.open("/certificates?tab=unsigned")
        loads = alice.loads
        search = alice.page.get_by_label("Search by domain")
        search.press_sequentially("mai")
        if not scripts:
            alice.button("Search").click()
        expect(alice.link("shop.example.com").first).to_have_count(0)
        expect(alice.link("mail.example.com").first).to_be_visible()
        expect(alice.page.get_by_label("Search by domain")).to_have_value("mai")
        assert "q=mai" in alice.page.url
        if scripts:
            assert (alice.focus, alice.loads) == ("find-q", loads)
            expect(alice.said).to_have_text("1 certificate")
            search.press_sequentially("x")
        else:
            alice.open("/certificates?tab=unsigned&q=maix")
        expect(alice.page.get_by_text("has “maix” in its domain")).to_be_visible()
        alice.link("Clear the search").click()
        expect(alice.link("shop.example.com").first).to_be_visible()


@SCRIPTS
def test_sorting(shop: Shop, chromium: Browser, address: str, scripts: bool) -> None:
    for domain in ("b.example.com", "a.example.com", "c.example.com"):
        shop.order(domain=domain)
        shop.clock.advance(minutes=1)
    with alice_at(chromium, address, scripts=scripts) as alice:
        alice.open("/certificates?tab=unsigned")
        loads = alice.loads
        first = alice.page.locator("tbody th a").first
        expect(first).to_have_text("c.example.com")
        head = alice.page.get_by_role("columnheader", name="Certificate")
        head.get_by_role("link").click()
        expect(first).to_have_text("a.example.com")
        expect(head).to_have_attribute("aria-sort", "ascending")
        if scripts:
            assert alice.loads == loads
            # Pressed again where she is: nothing else had the focus in between.
            alice.page.keyboard.press("Enter")
        else:
            head.get_by_role("link").click()
        expect(first).to_have_text("c.example.com")
        expect(head).to_have_attribute("aria-sort", "descending")


def test_on_a_narrow_screen_a_select_sorts(shop: Shop, chromium: Browser, address: str) -> None:
    for domain in ("a.example.com", "b.example.com"):
        shop.order(domain=domain)
        shop.clock.advance(minutes=1)
    with alice_at(chromium, address, viewport={"width": 390, "height": 800}) as alice:
        alice.open("/certificates?tab=unsigned&q=example")
        first = alice.page.locator("tbody th a").first
        expect(first).to_have_text("b.example.com")
        alice.page.get_by_label("Sort by").focus()
        alice.page.get_by_label("Sort by").select_option("Domain, A to Z")
        expect(first).to_have_text("a.example.com")
        assert "q=example" in alice.page.url
        assert alice.focus == "find-sort"


@SCRIPTS
def test_a_search_is_saved_used_and_deleted(shop: Shop, chromium: Browser, address: str, scripts: bool) -> None:
    shop.certificate_in(State.FAILED, domain="failed.example.com")
    with alice_at(chromium, address, scripts=scripts) as alice:
        alice.open("/certificates?tab=unsigned&state=failed")
        alice.page.get_by_text("Save this search").click()
        alice.page.get_by_label("Name", exact=True).fill("To repair")
        alice.button("Save").click()
        alice.open("/certificates")
        alice.link("To repair").click()
        expect(alice.page.get_by_label("State")).to_have_value("failed")
        alice.button("Delete the saved search “To repair”").click()
        expect(alice.link("To repair")).to_have_count(0)


@SCRIPTS
def test_many_at_once(shop: Shop, chromium: Browser, address: str, scripts: bool) -> None:
    certificates = [shop.order(domain=f"n{number}.example.com") for number in range(3)]
    shop.certificate_in(State.SUBMITTED, domain="checked.example.com")
    with alice_at(chromium, address, scripts=scripts) as alice:
        alice.open("/certificates?tab=unsigned")
        bar = alice.page.locator(".many")
        expect(bar).to_be_hidden()
        for number in range(3):
            alice.page.get_by_label(f"Choose n{number}.example.com").check()
        expect(bar).to_be_visible()
        alice.page.get_by_label("Choose checked.example.com").check()
        alice.page.get_by_role("button", name="Apply for refunds").click()
        expect(alice.page.get_by_text("804.00 CNY")).to_be_visible()
        expect(alice.page.get_by_text("Not refundable while it is being verified.")).to_be_visible()
        alice.page.get_by_label("Something else").check()
        alice.page.get_by_label("Refund reason").fill("We moved.")
        alice.button("Submit 3 applications").click()
        expect(alice.page.get_by_text("All of them are done")).to_be_visible()
        alice.link("Back to the list").click()
        assert alice.page.get_by_text("Refund in review").count() >= 3
    assert {shop.get(one.id).state for one in certificates} == {State.REFUND_REQUESTED}


def test_what_is_ticked_stays_ticked_while_the_list_changes(shop: Shop, chromium: Browser, address: str) -> None:
    first, second = shop.order(domain="first.example.com"), shop.order(domain="second.example.com")
    with alice_at(chromium, address) as alice:
        alice.open("/certificates?tab=unsigned")
        alice.page.get_by_label("Choose first.example.com").check()
        shop.fire(second, Event.SUBMIT)
        alice.look_again()
        expect(alice.page.get_by_text("Being verified").first).to_be_visible()
        expect(alice.page.get_by_label("Choose first.example.com")).to_be_checked()
        assert alice.focus == f"pick-{first.id}"
        # And the box of one that has changed says the version that is shown now.
        shop.fire(first, Event.SUBMIT)
        alice.look_again()
        expect(alice.page.locator(f"#pick-{first.id}")).to_have_value(f"{first.id}:{first.version + 1}")
        expect(alice.page.get_by_label("Choose first.example.com")).to_be_checked()


def test_one_box_ticks_the_page_and_says_when_only_some_are(shop: Shop, chromium: Browser, address: str) -> None:
    for number in range(3):
        shop.order(domain=f"n{number}.example.com")
    with alice_at(chromium, address) as alice:
        alice.open("/certificates?tab=unsigned")
        everything = alice.page.get_by_label("Choose all on this page")
        everything.check()
        assert alice.page.locator("tbody [data-keep]:checked").count() == 3
        alice.page.get_by_label("Choose n1.example.com").uncheck()
        assert everything.evaluate("box => box.indeterminate")
        alice.page.get_by_label("Choose n1.example.com").check()
        assert everything.is_checked()
        everything.uncheck()
        expect(alice.page.locator(".many")).to_be_hidden()


def test_all_that_were_found_are_chosen_beyond_the_page(shop: Shop, chromium: Browser, address: str) -> None:
    for number in range(PAGE_SIZE + 2):
        shop.order(domain=f"n{number:02}.example.com")
    with alice_at(chromium, address, scripts=False) as alice:
        alice.open("/certificates?tab=unsigned&q=example")
        alice.page.locator("tbody [data-keep]").first.check()
        alice.page.get_by_label(f"All {PAGE_SIZE + 2} that were found").check()
        alice.page.get_by_role("button", name="Apply for refunds").click()
        expect(alice.button(f"Submit {PAGE_SIZE + 2} applications")).to_be_visible()


# The certificate


def test_the_certificate_s_page_lives_keeps_the_focus_and_tells_what_changed(
    shop: Shop, chromium: Browser, address: str
) -> None:
    certificate = shop.certificate_in(State.VERIFIED)
    with alice_at(chromium, address) as alice:
        alice.open(f"/certificates/{certificate.id}")
        alice.page.locator("#terms summary").click()
        loads = alice.loads
        shop.run_due()
        alice.look_again()
        here = alice.page.locator("[aria-current=step]")
        expect(here).to_contain_text("Issued")
        expect(alice.said).to_contain_text("Issued. Valid until")
        # What was unfolded stays so, and whoever stood on it still does.
        expect(alice.page.locator("#terms")).to_have_attribute("open", "")
        assert alice.focus == "What these words mean"
        assert alice.loads == loads


def test_a_fingerprint_is_copied_with_a_word_about_it(shop: Shop, chromium: Browser, address: str) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    with alice_at(chromium, address, permissions=["clipboard-read", "clipboard-write"]) as alice:
        alice.open(f"/certificates/{certificate.id}")
        alice.button("Copy: Serial number").click()
        expect(alice.said).to_have_text("Copied: Serial number")
        assert alice.page.evaluate("navigator.clipboard.readText()") == certificate.serial


def test_without_scripts_nothing_offers_what_needs_them(shop: Shop, chromium: Browser, address: str) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    with alice_at(chromium, address, scripts=False) as alice:
        alice.open(f"/certificates/{certificate.id}")
        for needs_scripts in ("[data-copy]", "[data-print]"):
            for one in alice.page.locator(needs_scripts).all():
                expect(one).to_be_hidden()
        alice.open("/certificates")
        expect(alice.page.locator("[data-pick-all]")).to_be_hidden()


def test_what_a_page_says_on_top_is_told_when_it_loads(shop: Shop, chromium: Browser, address: str) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    with alice_at(chromium, address) as alice:
        alice.open(f"/certificates/{certificate.id}")
        alice.button("Withdraw the submission").click()
        expect(alice.said).to_have_text("The submission is withdrawn. Submit it again, or apply for a refund.")


def test_checking_now_leads_back_to_where_the_button_was(sqlite_url: str, open_shop: Any, chromium: Browser) -> None:
    shop = open_shop(sqlite_url, resolvers=("127.0.0.1:5354",))
    certificate = shop.certificate_in(State.SUBMITTED)
    page = shop.browser(shop.alice).post(f"/certificates/{certificate.id}/check-now", {"version": 1})
    assert page.location == f"/certificates/{certificate.id}#domain-control"


# Paper


@pytest.mark.parametrize("what", ["certificate", "refund"])
def test_paper_has_all_facts_and_no_navigation(shop: Shop, chromium: Browser, address: str, what: str) -> None:
    certificate = shop.certificate_in(State.REFUNDED)
    refund = shop.refund_of(certificate)
    where = f"/certificates/{certificate.id}" if what == "certificate" else f"/refunds/{refund.id}"
    with alice_at(chromium, address, scripts=False) as alice:
        alice.open(where)
        expect(alice.page.get_by_text("Printed")).to_be_hidden()
        alice.page.emulate_media(media="print")
        for gone in ("nav[aria-label=Main]", ".person", ".colophon", "a.button", "button.button"):
            for one in alice.page.locator(gone).all():
                expect(one).to_be_hidden()
        expect(alice.page.get_by_text("Printed")).to_be_visible()
        facts = [certificate.serial] if what == "certificate" else [refund.policy_version, refund.payout_reference]
        for fact in facts:
            # Also what is folded on the screen.
            expect(alice.page.get_by_text(str(fact), exact=True).first).to_be_visible()


# Everybody can use it


def pages_of(shop: Shop) -> list[str]:
    """Every page of a customer in every state."""
    found = ["/", "/certificates?tab=unsigned", "/certificates?tab=signed&sort=deadline", "/certificates?q=nothing"]
    found += ["/help/states", "/refunds"]
    for state in State:
        certificate = shop.certificate_in(state, domain=f"{state.value.replace('_', '-')}.example.com")
        found.append(f"/certificates/{certificate.id}")
        if state in (State.PENDING, State.FAILED, State.SUBMITTED, State.REVOKED, State.ISSUED):
            found.append(f"/certificates/{certificate.id}/refund")
        if state in (State.REFUND_REQUESTED, State.REFUND_APPROVED, State.REFUNDED, State.REJECTED):
            found.append(f"/refunds/{shop.refund_of(certificate).id}")
    return found


def test_every_button_and_link_is_large_enough(shop: Shop, chromium: Browser, address: str) -> None:
    """WCAG 2.2, 2.5.8: 24 by 24 pixels, except for links in a sentence."""
    pages = pages_of(shop)
    small = """() => [...document.querySelectorAll('main :is(button, a.button, summary, select), thead a, .chip a')]
        .filter((one) => one.checkVisibility({visibilityProperty: true}))
        .filter((one) => Math.min(one.getBoundingClientRect().width, one.getBoundingClientRect().height) < 24)
        .map((one) => one.outerHTML.slice(0, 120))"""
    with alice_at(chromium, address) as alice:
        for where in pages:
            alice.open(where)
            assert alice.page.evaluate(small) == [], where
