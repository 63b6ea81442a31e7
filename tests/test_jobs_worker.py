"""Jobs in the real worker: prompt, beside the effects, and safe against being killed at the worst moment."""

import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
from job_support import decide, items_of, job_of, told
from processes import ROOT, end, eventually, start
from shop import Shop
from sqlmodel import func, select, update

from certlifecycle import Event, State
from webapp.certificates.models import History
from webapp.jobs.models import Job, JobState
from webapp.parts import present


@pytest.fixture
def live_shop(database_url: str, open_shop: Callable[..., Shop]) -> Shop:
    """A shop whose clock shows the present, as its worker's does."""
    shop = open_shop(database_url)
    shop.clock.now = present()
    return shop


def ask_for_six(shop: Shop) -> str:
    """A job that verifies six certificates."""
    certificates = [shop.certificate_in(State.SUBMITTED, domain=f"{n}.example.com") for n in range(6)]
    return decide(shop, shop.rita, Event.VERIFY, certificates)


def verified(shop: Shop) -> list[int]:
    """How often each certificate was verified."""
    with shop.database.reading() as session:
        return list(
            session.exec(
                select(func.count()).where(History.event == Event.VERIFY).group_by(History.certificate_id)
            ).all()
        )


def test_a_job_that_was_killed_in_the_middle_goes_on_and_does_nothing_twice(live_shop: Shop) -> None:
    job_id = ask_for_six(live_shop)
    settings = live_shop.settings
    stalling = start(settings, "tests/stalling_job.py")
    try:
        eventually((settings.data_dir / "stalled").exists)
    finally:
        stalling.send_signal(signal.SIGKILL)
        stalling.wait()
    job = job_of(live_shop, job_id)
    assert (job.state, job.done) == (JobState.RUNNING, 2)
    assert job.holder is not None
    assert verified(live_shop) == [1, 1]

    worker = start(settings, "-m", "webapp.effects.worker")
    try:
        eventually(lambda: job_of(live_shop, job_id).ended_at is not None)
    finally:
        end(worker)
    assert worker.returncode == 0
    job = job_of(live_shop, job_id)
    assert (job.state, job.done, job.failed) == (JobState.FINISHED, 6, 0)
    assert told(live_shop, job_id) == [("done", "Verified.")] * 6
    assert verified(live_shop) == [1] * 6


def test_a_job_whose_worker_never_returns_is_taken_up_by_another(live_shop: Shop) -> None:
    """The other worker has a name of its own, so the queue does not give it the dead one's work: the book does."""
    job_id = ask_for_six(live_shop)
    settings = live_shop.settings
    stalling = start(settings, "tests/stalling_job.py")
    try:
        eventually((settings.data_dir / "stalled").exists)
    finally:
        stalling.send_signal(signal.SIGKILL)
        stalling.wait()
    # Nobody waits out the lease in a test.
    with live_shop.database.writing() as session:
        session.exec(update(Job).values(due_at=present()))
    worker = start(settings, "-m", "webapp.effects.worker", EXECUTOR_ID="worker-2")
    try:
        eventually(lambda: job_of(live_shop, job_id).ended_at is not None)
    finally:
        end(worker)
    assert job_of(live_shop, job_id).state == JobState.FINISHED
    assert verified(live_shop) == [1] * 6


def test_a_worker_that_is_told_to_stop_leaves_the_job_to_the_next(live_shop: Shop) -> None:
    certificates = [live_shop.certificate_in(State.SUBMITTED, domain=f"{n}.example.com") for n in range(40)]
    job_id = decide(live_shop, live_shop.rita, Event.VERIFY, certificates)
    first = start(live_shop.settings, "-m", "webapp.effects.worker")
    try:
        eventually(lambda: job_of(live_shop, job_id).done >= 1)
    finally:
        end(first)
    assert first.returncode == 0
    job = job_of(live_shop, job_id)
    assert job.holder is None
    second = start(live_shop.settings, "-m", "webapp.effects.worker")
    try:
        eventually(lambda: job_of(live_shop, job_id).ended_at is not None)
    finally:
        end(second)
    assert [one.outcome for one in items_of(live_shop, job_id)] == ["done"] * 40
    assert verified(live_shop) == [1] * 40


def test_a_worker_that_cannot_end_leaves_and_says_what_it_waits_for() -> None:
    """Whoever stops the desk is not kept waiting; what was in hand is taken up as after a crash."""
    hangs = (
        "import threading; from webapp.effects import worker; threading.Thread(target=threading.Event().wait).start()"
    )
    command = [sys.executable, "-c", f"{hangs}; worker.leave()"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "did not come to its end" in done.stderr
    assert "most recent call first" in done.stderr
