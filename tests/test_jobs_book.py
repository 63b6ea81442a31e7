"""The book of jobs: written down with the queue's entry, held by one, handed on, taken up again, given up."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from job_support import Counting, by, executor, job_of, key_of, said, work
from money_support import at_once
from shop import Shop
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, func, select

from certlifecycle import SYSTEM, Event, Money, Sentence, State, say
from webapp.certificates.models import Channel
from webapp.desk import By
from webapp.effects.worker import reconcile_jobs
from webapp.jobs.book import PATIENCE, PIECE, Order, file_of
from webapp.jobs.grip import LEASE, Grip, Halted, Lost
from webapp.jobs.models import Job, JobState
from webapp.jobs.said import Deed, pack, unpack

COUNT = Order("counting", say("Count to {most}.", most=5), total=5)


class Queue:
    """Remembers what was handed in, or breaks."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.trouble = trouble
        self.keys: list[str] = []

    def enqueue(self, session: Session, kind: str, subject_id: str, key: str) -> None:
        """Take one piece of work in."""
        if self.trouble:
            raise self.trouble
        self.keys.append(key)


@pytest.fixture
def queue(any_shop: Shop) -> Queue:
    """The queue of the shop's jobs, to look at."""
    queue = Queue()
    any_shop.parts.jobs.queue = queue
    return queue


def begin(shop: Shop, order: Order = COUNT) -> str:
    return shop.parts.jobs.begin(order, by(shop.rita))


# Beginning


def test_a_job_and_its_entry_in_the_queue_are_written_together(any_shop: Shop) -> None:
    job_id = begin(any_shop)
    table = "workflow_status" if any_shop.database.is_sqlite else "dbos.workflow_status"
    with any_shop.database.reading() as session:
        found = session.connection().exec_driver_sql(f"SELECT workflow_uuid, queue_name FROM {table}")  # noqa: S608
        assert [tuple(row) for row in found] == [(f"job-{job_id}-1", "jobs")]
    job = job_of(any_shop, job_id)
    assert (job.owner_id, job.channel, job.address) == (any_shop.rita.id, Channel.WEB, "192.0.2.7")
    assert (job.created_at, job.due_at) == (any_shop.clock(), any_shop.clock() + LEASE)


def test_a_job_that_cannot_be_handed_in_is_not_written_down(any_shop: Shop) -> None:
    any_shop.parts.jobs.queue = Queue(OSError("the queue is full"))
    with pytest.raises(OSError, match="the queue is full"):
        begin(any_shop)
    with any_shop.database.reading() as session:
        assert session.exec(select(func.count()).select_from(Job)).one() == 0


def test_the_same_form_at_the_same_instant_makes_one_job(any_shop: Shop, queue: Queue) -> None:
    order = Order("counting", say("Count."), total=5, once="form-1")
    found = at_once(*[lambda: begin(any_shop, order)] * 4)
    assert len(set(found)) == 1
    assert queue.keys == [f"job-{found[0]}-1"]


def test_another_trouble_of_the_database_is_not_taken_for_a_repetition(any_shop: Shop, queue: Queue) -> None:
    nobody = By(SYSTEM.__class__("0" * 32, any_shop.rita.role, "Nobody"), Channel.WEB)
    with pytest.raises(IntegrityError):
        any_shop.parts.jobs.begin(COUNT, nobody)


def test_the_desk_itself_can_ask(any_shop: Shop, queue: Queue) -> None:
    job_id = any_shop.parts.jobs.begin(COUNT, By(SYSTEM, Channel.WORKER))
    job = work(any_shop, job_id, {"counting": Counting()})
    assert (job.owner_id, job.state) == (None, JobState.FINISHED)


def test_a_file_is_kept_in_pieces_until_the_job_has_ended_and_its_time_is_up(any_shop: Shop, queue: Queue) -> None:
    content = bytes(range(256)) * (PIECE // 128)
    order = Order("counting", say("Count."), total=1, content=content, file_name="numbers.csv")
    job_id = begin(any_shop, order)
    assert b"".join(file_of(any_shop.database, job_id)) == content
    jobs = any_shop.parts.jobs
    tomorrow = any_shop.clock.advance(days=1)
    assert jobs.remove_old_files(tomorrow) == 0
    work(any_shop, job_id, {"counting": Counting()})
    assert jobs.remove_old_files(tomorrow - timedelta(seconds=1)) == 0
    assert jobs.remove_old_files(tomorrow) == 1
    assert (list(file_of(any_shop.database, job_id)), job_of(any_shop, job_id).file_until) == ([], None)
    assert jobs.remove_old_files(tomorrow) == 0


# Working


def test_every_step_is_counted_once_and_the_end_is_told(any_shop: Shop, queue: Queue) -> None:
    job_id, counting = begin(any_shop), Counting()
    job = work(any_shop, job_id, {"counting": counting})
    assert counting.calls == [0, 1, 2, 3, 4]
    assert (job.state, job.done, said(job)) == (JobState.FINISHED, 5, "Counted.")
    assert (job.started_at, job.ended_at) == (any_shop.clock(), any_shop.clock())
    # The entry comes again, as after a crash of the queue's own.
    executor(any_shop, {"counting": counting}).run(job_id, key_of(job))
    assert len(counting.calls) == 5


def test_a_step_that_breaks_has_not_happened(any_shop: Shop, queue: Queue, caplog: pytest.LogCaptureFixture) -> None:
    def breaks(grip: Grip) -> None:
        if grip.job.done == 2 and grip.job.setbacks == 0:
            raise RuntimeError("a defect")

    job_id, counting = begin(any_shop), Counting(breaks)
    executor(any_shop, {"counting": counting}).run(job_id, key_of(job_of(any_shop, job_id)))
    job = job_of(any_shop, job_id)
    assert (job.done, job.setbacks, job.trouble, job.holder) == (2, 1, "RuntimeError: a defect", None)
    assert "A step of job" in caplog.text
    job = work(any_shop, job_id, {"counting": counting})
    assert (job.state, job.done, job.setbacks, job.trouble) == (JobState.FINISHED, 5, 0, None)
    assert counting.calls == [0, 1, 2, 2, 3, 4]


def test_a_job_that_fails_again_and_again_is_given_up_with_words(any_shop: Shop, queue: Queue) -> None:
    def breaks(grip: Grip) -> None:
        raise RuntimeError("a defect")

    job_id, counting = begin(any_shop), Counting(breaks)
    worker = executor(any_shop, {"counting": counting})
    for setbacks in range(1, PATIENCE):
        worker.run(job_id, key_of(job_of(any_shop, job_id)))
        job = job_of(any_shop, job_id)
        assert (job.state, job.setbacks) == (JobState.RUNNING, setbacks)
    job = work(any_shop, job_id, {"counting": counting})
    assert (job.state, job.done, len(counting.calls)) == (JobState.FAILED, 0, PATIENCE)
    assert said(job).startswith("The desk made a mistake several times in a row and gave up.")
    assert job.trouble == "RuntimeError: a defect"


def test_a_job_that_kills_its_workers_is_given_up_too(any_shop: Shop, queue: Queue) -> None:
    job_id, jobs = begin(any_shop), any_shop.parts.jobs
    # Each of them takes it up and is never heard of again: twice by the same entry, then by others.
    assert jobs.take(job_id, "first") is not None
    assert jobs.take(job_id, "first") is not None
    for name in ("second", "third", "fourth"):
        any_shop.clock.advance(hours=1)
        assert jobs.take_up_lost(any_shop.clock()) == 1
        assert jobs.take(job_id, name) is not None
    any_shop.clock.advance(hours=1)
    assert jobs.take_up_lost(any_shop.clock()) == 1
    assert jobs.take(job_id, "fifth") is None
    assert job_of(any_shop, job_id).state == JobState.FAILED


def test_whoever_does_not_hold_it_writes_nothing(any_shop: Shop, queue: Queue) -> None:
    job_id, jobs = begin(any_shop), any_shop.parts.jobs
    holder = jobs.take(job_id, "holder")
    assert holder is not None
    assert jobs.take(job_id, "other") is None
    stranger = Grip(any_shop.database, any_shop.clock, job_id, "other")
    with pytest.raises(Lost):
        stranger.look()
    with pytest.raises(Lost), stranger.step(done=1):
        pass
    with pytest.raises(Lost):
        jobs.hand_on(stranger)
    with pytest.raises(Lost):
        jobs.set_back(stranger, "trouble")
    assert (job_of(any_shop, job_id).done, queue.keys) == (0, [f"job-{job_id}-1"])


def test_a_job_that_ends_in_the_middle_of_a_step_is_let_go_quietly(any_shop: Shop, queue: Queue) -> None:
    """Whatever the step met, the one who stopped it has the last word."""
    meets: list[Exception] = [Halted(JobState.FAILED, say("Halted.")), RuntimeError("a defect")]

    class Meets:
        def step(self, grip: Grip) -> None:
            any_shop.parts.jobs.stop(grip.job.id, By(any_shop.ada.actor, Channel.WEB))
            raise meets.pop()

    for _ in range(2):
        job = work(any_shop, begin(any_shop), {"counting": Meets()})
        assert (job.state, said(job)) == (JobState.STOPPED, "Stopped by Ada.")


def test_a_runner_can_end_its_job_with_words(any_shop: Shop, queue: Queue) -> None:
    class Refuses:
        def step(self, grip: Grip) -> None:
            raise Halted(JobState.FAILED, say("The file cannot be read."))

    job = work(any_shop, begin(any_shop), {"counting": Refuses()})
    assert (job.state, said(job)) == (JobState.FAILED, "The file cannot be read.")


def test_a_turn_that_is_over_puts_the_job_at_the_queue_s_end(any_shop: Shop, queue: Queue) -> None:
    job_id = begin(any_shop)
    executor(any_shop, {"counting": Counting()}, turn_seconds=0.0).run(job_id, f"job-{job_id}-1")
    job = job_of(any_shop, job_id)
    assert (job.state, job.holder, queue.keys) == (JobState.RUNNING, None, [f"job-{job_id}-1", f"job-{job_id}-2"])


# Left behind


def test_what_nobody_got_on_with_is_handed_in_again(any_shop: Shop, queue: Queue) -> None:
    job_id, jobs = begin(any_shop), any_shop.parts.jobs
    due = any_shop.clock() + LEASE
    assert jobs.take_up_lost(due - timedelta(microseconds=1)) == 0
    any_shop.clock.now = due
    assert jobs.take_up_lost(due) == 1
    assert queue.keys[1:] == [f"job-{job_id}-2"]
    job = job_of(any_shop, job_id)
    assert (job.state, job.attempt, job.setbacks) == (JobState.QUEUED, 2, 0)
    # A long queue is not taken for a lost job again and again: each time it may wait for longer.
    assert job.due_at == due + LEASE + timedelta(seconds=2)
    assert jobs.take_up_lost(due) == 0


def test_a_job_in_good_hands_is_left_alone(any_shop: Shop, queue: Queue) -> None:
    job_id, jobs = begin(any_shop), any_shop.parts.jobs
    grip = jobs.take(job_id, key_of(job_of(any_shop, job_id)))
    assert grip is not None
    for _ in range(4):
        now = any_shop.clock.advance(minutes=1)
        assert jobs.take_up_lost(now) == 0
        with grip.step(done=1):
            pass
    assert job_of(any_shop, job_id).done == 4


def test_several_reconcilers_hand_a_job_in_once(any_shop: Shop, queue: Queue) -> None:
    begin(any_shop)
    now = any_shop.clock.advance(hours=1)
    found = at_once(*[lambda: any_shop.parts.jobs.take_up_lost(now)] * 4)
    assert sum(found) == 1
    assert len(queue.keys) == 2


def test_the_reconciler_survives_a_defect_and_comes_back(
    any_shop: Shop, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "desk.worker")
    begin(any_shop)
    now = any_shop.clock.advance(hours=1)
    queue.trouble = RuntimeError("a defect")
    assert reconcile_jobs(any_shop.parts.jobs, now) == 0
    assert "could not look after the jobs" in caplog.text
    queue.trouble = None
    assert reconcile_jobs(any_shop.parts.jobs, now) == 1
    assert "1 jobs that were left behind were handed in again." in caplog.text
    assert reconcile_jobs(any_shop.parts.jobs, now) == 0


def test_a_job_taken_up_by_two_at_once_is_held_by_one(any_shop: Shop, queue: Queue) -> None:
    job_id = begin(any_shop)
    found = at_once(*[lambda name=name: any_shop.parts.jobs.take(job_id, name) for name in "abcd"])
    assert len([grip for grip in found if grip is not None]) == 1
    assert any_shop.parts.jobs.take("0" * 32, "nobody") is None


# Sentences as they are stored


@pytest.mark.parametrize(
    "sentence",
    [
        say("Plain."),
        say("{count} of {total}", count=3, total=12),
        say("It cost {price}.", price=Money(26_800, "CNY")),
        say("The window closed on {deadline}.", deadline=datetime(2026, 5, 3, 6, 5, 4, 3, tzinfo=UTC)),
        say("Answer by {day}.", day=date(2026, 5, 8)),
        say("{deed} by {who}.", deed=Deed("verify", State.VERIFIED), who="Rita {braces}"),
        say("{state} {event}", state=State.ISSUED, event=Event.REVOKE),
        say("{ways} {list}", ways=(State.ISSUED, "other"), list=["one", State.FAILED]),
        say("{inner}", inner=say("Until {day}.", day=date(2026, 5, 8))),
    ],
    ids=lambda sentence: sentence.template,
)
def test_a_sentence_comes_back_as_it_was(sentence: Sentence) -> None:
    assert unpack(json.loads(json.dumps(pack(sentence)))) == sentence


def test_any_other_value_is_kept_as_its_words() -> None:
    assert unpack(pack(say("{what}", what=1.5))).values == {"what": "1.5"}
