"""Money, sentences and facts: the values that the life cycle is made of."""

from dataclasses import FrozenInstanceError, replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certlifecycle import Event, Facts, Money, MoneyError, State, say
from certlifecycle.testing import MORNING

# Money


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("268.00", "CNY", 26_800),
        ("268", "CNY", 26_800),
        (" 268.5 ", "CNY", 26_850),
        ("268.000", "CNY", 26_800),
        ("-1.01", "EUR", -101),
        ("+0.05", "EUR", 5),
        ("500", "JPY", 500),
        ("1.234", "KWD", 1_234),
        ("9999999999999.99", "CNY", 999_999_999_999_999),
    ],
)
def test_money_is_read_to_the_last_minor_unit(text, currency, minor):
    assert Money.parse(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "1,000.00",
        "1.",
        ".5",
        "1e3",
        "1e999999",
        "1_000",
        "NaN",
        "Infinity",
        "0x10",
        "１２",
        "268.005",
        "100.00000000000000000000000000000001",
        "10000000000000.00",
        "9" * 5_000,
    ],
)
def test_what_is_no_plain_amount_is_refused(text):
    with pytest.raises(MoneyError, match="is not an amount of"):
        Money.parse(text, "CNY")


@pytest.mark.parametrize("currency", ["", "cny", "CN", "CNYX", "元元元", "ＣＮＹ"])
def test_a_currency_is_three_capital_letters(currency):
    with pytest.raises(MoneyError, match="is not an ISO 4217 currency code"):
        Money(1, currency)


def test_half_a_yen_does_not_exist():
    with pytest.raises(MoneyError, match="is not an amount of JPY"):
        Money.parse("1.5", "JPY")


def test_money_is_shown_with_the_digits_of_its_currency():
    assert str(Money(2_680_000, "CNY")) == "26,800.00 CNY"
    assert str(Money(-5, "EUR")) == "-0.05 EUR"
    assert str(Money(500, "JPY")) == "500 JPY"
    assert str(Money(1_234, "KWD")) == "1.234 KWD"


@given(minor=st.integers(-(10**15) + 1, 10**15 - 1), currency=st.sampled_from(["CNY", "JPY", "KWD"]))
def test_what_is_shown_is_read_back(minor, currency):
    money = Money(minor, currency)
    amount, _, code = str(money).partition(" ")
    assert Money.parse(amount.replace(",", ""), code) == money


# Sentences


def test_a_sentence_is_worded_in_english_and_utc_by_default():
    shanghai = timezone(timedelta(hours=8))
    sentence = say(
        "{money} by {instant}, {day}: {word}.",
        money=Money(26_800, "CNY"),
        instant=datetime(2026, 5, 3, 6, 5, tzinfo=shanghai),
        day=date(2026, 5, 3),
        word="done",
    )
    assert str(sentence) == "268.00 CNY by 2 May 2026, 22:05 UTC, 3 May 2026: done."


def test_a_sentence_is_worded_by_whoever_shows_it():
    sentence = say("Until {deadline}.", deadline=MORNING)

    german = {"Until {deadline}.": "Bis {deadline}."}
    assert sentence.render(show=lambda value: f"{value:%H:%M}", translate=german.__getitem__) == "Bis 09:00."


def test_values_never_become_part_of_the_template():
    assert str(say("It said: {words}", words="{secret} {0}")) == "It said: {secret} {0}"


# Facts and vocabulary


@pytest.mark.parametrize("name", ["paid_at", "issued_at", "revoked_at"])
def test_facts_take_aware_instants_only(name):
    facts = Facts(State.PENDING, "alice", MORNING, Money(1, "CNY"))
    with pytest.raises(ValueError, match=f"^{name} must be a timezone-aware instant"):
        replace(facts, **{name: datetime(2026, 1, 1)})  # noqa: DTZ001  # the naive one is the point


def test_facts_do_not_change():
    facts = Facts(State.PENDING, "alice", datetime(2026, 1, 1, tzinfo=UTC), Money(1, "CNY"))
    with pytest.raises(FrozenInstanceError):
        facts.state = State.REFUNDED


def test_states_and_events_are_their_names():
    assert State("refund_requested") is State.REFUND_REQUESTED
    assert State.REFUND_REQUESTED.label == "refund requested"
    assert Event.REQUEST_REFUND.label == "request refund"
    assert [state for state in State if state.is_final] == [State.REFUNDED]
    with pytest.raises(ValueError, match="is not a valid Event"):
        Event("__class__")
