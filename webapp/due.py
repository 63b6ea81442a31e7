"""Work that the system owes on certificates: handed in again, put off, done with, or failing.

The state of a certificate says what is due; the queue only makes it prompt. Nothing here changes a state.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select, update

from certlifecycle import State
from webapp.certificates.models import Certificate
from webapp.columns import UtcDateTime
from webapp.db import Database, rows_changed
from webapp.hindrances import Hindrance
from webapp.work import Work

WORK_DUE_IN = {
    State.SUBMITTED: "check_domain",
    State.VERIFIED: "issue",
    State.REVOKING: "revoke",
    State.REFUND_APPROVED: "pay",
}
"""What the system owes while a certificate rests in a state. The state is the truth; the queue only makes it prompt."""


GRACE = timedelta(seconds=10)
"""How long the queue gets with an attempt before the reconciler takes it for lost."""


class DueWork:
    """What is owed, whatever made it due."""

    def __init__(self, database: Database, work: Work, clock: Callable[[], datetime]) -> None:
        self.database = database
        self.work = work
        self.clock = clock

    def retry_overdue(self, now: datetime, limit: int = 100) -> int:
        """Hand in again what should have been done by now; returns how many. Called by the reconciler.

        Whatever became of the earlier attempt, effects are idempotent, so one too many does no harm.
        """
        overdue = select(Certificate.id).where(_is_overdue(now)).order_by(col(Certificate.due_at)).limit(limit)
        with self.database.reading() as session:
            waiting = session.exec(overdue).all()
        return sum(self._retry(certificate_id, _is_overdue(now)) for certificate_id in waiting)

    def look_now(self, certificate_id: str) -> bool:
        """Have what is due looked at now rather than at its time; returns whether anything was due."""
        return self._retry(certificate_id, col(Certificate.due_at).is_not(None))

    def postpone(
        self,
        certificate_id: str,
        version: int,
        until: datetime,
        note: str,
        hindrance: Hindrance | None = None,
        held_up: str | None = None,
    ) -> None:
        """Note that work could not be finished yet and when to look again; the state stays as it is.

        ``hindrance`` is why, for whoever is told in words; ``note`` is the detail, and ``held_up`` a sentence for the
        customer.
        """
        with self.database.writing() as session:
            session.exec(
                update(Certificate)
                .where(
                    col(Certificate.id) == certificate_id,
                    col(Certificate.version) == version,
                    col(Certificate.due_at).is_not(None),
                )
                .values(due_at=until, work_error=note, held_up=held_up, **self._hindered(hindrance))
            )

    def rest(self, certificate_id: str, version: int) -> None:
        """Note that the system has done its part in this state; the next move is somebody else's."""
        with self.database.writing() as session:
            session.exec(
                update(Certificate)
                .where(col(Certificate.id) == certificate_id, col(Certificate.version) == version)
                .values(due_at=None, work_error=None, held_up=None, **self._hindered(None))
            )

    def note_failure(self, certificate_id: str, error: str, hindrance: Hindrance = Hindrance.DEFECT) -> None:
        """Note why an attempt failed. The reconciler tries again when the work is overdue."""
        with self.database.writing() as session:
            session.exec(
                update(Certificate)
                .where(col(Certificate.id) == certificate_id, col(Certificate.due_at).is_not(None))
                .values(work_error=error[:2000], held_up=None, **self._hindered(hindrance))
            )

    def enqueue_due(self, session: Session, certificate: Certificate) -> None:
        """Hand in what a certificate owes in its state, if anything, in the transaction that made it due."""
        kind = WORK_DUE_IN.get(State(certificate.state))
        if kind is not None:
            key = f"{kind}-{certificate.id}-{certificate.version}-{certificate.attempts}"
            self.work.enqueue(session, kind, certificate.id, key)

    def _retry(self, certificate_id: str, condition: sa.ColumnElement[bool]) -> bool:
        with self.database.writing() as session:
            certificate = session.exec(select(Certificate).where(Certificate.id == certificate_id, condition)).first()
            if certificate is None:
                # Done, or handed in by another reconciler, since it was found.
                return False
            result = session.exec(
                update(Certificate)
                .where(
                    col(Certificate.id) == certificate_id,
                    col(Certificate.version) == certificate.version,
                    col(Certificate.attempts) == certificate.attempts,
                )
                .values(
                    due_at=self.clock() + pause_after(certificate.attempts) + GRACE,
                    attempts=certificate.attempts + 1,
                )
            )
            if rows_changed(result) != 1:
                return False
            session.refresh(certificate)
            self.enqueue_due(session, certificate)
        return True

    def _hindered(self, hindrance: Hindrance | None) -> dict[str, Any]:
        since: Any = None
        if hindrance is not None and hindrance.is_failure:
            since = sa.func.coalesce(Certificate.failing_since, sa.literal(self.clock(), UtcDateTime))
        return {"hindrance": hindrance, "failing_since": since}


def _is_overdue(now: datetime) -> sa.ColumnElement[bool]:
    """What nobody has in hand any more: what was put off until now, and what the queue has had time enough for."""
    # What was put off says why; what has just become due says nothing yet, and is with the queue.
    put_off = sa.and_(col(Certificate.due_at) <= now, col(Certificate.work_error).is_not(None))
    return sa.or_(col(Certificate.due_at) <= now - GRACE, put_off)


def pause_after(attempts: int) -> timedelta:
    """How long to wait for an attempt before the next: twice as long each time, a quarter of an hour at most."""
    # Bounded before it is raised to a power: an authority can be at work for weeks.
    return timedelta(seconds=min(2 ** min(attempts, 10), 900))
