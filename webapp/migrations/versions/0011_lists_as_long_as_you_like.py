"""lists as long as you like

Revision ID: 0011
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0006"
branch_labels = None
depends_on = None

FORMER = {
    "ix_certificate_domain": ["domain", "id"],
    "ix_certificate_issued": ["issued_at", "state", "domain", "id"],
    "ix_certificate_not_after": ["not_after", "id"],
    "ix_certificate_customer_issued": ["customer_id", "issued_at", "state", "domain", "id"],
    "ix_certificate_customer_expiry": ["customer_id", "not_after", "id"],
}
"""Indexes of the certificates on both tabs, of which a list on one tab had to sort its own."""

OF_ALL = {
    "ix_certificate_customer_state_created": ["customer_id", "state", "created_at", "id", "issued_at"],
    "ix_certificate_state_created": ["state", "created_at", "id", "issued_at"],
}

UNSIGNED = {
    "ix_certificate_customer_unsigned": ["customer_id", "created_at", "id"],
    "ix_certificate_unsigned": ["created_at", "id", "domain"],
    "ix_certificate_unsigned_domain": ["domain", "id"],
}

SIGNED = {
    "ix_certificate_customer_signed": ["customer_id", "created_at", "id"],
    "ix_certificate_signed": ["created_at", "id", "domain"],
    "ix_certificate_signed_domain": ["domain", "id"],
    "ix_certificate_customer_issued": ["customer_id", "issued_at", "id"],
    "ix_certificate_customer_expiry": ["customer_id", "not_after", "id"],
    "ix_certificate_issued": ["issued_at", "id"],
    "ix_certificate_not_after": ["not_after", "id"],
}


def upgrade() -> None:
    _drop(FORMER)
    for name, columns in OF_ALL.items():
        op.create_index(name, "certificate", columns)
    for indexes, where in ((UNSIGNED, "issued_at IS NULL"), (SIGNED, "issued_at IS NOT NULL")):
        for name, columns in indexes.items():
            op.create_index(name, "certificate", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    _drop(OF_ALL | UNSIGNED | SIGNED)
    for name, columns in FORMER.items():
        op.create_index(name, "certificate", columns)


def _drop(indexes: dict[str, list[str]]) -> None:
    for name in indexes:
        op.drop_index(name, table_name="certificate")
