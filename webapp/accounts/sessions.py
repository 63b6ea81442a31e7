"""Signed-in browsers. Sessions live on the server, so that they can be ended there at once."""

import hashlib
import secrets
from datetime import datetime, timedelta

from flask import Request
from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select, update
from werkzeug.wrappers import Response

from webapp.accounts.models import Account, Stage, WebSession
from webapp.config import Settings

ARRIVING_MINUTES = 15
"""How long somebody has for the second factor, once the first was right."""

SEEN_EVERY = timedelta(minutes=1)
"""How exactly the last request of a session is kept; every request would be a write."""


def cookie_name(settings: Settings) -> str:
    """The cookie's name."""
    return settings.cookie_name("desk")


def key_of(token: str) -> str:
    """What the desk keeps of a token: a hash, of which the token cannot be made."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def begin(
    session: Session,
    account: Account,
    settings: Settings,
    request: Request,
    now: datetime,
    stage: Stage = Stage.COMPLETE,
) -> str:
    """Open a session and return the token for the browser."""
    token = secrets.token_urlsafe(32)
    whole = timedelta(hours=settings.session_hours)
    row = WebSession(
        token_hash=key_of(token),
        account_id=account.id,
        created_at=now,
        last_seen_at=now,
        expires_at=now + (whole if stage is Stage.COMPLETE else timedelta(minutes=ARRIVING_MINUTES)),
        address=request.remote_addr or "",
        user_agent=request.user_agent.string[:300],
        stage=stage,
        proved_at=now if stage is Stage.COMPLETE else None,
    )
    session.add(row)
    return token


def stands(settings: Settings, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """What is true of a session that has not ended: not revoked, not too old, not idle for too long."""
    return (
        col(WebSession.revoked_at).is_(None),
        col(WebSession.expires_at) > now,
        col(WebSession.last_seen_at) > now - timedelta(minutes=settings.session_idle_minutes),
    )


def find(session: Session, token: str, settings: Settings, now: datetime) -> tuple[WebSession, Account] | None:
    """The session and account of a token, unless it ended: revoked, too old, idle, or the account disabled.

    Whoever still owes a second factor has a session, too; its stage says so.
    """
    found = session.exec(
        select(WebSession, Account)
        .join(Account, col(Account.id) == WebSession.account_id)
        .where(
            WebSession.token_hash == key_of(token),
            *stands(settings, now),
            col(Account.disabled_at).is_(None),
        )
    ).first()
    return (found[0], found[1]) if found else None


def touch(session: Session, key: str, now: datetime) -> None:
    """Keep the session from becoming idle."""
    session.exec(update(WebSession).where(col(WebSession.token_hash) == key).values(last_seen_at=now))


def proved(session: Session, key: str, now: datetime) -> None:
    """Note that whoever uses the session has shown again who they are."""
    session.exec(update(WebSession).where(col(WebSession.token_hash) == key).values(proved_at=now))


def end(session: Session, key: str, now: datetime) -> None:
    """End a session for good."""
    session.exec(
        update(WebSession)
        .where(col(WebSession.token_hash) == key, col(WebSession.revoked_at).is_(None))
        .values(revoked_at=now)
    )


def end_all(session: Session, account_id: str, now: datetime) -> None:
    """End all sessions of an account for good, on whatever device."""
    session.exec(
        update(WebSession)
        .where(col(WebSession.account_id) == account_id, col(WebSession.revoked_at).is_(None))
        .values(revoked_at=now)
    )


def set_cookie(response: Response, settings: Settings, token: str) -> None:
    """Hand the token to the browser, out of reach of scripts."""
    response.set_cookie(
        cookie_name(settings),
        token,
        max_age=settings.session_hours * 3600,
        httponly=True,
        secure=settings.secure_cookies,
        samesite="Lax",
        path="/",
    )


def clear_cookie(response: Response, settings: Settings) -> None:
    """Take the token back."""
    response.delete_cookie(
        cookie_name(settings), path="/", secure=settings.secure_cookies, httponly=True, samesite="Lax"
    )
