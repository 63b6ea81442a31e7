"""From history rows to due mails: for what was committed, once, whoever plans and in whatever order rows appear."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mail_shop import MailShop
from shop import Shop
from sqlmodel import Session, select

from certlifecycle import PRESETS, Event, State
from webapp.certificates.models import Channel, History, PaymentMethod
from webapp.desk import By
from webapp.mail.models import MailCursor, MailKind, MailStatus
from webapp.mail.plan import SETTLES_AFTER, TOO_OLD, plan_mails
from webapp.recording import Application, Payment
from webapp.refunds.models import RefundReason


def test_every_step_that_a_customer_waits_for_is_told(any_shop: Shop) -> None:
    post = MailShop(any_shop)
    certificate = any_shop.certificate_in(State.REFUNDED)
    post.office.plan()
    alice = any_shop.alice.email
    assert post.told() == [
        (MailKind.ISSUED, alice),
        (MailKind.REVOKED, alice),
        (MailKind.APPLIED, alice),
        (MailKind.APPROVED, alice),
        (MailKind.PAID, alice),
    ]
    rows = {row.id: row.event for row in any_shop.history(certificate)}
    assert [rows[mail.history_id] for mail in post.mails()] == [
        "issue",
        "confirm_revocation",
        "request_refund",
        "approve_refund",
        "complete_refund",
    ]
    assert {mail.message_id for mail in post.mails()} == {f"<{mail.id}@example.com>" for mail in post.mails()}


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (State.FAILED, MailKind.VERIFICATION_FAILED),
        (State.REJECTED, MailKind.REJECTED),
    ],
)
def test_what_did_not_work_is_told(shop: Shop, state: State, kind: MailKind) -> None:
    post = MailShop(shop)
    shop.certificate_in(state)
    post.office.plan()
    assert post.last().kind == kind


@pytest.mark.parametrize(
    ("state", "event", "kind"),
    [
        (State.VERIFIED, Event.REFUSE_ISSUANCE, MailKind.ISSUANCE_REFUSED),
        (State.REVOKING, Event.REFUSE_REVOCATION, MailKind.REVOCATION_REFUSED),
        (State.REFUND_APPROVED, Event.RETURN_REFUND, MailKind.RETURNED),
    ],
)
def test_what_the_outside_refused_is_told(shop: Shop, state: State, event: Event, kind: MailKind) -> None:
    post = MailShop(shop)
    certificate = shop.certificate_in(state)
    shop.fire_as_system(certificate, event, reason="No such order.")
    post.office.plan()
    assert post.last().kind == kind


def test_money_that_went_to_the_balance_instead_is_told_as_such(shop: Shop) -> None:
    post = MailShop(shop)
    shop.desk.payable = frozenset(PaymentMethod)
    certificate = shop.certificate_in(State.REFUND_APPROVED, method=PaymentMethod.ALIPAY, account="ending 88")
    shop.fire_as_system(certificate, Event.COMPLETE_REFUND, handed=Payment("ledger 1", "your balance in this shop"))
    post.office.plan()
    assert post.last().kind == MailKind.FALLBACK
    # Where the balance was the destination from the beginning, nothing fell back.
    other = shop.certificate_in(State.REFUND_APPROVED)
    shop.fire_as_system(other, Event.COMPLETE_REFUND, handed=Payment("ledger 2", "your balance in this shop"))
    post.office.plan()
    assert post.last().kind == MailKind.PAID


def test_what_a_customer_did_and_what_changes_nothing_is_not_told(
    sqlite_url: str, open_shop: Callable[..., Shop]
) -> None:
    from dataclasses import replace

    policy = replace(PRESETS["30-days-from-issue"], two_reviewers_above_minor=100)
    shop = open_shop(sqlite_url, policy=policy)
    post = MailShop(shop)
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    post.office.plan()
    told = post.told()
    # The first of two approvals; then the customer takes the application back.
    shop.fire(certificate, Event.APPROVE_REFUND)
    assert shop.get(certificate.id).state == State.REFUND_REQUESTED
    shop.fire(certificate, Event.WITHDRAW_REFUND)
    post.office.plan()
    assert post.told() == told


def test_what_was_rolled_back_is_never_told(any_shop: Shop) -> None:
    post = MailShop(any_shop)
    certificate = any_shop.certificate_in(State.PENDING)

    class Broken:
        def enqueue(self, session: Session, kind: str, certificate_id: str, key: str) -> None:
            raise OSError("The queue is away.")

    any_shop.fire(certificate, Event.REQUEST_REFUND)
    any_shop.desk.work = Broken()
    # The approval writes its history row, then fails to hand in the work, and takes everything back.
    with pytest.raises(OSError, match="away"):
        any_shop.fire(certificate, Event.APPROVE_REFUND)
    post.office.plan()
    assert post.told() == [(MailKind.APPLIED, any_shop.alice.email)]


def test_a_row_that_is_still_being_written_is_not_told(postgres_url: str, open_shop: Callable[..., Shop]) -> None:
    """A smaller id that is committed after a larger one is found all the same."""
    shop = open_shop(postgres_url)
    post = MailShop(shop)
    slow, quick = shop.order(), shop.order(domain="quick.example.com")
    with shop.database.writing() as session:
        # Its id is taken now, its commit comes later.
        row = _applied(shop, slow.id)
        session.add(row)
        session.flush()
        shop.fire(quick, Event.REQUEST_REFUND)
        post.office.plan()
        assert [mail.certificate_id for mail in post.mails()] == [quick.id]
        # Looked at again and again, in vain, for as long as a transaction may take.
        shop.clock.advance(seconds=599)
        post.office.plan()
    post.office.plan()
    assert {mail.certificate_id for mail in post.mails()} == {quick.id, slow.id}
    assert row.id is not None
    assert row.id < max(mail.history_id or 0 for mail in post.mails())


def _applied(shop: Shop, certificate_id: str, **changes: Any) -> History:
    row = {
        "certificate_id": certificate_id,
        "customer_id": shop.alice.id,
        "event": "request_refund",
        "to_state": State.REFUND_REQUESTED,
        "actor_id": shop.alice.id,
        "actor_role": shop.alice.role,
        "actor_name": "Alice",
        "channel": Channel.WEB,
        "at": shop.clock(),
    }
    return History(**(row | changes))


def test_what_settled_is_not_looked_at_again(shop: Shop) -> None:
    post = MailShop(shop)
    certificate = shop.certificate_in(State.ISSUED)
    newest = shop.history(certificate)[-1].id
    for _ in range(3):
        post.office.plan()
        shop.clock.advance(seconds=SETTLES_AFTER.total_seconds())
    with shop.database.reading() as session:
        cursor = session.exec(select(MailCursor)).one()
    assert (cursor.settled_id, cursor.seen_id) == (newest, newest)
    assert len(post.mails()) == 1


def test_a_history_that_was_never_read_is_not_told_after_the_fact(shop: Shop) -> None:
    shop.certificate_in(State.ISSUED)
    post = MailShop(shop)
    assert post.mails() == []
    shop.certificate_in(State.ISSUED, domain="new.example.com")
    post.office.plan()
    assert len(post.mails()) == 1


def test_old_news_and_orders_from_elsewhere_are_not_told(shop: Shop) -> None:
    post = MailShop(shop)
    certificate = shop.order()
    with shop.database.writing() as session:
        session.add(_applied(shop, certificate.id, at=shop.clock() - TOO_OLD))
        session.add(_applied(shop, certificate.id, channel=Channel.IMPORT))
    post.office.plan()
    assert post.mails() == []


def test_a_disabled_account_is_not_written_to(shop: Shop) -> None:
    post = MailShop(shop)
    shop.certificate_in(State.ISSUED)
    with shop.database.writing() as session:
        alice = session.merge(shop.alice)
        alice.disabled_at = shop.clock()
    post.office.plan()
    assert (post.last().status, post.last().error) == (MailStatus.SUPPRESSED, "The account is disabled.")


def test_many_rows_are_taken_in_batches(shop: Shop) -> None:
    post = MailShop(shop)
    certificate = shop.order()
    with shop.database.writing() as session:
        session.add_all([_applied(shop, certificate.id) for _ in range(25)])
    counts = []
    while not counts or counts[-1] == 10:
        with shop.database.writing() as session:
            # However much time passes between two batches, none of the rest counts as settled.
            counts.append(plan_mails(session, shop.clock.advance(minutes=15), "example.com", batch=10))
    assert counts == [10, 10, 5]
    assert len(post.mails()) == 25


def test_planners_at_once_plan_each_mail_once(any_shop: Shop) -> None:
    post = MailShop(any_shop)
    certificate = any_shop.order()
    for _ in range(5):
        with any_shop.database.writing() as session:
            session.add_all([_applied(any_shop, certificate.id) for _ in range(20)])
        with ThreadPoolExecutor(6) as pool:
            planned = list(pool.map(lambda _: post.open_office().plan(), range(6)))
        assert sum(planned) == 20
    assert len({mail.history_id for mail in post.mails()}) == len(post.mails()) == 100


def test_the_mail_tells_of_the_right_application(shop: Shop) -> None:
    """Applied, withdrawn, applied anew: two mails, each about its own application."""
    post = MailShop(shop)
    certificate = shop.certificate_in(State.REVOKED)
    for _ in range(2):
        by = By(shop.alice.actor, Channel.WEB)
        application = Application(RefundReason.NOT_NEEDED)
        shop.desk.fire(certificate.id, Event.REQUEST_REFUND, by, reason="Not needed.", handed=application)
        shop.clock.advance(hours=1)
        shop.fire(certificate, Event.WITHDRAW_REFUND)
    post.office.plan()
    applied = [mail for mail in post.mails() if mail.kind == MailKind.APPLIED]
    assert len({mail.refund_id for mail in applied}) == 2
    assert all(mail.refund_id for mail in applied)
