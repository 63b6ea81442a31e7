"""The page on which an administrator says who works for the shop, and what they may do."""

from flask import Blueprint, flash, render_template, request, url_for
from werkzeug.wrappers import Response

from certlifecycle import Role
from webapp.access import account, by, only, parts
from webapp.accounts import factors, proving
from webapp.accounts.addresses import with_address
from webapp.accounts.proving import Proof
from webapp.htmx import go_to
from webapp.people import changing, letting_in
from webapp.people.changing import ChangedMeanwhile, Standing
from webapp.people.forms import LettingInForm, StandingForm
from webapp.wording import _

blueprint = Blueprint("people", __name__, url_prefix="/people")
admins_only = only(Role.ADMIN)

Answer = tuple[str, int] | Response


@blueprint.get("")
@admins_only
def overview() -> Answer:
    """All who work for the shop; an address leads to anybody's page."""
    email = request.args.get("email", "").strip()[:254]
    with parts().database.reading() as session:
        found = with_address(session, email.lower()) if email else None
        people = changing.staff(session)
    if found is not None:
        return go_to(url_for("people.person", account_id=found.id))
    return render_template("people/overview.html", people=people, email=email), 404 if email else 200


@blueprint.get("/<key:account_id>")
@admins_only
def person(account_id: str) -> Answer:
    """Somebody's role and rights, and what would change them."""
    with parts().database.reading() as session:
        who = changing.person(session, account_id)
    form = StandingForm(formdata=None, obj=who, was=str(Standing.of(who)))
    return _page(account_id, form), 200


@blueprint.post("/<key:account_id>")
@admins_only
def change(account_id: str) -> Answer:
    """Change them, once the administrator has shown that it is them."""
    form = StandingForm()
    if not form.validate():
        return _page(account_id, form), 422
    if proof := proving.wanted():
        return _page(account_id, form, proof=proof), 422
    try:
        after = changing.change(
            parts().desk, by(), account_id, form.was.data or "", form.standing, form.reason.data or ""
        )
    except ChangedMeanwhile as late:
        return _page(account_id, form, trouble=f"{late.detail} {late.advice}"), 409
    flash(_("{name}: role and rights are as you chose, from now on.", name=after.name), "success")
    return go_to(url_for("people.overview"))


@blueprint.get("/<key:account_id>/second-factor")
@admins_only
def lost(account_id: str) -> str:
    """What happens when somebody's second factor is taken off, and whether it is them."""
    return _lost_page(account_id, LettingInForm())


@blueprint.post("/<key:account_id>/second-factor")
@admins_only
def take_off(account_id: str) -> Answer:
    """Take it off, once the administrator has shown that it is them."""
    form = LettingInForm()
    if not form.validate():
        return _lost_page(account_id, form), 422
    if proof := proving.wanted():
        return _lost_page(account_id, form, proof), 422
    who = letting_in.take_off(parts().desk, parts().settings, by(), account_id, form.reason.data or "")
    flash(_("{name} signs in without a second factor now, and sets up a new one.", name=who.name), "success")
    return go_to(url_for("people.person", account_id=account_id))


def _lost_page(account_id: str, form: LettingInForm, proof: Proof | None = None) -> str:
    with parts().database.reading() as session:
        who = changing.person(session, account_id)
    must = parts().settings.sign_in.second_factor.is_needed_by(who.role)
    return render_template("people/lost.html", who=who, form=form, proof=proof, must_have_one=must)


def _page(account_id: str, form: StandingForm, *, proof: Proof | None = None, trouble: str | None = None) -> str:
    with parts().database.reading() as session:
        who = changing.person(session, account_id)
        is_you = who.id == account().id
        can_be_let_in = not is_you and factors.has_any(session, who.id)
    if trouble is not None:
        # The next try is made from what is shown now.
        form.was.data = str(Standing.of(who))
    context = {"proof": proof, "trouble": trouble, "is_you": is_you, "has_second_factor": can_be_let_in}
    return render_template("people/person.html", who=who, form=form, **context)
