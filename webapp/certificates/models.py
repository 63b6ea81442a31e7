"""What was bought, the certificate it became, and everything that ever happened to it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from certlifecycle import Money, RevocationReason, Role, State
from webapp.columns import JSON, MONEY, UtcDateTime, new_id, words_of
from webapp.hindrances import Hindrance


class PaymentMethod(StrEnum):
    """The account that paid for an order."""

    BALANCE = "balance"
    ALIPAY = "alipay"
    BANK = "bank"


class Purchase(SQLModel, table=True):
    """One paid order of one certificate, bought here or imported. Amounts are minor units of ``currency``.

    ``has_payer_account`` says that the bank account that paid is known by its number, so that money can go back to it.
    """

    __tablename__ = "purchase"
    __table_args__ = (
        sa.CheckConstraint("amount_minor >= 0", name="amount"),
        sa.CheckConstraint("voucher_minor >= 0 AND voucher_minor <= amount_minor", name="voucher"),
        sa.CheckConstraint("refunded_minor >= 0 AND refunded_minor <= amount_minor", name="refunded"),
        sa.CheckConstraint("length(currency) = 3", name="currency"),
        sa.Index("ix_purchase_customer_id", "customer_id"),
    )

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    number: str = Field(max_length=64, unique=True)
    customer_id: str = Field(foreign_key="account.id", max_length=32)
    product: str = Field(max_length=64)
    product_name: str = Field(max_length=120)
    validity_days: int
    amount_minor: int = Field(sa_type=MONEY)
    voucher_minor: int = Field(default=0, sa_type=MONEY)
    refunded_minor: int = Field(default=0, sa_type=MONEY)
    currency: str = Field(max_length=3)
    payment_method: PaymentMethod = Field(sa_type=words_of(PaymentMethod, "payment_method"))
    payment_reference: str = Field(max_length=128)
    payment_account: str = Field(default="", max_length=64)
    paid_at: datetime = Field(sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    has_payer_account: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})

    @property
    def paid(self) -> Money:
        """What the order cost."""
        return Money(self.amount_minor, self.currency)


def _some(name: str, where: str, *columns: str) -> sa.Index:
    """An index of those certificates alone that fit a condition: a tab's, say."""
    return sa.Index(name, *columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


class Certificate(SQLModel, table=True):
    """A certificate and where it stands in its life. Only the desk assigns ``state``.

    ``state_since`` is the instant of the last change of state. ``due_at`` is set while the system owes a step: the
    instant from which that work counts as overdue; ``attempts`` counts how often it was begun. ``hindrance`` is
    what kept the last attempt from finishing it, ``work_error`` what was said about that in detail, ``held_up`` what
    the customer is told of it, where it is for the customer to know, and ``failing_since`` the instant of the first
    failure of those that nothing better has followed yet.
    ``submission_id`` names one submission toward the certificate authority. ``waiver`` is an exception from the refund
    policy, proposed or granted (see :mod:`webapp.goodwill.granting`); ``waiver_proposed_at`` is set while it waits for
    somebody to agree, ``waiver_until`` to the last instant that counts once it is granted.

    ``customer_id`` is the person who answers for it and gets the mails about it. ``holder_id`` is whose it is: the
    organisation that this person belongs to, else the person. One comparison with it says who may see the certificate.
    """

    __tablename__ = "certificate"
    __table_args__ = (
        sa.Index("ix_certificate_customer", "customer_id", "created_at", "id"),
        sa.Index("ix_certificate_holder_created", "holder_id", "created_at", "id"),
        sa.Index("ix_certificate_created", "created_at", "id"),
        sa.Index("ix_certificate_state", "state", "state_since"),
        sa.Index("ix_certificate_expiry", "state", "not_after"),
        # What the list is walked by: a holder's own certificates, and for reviewers everybody's.
        sa.Index("ix_certificate_holder_domain", "holder_id", "domain", "not_after", "id"),
        sa.Index("ix_certificate_holder_state", "holder_id", "state", "state_since", "id"),
        sa.Index("ix_certificate_holder_state_created", "holder_id", "state", "created_at", "id", "issued_at"),
        sa.Index("ix_certificate_state_created", "state", "created_at", "id", "issued_at"),
        # A tab has indexes of its own, in the orders of its list; those with the domain spare a search the rows.
        _some("ix_certificate_holder_unsigned", "issued_at IS NULL", "holder_id", "created_at", "id"),
        _some("ix_certificate_holder_signed", "issued_at IS NOT NULL", "holder_id", "created_at", "id"),
        _some("ix_certificate_unsigned", "issued_at IS NULL", "created_at", "id", "domain"),
        _some("ix_certificate_signed", "issued_at IS NOT NULL", "created_at", "id", "domain"),
        _some("ix_certificate_unsigned_domain", "issued_at IS NULL", "domain", "id"),
        _some("ix_certificate_signed_domain", "issued_at IS NOT NULL", "domain", "id"),
        _some("ix_certificate_holder_issued", "issued_at IS NOT NULL", "holder_id", "issued_at", "id"),
        _some("ix_certificate_holder_expiry", "issued_at IS NOT NULL", "holder_id", "not_after", "id"),
        _some("ix_certificate_issued", "issued_at IS NOT NULL", "issued_at", "id"),
        _some("ix_certificate_not_after", "issued_at IS NOT NULL", "not_after", "id"),
        sa.Index(
            "ix_certificate_due",
            "due_at",
            postgresql_where=sa.text("due_at IS NOT NULL"),
            sqlite_where=sa.text("due_at IS NOT NULL"),
        ),
        sa.Index(
            "ix_certificate_waiver",
            "waiver_proposed_at",
            postgresql_where=sa.text("waiver_proposed_at IS NOT NULL"),
            sqlite_where=sa.text("waiver_proposed_at IS NOT NULL"),
        ),
        # Exceptions are few: by these the nearest end is found among all certificates, or a holder's own.
        _some("ix_certificate_waiver_until", "waiver_until IS NOT NULL", "waiver_until", "id"),
        _some("ix_certificate_holder_waiver_until", "waiver_until IS NOT NULL", "holder_id", "waiver_until", "id"),
        sa.Index(
            "ix_certificate_failing",
            "failing_since",
            postgresql_where=sa.text("failing_since IS NOT NULL"),
            sqlite_where=sa.text("failing_since IS NOT NULL"),
        ),
    )

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    purchase_id: str = Field(foreign_key="purchase.id", unique=True, max_length=32)
    customer_id: str = Field(foreign_key="account.id", max_length=32)
    domain: str = Field(max_length=255)
    names: list[str] = Field(sa_type=JSON)
    state: State = Field(sa_type=words_of(State, "certificate_state"))
    version: int = 1
    created_at: datetime = Field(sa_type=UtcDateTime)
    state_since: datetime = Field(sa_type=UtcDateTime)
    # Handed in
    csr_pem: str | None = Field(default=None, sa_type=sa.Text)
    key_description: str | None = Field(default=None, max_length=120)
    submission_id: str | None = Field(default=None, max_length=32)
    submitted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # Why verification failed or the authority refused, for the customer
    problem: str | None = Field(default=None, sa_type=sa.Text)
    # Issued
    issued_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    not_before: datetime | None = Field(default=None, sa_type=UtcDateTime)
    not_after: datetime | None = Field(default=None, sa_type=UtcDateTime)
    serial: str | None = Field(default=None, max_length=40)
    issuer: str | None = Field(default=None, max_length=300)
    fingerprint: str | None = Field(default=None, max_length=95)
    chain_pem: str | None = Field(default=None, sa_type=sa.Text)
    # Revoked
    revocation_reason: RevocationReason | None = Field(
        default=None,
        sa_type=words_of(RevocationReason, "revocation_reason"),
    )
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # Work that the system owes
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    attempts: int = 0
    work_error: str | None = Field(default=None, sa_type=sa.Text)
    held_up: str | None = Field(default=None, sa_type=sa.Text)
    hindrance: Hindrance | None = Field(default=None, sa_type=words_of(Hindrance, "certificate_hindrance"))
    failing_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # Empty only in what a version wrote that did not know it; a trigger fills it in.
    holder_id: str = Field(default="", max_length=32, sa_column_kwargs={"server_default": sa.text("''")})
    # An exception from the refund policy
    waiver: dict[str, Any] | None = Field(default=None, sa_type=sa.JSON(none_as_null=True))
    waiver_proposed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    waiver_until: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Channel(StrEnum):
    """From where a change came."""

    WEB = "web"
    WORKER = "worker"
    COMMAND_LINE = "command_line"
    IMPORT = "import"
    DEMO = "demo"


RETRY = "retry"
"""What the history calls an administrator's asking for due work to be tried again at once."""

PROPOSE_EXCEPTION = "propose_exception"
GRANT_EXCEPTION = "grant_exception"
DECLINE_EXCEPTION = "decline_exception"
BESIDE = frozenset({RETRY, PROPOSE_EXCEPTION, GRANT_EXCEPTION, DECLINE_EXCEPTION})
"""What the history calls changes that move no state: nobody who decides from an older page comes too late by them."""


class History(SQLModel, table=True):
    """One change: who, what, when, why, from where. Append-only; a database trigger refuses anything else.

    What a row says of a person can be emptied, and that it was is in the chain (:mod:`webapp.audit.erasing`).
    ``id`` orders what the desk tells the live hub; nothing outside the house ever sees it as a key. ``event`` is one of
    the life cycle's events, ``order`` or ``import`` for the row with which a certificate begins, or one of
    :data:`BESIDE`, which changes no state.
    """

    __tablename__ = "history"
    __table_args__ = (
        sa.Index("ix_history_certificate", "certificate_id", "id"),
        sa.Index("ix_history_at", "at", "event"),
    )

    id: int | None = Field(
        default=None,
        sa_column=sa.Column(sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    )
    certificate_id: str = Field(foreign_key="certificate.id", max_length=32)
    customer_id: str = Field(max_length=32)
    refund_id: str | None = Field(default=None, max_length=32)
    event: str = Field(max_length=40)
    from_state: State | None = Field(default=None, sa_type=words_of(State, "history_from"))
    to_state: State = Field(sa_type=words_of(State, "history_to"))
    actor_id: str = Field(max_length=32)
    actor_role: Role = Field(sa_type=words_of(Role, "history_role"))
    actor_name: str = Field(max_length=200)
    reason: str = Field(default="", sa_type=sa.Text)
    facts: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    channel: Channel = Field(sa_type=words_of(Channel, "history_channel"))
    address: str = Field(default="", max_length=64)
    at: datetime = Field(sa_type=UtcDateTime)
