"""Applying for a refund, following it, taking it back, and living with a refusal."""

from flask import Blueprint, flash, render_template, request, url_for
from werkzeug.wrappers import Response

from certlifecycle import Event, EventRefused, phrase
from webapp.access import account, by, customers_only, is_repeated, parts
from webapp.certificates.queries import certificate_file
from webapp.desk import File
from webapp.error_pages import tell_rows
from webapp.errors import NotFound, Superseded
from webapp.forms import VersionForm
from webapp.htmx import go_to, live_page, wants_fragment
from webapp.receipts.paper import draw
from webapp.receipts.words import has_receipt, receipt_of
from webapp.recording import Application
from webapp.refunds import present, progress, queries
from webapp.refunds.forms import RefundForm
from webapp.refunds.models import RefundReason
from webapp.wording import _

blueprint = Blueprint("refunds", __name__)

APPLIED = phrase("Applied, please wait for the verification.")
"""The answer that the refund instructions promise, word for word."""

Answer = tuple[str, int] | Response


# Applying


@blueprint.get("/certificates/<key:certificate_id>/refund")
@customers_only
def apply(certificate_id: str) -> Response:
    """Show what comes back, where to and when, and ask why; or say why nothing can be applied for."""
    return live_page("refunds/apply.html", page=_application(certificate_id), form=RefundForm(), news=None)


@blueprint.post("/certificates/<key:certificate_id>/refund")
@customers_only
def apply_post(certificate_id: str) -> Answer:
    """Apply. Whoever presses twice gets to the one application that the first press made."""
    form = RefundForm()
    page = _application(certificate_id)
    if not form.validate():
        return _show_form(page, form, 422 if page.verdict.eligible else 409)
    application = Application(RefundReason(form.reason_code.data))
    try:
        parts().desk.fire(
            certificate_id,
            Event.REQUEST_REFUND,
            by(),
            reason=form.reason.data or "",
            handed=application,
            version=form.version.data,
        )
    except Superseded as late:
        return _had_applied(late) or _show_form(_application(certificate_id), form, 409, tell_rows(late))
    except EventRefused:
        return _show_form(_application(certificate_id), form, 409)
    flash(_(APPLIED), "success")
    return go_to(_refund_of(certificate_id))


@blueprint.post("/certificates/<key:certificate_id>/refund/check")
@customers_only
def check(certificate_id: str) -> str:
    """Check the reason while the form is being filled in; nothing is stored."""
    _file(certificate_id)
    form = RefundForm()
    form.validate()
    return render_template("refunds/_reason.html", form=form, certificate_id=certificate_id)


def _file(certificate_id: str) -> File:
    with parts().database.reading() as session:
        return certificate_file(session, certificate_id, account())


def _application(certificate_id: str) -> present.ApplicationPage:
    with parts().database.reading() as session:
        return present.application(session, certificate_file(session, certificate_id, account()), account())


def _show_form(page: present.ApplicationPage, form: RefundForm, code: int, news: str | None = None) -> Answer:
    template = "refunds/_apply.html" if wants_fragment() else "refunds/apply.html"
    return render_template(template, page=page, form=form, news=news), code


def _refund_of(certificate_id: str) -> str:
    with parts().database.reading() as session:
        return url_for("refunds.details", refund_id=queries.newest(session, certificate_id))


def _had_applied(late: Superseded) -> Response | None:
    """Where the same person's own application went, if that is what came first."""
    if not is_repeated(late, Event.REQUEST_REFUND):
        return None
    if len(late.rows) == 1:
        flash(_(APPLIED), "success")
    else:
        flash(_("You had applied already. This is how it stands now."), "info")
    return go_to(url_for("refunds.details", refund_id=late.rows[0].refund_id))


# Following


@blueprint.get("/refunds")
@customers_only
def list_refunds() -> Response:
    """A customer's applications, the newest first."""
    after, before = request.args.get("after"), request.args.get("before")
    with parts().database.reading() as session:
        page = queries.refunds_of(session, account(), after=after, before=before)
    return live_page("refunds/list.html", page=page, rows=progress.refund_rows(page.rows, account()))


@blueprint.get("/refunds/<key:refund_id>")
def details(refund_id: str) -> Response:
    """One application: how far it is, what it is about, and what can be done now. Reviewers may look, too."""
    return live_page("refunds/details.html", view=_view(refund_id), news=None, now=parts().desk.clock())


@blueprint.get("/refunds/<key:refund_id>/receipt.pdf")
def receipt(refund_id: str) -> Response:
    """The receipt of a refund that was paid, for its customer and for reviewers. No other refund has one."""
    with parts().database.reading() as session:
        case = queries.refund_file(session, refund_id, account())
        customer = queries.customer_of(session, case)
    if not has_receipt(case):
        advice = _(
            "Look at the refund to see how far it is. The receipt is there once the payment provider confirms it."
        )
        raise NotFound(_("This refund has no receipt, because no money has been paid back."), advice)
    paper = receipt_of(case, customer, parts().settings)
    response = Response(draw(paper), mimetype="application/pdf")
    response.headers.set("Content-Disposition", "inline", filename=f"{paper.number}.pdf")
    return response


@blueprint.post("/refunds/<key:refund_id>/withdraw")
@customers_only
def withdraw(refund_id: str) -> Answer:
    """Take an application back while nobody has decided."""
    done = _("Your application is withdrawn. The certificate is as it was before.")
    return _change(refund_id, Event.WITHDRAW_REFUND, done, url_for("refunds.details", refund_id=refund_id))


@blueprint.post("/refunds/<key:refund_id>/keep")
@customers_only
def keep(refund_id: str) -> Answer:
    """Accept the refusal and go on using the certificate as before."""
    certificate = _view(refund_id).case.file.certificate
    done = _("You keep the certificate. It is as it was before you applied.")
    there = url_for("certificates.details", certificate_id=certificate.id)
    return _change(refund_id, Event.KEEP_CERTIFICATE, done, there)


def _change(refund_id: str, event: Event, done: str, there: str) -> Answer:
    case = _view(refund_id).case
    certificate = case.file.certificate
    form = VersionForm()
    if not form.validate():
        return _show_refund(refund_id, 422, " ".join(form.version.errors))
    if not case.is_current and form.version.data == certificate.version:
        # The certificate may be under another application by now, which this page is not about.
        closed = _("This application is closed; nothing can be done with it any more.")
        return _show_refund(refund_id, 409, closed)
    try:
        parts().desk.fire(certificate.id, event, by(), version=form.version.data)
    except Superseded as late:
        if not is_repeated(late, event):
            return _show_refund(refund_id, 409, tell_rows(late))
    flash(done, "success")
    return go_to(there)


def _view(refund_id: str) -> progress.Progress:
    with parts().database.reading() as session:
        case = queries.refund_file(session, refund_id, account())
    return progress.progress_of(case, account())


def _show_refund(refund_id: str, code: int, news: str) -> Answer:
    template = "refunds/_details.html" if wants_fragment() else "refunds/details.html"
    return render_template(template, view=_view(refund_id), news=news, now=parts().desk.clock()), code


# Answers
