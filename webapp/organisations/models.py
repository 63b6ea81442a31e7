"""Organisations, invitations to them, people who have registered and not come back yet, and the mails to both."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from certlifecycle import Role
from webapp.certificates.models import Channel
from webapp.columns import UtcDateTime, new_id, words_of
from webapp.hindrances import Hindrance
from webapp.mail.models import MailAct, MailStatus


class Organisation(SQLModel, table=True):
    """People who share their certificates. Who belongs to it stands on each account.

    ``closed_at`` is set when the last member has left. The row stays, because the audit trail speaks of it.
    """

    __tablename__ = "organisation"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    name: str = Field(max_length=200)
    created_at: datetime = Field(sa_type=UtcDateTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class InvitationEnd(StrEnum):
    """How an invitation came to its end."""

    ACCEPTED = "accepted"
    WITHDRAWN = "withdrawn"
    REPLACED = "replaced"
    """The same address was invited again."""


class Invitation(SQLModel, table=True):
    """One address that was asked to join. It counts until it is ``settled_at``, or until ``expires_at``."""

    __tablename__ = "invitation"
    __table_args__ = (
        sa.Index(
            "uq_invitation_open",
            "organisation_id",
            "email",
            unique=True,
            postgresql_where=sa.text("settled_at IS NULL"),
            sqlite_where=sa.text("settled_at IS NULL"),
        ),
        sa.CheckConstraint("(settled_at IS NULL) = (ended IS NULL)", name="settled"),
    )

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    organisation_id: str = Field(foreign_key="organisation.id", max_length=32)
    email: str = Field(max_length=254)
    invited_by: str = Field(foreign_key="account.id", max_length=32)
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    settled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended: InvitationEnd | None = Field(default=None, sa_type=words_of(InvitationEnd, "invitation_ended"))


class Registration(SQLModel, table=True):
    """Somebody who wants an account and has not shown yet that the address is theirs.

    It is no account: nobody can sign in with it. The row goes when it is used, and some time after it has run out.
    """

    __tablename__ = "registration"
    __table_args__ = (sa.Index("ix_registration_expires", "expires_at"),)

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    email: str = Field(max_length=254)
    name: str = Field(max_length=200)
    password_hash: str = Field(max_length=200)
    organisation_name: str = Field(default="", max_length=200)
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)


class NoteKind(StrEnum):
    """What a mail to somebody who may have no account is about."""

    INVITATION = "invitation"
    REGISTRATION = "registration"
    KNOWN_ADDRESS = "known_address"
    """Somebody registered with an address that has an account."""


class Note(SQLModel, table=True):
    """One mail with a link, to somebody who may have no account. ``subject_id`` is what the link is for.

    All else means what it means on :class:`~webapp.mail.models.Mail`. The link itself is made anew for each attempt and
    is kept nowhere.
    """

    __tablename__ = "note"
    __table_args__ = (
        sa.Index(
            "ix_note_due",
            "due_at",
            postgresql_where=sa.text("status = 'due'"),
            sqlite_where=sa.text("status = 'due'"),
        ),
        sa.CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name="sent"),
        sa.Index("ix_note_status", "status", "created_at"),
    )

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    kind: NoteKind = Field(sa_type=words_of(NoteKind, "note_kind"))
    subject_id: str = Field(max_length=32)
    address: str = Field(max_length=254)
    language: str = Field(default="", max_length=35)
    status: MailStatus = Field(default=MailStatus.DUE, sa_type=words_of(MailStatus, "note_status"))
    attempts: int = 0
    due_at: datetime = Field(sa_type=UtcDateTime)
    message_id: str = Field(max_length=320)
    error: str | None = Field(default=None, sa_type=sa.Text)
    created_at: datetime = Field(sa_type=UtcDateTime)
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    hindrance: Hindrance | None = Field(default=None, sa_type=words_of(Hindrance, "note_hindrance"))
    claimed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    patience_from: datetime | None = Field(default=None, sa_type=UtcDateTime)


class NoteDecision(SQLModel, table=True):
    """What a :class:`~webapp.mail.models.MailDecision` is, about such a mail. Append-only, by a database trigger."""

    __tablename__ = "note_decision"
    __table_args__ = (sa.Index("ix_note_decision_note", "note_id", "at"),)

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    note_id: str = Field(foreign_key="note.id", max_length=32)
    act: MailAct = Field(sa_type=words_of(MailAct, "note_act"))
    attempts: int
    actor_id: str = Field(foreign_key="account.id", max_length=32)
    actor_role: Role = Field(sa_type=words_of(Role, "note_decision_role"))
    actor_name: str = Field(max_length=200)
    reason: str = Field(sa_type=sa.Text)
    channel: Channel = Field(sa_type=words_of(Channel, "note_decision_channel"))
    address: str = Field(default="", max_length=64)
    at: datetime = Field(sa_type=UtcDateTime)
