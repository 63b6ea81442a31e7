"""The admin's pages about the daily comparison with every provider's own records."""

from typing import Any

from flask import Blueprint, Response, flash, render_template, request, url_for
from sqlmodel import Session, col, func, select
from werkzeug.wrappers import Response as BaseResponse

from certlifecycle import Role, phrase
from webapp.access import by, only, parts
from webapp.certificates.models import PaymentMethod
from webapp.errors import DeskError, NotFound
from webapp.htmx import go_to, live_page
from webapp.payments.acts import acts_on
from webapp.payments.bank_queries import known_refunds
from webapp.payments.daily import Comparisons, as_comparison, differences_of
from webapp.payments.forms import PROVIDER_WORDS, DayForm
from webapp.payments.models_books import DailyComparison
from webapp.payments.paging import Page, Place
from webapp.payments.present_bank import trace_words
from webapp.payments.present_books import day_view, difference_rows
from webapp.payments.queries import difference_counts
from webapp.payments.reconciliation import report_file
from webapp.wording import _, words

blueprint = Blueprint("books", __name__, url_prefix="/reconciliation")

admins_only = only(Role.ADMIN)
PAGE_SIZE = 30
MOST_SHOWN = 200
"""How many differences a page lists; the file has all of them."""


class NotConnected(DeskError):
    """A provider whose records cannot be read any more."""

    status = 409
    title = phrase("Not connected")


@blueprint.get("")
@admins_only
def days() -> Response:
    """Every day that was compared or is to be, the latest first."""
    return live_page("payments/reconciliation.html", **_days(_day_form()))


@blueprint.post("")
@admins_only
def ask() -> BaseResponse | tuple[str, int]:
    """Have any day compared; the worker does it."""
    form = _day_form()
    if not form.validate() or form.day.data is None:
        return render_template("payments/reconciliation.html", **_days(form)), 422
    method = PaymentMethod(form.method.data)
    try:
        key = _comparisons().ask(method, form.day.data, by())
    except ValueError:
        last = words().day(_comparisons().last_day(method))
        form.day.errors = [_("That day is not over yet. The latest day that can be compared is {last}.", last=last)]
        return render_template("payments/reconciliation.html", **_days(form)), 422
    return go_to(url_for("payments.books.comparison", comparison_id=key))


@blueprint.get("/<key:comparison_id>")
@admins_only
def comparison(comparison_id: str) -> Response:
    """One day of one provider: how far it is, or every difference with what to do."""
    with parts().database.reading() as session:
        row = _row(session, comparison_id)
        found = differences_of(session, row.id)
        known = known_refunds(session, [one.refund_no for one in found])
        acts = acts_on(session, [row.id]).get(row.id, [])
    return live_page(
        "payments/comparison.html",
        view=day_view(row, len(found), parts().desk.clock()),
        rows=difference_rows(row, found[:MOST_SHOWN], known),
        trace=trace_words(acts),
        is_connected=PaymentMethod(row.method) in parts().gateways,
    )


@blueprint.post("/<key:comparison_id>/again")
@admins_only
def again(comparison_id: str) -> BaseResponse:
    """Have the day compared once more."""
    with parts().database.reading() as session:
        row = _row(session, comparison_id)
    if PaymentMethod(row.method) not in parts().gateways:
        raise NotConnected(_("This provider is not connected any more."), _("Connect it again, then compare the day."))
    _comparisons().ask(PaymentMethod(row.method), row.day, by())
    flash(_("The worker compares the day once more. This page changes by itself."), "success")
    return go_to(url_for("payments.books.comparison", comparison_id=row.id))


@blueprint.get("/<key:comparison_id>.csv")
@admins_only
def file(comparison_id: str) -> Response:
    """The differences of a day for a spreadsheet."""
    with parts().database.reading() as session:
        row = _row(session, comparison_id)
        found = differences_of(session, row.id)
    gateway = parts().gateways.get(PaymentMethod(row.method))
    content = report_file(as_comparison(row, found), gateway.zone if gateway else words().zone)
    answer = Response(content, mimetype="text/csv")
    name = f"reconciliation-{row.method.value}-{row.day.isoformat()}.csv"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _comparisons() -> Comparisons:
    return Comparisons(parts().database, parts().gateways, parts().desk.clock)


def _row(session: Session, comparison_id: str) -> DailyComparison:
    row = session.get(DailyComparison, comparison_id)
    if row is None:
        raise NotFound(_("There is no such comparison."))
    return row


def _day_form() -> DayForm:
    form = DayForm()
    form.method.choices = [(method.value, PROVIDER_WORDS[method]) for method in parts().gateways]
    return form


def _days(form: DayForm) -> dict[str, Any]:
    now = parts().desk.clock()
    with parts().database.reading() as session:
        total = session.exec(select(func.count()).select_from(DailyComparison)).one()
        place = Place.within(request.args.get("page", 1, type=int), PAGE_SIZE, total)
        newest = (col(DailyComparison.day).desc(), col(DailyComparison.method))
        wanted = select(DailyComparison).order_by(*newest).offset(place.offset).limit(place.size)
        rows = session.exec(wanted).all()
        counted = difference_counts(session, [one.id for one in rows])
    views = [day_view(one, counted.get(one.id, 0), now) for one in rows]
    return {"form": form, "page": Page(tuple(views), place)}
