"""Paying back to the customer's balance at the vendor: a booking in the desk's own ledger."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from certlifecycle import Money
from webapp.certificates.models import PaymentMethod
from webapp.db import Database
from webapp.payments.ledger import SALES, booked, transfer, wallet
from webapp.payments.models import LedgerTransfer
from webapp.payments.port import Answer, Failed, PayoutOrder, StatementLine, Succeeded, Unheard
from webapp.retelling import stored

KIND = "refund"


class BalanceGateway:
    """The cloud account of the refund instructions. It knows at once, so it never answers pending or unknown."""

    method = PaymentMethod.BALANCE
    # The booking is one transaction: what is not there was not booked.
    in_flight = timedelta(0)

    def __init__(self, database: Database, clock: Callable[[], datetime], zone: tzinfo = UTC) -> None:
        self._database = database
        self._clock = clock
        self.zone = zone

    def refund(self, order: PayoutOrder) -> Answer:
        """Book the refund once; a repeated call finds the booking."""
        try:
            with self._database.writing() as session:
                row = booked(session, KIND, order.refund_no) or transfer(
                    session,
                    KIND,
                    order.refund_no,
                    debit=SALES,
                    credit=wallet(order.customer_id),
                    amount=order.amount,
                    at=self._clock(),
                    memo=order.reason[:300],
                )
        except IntegrityError:
            # Another worker booked it between the look and the entry; its booking is the answer.
            return self.query(order)
        return _answer(row, order)

    def query(self, order: PayoutOrder) -> Answer:
        """Look the booking up."""
        with self._database.reading() as session:
            row = booked(session, KIND, order.refund_no)
        return _answer(row, order) if row else Unheard()

    def statement(self, day: date) -> list[StatementLine]:
        """The refunds that were booked on a day of the shop's time zone."""
        begin = datetime.combine(day, time(), self.zone)
        end = datetime.combine(day + timedelta(days=1), time(), self.zone)
        wanted = (
            select(LedgerTransfer)
            .where(LedgerTransfer.kind == KIND, LedgerTransfer.at >= begin, LedgerTransfer.at < end)
            .order_by(col(LedgerTransfer.at), col(LedgerTransfer.id))
        )
        with self._database.reading() as session:
            rows = session.exec(wanted).all()
        return [
            StatementLine(row.reference, Money(row.amount_minor, row.currency), row.at, f"ledger {row.id}")
            for row in rows
        ]


def _answer(row: LedgerTransfer, order: PayoutOrder) -> Answer:
    if (row.amount_minor, row.currency) != (order.amount.minor, order.amount.currency):
        return Failed(stored("This refund was booked with another amount."), elsewhere=False)
    return Succeeded(f"ledger {row.id}")
