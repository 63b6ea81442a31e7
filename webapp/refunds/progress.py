"""Where a refund application stands, in words. Nothing here decides anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from certlifecycle import REVIEWERS, Event, Mover, Rule, State, phrase
from certlifecycle.calendar import Promise, is_overdue
from webapp.access import parts
from webapp.accounts.models import Account
from webapp.certificates.models import PaymentMethod
from webapp.certificates.names import display_name
from webapp.certificates.present import Happening, account_words, happening
from webapp.payments.models import Payout, PayoutStatus
from webapp.refunds.ahead import Expected, expected, next_up
from webapp.refunds.forms import REASON_WORDS
from webapp.refunds.models import Outcome, Refund, RefundApproval, RefundReason
from webapp.refunds.paying import (
    SENT_TO,
    Returned,
    account_of,
    again_words,
    detour,
    method_in_use,
    on_its_way,
    payouts_now,
    returned,
)
from webapp.refunds.present import between, promise_words, verdict_words
from webapp.refunds.queries import Listed, RefundFile
from webapp.wording import Vocabulary, _, words


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
    where = account_words(refund.destination, viewer, refund.customer_id)
    match refund.outcome:
        case Outcome.OPEN:
            return _open(refund, approvals, payouts)
        case Outcome.APPROVED:
            label, sentence = on_its_way(payouts_now(refund, payouts), where)
            return Standing("money", "banknote-arrow-up", label, sentence, Mover.SYSTEM)
        case Outcome.REFUNDED:
            return Standing(
                "good",
                "circle-check-big",
                _("Refunded"),
                _(
                    "The payment provider confirmed that {amount} went to {destination}.",
                    amount=refund.amount,
                    destination=_paid_to(refund, viewer),
                ),
                Mover.NOBODY,
            )
        case Outcome.REJECTED:
            mover = Mover.CUSTOMER if is_current else Mover.NOBODY
            return Standing("bad", "octagon-x", _("Refused"), _("The application was refused."), mover)
        case _:
            return Standing(
                "neutral",
                "undo-2",
                _("Withdrawn"),
                _("The application was taken back before anybody had decided. The certificate is as it was."),
                Mover.NOBODY,
            )


def _open(refund: Refund, approvals: Sequence[RefundApproval], payouts: Sequence[Payout]) -> Standing:
    promise = Promise(refund.soonest, refund.latest)
    desk = parts().desk
    if refund.round > 1:
        label, sentence = _("In review again"), again_words(refund, payouts)
    elif approvals:
        label, sentence = _("In review"), _("Approved by a first reviewer; a second one decides.")
    else:
        label, sentence = _("In review"), _("A reviewer decides.")
    if is_overdue(promise, desk.clock(), desk.policy.zone):
        late = _("The answer was promised by {latest}, and it is late. The claim does not lapse.", latest=refund.latest)
        return Standing("warn", "clock-alert", label, words().sentences(sentence, late), Mover.REVIEWER)
    answer = _("There will be an answer {when}.", when=promise_words(promise))
    return Standing("money", "receipt-text", label, words().sentences(sentence, answer), Mover.REVIEWER)


def steps(case: RefundFile) -> list[Step]:
    """The way from the application to the money, with the dates of what happened."""
    refund = case.refund
    applied = Step("done", _("Applied"), _at(refund.applied_at))
    match refund.outcome:
        case Outcome.WITHDRAWN:
            return [applied, Step("failed", _("Withdrawn"), _at(refund.closed_at))]
        case Outcome.REJECTED:
            return [
                applied,
                Step("failed", _("Refused"), _at(refund.decided_at)),
                Step("skipped", _(SENT_TO[PaymentMethod(refund.method)])),
                Step("skipped", _("Refunded")),
            ]
        case Outcome.OPEN:
            note = _("One of two approvals") if case.approvals else ""
            answer = _("Answer by {day}", day=words().brief_day(refund.latest))
            sent_to = _(SENT_TO[PaymentMethod(refund.method)])
            todo = [Step("todo", label) for label in (_("Approved"), sent_to, _("Refunded"))]
            return [applied, Step("present", _("In review"), answer, note), *todo]
    decided = _at(refund.decided_at)
    payouts = payouts_now(refund, case.payouts)
    sent = next((one for one in reversed(payouts) if one.status in _UNDER_WAY), None)
    done = refund.outcome == Outcome.REFUNDED
    sent_to = _(SENT_TO[method_in_use(refund, payouts)])
    note = _("Reference {reference}", reference=sent.reference) if sent and sent.reference and not done else ""
    return [
        applied,
        Step("done", _("Reviewed"), decided),
        Step("done" if sent or done else "present", _("Approved"), decided),
        Step("done" if done else "present" if sent else "todo", sent_to, _at(sent.intended_at if sent else None), note),
        Step("done" if done else "todo", _("Refunded"), _at(refund.paid_at)),
    ]


_UNDER_WAY = {PayoutStatus.SENT, PayoutStatus.UNKNOWN, PayoutStatus.CONFIRMED}


GONE = (Outcome.REJECTED, Outcome.WITHDRAWN)
"""Outcomes after which no money moves."""


def _at(instant: datetime | None) -> str:
    """An instant for people and for machines; nothing where there is none yet."""
    if instant is None:
        return ""
    shown = Markup('<time datetime="{}">{}</time>')
    return shown.format(instant.isoformat(timespec="seconds"), words().instant(instant))


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
    PayoutStatus.INTENDED: ("neutral", phrase("Prepared, nothing sent yet")),
    PayoutStatus.SENT: ("progress", phrase("Sent, not yet confirmed")),
    PayoutStatus.UNKNOWN: ("warn", phrase("Sent, no answer yet")),
    PayoutStatus.CONFIRMED: ("good", phrase("Confirmed")),
    PayoutStatus.REFUSED: ("bad", phrase("Refused by the provider")),
}


def attempts(case: RefundFile, viewer: Account) -> list[Attempt]:
    """Every way of paying that was tried, the earliest first."""
    found = []
    for payout in case.payouts:
        tone, result = ATTEMPT_WORDS[PayoutStatus(payout.status)]
        account = account_of(PaymentMethod(payout.method), case.file.purchase, viewer)
        # The provider's answers are for people; what the desk notes of a connection is for reviewers.
        is_told = payout.status == PayoutStatus.REFUSED or viewer.role in REVIEWERS
        detail = words().retell(payout.detail or "") if is_told else ""
        found.append(Attempt(account, _(result), detail, payout.reference or "", payout.updated_at, tone))
    return found


def _paid_to(refund: Refund, viewer: Account) -> str:
    return account_words(refund.paid_to or refund.destination, viewer, refund.customer_id)


# Pages

RULE_WORDS = Vocabulary(
    {
        Rule.NEVER_SUBMITTED: phrase("Never submitted for verification"),
        Rule.FAILED_VERIFICATION: phrase("Failed verification"),
        Rule.REVOKED_IN_WINDOW: phrase("Revoked, and applied for inside the refund window"),
        Rule.EXCEPTION: phrase("By an exception from the refund policy"),
    }
)
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
    decision_reason: str
    instructions: str
    destination: str
    detour: str | None
    returned: Returned | None
    attempts: list[Attempt]
    offers: dict[str, Offer]
    is_live: bool
    is_being_paid: bool
    is_reviewer: bool
    expected: Expected | None
    next_up: list[str]
    timeline: list[Happening]


def progress_of(case: RefundFile, viewer: Account) -> Progress:
    """Everything about one application, for its page and its live fragment alike."""
    refund = case.refund
    where = account_words(refund.destination, viewer, refund.customer_id)
    return Progress(
        case=case,
        domain=display_name(case.file.certificate.domain),
        standing=standing(refund, case.approvals, case.payouts, viewer, is_current=case.is_current),
        steps=steps(case),
        reason=REASON_WORDS[RefundReason(refund.reason_code)],
        promise=between(refund.soonest, refund.latest),
        verdict=verdict_words(refund),
        rule=RULE_WORDS[Rule(refund.rule)],
        decision_reason=words().retell(refund.decision_reason or ""),
        instructions=words().retell(refund.instructions or ""),
        destination=_paid_to(refund, viewer),
        detour=detour(refund, case.file.purchase, case.payouts, viewer),
        returned=returned(refund, case.file.purchase, case.payouts, viewer),
        is_being_paid=refund.outcome == Outcome.APPROVED,
        attempts=attempts(case, viewer),
        offers=_offers(case, viewer),
        # A refused application goes on living while its certificate waits for the customer's answer.
        is_live=refund.closed_at is None or (case.is_current and case.file.certificate.state == State.REJECTED),
        is_reviewer=viewer.role in REVIEWERS,
        expected=expected(refund, parts().desk.clock()),
        # Written for the customer: what they wait for.
        next_up=[] if viewer.role in REVIEWERS else next_up(case, where, viewer),
        timeline=[happening(row, viewer) for row in case.history],
    )


def _offers(case: RefundFile, viewer: Account) -> dict[str, Offer]:
    if not case.is_current:
        # The certificate may be under another application by now, which has a page of its own.
        return {}
    found = {}
    for event, permission in parts().desk.permissions(case.file, viewer.actor).items():
        if event in (Event.WITHDRAW_REFUND, Event.REQUEST_REFUND, Event.KEEP_CERTIFICATE):
            refusals = words().sentences(*(one.sentence for one in permission.refusals))
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
