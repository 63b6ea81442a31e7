"""What Alipay's refusals mean for the customer's money.

Codes: "Public error codes" (docs.open.alipay.com/common/105806) and the error tables of ``alipay.trade.refund`` and
``alipay.trade.fastpay.refund.query`` (docs.open.alipay.com/api_1/alipay.trade.refund). A code that stands in none of
the lists is never taken for a refusal: it is asked for again until somebody has looked.
"""

from typing import Any

from webapp.payments.port import Answer, Deferred, Failed, Unknown
from webapp.retelling import stored

SUCCESS = "10000"
UNAVAILABLE = "20000"
BUSINESS = "40004"

NO_SUCH_TRADE = {"ACQ.TRADE_NOT_EXIST", "TRADE_NOT_EXIST"}

REFUSED = {
    "ACQ.TRADE_NOT_EXIST": stored("Alipay does not know the payment of this order."),
    "ACQ.TRADE_HAS_FINISHED": stored(
        "Alipay has closed the payment: the time in which it can be refunded there is over."
    ),
    "ACQ.TRADE_NOT_ALLOW_REFUND": stored("Alipay does not allow a refund of this payment."),
    "ACQ.BUYER_NOT_EXIST": stored("The Alipay account that paid no longer exists."),
    "ACQ.BUYER_ERROR": stored("The Alipay account that paid cannot take money."),
    "ACQ.BUYER_ENABLE_STATUS_FORBID": stored("The Alipay account that paid is blocked."),
    "ACQ.USER_NOT_EXIST": stored("The Alipay account that paid no longer exists."),
}
"""The account that paid cannot have the money back: it may go to the customer's balance."""

LOOK_FIRST = {
    "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL": stored("Alipay says that more would be refunded than is left of the payment."),
    "ACQ.REASON_TRADE_REFUND_FEE_ERR": stored("Alipay says that the amount cannot be refunded from this payment."),
    "ACQ.REFUND_FEE_ERROR": stored("Alipay says that the amount cannot be refunded from this payment."),
    "ACQ.TRADE_STATUS_ERROR": stored("Alipay says that the payment is not in a state in which it can be refunded."),
    "ACQ.TRADE_HAS_CLOSE": stored("Alipay says that the payment is closed; that is so after a full refund, too."),
    "ACQ.REASON_TRADE_BEEN_FREEZEN": stored("Alipay has frozen the payment."),
}
"""Definite as well, but the money may have gone back by other hands or must not move at all: a person looks first."""

NOT_NOW = {
    # Nothing is wrong with the customer's account, so the money must not end up elsewhere: "top up the merchant's
    # Alipay account and send the refund again".
    "ACQ.SELLER_BALANCE_NOT_ENOUGH": stored("The shop's Alipay account does not hold enough money. Top it up."),
    "ACQ.ACCESS_FORBIDDEN": stored("The shop has no contract with Alipay for refunds. Sign it."),
    "ACQ.PARTNER_ERROR": stored("Alipay does not know the shop's application. Check the app id."),
    "ACQ.INVALID_PARAMETER": stored("Alipay could not read the refund's details. Check the payment reference."),
    "ACQ.SELLER_BEEN_BLOCKED": stored("The shop's Alipay account is blocked. Ask Alipay why."),
    "ACQ.MERCHANT_STATUS_NOT_NORMAL": stored("The shop's contract with Alipay is not in force. Ask Alipay why."),
}

AT_THE_GATE = {
    "20001": stored("Alipay does not accept the shop's authorisation."),
    "40001": stored("Alipay misses a field in the request."),
    "40002": stored("Alipay does not accept the request: the key, the app id or a field is wrong."),
    "40003": stored("Alipay does not allow this call."),
    "40005": stored("Alipay takes fewer calls than the shop makes."),
    "40006": stored("The shop's application is not allowed to refund."),
}
"""Refused by the gateway before the refund was looked at, so nothing was paid."""


def refusal(content: dict[str, Any]) -> Answer:
    """What an answer to a refund means that is no success."""
    code, sub_code = str(content.get("code", "")), str(content.get("sub_code", ""))
    told = told_by(content)
    # Only the codes: what is refused once more with the same words has been looked at, and Alipay's own may vary.
    codes = f"{code}, {sub_code}"
    if code in AT_THE_GATE:
        return Deferred(stored("{why} Nothing was paid; it is sent again. ({told})", why=AT_THE_GATE[code], told=told))
    if code == BUSINESS:
        if sub_code in REFUSED:
            return Failed(f"{REFUSED[sub_code]} ({codes})")
        if sub_code in LOOK_FIRST:
            return Failed(f"{LOOK_FIRST[sub_code]} ({codes})", elsewhere=False)
        if sub_code in NOT_NOW:
            return Deferred(
                stored(
                    "{why} Nothing was paid; it is sent again by itself. ({told})",
                    why=NOT_NOW[sub_code],
                    told=told,
                )
            )
    return Unknown(stored("Alipay did not say whether it paid; it is asked again. ({told})", told=told))


def told_by(content: dict[str, Any]) -> str:
    """Alipay's own words, for the log and for whoever has to ask Alipay."""
    words = (content.get(name) for name in ("code", "sub_code", "sub_msg"))
    return ", ".join(str(word)[:200] for word in words if word)
