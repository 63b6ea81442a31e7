"""Paying back to the customer's balance at the vendor: a booking in the desk's own ledger."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError

from webapp.certificates.models import PaymentMethod
from webapp.db import Database
from webapp.payments.ledger import SALES, booked, transfer, wallet
from webapp.payments.models import LedgerTransfer
from webapp.payments.port import Answer, Failed, PayoutOrder, Succeeded

KIND = "refund"


class BalanceGateway:
    """The cloud account of the refund instructions. It knows at once, so it never answers pending or unknown."""

    method = PaymentMethod.BALANCE
    # Two attempts at once are harmless here: the booking itself decides.
    patience = timedelta(0)

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

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
        return _answer(row, order) if row else Failed("This refund was never booked.")


def _answer(row: LedgerTransfer, order: PayoutOrder) -> Answer:
    if (row.amount_minor, row.currency) != (order.amount.minor, order.amount.currency):
        return Failed("This refund was booked with another amount.")
    return Succeeded(f"ledger {row.id}")
