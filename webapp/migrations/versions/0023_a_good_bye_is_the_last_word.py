"""a good-bye is the last word: which stay of a page a sign of life belongs to, and whether that stay is over

Revision ID: 0023
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("review_visit", sa.Column("stay", sa.Integer, nullable=False, server_default="1"))
    op.add_column("review_visit", sa.Column("is_over", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    # Without the column a page that was left would count as open.
    op.execute(sa.text("DELETE FROM review_visit WHERE is_over"))
    op.drop_column("review_visit", "is_over")
    op.drop_column("review_visit", "stay")
