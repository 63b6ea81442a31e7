"""From what happened to mails that are due: each history row that somebody waits for becomes its mail, once.

Only committed rows are ever seen, so nothing is written about what was rolled back.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel, col, func, select

from certlifecycle import Event, State
from webapp.accounts.models import Account
from webapp.certificates.models import GRANT_EXCEPTION, Channel, History, PaymentMethod
from webapp.columns import new_id
from webapp.mail.models import Mail, MailCursor, MailKind, MailStatus
from webapp.payments.destination import label_of
from webapp.portions import portions
from webapp.refunds.models import Refund

BATCH = 500
SETTLES_AFTER = timedelta(minutes=10)
"""How long a transaction may take from its history row to its commit.

PostgreSQL hands out ids when a row is written and shows the row when it is committed, so a smaller id can appear after
a larger one. Rows younger than this are therefore looked at again; the unique constraint makes that harmless.
"""
TOO_OLD = timedelta(days=14)
"""Nobody is written to about what happened longer ago, however long the worker was away."""

KINDS = {
    (Event.REQUEST_REFUND, State.REFUND_REQUESTED): MailKind.APPLIED,
    # The first of two approvals leaves the application where it is: nothing that the customer waits for.
    (Event.APPROVE_REFUND, State.REFUND_APPROVED): MailKind.APPROVED,
    (Event.COMPLETE_REFUND, State.REFUNDED): MailKind.PAID,
    (Event.REJECT_REFUND, State.REJECTED): MailKind.REJECTED,
    (Event.RETURN_REFUND, State.REFUND_REQUESTED): MailKind.RETURNED,
    (Event.ISSUE, State.ISSUED): MailKind.ISSUED,
    (Event.FAIL_VERIFICATION, State.FAILED): MailKind.VERIFICATION_FAILED,
    (Event.REFUSE_ISSUANCE, State.FAILED): MailKind.ISSUANCE_REFUSED,
    (Event.CONFIRM_REVOCATION, State.REVOKED): MailKind.REVOKED,
    (Event.REFUSE_REVOCATION, State.ISSUED): MailKind.REVOCATION_REFUSED,
}
"""The changes that a customer waits for. Their own doings (withdrawing, keeping) need no mail."""

KINDS_BESIDE = {GRANT_EXCEPTION: MailKind.EXCEPTION_GRANTED}
"""The same of what changes no state, whatever the state is.

That an exception was proposed or declined stays among reviewers: no customer ever waits for it.
"""


def has_news(session: Session) -> bool:
    """Whether there may be something to plan. It costs two look-ups and no lock."""
    cursor = session.get(MailCursor, 1)
    return cursor is None or _newest(session) > cursor.settled_id


def plan_mails(session: Session, now: datetime, domain: str, batch: int = BATCH) -> int:
    """Make due what the history tells since the last time, inside the caller's transaction; returns how many mails.

    ``domain`` is the right side of the Message-IDs. At most ``batch`` rows are taken at once: call again while the
    answer is not smaller. A history that was never read before is not told after the fact: reading begins with now.
    """
    cursor = _take_cursor(session)
    newest = _newest(session)
    if cursor is None:
        session.add(MailCursor(settled_id=newest, seen_id=newest, seen_at=now))
        return 0
    # Asked for in the table's own terms: a row has a mail, or it still needs one, wherever it stands in the order.
    rows = session.execute(
        sa.select(History, Account, col(Refund.method))
        .join(Account, col(Account.id) == History.customer_id)
        .outerjoin(Refund, col(Refund.id) == History.refund_id)
        .where(
            col(History.id) > cursor.settled_id,
            sa.or_(
                *(sa.and_(col(History.event) == event, col(History.to_state) == to) for event, to in KINDS),
                col(History.event).in_(tuple(KINDS_BESIDE)),
            ),
            # An order from elsewhere brings a past along that its customer knows.
            col(History.channel) != Channel.IMPORT,
            col(History.at) > now - TOO_OLD,
            ~sa.exists().where(col(Mail.history_id) == History.id),
        )
        .order_by(col(History.id))
        .limit(batch)
    ).all()
    planned = add_once(session, (_mail_about(row, account, method, now, domain) for row, account, method in rows))
    # While more rows wait behind this batch, none of them may count as settled.
    if len(rows) < batch and now - cursor.seen_at >= SETTLES_AFTER:
        cursor.settled_id, cursor.seen_id, cursor.seen_at = cursor.seen_id, newest, now
        session.add(cursor)
    return planned


def _take_cursor(session: Session) -> MailCursor | None:
    # Locked, so that of two planners one waits for the other. SQLite has one writer at a time anyway.
    return session.exec(select(MailCursor).where(MailCursor.id == 1).with_for_update()).first()


def _newest(session: Session) -> int:
    return session.exec(select(func.max(History.id))).one() or 0


def _mail_about(row: History, account: Account, method: PaymentMethod | None, now: datetime, domain: str) -> Mail:
    kind = KINDS_BESIDE.get(row.event) or KINDS[Event(row.event), State(row.to_state)]
    balance = label_of(PaymentMethod.BALANCE, "")
    if kind is MailKind.PAID and method != PaymentMethod.BALANCE and row.facts.get("to") == balance:
        kind = MailKind.FALLBACK
    return new_mail(
        kind,
        account,
        now,
        domain,
        history_id=row.id,
        certificate_id=row.certificate_id,
        refund_id=row.refund_id,
    )


def new_mail(
    kind: MailKind,
    account: Account,
    now: datetime,
    domain: str,
    *,
    history_id: int | None = None,
    occasion: str | None = None,
    certificate_id: str | None = None,
    refund_id: str | None = None,
) -> Mail:
    """A mail to somebody, due at once, for a history row or for an occasion, and what it is about."""
    key = new_id()
    mail = Mail(
        id=key,
        history_id=history_id,
        occasion=occasion,
        kind=kind,
        certificate_id=certificate_id,
        refund_id=refund_id,
        recipient_id=account.id,
        address=account.email,
        due_at=now,
        message_id=f"<{key}@{domain}>",
        created_at=now,
    )
    if account.disabled_at is not None:
        mail.status, mail.error = MailStatus.SUPPRESSED, "The account is disabled."
    return mail


def add_once(session: Session, mails: Iterable[Mail]) -> int:
    """Add the mails that are not there yet, by their unique constraints; returns how many were new."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    table: sa.Table = Mail.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
    rows, added = [_columns(mail) for mail in mails], 0
    for some in portions(rows, BATCH):
        insert = dialect.insert(table).values(some)
        added += len(session.execute(insert.on_conflict_do_nothing().returning(table.c.id)).all())
    return added


def _columns(row: SQLModel) -> dict[str, Any]:
    return {name: getattr(row, name) for name in type(row).model_fields}
