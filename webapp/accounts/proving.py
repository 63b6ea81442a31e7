"""Showing again who one is, in a session that is signed in, before what matters most.

A signed-in browser may be left open, and its cookie may be copied. So sending much money and changing who may do what
ask for a proof of the last few minutes. It is asked for inside the form that needs it: what was filled in stays there,
and the same button sends it again, with or without scripts.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flask import g, request
from sqlmodel import Session

from webapp.access import account, by, parts
from webapp.accounts import factors, passkeys, sessions
from webapp.accounts.limits import limits, too_many
from webapp.accounts.models import Account, Way
from webapp.accounts.passkeys import PasskeyRefused
from webapp.accounts.passwords import LONGEST, NONE, fits
from webapp.accounts.views import NO_SUCH_CODE, note_failure
from webapp.audit.models import AuditKind
from webapp.audit.record import record
from webapp.wording import _

PASSWORD, CODE, PASSKEY = "proof_password", "proof_code", "proof_passkey"
"""The names of the fields; no form has others of these names."""
LONGEST_CODE = 40


@dataclass(frozen=True, slots=True)
class Proof:
    """What is asked for, as ``accounts/_proof.html`` shows it: by what this person can prove it, and what was wrong."""

    has_password: bool
    has_code: bool
    has_passkey: bool
    wrong: str | None = None

    @property
    def is_possible(self) -> bool:
        """Whether there is anything to prove it by; without, only a new sign-in helps."""
        return self.has_password or self.has_code or self.has_passkey


def wanted() -> Proof | None:
    """What has to be shown before this request may do what it came for.

    ``None`` when that is nothing: the last proof is recent, or the form brings one that is right.
    """
    if is_fresh():
        return None
    who = account()
    asked = _ways(who)
    typed = {name: request.form.get(name, "") for name in (PASSWORD, CODE, PASSKEY)}
    if not any(typed.values()):
        return asked
    key, address = f"proof of {who.id}", request.remote_addr or ""
    until = limits().begin(key, address)
    if until is not None:
        return replace(asked, wrong=too_many(until))
    now = parts().desk.clock()
    with parts().database.writing() as session:
        way = _shown(session, who, typed, now)
        if way is not None:
            sessions.proved(session, g.session_key, now)
            record(session, AuditKind.PROVED_AGAIN, by(), now, subject=who.email, way=way.value)
    if way is not None:
        limits().succeeded(key)
        g.proved_at = now
        return None
    limits().failed(address)
    tried = next(way for name, way in _TRIED.items() if typed[name])
    note_failure(who, tried)
    return replace(asked, wrong=_WRONG[tried]())


def is_fresh() -> bool:
    """Whether this session's person has shown lately who they are."""
    proved_at: datetime = g.proved_at
    patience = timedelta(minutes=parts().settings.sign_in.proof_minutes)
    return parts().desk.clock() - proved_at <= patience


def _ways(who: Account) -> Proof:
    with parts().database.reading() as session:
        has_code = factors.confirmed(session, who.id) is not None
        return Proof(who.password_hash != NONE, has_code, bool(factors.passkeys_of(session, who.id)))


def _shown(session: Session, who: Account, typed: dict[str, str], now: datetime) -> Way | None:
    """By which of what was sent they have proved it, if by any."""
    settings = parts().settings
    password, code, signed = typed[PASSWORD], typed[CODE], typed[PASSKEY]
    if signed:
        try:
            # As at a sign-in with nothing but the passkey: its device has asked for a PIN or a finger.
            is_theirs = passkeys.who_signed(session, None, signed, settings, now).id == who.id
        except PasskeyRefused:
            return None
        return Way.PASSKEY if is_theirs else None
    if code:
        return factors.check(session, who.id, code[:LONGEST_CODE], settings, now)
    return Way.PASSWORD if len(password) <= LONGEST and fits(who.password_hash, password) else None


_TRIED = {PASSKEY: Way.PASSKEY, CODE: Way.CODE, PASSWORD: Way.PASSWORD}
"""What counts when several were filled in, in this order."""

_WRONG = {
    Way.PASSKEY: lambda: _("This passkey is not one of yours. Use another, or prove it in another way."),
    Way.CODE: lambda: _(NO_SUCH_CODE),
    Way.PASSWORD: lambda: _("This is not your password."),
}
