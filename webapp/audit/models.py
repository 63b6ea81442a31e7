"""What is kept beside the history of certificates, and the chain that runs through both."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from certlifecycle import Role
from webapp.certificates.models import Channel
from webapp.columns import JSON, UtcDateTime, words_of

BIG_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


class AuditKind(StrEnum):
    """What somebody did that changed no certificate."""

    SIGNED_IN = "signed_in"
    SIGN_IN_REFUSED = "sign_in_refused"
    SIGNED_OUT = "signed_out"
    SIGNED_OUT_EVERYWHERE = "signed_out_everywhere"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # A name, not a password.
    AUTHENTICATOR_ADDED = "authenticator_added"
    AUTHENTICATOR_REMOVED = "authenticator_removed"
    RECOVERY_CODES_MADE = "recovery_codes_made"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    RECOVERY_ASKED = "recovery_asked"
    PASSWORD_RESET = "password_reset"  # noqa: S105  # A name, not a password.
    PROVIDER_LINKED = "provider_linked"
    PROVIDER_UNLINKED = "provider_unlinked"
    ROLE_CHANGED = "role_changed"
    PROVED_AGAIN = "proved_again"
    """Whoever sits at a signed-in browser has shown again who they are, before something that matters most."""
    ACCOUNT_ADDED = "account_added"
    ORGANISATION_FOUNDED = "organisation_founded"
    ORGANISATION_RENAMED = "organisation_renamed"
    ORGANISATION_CLOSED = "organisation_closed"
    MEMBER_INVITED = "member_invited"
    INVITATION_WITHDRAWN = "invitation_withdrawn"
    MEMBER_JOINED = "member_joined"
    MEMBER_LEFT = "member_left"
    MEMBER_REMOVED = "member_removed"
    OWNER_MADE = "owner_made"
    OWNER_UNMADE = "owner_unmade"
    RIGHTS_CHANGED = "rights_changed"
    SECOND_FACTOR_TAKEN_OFF = "second_factor_taken_off"
    ACCOUNT_DELETED = "account_deleted"
    PERSONAL_DATA_ERASED = "personal_data_erased"
    """Names, addresses and words in entries of before were emptied; which, and how they read now, is in it."""
    POLICY_IN_FORCE = "policy_in_force"
    """The refund policy is another one than when the desk last looked; it is a setting, so nobody is named."""
    JOB_STARTED = "job_started"
    JOB_STOPPED = "job_stopped"
    JOB_FILE_FETCHED = "job_file_fetched"
    CERTIFICATE_FETCHED = "certificate_fetched"
    CA_KEYS_ENCRYPTED = "ca_keys_encrypted"
    BANK_FILE_MADE = "file_made"
    BANK_FILE_DOWNLOADED = "file_downloaded"
    BANK_REPORT_TAKEN_IN = "report_taken_in"
    COMPARISON_ASKED = "comparison_asked"
    BALANCE_TOPPED_UP = "balance_topped_up"
    AUDIT_EXPORTED = "audit_exported"


class AuditEvent(SQLModel, table=True):
    """One thing that somebody did, or tried: who, what, about what, when, from where.

    Append-only like :class:`~webapp.certificates.models.History`; a database trigger refuses anything else.
    ``actor_id`` is ``None`` where nobody was known: a sign-in with an address that has no account. ``subject`` names
    what it was about as people know it: a file, a table, an email address.
    """

    __tablename__ = "audit_event"
    __table_args__ = (
        sa.Index("ix_audit_event_at", "at", "id"),
        sa.Index("ix_audit_event_kind", "kind", "at", "id"),
        sa.Index("ix_audit_event_certificate", "certificate_id", "at", "id"),
    )

    id: int | None = Field(default=None, sa_column=sa.Column(BIG_KEY, primary_key=True, autoincrement=True))
    kind: str = Field(max_length=40)
    actor_id: str | None = Field(default=None, max_length=32)
    actor_role: Role | None = Field(default=None, sa_type=words_of(Role, "audit_role"))
    actor_name: str = Field(default="", max_length=200)
    subject: str = Field(default="", max_length=300)
    certificate_id: str | None = Field(default=None, max_length=32)
    refund_id: str | None = Field(default=None, max_length=32)
    facts: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    channel: Channel = Field(sa_type=words_of(Channel, "audit_channel"))
    address: str = Field(default="", max_length=64)
    at: datetime = Field(sa_type=UtcDateTime)


class ChainLink(SQLModel, table=True):
    """The place of one row in the chain; see :mod:`webapp.audit.chain`. ``position`` counts from 1 without a gap.

    ``digest`` is the row alone, ``hash`` the row and everything before it.
    """

    __tablename__ = "chain_link"
    __table_args__ = (
        sa.UniqueConstraint("source", "row_id", name="uq_chain_link_row"),
        # What a search walks along, one table's rows at a time.
        sa.Index("ix_chain_link_source", "source", "position"),
        sa.CheckConstraint("position > 0", name="position"),
        sa.CheckConstraint("length(digest) = 64 AND length(hash) = 64", name="hashes"),
    )

    position: int = Field(sa_column=sa.Column(BIG_KEY, primary_key=True, autoincrement=False))
    source: str = Field(max_length=20)
    row_id: int = Field(sa_type=sa.BigInteger)
    form: int = Field(sa_type=sa.SmallInteger)
    digest: str = Field(max_length=64)
    hash: str = Field(max_length=64)
