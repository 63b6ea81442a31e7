"""The page of figures, and each of its tables as a file."""

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

from webapp.access import parts, reviewers_only
from webapp.errors import NotFound
from webapp.figures import present
from webapp.figures.forms import SPANS, Choice
from webapp.figures.period import Period
from webapp.review.queries import waiting
from webapp.wording import _

blueprint = Blueprint("figures", __name__, url_prefix="/figures")

Answer = Response | tuple[str, int]


@blueprint.get("")
@reviewers_only
def page() -> Answer:
    """Figures of the last days, or of any others; a period that cannot be is refused with what is wrong about it."""
    choice = _choice()
    found = _count(choice.period) if choice.period else None
    return _show(choice, found)


@blueprint.get("/<name>.csv")
@reviewers_only
def table(name: str) -> Answer:
    """One of the page's tables as a file for a spreadsheet."""
    choice = _choice()
    if choice.period is None:
        return _show(choice, None)
    found = _count(choice.period).table(name)
    if found is None:
        raise NotFound(_("There is no such table."), _("Open the figures and choose one there."))
    response = Response(found.as_csv(), mimetype="text/csv")
    file = f"{name}-{choice.period.first}-{choice.period.last}.csv"
    response.headers.set("Content-Disposition", "attachment", filename=file)
    return response


def _show(choice: Choice, found: present.Figures | None) -> Answer:
    return render_template("figures/page.html", choice=choice, spans=SPANS, figures=found), 200 if found else 422


def _choice() -> Choice:
    desk = parts().desk
    return Choice.read(request.args, desk.clock(), desk.policy.zone)


def _count(period: Period) -> present.Figures:
    desk = parts().desk
    with parts().database.reading() as session:
        cases = waiting(session, desk.policy)
        overdue = sum(one.due_at <= desk.clock() for one in cases)
        return present.figures(session, period, desk.policy, cases, overdue)
