"""The page of one's own organisation: who belongs to it, who decides, who is invited."""

from flask import Blueprint, flash, render_template, url_for
from sqlmodel import Session
from werkzeug.wrappers import Response

from webapp.access import account, by, parts
from webapp.accounts.models import Account
from webapp.accounts.views import Refused, too_often
from webapp.errors import NotFound
from webapp.forms import DeskForm
from webapp.htmx import go_to
from webapp.organisations import invitations, members
from webapp.organisations.forms import InviteForm, OrganisationForm
from webapp.organisations.models import Organisation
from webapp.organisations.paced import paced
from webapp.wording import _, words

blueprint = Blueprint("organisation", __name__, url_prefix="/account/organisation")


@blueprint.get("")
def overview() -> str:
    """Who belongs to the reader's organisation; where there is none, how to begin one."""
    return _page(OrganisationForm(), InviteForm(formdata=None))


@blueprint.post("")
def found() -> Refused | Response:
    """Begin an organisation."""
    form = OrganisationForm()
    if not form.validate():
        return _page(form, InviteForm(formdata=None)), 422
    with parts().database.writing() as session:
        members.found(session, account(), form.name.data or "", by(), parts().desk.clock())
    flash(_("The organisation {name} is founded. Invite the others now.", name=form.name.data), "success")
    return go_to(url_for("organisation.overview"))


@blueprint.post("/name")
def rename() -> Refused | Response:
    """Give the organisation another name."""
    form = OrganisationForm()
    if not form.validate():
        return _page(form, InviteForm(formdata=None)), 422
    with parts().database.writing() as session:
        members.rename(session, account(), form.name.data or "", by(), parts().desk.clock())
    flash(_("The organisation is called {name} now.", name=form.name.data), "success")
    return go_to(url_for("organisation.overview"))


@blueprint.post("/invitations")
def invite() -> Refused | Response:
    """Ask somebody to join, by mail."""
    form = InviteForm()
    if not form.validate():
        return _page(OrganisationForm(formdata=None), form), 422
    until = paced(f"invitations of {account().holder_id}")
    if until is not None:
        return too_often(form, lambda form: _page(OrganisationForm(formdata=None), form), until)
    email, settings = form.email.data or "", parts().settings
    with parts().database.writing() as session:
        invitations.invite(
            session,
            account(),
            email,
            by(),
            parts().desk.clock(),
            language=words().language,
            mail_domain=settings.mail.domain,
        )
    flash(_("{email} gets a mail with a link that works for seven days.", email=email), "success")
    return go_to(url_for("organisation.overview"))


@blueprint.post("/invitations/<key:invitation_id>/withdraw")
def withdraw(invitation_id: str) -> Response:
    """Let an invitation end."""
    with parts().database.writing() as session:
        email = invitations.withdraw(session, account(), invitation_id, by(), parts().desk.clock())
    flash(_("The invitation of {email} does not count any more.", email=email), "success")
    return go_to(url_for("organisation.overview"))


@blueprint.get("/members/<key:member_id>/remove")
def remove(member_id: str) -> str:
    """Ask whether somebody is really to go, and say what that means."""
    return _about(member_id, "organisations/remove.html")


@blueprint.post("/members/<key:member_id>/remove")
def remove_post(member_id: str) -> Response:
    """Take somebody's membership away."""
    with parts().database.writing() as session:
        gone = members.remove(session, account(), member_id, by(), parts().desk.clock())
    flash(_("{name} does not belong to the organisation any more.", name=gone.name), "success")
    return go_to(url_for("organisation.overview"))


@blueprint.get("/members/<key:member_id>/owner")
def make_owner(member_id: str) -> str:
    """Ask whether somebody is really to decide as well."""
    return _about(member_id, "organisations/make_owner.html")


@blueprint.post("/members/<key:member_id>/owner")
def make_owner_post(member_id: str) -> Response:
    """Let a member decide who belongs to the organisation."""
    with parts().database.writing() as session:
        who = members.set_owner(session, account(), member_id, by(), parts().desk.clock(), is_owner=True)
    flash(_("{name} is an owner now.", name=who.name), "success")
    return go_to(url_for("organisation.overview"))


@blueprint.post("/members/<key:member_id>/member")
def make_member(member_id: str) -> Response:
    """Let an owner be a member like the others."""
    with parts().database.writing() as session:
        who = members.set_owner(session, account(), member_id, by(), parts().desk.clock(), is_owner=False)
    flash(_("{name} is a member like the others now.", name=who.name), "success")
    return go_to(url_for("organisation.overview"))


@blueprint.get("/leave")
def leave() -> str:
    """Say what leaving means."""
    with parts().database.reading() as session:
        organisation, people = _mine(session)
    others = [one for one in people if one.id != account().id]
    return render_template("organisations/leave.html", organisation=organisation, others=others)


@blueprint.post("/leave")
def leave_post() -> Response:
    """Leave; the last one closes the organisation."""
    with parts().database.writing() as session:
        left = members.leave(session, account(), by(), parts().desk.clock())
    flash(_("You do not belong to {name} any more.", name=left.name), "success")
    return go_to(url_for("organisation.overview"))


def _mine(session: Session) -> tuple[Organisation, list[Account]]:
    organisation = members.organisation_of(session, account())
    if organisation is None:
        raise members.NoMember(
            _("You do not belong to an organisation."), _("Found one, or ask an owner to invite you.")
        )
    return organisation, list(members.members_of(session, organisation.id))


def _about(member_id: str, template: str) -> str:
    with parts().database.reading() as session:
        organisation, _me = members.as_owner(session, account())
        people = {one.id: one for one in members.members_of(session, organisation.id)}
    if member_id not in people:
        raise NotFound(_("There is no such member."))
    return render_template(template, organisation=organisation, member=people[member_id])


def _page(name: DeskForm, invite: DeskForm) -> str:
    with parts().database.reading() as session:
        organisation = members.organisation_of(session, account())
        people = members.members_of(session, organisation.id) if organisation else []
        asked = invitations.open_invitations(session, organisation.id, parts().desk.clock()) if organisation else []
    if organisation is not None and not name.is_submitted():
        name["name"].data = organisation.name
    owners = [one for one in people if one.is_owner]
    return render_template(
        "organisations/organisation.html",
        organisation=organisation,
        members=people,
        is_owner=account().is_owner,
        is_only_owner=owners == [one for one in owners if one.id == account().id],
        invitations=asked,
        form=name,
        invite=invite,
    )
