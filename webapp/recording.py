"""What each event leaves behind besides the new state.

One small function an event, chosen by :func:`record`. They are called by the desk alone, inside its transaction, and
never touch the state itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy.sql.dml import UpdateBase
from sqlmodel import SQLModel, col, update

from certlifecycle import Case, Event, RevocationReason, Right, State, verdict
from certlifecycle.calendar import promised_dates
from webapp.certificates.models import Certificate, PaymentMethod, Purchase
from webapp.columns import new_id
from webapp.domaincontrol.models import new_control
from webapp.payments.destination import destination
from webapp.refunds.models import Outcome, Refund, RefundApproval, RefundReason


@dataclass(frozen=True, slots=True)
class Submission:
    """A CSR that was read and accepted, for ``submit``."""

    csr_pem: str
    key_description: str


@dataclass(frozen=True, slots=True)
class Issuance:
    """The certificate that the authority issued, for ``issue``. Instants are aware, the serial is hexadecimal."""

    chain_pem: str
    serial: str
    issuer: str
    fingerprint: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Application:
    """The chosen reason of a refund application, for ``request_refund``; its text is the event's reason."""

    reason_code: RefundReason


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the customer can do now, for ``reject_refund``; why is the event's reason."""

    instructions: str


@dataclass(frozen=True, slots=True)
class Payment:
    """The provider's confirmation that the money went back, for ``complete_refund``."""

    reference: str
    paid_to: str


Handed = Submission | Issuance | Application | Refusal | Payment


def evidence_of(handed: Handed | None) -> str:
    """What the life cycle asks to see before it lets the event happen; nothing where the reason suffices."""
    match handed:
        case Submission(csr_pem=paper) | Issuance(chain_pem=paper) | Payment(reference=paper):
            return paper
        case _:
            return ""


@dataclass(frozen=True, slots=True)
class Change:
    """One event on its way through the door."""

    event: Event
    target: State
    case: Case
    refund: Refund | None
    handed: Handed | None
    payable: frozenset[PaymentMethod]


@dataclass(frozen=True, slots=True)
class Recorded:
    """Columns of the certificate to set, and facts for the history.

    ``rows`` are added and ``statements`` run once the certificate has moved: whoever comes too late is to hear that,
    and not of a constraint that the faster one has used up.
    """

    columns: dict[str, Any] = field(default_factory=dict)
    rows: list[SQLModel] = field(default_factory=list)
    statements: list[UpdateBase] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


Recorder = Callable[[Certificate, Purchase, Change], Recorded]


def record(certificate: Certificate, purchase: Purchase, change: Change) -> Recorded:
    """Work out what the event leaves behind. Raises :class:`TypeError` when it brought the wrong thing along."""
    return _RECORDERS[change.event](certificate, purchase, change)


T = TypeVar("T")


def _brought(change: Change, kind: type[T]) -> T:
    if not isinstance(change.handed, kind):
        raise TypeError(f"{change.event.value} must hand in a {kind.__name__}")
    return change.handed


def _application(change: Change) -> Refund:
    if change.refund is None:
        raise LookupError(f"{change.event.value} needs a refund application, and there is none")
    return change.refund


def _submit(cert: Certificate, _purchase: Purchase, change: Change) -> Recorded:
    submission = _brought(change, Submission)
    # A new name toward the authority: a second submission may bring another key.
    identity = new_id()
    return Recorded(
        {
            "csr_pem": submission.csr_pem,
            "key_description": submission.key_description,
            "submission_id": identity,
            "submitted_at": change.case.now,
            "problem": None,
        },
        # The value by which the customer shows that the domain is theirs.
        rows=[new_control(identity, cert.id, change.case.now)],
        facts={"key": submission.key_description},
    )


def _nothing(_cert: Certificate, _purchase: Purchase, _change: Change) -> Recorded:
    return Recorded()


def _problem(_cert: Certificate, _purchase: Purchase, change: Change) -> Recorded:
    return Recorded({"problem": change.case.reason})


def _issue(_cert: Certificate, _purchase: Purchase, change: Change) -> Recorded:
    issued = _brought(change, Issuance)
    return Recorded(
        {
            # The issue date is the instant the desk received the certificate; notBefore may be backdated by the
            # authority to allow for wrong clocks, and would cost the customer part of the refund window.
            "issued_at": change.case.now,
            "not_before": issued.not_before,
            "not_after": issued.not_after,
            "serial": issued.serial,
            "issuer": issued.issuer,
            "fingerprint": issued.fingerprint,
            "chain_pem": issued.chain_pem,
        },
        facts={"serial": issued.serial},
    )


def _revoke(_cert: Certificate, _purchase: Purchase, change: Change) -> Recorded:
    return Recorded({"revocation_reason": RevocationReason(change.case.reason), "problem": None})


def _confirm_revocation(cert: Certificate, _purchase: Purchase, change: Change) -> Recorded:
    return Recorded({"revoked_at": change.case.now}, facts={"serial": cert.serial})


def _refuse_revocation(_cert: Certificate, _purchase: Purchase, change: Change) -> Recorded:
    return Recorded({"revocation_reason": None, "problem": change.case.reason})


def _request_refund(cert: Certificate, purchase: Purchase, change: Change) -> Recorded:
    case = change.case
    application = _brought(change, Application)
    answer = verdict(case.facts, case.now, case.policy)
    promise = promised_dates(case.now, case.policy)
    target = destination(purchase, change.payable)
    # A renewed application comes from where the refused one came from.
    origin = change.refund.origin if change.refund else State(cert.state)
    identity = new_id()
    refund = Refund(
        id=identity,
        # The number is for people; it is part of the id, so that it needs no counter.
        number=f"R{case.now:%y%m%d}-{identity[:8].upper()}",
        certificate_id=cert.id,
        customer_id=purchase.customer_id,
        holder_id=cert.holder_id,
        applicant_id=case.actor.id,
        origin=origin,
        reason_code=application.reason_code,
        reason=case.reason.strip(),
        amount_minor=answer.amount.minor,
        currency=answer.amount.currency,
        method=target.method,
        destination=target.label,
        rule=answer.rule.value,
        verdict=str(answer.sentence),
        deadline=answer.deadline,
        policy_version=answer.policy_version,
        policy=case.policy.as_mapping(),
        applied_at=case.now,
        soonest=promise.soonest,
        latest=promise.latest,
    )
    facts = {
        "refund": refund.id,
        "number": refund.number,
        "amount": str(refund.amount),
        "destination": refund.destination,
        "rule": refund.rule,
        "policy": refund.policy_version,
        "latest": promise.latest.isoformat(),
    }
    return Recorded(rows=[refund], facts=facts)


def _withdraw_refund(_cert: Certificate, _purchase: Purchase, change: Change) -> Recorded:
    refund = _application(change)
    refund.outcome = Outcome.WITHDRAWN
    refund.closed_at = change.case.now
    return Recorded(facts=_about(refund))


def _approve_refund(_cert: Certificate, _purchase: Purchase, change: Change) -> Recorded:
    refund = _application(change)
    approval = RefundApproval(
        refund_id=refund.id,
        round=refund.round,
        reviewer_id=change.case.actor.id,
        reviewer_name=change.case.actor.name,
        at=change.case.now,
        may_pay=change.case.actor.has(Right.PAY),
    )
    if change.target is State.REFUND_APPROVED:
        refund.outcome = Outcome.APPROVED
        refund.decided_at = change.case.now
    return Recorded(rows=[approval], facts=_about(refund))


def _reject_refund(_cert: Certificate, _purchase: Purchase, change: Change) -> Recorded:
    refund = _application(change)
    refund.outcome = Outcome.REJECTED
    refund.decided_at = refund.closed_at = change.case.now
    refund.decision_reason = change.case.reason.strip()
    refund.instructions = _brought(change, Refusal).instructions.strip()
    return Recorded(facts=_about(refund))


def _complete_refund(_cert: Certificate, purchase: Purchase, change: Change) -> Recorded:
    refund = _application(change)
    payment = _brought(change, Payment)
    refund.outcome = Outcome.REFUNDED
    refund.paid_at = refund.closed_at = change.case.now
    refund.paid_to = payment.paid_to
    refund.payout_reference = payment.reference
    # Computed by the database, whose CHECK keeps the sum of refunds at or below what was paid.
    paid_back = (
        update(Purchase)
        .where(col(Purchase.id) == purchase.id)
        .values(refunded_minor=Purchase.refunded_minor + refund.amount_minor)
    )
    facts = _about(refund) | {"reference": payment.reference, "to": payment.paid_to}
    return Recorded(statements=[paid_back], facts=facts)


def _return_refund(_cert: Certificate, _purchase: Purchase, change: Change) -> Recorded:
    refund = _application(change)
    refund.outcome = Outcome.OPEN
    refund.decided_at = None
    refund.round += 1
    return Recorded(facts=_about(refund))


def _about(refund: Refund) -> dict[str, Any]:
    return {"refund": refund.id, "number": refund.number, "amount": str(refund.amount)}


_RECORDERS: Mapping[Event, Recorder] = {
    Event.SUBMIT: _submit,
    Event.WITHDRAW_SUBMISSION: _nothing,
    Event.VERIFY: _nothing,
    Event.FAIL_VERIFICATION: _problem,
    Event.ISSUE: _issue,
    Event.REFUSE_ISSUANCE: _problem,
    Event.REVOKE: _revoke,
    Event.CONFIRM_REVOCATION: _confirm_revocation,
    Event.REFUSE_REVOCATION: _refuse_revocation,
    Event.REQUEST_REFUND: _request_refund,
    Event.WITHDRAW_REFUND: _withdraw_refund,
    Event.APPROVE_REFUND: _approve_refund,
    Event.REJECT_REFUND: _reject_refund,
    Event.COMPLETE_REFUND: _complete_refund,
    Event.RETURN_REFUND: _return_refund,
    Event.KEEP_CERTIFICATE: _nothing,
}
