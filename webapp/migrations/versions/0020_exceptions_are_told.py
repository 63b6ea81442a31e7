"""exceptions are told

Revision ID: 0020
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

from webapp.migrations.checks import add_words, remove_words
from webapp.migrations.triggers import allow, forbid

revision = "0020"
down_revision = "0022"
branch_labels = None
depends_on = None

MAIL_CHECK = ("mail", "kind", "ck_mail_mail_kind")
MAILS = ("exception_granted",)


def upgrade() -> None:
    add_words(op.get_bind(), *MAIL_CHECK, MAILS)


def downgrade() -> None:
    connection = op.get_bind()
    mail = sa.table("mail", sa.column("id"), sa.column("kind"))
    told = sa.select(mail.c.id).where(mail.c.kind.in_(MAILS))
    decisions = sa.table("mail_decision", sa.column("mail_id"))
    allow(connection, "mail_decision", "UPDATE", "DELETE")
    connection.execute(sa.delete(decisions).where(decisions.c.mail_id.in_(told)))
    connection.execute(sa.delete(mail).where(mail.c.kind.in_(MAILS)))
    forbid(connection, "mail_decision", "UPDATE", "DELETE")
    remove_words(connection, *MAIL_CHECK, MAILS)
