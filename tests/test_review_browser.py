"""Reviewers side by side in real browsers: claims and presence seen live, shortcuts, and no scripts."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from domain_looks import looked
from live_desk import hide
from playwright.sync_api import Browser, Page, expect
from review_support import Console, serving, url_of
from shop import Shop
from sqlmodel import select

from certlifecycle import State
from webapp.review import presence
from webapp.review.models import ReviewClaim

pytestmark = pytest.mark.browser


@pytest.fixture
def console(open_shop: Callable[..., Shop], sqlite_url: str, chromium: Browser) -> Iterator[Console]:
    with serving(open_shop, sqlite_url, chromium) as console:
        yield console


def is_live(tab: Page) -> None:
    """Wait until the page says that it is live."""
    expect(tab.locator("[data-live-status=live]")).to_have_count(1)


def soon(tab: Page, text: str | re.Pattern[str], where: str = "main") -> None:
    """Wait until a text shows."""
    expect(tab.locator(where).get_by_text(text).first).to_be_visible()


def test_a_claim_is_seen_by_the_other_reviewer_at_once_and_can_be_taken_over(console: Console) -> None:
    shop = console.shop
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    with console.tab(shop.rita) as rita, console.tab(shop.robin) as robin:
        rita.goto(console.url + "/review")
        robin.goto(console.url + url_of(certificate))
        is_live(rita)
        is_live(robin)
        loads: list[str] = []
        for tab in (rita, robin):
            tab.on("load", lambda page: loads.append(page.url))

        rita.get_by_role("button", name="Claim: www.example.com").click()
        soon(rita, re.compile("Claimed by you until"))
        soon(robin, re.compile("Claimed by Rita until"), "#claim")
        # The decision asks to be told that it passes the claim over.
        expect(robin.get_by_label("Decide all the same").first).to_be_visible()

        robin.get_by_role("button", name="Take over").click()
        soon(robin, re.compile("Claimed by you until"), "#claim")
        soon(rita, re.compile("Claimed by Robin until"), "#cases")
        soon(rita, re.compile("Robin took it over from you"))

        robin.get_by_role("button", name="Let go").click()
        expect(rita.get_by_role("button", name="Claim: www.example.com")).to_be_visible()
        assert loads == []


def test_claims_show_also_while_rows_are_chosen_and_wait(console: Console) -> None:
    shop = console.shop
    certificate = shop.certificate_in(State.REFUND_REQUESTED, domain="first.example.com")
    with console.tab(shop.rita) as rita:
        rita.goto(console.url + "/review")
        is_live(rita)
        rita.get_by_label("Choose first.example.com").check()
        expect(rita.get_by_text("1 chosen")).to_be_visible()
        shop.certificate_in(State.REFUND_REQUESTED, domain="second.example.com")
        soon(rita, "New cases wait below while you choose")
        shop.browser(shop.robin).post(f"{url_of(certificate)}/claim")
        soon(rita, re.compile("Claimed by Robin until"), "#cases")
        expect(rita.get_by_text("second.example.com")).to_have_count(0)
        rita.get_by_label("Choose first.example.com").uncheck()
        soon(rita, "second.example.com", "#cases")


def test_a_claim_that_has_run_out_goes_by_itself(console: Console) -> None:
    shop = console.shop
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    shop.browser(shop.robin).post(f"{url_of(certificate)}/claim")
    with console.tab(shop.rita) as rita:
        rita.clock.install()
        rita.goto(console.url + url_of(certificate))
        soon(rita, re.compile("Claimed by Robin until"), "#claim")
        shop.clock.advance(minutes=15)
        rita.clock.fast_forward("15:02")
        soon(rita, "Nobody has claimed it.", "#claim")


def test_who_else_looks_comes_and_goes(console: Console) -> None:
    shop = console.shop
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    with console.tab(shop.rita) as rita, console.tab(shop.robin) as robin:
        rita.goto(console.url + url_of(certificate))
        is_live(rita)
        expect(rita.get_by_text("Also looking")).to_have_count(0)
        robin.goto(console.url + url_of(certificate))
        soon(rita, "Also looking: Robin")
        soon(robin, "Also looking: Rita")
        robin.goto(console.url + "/review")
        expect(rita.get_by_text("Also looking")).to_have_count(0)


def test_a_sign_that_overtakes_the_good_bye_keeps_nobody_there(console: Console) -> None:
    shop = console.shop
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    looking = re.compile("Also looking: Robin")
    with console.tab(shop.rita) as rita, console.tab(shop.robin) as robin:
        rita.goto(console.url + url_of(certificate))
        is_live(rita)
        robin.goto(console.url + url_of(certificate))
        is_live(robin)
        with robin.expect_request(lambda asked: "/presence?" in asked.url) as sign:
            robin.mouse.wheel(0, 10)
        soon(rita, looking)
        hide(robin, True)
        expect(rita.get_by_text("Also looking")).to_have_count(0)
        late = robin.request.get(sign.value.url, headers={"HX-Request": "true"})
        assert late.status == 200
        with shop.database.reading() as session:
            assert presence.others(session, certificate.id, shop.rita.actor, shop.clock()) == []
        # Whoever comes back is there again.
        hide(robin, False)
        soon(rita, looking)


def test_work_on_the_case_renews_the_claim_and_an_idle_page_does_not(console: Console) -> None:
    shop = console.shop
    certificate = shop.certificate_in(State.REFUND_REQUESTED)

    def until() -> Any:
        with shop.database.reading() as session:
            return session.exec(select(ReviewClaim.until)).one()

    with console.tab(shop.rita) as rita:
        rita.goto(console.url + url_of(certificate))
        is_live(rita)
        rita.get_by_role("button", name="Claim", exact=True).click()
        soon(rita, re.compile("Claimed by you until"), "#claim")
        before = until()
        # The press itself was work: a sign says so, and there is nothing to renew yet.
        with rita.expect_response(lambda got: "/presence" in got.url and "active" not in got.url):
            pass
        shop.clock.advance(minutes=10)
        with rita.expect_response(lambda got: "/presence" in got.url):
            pass
        assert until() == before
        with rita.expect_response(lambda got: "/presence" in got.url and "active" in got.url):
            rita.mouse.wheel(0, 10)
        assert (until() - before).total_seconds() == 600


def test_a_note_comes_to_the_other_reviewer(console: Console) -> None:
    shop = console.shop
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    with console.tab(shop.rita) as rita, console.tab(shop.robin) as robin:
        for tab in (rita, robin):
            tab.goto(console.url + url_of(certificate))
            is_live(tab)
        robin.locator("#notes summary").click()
        robin.locator("#new-note").fill("The host still answers.")
        robin.get_by_role("button", name="Save the note").click()
        soon(robin, "The host still answers.", "#notes")
        soon(rita, "The host still answers.", "#notes")
        soon(rita, "The host still answers.", "#evidence")


def test_whose_move_it_is_changes_before_whoever_looks(console: Console) -> None:
    shop = console.shop
    certificate = shop.certificate_in(State.SUBMITTED, product="ov")
    with console.tab(shop.alice) as listed, console.tab(shop.alice) as start, console.tab(shop.rita) as queue:
        for tab, path in ((listed, "/certificates"), (start, "/"), (queue, "/review")):
            tab.goto(console.url + path)
            is_live(tab)
        row, case = listed.locator(f"#certificate-{certificate.id}"), queue.locator(f"#case-{certificate.id}")
        expect(row.get_by_text("Your move")).to_be_visible()
        expect(start.get_by_role("link", name="See what to set")).to_be_visible()
        expect(case.get_by_text("Customer’s move")).to_be_visible()
        looked(shop, certificate, held=True)
        expect(row.get_by_text("Reviewer’s move")).to_be_visible()
        expect(start.get_by_text("A reviewer looks at your organisation next.")).to_be_visible()
        expect(case.get_by_text("Customer’s move")).to_have_count(0)


# The keyboard


def test_the_keyboard_leads_everywhere_and_decides_nothing(console: Console) -> None:
    shop = console.shop
    first = shop.certificate_in(State.REFUND_REQUESTED, domain="first.example.com")
    shop.clock.advance(minutes=1)
    second = shop.certificate_in(State.REFUND_REQUESTED, domain="second.example.com")
    with console.tab(shop.rita) as tab:
        tab.goto(console.url + "/review")
        is_live(tab)

        def at(name: str) -> None:
            expect(tab.get_by_role("link", name=name, exact=True)).to_be_focused()

        tab.keyboard.press("j")
        at("first.example.com")
        tab.keyboard.press("j")
        tab.keyboard.press("j")
        at("second.example.com")
        tab.keyboard.press("k")
        at("first.example.com")
        tab.keyboard.press("x")
        expect(tab.get_by_label("Choose first.example.com")).to_be_checked()
        tab.keyboard.press("x")
        tab.keyboard.press("c")
        soon(tab, re.compile("Claimed by you until"), f"#case-{first.id}")
        # The queue was made anew, and the reader is where they were.
        at("first.example.com")
        tab.keyboard.press("/")
        tab.keyboard.type("jk?")
        expect(tab.get_by_label(re.compile("Search by"))).to_have_value("jk?")
        tab.get_by_label(re.compile("Search by")).fill("")
        soon(tab, "first.example.com", "#cases")
        tab.get_by_role("link", name="first.example.com", exact=True).focus()
        tab.keyboard.press("Enter")
        tab.wait_for_url(f"**{url_of(first)}")

        tab.keyboard.press("a")
        expect(tab.get_by_role("button", name="Approve the refund")).to_be_focused()
        tab.keyboard.press("r")
        expect(tab.get_by_label("Text to begin with")).to_be_focused()
        tab.get_by_role("heading", level=1).click()
        tab.keyboard.press("n")
        tab.wait_for_url(f"**{url_of(second)}")
        tab.keyboard.press("g")
        tab.keyboard.press("q")
        tab.wait_for_url("**/review")
    assert [shop.get(one.id).state for one in (first, second)] == [State.REFUND_REQUESTED] * 2


def test_the_sheet_tells_the_shortcuts_and_switches_them_off(console: Console) -> None:
    console.shop.certificate_in(State.REFUND_REQUESTED)
    with console.tab(console.shop.rita) as tab:
        tab.goto(console.url + "/review")
        tab.keyboard.press("?")
        sheet = tab.get_by_role("dialog", name="Shortcuts")
        expect(sheet).to_be_visible()
        # Nothing behind an open sheet hears a key.
        tab.keyboard.press("j")
        expect(sheet.get_by_role("button", name="Close")).to_be_focused()
        sheet.get_by_label("Use shortcuts in this browser").uncheck()
        tab.keyboard.press("Escape")
        expect(sheet).to_be_hidden()
        tab.reload()
        tab.keyboard.press("j")
        expect(tab.get_by_role("link", name="www.example.com", exact=True)).not_to_be_focused()
        tab.get_by_role("button", name="Shortcuts").click()
        expect(sheet).to_be_visible()
        sheet.get_by_label("Use shortcuts in this browser").check()
        tab.keyboard.press("Escape")
        tab.keyboard.press("Control+j")
        expect(tab.get_by_role("link", name="www.example.com", exact=True)).not_to_be_focused()
        tab.keyboard.press("j")
        expect(tab.get_by_role("link", name="www.example.com", exact=True)).to_be_focused()


def test_a_text_is_filled_in_without_a_round_trip(console: Console) -> None:
    certificate = console.shop.certificate_in(State.REFUND_REQUESTED)
    with console.tab(console.shop.rita) as tab:
        tab.goto(console.url + url_of(certificate))
        tab.keyboard.press("r")
        words, advice = tab.locator("#words"), tab.locator("#instructions")
        use = tab.get_by_role("button", name="Use", exact=True)
        tab.get_by_label("Text to begin with").select_option("Still in use")
        expect(words).to_have_value("")
        use.click()
        expect(words).to_have_value("The certificate was still in use when we looked.")
        expect(advice).to_have_value("Install another certificate on your servers, then apply again.")
        expect(words).to_be_focused()
        # Another text takes the place of the first, and nothing takes that of somebody's own words.
        tab.get_by_label("Text to begin with").select_option("Reason not clear")
        use.click()
        expect(advice).to_have_value("Apply again and tell us what happened.")
        words.fill("My own words.")
        use.click()
        expect(words).to_have_value(re.compile(r"^My own words\.\nFrom the reason that you gave"))
    assert console.shop.get(certificate.id).state == State.REFUND_REQUESTED


# Without scripts


def test_everything_works_without_scripts(console: Console) -> None:
    shop = console.shop
    first = shop.certificate_in(State.REFUND_REQUESTED, domain="first.example.com")
    shop.clock.advance(minutes=1)
    second = shop.certificate_in(State.REFUND_REQUESTED, domain="second.example.com")
    third = shop.certificate_in(State.SUBMITTED, domain="third.example.com")
    with console.tab(shop.rita, scripts=False) as tab:
        tab.goto(console.url + "/review?kind=refund")
        expect(tab.get_by_role("button", name="Shortcuts")).to_be_hidden()
        tab.get_by_role("button", name="Claim: first.example.com").click()
        expect(tab.locator("#messages")).to_contain_text("first.example.com: Claimed by you until")
        assert tab.url.endswith("/review?kind=refund")
        tab.get_by_role("link", name="first.example.com", exact=True).click()
        tab.locator("#refusing summary").first.click()
        tab.get_by_label("Text to begin with").select_option("Still in use")
        tab.get_by_role("button", name="Use", exact=True).click()
        expect(tab.locator("#words")).to_have_value("The certificate was still in use when we looked.")
        tab.get_by_role("button", name="Refuse the refund").click()
        soon(tab, "is refused; the customer reads why", "#messages")
        assert shop.get(first.id).state == State.REJECTED

        tab.goto(console.url + "/review")
        for name in ("second.example.com", "third.example.com"):
            tab.get_by_label(f"Choose {name}").check()
        tab.get_by_role("button", name="Approve selected").click()
        expect(tab.get_by_text("This is a verification: verify it or refuse it.")).to_be_visible()
        tab.get_by_role("button", name="Approve them").click()
        soon(tab, "Approved; the money is being sent.")
        soon(tab, "This is a verification: verify it or refuse it.")
    assert shop.get(second.id).state == State.REFUND_APPROVED
    assert shop.get(third.id).state == State.SUBMITTED
