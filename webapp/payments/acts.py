"""The trace of what people did about payments by hand: written in the transaction of the act itself."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from webapp.audit.models import AuditKind
from webapp.audit.record import record
from webapp.desk import By
from webapp.payments.models_books import Act, PaymentAct


def note(session: Session, act: Act, subject: str, by: By, at: datetime) -> None:
    """Note who did what about a file, a report or a comparison."""
    session.add(
        PaymentAct(
            act=act,
            subject=subject,
            actor_id=by.actor.id,
            actor_name=by.actor.name,
            channel=by.channel,
            address=by.address,
            at=at,
        )
    )
    record(session, AuditKind(act.value), by, at, subject=subject)


def acts_on(session: Session, subjects: Sequence[str]) -> dict[str, list[PaymentAct]]:
    """What was done about each of these, the earliest first."""
    found: dict[str, list[PaymentAct]] = {}
    wanted = select(PaymentAct).where(col(PaymentAct.subject).in_(subjects))
    for one in session.exec(wanted.order_by(col(PaymentAct.at), col(PaymentAct.id))).all():
        found.setdefault(one.subject, []).append(one)
    return found
