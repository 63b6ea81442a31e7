"""The browsers in which somebody is signed in, as they read of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from webapp.accounts.browsers import browser_of
from webapp.accounts.models import Stage, WebSession
from webapp.accounts.sessions import stands
from webapp.config import Settings

NAME_LENGTH = 32
"""Digits of the token's hash by which an address names a session; of them no token can be made."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One signed-in browser as its owner reads it."""

    key: str
    browser: str
    address: str
    since: datetime
    seen_at: datetime
    is_this: bool

    @property
    def name(self) -> str:
        """What stands for it in an address."""
        return self.key[:NAME_LENGTH]


def open_sessions(
    session: Session, account_id: str, settings: Settings, now: datetime, this: str
) -> Sequence[OpenSession]:
    """Where somebody is signed in at this instant: first the browser whose key is ``this``, then the last used."""
    wanted = select(WebSession).where(
        WebSession.account_id == account_id,
        WebSession.stage == Stage.COMPLETE,
        *stands(settings, now),
    )
    found = [_shown(row, this) for row in session.exec(wanted.order_by(col(WebSession.last_seen_at).desc())).all()]
    return sorted(found, key=lambda one: not one.is_this)


def _shown(row: WebSession, this: str) -> OpenSession:
    browser, address = browser_of(row.user_agent), row.address or "–"
    return OpenSession(row.token_hash, browser, address, row.created_at, row.last_seen_at, row.token_hash == this)
