"""rights of reviewers: to decide, to send money, and when a signed-in person last proved who they are; exceptions

An exception from the refund policy stands on its certificate: proposed, then granted.

Revision ID: 0017
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

import webapp.columns

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

RIGHTS = (("account", "may_decide"), ("account", "may_pay"), ("refund_approval", "may_pay"))


def upgrade() -> None:
    # Whoever could decide before can do what they could: a version that does not know the columns goes on as well.
    for table, right in RIGHTS:
        op.add_column(table, sa.Column(right, sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("web_session", sa.Column("proved_at", webapp.columns.UtcDateTime(timezone=True), nullable=True))
    op.add_column("certificate", sa.Column("waiver", sa.JSON(), nullable=True))
    op.add_column(
        "certificate", sa.Column("waiver_proposed_at", webapp.columns.UtcDateTime(timezone=True), nullable=True)
    )
    waits = sa.text("waiver_proposed_at IS NOT NULL")
    op.create_index(
        "ix_certificate_waiver", "certificate", ["waiver_proposed_at"], postgresql_where=waits, sqlite_where=waits
    )


def downgrade() -> None:
    op.drop_index("ix_certificate_waiver", "certificate")
    op.drop_column("certificate", "waiver_proposed_at")
    op.drop_column("certificate", "waiver")
    op.drop_column("web_session", "proved_at")
    for table, right in reversed(RIGHTS):
        op.drop_column(table, right)
