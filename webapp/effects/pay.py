"""Pay an approved refund back: once, whatever happens on the way.

The intent is written before anything is sent. What nobody knows is asked for at the provider, never guessed. If the
account that paid for the order definitely cannot take the money, it goes to the customer's balance; only when that
fails as well does the application return to the reviewers.
"""

from collections.abc import Mapping
from datetime import timedelta

from sqlmodel import col, select, update

from certlifecycle import Event, State
from webapp.certificates.models import PaymentMethod, Purchase
from webapp.desk import WORKER, Desk
from webapp.errors import Superseded
from webapp.payments.destination import label_of
from webapp.payments.models import Payout, PayoutStatus
from webapp.payments.port import (
    Answer,
    Failed,
    PaymentGateway,
    PayoutOrder,
    Pending,
    Succeeded,
    Unknown,
)
from webapp.recording import Payment
from webapp.refunds.models import Refund

ASK_AGAIN = timedelta(seconds=30)


def pay(desk: Desk, gateways: Mapping[PaymentMethod, PaymentGateway], certificate_id: str) -> None:
    """Take the payout of one approved refund as far as it goes now, and record the provider's word."""
    with desk.database.reading() as session:
        file = desk.open_file(session, certificate_id)
    certificate, refund = file.certificate, file.refund
    if certificate.state != State.REFUND_APPROVED:
        return
    if refund is None:
        raise LookupError("an approved refund without an application")
    answer: Answer = Failed("No way of paying is connected.")
    for method in dict.fromkeys((PaymentMethod(refund.method), PaymentMethod.BALANCE)):
        payout = _intend(desk, refund, method)
        if payout.status == PayoutStatus.REFUSED:
            answer = Failed(payout.detail or "")
            continue
        answer = _attempt(desk, gateways.get(method), payout, file.purchase, refund)
        if not isinstance(answer, Failed):
            break
    _record(desk, certificate_id, certificate.version, answer, method, file.purchase)


def _intend(desk: Desk, refund: Refund, method: PaymentMethod) -> Payout:
    """Write down what is about to be tried, or find what was tried before."""
    with desk.database.writing() as session:
        payout = session.exec(select(Payout).where(Payout.refund_id == refund.id, Payout.method == method)).first()
        if payout is None:
            now = desk.clock()
            payout = Payout(
                refund_id=refund.id,
                method=method,
                status=PayoutStatus.INTENDED,
                amount_minor=refund.amount_minor,
                currency=refund.currency,
                intended_at=now,
                updated_at=now,
            )
            session.add(payout)
    return payout


def _attempt(
    desk: Desk,
    gateway: PaymentGateway | None,
    payout: Payout,
    purchase: Purchase,
    refund: Refund,
) -> Answer:
    order = PayoutOrder(
        refund_no=refund.id,
        payment_reference=purchase.payment_reference,
        customer_id=purchase.customer_id,
        amount=refund.amount,
        reason=f"Refund {refund.number} of order {purchase.number}",
    )
    if gateway is None:
        answer: Answer = Failed("The desk has no connection to this payment provider.")
    elif payout.status == PayoutStatus.INTENDED:
        _note(desk, payout, PayoutStatus.SENT)
        answer = gateway.refund(order)
    else:
        answer = gateway.query(order)
        if isinstance(answer, Failed):
            # The provider never took it; the same key makes a second try harmless.
            answer = gateway.refund(order)
    match answer:
        case Succeeded(reference):
            _note(desk, payout, PayoutStatus.CONFIRMED, reference=reference)
        case Pending(reference):
            _note(desk, payout, PayoutStatus.SENT, reference=reference or None)
        case Unknown(detail):
            _note(desk, payout, PayoutStatus.UNKNOWN, detail=detail)
        case Failed(reason):
            _note(desk, payout, PayoutStatus.REFUSED, detail=reason)
    return answer


def _note(
    desk: Desk,
    payout: Payout,
    status: PayoutStatus,
    *,
    reference: str | None = None,
    detail: str | None = None,
) -> None:
    with desk.database.writing() as session:
        session.exec(
            update(Payout)
            # A confirmation is the provider's last word; a slower attempt does not take it back.
            .where(col(Payout.id) == payout.id, col(Payout.status) != PayoutStatus.CONFIRMED)
            .values(status=status, reference=reference, detail=detail, updated_at=desk.clock())
        )


def _record(
    desk: Desk,
    certificate_id: str,
    version: int,
    answer: Answer,
    method: PaymentMethod,
    purchase: Purchase,
) -> None:
    try:
        match answer:
            case Succeeded(reference):
                payment = Payment(reference, label_of(method, purchase.payment_account))
                desk.fire(
                    certificate_id,
                    Event.COMPLETE_REFUND,
                    WORKER,
                    handed=payment,
                    version=version,
                )
            case Failed(reason):
                desk.fire(certificate_id, Event.RETURN_REFUND, WORKER, reason=reason, version=version)
            case Pending():
                detail = "The payment provider has taken the order and has not finished yet."
                desk.postpone(certificate_id, version, desk.clock() + ASK_AGAIN, detail)
            case Unknown(detail):
                desk.postpone(certificate_id, version, desk.clock() + ASK_AGAIN, detail)
    except Superseded:
        # Another attempt recorded the same answer first.
        return
