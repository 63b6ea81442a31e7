"""The admin's pages about the bank: payment order files to hand out, status reports to take in."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from flask import Blueprint, Response, flash, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from certlifecycle import Role
from webapp.access import by, only, parts
from webapp.errors import NotFound
from webapp.htmx import go_to, live_page
from webapp.payments import bank_queries, present_bank
from webapp.payments.bank import file_name
from webapp.payments.bank_xml import LARGEST_MESSAGE, MessageRefused
from webapp.payments.connect import OnlineBank
from webapp.payments.forms import ReportForm
from webapp.payments.payouts import waking
from webapp.retelling import Stored
from webapp.wording import _

blueprint = Blueprint("bank", __name__, url_prefix="/bank")

admins_only = only(Role.ADMIN)
AROUND_A_REPORT = 64 * 1024
"""Bytes that a form has besides the file in it."""


@blueprint.url_value_preprocessor
def allow_large_reports(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """A report may be larger than any other form. Said this early, because the form's secret is read before the view.

    It counts for everybody who sends one, also where they are turned away then.
    """
    if endpoint == "payments.bank.take_in":
        request.max_content_length = LARGEST_MESSAGE + AROUND_A_REPORT


@blueprint.get("")
@admins_only
def overview() -> Response:
    """What waits for the next file, the files, and the reports."""
    return live_page("payments/bank.html", **_overview(ReportForm()))


@blueprint.post("/files")
@admins_only
def make_files() -> BaseResponse:
    """Put what waits into a file now, without waiting for more."""
    made = _bank().files.make(by())
    if made:
        flash(_("The file is made. It is the first in the list of files."), "success")
    else:
        flash(_("Nothing waits for a file any more: the worker has just made one."), "info")
    return go_to(url_for("payments.bank.overview"))


@blueprint.get("/files/<key:batch_id>.xml")
@admins_only
def download(batch_id: str) -> Response:
    """One file, byte for byte as it was made. Who downloads it is noted."""
    batch = _bank().files.hand_out(batch_id, by())
    if batch is None:
        raise NotFound(_("There is no such file."))
    answer = Response(batch.content, mimetype="application/xml")
    answer.headers["Content-Disposition"] = f'attachment; filename="{file_name(batch)}"'
    return answer


@blueprint.post("/reports")
@admins_only
def take_in() -> BaseResponse | tuple[str, int]:
    """Take a status report in, and show what came of each line."""
    bank, form = _bank(), ReportForm()
    if not form.validate():
        return render_template("payments/bank.html", **_overview(form)), 422
    try:
        with closing(form.report.data) as upload:
            intake = bank.reports.take_in(upload.read(LARGEST_MESSAGE + 1), upload.filename or "", by())
    except MessageRefused as wrong:
        form.report.errors = [_("The file was not taken in, and nothing was changed. {wrong}", wrong=Stored(wrong))]
        return render_template("payments/bank.html", **_overview(form)), 422
    wake = waking(parts().database, parts().desk.look_now)
    for refund_no in intake.decided:
        wake(refund_no)
    if intake.again:
        flash(_("This very file was taken in before, so nothing was changed. This is what came of it then."), "info")
    else:
        flash(_("The report is taken in."), "success")
    return go_to(url_for("payments.bank.report", report_id=intake.report_id))


@blueprint.get("/reports/<key:report_id>")
@admins_only
def report(report_id: str) -> Response:
    """One report, with what came of each line."""
    with parts().database.reading() as session:
        found = bank_queries.report(session, report_id)
        if found is None:
            raise NotFound(_("There is no such report."))
        received, lines = found
        numbers = [one.refund_no for one in lines]
        known = bank_queries.known_refunds(session, numbers)
        payments = bank_queries.payments_by_number(session, numbers)
    rows = present_bank.line_rows(lines, payments, known)
    return live_page(
        "payments/report.html",
        received=received,
        came=present_bank.came_words(received),
        summary=present_bank.summary_words(received),
        to_look_at=present_bank.look_words(received),
        rows=rows,
    )


def _bank() -> OnlineBank:
    bank = parts().payments.bank
    if bank is None:
        raise NotFound(_("No bank is connected."), _("Set BANK_ACCOUNT and BANK_HOLDER, and start the desk again."))
    return bank


def _overview(form: ReportForm) -> Mapping[str, Any]:
    bank = parts().payments.bank
    if bank is None:
        return {"bank": None, "form": form}
    with parts().database.reading() as session:
        count, first = bank_queries.waiting(session)
        known = bank_queries.known_refunds(session, [one.refund_no for one in first])
        files = bank_queries.files(session, request.args.get("files", 1, type=int))
        reports = bank_queries.reports(session, request.args.get("reports", 1, type=int))
    return {
        "bank": bank.settings,
        "form": form,
        "waiting": present_bank.waiting_view(count, first, known, bank.settings),
        "files": files,
        "file_rows": present_bank.file_rows(files, bank.settings),
        "reports": reports,
        "report_rows": present_bank.report_rows(reports),
    }
