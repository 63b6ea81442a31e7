"""To which account the money goes back, in words that a customer recognises."""

from dataclasses import dataclass

from webapp.certificates.models import PaymentMethod, Purchase
from webapp.payments.alipay_protocol import CURRENCY


@dataclass(frozen=True, slots=True)
class Destination:
    """An account that a refund is paid to. ``changed`` says that it is not the one that paid for the order."""

    method: PaymentMethod
    label: str
    changed: bool = False


def destination(purchase: Purchase, payable: frozenset[PaymentMethod]) -> Destination:
    """The account that paid for the order, or the customer's balance where the desk cannot reach that account."""
    method = PaymentMethod(purchase.payment_method)
    if method not in payable or not _can_take(method, purchase):
        return Destination(PaymentMethod.BALANCE, label_of(PaymentMethod.BALANCE, ""), changed=True)
    return Destination(method, label_of(method, purchase.payment_account))


def _can_take(method: PaymentMethod, purchase: Purchase) -> bool:
    """Whether a connected way of paying can reach the account that paid for this order at all."""
    match method:
        case PaymentMethod.BANK:
            return purchase.has_payer_account
        case PaymentMethod.ALIPAY:
            return purchase.currency == CURRENCY
        case _:
            return True


def label_of(method: PaymentMethod, account: str) -> str:
    """Name an account, without more of its number than its owner needs to recognise it."""
    match method:
        case PaymentMethod.BALANCE:
            return "your balance in this shop"
        case PaymentMethod.ALIPAY:
            return f"the Alipay account {account}".rstrip()
        case _:
            return f"the bank account {account}".rstrip()
