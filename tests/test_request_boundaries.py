"""Where a request ends: what two servers could read differently is read as one request, refused, and the last one.

Sent past every client library to the server that the Procfile starts, each with a whole second request behind it.
"""

import re
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from processes import end, eventually, free_ports, start
from shop import test_settings

from webapp.migrating import release
from webapp.serve import commands

HOST = b"Host: 127.0.0.1\r\n"
NEXT = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /sign-in HTTP/1.1\r\n" + HOST
CHUNKS = b"0\r\n\r\n"


@pytest.fixture(scope="module")
def port(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where the pages are served as in earnest."""
    folder = tmp_path_factory.mktemp("served")
    port, live_port = free_ports(2)
    settings = test_settings(
        f"sqlite:///{folder / 'desk.sqlite3'}", folder, port=port, live_port=live_port, web_workers=1
    )
    release(settings)
    process = start(settings, *commands(settings)["web"][1:])
    try:
        eventually(lambda: answers(port), 120)
        yield port
    finally:
        end(process)


def answers(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10):
        return True
    return False


def status_lines(port: int, sent: bytes) -> list[bytes]:
    """The first lines of all answers until the server closes the connection, which it must."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(sent)
        heard = b""
        with suppress(ConnectionResetError):
            while part := connection.recv(65536):
                heard += part
    return re.findall(rb"HTTP/1\.[01] \d{3} [^\r]*", heard)


def test_two_requests_get_two_answers(port: int) -> None:
    """What comes behind a request in order is heard: so it would be below."""
    last = NEXT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    for first in (
        NEXT,
        NEXT[:-2] + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        NEXT[:-2] + b"Content-Length: 0\r\n\r\n",
    ):
        assert status_lines(port, first + last) == [b"HTTP/1.1 200 OK"] * 2


@pytest.mark.parametrize(
    "sent",
    [
        POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + CHUNKS,
        POST + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(NEXT),
        POST + b"Content-Length: 0, %d\r\n\r\n" % len(NEXT),
        POST + b"Content-Length: +0\r\n\r\n",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length : 0\r\n\r\n",
        POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKS,
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKS,
        POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n" + CHUNKS,
        POST + b"Name: value\r\n Transfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        POST + b"Transfer-Encoding: chunked\r\n\r\n0;a\nb\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff0\r\n\r\n",
        POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        b"GET /sign-in\x00 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET  /sign-in HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /sign-in HTTP/1.1\r\n" + HOST + b"Name: \x00\r\n\r\n",
    ],
)
def test_what_could_end_in_two_places_is_refused_and_nothing_behind_it_is_heard(port: int, sent: bytes) -> None:
    assert status_lines(port, sent + NEXT) == [b"HTTP/1.1 400 Bad Request"]


def test_of_two_hosts_none_counts(port: int) -> None:
    two = b"GET /sign-in HTTP/1.1\r\n" + HOST + b"Host: www.example.com\r\nConnection: close\r\n\r\n"
    assert status_lines(port, two) == [b"HTTP/1.1 400 Bad Request"]
    assert status_lines(port, two.replace(b"Host: www.example.com\r\n", b"")) == [b"HTTP/1.1 200 OK"]
