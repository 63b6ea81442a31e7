"""The newest changes in memory: what a viewer who was away for a moment has missed."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Container, Iterable, Iterator
from itertools import takewhile

from webapp.live.bus import Change, Signal
from webapp.live.tickets import CUSTOMER_PREFIX, REVIEW_TOPIC


class Journal:
    """Changes in the order in which they became visible, the newest ``capacity`` of them.

    Replaying from memory answers ten thousand viewers who reconnect at once without a query, and
    it can be exact: the order of arrival is the order of the commits, whatever their ids.
    """

    def __init__(self, capacity: int, overlap: int) -> None:
        self._capacity = capacity
        self._overlap = overlap
        self._changes: OrderedDict[int, Change] = OrderedDict()
        self._arrived: set[int] = set()  # Those seen as they were committed, not read later.
        self._floor = 0  # The highest id of a change that is not remembered.

    @property
    def last_id(self) -> int:
        """The id of the newest change, 0 when there is none."""
        return next(reversed(self._changes), 0)

    def catch_up(self, recent: Iterable[Change], complete: bool) -> None:
        """Take in what was read when the source was opened; ``complete``: nothing is older."""
        changes = list(recent)
        highest = max((change.id for change in changes), default=0)
        if highest < max(self._changes, default=0):
            # The history was put back to an earlier state: its ids will be given out again.
            self._changes.clear()
            self._arrived.clear()
            self._floor = 0
        if not complete and changes:
            self._floor = max(self._floor, changes[0].id - 1)
        for change in changes:
            self._remember(change)

    def add(self, change: Change) -> bool:
        """Take in a change as it arrives; False when it was known already."""
        if not self._remember(change):
            return False
        self._arrived.add(change.id)
        return True

    def missed(self, since: int, topics: Container[str], at_most: int) -> list[Change] | None:
        """What happened after the change ``since`` within the topics, the newest per certificate.

        None when that cannot be told, or is more than ``at_most`` certificates: then the viewer has
        to look at everything again. A change may be told twice, never left out: one that was read
        from the table is told when its id lies within the source's overlap.
        """
        if since < self._floor:
            return None
        newest_first = reversed(self._changes.values())
        after: Iterator[Change]
        if since in self._arrived:
            after = takewhile(lambda change: change.id != since, newest_first)
        else:
            after = (change for change in newest_first if change.id > since - self._overlap)
        missed: dict[str, Change] = {}
        for change in after:
            if REVIEW_TOPIC in topics or CUSTOMER_PREFIX + change.holder_id in topics:
                missed.setdefault(change.certificate_id, change)
                if len(missed) > at_most:
                    return None
        return list(missed.values())[::-1]

    def _remember(self, change: Change) -> bool:
        if change.id in self._changes:
            return False
        self._changes[change.id] = change
        if len(self._changes) > self._capacity:
            oldest, _ = self._changes.popitem(last=False)
            self._arrived.discard(oldest)
            self._floor = max(self._floor, oldest)
        return True


class RecentSignals:
    """The signals of the last ``seconds``: what a page may have missed between being made and being connected."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._signals: deque[tuple[float, Signal]] = deque(maxlen=1000)

    def add(self, signal: Signal) -> None:
        """Remember one that was told just now."""
        self._signals.append((self._clock(), signal))

    def within(self, topics: Container[str]) -> list[Signal]:
        """Those for the viewers of these topics, each once."""
        oldest = self._clock() - self._seconds
        found = (signal for at, signal in self._signals if at >= oldest and signal.topic in topics)
        return list(dict.fromkeys(found))
