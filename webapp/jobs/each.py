"""A runner for work that falls into named parts and calls the outside for each of them.

What such a job needs is a function, so this is how a new kind of work becomes a job: write the function, add a line to
:mod:`webapp.jobs.runners` and one to :mod:`webapp.jobs.kinds`, and begin a job with one
:class:`~webapp.jobs.book.Part` for each part.
"""

from collections.abc import Callable

from sqlmodel import col, select

from certlifecycle import Sentence, say
from webapp.errors import DeskError
from webapp.jobs.grip import Grip
from webapp.jobs.models import JobItem, JobState, Outcome


class Each:
    """Calls a function for one part a step, outside of any transaction, and notes the sentence that it answers.

    The function may be called again for a part when the worker died before its answer was noted, so it must bear that,
    as every effect does. A :class:`~webapp.errors.DeskError` is the part's result in words; anything else that it
    raises is tried again. It must take well below :data:`~webapp.jobs.grip.LEASE`.
    """

    def __init__(self, do: Callable[[JobItem], Sentence]) -> None:
        self._do = do

    def step(self, grip: Grip) -> None:
        """Do the next part, or end the job after the last."""
        item = next_item(grip)
        if item is None:
            with grip.database.writing() as session:
                grip.end(session, JobState.FINISHED, in_all(grip.job.done, grip.job.failed))
            return
        try:
            outcome, said = Outcome.DONE, self._do(item)
        except DeskError as wrong:
            outcome, said = Outcome.FAILED, say("{problem}", problem=f"{wrong.detail} {wrong.advice}".strip())
        with grip.database.writing() as session:
            grip.settle(session, item, outcome, said)


def next_item(grip: Grip) -> JobItem | None:
    """The first part that nothing has come of yet."""
    with grip.database.reading() as session:
        return session.exec(
            select(JobItem)
            .where(JobItem.job_id == grip.job.id, col(JobItem.outcome).is_(None))
            .order_by(col(JobItem.position))
            .limit(1)
        ).first()


def in_all(done: int, failed: int) -> Sentence:
    """What is said of a job whose parts have all been gone through."""
    if failed == 0:
        return say("Everything is done.")
    if failed == done:
        return say("Nothing could be done. Each line below says why.")
    return say(
        "Done: {done}. Not done: {failed}. Each line below says what came of it.", done=done - failed, failed=failed
    )
