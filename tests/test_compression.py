"""Compressed answers, and what a visit costs to send: bytes are counted, so they can be held to."""

import gzip
import re
from datetime import timedelta

import pytest
from shop import Shop

from certlifecycle import State
from webapp.certificates.queries import PAGE_SIZE
from webapp.compression import LONGEST_PADDING, SMALLEST, packed

GZIP = {"Accept-Encoding": "gzip"}
KILOBYTE = 1024


def test_a_page_is_sent_compressed_to_whoever_reads_that(shop: Shop) -> None:
    shop.order()
    client = shop.browser(shop.alice).client
    plain = client.get("/certificates")
    assert "Content-Encoding" not in plain.headers
    assert "Accept-Encoding" in plain.vary
    sent = client.get("/certificates", headers=GZIP)
    assert sent.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in sent.vary
    assert int(sent.headers["Content-Length"]) == len(sent.data) < len(plain.data) / 3
    assert b"www.example.com" in gzip.decompress(sent.data)
    assert "Content-Encoding" not in client.get("/certificates", headers={"Accept-Encoding": "gzip;q=0"}).headers


def test_a_fragment_that_has_not_changed_is_known_again_compressed_or_not(shop: Shop) -> None:
    for number in range(5):
        shop.order(domain=f"n{number}.example.com")
    client = shop.browser(shop.alice).client
    htmx = {"HX-Request": "true"}
    sent = client.get("/certificates", headers=GZIP | htmx)
    assert sent.headers["Content-Encoding"] == "gzip"
    tag = sent.headers["ETag"]
    assert tag.startswith("W/")
    for accepted in (GZIP, {}):
        again = client.get("/certificates", headers=accepted | htmx | {"If-None-Match": tag})
        assert (again.status_code, again.data) == (304, b"")


def test_our_own_files_are_compressed_and_kept_by_browsers(shop: Shop) -> None:
    client = shop.browser().client
    plain = client.get("/static/desk.css", buffered=True)
    sent = client.get("/static/desk.css", headers=GZIP, buffered=True)
    assert gzip.decompress(sent.data) == plain.data
    assert "immutable" in sent.headers["Cache-Control"]
    same = client.get("/static/desk.css", headers=GZIP | {"If-None-Match": sent.headers["ETag"]}, buffered=True)
    assert same.status_code == 304
    part = client.get("/static/desk.css", headers=GZIP | {"Range": "bytes=0-9"}, buffered=True)
    assert (part.status_code, part.data) == (206, plain.data[:10])
    assert client.get("/static/nothing.css", headers=GZIP, buffered=True).status_code == 404


def test_what_is_small_or_no_text_is_sent_as_it_is(shop: Shop) -> None:
    shop.certificate_in(State.ISSUED)
    client = shop.browser().client
    small = client.get("/healthz", headers=GZIP)
    assert len(small.data) < SMALLEST
    assert "Content-Encoding" not in small.headers
    crl = client.get("/ca/issuing.crl", headers=GZIP)
    assert "Content-Encoding" not in crl.headers
    assert client.head("/sign-in", headers=GZIP).data == b""


def test_the_length_of_a_compressed_page_says_nothing_exact(shop: Shop) -> None:
    body = shop.browser().client.get("/sign-in").data
    made = [packed(body) for _ in range(64)]
    assert all(gzip.decompress(one) == body for one in made)
    lengths = {len(one) for one in made}
    assert len(lengths) > 10
    assert max(lengths) - min(lengths) < LONGEST_PADDING


@pytest.mark.parametrize("state", [State.PENDING, State.REVOKED])
def test_a_full_list_is_under_eight_kilobytes(shop: Shop, state: State) -> None:
    for number in range(PAGE_SIZE + 1):
        shop.clock.advance(minutes=1)
        shop.certificate_in(state, domain=f"host-{number}.department.example.com")
    tab = "unsigned" if state is State.PENDING else "signed"
    for person in (shop.alice, shop.rita):
        sent = shop.browser(person).client.get(f"/certificates?tab={tab}", headers=GZIP)
        assert gzip.decompress(sent.data).count(b'scope="row"') == PAGE_SIZE
        assert len(sent.data) < 8 * KILOBYTE


def test_a_first_visit_is_under_a_hundred_kilobytes(shop: Shop) -> None:
    """The page and everything that it loads, as a browser with nothing kept is sent them."""
    states = [state for state in State if state is not State.PENDING]
    for number in range(PAGE_SIZE):
        certificate = shop.certificate_in(states[number % len(states)], domain=f"host-{number}.example.com")
    shop.clock.now += timedelta(minutes=1)
    refund = shop.refund_of(shop.certificate_in(State.REFUNDED))
    for person, addresses in {
        shop.alice.id: ("/", "/certificates", f"/certificates/{certificate.id}", f"/refunds/{refund.id}"),
        shop.rita.id: ("/review", "/certificates", "/figures"),
    }.items():
        client = shop.browser(shop.alice if person == shop.alice.id else shop.rita).client
        for address in addresses:
            page = client.get(address, headers=GZIP)
            text = gzip.decompress(page.data).decode()
            # An icon's address has the name of one picture behind it; the file is loaded once.
            loaded = set(re.findall(r'(?:href|src)="(/static/[^"#]+)', text))
            assert any(".css" in one for one in loaded)
            sent = {one: len(client.get(one, headers=GZIP).data) for one in loaded}
            assert len(page.data) + sum(sent.values()) < 100 * KILOBYTE, (address, sent)
