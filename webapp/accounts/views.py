"""Signing in and out."""

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from sqlmodel import Session, col, select, update
from werkzeug.wrappers import Response

from webapp import demo
from webapp.access import by, parts, public
from webapp.accounts import sessions
from webapp.accounts.forms import SignInForm
from webapp.accounts.models import Account
from webapp.accounts.passwords import NOBODY, fits
from webapp.audit.models import AuditKind
from webapp.audit.record import record, record_refused_sign_in
from webapp.certificates.models import Channel
from webapp.desk import By
from webapp.paths import own_path
from webapp.wording import _, words

blueprint = Blueprint("accounts", __name__)


@blueprint.get("/sign-in")
@public
def sign_in() -> str | Response:
    """Ask who it is; whoever is signed in already goes on."""
    if g.account is not None:
        return redirect(own_path(request.args.get("next")), 303)
    return _page(SignInForm())


@blueprint.post("/sign-in")
@public
def sign_in_post() -> tuple[str, int] | Response:
    """Open a session for the right password. A wrong one and an unknown address get the same answer."""
    form = SignInForm()
    if not form.validate():
        return _page(form), 422
    desk = parts()
    with desk.database.reading() as reading:
        account = reading.exec(
            select(Account).where(
                Account.email == (form.email.data or "").strip().lower(),
                col(Account.disabled_at).is_(None),
            )
        ).first()
    right = fits(account.password_hash if account else NOBODY, form.password.data or "")
    if account is None or not right:
        with desk.database.writing() as writing:
            record_refused_sign_in(writing, account, request.remote_addr or "", desk.desk.clock())
        message = _("This email address and password do not belong together.")
        form.form_errors.append(message)
        return _page(form), 422
    with desk.database.writing() as writing:
        token = sessions.begin(writing, account, desk.settings, request, desk.desk.clock())
        _remember_language(writing, account)
        who = By(account.actor, Channel.WEB, request.remote_addr or "")
        record(writing, AuditKind.SIGNED_IN, who, desk.desk.clock(), subject=account.email)
    # Nothing of the time before signing in stays: neither messages nor the form's secret.
    session.clear()
    response = redirect(own_path(request.args.get("next")), 303)
    sessions.set_cookie(response, desk.settings, token)
    return response


def _remember_language(writing: Session, account: Account) -> None:
    """Mails to somebody who chose no language are written in the one of their browser."""
    language = words().language
    if account.browser_language != language:
        writing.exec(update(Account).where(col(Account.id) == account.id).values(browser_language=language))


def _page(form: SignInForm) -> str:
    # Anybody may walk into a demo shop; a real one says nothing about who is in it.
    people = demo.PEOPLE if parts().settings.demo else ()
    return render_template("accounts/sign_in.html", form=form, demo_people=people, demo_password=demo.PASSWORD)


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """End this session on the server."""
    desk = parts()
    with desk.database.writing() as writing:
        sessions.end(writing, g.session_key, desk.desk.clock())
        record(writing, AuditKind.SIGNED_OUT, by(), desk.desk.clock(), subject=g.account.email)
    session.clear()
    flash(_("You are signed out."), "success")
    response = redirect(url_for("accounts.sign_in"), 303)
    sessions.clear_cookie(response, desk.settings)
    return response
