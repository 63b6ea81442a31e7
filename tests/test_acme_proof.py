"""Proving control of names to an ACME server: what is asked, what is looked at, when the server is told."""

from datetime import timedelta

import pytest
from acme_support import PAUSE, Credulous, RealLook, csr_for
from sqlmodel import Session

from webapp.authorities.acme_account import load_or_create_account_key, thumbprint
from webapp.authorities.acme_orders import awaited_challenges
from webapp.authorities.port import (
    Failed,
    Issued,
    Pending,
    Processing,
)

pytest_plugins = ["acme_fixtures"]

WWW = "www.example.com"
WILDCARD = ("*.example.org", "example.org")


def test_the_customer_is_told_where_to_publish_what(desk):
    authority = desk.authority()
    progress = authority.advance(authority.submit("order 1", csr_for(WWW), [WWW], 90))
    http, dns = progress.challenges
    assert (http.kind, http.domain) == ("http-01", WWW)
    assert http.location.startswith(f"http://{WWW}/.well-known/acme-challenge/")
    account_key = load_or_create_account_key(desk.folder / "acme")
    assert http.value == f"{http.location.rpartition('/')[2]}.{thumbprint(account_key)}"
    assert (dns.kind, dns.domain, dns.location) == ("dns-01", WWW, f"_acme-challenge.{WWW}")
    assert len(dns.value) == 43
    assert not http.seen
    assert http.finding == f"Nothing useful at {http.location} yet."
    assert http.checked_at == desk.clock()


def test_a_wildcard_is_proved_by_dns_only_and_its_domain_either_way(desk):
    authority = desk.authority()
    ref = authority.submit("order 1", csr_for(*WILDCARD), WILDCARD, 90)
    progress = authority.advance(ref)
    offered = {(one.domain, one.kind) for one in progress.challenges}
    assert offered == {("*.example.org", "dns-01"), ("example.org", "dns-01"), ("example.org", "http-01")}
    records = [one for one in progress.challenges if one.kind == "dns-01"]
    assert {one.location for one in records} == {"_acme-challenge.example.org"}
    assert len({one.value for one in records}) == 2
    assert isinstance(desk.run(lambda: authority, ref, "dns-01"), Issued)


def test_a_name_that_is_proved_disappears_from_what_is_asked(desk):
    authority = desk.authority()
    ref = authority.submit("order 1", csr_for(*WILDCARD), WILDCARD, 90)
    progress = authority.advance(ref)
    page = next(one for one in progress.challenges if one.kind == "http-01")
    desk.pebble.challenges.publish(page.kind, page.location, page.value)
    left = desk.run(lambda: authority, ref, "none", until=lambda progress: len(progress.challenges) == 1)
    assert [one.domain for one in left.challenges] == ["*.example.org"]


def test_the_server_is_told_only_of_what_our_own_look_has_seen(desk, front):
    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    progress = authority.advance(ref)
    for _ in range(3):
        desk.clock.forward(PAUSE)
        assert isinstance(authority.advance(ref), Pending)
    assert front.count("chalZ") == 0
    desk.publish(progress, "dns-01")
    desk.run(lambda: authority, ref, "none", until=lambda progress: isinstance(progress, Processing))
    assert front.count("chalZ") == 1
    assert isinstance(desk.run(lambda: authority, ref), Issued)
    assert front.count("chalZ") == 1


def test_while_the_customer_is_waited_for_the_server_is_left_in_peace(desk, front):
    look = RealLook(desk.pebble.challenges, desk.clock)
    authority = desk.authority(directory_url=front.directory_url, look=look)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    authority.advance(ref)
    asked, looked = len(front.seen), len(look.looks)
    for _ in range(10):
        desk.clock.forward(PAUSE)
        progress = authority.advance(ref)
        assert progress.challenges[0].checked_at == desk.clock()
    assert len(front.seen) == asked
    assert len(look.looks) == looked + 10 * 2
    desk.clock.forward(timedelta(hours=1))
    authority.advance(ref)
    assert len(front.seen) > asked


def test_a_name_that_was_proved_twice_over_does_not_keep_the_server_busy(desk, front):
    first_seen = {}

    def keep_what_is_not_needed_any_more(exchange):
        if exchange.kind == "authZ":
            known = first_seen.setdefault(exchange.path, {one["type"]: one for one in exchange.document["challenges"]})
            latest = {one["type"]: one for one in exchange.document["challenges"]}
            exchange.answer(200, exchange.document | {"challenges": list((known | latest).values())})

    front.after = keep_what_is_not_needed_any_more
    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(*WILDCARD), WILDCARD, 90)
    for challenge in authority.advance(ref).challenges:
        if challenge.domain == "example.org":
            desk.pebble.challenges.publish(challenge.kind, challenge.location, challenge.value)
    desk.run(lambda: authority, ref, "none", until=lambda progress: len(getattr(progress, "challenges", ())) == 1)
    authority.advance(ref)
    asked = len(front.seen)
    for _ in range(5):
        desk.clock.forward(PAUSE)
        assert isinstance(authority.advance(ref), Pending)
    assert len(front.seen) == asked


def test_pages_read_what_is_asked_from_the_database(desk):
    authority = desk.authority()
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    with Session(desk.engine) as session:
        assert awaited_challenges(session, "order 1") == ()
        assert awaited_challenges(session, "no such order") == ()
    progress = authority.advance(ref)
    with Session(desk.engine) as session:
        assert awaited_challenges(session, "order 1") == progress.challenges
    desk.run(lambda: authority, ref)
    with Session(desk.engine) as session:
        assert awaited_challenges(session, "order 1") == ()


def test_a_wrong_value_that_our_look_took_for_right_fails_the_order_in_words(desk):
    authority = desk.authority(look=Credulous(desk.clock))
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    progress = desk.run(lambda: authority, ref, "none")
    assert isinstance(progress, Failed)
    assert progress.reason.startswith(
        f"Control of {WWW} was not accepted. The certificate authority found something else"
    )
    assert "It says: “" in progress.reason
    assert progress.reason.endswith("Submit the certificate again: you then get a new value to publish.")
    assert authority.advance(ref) == progress


def test_a_second_try_after_a_failure_gets_a_new_value(desk):
    careless = desk.authority(look=Credulous(desk.clock))
    ref = careless.submit("order 1", csr_for(WWW), [WWW], 90)
    assert isinstance(desk.run(lambda: careless, ref, "none"), Failed)
    desk.issue(desk.authority(), "order 2", WWW)


def lapsed_order(exchange):
    if exchange.kind == "my-order":
        exchange.answer(exchange.status, exchange.document | {"status": "invalid"})


def forgotten_order(exchange):
    if exchange.kind == "my-order":
        exchange.refuse(404, "malformed", "No such order")


def lapsed_authorization(exchange):
    if exchange.kind == "authZ":
        exchange.answer(exchange.status, exchange.document | {"status": "expired"})


def forgotten_authorization(exchange):
    if exchange.kind == "authZ":
        exchange.refuse(404, "malformed", "Expired authorization")


@pytest.mark.parametrize(
    "tells",
    [lapsed_order, forgotten_order, lapsed_authorization, forgotten_authorization],
    ids=lambda one: one.__name__,
)
def test_an_order_that_lapsed_is_placed_again_however_the_server_tells(desk, front, tells):
    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    before = authority.advance(ref)

    def tell_until_replaced(exchange):
        if front.count("order-plz") < 2:
            tells(exchange)

    front.after = tell_until_replaced
    desk.clock.forward(timedelta(hours=2))
    after = desk.run(lambda: authority, ref, "none", until=lambda progress: isinstance(progress, Pending))
    assert {one.value for one in after.challenges}.isdisjoint(one.value for one in before.challenges)
    assert front.count("order-plz") == desk.row(ref).orders_placed == 2
    assert isinstance(desk.run(lambda: authority, ref), Issued)


def test_orders_are_not_placed_for_ever(desk, front):
    front.after = lapsed_order
    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    progress = desk.run(lambda: authority, ref)
    assert progress == Failed("The certificate authority was given the order 10 times and did not carry it out.")
    assert front.count("order-plz") == 10


def test_a_clock_that_is_wrong_loses_no_order(desk, front):
    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    authority.advance(ref)
    desk.clock.forward(timedelta(days=3))
    assert isinstance(desk.run(lambda: authority, ref), Issued)
    assert front.count("order-plz") == 1
