"""How an approved refund's money goes, in words: with whom it is, why it went elsewhere, why it came back.

Nothing here decides anything; what happens to the money is decided in :mod:`webapp.effects.pay`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from certlifecycle import REVIEWERS, phrase
from webapp.accounts.models import Account
from webapp.certificates.models import PaymentMethod, Purchase
from webapp.certificates.present import account_words
from webapp.payments.destination import label_of
from webapp.payments.models import Payout, PayoutStatus
from webapp.refunds.models import Outcome, Refund
from webapp.retelling import Stored, stored
from webapp.wording import _, words

SENT_TO = {
    PaymentMethod.BALANCE: phrase("Money sent"),
    PaymentMethod.ALIPAY: phrase("Sent to Alipay"),
    PaymentMethod.BANK: phrase("Sent to the bank"),
}
"""The step of the progress in which the money leaves the shop."""

NOT_SENT = (
    phrase("Approved, not yet paid"),
    phrase("The money is about to be sent to {where}. It is not refunded before the payment provider confirms it."),
)
DEFERRED = (
    phrase("Approved, not yet paid"),
    phrase("The money could not be sent to {where} yet, for a reason on the shop’s side. It is sent again by itself."),
)
SENT = {
    PaymentMethod.BALANCE: (
        phrase("Sent, not yet confirmed"),
        phrase("The money was sent. It is refunded once the payment provider confirms it."),
    ),
    PaymentMethod.ALIPAY: (
        phrase("Sent to Alipay, not yet confirmed"),
        phrase("The money was sent to Alipay. It is refunded once Alipay confirms it."),
    ),
    PaymentMethod.BANK: (
        phrase("Sent to the bank, not yet confirmed"),
        phrase(
            "The shop’s bank has the order to pay. It is refunded once the bank confirms it, which can take some days."
        ),
    ),
}
TO_THE_BALANCE = (
    phrase("Approved, not yet paid"),
    phrase("The account that paid could not take the money, so it is about to be booked to the balance."),
)
WAITS_FOR_FILE = (
    phrase("Ordered, goes to the bank next"),
    phrase("The payment goes to the shop’s bank together with others. It is refunded once the bank confirms it."),
)
UNKNOWN = {
    PaymentMethod.BALANCE: (
        phrase("Sent, no answer yet"),
        phrase(
            "The payment provider has not said what became of the payment. We keep asking; nothing is guessed and "
            "nothing is paid twice."
        ),
    ),
    PaymentMethod.ALIPAY: (
        phrase("Sent to Alipay, no answer yet"),
        phrase(
            "Alipay has not said what became of the payment. We keep asking; nothing is guessed and nothing is paid "
            "twice."
        ),
    ),
    PaymentMethod.BANK: (
        phrase("Sent to the bank, no answer yet"),
        phrase(
            "The bank has not said what became of the payment. We keep asking; nothing is guessed and nothing is paid "
            "twice."
        ),
    ),
}


def payouts_now(refund: Refund, payouts: Sequence[Payout]) -> list[Payout]:
    """The attempts since the latest decision; those of an earlier round have failed for good."""
    return [one for one in payouts if one.round == refund.round]


def on_its_way(payouts: Sequence[Payout], where: str) -> tuple[str, str]:
    """With whom the money of an approved refund is: a label and a sentence. ``payouts`` are those of this round."""
    last = payouts[-1] if payouts else None
    if last is None:
        return _worded(NOT_SENT, where)
    method = PaymentMethod(last.method)
    match PayoutStatus(last.status):
        case PayoutStatus.INTENDED if last.detail:
            return _worded(DEFERRED, where)
        case PayoutStatus.SENT if method is PaymentMethod.BANK and not last.reference:
            return _worded(WAITS_FOR_FILE)
        case PayoutStatus.SENT:
            return _worded(SENT[method])
        case PayoutStatus.UNKNOWN:
            return _worded(UNKNOWN[method])
        case PayoutStatus.REFUSED:
            # Refused by one, and not yet handed to the next.
            return _worded(TO_THE_BALANCE)
        case _:
            return _worded(NOT_SENT, where)


def _worded(said: tuple[str, str], where: str = "") -> tuple[str, str]:
    label, sentence = said
    return _(label), _(sentence, where=where)


def method_in_use(refund: Refund, payouts: Sequence[Payout]) -> PaymentMethod:
    """The way of paying that is tried, or succeeded, or would be tried first. ``payouts`` are those of this round."""
    if not payouts:
        return PaymentMethod(refund.method)
    last = payouts[-1]
    return PaymentMethod.BALANCE if last.status == PayoutStatus.REFUSED else PaymentMethod(last.method)


# Elsewhere


def detour(refund: Refund, purchase: Purchase, payouts: Sequence[Payout], viewer: Account) -> str | None:
    """Why the money goes to another account than the one that paid, if it does."""
    paid_with = account_of(PaymentMethod(purchase.payment_method), purchase, viewer)
    balance = account_of(PaymentMethod.BALANCE, purchase, viewer)
    tried = payouts_now(refund, payouts)
    refused = [one for one in tried if one.status == PayoutStatus.REFUSED and one.method == refund.method]
    if refused and refund.method != PaymentMethod.BALANCE and refund.outcome in (Outcome.APPROVED, Outcome.REFUNDED):
        account = upper(paid_with)
        if refund.paid_at is not None:
            told = _(
                "{account} could not take the money. It is in {balance} since {since}.",
                account=account,
                balance=balance,
                since=refund.paid_at,
            )
        else:
            told = _("{account} could not take the money, so it goes to {balance}.", account=account, balance=balance)
        why = refused[0].detail
        return words().sentences(told, _("Why: {answer}", answer=Stored(why)) if why else "")
    if refund.method != purchase.payment_method:
        return _(
            "The order was paid with {account}. This shop cannot pay back to it, so the money goes to {balance}.",
            account=paid_with,
            balance=balance,
        )
    return None


def account_of(method: PaymentMethod, purchase: Purchase, viewer: Account) -> str:
    """An account of this order's customer in words: what paid, or their balance."""
    return account_words(label_of(method, purchase.payment_account), viewer, purchase.customer_id)


def upper(text: str) -> str:
    """The text as the beginning of a sentence."""
    return text[:1].upper() + text[1:]


# Back with the reviewers


def again_words(refund: Refund, payouts: Sequence[Payout]) -> str:
    """Why an application is in review again, as everybody reads it."""
    tried = [one for one in payouts if one.round == refund.round - 1]
    if len(tried) > 1 or refund.method == PaymentMethod.BALANCE:
        return _("It was approved, but no account could take the money. A reviewer looks at it again.")
    return _("It was approved, but the payment did not go through. A reviewer finds out why, and decides again.")


@dataclass(frozen=True, slots=True)
class Returned:
    """An application whose payment did not go through: why, and for reviewers what approving it again means."""

    why: str
    look_first: str
    approving: str


LOOK_FIRST = {
    PaymentMethod.ALIPAY: phrase(
        "Look at Alipay first whether the customer has the money already. If they have, refuse the application and "
        "tell them so."
    ),
    PaymentMethod.BANK: phrase(
        "Look at the bank first what became of the payment. If the customer has the money already, refuse the "
        "application and tell them so."
    ),
}
APPROVING: Mapping[PaymentMethod, str] = {
    PaymentMethod.ALIPAY: phrase(
        "Approving it again asks Alipay once more. If Alipay refuses for the same reason, the money goes to the "
        "customer’s balance without another look; if for another reason, the application comes back."
    ),
    PaymentMethod.BANK: phrase(
        "The bank is not asked again: an order to it is given once. Approving it again pays the money to the "
        "customer’s balance."
    ),
}
ALL_FAILED = phrase("Approving it again tries {account} anew, and the customer’s balance after it.")
BALANCE_FAILED = phrase("Approving it again tries the customer’s balance anew.")
PAID_MEANWHILE = phrase("Meanwhile the payment was confirmed after all. Approve it again: nothing more is paid.")


def returned(refund: Refund, purchase: Purchase, payouts: Sequence[Payout], viewer: Account) -> Returned | None:
    """Why an application is back with the reviewers, if it is. ``payouts`` are those of all rounds."""
    if refund.outcome != Outcome.OPEN or refund.round == 1:
        return None
    tried = [one for one in payouts if one.round == refund.round - 1]
    # What went to a person kept its own answer, and nothing was tried after it.
    last = tried[-1] if tried else None
    why = words().retell((last.detail if last else None) or stored("The payment did not go through."))
    if viewer.role not in REVIEWERS:
        return Returned(why, "", "")
    if any(one.status == PayoutStatus.CONFIRMED for one in payouts):
        return Returned(why, "", _(PAID_MEANWHILE))
    method = PaymentMethod(last.method if last else refund.method)
    if refund.method == PaymentMethod.BALANCE:
        return Returned(why, "", _(BALANCE_FAILED))
    if len(tried) > 1:
        account = account_of(PaymentMethod(refund.method), purchase, viewer)
        return Returned(why, "", _(ALL_FAILED, account=account))
    return Returned(why, _(LOOK_FIRST[method]), _(APPROVING[method]))
