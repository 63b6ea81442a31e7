"""The desk's own books, and every attempt to pay somebody back."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from webapp.certificates.models import PaymentMethod
from webapp.columns import MONEY, UtcDateTime, new_id, words_of


class PayoutStatus(StrEnum):
    """What is known of an attempt. ``sent`` and ``unknown`` are asked for again, never guessed."""

    INTENDED = "intended"
    SENT = "sent"
    UNKNOWN = "unknown"
    CONFIRMED = "confirmed"
    REFUSED = "refused"


class Payout(SQLModel, table=True):
    """One way of paying one refund, written before anything is sent and never deleted.

    The refund's id is the idempotency key toward the provider; it and the amount stay the same on every retry.
    ``round`` is the refund's: once everything has failed and reviewers have approved again, each way is tried anew.
    """

    __tablename__ = "payout"
    __table_args__ = (
        sa.UniqueConstraint("refund_id", "round", "method"),
        sa.Index("ix_payout_status_updated", "status", "updated_at"),
        sa.CheckConstraint("amount_minor > 0", name="amount"),
    )

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    refund_id: str = Field(foreign_key="refund.id", max_length=32)
    round: int = 1
    method: PaymentMethod = Field(sa_type=words_of(PaymentMethod, "payout_method"))
    status: PayoutStatus = Field(sa_type=words_of(PayoutStatus, "payout_status"))
    amount_minor: int = Field(sa_type=MONEY)
    currency: str = Field(max_length=3)
    reference: str | None = Field(default=None, max_length=128)
    detail: str | None = Field(default=None, sa_type=sa.Text)
    intended_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class LedgerAccount(SQLModel, table=True):
    """An account in the desk's books with its running balance, kept in the transaction of each transfer.

    A customer's account cannot go below zero; the desk's own accounts (cash, sales) may.
    """

    __tablename__ = "ledger_account"
    __table_args__ = (
        sa.UniqueConstraint("owner", "currency"),
        sa.CheckConstraint("balance_minor >= 0 OR owner LIKE 'desk:%'", name="not_overdrawn"),
    )

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    owner: str = Field(max_length=64)
    currency: str = Field(max_length=3)
    balance_minor: int = Field(default=0, sa_type=MONEY)


class LedgerTransfer(SQLModel, table=True):
    """One double entry: ``amount_minor`` leaves ``debit`` and arrives at ``credit``, so the books always balance.

    Append-only by trigger; ``(kind, reference)`` is unique, so the same business event is booked once.
    """

    __tablename__ = "ledger_transfer"
    __table_args__ = (
        sa.UniqueConstraint("kind", "reference"),
        sa.CheckConstraint("amount_minor > 0", name="amount"),
        sa.CheckConstraint("debit_id <> credit_id", name="two_accounts"),
        sa.Index("ix_ledger_transfer_debit", "debit_id"),
        sa.Index("ix_ledger_transfer_credit", "credit_id"),
    )

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    kind: str = Field(max_length=40)
    reference: str = Field(max_length=128)
    debit_id: str = Field(foreign_key="ledger_account.id", max_length=32)
    credit_id: str = Field(foreign_key="ledger_account.id", max_length=32)
    amount_minor: int = Field(sa_type=MONEY)
    currency: str = Field(max_length=3)
    memo: str = Field(default="", max_length=300)
    at: datetime = Field(sa_type=UtcDateTime)
