"""Fetching the file: from the address that was judged, from nowhere else, and never for long."""

import gzip
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest
from test_domaincontrol_addresses import PUBLIC, REFUSED
from webserver import WebServer, web_server

from webapp.domaincontrol.addresses import IpAddress
from webapp.domaincontrol.dns import Deadline
from webapp.domaincontrol.http import PORT, Visit, Visitor, dial

DOMAIN = "www.example.com"
PATH = "/.well-known/pki-validation/0123.txt"


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


@dataclass
class Detour:
    """Keeps every address that is dialled, and leads to a server of the test's own instead."""

    server: WebServer
    dialled: list[str] = field(default_factory=list)
    dead: tuple[str, ...] = ()

    def __call__(self, address: IpAddress, port: int, seconds: float) -> socket.socket:
        assert port == PORT
        self.dialled.append(str(address))
        if str(address) in self.dead:
            raise ConnectionRefusedError
        return dial(ip_address(self.server.address), self.server.port, seconds)


def fetch(server: WebServer, *addresses: str, seconds: float = 10) -> Visit:
    visitor = Visitor(port=server.port, allow_loopback=True)
    return visitor.fetch(DOMAIN, PATH, addresses or (server.address,), Deadline(seconds))


def test_the_file_is_fetched_plainly(server: WebServer) -> None:
    server.serve(PATH, "the value\n")
    assert fetch(server) == Visit(b"the value\n", "")
    (request,) = server.requests
    assert (request.method, request.path) == ("GET", PATH)
    assert request.headers["host"] == DOMAIN
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["connection"] == "close"
    assert not {"cookie", "authorization", "referer"} & set(request.headers)


def test_the_file_is_fetched_over_ipv6_as_well() -> None:
    try:
        running = WebServer("::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    try:
        running.serve(PATH, "the value")
        assert fetch(running).body == b"the value"
    finally:
        running.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nthe \r\n5\r\nvalue\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nthe value",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Fine\r\nContent-Length: 9\r\n\r\nthe value and more",
    ],
    ids=["chunked", "HTTP/1.0", "100 Continue"],
)
def test_any_way_of_sending_it_is_understood(server: WebServer, raw: bytes) -> None:
    server.behave(PATH, lambda _server, connection: connection.sendall(raw))
    assert fetch(server).body == b"the value"


# Where it goes


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_public_is_not_even_dialled(server: WebServer, address: str) -> None:
    server.serve(PATH, "the value")
    detour = Detour(server)
    visit = Visitor(dial=detour).fetch(DOMAIN, PATH, (address,), Deadline(5))
    assert (visit.body, visit.reached) == (None, False)
    assert f"which is {REFUSED[address]}" in visit.words
    assert (detour.dialled, server.connections) == ([], 0)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_dialled_by_its_very_address(server: WebServer, address: str) -> None:
    server.serve(PATH, "the value")
    detour = Detour(server)
    assert Visitor(dial=detour).fetch(DOMAIN, PATH, (address,), Deadline(5)).body == b"the value"
    assert detour.dialled == [address]


def test_private_addresses_among_public_ones_are_left_out(server: WebServer) -> None:
    server.serve(PATH, "the value")
    detour = Detour(server, dead=("1.1.1.1",))
    addresses = ("10.0.0.1", "1.1.1.1", "127.0.0.1", "9.9.9.9", "8.8.8.8")
    assert Visitor(dial=detour).fetch(DOMAIN, PATH, addresses, Deadline(5)).body == b"the value"
    # The first that can be connected to decides.
    assert detour.dialled == ["1.1.1.1", "9.9.9.9"]


def test_redirects_are_told_and_not_followed(server: WebServer) -> None:
    with web_server() as inside:
        inside.serve("/secret", "the value")
        for status in ("301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"):
            server.redirect(PATH, f"http://{inside.address}:{inside.port}/secret", status)
            visit = fetch(server)
            assert visit.body is None
            assert f"answered {status[:3]}" in visit.words
            assert f"sends us to “http://{inside.address}:{inside.port}/secret”" in visit.words
            assert "serve the file itself at this address" in visit.words
        assert inside.connections == 0
    assert len(server.requests) == 5


def test_proxies_of_the_environment_are_not_used(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.serve(PATH, "the value")
    with web_server() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{proxy.address}:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert fetch(server).body == b"the value"
        assert proxy.connections == 0


def test_a_domain_without_addresses_is_told(server: WebServer) -> None:
    assert Visitor().fetch(DOMAIN, PATH, (), Deadline(5)) == Visit(None, f"{DOMAIN} has no IP address.", False)


def test_nobody_at_home_is_told() -> None:
    with socket.socket() as taken:
        # Bound and not listening: connecting is refused, and nobody else can get the port.
        taken.bind(("127.0.0.1", 0))
        visitor = Visitor(port=taken.getsockname()[1], allow_loopback=True)
        visit = visitor.fetch(DOMAIN, PATH, ("127.0.0.1",), Deadline(5))
    assert visit.words.startswith(f"No web server of {DOMAIN} can be reached at 127.0.0.1, port ")
    assert not visit.reached


# How long, and how much

SLOW = 0.6


def timed(server: WebServer) -> Visit:
    began = time.monotonic()
    visit = fetch(server, seconds=SLOW)
    assert time.monotonic() - began < SLOW + 2
    return visit


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3",
    ],
    ids=["at once", "status line", "header", "body", "body without length", "chunk size"],
)
def test_a_drip_ends_in_time_wherever_it_begins(server: WebServer, start: bytes) -> None:
    server.drip(PATH, 0.05, start)
    assert timed(server).words == f"The web server of {DOMAIN} did not answer in time."


def test_silence_ends_in_time(server: WebServer) -> None:
    server.fall_silent(PATH)
    assert timed(server).words == f"The web server of {DOMAIN} did not answer in time."


def test_several_slow_addresses_take_no_longer_than_one(server: WebServer) -> None:
    """The deadline is that of the look, not of each address."""
    began = time.monotonic()

    def slow(address: IpAddress, port: int, seconds: float) -> socket.socket:
        time.sleep(min(seconds, 0.25))
        raise TimeoutError

    visitor = Visitor(dial=slow)
    visit = visitor.fetch(DOMAIN, PATH, ("1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"), Deadline(SLOW))
    assert time.monotonic() - began < SLOW + 2
    assert visit.words == f"The web server of {DOMAIN} did not answer in time."


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 200 OK\r\nX-Long: ",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n",
    ],
    ids=["body", "body with length", "status line", "header", "chunk"],
)
def test_a_flood_is_cut_off(server: WebServer, start: bytes) -> None:
    server.flood(PATH, start)
    visit = fetch(server)
    assert visit.body is None
    assert visit.words == f"The web server of {DOMAIN} sends more than the file should hold: the value only."


@pytest.mark.parametrize(("size", "fits"), [(1024, True), (1025, False)])
def test_the_size_of_the_file_is_bounded(server: WebServer, size: int, fits: bool) -> None:
    server.serve(PATH, "x" * size)
    assert (fetch(server).body is not None) is fits


def test_a_compressed_answer_is_not_unpacked(server: WebServer) -> None:
    bomb = gzip.compress(b"0" * 500_000)
    assert len(bomb) < 1024
    server.serve(PATH, bomb, Content_Encoding="gzip")
    assert fetch(server).body == bomb


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/9 x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\xff\xfe\x00",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        b"",
    ],
    ids=["ssh", "version", "chunks", "bytes", "many headers", "endless continue", "nothing"],
)
def test_what_is_not_http_is_told(server: WebServer, raw: bytes) -> None:
    server.behave(PATH, lambda _server, connection: connection.sendall(raw))
    visit = fetch(server)
    assert visit.body is None
    assert visit.words.isprintable()
    assert any(part in visit.words for part in ("does not speak proper HTTP", "broke the connection off", "sends more"))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("404 Gone fishing", "answered 404 Not Found: the file is not there yet."),
        ("403 Forbidden", "answered 403 Forbidden."),
        ("500 <script>", "answered 500 Internal Server Error."),
        ("204 No Content", "answered 204 No Content."),
        ("206 Partial Content", "answered 206 Partial Content."),
        ("799 Strange", "answered 799."),
        ("304 Not Modified", "answered 304 Not Modified. Redirects are not followed"),
    ],
)
def test_other_answers_are_told_in_known_words(server: WebServer, status: str, words: str) -> None:
    server.serve(PATH, "the value", status)
    visit = fetch(server)
    assert visit.body is None
    assert words in visit.words


def test_an_odd_place_to_go_is_shown_safely(server: WebServer) -> None:
    server.redirect(PATH, "http://\x07\x1b[2J" + "x" * 500)
    words = fetch(server).words
    assert words.isprintable()
    assert len(words) < 300
