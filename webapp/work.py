"""Due work on its way from the door to the worker, whatever queue carries it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlmodel import Session


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that a worker is at, for a certificate or a job. ``since`` is the instant at which it was begun."""

    kind: str
    subject_id: str
    since: datetime
    worker: str


class Work(Protocol):
    """Where due work is handed in, and what workers are doing of it."""

    def enqueue(self, session: Session, kind: str, subject_id: str, key: str) -> None:
        """Hand in work ``kind`` for a certificate or a job, inside the transaction that made it due.

        ``key`` is new for every attempt.
        """

    def under_way(self, since: datetime) -> Sequence[Attempt]:
        """The attempts that were begun after ``since`` and have not ended, the latest first.

        One whose worker has died counts among them until somebody notices.
        """
