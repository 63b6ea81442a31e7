"""The door: one way in, one transaction, one winner."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from shop import WAYS, Shop, signing_request
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import Session, col, delete, func, select, update

from certlifecycle import PRESETS, SYSTEM, Event, EventRefused, State
from webapp.certificates.models import Certificate, Channel, History, PaymentMethod, Purchase
from webapp.desk import WORKER, By
from webapp.due import GRACE, pause_after
from webapp.errors import NotFound, Superseded
from webapp.recording import Application, Payment, Submission
from webapp.refunds.models import Outcome, Refund, RefundApproval, RefundReason


@pytest.mark.parametrize("state", list(State))
def test_every_state_is_reached_through_the_door(any_shop: Shop, state: State) -> None:
    certificate = any_shop.certificate_in(state)
    assert certificate.state == state
    rows = any_shop.history(certificate)
    assert [row.event for row in rows] == ["order", *WAYS[state]]
    # One history row a version: the rows after a version tell what came after it.
    assert certificate.version == len(rows)


def test_history_says_who_what_when_why_and_from_where(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.SUBMITTED)
    any_shop.clock.advance(hours=3)
    any_shop.fire(certificate, Event.FAIL_VERIFICATION, reason="No record was found.")
    row = any_shop.history(certificate)[-1]
    assert (row.actor_id, row.actor_name, row.actor_role) == (any_shop.rita.id, "Rita", "reviewer")
    assert (row.event, row.from_state, row.to_state) == (
        "fail_verification",
        State.SUBMITTED,
        State.FAILED,
    )
    assert (row.at, row.reason) == (any_shop.clock(), "No record was found.")
    assert (row.channel, row.address) == (Channel.WEB, "192.0.2.1")
    assert any_shop.get(certificate.id).problem == "No record was found."


def test_a_refused_event_says_why_and_changes_nothing(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.ISSUED)
    with pytest.raises(EventRefused) as caught:
        any_shop.fire(certificate, Event.REQUEST_REFUND)
    refusal = caught.value.permission.refusals[0]
    assert refusal.verdict is not None
    assert refusal.verdict.rule == "not_revoked"
    assert caught.value.instead == (Event.REVOKE,)
    assert any_shop.get(certificate.id).version == certificate.version
    assert len(any_shop.history(certificate)) == certificate.version


def test_permissions_say_what_this_person_can_do_now_and_why_not_the_rest(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.REFUND_REQUESTED)
    with any_shop.database.reading() as session:
        file = any_shop.desk.open_file(session, certificate.id)
    of_alice = any_shop.desk.permissions(file, any_shop.alice.actor)
    assert {event: one.offered for event, one in of_alice.items()} == {Event.WITHDRAW_REFUND: True}
    of_rita = any_shop.desk.permissions(file, any_shop.rita.actor)
    assert {event: one.offered for event, one in of_rita.items()} == {
        Event.APPROVE_REFUND: True,
        Event.REJECT_REFUND: True,
    }
    of_bob = any_shop.desk.permissions(file, any_shop.bob.actor)[Event.WITHDRAW_REFUND]
    assert [str(one.sentence) for one in of_bob.refusals] == ["This certificate belongs to somebody else."]


def test_an_unknown_certificate_is_not_found(any_shop: Shop) -> None:
    with pytest.raises(NotFound):
        any_shop.desk.fire("0" * 32, Event.SUBMIT, WORKER)


@pytest.mark.parametrize(
    ("state", "event"),
    [(State.PENDING, Event.SUBMIT), (State.PENDING, Event.REQUEST_REFUND)],
)
def test_an_event_without_what_it_must_bring_is_a_mistake_of_the_caller(shop: Shop, state: State, event: Event) -> None:
    certificate = shop.certificate_in(state)
    by = By(shop.alice.actor, Channel.WEB)
    wrong = Payment("paid", "somewhere")
    with pytest.raises(TypeError):
        shop.desk.fire(certificate.id, event, by, reason="why", handed=wrong)
    assert shop.get(certificate.id).state == state


def test_a_stale_page_is_told_what_happened_since(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.REFUND_REQUESTED)
    seen = certificate.version
    any_shop.fire(certificate, Event.APPROVE_REFUND, actor=any_shop.rita)
    with pytest.raises(Superseded) as caught:
        any_shop.fire(certificate, Event.REJECT_REFUND, actor=any_shop.robin, version=seen)
    told = caught.value.rows
    assert [(row.event, row.actor_name, row.at) for row in told] == [("approve_refund", "Rita", any_shop.clock())]
    assert any_shop.get(certificate.id).state == State.REFUND_APPROVED


# Races


def together(*calls: Callable[[], object]) -> list[object]:
    """Make all calls at the same instant, each in a thread; exceptions are answers too."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        barrier.wait()
        try:
            return call()
        except (Superseded, EventRefused) as lost:
            return lost

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def winners(answers: list[object]) -> list[Certificate]:
    """Who got through."""
    return [answer for answer in answers if isinstance(answer, Certificate)]


ROUNDS = range(8)


def test_two_reviewers_at_once_one_decides(any_shop: Shop) -> None:
    for _ in ROUNDS:
        certificate = any_shop.certificate_in(State.REFUND_REQUESTED)
        version = certificate.version
        answers = together(
            lambda c=certificate, v=version: any_shop.fire(c, Event.APPROVE_REFUND, any_shop.rita, version=v),
            lambda c=certificate, v=version: any_shop.fire(c, Event.REJECT_REFUND, any_shop.robin, version=v),
        )
        assert len(winners(answers)) == 1
        (lost,) = [answer for answer in answers if isinstance(answer, Superseded)]
        assert [row.event for row in lost.rows] == [
            any_shop.history(certificate)[-1].event,
        ]
        assert len(any_shop.history(certificate)) == version + 1


def test_a_withdrawal_racing_an_approval_one_wins(any_shop: Shop) -> None:
    for _ in ROUNDS:
        certificate = any_shop.certificate_in(State.REFUND_REQUESTED)
        answers = together(
            lambda c=certificate: any_shop.fire(c, Event.WITHDRAW_REFUND),
            lambda c=certificate: any_shop.fire(c, Event.APPROVE_REFUND),
        )
        (won,) = winners(answers)
        refund = any_shop.refund_of(certificate)
        expected = {State.REVOKED: Outcome.WITHDRAWN, State.REFUND_APPROVED: Outcome.APPROVED}
        assert refund.outcome == expected[State(won.state)]
        assert len(any_shop.history(certificate)) == certificate.version + 1


def test_a_double_click_applies_once(any_shop: Shop) -> None:
    for _ in ROUNDS:
        certificate = any_shop.certificate_in(State.REVOKED)
        apply = [lambda c=certificate: any_shop.fire(c, Event.REQUEST_REFUND)] * 4
        assert len(winners(together(*apply))) == 1
        with any_shop.database.reading() as session:
            count = select(func.count()).where(Refund.certificate_id == certificate.id)
            assert session.exec(count).one() == 1


def test_many_submissions_at_once_one_is_taken(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.PENDING)
    by = By(any_shop.alice.actor, Channel.WEB)
    handed = Submission(signing_request("www.example.com"), "EC, P-256")
    submit = [lambda: any_shop.desk.fire(certificate.id, Event.SUBMIT, by, handed=handed)] * 12
    assert len(winners(together(*submit))) == 1
    assert any_shop.get(certificate.id).version == 2


# What the database itself refuses


def test_one_open_refund_a_certificate(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.REFUND_REQUESTED)
    second = any_shop.refund_of(certificate)
    values = second.model_dump() | {"id": "f" * 32, "number": "R-2"}
    with pytest.raises(IntegrityError), any_shop.database.writing() as session:
        session.add(Refund(**values))


def test_refunds_never_exceed_what_was_paid(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.REFUNDED)
    purchase = any_shop.find(Purchase, certificate.purchase_id)
    assert purchase.refunded_minor == purchase.amount_minor
    with pytest.raises(IntegrityError), any_shop.database.writing() as session:
        session.exec(update(Purchase).values(refunded_minor=Purchase.refunded_minor + 1))


@pytest.mark.parametrize("table", [History, RefundApproval])
def test_what_happened_cannot_be_edited(any_shop: Shop, table: type[History | RefundApproval]) -> None:
    any_shop.certificate_in(State.REFUND_APPROVED)
    for statement in (update(table).values(at=any_shop.clock()), delete(table)):
        with pytest.raises(DBAPIError, match="append-only"), any_shop.database.writing() as session:
            session.exec(statement)


def test_an_unknown_state_cannot_be_stored(any_shop: Shop) -> None:
    any_shop.certificate_in(State.PENDING)
    with pytest.raises(DBAPIError), any_shop.database.writing() as session:
        session.connection().exec_driver_sql("UPDATE certificate SET state = 'lost'")


# Refunds


def test_what_was_decided_at_the_application_is_frozen(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.ISSUED)
    issued_at = any_shop.clock()
    any_shop.clock.advance(days=29)
    any_shop.fire(certificate, Event.REVOKE)
    revoked = any_shop.fire(certificate, Event.CONFIRM_REVOCATION)
    any_shop.clock.now = issued_at + timedelta(days=30)
    any_shop.fire(revoked, Event.REQUEST_REFUND)
    refund = any_shop.refund_of(certificate)
    assert refund.rule == "revoked_in_window"
    assert refund.deadline == issued_at + timedelta(days=30)
    assert (refund.amount_minor, refund.currency) == (26800, "CNY")
    assert refund.policy_version == "30-days-from-issue/1"
    assert refund.soonest < refund.latest
    # A slow reviewer never costs the customer the refund.
    any_shop.clock.advance(days=60)
    approved = any_shop.fire(revoked, Event.APPROVE_REFUND)
    assert approved.state == State.REFUND_APPROVED


def test_one_microsecond_too_late(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.REVOKED)
    any_shop.clock.now = certificate.issued_at + timedelta(days=30, microseconds=1)  # type: ignore[operator]
    with pytest.raises(EventRefused, match="the window closed on"):
        any_shop.fire(certificate, Event.REQUEST_REFUND)


@pytest.mark.parametrize("origin", [State.PENDING, State.FAILED, State.REVOKED])
def test_a_refund_that_came_to_nothing_returns_where_it_came_from(any_shop: Shop, origin: State) -> None:
    certificate = any_shop.certificate_in(origin)
    any_shop.fire(certificate, Event.REQUEST_REFUND)
    assert any_shop.fire(certificate, Event.WITHDRAW_REFUND).state == origin
    any_shop.clock.advance(minutes=1)
    any_shop.fire(certificate, Event.REQUEST_REFUND)
    any_shop.fire(certificate, Event.REJECT_REFUND)
    rejected = any_shop.refund_of(certificate)
    assert rejected.outcome == Outcome.REJECTED
    assert (rejected.decision_reason, rejected.instructions) == ("The site still uses it.", "Write to us.")
    any_shop.clock.advance(minutes=1)
    # A rejected application may be made again, and comes from where the first one came from.
    any_shop.fire(certificate, Event.REQUEST_REFUND)
    assert any_shop.refund_of(certificate).origin == origin
    any_shop.fire(certificate, Event.REJECT_REFUND)
    assert any_shop.fire(certificate, Event.KEEP_CERTIFICATE).state == origin


def test_above_the_amount_two_reviewers_approve(open_shop: Callable[..., Shop], database_url: str) -> None:
    policy = PRESETS["30-days-from-issue"].from_mapping(
        PRESETS["30-days-from-issue"].as_mapping() | {"two_reviewers_above_minor": 20000}
    )
    shop = open_shop(database_url, policy=policy)
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    first = shop.fire(certificate, Event.APPROVE_REFUND, shop.rita)
    assert first.state == State.REFUND_REQUESTED
    assert shop.refund_of(certificate).outcome == Outcome.OPEN
    with pytest.raises(EventRefused, match="needs a second reviewer"):
        shop.fire(certificate, Event.APPROVE_REFUND, shop.rita)
    assert shop.fire(certificate, Event.APPROVE_REFUND, shop.robin).state == State.REFUND_APPROVED
    # When the payment comes back, both decide anew.
    shop.fire_as_system(certificate, Event.RETURN_REFUND, reason="The account is closed.")
    again = shop.fire(certificate, Event.APPROVE_REFUND, shop.rita)
    assert again.state == State.REFUND_REQUESTED


def test_nobody_approves_their_own_refund(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.REFUND_REQUESTED)
    with any_shop.database.writing() as session:
        account = session.get(type(any_shop.alice), any_shop.alice.id)
        assert account is not None
        account.role = any_shop.rita.role
    promoted = any_shop.find(type(any_shop.alice), any_shop.alice.id)
    with pytest.raises(EventRefused, match="refund of their own"):
        any_shop.fire(certificate, Event.APPROVE_REFUND, promoted)


def test_an_order_paid_elsewhere_goes_to_the_balance_while_nothing_else_is_connected(
    any_shop: Shop,
) -> None:
    certificate = any_shop.certificate_in(State.PENDING, method=PaymentMethod.ALIPAY, account="ending 88")
    any_shop.fire(certificate, Event.REQUEST_REFUND)
    refund = any_shop.refund_of(certificate)
    assert (refund.method, refund.destination) == (
        PaymentMethod.BALANCE,
        "your balance in this shop",
    )


def test_the_voucher_part_stays(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.PENDING, voucher=6800)
    any_shop.fire(certificate, Event.REQUEST_REFUND)
    assert any_shop.refund_of(certificate).amount_minor == 20000


# Due work


def test_a_waiting_state_owes_work_and_the_next_state_does_not(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.VERIFIED)
    assert (certificate.due_at, certificate.attempts) == (any_shop.clock(), 1)
    issued = any_shop.fire(certificate, Event.ISSUE)
    assert (issued.due_at, issued.attempts) == (None, 0)


class RecordingWork:
    """A queue that remembers what was handed in, and forgets what was rolled back."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def enqueue(self, session: Session, kind: str, certificate_id: str, key: str) -> None:
        """Remember it."""
        self.keys.append(key)


def test_overdue_work_is_handed_in_again_with_pauses(any_shop: Shop) -> None:
    queue = RecordingWork()
    any_shop.desk.work = queue
    certificate = any_shop.certificate_in(State.VERIFIED)
    start = any_shop.clock()
    assert any_shop.desk.retry_overdue(start + GRACE - timedelta(seconds=1)) == 0
    assert any_shop.desk.retry_overdue(start + GRACE) == 1
    retried = any_shop.get(certificate.id)
    assert (retried.attempts, retried.due_at) == (2, start + timedelta(seconds=2) + GRACE)
    assert any_shop.desk.retry_overdue(start + GRACE) == 0
    assert queue.keys == [
        f"check_domain-{certificate.id}-2-1",
        f"issue-{certificate.id}-3-1",
        f"issue-{certificate.id}-3-2",
    ]


def test_pauses_grow_to_a_quarter_of_an_hour_and_stay_there() -> None:
    assert [pause_after(attempts).total_seconds() for attempts in (1, 2, 9, 10, 2000)] == [2, 4, 512, 900, 900]


def test_several_reconcilers_hand_overdue_work_in_once(any_shop: Shop) -> None:
    queue = RecordingWork()
    any_shop.desk.work = queue
    any_shop.certificate_in(State.VERIFIED)
    queue.keys.clear()
    now = any_shop.clock()
    found = together(*[lambda: any_shop.desk.retry_overdue(now + GRACE)] * 4)
    assert sum(found) == 1  # type: ignore[arg-type]
    assert len(queue.keys) == 1


def test_postponed_work_waits_and_says_why(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.VERIFIED)
    later = any_shop.clock() + timedelta(minutes=5)
    any_shop.desk.postpone(certificate.id, certificate.version, later, "The authority is busy.")
    waiting = any_shop.get(certificate.id)
    assert (waiting.due_at, waiting.work_error) == (later, "The authority is busy.")
    # Nobody has it in hand meanwhile, so it is looked at again when it was put off to, and not later.
    assert any_shop.desk.retry_overdue(later - timedelta(seconds=1)) == 0
    assert any_shop.desk.retry_overdue(later) == 1
    # Too late for a certificate that has moved on.
    any_shop.fire(certificate, Event.ISSUE)
    any_shop.desk.postpone(certificate.id, certificate.version, later, "The authority is busy.")
    assert any_shop.get(certificate.id).due_at is None


def test_an_event_and_its_work_are_rolled_back_together(any_shop: Shop) -> None:
    """Nothing is due for a change that did not happen."""
    certificate = any_shop.certificate_in(State.SUBMITTED)

    class BrokenWork:
        def enqueue(self, session: Session, kind: str, certificate_id: str, key: str) -> None:
            raise OSError("the queue is full")

    any_shop.desk.work = BrokenWork()
    with pytest.raises(OSError, match="the queue is full"):
        any_shop.fire(certificate, Event.VERIFY)
    assert any_shop.get(certificate.id).state == State.SUBMITTED
    with any_shop.database.reading() as session:
        rows = session.exec(select(History).where(col(History.event) == "verify")).all()
    assert rows == []


def test_the_system_needs_a_reviewer_for_some_products(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.SUBMITTED, product="ov")
    with pytest.raises(EventRefused, match="verified by a reviewer"):
        any_shop.desk.fire(certificate.id, Event.VERIFY, By(SYSTEM, Channel.WORKER))


def test_the_reason_of_an_application_is_needed(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.PENDING)
    handed = Application(RefundReason.OTHER)
    with pytest.raises(EventRefused, match="Give a reason"):
        any_shop.fire(certificate, Event.REQUEST_REFUND, handed=handed, reason="  ")
