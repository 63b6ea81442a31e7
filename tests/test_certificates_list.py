"""The list of certificates: tabs, search, paging, rows, and who sees what."""

import re
from datetime import timedelta
from itertools import pairwise

import pytest
from pages import link, links, selects_of, value
from shop import Page, Shop

from certlifecycle import Event, State
from webapp.certificates.models import PaymentMethod
from webapp.certificates.queries import PAGE_SIZE


def domains(page: Page) -> list[str]:
    """The domains of the rows, from above."""
    rows = [node for node in page.tree.iter("th") if node.get("scope") == "row"]
    return ["".join(row.find("a").itertext()) for row in rows]


def without_secrets(text: str) -> str:
    """The page without the forms' secrets, which are signed anew for every answer."""
    return re.sub(r'(name="csrf_token" value=")[^"]*', r"\1", text)


def test_the_tabs_part_what_was_issued_from_what_was_not(shop: Shop) -> None:
    shop.certificate_in(State.PENDING, domain="new.example.com")
    shop.certificate_in(State.FAILED, domain="failed.example.com")
    shop.certificate_in(State.ISSUED, domain="issued.example.com")
    browser = shop.browser(shop.alice)

    unsigned = browser.get("/certificates?tab=unsigned")
    assert set(domains(unsigned)) == {"failed.example.com", "new.example.com"}
    assert "Unsigned 2" in unsigned.words
    assert "Signed 1" in unsigned.words

    assert domains(browser.get("/certificates?tab=signed")) == ["issued.example.com"]


@pytest.mark.parametrize("origin", [State.PENDING, State.REVOKED])
def test_a_certificate_under_refund_stays_on_its_tab(shop: Shop, origin: State) -> None:
    certificate = shop.certificate_in(origin)
    shop.fire(certificate, Event.REQUEST_REFUND)
    tab = "unsigned" if origin is State.PENDING else "signed"
    page = shop.browser(shop.alice).get(f"/certificates?tab={tab}")
    assert domains(page) == ["www.example.com"]
    assert "Refund" in page.words


def test_whoever_has_only_issued_ones_is_shown_those(shop: Shop) -> None:
    shop.certificate_in(State.ISSUED)
    page = shop.browser(shop.alice).get("/certificates")
    assert domains(page) == ["www.example.com"]
    assert "1 certificate Sort by" in page.words


def test_a_customer_sees_their_own_and_a_reviewer_all_with_names(shop: Shop) -> None:
    shop.order(shop.alice, domain="alice.example.com")
    shop.order(shop.bob, domain="bob.example.com")
    assert domains(shop.browser(shop.bob).get("/certificates")) == ["bob.example.com"]
    for person in (shop.rita, shop.ada):
        page = shop.browser(person).get("/certificates")
        assert set(domains(page)) == {"alice.example.com", "bob.example.com"}
        assert "Alice" in page.words
        assert "Bob" in page.words
    assert shop.browser().get("/certificates", 303).location == "/sign-in?next=/certificates"


def test_the_row_says_whose_move_it_is_and_whether_the_money_comes_back(shop: Shop) -> None:
    shop.certificate_in(State.ISSUED)
    shop.clock.advance(days=28)
    page = shop.browser(shop.alice).get("/certificates")
    assert "Revoke it, then apply by 3 Jun 2026, 17:00 CST." in page.words
    assert "2 days left" in page.words
    assert "Your move" in page.words
    assert link(page, "Details: www.example.com")


@pytest.mark.parametrize(
    ("state", "label"),
    [
        (State.PENDING, "Submit"),
        (State.FAILED, "Submit"),
        (State.SUBMITTED, "See what to set"),
        (State.ISSUED, "Details"),
        (State.REVOKED, "Refund"),
        (State.REFUND_REQUESTED, "Progress"),
        (State.REFUND_APPROVED, "Progress"),
        (State.REJECTED, "See why"),
    ],
)
def test_each_row_has_the_next_sensible_link(shop: Shop, state: State, label: str) -> None:
    shop.certificate_in(state)
    browser = shop.browser(shop.alice)
    address = link(browser.get("/certificates"), f"{label}: www.example.com")
    assert address is not None
    browser.get(address)


def test_a_reviewer_is_led_to_the_review(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    page = shop.browser(shop.rita).get("/certificates")
    assert link(page, "Review: www.example.com") == f"/review/{certificate.id}"


def test_a_revoked_one_whose_window_closed_wants_nothing(shop: Shop) -> None:
    shop.certificate_in(State.REVOKED)
    shop.clock.advance(days=31)
    page = shop.browser(shop.alice).get("/certificates")
    assert "No refund: the window closed on 3 Jun 2026, 17:00 CST." in page.words
    assert link(page, "Refund: www.example.com") is None


# Finding


def test_search_finds_parts_of_a_domain_and_takes_wildcards_of_like_as_text(shop: Shop) -> None:
    for domain in ("shop.example.com", "shop.example.net", "100.example.org"):
        shop.order(domain=domain)
    browser = shop.browser(shop.alice)
    assert domains(browser.get("/certificates?q=EXAMPLE.com")) == ["shop.example.com"]
    assert domains(browser.get("/certificates?q=%25")) == []
    assert domains(browser.get("/certificates?q=_")) == []
    assert "Unsigned 2" in browser.get("/certificates?q=shop").words


def test_a_name_in_another_script_is_found_as_it_is_written(shop: Shop) -> None:
    shop.order(domain="xn--bcher-kva.example.com")
    page = shop.browser(shop.alice).get("/certificates?q=bücher")
    assert domains(page) == ["bücher.example.com (xn--bcher-kva.example.com)"]


def test_filter_by_state(shop: Shop) -> None:
    shop.certificate_in(State.PENDING, domain="new.example.com")
    shop.certificate_in(State.FAILED, domain="failed.example.com")
    page = shop.browser(shop.alice).get("/certificates?tab=unsigned&state=failed")
    assert domains(page) == ["failed.example.com"]
    assert "1 certificate Sort by" in page.words
    assert link(page, "Clear") == "/certificates?tab=unsigned"


def test_the_search_stays_in_the_form_and_in_the_links(shop: Shop) -> None:
    shop.order(domain="shop.example.com")
    page = shop.browser(shop.alice).get("/certificates?tab=unsigned&q=shop&state=pending")
    assert value(page, "q") == "shop"
    assert value(page, "tab") == "unsigned"
    signed = next(one for one in links(page) if "tab=signed" in one)
    assert "q=shop" in signed
    # Nothing issued is pending, so that filter would find nothing there.
    assert "state" not in signed


@pytest.mark.parametrize(
    "address",
    [
        "/certificates?tab=nonsense&state=nonsense&after=nonsense&page=nonsense",
        "/certificates?after=99999999999999999-" + "f" * 32,
        "/certificates?before=0-" + "0" * 32,
        "/certificates?page=last&q=" + "x" * 5000,
        "/certificates?q=%F0%9F%98%80",
    ],
)
def test_an_address_that_makes_no_sense_is_answered_all_the_same(shop: Shop, address: str) -> None:
    shop.order()
    shop.browser(shop.alice).get(address)


def test_htmx_gets_the_list_alone_and_a_browser_the_page(shop: Shop) -> None:
    shop.order()
    browser = shop.browser(shop.alice)
    fragment = browser.get("/certificates?q=example", htmx=True)
    assert fragment.text.strip().startswith('<div id="certificate-list"')
    assert domains(fragment) == ["www.example.com"]
    whole = browser.get("/certificates?q=example")
    assert without_secrets(fragment.text.strip()) in without_secrets(whole.text)


def test_empty_lists_say_what_to_do(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    assert link(browser.get("/certificates"), "Order a certificate")
    assert "You have no certificates yet" in browser.get("/certificates").words
    assert "No certificates yet" in shop.browser(shop.rita).get("/certificates").words
    shop.order()
    nothing = browser.get("/certificates?q=other")
    assert "Nothing found" in nothing.words
    assert link(nothing, "Clear the search") == "/certificates?tab=unsigned"
    assert "None has been issued yet" in browser.get("/certificates?tab=signed").words


# Paging


def test_paging_forward_back_and_to_the_end_meets_each_one_once(shop: Shop) -> None:
    total = 2 * PAGE_SIZE + 3
    for number in range(total):
        # Several in one instant: the id decides between them.
        if number % 3 == 0:
            shop.clock.advance(minutes=1)
        shop.order(domain=f"n{number}.example.com")
    browser = shop.browser(shop.alice)

    pages = [browser.get("/certificates")]
    while (older := link(pages[-1], "Next")) is not None:
        pages.append(browser.get(older))
    seen = [domain for page in pages for domain in domains(page)]
    assert len(pages) == 3
    assert len(set(seen)) == len(seen) == total
    assert [len(domains(page)) for page in pages] == [PAGE_SIZE, PAGE_SIZE, 3]

    back = [pages[-1]]
    while (newer := link(back[-1], "Previous")) is not None:
        back.append(browser.get(newer))
    assert [domains(page) for page in back] == [domains(page) for page in reversed(pages)]

    last = link(pages[0], "Last")
    assert last is not None
    end = browser.get(last)
    assert domains(end) == domains(pages[-1])
    assert link(end, "Next") is None
    assert link(end, "Last") is None
    first = link(end, "First")
    assert first is not None
    assert domains(browser.get(first)) == domains(pages[0])
    before_last = link(end, "Previous")
    assert before_last is not None
    assert domains(browser.get(before_last)) == domains(pages[1])
    assert f"{total} certificates" in end.words


def test_a_last_page_that_is_full(shop: Shop) -> None:
    for number in range(PAGE_SIZE):
        shop.order(domain=f"n{number}.example.com")
    page = shop.browser(shop.alice).get("/certificates?tab=unsigned&page=last")
    assert len(domains(page)) == PAGE_SIZE
    assert link(page, "Previous") is None


def test_the_number_of_statements_does_not_depend_on_the_number_of_rows(shop: Shop) -> None:
    def statements() -> int:
        browser = shop.browser(shop.alice)
        return selects_of(shop, lambda: browser.get("/certificates?tab=unsigned"))

    shop.fire(shop.order(), Event.REQUEST_REFUND)
    few = statements()
    for number in range(12):
        certificate = shop.order(domain=f"n{number}.example.com", method=PaymentMethod.ALIPAY)
        shop.fire(certificate, Event.REQUEST_REFUND)
    assert statements() == few


# Rows that live


def test_a_row_alone_is_the_row_of_the_list(shop: Shop) -> None:
    certificate = shop.order()
    browser = shop.browser(shop.alice)
    row = browser.get(f"/certificates/{certificate.id}/row", htmx=True)
    assert row.text.strip() in browser.get("/certificates").text
    assert f'data-live-on="certificate-{certificate.id}"' in row.text
    shop.fire(certificate, Event.SUBMIT)
    assert "Being verified" in browser.get(f"/certificates/{certificate.id}/row", htmx=True).words


def test_a_row_that_has_not_changed_is_not_sent_again(shop: Shop) -> None:
    certificate = shop.order()
    browser = shop.browser(shop.alice)
    url = f"/certificates/{certificate.id}/row"
    tag = browser.get(url, htmx=True).response.headers["ETag"]
    assert browser.client.get(url, headers={"HX-Request": "true", "If-None-Match": tag}).status_code == 304
    shop.fire(certificate, Event.SUBMIT)
    assert browser.client.get(url, headers={"HX-Request": "true", "If-None-Match": tag}).status_code == 200


def test_a_final_row_waits_for_nothing(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUNDED)
    row = shop.browser(shop.alice).get(f"/certificates/{certificate.id}/row", htmx=True)
    assert "data-live-on" not in row.text


def test_somebody_elses_row_is_not_there(shop: Shop) -> None:
    certificate = shop.order(shop.bob)
    shop.browser(shop.alice).get(f"/certificates/{certificate.id}/row", 404, htmx=True)
    shop.browser(shop.rita).get(f"/certificates/{certificate.id}/row", htmx=True)
    shop.browser(shop.alice).get(f"/certificates/{'0' * 32}/row", 404)


def test_rows_are_sorted_from_the_newest_to_the_oldest(shop: Shop) -> None:
    ordered = []
    for number in range(4):
        shop.clock.advance(hours=1)
        ordered.append(shop.order(domain=f"n{number}.example.com"))
    assert all(later.created_at - earlier.created_at == timedelta(hours=1) for earlier, later in pairwise(ordered))
    assert domains(shop.browser(shop.alice).get("/certificates")) == [
        f"n{number}.example.com" for number in (3, 2, 1, 0)
    ]
