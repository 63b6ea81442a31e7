"""The head of the chain, and getting it out of the house once a day.

A chain alone proves nothing against somebody who can write to the database and compute it anew; a head that lies where
they cannot reach does.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col, select

from webapp.audit.chain import HISTORY
from webapp.audit.models import AuditEvent, ChainLink
from webapp.audit.verify import Head
from webapp.certificates.models import History
from webapp.db import Database


def newest_head(session: Session) -> tuple[Head, datetime | None] | None:
    """The head as it is now, and when its row was written; ``None`` where there is no history yet.

    The instant is ``None`` where the row itself is gone, which :func:`~webapp.audit.verify.verify` will say.
    """
    last = session.exec(select(ChainLink).order_by(col(ChainLink.position).desc()).limit(1)).first()
    if last is None:
        return None
    # The columns alone: somebody may have put what is no word of ours into the row.
    model = History if last.source == HISTORY else AuditEvent
    at: datetime | None = session.execute(sa.select(col(model.at)).where(col(model.id) == last.row_id)).scalar()
    return Head(last.position, last.hash), at


def head_line(head: Head, at: datetime | None) -> str:
    """One line that :meth:`~webapp.audit.verify.Head.read` understands: the head, and the instant of its row."""
    return f"{head} {at.astimezone(UTC).isoformat(timespec='microseconds') if at else 'unknown'}"


class DailyHeads:
    """Keeps a file a day with the head of that day in ``folder``, for a backup or another machine to take away."""

    def __init__(self, database: Database, folder: Path, zone: str, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._folder = folder
        self._zone = ZoneInfo(zone)
        self._clock = clock

    def turn(self) -> Path | None:
        """Write today's file unless it is there; returns the new one. A file that is there is never touched again."""
        path = self._folder / f"{self._clock().astimezone(self._zone).date().isoformat()}.txt"
        if path.exists():
            return None
        with self._database.reading() as session:
            found = newest_head(session)
        if found is None:
            return None
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.write_text(head_line(*found) + "\n", "utf-8")
        try:
            # Of several workers exactly one puts its file in place.
            os.link(draft, path)
        except FileExistsError:
            return None
        finally:
            draft.unlink()
        return path
