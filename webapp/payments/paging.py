"""Lists of which one page is shown at a time, by number. For admins' lists, which grow by a few rows a day."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from webapp.wording import _

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Which page of how many rows; ``number`` counts from 1."""

    number: int
    size: int
    total: int

    @classmethod
    def within(cls, number: int, size: int, total: int) -> "Place":
        """The page that is asked for, or the nearest one that exists."""
        return cls(min(max(number, 1), _pages(total, size)), size, total)

    @property
    def offset(self) -> int:
        """How many rows come before the page."""
        return (self.number - 1) * self.size


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list."""

    rows: tuple[T, ...]
    place: Place

    @property
    def previous(self) -> int | None:
        """The number of the page before, if there is one."""
        return self.place.number - 1 if self.place.number > 1 else None

    @property
    def next(self) -> int | None:
        """The number of the page after, if there is one."""
        return self.place.number + 1 if self.place.number < _pages(self.place.total, self.place.size) else None

    @property
    def summary(self) -> str:
        """``1 to 20 of 312``."""
        first = self.place.offset + 1
        return _(
            "{first} to {last} of {total}",
            first=first,
            last=self.place.offset + len(self.rows),
            total=self.place.total,
        )


def _pages(total: int, size: int) -> int:
    return max(1, -(-total // size))
