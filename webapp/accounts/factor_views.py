"""Setting up a second factor, and letting go of it. Whoever must have one comes here before anything else."""

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webapp.access import account, arriving, arriving_at, parts, whoever_comes
from webapp.accounts import arriving as doors
from webapp.accounts import events, factors
from webapp.accounts.forms import CodeForm, ConfirmedSetUpForm, ConfirmForm, SetUpForm
from webapp.accounts.limits import limits
from webapp.accounts.models import Account, Act, Stage, Way
from webapp.accounts.security import check
from webapp.accounts.views import Refused, too_often
from webapp.forms import DeskForm
from webapp.htmx import go_to
from webapp.paths import own_path
from webapp.wording import _

blueprint = Blueprint("factors", __name__, url_prefix="/account/second-factor")


@blueprint.get("")
@arriving_at(Stage.ENROLMENT)
def set_up() -> str | Response:
    """Show what an authenticator app needs, as a picture and to type."""
    with parts().database.reading() as reading:
        if factors.confirmed(reading, whoever_comes().id) is not None:
            return redirect(url_for("security.overview"), 303)
    return _page(_form())


@blueprint.post("")
@arriving_at(Stage.ENROLMENT)
def set_up_post() -> Refused | Response:
    """Take the app's first code, and show the recovery codes this once."""
    form = _form()
    refused = check(form, _page) if isinstance(form, ConfirmForm) else _check_arriving(form)
    if refused is not None:
        return refused
    desk, who = parts(), whoever_comes()
    now = desk.desk.clock()
    with desk.database.writing() as writing:
        is_right = factors.confirm(writing, who.id, form.code.data or "", desk.settings, now)
        codes = factors.make_codes(writing, who.id, now) if is_right else []
        if is_right:
            events.note(writing, who.id, Act.AUTHENTICATOR_ADDED, request, now)
    if not is_right:
        if arriving() is not None:
            limits().failed(request.remote_addr or "")
        form.code.errors = [_("This is not the code that the app shows now. Check that the device’s clock is right.")]
        return _page(form), 422
    return show_codes(who, codes, Way.CODE)


@blueprint.get("/remove")
def remove() -> str | Response:
    """Ask whether the app is really to go."""
    return _confirm_page(ConfirmForm(), "accounts/remove_app.html")


@blueprint.post("/remove")
def remove_post() -> Refused | Response:
    """Let go of the app. Whoever must have one sets up another before anything else."""
    form = ConfirmForm()
    refused = check(form, lambda form: _confirm_page(form, "accounts/remove_app.html"))
    if refused is not None:
        return refused
    desk, who = parts(), account()
    with desk.database.writing() as writing:
        if factors.forget(writing, who.id):
            events.note(writing, who.id, Act.AUTHENTICATOR_REMOVED, request, desk.desk.clock())
        stage = factors.ask_again(writing, who, desk.settings)
    flash(_("The authenticator app is removed."), "success")
    return go_to(url_for("factors.set_up" if stage is Stage.ENROLMENT else "security.overview"))


@blueprint.get("/codes")
def codes() -> str | Response:
    """Ask whether new recovery codes are wanted."""
    return _confirm_page(ConfirmForm(), "accounts/new_codes.html")


@blueprint.post("/codes")
def codes_post() -> Refused | Response:
    """Make new recovery codes and show them this once."""
    form = ConfirmForm()
    refused = check(form, lambda form: _confirm_page(form, "accounts/new_codes.html"))
    if refused is not None:
        return refused
    desk, who = parts(), account()
    with desk.database.writing() as writing:
        if not factors.has_any(writing, who.id):
            return go_to(url_for("factors.set_up"))
        made = factors.make_codes(writing, who.id, desk.desk.clock())
        events.note(writing, who.id, Act.RECOVERY_CODES_MADE, request, desk.desk.clock())
    return make_response(_codes_page(made, url_for("security.overview")))


def _form() -> SetUpForm | ConfirmedSetUpForm:
    return SetUpForm() if arriving() is not None else ConfirmedSetUpForm()


def _check_arriving(form: CodeForm) -> Refused | None:
    if not form.validate():
        return _page(form), 422
    until = limits().begin(f"code of {whoever_comes().id}", request.remote_addr or "")
    return too_often(form, _page, until) if until is not None else None


def show_codes(who: Account, codes: list[str], way: Way) -> Response:
    """The codes, and with them a new session for whoever was only arriving."""
    if arriving() is None:
        return make_response(_codes_page(codes, url_for("security.overview")))
    onward = own_path(request.args.get("next"))
    response = make_response()
    doors.renew(response, who, way, complete=True)
    response.set_data(_codes_page(codes, onward))
    return response


def _codes_page(codes: list[str], onward: str) -> str:
    return render_template("accounts/recovery_codes.html", codes=codes, onward=onward)


def _page(form: DeskForm) -> str:
    desk, who = parts(), whoever_comes()
    with desk.database.writing() as writing:
        wanted = factors.begin(writing, who, desk.settings, desk.desk.clock())
    return render_template("accounts/second_factor.html", form=form, wanted=wanted, arriving=arriving())


def _confirm_page(form: DeskForm, template: str) -> str:
    desk = parts()
    obliged = desk.settings.sign_in.second_factor.is_needed_by(account().role)
    return render_template(template, form=form, is_obliged=obliged)
