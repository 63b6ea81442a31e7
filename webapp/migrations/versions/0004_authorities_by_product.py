"""authorities by product

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

import webapp.columns

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BUILTIN = "builtin"


def upgrade() -> None:
    op.create_table(
        "acme_authorization",
        sa.Column("order_ref", sa.String(length=32), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["order_ref"], ["acme_order.ref"], name=op.f("fk_acme_authorization_order_ref")),
        sa.PrimaryKeyConstraint("order_ref", "url", name=op.f("pk_acme_authorization")),
    )
    op.create_index("ix_acme_authorization_url", "acme_authorization", ["url"])
    op.add_column("acme_order", sa.Column("ready_at", webapp.columns.UtcDateTime(timezone=True), nullable=True))
    op.add_column("domain_control", sa.Column("given_at", webapp.columns.UtcDateTime(timezone=True), nullable=True))
    op.add_column("certificate", sa.Column("held_up", sa.Text(), nullable=True))
    _choose_the_builtin_authority_for_what_it_has()


def _choose_the_builtin_authority_for_what_it_has() -> None:
    """Whatever the settings say from now on, what was begun with the built-in authority ends with it.

    That is what was handed to it, and what customers have proved, or are proving, to the desk itself.
    """
    op.execute(
        sa.text(
            "INSERT INTO chosen_authority (order_key, authority, chosen_at)"
            " SELECT order_key, :builtin, submitted_at FROM ca_certificate"
            " WHERE order_key NOT IN (SELECT order_key FROM chosen_authority)"
        ).bindparams(builtin=BUILTIN)
    )
    op.execute(
        sa.text(
            "INSERT INTO chosen_authority (order_key, authority, chosen_at)"
            " SELECT submission_id, :builtin, state_since FROM certificate"
            " WHERE submission_id IS NOT NULL AND state IN ('submitted', 'verified')"
            " AND submission_id NOT IN (SELECT order_key FROM chosen_authority)"
        ).bindparams(builtin=BUILTIN)
    )


def downgrade() -> None:
    op.drop_column("certificate", "held_up")
    op.drop_column("domain_control", "given_at")
    op.drop_column("acme_order", "ready_at")
    op.drop_table("acme_authorization")
