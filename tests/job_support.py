"""Jobs for tests: a worker that does them in the test's own process, and what came of them in words."""

from collections.abc import Callable, Sequence

from shop import Shop
from sqlmodel import col, select

from certlifecycle import Event, say
from webapp.accounts.models import Account
from webapp.certificates.models import Certificate, Channel
from webapp.desk import By
from webapp.jobs.execute import Executor, Runner
from webapp.jobs.grip import Grip
from webapp.jobs.many import start_many
from webapp.jobs.models import Job, JobItem, JobState
from webapp.jobs.runners import runners
from webapp.jobs.said import unpack
from webapp.recording import Handed


class Counting:
    """A runner that goes through numbers and keeps which it has gone through; ``meanwhile`` may break in on it."""

    def __init__(self, meanwhile: Callable[[Grip], object] = lambda grip: None) -> None:
        self.meanwhile = meanwhile
        self.calls: list[int] = []

    def step(self, grip: Grip) -> None:
        """Go through one more number, or end."""
        job = grip.job
        if job.done == job.total:
            with grip.database.writing() as session:
                grip.end(session, JobState.FINISHED, say("Counted."))
            return
        self.calls.append(job.done)
        with grip.step(done=1):
            self.meanwhile(grip)


def by(account: Account) -> By:
    """Somebody at a browser."""
    return By(account.actor, Channel.WEB, "192.0.2.7")


def decide(
    shop: Shop,
    who: Account,
    event: Event,
    certificates: Sequence[Certificate],
    reason: str = "",
    handed: Handed | None = None,
    once: str | None = None,
) -> str:
    """Have somebody decide about many certificates as they stand now; returns the job's id."""
    wanted = [(one.id, one.version) for one in certificates]
    return start_many(shop.parts.jobs, by(who), event, wanted, reason=reason, handed=handed, once=once)


def executor(shop: Shop, more: dict[str, Runner] | None = None, **options: object) -> Executor:
    """A worker's executor over the shop."""
    return Executor(shop.parts.jobs, {**runners(shop.parts), **(more or {})}, **options)  # type: ignore[arg-type]


def work(shop: Shop, job_id: str, more: dict[str, Runner] | None = None, turns: int = 50, **options: object) -> Job:
    """Work at a job until it has ended, as a worker would; returns it."""
    worker = executor(shop, more, **options)
    for _ in range(turns):
        job = job_of(shop, job_id)
        if job.ended_at is not None:
            return job
        worker.run(job_id, key_of(job))
    raise AssertionError("the job has not ended")


def key_of(job: Job) -> str:
    """The key of the queue's latest entry for a job."""
    return f"job-{job.id}-{job.attempt}"


def job_of(shop: Shop, job_id: str) -> Job:
    """The job as it is now."""
    job: Job = shop.find(Job, job_id)
    return job


def items_of(shop: Shop, job_id: str) -> list[JobItem]:
    """Its parts, in their order."""
    with shop.database.reading() as session:
        statement = select(JobItem).where(JobItem.job_id == job_id).order_by(col(JobItem.position))
        return list(session.exec(statement).all())


def told(shop: Shop, job_id: str) -> list[tuple[str | None, str]]:
    """What came of each part, and what is said about it (in English and UTC)."""
    return [
        (one.outcome.value if one.outcome else None, " ".join(str(unpack(said)) for said in one.said))
        for one in items_of(shop, job_id)
    ]


def said(job: Job) -> str:
    """What is said about the whole job (in English and UTC)."""
    assert job.said is not None
    return str(unpack(job.said))
