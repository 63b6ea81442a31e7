"""What happened to an account, for its owner to read: sign-ins, and changes of what one signs in with.

The audit trail has it too, among all the rest and in the chain of evidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Request
from sqlmodel import Session, col, select

from certlifecycle import phrase
from webapp.accounts.browsers import browser_of
from webapp.accounts.models import Account, AccountEvent, Act, Way
from webapp.audit.models import AuditKind
from webapp.audit.record import record, record_refused_sign_in
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
}
WAYS = {
    Way.PASSWORD: phrase("with the password"),
    Way.CODE: phrase("with a code of the app"),
    Way.RECOVERY_CODE: phrase("with a recovery code"),
    Way.PASSKEY: phrase("with a passkey"),
    Way.PROVIDER: phrase("through the organisation’s sign-in"),
}
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


def note(session: Session, account_id: str, act: Act, request: Request, now: datetime, way: Way | None = None) -> None:
    """Write down what happened, and from where, for the owner and in the audit trail."""
    address = request.remote_addr or ""
    row = AccountEvent(
        account_id=account_id,
        act=act,
        way=way,
        address=address,
        user_agent=request.user_agent.string[:300],
        at=now,
    )
    session.add(row)
    account = session.get_one(Account, account_id)
    if act is Act.SIGN_IN_FAILED:
        record_refused_sign_in(session, account, address, now)
        return
    who = By(account.actor, Channel.WEB, address)
    record(session, AuditKind(act.value), who, now, subject=account.email, **({"way": way.value} if way else {}))


def latest(session: Session, account_id: str) -> Sequence[Told]:
    """The latest events of an account, the newest first."""
    wanted = select(AccountEvent).where(AccountEvent.account_id == account_id)
    return [_tell(row) for row in session.exec(wanted.order_by(col(AccountEvent.id).desc()).limit(SHOWN))]


def _tell(row: AccountEvent) -> Told:
    by = _(WAYS[row.way]) if row.way else ""
    tone = TONES.get(row.act, "neutral")
    return Told(_(ACTS[row.act]), by, tone, row.at, row.address or "–", browser_of(row.user_agent))
