"""The page of figures: each section a picture, what it says in a sentence, and the numbers behind it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from certlifecycle import RefundPolicy
from certlifecycle.calendar import business_days_after
from webapp.figures import charts, money, queries
from webapp.figures.charts import Series, Strips
from webapp.figures.period import Period
from webapp.figures.queries import Daily, Work
from webapp.figures.section import Section, by_column, said_of, ticks
from webapp.figures.speed import Pace, in_time_by, pace, steps
from webapp.figures.tables import Cell, Hours, Share, Table
from webapp.review.queries import VERIFICATION_DAYS, Kind, Waiting
from webapp.wording import _, words

Stat = tuple[str, str, str | None, str]
"""What a figure is called, the figure, a note and the note's tone."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything on the page."""

    period: Period
    stats: Sequence[Stat]
    sections: Sequence[Section]

    def table(self, key: str) -> Table | None:
        """One of the tables, by its key."""
        return next((section.table for section in self.sections if section.table.key == key), None)


def figures(
    session: Session, period: Period, policy: RefundPolicy, waiting: Sequence[Waiting], overdue: int
) -> Figures:
    """Count everything for a period. ``waiting`` is what reviewers have before them now, ``overdue`` of it is late."""
    daily = queries.by_day(session, period)
    answers = pace(queries.refund_speed(session, period), policy.calendar, lambda took: took.kept)
    checks = pace(
        queries.verification_speed(session, period),
        policy.calendar,
        in_time_by(lambda day: business_days_after(day, VERIFICATION_DAYS, policy.calendar)),
    )
    paid = queries.paid_back(session, period)
    sections = [
        _refunds_by_day(daily, period),
        _orders_by_day(daily, period),
        _answers(answers, policy),
        _checks(checks),
        _speed(answers, checks),
        money.reasons(queries.fates(session, period)),
        money.refusals(queries.decisions(session, period)),
        money.amounts(paid, period),
        money.providers(queries.payouts(session, period)),
    ]
    return Figures(period, _stats(daily, answers, paid, waiting, overdue), sections)


def _stats(
    daily: Daily, answers: Pace, paid: Sequence[queries.PaidBack], waiting: Sequence[Waiting], overdue: int
) -> list[Stat]:
    done = _sums(daily)
    decided = done[Work.APPROVED] + done[Work.REFUSED]
    refunds = sum(one.kind is Kind.REFUND for one in waiting)
    share = Share(done[Work.REFUSED], decided)
    found: list[Stat] = [
        (
            _("Waiting now"),
            f"{len(waiting):,}",
            _("{count} of them refunds", count=words().number(refunds)),
            "neutral",
        ),
        (_("Late now"), f"{overdue:,}", _("Their day has passed") if overdue else None, "bad"),
        (
            _("Refunds applied for"),
            f"{done[Work.APPLIED]:,}",
            _("{count} withdrawn", count=words().number(done[Work.WITHDRAWN])),
            "neutral",
        ),
        (
            _("Decisions about refunds"),
            f"{decided:,}",
            _("{share} refused", share=share) if decided else None,
            "neutral",
        ),
        (
            _("Answered in time"),
            str(Share(answers.kept, answers.cases)),
            _(
                "{kept} of {cases} by the promised day",
                kept=words().number(answers.kept),
                cases=words().number(answers.cases),
            )
            if answers.cases
            else None,
            "good" if answers.kept == answers.cases else "bad",
        ),
    ]
    for currency, sum_of in money.totals(paid).items():
        cases = sum(one.cases for one in paid if one.currency == currency)
        amount = str(sum_of).removesuffix(f" {currency}")
        found.append(
            (
                _("Refunded in {currency}", currency=currency),
                amount,
                _("Payments confirmed: {cases}", cases=words().number(cases)),
                "neutral",
            )
        )
    return found


def _sums(daily: Daily) -> dict[Work, int]:
    sums: dict[Work, int] = defaultdict(int)
    for (work, _day), cases in daily.items():
        sums[work] += cases
    return sums


# By day


def _refunds_by_day(daily: Daily, period: Period) -> Section:
    names = {
        Work.APPLIED: _("Applied for"),
        Work.APPROVED: _("Approved"),
        Work.REFUSED: _("Refused"),
        Work.REFUNDED: _("Refunded"),
    }
    more = names | {Work.WITHDRAWN: _("Withdrawn")}
    return Section(
        _("Refunds by day"),
        _("Applications that came in, what was decided about applications, and payments that the provider confirmed."),
        _daily_table("refunds", _("Refunds by day"), more, daily, period),
        strips=_daily_strips("refunds", names, daily, period),
        empty=_nothing(more, daily, _("Nothing happened to any refund in these days.")),
    )


def _orders_by_day(daily: Daily, period: Period) -> Section:
    names = {
        Work.ORDERED: _("Ordered"),
        Work.SUBMITTED: _("Submitted"),
        Work.VERIFIED: _("Verified"),
        Work.FAILED: _("Verification failed"),
        Work.ISSUED: _("Issued"),
    }
    return Section(
        _("Certificates by day"),
        _("Orders, submissions, what was decided about submissions, and certificates that were issued."),
        _daily_table("certificates", _("Certificates by day"), names, daily, period),
        strips=_daily_strips("certificates", names, daily, period),
        empty=_nothing(names, daily, _("Nothing was ordered, submitted or issued in these days.")),
    )


def _nothing(names: dict[Work, str], daily: Daily, sentence: str) -> str | None:
    return None if any(work in names for work, _day in daily) else sentence


def _daily_table(key: str, caption: str, names: dict[Work, str], daily: Daily, period: Period) -> Table:
    rows: list[list[Cell]] = [[day, *(daily[work, day] for work in names)] for day in period.days()]
    return Table(key, caption, [_("Day"), *names.values()], rows)


def _daily_strips(key: str, names: dict[Work, str], daily: Daily, period: Period) -> Strips:
    rows = []
    for work, name in names.items():
        columns = by_column({day: daily[work, day] for day in period.days()}, period)
        said = said_of(f"{sum(columns.values()):,}", f"{max(columns.values()):,}", period)
        values = [(value, f"{words().day(day)}: {value:,}") for day, value in columns.items()]
        rows.append(Series(f"{key}-{work}", name, said, values))
    return charts.strips(rows, ticks(period), alike=True)


# How long it took


def _answers(answers: Pace, policy: RefundPolicy) -> Section:
    soonest, latest = policy.review_days
    lead = _(
        "Business days from the application to the first decision. "
        "Hollow columns are answers that came after the day that the customer was promised."
    )
    return Section(
        _("Time to an answer about a refund"),
        lead,
        _spread("answers", _("Time to an answer about a refund"), answers, latest),
        distribution=charts.distribution(
            "answers",
            _("Answers by business days"),
            _("{kept} of {cases} answers came by the promised day.", kept=answers.kept, cases=answers.cases),
            steps(answers, latest),
            (soonest, latest),
            _("promised"),
        ),
        empty=None if answers.cases else _("No application got its answer in these days."),
    )


def _checks(checks: Pace) -> Section:
    lead = _(
        "Business days from the submission to a reviewer’s decision. What the desk verified by itself is left out. "
        "Hollow columns took longer than the desk’s own target."
    )
    return Section(
        _("Time to a decision about a submission"),
        lead,
        _spread("checks", _("Time to a decision about a submission"), checks, VERIFICATION_DAYS),
        distribution=charts.distribution(
            "checks",
            _("Decisions about submissions by business days"),
            _("{kept} of {cases} decisions came in time.", kept=checks.kept, cases=checks.cases),
            steps(checks, VERIFICATION_DAYS),
            (0, VERIFICATION_DAYS),
            _("target"),
        ),
        empty=None if checks.cases else _("No reviewer decided about a submission in these days."),
    )


def _spread(key: str, caption: str, paced: Pace, latest: int) -> Table:
    rows: list[list[Cell]] = [
        [step.name, step.kept + step.broken, step.kept, step.broken] for step in steps(paced, latest)
    ]
    return Table(key, caption, [_("Business days"), _("Decided"), _("In time"), _("Late")], rows)


def _speed(answers: Pace, checks: Pace) -> Section:
    columns = [
        "",
        _("Decided"),
        _("In time"),
        "50 %",
        "90 %",
        "99 %",
        "50 %, hours",
        "90 %, hours",
        "99 %, hours",
        _("Longest, hours"),
    ]
    named = {_("Answers about refunds"): answers, _("Decisions about submissions"): checks}
    rows = [_percentile_row(name, paced) for name, paced in named.items()]
    return Section(
        _("Percentiles"),
        _("So many of a hundred cases took no longer than this, in business days and in hours by the clock."),
        Table("percentiles", _("Time to a decision: percentiles"), columns, rows),
    )


def _percentile_row(name: str, paced: Pace) -> list[Cell]:
    days: Sequence[Cell] = paced.business_days or (None, None, None)
    hours: Sequence[Cell] = [Hours(one) for one in paced.seconds] if paced.seconds else [None] * 4
    return [name, paced.cases, Share(paced.kept, paced.cases), *days, *hours]
