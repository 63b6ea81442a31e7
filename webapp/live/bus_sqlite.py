"""Changes from a SQLite file that other processes write.

A commit in WAL mode writes the ``-wal`` file; inotify tells of that write within microseconds. The
write comes a little before the commit is visible (the file is synchronised and the index in
shared memory is updated in between, and no event tells of the latter), so ``PRAGMA data_version`` is
asked at once and then a few times more. Where there is no inotify it is asked every 100 ms.
"""

import asyncio
import os
import sqlite3
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing, nullcontext
from pathlib import Path

from webapp.live.bus import Change, Opened, Signal, readable_changes, readable_signals
from webapp.live.inotify import watching

# Seconds between the questions after a write was noticed: close together at first, then every 20 ms. Two seconds in
# all are longer than a disk takes to synchronise; what is slower still is found by the safety net.
_SETTLE = (0.0003,) * 6 + tuple(min(0.0005 * 1.5**step, 0.02) for step in range(100))
_SAFETY_NET_SECONDS = 1.0
_POLL_SECONDS = 0.1
_LOCK_SECONDS = 0.1  # A recovery after a crash, a last writer's closing: rare and short.
_BATCH = 200
Row = tuple[int, object, object]
# Whose a certificate is can change, and its history cannot: it is told to whoever holds it now.
_COLUMNS = (
    "SELECT h.id, h.certificate_id, coalesce(c.holder_id, h.customer_id)"
    " FROM history h LEFT JOIN certificate c ON c.id = h.certificate_id"
)


class HistoryReplaced(Exception):
    """The history is not the one that was being followed: restored, or another file."""


class SqliteSource:
    """The history of one SQLite database, followed from another process than its writers'."""

    overlap = 0  # SQLite has one writer at a time: ids ascend in the order of the commits.

    def __init__(self, path: str, *, use_inotify: bool = True) -> None:
        self._path = Path(path).resolve()  # SQLite puts the -wal file beside the real one, whatever link led there.
        self._use_inotify = use_inotify

    async def listen(self, recent: int) -> AsyncGenerator[Opened | Change | Signal]:
        """See ``Source.listen``. Raises sqlite3.Error, OSError or HistoryReplaced when it breaks.

        The connection stays open throughout, so the last writer's closing does not remove the
        ``-wal`` file. Reads take microseconds and in WAL mode do not wait for writers, so they run
        in the event loop.
        """
        touched = asyncio.Event()
        wal = self._path.with_name(self._path.name + "-wal")
        watch = watching(wal, touched.set) if self._use_inotify else nullcontext(False)
        with closing(self._connect()) as database, watch as told:
            idle = _SAFETY_NET_SECONDS if told else _POLL_SECONDS
            file = os.stat(self._path)
            version = _data_version(database)
            rows = _newest(database, recent)
            last = rows[-1][0] if rows else 0
            told_id = _last_signal(database)
            yield Opened(tuple(readable_changes(rows)), complete=len(rows) < recent)
            pauses: Iterator[float] = iter(())
            while True:
                pause = next(pauses, None)
                if await _wait(touched, idle if pause is None else pause):
                    pauses = iter(_SETTLE)
                elif pause is None and not os.path.samestat(file, os.stat(self._path)):
                    raise HistoryReplaced("The database file was replaced.")
                if (now := _data_version(database)) == version:
                    continue
                version = now
                while (news := _news(database, told_id, last)) != ([], []):
                    signals, rows = news
                    # Signals first: whoever has lost the right to see a change has lost it before that change is told.
                    for signal in readable_signals((topic, name) for _, topic, name in signals):
                        yield signal
                    for change in readable_changes(rows):
                        yield change
                    told_id = signals[-1][0] if signals else told_id
                    last = rows[-1][0] if rows else last
                if _last_id(database) < last:
                    raise HistoryReplaced("The history was put back to an earlier state.")

    def _connect(self) -> sqlite3.Connection:
        # mode=rw: a missing file is an error to try again, not a database to make.
        database = sqlite3.connect(
            f"{self._path.as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=_LOCK_SECONDS
        )
        database.execute("PRAGMA query_only = ON")
        return database


async def _wait(touched: asyncio.Event, seconds: float) -> bool:
    """Wait for a write, at most so many seconds; whether there was one."""
    try:
        async with asyncio.timeout(seconds):
            await touched.wait()
    except TimeoutError:
        return False
    touched.clear()
    return True


def _data_version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA data_version").fetchone()[0])


def _last_id(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT coalesce(max(id), 0) FROM history").fetchone()[0])


def _newest(database: sqlite3.Connection, limit: int) -> list[Row]:
    """The newest rows, the oldest of them first."""
    return database.execute(f"{_COLUMNS} ORDER BY h.id DESC LIMIT ?", (limit,)).fetchall()[::-1]


def _news(database: sqlite3.Connection, told_id: int, last: int) -> tuple[list[tuple[int, str, str]], list[Row]]:
    """All signals and the next changes after these ids, as they stood at one instant.

    A batch of changes at a time, so that no read transaction lasts long.
    """
    database.execute("BEGIN")
    try:
        query = "SELECT id, topic, name FROM live_signal WHERE id > ? ORDER BY id"
        signals = database.execute(query, (told_id,)).fetchall()
        query = f"{_COLUMNS} WHERE h.id > ? ORDER BY h.id LIMIT ?"
        return signals, database.execute(query, (last, _BATCH)).fetchall()
    finally:
        database.execute("COMMIT")


def _last_signal(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT coalesce(max(id), 0) FROM live_signal").fetchone()[0])
