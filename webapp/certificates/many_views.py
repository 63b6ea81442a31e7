"""Many certificates at once: a page that says what would happen to each, and one that says what happened."""

from secrets import token_hex

from flask import Blueprint, flash, render_template, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response

from certlifecycle import Event
from certlifecycle.calendar import promised_dates
from webapp.access import account, by, customers_only, parts
from webapp.certificates import listing, many
from webapp.certificates.many_forms import form_for
from webapp.certificates.names import display_name
from webapp.certificates.queries import found_by
from webapp.certificates.search import Search, Tab
from webapp.errors import DeskError
from webapp.htmx import go_to
from webapp.jobs.many import start_many
from webapp.paths import own_path
from webapp.recording import Application
from webapp.refunds.forms import RefundReasonForm
from webapp.refunds.models import RefundReason
from webapp.refunds.present import promise_words
from webapp.wording import _

blueprint = Blueprint("many", __name__, url_prefix="/many")

Answer = str | tuple[str, int] | Response


@blueprint.post("")
@customers_only
def preview() -> Answer:
    """Say what would happen to each of the ticked ones, or of all that the search finds. Nothing is changed."""
    event = _event()
    search = Search.read(request.form)
    chosen = many.read_chosen(request.form.getlist("chosen"))
    back = listing.address(search.args(search.tab or Tab.UNSIGNED))
    if "all" in request.form:
        with parts().database.reading() as session:
            found = found_by(session, search, account(), many.MOST + 1)
        chosen = [many.Chosen(one.id, one.version) for one in found]
    if not chosen:
        flash(_("Nothing was chosen. Tick the certificates first, then press the button again."), "warning")
        return go_to(back)
    page = _preview(event, chosen[: many.MOST])
    return _show(page, form_for(event, len(page.possible)), back, left_out=len(chosen) > many.MOST)


@blueprint.post("/carry-out")
@customers_only
def carry_out() -> Answer:
    """Let it happen to each, and say what came of it."""
    event = _event()
    chosen = many.read_chosen(request.form.getlist("chosen"))[: many.MOST]
    back = own_path(request.form.get("back"))
    form = form_for(event, len(chosen))
    if not form.validate():
        return _show(_preview(event, chosen), form, back), 422
    with parts().database.reading() as session:
        names = {one.id: display_name(one.domain) for one in many.rows_of(session, chosen, account())}
    errand = _errand(event, form)
    mine = [one for one in chosen if one.key in names]
    if len(mine) > many.AT_ONCE:
        return _as_job(errand, mine)
    results = many.run_all(lambda one: errand.carry_out(one, names[one.key]), mine)
    url = listing.addresses("certificates.details")
    return render_template("certificates/many_done.html", event=event, results=results, url=url, back=back)


def _event() -> Event:
    event = next((one for one in many.EVENTS if one.value == request.form.get("event")), None)
    if event is None:
        raise DeskError(
            _("The button was not one of this page."), _("Go back, load the page again, and press it once more.")
        )
    return event


def _errand(event: Event, form: FlaskForm) -> many.Errand:
    reason, handed = "", None
    if isinstance(form, RefundReasonForm):
        handed = Application(RefundReason(form.reason_code.data))
    if event is not Event.WITHDRAW_SUBMISSION:
        reason = form.reason.data
    return many.Errand(parts().desk, event, by(), reason, handed)


def _as_job(errand: many.Errand, chosen: list[many.Chosen]) -> Answer:
    """Leave it to a worker, and show how far it is."""
    wanted = [(one.key, one.version) for one in chosen]
    once = request.form.get("once", "")[:40] or None
    job_id = start_many(
        parts().jobs, errand.by, errand.event, wanted, reason=errand.reason, handed=errand.handed, once=once
    )
    return go_to(url_for("jobs.details", job_id=job_id))


def _preview(event: Event, chosen: list[many.Chosen]) -> many.Preview:
    with parts().database.reading() as session:
        rows = many.rows_of(session, chosen, account())
        purchases = many.purchases_of(session, rows)
    return many.preview(event, rows, purchases, account(), parts().desk)


def _show(page: many.Preview, form: FlaskForm, back: str, *, left_out: bool = False) -> str:
    desk = parts().desk
    return render_template(
        "certificates/many.html",
        page=page,
        form=form,
        back=back,
        most=many.MOST if left_out else None,
        promise=promise_words(promised_dates(desk.clock(), desk.policy)),
        action=url_for("certificates.many.carry_out"),
        once=token_hex(8),
    )
