"""Business days: by which date a customer can expect the decision about a refund.

Holidays come from the ``holidays`` library. Where a country makes people work on some weekends to make up for a long
holiday (China), the library knows these days, and they count as business days here, too.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

import holidays

from certlifecycle.policy import RefundPolicy

MOST_DAYS = 366
"""How many business days can be counted at once: a promise longer than a year is a mistake."""


@dataclass(frozen=True, slots=True)
class Promise:
    """Between which two business days the answer is promised, both included."""

    soonest: date
    latest: date


@lru_cache(maxsize=256)
def _holidays_of(calendar: str, year: int) -> holidays.HolidayBase:
    # One complete object a year: the library's growing ones are not safe to share between threads.
    country, _, subdivision = calendar.partition("-")
    return holidays.country_holidays(country, subdiv=subdivision or None, years=year, expand=False)


def is_business_day(day: date, calendar: str) -> bool:
    """Whether people work on ``day``; an empty ``calendar`` knows weekends only (Saturday and Sunday).

    Raises :class:`NotImplementedError` for a calendar that the ``holidays`` library does not know.
    """
    if not calendar:
        return day.isoweekday() <= 5
    return _holidays_of(calendar, day.year).is_working_day(day)


def business_days_after(start: date, days: int, calendar: str) -> date:
    """The business day that is ``days`` business days after ``start``; the day of ``start`` itself is not counted.

    ``calendar`` is a country or ``COUNTRY-SUBDIVISION`` code, or empty for weekends only. Raises :class:`ValueError`
    when ``days`` is not between 1 and 366, and what :func:`is_business_day` raises.
    """
    if not 1 <= days <= MOST_DAYS:
        raise ValueError(f"days: must be between 1 and {MOST_DAYS}, not {days}")
    day = start
    while days:
        day += timedelta(days=1)
        days -= is_business_day(day, calendar)
    return day


def business_days_between(start: date, end: date, calendar: str) -> int:
    """How many business days lie after ``start`` up to and including ``end``: 0 for the same day.

    The inverse of :func:`business_days_after`. Raises :class:`ValueError` when ``end`` comes before ``start``, and what
    :func:`is_business_day` raises.
    """
    if end < start:
        raise ValueError("end: must not come before start")
    days = (end - start).days
    return sum(is_business_day(start + timedelta(days=number), calendar) for number in range(1, days + 1))


def promised_dates(applied_at: datetime, policy: RefundPolicy) -> Promise:
    """The two dates that the policy's ``review_days`` promise to somebody who applied at ``applied_at``.

    Counted in the policy's time zone and with its calendar. Raises :class:`ValueError` for a naive instant.
    """
    if applied_at.utcoffset() is None:
        raise ValueError("applied_at must be a timezone-aware instant")
    day = applied_at.astimezone(policy.zone).date()
    soonest, latest = policy.review_days
    return Promise(
        business_days_after(day, soonest, policy.calendar),
        business_days_after(day, latest, policy.calendar),
    )


def latest_instant(promise: Promise, zone: tzinfo) -> datetime:
    """The instant, in UTC, at which the promised ``latest`` day ends in ``zone``: the midnight that follows it."""
    following = promise.latest + timedelta(days=1)
    return datetime.combine(following, time.min, tzinfo=zone).astimezone(UTC)


def is_overdue(promise: Promise, now: datetime, zone: tzinfo) -> bool:
    """Whether the promise is broken at ``now``; the whole of the latest day, as ``zone`` counts it, still keeps it."""
    if now.utcoffset() is None:
        raise ValueError("now must be a timezone-aware instant")
    return now >= latest_instant(promise, zone)
