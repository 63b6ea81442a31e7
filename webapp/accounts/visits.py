"""A browser's way to the organisation's own sign-in and back: begun here, and ended here once, in the same browser."""

import secrets
from datetime import datetime, timedelta
from typing import cast

from flask import Flask, current_app, request
from sqlmodel import Session, col, delete, select
from werkzeug.wrappers import Response

from webapp.access import parts
from webapp.accounts.models import ProviderVisit
from webapp.accounts.oidc import Provider
from webapp.accounts.sessions import key_of
from webapp.db import rows_changed
from webapp.parts import Parts

PATIENCE = timedelta(minutes=10)
"""How long somebody may take at the provider."""
LONGEST_WAY = 500
EXTENSION = "oidc_provider"


def set_up(app: Flask, desk: Parts) -> None:
    """Give an application its provider, where one is set up."""
    settings = desk.settings.sign_in.provider
    if settings is not None:
        # Made of the setting, not of the request: what a request says of its host is not to be sent to a provider.
        return_to = f"{desk.settings.public_url}/sign-in/provider/return"
        app.extensions[EXTENSION] = Provider(settings, return_to, desk.desk.clock)


def provider() -> Provider:
    """The running application's; there is one wherever these views can be reached."""
    return cast(Provider, current_app.extensions[EXTENSION])


def leave(account_id: str | None, wanted: str) -> tuple[str, str]:
    """Where the browser goes, and the cookie that it comes back with."""
    state, nonce, browser = (secrets.token_urlsafe(32) for _each in range(3))
    verifier, now = secrets.token_urlsafe(48), parts().desk.clock()
    url = provider().begin(state, nonce, verifier)
    visit = ProviderVisit(
        state_hash=key_of(state),
        browser_hash=key_of(browser),
        nonce=nonce,
        verifier=verifier,
        account_id=account_id,
        wanted=wanted if len(wanted) <= LONGEST_WAY else "",
        expires_at=now + PATIENCE,
    )
    with parts().database.writing() as writing:
        _forget_old(writing, now)
        writing.add(visit)
    return url, browser


def visit_of(state: str) -> ProviderVisit | None:
    """The visit that ends here, once: whoever comes with the same state again finds none."""
    now, browser = parts().desk.clock(), request.cookies.get(_cookie(), "")
    mine = (
        col(ProviderVisit.state_hash) == key_of(state),
        col(ProviderVisit.browser_hash) == key_of(browser),
        col(ProviderVisit.expires_at) > now,
    )
    with parts().database.writing() as writing:
        visit = writing.exec(select(ProviderVisit).where(*mine)).first()
        if visit is None:
            return None
        writing.expunge(visit)
        return visit if rows_changed(writing.exec(delete(ProviderVisit).where(*mine))) else None


def _forget_old(writing: Session, now: datetime) -> None:
    writing.exec(delete(ProviderVisit).where(col(ProviderVisit.expires_at) <= now))


def _cookie() -> str:
    return parts().settings.cookie_name("desk-provider")


def keep(response: Response, browser: str) -> None:
    response.set_cookie(
        _cookie(),
        browser,
        max_age=int(PATIENCE.total_seconds()),
        httponly=True,
        secure=parts().settings.secure_cookies,
        # The provider sends the browser back by a link, which is all that Lax lets through.
        samesite="Lax",
        path="/",
    )
