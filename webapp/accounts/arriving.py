"""What follows a right first or second factor: a new session, and where to go with it."""

from flask import g, redirect, request, session, url_for
from sqlmodel import Session, col, update
from werkzeug.wrappers import Response

from webapp.access import STEPS, parts
from webapp.accounts import events, factors, sessions
from webapp.accounts.models import Account, Act, Stage, Way
from webapp.paths import own_path
from webapp.wording import words


def welcome(account: Account, way: Way, *, complete: bool = False, wanted: str | None = None) -> Response:
    """Give the browser a new session and send it on, to what was ``wanted`` where the address does not say it.

    Unless the sign-in is ``complete``, whoever has a second factor, or needs one, is led there first.
    """
    response = redirect("", 303)
    stage = renew(response, account, way, complete=complete)
    wanted = wanted or request.args.get("next")
    response.location = own_path(wanted) if stage is Stage.COMPLETE else url_for(STEPS[stage], next=wanted)
    return response


def renew(response: Response, account: Account, way: Way, *, complete: bool) -> Stage:
    """Put a new session in the place of the one that the browser came with; what it still owes is returned."""
    desk = parts()
    now = desk.desk.clock()
    with desk.database.writing() as writing:
        stage = Stage.COMPLETE if complete else factors.stage_for(writing, account, desk.settings)
        if g.session_key is not None:
            sessions.end(writing, g.session_key, now)
        token = sessions.begin(writing, account, desk.settings, request, now, stage)
        if stage is Stage.COMPLETE:
            events.note(writing, account.id, Act.SIGNED_IN, request, now, way)
            _remember_language(writing, account)
    # Nothing of the time before signing in stays: neither messages nor the form's secret.
    session.clear()
    sessions.set_cookie(response, desk.settings, token)
    return stage


def _remember_language(writing: Session, account: Account) -> None:
    """Mails to somebody who chose no language are written in the one of their browser."""
    language = words().language
    if account.browser_language != language:
        writing.exec(update(Account).where(col(Account.id) == account.id).values(browser_language=language))
