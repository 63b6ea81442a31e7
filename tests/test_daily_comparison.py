"""The daily comparison: each day of each provider once, made up for when it was missed, and nothing is paid by it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from connected_shop import connected
from outside_shop import OutsideShop
from shop import Shop
from sqlmodel import col, select

from certlifecycle import Money, State
from webapp.certificates.models import Channel, PaymentMethod
from webapp.desk import By
from webapp.payments.daily import ASK_AGAIN, LEASE, PATIENCE, TRY_AGAIN, Comparisons, as_comparison, differences_of
from webapp.payments.models import LedgerTransfer, Payout
from webapp.payments.models_books import Act, ComparisonStatus, DailyComparison, DifferenceKind, PaymentAct
from webapp.payments.port import StatementLine, StatementMissing

ALIPAY, BANK, BALANCE = PaymentMethod.ALIPAY, PaymentMethod.BANK, PaymentMethod.BALANCE
DAY = date(2026, 5, 4)
NEXT_MORNING = datetime(2026, 5, 5, 2, 0, tzinfo=UTC)


@pytest.fixture
def outside(database_url: str, open_shop: Callable[..., Shop], tmp_path: Path) -> Iterator[OutsideShop]:
    with connected(open_shop, database_url, tmp_path / "bank") as opened:
        yield opened


@pytest.fixture
def comparisons(outside: OutsideShop) -> Comparisons:
    return Comparisons(outside.shop.database, outside.shop.parts.gateways, outside.shop.clock)


def rows(shop: Shop) -> dict[tuple[PaymentMethod, date], DailyComparison]:
    with shop.database.reading() as session:
        found = session.exec(select(DailyComparison).order_by(col(DailyComparison.day))).all()
    return {(PaymentMethod(one.method), one.day): one for one in found}


def found_in(shop: Shop, row: DailyComparison) -> list[tuple[DifferenceKind, str]]:
    with shop.database.reading() as session:
        return [(one.kind, one.refund_no) for one in differences_of(session, row.id)]


def test_a_day_is_compared_with_every_provider_once_it_is_over(outside: OutsideShop, comparisons: Comparisons) -> None:
    shop = outside.shop
    for method in PaymentMethod:
        assert outside.settle(outside.approved(method)) == State.REFUNDED
    # Settled by the bank eleven minutes later, and the day goes on.
    shop.clock.now = datetime(2026, 5, 4, 16, 59, tzinfo=UTC)
    comparisons.turn()
    assert {day for _, day in rows(shop)} == {date(2026, 5, 3)}
    shop.clock.now = NEXT_MORNING
    assert comparisons.turn() >= 3
    for method in PaymentMethod:
        row = rows(shop)[method, DAY]
        assert (row.status, row.compared, row.unchecked, row.trouble) == (ComparisonStatus.COMPARED, 1, 0, "")
        assert row.finished_at == NEXT_MORNING
        assert found_in(shop, row) == []
    # It is not done again by itself.
    assert comparisons.turn() == 0


def test_days_that_passed_while_no_worker_ran_are_made_up_for(outside: OutsideShop, comparisons: Comparisons) -> None:
    shop = outside.shop
    shop.clock.now = NEXT_MORNING
    comparisons.plan()
    assert {day for _, day in rows(shop)} == {DAY}
    shop.clock.advance(days=3)
    comparisons.plan()
    assert [day for method, day in rows(shop) if method is BANK] == [DAY + timedelta(days=more) for more in range(4)]
    # After half a year nobody reads half a year of statements.
    shop.clock.advance(days=200)
    comparisons.plan()
    assert len([day for method, day in rows(shop) if method is BANK]) == 4 + 32


def test_each_provider_has_its_own_midnight(database_url: str, open_shop: Callable[..., Shop], tmp_path: Path) -> None:
    with connected(open_shop, database_url, tmp_path / "bank", timezone="Pacific/Honolulu") as outside:
        shop = outside.shop
        shop.clock.now = NEXT_MORNING
        Comparisons(shop.database, shop.parts.gateways, shop.clock).plan()
        assert set(rows(shop)) == {(ALIPAY, DAY), (BANK, DAY), (BALANCE, date(2026, 5, 3))}


def test_differences_are_kept_until_the_day_is_compared_again_and_nothing_is_paid(
    outside: OutsideShop, comparisons: Comparisons
) -> None:
    shop, books = outside.shop, outside.provider.books
    lost, more = outside.approved(ALIPAY), outside.approved(ALIPAY)
    for one in (lost, more):
        outside.pay(one)
    trade, refunded = books.find(outside.refund_no(lost))
    del trade.refunds[outside.refund_no(lost)]
    books.find(outside.refund_no(more))[1].minor += 1
    books.refund(books.add_trade("of another system", 500), "elsewhere", 500)
    shop.clock.now = NEXT_MORNING
    before = money(outside)
    comparisons.turn()
    row = rows(shop)[ALIPAY, DAY]
    assert set(found_in(shop, row)) == {
        (DifferenceKind.MISSING_THERE, outside.refund_no(lost)),
        (DifferenceKind.AMOUNT_DIFFERS, outside.refund_no(more)),
        (DifferenceKind.MISSING_HERE, "elsewhere"),
    }
    with shop.database.reading() as session:
        comparison = as_comparison(row, differences_of(session, row.id))
    by_kind = {one.kind: one for one in comparison.differences}
    assert by_kind[DifferenceKind.MISSING_THERE].theirs is None
    assert by_kind[DifferenceKind.MISSING_HERE].ours is None
    differs = by_kind[DifferenceKind.AMOUNT_DIFFERS]
    assert (differs.ours, differs.theirs) == (Money(26800, "CNY"), Money(26801, "CNY"))
    # Alipay has found its record; the day is asked for once more.
    trade.refunds[outside.refund_no(lost)] = refunded
    books.find(outside.refund_no(more))[1].minor -= 1
    comparisons.ask(ALIPAY, DAY, By(shop.ada.actor, Channel.WEB, "192.0.2.1"))
    assert rows(shop)[ALIPAY, DAY].status == ComparisonStatus.DUE
    assert len(found_in(shop, row)) == 3
    comparisons.turn()
    assert found_in(shop, rows(shop)[ALIPAY, DAY]) == [(DifferenceKind.MISSING_HERE, "elsewhere")]
    assert money(outside) == before
    with shop.database.reading() as session:
        (act,) = session.exec(select(PaymentAct)).all()
    assert (act.act, act.subject, act.actor_id, act.address) == (Act.COMPARISON_ASKED, row.id, shop.ada.id, "192.0.2.1")


def money(outside: OutsideShop) -> tuple[Any, ...]:
    with outside.shop.database.reading() as session:
        payouts = [one.model_dump() for one in session.exec(select(Payout).order_by(col(Payout.id))).all()]
        transfers = [one.id for one in session.exec(select(LedgerTransfer)).all()]
    asked = [call for call in outside.provider.books.calls if call.method == "refund"]
    return payouts, transfers, len(asked)


def test_a_statement_that_is_not_there_yet_is_asked_for_again(outside: OutsideShop, comparisons: Comparisons) -> None:
    shop = outside.shop
    shop.clock.now = NEXT_MORNING
    comparisons.turn()
    row = rows(shop)[ALIPAY, DAY]
    assert (row.status, row.next_at, row.claim) == (ComparisonStatus.DUE, NEXT_MORNING + ASK_AGAIN, None)
    assert row.trouble.startswith("Alipay has no bill for 4 May 2026, or not yet.")
    assert comparisons.turn() == 0
    books = outside.provider.books
    shop.clock.now = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
    books.refund(books.add_trade("of another system", 500), "elsewhere", 500)
    shop.clock.now = NEXT_MORNING + ASK_AGAIN
    assert comparisons.turn() == 1
    row = rows(shop)[ALIPAY, DAY]
    assert (row.status, row.trouble) == (ComparisonStatus.COMPARED, "")
    assert found_in(shop, row) == [(DifferenceKind.MISSING_HERE, "elsewhere")]


@pytest.mark.parametrize("paid", [0, 1])
def test_a_statement_that_never_comes_is_given_up_and_told(
    outside: OutsideShop, comparisons: Comparisons, paid: int
) -> None:
    shop = outside.shop
    for certificate in [outside.approved(ALIPAY) for _ in range(paid)]:
        outside.pay(certificate)
        trade, _ = outside.provider.books.find(outside.refund_no(certificate))
        trade.refunds.clear()
    shop.clock.now = NEXT_MORNING
    comparisons.turn()
    shop.clock.now = NEXT_MORNING + PATIENCE
    comparisons.turn()
    row = rows(shop)[ALIPAY, DAY]
    assert (row.status, row.compared, row.unchecked) == (ComparisonStatus.NO_STATEMENT, 0, paid)
    assert row.trouble.startswith("Alipay has no bill")


class BrokenBooks:
    """A provider whose records cannot be read for the first ``times``; ``meanwhile`` is called at each try."""

    method = ALIPAY
    in_flight = timedelta(0)
    zone = UTC

    def __init__(self, times: int = 0, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.times, self.meanwhile, self.asked = times, meanwhile, 0

    def statement(self, day: date) -> list[StatementLine]:
        """Fail, or show nothing."""
        self.asked += 1
        self.meanwhile()
        if self.asked <= self.times:
            raise OSError("the disk is full")
        return []


def broken(outside: OutsideShop, books: BrokenBooks) -> Comparisons:
    others = {method: gateway for method, gateway in outside.shop.parts.gateways.items() if method is not ALIPAY}
    return Comparisons(outside.shop.database, {ALIPAY: books, **others}, outside.shop.clock)  # type: ignore[dict-item]


def test_what_goes_wrong_with_one_provider_is_told_tried_again_and_holds_up_no_other(outside: OutsideShop) -> None:
    shop = outside.shop
    shop.clock.now = NEXT_MORNING
    comparisons = broken(outside, BrokenBooks(times=1))
    assert comparisons.turn() == 3
    row = rows(shop)[ALIPAY, DAY]
    assert (row.status, row.trouble) == (ComparisonStatus.DUE, "OSError: the disk is full")
    assert row.next_at == NEXT_MORNING + TRY_AGAIN
    assert rows(shop)[BANK, DAY].status == ComparisonStatus.COMPARED
    shop.clock.advance(minutes=10)
    assert comparisons.turn() == 1
    assert rows(shop)[ALIPAY, DAY].status == ComparisonStatus.COMPARED


@pytest.mark.parametrize("times", [0, 1])
def test_whoever_was_taken_for_dead_records_nothing(outside: OutsideShop, times: int) -> None:
    """It hangs for longer than its lease; another worker does it meanwhile, and its result stands."""
    shop = outside.shop
    shop.clock.now = NEXT_MORNING
    second = broken(outside, BrokenBooks())

    def taken_for_dead() -> None:
        first.meanwhile = lambda: None
        shop.clock.now += LEASE
        second.turn()

    first = BrokenBooks(times, taken_for_dead)
    broken(outside, first).turn()
    row = rows(shop)[ALIPAY, DAY]
    assert (row.status, row.finished_at, row.trouble) == (ComparisonStatus.COMPARED, NEXT_MORNING + LEASE, "")
    assert first.asked == 1


def test_a_comparison_of_a_dead_worker_is_taken_up_after_its_lease(
    outside: OutsideShop, comparisons: Comparisons
) -> None:
    shop = outside.shop
    shop.clock.now = NEXT_MORNING

    def die() -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        broken(outside, BrokenBooks(meanwhile=die)).turn()
    assert rows(shop)[ALIPAY, DAY].status == ComparisonStatus.RUNNING
    comparisons.turn()
    assert rows(shop)[ALIPAY, DAY].status == ComparisonStatus.RUNNING
    shop.clock.now += LEASE
    comparisons.turn()
    assert rows(shop)[ALIPAY, DAY].status == ComparisonStatus.DUE


def test_many_workers_make_each_comparison_once(outside: OutsideShop) -> None:
    shop = outside.shop
    shop.clock.now = NEXT_MORNING
    books = BrokenBooks()
    workers = [broken(outside, books) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda one: one.turn(), workers))
    assert sum(made) == 3
    assert books.asked == 1
    assert len(rows(shop)) == 3


def test_a_comparison_that_is_being_made_is_left_to_finish(outside: OutsideShop, comparisons: Comparisons) -> None:
    shop = outside.shop
    shop.clock.now = NEXT_MORNING
    by = By(shop.ada.actor, Channel.WEB)
    books = BrokenBooks(meanwhile=lambda: comparisons.ask(ALIPAY, DAY, by))
    broken(outside, books).turn()
    assert (books.asked, rows(shop)[ALIPAY, DAY].status) == (1, ComparisonStatus.COMPARED)


def test_a_day_that_is_not_over_cannot_be_asked_for(outside: OutsideShop, comparisons: Comparisons) -> None:
    by = By(outside.shop.ada.actor, Channel.WEB)
    with pytest.raises(ValueError, match="not over"):
        comparisons.ask(ALIPAY, DAY, by)
    assert rows(outside.shop) == {}


def test_the_progress_is_told_while_earlier_statements_are_read(outside: OutsideShop, comparisons: Comparisons) -> None:
    """What was begun days ago and confirmed yesterday may stand in any statement since."""
    shop = outside.shop
    certificate = outside.approved(BANK)
    outside.pay(certificate)
    shop.clock.advance(days=3)
    outside.bank_turn()
    assert outside.pay(certificate) == State.REFUNDED
    with shop.database.writing() as session:
        # The bank's own day was an earlier one than that on which we heard of it.
        session.connection().exec_driver_sql("UPDATE bank_report_line SET at = '2026-05-04 10:00:00.000000+00'")
    shop.clock.advance(days=1)
    seen = []

    class Watched:
        method, in_flight, zone = BANK, timedelta(0), outside.bank_gateway.zone

        def statement(self, day: date) -> list[StatementLine]:
            row = rows(shop)[BANK, DAY + timedelta(days=3)]
            seen.append((row.steps_done, row.steps_total))
            return outside.bank_gateway.statement(day)

    others = {method: gateway for method, gateway in shop.parts.gateways.items() if method is not BANK}
    Comparisons(shop.database, {BANK: Watched(), **others}, shop.clock).turn()  # type: ignore[dict-item]
    assert seen == [(0, 1), (1, 4), (2, 4), (3, 4)]
    row = rows(shop)[BANK, DAY + timedelta(days=3)]
    assert (row.status, row.steps_done, row.steps_total) == (ComparisonStatus.COMPARED, 4, 4)
    assert found_in(shop, row) == []


def test_a_provider_that_is_not_connected_any_more_is_not_asked(outside: OutsideShop, comparisons: Comparisons) -> None:
    shop = outside.shop
    shop.clock.now = NEXT_MORNING
    comparisons.plan()
    only_balance = {BALANCE: shop.parts.gateways[BALANCE]}
    assert Comparisons(shop.database, only_balance, shop.clock).turn() == 1
    assert rows(shop)[ALIPAY, DAY].status == ComparisonStatus.DUE


def test_what_a_providers_records_hold_is_cut_to_what_can_be_kept(outside: OutsideShop) -> None:
    shop = outside.shop
    shop.clock.now = NEXT_MORNING

    class Chatty(BrokenBooks):
        def statement(self, day: date) -> list[StatementLine]:
            return [StatementLine("x" * 500, Money(-100, "CNY"), NEXT_MORNING, "y" * 500)]

    broken(outside, Chatty()).turn()
    row = rows(shop)[ALIPAY, DAY]
    assert found_in(shop, row) == [(DifferenceKind.MISSING_HERE, "x" * 64)]


def test_a_missing_statement_counts_what_could_not_be_compared(outside: OutsideShop) -> None:
    shop = outside.shop
    assert outside.settle(outside.approved(ALIPAY)) == State.REFUNDED

    class Away(BrokenBooks):
        def statement(self, day: date) -> list[StatementLine]:
            raise StatementMissing("The records are being maintained.")

    shop.clock.now = NEXT_MORNING + timedelta(hours=16)
    broken(outside, Away()).turn()
    row = rows(shop)[ALIPAY, DAY]
    assert (row.status, row.unchecked, row.trouble) == (ComparisonStatus.DUE, 1, "The records are being maintained.")
