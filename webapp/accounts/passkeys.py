"""Passkeys (WebAuthn level 3): registering one, and telling by its signature who signs in."""

import json
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlmodel import Session, col, delete, select, update
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from webapp.accounts.factors import passkeys_of
from webapp.accounts.models import Account, Passkey, PasskeyChallenge
from webapp.config import Settings
from webapp.db import rows_changed

PATIENCE = timedelta(minutes=5)
"""How long a device has to sign what it was asked to."""

MOST = 20


class PasskeyRefused(Exception):
    """What a browser sent is no passkey, or not one that fits."""


def relying_party(settings: Settings) -> str:
    """The domain that passkeys are bound to. An address of this machine is none, so there it is its name."""
    host = urlsplit(settings.public_url).hostname or ""
    return "localhost" if host in ("127.0.0.1", "::1") else host


def ask_to_register(session: Session, account: Account, settings: Settings, now: datetime) -> str:
    """What the browser needs to make a passkey, as JSON. A device that has one already makes no second."""
    options = generate_registration_options(
        rp_id=relying_party(settings),
        rp_name=settings.shop_name,
        user_id=account.id.encode(),
        user_name=account.email,
        user_display_name=account.name,
        authenticator_selection=AuthenticatorSelectionCriteria(
            # So that it can tell by itself whose it is, and serve without a password.
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.PREFERRED,
        ),
        exclude_credentials=_described(session, account.id),
    )
    _remember(session, options.challenge, account.id, now)
    return options_to_json(options)


def register(session: Session, account: Account, sent: str, name: str, settings: Settings, now: datetime) -> None:
    """Keep a passkey that a browser has made; raises :class:`PasskeyRefused`."""
    try:
        given = verify_registration_response(
            credential=_read(sent),
            expected_challenge=_spend(session, sent, account.id, now),
            expected_rp_id=relying_party(settings),
            expected_origin=list(settings.console_origins),
        )
    except (WebAuthnException, ValueError) as wrong:
        raise PasskeyRefused(str(wrong)) from None
    row = Passkey(
        credential_id=bytes_to_base64url(given.credential_id),
        account_id=account.id,
        public_key=bytes_to_base64url(given.credential_public_key),
        sign_count=given.sign_count,
        name=name,
        created_at=now,
    )
    known = session.exec(select(Passkey.id).where(Passkey.credential_id == row.credential_id)).first()
    if known is not None or len(passkeys_of(session, account.id)) >= MOST:
        raise PasskeyRefused("it is known already, or there are too many")
    session.add(row)


def ask_to_sign(session: Session, account: Account | None, settings: Settings, now: datetime) -> str:
    """What the browser needs to sign in, as JSON: with one of somebody's passkeys, or with whichever it has."""
    alone = account is None
    options = generate_authentication_options(
        rp_id=relying_party(settings),
        allow_credentials=_described(session, account.id) if account else None,
        user_verification=UserVerificationRequirement.REQUIRED if alone else UserVerificationRequirement.DISCOURAGED,
    )
    _remember(session, options.challenge, account.id if account else None, now)
    return options_to_json(options)


def who_signed(session: Session, account: Account | None, sent: str, settings: Settings, now: datetime) -> Account:
    """Whose passkey signed; raises :class:`PasskeyRefused`.

    Where ``account`` is given, who has shown the password, it must be theirs. Where not, the passkey is the only
    thing that is shown, so the device must have asked its owner for a PIN or a finger: that makes two factors.
    """
    try:
        credential = _read(sent)
        row = session.exec(select(Passkey).where(Passkey.credential_id == str(credential.get("id")))).first()
        owner = session.get(Account, row.account_id) if row else None
        challenge = _spend(session, sent, account.id if account else None, now)
        if row is None or owner is None or owner.disabled_at is not None or (account and owner.id != account.id):
            raise PasskeyRefused("it is not known here, or belongs to somebody else")
        given = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=relying_party(settings),
            expected_origin=list(settings.console_origins),
            credential_public_key=base64url_to_bytes(row.public_key),
            credential_current_sign_count=row.sign_count,
            require_user_verification=account is None,
        )
    except (WebAuthnException, ValueError) as wrong:
        raise PasskeyRefused(str(wrong)) from None
    unchanged = (col(Passkey.id) == row.id, col(Passkey.sign_count) == row.sign_count)
    used = update(Passkey).where(*unchanged).values(sign_count=given.new_sign_count, used_at=now)
    if not rows_changed(session.exec(used)):
        raise PasskeyRefused("it was used at the same instant")
    return owner


def forget(session: Session, account_id: str, passkey_id: str) -> bool:
    """Let a passkey go; ``False`` when it is nobody's, or somebody else's."""
    mine = (col(Passkey.id) == passkey_id, col(Passkey.account_id) == account_id)
    return bool(rows_changed(session.exec(delete(Passkey).where(*mine))))


def _described(session: Session, account_id: str) -> list[PublicKeyCredentialDescriptor]:
    rows = passkeys_of(session, account_id)
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(one.credential_id)) for one in rows]


def _read(sent: str) -> dict[str, object]:
    credential = json.loads(sent)
    if not isinstance(credential, dict):
        raise PasskeyRefused("it is no credential")
    return credential


def _remember(session: Session, challenge: bytes, account_id: str | None, now: datetime) -> None:
    session.exec(delete(PasskeyChallenge).where(col(PasskeyChallenge.expires_at) < now))
    key = bytes_to_base64url(challenge)
    session.add(PasskeyChallenge(challenge=key, account_id=account_id, expires_at=now + PATIENCE))


def _spend(session: Session, sent: str, account_id: str | None, now: datetime) -> bytes:
    """The challenge that was signed, if it was asked of this person and has not been answered before."""
    response = _read(sent).get("response")
    signed = response.get("clientDataJSON") if isinstance(response, dict) else None
    if not isinstance(signed, str):
        raise PasskeyRefused("nothing was signed")
    challenge = parse_client_data_json(base64url_to_bytes(signed)).challenge
    waiting = (
        col(PasskeyChallenge.challenge) == bytes_to_base64url(challenge),
        col(PasskeyChallenge.expires_at) >= now,
        col(PasskeyChallenge.account_id).is_(None)
        if account_id is None
        else col(PasskeyChallenge.account_id) == account_id,
    )
    if not rows_changed(session.exec(delete(PasskeyChallenge).where(*waiting))):
        raise PasskeyRefused("it was not asked for, or too long ago, or is answered already")
    return challenge
