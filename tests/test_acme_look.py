"""Our own look at ACME challenges, over real name servers and web servers."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from acme_support import csr_for
from nameserver import NameServer, name_server
from webserver import WebServer, web_server

from webapp.authorities.acme_look import AcmeLook
from webapp.authorities.port import Challenge, Issued
from webapp.domaincontrol.dns import Nameserver, Resolvers
from webapp.domaincontrol.http import Visitor

pytest_plugins = ["acme_fixtures"]

WWW = "www.example.com"
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
PATH = "/.well-known/acme-challenge/abc"
VALUE = "abc.nPh6UU7eNL5-1gUuN5Jq2T43ZgyxqSl87fuEq-xDh-U"
PAGE = Challenge("http-01", WWW, f"http://{WWW}{PATH}", VALUE)
RECORD = Challenge("dns-01", WWW, f"_acme-challenge.{WWW}", "8Wydp6PjU-mQbu7GzqP0wnCVMV0PK0wU4Czbi2zeSi0")


@pytest.fixture
def names() -> Iterator[NameServer]:
    with name_server() as running:
        yield running


@pytest.fixture
def other_names() -> Iterator[NameServer]:
    with name_server() as running:
        yield running


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


def look(web, *names, quorum=None):
    resolvers = Resolvers([one.address for one in names], quorum=quorum, seconds=5)
    return AcmeLook(resolvers, Visitor(5, web.port, allow_loopback=True), lambda: NOW)


def test_a_record_is_seen_among_others(names, web):
    names.put(RECORD.location, "TXT", '"v=spf1 -all"', f'"{RECORD.value}"')
    found = look(web, names)(RECORD)
    assert (found.seen, found.checked_at) == (True, NOW)
    assert found.finding == f"The TXT record at _acme-challenge.{WWW} holds the right value."


def test_a_record_that_is_missing_or_wrong_is_told(names, web):
    assert look(web, names)(RECORD).finding == f"No TXT record at _acme-challenge.{WWW} yet."
    names.put(RECORD.location, "TXT", '"something else"')
    found = look(web, names)(RECORD)
    assert not found.seen
    assert found.finding.endswith("holds another value: “something else”.")


def test_a_record_in_quotes_that_were_typed_is_not_what_servers_accept(names, web):
    names.put_txt(RECORD.location, f'"{RECORD.value}"'.encode())
    assert not look(web, names)(RECORD).seen


def test_name_servers_in_trouble_are_told(names, web):
    names.fail(RECORD.location, "TXT", "SERVFAIL")
    assert "SERVFAIL" in look(web, names)(RECORD).finding


@pytest.mark.parametrize("body", [VALUE, f"{VALUE}\r\n", f"{VALUE} \t\n\n"])
def test_a_page_is_seen(names, web, body):
    names.put(WWW, "A", "127.0.0.1")
    web.serve(PATH, body)
    found = look(web, names)(PAGE)
    assert found.seen
    assert found.finding == f"The file on the web server of {WWW} holds the right value."


@pytest.mark.parametrize(
    ("body", "words"), [("", "holds nothing"), ("soon", "other text: “soon”"), (f" {VALUE}", "other text")]
)
def test_a_page_with_something_else_is_told(names, web, body, words):
    names.put(WWW, "A", "127.0.0.1")
    web.serve(PATH, body)
    found = look(web, names)(PAGE)
    assert not found.seen
    assert words in found.finding


def test_a_redirect_is_not_followed_and_told(names, web):
    names.put(WWW, "A", "127.0.0.1")
    web.redirect(PATH, f"https://{WWW}{PATH}")
    found = look(web, names)(PAGE)
    assert not found.seen
    assert "Redirects are not followed" in found.finding


def test_a_domain_without_an_address_and_one_that_points_inside_are_told(names, web):
    assert "has no address for a web server" in look(web, names)(PAGE).finding
    names.put(WWW, "A", "10.0.0.1")
    assert "Only public addresses are visited" in look(web, names)(PAGE).finding


def test_as_many_resolvers_as_the_quorum_must_see_it(names, other_names, web):
    names.put(RECORD.location, "TXT", f'"{RECORD.value}"')
    assert look(web, names, other_names, quorum=1)(RECORD).seen
    found = look(web, names, other_names)(RECORD)
    assert not found.seen
    assert found.finding == (
        f"1 of 2 resolvers led to the right value; the others do not yet. No TXT record at _acme-challenge.{WWW} yet."
    )


@pytest.mark.parametrize("kind", ["http-01", "dns-01"])
def test_a_certificate_by_a_real_look(desk, kind):
    servers = desk.pebble.challenges
    resolvers = Resolvers([Nameserver("127.0.0.1", servers.dns_port)], seconds=5)
    eyes = AcmeLook(resolvers, Visitor(5, servers.http_port, allow_loopback=True), desk.clock)
    authority = desk.authority(look=eyes)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    assert isinstance(desk.run(lambda: authority, ref, kind), Issued)
