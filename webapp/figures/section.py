"""One section of the page, and what all pictures along the time share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from webapp.figures.charts import Bar, Distribution, Strips
from webapp.figures.period import Period
from webapp.figures.tables import Table
from webapp.wording import _, words


@dataclass(frozen=True, slots=True)
class Section:
    """One subject of the page: a picture and the table behind it, or a wide table alone.

    ``empty`` says why there is nothing to show, where there is nothing.
    """

    title: str
    lead: str
    table: Table
    strips: Strips | None = None
    distribution: Distribution | None = None
    bars: Sequence[Bar] = ()
    empty: str | None = None

    @property
    def is_wide(self) -> bool:
        """Whether it is a table without a picture."""
        return not (self.strips or self.distribution or self.bars or self.empty)


def by_column(values: dict[date, int], period: Period) -> dict[date, int]:
    """Values by day as values by column."""
    columns = dict.fromkeys(period.columns(), 0)
    for day, value in values.items():
        columns[period.column_of(day)] += value
    return columns


def said_of(everything: str, most: str, period: Period) -> str:
    """What stands beside a strip: the sum, and how high its highest column is."""
    if period.by_week:
        return _("{everything} in all, at most {most} a week", everything=everything, most=most)
    return _("{everything} in all, at most {most} a day", everything=everything, most=most)


def ticks(period: Period) -> list[str]:
    """The words below the first, the middle and the last column."""
    columns = period.columns()
    if len(columns) < 2:
        return [words().short_day(columns[0]), "", ""]
    middle = columns[len(columns) // 2] if len(columns) > 4 else None
    return [
        words().short_day(columns[0]),
        words().short_day(middle) if middle else "",
        words().short_day(columns[-1]),
    ]
