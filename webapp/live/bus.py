"""What changed at the desk, as one stream of events whatever the database.

The desk writes a ``history`` row with every change, in the change's own transaction. A source
(``bus_sqlite``, ``bus_postgres``) turns committed rows into ``Change`` events; ``follow`` keeps a source
going through every failure and says when something may have been missed.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """One committed history row: which certificate changed, and whose it is."""

    id: int
    certificate_id: str
    holder_id: str


@dataclass(frozen=True, slots=True)
class Signal:
    """Something else than a certificate changed: the viewers of ``topic`` hear an event called ``name``."""

    topic: str
    name: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The source is connected. ``recent`` are the newest committed changes, the oldest first.

    ``complete`` says that there are no older ones. Every change that is committed after ``recent``
    was read follows as a ``Change``.
    """

    recent: tuple[Change, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Lost:
    """The source broke. Nothing is delivered until the next ``Opened``."""


Event = Change | Signal | Opened | Lost


class Source(Protocol):
    """Where changes come from.

    ``overlap`` is how many ids a change may lag behind one that was committed before it: 0 where
    ids are given out in the order of the commits.
    """

    overlap: int

    def listen(self, recent: int) -> AsyncGenerator[Opened | Change | Signal]:
        """Yield ``Opened`` with at most ``recent`` changes, then every change and signal; raise when it breaks."""
        ...


async def follow(
    source: Source, recent: int, first_delay: float = 0.1, longest_delay: float = 5.0
) -> AsyncGenerator[Event]:
    """Listen for ever: ``Lost`` after each failure, then again after a growing pause (seconds)."""
    delay = first_delay
    while True:
        try:
            async with aclosing(source.listen(recent)) as events:
                async for event in events:
                    delay = first_delay
                    yield event
        except Exception as problem:  # noqa: BLE001  Whatever broke, the hub must outlive it.
            logger.warning("The bus is interrupted: %s", problem)
        yield Lost()
        await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311  Not a secret.
        delay = min(delay * 2, longest_delay)


def make_change(history_id: object, certificate_id: object, holder_id: object) -> Change:
    """A change from what a row or a notification holds. Raises ValueError if it is malformed."""
    return Change(int(str(history_id)), plain_id(certificate_id), plain_id(holder_id))


def make_signal(topic: str, name: str) -> Signal:
    """A signal from what a row or a notification holds. Raises ValueError if it is malformed."""
    plain_id(topic.replace(":", "", 1))
    return Signal(topic, plain_id(name))


def readable_changes(rows: Iterable[tuple[object, object, object]]) -> Iterator[Change]:
    """The changes in rows of (id, certificate_id, holder_id).

    A row that names no certificate and holder in the expected form is reported and left out:
    it must not keep the others from being delivered.
    """
    for row in rows:
        try:
            yield make_change(*row)
        except ValueError as problem:
            logger.warning("History row %s cannot be announced: %s", row[0], problem)


def readable_signals(rows: Iterable[tuple[str, str]]) -> Iterator[Signal]:
    """The signals in rows of (topic, name); one that is malformed is reported and left out."""
    for topic, name in rows:
        try:
            yield make_signal(topic, name)
        except ValueError as problem:
            logger.warning("A signal cannot be told: %s", problem)


def plain_id(value: object) -> str:
    """An id as it is stored, for comparing and for naming events: letters, digits, '-' and '_'.

    Raises ValueError for anything else, because the text becomes part of an event's name.
    """
    text = str(value)
    if not text.isascii() or not text.replace("-", "").replace("_", "").isalnum():
        raise ValueError("An id holds letters, digits, '-' and '_' only.")
    return text
