"""Where a refund application stands, in words. Nothing here decides anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from certlifecycle import REVIEWERS, Event, Mover, Rule, State
from certlifecycle.calendar import Promise, is_overdue
from webapp.access import parts
from webapp.accounts.models import Account
from webapp.certificates.models import PaymentMethod, Purchase
from webapp.certificates.names import display_name
from webapp.certificates.present import account_words
from webapp.payments.destination import label_of
from webapp.payments.models import Payout, PayoutStatus
from webapp.refunds.forms import REASON_WORDS
from webapp.refunds.models import Outcome, Refund, RefundApproval, RefundReason
from webapp.refunds.present import between, promise_words, verdict_words
from webapp.refunds.queries import Listed, RefundFile
from webapp.wording import words


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an application stands: a badge, a sentence, and whose move it is."""

    tone: str
    mark: str
    label: str
    sentence: str
    mover: Mover


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the progress; ``state`` is done, present, todo, failed or skipped."""

    state: str
    label: str
    date: str = ""
    note: str = ""


def standing(
    refund: Refund,
    approvals: Sequence[RefundApproval],
    payouts: Sequence[Payout],
    viewer: Account,
    *,
    is_current: bool = True,
) -> Standing:
    """Word what became of an application so far. Approved, sent and refunded are three different things."""
    where = account_words(refund.destination, viewer)
    match refund.outcome:
        case Outcome.OPEN:
            return _open(refund, approvals)
        case Outcome.APPROVED:
            return _approved(payouts_now(refund, payouts), where)
        case Outcome.REFUNDED:
            return Standing(
                "good",
                "circle-check-big",
                "Refunded",
                f"The payment provider confirmed that {refund.amount} went to {_paid_to(refund, viewer)}.",
                Mover.NOBODY,
            )
        case Outcome.REJECTED:
            mover = Mover.CUSTOMER if is_current else Mover.NOBODY
            return Standing("bad", "octagon-x", "Refused", "The application was refused.", mover)
        case _:
            return Standing(
                "neutral",
                "undo-2",
                "Withdrawn",
                "The application was taken back before anybody had decided. The certificate is as it was.",
                Mover.NOBODY,
            )


def _open(refund: Refund, approvals: Sequence[RefundApproval]) -> Standing:
    promise = Promise(refund.soonest, refund.latest)
    desk = parts().desk
    if refund.round > 1:
        label, sentence = (
            "In review again",
            "It was approved, but no account could take the money. A reviewer looks at it again.",
        )
    elif approvals:
        label, sentence = "In review", "Approved by a first reviewer; a second one decides."
    else:
        label, sentence = "In review", "A reviewer decides."
    if is_overdue(promise, desk.clock(), desk.policy.zone):
        late = f"The answer was promised by {words().day(refund.latest)}, and it is late. The claim does not lapse."
        return Standing("warn", "clock-alert", label, f"{sentence} {late}", Mover.REVIEWER)
    answer = f"There will be an answer {promise_words(promise)}."
    return Standing("money", "receipt-text", label, f"{sentence} {answer}", Mover.REVIEWER)


def payouts_now(refund: Refund, payouts: Sequence[Payout]) -> list[Payout]:
    """The attempts since the latest decision; those of an earlier round have failed for good."""
    return [one for one in payouts if one.round == refund.round]


def _approved(payouts: Sequence[Payout], where: str) -> Standing:
    last = payouts[-1] if payouts else None
    label = "Approved, not yet paid"
    sentence = f"The money is about to be sent to {where}. It is not refunded before the payment provider confirms it."
    if last is not None and last.status == PayoutStatus.SENT:
        label = "Sent, not yet confirmed"
        sentence = "The money was sent. It is refunded once the payment provider confirms it."
    elif last is not None and last.status == PayoutStatus.UNKNOWN:
        label = "Sent, no answer yet"
        sentence = (
            "The payment provider has not said what became of the payment. We keep asking; nothing is guessed "
            "and nothing is paid twice."
        )
    return Standing("money", "banknote-arrow-up", label, sentence, Mover.SYSTEM)


def steps(case: RefundFile) -> list[Step]:
    """The way from the application to the money, with the dates of what happened."""
    refund = case.refund
    at = words().instant
    applied = Step("done", "Applied", at(refund.applied_at))
    match refund.outcome:
        case Outcome.WITHDRAWN:
            return [applied, Step("failed", "Withdrawn", _at(refund.closed_at))]
        case Outcome.REJECTED:
            return [
                applied,
                Step("failed", "Refused", _at(refund.decided_at)),
                Step("skipped", "Money sent"),
                Step("skipped", "Refunded"),
            ]
        case Outcome.OPEN:
            note = "One of two approvals" if case.approvals else ""
            answer = f"Answer {between(refund.soonest, refund.latest)}"
            todo = [Step("todo", label) for label in ("Approved", "Money sent", "Refunded")]
            return [applied, Step("present", "In review", answer, note), *todo]
    decided = _at(refund.decided_at)
    payouts = payouts_now(refund, case.payouts)
    sent = next((one for one in reversed(payouts) if one.status in _UNDER_WAY), None)
    done = refund.outcome == Outcome.REFUNDED
    return [
        applied,
        Step("done", "Reviewed", decided),
        Step("done" if sent or done else "present", "Approved", decided),
        Step("done" if done else "present" if sent else "todo", "Money sent", _at(sent.intended_at if sent else None)),
        Step("done" if done else "todo", "Refunded", _at(refund.paid_at)),
    ]


_UNDER_WAY = {PayoutStatus.SENT, PayoutStatus.UNKNOWN, PayoutStatus.CONFIRMED}


GONE = (Outcome.REJECTED, Outcome.WITHDRAWN)
"""Outcomes after which no money moves."""


def _at(instant: datetime | None) -> str:
    return words().instant(instant) if instant else ""


# The money


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way of paying that was tried, and what came of it."""

    account: str
    result: str
    detail: str
    reference: str
    at: datetime
    tone: str


ATTEMPT_WORDS = {
    PayoutStatus.INTENDED: ("neutral", "Prepared, nothing sent yet"),
    PayoutStatus.SENT: ("progress", "Sent, not yet confirmed"),
    PayoutStatus.UNKNOWN: ("warn", "Sent, no answer yet"),
    PayoutStatus.CONFIRMED: ("good", "Confirmed"),
    PayoutStatus.REFUSED: ("bad", "Refused by the provider"),
}


def attempts(case: RefundFile, viewer: Account) -> list[Attempt]:
    """Every way of paying that was tried, the earliest first."""
    found = []
    for payout in case.payouts:
        tone, result = ATTEMPT_WORDS[PayoutStatus(payout.status)]
        account = account_of(PaymentMethod(payout.method), case.file.purchase, viewer)
        # The provider's answers are for people; what the desk notes of a connection is not.
        detail = payout.detail or "" if payout.status == PayoutStatus.REFUSED else ""
        found.append(Attempt(account, result, detail, payout.reference or "", payout.updated_at, tone))
    return found


def detour(case: RefundFile, viewer: Account) -> str | None:
    """Why the money goes to another account than the one that paid, if it does."""
    refund, purchase = case.refund, case.file.purchase
    paid_with = account_of(PaymentMethod(purchase.payment_method), purchase, viewer)
    balance = account_of(PaymentMethod.BALANCE, purchase, viewer)
    tried = payouts_now(refund, case.payouts)
    refused = [one for one in tried if one.status == PayoutStatus.REFUSED and one.method == refund.method]
    if refused and refund.method != PaymentMethod.BALANCE and refund.outcome in (Outcome.APPROVED, Outcome.REFUNDED):
        answer = f" Its answer: {refused[0].detail}" if refused[0].detail else ""
        went = "went" if refund.outcome == Outcome.REFUNDED else "goes"
        return f"{_upper(paid_with)} could not take the money, so it {went} to {balance}.{answer}"
    if refund.method != purchase.payment_method:
        return f"The order was paid with {paid_with}. This shop cannot pay back to it, so the money goes to {balance}."
    return None


def account_of(method: PaymentMethod, purchase: Purchase, viewer: Account) -> str:
    """An account of this order's customer in words: what paid, or their balance."""
    return account_words(label_of(method, purchase.payment_account), viewer)


def _paid_to(refund: Refund, viewer: Account) -> str:
    return account_words(refund.paid_to or refund.destination, viewer)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


# Pages

RULE_WORDS = {
    Rule.NEVER_SUBMITTED: "Never submitted for verification",
    Rule.FAILED_VERIFICATION: "Failed verification",
    Rule.REVOKED_IN_WINDOW: "Revoked, and applied for inside the refund window",
}
"""The rules by which somebody can have applied."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A button of the refund page: ``refusal`` says why it cannot be pressed."""

    refusal: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """What the page of one application shows."""

    case: RefundFile
    domain: str
    standing: Standing
    steps: list[Step]
    reason: str
    promise: str
    verdict: str
    rule: str
    destination: str
    detour: str | None
    attempts: list[Attempt]
    offers: dict[str, Offer]
    is_live: bool
    is_reviewer: bool


def progress_of(case: RefundFile, viewer: Account) -> Progress:
    """Everything about one application, for its page and its live fragment alike."""
    refund = case.refund
    return Progress(
        case=case,
        domain=display_name(case.file.certificate.domain),
        standing=standing(refund, case.approvals, case.payouts, viewer, is_current=case.is_current),
        steps=steps(case),
        reason=REASON_WORDS[RefundReason(refund.reason_code)],
        promise=between(refund.soonest, refund.latest),
        verdict=verdict_words(refund),
        rule=RULE_WORDS[Rule(refund.rule)],
        destination=_paid_to(refund, viewer),
        detour=detour(case, viewer),
        attempts=attempts(case, viewer),
        offers=_offers(case, viewer),
        # A refused application goes on living while its certificate waits for the customer's answer.
        is_live=refund.closed_at is None or (case.is_current and case.file.certificate.state == State.REJECTED),
        is_reviewer=viewer.role in REVIEWERS,
    )


def _offers(case: RefundFile, viewer: Account) -> dict[str, Offer]:
    if not case.is_current:
        # The certificate may be under another application by now, which has a page of its own.
        return {}
    found = {}
    for event, permission in parts().desk.permissions(case.file, viewer.actor).items():
        if event in (Event.WITHDRAW_REFUND, Event.REQUEST_REFUND, Event.KEEP_CERTIFICATE):
            refusals = " ".join(words().say(one.sentence) for one in permission.refusals)
            found[event.value] = Offer(refusals or None)
    return found


@dataclass(frozen=True, slots=True)
class RefundRow:
    """One application in the customer's list."""

    refund: Refund
    domain: str
    standing: Standing
    destination: str
    wants_me: bool


def refund_rows(rows: Sequence[Listed], viewer: Account) -> list[RefundRow]:
    """The customer's applications as their list shows them."""
    return [
        RefundRow(
            one.refund,
            display_name(one.domain),
            standing(one.refund, one.approvals, one.payouts, viewer, is_current=one.is_current),
            _paid_to(one.refund, viewer) if one.refund.outcome not in GONE else "",
            one.is_current and one.refund.outcome == Outcome.REJECTED,
        )
        for one in rows
    ]
