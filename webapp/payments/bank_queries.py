"""Fetching what the admin's pages about the bank show: files, payments, and reports with their lines."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy.orm import QueryableAttribute, defer
from sqlmodel import Session, col, func, select

from webapp.certificates.models import Certificate
from webapp.payments.acts import acts_on
from webapp.payments.models_books import PaymentAct
from webapp.payments.models_outside import (
    NEEDS_A_LOOK,
    BankBatch,
    BankPayment,
    BankReport,
    BankReportLine,
    BankStatus,
    LineEffect,
)
from webapp.payments.paging import Page, Place
from webapp.refunds.models import Refund

PAGE_SIZE = 20
MOST_SHOWN = 200
"""How many of the waiting payments are listed; the count says how many there are."""


@dataclass(frozen=True, slots=True)
class Known:
    """A refund that a payment or a line speaks of, and the certificate that it is about."""

    refund: Refund
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Sent:
    """A file, how many of its payments stand where, and what people did with it. Its bytes are not read."""

    batch: BankBatch
    counts: Counter[BankStatus]
    acts: tuple[PaymentAct, ...]


@dataclass(frozen=True, slots=True)
class Received:
    """A report, what its lines came to, and who brought it."""

    report: BankReport
    counts: Counter[LineEffect]
    acts: tuple[PaymentAct, ...]

    @property
    def to_look_at(self) -> int:
        """How many lines somebody has to look into."""
        return sum(self.counts[effect] for effect in NEEDS_A_LOOK)


def known_refunds(session: Session, numbers: Sequence[str]) -> dict[str, Known]:
    """The refunds of the desk among these numbers, which came from outside."""
    if not numbers:
        return {}
    found = session.exec(
        select(Refund, Certificate)
        .join(Certificate, col(Certificate.id) == Refund.certificate_id)
        .where(col(Refund.id).in_(set(numbers)))
    ).all()
    return {refund.id: Known(refund, certificate) for refund, certificate in found}


def waiting(session: Session) -> tuple[int, Sequence[BankPayment]]:
    """How many payments wait for the next file, and the first of them."""
    wanted = BankPayment.status == BankStatus.WAITING
    count = session.exec(select(func.count()).select_from(BankPayment).where(wanted)).one()
    first = select(BankPayment).where(wanted).order_by(col(BankPayment.ordered_at), col(BankPayment.refund_no))
    return count, session.exec(first.limit(MOST_SHOWN)).all()


def files(session: Session, number: int) -> Page[Sent]:
    """A page of the payment order files."""
    total = session.exec(select(func.count()).select_from(BankBatch)).one()
    place = Place.within(number, PAGE_SIZE, total)
    newest = (col(BankBatch.made_at).desc(), col(BankBatch.id).desc())
    wanted = select(BankBatch).order_by(*newest).offset(place.offset).limit(place.size)
    # The bytes are long, and no list shows them.
    rows = session.exec(wanted.options(defer(cast(QueryableAttribute[Any], BankBatch.content)))).all()
    counts: dict[str, Counter[BankStatus]] = defaultdict(Counter)
    keys = [one.id for one in rows]
    by_status = (
        select(BankPayment.batch_id, BankPayment.status, func.count())
        .where(col(BankPayment.batch_id).in_(keys))
        .group_by(col(BankPayment.batch_id), col(BankPayment.status))
    )
    for key, status, count in session.exec(by_status).all():
        counts[str(key)][BankStatus(status)] = count
    acts = acts_on(session, keys)
    return Page(tuple(Sent(one, counts[one.id], tuple(acts.get(one.id, ()))) for one in rows), place)


def reports(session: Session, number: int) -> Page[Received]:
    """A page of the reports that were taken in."""
    total = session.exec(select(func.count()).select_from(BankReport)).one()
    place = Place.within(number, PAGE_SIZE, total)
    newest = (col(BankReport.received_at).desc(), col(BankReport.id).desc())
    rows = session.exec(select(BankReport).order_by(*newest).offset(place.offset).limit(place.size)).all()
    return Page(tuple(_received(session, rows)), place)


def report(session: Session, report_id: str) -> tuple[Received, Sequence[BankReportLine]] | None:
    """One report with its lines, in the order of the payments."""
    row = session.get(BankReport, report_id)
    if row is None:
        return None
    lines = select(BankReportLine).where(BankReportLine.report_id == report_id)
    return _received(session, [row])[0], session.exec(lines.order_by(col(BankReportLine.refund_no))).all()


def payments_by_number(session: Session, numbers: Sequence[str]) -> dict[str, BankPayment]:
    """The payment orders among these numbers."""
    wanted = select(BankPayment).where(col(BankPayment.refund_no).in_(set(numbers)))
    return {one.refund_no: one for one in session.exec(wanted).all()}


def _received(session: Session, rows: Sequence[BankReport]) -> list[Received]:
    keys = [one.id for one in rows]
    counts: dict[str, Counter[LineEffect]] = defaultdict(Counter)
    by_effect = (
        select(BankReportLine.report_id, BankReportLine.effect, func.count())
        .where(col(BankReportLine.report_id).in_(keys))
        .group_by(col(BankReportLine.report_id), col(BankReportLine.effect))
    )
    for key, effect, count in session.exec(by_effect).all():
        counts[key][LineEffect(effect)] = count
    acts = acts_on(session, keys)
    return [Received(one, counts[one.id], tuple(acts.get(one.id, ()))) for one in rows]
