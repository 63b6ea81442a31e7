"""Taking in the bank's status reports: exactly the payments they speak of, exactly once.

A payment is matched by its end-to-end id, and the amount and the file must be the ones that were ordered. Nothing
final is ever changed: a bank that says the opposite later is reported, for the money may have gone another way since.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from certlifecycle import Money
from webapp.db import Database
from webapp.desk import By
from webapp.payments.acts import note
from webapp.payments.bank import BankSettings
from webapp.payments.bank_reports import DUPLICATES, REJECTED, SETTLED, THE_SHOPS_FAULT, Report, Said, read_report
from webapp.payments.models_books import Act
from webapp.payments.models_outside import (
    NEEDS_A_LOOK,
    BankBatch,
    BankPayment,
    BankReport,
    BankReportLine,
    BankStatus,
    LineEffect,
)
from webapp.retelling import stored

NO_AMOUNT = Money(0, "XXX")
"""What a line names that names no amount and no payment of ours; ISO 4217 has XXX for no currency."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What came of one report. ``again`` says that the same bytes were taken in before, and nothing was changed."""

    name: str
    again: bool
    report_id: str
    lines: tuple[BankReportLine, ...] = ()

    @property
    def decided(self) -> tuple[str, ...]:
        """The refunds of which the bank has said the last word now."""
        return tuple(line.refund_no for line in self.lines if line.effect in (LineEffect.PAID, LineEffect.REJECTED))

    @property
    def to_look_at(self) -> tuple[BankReportLine, ...]:
        """The lines that somebody has to look into."""
        return tuple(line for line in self.lines if line.effect in NEEDS_A_LOOK)


class BankReports:
    """Takes in reports, whichever way they came."""

    def __init__(self, database: Database, clock: Callable[[], datetime], settings: BankSettings) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings

    def take_in(self, content: bytes, name: str, by: By | None = None) -> Intake:
        """Read a report and do what it says, in one transaction; ``by`` is whoever brought it, where somebody did.

        Raises :class:`~webapp.payments.bank_xml.MessageRefused`; then nothing was changed.
        """
        report = read_report(content, self._settings.schemas, self._settings.zone)
        row = BankReport(
            sha256=sha256(content).hexdigest(),
            name=name[:200],
            msg_id=report.msg_id,
            received_at=self._clock(),
        )
        known = self._known(row)
        if known is not None:
            return Intake(name, again=True, report_id=known)
        try:
            with self._database.writing() as session:
                session.add(row)
                session.flush()
                lines = self._apply(session, report, row.id)
                session.add_all(lines)
                if by is not None:
                    note(session, Act.REPORT_TAKEN_IN, row.id, by, row.received_at)
        except IntegrityError:
            # The same report came in twice at once; the other transaction does what it says.
            known = self._known(row)
            if known is None:
                raise
            return Intake(name, again=True, report_id=known)
        return Intake(name, again=False, report_id=row.id, lines=tuple(lines))

    def _known(self, row: BankReport) -> str | None:
        with self._database.reading() as session:
            return session.exec(select(BankReport.id).where(BankReport.sha256 == row.sha256)).first()

    def _apply(self, session: Session, report: Report, report_id: str) -> list[BankReportLine]:
        batch = session.exec(select(BankBatch).where(BankBatch.msg_id == report.original)).first()
        lines: list[BankReportLine] = []
        named = {said.key for said in report.said if said.key}
        for said in report.said:
            if said.key:
                # Locked, so that of two reports at once the second sees what the first has done.
                payments: Sequence[BankPayment | None] = [session.get(BankPayment, said.key, with_for_update=True)]
            elif batch is None:
                payments = [None]
            else:
                wanted = select(BankPayment).where(BankPayment.batch_id == batch.id)
                ours = session.exec(wanted.order_by(col(BankPayment.refund_no)).with_for_update()).all()
                payments = [one for one in ours if one.refund_no not in named]
                # The closer word counts, and the block's comes before the file's.
                named |= {one.refund_no for one in ours}
            for payment in payments:
                effect = _effect(payment, batch, said, report)
                if payment is not None:
                    self._carry_out(payment, said, effect)
                lines.append(_line(report_id, payment, said, effect))
        return lines

    def _carry_out(self, payment: BankPayment, said: Said, effect: LineEffect) -> None:
        match effect:
            case LineEffect.PAID:
                payment.status, payment.detail = BankStatus.PAID, said.reference
            case LineEffect.REJECTED:
                payment.status = BankStatus.REJECTED
                rejected = stored("The bank rejected the payment.")
                payment.detail = f"{rejected} {said.words}".strip()
                payment.elsewhere = not (said.codes & THE_SHOPS_FAULT)
            case LineEffect.NOT_FINAL:
                pass
            case _:
                return
        payment.said = said.status
        payment.updated_at = self._clock()


def _effect(payment: BankPayment | None, batch: BankBatch | None, said: Said, report: Report) -> LineEffect:
    """What a report's word means for a payment, before anything is changed."""
    if payment is None:
        return LineEffect.UNKNOWN
    if batch is None or payment.batch_id != batch.id:
        return LineEffect.MISMATCH
    if said.amount not in (None, Money(payment.amount_minor, payment.currency)):
        return LineEffect.MISMATCH
    if not said.key and report.original_count not in (None, batch.payments):
        return LineEffect.MISMATCH
    is_paid, is_rejected = payment.status == BankStatus.PAID, payment.status == BankStatus.REJECTED
    if said.status == REJECTED and said.codes & DUPLICATES:
        return LineEffect.DUPLICATE
    if said.status == SETTLED:
        return LineEffect.KNOWN if is_paid else LineEffect.CONTRADICTION if is_rejected else LineEffect.PAID
    if said.status == REJECTED:
        return LineEffect.KNOWN if is_rejected else LineEffect.CONTRADICTION if is_paid else LineEffect.REJECTED
    # A report that was overtaken by a later one is read after it; that changes nothing either.
    return LineEffect.KNOWN if is_paid or is_rejected else LineEffect.NOT_FINAL


def _line(report_id: str, payment: BankPayment | None, said: Said, effect: LineEffect) -> BankReportLine:
    ordered = Money(payment.amount_minor, payment.currency) if payment else NO_AMOUNT
    amount = said.amount or ordered
    return BankReportLine(
        report_id=report_id,
        refund_no=payment.refund_no if payment else said.key,
        said=said.status,
        reason=said.words,
        amount_minor=amount.minor,
        currency=amount.currency,
        at=said.at,
        effect=effect,
    )
