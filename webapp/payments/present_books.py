"""What the admin's pages about the daily comparison show. Nothing here decides or changes anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from flask import url_for

from certlifecycle import Money, phrase
from webapp.certificates.models import PaymentMethod
from webapp.payments.bank_queries import Known
from webapp.payments.daily import as_comparison
from webapp.payments.forms import PROVIDER_WORDS
from webapp.payments.models_books import ComparisonStatus, DailyComparison, DailyDifference, DifferenceKind
from webapp.payments.present_bank import Mark, RefundLink, refund_link
from webapp.payments.reconciliation import WORDS
from webapp.wording import _, ngettext, words


@dataclass(frozen=True, slots=True)
class Bar:
    """How far a comparison that is being made is: so many of so many statements."""

    done: int
    total: int
    label: str


@dataclass(frozen=True, slots=True)
class DayView:
    """One day of one provider. ``is_moving`` says that the worker is at it, or about to be."""

    key: str
    url: str
    day: date
    provider: str
    mark: Mark
    sentence: str
    compared: int
    differences: int
    bar: Bar | None
    is_moving: bool
    begun_at: datetime | None
    finished_at: datetime | None


def day_view(row: DailyComparison, differences: int, now: datetime) -> DayView:
    """A comparison as the list and its own page show it."""
    is_running = row.status == ComparisonStatus.RUNNING
    return DayView(
        key=row.id,
        url=url_for("payments.books.comparison", comparison_id=row.id),
        day=row.day,
        provider=PROVIDER_WORDS[PaymentMethod(row.method)],
        mark=day_mark(row, differences),
        sentence=day_sentence(row, differences),
        compared=row.compared,
        differences=differences,
        bar=Bar(row.steps_done, row.steps_total, _bar_words(row)) if is_running else None,
        is_moving=is_running or (row.status == ComparisonStatus.DUE and row.next_at <= now),
        begun_at=row.begun_at,
        finished_at=row.finished_at,
    )


def _bar_words(row: DailyComparison) -> str:
    return _("{done} of {total} statements read", done=row.steps_done, total=row.steps_total)


def day_mark(row: DailyComparison, differences: int) -> Mark:
    """How a comparison stands, as a badge."""
    match ComparisonStatus(row.status):
        case ComparisonStatus.RUNNING:
            return Mark("progress", "cog", _("Being compared"))
        case ComparisonStatus.DUE if row.trouble:
            return Mark("warn", "clock-alert", _("Tried again later"))
        case ComparisonStatus.DUE:
            return Mark("progress", "hourglass", _("About to be compared"))
        case ComparisonStatus.NO_STATEMENT if row.unchecked:
            return Mark("bad", "circle-alert", _("No statement"))
        case ComparisonStatus.NO_STATEMENT:
            return Mark("neutral", "minus", _("Nothing to compare"))
        case _ if differences:
            return Mark(
                "bad",
                "circle-alert",
                ngettext("{count} difference", "{count} differences", differences),
            )
        case _:
            return Mark("good", "circle-check", _("Agrees"))


def day_sentence(row: DailyComparison, differences: int) -> str:
    """How a comparison stands, in words, with what to do."""
    match ComparisonStatus(row.status):
        case ComparisonStatus.RUNNING:
            return _("The worker reads the provider’s statements. This page changes by itself.")
        case ComparisonStatus.DUE if row.trouble:
            again = words().instant(row.next_at)
            return _("{ended} The worker tries again by itself, at {again}.", ended=_ended(row.trouble), again=again)
        case ComparisonStatus.DUE:
            return _("The worker compares it within seconds. This page changes by itself.")
        case ComparisonStatus.NO_STATEMENT if row.unchecked == 1:
            return _(
                "{ended} One refund was confirmed on that day: ask the provider for the statement.",
                ended=_ended(row.trouble),
            )
        case ComparisonStatus.NO_STATEMENT if row.unchecked:
            count = row.unchecked
            return _(
                "{ended} {count} refunds were confirmed on that day: ask the provider for the statement.",
                ended=_ended(row.trouble),
                count=count,
            )
        case ComparisonStatus.NO_STATEMENT:
            return _("The provider has no statement, and nothing was paid back through it on that day.")
        case _ if differences:
            return _("Look into each difference. Nothing was paid or changed by the comparison.")
        case _ if row.compared == 1:
            return _("One refund was compared, and both sides say the same.")
        case _ if row.compared:
            return _("{compared} refunds were compared, and both sides say the same.", compared=row.compared)
        case _:
            return _("Nothing was paid back on that day, and both sides say so.")


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", ")")) else f"{sentence}."


KIND_WORDS = {
    DifferenceKind.MISSING_THERE: phrase("Missing at the provider"),
    DifferenceKind.MISSING_HERE: phrase("Unknown here"),
    DifferenceKind.NOT_CONFIRMED_HERE: phrase("Not confirmed here"),
    DifferenceKind.AMOUNT_DIFFERS: phrase("Another amount"),
    DifferenceKind.PAID_TWICE: phrase("Paid twice"),
}


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """One difference: what it is, which refund, both amounts, and what to do."""

    kind: str
    refund: RefundLink | None
    refund_no: str
    ours: Money | None
    theirs: Money | None
    at: datetime
    reference: str
    advice: str


def difference_rows(
    row: DailyComparison, found: Sequence[DailyDifference], known: Mapping[str, Known]
) -> list[DifferenceRow]:
    """The differences of a day, the earliest first."""
    return [
        DifferenceRow(
            kind=_(KIND_WORDS[one.kind]),
            refund=refund_link(known.get(one.refund_no)),
            refund_no=one.refund_no,
            ours=one.ours,
            theirs=one.theirs,
            at=one.at,
            reference=one.reference,
            advice=_(WORDS[one.kind]),
        )
        for one in as_comparison(row, found).differences
    ]
