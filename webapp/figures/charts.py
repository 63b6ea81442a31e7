"""Where the marks of a picture stand. The template ``figures/_charts.html`` draws them; colours are the style sheet's.

Widths and places are percentages of the picture, so that it fills whatever room there is while its words keep their
size; heights are pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

STRIP = 44
"""How high the columns of a strip can be."""
COLUMNS = 150
"""How high the highest column of a distribution can be."""
WORDS = 20
"""How much room a line of words takes in a distribution."""
SMALLEST = 1.5
"""How high or wide a mark is at least, so that little is not mistaken for nothing."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A rectangle. ``x`` and ``width`` are percentages, ``y`` and ``height`` pixels; ``words`` say what it stands for.

    A ``hollow`` one is only outlined, so that it differs from the others without a colour.
    """

    x: float
    y: float
    width: float
    height: float
    words: str = ""
    hollow: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """Words in a picture, in the middle above or below ``x``."""

    x: float
    y: float
    words: str
    is_quiet: bool = False


# Columns along the time


@dataclass(frozen=True, slots=True)
class Strip:
    """One row of columns along the time: what it counts, the sum in words, and its marks."""

    key: str
    label: str
    said: str
    marks: Sequence[Mark]
    height: int = STRIP


@dataclass(frozen=True, slots=True)
class Strips:
    """Rows of columns over the same time. ``ticks`` are the words below the first, the middle and the last column."""

    rows: Sequence[Strip]
    ticks: Sequence[str]


@dataclass(frozen=True, slots=True)
class Series:
    """What one row shows: its name, the sum in words, and a value with its words for each column."""

    key: str
    label: str
    said: str
    values: Sequence[tuple[int, str]]


def strips(rows: Sequence[Series], ticks: Sequence[str], *, alike: bool) -> Strips:
    """Rows of columns, each named directly, so that nothing depends on telling colours apart.

    ``alike`` draws all of them to one scale, for things that can be compared.
    """
    largest = [max((value for value, _ in row.values), default=0) for row in rows]
    scales = [max(largest, default=0)] * len(rows) if alike else largest
    drawn = [
        Strip(row.key, row.label, row.said, _columns(row.values, most)) for row, most in zip(rows, scales, strict=True)
    ]
    return Strips(drawn, ticks)


def _columns(values: Sequence[tuple[int, str]], most: int) -> list[Mark]:
    step = 100 / max(1, len(values))
    marks = []
    for place, (value, words) in enumerate(values):
        if value:
            high = max(SMALLEST, STRIP * value / most)
            marks.append(Mark(_r(place * step + step * 0.1), _r(STRIP - high), _r(step * 0.8), _r(high), words))
    return marks


# How long something took


@dataclass(frozen=True, slots=True)
class Step:
    """One column of a distribution: its name below it, how many kept the promise and how many did not."""

    name: str
    kept: int
    broken: int
    words: str


@dataclass(frozen=True, slots=True)
class Distribution:
    """Columns side by side over a base line, with a band behind those that were promised."""

    key: str
    title: str
    description: str
    height: int
    base: int
    marks: Sequence[Mark]
    labels: Sequence[Label]
    band: Mark


def distribution(
    key: str, title: str, description: str, steps: Sequence[Step], promised: tuple[int, int], band_words: str
) -> Distribution:
    """Columns side by side; the band reaches from the first to the last ``promised`` place.

    ``title`` names the picture, ``description`` tells whoever cannot see it what it shows.
    """
    base = WORDS * 2 + COLUMNS
    most = max((step.kept + step.broken for step in steps), default=0)
    width = 100 / max(1, len(steps))
    first, last = promised
    band = Mark(_r(first * width), 0, _r((last - first + 1) * width), base, band_words)
    labels = [Label(_r((first + last + 1) * width / 2), 14, band_words, is_quiet=True)]
    marks = []
    for place, step in enumerate(steps):
        middle = _r((place + 0.5) * width)
        labels.append(Label(middle, base + 15, step.name, is_quiet=True))
        top: float = base
        for count, hollow in ((step.kept, False), (step.broken, True)):
            if count:
                high = max(SMALLEST, COLUMNS * count / most)
                top -= high
                left = _r(place * width + width * 0.15)
                marks.append(Mark(left, _r(top), _r(width * 0.7), _r(high), step.words, hollow))
        if step.kept + step.broken:
            labels.append(Label(middle, _r(top - 5), f"{step.kept + step.broken:,}"))
    return Distribution(key, title, description, base + WORDS, base, marks, labels, band)


# What is compared


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a comparison: its name, its value in words, and its length in parts of the longest, 0 to 100.

    The ``hollow`` part stands at its end.
    """

    name: str
    said: str
    full: float
    hollow: float = 0


def bars(rows: Sequence[tuple[str, str, int, int]]) -> list[Bar]:
    """Lines below each other from (name, value in words, value, how much of it is hollow)."""
    most = max((value for _, _, value, _ in rows), default=0) or 1
    return [
        Bar(name, said, _r(100 * (value - hollow) / most), _r(100 * hollow / most))
        for name, said, value, hollow in rows
    ]


def _r(value: float) -> float:
    return round(value, 2)
