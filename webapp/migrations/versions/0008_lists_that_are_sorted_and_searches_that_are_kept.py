"""lists that are sorted, and searches that are kept

Revision ID: 0008
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

import webapp.columns

revision = "0008"
down_revision = "0005"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_certificate_customer_domain": ["customer_id", "domain", "not_after", "id"],
    "ix_certificate_customer_state": ["customer_id", "state", "state_since", "id"],
    "ix_certificate_customer_issued": ["customer_id", "issued_at", "state", "domain", "id"],
    "ix_certificate_customer_expiry": ["customer_id", "not_after", "id"],
    "ix_certificate_domain": ["domain", "id"],
    "ix_certificate_issued": ["issued_at", "state", "domain", "id"],
    "ix_certificate_not_after": ["not_after", "id"],
}
"""What the list of certificates is walked by: a customer's own, and for reviewers everybody's."""


def upgrade() -> None:
    op.create_table(
        "saved_search",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("args", sa.JSON(), nullable=False),
        sa.Column("created_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_saved_search_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_search")),
        sa.UniqueConstraint("account_id", "name", name=op.f("uq_saved_search_account_id_name")),
    )
    for name, columns in INDEXES.items():
        op.create_index(name, "certificate", columns)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, table_name="certificate")
    op.drop_table("saved_search")
