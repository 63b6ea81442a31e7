"""Time to a decision in business days: the calendar knows them and the database does not, so they are counted here."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from certlifecycle.calendar import business_days_between
from webapp.figures.charts import Step
from webapp.figures.queries import PERCENTS, Speed, Took
from webapp.wording import _

WIDEST = 15
"""From how many business days on a distribution counts everything in its last column."""
ROOM = 3
"""How many columns behind the promised ones are shown even if nothing is in them."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long cases took: how many in all and in time, the percentiles, and by business days (kept, broken)."""

    cases: int
    kept: int
    business_days: tuple[int, int, int] | None
    seconds: tuple[float, float, float, float] | None
    spread: Mapping[int, tuple[int, int]]


def pace(speed: Speed, calendar: str, kept: Callable[[Took], int]) -> Pace:
    """Turn pairs of days into business days; ``kept`` says how many cases of a pair were in time."""
    good: Counter[int] = Counter()
    bad: Counter[int] = Counter()
    for took in speed.groups:
        days = business_days_between(took.came, took.decided, calendar)
        in_time = kept(took)
        good[days] += in_time
        bad[days] += took.cases - in_time
    cases = sum(took.cases for took in speed.groups)
    spread = {days: (good[days], bad[days]) for days in sorted(good.keys() | bad.keys())}
    return Pace(cases, good.total(), _percentiles(good + bad), speed.seconds, spread)


def _percentiles(counted: Counter[int]) -> tuple[int, int, int] | None:
    """The same percentiles as the database makes of the seconds: by nearest rank."""
    if not counted:
        return None
    half, most, nearly_all = (_nearest_rank(counted, percent) for percent in PERCENTS)
    return half, most, nearly_all


def _nearest_rank(counted: Counter[int], percent: int) -> int:
    place = -(-counted.total() * percent // 100)
    days = 0
    for days in sorted(counted):
        place -= counted[days]
        if place <= 0:
            break
    return days


def steps(paced: Pace, latest: int) -> list[Step]:
    """The columns of a distribution, up to ``latest`` promised business days and as far as there is anything."""
    furthest = max(paced.spread, default=0)
    last = max(latest + ROOM, min(furthest, WIDEST))
    shown = {days: [0, 0] for days in range(last + 1)}
    for days, (kept, broken) in paced.spread.items():
        column = shown[min(days, last)]
        column[0] += kept
        column[1] += broken
    return [
        Step(
            f"{days}+" if days == last and furthest > last else str(days),
            kept,
            broken,
            _("After {days} business days: {kept} in time, {broken} late", days=days, kept=kept, broken=broken),
        )
        for days, (kept, broken) in shown.items()
    ]


def in_time_by(due: Callable[[date], date]) -> Callable[[Took], int]:
    """Cases count as in time when they were decided by the day that ``due`` gives for the day they came."""
    return lambda took: took.cases if took.decided <= due(took.came) else 0
