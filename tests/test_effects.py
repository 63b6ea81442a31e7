"""Issuing and revoking at the authority: once, whatever happens on the way, and never for a state that owes nothing."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from dbos import DBOSPortableJSONSerializer
from fakes import (
    BusyAuthority,
    MistakenAuthority,
    Provider,
    RealAuthority,
    RefusingAuthority,
    ThoroughAuthority,
    UnavailableAuthority,
    pays,
)
from money_support import at_once, waiting_for_locks
from processes import eventually
from shop import Shop
from sqlmodel import Session, col, func, select, update

from certlifecycle import Event, RevocationReason, State
from webapp.authorities.models import CaCertificate
from webapp.authorities.port import AuthorityUnavailable, StatusKind
from webapp.certificates.models import Certificate, Channel, PaymentMethod
from webapp.db import Database, make_engine
from webapp.desk import Desk
from webapp.due import GRACE, WORK_DUE_IN, pause_after
from webapp.effects import Effects
from webapp.effects.queue import configuration
from webapp.effects.worker import reconcile
from webapp.errors import NotFound


def effects_with(shop: Shop, authority: RealAuthority) -> Effects:
    return Effects(shop.desk, authority, shop.parts.gateways)


def happened(shop: Shop, certificate: Certificate, event: Event) -> int:
    return [row.event for row in shop.history(certificate)].count(event)


def set_by_hand(shop: Shop, certificate: Certificate, **columns: object) -> None:
    """Change a row as no code of the desk would."""
    with shop.database.writing() as session:
        session.exec(update(Certificate).where(col(Certificate.id) == certificate.id).values(**columns))


# What all of them have in common


@pytest.mark.parametrize(
    ("kind", "state"),
    [(kind, state) for owing, kind in WORK_DUE_IN.items() for state in State if state is not owing],
)
def test_nothing_is_done_for_a_state_that_does_not_owe_it(shop: Shop, kind: str, state: State) -> None:
    certificate = shop.certificate_in(state)
    authority, provider = RealAuthority(shop.parts.authority), Provider(pays, method=PaymentMethod.BALANCE)
    Effects(shop.desk, authority, {provider.method: provider}).run(kind, certificate.id)
    assert authority.calls + provider.calls == []
    assert shop.get(certificate.id) == certificate


def test_work_of_an_unknown_kind_is_a_mistake(shop: Shop) -> None:
    certificate = shop.certificate_in(State.VERIFIED)
    with pytest.raises(ValueError, match="no such work: 'dance'"):
        shop.effects.run("dance", certificate.id)
    noted = shop.get(certificate.id)
    assert (noted.state, noted.work_error) == (State.VERIFIED, "ValueError: no such work: 'dance'")


@pytest.mark.parametrize("kind", list(WORK_DUE_IN.values()))
def test_work_for_an_unknown_certificate_is_not_found(shop: Shop, kind: str) -> None:
    with pytest.raises(NotFound):
        shop.effects.run(kind, "0" * 32)


@pytest.mark.parametrize(
    ("state", "kind", "missing"),
    [
        (State.VERIFIED, "issue", {"csr_pem": None}),
        (State.VERIFIED, "issue", {"submission_id": None}),
        (State.REVOKING, "revoke", {"serial": None}),
        (State.REVOKING, "revoke", {"revocation_reason": None}),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else None,
)
def test_a_row_that_lacks_what_the_work_needs_is_told(
    shop: Shop, state: State, kind: str, missing: dict[str, object]
) -> None:
    certificate = shop.certificate_in(state)
    set_by_hand(shop, certificate, **missing)
    with pytest.raises(LookupError):
        shop.effects.run(kind, certificate.id)
    noted = shop.get(certificate.id)
    assert noted.state == state
    assert (noted.work_error or "").startswith("LookupError: a ")


# Issue


def test_the_certificate_of_the_authority_is_recorded(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.VERIFIED)
    any_shop.clock.advance(seconds=3)
    any_shop.effects.run("issue", certificate.id)
    issued = any_shop.get(certificate.id)
    with any_shop.database.reading() as session:
        (order,) = session.exec(select(CaCertificate)).all()
    # The submission's own id is the key toward the authority.
    assert (order.order_key, order.csr_pem) == (certificate.submission_id, certificate.csr_pem)
    assert (issued.serial, issued.chain_pem) == (order.serial, order.pem)
    assert (issued.state, issued.issued_at, issued.not_after) == (State.ISSUED, any_shop.clock(), order.not_after)
    assert len(issued.fingerprint or "") == 64
    assert issued.issuer
    row = any_shop.history(certificate)[-1]
    assert (row.event, row.actor_role, row.channel) == (Event.ISSUE, "system", Channel.WORKER)
    assert row.facts == {"serial": issued.serial}


@pytest.mark.parametrize("kind", ["issue", "revoke"])
def test_done_twice_or_by_several_at_once_it_is_done_once(any_shop: Shop, kind: str) -> None:
    state, event = (State.VERIFIED, Event.ISSUE) if kind == "issue" else (State.REVOKING, Event.CONFIRM_REVOCATION)
    certificate = any_shop.certificate_in(state)
    at_once(*[lambda: any_shop.effects.run(kind, certificate.id)] * 5)
    any_shop.effects.run(kind, certificate.id)
    assert happened(any_shop, certificate, event) == 1
    with any_shop.database.reading() as session:
        assert session.exec(select(func.count()).select_from(CaCertificate)).one() == 1


@pytest.mark.parametrize(
    ("kind", "state", "reached"),
    [("issue", State.VERIFIED, State.ISSUED), ("revoke", State.REVOKING, State.REVOKED)],
)
def test_an_authority_that_is_away_is_asked_again_later(
    any_shop: Shop, kind: str, state: State, reached: State
) -> None:
    certificate = any_shop.certificate_in(state)
    effects = effects_with(any_shop, UnavailableAuthority(any_shop.parts.authority))
    with pytest.raises(AuthorityUnavailable):
        effects.run(kind, certificate.id)
    waiting = any_shop.get(certificate.id)
    assert (waiting.state, waiting.version) == (state, certificate.version)
    assert (waiting.work_error, waiting.held_up) == ("The authority does not answer.",) * 2
    assert waiting.due_at == certificate.due_at
    # The reconciler hands it in again, and then it succeeds.
    assert reconcile(any_shop.desk, any_shop.clock.advance(minutes=1)) == 1
    effects.run(kind, certificate.id)
    done = any_shop.get(certificate.id)
    assert (done.state, done.work_error, done.due_at, done.attempts) == (reached, None, None, 0)
    assert done.held_up is None


@pytest.mark.parametrize("immediately", [True, False], ids=["at once", "after a look"])
def test_an_authority_that_refuses_is_quoted_to_the_customer(any_shop: Shop, immediately: bool) -> None:
    certificate = any_shop.certificate_in(State.VERIFIED)
    authority = RefusingAuthority(any_shop.parts.authority, immediately=immediately)
    effects_with(any_shop, authority).run("issue", certificate.id)
    failed = any_shop.get(certificate.id)
    assert (failed.state, failed.problem, failed.due_at) == (State.FAILED, RefusingAuthority.WORDS, None)
    row = any_shop.history(certificate)[-1]
    assert (row.event, row.reason) == (Event.REFUSE_ISSUANCE, RefusingAuthority.WORDS)


def test_a_certificate_that_does_not_fit_the_csr_is_refused(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.VERIFIED)
    effects_with(any_shop, MistakenAuthority(any_shop.parts.authority)).run("issue", certificate.id)
    failed = any_shop.get(certificate.id)
    assert (failed.state, failed.problem) == (State.FAILED, "The certificate holds another key than the CSR.")
    assert failed.chain_pem is None


def test_an_authority_that_is_at_work_is_looked_at_again(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.VERIFIED)
    effects = effects_with(any_shop, ThoroughAuthority(any_shop.parts.authority, looks=2))
    for _ in range(2):
        effects.run("issue", certificate.id)
        waiting = any_shop.get(certificate.id)
        assert (waiting.state, waiting.version) == (State.VERIFIED, certificate.version)
        assert waiting.due_at == any_shop.clock() + timedelta(seconds=5)
        assert waiting.work_error == "The certificate authority is working on it."
        any_shop.clock.advance(seconds=5)
    effects.run("issue", certificate.id)
    assert any_shop.get(certificate.id).state == State.ISSUED


@pytest.mark.parametrize(
    ("kind", "state", "event"),
    [("issue", State.VERIFIED, Event.ISSUE), ("revoke", State.REVOKING, Event.CONFIRM_REVOCATION)],
)
def test_a_slower_attempt_is_quiet_when_another_has_recorded_the_answer(
    any_shop: Shop, kind: str, state: State, event: Event
) -> None:
    certificate = any_shop.certificate_in(state)
    faster = any_shop.effects
    slower = BusyAuthority(any_shop.parts.authority, lambda: faster.run(kind, certificate.id))
    effects_with(any_shop, slower).run(kind, certificate.id)
    assert happened(any_shop, certificate, event) == 1
    assert any_shop.get(certificate.id).work_error is None


# Revoke


def test_the_authority_s_confirmation_is_recorded(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.REVOKING)
    any_shop.clock.advance(seconds=3)
    any_shop.effects.run("revoke", certificate.id)
    revoked = any_shop.get(certificate.id)
    assert (revoked.state, revoked.revoked_at) == (State.REVOKED, any_shop.clock())
    said = any_shop.parts.authority.status(revoked.serial or "")
    assert (said.kind, said.reason) == (StatusKind.REVOKED, RevocationReason.SUPERSEDED)
    row = any_shop.history(certificate)[-1]
    assert (row.event, row.actor_role, row.channel) == (Event.CONFIRM_REVOCATION, "system", Channel.WORKER)
    assert row.facts == {"serial": revoked.serial}


def test_a_refused_revocation_leaves_the_certificate_as_it_was(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.REVOKING)
    effects_with(any_shop, RefusingAuthority(any_shop.parts.authority)).run("revoke", certificate.id)
    back = any_shop.get(certificate.id)
    assert (back.state, back.problem, back.revocation_reason) == (State.ISSUED, RefusingAuthority.WORDS, None)
    row = any_shop.history(certificate)[-1]
    assert (row.event, row.reason) == (Event.REFUSE_REVOCATION, RefusingAuthority.WORDS)
    # And it can be asked for again.
    assert any_shop.fire(any_shop.fire(back, Event.REVOKE), Event.CONFIRM_REVOCATION).state == State.REVOKED


# The reconciler


class Queue:
    """Remembers what was handed in, or breaks."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.trouble = trouble
        self.keys: list[str] = []

    def enqueue(self, session: Session, kind: str, certificate_id: str, key: str) -> None:
        """Take one piece of work in."""
        if self.trouble:
            raise self.trouble
        self.keys.append(key)


def test_the_reconciler_gives_the_queue_some_time(any_shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "desk.worker")
    any_shop.certificate_in(State.VERIFIED)
    due = any_shop.clock()
    assert reconcile(any_shop.desk, due + GRACE - timedelta(microseconds=1)) == 0
    assert caplog.messages == []
    assert reconcile(any_shop.desk, due + GRACE) == 1
    assert caplog.messages == ["1 overdue pieces of work were handed in again."]


def test_the_reconciler_survives_a_database_that_is_away(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    # Port 9 is "discard": nothing listens there.
    away = Database(make_engine("postgresql+psycopg://desk@127.0.0.1:9/desk?connect_timeout=2"))
    desk = Desk(away, Queue(), shop.desk.policy, shop.clock)
    assert reconcile(desk, shop.clock()) == 0
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (
        logging.ERROR,
        "The reconciler could not hand overdue work in; it tries again.",
    )
    away.engine.dispose()


def test_the_reconciler_survives_any_defect_and_comes_back(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.VERIFIED)
    now = any_shop.clock.advance(minutes=1)
    any_shop.desk.work = Queue(RuntimeError("a defect"))
    assert reconcile(any_shop.desk, now) == 0
    # What could not be handed in was not counted as handed in.
    assert any_shop.get(certificate.id).attempts == 1
    any_shop.desk.work = queue = Queue()
    assert reconcile(any_shop.desk, now) == 1
    assert queue.keys == [f"issue-{certificate.id}-3-2"]


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(0, 1), (1, 2), (2, 4), (9, 512), (10, 900), (11, 900), (1024, 900), (10**9, 900)]
)
def test_pauses_grow_to_a_quarter_of_an_hour_and_no_further(attempts: int, seconds: int) -> None:
    assert pause_after(attempts) == timedelta(seconds=seconds)


def test_work_that_takes_weeks_is_still_looked_at(shop: Shop) -> None:
    certificate = shop.certificate_in(State.VERIFIED)
    set_by_hand(shop, certificate, attempts=100_000)
    now = shop.clock.advance(minutes=1)
    assert shop.desk.retry_overdue(now) == 1
    assert shop.get(certificate.id).due_at == now + timedelta(minutes=15) + GRACE


def test_work_that_is_done_while_overdue_work_is_handed_in_is_left_alone(
    postgres_url: str, open_shop: Callable[[str], Shop]
) -> None:
    shop = open_shop(postgres_url)
    first, second = shop.certificate_in(State.VERIFIED), shop.certificate_in(State.VERIFIED)

    class Meanwhile(Queue):
        def enqueue(self, session: Session, kind: str, certificate_id: str, key: str) -> None:
            super().enqueue(session, kind, certificate_id, key)
            other = second if certificate_id == first.id else first
            shop.effects.run("issue", other.id)

    shop.desk.work = queue = Meanwhile()
    assert shop.desk.retry_overdue(shop.clock.advance(minutes=1)) == 1
    assert len(queue.keys) == 1


def test_the_slower_of_two_reconcilers_hands_nothing_in(postgres_url: str, open_shop: Callable[[str], Shop]) -> None:
    """Both have seen the same overdue row; the slower one waits for the faster one's commit."""
    shop = open_shop(postgres_url)
    certificate = shop.certificate_in(State.VERIFIED)
    shop.desk.work = queue = Queue()
    now = shop.clock.advance(minutes=1)
    with ThreadPoolExecutor(1) as pool:
        with shop.database.writing() as session:
            session.exec(update(Certificate).where(col(Certificate.id) == certificate.id).values(attempts=2))
            slower = pool.submit(shop.desk.retry_overdue, now)
            eventually(lambda: waiting_for_locks(shop) == 1)
        assert slower.result() == 0
    assert queue.keys == []


def test_the_queue_is_where_the_desk_is_and_reads_nothing_but_data(any_shop: Shop) -> None:
    configured = configuration(any_shop.database.engine, "worker-7")
    assert configured["system_database_url"] == any_shop.settings.database_url
    assert configured["executor_id"] == "worker-7"
    # What was enqueued by one release is taken up by the next, and the release step alone migrates.
    assert (configured["application_version"], configured["run_migrations"]) == ("1", False)
    # Pickle, which is the default, runs what it reads.
    assert isinstance(configured["serializer"], DBOSPortableJSONSerializer)


def test_work_is_in_the_queue_when_the_change_is_there_and_not_before(any_shop: Shop) -> None:
    """Both are rows of the same transaction."""

    def queued() -> set[str]:
        table = "workflow_status" if any_shop.database.is_sqlite else "dbos.workflow_status"
        with any_shop.database.reading() as session:
            found = session.connection().exec_driver_sql(f"SELECT workflow_uuid FROM {table}")  # noqa: S608
            return set(found.scalars())

    def fail_after_queueing() -> None:
        with any_shop.database.writing() as session:
            any_shop.desk.work.enqueue(session, "issue", certificate.id, "a key")
            raise RuntimeError("a defect")

    certificate = any_shop.certificate_in(State.SUBMITTED)
    before = queued()
    with pytest.raises(RuntimeError, match="a defect"):
        fail_after_queueing()
    assert queued() == before
    any_shop.fire(certificate, Event.VERIFY)
    assert queued() - before == {f"issue-{certificate.id}-3-1"}
    # The same attempt is never there twice.
    with any_shop.database.writing() as session:
        any_shop.desk.work.enqueue(session, "issue", certificate.id, f"issue-{certificate.id}-3-1")
    assert queued() - before == {f"issue-{certificate.id}-3-1"}
