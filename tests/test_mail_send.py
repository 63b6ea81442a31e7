"""Sending over a real mail server: encrypted, once, and whatever the server does, nothing is lost or guessed."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import smtp
from mail_shop import MailShop, html_of, make_tables, text_of
from shop import Shop
from smtp import Dribble, Drop, DropHalfway, Hold, MailServer, Say, mail_server, make_certificate
from sqlmodel import update

from certlifecycle import Event, Role, State
from webapp.accounts.models import Account
from webapp.mail.models import Mail, MailKind, MailStatus
from webapp.mail.office import open_office
from webapp.mail.preferences import choose
from webapp.mail.send import GIVE_UP_AFTER, LEASE, LONGEST_PAUSE, pause_after
from webapp.mail.settings import Encryption, load_mail
from webapp.wording import Wording


@pytest.fixture
def server() -> Iterator[MailServer]:
    """A mail server without encryption, as on the same machine."""
    with mail_server() as running:
        yield running


@pytest.fixture
def post(shop: Shop, server: MailServer) -> MailShop:
    """A shop that sends to it."""
    return MailShop(shop, server)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of a mail server on the loopback address."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


def told(post: MailShop) -> Mail:
    """Let something happen, let the post office work, and return the mail that came of it."""
    post.shop.certificate_in(State.FAILED)
    post.office.work()
    return post.last()


# All goes well


def test_a_mail_reaches_its_reader(post: MailShop, server: MailServer) -> None:
    mail = told(post)
    (received,) = server.inbox
    assert (received.sender, received.recipients) == ("desk@example.com", ("alice@example.com",))
    message = received.message
    assert message["Message-ID"] == mail.message_id
    assert str(message["To"]) == "Alice <alice@example.com>"
    assert mail.subject == message["Subject"] == "The verification for www.example.com failed"
    assert "No record was found." in text_of(message)
    assert "No record was found." in html_of(message)
    assert (mail.status, mail.sent_at, mail.attempts, mail.error) == (MailStatus.SENT, post.shop.clock(), 1, None)


def test_nothing_is_sent_twice(post: MailShop, server: MailServer) -> None:
    told(post)
    post.shop.clock.advance(days=1)
    post.office.work()
    assert len(server.inbox) == 1


def test_many_mails_share_a_connection(post: MailShop, server: MailServer) -> None:
    for _ in range(5):
        post.shop.certificate_in(State.FAILED)
    post.office.work()
    assert (len(server.inbox), server.connections) == (5, 1)


def test_an_international_address_is_written_to(post: MailShop, server: MailServer) -> None:
    post.shop.certificate_in(State.FAILED, owner=_with_address(post.shop, "用户@例子.example.com"))
    post.office.work()
    (received,) = server.inbox
    assert received.recipients == ("用户@例子.example.com",)
    assert "用户@例子.example.com".encode() in received.content


def test_an_international_address_is_given_up_where_the_server_cannot(shop: Shop) -> None:
    with mail_server(international=False) as server:
        post = MailShop(shop, server)
        shop.certificate_in(State.FAILED, owner=_with_address(shop, "用户@例子.example.com"))
        post.office.work()
    assert post.last().status == MailStatus.GIVEN_UP
    assert post.last().error == "The mail server cannot deliver to an address with such characters."


def _with_address(shop: Shop, address: str) -> Account:
    account = shop.account("somebody", Role.CUSTOMER)
    with shop.database.writing() as session:
        session.merge(account).email = address
    return account


# Encryption and logging in


def test_starttls_and_a_password_are_used(shop: Shop, certificate: Path) -> None:
    with mail_server(certificate=certificate, login=True) as server:
        secret = {"encryption": Encryption.REQUIRED, "user": smtp.USER, "password": smtp.PASSWORD}
        post = MailShop(shop, server, smtp=secret | {"ca_file": certificate})
        assert told(post).status == MailStatus.SENT
        assert [(one.encrypted, one.user) for one in server.inbox] == [(True, smtp.USER)]


def test_tls_from_the_beginning_is_used(shop: Shop, certificate: Path) -> None:
    with mail_server(certificate=certificate, implicit=True, login=True) as server:
        secret = {"encryption": Encryption.IMPLICIT, "user": smtp.USER, "password": smtp.PASSWORD}
        post = MailShop(shop, server, smtp=secret | {"ca_file": certificate})
        assert told(post).status == MailStatus.SENT
        assert [(one.encrypted, one.user) for one in server.inbox] == [(True, smtp.USER)]


@pytest.mark.parametrize("secret", [{}, {"user": smtp.USER, "password": smtp.PASSWORD}], ids=["mail", "password"])
def test_nothing_is_sent_in_the_clear(shop: Shop, secret: dict[str, str]) -> None:
    with mail_server() as server:
        post = MailShop(shop, server, smtp={"encryption": Encryption.REQUIRED} | secret)
        mail = told(post)
        assert server.inbox == []
    assert (mail.status, mail.attempts) == (MailStatus.DUE, 1)
    assert mail.error == "The mail server does not offer encryption (STARTTLS), which the settings require."


@pytest.mark.parametrize("implicit", [True, False])
def test_a_certificate_that_nobody_vouches_for_is_not_trusted(shop: Shop, certificate: Path, implicit: bool) -> None:
    encryption = Encryption.IMPLICIT if implicit else Encryption.REQUIRED
    with mail_server(certificate=certificate, implicit=implicit) as server:
        mail = told(MailShop(shop, server, smtp={"encryption": encryption}))
        assert server.inbox == []
    assert mail.status == MailStatus.DUE
    assert mail.error is not None
    assert mail.error.startswith("The certificate of the mail server 127.0.0.1:")
    assert "cannot be trusted: self-signed certificate" in mail.error


def test_a_certificate_for_another_name_is_not_trusted(shop: Shop, tmp_path: Path) -> None:
    other = make_certificate(tmp_path, host="127.0.0.2")
    with mail_server(certificate=other) as server:
        mail = told(MailShop(shop, server, smtp={"encryption": Encryption.REQUIRED, "ca_file": other}))
        assert server.inbox == []
    assert "cannot be trusted" in (mail.error or "")


def test_a_wrong_password_makes_mails_wait_and_none_is_lost(shop: Shop, certificate: Path) -> None:
    with mail_server(certificate=certificate, login=True) as server:
        secret = {"encryption": Encryption.REQUIRED, "user": smtp.USER, "password": "an old one"}
        post = MailShop(shop, server, smtp=secret | {"ca_file": certificate})
        mail = told(post)
        assert server.inbox == []
        assert mail.status == MailStatus.DUE
        assert (mail.error or "").startswith("The mail server refused the user or the password: 535")
        assert "an old one" not in (mail.error or "")


# The server refuses


@pytest.mark.parametrize("at", ["RCPT", "DATA"])
def test_what_is_refused_for_good_is_given_up_with_the_reason(post: MailShop, server: MailServer, at: str) -> None:
    server.faults.append(Say(at, "550 5.1.1 No such mailbox here"))
    mail = told(post)
    assert (mail.status, mail.attempts, mail.sent_at) == (MailStatus.GIVEN_UP, 1, None)
    assert mail.error == "The mail server answered: 550 5.1.1 No such mailbox here"
    post.shop.clock.advance(days=1)
    post.office.work()
    assert server.inbox == []


@pytest.mark.parametrize("at", ["RCPT", "DATA"])
def test_what_is_refused_for_now_is_tried_again_later(post: MailShop, server: MailServer, at: str) -> None:
    server.faults.extend([Say(at, "451 4.7.1 Greylisted")] * 2)
    mail = told(post)
    assert (mail.status, mail.error) == (MailStatus.DUE, "The mail server answered: 451 4.7.1 Greylisted")
    assert mail.due_at == post.shop.clock() + timedelta(minutes=1)
    post.office.work()
    assert post.last().attempts == 1
    post.shop.clock.advance(minutes=1)
    post.office.work()
    assert post.last().due_at == post.shop.clock() + timedelta(minutes=2)
    post.shop.clock.advance(minutes=2)
    post.office.work()
    assert (post.last().status, post.last().attempts, post.last().error) == (MailStatus.SENT, 3, None)
    assert len(server.inbox) == 1


def test_a_refusal_of_one_does_not_keep_the_others(post: MailShop, server: MailServer) -> None:
    server.faults.extend([Say("RCPT", "550 No"), Say("RCPT", "450 Later"), Say("DATA", "554 No")])
    for _ in range(5):
        post.shop.certificate_in(State.FAILED)
    post.office.work()
    assert [mail.status for mail in post.mails()].count(MailStatus.SENT) == 2
    assert (len(server.inbox), server.connections) == (2, 1)


def test_a_refused_sender_is_for_whoever_runs_the_desk(post: MailShop, server: MailServer) -> None:
    server.faults.append(Say("MAIL", "550 Not allowed to send as this"))
    for _ in range(3):
        post.shop.certificate_in(State.FAILED)
    post.office.work()
    # The others were not tried in vain.
    assert sorted(mail.attempts for mail in post.mails()) == [0, 0, 1]
    assert {mail.status for mail in post.mails()} == {MailStatus.DUE}
    post.shop.clock.advance(minutes=1)
    post.office.work()
    assert len(server.inbox) == 3


def test_a_server_that_is_going_away_is_left_alone(post: MailShop, server: MailServer) -> None:
    server.faults.append(Say("RCPT", "421 4.3.2 Shutting down"))
    for _ in range(3):
        post.shop.certificate_in(State.FAILED)
    post.office.work()
    assert server.inbox == []
    assert sorted(mail.attempts for mail in post.mails()) == [0, 0, 1]
    post.shop.clock.advance(minutes=1)
    post.office.work()
    assert len(server.inbox) == 3


@pytest.mark.parametrize("answer", ["299 Perhaps", "no number at all"])
def test_an_answer_that_is_none_is_not_taken_for_one(post: MailShop, server: MailServer, answer: str) -> None:
    server.faults.append(Say("DATA", answer))
    mail = told(post)
    assert (mail.status, server.inbox) == (MailStatus.DUE, [])
    post.shop.clock.advance(minutes=1)
    post.office.work()
    assert (len(server.inbox), server.connections) == (1, 2)


def test_the_steps_of_one_refund_are_told_in_their_order(post: MailShop, server: MailServer) -> None:
    post.shop.certificate_in(State.REFUNDED)
    post.office.work()
    assert [str(one.message["Subject"]).replace(" for www.example.com", "") for one in server.inbox] == [
        "The certificate is issued",
        "The certificate is revoked",
        "We have your refund application",
        "Your refund is approved",
        "268.00 CNY went back to you",
    ]


def test_a_server_that_is_away_is_tried_until_it_is_back(shop: Shop) -> None:
    with mail_server() as gone:
        pass
    post = MailShop(shop, gone)
    shop.certificate_in(State.FAILED)
    mail = told(post)
    assert mail.status == MailStatus.DUE
    assert {one.error for one in post.mails()} == {f"Nothing answers at 127.0.0.1:{gone.port}.", None}
    for attempt in range(1, 10):
        shop.clock.advance(hours=1)
        post.office.work()
        assert all(one.attempts <= attempt + 1 for one in post.mails())
    with mail_server() as back:
        shop.clock.advance(hours=1)
        MailShop(shop, back).office.work()
        assert len(back.wait_for(2)) == 2


def test_after_five_days_a_mail_is_given_up(post: MailShop, server: MailServer) -> None:
    server.faults.extend([Say("RCPT", "450 The mailbox is full")] * 2)
    told(post)
    post.shop.clock.advance(seconds=GIVE_UP_AFTER.total_seconds())
    post.office.work()
    assert post.last().status == MailStatus.GIVEN_UP
    assert post.last().error == "Given up after 2 attempts. The mail server answered: 450 The mailbox is full"


def test_pauses_grow_up_to_an_hour() -> None:
    minutes = [pause_after(attempt).total_seconds() / 60 for attempt in range(1, 9)]
    assert minutes == [1, 2, 4, 8, 16, 32, 60, 60]
    assert pause_after(10_000) == LONGEST_PAUSE


# Nobody knows


@pytest.mark.parametrize("fault", [Drop(), DropHalfway()])
def test_a_connection_lost_in_the_data_is_repeated_under_the_same_id(
    post: MailShop, server: MailServer, fault: Drop | DropHalfway
) -> None:
    server.faults.append(fault)
    mail = told(post)
    assert mail.status == MailStatus.DUE
    assert (mail.error or "").endswith("Whether it took the mail is not known.")
    post.shop.clock.advance(minutes=1)
    post.office.work()
    assert post.last().status == MailStatus.SENT
    # Taken before the connection was lost, it is there twice, and can be told for one.
    assert len(server.inbox) == (2 if isinstance(fault, Drop) else 1)
    assert {one.message["Message-ID"] for one in server.inbox} == {mail.message_id}


def test_a_server_that_does_not_answer_is_not_waited_for(shop: Shop, server: MailServer) -> None:
    post = MailShop(shop, server, smtp={"timeout_seconds": 0.3})
    hold = Hold()
    server.faults.append(hold)
    mail = told(post)
    assert hold.reached.is_set()
    assert mail.status == MailStatus.DUE
    where = f"The mail server 127.0.0.1:{server.port}"
    assert mail.error == f"{where} did not answer in time. Whether it took the mail is not known."
    hold.go_on.set()


def test_a_server_that_answers_byte_by_byte_is_not_waited_for(shop: Shop, server: MailServer) -> None:
    # Each byte comes long before the time-out.
    post = MailShop(shop, server, smtp={"timeout_seconds": 10.0, "limit_seconds": 0.5})
    server.faults.append(Dribble())
    mail = told(post)
    assert mail.status == MailStatus.DUE
    assert "did not answer in time" in (mail.error or "")


def test_a_slow_server_holds_nobody_else_up(post: MailShop, server: MailServer) -> None:
    """While a mail is under way no transaction is open: the desk goes on, also where only one may write."""
    hold = Hold()
    server.faults.append(hold)
    post.shop.certificate_in(State.FAILED)
    sending = threading.Thread(target=post.office.work)
    sending.start()
    try:
        assert hold.reached.wait(20)
        post.shop.certificate_in(State.FAILED, domain="other.example.com")
    finally:
        hold.go_on.set()
        sending.join()
    assert post.mails()[0].status == MailStatus.SENT


def test_a_worker_that_died_while_sending_leaves_the_mail_to_the_next(post: MailShop, server: MailServer) -> None:
    post.shop.certificate_in(State.FAILED)
    post.office.plan()
    # Claimed, and never heard of again.
    with post.shop.database.writing() as session:
        session.exec(update(Mail).values(attempts=1, due_at=post.shop.clock() + LEASE))
    post.office.work()
    assert server.inbox == []
    post.shop.clock.advance(seconds=LEASE.total_seconds())
    post.office.work()
    assert (len(server.inbox), post.last().attempts) == (1, 2)


# Many at once


def test_many_workers_send_each_mail_once(any_shop: Shop, server: MailServer) -> None:
    post = MailShop(any_shop, server)
    certificates = [any_shop.certificate_in(State.FAILED, domain=f"{n}.example.com") for n in range(12)]
    stop = threading.Event()

    def work() -> None:
        office = post.open_office()
        while not stop.is_set():
            office.work()

    # Planners and senders at once, while there is still news.
    with ThreadPoolExecutor(5) as pool:
        for _ in range(4):
            pool.submit(work)
        try:
            for certificate in certificates:
                any_shop.fire(certificate, Event.REQUEST_REFUND)
            server.wait_for(24, seconds=60)
        finally:
            stop.set()
    post.office.work()
    keys = [received.message["Message-ID"] for received in server.inbox]
    assert len(keys) == len(set(keys)) == 24
    assert {mail.message_id for mail in post.mails()} == set(keys)
    assert {(mail.status, mail.attempts) for mail in post.mails()} == {(MailStatus.SENT, 1)}


# Who wants which


def test_unwanted_reminders_are_not_sent_but_receipts_are(post: MailShop, server: MailServer) -> None:
    shop = post.shop
    with shop.database.writing() as session:
        choose(session, shop.alice.id, MailKind.WINDOW_WEEK.group, shop.clock(), wanted=False)
    for owner in (shop.alice, shop.bob):
        shop.certificate_in(State.ISSUED, owner=owner)
    post.office.work()
    shop.clock.advance(days=23)
    post.office.work()
    sent = [(one.recipients[0], "closes on" in str(one.message["Subject"])) for one in server.inbox]
    assert sorted(sent) == [
        ("alice@example.com", False),
        ("bob@example.com", False),
        ("bob@example.com", True),
    ]
    unwanted = next(one for one in post.mails() if one.status != MailStatus.SENT)
    assert (unwanted.status, unwanted.error) == (MailStatus.SUPPRESSED, "The recipient does not want reminders.")


def test_whoever_left_is_not_written_to(post: MailShop, server: MailServer) -> None:
    post.shop.certificate_in(State.FAILED)
    post.office.plan()
    with post.shop.database.writing() as session:
        session.merge(post.shop.alice).disabled_at = post.shop.clock()
    post.office.work()
    assert server.inbox == []
    assert (post.last().status, post.last().error) == (MailStatus.SUPPRESSED, "The account is disabled.")


# Mistakes


@pytest.mark.parametrize(
    "address",
    ["eve@example.com\r\nBcc: everybody@example.net", "eve@example.com>\r\nRCPT TO:<bob@example.com", "nobody", ""],
)
def test_an_address_that_is_none_is_given_up_and_the_others_are_sent(
    post: MailShop, server: MailServer, address: str
) -> None:
    post.shop.certificate_in(State.FAILED, owner=_with_address(post.shop, address))
    post.shop.certificate_in(State.FAILED)
    post.office.work()
    assert [(mail.status, mail.address) for mail in post.mails()] == [
        (MailStatus.GIVEN_UP, address),
        (MailStatus.SENT, "alice@example.com"),
    ]
    assert post.mails()[0].error == f"Nobody can be written to at {address!r}."
    assert [one.recipients for one in server.inbox] == [("alice@example.com",)]


def test_a_mail_about_what_is_missing_is_given_up(post: MailShop, server: MailServer) -> None:
    post.add(MailKind.APPLIED, post.shop.alice)
    post.office.work()
    assert (post.last().status, post.last().error) == (
        MailStatus.GIVEN_UP,
        "A row that the mail is about is missing: refund.",
    )
    assert server.inbox == []


def test_a_mistake_in_one_mail_does_not_stop_the_others(shop: Shop, server: MailServer) -> None:
    class Broken(Exception):
        pass

    def reader_of(account: Account) -> Wording:
        if account.id == shop.alice.id:
            raise Broken("a mistake")
        return Wording(ZoneInfo("UTC"))

    post = MailShop(shop, server, reader_of=reader_of)
    shop.certificate_in(State.FAILED)
    shop.certificate_in(State.FAILED, owner=shop.bob)
    post.office.work()
    assert [one.recipients for one in server.inbox] == [("bob@example.com",)]
    assert (post.mails()[0].status, post.mails()[0].error) == (MailStatus.DUE, "Broken: a mistake")


def test_the_post_office_outlives_a_database_that_is_away(
    shop: Shop, server: MailServer, open_shop: Callable[..., Shop], tmp_path: Path
) -> None:
    post = MailShop(shop, server)
    shop.certificate_in(State.FAILED)
    away = shop.settings.database_url.removeprefix("sqlite:///")
    shop.database.engine.dispose()
    moved = Path(away).rename(tmp_path / "moved.sqlite3")
    Path(away).mkdir()
    post.office.work()
    assert server.inbox == []
    Path(away).rmdir()
    moved.rename(away)
    post.office.work()
    assert len(server.inbox) == 1


def test_the_loop_ends_when_it_is_told_to(post: MailShop, server: MailServer) -> None:
    stopping = threading.Event()
    loop = threading.Thread(target=post.office.run, args=(stopping, 0.01))
    loop.start()
    try:
        post.shop.certificate_in(State.FAILED)
        server.wait_for(1)
    finally:
        stopping.set()
        loop.join(20)
    assert not loop.is_alive()


def test_without_a_server_the_worker_leaves_files(shop: Shop) -> None:
    """Put together from the parts alone, as a worker does it."""
    public_url = shop.settings.public_url
    settings = load_mail({}, shop_name="Shop", public_url=public_url, data_dir=shop.settings.data_dir)
    make_tables(shop.database.engine)
    office = open_office(shop.parts, settings)
    office.work()
    shop.certificate_in(State.FAILED)
    office.work()
    (file,) = settings.folder.iterdir()
    message = message_from_bytes(file.read_bytes(), policy=default)
    assert str(message["From"]) == "Shop <no-reply@desk.invalid>"
    assert f"{public_url}/certificates/" in text_of(message)  # type: ignore[arg-type]
