"""Forgetting what is old: once a day by the worker, or by whoever runs the desk with ``flask desk forget``."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, delete, func, select, update

from webapp.accounts.models import DELETED_DOMAIN, Account, AccountEvent, WebSession
from webapp.certificates.models import Purchase
from webapp.db import Database, rows_changed
from webapp.mail.models import Mail, MailStatus
from webapp.organisations.models import Note
from webapp.payments.models_outside import BankPayment, ProviderNotification
from webapp.privacy.settings import RetentionSettings
from webapp.refunds.models import Refund

log = logging.getLogger("desk.privacy")

EVERY = timedelta(days=1)
NO_ACCOUNT = "0"
"""What stands for the number of a bank account that is forgotten; the table wants one."""

Rule = tuple[type, sa.ColumnElement[bool], Mapping[str, object] | None]
"""Which rows of a table go, or what is written into them where the rows themselves must stay."""


def rules(settings: RetentionSettings, now: datetime) -> Mapping[str, Rule]:
    """What has to go by now, by names for whoever runs the desk."""
    signed_in = now - timedelta(days=settings.sign_in_days)
    mailed = now - timedelta(days=settings.mail_days)
    notified = now - timedelta(days=settings.notification_days)
    # Years of the books: a leap day more or less is no harm, and later is the safe side.
    gone = sa.select(col(Account.id)).where(
        col(Account.email).endswith(f"@{DELETED_DOMAIN}"),
        col(Account.disabled_at) < now - timedelta(days=366 * settings.books_years),
    )
    refunds = sa.select(col(Refund.id)).where(col(Refund.customer_id).in_(gone))
    paid = sa.and_(col(BankPayment.refund_no).in_(refunds), col(BankPayment.holder) != "")
    ordered = sa.and_(col(Purchase.customer_id).in_(gone), col(Purchase.payment_account) != "")
    # One that was given up may still be tried again.
    settled = (MailStatus.SENT, MailStatus.SUPPRESSED)
    old_mail = (col(Mail.status).in_(settled), col(Mail.created_at) < mailed, col(Mail.address) != "")
    old_note = (col(Note.status).in_(settled), col(Note.created_at) < mailed, col(Note.address) != "")
    return {
        "entries about signing in": (AccountEvent, col(AccountEvent.at) < signed_in, None),
        "sessions that have ended": (WebSession, col(WebSession.expires_at) < signed_in, None),
        "addresses and subjects of mails": (Mail, sa.and_(*old_mail), {"address": "", "subject": ""}),
        "addresses of mails with a link": (Note, sa.and_(*old_note), {"address": ""}),
        "notifications of providers": (ProviderNotification, col(ProviderNotification.received_at) < notified, None),
        "accounts that orders of deleted people were paid from": (Purchase, ordered, {"payment_account": ""}),
        "bank accounts that deleted people were paid to": (
            BankPayment,
            paid,
            {"holder": "", "iban": "", "number": NO_ACCOUNT, "bank_code": ""},
        ),
    }


def sweep(database: Database, settings: RetentionSettings, now: datetime, *, dry_run: bool = False) -> dict[str, int]:
    """Let go of what is old and return how much that was; with ``dry_run``, how much it would be."""
    found: dict[str, int] = {}
    for name, rule in rules(settings, now).items():
        # A transaction each, so that nobody waits for all of it.
        with database.reading() if dry_run else database.writing() as session:
            found[name] = _count(session, rule) if dry_run else _let_go(session, rule)
    return found


def _count(session: Session, rule: Rule) -> int:
    model, old, _values = rule
    return int(session.execute(select(func.count()).select_from(model).where(old)).scalar_one())


def _let_go(session: Session, rule: Rule) -> int:
    model, old, values = rule
    statement = delete(model).where(old) if values is None else update(model).where(old).values(**values)
    return rows_changed(session.execute(statement.execution_options(synchronize_session=False)))


class Sweeper:
    """Sweeps once a day while a worker runs, and right after its start."""

    def __init__(self, database: Database, settings: RetentionSettings, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._next: datetime | None = None

    def turn(self) -> None:
        """Sweep if a day has passed."""
        now = self._clock()
        if self._next is not None and now < self._next:
            return
        done = {name: count for name, count in sweep(self._database, self._settings, now).items() if count}
        self._next = now + EVERY
        if done:
            log.info("Old data was let go of: %s", done)
