"""What the desk remembers of its accounts and orders at ACME servers (RFC 8555).

Everything a step needs is here before the step is taken, so that a worker that is killed leaves nothing behind that
the next one cannot pick up.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from certlifecycle import RevocationReason
from webapp.columns import JSON, UtcDateTime, new_id, words_of


class AcmeStep(StrEnum):
    """How far an order has come. Each value is stored before the request that it names is sent."""

    SUBMITTED = "submitted"
    """Nothing that counts was sent to the server yet."""
    ORDERING = "ordering"
    """A new-order request may have reached the server; its answer is not known."""
    PROVING = "proving"
    """The server has the order; control of the names is being proved."""
    FINALIZING = "finalizing"
    """The CSR may have reached the server; the server is at work or has done it."""
    DOWNLOADING = "downloading"
    """The certificate exists and its address is known."""
    ISSUED = "issued"
    """The certificate is stored here (final)."""
    FAILED = "failed"
    """There will be no certificate; ``problem`` says why (final)."""


class AcmeAccount(SQLModel, table=True):
    """An account at a server: the pair of directory and account key. ``url`` is empty until it is registered.

    ``thumbprint`` is the SHA-256 thumbprint of the key (RFC 7638). ``refuses_not_after`` notes that the server does not
    take a wish for the end of the validity, so that it is not asked again for every order.
    """

    __tablename__ = "acme_account"
    __table_args__ = (sa.UniqueConstraint("thumbprint", "directory_url"),)

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    directory_url: str = Field(max_length=500)
    thumbprint: str = Field(max_length=43)
    url: str | None = Field(default=None, sa_type=sa.Text)
    registered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    refuses_not_after: bool = False


class AcmeOrder(SQLModel, table=True):
    """One order handed to an ACME authority, and the one certificate that came of it.

    ``authority`` is the name of the authority in the settings. ``claim`` is the mark of the worker that moves the order
    until ``claimed_until``; only a change that bears the present mark takes place. The addresses, ``expires_at`` and
    ``authorizations`` belong to the order that the server at ``directory_url`` has now; ``orders_placed`` counts how
    many were placed for this row, since one that lapsed is replaced. ``ready_at`` is when the server was last heard to
    take every name as proved and to wait for the CSR. ``next_at`` is the instant before which the server is not asked
    again, ``trouble`` the reason if there was one.
    """

    __tablename__ = "acme_order"
    __table_args__ = (
        sa.UniqueConstraint("order_key", "authority"),
        sa.UniqueConstraint("serial", "authority"),
        sa.CheckConstraint(
            "(step = 'issued') = (serial IS NOT NULL) AND (serial IS NULL) = (pem IS NULL)"
            " AND (serial IS NULL) = (issued_at IS NULL) AND (serial IS NULL) = (not_after IS NULL)",
            name="issued",
        ),
        sa.CheckConstraint("(step = 'failed') = (problem IS NOT NULL)", name="failed"),
        sa.CheckConstraint(
            "step NOT IN ('proving', 'finalizing', 'downloading')"
            " OR (directory_url IS NOT NULL AND order_url IS NOT NULL AND finalize_url IS NOT NULL)",
            name="placed",
        ),
        sa.CheckConstraint(
            "(revoked_at IS NULL) = (revocation_reason IS NULL) AND (revoked_at IS NULL OR serial IS NOT NULL)",
            name="revoked",
        ),
    )

    ref: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    authority: str = Field(max_length=40)
    order_key: str = Field(max_length=200)
    csr_pem: str = Field(sa_type=sa.Text)
    names: list[str] = Field(sa_type=JSON)
    validity_days: int
    submitted_at: datetime = Field(sa_type=UtcDateTime)
    step: AcmeStep = Field(default=AcmeStep.SUBMITTED, sa_type=words_of(AcmeStep, "acme_step"))
    claim: str | None = Field(default=None, max_length=32)
    claimed_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # The order at the server
    directory_url: str | None = Field(default=None, max_length=500)
    orders_placed: int = 0
    asks_validity: bool = True
    order_url: str | None = Field(default=None, sa_type=sa.Text)
    finalize_url: str | None = Field(default=None, sa_type=sa.Text)
    certificate_url: str | None = Field(default=None, sa_type=sa.Text)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    authorizations: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    polled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    next_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    trouble: str | None = Field(default=None, sa_type=sa.Text)
    # Failed
    problem: str | None = Field(default=None, sa_type=sa.Text)
    # Issued
    serial: str | None = Field(default=None, max_length=40)
    pem: str | None = Field(default=None, sa_type=sa.Text)
    issued_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    not_after: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # Revoked
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revocation_reason: RevocationReason | None = Field(
        default=None, sa_type=words_of(RevocationReason, "acme_revocation_reason")
    )
    # Proved
    ready_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class AcmeAuthorization(SQLModel, table=True):
    """Which proof was ever asked for in which order, by the address that the proof has at the server.

    The server knows one account for all customers. It may ask two of them for the very same proof, or not ask the
    second at all, and then the proof does not tell which of them has the domain. Rows stay when an order is replaced.
    """

    __tablename__ = "acme_authorization"
    __table_args__ = (sa.Index("ix_acme_authorization_url", "url"),)

    order_ref: str = Field(foreign_key="acme_order.ref", primary_key=True, max_length=32)
    url: str = Field(sa_type=sa.Text, primary_key=True)
