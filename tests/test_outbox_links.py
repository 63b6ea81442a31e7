"""Mails with a link to people without an account: in the outbox like all others, and nobody reads the link there."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from mail_shop import PUBLIC_URL, MailShop, text_of
from organisation_support import found as founded
from pages import button, words_of
from shop import Browser, Page, Shop
from smtp import Hold, MailServer, Say, mail_server
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, delete, select, update
from test_outbox import FAILING, GIVEN_UP, RUNNING, WHY, counted, found, press, row_of, rows
from test_outbox import given_up as mail_given_up

from webapp.certificates.models import Channel
from webapp.columns import new_id
from webapp.desk import By
from webapp.errors import Forbidden
from webapp.hindrances import Hindrance
from webapp.languages import Languages
from webapp.mail.decisions import Result, retry_mail
from webapp.mail.models import MailAct, MailStatus
from webapp.mail.send import GIVE_UP_AFTER, LEASE
from webapp.mail.transport import transport_for
from webapp.organisations.links import OneTimeLinks
from webapp.organisations.models import Invitation, Note, NoteDecision, NoteKind
from webapp.organisations.notes import NoteOffice
from webapp.outbox import queries
from webapp.outbox.queries import Kind, Running, Standing
from webapp.outbox.words import NOTES

ADDRESS = "newcomer@example.net"
GONE = "550 5.1.1 No such mailbox"


@pytest.fixture
def server() -> Iterator[MailServer]:
    """A mail server without encryption, as on the same machine."""
    with mail_server() as running:
        yield running


@pytest.fixture
def office(shop: Shop, server: MailServer) -> NoteOffice:
    """What a worker sends these mails with, over that server."""
    post = MailShop(shop, server)
    return NoteOffice(
        shop.database,
        transport_for(post.settings),
        post.composer(),
        Languages(shop.settings),
        OneTimeLinks(shop.settings.secret_key),
        shop.clock,
        shop_name="Certificate desk",
        public_url="https://desk.example.com",
    )


def invited(shop: Shop) -> Note:
    """The mail by which Alice invites somebody."""
    founded(shop, shop.alice, "Example Limited")
    shop.browser(shop.alice).post("/account/organisation/invitations", {"email": ADDRESS})
    return newest(shop)


def newest(shop: Shop) -> Note:
    with shop.database.reading() as session:
        return session.exec(select(Note).order_by(col(Note.created_at).desc()).limit(1)).one()


def note(shop: Shop, **columns: Any) -> Note:
    """A mail to somebody who registers, with these columns."""
    key, now = new_id(), shop.clock()
    plain = {"kind": NoteKind.REGISTRATION, "subject_id": new_id(), "address": ADDRESS, "due_at": now}
    row = Note(id=key, message_id=f"<{key}@example.com>", created_at=now, **(plain | columns))
    with shop.database.writing() as session:
        session.add(row)
    return row


def refused(shop: Shop, **columns: Any) -> Note:
    """One that is not tried any more."""
    plain = {"hindrance": Hindrance.REFUSED, "error": GONE, "attempts": 1}
    return note(shop, status=MailStatus.GIVEN_UP, **(plain | columns))


def token_of(shop: Shop) -> str:
    with shop.database.reading() as session:
        key = session.exec(select(Invitation.id)).one()
    return OneTimeLinks(shop.settings.secret_key).token(NoteKind.INVITATION, key)


def given_up(shop: Shop) -> tuple[Browser, Page]:
    browser = shop.browser(shop.ada)
    return browser, browser.get("/outbox?standing=given_up")


def test_each_has_one_standing_among_the_other_mails(any_shop: Shop) -> None:
    later = any_shop.clock() + timedelta(minutes=5)
    fresh = note(any_shop)
    slow = note(any_shop, hindrance=Hindrance.NOT_NOW, error="451 Later.", due_at=later, attempts=1)
    being_sent = note(any_shop, claimed_at=any_shop.clock(), due_at=later, attempts=1)
    lost = refused(any_shop)
    note(any_shop, status=MailStatus.SENT, sent_at=any_shop.clock())
    note(any_shop, status=MailStatus.SUPPRESSED)
    assert counted(any_shop) == {(one, Kind.MAIL): 1 for one in Standing}
    for standing, row in zip(Standing, (slow, lost, being_sent, fresh), strict=True):
        assert found(any_shop, standing) == [row.id]
    with any_shop.database.reading() as session:
        assert queries.how_much_is_stuck(session) == 2


def test_pages_go_through_both_tables_in_one_order(shop: Shop) -> None:
    keys = []
    for _ in range(4):
        shop.clock.advance(seconds=1)
        keys += [mail_given_up(shop).id]
        shop.clock.advance(seconds=1)
        keys += [refused(shop).id]
    seen: list[str] = []
    after = None
    while True:
        with shop.database.reading() as session:
            page = queries.entries(session, GIVEN_UP, (Kind.MAIL,), Running({}), shop.clock(), after, 3)
        if not page:
            break
        seen, after = seen + [one.key for one in page], page[-1].place
    assert seen == keys


def test_what_was_refused_says_why_and_shows_no_link(shop: Shop, office: NoteOffice, server: MailServer) -> None:
    row, token = invited(shop), token_of(shop)
    answer = f"{GONE}; blocked for https://desk.example.com/invitation/{token} and /invitation/{token[:30]}"
    server.faults.append(Say("DATA", answer))
    office.send_notes()
    kept = newest(shop)
    assert (kept.status, kept.hindrance, kept.claimed_at) == (MailStatus.GIVEN_UP, Hindrance.REFUSED, None)
    assert "blocked for https://desk.example.com/invitation/… and /invitation/…" in (kept.error or "")
    _browser, page = given_up(shop)
    told = words_of(row_of(page, row.id))
    assert told.startswith(f"Invite somebody to an organisation Example Limited · {ADDRESS} ")
    assert "Most often there is no such address: whoever typed it has to do it again with the right one." in told
    assert GONE in told
    assert "Tried once. It is not tried any more." in told
    for secret in (token, token[:30], row.subject_id, row.message_id):
        assert secret not in page.text
    assert "Outbox 1" in page.words


@pytest.mark.parametrize("kind", list(NoteKind))
def test_every_kind_says_what_it_is_for(shop: Shop, kind: NoteKind) -> None:
    row = refused(shop, kind=kind)
    _browser, page = given_up(shop)
    assert str(NOTES[kind]) in words_of(row_of(page, row.id))


def test_one_that_was_given_up_leaves_after_all(shop: Shop, office: NoteOffice, server: MailServer) -> None:
    row = invited(shop)
    server.faults.append(Say("RCPT", GONE))
    office.send_notes()
    shop.clock.advance(hours=1)
    browser, page = given_up(shop)
    assert "It is sent again now." in browser.follow(press(browser, page, row.id)).words
    due = browser.get("/outbox?standing=failing")
    assert f"Ada had it tried again on 4 May 2026, 18:00 CST: “{WHY}”" in words_of(row_of(due, row.id))
    office.send_notes()
    sent = newest(shop)
    assert (sent.status, sent.attempts, sent.error, sent.hindrance) == (MailStatus.SENT, 2, None, None)
    (received,) = server.inbox
    assert received.message["Message-ID"] == row.message_id
    with shop.database.reading() as session:
        (decision,) = session.exec(select(NoteDecision)).all()
    known = (decision.note_id, decision.act, decision.attempts, decision.reason, decision.actor_name)
    assert known == (row.id, MailAct.RETRY, 1, WHY, "Ada")
    for statement in (update(NoteDecision).values(reason="Another one."), delete(NoteDecision)):
        with pytest.raises(DBAPIError, match="append-only"), shop.database.writing() as session:
            session.exec(statement)


def test_one_can_be_let_be(shop: Shop) -> None:
    row = refused(shop)
    browser, page = given_up(shop)
    drop = next(node.get("formaction") for node in row_of(page, row.id).iter("button") if node.get("formaction"))
    told = browser.follow(browser.post(drop, {"reason": "A slip of the pen."}))
    assert "The mail is not owed any more." in told.words
    assert rows(told) == []
    assert newest(shop).status == MailStatus.SUPPRESSED


def test_all_of_them_at_once(shop: Shop) -> None:
    refused(shop)
    refused(shop)
    result = shop.browser(shop.ada).post("/outbox/retry-all?standing=given_up&kind=mail", {"reason": WHY}, 200)
    assert "Tried again now: 2 of 2." in result.words
    assert "Have somebody who registers confirm the address" in result.words


def test_a_link_that_counts_no_more_is_not_sent_by_a_retry(shop: Shop, office: NoteOffice, server: MailServer) -> None:
    row = invited(shop)
    server.faults.append(Say("RCPT", GONE))
    office.send_notes()
    with shop.database.reading() as session:
        key = session.exec(select(Invitation.id)).one()
    shop.browser(shop.alice).post(f"/account/organisation/invitations/{key}/withdraw")
    browser, page = given_up(shop)
    press(browser, page, row.id)
    office.send_notes()
    assert newest(shop).status == MailStatus.SUPPRESSED
    assert server.inbox == []
    assert found(shop, GIVEN_UP) == found(shop, FAILING) == []


def test_one_that_is_being_sent_shows_as_such_and_is_left_alone(
    shop: Shop, office: NoteOffice, server: MailServer
) -> None:
    row, hold = invited(shop), Hold()
    server.faults.append(hold)
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(office.send_notes)
        try:
            assert hold.reached.wait(20)
            assert found(shop, RUNNING) == [row.id]
            page = shop.browser(shop.ada).get("/outbox?standing=running")
            assert "Being sent since" in words_of(row_of(page, row.id))
            assert button(page, "Retry now") is None
            assert retry_mail(shop.desk, row.id, By(shop.ada.actor, Channel.WEB), WHY) is Result.UNDER_WAY
        finally:
            hold.go_on.set()
        working.result(20)
    assert (newest(shop).status, newest(shop).claimed_at) == (MailStatus.SENT, None)


def test_a_worker_that_died_leaves_it_to_the_next(shop: Shop, office: NoteOffice, server: MailServer) -> None:
    row = invited(shop)
    with shop.database.writing() as session:
        taken = {"claimed_at": shop.clock(), "due_at": shop.clock() + LEASE, "attempts": 1}
        session.exec(update(Note).where(col(Note.id) == row.id).values(**taken))
    office.send_notes()
    assert server.inbox == []
    shop.clock.advance(seconds=LEASE.total_seconds())
    office.send_notes()
    assert (len(server.inbox), newest(shop).status) == (1, MailStatus.SENT)


def test_it_is_tried_for_days_and_a_retry_gives_it_as_many_again(
    shop: Shop, office: NoteOffice, server: MailServer
) -> None:
    row = invited(shop)
    server.faults.extend([Say("RCPT", "451 4.3.2 Not now")] * 3)
    office.send_notes()
    assert (newest(shop).status, newest(shop).hindrance) == (MailStatus.DUE, Hindrance.NOT_NOW)
    shop.clock.advance(seconds=GIVE_UP_AFTER.total_seconds())
    office.send_notes()
    assert (newest(shop).status, newest(shop).hindrance) == (MailStatus.GIVEN_UP, Hindrance.NOT_NOW)
    browser, page = given_up(shop)
    press(browser, page, row.id)
    office.send_notes()
    assert newest(shop).status == MailStatus.DUE


def test_a_mistake_in_one_is_shown_and_does_not_stop_the_others(
    shop: Shop, office: NoteOffice, server: MailServer
) -> None:
    row = invited(shop)
    broken = note(shop, kind=NoteKind.INVITATION)
    office.send_notes()
    assert [mail.recipients for mail in server.inbox] == [(ADDRESS,)]
    assert found(shop, FAILING) == [broken.id]
    page = shop.browser(shop.ada).get("/outbox")
    assert "NoResultFound" in words_of(row_of(page, broken.id))
    assert row.id not in page.text


def test_only_administrators_decide(shop: Shop) -> None:
    row = refused(shop)
    with pytest.raises(Forbidden):
        retry_mail(shop.desk, row.id, By(shop.rita.actor, Channel.WEB), WHY)
    assert newest(shop) == row


def test_what_a_server_repeats_of_a_link_for_a_new_password_is_not_kept(shop: Shop, server: MailServer) -> None:
    """Such a mail stands among those to accounts."""
    post = MailShop(shop, server)
    shop.browser().post("/sign-in/recover", {"email": shop.alice.email}, 200)
    post.office.recover()
    (link,) = [part for part in text_of(post.compose()).split() if "/sign-in/recover/" in part]
    server.faults.append(Say("DATA", f"550 5.7.1 Address blocked: {link}"))
    post.office.send()
    assert post.last().error == f"The mail server answered: 550 5.7.1 Address blocked: {PUBLIC_URL}/sign-in/recover/…"
