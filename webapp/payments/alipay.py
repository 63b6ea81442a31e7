"""Paying back to the Alipay account that paid for the order.

``alipay.trade.refund`` with the refund's id as ``out_request_no``, its idempotency key: "a refund that failed is sent
again with the same number, so that it is not paid twice". Neither ``code=10000`` nor ``fund_change=N`` proves that
money moved ("code=10000 only says that the request succeeded; without fund_change=Y, confirm with the refund query"),
so every success is confirmed by ``alipay.trade.fastpay.refund.query``, where ``refund_status=REFUND_SUCCESS`` alone
counts. Sources: docs.open.alipay.com/api_1/alipay.trade.refund and .../alipay.trade.fastpay.refund.query.
"""

import json
import logging
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

import httpx

from webapp.certificates.models import PaymentMethod
from webapp.payments import alipay_bill
from webapp.payments.alipay_answers import BUSINESS, NO_SUCH_TRADE, SUCCESS, refusal, told_by
from webapp.payments.alipay_client import AlipayClient, AlipaySettings, NoAnswer, by_either_key, make_http
from webapp.payments.alipay_protocol import (
    CURRENCY,
    SHANGHAI,
    Malformed,
    NotSigned,
    read_amount,
    verify_fields,
    written_amount,
)
from webapp.payments.port import (
    Answer,
    Failed,
    Notification,
    NotificationRefused,
    PayoutOrder,
    Pending,
    StatementLine,
    Succeeded,
    Unheard,
    Unknown,
)
from webapp.retelling import stored

log = logging.getLogger("desk.payments")

REFUND = "alipay.trade.refund"
QUERY = "alipay.trade.fastpay.refund.query"
LONGEST_REASON = 256
DEPOSIT_BACK = "alipay.trade.refund.depositback.completed"


class AlipayGateway:
    """Alipay as the desk sees it. Safe to use from several threads."""

    method = PaymentMethod.ALIPAY
    zone: tzinfo = SHANGHAI

    def __init__(
        self,
        settings: AlipaySettings,
        clock: Callable[[], datetime],
        http: httpx.Client | None = None,
    ) -> None:
        self.settings = settings
        self._client = AlipayClient(settings, http or make_http(), clock)
        # An order that nobody answered may still lie in Alipay's queue. Alipay wants ten seconds between a refund and
        # the query; the rest is for the time that the call itself may take.
        self.in_flight = timedelta(seconds=10 + 3 * settings.seconds)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def refund(self, order: PayoutOrder) -> Answer:
        """Send the refund, and confirm it."""
        if order.amount.currency != CURRENCY:
            return Failed(
                stored("Alipay pays {currency} here, not {other}.", currency=CURRENCY, other=order.amount.currency)
            )
        try:
            content = self._client.call(
                REFUND,
                {
                    self.settings.reference: order.payment_reference,
                    "out_request_no": order.refund_no,
                    "refund_amount": written_amount(order.amount),
                    "refund_reason": order.reason[:LONGEST_REASON],
                    # Has Alipay call back when the bank has taken the money of a payment by card.
                    "query_options": ["deposit_back_info"],
                },
            )
        except NoAnswer as trouble:
            return _unknown(order, trouble)
        if content.get(self.settings.reference) not in (None, order.payment_reference):
            return _unknown(order, Malformed(stored("Alipay's answer is about another payment.")))
        if content.get("code") != SUCCESS:
            answer = refusal(content)
            log.warning("Alipay did not refund %s: %s", order.refund_no, told_by(content))
            return answer
        confirmed = self.query(order)
        if content.get("fund_change") == "Y" and isinstance(confirmed, Unheard | Unknown):
            # Too early to be confirmed, but taken: the next query tells.
            return Pending(_reference(content))
        if isinstance(confirmed, Unheard):
            return Unknown(stored("Alipay took the order without moving money, and does not know the refund yet."))
        return confirmed

    def query(self, order: PayoutOrder) -> Answer:
        """Ask what became of the refund."""
        try:
            content = self._client.call(
                QUERY,
                {
                    self.settings.reference: order.payment_reference,
                    "out_request_no": order.refund_no,
                    "query_options": ["deposit_back_info"],
                },
            )
            return self._found(order, content)
        except (NoAnswer, Malformed) as trouble:
            return _unknown(order, trouble)

    def _found(self, order: PayoutOrder, content: dict[str, Any]) -> Answer:
        if content.get("code") == BUSINESS and content.get("sub_code") in NO_SUCH_TRADE:
            return Unheard()
        if content.get("code") != SUCCESS:
            return Unknown(stored("Alipay did not say what became of the refund. ({told})", told=told_by(content)))
        if content.get("refund_status") != "REFUND_SUCCESS":
            # "Not returned: the refund was not received, or it failed." Either way the same order may be sent again.
            return Unheard()
        if content.get("out_request_no") != order.refund_no:
            raise Malformed(stored("Alipay's answer is about another refund."))
        paid = read_amount(content.get("refund_amount"))
        if paid != order.amount:
            return Unknown(
                stored(
                    "Alipay refunded {paid} instead of {amount}. Somebody has to look into it.",
                    paid=paid,
                    amount=order.amount,
                )
            )
        back = content.get("deposit_back_info")
        if isinstance(back, dict) and _is_true(back.get("has_deposit_back")) and back.get("dback_status") == "P":
            # Paid by bank card through Alipay, and the bank has not taken the money yet. Where it refuses (F), Alipay
            # puts the money on the customer's Alipay balance by itself, so that F is as good as S.
            return Pending(_reference(content))
        return Succeeded(_reference(content))

    def statement(self, day: date) -> list[StatementLine]:
        """The refunds in Alipay's bill of a day in Asia/Shanghai; there is none before the next morning."""
        return alipay_bill.refunds(self._client, day)

    def verify_notification(self, fields: Mapping[str, str]) -> Notification:
        """Check the signature and the application of a notification, and read what it is about.

        Two kinds speak of refunds: ``trade_status_sync`` names the refund in ``out_biz_no``, and
        ``alipay.trade.refund.depositback.completed`` in its ``biz_content``. Raises
        :class:`~webapp.payments.port.NotificationRefused`.
        """
        try:
            by_either_key(self.settings, lambda key: verify_fields(key, fields))
            if fields.get("app_id") != self.settings.app_id:
                raise NotificationRefused("it is meant for another application")
            return _notification(fields)
        except (NotSigned, Malformed) as wrong:
            raise NotificationRefused(str(wrong)) from None


def _notification(fields: Mapping[str, str]) -> Notification:
    kind = fields.get("msg_method") or fields.get("notify_type", "")
    subject: Mapping[str, Any] = fields
    if kind == DEPOSIT_BACK:
        try:
            subject = json.loads(fields.get("biz_content", ""), parse_float=str)
        except (ValueError, RecursionError):
            subject = {}
        if not isinstance(subject, dict):
            subject = {}
        refund_no, amount = subject.get("out_request_no"), subject.get("dback_amount")
    else:
        refund_no, amount = subject.get("out_biz_no"), subject.get("refund_fee")
    notify_id = fields.get("notify_id", "")
    if not 1 <= len(notify_id) <= 128:
        raise Malformed("a notification without an id")
    references = {str(subject[name]) for name in ("out_trade_no", "trade_no") if subject.get(name)}
    return Notification(
        notify_id=notify_id,
        kind=kind[:100],
        refund_no=refund_no if isinstance(refund_no, str) else "",
        payment_references=frozenset(references),
        amount=read_amount(amount) if refund_no and amount else None,
    )


def _reference(content: Mapping[str, Any]) -> str:
    return str(content.get("trade_no", ""))[:128]


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"


def _unknown(order: PayoutOrder, trouble: Exception) -> Unknown:
    log.warning("Alipay on refund %s: %s", order.refund_no, trouble)
    return Unknown(str(trouble))
