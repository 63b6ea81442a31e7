"""Letting somebody in again who has lost their second factor and the recovery codes as well.

Who they are is checked by a person, as when they were given their account; the desk keeps how. Their password, or the
organisation's sign-in, is asked for as before.
"""

from sqlmodel import Session

from certlifecycle import Role
from webapp.accounts import factors, sessions
from webapp.accounts.models import Account, AccountEvent, Act
from webapp.accounts.settings import Entrance
from webapp.audit.models import AuditKind
from webapp.audit.record import record
from webapp.config import Settings
from webapp.desk import By, Desk
from webapp.errors import DeskError, Forbidden
from webapp.people.changing import person
from webapp.wording import _


class NothingToTakeOff(DeskError):
    """Taking the second factor off would change nothing, or would keep somebody out for good."""

    status = 409


def can_come_back(settings: Settings) -> bool:
    """Whether anybody without a passkey can sign in here at all."""
    return bool(settings.sign_in.entrances & {Entrance.PASSWORD, Entrance.OIDC})


def take_off(desk: Desk, settings: Settings, by: By, account_id: str, reason: str) -> Account:
    """Let an administrator take somebody's app, passkeys and recovery codes off, for ``reason``: how they were known.

    Every session of theirs ends. Whoever must have a second factor sets a new one up at the next sign-in. Raises
    :class:`~webapp.errors.Forbidden`, :class:`NothingToTakeOff` and :class:`~webapp.errors.NotFound`.
    """
    with desk.database.writing() as session:
        who = person(session, account_id)
        if who.id == by.actor.id:
            raise Forbidden(
                _("Nobody takes their own second factor off here."),
                _("Change yours under “Sign-in and security”, or ask another administrator."),
            )
        if by.actor.role is not Role.SYSTEM and not _is_administrator(session, by.actor.id):
            raise Forbidden(_("Only an administrator takes a second factor off."))
        if not can_come_back(settings):
            raise NothingToTakeOff(
                _("One signs in with passkeys alone here, so without theirs they could not come back."),
                _("Open another way first (SIGN_IN_WITH)."),
            )
        _forget(session, who, desk, by, reason)
    return who


def _is_administrator(session: Session, account_id: str) -> bool:
    """Whether they are one still: the request may have waited while somebody changed that."""
    found = session.get(Account, account_id, populate_existing=True)
    return found is not None and found.role == Role.ADMIN and found.disabled_at is None


def _forget(session: Session, who: Account, desk: Desk, by: By, reason: str) -> None:
    if not factors.forget_all(session, who.id):
        raise NothingToTakeOff(
            _("{name} has no second factor.", name=who.name),
            _("There is nothing to take off, and nothing was changed."),
        )
    now = desk.clock()
    sessions.end_all(session, who.id, now)
    # From the desk, not from where the administrator sits: that is for the audit trail alone.
    session.add(AccountEvent(account_id=who.id, act=Act.SECOND_FACTOR_TAKEN_OFF, at=now))
    record(session, AuditKind.SECOND_FACTOR_TAKEN_OFF, by, now, subject=who.email, account=who.id, reason=reason)
