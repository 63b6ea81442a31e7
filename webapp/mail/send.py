"""Sending what is due: each mail is claimed by one worker, sent outside any transaction, and its fate written down.

SMTP cannot promise "exactly once": where an answer is lost nobody knows whether the mail was taken. It is sent again
then, with the same Message-ID, by which mail systems recognise it.

Two tables hold mails: ``mail`` those to accounts, ``note`` those with a link to people who may have none. A
:class:`Tray` is one of them with how its mails are written; from there on they leave by the same way.
"""

import logging
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlmodel import Session, col, update

from webapp.accounts.models import Account
from webapp.db import Database, rows_changed
from webapp.hindrances import Hindrance, hindrance_of
from webapp.mail.about import Obsolete, Unwritable
from webapp.mail.compose import Composer
from webapp.mail.models import Mail, MailKind, MailStatus
from webapp.mail.preferences import wants
from webapp.mail.transport import Delivery, NotNow, Refused, Transport
from webapp.organisations.models import Note

log = logging.getLogger("desk.mail")

LEASE = timedelta(minutes=15)
"""How long a claimed mail is left to whoever claimed it: longer than any attempt may take."""
GIVE_UP_AFTER = timedelta(days=5)
"""How long a mail is tried (RFC 5321, 4.5.4.1: at least four to five days)."""
LONGEST_PAUSE = timedelta(hours=1)


AT_ONCE = 50
"""How many are sent before it is looked anew what is due."""
SECRET_FROM = 20
"""How long the parts of an address are that may be a secret; nothing shorter could not be guessed."""
SECRET_BEGINS = 16
"""By how many of its first characters a secret is recognised, for a server may repeat no more than its beginning."""

Posted = TypeVar("Posted", Mail, Note)


@dataclass(frozen=True, slots=True)
class Tray(Generic[Posted]):
    """The mails of one table, and how one is written at an instant.

    ``write`` raises :class:`~webapp.mail.about.Obsolete` where there is no reason any more to send it, and
    :class:`~webapp.mail.about.Unwritable` where that is not possible.
    """

    model: type[Posted]
    order: tuple[sa.SQLColumnExpression[Any], ...]
    write: Callable[[Session, Posted, datetime], EmailMessage]


@dataclass(frozen=True, slots=True)
class _Claimed(Generic[Posted]):
    posted: Posted
    attempt: int


def mails(composer: Composer) -> Tray[Mail]:
    """What is due to people with an account."""

    def write(session: Session, mail: Mail, now: datetime) -> EmailMessage:
        recipient = session.get(Account, mail.recipient_id)
        if recipient is None or recipient.disabled_at is not None:
            raise Obsolete("The account is disabled.")
        group = MailKind(mail.kind).group
        if not wants(session, recipient.id, group):
            raise Obsolete(f"The recipient does not want {group.value}.")
        return composer.compose(session, mail, recipient, now)

    # The steps of one refund are told in their order.
    return Tray(Mail, (col(Mail.due_at), col(Mail.history_id)), write)


def send_all(database: Database, transport: Transport, tray: Tray[Posted], clock: Callable[[], datetime]) -> int:
    """Send what is due, until nothing is left that can be sent now; returns how many mails left."""
    sent = 0
    while True:
        done = send_due(database, transport, tray, clock)
        sent += done[MailStatus.SENT]
        # A full batch without a single delay: there may be more.
        if done.total() < AT_ONCE or done[MailStatus.DUE]:
            return sent


def send_due(
    database: Database, transport: Transport, tray: Tray[Posted], clock: Callable[[], datetime]
) -> Counter[MailStatus]:
    """Send at most :data:`AT_ONCE` mails that are due; returns what became of them. Those put off count as due.

    Any number of workers may do this at the same time.
    """
    with database.reading() as session:
        due = sa.select(col(tray.model.id)).where(
            col(tray.model.status) == MailStatus.DUE, col(tray.model.due_at) <= clock()
        )
        waiting = session.execute(due.order_by(*tray.order).limit(AT_ONCE)).scalars().all()
    done: Counter[MailStatus] = Counter()
    with transport.connection() as deliver:
        for key in waiting:
            claimed = _claim(database, tray, key, clock())
            if claimed is None:
                continue
            status, go_on = _send(database, deliver, tray, claimed, clock)
            done[status] += 1
            if not go_on:
                break
    return done


def _claim(database: Database, tray: Tray[Posted], key: str, now: datetime) -> _Claimed[Posted] | None:
    """Take a mail for this worker; ``None`` when another was faster."""
    with database.writing() as session:
        posted = session.get(tray.model, key)
        if posted is None:
            return None
        result = session.exec(
            update(tray.model)
            .where(
                col(tray.model.id) == key,
                col(tray.model.status) == MailStatus.DUE,
                col(tray.model.due_at) <= now,
                col(tray.model.attempts) == posted.attempts,
            )
            .values(attempts=posted.attempts + 1, due_at=now + LEASE, claimed_at=now)
            .execution_options(synchronize_session=False)
        )
        return _Claimed(posted, posted.attempts + 1) if rows_changed(result) == 1 else None


def _send(
    database: Database,
    deliver: Delivery,
    tray: Tray[Posted],
    claimed: _Claimed[Posted],
    clock: Callable[[], datetime],
) -> tuple[MailStatus, bool]:
    """Send one mail and write down what came of it; says also whether the next may be tried over this connection."""
    posted, message, go_on = claimed.posted, None, True
    try:
        with database.reading() as session:
            message = tray.write(session, posted, clock())
        deliver(message, posted.address)
    except Obsolete as why:
        fate: dict[str, Any] = {"status": MailStatus.SUPPRESSED, "error": str(why), "hindrance": None}
    except (Refused, Unwritable) as why:
        hindrance = Hindrance.REFUSED if isinstance(why, Refused) else Hindrance.INCOMPLETE
        fate = {"status": MailStatus.GIVEN_UP, "error": _said(why, message), "hindrance": hindrance}
        log.warning("Mail %s (%s) is given up: %s", posted.id, posted.kind, fate["error"])
    except NotNow as why:
        hindrance = Hindrance.UNREACHABLE if why.for_all else Hindrance.NOT_NOW
        fate, go_on = _later(claimed, clock(), _said(why, message), hindrance), not why.for_all
        log.warning("Mail %s (%s) has to wait: %s", posted.id, posted.kind, fate["error"])
    except Exception as failure:
        # A mistake in one mail must not keep the others from being sent.
        log.exception("Mail %s (%s) could not be made; it is tried again.", posted.id, posted.kind)
        said = f"{type(failure).__name__}: {_said(failure, message)}"
        fate = _later(claimed, clock(), said, hindrance_of(failure))
    else:
        fate = {"status": MailStatus.SENT, "sent_at": clock(), "error": None, "hindrance": None}
    known = {"subject": str(message["Subject"])[:500]} if message and tray.model is Mail else {}
    _record(database, tray, claimed, {"claimed_at": None} | known | fate)
    return fate.get("status", MailStatus.DUE), go_on


def _said(why: Exception, message: EmailMessage | None) -> str:
    """What the other side said, without the secrets of the links that it may have repeated from the mail.

    Servers that refuse a mail for an address in it like to name the address, and the answer is kept and shown.
    """
    said = str(why)
    text = message.get_body(("plain",)) if message else None
    for address in re.findall(r"https?://\S+", text.get_content()) if text else ():
        for part in address.split("/")[3:]:
            if len(part) >= SECRET_FROM:
                said = re.sub(re.escape(part[:SECRET_BEGINS]) + r"[\w.~-]*", "…", said)
    return said


def _later(claimed: _Claimed[Posted], now: datetime, error: str, hindrance: Hindrance) -> dict[str, Any]:
    fate: dict[str, Any] = {"due_at": now + pause_after(claimed.attempt), "error": error[:2000]}
    if now - (claimed.posted.patience_from or claimed.posted.created_at) >= GIVE_UP_AFTER:
        fate = {"status": MailStatus.GIVEN_UP, "error": f"Given up after {claimed.attempt} attempts. {error}"[:2000]}
    return fate | {"hindrance": hindrance}


def pause_after(attempts: int) -> timedelta:
    """How long to wait before the next attempt: a minute, then twice as long each time, an hour at most."""
    return min(timedelta(minutes=2 ** min(attempts - 1, 16)), LONGEST_PAUSE)


def _record(database: Database, tray: Tray[Posted], claimed: _Claimed[Posted], fate: dict[str, Any]) -> None:
    with database.writing() as session:
        session.exec(
            update(tray.model)
            # Whoever claimed it later has the say.
            .where(
                col(tray.model.id) == claimed.posted.id,
                col(tray.model.status) == MailStatus.DUE,
                col(tray.model.attempts) == claimed.attempt,
            )
            .values(**fate)
            .execution_options(synchronize_session=False)
        )
