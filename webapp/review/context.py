"""What every template about one case is made from, for the page, its living parts and refused forms alike."""

from datetime import timedelta
from typing import TypeVar

from flask import render_template

from webapp.access import account, parts
from webapp.accounts.proving import Proof
from webapp.certificates.queries import certificate_file
from webapp.columns import new_id
from webapp.desk import File
from webapp.htmx import wants_fragment
from webapp.review import case, presence, present, reasons
from webapp.review.forms import DecisionForm, FailForm, NoteForm, ReasonForm, RejectForm
from webapp.review.queries import Kind

SomeReason = TypeVar("SomeReason", FailForm, RejectForm)


def lease() -> timedelta:
    """How long a claim lasts."""
    return timedelta(minutes=parts().settings.review_claim_minutes)


def file_of(certificate_id: str) -> File:
    """The certificate with all that belongs to it; raises :class:`~webapp.errors.NotFound`."""
    with parts().database.reading() as session:
        return certificate_file(session, certificate_id, account())


def with_templates(form: SomeReason) -> SomeReason:
    """A form of a refusal with the templates that are on offer for it."""
    with parts().database.reading() as session:
        form.offer(reasons.offered(session, form.kind))
    return form


def case_context(
    certificate_id: str,
    *,
    typed: DecisionForm | None = None,
    trouble: str | None = None,
    version: int | None = None,
    note: NoteForm | None = None,
    visit: str | None = None,
    proof: Proof | None = None,
) -> dict[str, object]:
    """The context that ``review/_item.html`` describes.

    ``typed`` is a decision's form as it came, ``trouble`` why it was not taken; ``version`` the certificate's when the
    reader's page was made; ``visit`` names the reader's page toward :mod:`~webapp.review.presence`; ``proof`` is what
    they have to show before the decision is taken.
    """
    desk = parts().desk
    with parts().database.reading() as session:
        file = certificate_file(session, certificate_id, account())
        item = case.item(session, file, account())
        version = file.certificate.version if version is None else version
        told = present.news_since(session, certificate_id, version)
        looking = presence.others(session, certificate_id, account().actor, desk.clock())
    is_refund = item.kind is Kind.REFUND
    fresh = with_templates(RejectForm(formdata=None)) if is_refund else with_templates(FailForm(formdata=None))
    fits = item.kind is not None and typed is not None and type(typed) in (type(fresh), DecisionForm)
    refusing: ReasonForm = typed if fits and isinstance(typed, FailForm | RejectForm) else fresh
    going = typed if fits and type(typed) is DecisionForm else DecisionForm(formdata=None)
    return {
        "item": item,
        "go": going,
        "form": refusing,
        "is_typed": fits,
        "is_refusing": refusing is typed,
        "leftover": "" if typed is None or fits else typed.written,
        "trouble": trouble,
        "news": told,
        "version": version,
        "note_form": note or NoteForm(formdata=None),
        "looking": looking,
        "visit": visit or new_id(),
        "proof": proof,
    }


def show_again(
    certificate_id: str, form: DecisionForm, code: int, trouble: str | None = None, *, proof: Proof | None = None
) -> tuple[str, int]:
    """The decision once more, with what somebody typed and why it was not taken."""
    trouble = trouble or " ".join(form.version.errors) or None
    context = case_context(certificate_id, typed=form, trouble=trouble, proof=proof)
    template = "review/_decision.html" if wants_fragment() else "review/item.html"
    return render_template(template, **context), code
