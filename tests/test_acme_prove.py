"""Proving control to an ACME server without asking for the certificate, and what becomes of the proof afterwards."""

from datetime import timedelta

import pytest
from acme_support import PAUSE, Credulous, csr_for
from sqlmodel import Session

from webapp.authorities.acme_models import AcmeStep
from webapp.authorities.acme_orders import shown_proof
from webapp.authorities.port import (
    AuthorityRefused,
    AuthorityUnavailable,
    Failed,
    Issued,
    Pending,
    Processing,
    Proved,
)

pytest_plugins = ["acme_fixtures"]

WWW = "www.example.com"


def proved(desk, authority, ref, kind="http-01", patience=40):
    """Be worker and customer until the proof has ended, one way or the other."""
    for _ in range(patience):
        proof = authority.prove(ref)
        if isinstance(proof, Proved | Failed):
            return proof
        if isinstance(proof, Pending):
            desk.publish(proof, kind)
        desk.clock.forward(PAUSE)
    raise AssertionError(f"still {proof}")


@pytest.mark.parametrize("kind", ["http-01", "dns-01"])
def test_every_name_is_proved_and_the_certificate_is_not_asked_for(desk, front, kind):
    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    assert proved(desk, authority, ref, kind) == Proved(kinds=(kind,))
    for _ in range(3):
        desk.clock.forward(PAUSE)
        assert authority.prove(ref) == Proved(kinds=(kind,))
    assert (front.count("order-plz"), front.count("finalize-order")) == (1, 0)
    assert desk.row(ref).step is AcmeStep.PROVING
    with Session(desk.engine) as session:
        shown = shown_proof(session, "order 1")
    assert (shown.challenges, shown.proved, shown.is_ready, shown.is_renewed) == ((), ((WWW, kind),), True, False)

    assert isinstance(desk.run(lambda: authority, ref, "none"), Issued)
    assert (front.count("order-plz"), front.count("finalize-order")) == (1, 1)
    # Whoever comes late with a look changes nothing any more.
    asked = len(front.seen)
    assert authority.prove(ref) == Proved(kinds=(kind,))
    assert len(front.seen) == asked


def test_before_anything_is_published_it_is_told_what(desk):
    authority = desk.authority()
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    proof = authority.prove(ref)
    assert isinstance(proof, Pending)
    assert authority.advance(ref) == proof


def test_a_proof_that_failed_says_why(desk):
    authority = desk.authority(look=Credulous(desk.clock))
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    proof = proved(desk, authority, ref, "none")
    assert isinstance(proof, Failed)
    assert proof.reason.startswith(f"Control of {WWW} was not accepted.")
    assert authority.prove(ref) == proof


def test_an_unknown_reference_is_refused(desk):
    with pytest.raises(AuthorityRefused, match="does not know the order"):
        desk.authority().prove("0" * 32)


def test_it_wants_to_see_control_itself(desk):
    assert desk.authority().proves_control("order 1")


def test_the_server_s_wish_for_a_pause_is_passed_on(desk, front):
    def pause(exchange):
        if exchange.kind in ("my-order", "authZ"):
            exchange.headers["Retry-After"] = "300"

    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    desk.publish(authority.prove(ref), "http-01")
    front.after = pause
    desk.clock.forward(PAUSE)
    assert authority.prove(ref) == Processing(desk.clock() + timedelta(seconds=300))


def test_a_server_that_is_away_is_asked_again(desk, front):
    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    front.close()
    with pytest.raises(AuthorityUnavailable, match="cannot be reached"):
        authority.prove(ref)
    front.open()
    assert isinstance(proved(desk, authority, ref), Proved)


# What was proved lapses


@pytest.mark.parametrize("status", ["deactivated", "expired", "revoked"])
def test_a_proof_that_lapsed_is_asked_for_anew(desk, front, status):
    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    proved(desk, authority, ref)
    first = desk.row(ref)
    stale = {first.order_url.rpartition("/")[2], first.authorizations[0]["url"].rpartition("/")[2]}

    def lapse(exchange):
        # Pebble refuses a nonce now and then; such an answer is left as it is.
        if exchange.path.rpartition("/")[2] in stale and exchange.status == 200:
            order = exchange.kind == "my-order"
            exchange.answer(200, exchange.document | {"status": "invalid" if order else status})

    front.after = lapse
    # Before any of the time limits that the server has named.
    desk.clock.forward(timedelta(minutes=10))
    # A step that met too many refused nonces is gone on with the next time.
    proofs = (authority.advance(ref) for _look in range(5))
    assert isinstance(next(one for one in proofs if not isinstance(one, Processing)), Pending)
    assert desk.row(ref).order_url != first.order_url
    assert desk.row(ref).ready_at is None
    with Session(desk.engine) as session:
        assert shown_proof(session, "order 1").is_renewed
    assert isinstance(desk.run(lambda: authority, ref), Issued)


def test_a_ready_order_that_somebody_else_s_key_has_used_up_is_replaced(desk, front):
    """Servers may answer equal requests with one order: it must not be followed to the other's certificate."""

    def used_up(exchange):
        if exchange.kind == "my-order" and front.count("order-plz") == 1:
            exchange.answer(200, exchange.document | {"status": "valid", "certificate": front.directory_url})

    front.after = used_up
    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    assert isinstance(authority.prove(ref), Pending)
    assert front.count("order-plz") == 2
    assert front.count("certZ") == 0


# One account for all customers


@pytest.fixture
def shared(desk, front):
    """Two orders that the server answers with one."""
    first = {}

    def reuse(exchange):
        if exchange.kind == "order-plz" and front.count("order-plz") < 3:
            if not first:
                first.update(content=exchange.content, location=exchange.headers["Location"])
            exchange.content, exchange.headers["Location"] = first["content"], first["location"]

    front.after = reuse
    authority = desk.authority(directory_url=front.directory_url)
    refs = [authority.submit(key, csr_for(WWW), [WWW], 90) for key in ("order 1", "order 2")]
    return authority, refs


def test_orders_that_share_a_proof_say_so(desk, shared):
    authority, refs = shared
    for ref in refs:
        assert isinstance(authority.prove(ref), Pending)
    assert proved(desk, authority, refs[0]) == Proved(("order 2",), kinds=("http-01",))
    assert proved(desk, authority, refs[1]) == Proved(("order 1",), kinds=("http-01",))


def test_a_proof_that_was_shared_stays_shared_when_the_other_order_is_replaced(desk, front, shared):
    authority, refs = shared
    for ref in refs:
        authority.prove(ref)
    reuse, first = front.after, desk.row(refs[1]).order_url

    def forget_for_one(exchange):
        if first.endswith(exchange.path):
            exchange.refuse(404, "malformed", "No such order")

    front.before = forget_for_one
    desk.clock.forward(timedelta(hours=2))
    authority.prove(refs[1])
    assert desk.row(refs[1]).order_url != first
    front.before, front.after = lambda _: None, reuse
    assert proved(desk, authority, refs[0]) == Proved(("order 2",), kinds=("http-01",))


def test_what_the_server_takes_for_proved_without_having_asked_is_told_apart(desk, front):
    def know_it_already(exchange):
        if exchange.kind == "my-order" and exchange.document["status"] == "pending":
            exchange.answer(200, exchange.document | {"status": "ready"})
        if exchange.kind == "authZ":
            exchange.answer(200, exchange.document | {"status": "valid"})

    front.after = know_it_already
    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    assert authority.prove(ref) == Proved(assumed=True)
    with Session(desk.engine) as session:
        assert shown_proof(session, "order 1").proved == ((WWW, None),)
