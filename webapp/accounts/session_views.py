"""Signing one browser out, from another."""

from flask import Blueprint, flash, g, render_template, url_for
from werkzeug.wrappers import Response

from webapp.access import account, by, parts
from webapp.accounts import sessions
from webapp.accounts.forms import ConfirmForm
from webapp.accounts.open_sessions import OpenSession, open_sessions
from webapp.accounts.security import check
from webapp.accounts.views import Refused, signed_out
from webapp.audit.models import AuditKind
from webapp.audit.record import record
from webapp.errors import NotFound
from webapp.forms import DeskForm
from webapp.htmx import go_to
from webapp.wording import _

blueprint = Blueprint("open_sessions", __name__, url_prefix="/account/sessions")


@blueprint.get("/<key:session_name>/end")
def end(session_name: str) -> str:
    """Ask whether it is really to end."""
    return _page(ConfirmForm(), _find(session_name))


@blueprint.post("/<key:session_name>/end")
def end_post(session_name: str) -> Refused | Response:
    """End one session; whoever sits there has to sign in again."""
    # That there is none is said before anything else, so that the answer tells nothing about other people's.
    ended, form = _find(session_name), ConfirmForm()
    refused = check(form, lambda form: _page(form, ended))
    if refused is not None:
        return refused
    desk, who = parts(), account()
    with desk.database.writing() as writing:
        sessions.end(writing, ended.key, desk.desk.clock())
        record(writing, AuditKind.SIGNED_OUT, by(), desk.desk.clock(), subject=who.email, browser=ended.browser)
    if ended.is_this:
        return signed_out(_("You are signed out."))
    flash(_("That browser is signed out."), "success")
    return go_to(url_for("security.overview"))


def _find(session_name: str) -> OpenSession:
    desk = parts()
    with desk.database.reading() as reading:
        there = open_sessions(reading, account().id, desk.settings, desk.desk.clock(), g.session_key)
    found = next((one for one in there if one.name == session_name), None)
    if found is None:
        raise NotFound(_("This session has ended already, or is none of yours."))
    return found


def _page(form: DeskForm, one: OpenSession) -> str:
    return render_template("accounts/end_session.html", form=form, one=one)
