"""Comparing the desk's payouts with a provider's own records of a day. It lists differences and pays nothing."""

import io
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from defusedcsv import csv  # type: ignore[import-untyped]  # it ships no types
from sqlmodel import col, or_, select

from certlifecycle import Money, phrase
from webapp.certificates.models import PaymentMethod
from webapp.db import Database
from webapp.payments.models import Payout, PayoutStatus
from webapp.payments.models_books import DifferenceKind
from webapp.payments.port import PaymentGateway, StatementLine, StatementMissing

FURTHEST_BACK = timedelta(days=31)
"""How far before the day a payout's statement line is looked for. A provider may have paid long before we heard it."""


WORDS = {
    DifferenceKind.MISSING_THERE: phrase("Confirmed here, but not in the provider’s records. Ask the provider."),
    DifferenceKind.MISSING_HERE: phrase("In the provider’s records, but no refund of this desk. Find out who made it."),
    DifferenceKind.NOT_CONFIRMED_HERE: (
        phrase("Paid by the provider, but not confirmed here. Look at it before anything is paid.")
    ),
    DifferenceKind.AMOUNT_DIFFERS: phrase("The provider paid another amount than was confirmed here."),
    DifferenceKind.PAID_TWICE: phrase("The provider lists the same refund more than once. Ask for the money back."),
}


@dataclass(frozen=True, slots=True)
class OurPayout:
    """A payout as the desk has it; ``settled_at`` is when it was confirmed or last changed."""

    refund_no: str
    amount: Money
    confirmed: bool
    settled_at: datetime


@dataclass(frozen=True, slots=True)
class Difference:
    """One refund on which the desk and the provider do not agree. An amount is empty on the side that has none."""

    kind: DifferenceKind
    refund_no: str
    ours: Money | None
    theirs: Money | None
    at: datetime
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of a day.

    ``compared`` counts the refunds looked at. ``missing`` says why there was no statement, and ``unchecked`` how many
    payouts of ours could not be compared then.
    """

    method: PaymentMethod
    day: date
    compared: int
    differences: tuple[Difference, ...]
    missing: str = ""
    unchecked: int = 0


def compare(
    due: Collection[OurPayout],
    known: Iterable[OurPayout],
    statement: Sequence[StatementLine],
    earlier: Iterable[StatementLine] = (),
) -> list[Difference]:
    """The differences of a day, the earliest first.

    ``due`` are the payouts that were confirmed on the day, and must be in its ``statement`` or in an ``earlier`` one.
    ``known`` are ours of any day with the statement's numbers.
    """
    ours = {one.refund_no: one for one in (*known, *due)}
    theirs: dict[str, list[StatementLine]] = defaultdict(list)
    for line in statement:
        theirs[line.refund_no].append(line)
    listed = {line.refund_no for line in earlier} | theirs.keys()
    found = [
        Difference(DifferenceKind.MISSING_THERE, one.refund_no, one.amount, None, one.settled_at)
        for one in due
        if one.refund_no not in listed
    ]
    for refund_no, lines in theirs.items():
        found += _differences(ours.get(refund_no), lines)
    return sorted(found, key=lambda one: (one.at, one.refund_no, one.kind))


def _differences(ours: OurPayout | None, lines: Sequence[StatementLine]) -> Iterable[Difference]:
    first = lines[0]

    def differs(kind: DifferenceKind, line: StatementLine) -> Difference:
        return Difference(kind, line.refund_no, ours.amount if ours else None, line.amount, line.at, line.reference)

    if ours is None:
        yield differs(DifferenceKind.MISSING_HERE, first)
    elif not ours.confirmed:
        yield differs(DifferenceKind.NOT_CONFIRMED_HERE, first)
    elif ours.amount != first.amount:
        yield differs(DifferenceKind.AMOUNT_DIFFERS, first)
    for line in lines[1:]:
        yield differs(DifferenceKind.PAID_TWICE, line)


def reconcile(
    database: Database,
    gateway: PaymentGateway,
    day: date,
    zone: tzinfo,
    tell: Callable[[int, int], object] = lambda done, total: None,
) -> Comparison:
    """Compare a day of a provider's with the payouts of the desk; ``zone`` is the provider's.

    ``tell`` is called with how many of how many statements are read.
    """
    missing = None
    try:
        statement = gateway.statement(day)
    except StatementMissing as wrong:
        statement, missing = [], str(wrong)
    begin = datetime.combine(day, time(), zone)
    end = datetime.combine(day + timedelta(days=1), time(), zone)
    keys = {line.refund_no for line in statement}
    settled_then = (
        (col(Payout.status) == PayoutStatus.CONFIRMED)
        & (col(Payout.updated_at) >= begin)
        & (col(Payout.updated_at) < end)
    )
    wanted = select(Payout).where(Payout.method == gateway.method, or_(col(Payout.refund_id).in_(keys), settled_then))
    with database.reading() as session:
        payouts = session.exec(wanted).all()
    due = [one for one in payouts if one.status == PayoutStatus.CONFIRMED and begin <= one.updated_at < end]
    if missing is not None:
        return Comparison(gateway.method, day, 0, (), missing, len(due))
    earlier = _earlier(gateway, [one for one in due if one.refund_id not in keys], day, zone, tell)
    found = compare([_ours(one) for one in due], [_ours(one) for one in payouts], statement, earlier)
    return Comparison(gateway.method, day, len(keys | {one.refund_id for one in due}), tuple(found))


def _earlier(
    gateway: PaymentGateway,
    unmatched: Sequence[Payout],
    day: date,
    zone: tzinfo,
    tell: Callable[[int, int], object],
) -> list[StatementLine]:
    """The statements of earlier days, as far back as what is not matched was begun."""
    if not unmatched:
        return []
    first = min(one.intended_at for one in unmatched).astimezone(zone).date()
    first = max(first, day - FURTHEST_BACK)
    lines: list[StatementLine] = []
    days = (day - first).days
    for back in range(1, days + 1):
        tell(back, 1 + days)
        try:
            lines += gateway.statement(day - timedelta(days=back))
        except StatementMissing:
            # A day on which nothing happened has none with some providers; what is not found is reported anyway.
            continue
    return lines


def _ours(payout: Payout) -> OurPayout:
    return OurPayout(
        refund_no=payout.refund_id,
        amount=Money(payout.amount_minor, payout.currency),
        confirmed=payout.status == PayoutStatus.CONFIRMED,
        settled_at=payout.updated_at,
    )


def report_file(comparison: Comparison, zone: tzinfo) -> bytes:
    """The comparison as CSV for a spreadsheet: no cell of it can become a formula there."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["provider", "day", "difference", "refund", "ours", "theirs", "at", "reference", "what to do"])
    where = [comparison.method.value, comparison.day.isoformat()]
    for one in comparison.differences:
        at = one.at.astimezone(zone).isoformat(timespec="seconds")
        amounts = [str(one.ours or ""), str(one.theirs or "")]
        row = [*where, one.kind.value, one.refund_no, *amounts, at, one.reference, WORDS[one.kind]]
        # The writer looks at a cell's first sign only, and spreadsheets skip blanks before a formula.
        writer.writerow([cell.strip() for cell in row])
    if comparison.missing:
        writer.writerow([*where, "no_statement", *[""] * 5, comparison.missing])
    # Spreadsheets take a file without this mark for another encoding.
    return text.getvalue().encode("utf-8-sig")
