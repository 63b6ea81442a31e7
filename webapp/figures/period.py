"""A span of whole days as the vendor counts them, and what of it the database has to know."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

EARLIEST = date(2000, 1, 1)
"""No desk has figures from before."""
LONGEST = 366
"""How many days can be looked at together: a year."""
BY_WEEK_FROM = 93
"""From how many days on a picture has a column for each week, since days would be too thin to see."""


@dataclass(frozen=True, slots=True)
class Period:
    """The days from ``first`` to ``last``, both included, that begin and end at midnight in ``zone``."""

    first: date
    last: date
    zone: ZoneInfo

    @classmethod
    def until_today(cls, days: int, now: datetime, zone: ZoneInfo) -> "Period":
        """Today and the days before it, ``days`` in all."""
        today = now.astimezone(zone).date()
        return cls(today - timedelta(days=days - 1), today, zone)

    @property
    def start(self) -> datetime:
        """The first instant, in UTC."""
        return midnight(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """The first instant that no longer belongs to it, in UTC."""
        return midnight(self.last + timedelta(days=1), self.zone)

    @property
    def length(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    def days(self) -> Iterator[date]:
        """Its days, the earliest first."""
        return (self.first + timedelta(days=number) for number in range(self.length))

    @property
    def by_week(self) -> bool:
        """Whether its pictures have a column for each week."""
        return self.length >= BY_WEEK_FROM

    def column_of(self, day: date) -> date:
        """The day under whose column another one is counted: itself, or the first of its week inside the period."""
        if not self.by_week:
            return day
        return max(self.first, day - timedelta(days=day.weekday()))

    def columns(self) -> list[date]:
        """The days that head the columns of its pictures."""
        return sorted({self.column_of(day) for day in self.days()})


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, at which a day begins in a zone."""
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


@lru_cache(maxsize=32)
def offsets(zone: ZoneInfo, year: int) -> tuple[tuple[datetime, int], ...]:
    """How far a zone's clocks are ahead of UTC, in seconds, each with the instant from which on: the latest first.

    From :data:`EARLIEST` to the end of ``year``. Neither database is asked for its own time zones: SQLite has none, and
    PostgreSQL's need not be of the same year as Python's.
    """
    found = [(at := midnight(EARLIEST, zone), _offset(zone, at))]
    day, end = at, datetime(year + 1, 1, 1, tzinfo=UTC)
    while day < end:
        following = day + timedelta(days=1)
        if (seconds := _offset(zone, following)) != found[-1][1]:
            found.append((_change(zone, day, following), seconds))
        day = following
    return tuple(reversed(found))


def _offset(zone: ZoneInfo, at: datetime) -> int:
    return int((at.astimezone(zone).utcoffset() or timedelta()).total_seconds())


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first second with the later offset, of two instants between which the clocks are changed once."""
    old = _offset(zone, before)
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        middle = middle.replace(microsecond=0)
        before, after = (middle, after) if _offset(zone, middle) == old else (before, middle)
    return after
