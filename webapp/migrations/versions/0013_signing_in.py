"""signing in: what happened to accounts, and second factors

Revision ID: 0013
Revises: 0012
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

import webapp.columns
from webapp.migrations.triggers import allow, forbid

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STAGES = ("complete", "second_factor", "enrolment")
ACTS = (
    "signed_in",
    "sign_in_failed",
    "signed_out_everywhere",
    "password_changed",
    "authenticator_added",
    "authenticator_removed",
    "recovery_codes_made",
    "passkey_added",
    "passkey_removed",
)
WAYS = ("password", "code", "recovery_code", "passkey", "provider")


def words_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def instant(name: str, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, webapp.columns.UtcDateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "account_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("act", words_of("account_event_act", *ACTS), nullable=False),
        sa.Column("way", words_of("account_event_way", *WAYS), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("user_agent", sa.String(length=300), nullable=False),
        instant("at"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_account_event_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_event")),
    )
    op.create_index("ix_account_event_account", "account_event", ["account_id", "id"])
    forbid(op.get_bind(), "account_event", "UPDATE", "DELETE")
    op.create_table(
        "authenticator",
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("sealed_secret", sa.String(length=200), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        instant("created_at"),
        instant("confirmed_at", nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_authenticator_account_id")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_authenticator")),
    )
    op.create_table(
        "recovery_code",
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        instant("created_at"),
        instant("used_at", nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_recovery_code_account_id")),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_recovery_code")),
    )
    op.create_index("ix_recovery_code_account", "recovery_code", ["account_id"])
    # One statement with its constraint, without copying the table: an old version that still runs is not held up.
    stages = ", ".join(f"'{stage}'" for stage in STAGES)
    op.execute(
        "ALTER TABLE web_session ADD COLUMN stage VARCHAR(40) DEFAULT 'complete' NOT NULL"
        f" CONSTRAINT ck_web_session_web_session_stage CHECK (stage IN ({stages}))"
    )


def downgrade() -> None:
    op.drop_column("web_session", "stage")
    op.drop_table("recovery_code")
    op.drop_table("authenticator")
    allow(op.get_bind(), "account_event", "UPDATE", "DELETE")
    op.drop_table("account_event")
