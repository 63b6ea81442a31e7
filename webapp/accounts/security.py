"""What one signs in with and where one signed in: the password, second factors, and the way out everywhere."""

from collections.abc import Callable

from flask import Blueprint, flash, g, render_template, request, url_for
from sqlmodel import col, update
from werkzeug.wrappers import Response

from webapp.access import account, entrance, is_open, parts
from webapp.accounts import events, factors, recovery, sessions
from webapp.accounts.forms import ConfirmForm, NewPasswordForm
from webapp.accounts.identities import identity_of
from webapp.accounts.limits import limits
from webapp.accounts.models import Account, Act
from webapp.accounts.open_sessions import open_sessions
from webapp.accounts.passwords import NONE, hash_password
from webapp.accounts.settings import Entrance
from webapp.accounts.views import Refused, signed_out, too_often
from webapp.errors import NotFound
from webapp.forms import DeskForm
from webapp.htmx import go_to
from webapp.wording import _

blueprint = Blueprint("security", __name__, url_prefix="/account")


@blueprint.get("/security")
def overview() -> str:
    """What there is, and what happened."""
    who, desk = account(), parts()
    provider = desk.settings.sign_in.provider if is_open(Entrance.OIDC) else None
    with desk.database.reading() as reading:
        return render_template(
            "accounts/security.html",
            has_password=who.password_hash != NONE and is_open(Entrance.PASSWORD),
            passkeys=factors.passkeys_of(reading, who.id),
            authenticator=factors.confirmed(reading, who.id),
            codes_left=factors.codes_left(reading, who.id),
            is_obliged=desk.settings.sign_in.second_factor.is_needed_by(who.role),
            provider=provider,
            identity=identity_of(reading, who.id, provider) if provider else None,
            open_sessions=open_sessions(reading, who.id, desk.settings, desk.desk.clock(), g.session_key),
            events=events.latest(reading, who.id),
        )


@blueprint.post("/sign-out-everywhere")
def sign_out_everywhere() -> Response:
    """End every session of this account at once, this one among them."""
    desk, who = parts(), account()
    with desk.database.writing() as writing:
        sessions.end_all(writing, who.id, desk.desk.clock())
        events.note(writing, who.id, Act.SIGNED_OUT_EVERYWHERE, request, desk.desk.clock())
    return signed_out(_("You are signed out on every device."))


@blueprint.get("/password")
@entrance(Entrance.PASSWORD)
def password() -> str:
    """Ask for another password."""
    _must_have_one()
    return _page(NewPasswordForm())


@blueprint.post("/password")
@entrance(Entrance.PASSWORD)
def password_post() -> Refused | Response:
    """Take another password; whoever signed in elsewhere with the old one is out."""
    _must_have_one()
    form = NewPasswordForm()
    refused = check(form, _page)
    if refused is not None:
        return refused
    desk, who = parts(), account()
    now = desk.desk.clock()
    hashed = hash_password(form.new.data or "")
    response = go_to(url_for("security.overview"))
    with desk.database.writing() as writing:
        writing.exec(update(Account).where(col(Account.id) == who.id).values(password_hash=hashed))
        recovery.void(writing, who.id)
        sessions.end_all(writing, who.id, now)
        token = sessions.begin(writing, who, desk.settings, request, now)
        events.note(writing, who.id, Act.PASSWORD_CHANGED, request, now)
    sessions.set_cookie(response, desk.settings, token)
    flash(_("Your password is changed. Everywhere else you are signed out."), "success")
    return response


def _must_have_one() -> None:
    """Whoever has no password makes none here: it would be a way past the sign-in that they have."""
    if account().password_hash == NONE:
        raise NotFound(_("You have no password here that could be changed."))


def check(form: ConfirmForm, page: Callable[[DeskForm], str]) -> Refused | None:
    """The answer to a form that is not right; who guesses at the password has to wait as at the sign-in."""
    key, address = f"password of {g.account.id}", request.remote_addr or ""
    until = limits().begin(key, address)
    if until is not None:
        return too_often(form, page, until)
    if form.validate():
        limits().succeeded(key)
        return None
    if "password" not in form.errors:
        # The password was right: nothing was guessed at.
        limits().succeeded(key)
    return page(form), 422


def _page(form: DeskForm) -> str:
    return render_template("accounts/password.html", form=form)
