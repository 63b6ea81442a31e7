"""How texts, instants, money and the life cycle's sentences read for a person: the only place that localises.

A :class:`Wording` is one reader's language and time zone; it needs no request, so the worker words its mails with one.
In a request :func:`words` is the reader's, and :func:`_` and its like look texts up in their language.

Texts are written in English where they are needed and name their values: ``_("Valid until {day}.", day=…)``. Values
are worded by their type, so an instant, an amount or a sentence of the life cycle is handed over as it is.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache, reduce
from itertools import pairwise
from typing import TypeVar, cast
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_skeleton, get_timezone_name
from babel.numbers import format_decimal, parse_pattern
from flask import Flask, current_app, g, has_app_context
from jinja2 import pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup, escape

from certlifecycle import SYSTEM, Event, Money, Sentence, State, phrase
from webapp import vocabulary
from webapp.accounts.models import DELETED
from webapp.counting import MOST
from webapp.locales.catalogues import ENGLISH, Catalogue
from webapp.retelling import Recogniser, Stored
from webapp.vocabulary import AGO, AHEAD, LEFT, Span


class Wording:
    """Words for one reader: their time zone, and their language's catalogue."""

    def __init__(self, zone: ZoneInfo, catalogue: Catalogue = ENGLISH) -> None:
        self.zone = zone
        self.locale = catalogue.locale
        self.language = catalogue.tag
        self._texts = catalogue.translations
        self._stored = Recogniser(catalogue.stored)
        # Lists tell the same instants again and again.
        self.instant = lru_cache(maxsize=2048)(self._instant)
        self.day = lru_cache(maxsize=2048)(self._day)

    # Texts

    def gettext(self, message: str, /, **values: object) -> str:
        """A text in the reader's language, with its values in their places."""
        # To gettext the empty message is the catalogue's head.
        return self._filled(self._texts.gettext(message), values) if message else ""

    def ngettext(self, one: str, many: str, count: int, /, **values: object) -> str:
        """A text in the form that its number needs; ``{count}`` is the number itself."""
        return self._filled(self.form(one, many, count), {"count": self.number(count)} | values)

    def pgettext(self, context: str, message: str, /, **values: object) -> str:
        """A text that may need another translation elsewhere; ``context`` tells the translator where it stands."""
        return self._filled(str(self._texts.pgettext(context, message)), values)

    def form(self, one: str, many: str, count: int) -> str:
        """The form that a number needs, with its places still empty."""
        return str(self._texts.ngettext(one, many, count))

    def _filled(self, text: str, values: Mapping[str, object]) -> str:
        return text.format_map({name: self.show(value) for name, value in values.items()}) if values else text

    def short_day(self, value: date) -> str:
        """``3 May``: a day where the year is plain from what stands around it."""
        if self.locale.language == ENGLISH.locale.language:
            # The day first, as in all other dates of the English pages.
            return format_date(value, "d MMM", locale=self.locale)
        return format_skeleton("MMMd", value, locale=self.locale)

    def brief_day(self, value: date) -> str:
        """``3 May 2026``; of an instant, its day in the reader's zone."""
        local = value.astimezone(self.zone).date() if isinstance(value, datetime) else value
        if self.locale.language == ENGLISH.locale.language:
            return format_date(local, "d MMM y", locale=self.locale)
        return format_date(local, "medium", locale=self.locale)

    def clock(self, value: datetime) -> str:
        """``14:05 CST``: an instant of today, or so near that its day says nothing."""
        local = value.astimezone(self.zone)
        return self.pgettext(
            "an instant and its time zone",
            "{instant} {zone}",
            instant=format_datetime(local, "HH:mm", locale=self.locale),
            zone=self.zone_name(local),
        )

    def say(self, sentence: Sentence | str) -> str:
        """Word one of the life cycle's sentences; text stays as it is."""
        return sentence if isinstance(sentence, str) else sentence.render(self.show, self.gettext)

    def show(self, value: object) -> str:
        """Word one value of a text, by its type."""
        match value:
            case Sentence():
                return self.say(value)
            case Stored():
                return self.retell(value)
            case State():
                return self.gettext(vocabulary.STATE_NAMES[value])
            case Event():
                return self.gettext(vocabulary.EVENT_NAMES[value])
            case datetime():
                return self.instant(value)
            case date():
                return self.day(value)
            case Money():
                return self.money(value)
            case tuple():
                return self.pgettext("between alternatives", " or ").join(self.show(one) for one in value)
            case list():
                return self.pgettext("between the items of a list", ", ").join(self.show(one) for one in value)
            case _:
                return str(value)

    def sentences(self, *several: Sentence | str) -> str:
        """Sentences one after the other, with the gap between them that the language has; markup stays markup."""
        told = [self.say(each) for each in several if each]
        gap = self.pgettext("two sentences", "{first} {second}")
        if any(hasattr(one, "__html__") for one in told):
            gap = Markup(gap)  # noqa: S704  # A text of the catalogue; what is put into it is escaped.
        return reduce(lambda first, second: gap.format(first=first, second=second), told) if told else ""

    def retell(self, text: str) -> str:
        """A text from the database, with those of its sentences translated that are the desk's own."""
        if self.locale.language == ENGLISH.locale.language:
            return text
        return "\n".join(self._retold(line) for line in self._stored.find(text))

    def _retold(self, line: tuple[Sentence | str, ...]) -> str:
        told = self.say(line[0])
        for before, one in pairwise(line):
            # Around what people wrote in their own language stays the space that they left.
            own = isinstance(before, str) or isinstance(one, str)
            told = f"{told} {self.say(one)}" if own else self.sentences(told, self.say(one))
        return told

    # Time

    def _instant(self, value: datetime) -> str:
        """``3 May 2026, 14:05 CST``."""
        local = value.astimezone(self.zone)
        # Translators: letters as in https://unicode.org/reports/tr35/tr35-dates.html#Date_Field_Symbol_Table
        pattern = self.pgettext("date pattern", "d MMM y, HH:mm")
        return self.pgettext(
            "an instant and its time zone",
            "{instant} {zone}",
            instant=format_datetime(local, pattern, locale=self.locale),
            zone=self.zone_name(local),
        )

    def _day(self, value: date) -> str:
        """``Tuesday, 3 May 2026``; of an instant, its day in the reader's zone."""
        local = value.astimezone(self.zone) if isinstance(value, datetime) else value
        return format_date(local, self.pgettext("date pattern", "EEEE, d MMMM y"), locale=self.locale)

    def zone_name(self, local: datetime) -> str:
        """The zone of a local time, as unambiguously as the language can: ``CST``, ``中国时间``, ``MESZ``."""
        offset = f"{local:%z}"
        if self.locale.language == ENGLISH.locale.language:
            name = local.tzname() or ""
            # Zones without an abbreviation of their own call themselves by their offset.
            return name if name[:1].isalpha() else f"UTC{offset[:3]}:{offset[3:5]}"
        short = get_timezone_name(local, "short", locale=self.locale)
        if short[:1].isalpha() and short != "UTC":
            return short
        # Where the clocks never change, the name without "standard" is unambiguous and the usual one.
        changes = local.replace(month=1, day=1).utcoffset() != local.replace(month=7, day=1).utcoffset()
        usual = get_timezone_name(local, "long", locale=self.locale, zone_variant=None if changes else "generic")
        return usual if not usual.startswith("GMT") else get_timezone_name(local, "long", locale=self.locale)

    def relative(self, value: datetime, now: datetime) -> str:
        """``in 12 days``, ``3 hours ago``: the largest unit that fits, rounded toward the present."""
        seconds = int((value - now).total_seconds())
        return self.span(AHEAD if seconds > 0 else AGO, seconds)

    def left(self, until: datetime, now: datetime) -> str:
        """``12 days left``; the last instant itself still counts."""
        return self.span(LEFT, max(0, int((until - now).total_seconds())))

    def span(self, span: Span, seconds: int) -> str:
        """A length of time in the largest unit that fits, rounded down."""
        size = abs(seconds)
        for length, (one, many) in ((86400, span.days), (3600, span.hours), (60, span.minutes)):
            if size >= length:
                return self.ngettext(one, many, size // length)
        return self.gettext(span.moment)

    # Numbers

    def number(self, value: int | Decimal) -> str:
        """A number with the language's separators: ``26,800``."""
        return format_decimal(value, locale=self.locale)

    def counted(self, value: int, *, is_more: bool = False) -> str:
        """How many there are, as far as they were counted: ``9,999+``; ``is_more`` says so of a smaller number."""
        return self.gettext("{number}+", number=self._told(value)) if is_more or value > MOST else self.number(value)

    def counted_aloud(self, value: int, *, is_more: bool = False) -> str:
        """The same for whoever hears it: ``more than 9,999``."""
        told = self._told(value)
        return self.gettext("more than {number}", number=told) if is_more or value > MOST else told

    def _told(self, value: int) -> str:
        return self.number(min(value, MOST))

    def money(self, money: Money) -> str:
        """An amount with its currency: ``268.00 CNY``, ``¥268.00``."""
        # Translators: #,##0.00 is the amount, ¤ the currency's sign and ¤¤ its code.
        pattern = parse_pattern(self.pgettext("money pattern", "#,##0.00 ¤¤"))
        pattern.frac_prec = (money.digits, money.digits)
        amount = Decimal(money.minor).scaleb(-money.digits)
        return str(pattern.apply(amount, self.locale, currency=money.currency, currency_digits=False))


# Whose words


PLAIN = Wording(ZoneInfo("UTC"))
"""English and UTC: for the command line, logs, and what is stored."""


def words() -> Wording:
    """The wording of whoever asks; without an application :data:`PLAIN`."""
    if not has_app_context():
        return PLAIN
    chosen: Wording | None = g.get("wording")
    return chosen or cast(Callable[[], Wording], current_app.extensions["wording"])()


def _(message: str, /, **values: object) -> str:
    """A text in the language of whoever asks."""
    return words().gettext(message, **values)


def ngettext(one: str, many: str, count: int, /, **values: object) -> str:
    """A text with a number in it, in the language of whoever asks."""
    return words().ngettext(one, many, count, **values)


def pgettext(context: str, message: str, /, **values: object) -> str:
    """A text that means another thing elsewhere, in the language of whoever asks."""
    return words().pgettext(context, message, **values)


class Lazy:
    """A text that is declared once and looked up whenever it is shown: the label of a form's field, say."""

    def __init__(self, message: str, values: Mapping[str, object]) -> None:
        self._message = message
        self._values = values

    def __str__(self) -> str:
        return _(self._message, **self._values)

    def __html__(self) -> str:
        return escape(str(self))

    def __mod__(self, values: object) -> str:
        # WTForms fills the messages of its validators that way.
        return str(self) % values


def lazy(message: str, /, **values: object) -> str:
    """A text to be looked up when it is shown. Typed as the text that it turns into."""
    return cast(str, Lazy(message, values))


Key = TypeVar("Key")


class Vocabulary(Mapping[Key, str]):
    """Words for a set of things, in the language of whoever asks."""

    def __init__(self, messages: Mapping[Key, str]) -> None:
        self._messages = messages

    def __getitem__(self, key: Key) -> str:
        return _(self._messages[key])

    def __iter__(self) -> Iterator[Key]:
        return iter(self._messages)

    def __len__(self) -> int:
        return len(self._messages)

    def lazily(self, key: Key) -> str:
        """The word, looked up when it is shown."""
        return lazy(self._messages[key])


STATE_WORDS = Vocabulary(vocabulary.STATES)
EVENT_WORDS = Vocabulary(vocabulary.EVENTS)
HAPPENED = Vocabulary(vocabulary.HAPPENED)
ROLE_WORDS = Vocabulary(vocabulary.ROLES)


def relative(value: datetime, now: datetime) -> str:
    """``in 12 days``, ``3 hours ago``, for whoever asks."""
    return words().relative(value, now)


def happened(event: str, to_state: State) -> str:
    """What a history row tells, in the past tense. A first of two approvals leaves the application waiting."""
    if event == Event.APPROVE_REFUND and to_state == State.REFUND_REQUESTED:
        return _("Approved by a first reviewer; a second one is needed")
    return HAPPENED[event]


def actor_name(name: str) -> str:
    """Somebody's name as it is; that of the desk's own workers, and of who is gone, in the language of whoever asks."""
    if name == DELETED:
        return _("Deleted account")
    return _("The desk") if name == SYSTEM.name else name


# In templates


def install(app: Flask, wording: Wording, choose: Callable[[], Wording] | None = None) -> None:
    """Give the templates their words: those that ``choose`` finds for whoever asks, or the same for everybody.

    The filters ``instant``, ``day``, ``money``, ``number``, ``counted``, ``counted_aloud``, ``listed``, ``told`` (a
    stored text) and ``say`` answer plain text. ``_``,
    ``ngettext`` and ``pgettext`` escape a text and its values where the template is HTML; a value that is markup
    already stays as it is.
    """
    app.extensions["wording"] = choose or (lambda: wording)
    app.jinja_env.filters.update(
        instant=lambda value: words().instant(value),
        day=lambda value: words().day(value),
        brief_day=lambda value: words().brief_day(value),
        money=lambda minor, currency: words().money(Money(minor, currency)),
        number=lambda value: words().number(value),
        counted=lambda value, is_more=False: words().counted(value, is_more=is_more),
        counted_aloud=lambda value, is_more=False: words().counted_aloud(value, is_more=is_more),
        say=lambda sentence: words().say(sentence),
        told=lambda text: words().retell(text),
        listed=lambda several: words().show(list(several)),
    )
    app.jinja_env.globals.update(
        _=_in_template,
        ngettext=_ngettext_in_template,
        pgettext=_pgettext_in_template,
        phrase=phrase,
        language=lambda: words().language,
        languages=(),
        STATE_WORDS=STATE_WORDS,
        EVENT_WORDS=EVENT_WORDS,
        ROLE_WORDS=ROLE_WORDS,
        happened=happened,
        MOST_COUNTED=MOST,
    )


@pass_eval_context
def _in_template(context: EvalContext, message: str, /, **values: object) -> str:
    return _set(context, words().gettext(message), values)


@pass_eval_context
def _ngettext_in_template(context: EvalContext, one: str, many: str, count: int, /, **values: object) -> str:
    wording = words()
    return _set(context, wording.form(one, many, count), {"count": wording.number(count)} | values)


@pass_eval_context
def _pgettext_in_template(context: EvalContext, where: str, message: str, /, **values: object) -> str:
    return _set(context, words().pgettext(where, message), values)


def _set(context: EvalContext, text: str, values: Mapping[str, object]) -> str:
    """Put values into a text: as plain text, or as HTML where the template is HTML."""
    # A translation is no place for markup: what it needs of that comes as a value.
    text = escape(text) if context.autoescape else text
    shown = {name: value if hasattr(value, "__html__") else words().show(value) for name, value in values.items()}
    return text.format(**shown) if shown else text
