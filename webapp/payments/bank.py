"""Paying back to a bank account: orders collected in files for the shop's bank, answers from the bank's reports.

``refund`` writes the order down, :class:`BankFiles` puts waiting orders into a file with a message id of its own, and
``query`` says what the bank's reports have said since. A file's bytes are kept before they leave the house and never
made anew: what reaches the bank twice is the same file twice, which it refuses as a duplicate. The refund's id is the
end-to-end id, so that one refund is one order however often it is asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, func, select, update

from certlifecycle import Money
from webapp.certificates.models import PaymentMethod
from webapp.columns import new_id
from webapp.db import Database, rows_changed
from webapp.desk import By
from webapp.payments.acts import note
from webapp.payments.bank_accounts import BankAccount, load
from webapp.payments.bank_orders import LONGEST_PURPOSE, VERSIONS, Transfer, order_file
from webapp.payments.bank_reports import SETTLED
from webapp.payments.bank_xml import MessageRefused, Schemas
from webapp.payments.models_books import Act
from webapp.payments.models_outside import (
    BankBatch,
    BankPayment,
    BankReportLine,
    BankStatus,
    LineEffect,
)
from webapp.payments.port import Answer, Failed, PayoutOrder, Pending, StatementLine, Succeeded, Unheard, Unknown
from webapp.retelling import stored

MOST_PAYMENTS = 1000
"""In one file."""
SHANGHAI = ZoneInfo("Asia/Shanghai")


class _Taken(Exception):
    """Somebody else has put some of the orders into a file of theirs."""


@dataclass(frozen=True, slots=True)
class BankSettings:
    """The shop's account at its bank, and what the bank reads.

    ``folder`` is where files are exchanged, if they are; ``zone`` the bank's time zone; ``schemas`` may be extended by
    the definitions of further versions of pain.002; ``collecting`` how long a payment may wait for others to share its
    file. Raises :class:`ValueError` for a version that the desk cannot write.
    """

    debtor: BankAccount
    message: str = VERSIONS[0]
    zone: ZoneInfo = SHANGHAI
    folder: Path | None = None
    schemas: Schemas = field(default_factory=Schemas)
    collecting: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        if self.message not in VERSIONS:
            raise ValueError(f"{self.message!r} is none of {', '.join(VERSIONS)}")


class BankGateway:
    """The online bank account of the refund instructions."""

    method = PaymentMethod.BANK
    # The order is a row of the desk's own: what is not there was not ordered.
    in_flight = timedelta(0)

    def __init__(self, database: Database, clock: Callable[[], datetime], settings: BankSettings) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self.zone: tzinfo = settings.zone

    def refund(self, order: PayoutOrder) -> Answer:
        """Write the order down for the next file, once."""
        known = self.query(order)
        if not isinstance(known, Unheard):
            return known
        with self._database.reading() as session:
            account = load(session, order.purchase_id)
        if account is None:
            return Failed(stored("The shop does not know the number of the bank account that paid for the order."))
        now = self._clock()
        payment = BankPayment(
            refund_no=order.refund_no,
            holder=account.holder,
            iban=account.iban,
            number=account.number,
            bank_code=account.bank_code,
            amount_minor=order.amount.minor,
            currency=order.amount.currency,
            purpose=order.reason[:LONGEST_PURPOSE],
            ordered_at=now,
            updated_at=now,
        )
        try:
            # What the bank's format cannot hold must not stop a whole file later.
            write_file(self._settings, order.refund_no, [payment], now)
        except MessageRefused as wrong:
            return Failed(stored("The order cannot be written in the bank's format. {wrong}", wrong=wrong))
        try:
            with self._database.writing() as session:
                session.add(payment)
        except IntegrityError:
            # Another worker wrote it down between the look and the entry.
            return self.query(order)
        return Pending()

    def query(self, order: PayoutOrder) -> Answer:
        """What the bank has said so far."""
        with self._database.reading() as session:
            payment = session.get(BankPayment, order.refund_no)
            batch = session.get(BankBatch, payment.batch_id) if payment and payment.batch_id else None
        if payment is None:
            return Unheard()
        if (payment.amount_minor, payment.currency) != (order.amount.minor, order.amount.currency):
            return Unknown(stored("The bank was ordered to pay another amount. Somebody has to look into it."))
        reference = batch.msg_id if batch else ""
        match payment.status:
            case BankStatus.PAID:
                return Succeeded(reference)
            case BankStatus.REJECTED:
                return Failed(payment.detail, payment.elsewhere)
            case _:
                return Pending(reference)

    def statement(self, day: date) -> list[StatementLine]:
        """Every payment that a report called settled on a day of the bank's time zone, whether it is ours or not."""
        begin = datetime.combine(day, time(), self.zone)
        end = datetime.combine(day + timedelta(days=1), time(), self.zone)
        wanted = (
            select(BankReportLine)
            .where(
                BankReportLine.said == SETTLED,
                BankReportLine.at >= begin,
                BankReportLine.at < end,
                BankReportLine.effect != LineEffect.KNOWN,
            )
            .order_by(col(BankReportLine.at), col(BankReportLine.id))
        )
        with self._database.reading() as session:
            rows = session.exec(wanted).all()
        return [
            StatementLine(row.refund_no, Money(row.amount_minor, row.currency), row.at, row.report_id) for row in rows
        ]


class BankFiles:
    """The files of payment orders: made, kept, handed out."""

    def __init__(self, database: Database, clock: Callable[[], datetime], settings: BankSettings) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings

    def make_due(self) -> list[BankBatch]:
        """Make files when the oldest waiting order has waited as long as the settings let it, or a file is full."""
        waiting = select(func.min(BankPayment.ordered_at), func.count()).where(BankPayment.status == BankStatus.WAITING)
        with self._database.reading() as session:
            oldest, count = session.exec(waiting).one()
        if not count or (self._clock() - oldest < self._settings.collecting and count < MOST_PAYMENTS):
            return []
        return self.make()

    def make(self, by: By | None = None) -> list[BankBatch]:
        """Put every waiting order into a file, one for each currency. Two at once never take the same order.

        ``by`` is whoever asked for it, where somebody did.
        """
        with self._database.reading() as session:
            waiting = session.exec(
                select(BankPayment)
                .where(BankPayment.status == BankStatus.WAITING)
                .order_by(col(BankPayment.currency), col(BankPayment.ordered_at), col(BankPayment.refund_no))
                .limit(MOST_PAYMENTS)
            ).all()
        made = (self._make(list(group), by) for _, group in groupby(waiting, lambda one: one.currency))
        return [batch for batch in made if batch is not None]

    def _make(self, payments: Sequence[BankPayment], by: By | None) -> BankBatch | None:
        now = self._clock()
        msg_id = new_id()
        batch = BankBatch(
            msg_id=msg_id,
            message=self._settings.message,
            payments=len(payments),
            total_minor=sum(one.amount_minor for one in payments),
            currency=payments[0].currency,
            content=write_file(self._settings, msg_id, payments, now),
            made_at=now,
        )
        keys = [one.refund_no for one in payments]
        try:
            with self._database.writing() as session:
                session.add(batch)
                session.flush()
                result = session.exec(
                    update(BankPayment)
                    .where(col(BankPayment.refund_no).in_(keys), col(BankPayment.status) == BankStatus.WAITING)
                    .values(status=BankStatus.ORDERED, batch_id=batch.id, updated_at=now)
                )
                if rows_changed(result) != len(keys):
                    raise _Taken
                if by is not None:
                    note(session, Act.FILE_MADE, batch.id, by, now)
        except _Taken:
            # The file was never anywhere; what is still waiting goes into the next one.
            return None
        return batch

    def to_export(self) -> Sequence[BankBatch]:
        """The files that are not in the folder yet, the oldest first."""
        with self._database.reading() as session:
            wanted = select(BankBatch).where(col(BankBatch.exported_at).is_(None)).order_by(col(BankBatch.made_at))
            return session.exec(wanted).all()

    def exported(self, batch: BankBatch) -> None:
        """Note that a file was handed out: it lies in the folder, or somebody has downloaded it to take it there."""
        with self._database.writing() as session:
            session.exec(
                update(BankBatch)
                .where(col(BankBatch.id) == batch.id, col(BankBatch.exported_at).is_(None))
                .values(exported_at=self._clock())
            )

    def hand_out(self, batch_id: str, by: By) -> BankBatch | None:
        """One file with its bytes for whoever downloads it under :func:`file_name`, which is noted.

        Without a folder this is how a file leaves the house; with one it is only a look at it.
        """
        with self._database.writing() as session:
            batch = session.get(BankBatch, batch_id)
            if batch is not None:
                now = self._clock()
                note(session, Act.FILE_DOWNLOADED, batch.id, by, now)
                if self._settings.folder is None and batch.exported_at is None:
                    batch.exported_at = now
        return batch


def file_name(batch: BankBatch) -> str:
    """Under which name a file is handed out, always the same."""
    return f"{batch.message}-{batch.msg_id}.xml"


def write_file(settings: BankSettings, msg_id: str, payments: Sequence[BankPayment], at: datetime) -> bytes:
    """The file of some orders. Raises :class:`~webapp.payments.bank_xml.MessageRefused`."""
    transfers = [
        Transfer(
            key=one.refund_no,
            payee=BankAccount(one.holder, one.iban, one.number, one.bank_code),
            amount=Money(one.amount_minor, one.currency),
            purpose=one.purpose,
        )
        for one in payments
    ]
    return order_file(
        settings.message, settings.schemas, msg_id, settings.debtor, transfers, at.astimezone(settings.zone)
    )
