"""The book of jobs: writing one down, taking it up, handing it on, stopping it, and finding what was left behind."""

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, delete, insert, select, update

from certlifecycle import Role, Sentence, say
from webapp.audit.models import AuditKind
from webapp.audit.record import record
from webapp.columns import new_id
from webapp.db import Database, rows_changed
from webapp.desk import By
from webapp.due import pause_after
from webapp.errors import TooOften
from webapp.jobs.grip import LEASE, Grip
from webapp.jobs.models import Job, JobChunk, JobItem, JobState
from webapp.jobs.said import pack
from webapp.wording import _
from webapp.work import Work

PATIENCE = 5
"""How many failures without any progress between them a job survives."""
PIECE = 256 * 1024
"""Bytes of a stored file's pieces, before they are compressed."""

GAVE_UP = say(
    "The desk made a mistake several times in a row and gave up. What was done by then stays done. "
    "Tell whoever runs the desk, and start it again later."
)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a job of which the result is wanted; see :class:`~webapp.jobs.models.JobItem`."""

    subject: str
    label: str
    certificate_id: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for. ``content`` is a file that the job needs; it is kept until the job ends, a day at most.

    ``once`` names the form that asks, so that a button pressed twice makes one job.
    """

    kind: str
    title: Sentence
    parameters: dict[str, Any] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    total: int | None = None
    content: bytes = b""
    file_name: str | None = None
    once: str | None = None


WITHIN = timedelta(hours=1)
"""For how long a job that somebody began counts among those that they may begin."""


class Jobs:
    """The book. ``queue`` is where work is handed in; ``clock`` tells the present.

    ``most`` is how many jobs somebody may begin within :data:`WITHIN`; the desk's own are not counted.
    """

    def __init__(self, database: Database, queue: Work, clock: Callable[[], datetime], most: int) -> None:
        self.database = database
        self.queue = queue
        self.clock = clock
        self.most = most

    # By whoever asks

    def begin(self, order: Order, by: By) -> str:
        """Write a job down and hand it to the queue, both or neither; returns its id.

        Raises :class:`TooOften` for somebody who has begun too many.
        """
        owner = None if by.actor.role is Role.SYSTEM else by.actor.id
        once = f"{owner}-{order.once}" if order.once else None
        try:
            with self.database.writing() as session:
                return _known(session, once) or self._write_down(session, order, by, owner, once)
        except IntegrityError:
            # The same form came twice at the same instant, and the other one was faster.
            with self.database.reading() as session:
                known = _known(session, once)
            if known is None:
                raise
            return known

    def _write_down(self, session: Session, order: Order, by: By, owner: str | None, once: str | None) -> str:
        now = self.clock()
        if owner is not None:
            self._keep_pace(session, owner, now)
        job = Job(
            id=new_id(),
            kind=order.kind,
            title=pack(order.title),
            owner_id=owner,
            channel=by.channel,
            address=by.address,
            parameters=order.parameters,
            once=once,
            created_at=now,
            total=len(order.parts) or order.total,
            due_at=now + LEASE,
            file_name=order.file_name,
            file_until=now + timedelta(days=1) if order.content else None,
        )
        session.add(job)
        session.flush()
        if order.parts:
            session.execute(insert(JobItem), [_row(job.id, *numbered) for numbered in enumerate(order.parts)])
        for position, piece in enumerate(pieces(order.content)):
            session.add(JobChunk(job_id=job.id, position=position, content=zlib.compress(piece)))
        record(session, AuditKind.JOB_STARTED, by, now, subject=job.kind, job=job.id, parameters=order.parameters)
        self._enqueue(session, job.kind, job.id, job.attempt)
        return job.id

    def _keep_pace(self, session: Session, owner: str, now: datetime) -> None:
        own = select(Job.created_at).where(Job.owner_id == owner, col(Job.created_at) > now - WITHIN)
        newest_first = own.order_by(col(Job.created_at).desc())
        # Of as many as fit the one that will make room first.
        first = session.exec(newest_first.offset(self.most - 1).limit(1)).first()
        if first is not None:
            raise TooOften(
                _("You have begun {most} jobs within an hour, and more are not taken.", most=self.most),
                _("This one was not begun. Wait, or ask for several things in one job."),
                math.ceil((first + WITHIN - now).total_seconds()),
            )

    def stop(self, job_id: str, by: By) -> bool:
        """End a job where it stands; returns whether there was anything to stop.

        The step that is under way is undone by the database, for its worker does not hold the job any more.
        """
        said = pack(say("Stopped by {who}.", who=by.actor.name))
        with self.database.writing() as session:
            result = session.exec(
                update(Job)
                .where(col(Job.id) == job_id, col(Job.ended_at).is_(None))
                .values(
                    state=JobState.STOPPED,
                    ended_at=self.clock(),
                    due_at=None,
                    holder=None,
                    doing=None,
                    said=said,
                    stopped_by=by.actor.id,
                )
            )
            if rows_changed(result) != 1:
                return False
            record(session, AuditKind.JOB_STOPPED, by, self.clock(), subject=self._kind(session, job_id), job=job_id)
        return True

    def _kind(self, session: Session, job_id: str) -> str:
        return session.exec(select(Job.kind).where(Job.id == job_id)).one()

    # By the worker

    def take(self, job_id: str, key: str) -> Grip | None:
        """Take a job up under the key of the queue's entry; ``None`` where it has ended or another one holds it.

        Whoever comes with the key that holds it already was interrupted in the middle of a step.
        """
        with self.database.writing() as session:
            before = session.exec(select(Job).where(Job.id == job_id)).first()
            if before is None or before.ended_at is not None:
                return None
            setbacks = before.setbacks + (before.holder == key)
            result = session.exec(
                update(Job)
                .where(
                    col(Job.id) == job_id,
                    col(Job.ended_at).is_(None),
                    sa.or_(col(Job.holder).is_(None), col(Job.holder) == key),
                )
                .values(
                    state=JobState.RUNNING,
                    holder=key,
                    started_at=before.started_at or self.clock(),
                    due_at=self.clock() + LEASE,
                    setbacks=setbacks,
                )
                .execution_options(synchronize_session=False)
            )
            if rows_changed(result) != 1:
                return None
        grip = Grip(self.database, self.clock, job_id, key)
        if setbacks >= PATIENCE:
            self._give_up(grip)
            return None
        return grip

    def hand_on(self, grip: Grip) -> None:
        """Let go of a job that is not finished, so that others get their turn, and put it at the queue's end."""
        with self.database.writing() as session:
            grip.note(session, holder=None, attempt=grip.job.attempt + 1)
            self._enqueue(session, grip.job.kind, grip.job.id, grip.job.attempt + 1)

    def set_back(self, grip: Grip, trouble: str) -> None:
        """Let go of a job whose step failed; it is taken up again after a pause, or given up."""
        setbacks = grip.job.setbacks + 1
        if setbacks >= PATIENCE:
            self._give_up(grip, {"trouble": trouble[:2000]})
            return
        with self.database.writing() as session:
            grip.note(
                session,
                holder=None,
                due_at=self.clock() + pause_after(setbacks),
                setbacks=setbacks,
                trouble=trouble[:2000],
            )

    def _give_up(self, grip: Grip, columns: dict[str, object] | None = None) -> None:
        with self.database.writing() as session:
            grip.end(session, JobState.FAILED, GAVE_UP, columns)

    # By the reconciler

    def take_up_lost(self, now: datetime, limit: int = 100) -> int:
        """Hand in again what nobody has got on with for too long; returns how many."""
        lost = select(Job.id).where(col(Job.due_at) <= now).order_by(col(Job.due_at)).limit(limit)
        with self.database.reading() as session:
            found = session.exec(lost).all()
        return sum(self._hand_in_again(job_id, now) for job_id in found)

    def _hand_in_again(self, job_id: str, now: datetime) -> bool:
        with self.database.writing() as session:
            job = session.exec(select(Job).where(Job.id == job_id, col(Job.due_at) <= now)).first()
            if job is None:
                return False
            result = session.exec(
                update(Job)
                .where(
                    col(Job.id) == job_id,
                    col(Job.attempt) == job.attempt,
                    col(Job.due_at) <= now,
                )
                .values(
                    holder=None,
                    attempt=job.attempt + 1,
                    # A long queue is no loss: the more often it was handed in, the longer it may wait for its turn.
                    due_at=self.clock() + LEASE + pause_after(job.attempt),
                    # Whoever held it has died at it, which may have been no accident.
                    setbacks=job.setbacks + (job.holder is not None),
                )
                .execution_options(synchronize_session=False)
            )
            if rows_changed(result) != 1:
                return False
            self._enqueue(session, job.kind, job.id, job.attempt + 1)
        return True

    def remove_old_files(self, now: datetime, limit: int = 20) -> int:
        """Delete the files whose time is up; returns how many. The jobs themselves stay."""
        old = (
            select(Job.id)
            .where(col(Job.file_until) <= now, col(Job.ended_at).is_not(None))
            .order_by(col(Job.file_until))
            .limit(limit)
        )
        with self.database.reading() as session:
            found = session.exec(old).all()
        for job_id in found:
            with self.database.writing() as session:
                remove_file(session, job_id)
                session.exec(update(Job).where(col(Job.id) == job_id).values(file_until=None))
        return len(found)

    def _enqueue(self, session: Session, kind: str, job_id: str, attempt: int) -> None:
        self.queue.enqueue(session, kind, job_id, f"job-{job_id}-{attempt}")


def _known(session: Session, once: str | None) -> str | None:
    return session.exec(select(Job.id).where(Job.once == once)).first() if once else None


def _row(job_id: str, position: int, part: Part) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "position": position,
        "subject": part.subject,
        "label": part.label,
        "certificate_id": part.certificate_id,
        "version": part.version,
        "said": [],
    }


def pieces(content: bytes) -> Iterator[bytes]:
    """A file as it is stored: in pieces of one size."""
    return (content[start : start + PIECE] for start in range(0, len(content), PIECE))


def file_of(database: Database, job_id: str, offset: int = 0) -> Iterator[bytes]:
    """The pieces of a job's file from a byte on, one after the other, each read when it is wanted.

    Beginning in the middle is for files that were handed in, whose pieces are of one size.
    """
    position, skip = divmod(offset, PIECE)
    while True:
        with database.reading() as session:
            chunk = session.get(JobChunk, (job_id, position))
        if chunk is None:
            return
        yield zlib.decompress(chunk.content)[skip:]
        position, skip = position + 1, 0


def remove_file(session: Session, job_id: str, start: int = 0) -> None:
    """Delete a job's file within the caller's transaction; with ``start``, its pieces from that one on."""
    session.exec(delete(JobChunk).where(col(JobChunk.job_id) == job_id, col(JobChunk.position) >= start))
