"""What the refund page and the reviewers read while the money is on its way, with every mood of the stand-ins."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bank_provider import Says
from connected_shop import connected
from outside_shop import OutsideShop
from provider import Provider
from provider_books import Fault
from shop import Page, Shop
from test_refunds_pages import badge, steps

from certlifecycle import Event, State
from webapp.certificates.models import Certificate, PaymentMethod
from webapp.payments.models import Payout, PayoutStatus
from webapp.payments.notifications import Inbox
from webapp.payments.payouts import waking
from webapp.refunds.models import RefundReason

ALIPAY, BANK = PaymentMethod.ALIPAY, PaymentMethod.BANK


@pytest.fixture
def outside(sqlite_url: str, open_shop: Callable[..., Shop], tmp_path: Path) -> Iterator[OutsideShop]:
    with connected(open_shop, sqlite_url, tmp_path / "bank") as opened:
        yield opened


def page_of(outside: OutsideShop, certificate: Certificate, *, by_reviewer: bool = False) -> Page:
    reader = outside.shop.rita if by_reviewer else outside.shop.alice
    return outside.shop.browser(reader).get(f"/refunds/{outside.refund_no(certificate)}")


def review_of(outside: OutsideShop, certificate: Certificate) -> str:
    return outside.shop.browser(outside.shop.rita).get(f"/review/{certificate.id}").words


# Before


def test_an_application_promises_the_account_that_paid_where_it_can_be_reached(outside: OutsideShop) -> None:
    shop = outside.shop
    alipay = shop.order(method=ALIPAY, account="ending 88")
    apply = shop.browser(shop.alice).get(f"/certificates/{alipay.id}/refund")
    assert "back to the Alipay account ending 88." in apply.words
    form = {"reason_code": RefundReason.OTHER.value, "reason": "Not needed.", "version": alipay.version}
    shop.browser(shop.alice).post(f"/certificates/{alipay.id}/refund", form)
    refund = shop.refund_of(alipay)
    assert (refund.method, refund.destination) == (ALIPAY, "the Alipay account ending 88")
    # Paid from an account of which only the ending is known: nothing is promised that cannot be kept.
    bank = shop.order(method=BANK, account="ending 4567")
    apply = shop.browser(shop.alice).get(f"/certificates/{bank.id}/refund")
    assert "back to your balance in this shop." in apply.words


def test_what_was_promised_before_a_provider_was_connected_stays_as_it_was(shop: Shop, tmp_path: Path) -> None:
    certificate = shop.order(method=ALIPAY, account="ending 88")
    shop.fire(certificate, Event.REQUEST_REFUND)
    shop.fire(certificate, Event.APPROVE_REFUND)
    with Provider(shop.clock) as provider, OutsideShop(shop, provider, tmp_path / "bank") as outside:
        assert shop.refund_of(certificate).destination == "your balance in this shop"
        assert outside.pay(certificate) == State.REFUNDED
        assert outside.on_balance() == 26800
        assert provider.books.calls == []


# Alipay


@pytest.mark.parametrize(
    ("fault", "is_unknown"),
    [(Fault.DROP, True), (Fault.ERROR_500, True), (Fault.ERROR_500_AFTER, True), (Fault.BAD_SIGNATURE, True)],
)
def test_an_answer_that_was_lost_is_shown_as_such_until_alipay_confirms(
    outside: OutsideShop, fault: Fault, is_unknown: bool
) -> None:
    certificate = outside.approved(ALIPAY)
    page = page_of(outside, certificate)
    assert badge(page) == "Approved, not yet paid"
    assert "The money is about to be sent to the Alipay account ending 88." in page.words
    assert steps(page)[2:] == ["Now: Approved", "To come: Sent to Alipay", "To come: Refunded"]
    outside.provider.books.plan(outside.refund_no(certificate), fault)
    outside.pay(certificate)
    page = page_of(outside, certificate)
    assert badge(page) == "Sent to Alipay, no answer yet"
    assert "Alipay has not said what became of the payment. We keep asking" in page.words
    assert steps(page)[2:] == ["Done: Approved", "Now: Sent to Alipay", "To come: Refunded"]
    # The cause is for the reviewers.
    assert "HTTP status" not in page.words
    assert outside.payouts(certificate)[ALIPAY].detail in page_of(outside, certificate, by_reviewer=True).words
    outside.shop.clock.advance(minutes=2)
    assert outside.pay(certificate) == State.REFUNDED
    page = page_of(outside, certificate)
    trade, _ = outside.provider.books.find(outside.refund_no(certificate))
    assert badge(page) == "Refunded"
    assert steps(page)[2:] == ["Done: Approved", "Done: Sent to Alipay", "Done: Refunded"]
    assert f"Provider’s reference {trade.trade_no}" in page.words
    assert "The payment provider confirmed that 268.00 CNY went to the Alipay account ending 88." in page.words


def test_a_late_answer_reads_as_no_answer(outside: OutsideShop) -> None:
    certificate = outside.approved(ALIPAY)
    outside.provider.late_seconds = 4
    outside.provider.books.plan(outside.refund_no(certificate), Fault.LATE)
    outside.pay(certificate)
    assert badge(page_of(outside, certificate)) == "Sent to Alipay, no answer yet"


def test_a_payment_by_card_through_alipay_shows_alipays_reference_before_it_is_confirmed(outside: OutsideShop) -> None:
    certificate = outside.approved(ALIPAY)
    outside.provider.books.plan(outside.refund_no(certificate), Fault.TO_BANK)
    outside.pay(certificate)
    page = page_of(outside, certificate)
    trade, _ = outside.provider.books.find(outside.refund_no(certificate))
    assert badge(page) == "Sent to Alipay, not yet confirmed"
    assert "It is refunded once Alipay confirms it." in page.words
    assert page.words.count(f"Reference {trade.trade_no}") == 2


def test_the_shops_own_trouble_is_no_fault_of_the_account(outside: OutsideShop) -> None:
    certificate = outside.approved(ALIPAY)
    outside.provider.books.plan(outside.refund_no(certificate), Fault.SHORT_OF_MONEY)
    outside.pay(certificate)
    page = page_of(outside, certificate)
    assert badge(page) == "Approved, not yet paid"
    assert "could not be sent to the Alipay account ending 88 yet, for a reason on the shop’s side" in page.words
    assert "Top it up" not in page.words
    assert "Top it up." in page_of(outside, certificate, by_reviewer=True).words


def test_an_account_that_cannot_take_it_sends_it_to_the_balance_and_says_since_when(outside: OutsideShop) -> None:
    certificate = outside.approved(ALIPAY)
    outside.provider.books.plan(outside.refund_no(certificate), Fault.PAYER_GONE)
    assert outside.pay(certificate) == State.REFUNDED
    page = page_of(outside, certificate)
    assert (
        "The Alipay account ending 88 could not take the money. It is in your balance in this shop since 4 May 2026, "
        "17:00 CST. Why: The Alipay account that paid no longer exists. (40004, ACQ.BUYER_NOT_EXIST)"
    ) in page.words
    assert steps(page)[3:] == ["Done: Money sent", "Done: Refunded"]


def test_a_notification_that_comes_first_leads_to_the_same_page(outside: OutsideShop) -> None:
    certificate = outside.approved(ALIPAY)
    refund_no = outside.refund_no(certificate)
    outside.provider.books.plan(refund_no, Fault.DROP)
    outside.pay(certificate)
    shop = outside.shop
    inbox = Inbox(outside.alipay, shop.database, waking(shop.database, shop.desk.look_now), shop.clock)
    inbox.take_in(outside.provider.notification(refund_no))
    assert badge(page_of(outside, certificate)) == "Sent to Alipay, no answer yet"
    assert outside.pay(certificate) == State.REFUNDED
    assert badge(page_of(outside, certificate)) == "Refunded"


def test_a_page_of_money_under_way_looks_again_by_itself(outside: OutsideShop) -> None:
    """What becomes of an attempt changes no certificate, so that no event tells of it."""
    certificate = outside.approved(ALIPAY)
    assert 'data-live-every="10"' in page_of(outside, certificate).text
    outside.pay(certificate)
    assert 'data-live-every="10"' not in page_of(outside, certificate).text


# The bank


def test_a_payment_by_the_bank_waits_for_its_file_then_for_the_bank(outside: OutsideShop) -> None:
    certificate = outside.approved(BANK)
    outside.pay(certificate)
    page = page_of(outside, certificate)
    assert badge(page) == "Ordered, goes to the bank next"
    assert steps(page)[3:] == ["Now: Sent to the bank", "To come: Refunded"]
    outside.files.make()
    outside.pay(certificate)
    page = page_of(outside, certificate)
    assert badge(page) == "Sent to the bank, not yet confirmed"
    assert f"Reference {outside.files_kept()[0].msg_id}" in page.words
    outside.bank_turn()
    assert outside.pay(certificate) == State.REFUNDED
    assert badge(page_of(outside, certificate)) == "Refunded"


def test_an_account_that_the_bank_refuses_says_where_the_money_is_since_when(outside: OutsideShop) -> None:
    certificate = outside.approved(BANK)
    outside.bank.plan(outside.refund_no(certificate), Says.CLOSED)
    assert outside.settle(certificate) == State.REFUNDED
    page = page_of(outside, certificate)
    assert "The bank account ending 88 could not take the money. It is in your balance in this shop since" in page.words
    assert "Why: The bank rejected the payment. The account is closed. AC04 as told" in page.words


# Back with the reviewers


def by_hand(outside: OutsideShop, certificate: Certificate) -> None:
    """Somebody has refunded it at Alipay by hand."""
    books = outside.provider.books
    books.refund(books.trade(outside.purchase(certificate).payment_reference, ""), "by hand", 26800)


def test_a_reviewer_is_told_what_approving_again_means_before_it_happens(outside: OutsideShop) -> None:
    certificate = outside.approved(ALIPAY)
    by_hand(outside, certificate)
    assert outside.pay(certificate) == State.REFUND_REQUESTED
    told = review_of(outside, certificate)
    assert "Approved before, but the payment did not go through" in told
    assert "Alipay says that more would be refunded than is left of the payment." in told
    assert "Look at Alipay first whether the customer has the money already." in told
    assert "If Alipay refuses for the same reason, the money goes to the customer’s balance without" in told
    theirs = page_of(outside, certificate)
    assert badge(theirs) == "In review again"
    assert "the payment did not go through. A reviewer finds out why" in theirs.words
    assert "more would be refunded than is left" in theirs.words
    assert "Approving it again" not in theirs.words
    assert "Approving it again asks Alipay once more." in page_of(outside, certificate, by_reviewer=True).words
    # It means just that.
    outside.shop.fire(outside.shop.get(certificate.id), Event.APPROVE_REFUND)
    assert outside.pay(certificate) == State.REFUNDED
    assert outside.on_balance() == 26800
    assert [call.method for call in outside.provider.books.calls] == ["refund", "refund"]
    assert "Approved before" not in review_of(outside, certificate)


def test_the_bank_is_not_ordered_twice_and_the_reviewer_is_told_so(outside: OutsideShop) -> None:
    certificate = outside.approved(BANK)
    outside.bank.plan(outside.refund_no(certificate), Says.SHORT_OF_MONEY)
    assert outside.settle(certificate) == State.REFUND_REQUESTED
    told = review_of(outside, certificate)
    assert "The shop's account does not hold enough money." in told
    assert "The bank is not asked again" in told
    assert "Approving it again pays the money to the customer’s balance." in told
    outside.shop.fire(outside.shop.get(certificate.id), Event.APPROVE_REFUND)
    assert outside.pay(certificate) == State.REFUNDED
    assert outside.on_balance() == 26800
    assert len(outside.bank.orders) == 1


def payout(outside: OutsideShop, certificate: Certificate, method: PaymentMethod, status: PayoutStatus) -> None:
    """An attempt of the first round, as it would have been written down."""
    refund, now = outside.shop.refund_of(certificate), outside.shop.clock()
    with outside.shop.database.writing() as session:
        session.add(
            Payout(
                refund_id=refund.id,
                round=1,
                method=method,
                status=status,
                amount_minor=refund.amount_minor,
                currency=refund.currency,
                detail="It is closed." if status is PayoutStatus.REFUSED else None,
                intended_at=now,
                updated_at=now,
            )
        )


def test_when_every_way_was_refused_each_is_tried_anew(outside: OutsideShop) -> None:
    certificate = outside.approved(ALIPAY)
    for method in (ALIPAY, PaymentMethod.BALANCE):
        payout(outside, certificate, method, PayoutStatus.REFUSED)
    outside.shop.fire_as_system(certificate, Event.RETURN_REFUND, reason="It is closed.")
    told = review_of(outside, certificate)
    assert "It is closed." in told
    assert "Approving it again tries the Alipay account ending 88 anew, and the customer’s balance after it." in told
    assert "no account could take the money" in page_of(outside, certificate).words


def test_a_balance_that_was_refused_is_tried_anew(outside: OutsideShop) -> None:
    certificate = outside.approved(PaymentMethod.BALANCE)
    outside.shop.fire_as_system(certificate, Event.RETURN_REFUND, reason="It is closed.")
    told = review_of(outside, certificate)
    assert "The payment did not go through." in told
    assert "Approving it again tries the customer’s balance anew." in told


def test_money_that_was_confirmed_meanwhile_is_told_to_the_reviewer(outside: OutsideShop) -> None:
    certificate = outside.approved(ALIPAY)
    payout(outside, certificate, ALIPAY, PayoutStatus.CONFIRMED)
    outside.shop.fire_as_system(certificate, Event.RETURN_REFUND, reason="It is closed.")
    assert "Meanwhile the payment was confirmed after all." in review_of(outside, certificate)
    outside.shop.fire(outside.shop.get(certificate.id), Event.APPROVE_REFUND)
    assert outside.pay(certificate) == State.REFUNDED
    assert outside.provider.books.calls == []


def test_what_one_way_refused_and_the_next_has_not_begun_is_about_to_be_sent(outside: OutsideShop) -> None:
    """The worker died between the two."""
    certificate = outside.approved(ALIPAY)
    payout(outside, certificate, ALIPAY, PayoutStatus.REFUSED)
    page = page_of(outside, certificate)
    assert badge(page) == "Approved, not yet paid"
    assert "The Alipay account ending 88 could not take the money, so it goes to your balance in this" in page.words
    assert "it is about to be booked to the balance" in page.words
    assert steps(page)[2:4] == ["Now: Approved", "To come: Money sent"]


def test_what_is_confirmed_and_not_recorded_yet_is_not_called_refunded(outside: OutsideShop) -> None:
    certificate = outside.approved(ALIPAY)
    payout(outside, certificate, ALIPAY, PayoutStatus.CONFIRMED)
    assert badge(page_of(outside, certificate)) == "Approved, not yet paid"
