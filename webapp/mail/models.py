"""Mails that are due, on their way or sent, how far the history was read for them, and who wants which."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from certlifecycle import Role
from webapp.certificates.models import Channel
from webapp.columns import UtcDateTime, new_id, words_of
from webapp.hindrances import Hindrance


class MailGroup(StrEnum):
    """What can be switched off together."""

    RECEIPTS = "receipts"
    """What became of somebody's own certificate and money: always sent."""
    REMINDERS = "reminders"
    """Deadlines of a customer's certificates."""
    DUTIES = "duties"
    """What is late and waits for a reviewer or an administrator."""


class MailKind(StrEnum):
    """What a mail tells, and the group it belongs to."""

    group: MailGroup

    def __new__(cls, value: str, group: MailGroup = MailGroup.RECEIPTS) -> "MailKind":
        kind = str.__new__(cls, value)
        kind._value_ = value
        kind.group = group
        return kind

    APPLIED = "applied"
    APPROVED = "approved"
    PAID = "paid"
    FALLBACK = "fallback"
    REJECTED = "rejected"
    RETURNED = "returned"
    ISSUED = "issued"
    VERIFICATION_FAILED = "verification_failed"
    ISSUANCE_REFUSED = "issuance_refused"
    REVOKED = "revoked"
    REVOCATION_REFUSED = "revocation_refused"
    WINDOW_WEEK = "window_week", MailGroup.REMINDERS
    WINDOW_DAY = "window_day", MailGroup.REMINDERS
    EXPIRING_MONTH = "expiring_month", MailGroup.REMINDERS
    EXPIRING_WEEK = "expiring_week", MailGroup.REMINDERS
    REVIEW_OVERDUE = "review_overdue", MailGroup.DUTIES
    REVOCATION_SLOW = "revocation_slow", MailGroup.DUTIES
    HISTORY_HEAD = "history_head", MailGroup.DUTIES
    RECOVERY = "recovery"
    PASSWORD_RESET = "password_reset"  # noqa: S105  # A name, not a password.
    EXCEPTION_GRANTED = "exception_granted"


class MailStatus(StrEnum):
    """What became of a mail. ``suppressed`` was never sent: not wanted, or no longer true when its turn came."""

    DUE = "due"
    SENT = "sent"
    GIVEN_UP = "given_up"
    SUPPRESSED = "suppressed"


class Mail(SQLModel, table=True):
    """One mail to one person.

    It was made either from a history row (``history_id``) or by a look at the clock; ``occasion`` then says what for.
    Both are unique with kind and recipient: whoever plans a second time plans nothing. The id of the history row is no
    foreign key, so that the history can be partitioned.

    ``due_at`` is the instant from which it may be tried, or tried again: whoever takes it moves ``due_at`` on
    first, counts ``attempts`` and sets ``claimed_at`` until its fate is written down, so nobody else takes it
    meanwhile. It is given up some days after ``patience_from``, or after it was made where nobody asked for another
    try. ``message_id`` is made of the row's own id and never changes, so that a mail which arrives twice after an
    unknown outcome can be told for one. ``hindrance`` is why it did not leave the last time, ``error`` the same in
    detail.
    """

    __tablename__ = "mail"
    __table_args__ = (
        sa.UniqueConstraint("history_id", "kind", "recipient_id"),
        sa.UniqueConstraint("occasion", "kind", "recipient_id"),
        sa.CheckConstraint("(history_id IS NULL) <> (occasion IS NULL)", name="one_cause"),
        sa.CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name="sent"),
        sa.Index(
            "ix_mail_due",
            "due_at",
            postgresql_where=sa.text("status = 'due'"),
            sqlite_where=sa.text("status = 'due'"),
        ),
        sa.Index("ix_mail_status", "status", "created_at"),
    )

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    history_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    occasion: str | None = Field(default=None, max_length=80)
    kind: MailKind = Field(sa_type=words_of(MailKind, "mail_kind"))
    certificate_id: str | None = Field(default=None, foreign_key="certificate.id", max_length=32)
    refund_id: str | None = Field(default=None, foreign_key="refund.id", max_length=32)
    recipient_id: str = Field(foreign_key="account.id", max_length=32)
    address: str = Field(max_length=254)
    subject: str = Field(default="", max_length=500)
    status: MailStatus = Field(default=MailStatus.DUE, sa_type=words_of(MailStatus, "mail_status"))
    attempts: int = 0
    due_at: datetime = Field(sa_type=UtcDateTime)
    error: str | None = Field(default=None, sa_type=sa.Text)
    message_id: str = Field(max_length=320)
    created_at: datetime = Field(sa_type=UtcDateTime)
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    hindrance: Hindrance | None = Field(default=None, sa_type=words_of(Hindrance, "mail_hindrance"))
    claimed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    patience_from: datetime | None = Field(default=None, sa_type=UtcDateTime)


class MailAct(StrEnum):
    """What an administrator decided about a mail that did not leave."""

    RETRY = "retry"
    DROP = "drop"
    """It is not to be sent any more."""


class MailDecision(SQLModel, table=True):
    """Who decided what about a mail: when, why, from where. Append-only; a database trigger refuses anything else.

    A mail is no change of a certificate, so this stands here and not in the certificate's history. ``attempts`` is how
    often the mail had been tried by then.
    """

    __tablename__ = "mail_decision"
    __table_args__ = (sa.Index("ix_mail_decision_mail", "mail_id", "at"),)

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    mail_id: str = Field(foreign_key="mail.id", max_length=32)
    act: MailAct = Field(sa_type=words_of(MailAct, "mail_act"))
    attempts: int
    actor_id: str = Field(foreign_key="account.id", max_length=32)
    actor_role: Role = Field(sa_type=words_of(Role, "mail_decision_role"))
    actor_name: str = Field(max_length=200)
    reason: str = Field(sa_type=sa.Text)
    channel: Channel = Field(sa_type=words_of(Channel, "mail_decision_channel"))
    address: str = Field(default="", max_length=64)
    at: datetime = Field(sa_type=UtcDateTime)


class MailCursor(SQLModel, table=True):
    """How far the history was read; there is one row.

    Every row up to ``settled_id`` has got its mails. ``seen_id`` was the newest row at ``seen_at``: once that is long
    enough ago for every transaction of that time to have ended, it is settled, too.
    """

    __tablename__ = "mail_cursor"
    __table_args__ = (sa.CheckConstraint("id = 1", name="single"),)

    id: int = Field(default=1, primary_key=True)
    settled_id: int = Field(sa_type=sa.BigInteger)
    seen_id: int = Field(sa_type=sa.BigInteger)
    seen_at: datetime = Field(sa_type=UtcDateTime)


class MailPreference(SQLModel, table=True):
    """Whether somebody wants a group of mails. Where there is no row, they do."""

    __tablename__ = "mail_preference"
    __table_args__ = (sa.CheckConstraint("kind_group <> 'receipts'", name="receipts_are_always_sent"),)

    account_id: str = Field(foreign_key="account.id", primary_key=True, max_length=32)
    kind_group: MailGroup = Field(sa_type=words_of(MailGroup, "mail_group"), primary_key=True)
    wanted: bool
    changed_at: datetime = Field(sa_type=UtcDateTime)
