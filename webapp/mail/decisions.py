"""What an administrator decides about a mail that did not leave: try it again at once, or let it be.

A mail is no change of a certificate, so it does not come through the certificates' door. The same rules hold: one
transaction, conditional on what the decision was made from, with a trace of who, when, why and from where. To whoever
decides, a mail with a link to somebody without an account (``note``) is a mail like the others.
"""

from enum import StrEnum
from typing import Any

from sqlmodel import Session, col, update

from certlifecycle import Role
from webapp.db import rows_changed
from webapp.desk import By, Desk
from webapp.errors import DeskError, Forbidden, NotFound
from webapp.mail.models import Mail, MailAct, MailDecision, MailStatus
from webapp.organisations.models import Note, NoteDecision
from webapp.wording import _


class Result(StrEnum):
    """What came of a decision about a mail."""

    DONE = "done"
    UNDER_WAY = "under_way"
    """A worker is sending it at this very moment; nothing was changed."""
    SETTLED = "settled"
    """It is sent, or not to be sent any more; nothing was changed."""
    DUE_ALREADY = "due_already"
    """It is about to be tried anyway; nothing was changed."""


def retry_mail(desk: Desk, mail_id: str, by: By, reason: str) -> Result:
    """Have a mail tried again at once, and for as long as a new one; it keeps its identity toward the recipient.

    One that a worker is just sending is left alone: two at once would send it twice. Raises
    :class:`~webapp.errors.Forbidden` and :class:`~webapp.errors.NotFound`.
    """
    now = desk.clock()
    due = {"status": MailStatus.DUE, "due_at": now, "patience_from": now, "claimed_at": None}
    return _decide(desk, mail_id, by, reason, MailAct.RETRY, due)


def drop_mail(desk: Desk, mail_id: str, by: By, reason: str) -> Result:
    """Let a mail that was given up be: it is not owed any more. Raises what :func:`retry_mail` raises."""
    return _decide(desk, mail_id, by, reason, MailAct.DROP, {"status": MailStatus.SUPPRESSED})


def _decide(desk: Desk, mail_id: str, by: By, reason: str, act: MailAct, columns: dict[str, Any]) -> Result:
    if by.actor.role is not Role.ADMIN:
        raise Forbidden(_("Only an administrator decides about mails that did not leave."))
    if not reason.strip():
        raise DeskError(_("A decision needs a reason."), _("Say why."))
    with desk.database.writing() as session:
        mail = session.get(Mail, mail_id) or session.get(Note, mail_id)
        if mail is None:
            raise NotFound(_("There is no such mail."))
        obstacle = _obstacle(desk, mail, act)
        if obstacle is not None:
            return obstacle
        if not _change(session, mail, columns):
            # Taken by a worker, or decided about by somebody else, since it was read.
            return Result.UNDER_WAY
        known: dict[str, Any] = {
            "act": act,
            "attempts": mail.attempts,
            "actor_id": by.actor.id,
            "actor_role": by.actor.role,
            "actor_name": by.actor.name,
            "reason": reason.strip(),
            "channel": by.channel,
            "address": by.address,
            "at": desk.clock(),
        }
        is_mail = isinstance(mail, Mail)
        session.add(MailDecision(mail_id=mail.id, **known) if is_mail else NoteDecision(note_id=mail.id, **known))
    return Result.DONE


def _obstacle(desk: Desk, mail: Mail | Note, act: MailAct) -> Result | None:
    now = desk.clock()
    match mail.status:
        case MailStatus.GIVEN_UP:
            return None
        case MailStatus.DUE if act is MailAct.RETRY:
            # A claim whose lease has run out is nobody's any more, and the mail is due.
            if mail.claimed_at is not None and mail.due_at > now:
                return Result.UNDER_WAY
            return Result.DUE_ALREADY if mail.due_at <= now else None
        case _:
            return Result.SETTLED


def _change(session: Session, mail: Mail | Note, columns: dict[str, Any]) -> bool:
    model = type(mail)
    result = session.exec(
        update(model)
        .where(
            col(model.id) == mail.id,
            col(model.status) == mail.status,
            col(model.attempts) == mail.attempts,
            col(model.due_at) == mail.due_at,
        )
        .values(**columns)
        .execution_options(synchronize_session=False)
    )
    return rows_changed(result) == 1
