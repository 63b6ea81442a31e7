"""What comes next in a refund and when, in words: the date to wait for, and what happens until then and after.

Where the money is right now is worded in :mod:`webapp.refunds.progress`; nothing here decides anything.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from certlifecycle import RefundPolicy, State
from certlifecycle.calendar import Promise, latest_instant
from webapp.accounts.models import Account
from webapp.certificates.models import PaymentMethod
from webapp.payments.models import PayoutStatus
from webapp.refunds.models import Outcome, Refund
from webapp.refunds.queries import RefundFile
from webapp.wording import _, relative


@dataclass(frozen=True, slots=True)
class Expected:
    """The date to wait for, or the one that came: ``label`` names it, ``left`` is how far it is."""

    label: str
    on: date | datetime
    left: str
    is_late: bool = False


def expected(refund: Refund, now: datetime) -> Expected | None:
    """The promised day of the answer while one is waited for, and the day of the money once it is back.

    A provider promises no day, so for money that is on its way there is none; nothing is guessed.
    """
    if refund.outcome == Outcome.OPEN:
        zone = RefundPolicy.from_mapping(refund.policy).zone
        ends = latest_instant(Promise(refund.soonest, refund.latest), zone)
        is_late = now >= ends
        # The whole of the promised day still keeps the promise.
        left = _("late") if is_late else relative(ends - timedelta(microseconds=1), now)
        return Expected(_("Answer promised by"), refund.latest, left, is_late)
    if refund.outcome == Outcome.REFUNDED and refund.paid_at is not None:
        return Expected(_("Money back since"), refund.paid_at, relative(refund.paid_at, now))
    return None


def next_up(case: RefundFile, where: str, viewer: Account) -> list[str]:
    """What happens next, the nearest first; ``where`` is the account in words. Empty where nothing is to come."""
    refund = case.refund
    match refund.outcome:
        case Outcome.OPEN:
            return [
                _who_decides(refund, approved=bool(case.approvals)),
                _(
                    "If it is approved, the payment of {amount} to {where} begins, and you get a mail.",
                    amount=refund.amount,
                    where=where,
                ),
                _("If it is refused, you read why here. Then you can apply again or keep the certificate."),
            ]
        case Outcome.APPROVED:
            return [
                _("We ask the payment provider until it has confirmed the payment. You need do nothing."),
                _("You get a mail when it is confirmed. Its reference stands here then."),
            ]
        case Outcome.REFUNDED if _is_on_balance(case) and refund.customer_id != viewer.id:
            return [_("The money is on the balance of the member who paid.")]
        case Outcome.REFUNDED if _is_on_balance(case):
            return [_("The money is on your balance in this shop. You can spend it on any order.")]
        case Outcome.REFUNDED:
            return [
                _(
                    "If you cannot find the money, give the provider’s reference to the bank or payment service of "
                    "your account."
                )
            ]
        case Outcome.WITHDRAWN if case.file.certificate.state in (State.PENDING, State.FAILED, State.REVOKED):
            return [_("You can apply again as long as the refund rules allow it.")]
    return []


def _who_decides(refund: Refund, *, approved: bool) -> str:
    policy = RefundPolicy.from_mapping(refund.policy)
    limit = policy.two_reviewers_above_minor
    if approved:
        return _("A second reviewer decides, because of the amount. You need do nothing.")
    if limit is not None and refund.amount_minor > limit:
        return _("Two reviewers decide one after the other, because of the amount. You need do nothing.")
    return _("A reviewer reads your reason and decides. You need do nothing.")


def _is_on_balance(case: RefundFile) -> bool:
    confirmed = [one for one in case.payouts if one.status == PayoutStatus.CONFIRMED]
    return any(one.method == PaymentMethod.BALANCE for one in confirmed)
