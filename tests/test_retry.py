"""An administrator has due work tried again: a trace, at once, and whatever is under way loses and repeats nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from fakes import (
    BusyAuthority,
    Mood,
    Provider,
    RefusingAuthority,
    UnavailableAuthority,
    breaks_off,
    loses_the_answer,
    never_hears,
    pays,
    takes_its_time,
)
from money_support import assert_books_balance, at_once, waiting_for_locks
from processes import eventually
from shop import Shop
from sqlmodel import Session, func, select

from certlifecycle import SYSTEM, Event, State
from webapp.accounts.models import Account
from webapp.authorities.models import CaCertificate
from webapp.authorities.port import AuthorityRefused, AuthorityUnavailable
from webapp.certificates.models import Certificate, Channel, PaymentMethod
from webapp.desk import By
from webapp.due import WORK_DUE_IN
from webapp.effects import Effects
from webapp.effects.worker import reconcile
from webapp.errors import DeskError, Forbidden, NotFound, NothingDue, Superseded
from webapp.hindrances import Hindrance
from webapp.payments.ledger import balance, wallet
from webapp.payments.models import Payout, PayoutStatus
from webapp.payments.port import PayoutOrder, Succeeded

WHY = "The provider says that it is back."


class Queue:
    """Remembers what was handed in."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def enqueue(self, session: Session, kind: str, certificate_id: str, key: str) -> None:
        self.keys.append(key)


def by(account: Account) -> By:
    return By(account.actor, Channel.WEB, "192.0.2.7")


def retry(shop: Shop, certificate: Certificate, reason: str = WHY) -> Certificate:
    """What Ada does, looking at the certificate as it is now."""
    version = shop.get(certificate.id).version
    return shop.desk.retry(certificate.id, by(shop.ada), reason, version=version)


def events(shop: Shop, certificate: Certificate) -> list[str]:
    return [row.event for row in shop.history(certificate)]


# The trace, and the work


@pytest.mark.parametrize("state", WORK_DUE_IN, ids=lambda state: state.value)
def test_it_leaves_a_trace_and_makes_the_work_due_at_once(any_shop: Shop, state: State) -> None:
    certificate = any_shop.certificate_in(state)
    any_shop.desk.work = queue = Queue()
    any_shop.desk.note_failure(certificate.id, "OSError: gone", Hindrance.UNREACHABLE)
    now = any_shop.clock.advance(minutes=1)
    assert reconcile(any_shop.desk, now) == 1
    any_shop.clock.advance(seconds=1)
    before = any_shop.get(certificate.id)
    after = retry(any_shop, certificate, f"  {WHY} ")

    kind = WORK_DUE_IN[state]
    assert queue.keys == [f"{kind}-{certificate.id}-{before.version}-2", f"{kind}-{certificate.id}-{after.version}-3"]
    stored = any_shop.get(certificate.id)
    assert stored == after
    assert (stored.state, stored.version, stored.attempts) == (state, before.version + 1, 3)
    assert (stored.due_at, stored.state_since) == (any_shop.clock(), certificate.state_since)
    # What went wrong before stands there until another attempt has ended.
    assert (stored.hindrance, stored.work_error) == (Hindrance.UNREACHABLE, "OSError: gone")
    rows = any_shop.history(certificate)
    assert len(rows) == stored.version
    row = rows[-1]
    assert (row.event, row.from_state, row.to_state, row.reason) == ("retry", state, state, WHY)
    assert (row.actor_id, row.actor_role, row.actor_name) == (any_shop.ada.id, "admin", "Ada")
    assert (row.channel, row.address, row.at) == (Channel.WEB, "192.0.2.7", any_shop.clock())
    refund = any_shop.refund_of(certificate).id if state is State.REFUND_APPROVED else None
    assert row.facts == {"work": kind, "attempt": 3} | ({"refund": refund} if refund else {})
    assert row.refund_id == refund


def test_what_is_tried_again_succeeds_and_all_is_well(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.VERIFIED)
    effects = Effects(any_shop.desk, UnavailableAuthority(any_shop.parts.authority), any_shop.parts.gateways)
    with pytest.raises(AuthorityUnavailable):
        effects.run("issue", certificate.id)
    failing = any_shop.get(certificate.id)
    assert (failing.hindrance, failing.failing_since) == (Hindrance.UNREACHABLE, any_shop.clock())
    any_shop.clock.advance(days=3)
    retry(any_shop, certificate)
    effects.run("issue", certificate.id)
    done = any_shop.get(certificate.id)
    assert (done.state, done.due_at, done.hindrance, done.failing_since) == (State.ISSUED, None, None, None)
    assert events(any_shop, certificate)[-2:] == ["retry", "issue"]


@pytest.mark.parametrize("state", list(State), ids=lambda state: state.value)
def test_what_is_not_owed_cannot_be_tried_again(shop: Shop, state: State) -> None:
    certificate = shop.certificate_in(state)
    if state is State.SUBMITTED:
        # The system has done its part; a reviewer decides.
        shop.desk.rest(certificate.id, certificate.version)
    elif state in WORK_DUE_IN:
        return
    with pytest.raises(NothingDue):
        retry(shop, certificate)
    assert shop.get(certificate.id).version == certificate.version == len(shop.history(certificate))


@pytest.mark.parametrize("who", ["alice", "bob", "rita", "system"])
def test_only_an_administrator_may(any_shop: Shop, who: str) -> None:
    certificate = any_shop.certificate_in(State.VERIFIED)
    someone = By(SYSTEM, Channel.WORKER) if who == "system" else by(getattr(any_shop, who))
    with pytest.raises(Forbidden):
        any_shop.desk.retry(certificate.id, someone, WHY, version=certificate.version)
    assert any_shop.get(certificate.id).version == certificate.version


def test_a_reason_is_needed(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.VERIFIED)
    with pytest.raises(DeskError, match="needs a reason"):
        retry(any_shop, certificate, " \n ")
    assert any_shop.get(certificate.id).version == certificate.version


def test_an_unknown_certificate_is_not_found(shop: Shop) -> None:
    with pytest.raises(NotFound):
        shop.desk.retry("0" * 32, by(shop.ada), WHY, version=1)


def test_a_queue_that_takes_nothing_leaves_no_trace(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.VERIFIED)

    class FullQueue:
        def enqueue(self, session: Session, kind: str, certificate_id: str, key: str) -> None:
            raise OSError("the queue is full")

    any_shop.desk.work = FullQueue()
    with pytest.raises(OSError, match="full"):
        retry(any_shop, certificate)
    assert any_shop.get(certificate.id) == certificate
    assert "retry" not in events(any_shop, certificate)


# Beside others


def test_of_two_administrators_one_retries_and_the_other_is_told(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.VERIFIED)

    def press() -> Certificate | Superseded:
        try:
            return any_shop.desk.retry(certificate.id, by(any_shop.ada), WHY, version=certificate.version)
        except Superseded as late:
            return late

    answers = at_once(*[press] * 4)
    (won,) = [answer for answer in answers if isinstance(answer, Certificate)]
    late = [answer for answer in answers if isinstance(answer, Superseded)]
    assert [[row.event for row in one.rows] for one in late] == [["retry"]] * 3
    assert any_shop.get(certificate.id).version == won.version == certificate.version + 1


def test_a_page_that_is_out_of_date_says_what_happened(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.VERIFIED)
    any_shop.fire(certificate, Event.ISSUE)
    with pytest.raises(Superseded) as late:
        any_shop.desk.retry(certificate.id, by(any_shop.ada), WHY, version=certificate.version)
    assert [row.event for row in late.value.rows] == ["issue"]


def test_a_decision_on_a_page_from_before_a_retry_counts(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.SUBMITTED)
    retry(any_shop, certificate)
    retry(any_shop, certificate)
    verified = any_shop.fire(certificate, Event.VERIFY, version=certificate.version)
    assert verified.version == certificate.version + 3
    # But a retry does not hide that somebody else has decided.
    retry(any_shop, certificate)
    with pytest.raises(Superseded) as late:
        any_shop.fire(certificate, Event.FAIL_VERIFICATION, version=certificate.version)
    assert [row.event for row in late.value.rows] == ["verify"]


def test_a_version_that_never_was_is_refused(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.SUBMITTED)
    with pytest.raises(Superseded) as late:
        any_shop.fire(certificate, Event.VERIFY, version=certificate.version + 1)
    assert late.value.rows == ()


def test_a_decision_and_a_retry_at_once_both_happen(any_shop: Shop) -> None:
    for _ in range(8):
        certificate = any_shop.certificate_in(State.SUBMITTED)

        def ask(certificate: Certificate = certificate) -> object:
            try:
                return any_shop.desk.retry(certificate.id, by(any_shop.ada), WHY, version=certificate.version)
            except Superseded as late:
                return late

        def decide(certificate: Certificate = certificate) -> object:
            return any_shop.fire(certificate, Event.VERIFY, version=certificate.version)

        asked, _ = at_once(ask, decide)
        # The decision gets through in any case; the retry does where it was first.
        first = ["retry"] if isinstance(asked, Certificate) else []
        assert events(any_shop, certificate)[2:] == [*first, "verify"]
        assert any_shop.get(certificate.id).version == len(any_shop.history(certificate))


def test_a_retry_between_reading_and_writing_does_not_turn_a_decision_away(
    postgres_url: str, open_shop: Callable[[str], Shop]
) -> None:
    """PostgreSQL alone: on SQLite a writer is alone from its beginning."""
    shop = open_shop(postgres_url)
    certificate = shop.certificate_in(State.SUBMITTED)
    usual, retried = shop.desk.clock, []

    def clock() -> datetime:
        # The desk asks what time it is after it has read the row.
        shop.desk.clock = usual
        retried.append(retry(shop, certificate))
        return usual()

    shop.desk.clock = clock
    assert shop.fire(certificate, Event.VERIFY, version=certificate.version).state == State.VERIFIED
    assert len(retried) == 1
    assert events(shop, certificate)[-2:] == ["retry", "verify"]


def test_a_decision_between_reading_and_writing_turns_a_retry_away(
    postgres_url: str, open_shop: Callable[[str], Shop]
) -> None:
    shop = open_shop(postgres_url)
    certificate = shop.certificate_in(State.VERIFIED)
    usual = shop.desk.clock

    def clock() -> datetime:
        shop.desk.clock = usual
        shop.fire(certificate, Event.ISSUE)
        return usual()

    shop.desk.clock = clock
    with pytest.raises(Superseded) as late:
        shop.desk.retry(certificate.id, by(shop.ada), WHY, version=certificate.version)
    assert [row.event for row in late.value.rows] == ["issue"]


# What is under way


@pytest.mark.parametrize(
    ("state", "answered", "reached"),
    [(State.VERIFIED, Event.ISSUE, State.ISSUED), (State.REVOKING, Event.CONFIRM_REVOCATION, State.REVOKED)],
)
def test_the_answer_of_an_attempt_under_way_is_heard(
    any_shop: Shop, state: State, answered: Event, reached: State
) -> None:
    certificate = any_shop.certificate_in(state)
    authority = BusyAuthority(any_shop.parts.authority, lambda: retry(any_shop, certificate))
    Effects(any_shop.desk, authority, any_shop.parts.gateways).run(WORK_DUE_IN[state], certificate.id)
    assert any_shop.get(certificate.id).state == reached
    assert events(any_shop, certificate)[-2:] == ["retry", answered]
    # The attempt that was asked for finds nothing to do.
    any_shop.effects.run(WORK_DUE_IN[state], certificate.id)
    assert events(any_shop, certificate).count(answered) == 1
    with any_shop.database.reading() as session:
        assert session.exec(select(func.count()).select_from(CaCertificate)).one() == 1


@pytest.mark.parametrize(
    ("state", "answered"), [(State.VERIFIED, Event.REFUSE_ISSUANCE), (State.REVOKING, Event.REFUSE_REVOCATION)]
)
def test_so_is_a_refusal(any_shop: Shop, state: State, answered: Event) -> None:
    certificate = any_shop.certificate_in(state)

    class Refusing(RefusingAuthority):
        def submit(self, *order: object) -> str:
            retry(any_shop, certificate)
            raise AuthorityRefused(self.WORDS)

        def revoke(self, *order: object) -> None:
            retry(any_shop, certificate)
            raise AuthorityRefused(self.WORDS)

    authority = Refusing(any_shop.parts.authority)
    Effects(any_shop.desk, authority, any_shop.parts.gateways).run(WORK_DUE_IN[state], certificate.id)
    assert events(any_shop, certificate)[-2:] == ["retry", answered]


def test_both_attempts_find_the_answer_and_one_records_it(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.VERIFIED)

    def meanwhile() -> None:
        retry(any_shop, certificate)
        any_shop.effects.run("issue", certificate.id)

    authority = BusyAuthority(any_shop.parts.authority, meanwhile)
    Effects(any_shop.desk, authority, any_shop.parts.gateways).run("issue", certificate.id)
    assert events(any_shop, certificate)[-2:] == ["retry", "issue"]


def test_an_overtaken_attempt_does_not_put_off_what_was_asked_for(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.VERIFIED)
    retry(any_shop, certificate)
    later = any_shop.clock() + timedelta(hours=1)
    any_shop.desk.postpone(certificate.id, certificate.version, later, "At work.", Hindrance.AT_WORK)
    any_shop.desk.rest(certificate.id, certificate.version)
    assert any_shop.get(certificate.id).due_at == any_shop.clock()


# Money


def approved(shop: Shop) -> Certificate:
    shop.desk.payable = frozenset({PaymentMethod.BALANCE, PaymentMethod.ALIPAY})
    return shop.certificate_in(State.REFUND_APPROVED, method=PaymentMethod.ALIPAY, account="ending 88")


def effects_with(shop: Shop, provider: Provider) -> Effects:
    return Effects(shop.desk, shop.parts.authority, {**shop.parts.gateways, provider.method: provider})


def assert_paid_once(shop: Shop, certificate: Certificate, provider: Provider) -> None:
    refund = shop.refund_of(certificate)
    # The provider knows one order, whoever asked how often; `pay` itself refuses another amount.
    assert [type(answer) for answer in provider.known.values()] == [Succeeded]
    assert list(provider.paid.values()) in ([refund.amount], [])
    assert shop.get(certificate.id).state == State.REFUNDED
    assert refund.paid_to == "the Alipay account ending 88"
    assert events(shop, certificate).count(Event.COMPLETE_REFUND) == 1
    with shop.database.reading() as session:
        assert [one.status for one in session.exec(select(Payout)).all()] == [PayoutStatus.CONFIRMED]
        assert balance(session, wallet(shop.alice.id), "CNY").minor == 0
        assert_books_balance(session)


def test_a_payment_under_way_is_heard_and_not_sent_twice(any_shop: Shop) -> None:
    certificate = approved(any_shop)

    def meanwhile(order: PayoutOrder) -> None:
        provider.meanwhile = lambda order: None
        any_shop.clock.advance(seconds=5)
        retry(any_shop, certificate)
        effects.run("pay", certificate.id)

    provider = Provider(pays, meanwhile=meanwhile)
    effects = effects_with(any_shop, provider)
    effects.run("pay", certificate.id)
    # The attempt that was asked for asked the provider, and left the sending to the one that was under way.
    assert provider.calls == ["refund", "query"]
    assert_paid_once(any_shop, certificate, provider)


def test_a_lost_answer_is_asked_for_when_it_is_tried_again(any_shop: Shop) -> None:
    certificate = approved(any_shop)
    provider = Provider(loses_the_answer)
    effects = effects_with(any_shop, provider)
    effects.run("pay", certificate.id)
    waiting = any_shop.get(certificate.id)
    assert (waiting.hindrance, waiting.failing_since) == (Hindrance.NO_OUTCOME, any_shop.clock())
    retry(any_shop, certificate)
    effects.run("pay", certificate.id)
    assert provider.calls == ["refund", "query"]
    assert_paid_once(any_shop, certificate, provider)


@pytest.mark.parametrize("mood", [pays, loses_the_answer, breaks_off, never_hears, takes_its_time])
def test_however_often_it_is_tried_again_meanwhile_it_is_paid_once(any_shop: Shop, mood: Mood) -> None:
    """Attempts and retries all at the same instant, over and over, until the money has arrived."""
    certificate = approved(any_shop)
    provider = Provider(mood, mood, pays)
    effects = effects_with(any_shop, provider)

    def attempt() -> None:
        try:
            effects.run("pay", certificate.id)
        except ConnectionResetError:
            return

    def ask() -> None:
        try:
            retry(any_shop, certificate)
        except (Superseded, NothingDue):
            return
        # What was handed in by it.
        attempt()

    retry(any_shop, certificate)
    for _ in range(20):
        at_once(attempt, ask, attempt, ask, attempt)
        if any_shop.get(certificate.id).state == State.REFUNDED:
            break
        provider.settle()
        any_shop.clock.advance(seconds=11)
    assert_paid_once(any_shop, certificate, provider)


def test_a_retry_waits_for_an_answer_that_is_being_recorded(
    postgres_url: str, open_shop: Callable[[str], Shop]
) -> None:
    """And hears then that nothing is left to try."""
    shop = open_shop(postgres_url)
    certificate = approved(shop)
    provider = Provider(pays)
    with ThreadPoolExecutor(1) as pool:
        with shop.database.writing() as session:
            # Held by whoever records the answer.
            session.get(Certificate, certificate.id, with_for_update=True)
            asking = pool.submit(retry, shop, certificate)
            eventually(lambda: waiting_for_locks(shop) == 1)
            session.connection().exec_driver_sql(
                "UPDATE certificate SET due_at = NULL WHERE id = %s", (certificate.id,)
            )
        with pytest.raises(NothingDue):
            asking.result()
    assert provider.calls == []


# Since when it fails


def test_it_fails_since_the_first_failure_until_something_better_follows(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.VERIFIED)
    began = any_shop.clock()

    def now() -> tuple[Hindrance | None, datetime | None]:
        row = any_shop.get(certificate.id)
        return (Hindrance(row.hindrance) if row.hindrance else None, row.failing_since)

    assert now() == (None, None)
    any_shop.desk.note_failure(certificate.id, "OSError: gone", Hindrance.UNREACHABLE)
    any_shop.clock.advance(hours=5)
    any_shop.desk.note_failure(certificate.id, "ValueError: odd")
    assert now() == (Hindrance.DEFECT, began)
    until = any_shop.clock.advance(hours=1)
    any_shop.desk.postpone(certificate.id, certificate.version, until, "Later.", Hindrance.NOT_NOW)
    assert now() == (Hindrance.NOT_NOW, began)
    any_shop.desk.postpone(certificate.id, certificate.version, until, "At work.", Hindrance.AT_WORK)
    assert now() == (Hindrance.AT_WORK, None)
    any_shop.desk.note_failure(certificate.id, "OSError: gone", Hindrance.UNREACHABLE)
    assert now() == (Hindrance.UNREACHABLE, any_shop.clock())
    any_shop.desk.rest(certificate.id, certificate.version)
    assert now() == (None, None)
    # Nothing is due, so nothing can fail any more.
    any_shop.desk.note_failure(certificate.id, "OSError: gone", Hindrance.UNREACHABLE)
    assert now() == (None, None)
