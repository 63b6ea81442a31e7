"""Our payouts against a provider's own records: every difference is listed, and nothing is paid."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from bank_provider import Says
from outside_shop import OutsideShop
from provider import Provider
from provider_books import SHANGHAI, Fault
from shop import Shop
from sqlmodel import select

from certlifecycle import Money, State
from webapp.certificates.models import PaymentMethod
from webapp.payments.models import LedgerTransfer, Payout
from webapp.payments.models_books import DifferenceKind as Kind
from webapp.payments.port import StatementLine
from webapp.payments.reconciliation import Comparison, Difference, OurPayout, compare, reconcile, report_file

DAY = date(2026, 5, 4)
AT = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)


def ours(refund_no: str, minor: int = 100, confirmed: bool = True) -> OurPayout:
    return OurPayout(refund_no, Money(minor, "CNY"), confirmed, AT)


def theirs(refund_no: str, minor: int = 100, currency: str = "CNY") -> StatementLine:
    return StatementLine(refund_no, Money(minor, currency), AT, f"ref {refund_no}")


def kinds(found: list[Difference]) -> list[tuple[Kind, str]]:
    return [(one.kind, one.refund_no) for one in found]


def test_what_agrees_is_no_difference() -> None:
    assert compare([ours("a"), ours("b")], [], [theirs("b"), theirs("a")]) == []
    assert compare([], [], []) == []


def test_every_difference_is_found() -> None:
    found = compare(
        due=[ours("missing there"), ours("fine"), ours("less", 100)],
        known=[ours("refused here", confirmed=False), ours("of another day")],
        statement=[
            theirs("fine"),
            theirs("less", 99),
            theirs("missing here"),
            theirs("refused here"),
            theirs("of another day"),
        ],
    )
    assert kinds(found) == [
        (Kind.AMOUNT_DIFFERS, "less"),
        (Kind.MISSING_HERE, "missing here"),
        (Kind.MISSING_THERE, "missing there"),
        (Kind.NOT_CONFIRMED_HERE, "refused here"),
    ]
    assert (found[0].ours, found[0].theirs) == (Money(100, "CNY"), Money(99, "CNY"))
    assert (found[1].ours, found[2].theirs) == (None, None)


def test_the_same_amount_of_another_currency_differs() -> None:
    assert kinds(compare([ours("a")], [], [theirs("a", currency="EUR")])) == [(Kind.AMOUNT_DIFFERS, "a")]


def test_what_the_provider_lists_twice_was_paid_twice() -> None:
    assert kinds(compare([ours("a")], [], [theirs("a"), theirs("a")])) == [(Kind.PAID_TWICE, "a")]
    found = compare([], [], [theirs("b"), theirs("b"), theirs("b")])
    assert kinds(found) == [(Kind.MISSING_HERE, "b"), (Kind.PAID_TWICE, "b"), (Kind.PAID_TWICE, "b")]


def test_what_an_earlier_statement_has_is_not_missing() -> None:
    assert compare([ours("a")], [], [], earlier=[theirs("a")]) == []


def test_the_file_is_safe_to_open_in_a_spreadsheet() -> None:
    formula = Difference(Kind.MISSING_HERE, "=HYPERLINK(1)", None, Money(-100, "CNY"), AT, "\t@SUM(1)")
    content = report_file(Comparison(PaymentMethod.ALIPAY, DAY, 1, (formula,)), SHANGHAI)
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert rows[0][2:4] == ["difference", "refund"]
    assert rows[1] == [
        "alipay",
        "2026-05-04",
        "missing_here",
        "'=HYPERLINK(1)",
        "",
        "'-1.00 CNY",
        "2026-05-04T17:00:00+08:00",
        "'@SUM(1)",
        "In the provider’s records, but no refund of this desk. Find out who made it.",
    ]


def test_a_day_without_a_statement_says_so() -> None:
    content = report_file(Comparison(PaymentMethod.ALIPAY, DAY, 0, (), "Alipay has no bill."), SHANGHAI)
    assert content.decode("utf-8-sig").splitlines()[1] == "alipay,2026-05-04,no_statement,,,,,,Alipay has no bill."


# Against every provider


@pytest.fixture
def outside(any_shop: Shop, tmp_path: Path) -> Iterator[OutsideShop]:
    with Provider(any_shop.clock) as provider, OutsideShop(any_shop, provider, tmp_path / "bank") as opened:
        yield opened


def compared(outside: OutsideShop, method: PaymentMethod, day: date = DAY) -> Comparison:
    zone = UTC if method is PaymentMethod.BALANCE else SHANGHAI
    return reconcile(outside.shop.database, outside.gateways[method], day, zone)


@pytest.mark.parametrize("method", list(PaymentMethod))
def test_a_day_of_refunds_agrees_with_the_provider(outside: OutsideShop, method: PaymentMethod) -> None:
    for _ in range(2):
        assert outside.settle(outside.approved(method)) == State.REFUNDED
    comparison = compared(outside, method)
    assert (comparison.compared, comparison.differences, comparison.missing) == (2, (), "")


def books(outside: OutsideShop) -> tuple[list[Payout], list[LedgerTransfer], int]:
    with outside.shop.database.reading() as session:
        payouts = list(session.exec(select(Payout)).all())
        transfers = list(session.exec(select(LedgerTransfer)).all())
    return payouts, transfers, len(outside.provider.books.refunds())


def test_differences_with_alipay_are_listed_and_nothing_is_paid(outside: OutsideShop) -> None:
    provider = outside.provider
    fine, lost, more, unheard = (outside.approved(PaymentMethod.ALIPAY) for _ in range(4))
    provider.books.plan(outside.refund_no(unheard), Fault.DROP)
    for one in (fine, lost, more, unheard):
        outside.pay(one)
    trade, _ = provider.books.find(outside.refund_no(lost))
    del trade.refunds[outside.refund_no(lost)]
    provider.books.find(outside.refund_no(more))[1].minor = 26801
    provider.books.refund(provider.books.add_trade("of another system", 500), "elsewhere", 500)
    before = books(outside)
    comparison = compared(outside, PaymentMethod.ALIPAY)
    assert {one.refund_no: one.kind for one in comparison.differences} == {
        outside.refund_no(lost): Kind.MISSING_THERE,
        outside.refund_no(more): Kind.AMOUNT_DIFFERS,
        outside.refund_no(unheard): Kind.NOT_CONFIRMED_HERE,
        "elsewhere": Kind.MISSING_HERE,
    }
    assert books(outside) == before


def test_a_rejection_that_the_bank_takes_back_shows(outside: OutsideShop) -> None:
    """The money went to the balance meanwhile, so that it was paid twice: somebody must know."""
    certificate = outside.approved(PaymentMethod.BANK)
    outside.bank.plan(outside.refund_no(certificate), Says.CLOSED)
    assert outside.settle(certificate) == State.REFUNDED
    outside.bank.plan(outside.refund_no(certificate), Says.SETTLED)
    outside.bank_turn()
    (found,) = compared(outside, PaymentMethod.BANK).differences
    assert (found.kind, found.refund_no) == (Kind.NOT_CONFIRMED_HERE, outside.refund_no(certificate))


def test_what_we_heard_of_days_later_is_found_in_the_earlier_statement(outside: OutsideShop) -> None:
    certificate = outside.approved(PaymentMethod.ALIPAY)
    outside.provider.books.plan(outside.refund_no(certificate), Fault.DROP)
    outside.pay(certificate)
    outside.shop.clock.advance(days=3)
    assert outside.pay(certificate) == State.REFUNDED
    # On its own day Alipay has what we do not say yet; that is over when the day is compared again.
    assert compared(outside, PaymentMethod.ALIPAY).differences == ()
    settle = outside.settle(outside.approved(PaymentMethod.ALIPAY))
    assert settle == State.REFUNDED
    later = compared(outside, PaymentMethod.ALIPAY, DAY + timedelta(days=3))
    assert (later.compared, later.differences) == (2, ())


def test_days_that_are_not_compared_do_not_come_in(outside: OutsideShop) -> None:
    assert outside.settle(outside.approved(PaymentMethod.ALIPAY)) == State.REFUNDED
    before = compared(outside, PaymentMethod.ALIPAY, DAY - timedelta(days=1))
    assert before.missing.startswith("Alipay has no bill for 3 May 2026, or not yet.")
    assert compared(outside, PaymentMethod.BALANCE, DAY).compared == 0
