"""What the refund page says of the future: the day to wait for, and what happens until then."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pages import words_of
from shop import Page, Shop

from certlifecycle import PRESETS, Event, State
from webapp.certificates.models import Certificate, PaymentMethod
from webapp.payments.port import PayoutOrder, Succeeded
from webapp.refunds.models import Outcome


def page_of(shop: Shop, certificate: Certificate) -> Page:
    return shop.browser(shop.alice).get(f"/refunds/{shop.refund_of(certificate).id}")


def box(page: Page) -> str | None:
    """The day to wait for."""
    found = [node for node in page.tree.iter("div") if (node.get("class") or "").startswith("track__when")]
    return words_of(found[0]) if found else None


def following(page: Page) -> list[str]:
    found = [node for node in page.tree.iter("div") if node.get("class") == "next"]
    return [words_of(one) for node in found for one in node.iter("li")]


def test_in_review_the_promised_day_is_counted_down_and_the_ways_on_are_named(shop: Shop) -> None:
    page = page_of(shop, shop.certificate_in(State.REFUND_REQUESTED))
    assert box(page) == "Answer promised by Monday, 11 May 2026 in 7 days"
    assert following(page) == [
        "A reviewer reads your reason and decides. You need do nothing.",
        "If it is approved, the payment of 268.00 CNY to your balance in this shop begins, and you get a mail.",
        "If it is refused, you read why here. Then you can apply again or keep the certificate.",
    ]


def test_a_promise_holds_for_the_whole_of_its_day(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    shop.clock.now = shop.clock.now.replace(day=11, hour=15, minute=59)
    assert box(page_of(shop, certificate)) == "Answer promised by Monday, 11 May 2026 in less than a minute"
    shop.clock.advance(minutes=1)
    assert box(page_of(shop, certificate)) == "Answer promised by Monday, 11 May 2026 late"


def test_two_reviewers_are_announced_and_the_second_one_is_named_as_such(
    sqlite_url: str, open_shop: Callable[..., Shop]
) -> None:
    policy = replace(PRESETS["30-days-from-issue"], two_reviewers_above_minor=10_000)
    shop = open_shop(sqlite_url, policy=policy)
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    assert following(page_of(shop, certificate))[0].startswith("Two reviewers decide one after the other")
    shop.fire(certificate, Event.APPROVE_REFUND, shop.rita)
    assert following(page_of(shop, certificate))[0].startswith("A second reviewer decides")


def test_below_the_amount_one_reviewer_suffices(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    policy = replace(PRESETS["30-days-from-issue"], two_reviewers_above_minor=26_800)
    shop = open_shop(sqlite_url, policy=policy)
    assert following(page_of(shop, shop.certificate_in(State.REFUND_REQUESTED)))[0].startswith("A reviewer reads")


def test_on_its_way_no_day_is_guessed(shop: Shop) -> None:
    page = page_of(shop, shop.certificate_in(State.REFUND_APPROVED))
    assert box(page) is None
    assert following(page)[0].startswith("We ask the payment provider until it has confirmed the payment.")


def test_once_it_is_back_the_day_and_what_to_do_with_it(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUNDED)
    shop.clock.advance(days=2)
    page = page_of(shop, certificate)
    assert box(page) == "Money back since Monday, 4 May 2026 2 days ago"
    assert following(page) == ["The money is on your balance in this shop. You can spend it on any order."]


def test_money_that_went_to_a_bank_is_found_by_its_reference(shop: Shop) -> None:
    class Alipay:
        method = PaymentMethod.ALIPAY

        def refund(self, order: PayoutOrder) -> Any:
            return Succeeded("2026050422001")

        query = refund

    shop.desk.payable = frozenset(PaymentMethod)
    certificate = shop.certificate_in(State.REFUND_APPROVED, method=PaymentMethod.ALIPAY, account="ending 88")
    shop.effects.gateways = {PaymentMethod.ALIPAY: Alipay(), **shop.parts.gateways}
    shop.run_due()
    assert shop.refund_of(certificate).outcome == Outcome.REFUNDED
    assert following(page_of(shop, certificate))[0].startswith("If you cannot find the money, give the provider’s")


@pytest.mark.parametrize(("event", "says"), [(Event.WITHDRAW_REFUND, True), (Event.REQUEST_REFUND, False)])
def test_a_withdrawn_application_can_be_made_again_while_nothing_else_is_under_way(
    shop: Shop, event: Event, says: bool
) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    first = shop.refund_of(certificate).id
    shop.clock.advance(minutes=1)
    certificate = shop.fire(certificate, Event.WITHDRAW_REFUND)
    if event is Event.REQUEST_REFUND:
        shop.fire(certificate, event)
    page = shop.browser(shop.alice).get(f"/refunds/{first}")
    assert following(page) == (["You can apply again as long as the refund rules allow it."] if says else [])


def test_a_refused_one_has_its_own_panel_and_nothing_comes_by_itself(shop: Shop) -> None:
    page = page_of(shop, shop.certificate_in(State.REJECTED))
    assert (box(page), following(page)) == (None, [])


def test_a_reviewer_is_not_told_what_a_customer_waits_for(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    page = shop.browser(shop.rita).get(f"/refunds/{shop.refund_of(certificate).id}")
    assert following(page) == []
    assert box(page) is not None


def test_what_happened_to_this_application_and_to_no_other(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REJECTED)
    first = shop.refund_of(certificate).id
    shop.clock.advance(hours=1)
    shop.fire(certificate, Event.REQUEST_REFUND)
    second = shop.refund_of(certificate).id

    def happened(key: str) -> list[str]:
        page = shop.browser(shop.alice).get(f"/refunds/{key}")
        return [words_of(node) for node in page.tree.iter("p") if node.get("class") == "timeline__what"]

    assert happened(first) == ["Refund refused", "Refund applied for"]
    assert happened(second) == ["Refund applied for"]


def test_every_time_is_for_people_and_for_machines(shop: Shop) -> None:
    page = page_of(shop, shop.certificate_in(State.REFUNDED))
    (found,) = [node for node in page.tree.iter("ol") if node.get("class") == "steps"]
    assert [one.get("datetime") for one in found.iter("time")] == ["2026-05-04T09:00:00+00:00"] * 5


def test_what_a_screen_reader_is_told_of_a_change(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_APPROVED)
    page = page_of(shop, certificate)
    (living,) = [node for node in page.tree.iter("div") if (node.get("id") or "").startswith("refund-")]
    assert living.get("data-announce", "").startswith("Approved, not yet paid. The money is about to be sent")


def test_paper_says_as_of_when(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    assert "Printed 4 May 2026, 17:00 CST" in page_of(shop, certificate).words
    browser = shop.browser(shop.alice)
    assert "Printed 4 May 2026, 17:00 CST" in browser.get(f"/certificates/{certificate.id}").words
    # The living part says nothing of it: it would be another text every minute.
    assert "Printed" not in browser.get(f"/certificates/{certificate.id}", htmx=True).words
