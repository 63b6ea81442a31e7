"""What happened to an account, for its owner to read: sign-ins, and changes of what one signs in with.

The audit trail has it too, among all the rest and in the chain of evidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Request
from sqlmodel import Session, col, select

from certlifecycle import SYSTEM, phrase
from webapp.accounts.browsers import browser_of
from webapp.accounts.models import Account, AccountEvent, Act, Way
from webapp.audit.models import AuditKind
from webapp.audit.record import record, record_claimed
from webapp.certificates.models import Channel
from webapp.desk import By
from webapp.wording import _

SHOWN = 30

ACTS = {
    Act.SIGNED_IN: phrase("Signed in"),
    Act.SIGN_IN_FAILED: phrase("Sign-in failed"),
    Act.SIGNED_OUT_EVERYWHERE: phrase("Signed out everywhere"),
    Act.PASSWORD_CHANGED: phrase("Password changed"),
    Act.AUTHENTICATOR_ADDED: phrase("Authenticator app set up"),
    Act.AUTHENTICATOR_REMOVED: phrase("Authenticator app removed"),
    Act.RECOVERY_CODES_MADE: phrase("New recovery codes"),
    Act.PASSKEY_ADDED: phrase("Passkey added"),
    Act.PASSKEY_REMOVED: phrase("Passkey removed"),
    Act.RECOVERY_ASKED: phrase("Link for a new password asked for"),
    Act.PASSWORD_RESET: phrase("Password replaced by a link"),
    Act.PROVIDER_LINKED: phrase("Organisation’s sign-in linked"),
    Act.PROVIDER_UNLINKED: phrase("Organisation’s sign-in unlinked"),
    Act.SECOND_FACTOR_TAKEN_OFF: phrase("Second factor taken off by an administrator"),
    Act.ROLE_CHANGED: phrase("Role changed"),
}
WAYS = {
    Way.PASSWORD: phrase("with the password"),
    Way.CODE: phrase("with a code of the app"),
    Way.RECOVERY_CODE: phrase("with a recovery code"),
    Way.PASSKEY: phrase("with a passkey"),
    Way.PROVIDER: phrase("through the organisation’s sign-in"),
}
FOR_AUDIT = {Act.SIGN_IN_FAILED: AuditKind.SIGN_IN_REFUSED}
"""What goes by another name in the audit trail."""
TONES = {Act.SIGNED_IN: "good", Act.SIGN_IN_FAILED: "bad"}


@dataclass(frozen=True, slots=True)
class Told:
    """One event as its owner reads it."""

    what: str
    by: str
    tone: str
    at: datetime
    address: str
    browser: str


@dataclass(frozen=True, slots=True)
class Where:
    """From where something was done, as far as that is known."""

    address: str = ""
    user_agent: str = ""

    @classmethod
    def of(cls, request: Request) -> "Where":
        """Where a request comes from."""
        return cls(request.remote_addr or "", request.user_agent.string[:300])


CLAIMED = frozenset({Act.SIGN_IN_FAILED, Act.RECOVERY_ASKED})
"""What anybody can do who only knows the address of an account."""


def note(session: Session, account_id: str, act: Act, request: Request, now: datetime, way: Way | None = None) -> None:
    """Write down what happened, and from where, for the owner and in the audit trail."""
    note_from(session, account_id, act, Where.of(request), now, way)


def note_from(
    session: Session,
    account_id: str,
    act: Act,
    where: Where,
    now: datetime,
    way: Way | None = None,
    **facts: Any,  # noqa: ANN401  Whatever JSON can hold.
) -> None:
    """The same for what no request tells; ``facts`` are further details for the audit trail."""
    session.add(
        AccountEvent(
            account_id=account_id, act=act, way=way, address=where.address, user_agent=where.user_agent, at=now
        )
    )
    account, kind = session.get_one(Account, account_id), FOR_AUDIT.get(act) or AuditKind(act.value)
    if act in CLAIMED:
        record_claimed(session, kind, account, where.address, now)
        return
    # The role is given by the organisation, not by the person whose sign-in brings the news.
    actor = SYSTEM if act is Act.ROLE_CHANGED else account.actor
    details = facts | ({"way": way.value} if way else {})
    record(session, kind, By(actor, Channel.WEB, where.address), now, subject=account.email, **details)


def latest(session: Session, account_id: str) -> Sequence[Told]:
    """The latest events of an account, the newest first."""
    wanted = select(AccountEvent).where(AccountEvent.account_id == account_id)
    return [_tell(row) for row in session.exec(wanted.order_by(col(AccountEvent.id).desc()).limit(SHOWN))]


def _tell(row: AccountEvent) -> Told:
    by = _(WAYS[row.way]) if row.way else ""
    tone = TONES.get(row.act, "neutral")
    return Told(_(ACTS[row.act]), by, tone, row.at, row.address or "–", browser_of(row.user_agent))
