"""Forgetting: of the append-only rows nothing may change but that a name, an address or words are emptied.

What was emptied is an entry of the audit trail, and the chain says so (webapp/audit/erasing.py). What happened to an
account may be removed: it is in the audit trail as well.

Revision ID: 0019
Revises: 0017
"""

from alembic import op

from webapp.migrations.triggers import allow, forbid, forbid_unless

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

HISTORY = (
    *("id", "certificate_id", "customer_id", "refund_id", "event", "from_state", "to_state"),
    *("actor_id", "actor_role", "facts", "channel", "at"),
)
AUDIT = ("id", "kind", "actor_id", "actor_role", "certificate_id", "refund_id", "facts", "channel", "at")

EMPTIED = "NEW.actor_name = 'Deleted account' AND NEW.address = '' AND NEW.reason IN (OLD.reason, '')"
PSEUDONYM = (
    "NEW.actor_name IN (OLD.actor_name, 'Deleted account') AND NEW.address IN (OLD.address, '') AND "
    "(NEW.subject = OLD.subject OR substr(NEW.subject, length(NEW.subject) - 15) = '@deleted.invalid')"
)


def upgrade() -> None:
    connection = op.get_bind()
    for table, same, allowed in (("history", HISTORY, EMPTIED), ("audit_event", AUDIT, PSEUDONYM)):
        allow(connection, table, "UPDATE")
        forbid_unless(connection, table, same, allowed)
    allow(connection, "account_event", "DELETE")


def downgrade() -> None:
    connection = op.get_bind()
    forbid(connection, "account_event", "DELETE")
    for table in ("history", "audit_event"):
        allow(connection, table, "UPDATE")
        forbid(connection, table, "UPDATE")
