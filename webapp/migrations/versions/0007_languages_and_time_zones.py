"""languages and time zones

Revision ID: 0007
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0009"
branch_labels = None
depends_on = None

COLUMNS = {"language": 35, "timezone": 64, "browser_language": 35}


def upgrade() -> None:
    # One statement each, without copying the table: an old version of the console that still runs is not held up.
    for name, length in COLUMNS.items():
        column = sa.Column(name, sa.String(length=length), nullable=False, server_default=sa.text("''"))
        op.add_column("account", column)


def downgrade() -> None:
    with op.batch_alter_table("account") as batch:
        for name in COLUMNS:
            batch.drop_column(name)
