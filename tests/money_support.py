"""What the tests of money and of races share."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from shop import Shop
from sqlmodel import Session, func, select

from webapp.payments.models import LedgerAccount, LedgerTransfer

T = TypeVar("T")


def at_once(*calls: Callable[[], T]) -> list[T]:
    """Make all calls at the same instant, each in a thread of its own; the first exception is raised."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def assert_books_balance(session: Session) -> None:
    """The sum over all accounts is nothing, and each one holds what its transfers brought and took."""
    accounts = session.exec(select(LedgerAccount)).all()
    assert sum(one.balance_minor for one in accounts) == 0
    for one in accounts:
        came = select(func.coalesce(func.sum(LedgerTransfer.amount_minor), 0))
        brought = session.exec(came.where(LedgerTransfer.credit_id == one.id)).one()
        took = session.exec(came.where(LedgerTransfer.debit_id == one.id)).one()
        assert one.balance_minor == brought - took, one.owner


def waiting_for_locks(shop: Shop) -> int:
    """How many of the shop's connections wait for another one."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with shop.database.reading() as session:
        return int(session.connection().exec_driver_sql(query).scalar_one())
