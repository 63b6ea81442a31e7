"""Giving and taking roles and rights. One function changes them; the audit trail keeps who, whose, why."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select, update

from certlifecycle import REVIEWERS, Role
from webapp.accounts import sessions
from webapp.accounts.models import Account
from webapp.audit.models import AuditKind
from webapp.audit.record import record
from webapp.db import rows_changed
from webapp.desk import By, Desk
from webapp.errors import DeskError, Forbidden, NotFound
from webapp.live import signals
from webapp.live.tickets import REVIEW_TOPIC
from webapp.wording import _


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody may do for the shop. The rights count for reviewers and administrators."""

    role: Role
    may_decide: bool
    may_pay: bool

    @classmethod
    def of(cls, account: Account) -> "Standing":
        """An account's."""
        return cls(Role(account.role), account.may_decide, account.may_pay)

    def __str__(self) -> str:
        """In one word, for a form that says what it was made from."""
        return f"{self.role.value}-{self.may_decide:d}{self.may_pay:d}"


class ChangedMeanwhile(DeskError):
    """Somebody else has changed this person's role or rights since the page was made."""

    status = 409

    def __init__(self) -> None:
        super().__init__(
            _("Somebody else has changed this person’s role or rights since you opened the page."),
            _("Look at them as they are now, then change them again."),
        )


def staff(session: Session) -> Sequence[Account]:
    """All who work for the shop, administrators first."""
    wanted = select(Account).where(col(Account.role).in_(REVIEWERS), col(Account.disabled_at).is_(None))
    return session.exec(wanted.order_by(col(Account.role), col(Account.name), col(Account.id))).all()


def person(session: Session, account_id: str) -> Account:
    """Somebody with an account; raises :class:`~webapp.errors.NotFound`."""
    found = session.get(Account, account_id)
    if found is None or found.disabled_at is not None:
        raise NotFound(_("There is no such account."))
    return found


def change(desk: Desk, by: By, account_id: str, was: str, wanted: Standing, reason: str) -> Account:
    """Let an administrator change somebody's role and rights; ``was`` is the standing that they looked at.

    Nobody changes their own. As whoever changes others' is an administrator and stays one, one is always left: two
    who demote each other at once come one after the other, and the second is none any more. Another role ends the
    person's sessions, so that open pages and live streams end with it; other rights are asked for at every act, and
    pages that show a decision are told to look again.

    Raises :class:`~webapp.errors.Forbidden`, :class:`ChangedMeanwhile` and :class:`~webapp.errors.NotFound`.
    """
    with desk.database.writing() as session:
        administrators = session.exec(
            select(Account.id)
            .where(Account.role == Role.ADMIN, col(Account.disabled_at).is_(None))
            .order_by(col(Account.id))
            # Held, so that of two who change each other one waits and then sees what the first has done.
            .with_for_update(key_share=True)
        ).all()
        if by.actor.id not in administrators:
            raise Forbidden(_("Only an administrator changes what people may do."))
        if account_id == by.actor.id:
            raise Forbidden(
                _("Nobody changes their own role and rights."), _("Ask another administrator, if there is one.")
            )
        before = Standing.of(person(session, account_id))
        if str(before) != was:
            raise ChangedMeanwhile
        values = {"role": wanted.role, "may_decide": wanted.may_decide, "may_pay": wanted.may_pay}
        unchanged = (
            col(Account.id) == account_id,
            col(Account.role) == before.role,
            col(Account.may_decide) == before.may_decide,
            col(Account.may_pay) == before.may_pay,
        )
        # A sign-in through the organisation changes roles as well, and holds no administrator's row.
        if rows_changed(session.exec(update(Account).where(*unchanged).values(**values))) != 1:
            raise ChangedMeanwhile
        after = session.exec(
            select(Account).where(Account.id == account_id).execution_options(populate_existing=True)
        ).one()
        now = desk.clock()
        if wanted.role is not before.role:
            sessions.end_all(session, account_id, now)
        signals.tell(session, REVIEW_TOPIC, f"rights-{account_id}")
        facts = {"account": account_id, "before": str(before), "after": str(wanted), "reason": reason}
        record(session, AuditKind.RIGHTS_CHANGED, by, now, subject=after.email, **facts)
    return after
