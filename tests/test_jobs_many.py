"""One decision for many certificates: each by itself, as whoever asked, with a result in words."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from job_support import by, decide, executor, items_of, job_of, key_of, said, told, work
from shop import Shop
from sqlmodel import Session, col, func, select, update

from certlifecycle import DEFAULT_POLICY, Event, Role, State
from webapp.accounts.models import Account
from webapp.certificates.models import Certificate, Channel, History
from webapp.desk import By, Desk, File
from webapp.errors import DeskError, NotFound
from webapp.jobs.execute import Executor
from webapp.jobs.grip import Grip, Lost
from webapp.jobs.many import MOST, TITLES, Many, start_many
from webapp.jobs.models import Job, JobState, Outcome
from webapp.jobs.said import unpack
from webapp.recording import Application, Payment, Refusal
from webapp.refunds.models import RefundReason


def test_many_are_verified_in_the_name_of_whoever_asked(any_shop: Shop) -> None:
    certificates = [any_shop.certificate_in(State.SUBMITTED, domain=f"{n}.example.com") for n in range(3)]
    job_id = decide(any_shop, any_shop.rita, Event.VERIFY, certificates)
    waiting = job_of(any_shop, job_id)
    assert (waiting.state, waiting.done, waiting.failed, waiting.total) == (JobState.QUEUED, 0, 0, 3)
    assert str(unpack(waiting.title)) == "Verify 3 certificates"
    assert told(any_shop, job_id) == [(None, "")] * 3

    job = work(any_shop, job_id)
    assert (job.state, job.done, job.failed, job.ended_at) == (JobState.FINISHED, 3, 0, any_shop.clock())
    assert (job.due_at, job.holder, job.setbacks, job.trouble) == (None, None, 0, None)
    assert said(job) == "Everything is done."
    assert told(any_shop, job_id) == [("done", "Verified.")] * 3
    for certificate in certificates:
        assert any_shop.get(certificate.id).state == State.VERIFIED
        row = any_shop.history(certificate)[-1]
        assert (row.event, row.actor_id, row.actor_role) == (Event.VERIFY, any_shop.rita.id, Role.REVIEWER)
        assert (row.channel, row.address) == (Channel.WEB, "192.0.2.7")


def test_each_gets_its_own_result_and_none_holds_up_the_others(any_shop: Shop) -> None:
    taken_back, decided, verified = (
        any_shop.certificate_in(State.SUBMITTED, domain=f"{name}.example.com") for name in "abc"
    )
    job_id = decide(any_shop, any_shop.rita, Event.VERIFY, [taken_back, decided, verified])
    any_shop.fire(taken_back, Event.WITHDRAW_SUBMISSION)
    any_shop.clock.advance(minutes=5)
    any_shop.fire(decided, Event.FAIL_VERIFICATION, any_shop.robin)
    job = work(any_shop, job_id)
    assert (job.state, job.done, job.failed) == (JobState.FINISHED, 3, 2)
    assert said(job) == "Done: 1. Not done: 2. Each line below says what came of it."
    assert told(any_shop, job_id) == [
        ("superseded", "Submission withdrawn by Alice, 4 May 2026, 09:00 UTC."),
        ("superseded", "Verification failed by Robin, 4 May 2026, 09:05 UTC."),
        ("done", "Verified."),
    ]
    assert any_shop.get(decided.id).state == State.FAILED


def test_a_refusal_says_why_in_words(any_shop: Shop) -> None:
    issued = any_shop.certificate_in(State.ISSUED)
    job_id = decide(any_shop, any_shop.rita, Event.VERIFY, [issued])
    job = work(any_shop, job_id)
    assert (job.failed, said(job)) == (1, "Nothing could be done. Each line below says why.")
    ((outcome, why),) = told(any_shop, job_id)
    assert outcome == "refused"
    assert why.startswith("This is not possible while the certificate is issued; ")
    assert any_shop.get(issued.id).version == issued.version


def test_refunds_are_approved_refused_and_applied_for(any_shop: Shop) -> None:
    first, second = (any_shop.certificate_in(State.REFUND_REQUESTED, domain=f"{n}.example.com") for n in "ab")
    work(any_shop, decide(any_shop, any_shop.rita, Event.APPROVE_REFUND, [first]))
    assert any_shop.get(first.id).state == State.REFUND_APPROVED
    handed = Refusal("Apply again when it is revoked.")
    work(any_shop, decide(any_shop, any_shop.rita, Event.REJECT_REFUND, [second], "Still in use.", handed))
    refund = any_shop.refund_of(second)
    assert (refund.decision_reason, refund.instructions) == ("Still in use.", "Apply again when it is revoked.")
    again = Application(RefundReason.BOUGHT_TWICE)
    job = work(
        any_shop,
        decide(any_shop, any_shop.alice, Event.REQUEST_REFUND, [any_shop.get(second.id)], "Twice.", again),
    )
    assert str(unpack(job.title)) == "Apply for 1 refund"
    assert any_shop.refund_of(second).reason_code == RefundReason.BOUGHT_TWICE


def test_a_first_approval_of_two_is_told_as_such(database_url: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(database_url, policy=replace(DEFAULT_POLICY, two_reviewers_above_minor=10_000))
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    job_id = decide(shop, shop.rita, Event.APPROVE_REFUND, [certificate])
    work(shop, job_id)
    assert told(shop, job_id) == [("done", "Approved by a first reviewer; a second one is needed.")]


def test_nobody_decides_for_others_than_the_desk_lets_them(any_shop: Shop) -> None:
    """A customer's job asks the same machine as their buttons."""
    certificate = any_shop.certificate_in(State.SUBMITTED)
    job_id = decide(any_shop, any_shop.alice, Event.VERIFY, [certificate])
    work(any_shop, job_id)
    assert told(any_shop, job_id) == [
        ("refused", "Only a reviewer can do this. Nobody decides on a certificate of their own.")
    ]
    assert any_shop.get(certificate.id).state == State.SUBMITTED


def test_what_somebody_may_not_see_cannot_be_chosen(any_shop: Shop) -> None:
    mine, theirs = any_shop.order(any_shop.alice), any_shop.order(any_shop.bob)
    with pytest.raises(NotFound):
        decide(any_shop, any_shop.alice, Event.REVOKE, [mine, theirs])
    with pytest.raises(NotFound):
        start_many(any_shop.parts.jobs, by(any_shop.rita), Event.REVOKE, [("0" * 32, 1)])
    with any_shop.database.reading() as session:
        assert session.exec(select(func.count()).select_from(Job)).one() == 0


def test_nothing_chosen_and_too_much_chosen_are_refused_in_words(any_shop: Shop) -> None:
    with pytest.raises(DeskError, match="Nothing was chosen"):
        decide(any_shop, any_shop.rita, Event.VERIFY, [])
    with pytest.raises(DeskError, match="More than 1000"):
        start_many(any_shop.parts.jobs, by(any_shop.rita), Event.VERIFY, [(f"{n:032x}", 1) for n in range(MOST + 1)])


def test_what_is_about_one_certificate_alone_is_not_for_many(shop: Shop) -> None:
    certificate = shop.order()
    with pytest.raises(TypeError, match="Payment is about one certificate alone"):
        decide(shop, shop.rita, Event.REJECT_REFUND, [certificate], handed=Payment("P-1", "the account"))
    with pytest.raises(KeyError):
        decide(shop, shop.rita, Event.ISSUE, [certificate])


def test_the_titles_count_what_they_name() -> None:
    for one, more in TITLES.values():
        assert " 1 " in one
        assert "{count}" in more


def test_the_same_certificate_twice_is_one_part(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.SUBMITTED)
    job_id = decide(any_shop, any_shop.rita, Event.VERIFY, [certificate, certificate])
    assert [one.subject for one in items_of(any_shop, job_id)] == [certificate.id]


def test_a_form_that_is_sent_twice_makes_one_job(any_shop: Shop) -> None:
    certificates = [any_shop.certificate_in(State.SUBMITTED, domain=f"{n}.example.com") for n in "ab"]
    job_id = decide(any_shop, any_shop.rita, Event.VERIFY, certificates, once="form-1")
    assert decide(any_shop, any_shop.rita, Event.VERIFY, certificates, once="form-1") == job_id
    # Somebody else's form is another one, whatever it calls itself.
    assert decide(any_shop, any_shop.robin, Event.VERIFY, certificates, once="form-1") != job_id


# Who asked, at run time


def test_a_disabled_account_stops_its_job(any_shop: Shop) -> None:
    certificates = [any_shop.certificate_in(State.SUBMITTED, domain=f"{n}.example.com") for n in "ab"]
    job_id = decide(any_shop, any_shop.rita, Event.VERIFY, certificates)
    change(any_shop, any_shop.rita, disabled_at=any_shop.clock())
    job = work(any_shop, job_id)
    assert (job.state, job.done) == (JobState.STOPPED, 0)
    assert said(job).startswith("Stopped, for the account that asked for it is disabled.")
    assert [any_shop.get(one.id).state for one in certificates] == [State.SUBMITTED] * 2


def test_the_role_is_the_one_that_the_account_has_now(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.SUBMITTED)
    job_id = decide(any_shop, any_shop.rita, Event.VERIFY, [certificate])
    change(any_shop, any_shop.rita, role=Role.CUSTOMER)
    work(any_shop, job_id)
    ((outcome, why),) = told(any_shop, job_id)
    assert (outcome, why) == ("refused", "Only a reviewer can do this.")


def change(shop: Shop, account: Account, **columns: object) -> None:
    with shop.database.writing() as session:
        session.exec(update(Account).where(col(Account.id) == account.id).values(**columns))


# Interrupted


def verifications(shop: Shop) -> int:
    with shop.database.reading() as session:
        rows = select(func.count()).select_from(History).where(History.event == Event.VERIFY)
        return session.exec(rows).one()


def test_a_stop_between_two_parts_leaves_the_rest_alone(any_shop: Shop) -> None:
    certificates = [any_shop.certificate_in(State.SUBMITTED, domain=f"{n}.example.com") for n in "abc"]
    job_id = decide(any_shop, any_shop.rita, Event.VERIFY, certificates)

    class StopsAfterOne(Many):
        def step(self, grip: Grip) -> None:
            super().step(grip)
            any_shop.parts.jobs.stop(job_id, By(any_shop.ada.actor, Channel.WEB))

    job = work(any_shop, job_id, {"many": StopsAfterOne(any_shop.desk)})
    assert (job.state, job.done, said(job)) == (JobState.STOPPED, 1, "Stopped by Ada.")
    assert (job.stopped_by, verifications(any_shop)) == (any_shop.ada.id, 1)
    assert any_shop.parts.jobs.stop(job_id, By(any_shop.rita.actor, Channel.WEB)) is False


def test_a_decision_that_is_under_way_when_the_job_is_stopped_is_undone(
    postgres_url: str, open_shop: Callable[..., Shop]
) -> None:
    """On SQLite nobody can write in the middle of somebody's transaction."""
    shop = open_shop(postgres_url)
    certificate = shop.certificate_in(State.SUBMITTED)
    job_id = decide(shop, shop.rita, Event.VERIFY, [certificate])

    class StoppedInTheMiddle(Desk):
        def enqueue_due(self, session: Session, certificate: Certificate) -> None:
            super().enqueue_due(session, certificate)
            assert shop.parts.jobs.stop(job_id, By(shop.ada.actor, Channel.WEB))

    desk = StoppedInTheMiddle(shop.database, shop.desk.work, shop.desk.policy, shop.clock)
    job = work(shop, job_id, {"many": Many(desk)})
    assert (job.state, job.done) == (JobState.STOPPED, 0)
    assert told(shop, job_id) == [(None, "")]
    assert (shop.get(certificate.id).state, verifications(shop)) == (State.SUBMITTED, 0)


def test_a_worker_that_was_overtaken_decides_nothing_more(any_shop: Shop) -> None:
    """It was suspended for so long that another one took its job up; the database turns it away."""
    certificates = [any_shop.certificate_in(State.SUBMITTED, domain=f"{n}.example.com") for n in "ab"]
    job_id = decide(any_shop, any_shop.rita, Event.VERIFY, certificates)
    slow = any_shop.parts.jobs.take(job_id, "slow")
    assert slow is not None
    slow.look()
    assert any_shop.parts.jobs.take(job_id, "fast") is None
    any_shop.clock.advance(minutes=3)
    assert any_shop.parts.jobs.take_up_lost(any_shop.clock()) == 1
    fast = any_shop.parts.jobs.take(job_id, "fast")
    assert fast is not None
    runner = Many(any_shop.desk)
    with pytest.raises(Lost):
        runner.step(slow)
    assert (verifications(any_shop), job_of(any_shop, job_id).done) == (0, 0)
    fast.look()
    runner.step(fast)
    assert (verifications(any_shop), job_of(any_shop, job_id).done) == (1, 1)


class ForgetfulDesk(Desk):
    """Makes a mistake at one certificate, every time."""

    bad = ""

    def open_file(self, session: Session, certificate_id: str) -> File:
        if certificate_id == self.bad:
            raise ZeroDivisionError("a defect")
        return super().open_file(session, certificate_id)


def test_a_mistake_at_one_certificate_does_not_hold_up_the_others_for_ever(
    any_shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = (any_shop.certificate_in(State.SUBMITTED, domain=f"{n}.example.com") for n in "ab")
    job_id = decide(any_shop, any_shop.rita, Event.VERIFY, [bad, good])
    desk = ForgetfulDesk(any_shop.database, any_shop.desk.work, any_shop.desk.policy, any_shop.clock)
    desk.bad = bad.id
    worker = executor(any_shop, {"many": Many(desk)})
    for setbacks in (1, 2):
        worker.run(job_id, key_of(job_of(any_shop, job_id)))
        job = job_of(any_shop, job_id)
        assert (job.setbacks, job.trouble, job.holder) == (setbacks, "ZeroDivisionError: a defect", None)
        assert job.due_at == any_shop.clock() + timedelta(seconds=2**setbacks)
        assert any_shop.parts.jobs.take_up_lost(any_shop.clock.advance(seconds=5)) == 1
    job = work(any_shop, job_id, {"many": Many(desk)})
    assert (job.state, job.done, job.failed) == (JobState.FINISHED, 2, 1)
    (failed, words), done = told(any_shop, job_id)
    assert (failed, done) == ("failed", ("done", "Verified."))
    reference = words.rpartition("reference ")[2].rstrip(".")
    assert f"Unexpected error {reference} at certificate {bad.id}" in caplog.text


def test_a_turn_ends_after_a_while_and_the_next_one_goes_on(any_shop: Shop) -> None:
    certificates = [any_shop.certificate_in(State.SUBMITTED, domain=f"{n}.example.com") for n in "ab"]
    job_id = decide(any_shop, any_shop.rita, Event.VERIFY, certificates)
    turns = iter([False, True, False, False, False])
    worker: Executor = executor(any_shop, is_stopping=lambda: next(turns))
    worker.run(job_id, key_of(job_of(any_shop, job_id)))
    job = job_of(any_shop, job_id)
    assert (job.state, job.done, job.holder, job.attempt) == (JobState.RUNNING, 1, None, 2)
    worker.run(job_id, key_of(job))
    job = job_of(any_shop, job_id)
    assert (job.state, job.done, verifications(any_shop)) == (JobState.FINISHED, 2, 2)


def test_a_certificate_is_decided_about_once_by_two_jobs_at_once(any_shop: Shop) -> None:
    certificate: Certificate = any_shop.certificate_in(State.SUBMITTED)
    first = decide(any_shop, any_shop.rita, Event.VERIFY, [certificate])
    second = decide(any_shop, any_shop.robin, Event.VERIFY, [certificate])
    work(any_shop, second)
    work(any_shop, first)
    assert told(any_shop, first) == [("superseded", "Verified by Robin, 4 May 2026, 09:00 UTC.")]
    assert verifications(any_shop) == 1


def test_two_that_hold_a_job_by_one_key_settle_each_part_once(any_shop: Shop) -> None:
    """Two workers that were given one name by mistake both take up what the queue gives them."""
    certificates = [any_shop.certificate_in(State.SUBMITTED, domain=f"{n}.example.com") for n in "ab"]
    job_id = decide(any_shop, any_shop.rita, Event.VERIFY, certificates)
    first, second = (any_shop.parts.jobs.take(job_id, "one key") for _ in range(2))
    assert first is not None
    assert second is not None
    item = second.next_item()
    assert item is not None
    Many(any_shop.desk).step(first)
    with pytest.raises(Lost), any_shop.database.writing() as session:
        second.settle(session, item, Outcome.DONE)
    assert (job_of(any_shop, job_id).done, verifications(any_shop)) == (1, 1)
