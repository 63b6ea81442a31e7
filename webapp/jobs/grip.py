"""A worker's hold on a job. Whatever is written about the job goes through it, and only while it holds."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlmodel import Session, col, select, update

from certlifecycle import Sentence, say
from webapp.accounts.models import Account
from webapp.db import Database, rows_changed
from webapp.jobs.models import Job, JobItem, JobState, Outcome
from webapp.jobs.said import pack

LEASE = timedelta(minutes=2)
"""How long a step may take before the job counts as left behind and another worker takes it up."""

OWNER_DISABLED = say(
    "Stopped, for the account that asked for it is disabled. What was done by then stays done; the rest is as it was."
)


class Lost(Exception):
    """The job is not this worker's any more: somebody stopped it, or another worker has taken it up."""


class Halted(Exception):
    """The job ends here, with a sentence for whoever asked for it."""

    def __init__(self, state: JobState, said: Sentence) -> None:
        super().__init__(str(said))
        self.state = state
        self.said = said


class Grip:
    """The hold under the key of the queue's entry. ``job`` and ``account`` are as they were at the last look."""

    job: Job
    account: Account | None
    """Who asked, as they are now; ``None`` where the desk itself did."""

    def __init__(self, database: Database, clock: Callable[[], datetime], job_id: str, key: str) -> None:
        self.database = database
        self.clock = clock
        self.key = key
        self._job_id = job_id
        self._read()

    def look(self) -> None:
        """See how the job stands now. Raises :class:`Lost`, or :class:`Halted` where its owner may not act any more."""
        self._read()
        if self.job.ended_at is not None:
            return
        if self.job.holder != self.key:
            raise Lost
        if self.account is not None and self.account.disabled_at is not None:
            raise Halted(JobState.STOPPED, OWNER_DISABLED)

    def _read(self) -> None:
        with self.database.reading() as session:
            self.job = session.exec(select(Job).where(Job.id == self._job_id)).one()
            owner = select(Account).where(Account.id == self.job.owner_id)
            self.account = session.exec(owner).one() if self.job.owner_id else None

    def next_item(self) -> JobItem | None:
        """The first part that nothing has come of yet."""
        with self.database.reading() as session:
            return session.exec(
                select(JobItem)
                .where(JobItem.job_id == self._job_id, col(JobItem.outcome).is_(None))
                .order_by(col(JobItem.position))
                .limit(1)
            ).first()

    @contextmanager
    def step(self, *, done: int = 0, failed: int = 0, **columns: object) -> Iterator[Session]:
        """A transaction for what a step does: it is committed with the progress, or not at all."""
        with self.database.writing() as session:
            yield session
            self.note(session, done=done, failed=failed, **columns)

    def note(self, session: Session, *, done: int = 0, failed: int = 0, **columns: object) -> None:
        """Write progress down within the step's transaction. Raises :class:`Lost`, which undoes the step.

        ``columns`` are further columns of the job to set.
        """
        self._write(session, {"done": Job.done + done, "failed": Job.failed + failed} | columns)

    def _write(self, session: Session, columns: dict[str, object]) -> None:
        progress: dict[str, object] = {"due_at": self.clock() + LEASE, "setbacks": 0, "trouble": None}
        result = session.exec(
            update(Job)
            .where(col(Job.id) == self._job_id, col(Job.holder) == self.key, col(Job.ended_at).is_(None))
            .values(**progress | columns)
            .execution_options(synchronize_session=False)
        )
        if rows_changed(result) != 1:
            raise Lost

    def settle(self, session: Session, item: JobItem, outcome: Outcome, *said: Sentence) -> None:
        """Write down what came of one part, within the step's transaction. Raises :class:`Lost`."""
        result = session.exec(
            update(JobItem)
            .where(
                col(JobItem.job_id) == item.job_id,
                col(JobItem.position) == item.position,
                col(JobItem.outcome).is_(None),
            )
            .values(outcome=outcome, said=[pack(one) for one in said], at=self.clock())
            .execution_options(synchronize_session=False)
        )
        if rows_changed(result) != 1:
            raise Lost
        self.note(session, done=1, failed=int(outcome is not Outcome.DONE))

    def end(
        self, session: Session, state: JobState, said: Sentence, columns: Mapping[str, object] | None = None
    ) -> None:
        """End the job within the step's transaction. Raises :class:`Lost`. ``columns`` as in :meth:`note`."""
        ended: dict[str, object] = {"state": state, "ended_at": self.clock(), "due_at": None, "holder": None}
        left: dict[str, object] = {"doing": None, "cursor": None, "said": pack(said)}
        self._write(session, ended | left | dict(columns or {}))
