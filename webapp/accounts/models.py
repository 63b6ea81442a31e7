"""People and their sessions."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from certlifecycle import Actor, Right, Role
from webapp.columns import UtcDateTime, new_id, words_of

# Written for the database, so that a version that does not know the column can go on adding rows.
UNSET = {"server_default": sa.text("''")}
YES = {"server_default": sa.true()}


DELETED = "Deleted account"
"""The name of whoever had their account deleted."""
DELETED_DOMAIN = "deleted.invalid"
"""Where their address is, which nobody can have (RFC 2606)."""


class Account(SQLModel, table=True):
    """Somebody who can sign in. ``email`` is stored in lower case.

    ``language`` (BCP 47) and ``timezone`` (IANA) are their choice, empty where they have made none. For mails,
    ``browser_language`` is the language in which they read the console when they last signed in. ``may_decide`` and
    ``may_pay`` are their rights while they are a reviewer or an administrator.

    Whoever belongs to an organisation has its ``organisation_id`` and shares its certificates since ``joined_at``;
    ``is_owner`` says that they decide who belongs to it. It is no foreign key, which SQLite could not have added
    without copying the table; organisations are never deleted.
    """

    __tablename__ = "account"
    __table_args__ = (sa.Index("ix_account_organisation", "organisation_id"),)

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    email: str = Field(max_length=254, unique=True)
    name: str = Field(max_length=200)
    password_hash: str = Field(max_length=200)
    role: Role = Field(sa_type=words_of(Role, "account_role"))
    created_at: datetime = Field(sa_type=UtcDateTime)
    disabled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    language: str = Field(default="", max_length=35, sa_column_kwargs=UNSET)
    timezone: str = Field(default="", max_length=64, sa_column_kwargs=UNSET)
    browser_language: str = Field(default="", max_length=35, sa_column_kwargs=UNSET)
    organisation_id: str | None = Field(default=None, max_length=32)
    is_owner: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    joined_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    may_decide: bool = Field(default=True, sa_column_kwargs=YES)
    may_pay: bool = Field(default=True, sa_column_kwargs=YES)

    @property
    def rights(self) -> frozenset[Right]:
        """What they may do for the shop, should their role be one that does anything for it."""
        return frozenset(
            right for right, given in ((Right.DECIDE, self.may_decide), (Right.PAY, self.may_pay)) if given
        )

    @property
    def is_deleted(self) -> bool:
        """Whether nothing is left of this person but a pseudonym."""
        return self.email.endswith(f"@{DELETED_DOMAIN}")

    @property
    def actor(self) -> Actor:
        """This person as the life cycle knows them."""
        return Actor(self.id, Role(self.role), self.name, organisation_id=self.organisation_id, rights=self.rights)

    @property
    def holder_id(self) -> str:
        """Whose certificates are this person's: their organisation's, else their own alone."""
        return self.organisation_id or self.id


class Stage(StrEnum):
    """What a browser still has to show before it is signed in."""

    COMPLETE = "complete"
    SECOND_FACTOR = "second_factor"
    """The first factor was right, the second is asked for."""
    ENROLMENT = "enrolment"
    """The first factor was right, and a second has to be set up before anything else."""


class WebSession(SQLModel, table=True):
    """A signed-in browser. The browser holds the token, the desk only its hash, so a stolen table opens nothing.

    ``proved_at`` is when its person last showed who they are, after the sign-in with which it began.
    """

    __tablename__ = "web_session"
    __table_args__ = (sa.Index("ix_web_session_account_id", "account_id"),)

    token_hash: str = Field(primary_key=True, max_length=64)
    account_id: str = Field(foreign_key="account.id", max_length=32)
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_seen_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    address: str = Field(default="", max_length=64)
    user_agent: str = Field(default="", max_length=300)
    stage: Stage = Field(
        default=Stage.COMPLETE,
        sa_type=words_of(Stage, "web_session_stage"),
        sa_column_kwargs={"server_default": sa.text("'complete'")},
    )
    proved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Act(StrEnum):
    """What happened to an account."""

    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT_EVERYWHERE = "signed_out_everywhere"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # A name, not a password.
    AUTHENTICATOR_ADDED = "authenticator_added"
    AUTHENTICATOR_REMOVED = "authenticator_removed"
    RECOVERY_CODES_MADE = "recovery_codes_made"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    RECOVERY_ASKED = "recovery_asked"
    """Somebody asked for a link by which to choose a new password."""
    PASSWORD_RESET = "password_reset"  # noqa: S105  # A name, not a password.
    """A new password was chosen by such a link."""
    PROVIDER_LINKED = "provider_linked"
    PROVIDER_UNLINKED = "provider_unlinked"
    ROLE_CHANGED = "role_changed"
    """The organisation's sign-in put them into other groups."""
    SECOND_FACTOR_TAKEN_OFF = "second_factor_taken_off"
    """By an administrator, for somebody who had lost it."""


class Way(StrEnum):
    """By what somebody showed who they are."""

    PASSWORD = "password"  # noqa: S105  # A name, not a password.
    CODE = "code"
    """A code of their authenticator app, after the password."""
    RECOVERY_CODE = "recovery_code"
    PASSKEY = "passkey"
    PROVIDER = "provider"
    """The organisation's own sign-in (OpenID Connect)."""


class AccountEvent(SQLModel, table=True):
    """What happened to an account: when, by what, from where. Never changed; a database trigger refuses that.

    It is let go of when it is old; the audit trail keeps what it needs of it.
    """

    __tablename__ = "account_event"
    __table_args__ = (sa.Index("ix_account_event_account", "account_id", "id"),)

    id: int | None = Field(
        default=None,
        sa_column=sa.Column(sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    )
    account_id: str = Field(foreign_key="account.id", max_length=32)
    act: Act = Field(sa_type=words_of(Act, "account_event_act"))
    way: Way | None = Field(default=None, sa_type=words_of(Way, "account_event_way"))
    address: str = Field(default="", max_length=64)
    user_agent: str = Field(default="", max_length=300)
    at: datetime = Field(sa_type=UtcDateTime)


class Authenticator(SQLModel, table=True):
    """An authenticator app's secret (RFC 6238), sealed; it counts once ``confirmed_at`` is set.

    ``last_step`` is the time step of the latest code that was accepted: no code is taken twice.
    """

    __tablename__ = "authenticator"

    account_id: str = Field(primary_key=True, foreign_key="account.id", max_length=32)
    sealed_secret: str = Field(max_length=200)
    last_step: int = Field(default=0, sa_type=sa.BigInteger)
    created_at: datetime = Field(sa_type=UtcDateTime)
    confirmed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class RecoveryCode(SQLModel, table=True):
    """A code that replaces the second factor once; the desk keeps its hash."""

    __tablename__ = "recovery_code"
    __table_args__ = (sa.Index("ix_recovery_code_account", "account_id"),)

    code_hash: str = Field(primary_key=True, max_length=64)
    account_id: str = Field(foreign_key="account.id", max_length=32)
    created_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Passkey(SQLModel, table=True):
    """A passkey (WebAuthn): the public half of a key pair, the other of which never leaves somebody's device.

    ``credential_id`` and ``public_key`` are base64url; ``sign_count`` is what the device counted at the last use.
    """

    __tablename__ = "passkey"
    __table_args__ = (sa.Index("ix_passkey_account", "account_id"),)

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    credential_id: str = Field(max_length=1400, unique=True)
    account_id: str = Field(foreign_key="account.id", max_length=32)
    public_key: str = Field(sa_type=sa.Text)
    sign_count: int = Field(sa_type=sa.BigInteger)
    name: str = Field(max_length=60)
    created_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class PasskeyChallenge(SQLModel, table=True):
    """What a device has to sign, once and soon. ``account_id`` is set where it is asked of one person."""

    __tablename__ = "passkey_challenge"

    challenge: str = Field(primary_key=True, max_length=100)
    account_id: str | None = Field(default=None, foreign_key="account.id", max_length=32)
    expires_at: datetime = Field(sa_type=UtcDateTime)


class ProviderIdentity(SQLModel, table=True):
    """Who somebody is at the organisation's own sign-in (OpenID Connect).

    ``issuer`` and ``subject`` together never change and never name anybody else (OpenID Connect Core, 5.7); ``email``
    is what the provider called them when the two were linked, for its owner to recognise.
    """

    __tablename__ = "provider_identity"
    __table_args__ = (
        sa.UniqueConstraint("issuer", "subject", name="uq_provider_identity_subject"),
        sa.UniqueConstraint("account_id", "issuer", name="uq_provider_identity_account"),
    )

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    account_id: str = Field(foreign_key="account.id", max_length=32)
    issuer: str = Field(max_length=500)
    subject: str = Field(max_length=255)
    email: str = Field(default="", max_length=254)
    created_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ProviderVisit(SQLModel, table=True):
    """A browser that was sent to the organisation's sign-in and is to come back, once and soon.

    ``browser_hash`` is that of a cookie, so that it comes back in the same browser; ``account_id`` is set where
    somebody who is signed in wants to link the two.
    """

    __tablename__ = "provider_visit"

    state_hash: str = Field(primary_key=True, max_length=64)
    browser_hash: str = Field(max_length=64)
    nonce: str = Field(max_length=64)
    verifier: str = Field(max_length=128)
    account_id: str | None = Field(default=None, foreign_key="account.id", max_length=32)
    wanted: str = Field(default="", max_length=500)
    expires_at: datetime = Field(sa_type=UtcDateTime)


class RecoveryRequest(SQLModel, table=True):
    """Somebody forgot a password, or says so. A worker looks whose address it is, so that asking tells nobody."""

    __tablename__ = "recovery_request"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    email: str = Field(max_length=254)
    address: str = Field(default="", max_length=64)
    user_agent: str = Field(default="", max_length=300)
    at: datetime = Field(sa_type=UtcDateTime)


class RecoveryLink(SQLModel, table=True):
    """The one link by which an account's owner may choose a new password; the desk keeps its hash alone."""

    __tablename__ = "recovery_link"

    account_id: str = Field(primary_key=True, foreign_key="account.id", max_length=32)
    id: str = Field(default_factory=new_id, max_length=32)
    token_hash: str = Field(max_length=64, unique=True)
    expires_at: datetime = Field(sa_type=UtcDateTime)
