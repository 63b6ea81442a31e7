"""What waits for a reviewer, the evidence about one case, and the decision."""

from flask import Blueprint, flash, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from certlifecycle import Event, State
from webapp.access import account, by, is_repeated, parts, reviewers_only
from webapp.certificates.names import display_name
from webapp.certificates.queries import certificate_file
from webapp.desk import File
from webapp.errors import Superseded
from webapp.forms import VersionForm
from webapp.htmx import go_to, live_page, tagged, wants_fragment
from webapp.recording import Handed, Refusal
from webapp.review import present, queries
from webapp.review.forms import FailForm, ReasonForm, RejectForm
from webapp.review.queries import Kind

blueprint = Blueprint("review", __name__, url_prefix="/review")

Answer = tuple[str, int] | Response


# Looking


@blueprint.get("")
@reviewers_only
def queue() -> Response:
    """What waits for a reviewer, the most pressing first."""
    kind = request.args.get("kind", type=Kind)
    page = max(1, request.args.get("page", 1, type=int))
    with parts().database.reading() as session:
        everything = queries.waiting(session, parts().desk.policy)
        wanted = [one for one in everything if kind in (None, one.kind)]
        # A page that has emptied since the link to it was made is the last one that has not.
        page = min(page, max(1, -(-len(wanted) // queries.PAGE_SIZE)))
        shown = queries.items(session, wanted[(page - 1) * queries.PAGE_SIZE : page * queries.PAGE_SIZE])
    return live_page("review/queue.html", queue=present.queue(everything, shown, kind, page, account()))


@blueprint.get("/<key:certificate_id>")
@reviewers_only
def item(certificate_id: str) -> Response:
    """One case: the evidence beside the decision."""
    return live_page("review/item.html", **_case(certificate_id))


@blueprint.get("/<key:certificate_id>/evidence")
@reviewers_only
def evidence(certificate_id: str) -> Response:
    """The evidence as it is now."""
    return tagged(render_template("review/_evidence.html", **_case(certificate_id)))


@blueprint.get("/<key:certificate_id>/decision")
@reviewers_only
def decision(certificate_id: str) -> Response:
    """What can be decided now."""
    return tagged(render_template("review/_decision.html", **_case(certificate_id)))


@blueprint.get("/<key:certificate_id>/news")
@reviewers_only
def news(certificate_id: str) -> Response:
    """What others did since the reader's page was made."""
    version = request.args.get("version", 0, type=int)
    return tagged(render_template("review/_news.html", **_case(certificate_id, version=version)))


def _case(
    certificate_id: str, form: ReasonForm | None = None, trouble: str | None = None, version: int | None = None
) -> dict[str, object]:
    """What every template about one case is made from."""
    with parts().database.reading() as session:
        file = certificate_file(session, certificate_id, account())
        item = present.item(session, file, account())
        version = file.certificate.version if version is None else version
        told = present.news_since(session, certificate_id, version)
    fresh = RejectForm(formdata=None) if item.kind is Kind.REFUND else FailForm(formdata=None)
    fits = isinstance(form, type(fresh)) and item.kind is not None
    return {
        "item": item,
        "form": form if fits else fresh,
        "is_typed": fits,
        "leftover": "" if form is None or fits else form.written,
        "trouble": trouble,
        "news": told,
        "version": version,
    }


# Deciding


@blueprint.post("/<key:certificate_id>/verify")
@reviewers_only
def verify(certificate_id: str) -> Answer:
    """Confirm that the submission is in order; the certificate authority issues."""
    return _decide(certificate_id, Event.VERIFY, VersionForm())


@blueprint.post("/<key:certificate_id>/fail")
@reviewers_only
def fail(certificate_id: str) -> Answer:
    """Fail the verification, with a reason for the customer."""
    form = FailForm()
    return _decide(certificate_id, Event.FAIL_VERIFICATION, form, form.reason)


@blueprint.post("/<key:certificate_id>/approve")
@reviewers_only
def approve(certificate_id: str) -> Answer:
    """Approve the refund, or give the first of two approvals."""
    return _decide(certificate_id, Event.APPROVE_REFUND, VersionForm())


@blueprint.post("/<key:certificate_id>/reject")
@reviewers_only
def reject(certificate_id: str) -> Answer:
    """Refuse the refund, with a reason for the customer and what they can do now."""
    form = RejectForm()
    return _decide(certificate_id, Event.REJECT_REFUND, form, form.reason, Refusal(form.advice))


def _decide(
    certificate_id: str, event: Event, form: VersionForm, reason: str = "", handed: Handed | None = None
) -> Answer:
    """Let a decision happen; whoever comes too late is told who did what and keeps what they wrote."""
    _file(certificate_id)
    if not form.validate():
        return _show_again(certificate_id, form, 422)
    try:
        parts().desk.fire(certificate_id, event, by(), reason=reason, handed=handed, version=form.version.data)
    except Superseded as late:
        if not is_repeated(late, event):
            return _show_again(certificate_id, form, 409, present.news(late.rows))
    return _go_on(_file(certificate_id), event)


def _show_again(certificate_id: str, form: VersionForm, code: int, trouble: str | None = None) -> Answer:
    written = form if isinstance(form, ReasonForm) else None
    context = _case(certificate_id, written, trouble or " ".join(form.version.errors) or None)
    template = "review/_decision.html" if wants_fragment() else "review/item.html"
    return render_template(template, **context), code


def _go_on(file: File, event: Event) -> Response:
    """To the next case that this reviewer can decide, or to the queue, saying what was done."""
    done = _done(file, event)
    with parts().database.reading() as session:
        following = _next(queries.items(session, queries.waiting(session, parts().desk.policy)[: queries.PAGE_SIZE]))
    if following is None:
        flash(done + " Nothing else waits for you.", "success")
        return go_to(url_for("review.queue"))
    flash(done + " This is the next case.", "success")
    return go_to(url_for("review.item", certificate_id=following))


def _next(items: list[queries.QueueItem]) -> str | None:
    for one in items:
        if present.refusal(one, account()) is None:
            return one.waiting.certificate_id
    return None


def _done(file: File, event: Event) -> Markup:
    certificate = file.certificate
    url = url_for("review.item", certificate_id=certificate.id)
    subject = Markup('<a href="{}">{}</a>').format(url, display_name(certificate.domain))
    match event:
        case Event.VERIFY:
            text = Markup("{} is verified; the certificate authority issues it.")
        case Event.FAIL_VERIFICATION:
            text = Markup("The verification of {} has failed; the customer reads why.")
        case Event.REJECT_REFUND:
            text = Markup("The refund of {} is refused; the customer reads why and what to do.")
        case _ if certificate.state == State.REFUND_REQUESTED:
            text = Markup("Your approval of the refund of {} is recorded; a second reviewer decides.")
        case _:
            text = Markup("The refund of {} is approved; the money is being sent.")
    return text.format(subject)


def _file(certificate_id: str) -> File:
    with parts().database.reading() as session:
        return certificate_file(session, certificate_id, account())
