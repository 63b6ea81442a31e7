"""What the built-in authority remembers, shared by the process that issues and those that serve CRL and OCSP."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from certlifecycle import RevocationReason
from webapp.columns import JSON, UtcDateTime, new_id, words_of


class CaCertificate(SQLModel, table=True):
    """One order handed to the built-in authority, and the one certificate that came of it.

    ``pem`` is the chain as it was handed out, ``serial`` lower-case hex, ``issuer`` the key identifier (hex) of the
    issuing certificate, so that the certificates of an earlier issuing key never get into the CRL of the present one.
    """

    __tablename__ = "ca_certificate"
    __table_args__ = (
        sa.CheckConstraint(
            "(serial IS NULL) = (pem IS NULL) AND (serial IS NULL) = (issuer IS NULL)"
            " AND (serial IS NULL) = (issued_at IS NULL) AND (serial IS NULL) = (not_after IS NULL)",
            name="issued",
        ),
        sa.CheckConstraint(
            "(revoked_at IS NULL) = (revocation_reason IS NULL) AND (revoked_at IS NULL OR serial IS NOT NULL)",
            name="revoked",
        ),
        sa.Index(
            "ix_ca_certificate_revoked",
            "issuer",
            postgresql_where=sa.text("revoked_at IS NOT NULL"),
            sqlite_where=sa.text("revoked_at IS NOT NULL"),
        ),
    )

    ref: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    order_key: str = Field(max_length=200, unique=True)
    csr_pem: str = Field(sa_type=sa.Text)
    names: list[str] = Field(sa_type=JSON)
    validity_days: int
    submitted_at: datetime = Field(sa_type=UtcDateTime)
    # Issued
    issuer: str | None = Field(default=None, max_length=40)
    serial: str | None = Field(default=None, max_length=40, unique=True)
    pem: str | None = Field(default=None, sa_type=sa.Text)
    issued_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    not_after: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # Revoked
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revocation_reason: RevocationReason | None = Field(
        default=None, sa_type=words_of(RevocationReason, "ca_revocation_reason")
    )


class CaCrl(SQLModel, table=True):
    """The latest CRL of an issuer. ``covered`` counts the revocations known when it was signed."""

    __tablename__ = "ca_crl"

    issuer: str = Field(primary_key=True, max_length=40)
    number: int = Field(sa_type=sa.BigInteger)
    covered: int
    this_update: datetime = Field(sa_type=UtcDateTime)
    der: bytes = Field(sa_type=sa.LargeBinary)
