"""letting somebody in again who has lost the second factor

Revision ID: 0022
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

from webapp.migrations.checks import add_words, remove_words

revision = "0022"
down_revision = "0019"
branch_labels = None
depends_on = None

ACTS = ("second_factor_taken_off",)
ACT_CHECK = ("account_event", "act", "ck_account_event_account_event_act")


def upgrade() -> None:
    add_words(op.get_bind(), *ACT_CHECK, ACTS)


def downgrade() -> None:
    connection = op.get_bind()
    events = sa.table("account_event", sa.column("act"))
    connection.execute(sa.delete(events).where(events.c.act.in_(ACTS)))
    remove_words(connection, *ACT_CHECK, ACTS)
