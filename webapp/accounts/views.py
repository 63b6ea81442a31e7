"""Signing in and out."""

import math
from collections.abc import Callable
from datetime import UTC, datetime

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from certlifecycle import phrase
from webapp import demo
from webapp.access import arriving, arriving_at, entrance, is_open, parts, public, whoever_comes
from webapp.accounts import events, factors, sessions
from webapp.accounts.addresses import with_address
from webapp.accounts.arriving import welcome
from webapp.accounts.forms import CodeForm, SignInForm
from webapp.accounts.limits import limits, too_many
from webapp.accounts.models import Account, Act, Stage, Way
from webapp.accounts.passwords import NONE, fits
from webapp.accounts.settings import Entrance
from webapp.audit.models import AuditKind
from webapp.audit.record import record, record_refused_sign_in
from webapp.certificates.models import Channel
from webapp.desk import By
from webapp.forms import DeskForm
from webapp.paths import own_path
from webapp.wording import _

blueprint = Blueprint("accounts", __name__)

NO_SUCH_CODE = phrase(
    "This is not a code that fits now: one of the app counts as long as it is shown. Wait for the next one and type "
    "that. If it is refused as well, check that the device’s clock is right."
)

Refused = tuple[str, int] | tuple[str, int, dict[str, str]]


@blueprint.get("/sign-in")
@public
def sign_in() -> str | Response:
    """Ask who it is; whoever is signed in already goes on."""
    if g.account is not None:
        return redirect(own_path(request.args.get("next")), 303)
    return sign_in_page(SignInForm())


@blueprint.post("/sign-in")
@public
@entrance(Entrance.PASSWORD)
def sign_in_post() -> Refused | Response:
    """Open a session for the right password. A wrong one and an unknown address get the same answer."""
    form = SignInForm()
    if not form.validate():
        return sign_in_page(form), 422
    email, address = (form.email.data or "").strip().lower(), request.remote_addr or ""
    until = limits().begin(email, address)
    if until is not None:
        return too_often(form, sign_in_page, until)
    account = _account_of(email)
    if fits(account.password_hash if account else NONE, form.password.data or "") and account is not None:
        limits().succeeded(email)
        return welcome(account, Way.PASSWORD)
    limits().failed(address)
    note_failure(account, Way.PASSWORD)
    form.form_errors.append(_("This email address and password do not belong together."))
    return sign_in_page(form), 422


@blueprint.get("/sign-in/code")
@arriving_at(Stage.SECOND_FACTOR)
def code() -> str | Response:
    """Ask for the second factor."""
    if arriving() is None:
        return redirect(own_path(request.args.get("next")), 303)
    return code_page(CodeForm())


@blueprint.post("/sign-in/code")
@arriving_at(Stage.SECOND_FACTOR)
def code_post() -> Refused | Response:
    """Take a code of the app, or a recovery code, and let them in."""
    account = arriving()
    if account is None:
        return redirect(own_path(request.args.get("next")), 303)
    form = CodeForm()
    if not form.validate():
        return code_page(form), 422
    found = try_code(account, form.code.data or "")
    if isinstance(found, Way):
        return welcome(account, found, complete=True)
    if found is not None:
        return too_often(form, code_page, found)
    note_failure(account, Way.CODE)
    form.code.errors = [_(NO_SUCH_CODE)]
    return code_page(form), 422


def try_code(account: Account, code: str) -> Way | datetime | None:
    """What kind of code it was; ``None`` for one that does not fit, an instant for whoever has to wait until then."""
    desk, key, address = parts(), f"code of {account.id}", request.remote_addr or ""
    until = limits().begin(key, address)
    if until is not None:
        return until
    with desk.database.writing() as writing:
        way = factors.check(writing, account.id, code, desk.settings, desk.desk.clock())
    if way is None:
        limits().failed(address)
    else:
        limits().succeeded(key)
    return way


@blueprint.post("/sign-out")
@arriving_at(Stage.SECOND_FACTOR, Stage.ENROLMENT)
def sign_out() -> Response:
    """End this session on the server."""
    desk = parts()
    with desk.database.writing() as writing:
        sessions.end(writing, g.session_key, desk.desk.clock())
        account = whoever_comes()
        who = By(account.actor, Channel.WEB, request.remote_addr or "")
        record(writing, AuditKind.SIGNED_OUT, who, desk.desk.clock(), subject=account.email)
    return signed_out(_("You are signed out."))


def signed_out(message: str) -> Response:
    """Answer somebody whose session has been ended."""
    session.clear()
    flash(message, "success")
    response = redirect(url_for("accounts.sign_in"), 303)
    sessions.clear_cookie(response, parts().settings)
    # Parts of pages that the browser kept to ask whether they still hold.
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


def note_failure(account: Account | None, way: Way) -> None:
    """Let the account's owner, if there is one, and whoever searches the audit trail read that somebody tried."""
    desk = parts()
    with desk.database.writing() as writing:
        if account is None:
            record_refused_sign_in(writing, None, request.remote_addr or "", desk.desk.clock())
        else:
            events.note(writing, account.id, Act.SIGN_IN_FAILED, request, desk.desk.clock(), way)


def too_often(form: DeskForm, page: Callable[[DeskForm], str], until: datetime) -> Refused:
    """Say when the next try is looked at; what was typed stays, except for what is secret."""
    form.form_errors.append(too_many(until))
    seconds = max(1, math.ceil((until - datetime.now(UTC)).total_seconds()))
    return page(form), 429, {"Retry-After": str(seconds)}


def _account_of(email: str) -> Account | None:
    with parts().database.reading() as reading:
        return with_address(reading, email)


def sign_in_page(form: DeskForm, wanted: str | None = None) -> str:
    """The page that asks who it is, on the way to what is ``wanted``; also by others who find something wrong."""
    settings = parts().settings
    # Anybody may walk into a demo shop; a real one says nothing about who is in it.
    people = demo.PEOPLE if settings.demo and is_open(Entrance.PASSWORD) else ()
    return render_template(
        "accounts/sign_in.html",
        form=form,
        wanted=wanted or request.args.get("next"),
        demo_people=people,
        demo_password=demo.PASSWORD,
        with_password=is_open(Entrance.PASSWORD),
        with_passkey=is_open(Entrance.PASSKEY),
        provider=settings.sign_in.provider if is_open(Entrance.OIDC) else None,
        can_register=settings.sign_in.registration and is_open(Entrance.PASSWORD),
    )


def code_page(form: DeskForm) -> str:
    """The page that asks for the second factor; also by others who find something wrong with it."""
    who = whoever_comes()
    with parts().database.reading() as reading:
        has_passkey = bool(factors.passkeys_of(reading, who.id))
    wanted = request.args.get("next")
    return render_template("accounts/code.html", form=form, arriving=who, has_passkey=has_passkey, wanted=wanted)
