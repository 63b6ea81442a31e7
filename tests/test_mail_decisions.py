"""An administrator decides about a mail that did not leave: once, with a trace, and never so that it leaves twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from mail_shop import MailShop
from money_support import at_once
from shop import Shop
from smtp import Hold, MailServer, Say, mail_server
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, delete, select, update

from certlifecycle import State
from webapp.accounts.models import Account
from webapp.certificates.models import Channel
from webapp.desk import By
from webapp.errors import DeskError, Forbidden, NotFound
from webapp.hindrances import Hindrance
from webapp.mail.decisions import Result, drop_mail, retry_mail
from webapp.mail.models import Mail, MailAct, MailDecision, MailStatus
from webapp.mail.send import GIVE_UP_AFTER

WHY = "The server takes mail again."


@pytest.fixture
def server() -> Iterator[MailServer]:
    """A mail server without encryption, as on the same machine."""
    with mail_server() as running:
        yield running


@pytest.fixture
def post(any_shop: Shop, server: MailServer) -> MailShop:
    """A shop that sends to it, on each database."""
    return MailShop(any_shop, server)


def by(account: Account) -> By:
    return By(account.actor, Channel.WEB, "192.0.2.7")


def planned(post: MailShop) -> Mail:
    """A mail that is due."""
    post.shop.certificate_in(State.FAILED)
    post.office.plan()
    return post.last()


def set_by_hand(post: MailShop, mail: Mail, **columns: object) -> Mail:
    with post.shop.database.writing() as session:
        session.exec(update(Mail).where(col(Mail.id) == mail.id).values(**columns))
    row: Mail = post.shop.find(Mail, mail.id)
    return row


def retry(post: MailShop, mail: Mail, reason: str = WHY) -> Result:
    return retry_mail(post.shop.desk, mail.id, by(post.shop.ada), reason)


def decisions(post: MailShop) -> list[MailDecision]:
    with post.shop.database.reading() as session:
        return list(session.exec(select(MailDecision).order_by(col(MailDecision.at))).all())


def test_a_mail_that_waits_is_sent_at_once(post: MailShop, server: MailServer) -> None:
    mail = planned(post)
    server.faults.append(Say("DATA", "451 4.3.2 Not now"))
    post.office.send()
    waiting = post.last()
    assert (waiting.hindrance, waiting.claimed_at) == (Hindrance.NOT_NOW, None)
    assert waiting.due_at > post.shop.clock()
    assert retry(post, mail, f" {WHY}\n") is Result.DONE
    post.office.send()
    (received,) = server.inbox
    assert received.message["Message-ID"] == mail.message_id
    sent = post.last()
    assert (sent.status, sent.attempts, sent.hindrance, sent.error) == (MailStatus.SENT, 2, None, None)
    (decision,) = decisions(post)
    assert (decision.mail_id, decision.act, decision.attempts, decision.reason) == (mail.id, MailAct.RETRY, 1, WHY)
    assert (decision.actor_id, decision.actor_role, decision.actor_name) == (post.shop.ada.id, "admin", "Ada")
    assert (decision.channel, decision.address, decision.at) == (Channel.WEB, "192.0.2.7", post.shop.clock())


def test_one_that_was_given_up_gets_as_much_patience_as_a_new_one(post: MailShop, server: MailServer) -> None:
    mail = planned(post)
    server.faults.extend([Say("DATA", "451 4.3.2 Not now")] * 3)
    post.shop.clock.advance(days=GIVE_UP_AFTER.days)
    post.office.send()
    assert post.last().status == MailStatus.GIVEN_UP
    assert retry(post, mail) is Result.DONE
    post.office.send()
    # It fails again, and is not given up at once.
    assert (post.last().status, post.last().hindrance) == (MailStatus.DUE, Hindrance.NOT_NOW)
    post.shop.clock.advance(days=GIVE_UP_AFTER.days)
    post.office.send()
    assert post.last().status == MailStatus.GIVEN_UP


def test_one_that_is_being_sent_is_left_alone(post: MailShop, server: MailServer) -> None:
    mail = planned(post)
    hold = Hold()
    server.faults.append(hold)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(post.open_office().send)
        try:
            assert hold.reached.wait(20)
            assert retry(post, mail) is Result.UNDER_WAY
            assert post.open_office().send() == 0
        finally:
            hold.go_on.set()
        assert sending.result() == 1
    assert len(server.inbox) == 1
    assert decisions(post) == []
    assert retry(post, mail) is Result.SETTLED


def test_retries_and_workers_at_once_send_it_once(post: MailShop, server: MailServer) -> None:
    mail = set_by_hand(post, planned(post), status=MailStatus.GIVEN_UP, hindrance=Hindrance.NOT_NOW, attempts=4)
    office = [post.open_office() for _ in range(2)]

    def send(number: int) -> None:
        for _ in range(3):
            office[number].send()

    at_once(
        lambda: retry(post, mail),
        lambda: send(0),
        lambda: retry(post, mail),
        lambda: send(1),
        lambda: retry(post, mail),
    )
    post.office.send()
    assert [one.message["Message-ID"] for one in server.inbox] == [mail.message_id]
    assert len(decisions(post)) == 1


def test_what_is_due_already_needs_no_retry(post: MailShop) -> None:
    mail = planned(post)
    assert retry(post, mail) is Result.DUE_ALREADY
    # Nor one whose worker died, once its lease has run out.
    post.shop.clock.advance(minutes=15)
    claimed_at = post.shop.clock() - timedelta(minutes=15)
    set_by_hand(post, mail, claimed_at=claimed_at, due_at=post.shop.clock(), attempts=1)
    assert retry(post, mail) is Result.DUE_ALREADY
    assert decisions(post) == []


def test_a_mail_is_let_be_only_when_it_was_given_up(post: MailShop, server: MailServer) -> None:
    mail, desk, ada = planned(post), post.shop.desk, by(post.shop.ada)
    assert drop_mail(desk, mail.id, ada, WHY) is Result.SETTLED
    assert post.last().status == MailStatus.DUE
    set_by_hand(post, mail, status=MailStatus.GIVEN_UP, hindrance=Hindrance.REFUSED, error="550 Gone.")
    assert drop_mail(desk, mail.id, ada, WHY) is Result.DONE
    post.office.send()
    assert server.inbox == []
    dropped = post.last()
    assert (dropped.status, dropped.error) == (MailStatus.SUPPRESSED, "550 Gone.")
    assert [one.act for one in decisions(post)] == [MailAct.DROP]
    assert retry(post, mail) is Result.SETTLED


@pytest.mark.parametrize("who", ["alice", "rita"])
def test_only_an_administrator_decides(post: MailShop, who: str) -> None:
    mail = set_by_hand(post, planned(post), status=MailStatus.GIVEN_UP)
    for decide in (retry_mail, drop_mail):
        with pytest.raises(Forbidden):
            decide(post.shop.desk, mail.id, by(getattr(post.shop, who)), WHY)
    assert post.last() == mail


def test_a_reason_is_needed(post: MailShop) -> None:
    mail = set_by_hand(post, planned(post), status=MailStatus.GIVEN_UP)
    with pytest.raises(DeskError, match="needs a reason"):
        retry(post, mail, " ")
    assert post.last() == mail


def test_an_unknown_mail_is_not_found(post: MailShop) -> None:
    with pytest.raises(NotFound):
        retry_mail(post.shop.desk, "0" * 32, by(post.shop.ada), WHY)


def test_what_was_decided_cannot_be_edited(post: MailShop) -> None:
    retry(post, set_by_hand(post, planned(post), status=MailStatus.GIVEN_UP))
    for statement in (update(MailDecision).values(reason="Another one."), delete(MailDecision)):
        with pytest.raises(DBAPIError, match="append-only"), post.shop.database.writing() as session:
            session.exec(statement)
