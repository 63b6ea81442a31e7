"""One case as a reviewer reads it: what is asked, the evidence, the decision, and who else is on it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel import Session

from certlifecycle import Event, Permission, RefundPolicy, Right, Rule, State, verdict
from webapp.access import parts
from webapp.accounts.models import Account
from webapp.certificates.facts import facts_of
from webapp.certificates.lookalikes import doubts_about
from webapp.certificates.models import PaymentMethod
from webapp.certificates.names import display_name
from webapp.certificates.present import account_words
from webapp.desk import File
from webapp.payments.destination import label_of
from webapp.refunds.forms import REASON_WORDS
from webapp.refunds.models import RefundReason
from webapp.refunds.paying import Returned, returned
from webapp.refunds.present import verdict_words
from webapp.refunds.progress import RULE_WORDS
from webapp.refunds.queries import payouts_of
from webapp.review import claims
from webapp.review.due import due_words, pace
from webapp.review.evidence import (
    Customer,
    DomainChecks,
    Entry,
    Issued,
    Payments,
    Request,
    customer_of,
    domain_checks,
    history_with_notes,
    issued_of,
    note_entries,
    payments_of,
    request_of,
)
from webapp.review.models import ClaimAct, ReviewClaimEvent
from webapp.review.notes import notes_of
from webapp.review.present import ClaimView, claim_view, taken_over_words
from webapp.review.proof import ProofView, proof_view
from webapp.review.queries import KINDS, Kind, end_of_day, verification_due
from webapp.wording import _, words


@dataclass(frozen=True, slots=True)
class Item:
    """One case with the evidence and the decision."""

    file: File
    kind: Kind | None
    domain: str
    customer: Customer
    paid_with: str
    payments: Payments
    request: Request | None
    issued: Issued | None
    checks: DomainChecks | None
    notes: list[Entry]
    history: list[Entry]
    reason: str | None
    verdict: str | None
    rule: str | None
    destination: str | None
    policy_now: str | None
    due_at: datetime | None
    countdown: str
    pace: str
    approvals: str | None
    returned: Returned | None
    proof: ProofView | None
    refusals: dict[str, str | None]
    can_revoke: bool
    names: list[str]
    doubts: list[str]
    claim: ClaimView
    claim_lost: str | None
    claim_trace: list[str]


def item(session: Session, file: File, viewer: Account) -> Item:
    """Everything a reviewer looks at before deciding, for the page and its live fragments alike."""
    desk = parts().desk
    now = desk.clock()
    certificate, purchase, refund = file.certificate, file.purchase, file.refund
    kind = KINDS.get(State(certificate.state))
    due_at = _due(file, kind, desk.policy)
    permissions = desk.permissions(file, viewer.actor)
    paid_with = label_of(PaymentMethod(purchase.payment_method), purchase.payment_account)
    request = request_of(certificate)
    written = note_entries(notes_of(session, certificate.id), viewer)
    claim, lost, trace = claim_with_trace(session, file, viewer, now)
    return Item(
        file=file,
        kind=kind,
        domain=display_name(certificate.domain),
        customer=customer_of(session, file),
        paid_with=account_words(paid_with, viewer, file.purchase.customer_id),
        payments=payments_of(session, file, viewer),
        request=request,
        issued=issued_of(certificate, request),
        checks=domain_checks(session, certificate),
        notes=written,
        history=history_with_notes(session, certificate.id, written, viewer),
        reason=REASON_WORDS[RefundReason(refund.reason_code)] if refund else None,
        verdict=verdict_words(refund) if refund else None,
        rule=RULE_WORDS[Rule(refund.rule)] if refund else None,
        destination=account_words(refund.paid_to or refund.destination, viewer, refund.customer_id) if refund else None,
        policy_now=policy_now(file, desk.policy, now),
        due_at=due_at,
        countdown=due_words(due_at, now) if due_at else "",
        pace=pace(due_at, now) if due_at else "normal",
        approvals=approval_words(file, viewer),
        returned=returned(refund, purchase, payouts_of(session, [refund.id]), viewer) if refund else None,
        proof=proof_view(session, file),
        refusals={event.value: _why(permission) for event, permission in permissions.items()},
        can_revoke=Event.REVOKE in permissions and permissions[Event.REVOKE].offered,
        names=[display_name(name) for name in certificate.names],
        doubts=[words().say(one) for name in certificate.names for one in doubts_about(name)],
        claim=claim,
        claim_lost=lost,
        claim_trace=trace,
    )


def _why(permission: Permission) -> str | None:
    return words().sentences(*(one.sentence for one in permission.refusals)) or None


def _due(file: File, kind: Kind | None, policy: RefundPolicy) -> datetime | None:
    if kind is Kind.REFUND and file.refund:
        return end_of_day(file.refund.latest, policy)
    if kind is Kind.VERIFICATION:
        return verification_due(file.certificate.submitted_at or file.certificate.state_since, policy)
    return None


def policy_now(file: File, policy: RefundPolicy, now: datetime) -> str | None:
    """What the policy would say, were the application made now, where that differs from what is frozen on it."""
    refund = file.refund
    if refund is None or file.certificate.state != State.REFUND_REQUESTED:
        return None
    facts = facts_of(file.certificate, file.purchase, refund)
    answer = verdict(replace(facts, state=State(refund.origin)), now, policy)
    same = answer.rule == Rule(refund.rule) and answer.amount == refund.amount
    if same and answer.policy_version == refund.policy_version:
        return None
    return _(
        "{answer} It would pay back {amount} (policy {version}).",
        answer=answer.sentence,
        amount=answer.amount,
        version=answer.policy_version,
    )


def is_large(file: File) -> bool:
    """Whether a refund is decided on that is above the amount from which the policy asks for two reviewers."""
    refund = file.refund
    if refund is None or file.certificate.state != State.REFUND_REQUESTED:
        return False
    limit = RefundPolicy.from_mapping(refund.policy).two_reviewers_above_minor
    return limit is not None and refund.amount_minor > limit


def approval_words(file: File, viewer: Account) -> str | None:
    """Why one approval does not suffice, and who has given the first, where two are needed."""
    if file.certificate.state != State.REFUND_REQUESTED:
        return None
    if not is_large(file):
        return _recommended(file, viewer)
    if not file.approvals:
        return _("This amount needs two reviewers. Yours is the first approval; somebody else gives the second.")
    first = file.approvals[0]
    if first.reviewer_id == viewer.id:
        return _("This amount needs two reviewers. Approved by you, {at}; the second decides.", at=first.at)
    return _(
        "This amount needs two reviewers. Approved by {name}, {at}; the second decides.",
        name=first.reviewer_name,
        at=first.at,
    )


def _recommended(file: File, viewer: Account) -> str | None:
    """The same for an amount that one reviewer may pay back, where one decides and another sends the money."""
    if file.approvals:
        first = file.approvals[0]
        if first.reviewer_id == viewer.id:
            return _("Approved by you, {at}; somebody who may send money gives the second approval.", at=first.at)
        return _(
            "Approved by {name}, {at}; the second approval sends the money.", name=first.reviewer_name, at=first.at
        )
    if viewer.actor.has(Right.DECIDE) and not viewer.actor.has(Right.PAY):
        return _("You may decide, but not send money. Your approval is the first; somebody who may gives the second.")
    return None


# Who else is on it


def claim_of(session: Session, file: File, viewer: Account, now: datetime) -> ClaimView:
    """Who works on the case."""
    certificate = file.certificate
    claim = claims.held(session, certificate.id, now)
    return claim_view(certificate.id, certificate.domain, State(certificate.state), claim, viewer)


def claim_with_trace(
    session: Session, file: File, viewer: Account, now: datetime
) -> tuple[ClaimView, str | None, list[str]]:
    """Who works on the case, whether it was taken over from the reader, and what was done with claims on it before."""
    claim, trace = claim_of(session, file, viewer, now), claims.trace(session, file.certificate.id)
    return claim, _lost(trace, claim, viewer), [trace_words(one, viewer) for one in trace]


def _lost(trace: Sequence[ReviewClaimEvent], claim: ClaimView, viewer: Account) -> str | None:
    """That the case was taken over from the reader, while whoever did it still holds it."""
    last = next((one for one in trace if one.act != ClaimAct.PASSED_OVER), None)
    if last is None or last.act != ClaimAct.TAKEN_OVER or last.from_id != viewer.id or not claim.is_theirs:
        return None
    return taken_over_words(last)


def trace_words(event: ReviewClaimEvent, viewer: Account) -> str:
    """One line of the trace of claims."""
    at = event.at
    who = _("You") if event.actor_id == viewer.id else event.actor_name
    whose = _("you") if event.from_id == viewer.id else event.from_name
    match event.act:
        case ClaimAct.CLAIMED:
            return _("{who} claimed it, {at}", who=who, at=at)
        case ClaimAct.TAKEN_OVER:
            return _("{who} took it over from {whose}, {at}", who=who, whose=whose, at=at)
        case ClaimAct.RELEASED:
            return _("{who} let go of it, {at}", who=who, at=at)
        case ClaimAct.DECIDED:
            return _("{who} decided, {at}", who=who, at=at)
        case _:
            return _("{who} decided although it was claimed by {whose}, {at}", who=who, whose=whose, at=at)
