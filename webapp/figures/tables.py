"""The numbers behind a picture: as a table on the page, and as a file for a spreadsheet."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from defusedcsv import csv  # type: ignore[import-untyped]  # it ships no types

from certlifecycle import Money
from webapp.wording import words

BOM = "\ufeff"
"""Without it, spreadsheet programs read UTF-8 as the letters of an old code page."""


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole, both counted."""

    part: int
    whole: int

    def __str__(self) -> str:
        return f"{100 * self.part / self.whole:.1f} %" if self.whole else "–"


@dataclass(frozen=True, slots=True)
class Hours:
    """A duration, in seconds."""

    seconds: float

    def __str__(self) -> str:
        return f"{self.seconds / 3600:,.1f} h"


Cell = str | int | date | Money | Share | Hours | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under their columns' names. The first column says what a row is about.

    Whoever shows it and whoever exports it takes the cells from here, so that the two cannot differ. An amount of
    :class:`Money` needs a column with its currency beside it.
    """

    key: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def shown(self) -> list[list[str]]:
        """The cells as a person reads them."""
        return [[_shown(cell) for cell in row] for row in self.rows]

    def numeric(self) -> list[bool]:
        """For each column whether it holds numbers, which stand to the right."""
        return [
            any(isinstance(row[place], int | Money | Share | Hours) for row in self.rows)
            for place in range(len(self.columns))
        ]

    def as_csv(self) -> str:
        """The same as a file: dates as ISO 8601, amounts in the currency's main unit, shares in per cent, hours."""
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        writer.writerow(self.columns)
        writer.writerows(_written(row) for row in self.rows)
        return BOM + buffer.getvalue()


def _shown(cell: Cell) -> str:
    match cell:
        case None:
            return "–"
        case Money():
            return str(cell).rpartition(" ")[0]
        case int():
            return f"{cell:,}"
        case date():
            return words().day(cell)
        case _:
            return str(cell)


def _written(row: Iterable[Cell]) -> list[str]:
    return [_plain(cell) for cell in row]


def _plain(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case Money():
            return f"{Decimal(cell.minor).scaleb(-cell.digits):f}"
        case Share():
            return f"{100 * cell.part / cell.whole:.1f}" if cell.whole else ""
        case Hours():
            return f"{cell.seconds / 3600:.1f}"
        case date():
            return cell.isoformat()
        case _:
            return str(cell)
