"""the organisation's own sign-in, and recovery by mail

Revision ID: 0016
Revises: 0017
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

import webapp.columns
from webapp.migrations.checks import add_words, remove_words
from webapp.migrations.triggers import allow, forbid

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

ACTS = ("recovery_asked", "password_reset", "provider_linked", "provider_unlinked", "role_changed")
MAILS = ("recovery", "password_reset")
ACT_CHECK = ("account_event", "act", "ck_account_event_account_event_act")
MAIL_CHECK = ("mail", "kind", "ck_mail_mail_kind")


def instant(name: str, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, webapp.columns.UtcDateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "provider_identity",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("issuer", sa.String(length=500), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        instant("created_at"),
        instant("used_at", nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_provider_identity_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_identity")),
        sa.UniqueConstraint("issuer", "subject", name="uq_provider_identity_subject"),
        sa.UniqueConstraint("account_id", "issuer", name="uq_provider_identity_account"),
    )
    op.create_table(
        "provider_visit",
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("browser_hash", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("verifier", sa.String(length=128), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=True),
        sa.Column("wanted", sa.String(length=500), nullable=False),
        instant("expires_at"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_provider_visit_account_id")),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_provider_visit")),
    )
    op.create_table(
        "recovery_request",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("user_agent", sa.String(length=300), nullable=False),
        instant("at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_request")),
    )
    op.create_table(
        "recovery_link",
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        instant("expires_at"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_recovery_link_account_id")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_recovery_link")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_recovery_link_token_hash")),
    )
    add_words(op.get_bind(), *ACT_CHECK, ACTS)
    add_words(op.get_bind(), *MAIL_CHECK, MAILS)


def downgrade() -> None:
    connection = op.get_bind()
    new_mails = sa.table("mail", sa.column("id"), sa.column("kind"))
    mails = sa.select(new_mails.c.id).where(new_mails.c.kind.in_(MAILS))
    decisions = sa.table("mail_decision", sa.column("mail_id"))
    events = sa.table("account_event", sa.column("act"))
    allow(connection, "mail_decision", "UPDATE", "DELETE")
    connection.execute(sa.delete(decisions).where(decisions.c.mail_id.in_(mails)))
    connection.execute(sa.delete(new_mails).where(new_mails.c.kind.in_(MAILS)))
    forbid(connection, "mail_decision", "UPDATE", "DELETE")
    allow(connection, "account_event", "UPDATE", "DELETE")
    connection.execute(sa.delete(events).where(events.c.act.in_(ACTS)))
    forbid(connection, "account_event", "UPDATE", "DELETE")
    remove_words(connection, *MAIL_CHECK, MAILS)
    remove_words(connection, *ACT_CHECK, ACTS)
    op.drop_table("recovery_link")
    op.drop_table("recovery_request")
    op.drop_table("provider_visit")
    op.drop_table("provider_identity")
