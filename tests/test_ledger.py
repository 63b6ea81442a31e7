"""The desk's books: they balance, nothing is changed afterwards, nobody is overdrawn, nothing is booked twice."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from money_support import assert_books_balance, at_once, waiting_for_locks
from postgres import owning
from processes import eventually
from shop import Shop
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlmodel import col, func, select, text, update

from certlifecycle import Money
from webapp.payments.ledger import CASH, SALES, InsufficientFunds, balance, booked, transfer, wallet
from webapp.payments.models import LedgerAccount, LedgerTransfer

ALICE, BOB = wallet("a" * 32), wallet("b" * 32)


def cny(minor: int) -> Money:
    return Money(minor, "CNY")


def book(shop: Shop, reference: str, debit: str, credit: str, minor: int, kind: str = "test") -> str:
    """One transfer in a transaction of its own; returns its id."""
    with shop.database.writing() as session:
        return transfer(session, kind, reference, debit, credit, cny(minor), shop.clock()).id


def holds(shop: Shop, owner: str) -> int:
    with shop.database.reading() as session:
        return balance(session, owner, "CNY").minor


def test_the_books_balance_whatever_was_booked(any_shop: Shop) -> None:
    chance = random.Random(7)  # noqa: S311  # Repeatable, not secret.
    refused = 0
    for number in range(60):
        debit, credit = chance.sample([CASH, SALES, ALICE, BOB], 2)
        try:
            book(any_shop, str(number), debit, credit, chance.randint(1, 500))
        except InsufficientFunds:
            refused += 1
    assert 0 < refused < 60
    with any_shop.database.reading() as session:
        assert_books_balance(session)
        assert session.exec(select(func.count()).select_from(LedgerTransfer)).one() == 60 - refused


def test_an_account_that_never_moved_holds_nothing(any_shop: Shop) -> None:
    assert holds(any_shop, ALICE) == 0


def test_currencies_are_kept_apart(any_shop: Shop) -> None:
    with any_shop.database.writing() as session:
        transfer(session, "gift", "1", CASH, ALICE, Money(500, "CNY"), any_shop.clock())
        transfer(session, "gift", "2", CASH, ALICE, Money(3, "JPY"), any_shop.clock())
        assert (balance(session, ALICE, "CNY"), balance(session, ALICE, "JPY")) == (cny(500), Money(3, "JPY"))
        with pytest.raises(InsufficientFunds, match="1 JPY are missing"):
            transfer(session, "order", "3", ALICE, SALES, Money(4, "JPY"), any_shop.clock())


# Nothing is changed afterwards


def test_a_transfer_stays_as_it_was_booked(any_shop: Shop) -> None:
    book(any_shop, "1", CASH, ALICE, 500)
    refused = ["UPDATE ledger_transfer SET amount_minor = 1", "DELETE FROM ledger_transfer"]
    for statement in refused:
        with pytest.raises(DBAPIError, match="ledger_transfer is append-only"), any_shop.database.writing() as session:
            session.connection().exec_driver_sql(statement)
    if not any_shop.database.is_sqlite:
        # Whoever serves may not even try; whoever owns the table is stopped by the trigger.
        with (
            owning(any_shop.database) as engine,
            pytest.raises(DBAPIError, match="ledger_transfer is append-only"),
            engine.begin() as connection,
        ):
            connection.exec_driver_sql("TRUNCATE ledger_transfer")
    with any_shop.database.reading() as session:
        assert session.exec(select(LedgerTransfer.amount_minor)).all() == [500]


# Nothing is booked twice


def test_the_same_event_is_booked_once(any_shop: Shop) -> None:
    first = book(any_shop, "N-1", CASH, ALICE, 500, kind="top-up")
    with pytest.raises(IntegrityError):
        book(any_shop, "N-1", CASH, BOB, 700, kind="top-up")
    # The number belongs to its kind.
    book(any_shop, "N-1", CASH, BOB, 700, kind="gift")
    assert (holds(any_shop, ALICE), holds(any_shop, BOB)) == (500, 700)
    with any_shop.database.reading() as session:
        found = booked(session, "top-up", "N-1")
        assert found is not None
        assert (found.id, found.amount_minor) == (first, 500)
        assert booked(session, "top-up", "N-2") is None
        assert_books_balance(session)


def test_a_second_booking_leaves_the_rest_of_the_transaction_as_it_is(any_shop: Shop) -> None:
    book(any_shop, "1", CASH, ALICE, 500)
    with any_shop.database.writing() as session:
        transfer(session, "test", "2", CASH, ALICE, cny(30), any_shop.clock())
        with pytest.raises(IntegrityError):
            transfer(session, "test", "1", CASH, BOB, cny(500), any_shop.clock())
    assert (holds(any_shop, ALICE), holds(any_shop, BOB)) == (530, 0)


@pytest.mark.parametrize(
    ("debit", "credit", "minor"),
    [(CASH, ALICE, 0), (CASH, ALICE, -5), (CASH, CASH, 5)],
    ids=["nothing", "less than nothing", "from an account to itself"],
)
def test_what_is_no_transfer_is_refused_by_the_database(any_shop: Shop, debit: str, credit: str, minor: int) -> None:
    with pytest.raises(IntegrityError):
        book(any_shop, "1", debit, credit, minor)


def test_an_instant_without_a_zone_is_refused(any_shop: Shop) -> None:
    """Nobody can say which instant it means."""
    with pytest.raises(StatementError, match="must be timezone-aware"), any_shop.database.writing() as session:
        transfer(session, "test", "1", CASH, ALICE, cny(5), any_shop.clock().replace(tzinfo=None))
    assert holds(any_shop, ALICE) == 0


# Nobody is overdrawn


def test_a_customer_cannot_spend_more_than_there_is(any_shop: Shop) -> None:
    book(any_shop, "1", CASH, ALICE, 500)
    with pytest.raises(InsufficientFunds) as caught:
        book(any_shop, "2", ALICE, SALES, 501)
    assert caught.value.missing == cny(1)
    assert (holds(any_shop, ALICE), holds(any_shop, SALES)) == (500, 0)
    with any_shop.database.reading() as session:
        assert booked(session, "test", "2") is None
    book(any_shop, "3", ALICE, SALES, 500)
    assert (holds(any_shop, ALICE), holds(any_shop, SALES)) == (0, 500)


@pytest.mark.parametrize("other", [SALES, "a" + ALICE, "z" + ALICE])
def test_a_caller_that_goes_on_after_an_overdraft_has_booked_nothing(any_shop: Shop, other: str) -> None:
    """Whichever of the two accounts comes first."""
    with any_shop.database.writing() as session:
        transfer(session, "test", "1", CASH, ALICE, cny(500), any_shop.clock())
        with pytest.raises(InsufficientFunds):
            transfer(session, "test", "2", ALICE, other, cny(501), any_shop.clock())
    assert (holds(any_shop, ALICE), holds(any_shop, other)) == (500, 0)
    with any_shop.database.reading() as session:
        assert_books_balance(session)


def test_what_is_missing_is_counted_from_what_is_there_now(postgres_url: str, open_shop) -> None:
    """The session has seen the balance before somebody else spent it."""
    shop = open_shop(postgres_url)
    book(shop, "1", CASH, ALICE, 500)
    with shop.database.writing() as session:
        session.exec(select(LedgerAccount)).all()
        book(shop, "2", ALICE, SALES, 400)
        with pytest.raises(InsufficientFunds) as caught:
            transfer(session, "test", "3", ALICE, SALES, cny(300), shop.clock())
    assert caught.value.missing == cny(200)


def test_the_database_itself_keeps_customers_above_zero(any_shop: Shop) -> None:
    book(any_shop, "1", CASH, ALICE, 500)
    with pytest.raises(IntegrityError), any_shop.database.writing() as session:
        session.exec(update(LedgerAccount).where(col(LedgerAccount.owner) == ALICE).values(balance_minor=-1))
    # The desk's own accounts show what came from outside.
    assert holds(any_shop, CASH) == -500


def test_the_same_money_is_not_spent_by_several_at_once(any_shop: Shop) -> None:
    book(any_shop, "0", CASH, ALICE, 500)

    def spend(number: int) -> bool:
        try:
            book(any_shop, f"order {number}", ALICE, SALES, 200)
        except InsufficientFunds:
            return False
        return True

    spent = at_once(*(lambda n=number: spend(n) for number in range(8)))
    assert spent.count(True) == 2
    assert (holds(any_shop, ALICE), holds(any_shop, SALES)) == (100, 400)


# Nobody waits in a ring


def test_transfers_in_both_directions_at_once(any_shop: Shop) -> None:
    book(any_shop, "a", CASH, ALICE, 1000)
    book(any_shop, "b", CASH, BOB, 1000)

    def send(thread: int) -> None:
        debit, credit = (ALICE, BOB) if thread % 2 else (BOB, ALICE)
        for number in range(10):
            book(any_shop, f"{thread}-{number}", debit, credit, 7)

    at_once(*(lambda n=thread: send(n) for thread in range(8)))
    assert (holds(any_shop, ALICE), holds(any_shop, BOB)) == (1000, 1000)
    with any_shop.database.reading() as session:
        assert_books_balance(session)


def test_accounts_that_are_opened_by_two_at_once_in_opposite_order(postgres_url: str, open_shop) -> None:
    """One has opened the first account when the other comes from the other side."""
    shop = open_shop(postgres_url)
    opened, going = threading.Event(), threading.Event()

    def first() -> None:
        with shop.database.writing() as session:
            # As transfer() does: accounts in the order of their owners.
            insert = text("INSERT INTO ledger_account VALUES ('1', 'desk:a', 'CNY', 0)")
            session.connection().execute(insert)
            opened.set()
            assert going.wait(20)
            transfer(session, "test", "1", "desk:a", "desk:b", cny(5), shop.clock())

    def second() -> None:
        assert opened.wait(20)
        book(shop, "2", "desk:b", "desk:a", 3)

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(first), pool.submit(second)]
        eventually(lambda: waiting_for_locks(shop) == 1)
        going.set()
        for one in both:
            one.result()
    assert (holds(shop, "desk:a"), holds(shop, "desk:b")) == (-2, 2)
