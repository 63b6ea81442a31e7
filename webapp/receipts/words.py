"""What a receipt says: what is recorded of the refund, in the words and the time zone of whoever reads it.

Nothing of the moment at which it is made is in it, so that the same reader always gets the same receipt.
"""

from dataclasses import dataclass

from certlifecycle import Money, RefundPolicy, Rule
from webapp.accounts.models import Account
from webapp.catalogue import product_words
from webapp.certificates.models import PaymentMethod
from webapp.certificates.names import display_name
from webapp.config import Settings
from webapp.payments.models import PayoutStatus
from webapp.refunds.models import Outcome
from webapp.refunds.progress import RULE_WORDS
from webapp.refunds.queries import RefundFile
from webapp.wording import _, words

Facts = tuple[tuple[str, str], ...]
"""Terms and what is said of each."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Everything on the page, in the order in which it is read. ``lines`` are amounts, ``total`` what they come to."""

    language: str
    shop: str
    address: str
    title: str
    number: str
    amount: str
    state: str
    sentence: str
    sections: tuple[tuple[str, Facts], ...]
    reckoning: str
    lines: Facts
    total: tuple[str, str]
    notes: tuple[str, ...]


def has_receipt(case: RefundFile) -> bool:
    """Whether the money went back: only then is there anything to receipt."""
    return case.refund.outcome == Outcome.REFUNDED


def receipt_of(case: RefundFile, customer: Account, settings: Settings) -> Receipt:
    """Word the receipt of a refund that was paid; raises :class:`ValueError` for any other."""
    refund, purchase = case.refund, case.file.purchase
    if not has_receipt(case) or refund.paid_at is None:
        raise ValueError(f"refund {refund.number} has no receipt: its outcome is {refund.outcome.value}")
    account = _account(case)
    return Receipt(
        language="en",
        shop=settings.shop_name,
        address=settings.public_url,
        title=_("Refund receipt"),
        number=f"RC{refund.number.removeprefix('R')}",
        amount=words().money(refund.amount),
        state=_("Refunded"),
        sentence=(
            _(
                "{shop_name} has paid back {amount} for the order {number}. The payment provider confirmed it "
                "on {instant}.",
                shop_name=settings.shop_name,
                amount=words().money(refund.amount),
                number=purchase.number,
                instant=words().instant(refund.paid_at),
            )
        ),
        sections=(
            (_("The payment"), _payment(case, account)),
            (_("The order"), _order(case, customer)),
            (_("The certificate"), _certificate(case)),
            (_("The refund"), _refund(case)),
        ),
        reckoning=_("How the amount was reckoned"),
        lines=_lines(case),
        total=(_("Refunded"), words().money(refund.amount)),
        notes=(
            _("Times are those of {zone}, and each is given with its time zone.", zone=words().zone.key),
            _("This receipt is made from the desk’s records and is valid without a signature."),
        ),
    )


def _account(case: RefundFile) -> str:
    """The account that took the money: the provider's confirmation says which it was."""
    confirmed = [PaymentMethod(one.method) for one in case.payouts if one.status == PayoutStatus.CONFIRMED]
    method = confirmed[-1] if confirmed else PaymentMethod(case.refund.method)
    return account_name(method, case.file.purchase.payment_account)


def account_name(method: PaymentMethod, account: str) -> str:
    """An account as it is called on paper, where nobody is "you"; no more of its number than is kept of it."""
    match method:
        case PaymentMethod.BALANCE:
            return _("Customer’s balance in this shop")
        case PaymentMethod.ALIPAY:
            return _("Alipay account {account}", account=account).rstrip()
        case _:
            return _("Bank account {account}", account=account).rstrip()


def _payment(case: RefundFile, account: str) -> Facts:
    refund = case.refund
    return (
        (_("Paid back to"), account),
        (_("Confirmed"), words().instant(refund.paid_at) if refund.paid_at else ""),
        (_("Provider’s reference"), refund.payout_reference or _("None was given")),
    )


def _order(case: RefundFile, customer: Account) -> Facts:
    purchase = case.file.purchase
    money = Money(purchase.amount_minor - purchase.voucher_minor, purchase.currency)
    facts = [
        (_("Order"), purchase.number),
        (_("Customer"), customer.name),
        (_("Product"), product_words(purchase.product_name)),
        (_("Paid"), words().instant(purchase.paid_at)),
        (_("Paid with"), account_name(PaymentMethod(purchase.payment_method), purchase.payment_account)),
        (_("In money"), words().money(money)),
    ]
    if purchase.voucher_minor:
        facts.append((_("By voucher"), words().money(Money(purchase.voucher_minor, purchase.currency))))
    return tuple(facts)


def _certificate(case: RefundFile) -> Facts:
    certificate = case.file.certificate
    found = [(_("Domain"), display_name(certificate.domain))]
    if certificate.serial is None or certificate.issued_at is None:
        return (*found, (_("Issued"), _("Never")))
    found.append((_("Serial number"), certificate.serial))
    found.append((_("Issued"), words().instant(certificate.issued_at)))
    if certificate.revoked_at is not None:
        found.append((_("Revoked"), words().instant(certificate.revoked_at)))
    return tuple(found)


def _refund(case: RefundFile) -> Facts:
    refund = case.refund
    return (
        (_("Refund"), refund.number),
        (_("Applied for"), words().instant(refund.applied_at)),
        (_("Approved"), words().instant(refund.decided_at) if refund.decided_at else ""),
        (_("Rule"), RULE_WORDS[Rule(refund.rule)]),
        (_("Policy"), refund.policy_version),
    )


def _lines(case: RefundFile) -> Facts:
    """From what was paid to what came back, by the policy that was in force when it was applied for."""
    refund, purchase = case.refund, case.file.purchase
    policy = RefundPolicy.from_mapping(refund.policy)
    lines = [(_("Paid for the order"), words().money(purchase.paid))]
    if purchase.voucher_minor and not policy.voucher_refundable:
        lines.append(
            (_("Paid with a voucher, not paid back"), words().money(Money(-purchase.voucher_minor, purchase.currency)))
        )
    if policy.fee_minor:
        lines.append((_("Fee, not paid back"), words().money(Money(-policy.fee_minor, purchase.currency))))
    return tuple(lines)
