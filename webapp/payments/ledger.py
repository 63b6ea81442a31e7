"""The desk's books: double entry, append-only, each business event booked once.

A transfer names a debit and a credit account and an amount, so the books balance by construction. The running balance
of an account is changed in the transfer's own transaction, by the database, never computed here.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select, update

from certlifecycle import Money
from webapp.columns import new_id
from webapp.db import rows_changed
from webapp.payments.models import LedgerAccount, LedgerTransfer

CASH = "desk:cash"
"""Money that came in from outside."""
SALES = "desk:sales"
"""What orders were paid with."""


def wallet(customer_id: str) -> str:
    """The owner name of a customer's balance."""
    return f"customer:{customer_id}"


class InsufficientFunds(Exception):
    """The account does not hold as much; nothing was booked. ``missing`` is what lacks."""

    def __init__(self, missing: Money) -> None:
        super().__init__(f"{missing} are missing")
        self.missing = missing


def balance(session: Session, owner: str, currency: str) -> Money:
    """What an account holds."""
    # The column, not the row: a row that this session has seen before would be shown as it was then.
    minor = session.exec(
        select(LedgerAccount.balance_minor).where(LedgerAccount.owner == owner, LedgerAccount.currency == currency)
    ).first()
    return Money(minor or 0, currency)


def booked(session: Session, kind: str, reference: str) -> LedgerTransfer | None:
    """The transfer of a business event, if it was booked."""
    return session.exec(
        select(LedgerTransfer).where(LedgerTransfer.kind == kind, LedgerTransfer.reference == reference)
    ).first()


def transfer(
    session: Session,
    kind: str,
    reference: str,
    debit: str,
    credit: str,
    amount: Money,
    at: datetime,
    memo: str = "",
) -> LedgerTransfer:
    """Book ``amount`` from ``debit`` to ``credit`` inside the caller's transaction.

    Raises :class:`InsufficientFunds` when a customer's account does not hold as much, and
    :class:`sqlalchemy.exc.IntegrityError` when the same ``(kind, reference)`` was booked before. Then nothing of the
    transfer stays, and the caller's transaction is as it was.
    """
    with session.begin_nested():
        # Always in the same order, here and below, so that two transfers never wait for each other in a ring.
        accounts = {owner: _account(session, owner, amount.currency) for owner in sorted((debit, credit))}
        row = LedgerTransfer(
            kind=kind,
            reference=reference,
            debit_id=accounts[debit],
            credit_id=accounts[credit],
            amount_minor=amount.minor,
            currency=amount.currency,
            memo=memo,
            at=at,
        )
        session.add(row)
        session.flush()
        for owner, change in sorted([(debit, -amount.minor), (credit, amount.minor)]):
            if not _add(session, accounts[owner], change):
                held = balance(session, debit, amount.currency)
                raise InsufficientFunds(Money(amount.minor - held.minor, amount.currency))
    return row


def _add(session: Session, account: str, change: int) -> bool:
    enough = sa.or_(
        col(LedgerAccount.balance_minor) + change >= 0,
        col(LedgerAccount.owner).startswith("desk:"),
    )
    result = session.exec(
        update(LedgerAccount)
        .where(col(LedgerAccount.id) == account, enough)
        .values(balance_minor=LedgerAccount.balance_minor + change)
    )
    return rows_changed(result) == 1


def _account(session: Session, owner: str, currency: str) -> str:
    # Two transfers may open an account at once; the constraint lets one of them do it.
    table = LedgerAccount.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
    values = {"id": new_id(), "owner": owner, "currency": currency, "balance_minor": 0}
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    insert = dialect.insert(table).values(**values)
    session.execute(insert.on_conflict_do_nothing(index_elements=["owner", "currency"]))
    return session.exec(
        select(LedgerAccount.id).where(LedgerAccount.owner == owner, LedgerAccount.currency == currency)
    ).one()
