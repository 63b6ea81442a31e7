"""deadlines of exceptions: when one that was granted ends stands in a column of its own, so that lists are sorted by it

Revision ID: 0021
Revises: 0020
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

import webapp.columns

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_certificate_waiver_until": ["waiver_until", "id"],
    "ix_certificate_holder_waiver_until": ["holder_id", "waiver_until", "id"],
}


def upgrade() -> None:
    instant = webapp.columns.UtcDateTime(timezone=True)
    op.add_column("certificate", sa.Column("waiver_until", instant, nullable=True))
    certificate = sa.table(
        "certificate", sa.column("id", sa.String), sa.column("waiver", sa.JSON), sa.column("waiver_until", instant)
    )
    connection = op.get_bind()
    # Exceptions are few, and their ends are text inside of JSON, which the two databases read differently.
    known = connection.execute(
        sa.select(certificate.c.id, certificate.c.waiver).where(certificate.c.waiver.is_not(None))
    )
    for key, waiver in known.all():
        if waiver and waiver.get("until"):
            until = datetime.fromisoformat(waiver["until"])
            connection.execute(sa.update(certificate).where(certificate.c.id == key).values(waiver_until=until))
    where = sa.text("waiver_until IS NOT NULL")
    for name, columns in INDEXES.items():
        op.create_index(name, "certificate", columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, "certificate")
    op.drop_column("certificate", "waiver_until")
