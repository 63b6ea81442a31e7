"""The reviewers' queue: what waits, the most pressing first."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from review_support import domains, row_of, rows
from shop import Shop
from sqlmodel import col, update

from certlifecycle import Event, Role, State
from webapp.accounts.models import Account
from webapp.certificates.models import Purchase
from webapp.certificates.names import display_name
from webapp.desk import Desk
from webapp.review.queries import PAGE_SIZE, items, verification_due, waiting


def make_reviewer(shop: Shop, account: Account) -> None:
    """Somebody who was a customer works for the vendor now."""
    with shop.database.writing() as session:
        session.exec(update(Account).where(col(Account.id) == account.id).values(role=Role.REVIEWER))


def approve_above(desk: Desk, minor: int) -> None:
    """Let the shop ask for two reviewers above an amount."""
    desk.policy = replace(desk.policy, two_reviewers_above_minor=minor)


def test_an_empty_queue_says_what_will_come(shop: Shop) -> None:
    shop.certificate_in(State.PENDING)
    shop.certificate_in(State.REFUNDED)
    page = shop.browser(shop.rita).get("/review")
    assert "Nothing waits" in page.words
    assert rows(page) == []


@pytest.mark.parametrize("state", list(State))
def test_only_what_waits_for_a_reviewer_is_there(shop: Shop, state: State) -> None:
    certificate = shop.certificate_in(state)
    page = shop.browser(shop.rita).get("/review")
    expected = [certificate.domain] if state in (State.SUBMITTED, State.REFUND_REQUESTED) else []
    assert domains(page) == expected


def test_a_row_says_what_is_asked_by_whom_about_how_much_and_by_when(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED, voucher=6800)
    told = row_of(shop.browser(shop.rita).get("/review"), certificate)
    for part in (
        "www.example.com",
        "Refund · DV certificate",
        "Alice",
        "200.00 CNY",
        "4 May 2026, 17:00 CST",
        "Review",
    ):
        assert part in told
    # The latest promised day is the 11th; it ends at midnight in the shop's time zone.
    assert "due in 7 days" in told


def test_the_nearest_deadline_comes_first_and_then_the_oldest(shop: Shop) -> None:
    shop.certificate_in(State.REFUND_REQUESTED, domain="refund.example.com")
    shop.clock.advance(hours=1)
    shop.certificate_in(State.REFUND_REQUESTED, domain="refund-later.example.com")
    shop.clock.advance(days=1)
    shop.certificate_in(State.SUBMITTED, domain="verification.example.com")
    page = shop.browser(shop.rita).get("/review")
    assert domains(page) == ["verification.example.com", "refund.example.com", "refund-later.example.com"]


def test_a_verification_is_due_two_business_days_later_when_the_day_ends_where_the_shop_is(shop: Shop) -> None:
    policy = shop.desk.policy
    # Monday, 4 May 2026 is a holiday in China, as is the 5th: the business days are the 6th and the 7th.
    assert verification_due(shop.clock(), policy) == datetime(2026, 5, 7, 16, 0, tzinfo=UTC)
    # 16:30 UTC on the 6th is the 7th already in Shanghai; the 9th is a Saturday on which people work.
    assert verification_due(datetime(2026, 5, 6, 16, 30, tzinfo=UTC), policy) == datetime(2026, 5, 9, 16, tzinfo=UTC)


def test_what_is_due_soon_or_late_stands_out(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)

    def shown() -> tuple[str, str, str]:
        page = shop.browser(shop.rita).get("/review")
        (row,) = rows(page)
        (late,) = [node for node in row.iter("span") if (node.get("class") or "").startswith("due")]
        return late.get("class"), row_of(page, certificate), page.words

    shop.clock.now = datetime(2026, 5, 6, 15, 59, tzinfo=UTC)
    assert shown()[0] == "due"
    shop.clock.advance(minutes=1)
    assert shown()[0] == "due due--soon"
    shop.clock.now = datetime(2026, 5, 7, 15, 59, 59, tzinfo=UTC)
    assert "due in less than a minute" in shown()[1]
    shop.clock.advance(seconds=1)
    assert shown()[0] == "due due--overdue"
    shop.clock.advance(hours=2)
    name, told, words = shown()
    assert (name, "2 hours late" in told, "1 late" in words) == ("due due--overdue", True, True)


def test_a_filter_shows_one_kind_and_counts_all(shop: Shop) -> None:
    shop.certificate_in(State.SUBMITTED, domain="verify.example.com")
    shop.certificate_in(State.SUBMITTED, domain="verify-too.example.com")
    shop.certificate_in(State.REFUND_REQUESTED, domain="refund.example.com")
    browser = shop.browser(shop.rita)
    everything = browser.get("/review")
    assert "Everything 3 Verifications 2 Refunds 1" in everything.words
    assert domains(browser.get("/review?kind=refund")) == ["refund.example.com"]
    assert len(domains(browser.get("/review?kind=verification"))) == 2
    assert len(domains(browser.get("/review?kind=nonsense"))) == 3


def test_ones_own_cases_are_there_without_a_button(shop: Shop) -> None:
    refund = shop.certificate_in(State.REFUND_REQUESTED, domain="refund.example.com")
    verification = shop.certificate_in(State.SUBMITTED, domain="verify.example.com")
    make_reviewer(shop, shop.alice)
    page = shop.browser(shop.alice).get("/review")
    for certificate, why in ((refund, "Your own application"), (verification, "Your own certificate")):
        told = row_of(page, certificate)
        assert why in told
        assert "You" in told
        assert "Review :" not in told


def test_what_one_has_approved_waits_for_another(shop: Shop) -> None:
    approve_above(shop.desk, 10000)
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    shop.fire(certificate, Event.APPROVE_REFUND, shop.rita)
    mine = row_of(shop.browser(shop.rita).get("/review"), certificate)
    assert "Approved by you" in mine
    assert "one of two approvals" in mine
    assert "Review :" in row_of(shop.browser(shop.robin).get("/review"), certificate)


def test_a_returned_refund_waits_again_and_is_late(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_APPROVED)
    shop.clock.advance(days=10)
    shop.fire_as_system(certificate, Event.RETURN_REFUND, reason="Nobody took it.")
    told = row_of(shop.browser(shop.rita).get("/review"), certificate)
    assert "late" in told
    # An approval of the earlier round does not count in this one.
    assert "one of two" not in told
    assert "Review :" in told


def test_cases_come_and_go_by_themselves(shop: Shop) -> None:
    browser = shop.browser(shop.rita)
    page = browser.get("/review?kind=refund")
    queue = next(node for node in page.tree.iter() if node.get("id") == "queue")
    assert "sse:change" in queue.get("hx-trigger")
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    fragment = browser.get(queue.get("hx-get"), htmx=True)
    assert fragment.text.lstrip().startswith("<div")
    assert domains(fragment) == [certificate.domain]
    shop.fire(certificate, Event.APPROVE_REFUND)
    assert domains(browser.get(queue.get("hx-get"), htmx=True)) == []


def test_a_long_queue_has_pages(shop: Shop) -> None:
    for number in range(PAGE_SIZE + 1):
        shop.clock.advance(seconds=1)
        shop.fire(shop.order(domain=f"{number:02}.example.com"), Event.REQUEST_REFUND)
    browser = shop.browser(shop.rita)
    first = browser.get("/review")
    assert len(rows(first)) == PAGE_SIZE
    assert f"1 to {PAGE_SIZE} of {PAGE_SIZE + 1}" in first.words
    (following,) = [node.get("href") for node in first.tree.iter("a") if node.get("rel") == "next"]
    assert domains(browser.get(following)) == [f"{PAGE_SIZE}.example.com"]
    assert domains(browser.get("/review?page=99999999999999999999")) == [f"{PAGE_SIZE}.example.com"]
    assert len(rows(browser.get("/review?page=-1"))) == PAGE_SIZE
    assert len(rows(browser.get("/review?page=one"))) == PAGE_SIZE


def test_what_was_decided_between_two_looks_is_left_out(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    with shop.database.reading() as session:
        found = waiting(session, shop.desk.policy)
    shop.fire(certificate, Event.VERIFY)
    with shop.database.reading() as session:
        assert items(session, found) == []


def test_customers_have_no_queue_and_an_admin_has(shop: Shop) -> None:
    shop.browser(shop.alice).get("/review", 403)
    shop.browser(shop.ada).get("/review")
    assert shop.browser().get("/review", 303).location.startswith("/sign-in")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("shop", ["shop.example.com"]),
        ("SHOP.Example", ["shop.example.com"]),
        ("bücher", ["xn--bcher-kva.example.com"]),
        ("BOB", ["bob.example.com"]),
        ("bob@example.com", ["bob.example.com"]),
        ("%", []),
        ("_", []),
        ("nothing like it", []),
    ],
)
def test_a_search_finds_domains_and_customers(shop: Shop, asked: str, found: list[str]) -> None:
    shop.certificate_in(State.REFUND_REQUESTED, domain="shop.example.com")
    shop.certificate_in(State.SUBMITTED, domain="xn--bcher-kva.example.com")
    shop.certificate_in(State.SUBMITTED, shop.bob, domain="bob.example.com")
    browser = shop.browser(shop.rita)
    page = browser.get("/review", query_string={"q": asked})
    shown = [display_name(one) for one in found]
    assert domains(page) == shown
    fragment = browser.get("/review", query_string={"q": asked}, htmx=True)
    assert domains(fragment) == shown
    assert f"Everything {len(found)}" in page.words
    if not found:
        assert "No case that waits for a reviewer fits this tab and search." in page.words


def test_a_search_finds_orders_and_refunds_by_their_number(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.REFUND_REQUESTED, domain="wanted.example.com")
    any_shop.certificate_in(State.REFUND_REQUESTED, domain="other.example.com")
    order = any_shop.find(Purchase, certificate.purchase_id).number
    browser = any_shop.browser(any_shop.rita)
    for number in (order, order.lower(), any_shop.refund_of(certificate).number):
        assert domains(browser.get("/review", query_string={"q": number})) == ["wanted.example.com"]


def test_tabs_and_pages_keep_the_search_and_it_can_be_taken_away(shop: Shop) -> None:
    shop.certificate_in(State.REFUND_REQUESTED)
    page = shop.browser(shop.rita).get("/review?q=example&kind=refund")
    links = [node.get("href") for node in page.tree.iter("a")]
    assert "/review?claim=mine&q=example" in links
    assert "/review?kind=refund" in links
    kept = [node.get("value") for node in page.tree.iter("input") if node.get("name") == "kind"]
    assert kept == ["refund"]


def test_a_search_of_any_length_is_no_error(shop: Shop) -> None:
    browser = shop.browser(shop.rita)
    browser.get("/review", query_string={"q": "x" * 5000})
    browser.get("/review", query_string={"q": "\n'\"<b>"})
