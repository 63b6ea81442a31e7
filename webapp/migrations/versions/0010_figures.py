"""figures by day

Revision ID: 0010
Revises: 0003
"""

from alembic import op

revision = "0010"
down_revision = "0003"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_history_at": ("history", ["at", "event"]),
    "ix_refund_applied": ("refund", ["applied_at"]),
    "ix_refund_paid": ("refund", ["paid_at"]),
    "ix_payout_status_updated": ("payout", ["status", "updated_at"]),
}


def upgrade() -> None:
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    for name, (table, _columns) in INDEXES.items():
        op.drop_index(name, table)
