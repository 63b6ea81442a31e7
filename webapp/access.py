"""Who is asking, and may they be here at all. Denied unless a view says otherwise."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from flask import Flask, current_app, g, redirect, request, url_for
from sqlalchemy import ColumnElement, true
from sqlmodel import col
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from certlifecycle import REVIEWERS, Event, Role
from webapp.accounts import sessions
from webapp.accounts.models import Account, Stage
from webapp.accounts.settings import Entrance
from webapp.certificates.models import Certificate, Channel
from webapp.desk import By
from webapp.errors import Forbidden, Superseded
from webapp.htmx import wants_fragment
from webapp.parts import Parts
from webapp.wording import _

JUST_NOW = timedelta(minutes=10)

View = TypeVar("View", bound=Callable[..., Any])


def parts() -> Parts:
    """The parts of the running application."""
    return cast(Parts, current_app.extensions["desk"])


def public(view: View) -> View:
    """Let a view be reached without signing in."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def only(*roles: Role) -> Callable[[View], View]:
    """Keep a view to some roles; everybody else is told that it is not theirs."""

    def mark(view: View) -> View:
        view.roles = frozenset(roles)  # type: ignore[attr-defined]
        return view

    return mark


def arriving_at(*stages: Stage) -> Callable[[View], View]:
    """Let a view be reached also by whoever still owes the second factor."""

    def mark(view: View) -> View:
        view.stages = frozenset(stages)  # type: ignore[attr-defined]
        return view

    return mark


def entrance(way: Entrance) -> Callable[[View], View]:
    """Let a view be there only where one can sign in this way; else nobody finds it, whatever they send."""

    def mark(view: View) -> View:
        view.entrance = way  # type: ignore[attr-defined]
        return view

    return mark


def is_open(way: Entrance) -> bool:
    """Whether one can sign in this way here."""
    return way in parts().settings.sign_in.entrances


reviewers_only = only(*REVIEWERS)
customers_only = only(Role.CUSTOMER)


def account() -> Account:
    """Who is signed in. Views that are not public always have somebody."""
    return cast(Account, g.account)


def arriving() -> Account | None:
    """Who has shown the first factor and still owes the second."""
    return cast(Account | None, g.arriving)


def whoever_comes() -> Account:
    """Who is signed in, or about to be. Views for those who are arriving always have one or the other."""
    return arriving() or account()


def signed_in_just_now() -> bool:
    """Whether this session is so young that whoever has it has just shown who they are."""
    began: datetime | None = g.signed_in_at
    return began is not None and parts().desk.clock() - began <= JUST_NOW


def who_asks() -> Account | None:
    """Whose session a request bears, for what has to be known before anything of the request is read."""
    token = request.cookies.get(sessions.cookie_name(parts().settings))
    with parts().database.reading() as session:
        found = sessions.find(session, token, parts().settings, parts().desk.clock()) if token else None
    return found[1] if found and found[0].stage is Stage.COMPLETE else None


def by() -> By:
    """The signed-in person as the desk's door knows them."""
    return By(account().actor, Channel.WEB, request.remote_addr or "")


def is_repeated(late: Superseded, event: Event) -> bool:
    """Whether what came first was this very change by the same person: a button pressed twice."""
    first = late.rows[0] if late.rows else None
    return first is not None and first.event == event and first.actor_id == account().id


def visible_to(viewer: Account) -> ColumnElement[bool]:
    """The certificates somebody may see: customers their own and their organisation's, reviewers all."""
    if viewer.role in REVIEWERS:
        return true()
    return col(Certificate.holder_id) == viewer.holder_id


def install(app: Flask) -> None:
    """Find out who is asking before every view."""

    @app.before_request
    def identify() -> Response | None:
        g.account = None
        g.arriving = None
        g.stage = None
        g.session_key = None
        g.signed_in_at = None
        g.proved_at = None
        if request.endpoint == "static":
            return None
        view = app.view_functions.get(request.endpoint or "")
        way = getattr(view, "entrance", None)
        if way is not None and not is_open(way):
            raise NotFound
        token = request.cookies.get(sessions.cookie_name(parts().settings))
        if token:
            _recognise(token)
        # Where there is no page, whoever is signed in is told so with their own ways on around it.
        if view is None or getattr(view, "is_public", False):
            return None
        if g.arriving is not None and g.stage in getattr(view, "stages", ()):
            return None
        if g.account is None:
            return _to_sign_in()
        roles = getattr(view, "roles", None)
        if roles is not None and g.account.role not in roles:
            raise Forbidden(_("This page is not for your role."), _("Go back to the start page."))
        return None


def _recognise(token: str) -> None:
    desk = parts().desk
    now = desk.clock()
    with parts().database.reading() as session:
        found = sessions.find(session, token, parts().settings, now)
    if found is None:
        return
    row, who = found
    g.session_key = row.token_hash
    g.proved_at = row.proved_at or row.created_at
    if row.stage is not Stage.COMPLETE:
        g.arriving, g.stage = who, row.stage
        return
    g.account = who
    g.signed_in_at = row.created_at
    # A page that keeps itself up to date is not a person who is there.
    in_background = request.method == "GET" and wants_fragment()
    if now - row.last_seen_at > sessions.SEEN_EVERY and not in_background:
        with parts().database.writing() as session:
            sessions.touch(session, row.token_hash, now)


STEPS = {Stage.SECOND_FACTOR: "accounts.code", Stage.ENROLMENT: "factors.set_up"}
"""Where somebody goes on who is arriving."""


def _to_sign_in() -> Response:
    here = request.full_path.rstrip("?") if request.method == "GET" else None
    step = STEPS.get(g.stage, "accounts.sign_in")
    if wants_fragment():
        # A fragment of the sign-in page inside another page would help nobody.
        return Response(status=204, headers={"HX-Redirect": url_for(step)})
    return redirect(url_for(step, next=here), 303)
