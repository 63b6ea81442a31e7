"""The page on which reviewers make an exception from the refund policy: one proposes, another agrees or declines."""

from collections.abc import Callable

from flask import Blueprint, flash, render_template, url_for
from werkzeug.wrappers import Response

from webapp.access import account, by, parts, reviewers_only
from webapp.accounts import proving
from webapp.accounts.proving import Proof
from webapp.certificates.names import display_name
from webapp.certificates.queries import certificate_file, customer_name
from webapp.desk import File
from webapp.goodwill.forms import AgreementForm, DeclineForm, ProposalForm
from webapp.goodwill.granting import ExceptionRefused, agree, decline, propose
from webapp.goodwill.present import exception_view
from webapp.htmx import go_to
from webapp.wording import _

blueprint = Blueprint("goodwill", __name__, url_prefix="/certificates/<key:certificate_id>/exception")

Answer = tuple[str, int] | Response


@blueprint.get("")
@reviewers_only
def look(certificate_id: str) -> Answer:
    """What the policy says, what was proposed, and what can be done now."""
    return _page(certificate_id, 200)


@blueprint.post("/propose")
@reviewers_only
def propose_post(certificate_id: str) -> Answer:
    """Propose an exception."""
    _file(certificate_id)
    form = ProposalForm()
    if not form.validate():
        return _page(certificate_id, 422, form=form)
    done = _("The exception is proposed. It counts once somebody who may send money agrees.")
    return _try(
        certificate_id, lambda: propose(parts().desk, certificate_id, by(), form.reason.data or ""), done, form=form
    )


@blueprint.post("/agree")
@reviewers_only
def agree_post(certificate_id: str) -> Answer:
    """Agree to what somebody else proposed, once one has shown who one is."""
    file = _file(certificate_id)
    form = AgreementForm()
    if not form.validate():
        return _page(certificate_id, 422)
    now = parts().desk.clock()
    view = exception_view(file, parts().desk.case(file, account().actor, now))
    # Whoever may not agree is told so, instead of being asked for a password in vain.
    is_free = view.proposal is not None and view.why_not_agree is None
    if is_free and (proof := proving.wanted()):
        return _page(certificate_id, 422, proof=proof)
    done = _("The exception is granted. The customer is told by mail and can apply for the refund.")
    return _try(certificate_id, lambda: agree(parts().desk, certificate_id, by(), form.proposal.data or ""), done)


@blueprint.post("/decline")
@reviewers_only
def decline_post(certificate_id: str) -> Answer:
    """Decline a proposal, or take one's own back."""
    _file(certificate_id)
    form = DeclineForm()
    if not form.validate():
        return _page(certificate_id, 422, declining=form)
    proposal, reason = form.proposal.data or "", form.reason.data or ""
    done = _("The proposal is gone; the refund policy alone counts.")
    return _try(certificate_id, lambda: decline(parts().desk, certificate_id, by(), proposal, reason), done)


def _try(certificate_id: str, act: Callable[[], object], done: str, form: ProposalForm | None = None) -> Answer:
    try:
        act()
    except ExceptionRefused as refused:
        return _page(certificate_id, 409, form=form, trouble=f"{refused.detail} {refused.advice}".strip())
    flash(done, "success")
    return go_to(url_for("certificates.details", certificate_id=certificate_id))


def _file(certificate_id: str) -> File:
    with parts().database.reading() as session:
        return certificate_file(session, certificate_id, account())


def _page(
    certificate_id: str,
    code: int,
    *,
    form: ProposalForm | None = None,
    declining: DeclineForm | None = None,
    proof: Proof | None = None,
    trouble: str | None = None,
) -> tuple[str, int]:
    with parts().database.reading() as session:
        file = certificate_file(session, certificate_id, account())
        customer = customer_name(session, file, account())
    case = parts().desk.case(file, account().actor, parts().desk.clock())
    return (
        render_template(
            "goodwill/exception.html",
            file=file,
            customer=customer,
            domain=display_name(file.certificate.domain),
            view=exception_view(file, case),
            form=form or ProposalForm(formdata=None),
            declining=declining or DeclineForm(formdata=None),
            proof=proof,
            trouble=trouble,
        ),
        code,
    )
