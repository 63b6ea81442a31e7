"""The worker as a process of its own: prompt, and safe against being killed at the worst moment."""

import signal
from collections.abc import Callable

import pytest
from processes import end, eventually, start
from shop import Shop
from sqlmodel import func, select

from certlifecycle import Event, State
from webapp.authorities.models import CaCertificate
from webapp.parts import present
from webapp.payments.ledger import balance, wallet
from webapp.payments.models import LedgerTransfer, Payout, PayoutStatus

CASES = {
    State.VERIFIED: (State.ISSUED, Event.ISSUE),
    State.REVOKING: (State.REVOKED, Event.CONFIRM_REVOCATION),
    State.REFUND_APPROVED: (State.REFUNDED, Event.COMPLETE_REFUND),
}


@pytest.fixture
def live_shop(database_url: str, open_shop: Callable[..., Shop]) -> Shop:
    """A shop whose clock shows the present, as its worker's does."""
    shop = open_shop(database_url)
    shop.clock.now = present()
    return shop


def test_the_worker_takes_a_certificate_from_order_to_refund(live_shop: Shop) -> None:
    certificate = live_shop.certificate_in(State.VERIFIED)
    worker = start(live_shop.settings, "-m", "webapp.effects.worker")
    try:
        for event, reached in (
            (None, State.ISSUED),
            (Event.REVOKE, State.REVOKED),
            (Event.REQUEST_REFUND, State.REFUND_REQUESTED),
            (Event.APPROVE_REFUND, State.REFUNDED),
        ):
            live_shop.clock.now = present()
            if event is not None:
                live_shop.fire(live_shop.get(certificate.id), event)
            eventually(lambda state=reached: live_shop.get(certificate.id).state == state)
    finally:
        end(worker)
    assert worker.returncode == 0
    refund = live_shop.refund_of(certificate)
    assert refund.payout_reference is not None
    with live_shop.database.reading() as session:
        assert balance(session, wallet(live_shop.alice.id), "CNY").minor == refund.amount_minor


@pytest.mark.parametrize("state", CASES, ids=lambda state: state.value)
def test_a_worker_killed_in_the_middle_of_an_effect_does_it_once(live_shop: Shop, state: State) -> None:
    certificate = live_shop.certificate_in(state)
    settings = live_shop.settings
    stalling = start(settings, "tests/stalling_worker.py")
    try:
        eventually((settings.data_dir / "stalled").exists)
    finally:
        stalling.send_signal(signal.SIGKILL)
        stalling.wait()
    assert live_shop.get(certificate.id).state == state

    reached, event = CASES[state]
    worker = start(settings, "-m", "webapp.effects.worker")
    try:
        eventually(lambda: live_shop.get(certificate.id).state == reached)
    finally:
        end(worker)

    told = [row.event for row in live_shop.history(certificate)]
    assert told.count(event) == 1
    with live_shop.database.reading() as session:
        certificates = session.exec(select(func.count()).select_from(CaCertificate)).one()
        paid = session.exec(select(LedgerTransfer).where(LedgerTransfer.kind == "refund")).all()
        payouts = session.exec(select(Payout)).all()
    assert certificates == 1
    if state is State.REFUND_APPROVED:
        assert [row.amount_minor for row in paid] == [live_shop.refund_of(certificate).amount_minor]
        assert [row.status for row in payouts] == [PayoutStatus.CONFIRMED]


def test_overdue_work_is_found_without_the_queue(live_shop: Shop) -> None:
    """What a queue lost, the state still says: the reconciler hands it in again."""
    certificate = live_shop.certificate_in(State.VERIFIED)
    with live_shop.database.writing() as session:
        connection = session.connection()
        table = "workflow_status" if live_shop.database.is_sqlite else "dbos.workflow_status"
        deleted = connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608
        assert deleted.rowcount >= 1
    live_shop.clock.now = present()
    assert live_shop.desk.retry_overdue(live_shop.clock.advance(minutes=1)) == 1
    worker = start(live_shop.settings, "-m", "webapp.effects.worker")
    try:
        eventually(lambda: live_shop.get(certificate.id).state == State.ISSUED)
    finally:
        end(worker)
