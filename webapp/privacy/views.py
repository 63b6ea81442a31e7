"""What the desk knows about whoever is signed in: taking it along, and having it forgotten."""

from flask import Blueprint, render_template, request, url_for
from werkzeug.wrappers import Response

from certlifecycle import Role
from webapp.access import account, by, customers_only, parts
from webapp.accounts.security import check
from webapp.accounts.views import Refused, signed_out
from webapp.certificates.names import display_name
from webapp.columns import new_id
from webapp.forms import DeskForm
from webapp.htmx import go_to
from webapp.privacy import export
from webapp.privacy.forgetting import Standing, forget, standing
from webapp.privacy.forms import DeleteAndGiveUpForm, DeleteForm
from webapp.wording import _

blueprint = Blueprint("privacy", __name__, url_prefix="/account/data")


@blueprint.get("")
def overview() -> str:
    """What there is, and what can be done with it."""
    days, who = parts().settings.export_days, account()
    may_delete = who.role is Role.CUSTOMER
    return render_template("privacy/overview.html", days=days, once=new_id(), email=who.email, may_delete=may_delete)


@blueprint.post("/export")
def export_post() -> Response:
    """Have it all put together; the job's page shows how far that is."""
    job_id = export.start(parts().jobs, by(), once=request.form.get("once", "")[:32] or None)
    return go_to(url_for("jobs.details", job_id=job_id))


@blueprint.get("/delete")
@customers_only
def delete() -> str:
    """Say what would go, what would stay, and what stands in the way."""
    found = _standing()
    return _page(_form(found), found)


@blueprint.post("/delete")
@customers_only
def delete_post() -> Refused | Response:
    """Delete the account, unless something stands in the way by now."""
    found = _standing()
    form = _form(found)
    refused = check(form, lambda form: _page(form, found))
    if refused is not None:
        return refused
    desk, who = parts(), account()
    with desk.database.writing() as writing:
        now = desk.desk.clock()
        present = standing(writing, who, now)
        # What is given up must be what was agreed to.
        is_agreed = present.is_possible and present.gives_up == found.gives_up
        if is_agreed:
            forget(writing, who, now)
    if not is_agreed:
        return _page(_form(present), present), 409
    return signed_out(_("Your account is deleted. What must stay does not bear your name any more."))


def _standing() -> Standing:
    with parts().database.reading() as reading:
        return standing(reading, account(), parts().desk.clock())


def _form(found: Standing) -> DeleteForm:
    return DeleteAndGiveUpForm() if found.gives_up else DeleteForm()


def _page(form: DeskForm, found: Standing) -> str:
    years = parts().settings.retention.books_years
    context = {"form": form, "standing": found, "years": years, "email": account().email, "named": display_name}
    return render_template("privacy/delete.html", **context)
