"""Forgotten passwords: asking for a link by mail, and choosing a new password by it."""

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from sqlmodel import Session, col, update
from werkzeug.wrappers import Response

from webapp.access import entrance, parts, public
from webapp.accounts import events, recovery, sessions
from webapp.accounts.forms import RecoverForm, ResetForm
from webapp.accounts.limits import limits, recovery_limits
from webapp.accounts.models import Account, Act
from webapp.accounts.passwords import hash_password
from webapp.accounts.settings import Entrance
from webapp.accounts.views import Refused, too_often
from webapp.columns import new_id
from webapp.forms import DeskForm
from webapp.mail.plan import add_once
from webapp.mail.recovery import password_was_reset
from webapp.wording import _

blueprint = Blueprint("recovery", __name__, url_prefix="/sign-in/recover")

MINUTES = int(recovery.LIFETIME.total_seconds()) // 60


@blueprint.get("")
@public
@entrance(Entrance.PASSWORD)
def ask() -> str:
    """Ask whose password is forgotten."""
    return _ask_page(RecoverForm())


@blueprint.post("")
@public
@entrance(Entrance.PASSWORD)
def ask_post() -> Refused | str:
    """Take the address; the answer is the same whoever has it."""
    form = RecoverForm()
    if not form.validate():
        return _ask_page(form), 422
    email, where, desk = (form.email.data or "").strip().lower(), events.Where.of(request), parts()
    # Every request counts, for each may become a mail.
    until = recovery_limits().pace(email, where.address)
    if until is not None:
        return too_often(form, _ask_page, until)
    with desk.database.writing() as writing:
        recovery.ask(writing, email, where, desk.desk.clock())
    return render_template("accounts/recovery_sent.html", email=email, minutes=MINUTES)


@blueprint.get("/<token>")
@public
@entrance(Entrance.PASSWORD)
def choose(token: str) -> Refused | Response:
    """Ask for the new password. Looking uses nothing up: programs that check mails follow links as well."""
    owner = _owner_of(token)
    if owner is None:
        return _gone()
    answer = make_response(_choose_page(ResetForm(owner), owner))
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.post("/<token>")
@public
@entrance(Entrance.PASSWORD)
def choose_post(token: str) -> Refused | Response:
    """Take the new password. It opens no session: signing in with it asks for the second factor, as ever."""
    owner, desk = _owner_of(token), parts()
    if owner is None:
        return _gone()
    form = ResetForm(owner)
    if not form.validate():
        return _choose_page(form, owner), 422
    hashed = hash_password(form.new.data or "")
    with desk.database.writing() as writing:
        if not recovery.spend(writing, token, desk.desk.clock()):
            return _gone()
        _replace(writing, owner, hashed)
    limits().succeeded(owner.email)
    flash(_("Your password is replaced, and you are signed out everywhere. Sign in with the new one."), "success")
    return redirect(url_for("accounts.sign_in"), 303)


def _replace(writing: Session, owner: Account, hashed: str) -> None:
    desk = parts()
    now = desk.desk.clock()
    writing.exec(update(Account).where(col(Account.id) == owner.id).values(password_hash=hashed))
    sessions.end_all(writing, owner.id, now)
    events.note(writing, owner.id, Act.PASSWORD_RESET, request, now)
    add_once(writing, [password_was_reset(owner, now, desk.settings.mail.domain, new_id())])


def _owner_of(token: str) -> Account | None:
    with parts().database.reading() as reading:
        return recovery.owner_of(reading, token, parts().desk.clock())


def _gone() -> Refused:
    form = RecoverForm(None)
    form.form_errors.append(_("It is used up, too old, or replaced by a newer one. Ask for a new one here."))
    return _ask_page(form, _("This link does not work any more")), 404


def _ask_page(form: DeskForm, trouble: str | None = None) -> str:
    trouble = trouble or _("No link was sent")
    return render_template("accounts/recover.html", form=form, minutes=MINUTES, trouble=trouble)


def _choose_page(form: DeskForm, owner: Account) -> str:
    return render_template("accounts/reset.html", form=form, owner=owner)
