"""Signing in with a passkey, adding one, and letting go of one. The browser's part is static/passkey.js."""

from flask import Blueprint, flash, g, render_template, request, url_for
from werkzeug.wrappers import Response

from webapp.access import account, arriving, arriving_at, is_open, parts, public, whoever_comes
from webapp.accounts import events, factors, passkeys
from webapp.accounts.arriving import welcome
from webapp.accounts.factor_views import show_codes
from webapp.accounts.forms import ConfirmedPasskeyForm, ConfirmForm, CredentialForm, PasskeyForm
from webapp.accounts.models import Account, Act, Passkey, Stage, Way
from webapp.accounts.passkeys import PasskeyRefused
from webapp.accounts.security import check
from webapp.accounts.settings import Entrance
from webapp.accounts.views import Refused, code_page, note_failure, sign_in_page
from webapp.errors import NotFound
from webapp.forms import DeskForm
from webapp.htmx import go_to
from webapp.wording import _

blueprint = Blueprint("passkeys", __name__)


@blueprint.post("/sign-in/passkey/options")
@public
def sign_in_options() -> Response:
    """What the browser needs to sign in with a passkey."""
    desk, half = parts(), _half_in()
    with desk.database.writing() as writing:
        return _json(passkeys.ask_to_sign(writing, half, desk.settings, desk.desk.clock()))


@blueprint.post("/sign-in/passkey")
@public
def sign_in() -> Refused | Response:
    """Let somebody in whose passkey signed: as the second factor, or as the only thing that is shown."""
    form, desk, half = CredentialForm(), parts(), _half_in()
    try:
        with desk.database.writing() as writing:
            sent = form.credential.data or ""
            owner = passkeys.who_signed(writing, half, sent, desk.settings, desk.desk.clock())
    except PasskeyRefused:
        if half is not None:
            note_failure(half, Way.PASSKEY)
        form.form_errors.append(_("This passkey does not open the console. Sign in another way, and add it again."))
        return (sign_in_page if half is None else code_page)(form), 422
    return welcome(owner, Way.PASSKEY, complete=True)


@blueprint.get("/account/passkeys/add")
@arriving_at(Stage.ENROLMENT)
def add() -> str:
    """Ask for a name, and have the browser make a passkey."""
    return _page(_form())


@blueprint.post("/account/passkeys/options")
@arriving_at(Stage.ENROLMENT)
def add_options() -> Response:
    """What the browser needs to make a passkey."""
    desk = parts()
    with desk.database.writing() as writing:
        return _json(passkeys.ask_to_register(writing, whoever_comes(), desk.settings, desk.desk.clock()))


@blueprint.post("/account/passkeys/add")
@arriving_at(Stage.ENROLMENT)
def add_post() -> Refused | Response:
    """Keep the passkey that the browser has made."""
    form, desk, who = _form(), parts(), whoever_comes()
    if isinstance(form, ConfirmForm):
        refused = check(form, _page)
        if refused is not None:
            return refused
    elif not form.validate():
        return _page(form), 422
    now, name = desk.desk.clock(), form.name.data or ""
    try:
        with desk.database.writing() as writing:
            passkeys.register(writing, who, form.credential.data or "", name, desk.settings, now)
            codes = [] if factors.codes_left(writing, who.id) else factors.make_codes(writing, who.id, now)
            events.note(writing, who.id, Act.PASSKEY_ADDED, request, now)
    except PasskeyRefused:
        form.form_errors.append(
            _("The browser has made no passkey. This needs scripts, and a device that can keep one. Try it again.")
        )
        return _page(form), 422
    if codes:
        return show_codes(who, codes, Way.PASSKEY)
    if is_open(Entrance.PASSKEY):
        flash(_("The passkey is added. You can sign in with it alone."), "success")
    else:
        flash(_("The passkey is added. It is your second factor from now on."), "success")
    return go_to(url_for("security.overview")) if arriving() is None else welcome(who, Way.PASSKEY, complete=True)


@blueprint.get("/account/passkeys/<key:passkey_id>/remove")
def remove(passkey_id: str) -> str:
    """Ask whether it is really to go."""
    return _remove_page(ConfirmForm(), passkey_id)


@blueprint.post("/account/passkeys/<key:passkey_id>/remove")
def remove_post(passkey_id: str) -> Refused | Response:
    """Let go of a passkey. Whoever must have a second factor and has no other sets one up before anything else."""
    desk, who, form = parts(), account(), ConfirmForm()
    # That there is none is said before anything else, so that the answer tells nothing about other people's.
    _find(passkey_id)
    refused = check(form, lambda form: _remove_page(form, passkey_id))
    if refused is not None:
        return refused
    with desk.database.writing() as writing:
        if passkeys.forget(writing, who.id, passkey_id):
            events.note(writing, who.id, Act.PASSKEY_REMOVED, request, desk.desk.clock())
        stage = factors.ask_again(writing, who, desk.settings)
    flash(_("The passkey is removed."), "success")
    return go_to(url_for("factors.set_up" if stage is Stage.ENROLMENT else "security.overview"))


def _half_in() -> Account | None:
    """Whoever has shown the first factor and is asked for the second; nobody else where passkeys alone do not do."""
    if g.stage is Stage.SECOND_FACTOR:
        return arriving()
    if not is_open(Entrance.PASSKEY):
        raise NotFound(_("One cannot sign in with a passkey alone here."), _("Sign in another way."))
    return None


def _form() -> PasskeyForm | ConfirmedPasskeyForm:
    return PasskeyForm() if arriving() is not None else ConfirmedPasskeyForm()


def _json(text: str) -> Response:
    return Response(text, mimetype="application/json")


def _page(form: DeskForm) -> str:
    return render_template("accounts/passkey.html", form=form, arriving=arriving())


def _remove_page(form: DeskForm, passkey_id: str) -> str:
    return render_template("accounts/remove_passkey.html", form=form, passkey=_find(passkey_id))


def _find(passkey_id: str) -> Passkey:
    with parts().database.reading() as reading:
        found = next((one for one in factors.passkeys_of(reading, account().id) if one.id == passkey_id), None)
    if found is None:
        raise NotFound(_("There is no such passkey."))
    return found
