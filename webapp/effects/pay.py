"""Pay an approved refund back: once, whatever happens on the way.

The intent is written before anything is sent. What nobody knows is asked for at the provider, never guessed; it is sent
again, with the same key and amount, only when the provider does not know it after the time that an order may be on its
way. Whoever sends holds the payout by its status and the instant of its last change: an attempt that was overtaken by
another records nothing but a confirmation. If the account that paid for the order definitely cannot take the money, it
goes to the customer's balance; when that fails as well, or a person has to look first, the application returns to the
reviewers. Once they approve again, every way is tried anew; where the same refusal meets them that they have looked at,
the money goes to the balance.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select, update

from certlifecycle import Event, State
from webapp.certificates.models import PaymentMethod, Purchase
from webapp.db import rows_changed
from webapp.desk import WORKER, Desk
from webapp.errors import Superseded
from webapp.hindrances import Hindrance
from webapp.payments.destination import label_of
from webapp.payments.models import Payout, PayoutStatus
from webapp.payments.port import (
    Answer,
    Deferred,
    Failed,
    PaymentGateway,
    PayoutOrder,
    Pending,
    Succeeded,
    Unheard,
    Unknown,
)
from webapp.recording import Payment
from webapp.refunds.models import Refund
from webapp.retelling import stored

ASK_AGAIN = timedelta(seconds=30)
"""The shortest pause before the provider is asked again."""
ASK_AT_LEAST = timedelta(hours=1)
"""The longest one. A provider that calls back, or a bank's report, shortens it."""
SEND_AGAIN = timedelta(minutes=10)
"""The pause after the provider said that it cannot pay now."""

OVERTAKEN = Unknown(stored("Another attempt is under way; its answer counts."))


def pay(desk: Desk, gateways: Mapping[PaymentMethod, PaymentGateway], certificate_id: str) -> None:
    """Take the payout of one approved refund as far as it goes now, and record the provider's word."""
    with desk.database.reading() as session:
        file = desk.open_file(session, certificate_id)
    certificate, refund = file.certificate, file.refund
    if certificate.state != State.REFUND_APPROVED:
        return
    if refund is None:
        raise LookupError("an approved refund without an application")
    paid = _confirmed(desk, refund)
    if paid is not None:
        _record(desk, certificate_id, certificate.version, Succeeded(paid.reference or ""), paid, file.purchase)
        return
    for method in dict.fromkeys((PaymentMethod(refund.method), PaymentMethod.BALANCE)):
        payout = _intend(desk, refund, method)
        if _has_moved_on(desk, certificate_id, certificate.version):
            # What the row says belongs to a decision that others have to make, or have made, again.
            return
        answer = _attempt(desk, gateways.get(method), payout, _order(refund, file.purchase))
        if not (isinstance(answer, Failed) and answer.elsewhere):
            break
    _record(desk, certificate_id, certificate.version, answer, payout, file.purchase)


def _order(refund: Refund, purchase: Purchase) -> PayoutOrder:
    return PayoutOrder(
        refund_no=refund.id,
        purchase_id=purchase.id,
        payment_reference=purchase.payment_reference,
        customer_id=purchase.customer_id,
        amount=refund.amount,
        reason=f"Refund {refund.number} of order {purchase.number}",
    )


def _intend(desk: Desk, refund: Refund, method: PaymentMethod) -> Payout:
    """Write down what is about to be tried, or find what was tried before in this round of decision."""
    try:
        with desk.database.writing() as session:
            payout = _payout(session, refund, method)
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
            payout = _payout(session, refund, method)
        if payout is None:
            raise
    return payout


def _payout(session: Session, refund: Refund, method: PaymentMethod) -> Payout | None:
    return session.exec(
        select(Payout).where(Payout.refund_id == refund.id, Payout.round == refund.round, Payout.method == method)
    ).first()


def _confirmed(desk: Desk, refund: Refund) -> Payout | None:
    """What was paid for this refund already, in whichever round.

    A slow attempt may hear of it only when the application is back with the reviewers.
    """
    with desk.database.reading() as session:
        paid = select(Payout).where(Payout.refund_id == refund.id, Payout.status == PayoutStatus.CONFIRMED)
        return session.exec(paid.order_by(col(Payout.round))).first()


def _has_moved_on(desk: Desk, certificate_id: str, version: int) -> bool:
    with desk.database.reading() as session:
        return desk.open_file(session, certificate_id).certificate.version != version


def _attempt(desk: Desk, gateway: PaymentGateway | None, payout: Payout, order: PayoutOrder) -> Answer:
    """Find out where one way of paying stands, or begin it. The payout's row holds the answer afterwards."""
    match payout.status:
        case PayoutStatus.CONFIRMED:
            return Succeeded(payout.reference or "")
        case PayoutStatus.REFUSED:
            # Asked once a round: when it is approved again, every way is tried anew.
            return Failed(payout.detail or "")
        case PayoutStatus.SENT | PayoutStatus.UNKNOWN:
            if gateway is None:
                return Unknown(
                    stored("The desk has lost its connection to this payment provider. It must come back first.")
                )
            found = gateway.query(order)
            if not isinstance(found, Unheard):
                return _noted(desk, payout, found)
            if desk.clock() - payout.updated_at < gateway.in_flight:
                return Unknown(stored("The payment provider does not know the order yet; it may still be on its way."))
    if gateway is None:
        return _noted(desk, payout, Failed(stored("The desk has no connection to this payment provider.")))
    if not _take(desk, payout):
        return OVERTAKEN
    return _noted(desk, payout, gateway.refund(order))


def _take(desk: Desk, payout: Payout) -> bool:
    """Take the payout for sending; only one of several attempts can."""
    return _change(desk, payout, PayoutStatus.SENT, desk.clock(), payout.reference, None)


def _noted(desk: Desk, payout: Payout, answer: Answer) -> Answer:
    """Write the answer on the payout's row; an attempt that was overtaken has nothing to say but a confirmation."""
    now = desk.clock()
    match answer:
        case Succeeded(reference):
            _confirm(desk, payout, reference, now)
            return answer
        case Pending(reference):
            held = _change(desk, payout, PayoutStatus.SENT, now, reference or None, None)
        case Unknown(detail):
            held = _change(desk, payout, PayoutStatus.UNKNOWN, now, payout.reference, detail)
        case Deferred(detail):
            held = _change(desk, payout, PayoutStatus.INTENDED, now, None, detail)
        case Failed(reason, elsewhere):
            if elsewhere or _was_looked_at(desk, payout, reason):
                answer = Failed(reason)
                held = _change(desk, payout, PayoutStatus.REFUSED, now, None, reason)
            else:
                # Refused only when the reviewers have it: a worker that dies before must not find it refused.
                held = _change(desk, payout, payout.status, now, payout.reference, reason)
        case Unheard():
            raise TypeError("a provider that was told of a refund cannot say that it never heard of it")
    return answer if held else OVERTAKEN


def _was_looked_at(desk: Desk, payout: Payout, reason: str) -> bool:
    """Whether reviewers had this very refusal before them in an earlier round, and approved all the same."""
    with desk.database.reading() as session:
        earlier = select(Payout.id).where(
            Payout.refund_id == payout.refund_id,
            Payout.method == payout.method,
            Payout.round < payout.round,
            Payout.detail == reason,
        )
        return session.exec(earlier).first() is not None


def _change(
    desk: Desk,
    payout: Payout,
    status: PayoutStatus,
    now: datetime,
    reference: str | None,
    detail: str | None,
) -> bool:
    """Change the row if it still is as it was read, and the copy in hand with it."""
    values = {"status": status, "reference": reference, "detail": detail, "updated_at": now}
    with desk.database.writing() as session:
        result = session.exec(
            update(Payout)
            .where(
                col(Payout.id) == payout.id,
                col(Payout.status) == payout.status,
                col(Payout.updated_at) == payout.updated_at,
            )
            .values(**values)
        )
        held = rows_changed(result) == 1
    if held:
        for name, value in values.items():
            setattr(payout, name, value)
    return held


def _confirm(desk: Desk, payout: Payout, reference: str, now: datetime) -> None:
    """The provider's last word: it counts whoever hears it, and nothing takes it back."""
    with desk.database.writing() as session:
        session.exec(
            update(Payout)
            .where(col(Payout.id) == payout.id, col(Payout.status) != PayoutStatus.CONFIRMED)
            .values(status=PayoutStatus.CONFIRMED, reference=reference, detail=None, updated_at=now)
        )


def _record(
    desk: Desk,
    certificate_id: str,
    version: int,
    answer: Answer,
    payout: Payout,
    purchase: Purchase,
) -> None:
    now = desk.clock()
    pause = min(max((now - payout.intended_at) / 10, ASK_AGAIN), ASK_AT_LEAST)
    try:
        match answer:
            case Succeeded(reference):
                # A provider that names no reference of its own finds the payment by ours.
                paid_to = label_of(PaymentMethod(payout.method), purchase.payment_account)
                payment = Payment(reference or payout.refund_id, paid_to)
                desk.fire(certificate_id, Event.COMPLETE_REFUND, WORKER, handed=payment, version=version)
            case Failed(reason):
                desk.fire(certificate_id, Event.RETURN_REFUND, WORKER, reason=reason, version=version)
                _change(desk, payout, PayoutStatus.REFUSED, now, None, reason)
            case Deferred(detail):
                desk.postpone(certificate_id, version, now + SEND_AGAIN, detail, Hindrance.NOT_NOW)
            case Unknown(detail):
                hindrance = Hindrance.AT_WORK if answer is OVERTAKEN else Hindrance.NO_OUTCOME
                desk.postpone(certificate_id, version, now + pause, detail, hindrance)
            case _:
                detail = stored("The payment provider has taken the order and has not finished yet.")
                desk.postpone(certificate_id, version, now + pause, detail, Hindrance.AT_WORK)
    except Superseded:
        # Another attempt recorded the same answer first.
        return
    except IntegrityError:
        # On PostgreSQL two attempts at once meet at the order's row, whose constraint speaks before the version does.
        with desk.database.reading() as session:
            if desk.open_file(session, certificate_id).certificate.version == version:
                raise
