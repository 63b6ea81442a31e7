"""To which account the money goes back, in words that a customer recognises."""

from dataclasses import dataclass

from webapp.certificates.models import PaymentMethod, Purchase
from webapp.payments.alipay_protocol import CURRENCY
from webapp.retelling import stored

# An account is frozen on an application by its name in English; each reader gets it in their own language.
BALANCE = stored("your balance in this shop")
MEMBERS_BALANCE = stored("the balance of the member who paid")
"""The same for another member of an organisation."""


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
            return BALANCE
        case PaymentMethod.ALIPAY:
            return stored("the Alipay account {account}", account=account) if account else stored("the Alipay account")
        case _:
            return stored("the bank account {account}", account=account) if account else stored("the bank account")


def capital(label: str) -> str:
    """An account's name at the beginning of a sentence."""
    return label[:1].upper() + label[1:]


AT_THE_BEGINNING = (
    stored("Your balance in this shop"),
    stored("The Alipay account"),
    stored("The bank account"),
    stored("The Alipay account {account}", account="…"),
    stored("The bank account {account}", account="…"),
)
"""What :func:`capital` makes of them, set out so that these are recognised, too."""

ELSEWHERE = stored("ending {digits}", digits="88")
"""How orders from elsewhere may name an account."""
