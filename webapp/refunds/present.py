"""What somebody reads before they apply for a refund, and the words for dates and rules that go with it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from flask import url_for
from sqlmodel import Session

from certlifecycle import Basis, Money, RefundPolicy, Rule, Sentence, Verdict, Waiver, granted
from certlifecycle.calendar import Promise, promised_dates
from certlifecycle.policy import exceptionally
from webapp.access import parts
from webapp.accounts.models import Account
from webapp.certificates.models import PaymentMethod, Purchase
from webapp.certificates.names import display_name
from webapp.certificates.present import RefundView, account_words, destination_of, refund_view
from webapp.desk import File
from webapp.payments.destination import label_of
from webapp.refunds.helping import Help, help_for
from webapp.refunds.models import Refund
from webapp.retelling import Recogniser
from webapp.wording import _, ngettext, words


@dataclass(frozen=True, slots=True)
class NextStep:
    """What would make a certificate refundable, as a button; ``posts`` says that pressing it already does it."""

    label: str
    url: str
    posts: bool = False


@dataclass(frozen=True, slots=True)
class ApplicationPage:
    """What somebody reads before they apply. ``shown`` is the verdict as every page words it."""

    file: File
    domain: str
    verdict: Verdict
    shown: RefundView
    paid_with: str
    deductions: tuple[tuple[str, Money], ...]
    promise: str
    review_days: str
    rules: tuple[str, ...]
    next_step: NextStep | None
    help: Help | None


def application(session: Session, file: File, viewer: Account) -> ApplicationPage:
    """The page on which a refund of this certificate is applied for, or told why it cannot be."""
    desk, checker = parts().desk, parts().checker
    now, policy = desk.clock(), desk.policy
    answer = desk.verdict(file.certificate, file.purchase, file.refund)
    paid_with = label_of(PaymentMethod(file.purchase.payment_method), file.purchase.payment_account)
    return ApplicationPage(
        file=file,
        domain=display_name(file.certificate.domain),
        verdict=answer,
        shown=refund_view(answer, destination_of(file, desk.payable), viewer, now, policy, file.purchase.customer_id),
        paid_with=account_words(paid_with, viewer, file.purchase.customer_id),
        deductions=deductions(file.purchase, policy),
        promise=promise_words(promised_dates(now, policy)),
        review_days=review_days(policy),
        rules=policy_words(policy, file.purchase.currency),
        next_step=next_step(file, answer),
        help=help_for(session, file, now, checker.caa_identifier if checker else None),
    )


def next_step(file: File, answer: Verdict) -> NextStep | None:
    """The button that leads on from a refused application, where there is one to press."""
    certificate = file.certificate
    match answer.rule:
        case Rule.BEING_VERIFIED:
            url = url_for("certificates.withdraw_submission", certificate_id=certificate.id)
            return NextStep(_("Withdraw the submission"), url, posts=True)
        case Rule.NOT_REVOKED:
            return NextStep(_("Revoke the certificate"), url_for("certificates.revoke", certificate_id=certificate.id))
        case Rule.ALREADY_APPLIED | Rule.ALREADY_APPROVED | Rule.ALREADY_REFUNDED if file.refund is not None:
            return NextStep(_("See the refund"), url_for("refunds.details", refund_id=file.refund.id))
    return None


def deductions(purchase: Purchase, policy: RefundPolicy) -> tuple[tuple[str, Money], ...]:
    """What of the order's price is not paid back, and why."""
    found = []
    if purchase.voucher_minor and not policy.voucher_refundable:
        found.append((_("Paid with a voucher, not paid back"), Money(purchase.voucher_minor, purchase.currency)))
    if policy.fee_minor:
        found.append((_("Fee, not paid back"), Money(policy.fee_minor, purchase.currency)))
    return tuple(found)


def policy_words(policy: RefundPolicy, currency: str) -> tuple[str, ...]:
    """The refund policy as a customer reads it, a sentence or two for each rule."""
    days = ngettext("{count} day", "{count} days", policy.window_days)
    rules = []
    if policy.basis is Basis.ISSUE:
        rules.append(_("Never submitted for verification, or failed it: the money comes back, at any time."))
        if policy.revocation_inside:
            rules.append(
                _(
                    "Issued: the money comes back within {days} of the issue date. In that time the certificate "
                    "authority must have confirmed the revocation, and you must have applied.",
                    days=days,
                )
            )
        else:
            rules.append(
                _(
                    "Issued: the money comes back within {days} of the issue date. Revoke the certificate, then apply.",
                    days=days,
                )
            )
        rules.append(_("More than {days} after the issue date: never.", days=days))
    else:
        rules.append(_("The money comes back within {days} of the payment.", days=days))
        rules.append(_("Not while the certificate is being verified or is in use: withdraw or revoke it first."))
        if policy.revocation_inside:
            rules.append(_("The certificate authority must have confirmed the revocation in that time."))
    if not policy.voucher_refundable:
        rules.append(_("What was paid with a voucher is not paid back."))
    if policy.fee_minor:
        rules.append(_("A fee of {amount} is kept.", amount=Money(policy.fee_minor, currency)))
    if policy.two_reviewers_above_minor is not None:
        limit = Money(policy.two_reviewers_above_minor, currency)
        rules.append(_("Above {limit} two reviewers have to approve.", limit=limit))
    return tuple(rules)


def review_days(policy: RefundPolicy) -> str:
    """How long the review takes: ``3 to 5 business days``."""
    soonest, latest = policy.review_days
    if soonest == latest:
        return ngettext("{count} business day", "{count} business days", latest)
    return _("{soonest} to {latest} business days", soonest=soonest, latest=latest)


def verdict_words(refund: Refund) -> str:
    """The verdict that is frozen on an application, with its deadline as this reader tells the time."""
    if refund.rule == Rule.EXCEPTION:
        return _exception_words(refund)
    return words().say(granted(Rule(refund.rule), refund.deadline))


_EXCEPTION = Recogniser([exceptionally(Waiver(datetime.max.replace(tzinfo=UTC), "", "", "")).template])


def _exception_words(refund: Refund) -> str:
    """Who made the exception, and why, stands in the sentence that was frozen, and there alone.

    Looked for among all that may be stored, a reason's last full stop would make a shorter sentence of it.
    """
    match _EXCEPTION.find(refund.verdict):
        case ((Sentence(template=template, values=values),),):
            return words().say(Sentence(template, {**values, "deadline": refund.deadline}))
    return words().retell(refund.verdict)


def promise_words(promise: Promise) -> str:
    """``between Thursday, 7 May 2026 and Monday, 11 May 2026``."""
    return between(promise.soonest, promise.latest)


def between(soonest: date, latest: date) -> str:
    """Two days in words, or one where they are the same."""
    if soonest == latest:
        return _("on {day}", day=latest)
    return _("between {soonest} and {latest}", soonest=soonest, latest=latest)
