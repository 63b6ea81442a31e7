"""Pay an approved refund back: once, whatever happens on the way.

The intent is written before anything is sent. What nobody knows is asked for at the provider, never guessed. If the
account that paid for the order definitely cannot take the money, it goes to the customer's balance; only when that
fails as well does the application return to the reviewers.

One attempt at a time speaks with a provider. Otherwise one could hear a refusal and pay to the balance while another,
with the same key, has just been told yes.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select, update

from certlifecycle import Event, State
from webapp.certificates.models import PaymentMethod, Purchase
from webapp.db import rows_changed
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
    certificate, purchase, refund = file.certificate, file.purchase, file.refund
    if certificate.state != State.REFUND_APPROVED:
        return
    if refund is None:
        raise LookupError("an approved refund without an application")
    order = PayoutOrder(
        refund_no=refund.id,
        payment_reference=purchase.payment_reference,
        customer_id=purchase.customer_id,
        amount=refund.amount,
        reason=f"Refund {refund.number} of order {purchase.number}",
    )
    for method in dict.fromkeys((PaymentMethod(refund.method), PaymentMethod.BALANCE)):
        payout = _intend(desk, refund, method)
        answer = _attempt(desk, gateways.get(method), payout, order)
        if not isinstance(answer, Failed):
            break
    _record(desk, certificate_id, certificate.version, answer, method, purchase)


def _intend(desk: Desk, refund: Refund, method: PaymentMethod) -> Payout:
    """Write down what is about to be tried, or find what was tried before in this round of decision."""
    this = select(Payout).where(Payout.refund_id == refund.id, Payout.round == refund.round, Payout.method == method)
    try:
        with desk.database.writing() as session:
            payout = session.exec(this).first()
            if payout is None:
                now = desk.clock()
                payout = Payout(
                    refund_id=refund.id,
                    round=refund.round,
                    method=method,
                    status=PayoutStatus.INTENDED,
                    amount_minor=refund.amount_minor,
                    currency=refund.currency,
                    intended_at=now,
                    updated_at=now,
                )
                session.add(payout)
    except IntegrityError:
        # Another attempt wrote it down between the look and the entry.
        with desk.database.reading() as session:
            payout = session.exec(this).one()
    return payout


def _attempt(desk: Desk, gateway: PaymentGateway | None, payout: Payout, order: PayoutOrder) -> Answer:
    settled = _settled(payout)
    if settled is not None:
        return settled
    if gateway is None:
        return _note(desk, payout, Failed("The desk has no connection to this payment provider."))
    if not _begin(desk, payout, gateway):
        return Unknown("An earlier attempt to pay may still be under way.")
    if payout.status == PayoutStatus.INTENDED:
        answer = gateway.refund(order)
    else:
        answer = gateway.query(order)
        if isinstance(answer, Failed):
            # The provider never took it; the same key makes a second try harmless.
            answer = gateway.refund(order)
    return _note(desk, payout, answer)


def _begin(desk: Desk, payout: Payout, gateway: PaymentGateway) -> bool:
    """Note that something is sent, unless another attempt may be waiting for its answer at this moment."""
    now = desk.clock()
    if payout.status == PayoutStatus.SENT and now < payout.updated_at + gateway.patience:
        return False
    with desk.database.writing() as session:
        result = session.exec(
            update(Payout)
            .where(
                col(Payout.id) == payout.id,
                col(Payout.status) == payout.status,
                col(Payout.updated_at) == payout.updated_at,
            )
            .values(status=PayoutStatus.SENT, updated_at=now)
            # The payout stays as it was read: whether it was ever sent decides what comes next.
            .execution_options(synchronize_session=False)
        )
    return rows_changed(result) == 1


def _note(desk: Desk, payout: Payout, answer: Answer) -> Answer:
    """Write down what is known now and return what stands: a slower attempt does not take a last word back."""
    final = {PayoutStatus.CONFIRMED}
    if not isinstance(answer, Succeeded):
        # Money that did arrive is the truth, whatever was said before.
        final.add(PayoutStatus.REFUSED)
    with desk.database.writing() as session:
        session.exec(
            update(Payout)
            .where(col(Payout.id) == payout.id, col(Payout.status).not_in(final))
            .values(**_known(answer), updated_at=desk.clock())
        )
        standing = session.exec(select(Payout).where(Payout.id == payout.id)).one()
    return _settled(standing) or answer


def _known(answer: Answer) -> dict[str, Any]:
    match answer:
        case Succeeded(reference):
            return {"status": PayoutStatus.CONFIRMED, "reference": reference, "detail": None}
        case Pending(reference):
            return {"status": PayoutStatus.SENT, "reference": reference or None, "detail": None}
        case Failed(reason):
            return {"status": PayoutStatus.REFUSED, "detail": reason}
    return {"status": PayoutStatus.UNKNOWN, "detail": answer.detail}


def _settled(payout: Payout) -> Answer | None:
    """The provider's last word, if it was heard: it is not asked for twice."""
    if payout.status == PayoutStatus.CONFIRMED:
        return Succeeded(payout.reference or "")
    if payout.status == PayoutStatus.REFUSED:
        return Failed(payout.detail or "")
    return None


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
                handed = Payment(reference, label_of(method, purchase.payment_account))
                desk.fire(certificate_id, Event.COMPLETE_REFUND, WORKER, handed=handed, version=version)
            case Failed(reason):
                desk.fire(certificate_id, Event.RETURN_REFUND, WORKER, reason=reason, version=version)
            case Pending():
                detail = "The payment provider has taken the order and has not finished yet."
                desk.postpone(certificate_id, version, desk.clock() + ASK_AGAIN, detail)
            case _:
                desk.postpone(certificate_id, version, desk.clock() + ASK_AGAIN, answer.detail)
    except Superseded:
        # Another attempt recorded the same answer first.
        return
