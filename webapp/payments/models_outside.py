"""What the desk keeps of its dealings with payment providers outside."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from webapp.certificates.models import PaymentMethod
from webapp.columns import MONEY, UtcDateTime, new_id, words_of

# Notifications


class NotificationEffect(StrEnum):
    """What came of a notification whose signature held. None of them moves money or a state by itself."""

    ASKED = "asked"
    """The provider is asked what became of the refund it speaks of."""
    NOT_OURS = "not_ours"
    """It speaks of no refund of this desk, a payment for one."""
    MISMATCH = "mismatch"
    """It speaks of a refund of ours with another order or another amount."""


class ProviderNotification(SQLModel, table=True):
    """A notification that a provider sent, kept so that the same one counts once."""

    __tablename__ = "provider_notification"
    __table_args__ = (sa.UniqueConstraint("provider", "notify_id"),)

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    provider: PaymentMethod = Field(sa_type=words_of(PaymentMethod, "provider"))
    notify_id: str = Field(max_length=128)
    kind: str = Field(max_length=100)
    refund_no: str = Field(default="", max_length=64)
    effect: NotificationEffect = Field(sa_type=words_of(NotificationEffect, "notification_effect"))
    received_at: datetime = Field(sa_type=UtcDateTime)


# The online bank


class PayerAccount(SQLModel, table=True):
    """The bank account that paid for an order, to which a refund goes back: an IBAN, or a number at a bank."""

    __tablename__ = "payer_account"
    __table_args__ = (sa.CheckConstraint("(iban = '') <> (number = '')", name="iban_or_number"),)

    purchase_id: str = Field(foreign_key="purchase.id", primary_key=True, max_length=32)
    holder: str = Field(max_length=140)
    iban: str = Field(default="", max_length=34)
    number: str = Field(default="", max_length=34)
    bank_code: str = Field(default="", max_length=12)
    stored_at: datetime = Field(sa_type=UtcDateTime)


class BankBatch(SQLModel, table=True):
    """One payment order file (pain.001) to the bank: its bytes and its message id, made once and never again."""

    __tablename__ = "bank_batch"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    msg_id: str = Field(max_length=35, unique=True)
    message: str = Field(max_length=20)
    payments: int
    total_minor: int = Field(sa_type=MONEY)
    currency: str = Field(max_length=3)
    content: bytes = Field(sa_type=sa.LargeBinary)
    made_at: datetime = Field(sa_type=UtcDateTime)
    exported_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class BankStatus(StrEnum):
    """Where a payment order stands. Only ``paid`` and ``rejected`` are final."""

    WAITING = "waiting"
    """For the next file."""
    ORDERED = "ordered"
    """In a file; the bank has not said the last word."""
    PAID = "paid"
    REJECTED = "rejected"


class BankPayment(SQLModel, table=True):
    """One refund as an order to the bank, with the account as it was when the refund was ordered.

    ``bank_code`` and the account are the payee's. ``said`` is the last status code that the bank reported (ISO 20022),
    ``elsewhere`` whether a rejection may be paid another way without anybody looking.
    """

    __tablename__ = "bank_payment"
    __table_args__ = (
        sa.CheckConstraint("amount_minor > 0", name="amount"),
        sa.CheckConstraint("(iban = '') <> (number = '')", name="iban_or_number"),
        sa.CheckConstraint("(status = 'waiting') = (batch_id IS NULL)", name="waiting_without_file"),
        sa.Index("ix_bank_payment_waiting", "status", "ordered_at"),
        sa.Index("ix_bank_payment_batch_id", "batch_id"),
    )

    refund_no: str = Field(primary_key=True, max_length=35)
    holder: str = Field(max_length=140)
    iban: str = Field(default="", max_length=34)
    number: str = Field(default="", max_length=34)
    bank_code: str = Field(default="", max_length=12)
    amount_minor: int = Field(sa_type=MONEY)
    currency: str = Field(max_length=3)
    purpose: str = Field(max_length=140)
    status: BankStatus = Field(default=BankStatus.WAITING, sa_type=words_of(BankStatus, "bank_status"))
    batch_id: str | None = Field(default=None, foreign_key="bank_batch.id", max_length=32)
    said: str = Field(default="", max_length=4)
    detail: str = Field(default="", sa_type=sa.Text)
    elsewhere: bool = True
    ordered_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class BankReport(SQLModel, table=True):
    """A status report (pain.002) that the bank sent. The same bytes count once."""

    __tablename__ = "bank_report"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    sha256: str = Field(max_length=64, unique=True)
    name: str = Field(max_length=200)
    msg_id: str = Field(max_length=35)
    received_at: datetime = Field(sa_type=UtcDateTime)


class LineEffect(StrEnum):
    """What a line of a report changed."""

    PAID = "paid"
    REJECTED = "rejected"
    NOT_FINAL = "not_final"
    """The bank has not said the last word."""
    KNOWN = "known"
    """The same had been said before."""
    UNKNOWN = "unknown"
    """There is no such payment."""
    MISMATCH = "mismatch"
    """The amount or the file is another one."""
    CONTRADICTION = "contradiction"
    """The bank had said the opposite, and that was acted upon."""
    DUPLICATE = "duplicate"
    """A file that came to the bank twice was refused; that says nothing of the payment itself."""


NEEDS_A_LOOK = frozenset({LineEffect.UNKNOWN, LineEffect.MISMATCH, LineEffect.CONTRADICTION, LineEffect.DUPLICATE})
"""What somebody has to look into; nothing was changed."""


class BankReportLine(SQLModel, table=True):
    """What a report said of one payment, and what came of it. ``at`` is the bank's own instant."""

    __tablename__ = "bank_report_line"
    __table_args__ = (sa.Index("ix_bank_report_line_said_at", "said", "at"),)

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    report_id: str = Field(foreign_key="bank_report.id", max_length=32)
    refund_no: str = Field(max_length=35)
    said: str = Field(max_length=4)
    reason: str = Field(default="", sa_type=sa.Text)
    amount_minor: int = Field(sa_type=MONEY)
    currency: str = Field(max_length=3)
    at: datetime = Field(sa_type=UtcDateTime)
    effect: LineEffect = Field(sa_type=words_of(LineEffect, "bank_line_effect"))
