"""What the desk keeps of comparing its payouts with providers' records, and of what admins did about payments."""

from datetime import date, datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from webapp.certificates.models import Channel, PaymentMethod
from webapp.columns import MONEY, UtcDateTime, new_id, words_of


class ComparisonStatus(StrEnum):
    """How far the comparison of one day with one provider is."""

    DUE = "due"
    """To be done at ``next_at``: for the first time, again because the statement was not there, or because somebody
    asked."""
    RUNNING = "running"
    COMPARED = "compared"
    NO_STATEMENT = "no_statement"
    """The provider had no statement for so long that it is not waited for any more."""


class DifferenceKind(StrEnum):
    """What a difference is."""

    MISSING_THERE = "missing_there"
    """We say it is paid, the provider does not."""
    MISSING_HERE = "missing_here"
    """The provider says it is paid, and we know of no such refund."""
    NOT_CONFIRMED_HERE = "not_confirmed_here"
    """The provider says it is paid, and we do not say so, or say that it was refused."""
    AMOUNT_DIFFERS = "amount_differs"
    PAID_TWICE = "paid_twice"
    """The provider lists the same refund more than once."""


class DailyComparison(SQLModel, table=True):
    """One day of one provider, compared with the payouts of the desk. Done by the worker; it pays nothing.

    ``day`` is one of the provider's time zone. ``claim`` is made anew by whoever takes it up, so that one that was
    taken for dead records nothing. ``steps_done`` of ``steps_total`` statements are read. ``compared`` counts the
    refunds looked at; ``unchecked`` the payouts of a day without a statement. ``trouble`` says why it is not done yet.
    """

    __tablename__ = "daily_comparison"
    __table_args__ = (
        sa.UniqueConstraint("method", "day"),
        sa.CheckConstraint("(status = 'running') = (claim IS NOT NULL)", name="claimed_while_running"),
        sa.Index("ix_daily_comparison_due", "status", "next_at"),
    )

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    method: PaymentMethod = Field(sa_type=words_of(PaymentMethod, "comparison_method"))
    day: date
    status: ComparisonStatus = Field(
        default=ComparisonStatus.DUE, sa_type=words_of(ComparisonStatus, "comparison_status")
    )
    next_at: datetime = Field(sa_type=UtcDateTime)
    planned_at: datetime = Field(sa_type=UtcDateTime)
    claim: str | None = Field(default=None, max_length=32)
    begun_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    steps_done: int = 0
    steps_total: int = 1
    compared: int = 0
    unchecked: int = 0
    trouble: str = Field(default="", sa_type=sa.Text)


class DailyDifference(SQLModel, table=True):
    """One refund on which the desk and the provider did not agree when the day was compared last.

    An amount is empty on the side that has none. ``at`` is the instant of whoever says that it is paid.
    """

    __tablename__ = "daily_difference"
    __table_args__ = (sa.Index("ix_daily_difference_comparison_id", "comparison_id"),)

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    comparison_id: str = Field(foreign_key="daily_comparison.id", max_length=32)
    place: int
    kind: DifferenceKind = Field(sa_type=words_of(DifferenceKind, "difference_kind"))
    refund_no: str = Field(max_length=64)
    ours_minor: int | None = Field(default=None, sa_type=MONEY)
    ours_currency: str = Field(default="", max_length=3)
    theirs_minor: int | None = Field(default=None, sa_type=MONEY)
    theirs_currency: str = Field(default="", max_length=3)
    at: datetime = Field(sa_type=UtcDateTime)
    reference: str = Field(default="", max_length=128)


class Act(StrEnum):
    """What somebody did about payments by hand."""

    FILE_MADE = "file_made"
    FILE_DOWNLOADED = "file_downloaded"
    REPORT_TAKEN_IN = "report_taken_in"
    COMPARISON_ASKED = "comparison_asked"


class PaymentAct(SQLModel, table=True):
    """One act: who, what, when, from where. Append-only by trigger; ``subject`` is the file, report or comparison."""

    __tablename__ = "payment_act"
    __table_args__ = (sa.Index("ix_payment_act_subject", "subject", "at"),)

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    act: Act = Field(sa_type=words_of(Act, "payment_act_kind"))
    subject: str = Field(max_length=32)
    actor_id: str = Field(foreign_key="account.id", max_length=32)
    actor_name: str = Field(max_length=200)
    channel: Channel = Field(sa_type=words_of(Channel, "payment_act_channel"))
    address: str = Field(default="", max_length=64)
    at: datetime = Field(sa_type=UtcDateTime)
