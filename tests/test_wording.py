"""What people read: instants in their zone, countdowns, sentences, and a word for everything that can happen."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, render_template_string

from certlifecycle import Actor, Event, Facts, Money, Role, State, explain, say
from webapp.certificates.models import BESIDE
from webapp.locales.catalogues import catalogues
from webapp.vocabulary import DUE
from webapp.wording import (
    EVENT_WORDS,
    HAPPENED,
    PLAIN,
    STATE_WORDS,
    Wording,
    _,
    happened,
    install,
    lazy,
    relative,
    words,
)

CHINA = Wording(ZoneInfo("Asia/Shanghai"))
BERLIN = Wording(ZoneInfo("Europe/Berlin"))
INSTANT = datetime(2026, 5, 3, 6, 5, 59, 999999, tzinfo=UTC)
ALICE = Actor("alice", Role.CUSTOMER)
FACTS = Facts(State.ISSUED, "alice", INSTANT, Money(26800, "CNY"), issued_at=INSTANT)


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


@pytest.mark.parametrize(
    ("delta", "left", "due"),
    [
        (timedelta(days=12, hours=5), "12 days left", "due in 12 days"),
        (timedelta(hours=1), "1 hour left", "due in 1 hour"),
        (timedelta(seconds=59), "less than a minute left", "due in less than a minute"),
        (timedelta(0), "less than a minute left", "due in less than a minute"),
    ],
    ids=str,
)
def test_what_is_left_is_told_as_one_phrase(delta: timedelta, left: str, due: str) -> None:
    assert CHINA.left(INSTANT + delta, INSTANT) == left
    assert CHINA.span(DUE, int(delta.total_seconds())) == due


# Other languages


@pytest.mark.parametrize(
    ("zone", "chinese", "german"),
    [
        ("Asia/Shanghai", "2026年5月3日 14:05（中国时间）", "3. Mai 2026, 14:05 Chinesische Zeit"),
        ("UTC", "2026年5月3日 06:05（协调世界时）", "3. Mai 2026, 06:05 Koordinierte Weltzeit"),
        # Where the clocks change, the name says whether it is summer time.
        ("Europe/Berlin", "2026年5月3日 08:05（中欧夏令时间）", "3. Mai 2026, 08:05 MESZ"),
        ("America/Sao_Paulo", "2026年5月3日 03:05（巴西利亚时间）", "3. Mai 2026, 03:05 Brasília-Zeit"),
        # Zones that CLDR has no name for.
        ("Pacific/Bougainville", "2026年5月3日 17:05（GMT+11:00）", "3. Mai 2026, 17:05 GMT+11:00"),
    ],
)
def test_instants_name_their_zone_in_every_language(zone: str, chinese: str, german: str) -> None:
    known = catalogues()
    assert Wording(ZoneInfo(zone), known["zh-Hans"]).instant(INSTANT) == chinese
    assert Wording(ZoneInfo(zone), known["de"]).instant(INSTANT) == german


def test_a_zone_without_an_abbreviation_is_named_by_its_offset() -> None:
    assert Wording(ZoneInfo("America/Sao_Paulo")).instant(INSTANT) == "3 May 2026, 03:05 UTC-03:00"
    assert Wording(ZoneInfo("Asia/Kathmandu")).instant(INSTANT) == "3 May 2026, 11:50 UTC+05:45"


def test_days_numbers_and_amounts_are_those_of_the_language() -> None:
    chinese, german = (Wording(ZoneInfo("Asia/Shanghai"), catalogues()[tag]) for tag in ("zh-Hans", "de"))
    assert chinese.day(INSTANT) == "2026年5月3日（星期日）"
    assert german.day(INSTANT) == "Sonntag, 3. Mai 2026"
    assert [one.number(26800) for one in (CHINA, chinese, german)] == ["26,800", "26,800", "26.800"]
    assert [one.show(Money(2_680_050, "CNY")) for one in (CHINA, chinese, german)] == [
        "26,800.50 CNY",
        "¥26,800.50",
        "26.800,50 CNY",
    ]
    # Whatever CLDR thinks of a currency's digits: nothing is rounded away.
    assert chinese.show(Money(1_234, "KWD")) == "KWD1.234"
    assert chinese.show(Money(-500, "JPY")) == "-JP¥500"
    assert chinese.show(Money(1, "IQD")) == "IQD0.001"


def test_values_of_a_sentence_are_worded_by_their_type() -> None:
    chinese = Wording(ZoneInfo("Asia/Shanghai"), catalogues()["zh-Hans"])
    refusal = explain(State.ISSUED, Event.SUBMIT, ALICE, FACTS, INSTANT).refusals[0].sentence
    assert str(refusal) == CHINA.say(refusal)
    assert CHINA.say(refusal) == (
        "This is not possible while the certificate is issued; it is possible while it is pending or failed."
    )
    assert chinese.say(refusal) == "证书处于“已签发”状态时无法执行此操作；处于待提交或验证未通过状态时可以执行。"
    assert chinese.show([State.ISSUED, Event.REVOKE, say("Give a reason.")]) == "已签发、吊销、请填写原因。"
    assert CHINA.show([State.ISSUED, Event.REVOKE]) == "issued, revoke"


def test_numbers_choose_their_form() -> None:
    chinese = Wording(ZoneInfo("UTC"), catalogues()["zh-Hans"])
    forms = "{count} day left", "{count} days left"
    assert [CHINA.ngettext(*forms, n) for n in (1, 2, 1200)] == ["1 day left", "2 days left", "1,200 days left"]
    assert [chinese.ngettext(*forms, n) for n in (1, 1200)] == ["剩余 1 天", "剩余 1,200 天"]


def test_the_empty_text_is_empty_in_every_language() -> None:
    """To gettext it is the head of the catalogue."""
    for catalogue in catalogues().values():
        assert Wording(ZoneInfo("UTC"), catalogue).gettext("") == ""
        assert Wording(ZoneInfo("UTC"), catalogue).say(say("")) == ""


def test_without_an_application_words_are_plain() -> None:
    """What the worker and the command line store or print is English and UTC."""
    assert words() is PLAIN
    assert relative(INSTANT, INSTANT) == "just now"
    assert STATE_WORDS[State.ISSUED] == "Issued"
    assert _("Save") == "Save"
    assert str(lazy("Language")) == "Language"


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
    assert set(HAPPENED) == {*Event, "order", "import", *BESIDE}
    for known in (STATE_WORDS, EVENT_WORDS, HAPPENED):
        assert len(set(known.values())) == len(known), "two of them read the same"
        assert all(one[0].isupper() and not one.endswith(".") for one in known.values())


@pytest.mark.parametrize("event", [*Event, "order", "import", *sorted(BESIDE)])
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


@pytest.fixture
def chinese() -> Flask:
    """An application whose reader reads Chinese."""
    app = Flask(__name__)
    install(app, Wording(ZoneInfo("Asia/Shanghai"), catalogues()["zh-Hans"]))
    return app


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("{{ _('Save') }}", "保存"),
        ("{{ _('Valid until') }}", "有效期至"),
        ("{{ language() }}", "zh-Hans"),
        ("{{ ngettext('{count} day left', '{count} days left', 3) }}", "剩余 3 天"),
        ("{{ pgettext('between alternatives', ' or ') }}", "或"),
        # Values are escaped, markup is not, and values are worded by their type.
        ("{{ _('{label}: {value}', label='<a>', value=amount) }}", "&lt;a&gt;：¥268.00"),
        ("{{ _('{label}: {value}', label='<a>'|safe, value='x') }}", "<a>：x"),
        ("{{ _('{label}: {value}', label=1, value=state) }}", "1：已签发"),
        # A text that nobody translated is shown as it is, braces and all.
        ("{{ _('so {it} <is>') }}", "so {it} &lt;is&gt;"),
        ("{{ _('') }}", ""),
        ("{{ 26800|number }}", "26,800"),
        ("{{ phrase('Save') }}", "Save"),
    ],
)
def test_templates_look_their_texts_up(chinese: Flask, source: str, shown: str) -> None:
    with chinese.test_request_context():
        assert render_template_string(source, amount=Money(26800, "CNY"), state=State.ISSUED) == shown


def test_a_template_that_is_no_html_escapes_nothing(chinese: Flask) -> None:
    chinese.jinja_env.autoescape = False
    with chinese.test_request_context():
        shown = render_template_string("{{ _('{label}: {value}', label='<a>', value='&') }}")
    assert shown == "<a>：&"


def test_words_declared_once_are_looked_up_when_they_are_shown(chinese: Flask) -> None:
    label = lazy("{label}: {value}", label="<b>", value=State.ISSUED)
    with chinese.test_request_context():
        assert str(label) == "<b>：已签发"
        assert render_template_string("{{ label }}", label=label) == "&lt;b&gt;：已签发"
        assert STATE_WORDS.lazily(State.ISSUED) % {} == "已签发"
        assert dict(STATE_WORDS)[State.PENDING] == "待提交"
    assert str(label) == "<b>: issued"
