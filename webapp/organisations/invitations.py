"""Inviting somebody into an organisation, and accepting that."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, func, select, update

from webapp.accounts.models import Account
from webapp.audit.models import AuditKind
from webapp.audit.record import record
from webapp.db import rows_changed
from webapp.desk import By
from webapp.errors import DeskError, NotFound
from webapp.organisations.members import as_owner, join
from webapp.organisations.models import Invitation, InvitationEnd, NoteKind, Organisation
from webapp.organisations.notes import add_note
from webapp.wording import _

LASTS = timedelta(days=7)
"""How long an invitation can be accepted."""
MOST = 50
"""How many invitations of one organisation can be open at once."""


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation that can be accepted: into what, by whom, and whether its address has an account."""

    invitation: Invitation
    organisation: Organisation
    inviter: Account
    account: Account | None


def open_invitations(session: Session, organisation_id: str, now: datetime) -> Sequence[Invitation]:
    """Those that can still be accepted, the newest first."""
    mine = select(Invitation).where(Invitation.organisation_id == organisation_id, _is_open(now))
    return session.exec(mine.order_by(col(Invitation.created_at).desc(), col(Invitation.id))).all()


def invite(
    session: Session, owner: Account, email: str, by: By, now: datetime, *, language: str, mail_domain: str
) -> None:
    """Ask an address to join, by a mail with a link; one that was asked before gets a new link and the old one ends.

    Raises :class:`~webapp.errors.Forbidden`, and :class:`~webapp.errors.DeskError` for a member's address and for
    too many at once.
    """
    organisation, me = as_owner(session, owner)
    member = select(Account.id).where(Account.email == email, Account.organisation_id == organisation.id)
    if session.exec(member).first() is not None:
        raise DeskError(_("{email} belongs to the organisation already.", email=email))
    here = (col(Invitation.organisation_id) == organisation.id, col(Invitation.email) == email)
    _settle(session, InvitationEnd.REPLACED, now, *here)
    count = select(func.count()).where(Invitation.organisation_id == organisation.id, _is_open(now))
    if session.exec(count).one() >= MOST:
        raise DeskError(
            _("There are {most} open invitations, which is the most there can be.", most=MOST),
            _("Withdraw some, or wait until they have been answered."),
        )
    invitation = Invitation(
        organisation_id=organisation.id, email=email, invited_by=me.id, created_at=now, expires_at=now + LASTS
    )
    session.add(invitation)
    add_note(session, NoteKind.INVITATION, invitation.id, email, now, language=language, mail_domain=mail_domain)
    record(session, AuditKind.MEMBER_INVITED, by, now, subject=email, organisation=organisation.id)


def withdraw(session: Session, owner: Account, invitation_id: str, by: By, now: datetime) -> str:
    """Let an invitation end and return its address; raises :class:`~webapp.errors.NotFound`."""
    organisation, _me = as_owner(session, owner)
    mine = (col(Invitation.id) == invitation_id, col(Invitation.organisation_id) == organisation.id)
    invitation = session.exec(select(Invitation).where(*mine)).first()
    if invitation is None or not _settle(session, InvitationEnd.WITHDRAWN, now, *mine):
        raise NotFound(
            _("This invitation is not open any more."), _("It was accepted or withdrawn. Look at the members.")
        )
    record(session, AuditKind.INVITATION_WITHDRAWN, by, now, subject=invitation.email, organisation=organisation.id)
    return invitation.email


def open_invitation(session: Session, invitation_id: str | None, now: datetime) -> Invited:
    """What a link invites to; raises :class:`~webapp.errors.NotFound` for one that does not count, or no longer."""
    found = session.exec(
        select(Invitation, Organisation, Account)
        .join(Organisation, col(Organisation.id) == Invitation.organisation_id)
        .join(Account, col(Account.id) == Invitation.invited_by)
        .where(Invitation.id == invitation_id, _is_open(now), col(Organisation.closed_at).is_(None))
    ).first()
    if found is None:
        raise NotFound(
            _("This invitation does not count any more: it has run out, was withdrawn, or was accepted."),
            _("Ask whoever invited you for a new one. If you accepted it already, sign in."),
        )
    account = session.exec(select(Account).where(Account.email == found[0].email)).first()
    return Invited(*found, account)


def accept(session: Session, invited: Invited, account: Account, by: By, now: datetime) -> None:
    """Let the invited address's account join. Raises :class:`~webapp.errors.NotFound` when another was faster."""
    if account.email != invited.invitation.email or account.disabled_at is not None:
        raise NotFound(_("This invitation is for another account."), _("Sign in with the address that was invited."))
    # Joining holds the organisation's row, as withdrawing does: only then is it known whether the link still counts.
    join(session, invited.organisation, account, by, now)
    if not _settle(session, InvitationEnd.ACCEPTED, now, col(Invitation.id) == invited.invitation.id):
        raise NotFound(_("This invitation does not count any more."), _("Ask whoever invited you for a new one."))


def _is_open(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(col(Invitation.settled_at).is_(None), col(Invitation.expires_at) > now)


def _settle(session: Session, ended: InvitationEnd, now: datetime, *which: sa.ColumnElement[bool]) -> bool:
    settled = session.exec(
        update(Invitation)
        .where(col(Invitation.settled_at).is_(None), *which)
        .values(settled_at=now, ended=ended)
        .execution_options(synchronize_session=False)
    )
    return rows_changed(settled) > 0
