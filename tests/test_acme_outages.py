"""The ACME authority when the server is gone, busy, forgetful, or speaks something else."""

from datetime import timedelta
from email.utils import format_datetime
from http import HTTPStatus

import pytest
from acme_support import PAUSE, Desk, csr_for, open_database
from ca_support import HandClock
from pebble import Pebble

from certlifecycle import RevocationReason
from webapp.authorities.acme_models import AcmeAccount, AcmeStep
from webapp.authorities.port import (
    AuthorityRefused,
    AuthorityUnavailable,
    Issued,
    Pending,
    Processing,
    StatusKind,
)

pytest_plugins = ["acme_fixtures"]

WWW = "www.example.com"


# Outages


@pytest.mark.parametrize("kind", ["sign-me-up", "order-plz", "chalZ", "finalize-order", "certZ"])
def test_a_server_that_is_gone_for_a_minute_costs_a_minute(desk, front, kind):
    def vanish(exchange):
        if exchange.kind == kind:
            front.after = lambda _: None
            exchange.answer(502, "gateway trouble")
            gone.append(desk.clock())

    gone = []
    front.after = vanish
    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    with pytest.raises(AuthorityUnavailable):
        desk.run_into_trouble(authority, ref)
    front.close()
    for _ in range(3):
        with pytest.raises(AuthorityUnavailable, match="cannot be reached"):
            # After a lost announcement the server is asked again, whatever our own look says.
            authority.advance(ref)
        desk.clock.forward(timedelta(seconds=20))
    front.open()
    assert isinstance(desk.run(lambda: authority, ref), Issued)


def test_while_a_customer_is_waited_for_nobody_notices_that_the_server_is_gone(desk, front):
    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    asked = authority.advance(ref)
    front.close()
    desk.clock.forward(PAUSE)
    again = authority.advance(ref)
    assert [one.value for one in again.challenges] == [one.value for one in asked.challenges]
    assert again.challenges[0].checked_at == desk.clock()


def test_a_server_that_never_answers_is_given_up_after_a_while(own_pebble, sqlite_url, tmp_path):
    engine = open_database(sqlite_url)
    desk = Desk(engine, tmp_path, own_pebble, HandClock())
    authority = desk.authority(answer_seconds=1.5)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    with own_pebble.silent(), pytest.raises(AuthorityUnavailable, match="does not answer"):
        authority.advance(ref)
    assert isinstance(desk.run(lambda: authority, ref), Issued)
    engine.dispose()


def test_nobody_revokes_what_a_silent_server_did_not_confirm(desk, front):
    authority = desk.authority(directory_url=front.directory_url)
    issued = desk.issue(authority, "order 1", WWW)
    front.close()
    with pytest.raises(AuthorityUnavailable):
        authority.revoke(issued.serial, RevocationReason.SUPERSEDED)
    assert authority.status(issued.serial).kind is StatusKind.GOOD
    front.open()
    authority.revoke(issued.serial, RevocationReason.SUPERSEDED)
    assert authority.status(issued.serial).kind is StatusKind.REVOKED


@pytest.mark.parametrize("status", [HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE])
@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
def test_a_server_that_wants_to_be_left_alone_is_left_alone(desk, front, status, as_date):
    wish = desk.clock().replace(microsecond=0) + timedelta(minutes=10)
    seconds = (wish - desk.clock()).total_seconds()

    def limit(exchange):
        if exchange.kind == "order-plz":
            retry = format_datetime(wish, usegmt=True) if as_date else str(int(seconds))
            exchange.refuse(status, "rateLimited", "too many new orders recently", Retry_After=retry)

    front.before = limit
    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    with pytest.raises(AuthorityUnavailable, match=r"no more requests for now.*too many new orders") as trouble:
        authority.advance(ref)
    assert abs(trouble.value.retry_at - wish) <= timedelta(seconds=1)
    front.before = lambda _: None
    asked = len(front.seen)
    desk.clock.forward(timedelta(minutes=9))
    with pytest.raises(AuthorityUnavailable, match="too many new orders") as trouble:
        desk.authority(directory_url=front.directory_url).advance(ref)
    assert abs(trouble.value.retry_at - wish) <= timedelta(seconds=1)
    assert len(front.seen) == asked
    desk.clock.forward(timedelta(minutes=2))
    assert isinstance(authority.advance(ref), Pending)


def test_an_absurd_wish_to_be_left_alone_is_granted_for_a_day(desk, front):
    def limit(exchange):
        exchange.refuse(HTTPStatus.TOO_MANY_REQUESTS, "rateLimited", "later", Retry_After="9" * 30)

    front.before = limit
    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    with pytest.raises(AuthorityUnavailable) as trouble:
        authority.advance(ref)
    assert trouble.value.retry_at == desk.clock() + timedelta(days=1)


def test_a_server_at_work_is_asked_again_when_it_said(desk, front):
    def take_time(exchange):
        if exchange.kind == "finalize-order":
            exchange.answer(200, exchange.document | {"status": "processing"}, Retry_After="90")

    front.after = take_time
    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    desk.run(lambda: authority, ref, until=lambda _: front.count("finalize-order") > 0)
    asked = len(front.seen)
    desk.clock.forward(timedelta(seconds=80))
    assert isinstance(authority.advance(ref), Processing)
    assert len(front.seen) == asked
    desk.clock.forward(timedelta(seconds=11))
    assert isinstance(authority.advance(ref), Issued)


# Nonces


def test_a_server_that_refuses_most_nonces_is_bearable(desk, tmp_path):
    picky = Pebble.start(tmp_path / "picky", PEBBLE_WFE_NONCEREJECT="50")
    try:
        desk.pebble = picky
        desk.issue(desk.authority(), "order 1", WWW)
        assert not desk.troubles
    finally:
        picky.stop()


@pytest.mark.parametrize("nonce", [None, "anNvbg", "a", "not base64url!"])
def test_a_request_is_repeated_until_its_nonce_is_taken(desk, front, nonce):
    refused = []

    def refuse_three_times(exchange):
        if exchange.method == "POST" and len(refused) < 3:
            refused.append(exchange)
            exchange.refuse(HTTPStatus.BAD_REQUEST, "badNonce", "no", **({"Replay_Nonce": nonce} if nonce else {}))

    def begin_again(exchange):
        if exchange.method == "POST":
            refused.clear()

    front.before, front.after = refuse_three_times, begin_again
    desk.issue(desk.authority(directory_url=front.directory_url), "order 1", WWW)
    assert not desk.troubles
    assert sum(b":badNonce" in one.content for one in front.seen) > 20


def test_a_server_that_refuses_every_nonce_is_trouble_and_not_for_ever(desk, front):
    def refuse(exchange):
        if exchange.method == "POST":
            exchange.refuse(HTTPStatus.BAD_REQUEST, "badNonce", "no")

    front.before = refuse
    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    with pytest.raises(AuthorityUnavailable, match="nonces"):
        authority.advance(ref)
    assert sum(one.method == "POST" for one in front.seen) == 20


# Servers that forget


@pytest.fixture
def forgetful(own_pebble, sqlite_url, tmp_path):
    engine = open_database(sqlite_url)
    yield Desk(engine, tmp_path, own_pebble, HandClock())
    engine.dispose()


def account_url(desk):
    with desk.engine.connect() as connection:
        return connection.execute(AcmeAccount.__table__.select()).one().url


@pytest.mark.parametrize("step", [AcmeStep.SUBMITTED, AcmeStep.PROVING, AcmeStep.FINALIZING])
def test_a_server_that_forgot_the_account_gets_it_again_with_the_same_key(forgetful, step):
    desk = forgetful
    authority = desk.authority()
    if step is AcmeStep.SUBMITTED:
        desk.issue(authority, "order 0", "first.example.com")
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    if step is not AcmeStep.SUBMITTED:
        desk.run(lambda: authority, ref, until=lambda _: desk.row(ref).step is step)
    before = account_url(desk)
    desk.pebble.restart()
    progress = desk.run(lambda: authority, ref)
    assert isinstance(progress, Issued)
    assert account_url(desk) != before


def test_what_a_forgetful_server_issued_it_cannot_revoke(forgetful):
    authority = forgetful.authority()
    issued = forgetful.issue(authority, "order 1", WWW)
    forgetful.pebble.restart()
    with pytest.raises(AuthorityRefused, match="does not revoke this certificate"):
        authority.revoke(issued.serial, RevocationReason.SUPERSEDED)
    assert authority.status(issued.serial).kind is StatusKind.GOOD


def test_an_issued_certificate_survives_a_forgetful_server(forgetful):
    authority = forgetful.authority()
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    issued = forgetful.run(lambda: authority, ref)
    forgetful.pebble.restart()
    assert authority.advance(ref) == issued
    forgetful.pebble.halt()
    assert authority.advance(ref) == issued


# Answers that are no ACME


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("dir", b"<html>"),
        ("dir", b"[]"),
        ("dir", b'{"newNonce": "https://127.0.0.1/n"}'),
        ("dir", b'{"newNonce": "http://a/", "newAccount": "http://a/", "newOrder": "http://a/", "revokeCert": "x"}'),
        ("order-plz", b"{}"),
        ("order-plz", b'{"status": "pending", "authorizations": [5], "finalize": "https://127.0.0.1/f"}'),
        ("my-order", b"null"),
        ("authZ", b'{"status": "pending"}'),
        ("authZ", b'{"identifier": {"value": "a.example"}, "challenges": [{"url": "ftp://a"}]}'),
        (
            "authZ",
            b'{"identifier": {"value": "a.b"}, "challenges": [{"type": "dns-01", "url": "https://a/", "token": "?"}]}',
        ),
        ("certZ", b"no certificate"),
        ("certZ", b"\xff\xfe"),
    ],
)
def test_answers_that_make_no_sense_are_trouble_of_the_server(desk, front, kind, content):
    def babble(exchange):
        if exchange.kind == kind:
            exchange.content = content

    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    front.after = babble
    with pytest.raises(AuthorityUnavailable, match="not ACME"):
        desk.run_into_trouble(authority, ref)
    front.after = lambda _: None
    assert isinstance(desk.run(lambda: authority, ref), Issued)


def test_no_more_of_an_answer_is_read_than_any_could_need(desk, front):
    def flood(exchange):
        if exchange.kind == "order-plz":
            exchange.answer(exchange.status, exchange.document | {"more": "x" * 300_000})

    front.after = flood
    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    with pytest.raises(AuthorityUnavailable, match="too large"):
        authority.advance(ref)


@pytest.mark.parametrize("status", [301, 403, 404])
def test_what_stands_in_front_of_the_server_does_not_speak_for_it(desk, front, status):
    def intercept(exchange):
        if exchange.kind == "order-plz":
            exchange.status, exchange.content = status, b"<html>Blocked</html>"
            exchange.headers["Location"] = "https://example.com/"

    front.before = intercept
    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    with pytest.raises(AuthorityUnavailable, match=f"status {status}"):
        authority.advance(ref)


def test_a_server_whose_tls_certificate_is_not_known_is_not_talked_to(desk):
    authority = desk.authority(verify=True)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    with pytest.raises(AuthorityUnavailable, match="TLS certificate could not be verified"):
        authority.advance(ref)


def test_acme_is_spoken_over_https_only(desk):
    authority = desk.authority(directory_url="http://127.0.0.1/dir")
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    with pytest.raises(AuthorityUnavailable, match="not https"):
        authority.advance(ref)


def test_a_database_that_is_gone_is_temporary_trouble(tmp_path, pebble):
    folder = tmp_path / "data"
    folder.mkdir()
    engine = open_database(f"sqlite:///{folder / 'desk.sqlite3'}")
    authority = Desk(engine, tmp_path, pebble, HandClock()).authority()
    engine.dispose()
    folder.rename(tmp_path / "gone")
    with pytest.raises(AuthorityUnavailable, match="database"):
        authority.submit("order 1", csr_for(WWW), [WWW], 90)
