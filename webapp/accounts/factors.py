"""The second factor: an authenticator app's codes (RFC 6238), and recovery codes that replace it once each."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest

import segno
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlmodel import Session, col, delete, func, select, update

from webapp.accounts.models import Account, Authenticator, Passkey, RecoveryCode, Stage, Way, WebSession
from webapp.accounts.sealing import seal, unseal
from webapp.accounts.sessions import key_of
from webapp.config import Settings
from webapp.db import insert_unless, rows_changed

SECONDS = 30
DIGITS = 6
SECRET_BYTES = 20

CODES = 10
# Without letters and digits that are mistaken for each other.
ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
CODE_LENGTH = 24
"""Twenty-four of thirty-one characters are 118 bits, and from 112 on a plain hash may keep them (ASVS 5.0, 6.5.2)."""


@dataclass(frozen=True, slots=True)
class SetUp:
    """What an app needs: the secret to type in groups of four, the address for other programs, and its picture."""

    typed: str
    uri: str
    picture: str


def stage_for(session: Session, account: Account, settings: Settings) -> Stage:
    """What somebody still owes whose first factor was right."""
    if has_any(session, account.id):
        return Stage.SECOND_FACTOR
    needed = settings.sign_in.second_factor.is_needed_by(account.role)
    return Stage.ENROLMENT if needed else Stage.COMPLETE


def has_any(session: Session, account_id: str) -> bool:
    """Whether an account has a second factor at all."""
    return confirmed(session, account_id) is not None or bool(passkeys_of(session, account_id))


def passkeys_of(session: Session, account_id: str) -> Sequence[Passkey]:
    """The account's passkeys, the oldest first."""
    mine = select(Passkey).where(Passkey.account_id == account_id)
    return session.exec(mine.order_by(col(Passkey.created_at), col(Passkey.id))).all()


def ask_again(session: Session, account: Account, settings: Settings) -> Stage:
    """After a factor was let go of: whoever must have one and has none left sets one up before anything else."""
    stage = stage_for(session, account, settings)
    if stage is Stage.ENROLMENT:
        mine = (col(WebSession.account_id) == account.id, col(WebSession.revoked_at).is_(None))
        session.exec(update(WebSession).where(*mine).values(stage=stage))
    return stage


def confirmed(session: Session, account_id: str) -> Authenticator | None:
    """The account's app, if one has been set up to the end."""
    row = session.get(Authenticator, account_id)
    return row if row is not None and row.confirmed_at is not None else None


# The app


def begin(session: Session, account: Account, settings: Settings, now: datetime) -> SetUp:
    """The secret that waits for its first code; made where there is none, so that reloading changes nothing."""
    fresh = seal(settings.secret_key, account.id, secrets.token_bytes(SECRET_BYTES))
    values = {"account_id": account.id, "sealed_secret": fresh, "last_step": 0, "created_at": now}
    session.exec(insert_unless(session, Authenticator).values(**values).on_conflict_do_nothing())
    row = session.exec(select(Authenticator).where(Authenticator.account_id == account.id)).one()
    secret = unseal(settings.secret_keys, account.id, row.sealed_secret)
    if secret is None:
        # The desk's key was changed meanwhile: what waits here can never be confirmed.
        session.delete(row)
        session.flush()
        return begin(session, account, settings, now)
    uri = _totp(secret).get_provisioning_uri(account.email, settings.shop_name)
    typed = base64.b32encode(secret).decode()
    groups = " ".join(typed[at : at + 4] for at in range(0, len(typed), 4))
    picture = segno.make(uri, error="m").svg_inline(border=4, omitsize=True, dark="#000", light="#fff")
    return SetUp(groups, uri, picture)


def confirm(session: Session, account_id: str, code: str, settings: Settings, now: datetime) -> bool:
    """Take the first code of a new app; from now on it is asked for."""
    row = session.get(Authenticator, account_id)
    if row is None or row.confirmed_at is not None or not _accept(session, row, code, settings, now):
        return False
    session.exec(
        update(Authenticator).where(col(Authenticator.account_id) == account_id).values(confirmed_at=now),
    )
    return True


def forget(session: Session, account_id: str) -> bool:
    """Let go of an app, and of the recovery codes where there is nothing else that they stand in for."""
    if not passkeys_of(session, account_id):
        session.exec(delete(RecoveryCode).where(col(RecoveryCode.account_id) == account_id))
    return bool(rows_changed(session.exec(delete(Authenticator).where(col(Authenticator.account_id) == account_id))))


def forget_all(session: Session, account_id: str) -> bool:
    """Let go of the app, of every passkey and of the recovery codes; whether there was any of them."""
    kinds = (
        delete(Passkey).where(col(Passkey.account_id) == account_id),
        delete(RecoveryCode).where(col(RecoveryCode.account_id) == account_id),
        delete(Authenticator).where(col(Authenticator.account_id) == account_id),
    )
    # All of them, not only the first that there is.
    return sum(rows_changed(session.exec(one)) for one in kinds) > 0


def check(session: Session, account_id: str, typed: str, settings: Settings, now: datetime) -> Way | None:
    """Take a code of the app or a recovery code, whichever was typed; ``None`` when it is neither."""
    code = "".join(typed.split()).replace("-", "").upper()
    row = confirmed(session, account_id)
    if row is not None and _accept(session, row, code, settings, now):
        return Way.CODE
    return Way.RECOVERY_CODE if _use(session, account_id, code, now) else None


def _accept(session: Session, row: Authenticator, code: str, settings: Settings, now: datetime) -> bool:
    """Whether this is the code of these thirty seconds, the first time that it is typed.

    RFC 6238, 5.2 would let a step before or after pass; a code is good for thirty seconds and not more (ASVS 5.0,
    6.5.5), which asks for clocks that are right.
    """
    secret = unseal(settings.secret_keys, row.account_id, row.sealed_secret)
    if secret is None:
        return False
    step = int(now.timestamp()) // SECONDS
    given = "".join(code.split()).encode("utf-8", "replace")
    if not compare_digest(_totp(secret).generate(step * SECONDS), given):
        return False
    # Of two who send the same code at the same instant one finds the step used up.
    unused = (col(Authenticator.account_id) == row.account_id, col(Authenticator.last_step) < step)
    return rows_changed(session.exec(update(Authenticator).where(*unused).values(last_step=step))) == 1


def _totp(secret: bytes) -> TOTP:
    # SHA-1 is what every authenticator app understands, and as an HMAC it is no weakness (RFC 6238, 1.2).
    return TOTP(secret, DIGITS, SHA1(), SECONDS)  # noqa: S303


# Recovery codes


def make_codes(session: Session, account_id: str, now: datetime) -> list[str]:
    """Ten new recovery codes in place of all before; they can be read now and never again."""
    session.exec(delete(RecoveryCode).where(col(RecoveryCode.account_id) == account_id))
    made = ["".join(secrets.choice(ALPHABET) for _position in range(CODE_LENGTH)) for _code in range(CODES)]
    for code in made:
        session.add(RecoveryCode(code_hash=_hash(account_id, code), account_id=account_id, created_at=now))
    return ["-".join(code[at : at + 4] for at in range(0, CODE_LENGTH, 4)) for code in made]


def codes_left(session: Session, account_id: str) -> int:
    """How many recovery codes have not been used."""
    unused = (RecoveryCode.account_id == account_id, col(RecoveryCode.used_at).is_(None))
    return session.exec(select(func.count()).select_from(RecoveryCode).where(*unused)).one()


def _use(session: Session, account_id: str, code: str, now: datetime) -> bool:
    unused = (col(RecoveryCode.code_hash) == _hash(account_id, code), col(RecoveryCode.used_at).is_(None))
    return rows_changed(session.exec(update(RecoveryCode).where(*unused).values(used_at=now))) == 1


def _hash(account_id: str, code: str) -> str:
    return key_of(f"{account_id}:{code}")
