"""Fetch one small file from a customer's web server without being led anywhere else by it.

The addresses come from the customer, so each is judged first (:mod:`webapp.domaincontrol.addresses`) and the connection
goes to that very address: no name is resolved a second time. No redirects, no proxies, no decompression; size and total
time are bounded, however slowly the server speaks.
"""

import io
import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse, responses
from typing import cast

from webapp.certificates.names import shown
from webapp.domaincontrol.addresses import IpAddress, why_refused
from webapp.domaincontrol.dns import Deadline
from webapp.retelling import stored

PORT = 80
"""An authorized port of the Baseline Requirements, section 1.6.1, and the one that the instructions name."""
_LONGEST_BODY = 1024
_LONGEST_ANSWER = 32 * 1024
"""Header fields included."""
_CONNECT_SECONDS = 5.0

Dial = Callable[[IpAddress, int, float], socket.socket]
"""Connects to exactly this address and port within so many seconds; raises :class:`OSError`."""


class TooLong(Exception):
    """The server sends more than the file can hold."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of asking. ``reached`` says that a server was connected to, so that no other address need be tried."""

    body: bytes | None
    words: str
    reached: bool = True


def dial(address: IpAddress, port: int, seconds: float) -> socket.socket:
    """Open a TCP connection to an address; nothing is resolved."""
    connection = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.connect((str(address), port))
    except OSError:
        connection.close()
        raise
    return connection


@dataclass(frozen=True, slots=True)
class Visitor:
    """How web servers are visited. ``seconds`` bound one look, whatever the number of addresses.

    ``allow_loopback`` and another ``port`` are for tests.
    """

    seconds: float = 10.0
    port: int = PORT
    allow_loopback: bool = False
    dial: Dial = dial

    def fetch(self, domain: str, path: str, addresses: Sequence[str], deadline: Deadline) -> Visit:
        """Ask the first of these addresses that can be connected to for a file of the domain.

        Addresses that are not public are left out. Never raises for what the server or the network does.
        """
        visit = Visit(None, stored("{domain} has no IP address.", domain=domain), reached=False)
        for text in addresses:
            address = ipaddress.ip_address(text)
            refused = why_refused(address, allow_loopback=self.allow_loopback)
            if refused is not None:
                words = stored(
                    "{domain} points to {address}, which is {kind}. Only public addresses are visited.",
                    domain=domain,
                    address=address,
                    kind=refused,
                )
                visit = Visit(None, words, reached=False)
                continue
            visit = self._ask(domain, path, address, deadline)
            if visit.reached:
                return visit
        return visit

    def _ask(self, domain: str, path: str, address: IpAddress, deadline: Deadline) -> Visit:
        wait = min(_CONNECT_SECONDS, deadline.left)
        if not wait:
            return Visit(
                None, stored("The web server of {domain} did not answer in time.", domain=domain), reached=False
            )
        try:
            connection = self.dial(address, self.port, wait)
        except OSError:
            words = stored(
                "No web server of {domain} can be reached at {address}, port {port}.",
                domain=domain,
                address=address,
                port=self.port,
            )
            return Visit(None, words, reached=False)
        with connection:
            try:
                return _exchange(connection, domain, path, deadline)
            except TimeoutError:
                return Visit(None, stored("The web server of {domain} did not answer in time.", domain=domain))
            except TooLong:
                words = stored(
                    "The web server of {domain} sends more than the file should hold: the value only.", domain=domain
                )
                return Visit(None, words)
            except OSError:
                return Visit(None, stored("The web server of {domain} broke the connection off.", domain=domain))
            except (HTTPException, ValueError):
                words = stored(
                    "What answers at {address}, port {port}, does not speak proper HTTP.",
                    address=address,
                    port=self.port,
                )
                return Visit(None, words)


def _exchange(connection: socket.socket, domain: str, path: str, deadline: Deadline) -> Visit:
    request = (
        f"GET {path} HTTP/1.1\r\n"
        f"Host: {domain}\r\n"
        "User-Agent: certificate-desk domain control\r\n"
        "Accept: text/plain, */*\r\n"
        # A compressed answer is never unpacked: it simply is not the value.
        "Accept-Encoding: identity\r\n"
        "Connection: close\r\n\r\n"
    )
    connection.settimeout(max(deadline.left, 0.001))
    connection.sendall(request.encode("ascii"))
    response = HTTPResponse(cast(socket.socket, _Source(connection, deadline)), method="GET")
    try:
        response.begin()
        if response.status != HTTPStatus.OK:
            return Visit(None, _other_status(domain, response))
        body = response.read(_LONGEST_BODY + 1)
    finally:
        response.close()
    if len(body) > _LONGEST_BODY:
        raise TooLong
    return Visit(body, "")


def _other_status(domain: str, response: HTTPResponse) -> str:
    # The server's own phrase is not repeated: it could say anything.
    said = f"{response.status} {responses.get(response.status, '')}".rstrip()
    if 300 <= response.status < 400:
        there = shown(response.getheader("Location") or "", 80)
        if not there:
            return stored(
                "The web server of {domain} answered {said}. "
                "Redirects are not followed: serve the file itself at this address.",
                domain=domain,
                said=said,
            )
        return stored(
            "The web server of {domain} answered {said} and sends us to “{there}”. "
            "Redirects are not followed: serve the file itself at this address.",
            domain=domain,
            said=said,
            there=there,
        )
    if response.status == HTTPStatus.NOT_FOUND:
        return stored(
            "The web server of {domain} answered {said}: the file is not there yet.", domain=domain, said=said
        )
    return stored("The web server of {domain} answered {said}.", domain=domain, said=said)


class _Source:
    """A connection as :class:`http.client.HTTPResponse` reads from it."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._reader = _BoundedReader(connection, deadline)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """The bounded stream of what the server sends."""
        return io.BufferedReader(self._reader)


class _BoundedReader(io.RawIOBase):
    """Reads until the deadline and the longest answer, and not beyond.

    A socket's own time-out starts anew with every byte, so that a server which sends one now and then would never be
    done with.
    """

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline
        self._left = _LONGEST_ANSWER

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # RawIOBase names a wider buffer type
        """Read some bytes; raises :class:`TimeoutError` and :class:`TooLong`."""
        seconds = self._deadline.left
        if not seconds:
            raise TimeoutError
        if not self._left:
            raise TooLong
        self._connection.settimeout(seconds)
        count = self._connection.recv_into(buffer, min(len(buffer), self._left))
        self._left -= count
        return count
