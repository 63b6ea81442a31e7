"""From refund applications to what their pages show. Nothing here decides anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from certlifecycle.calendar import Promise, is_overdue, promised_dates
from flask import url_for

from certlifecycle import REVIEWERS, Basis, Event, Money, Mover, Outlook, RefundPolicy, Rule, State, Verdict
from webapp.access import parts
from webapp.accounts.models import Account
from webapp.certificates.models import PaymentMethod, Purchase
from webapp.desk import File
from webapp.payments.destination import Destination, destination, label_of
from webapp.payments.models import Payout, PayoutStatus
from webapp.refunds.forms import REASON_WORDS
from webapp.refunds.models import Outcome, Refund, RefundApproval, RefundReason
from webapp.refunds.queries import Listed, RefundFile
from webapp.wording import relative, words

SOON = timedelta(days=3)
"""A deadline nearer than this stands out."""


# The application


@dataclass(frozen=True, slots=True)
class NextStep:
    """What would make a certificate refundable, as a button; ``posts`` says that pressing it already does it."""

    label: str
    url: str
    posts: bool = False


@dataclass(frozen=True, slots=True)
class ApplicationPage:
    """What somebody reads before they apply."""

    file: File
    verdict: Verdict
    destination: Destination
    paid_with: str
    deductions: tuple[tuple[str, Money], ...]
    promise: str
    review_days: str
    rules: tuple[str, ...]
    countdown: str | None
    rest: int | None
    is_soon: bool
    next_step: NextStep | None


def application(file: File, viewer: Account) -> ApplicationPage:
    """The page on which a refund of this certificate is applied for, or told why it cannot be."""
    desk = parts().desk
    now, policy = desk.clock(), desk.policy
    answer = desk.verdict(file.certificate, file.purchase, file.refund)
    running = answer.deadline is not None and answer.outlook in (Outlook.NOW, Outlook.AFTER_A_STEP)
    until = answer.deadline if running else None
    method = PaymentMethod(file.purchase.payment_method)
    return ApplicationPage(
        file=file,
        verdict=answer,
        destination=destination(file.purchase, desk.payable),
        paid_with=label_of(method, file.purchase.payment_account),
        deductions=deductions(file.purchase, policy),
        promise=promise_words(promised_dates(now, policy)),
        review_days=review_days(policy),
        rules=policy_words(policy, file.purchase.currency),
        countdown=time_left(until, now) if until else None,
        rest=max(0, min(100, round(100 * (until - now) / policy.window))) if until else None,
        is_soon=until is not None and until - now < SOON,
        next_step=next_step(file, answer, viewer),
    )


def next_step(file: File, answer: Verdict, viewer: Account) -> NextStep | None:
    """The button that leads on from a refused application, where there is one to press."""
    certificate = file.certificate
    match answer.rule:
        case Rule.BEING_VERIFIED:
            permission = parts().desk.permissions(file, viewer.actor).get(Event.WITHDRAW_SUBMISSION)
            if permission is None or not permission.offered:
                return None
            url = url_for("certificates.withdraw_submission", certificate_id=certificate.id)
            return NextStep("Withdraw the submission", url, posts=True)
        case Rule.NOT_REVOKED:
            return NextStep("Revoke the certificate", url_for("certificates.revoke", certificate_id=certificate.id))
        case Rule.ALREADY_APPLIED | Rule.ALREADY_APPROVED | Rule.ALREADY_REFUNDED if file.refund is not None:
            return NextStep("See the refund", url_for("refunds.details", refund_id=file.refund.id))
    return None


def deductions(purchase: Purchase, policy: RefundPolicy) -> tuple[tuple[str, Money], ...]:
    """What of the order's price is not paid back, and why."""
    found = []
    if purchase.voucher_minor and not policy.voucher_refundable:
        found.append(("Paid with a voucher, not paid back", Money(purchase.voucher_minor, purchase.currency)))
    if policy.fee_minor:
        found.append(("Fee, not paid back", Money(policy.fee_minor, purchase.currency)))
    return tuple(found)


def policy_words(policy: RefundPolicy, currency: str) -> tuple[str, ...]:
    """The refund policy as a customer reads it, a sentence or two for each rule."""
    days = f"{policy.window_days} days"
    rules = []
    if policy.basis is Basis.ISSUE:
        rules.append("Never submitted for verification, or failed it: the money comes back, at any time.")
        if policy.revocation_inside:
            rules.append(
                f"Issued: the money comes back within {days} of the issue date. In that time the certificate authority "
                "must have confirmed the revocation, and you must have applied."
            )
        else:
            rules.append(
                f"Issued: the money comes back within {days} of the issue date. Revoke the certificate, then apply."
            )
        rules.append(f"More than {days} after the issue date: never.")
    else:
        rules.append(f"The money comes back within {days} of the payment.")
        rules.append("Not while the certificate is being verified or is in use: withdraw or revoke it first.")
        if policy.revocation_inside:
            rules.append("The certificate authority must have confirmed the revocation in that time.")
    if not policy.voucher_refundable:
        rules.append("What was paid with a voucher is not paid back.")
    if policy.fee_minor:
        rules.append(f"A fee of {Money(policy.fee_minor, currency)} is kept.")
    if policy.two_reviewers_above_minor is not None:
        limit = Money(policy.two_reviewers_above_minor, currency)
        rules.append(f"Above {limit} two reviewers have to approve.")
    return tuple(rules)


def review_days(policy: RefundPolicy) -> str:
    """How long the review takes: ``3 to 5 business days``."""
    soonest, latest = policy.review_days
    span = f"{soonest} to {latest}" if soonest != latest else str(latest)
    return f"{span} business day{'' if latest == 1 else 's'}"


def promise_words(promise: Promise) -> str:
    """``between Thursday, 7 May 2026 and Monday, 11 May 2026``."""
    return between(promise.soonest, promise.latest)


def between(soonest: date, latest: date) -> str:
    """Two days in words, or one where they are the same."""
    if soonest == latest:
        return f"on {words().day(latest)}"
    return f"between {words().day(soonest)} and {words().day(latest)}"


def time_left(until: datetime, now: datetime) -> str:
    """``12 days left``."""
    return f"{relative(until, now).removeprefix('in ')} left"


# Where an application stands


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
    where = account_words(refund.method, refund.destination, viewer)
    match refund.outcome:
        case Outcome.OPEN:
            return _open(refund, approvals)
        case Outcome.APPROVED:
            return _approved(payouts, where)
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
    sent = next((one for one in reversed(case.payouts) if one.status in _UNDER_WAY), None)
    done = refund.outcome == Outcome.REFUNDED
    return [
        applied,
        Step("done", "Reviewed", decided),
        Step("done" if sent or done else "present", "Approved", decided),
        Step("done" if done else "present" if sent else "todo", "Money sent", _at(sent.intended_at if sent else None)),
        Step("done" if done else "todo", "Refunded", _at(refund.paid_at)),
    ]


_UNDER_WAY = {PayoutStatus.SENT, PayoutStatus.UNKNOWN, PayoutStatus.CONFIRMED}


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
    refused = [one for one in case.payouts if one.status == PayoutStatus.REFUSED and one.method == refund.method]
    if refused and refund.method != PaymentMethod.BALANCE and refund.outcome in (Outcome.APPROVED, Outcome.REFUNDED):
        answer = f" Its answer: {refused[0].detail}" if refused[0].detail else ""
        went = "went" if refund.outcome == Outcome.REFUNDED else "goes"
        return f"{_upper(paid_with)} could not take the money, so it {went} to {balance}.{answer}"
    if refund.method != purchase.payment_method:
        return f"The order was paid with {paid_with}, to which this shop cannot pay back. {_upper(balance)} gets the money."
    return None


def account_of(method: PaymentMethod, purchase: Purchase, viewer: Account) -> str:
    """An account of this order's customer in words: what paid, or their balance."""
    return account_words(method, label_of(method, purchase.payment_account), viewer)


def account_words(method: PaymentMethod, label: str, viewer: Account) -> str:
    """The label of an account, from where the reader stands: a customer's balance is not the reviewer's."""
    if method == PaymentMethod.BALANCE and viewer.role in REVIEWERS:
        return "the customer’s balance in this shop"
    return label


def _paid_to(refund: Refund, viewer: Account) -> str:
    balance = label_of(PaymentMethod.BALANCE, "")
    paid_to = refund.paid_to or refund.destination
    return account_words(PaymentMethod.BALANCE if paid_to == balance else refund.method, paid_to, viewer)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


# Pages


@dataclass(frozen=True, slots=True)
class Offer:
    """A button of the refund page: ``refusal`` says why it cannot be pressed."""

    refusal: str | None


@dataclass(frozen=True, slots=True)
class RefundView:
    """What the page of one application shows."""

    case: RefundFile
    standing: Standing
    steps: list[Step]
    reason: str
    destination: str
    detour: str | None
    attempts: list[Attempt]
    offers: dict[str, Offer]
    is_live: bool
    is_customer: bool


def refund_view(case: RefundFile, viewer: Account) -> RefundView:
    """Everything about one application, for its page and its live fragment alike."""
    refund = case.refund
    return RefundView(
        case=case,
        standing=standing(refund, case.approvals, case.payouts, viewer, is_current=case.is_current),
        steps=steps(case),
        reason=REASON_WORDS[RefundReason(refund.reason_code)],
        destination=_paid_to(refund, viewer),
        detour=detour(case, viewer),
        attempts=attempts(case, viewer),
        offers=_offers(case, viewer),
        # A refused application goes on living while its certificate waits for the customer's answer.
        is_live=refund.closed_at is None or (case.is_current and case.file.certificate.state == State.REJECTED),
        is_customer=viewer.id == refund.customer_id,
    )


def _offers(case: RefundFile, viewer: Account) -> dict[str, Offer]:
    if not case.is_current or viewer.id != case.refund.customer_id:
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
            one.domain,
            standing(one.refund, one.approvals, one.payouts, viewer, is_current=one.is_current),
            _paid_to(one.refund, viewer),
            one.is_current and one.refund.outcome == Outcome.REJECTED,
        )
        for one in rows
    ]
