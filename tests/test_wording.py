"""What people read: instants in their zone, countdowns, sentences, and a word for everything that can happen."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, render_template_string

from certlifecycle import Event, Money, State, say
from webapp.wording import EVENT_WORDS, HAPPENED, STATE_WORDS, Wording, happened, install, relative, words

CHINA = Wording(ZoneInfo("Asia/Shanghai"))
BERLIN = Wording(ZoneInfo("Europe/Berlin"))
INSTANT = datetime(2026, 5, 3, 6, 5, 59, 999999, tzinfo=UTC)


# Instants and days


@pytest.mark.parametrize(
    ("zone", "instant", "expected"),
    [
        ("Asia/Shanghai", INSTANT, "3 May 2026, 14:05 CST"),
        ("UTC", INSTANT, "3 May 2026, 06:05 UTC"),
        ("Europe/Berlin", INSTANT, "3 May 2026, 08:05 CEST"),
        ("America/New_York", INSTANT, "3 May 2026, 02:05 EDT"),
        # The day is the reader's.
        ("Asia/Shanghai", datetime(2025, 12, 31, 16, 0, tzinfo=UTC), "1 Jan 2026, 00:00 CST"),
        ("America/New_York", datetime(2026, 1, 1, 4, 59, tzinfo=UTC), "31 Dec 2025, 23:59 EST"),
        # Either of the two hours with the same clock time says which one it is.
        ("Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "25 Oct 2026, 02:30 CEST"),
        ("Europe/Berlin", datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "25 Oct 2026, 02:30 CET"),
    ],
)
def test_instants_are_shown_in_the_reader_s_zone_and_name_it(zone: str, instant: datetime, expected: str) -> None:
    assert Wording(ZoneInfo(zone)).instant(instant) == expected


def test_the_zone_that_an_instant_was_given_in_does_not_matter() -> None:
    assert CHINA.instant(INSTANT.astimezone(ZoneInfo("America/New_York"))) == CHINA.instant(INSTANT)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (date(2026, 5, 3), "Sunday, 3 May 2026"),
        (INSTANT, "Sunday, 3 May 2026"),
        (datetime(2026, 5, 3, 16, 0, tzinfo=UTC), "Monday, 4 May 2026"),
        (datetime(2026, 5, 3, 15, 59, 59, tzinfo=UTC), "Sunday, 3 May 2026"),
    ],
)
def test_a_day_is_the_reader_s_day(value: date, expected: str) -> None:
    assert CHINA.day(value) == expected


# Countdowns


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        (timedelta(0), "just now"),
        (timedelta(milliseconds=999), "just now"),
        (timedelta(seconds=1), "in less than a minute"),
        (timedelta(seconds=59, milliseconds=999), "in less than a minute"),
        (timedelta(minutes=1), "in 1 minute"),
        (timedelta(minutes=1, seconds=59), "in 1 minute"),
        (timedelta(minutes=59, seconds=59), "in 59 minutes"),
        (timedelta(hours=1), "in 1 hour"),
        (timedelta(hours=23, minutes=59), "in 23 hours"),
        (timedelta(days=1), "in 1 day"),
        (timedelta(days=1, hours=23), "in 1 day"),
        (timedelta(days=12, hours=1), "in 12 days"),
        (timedelta(milliseconds=-999), "just now"),
        (timedelta(seconds=-59), "just now"),
        (timedelta(minutes=-1), "1 minute ago"),
        (timedelta(minutes=-59, seconds=-59), "59 minutes ago"),
        (timedelta(hours=-3), "3 hours ago"),
        (timedelta(days=-1), "1 day ago"),
        (timedelta(days=-400), "400 days ago"),
    ],
    ids=str,
)
def test_how_long_it_is_until_then(delta: timedelta, expected: str) -> None:
    """A countdown never promises more than there is: it is rounded toward the present."""
    assert relative(INSTANT + delta, INSTANT) == expected


def test_a_countdown_does_not_depend_on_zones() -> None:
    then = (INSTANT + timedelta(days=2)).astimezone(ZoneInfo("Europe/Berlin"))
    assert relative(then, INSTANT) == "in 2 days"


# Sentences


def test_sentences_are_worded_for_the_reader() -> None:
    sentence = say(
        "{money} by {deadline}, or on {day}, {number} times as {text}.",
        money=Money(26800, "CNY"),
        deadline=INSTANT,
        day=date(2026, 5, 4),
        number=3,
        text="promised",
    )
    assert CHINA.say(sentence) == "268.00 CNY by 3 May 2026, 14:05 CST, or on Monday, 4 May 2026, 3 times as promised."
    assert (
        BERLIN.say(sentence) == "268.00 CNY by 3 May 2026, 08:05 CEST, or on Monday, 4 May 2026, 3 times as promised."
    )
    assert CHINA.say("Said already, {as} it is.") == "Said already, {as} it is."


def test_every_state_and_every_event_has_words() -> None:
    assert set(STATE_WORDS) == set(State)
    assert set(EVENT_WORDS) == set(Event)
    assert set(HAPPENED) == {*Event, "order", "import"}
    for known in (STATE_WORDS, EVENT_WORDS, HAPPENED):
        assert len(set(known.values())) == len(known), "two of them read the same"
        assert all(one[0].isupper() and not one.endswith(".") for one in known.values())


@pytest.mark.parametrize("event", [*Event, "order", "import"])
def test_history_is_told_from_what_the_table_holds(event: str) -> None:
    """The table holds plain text."""
    assert happened(str(event), State.REFUND_APPROVED) == HAPPENED[event]


def test_a_first_of_two_approvals_says_that_a_second_is_needed() -> None:
    assert happened("approve_refund", State.REFUND_REQUESTED) == (
        "Approved by a first reviewer; a second one is needed"
    )


# In templates


def test_templates_have_the_filters_and_escape_what_they_give() -> None:
    app = Flask(__name__)
    install(app, CHINA)
    with app.app_context():
        assert words() is CHINA
        page = (
            "{{ then|instant }} / {{ then|day }} / {{ 26800|money('CNY') }} / {{ sentence|say }} / "
            "{{ STATE_WORDS[state] }} / {{ EVENT_WORDS[event] }} / {{ happened('order', state) }}"
        )
        shown = render_template_string(
            page,
            then=INSTANT,
            sentence=say("To {account}.", account="<b>88</b>"),
            state=State.PENDING,
            event=Event.REQUEST_REFUND,
        )
    assert shown == (
        "3 May 2026, 14:05 CST / Sunday, 3 May 2026 / 268.00 CNY / To &lt;b&gt;88&lt;/b&gt;. / "
        "Not submitted / Refund / Ordered and paid"
    )
