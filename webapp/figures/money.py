"""The sections about reasons and money. Amounts of different currencies are never added."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

from certlifecycle import Money, phrase
from webapp.certificates.models import PaymentMethod
from webapp.figures import charts
from webapp.figures.charts import Series
from webapp.figures.period import Period
from webapp.figures.queries import Decided, Fate, PaidBack, Paying
from webapp.figures.section import Section, by_column, said_of, ticks
from webapp.figures.tables import Cell, Share, Table
from webapp.payments.models import PayoutStatus
from webapp.refunds.forms import REASON_WORDS
from webapp.refunds.models import Outcome, RefundReason
from webapp.wording import Vocabulary, _, words

PROVIDER_WORDS = Vocabulary(
    {
        PaymentMethod.BALANCE: phrase("Balance in this shop"),
        PaymentMethod.ALIPAY: phrase("Alipay"),
        PaymentMethod.BANK: phrase("Bank"),
    }
)


def totals(paid: Sequence[PaidBack]) -> dict[str, Money]:
    """What was refunded, by currency."""
    sums: Counter[str] = Counter()
    for one in paid:
        sums[one.currency] += one.minor
    return {currency: Money(minor, currency) for currency, minor in sorted(sums.items())}


# Why


def reasons(found: Sequence[Fate]) -> Section:
    """Why customers wanted their money back, and what became of it."""
    by_reason: Counter[RefundReason] = Counter()
    for one in found:
        by_reason[one.reason] += one.cases
    everything = by_reason.total()
    lines = [
        (
            REASON_WORDS[reason],
            _(
                "{cases} of {everything} ({share})",
                cases=words().number(cases),
                everything=words().number(everything),
                share=Share(cases, everything),
            ),
            cases,
            0,
        )
        for reason, cases in by_reason.most_common()
    ]
    return Section(
        _("Why refunds were applied for"),
        _("Applications made in these days, by the reason that fitted best. The table says what has become of them."),
        _reason_table(found),
        bars=charts.bars(lines),
        empty=None if found else _("Nobody applied for a refund in these days."),
    )


def _reason_table(found: Sequence[Fate]) -> Table:
    grouped: dict[tuple[RefundReason, str], list[Fate]] = defaultdict(list)
    for one in found:
        grouped[one.reason, one.currency].append(one)
    rows: list[list[Cell]] = []
    for (reason, currency), group in sorted(grouped.items(), key=lambda item: -sum(one.cases for one in item[1])):
        became: Counter[Outcome] = Counter()
        for one in group:
            became[one.outcome] += one.cases
        amount = Money(sum(one.minor for one in group), currency)
        under_way = became[Outcome.OPEN] + became[Outcome.APPROVED]
        ended = (became[Outcome.REFUNDED], became[Outcome.REJECTED], became[Outcome.WITHDRAWN])
        rows.append([REASON_WORDS[reason], currency, became.total(), *ended, under_way, amount])
    columns = [
        _("Reason"),
        _("Currency"),
        _("Applications"),
        _("Refunded"),
        _("Refused"),
        _("Withdrawn"),
        _("Under way"),
        _("Amount applied for"),
    ]
    return Table("reasons", _("Why refunds were applied for"), columns, rows)


def refusals(found: Sequence[Decided]) -> Section:
    """How many decisions were refusals, by the customer's reason."""
    decided: Counter[RefundReason] = Counter()
    refused: Counter[RefundReason] = Counter()
    for one in found:
        decided[one.reason] += one.cases
        refused[one.reason] += one.cases if one.refused else 0
    lines = [
        (
            REASON_WORDS[reason],
            _(
                "{refused} of {cases} refused ({share})",
                refused=words().number(refused[reason]),
                cases=words().number(cases),
                share=Share(refused[reason], cases),
            ),
            cases,
            refused[reason],
        )
        for reason, cases in decided.most_common()
    ]
    return Section(
        _("Refusals"),
        _("Decisions about refunds made in these days, by the customer’s reason. The hollow part was refused."),
        _refusal_table(found),
        bars=charts.bars(lines),
        empty=None if found else _("No refund was decided about in these days."),
    )


def _refusal_table(found: Sequence[Decided]) -> Table:
    cases: Counter[tuple[RefundReason, str, bool]] = Counter()
    minor: Counter[tuple[RefundReason, str, bool]] = Counter()
    for one in found:
        key = (one.reason, one.currency, one.refused)
        cases[key] += one.cases
        minor[key] += one.minor
    rows: list[list[Cell]] = []
    for reason, currency in sorted({(one.reason, one.currency) for one in found}):
        approved, refused = cases[reason, currency, False], cases[reason, currency, True]
        amount = Money(minor[reason, currency, True], currency)
        share = Share(refused, approved + refused)
        rows.append([REASON_WORDS[reason], currency, approved + refused, approved, refused, share, amount])
    columns = [
        _("Reason"),
        _("Currency"),
        _("Decisions"),
        _("Approved"),
        _("Refused"),
        _("Share refused"),
        _("Amount refused"),
    ]
    return Table("refusals", _("Refusals"), columns, rows)


# How much


def amounts(paid: Sequence[PaidBack], period: Period) -> Section:
    """What was refunded by day, a row for each currency."""
    rows = []
    for currency, everything in totals(paid).items():
        days: dict[date, int] = {one.day: one.minor for one in paid if one.currency == currency}
        columns = by_column(days, period)
        most = Money(max(columns.values()), currency)
        values = [
            (minor, f"{words().day(day)}: {words().money(Money(minor, currency))}") for day, minor in columns.items()
        ]
        rows.append(
            Series(
                f"amounts-{currency}", currency, said_of(words().money(everything), words().money(most), period), values
            )
        )
    table: list[list[Cell]] = [[one.day, one.currency, one.cases, Money(one.minor, one.currency)] for one in paid]
    return Section(
        _("Amounts refunded"),
        _("What providers confirmed as paid back. Currencies stand apart, each to a scale of its own."),
        Table("amounts", _("Amounts refunded"), [_("Day"), _("Currency"), _("Refunds"), _("Amount")], table),
        strips=charts.strips(rows, ticks(period), alike=False),
        empty=None if paid else _("No money was paid back in these days."),
    )


ENDED = (PayoutStatus.CONFIRMED, PayoutStatus.REFUSED)


def providers(found: Sequence[Paying]) -> Section:
    """Which provider paid how much, refused how much, and has not answered about how much."""
    confirmed: Counter[PaymentMethod] = Counter()
    refused: Counter[PaymentMethod] = Counter()
    for one in found:
        confirmed[one.method] += one.cases if one.status is PayoutStatus.CONFIRMED else 0
        refused[one.method] += one.cases if one.status is PayoutStatus.REFUSED else 0
    lines = [
        (
            PROVIDER_WORDS[method],
            _(
                "{confirmed} confirmed, {refused} refused",
                confirmed=words().number(confirmed[method]),
                refused=words().number(refused[method]),
            ),
            confirmed[method] + refused[method],
            refused[method],
        )
        for method in sorted({one.method for one in found}, key=lambda one: -confirmed[one])
    ]
    return Section(
        _("Payouts by provider"),
        _(
            "Payments that were confirmed or refused in these days; the hollow part was refused and went another way. "
            "The table also counts those that wait for an answer now."
        ),
        _provider_table(found),
        bars=charts.bars(lines),
        empty=None if found else _("No payment was sent in these days, and none waits for an answer."),
    )


def _provider_table(found: Sequence[Paying]) -> Table:
    sums: Mapping[tuple[PaymentMethod, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for one in found:
        status = one.status.value if one.status in ENDED else "under way"
        cases, minor = sums[one.method, one.currency, status]
        sums[one.method, one.currency, status][:] = [cases + one.cases, minor + one.minor]
    rows: list[list[Cell]] = []
    for method, currency in sorted({(one.method, one.currency) for one in found}):
        row: list[Cell] = [PROVIDER_WORDS[method], currency]
        for status in (*(ended.value for ended in ENDED), "under way"):
            cases, minor = sums[method, currency, status]
            row += [cases, Money(minor, currency)]
        rows.append(row)
    columns = [_("Provider"), _("Currency"), _("Confirmed"), _("Amount confirmed"), _("Refused"), _("Amount refused")]
    return Table("payouts", _("Payouts by provider"), [*columns, _("Under way now"), _("Amount under way")], rows)
