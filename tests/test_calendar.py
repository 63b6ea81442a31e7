"""Business days: the two dates that a customer is promised, and when the promise is broken."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certlifecycle import DEFAULT_POLICY, RefundPolicy
from certlifecycle.calendar import (
    MOST_DAYS,
    Promise,
    business_days_after,
    is_business_day,
    is_overdue,
    latest_instant,
    promised_dates,
)
from certlifecycle.strategies import instants, policies

SHANGHAI, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("start", "days", "calendar", "expected"),
    [
        pytest.param("2026-03-02", 1, "", "2026-03-03", id="Monday to Tuesday"),
        pytest.param("2026-03-06", 1, "", "2026-03-09", id="over a weekend"),
        pytest.param("2026-03-07", 1, "", "2026-03-09", id="from a Saturday"),
        pytest.param("2026-03-02", 5, "", "2026-03-09", id="a week"),
        pytest.param("2026-12-31", 1, "", "2027-01-01", id="weekends only know no New Year"),
        pytest.param("2026-12-31", 1, "CN", "2027-01-04", id="New Year's Day is a holiday, in the next year's list"),
        # The Spring Festival of 2026 is from 15 to 23 February; the Saturdays 14 and 28 are worked.
        pytest.param("2026-02-13", 1, "CN", "2026-02-14", id="a Saturday that is worked"),
        pytest.param("2026-02-13", 2, "CN", "2026-02-24", id="over the Spring Festival"),
        pytest.param("2026-02-13", 2, "", "2026-02-17", id="where nobody keeps the Spring Festival"),
        pytest.param("2026-02-27", 1, "CN", "2026-02-28", id="the other Saturday that is worked"),
        # Bavaria keeps Epiphany, Berlin does not.
        pytest.param("2026-01-05", 1, "DE-BY", "2026-01-07", id="a subdivision's holiday"),
        pytest.param("2026-01-05", 1, "DE-BE", "2026-01-06", id="another subdivision's working day"),
        # In Israel the weekend is Friday and Saturday.
        pytest.param("2026-03-05", 1, "IL", "2026-03-08", id="another weekend"),
    ],
)
def test_business_days_are_counted_from_the_day_after(start, days, calendar, expected):
    assert business_days_after(date.fromisoformat(start), days, calendar) == date.fromisoformat(expected)


@pytest.mark.parametrize("days", [0, -1, MOST_DAYS + 1])
def test_no_promise_is_shorter_than_a_day_or_longer_than_a_year(days):
    with pytest.raises(ValueError, match=f"days: must be between 1 and {MOST_DAYS}, not {days}"):
        business_days_after(date(2026, 3, 2), days, "CN")


def test_the_longest_count_ends():
    assert business_days_after(date(2026, 3, 2), MOST_DAYS, "CN") > date(2027, 3, 2)


def test_an_unknown_calendar_is_an_error_and_no_guess():
    with pytest.raises(NotImplementedError):
        is_business_day(date(2026, 3, 2), "QQ")


def test_three_to_five_business_days_become_two_dates():
    applied_at = datetime(2026, 9, 29, 2, tzinfo=UTC)
    # The National Day holidays of 2026 are from 1 to 7 October; Saturday 10 October is worked.
    assert promised_dates(applied_at, DEFAULT_POLICY) == Promise(date(2026, 10, 9), date(2026, 10, 12))


@pytest.mark.parametrize(
    ("instant", "soonest"),
    [
        pytest.param(datetime(2026, 3, 4, 15, 59, 59, tzinfo=UTC), date(2026, 3, 9), id="still Wednesday in Shanghai"),
        pytest.param(datetime(2026, 3, 4, 16, 0, 0, tzinfo=UTC), date(2026, 3, 10), id="Thursday in Shanghai"),
        pytest.param(datetime(2026, 3, 4, 12, tzinfo=NEW_YORK), date(2026, 3, 10), id="told abroad"),
    ],
)
def test_the_day_of_the_application_is_the_vendor_s(instant, soonest):
    assert promised_dates(instant, DEFAULT_POLICY).soonest == soonest


def test_an_application_has_a_zone():
    naive = datetime(2026, 3, 4, 12)  # noqa: DTZ001  # the naive one is the point
    with pytest.raises(ValueError, match="applied_at must be a timezone-aware instant"):
        promised_dates(naive, DEFAULT_POLICY)
    with pytest.raises(ValueError, match="now must be a timezone-aware instant"):
        is_overdue(Promise(date(2026, 3, 4), date(2026, 3, 6)), naive, SHANGHAI)


def test_a_promise_is_broken_when_its_last_day_is_over():
    promise = Promise(date(2026, 3, 4), date(2026, 3, 6))
    midnight = datetime(2026, 3, 6, 16, tzinfo=UTC)

    assert latest_instant(promise, SHANGHAI) == midnight
    assert latest_instant(promise, SHANGHAI).tzinfo is UTC
    assert not is_overdue(promise, midnight - timedelta(microseconds=1), SHANGHAI)
    assert is_overdue(promise, midnight, SHANGHAI)
    assert is_overdue(promise, midnight.astimezone(NEW_YORK), SHANGHAI)


def test_the_last_day_ends_even_where_midnight_is_skipped():
    # In Santiago the clocks went from 24:00 on 5 September 2026 straight to 01:00 on the 6th.
    promise = Promise(date(2026, 9, 4), date(2026, 9, 5))
    assert latest_instant(promise, ZoneInfo("America/Santiago")) == datetime(2026, 9, 6, 4, tzinfo=UTC)


@settings(deadline=None)
@given(applied_at=instants(), policy=policies())
def test_what_is_promised_can_be_kept(applied_at, policy):
    promise = promised_dates(applied_at, policy)
    day = applied_at.astimezone(policy.zone).date()

    assert day < promise.soonest <= promise.latest
    assert is_business_day(promise.soonest, policy.calendar)
    assert is_business_day(promise.latest, policy.calendar)
    assert not is_overdue(promise, applied_at, policy.zone)


@settings(deadline=None)
@given(
    start=st.dates(date(2020, 1, 1), date(2030, 12, 31)),
    days=st.integers(1, 60),
    calendar=st.sampled_from(["", "CN", "US-CA", "AE"]),
)
def test_counting_day_by_day_comes_to_the_same_date(start, days, calendar):
    day, counted = start, 0
    while counted < days:
        day += timedelta(days=1)
        counted += is_business_day(day, calendar)

    assert business_days_after(start, days, calendar) == day


def test_a_policy_without_a_calendar_promises_weekdays():
    policy = RefundPolicy("1", calendar="", timezone="UTC", review_days=(1, 1))
    assert promised_dates(datetime(2026, 2, 13, 12, tzinfo=UTC), policy).latest == date(2026, 2, 16)
