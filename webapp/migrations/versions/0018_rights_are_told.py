"""rights are told

Revision ID: 0018
Revises: 0017
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

WATCHED = (
    ("web_session_ended", "web_session", "UPDATE OF revoked_at", "NEW.account_id", "WHEN (NEW.revoked_at IS NOT NULL)"),
    ("web_session_removed", "web_session", "DELETE", "OLD.account_id", ""),
    ("account_rights", "account", "UPDATE OF role, disabled_at, organisation_id", "NEW.id", ""),
)
"""Triggers: the name, on which table, after what, whose account it is, and on which condition.

Whatever rebuilds one of these tables (a batch on SQLite) removes its triggers, and has to make them again.
"""


def upgrade() -> None:
    """Have the hub told when a session ends, an account is disabled, or its role or organisation changes: see webapp/live/rights.py."""
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for name, table, event, account, when in WATCHED:
        if on_sqlite:
            tell = f"INSERT INTO live_signal (topic, name) VALUES ('account:' || {account}, 'rights')"  # noqa: S608
            clear = "DELETE FROM live_signal WHERE id <= (SELECT max(id) FROM live_signal) - 1000"
            op.execute(f"CREATE TRIGGER {name} AFTER {event} ON {table} {when} BEGIN {tell}; {clear}; END")
            continue
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN PERFORM pg_notify('desk_signal', 'account:' || {account} || ' rights'); RETURN NULL; END $$"
        )
        op.execute(f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW {when} EXECUTE FUNCTION {name}()")


def downgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for name, *_ in WATCHED:
        op.execute(f"DROP TRIGGER {name}" if on_sqlite else f"DROP FUNCTION {name}() CASCADE")
