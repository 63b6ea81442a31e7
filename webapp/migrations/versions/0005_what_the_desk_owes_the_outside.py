"""what the desk owes the outside, and what keeps it from being done

Revision ID: 0005
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

import webapp.columns
from webapp.migrations.triggers import allow, forbid

revision = "0005"
down_revision = "0010"
branch_labels = None
depends_on = None

HINDRANCES = (
    "at_work",
    "customer",
    "unreachable",
    "no_outcome",
    "not_now",
    "refused",
    "incomplete",
    "database",
    "defect",
)


def upgrade() -> None:
    _add_hindrance("certificate")
    op.add_column("certificate", sa.Column("failing_since", webapp.columns.UtcDateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_certificate_failing",
        "certificate",
        ["failing_since"],
        postgresql_where=sa.text("failing_since IS NOT NULL"),
        sqlite_where=sa.text("failing_since IS NOT NULL"),
    )
    _add_hindrance("mail")
    for name in ("claimed_at", "patience_from"):
        op.add_column("mail", sa.Column(name, webapp.columns.UtcDateTime(timezone=True), nullable=True))
    op.create_table(
        "mail_decision",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("mail_id", sa.String(length=32), nullable=False),
        sa.Column("act", _words("mail_act", "retry", "drop"), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("actor_id", sa.String(length=32), nullable=False),
        sa.Column(
            "actor_role", _words("mail_decision_role", "customer", "reviewer", "admin", "system"), nullable=False
        ),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "channel",
            _words("mail_decision_channel", "web", "worker", "command_line", "import", "demo"),
            nullable=False,
        ),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["account.id"], name=op.f("fk_mail_decision_actor_id")),
        sa.ForeignKeyConstraint(["mail_id"], ["mail.id"], name=op.f("fk_mail_decision_mail_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_decision")),
    )
    op.create_index("ix_mail_decision_mail", "mail_decision", ["mail_id", "at"])
    forbid(op.get_bind(), "mail_decision", "UPDATE", "DELETE")


def downgrade() -> None:
    allow(op.get_bind(), "mail_decision", "UPDATE", "DELETE")
    op.drop_table("mail_decision")
    for name in ("patience_from", "claimed_at", "hindrance"):
        op.drop_column("mail", name)
    op.drop_index("ix_certificate_failing", "certificate")
    for name in ("failing_since", "hindrance"):
        op.drop_column("certificate", name)


def _words(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def _add_hindrance(table: str) -> None:
    # In one statement with its constraint: on SQLite a constraint that comes later would copy the whole table, and with
    # it everything that refers to it.
    values = ", ".join(f"'{value}'" for value in HINDRANCES)
    op.execute(
        f"ALTER TABLE {table} ADD COLUMN hindrance VARCHAR(40)"
        f" CONSTRAINT ck_{table}_{table}_hindrance CHECK (hindrance IN ({values}))"
    )
