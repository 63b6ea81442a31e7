"""Sending what is due: each mail is claimed by one worker, sent outside any transaction, and its fate written down.

SMTP cannot promise "exactly once": where an answer is lost nobody knows whether the mail was taken. It is sent again
then, with the same Message-ID, by which mail systems recognise it.
"""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any

from sqlmodel import col, select, update

from webapp.accounts.models import Account
from webapp.db import Database, rows_changed
from webapp.hindrances import Hindrance, hindrance_of
from webapp.mail.about import Obsolete, Unwritable
from webapp.mail.compose import Composer
from webapp.mail.models import Mail, MailKind, MailStatus
from webapp.mail.preferences import wants
from webapp.mail.transport import Delivery, NotNow, Refused, Transport

log = logging.getLogger("desk.mail")

LEASE = timedelta(minutes=15)
"""How long a claimed mail is left to whoever claimed it: longer than any attempt may take."""
GIVE_UP_AFTER = timedelta(days=5)
"""How long a mail is tried (RFC 5321, 4.5.4.1: at least four to five days)."""
LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Claimed:
    mail: Mail
    attempt: int


def send_due(
    database: Database, transport: Transport, composer: Composer, clock: Callable[[], datetime], limit: int = 50
) -> Counter[MailStatus]:
    """Send at most ``limit`` mails that are due; returns what became of them. Those put off count as due.

    Any number of workers may do this at the same time.
    """
    with database.reading() as session:
        due = select(Mail.id).where(Mail.status == MailStatus.DUE, col(Mail.due_at) <= clock())
        waiting = session.exec(due.order_by(col(Mail.due_at), col(Mail.history_id)).limit(limit)).all()
    done: Counter[MailStatus] = Counter()
    with transport.connection() as deliver:
        for mail_id in waiting:
            claimed = _claim(database, mail_id, clock())
            if claimed is None:
                continue
            status, go_on = _send(database, deliver, composer, claimed, clock)
            done[status] += 1
            if not go_on:
                break
    return done


def _claim(database: Database, mail_id: str, now: datetime) -> _Claimed | None:
    """Take a mail for this worker; ``None`` when another was faster."""
    with database.writing() as session:
        mail = session.get(Mail, mail_id)
        if mail is None:
            return None
        result = session.exec(
            update(Mail)
            .where(
                col(Mail.id) == mail_id,
                col(Mail.status) == MailStatus.DUE,
                col(Mail.due_at) <= now,
                col(Mail.attempts) == mail.attempts,
            )
            .values(attempts=mail.attempts + 1, due_at=now + LEASE, claimed_at=now)
            .execution_options(synchronize_session=False)
        )
        return _Claimed(mail, mail.attempts + 1) if rows_changed(result) == 1 else None


def _send(
    database: Database, deliver: Delivery, composer: Composer, claimed: _Claimed, clock: Callable[[], datetime]
) -> tuple[MailStatus, bool]:
    """Send one mail and write down what came of it; says also whether the next may be tried over this connection."""
    mail, subject, go_on = claimed.mail, claimed.mail.subject, True
    try:
        message = _compose(database, composer, mail, clock())
        subject = str(message["Subject"])
        deliver(message, mail.address)
    except Obsolete as why:
        fate: dict[str, Any] = {"status": MailStatus.SUPPRESSED, "error": str(why), "hindrance": None}
    except (Refused, Unwritable) as why:
        hindrance = Hindrance.REFUSED if isinstance(why, Refused) else Hindrance.INCOMPLETE
        fate = {"status": MailStatus.GIVEN_UP, "error": str(why), "hindrance": hindrance}
        log.warning("Mail %s (%s) is given up: %s", mail.id, mail.kind, why)
    except NotNow as why:
        hindrance = Hindrance.UNREACHABLE if why.for_all else Hindrance.NOT_NOW
        fate, go_on = _later(claimed, clock(), str(why), hindrance), not why.for_all
        log.warning("Mail %s (%s) has to wait: %s", mail.id, mail.kind, why)
    except Exception as failure:
        # A mistake in one mail must not keep the others from being sent.
        log.exception("Mail %s (%s) could not be made; it is tried again.", mail.id, mail.kind)
        fate = _later(claimed, clock(), f"{type(failure).__name__}: {failure}", hindrance_of(failure))
    else:
        fate = {"status": MailStatus.SENT, "sent_at": clock(), "error": None, "hindrance": None}
    _record(database, claimed, {"subject": subject[:500], "claimed_at": None} | fate)
    return fate.get("status", MailStatus.DUE), go_on


def _compose(database: Database, composer: Composer, mail: Mail, now: datetime) -> EmailMessage:
    with database.reading() as session:
        recipient = session.get(Account, mail.recipient_id)
        if recipient is None or recipient.disabled_at is not None:
            raise Obsolete("The account is disabled.")
        group = MailKind(mail.kind).group
        if not wants(session, recipient.id, group):
            raise Obsolete(f"The recipient does not want {group.value}.")
        return composer.compose(session, mail, recipient, now)


def _later(claimed: _Claimed, now: datetime, error: str, hindrance: Hindrance) -> dict[str, Any]:
    fate: dict[str, Any] = {"due_at": now + pause_after(claimed.attempt), "error": error[:2000]}
    if now - (claimed.mail.patience_from or claimed.mail.created_at) >= GIVE_UP_AFTER:
        fate = {"status": MailStatus.GIVEN_UP, "error": f"Given up after {claimed.attempt} attempts. {error}"[:2000]}
    return fate | {"hindrance": hindrance}


def pause_after(attempts: int) -> timedelta:
    """How long to wait before the next attempt: a minute, then twice as long each time, an hour at most."""
    return min(timedelta(minutes=2 ** min(attempts - 1, 16)), LONGEST_PAUSE)


def _record(database: Database, claimed: _Claimed, fate: dict[str, Any]) -> None:
    with database.writing() as session:
        session.exec(
            update(Mail)
            # Whoever claimed it later has the say.
            .where(
                col(Mail.id) == claimed.mail.id,
                col(Mail.status) == MailStatus.DUE,
                col(Mail.attempts) == claimed.attempt,
            )
            .values(**fate)
            .execution_options(synchronize_session=False)
        )
