"""Texts that the desk itself wrote into the database, put into the reader's language again.

What the system says about a failure, and the standard reasons that reviewers choose, are stored as they read in
English: in the history, where nothing may change, and beside what people wrote themselves. A sentence that may be
stored is written with :func:`stored`. The catalogues know all of these; found in a stored text, one is recognised by
its template and its values, however long ago it was written. Whatever people typed stays as they typed it.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache

from certlifecycle import Money, MoneyError, Sentence

Told = tuple[tuple[Sentence | str, ...], ...]
"""A text line by line: the sentences that were recognised, and the rest as it is."""


def stored(template: str, /, **values: object) -> str:
    """A sentence as the database is to hold it. A value may be such a sentence itself."""
    return str(Sentence(template, values))


class Stored(str):
    """A text from the database, as a value: shown in the reader's language as far as it is the desk's own."""

    __slots__ = ()


class Recogniser:
    """Finds sentences with these templates in stored texts."""

    def __init__(self, templates: Iterable[str]) -> None:
        self._patterns = [(template, template.partition("{")[0], _pattern(template)) for template in templates]
        self.find = lru_cache(maxsize=4096)(self._find)

    def _find(self, text: str) -> Told:
        return tuple(tuple(self._sentences(line)) for line in text.split("\n"))

    def _sentences(self, line: str) -> Iterator[Sentence | str]:
        pieces = re.split(r"(?<=[.!?:]) ", line)
        place = 0
        while place < len(pieces):
            # The longest run first: a template may hold several sentences.
            for end in range(len(pieces), place, -1):
                found = self._match(" ".join(pieces[place:end]))
                if found is not None:
                    yield found
                    place = end
                    break
            else:
                yield pieces[place]
                place += 1

    def _match(self, text: str) -> Sentence | None:
        for template, beginning, pattern in self._patterns:
            if text.startswith(beginning) and (match := pattern.fullmatch(text)):
                return Sentence(template, {name: _value(value) for name, value in match.groupdict().items()})
        return None


def _pattern(template: str) -> re.Pattern[str]:
    pattern, named = "", set[str]()
    for place, piece in enumerate(re.split(r"\{(\w+)\}", template)):
        if place % 2 == 0:
            pattern += re.escape(piece)
        else:
            # A value that stands twice is the same both times.
            pattern += f"(?P={piece})" if piece in named else f"(?P<{piece}>.+?)"
            named.add(piece)
    return re.compile(pattern, re.DOTALL)


def _value(text: str) -> object:
    """A value as :func:`~certlifecycle.show_plainly` wrote it."""
    if re.fullmatch(r"\d{1,2} [A-Z][a-z]+ \d{4}, \d\d:\d\d UTC", text):
        return datetime.strptime(text, "%d %B %Y, %H:%M UTC").replace(tzinfo=UTC)
    if re.fullmatch(r"\d{1,2} [A-Z][a-z]+ \d{4}", text):
        return datetime.strptime(text, "%d %B %Y").replace(tzinfo=UTC).date()
    if amount := re.fullmatch(r"(-?[\d,]+(?:\.\d+)?) ([A-Z]{3})", text):
        try:
            return Money.parse(amount[1].replace(",", ""), amount[2])
        except MoneyError:
            return Stored(text)
    return Stored(text)
