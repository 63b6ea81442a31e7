"""Where payment providers call back.

A notification says that something may have happened, and moves nothing by itself: it has the provider asked now what
became of the refund. So one that is late, comes twice or overtakes another does no harm, and one that is forged is not
even kept. Alipay takes the word ``success`` for received and repeats anything else, eight times within 25 hours.
Source: docs.open.alipay.com/270/105902, "Asynchronous notification".
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from flask import Blueprint, Response, request
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from webapp.access import public
from webapp.certificates.models import PaymentMethod
from webapp.db import Database
from webapp.payments.models_outside import NotificationEffect, ProviderNotification
from webapp.payments.payouts import find_refund
from webapp.payments.port import Notification, NotificationRefused, NotifyingGateway

log = logging.getLogger("desk.payments")

LARGEST_NOTIFICATION = 64 * 1024
MOST_FIELDS = 100


class Inbox:
    """Takes notifications of one provider in, each once."""

    def __init__(
        self,
        gateway: NotifyingGateway,
        database: Database,
        wake: Callable[[str], object],
        clock: Callable[[], datetime],
    ) -> None:
        """``wake`` has a refund's payout looked at now, by the refund's number."""
        self._gateway = gateway
        self._database = database
        self._wake = wake
        self._clock = clock

    def take_in(self, fields: Mapping[str, str]) -> NotificationEffect:
        """What the notification came to; the same one again comes to the same, and nobody is woken twice.

        Raises :class:`~webapp.payments.port.NotificationRefused` for one that is not from the provider or not for us.
        """
        notification = self._gateway.verify_notification(fields)
        effect = self._effect(notification)
        before = self._keep(notification, effect)
        if before is not None:
            return before
        log.info("%s on refund %s: %s", notification.kind, notification.refund_no, effect.value)
        if effect is NotificationEffect.ASKED:
            self._wake(notification.refund_no)
        return effect

    def _effect(self, notification: Notification) -> NotificationEffect:
        if not notification.refund_no:
            return NotificationEffect.NOT_OURS
        with self._database.reading() as session:
            refund = find_refund(session, notification.refund_no)
        if refund is None:
            return NotificationEffect.NOT_OURS
        right_order = refund.payment_reference in notification.payment_references
        if not right_order or notification.amount not in (None, refund.amount):
            return NotificationEffect.MISMATCH
        return NotificationEffect.ASKED

    def _keep(self, notification: Notification, effect: NotificationEffect) -> NotificationEffect | None:
        """Write the notification down, or say what it came to when it came first."""
        row = ProviderNotification(
            provider=self._gateway.method,
            notify_id=notification.notify_id,
            kind=notification.kind,
            refund_no=notification.refund_no[:64],
            effect=effect,
            received_at=self._clock(),
        )
        try:
            with self._database.writing() as session:
                session.add(row)
        except IntegrityError:
            with self._database.reading() as session:
                first = session.exec(
                    select(ProviderNotification).where(
                        ProviderNotification.provider == row.provider,
                        ProviderNotification.notify_id == row.notify_id,
                    )
                ).one()
            return NotificationEffect(first.effect)
        return None


def blueprint(alipay: Inbox) -> Blueprint:
    """The addresses that providers call, under ``/notifications``, without a session and without our forms' secret."""
    notifications = Blueprint("notifications", __name__, url_prefix="/notifications")

    @notifications.post(f"/{PaymentMethod.ALIPAY.value}")
    @public
    def from_alipay() -> Response:
        request.max_content_length = LARGEST_NOTIFICATION
        request.max_form_parts = MOST_FIELDS
        fields = request.form.to_dict(flat=False)
        try:
            if any(len(values) != 1 for values in fields.values()):
                raise NotificationRefused("a field stands twice")
            effect = alipay.take_in({name: values[0] for name, values in fields.items()})
        except NotificationRefused as wrong:
            log.warning("A notification from %s was refused: %s", request.remote_addr, wrong)
            return _told("fail", 400)
        return _told("fail" if effect is NotificationEffect.MISMATCH else "success", 200)

    return notifications


def _told(word: str, status: int) -> Response:
    answer = Response(word, status=status, mimetype="text/plain")
    answer.headers["Cache-Control"] = "no-store"
    return answer
