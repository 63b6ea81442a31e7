"""the chain of evidence

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

import webapp.columns
from webapp.audit.chain import HISTORY, append
from webapp.migrations.triggers import allow, allow_replacing, forbid, forbid_replacing

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

KINDS = (
    "applied",
    "approved",
    "paid",
    "fallback",
    "rejected",
    "returned",
    "issued",
    "verification_failed",
    "issuance_refused",
    "revoked",
    "revocation_refused",
    "window_week",
    "window_day",
    "expiring_month",
    "expiring_week",
    "review_overdue",
    "revocation_slow",
)
AT_ONCE = 1000
BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "audit_event",
        sa.Column("id", BIG_KEY, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("actor_id", sa.String(length=32), nullable=True),
        sa.Column("actor_role", _words("audit_role", "customer", "reviewer", "admin", "system"), nullable=True),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("certificate_id", sa.String(length=32), nullable=True),
        sa.Column("refund_id", sa.String(length=32), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column(
            "channel", _words("audit_channel", "web", "worker", "command_line", "import", "demo"), nullable=False
        ),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
    )
    op.create_index("ix_audit_event_at", "audit_event", ["at", "id"])
    op.create_index("ix_audit_event_kind", "audit_event", ["kind", "at", "id"])
    op.create_index("ix_audit_event_certificate", "audit_event", ["certificate_id", "at", "id"])
    op.create_table(
        "chain_link",
        sa.Column("position", BIG_KEY, autoincrement=False, nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("row_id", sa.BigInteger(), nullable=False),
        sa.Column("form", sa.SmallInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint("position > 0", name=op.f("ck_chain_link_position")),
        sa.CheckConstraint("length(digest) = 64 AND length(hash) = 64", name=op.f("ck_chain_link_hashes")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_chain_link")),
        sa.UniqueConstraint("source", "row_id", name="uq_chain_link_row"),
    )
    op.create_index("ix_chain_link_source", "chain_link", ["source", "position"])
    connection = op.get_bind()
    _link_what_is_there(connection)
    forbid(connection, "audit_event", "UPDATE", "DELETE")
    forbid(connection, "chain_link", "UPDATE", "DELETE")
    forbid_replacing(connection, "history", "id = NEW.id")
    forbid_replacing(connection, "audit_event", "id = NEW.id")
    forbid_replacing(connection, "chain_link", "position = NEW.position", "source = NEW.source AND row_id = NEW.row_id")
    _set_kinds(connection, (*KINDS, "history_head"))


def downgrade() -> None:
    connection = op.get_bind()
    allow(connection, "mail_decision", "UPDATE", "DELETE")
    op.execute("DELETE FROM mail_decision WHERE mail_id IN (SELECT id FROM mail WHERE kind = 'history_head')")
    op.execute("DELETE FROM mail WHERE kind = 'history_head'")
    forbid(connection, "mail_decision", "UPDATE", "DELETE")
    _set_kinds(connection, KINDS)
    for table in ("chain_link", "audit_event", "history"):
        allow_replacing(connection, table)
    for table in ("chain_link", "audit_event"):
        allow(connection, table, "UPDATE", "DELETE")
    op.drop_index("ix_chain_link_source", "chain_link")
    op.drop_table("chain_link")
    op.drop_index("ix_audit_event_certificate", "audit_event")
    op.drop_index("ix_audit_event_kind", "audit_event")
    op.drop_index("ix_audit_event_at", "audit_event")
    op.drop_table("audit_event")


def _words(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def _link_what_is_there(connection: sa.Connection) -> None:
    """Begin the chain with the history as it stands, in the order of its ids."""
    history = sa.table("history", sa.column("id", sa.BigInteger))
    after = 0
    while True:
        some = sa.select(history.c.id).where(history.c.id > after).order_by(history.c.id).limit(AT_ONCE)
        ids = list(connection.scalars(some))
        if not ids:
            return
        append(connection, [(HISTORY, one) for one in ids])
        after = ids[-1]


def _set_kinds(connection: sa.Connection, kinds: tuple[str, ...]) -> None:
    check = f"CHECK (kind IN ({', '.join(repr(kind) for kind in kinds)}))"
    if connection.dialect.name != "sqlite":
        op.execute("ALTER TABLE mail DROP CONSTRAINT ck_mail_mail_kind")
        op.execute(f"ALTER TABLE mail ADD CONSTRAINT ck_mail_mail_kind {check}")
        return
    # SQLite cannot change a constraint, and other tables refer to this one. So the mails step aside while it is made
    # anew; the references are looked at again when all is done, and each has found its mail by then.
    connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    said = sa.text("SELECT type, sql FROM sqlite_master WHERE tbl_name = 'mail' AND sql IS NOT NULL ORDER BY type DESC")
    statements = [sql for _type, sql in connection.execute(said).all()]
    connection.exec_driver_sql("CREATE TEMPORARY TABLE kept_mail AS SELECT * FROM mail")
    connection.exec_driver_sql("DROP TABLE mail")
    for sql in statements:
        connection.exec_driver_sql(_with_kinds(sql, check))
    connection.exec_driver_sql("INSERT INTO mail SELECT * FROM kept_mail")
    connection.exec_driver_sql("DROP TABLE kept_mail")


def _with_kinds(sql: str, check: str) -> str:
    name = "CONSTRAINT ck_mail_mail_kind "
    before, found, rest = sql.partition(name)
    return before + name + check + rest[rest.index("))") + 2 :] if found else sql
