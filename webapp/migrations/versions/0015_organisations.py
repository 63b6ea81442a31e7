"""organisations

Revision ID: 0015
Revises: 0014

Every certificate and refund gets a holder: the organisation of its customer, or the customer where there is none. So
nobody needs an organisation, and one comparison says whose a row is.
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

import webapp.columns

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

UNSIGNED, SIGNED = "issued_at IS NULL", "issued_at IS NOT NULL"
LISTS = {
    "created": (["created_at", "id"], None),
    "domain": (["domain", "not_after", "id"], None),
    "state": (["state", "state_since", "id"], None),
    "state_created": (["state", "created_at", "id", "issued_at"], None),
    "unsigned": (["created_at", "id"], UNSIGNED),
    "signed": (["created_at", "id"], SIGNED),
    "issued": (["issued_at", "id"], SIGNED),
    "expiry": (["not_after", "id"], SIGNED),
}
"""The indexes that a customer's lists are walked by; from now on by holder."""

# Filled in for a version that does not know the column and goes on adding rows.
HOLDERS = {
    "certificate": "(SELECT coalesce(organisation_id, id) FROM account WHERE id = NEW.customer_id)",
    "refund": "(SELECT holder_id FROM certificate WHERE id = NEW.certificate_id)",
}


def words_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=32), nullable=False)


def instant(name: str, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, webapp.columns.UtcDateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    _tables()
    # One statement each, without copying a table: an old version that still runs is not held up. SQLite could only
    # copy it to add a foreign key; organisations are never deleted.
    op.add_column("account", sa.Column("organisation_id", sa.String(length=32), nullable=True))
    op.add_column("account", sa.Column("is_owner", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("account", instant("joined_at", nullable=True))
    op.create_index("ix_account_organisation", "account", ["organisation_id"])
    for table in HOLDERS:
        op.add_column(table, sa.Column("holder_id", sa.String(length=32), nullable=False, server_default=sa.text("''")))
        op.execute(f"UPDATE {table} SET holder_id = customer_id")  # noqa: S608  # the migration's own names
        _fill_in(table)
    _relist("customer", "holder")
    op.create_index("ix_certificate_customer", "certificate", ["customer_id", "created_at", "id"])
    op.create_index("ix_refund_holder", "refund", ["holder_id", "applied_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_refund_holder", "refund")
    op.drop_index("ix_certificate_customer", "certificate")
    _relist("holder", "customer")
    for table in HOLDERS:
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"DROP TRIGGER {table}_holder")
        else:
            op.execute(f"DROP FUNCTION {table}_holder() CASCADE")
        op.drop_column(table, "holder_id")
    op.drop_index("ix_account_organisation", "account")
    for column in ("joined_at", "is_owner", "organisation_id"):
        op.drop_column("account", column)
    for table in ("note", "registration", "invitation", "organisation"):
        op.drop_table(table)


def _tables() -> None:
    op.create_table(
        "organisation",
        key("id"),
        sa.Column("name", sa.String(length=200), nullable=False),
        instant("created_at"),
        instant("closed_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation")),
    )
    op.create_table(
        "invitation",
        key("id"),
        key("organisation_id"),
        sa.Column("email", sa.String(length=254), nullable=False),
        key("invited_by"),
        instant("created_at"),
        instant("expires_at"),
        instant("settled_at", nullable=True),
        sa.Column("ended", words_of("invitation_ended", "accepted", "withdrawn", "replaced"), nullable=True),
        sa.CheckConstraint("(settled_at IS NULL) = (ended IS NULL)", name=op.f("ck_invitation_settled")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_invitation_organisation_id")),
        sa.ForeignKeyConstraint(["invited_by"], ["account.id"], name=op.f("fk_invitation_invited_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
    )
    is_open = sa.text("settled_at IS NULL")
    op.create_index(
        "uq_invitation_open",
        "invitation",
        ["organisation_id", "email"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_table(
        "registration",
        key("id"),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("organisation_name", sa.String(length=200), nullable=False),
        instant("created_at"),
        instant("expires_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registration")),
    )
    op.create_index("ix_registration_expires", "registration", ["expires_at"])
    op.create_table(
        "note",
        key("id"),
        sa.Column("kind", words_of("note_kind", "invitation", "registration", "known_address"), nullable=False),
        key("subject_id"),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("status", words_of("note_status", "due", "sent", "given_up"), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        instant("due_at"),
        sa.Column("message_id", sa.String(length=320), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        instant("created_at"),
        instant("sent_at", nullable=True),
        sa.CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name=op.f("ck_note_sent")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_note")),
    )
    is_due = sa.text("status = 'due'")
    op.create_index("ix_note_due", "note", ["due_at"], sqlite_where=is_due, postgresql_where=is_due)


def _relist(former: str, new: str) -> None:
    for name, (columns, where) in LISTS.items():
        op.drop_index(f"ix_certificate_{former}_{name}", "certificate")
        only = sa.text(where) if where else None
        op.create_index(
            f"ix_certificate_{new}_{name}",
            "certificate",
            [f"{new}_id", *columns],
            sqlite_where=only,
            postgresql_where=only,
        )


def _fill_in(table: str) -> None:
    holder = HOLDERS[table]
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER {table}_holder AFTER INSERT ON {table} WHEN NEW.holder_id = '' "  # noqa: S608  # as above
            f"BEGIN UPDATE {table} SET holder_id = {holder} WHERE id = NEW.id; END"
        )
        return
    op.execute(
        f"CREATE FUNCTION {table}_holder() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN NEW.holder_id := {holder}; RETURN NEW; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_holder BEFORE INSERT ON {table} FOR EACH ROW "
        f"WHEN (NEW.holder_id = '') EXECUTE FUNCTION {table}_holder()"
    )
