"""Who belongs to an organisation: founding one, joining, leaving, and who decides about that.

Every deed first takes the organisation's row, so that two come one after the other and the second sees what the first
did. What they find out about people they read after that. All of it is written into the caller's transaction, with its
line in the audit trail.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select, update

from certlifecycle import phrase
from webapp.accounts.models import Account
from webapp.audit.models import AuditKind
from webapp.audit.record import record
from webapp.certificates.models import Certificate
from webapp.db import rows_changed
from webapp.desk import By
from webapp.errors import DeskError, Forbidden, NotFound
from webapp.live.signals import tell
from webapp.live.tickets import MEMBERSHIP, customer_topic
from webapp.organisations.models import Organisation
from webapp.refunds.models import Refund
from webapp.wording import _


class NoMember(DeskError):
    """Whoever asks belongs to no organisation, or no longer."""

    status = 409
    title = phrase("Not possible any more")


def organisation_of(session: Session, account: Account) -> Organisation | None:
    """The organisation that somebody belongs to."""
    return session.get(Organisation, account.organisation_id) if account.organisation_id else None


def members_of(session: Session, organisation_id: str) -> Sequence[Account]:
    """Everybody who belongs to it: owners first, then whoever has been there for the longest."""
    mine = select(Account).where(Account.organisation_id == organisation_id)
    order = (col(Account.is_owner).desc(), col(Account.joined_at), col(Account.id))
    return session.exec(mine.order_by(*order).execution_options(populate_existing=True)).all()


def found(session: Session, founder: Account, name: str, by: By, now: datetime) -> Organisation:
    """Begin an organisation with its founder as owner. What the founder has so far becomes the organisation's."""
    organisation = Organisation(name=name, created_at=now)
    session.add(organisation)
    session.flush()
    record(session, AuditKind.ORGANISATION_FOUNDED, by, now, subject=name, organisation=organisation.id)
    join(session, organisation, founder, by, now, is_owner=True)
    return organisation


def join(
    session: Session, organisation: Organisation, account: Account, by: By, now: datetime, *, is_owner: bool = False
) -> None:
    """Let somebody belong to an organisation. What they have so far comes along; it is a member's like the rest.

    Raises :class:`~webapp.errors.DeskError` for whoever belongs to one already.
    """
    held(session, organisation.id)
    joined = session.exec(
        update(Account)
        .where(col(Account.id) == account.id, col(Account.organisation_id).is_(None))
        .values(organisation_id=organisation.id, is_owner=is_owner, joined_at=now)
        .execution_options(synchronize_session=False)
    )
    if rows_changed(joined) != 1:
        raise DeskError(
            _("This account belongs to an organisation already, and can belong to one only."),
            _("Leave that one first, on its page."),
        )
    brought = _pass_on(session, account.id, organisation.id)
    record(
        session,
        AuditKind.MEMBER_JOINED,
        by,
        now,
        subject=account.email,
        account=account.id,
        organisation=organisation.id,
        owner=is_owner,
        certificates=brought,
    )
    # Their pages follow the wrong changes from now on; they ask for a new ticket.
    tell(session, customer_topic(account.id), MEMBERSHIP)


def rename(session: Session, owner: Account, name: str, by: By, now: datetime) -> None:
    """Give an organisation another name; raises :class:`~webapp.errors.Forbidden`."""
    organisation, _me = as_owner(session, owner)
    record(session, AuditKind.ORGANISATION_RENAMED, by, now, subject=name, former=organisation.name)
    organisation.name = name
    session.add(organisation)


def remove(session: Session, owner: Account, member_id: str, by: By, now: datetime) -> Account:
    """Take somebody's membership away; returns who it was. What they looked after is the owner's to look after.

    Raises :class:`~webapp.errors.Forbidden` and :class:`~webapp.errors.NotFound`.
    """
    organisation, me = as_owner(session, owner)
    member = _member(session, organisation, member_id)
    if member.id == me.id:
        raise DeskError(_("Nobody removes themselves."), _("Leave the organisation instead."))
    _let_go(session, organisation, member, me.id)
    record(
        session,
        AuditKind.MEMBER_REMOVED,
        by,
        now,
        subject=member.email,
        account=member.id,
        organisation=organisation.id,
    )
    return member


def set_owner(session: Session, owner: Account, member_id: str, by: By, now: datetime, *, is_owner: bool) -> Account:
    """Let a member decide who belongs to the organisation, or no longer; returns who it was.

    Raises :class:`~webapp.errors.Forbidden`, :class:`~webapp.errors.NotFound`, and
    :class:`~webapp.errors.DeskError` where nobody would be left who decides.
    """
    organisation, _me = as_owner(session, owner)
    member = _member(session, organisation, member_id)
    if not is_owner and not _other_owners(session, organisation, member):
        raise DeskError(_("An organisation needs an owner."), _("Make somebody else an owner first."))
    session.exec(update(Account).where(col(Account.id) == member.id).values(is_owner=is_owner))
    kind = AuditKind.OWNER_MADE if is_owner else AuditKind.OWNER_UNMADE
    record(session, kind, by, now, subject=member.email, account=member.id, organisation=organisation.id)
    return member


def leave(session: Session, account: Account, by: By, now: datetime) -> Organisation:
    """Leave one's organisation; whoever leaves as the last closes it and takes along what it has.

    Raises :class:`~webapp.errors.DeskError` for the last owner while there are other members.
    """
    organisation = held(session, _now(session, account.id).organisation_id)
    me = _member(session, organisation, account.id)
    others = [one for one in members_of(session, organisation.id) if one.id != me.id]
    facts = {"account": me.id, "organisation": organisation.id}
    if not others:
        _close(session, organisation, me, now)
        record(session, AuditKind.ORGANISATION_CLOSED, by, now, subject=organisation.name, **facts)
        return organisation
    if not others[0].is_owner:
        raise DeskError(
            _("You are the only owner, and an organisation needs one."),
            _("Make somebody else an owner first, then leave."),
        )
    _let_go(session, organisation, me, others[0].id)
    record(session, AuditKind.MEMBER_LEFT, by, now, subject=me.email, **facts)
    return organisation


# Inside


def held(session: Session, organisation_id: str | None) -> Organisation:
    """An organisation, its row held until the transaction ends; raises :class:`NoMember`."""
    wanted = select(Organisation).where(Organisation.id == organisation_id, col(Organisation.closed_at).is_(None))
    organisation = session.exec(wanted.with_for_update().execution_options(populate_existing=True)).first()
    if organisation is None:
        raise NoMember(_("You do not belong to an organisation."), _("Found one, or ask an owner to invite you."))
    return organisation


def as_owner(session: Session, account: Account) -> tuple[Organisation, Account]:
    """The organisation that somebody decides about, held, and this owner as of now.

    Raises :class:`~webapp.errors.Forbidden` for whoever is no owner, or no longer.
    """
    organisation = held(session, _now(session, account.id).organisation_id)
    me = _now(session, account.id)
    if me.organisation_id != organisation.id or not me.is_owner:
        raise Forbidden(
            _("Only an owner of the organisation can do this."),
            _("The organisation’s page names its owners. Ask one of them."),
        )
    return organisation, me


def _now(session: Session, account_id: str) -> Account:
    wanted = select(Account).where(Account.id == account_id)
    return session.exec(wanted.execution_options(populate_existing=True)).one()


def _member(session: Session, organisation: Organisation, account_id: str) -> Account:
    member = session.get(Account, account_id, populate_existing=True)
    if member is None or member.organisation_id != organisation.id:
        raise NotFound(
            _("There is no such member."), _("They may have left already. Look at the organisation’s page again.")
        )
    return member


def _other_owners(session: Session, organisation: Organisation, member: Account) -> bool:
    return any(one.is_owner and one.id != member.id for one in members_of(session, organisation.id))


def _let_go(session: Session, organisation: Organisation, member: Account, successor_id: str) -> None:
    _unbind(session, member)
    # Mails about what they looked after go to somebody who may still see it.
    session.exec(
        update(Certificate)
        .where(col(Certificate.holder_id) == organisation.id, col(Certificate.customer_id) == member.id)
        .values(customer_id=successor_id)
        .execution_options(synchronize_session=False)
    )
    # Whoever left may have a page open.
    tell(session, customer_topic(organisation.id), MEMBERSHIP)


def _close(session: Session, organisation: Organisation, last: Account, now: datetime) -> None:
    _unbind(session, last)
    _pass_on(session, organisation.id, last.id)
    organisation.closed_at = now
    session.add(organisation)
    tell(session, customer_topic(organisation.id), MEMBERSHIP)


def _unbind(session: Session, member: Account) -> None:
    values = {"organisation_id": None, "is_owner": False, "joined_at": None}
    # First of all: an act of theirs that is under way holds this row, and comes before or after, whole.
    session.exec(
        update(Account)
        .where(col(Account.id) == member.id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _pass_on(session: Session, former_holder: str, holder: str) -> int:
    """Let everything of one holder be another's; returns how many certificates that are."""
    counts = []
    for model in (Certificate, Refund):
        mine = update(model).where(col(model.holder_id) == former_holder).values(holder_id=holder)
        counts.append(rows_changed(session.exec(mine.execution_options(synchronize_session=False))))
    return counts[0]
