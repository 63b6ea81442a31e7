"""Keeping a search of the list under a name, and letting it go."""

from flask import Blueprint, flash, request
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response

from webapp.access import account, parts
from webapp.certificates import listing, saved
from webapp.certificates.forms import SavedSearchForm
from webapp.certificates.search import Search, Tab
from webapp.errors import NotFound
from webapp.htmx import go_to
from webapp.wording import _

blueprint = Blueprint("saved", __name__, url_prefix="/saved")


@blueprint.post("")
def save() -> Response:
    """Keep the search that the form carries; one of the same name is replaced."""
    args = _search()
    form = SavedSearchForm()
    if not form.validate():
        flash(" ".join(form.name.errors), "error")
        return go_to(listing.address(args))
    if _keep(form.name.data or "", args):
        flash(_("Saved as “{data}”. It stands above the list.", data=form.name.data), "success")
    else:
        flash(
            _("You have {most} saved searches, which is the most there can be. Delete one first.", most=saved.MOST),
            "warning",
        )
    return go_to(listing.address(args))


def _keep(name: str, args: dict[str, str]) -> bool:
    try:
        with parts().database.writing() as session:
            return saved.save(session, account(), name, args, parts().desk.clock())
    except IntegrityError:
        # The button was pressed twice at once, and the other press has kept it.
        return True


@blueprint.post("/<key:saved_id>/delete")
def delete(saved_id: str) -> Response:
    """Let a search go; the certificates that it found stay as they are."""
    with parts().database.writing() as session:
        if not saved.forget(session, account(), saved_id):
            raise NotFound(_("There is no such saved search."), _("It may have been deleted in another window."))
    flash(_("The saved search is deleted."), "success")
    return go_to(listing.address(_search()))


def _search() -> dict[str, str]:
    """What the list shows behind the form."""
    search = Search.read(request.form)
    return dict(search.args(search.tab or Tab.UNSIGNED))
