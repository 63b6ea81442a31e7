"""Refund applications, the approvals they got, and the payouts they led to."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from certlifecycle import Money, State
from webapp.certificates.models import PaymentMethod
from webapp.columns import JSON, MONEY, UtcDateTime, new_id, words_of
from webapp.retelling import stored

VERDICTS = (
    stored("Refundable: it was never submitted for verification."),
    stored("Refundable: its verification failed."),
    stored("Refundable until {deadline}.", deadline="…"),
    stored(
        "Refundable until {deadline}, as an exception that {proposer} and {agreer} made: {reason}",
        deadline="…",
        proposer="…",
        agreer="…",
        reason="…",
    ),
)
"""The verdicts on which an application can have been made, set out so that a frozen one is recognised."""


class Outcome(StrEnum):
    """What became of an application."""

    OPEN = "open"
    APPROVED = "approved"
    REFUNDED = "refunded"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class RefundReason(StrEnum):
    """Why a customer wants the money back."""

    NOT_NEEDED = "not_needed"
    WRONG_PRODUCT = "wrong_product"
    WRONG_DOMAIN = "wrong_domain"
    VERIFICATION_TROUBLE = "verification_trouble"
    BOUGHT_TWICE = "bought_twice"
    OTHER = "other"


class Refund(SQLModel, table=True):
    """One application. What was decided when it was made is frozen on it: a slow reviewer costs the customer nothing.

    ``origin`` is the state the certificate came from. ``rule``, ``verdict`` (its sentence in English and UTC),
    ``deadline`` and ``policy`` are the refund policy's answer at ``applied_at``; ``soonest`` and ``latest`` the promise
    given then. While ``closed_at`` is empty no second application for the certificate can exist. ``round`` counts the
    decisions: when every way of paying failed, the application waits for a decision anew. ``customer_id`` is who paid
    and gets the money back, ``holder_id`` whose the certificate is.
    """

    __tablename__ = "refund"
    __table_args__ = (
        sa.Index(
            "uq_refund_open",
            "certificate_id",
            unique=True,
            postgresql_where=sa.text("closed_at IS NULL"),
            sqlite_where=sa.text("closed_at IS NULL"),
        ),
        sa.Index("ix_refund_certificate", "certificate_id", "applied_at"),
        sa.Index("ix_refund_customer", "customer_id", "applied_at", "id"),
        sa.Index("ix_refund_holder", "holder_id", "applied_at", "id"),
        sa.Index("ix_refund_applied", "applied_at"),
        sa.Index("ix_refund_paid", "paid_at"),
        sa.CheckConstraint("amount_minor > 0", name="amount"),
        sa.CheckConstraint("length(currency) = 3", name="currency"),
        sa.CheckConstraint("origin IN ('pending', 'failed', 'revoked')", name="origin_is_a_refund_origin"),
    )

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    number: str = Field(max_length=20, unique=True)
    certificate_id: str = Field(foreign_key="certificate.id", max_length=32)
    customer_id: str = Field(foreign_key="account.id", max_length=32)
    applicant_id: str = Field(foreign_key="account.id", max_length=32)
    outcome: Outcome = Field(default=Outcome.OPEN, sa_type=words_of(Outcome, "refund_outcome"))
    origin: State = Field(sa_type=words_of(State, "refund_origin"))
    reason_code: RefundReason = Field(sa_type=words_of(RefundReason, "refund_reason"))
    reason: str = Field(sa_type=sa.Text)
    # Frozen at the application
    amount_minor: int = Field(sa_type=MONEY)
    currency: str = Field(max_length=3)
    method: PaymentMethod = Field(sa_type=words_of(PaymentMethod, "refund_method"))
    destination: str = Field(max_length=200)
    rule: str = Field(max_length=40)
    verdict: str = Field(sa_type=sa.Text)
    deadline: datetime | None = Field(default=None, sa_type=UtcDateTime)
    policy_version: str = Field(max_length=120)
    policy: dict[str, Any] = Field(sa_type=JSON)
    applied_at: datetime = Field(sa_type=UtcDateTime)
    soonest: date
    latest: date
    # Decided
    round: int = 1
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    decision_reason: str | None = Field(default=None, sa_type=sa.Text)
    instructions: str | None = Field(default=None, sa_type=sa.Text)
    # Paid
    paid_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    paid_to: str | None = Field(default=None, max_length=200)
    payout_reference: str | None = Field(default=None, max_length=128)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    holder_id: str = Field(default="", max_length=32, sa_column_kwargs={"server_default": sa.text("''")})

    @property
    def amount(self) -> Money:
        """What is paid back."""
        return Money(self.amount_minor, self.currency)


class RefundApproval(SQLModel, table=True):
    """One reviewer's approval in one round of decision. ``may_pay`` is whether they might send money when they did."""

    __tablename__ = "refund_approval"
    __table_args__ = (sa.UniqueConstraint("refund_id", "round", "reviewer_id"),)

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    refund_id: str = Field(foreign_key="refund.id", max_length=32)
    round: int
    reviewer_id: str = Field(foreign_key="account.id", max_length=32)
    reviewer_name: str = Field(max_length=200)
    at: datetime = Field(sa_type=UtcDateTime)
    may_pay: bool = Field(default=True, sa_column_kwargs={"server_default": sa.true()})
