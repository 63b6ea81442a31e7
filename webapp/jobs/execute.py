"""Doing a job: step after step for a turn's time, then the next one's turn."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from webapp.jobs.book import Jobs
from webapp.jobs.grip import Grip, Halted, Lost

log = logging.getLogger("desk.jobs")

TURN_SECONDS = 10.0
"""How long a job is worked at before others get their turn."""


class Runner(Protocol):
    """What one kind of job does. It keeps nothing between steps: where to go on is written down with every step."""

    def step(self, grip: Grip) -> None:
        """Take one bounded step, or end the job with :meth:`~webapp.jobs.grip.Grip.end`.

        What it does and ``grip.note`` (or ``settle``, ``end``) belong into one transaction, so that a step that is
        interrupted has not happened. It takes well below :data:`~webapp.jobs.grip.LEASE`.
        """


class Executor:
    """Works at jobs for the queue. ``is_stopping`` tells whether the worker was asked to end."""

    def __init__(
        self,
        jobs: Jobs,
        runners: Mapping[str, Runner],
        is_stopping: Callable[[], bool] = lambda: False,
        turn_seconds: float = TURN_SECONDS,
    ) -> None:
        self._jobs = jobs
        self._runners = runners
        self._is_stopping = is_stopping
        self._turn_seconds = turn_seconds

    def run(self, job_id: str, key: str) -> None:
        """Work at a job for one turn. What fails is tried again later, so nothing is raised but a failing database."""
        grip = self._jobs.take(job_id, key)
        if grip is None:
            return
        try:
            self._work(grip)
        except Lost:
            log.info("Job %s is in other hands.", job_id)
        except Halted as halted:
            self._halt(grip, halted)
        except Exception as failure:
            log.exception("A step of job %s (%s) failed.", job_id, grip.job.kind)
            self._set_back(grip, failure)

    def _work(self, grip: Grip) -> None:
        runner = self._runners[grip.job.kind]
        ends = time.monotonic() + self._turn_seconds
        while True:
            grip.look()
            if grip.job.ended_at is not None:
                return
            if self._is_stopping() or time.monotonic() >= ends:
                self._jobs.hand_on(grip)
                return
            runner.step(grip)

    def _halt(self, grip: Grip, halted: Halted) -> None:
        try:
            with grip.database.writing() as session:
                grip.end(session, halted.state, halted.said)
        except Lost:
            log.info("Job %s has ended already.", grip.job.id)

    def _set_back(self, grip: Grip, failure: Exception) -> None:
        try:
            self._jobs.set_back(grip, f"{type(failure).__name__}: {failure}")
        except Lost:
            log.info("Job %s is in other hands.", grip.job.id)
