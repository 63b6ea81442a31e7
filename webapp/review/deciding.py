"""Deciding one case: verify, fail, approve, refuse."""

from flask import flash, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from certlifecycle import Event, State, phrase
from webapp.access import account, by, is_repeated, parts, reviewers_only
from webapp.accounts import proving
from webapp.accounts.proving import Proof
from webapp.certificates.names import display_name
from webapp.desk import File
from webapp.errors import Superseded
from webapp.htmx import go_to
from webapp.recording import Handed, Refusal
from webapp.review import claims, notes, present
from webapp.review.blueprint import Answer, blueprint
from webapp.review.case import claim_of, is_large
from webapp.review.context import file_of, show_again, with_templates
from webapp.review.forms import DecisionForm, FailForm, ReasonForm, RejectForm
from webapp.review.models import ReviewNote
from webapp.review.queries import KINDS
from webapp.review.views import next_of, nothing_else
from webapp.wording import _, words

READ_FIRST = phrase(
    "The text that you chose stands in the form now. Read it, change what does not fit, and press again."
)


@blueprint.post("/<key:certificate_id>/verify")
@reviewers_only
def verify(certificate_id: str) -> Answer:
    """Confirm that the submission is in order; the certificate authority issues."""
    return _decide(certificate_id, Event.VERIFY, DecisionForm())


@blueprint.post("/<key:certificate_id>/fail")
@reviewers_only
def fail(certificate_id: str) -> Answer:
    """Fail the verification, with a reason for the customer."""
    form = with_templates(FailForm())
    return _refuse(certificate_id, Event.FAIL_VERIFICATION, form)


@blueprint.post("/<key:certificate_id>/approve")
@reviewers_only
def approve(certificate_id: str) -> Answer:
    """Approve the refund, or give the first of two approvals."""
    return _decide(certificate_id, Event.APPROVE_REFUND, DecisionForm())


@blueprint.post("/<key:certificate_id>/reject")
@reviewers_only
def reject(certificate_id: str) -> Answer:
    """Refuse the refund, with a reason for the customer and what they can do now."""
    form = with_templates(RejectForm())
    return _refuse(certificate_id, Event.REJECT_REFUND, form, Refusal(form.as_stored(form.instructions.data)))


@blueprint.post("/<key:certificate_id>/fail/text", endpoint="fail_text")
@reviewers_only
def fail_text(certificate_id: str) -> Answer:
    """Fill in the chosen template. Nothing is decided by it."""
    return _fill_in(certificate_id, with_templates(FailForm()))


@blueprint.post("/<key:certificate_id>/reject/text", endpoint="reject_text")
@reviewers_only
def reject_text(certificate_id: str) -> Answer:
    """Fill in the chosen template. Nothing is decided by it."""
    return _fill_in(certificate_id, with_templates(RejectForm()))


def _fill_in(certificate_id: str, form: ReasonForm) -> Answer:
    file_of(certificate_id)
    form.use()
    return show_again(certificate_id, form, 200)


def _refuse(certificate_id: str, event: Event, form: ReasonForm, handed: Handed | None = None) -> Answer:
    """Refuse with the words in the form; a template that nobody has read yet is filled in and shown first."""
    if form.fill_when_empty():
        file_of(certificate_id)
        return show_again(certificate_id, form, 422, _(READ_FIRST))
    return _decide(certificate_id, event, form, form.as_stored(form.words.data), handed)


def _decide(
    certificate_id: str, event: Event, form: DecisionForm, reason: str = "", handed: Handed | None = None
) -> Answer:
    """Let a decision happen; whoever comes too late is told who did what and keeps what they wrote."""
    file = file_of(certificate_id)
    if not form.validate():
        return show_again(certificate_id, form, 422)
    if trouble := _in_the_way(file, form):
        return show_again(certificate_id, form, 409, trouble)
    if proof := _proof_of(file, event):
        return show_again(certificate_id, form, 422, proof=proof)
    try:
        parts().desk.fire(
            certificate_id,
            event,
            by(),
            reason=reason,
            handed=handed,
            version=form.version.data,
            also=notes.alongside(_note(certificate_id, event, form)),
        )
    except Superseded as late:
        if not is_repeated(late, event):
            return show_again(certificate_id, form, 409, present.news(late.rows))
    return _go_on(file_of(certificate_id), event)


def _proof_of(file: File, event: Event) -> Proof | None:
    """What a reviewer has to show before money above the policy's amount is approved."""
    if event is not Event.APPROVE_REFUND or not is_large(file):
        return None
    # Whoever may not approve is told so by the door, instead of being asked for a password in vain.
    may = parts().desk.permissions(file, account().actor)[event].offered
    return proving.wanted() if may else None


def _in_the_way(file: File, form: DecisionForm) -> str | None:
    """That somebody else has claimed the case, unless the decision says that it knows of this very claim."""
    with parts().database.reading() as session:
        claim = claim_of(session, file, account(), parts().desk.clock())
    if not claim.is_theirs or form.despite.data == claim.id:
        return None
    return _("{claim}. Leave it to them, or tick the box and press again to decide all the same.", claim=claim.words)


def _note(certificate_id: str, event: Event, form: DecisionForm) -> list[ReviewNote]:
    if not form.note.data:
        return []
    now = parts().desk.clock()
    return [notes.new_note(certificate_id, account().actor, form.note.data, now, event.value)]


def _go_on(file: File, event: Event) -> Response:
    """To the next case that this reviewer can decide, or to the queue, saying what was done."""
    waits = State(file.certificate.state) in KINDS
    with parts().database.writing() as session:
        claims.settle(session, file.certificate.id, account().actor, parts().desk.clock(), waits=waits)
    done, following = _done(file, event), next_of()
    if following is None:
        flash(words().sentences(done, nothing_else()), "success")
        return go_to(url_for("review.queue"))
    flash(words().sentences(done, _("This is the next case.")), "success")
    return go_to(url_for("review.item", certificate_id=following))


def _done(file: File, event: Event) -> Markup:
    certificate = file.certificate
    url = url_for("review.item", certificate_id=certificate.id)
    subject = Markup('<a href="{}">{}</a>').format(url, display_name(certificate.domain))
    match event:
        case Event.VERIFY:
            text = _("{domain} is verified; the certificate authority issues it.")
        case Event.FAIL_VERIFICATION:
            text = _("The verification of {domain} has failed; the customer reads why.")
        case Event.REJECT_REFUND:
            text = _("The refund of {domain} is refused; the customer reads why and what to do.")
        case _ if certificate.state == State.REFUND_REQUESTED:
            text = _("Your approval of the refund of {domain} is recorded; a second reviewer decides.")
        case _:
            text = _("The refund of {domain} is approved; the money is being sent.")
    return Markup(text).format(domain=subject)  # noqa: S704  # A text of the catalogue; what is put into it is escaped.
