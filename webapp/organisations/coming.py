"""How people come in from a mail: accepting an invitation, registering, and confirming that.

A link is opened by a GET, which changes nothing: programs that look at mails open them, too.
"""

from datetime import datetime

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, url_for
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response

from webapp.access import account, by, is_open, parts, public
from webapp.accounts.arriving import welcome
from webapp.accounts.limits import limits
from webapp.accounts.models import Account, Way
from webapp.accounts.passwords import hash_password
from webapp.accounts.settings import Entrance
from webapp.accounts.views import Refused, too_often
from webapp.certificates.models import Channel
from webapp.desk import By
from webapp.errors import Forbidden, NotFound
from webapp.forms import DeskForm
from webapp.htmx import go_to
from webapp.organisations import invitations, registering
from webapp.organisations.forms import ConfirmRegistrationForm, NewPersonForm, RegisterForm
from webapp.organisations.invitations import Invited
from webapp.organisations.links import OneTimeLinks
from webapp.organisations.models import NoteKind, Registration
from webapp.organisations.paced import paced
from webapp.wording import _, words

blueprint = Blueprint("coming", __name__)


# Invitations


@blueprint.get("/invitation/<token>")
@public
def invitation(token: str) -> str:
    """Say who invites into what, and what accepting means."""
    return _invitation_page(_invited(token), NewPersonForm())


@blueprint.post("/invitation/<token>")
@public
def invitation_post(token: str) -> Refused | Response:
    """Accept: with the account that was invited, or with a new one."""
    invited = _invited(token)
    if g.account is not None:
        with parts().database.writing() as session:
            invitations.accept(session, invited, account(), by(), parts().desk.clock())
        flash(_("You belong to {organisation} now.", organisation=invited.organisation.name), "success")
        return go_to(url_for("organisation.overview"))
    # Whoever is new and can have no password gets an account from the organisation's own sign-in.
    if invited.account is not None or not is_open(Entrance.PASSWORD):
        return redirect(url_for("accounts.sign_in", next=request.path), 303)
    form = NewPersonForm()
    if not form.validate():
        return _invitation_page(invited, form), 422
    newcomer = _new_member(invited, form)
    if newcomer is None:
        # Somebody registered with the address at this very moment; the account is there now.
        return redirect(url_for("accounts.sign_in", next=request.path), 303)
    return welcome(newcomer, Way.PASSWORD)


def _new_member(invited: Invited, form: NewPersonForm) -> Account | None:
    hashed, now, address = hash_password(form.password.data or ""), parts().desk.clock(), request.remote_addr or ""
    try:
        with parts().database.writing() as session:
            email = invited.invitation.email
            newcomer = registering.new_customer(session, email, form.name.data or "", hashed, address, now)
            who = By(newcomer.actor, Channel.WEB, address)
            invitations.accept(session, invited, newcomer, who, now)
    except IntegrityError:
        return None
    return newcomer


def _invited(token: str) -> Invited:
    key = _links().read(NoteKind.INVITATION, token)
    with parts().database.reading() as session:
        return invitations.open_invitation(session, key, parts().desk.clock())


def _invitation_page(invited: Invited, form: DeskForm) -> str:
    viewer: Account | None = g.account
    return render_template(
        "organisations/invitation.html",
        invited=invited,
        form=form,
        has_passwords=is_open(Entrance.PASSWORD),
        is_theirs=viewer is not None and viewer.email == invited.invitation.email,
        viewer=viewer,
    )


# Registering


@blueprint.get("/register")
@public
def register() -> str | Response:
    """Ask for what an account needs; whoever is signed in has one."""
    _must_be_open()
    if g.account is not None:
        return redirect(url_for("home"), 303)
    return _register_page(RegisterForm())


@blueprint.post("/register")
@public
def register_post() -> Refused | str:
    """Have a link sent to the address. Whether it has an account already, only its owner is told."""
    _must_be_open()
    form = RegisterForm()
    if not form.validate():
        return _register_page(form), 422
    email = form.email.data or ""
    until = paced(f"registration of {email}")
    if until is not None:
        return too_often(form, _register_page, until)
    now = parts().desk.clock()
    wanted = Registration(
        email=email,
        name=form.name.data or "",
        # Hashed for whoever has an account as well, so that the answer takes as long.
        password_hash=hash_password(form.password.data or ""),
        organisation_name=form.organisation.data or "",
        created_at=now,
        expires_at=now + registering.LASTS,
    )
    with parts().database.writing() as session:
        registering.register(session, wanted, now, language=words().language, mail_domain=parts().settings.mail.domain)
    return render_template("organisations/look_into_your_mails.html", email=email)


@blueprint.get("/register/<token>")
@public
def confirm(token: str) -> str:
    """Ask for the password again: the link alone shows only that a mail was opened."""
    return _confirm_page(_waiting(token), ConfirmRegistrationForm())


@blueprint.post("/register/<token>")
@public
def confirm_post(token: str) -> Refused | Response:
    """Make the account and let its owner in."""
    wanted, form = _waiting(token), ConfirmRegistrationForm()
    if not form.validate():
        return _confirm_page(wanted, form), 422
    key, address = f"confirmation of {wanted.id}", request.remote_addr or ""
    until = limits().begin(key, address)
    if until is not None:
        return too_often(form, lambda form: _confirm_page(wanted, form), until)
    newcomer = _confirmed(wanted, form.password.data or "", address, parts().desk.clock())
    if newcomer is None:
        limits().failed(address)
        form.password.errors = [_("This is not the password that was chosen when registering.")]
        return _confirm_page(wanted, form), 422
    limits().succeeded(key)
    return welcome(newcomer, Way.PASSWORD)


def _confirmed(wanted: Registration, password: str, address: str, now: datetime) -> Account | None:
    try:
        with parts().database.writing() as session:
            return registering.confirm(session, wanted, password, address, now)
    except IntegrityError:
        raise NotFound(
            _("There is an account for {email} already.", email=wanted.email), _("Sign in with its password.")
        ) from None


def _waiting(token: str) -> Registration:
    _must_be_open()
    key = _links().read(NoteKind.REGISTRATION, token)
    with parts().database.reading() as session:
        return registering.waiting(session, key, parts().desk.clock())


def _must_be_open() -> None:
    if not parts().settings.sign_in.registration:
        raise Forbidden(
            _("Nobody registers here by themselves."), _("Ask the shop for an account, or a colleague to invite you.")
        )


def _register_page(form: DeskForm) -> str:
    return render_template("organisations/register.html", form=form)


def _confirm_page(wanted: Registration, form: DeskForm) -> str:
    return render_template("organisations/confirm.html", form=form, wanted=wanted)


def _links() -> OneTimeLinks:
    links: OneTimeLinks = current_app.extensions["one_time_links"]
    return links
