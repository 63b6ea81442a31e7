"""What the admin's pages about the bank show. Nothing here decides or changes anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import url_for

from certlifecycle import Money, phrase
from webapp.certificates.names import display_name
from webapp.payments.bank import BankSettings, file_name
from webapp.payments.bank_accounts import BankAccount
from webapp.payments.bank_intake import NO_AMOUNT
from webapp.payments.bank_queries import Known, Received, Sent
from webapp.payments.models_books import Act, PaymentAct
from webapp.payments.models_outside import (
    NEEDS_A_LOOK,
    BankPayment,
    BankReportLine,
    BankStatus,
    LineEffect,
)
from webapp.payments.paging import Page
from webapp.wording import _, actor_name, words


@dataclass(frozen=True, slots=True)
class Mark:
    """A badge: tone, icon, label."""

    tone: str
    mark: str
    label: str


@dataclass(frozen=True, slots=True)
class RefundLink:
    """A refund of the desk that something speaks of."""

    number: str
    url: str
    domain: str


def refund_link(known: Known | None) -> RefundLink | None:
    """The link to a refund; nothing where no refund of the desk has the number."""
    if known is None:
        return None
    url = url_for("refunds.details", refund_id=known.refund.id)
    return RefundLink(known.refund.number, url, display_name(known.certificate.domain))


# Files out


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A payment that waits for the next file."""

    refund: RefundLink | None
    payee: str
    amount: Money
    since: datetime


@dataclass(frozen=True, slots=True)
class WaitingView:
    """What waits for the next file; ``sentence`` says when that is made."""

    rows: list[WaitingRow]
    total: int
    sentence: str


def waiting_view(
    count: int, first: Sequence[BankPayment], known: Mapping[str, Known], settings: BankSettings
) -> WaitingView:
    """The payments that wait, and when their file is made."""
    rows = [
        WaitingRow(refund_link(known.get(one.refund_no)), payee_words(one), _amount(one), one.ordered_at)
        for one in first
    ]
    if not rows:
        return WaitingView([], 0, _("Nothing waits. An approved refund to a bank account appears here by itself."))
    due = words().instant(rows[0].since + settings.collecting)
    return WaitingView(rows, count, _("They are put into one file together, at {latest} at the latest.", latest=due))


def payee_words(payment: BankPayment) -> str:
    """Who is paid, with as much of the account as is needed to recognise it."""
    account = BankAccount(payment.holder, payment.iban, payment.number, payment.bank_code)
    return _("{holder}, account {label}", holder=account.holder, label=words().retell(account.label))


def _amount(payment: BankPayment) -> Money:
    return Money(payment.amount_minor, payment.currency)


@dataclass(frozen=True, slots=True)
class FileRow:
    """A payment order file."""

    name: str
    url: str
    made_at: datetime
    payments: int
    total: Money
    mark: Mark
    note: str
    trace: list[str]


ACT_WORDS = {
    Act.FILE_MADE: phrase("Asked for by {name}, {at}"),
    Act.FILE_DOWNLOADED: phrase("Downloaded by {name}, {at}"),
    Act.REPORT_TAKEN_IN: phrase("Uploaded by {name}, {at}"),
    Act.COMPARISON_ASKED: phrase("Asked for by {name}, {at}"),
}


def trace_words(acts: Sequence[PaymentAct]) -> list[str]:
    """Who did what about it, and when."""
    return [_(ACT_WORDS[Act(one.act)], name=actor_name(one.actor_name), at=one.at) for one in acts]


def file_rows(page: Page[Sent], settings: BankSettings) -> list[FileRow]:
    """A page of files as the list shows them."""
    return [
        FileRow(
            name=file_name(one.batch),
            url=url_for("payments.bank.download", batch_id=one.batch.id),
            made_at=one.batch.made_at,
            payments=one.batch.payments,
            total=Money(one.batch.total_minor, one.batch.currency),
            mark=_file_mark(one, settings),
            note=_file_note(one),
            trace=trace_words(one.acts),
        )
        for one in page.rows
    ]


def _file_mark(one: Sent, settings: BankSettings) -> Mark:
    if not one.counts[BankStatus.ORDERED]:
        return Mark("good", "check-check", _("Answered"))
    # Whatever way it got there: a bank that answers has it.
    is_answered = one.counts.total() > one.counts[BankStatus.ORDERED]
    if one.batch.exported_at is not None or is_answered:
        return Mark("progress", "hourglass", _("With the bank"))
    if settings.folder is None:
        return Mark("warn", "triangle-alert", _("Not downloaded yet"))
    return Mark("progress", "cog", _("Not in the folder yet"))


def _file_note(one: Sent) -> str:
    paid, rejected, left = (one.counts[status] for status in (BankStatus.PAID, BankStatus.REJECTED, BankStatus.ORDERED))
    told = [_("{paid} paid", paid=paid)] if paid else []
    told += [_("{rejected} rejected", rejected=rejected)] if rejected else []
    told += [_("{left} without an answer", left=left)] if left else []
    return words().show(told)


# Reports in


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A report in the list."""

    name: str
    url: str
    received_at: datetime
    came: str
    summary: str
    to_look_at: str


def report_rows(page: Page[Received]) -> list[ReportRow]:
    """A page of reports as the list shows them."""
    return [
        ReportRow(
            name=one.report.name,
            url=url_for("payments.bank.report", report_id=one.report.id),
            received_at=one.report.received_at,
            came=came_words(one),
            summary=summary_words(one),
            to_look_at=look_words(one),
        )
        for one in page.rows
    ]


def came_words(one: Received) -> str:
    """Which way a report came."""
    return trace_words(one.acts)[0] if one.acts else _("From the folder")


SUMMARY_WORDS = {
    LineEffect.PAID: phrase("{count} paid"),
    LineEffect.REJECTED: phrase("{count} rejected"),
    LineEffect.NOT_FINAL: phrase("{count} not final"),
    LineEffect.KNOWN: phrase("{count} known already"),
}


def summary_words(one: Received) -> str:
    """What a report's lines came to, in a few words."""
    told = [_(text, count=one.counts[effect]) for effect, text in SUMMARY_WORDS.items() if one.counts[effect]]
    if not told and not one.to_look_at:
        return _("No payment in it")
    return words().show(told) if told else ""


def look_words(one: Received) -> str:
    """How many lines somebody has to look into, in a few words; nothing where there is none."""
    return _("{count} to look into", count=one.to_look_at) if one.to_look_at else ""


@dataclass(frozen=True, slots=True)
class LineRow:
    """One line of a report: what the bank said of which payment, and what came of it."""

    refund: RefundLink | None
    refund_no: str
    said: str
    reason: str
    amount: Money | None
    at: datetime
    mark: Mark
    meaning: str
    is_to_look_at: bool


SAID_WORDS = {
    "ACSC": phrase("Settled"),
    "RJCT": phrase("Rejected"),
    "PDNG": phrase("Pending"),
    "RCVD": phrase("Received"),
    "ACTC": phrase("Checked, not yet executed"),
    "ACCP": phrase("Accepted, not yet executed"),
    "ACSP": phrase("Being executed"),
    "ACWC": phrase("Accepted with a change"),
    "PART": phrase("Partly accepted"),
}
"""The status codes of ISO 20022 that customers' banks use most (ExternalPaymentTransactionStatus1Code)."""

EFFECTS = {
    LineEffect.PAID: (
        Mark("good", "circle-check", phrase("Paid")),
        phrase("The refund is confirmed, and the customer is told."),
    ),
    LineEffect.NOT_FINAL: (
        Mark("progress", "hourglass", phrase("Not final")),
        phrase("The bank goes on; another report follows."),
    ),
    LineEffect.KNOWN: (
        Mark("neutral", "check", phrase("Known already")),
        phrase("The bank had said so before. Nothing was changed."),
    ),
    LineEffect.UNKNOWN: (
        Mark("warn", "triangle-alert", phrase("No such payment")),
        phrase("This desk has ordered no payment with this number. Ask the bank whose it is."),
    ),
    LineEffect.MISMATCH: (
        Mark("warn", "triangle-alert", phrase("Does not match")),
        phrase(
            "The amount or the file is not the one that was ordered, so nothing was changed. Compare it with the file, "
            "and ask the bank."
        ),
    ),
    LineEffect.CONTRADICTION: (
        Mark("bad", "circle-alert", phrase("Says the opposite")),
        phrase(
            "The bank had said the opposite before, and that was acted upon; nothing was changed now. Ask the bank "
            "what is true: the customer may have the money twice, or not at all."
        ),
    ),
    LineEffect.DUPLICATE: (
        Mark("warn", "triangle-alert", phrase("Refused as a duplicate")),
        phrase(
            "The bank had this payment already, so nothing was changed. What became of the first one stands in another "
            "report."
        ),
    ),
}
REJECTED = Mark("bad", "circle-x", phrase("Rejected"))


def line_rows(
    lines: Sequence[BankReportLine], payments: Mapping[str, BankPayment], known: Mapping[str, Known]
) -> list[LineRow]:
    """A report's lines, those to look into first."""
    rows = [_line(one, payments.get(one.refund_no), known.get(one.refund_no)) for one in lines]
    return sorted(rows, key=lambda row: not row.is_to_look_at)


def _line(one: BankReportLine, payment: BankPayment | None, known: Known | None) -> LineRow:
    effect = LineEffect(one.effect)
    mark, meaning = (REJECTED, _rejected(payment)) if effect is LineEffect.REJECTED else EFFECTS[effect]
    amount = Money(one.amount_minor, one.currency)
    return LineRow(
        refund=refund_link(known),
        refund_no=one.refund_no,
        said=said_words(one.said),
        reason=words().retell(one.reason),
        amount=amount if amount != NO_AMOUNT else None,
        at=one.at,
        mark=mark,
        meaning=_(meaning),
        is_to_look_at=effect in NEEDS_A_LOOK,
    )


def said_words(code: str) -> str:
    """What a status code means, with the code itself, which the bank understands."""
    return _("{meaning} ({code})", meaning=_(SAID_WORDS[code]), code=code) if code in SAID_WORDS else code


def _rejected(payment: BankPayment | None) -> str:
    if payment is not None and not payment.elsewhere:
        return _("The reason lies with the shop, so the application goes back to the reviewers. Put it right first.")
    return _("The account cannot take the money, so it goes to the customer’s balance, and the customer is told.")
