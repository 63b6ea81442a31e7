"""exceptions are told; mails with a link are in the outbox like the others

Revision ID: 0020
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

import webapp.columns
from webapp.migrations.checks import add_words, remove_words
from webapp.migrations.triggers import allow, forbid

revision = "0020"
down_revision = "0022"
branch_labels = None
depends_on = None

MAIL_CHECK = ("mail", "kind", "ck_mail_mail_kind")
MAILS = ("exception_granted",)
NOTE_CHECK = ("note", "status", "ck_note_note_status")
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
# How it was written down until now that a link had run out, been used or been taken back before its mail left.
NEEDLESS = ("The invitation does not count any more.", "The registration does not count any more.")

note = sa.table("note", sa.column("status"), sa.column("error"), sa.column("hindrance"))


def words_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def upgrade() -> None:
    connection = op.get_bind()
    add_words(connection, *MAIL_CHECK, MAILS)
    add_words(connection, *NOTE_CHECK, ("suppressed",))
    # In one statement with its constraint, as in 0005.
    op.execute(
        "ALTER TABLE note ADD COLUMN hindrance VARCHAR(40) CONSTRAINT ck_note_note_hindrance "
        f"CHECK (hindrance IN ({', '.join(repr(one) for one in HINDRANCES)}))"
    )
    for name in ("claimed_at", "patience_from"):
        op.add_column("note", sa.Column(name, webapp.columns.UtcDateTime(timezone=True), nullable=True))
    op.create_index("ix_note_status", "note", ["status", "created_at"])
    connection.execute(sa.update(note).where(note.c.error.in_(NEEDLESS)).values(status="suppressed"))
    connection.execute(sa.update(note).where(note.c.status == "given_up").values(hindrance="refused"))
    failing = (note.c.status == "due", note.c.error.is_not(None))
    connection.execute(sa.update(note).where(*failing).values(hindrance="not_now"))
    op.create_table(
        "note_decision",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("note_id", sa.String(length=32), nullable=False),
        sa.Column("act", words_of("note_act", "retry", "drop"), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("actor_id", sa.String(length=32), nullable=False),
        sa.Column(
            "actor_role", words_of("note_decision_role", "customer", "reviewer", "admin", "system"), nullable=False
        ),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "channel",
            words_of("note_decision_channel", "web", "worker", "command_line", "import", "demo"),
            nullable=False,
        ),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["account.id"], name=op.f("fk_note_decision_actor_id")),
        sa.ForeignKeyConstraint(["note_id"], ["note.id"], name=op.f("fk_note_decision_note_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_note_decision")),
    )
    op.create_index("ix_note_decision_note", "note_decision", ["note_id", "at"])
    forbid(connection, "note_decision", "UPDATE", "DELETE")


def downgrade() -> None:
    connection = op.get_bind()
    allow(connection, "note_decision", "UPDATE", "DELETE")
    op.drop_table("note_decision")
    op.drop_index("ix_note_status", "note")
    for name in ("patience_from", "claimed_at", "hindrance"):
        op.drop_column("note", name)
    connection.execute(sa.update(note).where(note.c.status == "suppressed").values(status="given_up"))
    remove_words(connection, *NOTE_CHECK, ("suppressed",))
    mail = sa.table("mail", sa.column("id"), sa.column("kind"))
    told = sa.select(mail.c.id).where(mail.c.kind.in_(MAILS))
    decisions = sa.table("mail_decision", sa.column("mail_id"))
    allow(connection, "mail_decision", "UPDATE", "DELETE")
    connection.execute(sa.delete(decisions).where(decisions.c.mail_id.in_(told)))
    connection.execute(sa.delete(mail).where(mail.c.kind.in_(MAILS)))
    forbid(connection, "mail_decision", "UPDATE", "DELETE")
    remove_words(connection, *MAIL_CHECK, MAILS)
