"""work that takes time

Revision ID: 0009
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

import webapp.columns

revision = "0009"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("title", sa.JSON(), nullable=False),
        sa.Column("owner_id", sa.String(length=32), nullable=True),
        sa.Column(
            "channel",
            sa.Enum(
                "web",
                "worker",
                "command_line",
                "import",
                "demo",
                name="job_channel",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("once", sa.String(length=100), nullable=True),
        sa.Column("created_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "running",
                "finished",
                "stopped",
                "failed",
                name="job_state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("started_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("ended_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("doing", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("said", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("stopped_by", sa.String(length=32), nullable=True),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("file_name", sa.String(length=120), nullable=True),
        sa.Column("file_until", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("cursor", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(length=80), nullable=True),
        sa.Column("due_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("setbacks", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.CheckConstraint("(state IN ('queued', 'running')) = (ended_at IS NULL)", name=op.f("ck_job_ended")),
        sa.CheckConstraint("(ended_at IS NULL) = (due_at IS NOT NULL)", name=op.f("ck_job_due")),
        sa.CheckConstraint("done >= 0 AND failed >= 0 AND failed <= done", name=op.f("ck_job_counts")),
        sa.CheckConstraint("total IS NULL OR done <= total", name=op.f("ck_job_total")),
        sa.ForeignKeyConstraint(["owner_id"], ["account.id"], name=op.f("fk_job_owner_id")),
        sa.ForeignKeyConstraint(["stopped_by"], ["account.id"], name=op.f("fk_job_stopped_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("once", name="uq_job_once"),
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index("ix_job_created", ["created_at", "id"], unique=False)
        batch_op.create_index(
            "ix_job_due",
            ["due_at"],
            unique=False,
            postgresql_where=sa.text("due_at IS NOT NULL"),
            sqlite_where=sa.text("due_at IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_job_file_until",
            ["file_until"],
            unique=False,
            postgresql_where=sa.text("file_until IS NOT NULL"),
            sqlite_where=sa.text("file_until IS NOT NULL"),
        )
        batch_op.create_index("ix_job_owner", ["owner_id", "created_at", "id"], unique=False)

    op.create_table(
        "job_chunk",
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_job_chunk_job_id")),
        sa.PrimaryKeyConstraint("job_id", "position", name=op.f("pk_job_chunk")),
    )
    op.create_table(
        "job_item",
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=300), nullable=False),
        sa.Column("certificate_id", sa.String(length=32), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column(
            "outcome",
            sa.Enum(
                "done",
                "refused",
                "superseded",
                "failed",
                name="job_item_outcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("said", sa.JSON(), nullable=False),
        sa.Column("at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(outcome IS NULL) = (at IS NULL)", name=op.f("ck_job_item_settled")),
        sa.ForeignKeyConstraint(["certificate_id"], ["certificate.id"], name=op.f("fk_job_item_certificate_id")),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_job_item_job_id")),
        sa.PrimaryKeyConstraint("job_id", "position", name=op.f("pk_job_item")),
        sa.UniqueConstraint("job_id", "subject", name="uq_job_item_subject"),
    )


def downgrade() -> None:
    op.drop_table("job_item")
    op.drop_table("job_chunk")
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_index("ix_job_owner")
        batch_op.drop_index(
            "ix_job_file_until",
            postgresql_where=sa.text("file_until IS NOT NULL"),
            sqlite_where=sa.text("file_until IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_job_due", postgresql_where=sa.text("due_at IS NOT NULL"), sqlite_where=sa.text("due_at IS NOT NULL")
        )
        batch_op.drop_index("ix_job_created")

    op.drop_table("job")
