"""what reviewers need among themselves

Revision ID: 0006
Revises: 0008
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

import webapp.columns
from webapp.migrations.triggers import allow, forbid

revision = "0006"
down_revision = "0008"
branch_labels = None
depends_on = None

KEPT = ("review_claim_event", "review_note")

# The reasons that the product ships with; from here on they belong to whoever runs the desk.
REASONS = (
    (
        "fail",
        "No control of the domain",
        "We could not confirm that you control the domain.",
        "",
    ),
    (
        "fail",
        "Organisation not confirmed",
        "We could not confirm the organisation that the order names.",
        "",
    ),
    (
        "fail",
        "Names do not fit",
        "The names in the signing request do not fit the order.",
        "",
    ),
    (
        "reject",
        "Still in use",
        "The certificate was still in use when we looked.",
        "Install another certificate on your servers, then apply again.",
    ),
    (
        "reject",
        "Not covered by the terms",
        "This order is not covered by the refund terms that you agreed to.",
        "If you see it differently, write to us with the order number.",
    ),
    (
        "reject",
        "Reason not clear",
        "From the reason that you gave we cannot tell why the money should go back.",
        "Apply again and tell us what happened.",
    ),
)


def words_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def instant(name: str, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, webapp.columns.UtcDateTime(timezone=True), nullable=nullable)


def counted() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False)


def upgrade() -> None:
    op.create_table(
        "live_signal",
        counted(),
        sa.Column("topic", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_live_signal")),
    )
    op.create_table(
        "review_claim",
        sa.Column("certificate_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("holder_id", sa.String(length=32), nullable=False),
        sa.Column("holder_name", sa.String(length=200), nullable=False),
        instant("since"),
        instant("until"),
        sa.ForeignKeyConstraint(["certificate_id"], ["certificate.id"], name=op.f("fk_review_claim_certificate_id")),
        sa.ForeignKeyConstraint(["holder_id"], ["account.id"], name=op.f("fk_review_claim_holder_id")),
        sa.PrimaryKeyConstraint("certificate_id", name=op.f("pk_review_claim")),
        sa.UniqueConstraint("id", name=op.f("uq_review_claim_id")),
    )
    op.create_index("ix_review_claim_holder", "review_claim", ["holder_id"])
    op.create_table(
        "review_claim_event",
        counted(),
        sa.Column("certificate_id", sa.String(length=32), nullable=False),
        sa.Column(
            "act",
            words_of("review_claim_act", "claimed", "taken_over", "released", "decided", "passed_over"),
            nullable=False,
        ),
        sa.Column("actor_id", sa.String(length=32), nullable=False),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.Column("from_id", sa.String(length=32), nullable=True),
        sa.Column("from_name", sa.String(length=200), nullable=True),
        instant("at"),
        sa.CheckConstraint(
            "(act IN ('taken_over', 'passed_over')) = (from_id IS NOT NULL)",
            name=op.f("ck_review_claim_event_from"),
        ),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["certificate.id"], name=op.f("fk_review_claim_event_certificate_id")
        ),
        sa.ForeignKeyConstraint(["actor_id"], ["account.id"], name=op.f("fk_review_claim_event_actor_id")),
        sa.ForeignKeyConstraint(["from_id"], ["account.id"], name=op.f("fk_review_claim_event_from_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_claim_event")),
    )
    op.create_index("ix_review_claim_event_certificate", "review_claim_event", ["certificate_id", "id"])
    op.create_index("ix_review_claim_event_from", "review_claim_event", ["from_id", "at"])
    op.create_table(
        "review_visit",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("certificate_id", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        instant("seen_at"),
        sa.ForeignKeyConstraint(["certificate_id"], ["certificate.id"], name=op.f("fk_review_visit_certificate_id")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_review_visit_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_visit")),
    )
    op.create_index("ix_review_visit_certificate", "review_visit", ["certificate_id", "seen_at"])
    op.create_table(
        "review_note",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("certificate_id", sa.String(length=32), nullable=False),
        sa.Column("author_id", sa.String(length=32), nullable=False),
        sa.Column("author_name", sa.String(length=200), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        instant("at"),
        sa.CheckConstraint("length(text) > 0", name=op.f("ck_review_note_text")),
        sa.ForeignKeyConstraint(["certificate_id"], ["certificate.id"], name=op.f("fk_review_note_certificate_id")),
        sa.ForeignKeyConstraint(["author_id"], ["account.id"], name=op.f("fk_review_note_author_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_note")),
    )
    op.create_index("ix_review_note_certificate", "review_note", ["certificate_id", "at"])
    reasons = op.create_table(
        "reason_template",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", words_of("reason_template_kind", "fail", "reject"), nullable=False),
        sa.Column("label", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("instructions", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        instant("updated_at"),
        sa.Column("updated_by", sa.String(length=200), nullable=False),
        instant("retired_at", nullable=True),
        sa.CheckConstraint("length(label) > 0 AND length(reason) > 0", name=op.f("ck_reason_template_words")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reason_template")),
    )
    op.create_index("ix_reason_template_kind", "reason_template", ["kind", "position"])
    now = datetime.now(UTC)
    op.bulk_insert(
        reasons,
        [
            {
                "id": webapp.columns.new_id(),
                "kind": kind,
                "label": label,
                "reason": reason,
                "instructions": instructions,
                "position": place,
                "version": 1,
                "updated_at": now,
                "updated_by": "",
                "retired_at": None,
            }
            for every in ("fail", "reject")
            for place, (kind, label, reason, instructions) in enumerate(one for one in REASONS if one[0] == every)
        ],
    )
    for table in KEPT:
        forbid(op.get_bind(), table, "UPDATE", "DELETE")


def downgrade() -> None:
    for table in KEPT:
        allow(op.get_bind(), table, "UPDATE", "DELETE")
    for table in (
        "reason_template",
        "review_note",
        "review_visit",
        "review_claim_event",
        "review_claim",
        "live_signal",
    ):
        op.drop_table(table)
