"""Days as the vendor counts them: their borders, clocks that are changed, and business days."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from certlifecycle.calendar import business_days_after, business_days_between
from webapp.figures.forms import Choice
from webapp.figures.period import Period, offsets

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 6, 30, 15, 59, tzinfo=UTC)
"""One minute before midnight in Shanghai."""


def test_a_period_ends_with_today_where_the_vendor_is() -> None:
    period = Period.until_today(7, NOW, SHANGHAI)
    assert (period.first, period.last, period.length) == (date(2026, 6, 24), date(2026, 6, 30), 7)
    assert Period.until_today(7, NOW + timedelta(minutes=1), SHANGHAI).last == date(2026, 7, 1)


def test_days_begin_at_midnight_in_the_zone() -> None:
    period = Period(date(2026, 6, 1), date(2026, 6, 1), SHANGHAI)
    assert period.start == datetime(2026, 5, 31, 16, tzinfo=UTC)
    assert period.end == datetime(2026, 6, 1, 16, tzinfo=UTC)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_a_day_on_which_clocks_are_changed_is_shorter_or_longer(day: date, hours: int) -> None:
    period = Period(day, day, BERLIN)
    assert period.end - period.start == timedelta(hours=hours)


def test_the_offsets_of_a_zone_without_summer_time_are_one() -> None:
    ((since, ahead),) = offsets(SHANGHAI, 2026)
    assert ahead == 8 * 3600
    assert since == datetime(1999, 12, 31, 16, tzinfo=UTC)


def test_the_offsets_say_to_the_second_when_clocks_are_changed() -> None:
    latest = [one for one in offsets(BERLIN, 2026) if one[0].year == 2026]
    assert latest == [
        (datetime(2026, 10, 25, 1, tzinfo=UTC), 3600),
        (datetime(2026, 3, 29, 1, tzinfo=UTC), 7200),
    ]


# The first look at a zone goes through all its years, which takes a while on a busy machine.
@settings(deadline=None)
@given(
    st.integers(0, 31 * 365 * 86400).map(lambda seconds: datetime(2000, 1, 2, tzinfo=UTC) + timedelta(seconds=seconds)),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai", "Africa/Casablanca"]),
)
def test_the_offsets_give_the_day_that_the_zone_gives(at: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    ahead = next(seconds for since, seconds in offsets(zone, 2030) if at >= since)
    assert (at + timedelta(seconds=ahead)).date() == at.astimezone(zone).date()


def test_long_periods_are_drawn_by_week() -> None:
    period = Period(date(2026, 1, 1), date(2026, 4, 15), SHANGHAI)
    assert period.by_week
    columns = period.columns()
    # The first week is cut off by the period; all others begin on a Monday.
    assert columns[:3] == [date(2026, 1, 1), date(2026, 1, 5), date(2026, 1, 12)]
    assert period.column_of(date(2026, 1, 4)) == date(2026, 1, 1)
    assert period.column_of(date(2026, 1, 11)) == date(2026, 1, 5)
    short = Period(date(2026, 1, 1), date(2026, 3, 31), SHANGHAI)
    assert not short.by_week
    assert short.columns() == list(short.days())


@given(st.dates(date(2020, 1, 1), date(2027, 12, 31)), st.integers(1, 20), st.sampled_from(["", "CN", "DE-BY"]))
def test_counting_business_days_is_the_inverse_of_adding_them(start: date, days: int, calendar: str) -> None:
    assert business_days_between(start, business_days_after(start, days, calendar), calendar) == days


def test_business_days_between_by_hand() -> None:
    # Labour Day 2026 in China: 1 to 5 May are free, and the Saturday after is worked.
    assert business_days_between(date(2026, 4, 30), date(2026, 5, 5), "CN") == 0
    assert business_days_between(date(2026, 4, 30), date(2026, 5, 9), "CN") == 4
    assert business_days_between(date(2026, 4, 30), date(2026, 5, 9), "") == 6
    assert business_days_between(date(2026, 5, 6), date(2026, 5, 6), "CN") == 0
    with pytest.raises(ValueError, match="end: must not come before start"):
        business_days_between(date(2026, 5, 6), date(2026, 5, 5), "CN")


# What an address asks for


def read(**arguments: str) -> Choice:
    return Choice.read(MultiDict({name.rstrip("_"): value for name, value in arguments.items()}), NOW, SHANGHAI)


@pytest.mark.parametrize(
    ("asked", "days"),
    [({}, 30), ({"days": "7"}, 7), ({"days": "90"}, 90), ({"days": "8"}, 30), ({"days": "x"}, 30)],
)
def test_the_usual_periods(asked: dict[str, str], days: int) -> None:
    choice = read(**asked)
    assert choice.period is not None
    assert (choice.period.length, choice.period.last, choice.span) == (days, date(2026, 6, 30), days)
    assert choice.arguments == {"days": str(days)}


def test_days_of_ones_own() -> None:
    choice = read(from_="2026-05-01", to="2026-05-31")
    assert choice.period == Period(date(2026, 5, 1), date(2026, 5, 31), SHANGHAI)
    assert choice.span is None
    assert choice.arguments == {"from": "2026-05-01", "to": "2026-05-31"}


@pytest.mark.parametrize(
    ("first", "last", "field", "message"),
    [
        ("2026-05-02", "2026-05-01", "last", "The last day comes before the first one."),
        ("2026-05-02", "2026-07-01", "last", "This day is still to come. Today is the latest."),
        ("2025-05-02", "2026-05-03", "last", "These are more than 366 days. Choose fewer."),
        ("1999-12-31", "2000-01-05", "first", "There are no figures from before 2000."),
        ("2026-05-02", "", "last", "Enter the last day."),
        ("soon", "2026-05-01", "first", "Not a valid date value."),
    ],
)
def test_days_that_cannot_be_are_refused_with_the_reason(first: str, last: str, field: str, message: str) -> None:
    choice = read(from_=first, to=last)
    assert choice.period is None
    assert message in [str(said) for said in choice.form.errors[field]]


def test_a_year_is_not_too_long() -> None:
    assert read(from_="2025-05-03", to="2026-05-03").period is not None
