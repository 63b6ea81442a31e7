"""The queue and the evidence, as reviewers read them. Nothing here decides anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flask import url_for
from sqlmodel import Session

from certlifecycle import Event, Money, Permission, RefundPolicy, Rule, State, verdict
from webapp.access import parts
from webapp.accounts.models import Account
from webapp.certificates.csr import CsrRejected, read_csr
from webapp.certificates.facts import facts_of
from webapp.certificates.models import RETRY, Certificate, History, PaymentMethod
from webapp.certificates.names import display_name
from webapp.certificates.present import Happening, account_words, timeline
from webapp.certificates.queries import history_of
from webapp.desk import File
from webapp.payments.destination import label_of
from webapp.refunds.forms import REASON_WORDS
from webapp.refunds.models import Outcome, RefundReason
from webapp.refunds.paying import Returned, returned
from webapp.refunds.progress import RULE_WORDS
from webapp.refunds.queries import payouts_of
from webapp.review.proof import ProofView, proof_view
from webapp.review.queries import (
    KINDS,
    PAGE_SIZE,
    Customer,
    Kind,
    QueueItem,
    Waiting,
    customer_of,
    end_of_day,
    verification_due,
)
from webapp.wording import happened, relative, words

SOON = timedelta(days=1)
"""A case that is due within this time stands out."""

KIND_WORDS = {Kind.VERIFICATION: "Verification", Kind.REFUND: "Refund"}
DECIDING = {Kind.VERIFICATION: Event.VERIFY, Kind.REFUND: Event.APPROVE_REFUND}
"""The event by which a case of each kind goes on."""


# The queue


@dataclass(frozen=True, slots=True)
class Row:
    """One case in the queue; ``refusal`` says why this reviewer may not decide it."""

    key: str
    url: str
    domain: str
    kind: str
    applicant: str
    amount: Money
    since: datetime
    due_at: datetime
    countdown: str
    pace: str
    refusal: str | None


@dataclass(frozen=True, slots=True)
class Queue:
    """A page of the queue with its filters: (label, address, whether chosen, how many)."""

    rows: list[Row]
    filters: list[tuple[str, str, bool, int]]
    total: int
    overdue: int
    summary: str
    previous: str | None
    next: str | None


def queue(
    everything: Sequence[Waiting], shown: Sequence[QueueItem], kind: Kind | None, page: int, viewer: Account
) -> Queue:
    """One page of the queue: ``everything`` that waits, and the items ``shown`` of ``kind``."""
    now = parts().desk.clock()
    counts = {one: sum(waiting.kind is one for waiting in everything) for one in Kind}
    total = counts[kind] if kind else len(everything)
    first = (page - 1) * PAGE_SIZE + 1

    def url(chosen: Kind | None, number: int = 1) -> str:
        return url_for("review.queue", kind=chosen.value if chosen else None, page=number if number > 1 else None)

    return Queue(
        rows=[_row(one, viewer, now) for one in shown],
        filters=[
            ("Everything", url(None), kind is None, len(everything)),
            *((KIND_WORDS[one] + "s", url(one), kind is one, counts[one]) for one in Kind),
        ],
        total=total,
        overdue=sum(one.due_at <= now for one in everything),
        summary=f"{first} to {min(first + PAGE_SIZE - 1, total)} of {total}",
        previous=url(kind, page - 1) if page > 1 else None,
        next=url(kind, page + 1) if page * PAGE_SIZE < total else None,
    )


def _row(item: QueueItem, viewer: Account, now: datetime) -> Row:
    certificate, purchase, refund = item.file.certificate, item.file.purchase, item.file.refund
    due_at = item.waiting.due_at
    note = " · one of two approvals" if item.file.approvals else ""
    return Row(
        key=certificate.id,
        url=url_for("review.item", certificate_id=certificate.id),
        domain=display_name(certificate.domain),
        kind=f"{KIND_WORDS[item.waiting.kind]}{note} · {purchase.product_name}",
        applicant="You" if certificate.customer_id == viewer.id else item.customer_name,
        amount=refund.amount if refund else purchase.paid,
        since=item.waiting.since,
        due_at=due_at,
        countdown=due_words(due_at, now),
        pace=pace(due_at, now),
        refusal=refusal(item, viewer),
    )


SHORT_REFUSALS = {
    "own_refund": "Your own application",
    "own_certificate": "Your own certificate",
    "already_approved_by_you": "Approved by you",
}
"""Why a reviewer may not decide, in a row; the case's page has the sentence."""


def refusal(item: QueueItem, viewer: Account) -> str | None:
    """Why this reviewer may not take the case forward, in a few words; ``None`` where they may."""
    permission = parts().desk.permissions(item.file, viewer.actor)[DECIDING[item.waiting.kind]]
    first = next(iter(permission.refusals), None)
    return SHORT_REFUSALS.get(first.code, words().say(first.sentence)) if first else None


def pace(due_at: datetime, now: datetime) -> str:
    """How a deadline is shown: normal, soon or overdue."""
    return "overdue" if now >= due_at else "soon" if due_at - now <= SOON else "normal"


def due_words(due_at: datetime, now: datetime) -> str:
    """``due in 6 hours``, ``2 days late``."""
    if now < due_at:
        return f"due {relative(due_at, now)}"
    late = relative(due_at, now)
    return "due just now" if late == "just now" else f"{late.removesuffix(' ago')} late"


# One case


@dataclass(frozen=True, slots=True)
class Request:
    """What a signing request says: names as (name, note, whether it fits the order), or why it cannot be read."""

    key: str
    subject: str | None
    names: Sequence[tuple[str, str | None, bool]]
    notes: tuple[str, ...]
    problem: str | None


@dataclass(frozen=True, slots=True)
class Item:
    """One case with the evidence and the decision."""

    file: File
    kind: Kind | None
    domain: str
    customer: Customer
    earlier: str
    paid_with: str
    request: Request | None
    proof: ProofView | None
    history: list[Happening]
    reason: str | None
    rule: str | None
    destination: str | None
    policy_now: str | None
    due_at: datetime | None
    countdown: str
    pace: str
    approvals: str | None
    returned: Returned | None
    refusals: dict[str, str | None]
    can_revoke: bool


def item(session: Session, file: File, viewer: Account) -> Item:
    """Everything a reviewer looks at before deciding, for the page and its live fragments alike."""
    desk = parts().desk
    now = desk.clock()
    certificate, purchase, refund = file.certificate, file.purchase, file.refund
    kind = KINDS.get(State(certificate.state))
    due_at = _due(file, kind, desk.policy)
    customer = customer_of(session, file)
    permissions = desk.permissions(file, viewer.actor)
    paid_with = label_of(PaymentMethod(purchase.payment_method), purchase.payment_account)
    return Item(
        file=file,
        kind=kind,
        domain=display_name(certificate.domain),
        customer=customer,
        earlier=earlier_words(customer),
        paid_with=account_words(paid_with, viewer),
        request=_request(certificate),
        proof=proof_view(session, file),
        history=timeline(session, certificate.id, viewer),
        reason=REASON_WORDS[RefundReason(refund.reason_code)] if refund else None,
        rule=RULE_WORDS[Rule(refund.rule)] if refund else None,
        destination=account_words(refund.paid_to or refund.destination, viewer) if refund else None,
        policy_now=policy_now(file, desk.policy, now),
        due_at=due_at,
        countdown=due_words(due_at, now) if due_at else "",
        pace=pace(due_at, now) if due_at else "normal",
        approvals=approval_words(file, viewer),
        returned=returned(refund, purchase, payouts_of(session, [refund.id]), viewer) if refund else None,
        refusals={event.value: _why(permission) for event, permission in permissions.items()},
        can_revoke=Event.REVOKE in permissions and permissions[Event.REVOKE].offered,
    )


def _why(permission: Permission) -> str | None:
    return " ".join(words().say(one.sentence) for one in permission.refusals) or None


def _due(file: File, kind: Kind | None, policy: RefundPolicy) -> datetime | None:
    if kind is Kind.REFUND and file.refund:
        return end_of_day(file.refund.latest, policy)
    if kind is Kind.VERIFICATION:
        return verification_due(file.certificate.submitted_at or file.certificate.state_since, policy)
    return None


def earlier_words(customer: Customer) -> str:
    """What became of the customer's other applications: ``2 refunded, 1 refused``."""
    names = {
        Outcome.OPEN: "in review",
        Outcome.APPROVED: "approved",
        Outcome.REFUNDED: "refunded",
        Outcome.REJECTED: "refused",
        Outcome.WITHDRAWN: "withdrawn",
    }
    told = [f"{customer.refunds[outcome]} {name}" for outcome, name in names.items() if outcome in customer.refunds]
    return ", ".join(told) or "None"


def _request(certificate: Certificate) -> Request | None:
    if certificate.csr_pem is None:
        return None
    try:
        parsed = read_csr(certificate.csr_pem, certificate.names)
    except CsrRejected as rejected:
        return Request(certificate.key_description or "", None, [], (), words().say(rejected.sentences[0]))
    asked = [(display_name(name), None, name in parsed.certificate_names) for name in parsed.names]
    notes = tuple(words().say(note) for note in parsed.notes)
    return Request(words().retell(parsed.key_description), parsed.common_name, asked, notes, None)


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
    return f"{words().say(answer.sentence)} It would pay back {answer.amount} (policy {answer.policy_version})."


def approval_words(file: File, viewer: Account) -> str | None:
    """Why one approval does not suffice, and who has given the first, where two are needed."""
    refund = file.refund
    if refund is None or file.certificate.state != State.REFUND_REQUESTED:
        return None
    limit = RefundPolicy.from_mapping(refund.policy).two_reviewers_above_minor
    if limit is None or refund.amount_minor <= limit:
        return None
    if not file.approvals:
        return "This amount needs two reviewers. Yours is the first approval; somebody else gives the second."
    first = file.approvals[0]
    who = "you" if first.reviewer_id == viewer.id else first.reviewer_name
    return f"This amount needs two reviewers. Approved by {who}, {words().instant(first.at)}; the second decides."


# What happened meanwhile


DECIDED: Mapping[str, str] = {
    Event.VERIFY: "Already verified",
    Event.FAIL_VERIFICATION: "The verification was already failed",
    Event.APPROVE_REFUND: "Already approved",
    Event.REJECT_REFUND: "Already refused",
    Event.WITHDRAW_REFUND: "The application was withdrawn",
    Event.WITHDRAW_SUBMISSION: "The submission was withdrawn",
}


def news(rows: Sequence[History]) -> str | None:
    """Who did what, and when, since somebody looked; ``None`` where nobody did anything that concerns a decision."""
    told = (row for row in rows if row.event != RETRY)
    return " ".join(f"{_told(row)} by {row.actor_name}, {words().instant(row.at)}." for row in told) or None


def _told(row: History) -> str:
    if row.event == Event.APPROVE_REFUND and row.to_state == State.REFUND_REQUESTED:
        return happened(row.event, row.to_state)
    return DECIDED.get(row.event) or happened(row.event, row.to_state)


def news_since(session: Session, certificate_id: str, version: int) -> str | None:
    """What happened since the certificate had this version. Every change made one history row and one version."""
    rows = history_of(session, certificate_id)
    return news(rows[: max(len(rows) - version, 0)][::-1])
