"""How much a request may bring along, asked of the server that serves the pages in earnest."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from processes import ROOT, environment, eventually, free_ports
from shop import Shop, test_settings

from webapp.serve import commands

FORM = "Content-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture(scope="module")
def port(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The pages, served by the command that serves them; the value is the port."""
    folder = tmp_path_factory.mktemp("limits")
    (folder / "desk.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    port, live_port = free_ports(2)
    settings = test_settings(f"sqlite:///{folder / 'desk.sqlite3'}", folder / "data")
    settings = replace(settings, port=port, live_port=live_port, web_workers=1)
    process = subprocess.Popen(commands(settings)["web"], env=environment(settings), cwd=ROOT, start_new_session=True)
    try:
        eventually(lambda: answers(port), 60)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def answers(port: int) -> bool:
    try:
        return ask(port, "GET /healthz HTTP/1.1") == 200
    except OSError:
        return False


def ask(port: int, line: str, more: str = "", body: str = "", host: str = "127.0.0.1") -> int:
    """Send a request and return the status; a server that only hangs up has answered 0."""
    head = f"{line}\r\nHost: {host}:{port}\r\nConnection: close\r\n{more}\r\n"
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        try:
            connection.sendall((head + body).encode("latin-1"))
            while chunk := connection.recv(65536):
                answer += chunk
        except ConnectionError:
            # It has answered and closed while the rest was on its way.
            pass
    return int(answer.split()[1]) if answer else 0


@pytest.mark.parametrize(
    ("line", "more", "status"),
    [
        ("GET /healthz HTTP/1.1", f"Cookie: a={'x' * 8_000}\r\n", 200),
        ("GET /healthz HTTP/1.1", f"Cookie: a={'x' * 300_000}\r\n", 431),
        ("GET /healthz HTTP/1.1", f"Cookie: a={'x' * 2_000_000}\r\n", 431),
        ("GET /healthz HTTP/1.1", "".join(f"X-{number}: 1\r\n" for number in range(101)), 431),
        (f"GET /{'a' * 300_000} HTTP/1.1", "", 431),
        (f"GET /{'a' * 65_600} HTTP/1.1", "", 414),
        ("GET /healthz HTTP/1.1", "X: a\0b\r\n", 400),
        ("POST /sign-in HTTP/1.1", "Content-Length: x\r\n", 400),
        ("POST /sign-in HTTP/1.1", "Content-Length: 1\r\nContent-Length: 2\r\n", 400),
        ("PRI * HTTP/2.0", "", 400),
        ("GET /sign-in HTTP/1.1", "Host: evil.example.com\r\n", 400),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_comes_before_a_body_is_limited(port: int, line: str, more: str, status: int) -> None:
    answer = ask(port, line, more)
    # It answers and hangs up while we still send, and what was under way then takes the answer along (TCP reset).
    assert answer == status or (len(line + more) > 200_000 and answer == 0)
    assert answers(port)


def test_a_body_is_limited_whether_it_says_its_length_or_not(port: int) -> None:
    much = "a" * 300_000
    assert ask(port, "POST /sign-in HTTP/1.1", f"{FORM}Content-Length: {len(much)}\r\n", much) in (413, 0)
    chunks = f"{len(much):x}\r\n{much}\r\n0\r\n\r\n"
    assert ask(port, "POST /sign-in HTTP/1.1", f"{FORM}Transfer-Encoding: chunked\r\n", chunks) in (400, 413, 0)
    assert answers(port)


def test_another_name_than_the_desks_is_refused(port: int) -> None:
    assert ask(port, "GET /sign-in HTTP/1.1", host="evil.example.com") == 400
    assert ask(port, "GET /sign-in HTTP/1.1", host="localhost") == 200


def test_a_form_has_a_limited_number_of_parts(shop: Shop) -> None:
    parts = {f"field-{number}": "x" for number in range(101)}
    client = shop.browser(shop.alice).client
    answer = client.post("/account/preferences", data=parts, content_type="multipart/form-data")
    assert answer.status_code == 413
