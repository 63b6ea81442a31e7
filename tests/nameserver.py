"""A real DNS server on a free loopback port, for tests: UDP and TCP, with answers that can be set and faults.

It plays the recursive resolver that the desk asks: it follows its own aliases, unless it is told to leave that to
whoever asks. A name that nothing was set for does not exist.
"""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdatatype import RdataType

from webapp.domaincontrol.dns import Nameserver

Key = tuple[str, RdataType]


@dataclass
class NameServer:
    """The server. ``asked`` keeps every question as (name, type, "udp" or "tcp"), in their order."""

    port: int = 0
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    truncates: bool = False
    """Whether answers over UDP are cut off, so that the asker has to come again over TCP."""
    chases: bool = True
    """Whether aliases are followed."""

    def __post_init__(self) -> None:
        self._answers: dict[Key, list[list[dns.rdata.Rdata]]] = {}
        self._rcodes: dict[Key, list[dns.rcode.Rcode]] = {}
        self._delays: dict[Key, float] = {}
        self._raw: dict[Key, bytes] = {}
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._udp, self._tcp = _two_sockets()
        self.port = self._udp.getsockname()[1]
        self._start(self._serve_udp)
        self._start(self._serve_tcp)

    @property
    def address(self) -> Nameserver:
        """Where the desk asks."""
        return Nameserver("127.0.0.1", self.port)

    # What it answers

    def put(self, name: str, kind: str, *records: str) -> None:
        """Set the records of a name, in the text form of zone files: ``put("example.com", "A", "192.0.2.1")``."""
        self._answers[_key(name, kind)] = [_read(kind, records)]

    def put_txt(self, name: str, *values: bytes) -> None:
        """Set TXT records from bytes of any kind, each split into the character strings that it needs."""
        records = []
        for value in values:
            parts = [value[start : start + 255] for start in range(0, len(value), 255)] or [b""]
            wire = b"".join(bytes([len(part)]) + part for part in parts)
            records.append(dns.rdata.from_wire(dns.rdataclass.IN, RdataType.TXT, wire, 0, len(wire)))
        self._answers[_key(name, "TXT")] = [records]

    def then(self, name: str, kind: str, *records: str) -> None:
        """Set what comes after the answers so far: each is given once, the last one for ever."""
        self._answers.setdefault(_key(name, kind), []).append(_read(kind, records))

    def take_away(self, name: str, kind: str) -> None:
        """Remove the records of a name."""
        self._answers.pop(_key(name, kind), None)

    def fail(self, name: str, kind: str, *rcodes: str) -> None:
        """Answer with these errors, one after the other and the last one for ever; ``NOERROR`` gives the records."""
        self._rcodes[_key(name, kind)] = [dns.rcode.from_text(text) for text in rcodes]

    def delay(self, name: str, kind: str, seconds: float) -> None:
        """Answer only after so long; for ever when that is longer than the test."""
        self._delays[_key(name, kind)] = seconds

    def garble(self, name: str, kind: str, rdata: bytes) -> None:
        """Answer with one record of these very bytes, whether or not they mean anything."""
        self._raw[_key(name, kind)] = rdata

    def questions(self, kind: str) -> list[str]:
        """The names that were asked for with this type, in their order."""
        return [name for name, asked, _ in self.asked if asked == kind]

    # Serving

    def close(self) -> None:
        """End the server and its threads."""
        self._closing.set()
        # Closing alone does not wake a thread that waits in accept() or recvfrom().
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knock:
            knock.sendto(b"", ("127.0.0.1", self.port))
        with socket.create_connection(("127.0.0.1", self.port)):
            pass
        for thread in list(self._threads):
            thread.join()
        self._udp.close()
        self._tcp.close()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _serve_udp(self) -> None:
        while not self._closing.is_set():
            wire, sender = self._udp.recvfrom(4096)
            if wire:
                self._start(self._answer_udp, wire, sender)

    def _answer_udp(self, wire: bytes, sender: tuple[str, int]) -> None:
        answer = self._answer(wire, "udp")
        if answer is not None:
            self._udp.sendto(answer, sender)

    def _serve_tcp(self) -> None:
        while True:
            connection, _ = self._tcp.accept()
            if self._closing.is_set():
                connection.close()
                return
            self._start(self._answer_tcp, connection)

    def _answer_tcp(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            head = stream.read(2)
            if len(head) < 2:
                return
            answer = self._answer(stream.read(struct.unpack("!H", head)[0]), "tcp")
            if answer is not None:
                connection.sendall(struct.pack("!H", len(answer)) + answer)

    def _answer(self, wire: bytes, over: str) -> bytes | None:
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        (question,) = query.question
        name, kind = question.name, question.rdtype
        key = (name.to_text().lower(), kind)
        self.asked.append((key[0].rstrip("."), dns.rdatatype.to_text(kind), over))
        if self._closing.wait(self._delays.get(key, 0.0)) and key in self._delays:
            return None
        response = dns.message.make_response(query, recursion_available=True)
        if over == "udp" and self.truncates:
            response.flags |= dns.flags.TC
            return response.to_wire()
        rcode = _next(self._rcodes.get(key, [dns.rcode.NOERROR]))
        if rcode != dns.rcode.NOERROR:
            response.set_rcode(rcode)
            return response.to_wire()
        if key in self._raw:
            return _with_record(response, name, kind, self._raw[key])
        self._fill(response, name, kind)
        answer = response.to_wire(max_size=65535)
        if over == "udp" and len(answer) > max(query.payload, 512):
            # More than the asker said it takes in one datagram (RFC 6891, section 6.2.3).
            response.flags |= dns.flags.TC
            response.answer.clear()
            return response.to_wire()
        return answer

    def _fill(self, response: dns.message.Message, name: dns.name.Name, kind: RdataType) -> None:
        seen: set[dns.name.Name] = set()
        while name not in seen:
            seen.add(name)
            found = self._answers.get((name.to_text().lower(), kind))
            if found is not None:
                response.answer.append(_rrset(name, _next(found)))
                return
            alias = self._answers.get((name.to_text().lower(), RdataType.CNAME))
            if alias is None:
                break
            response.answer.append(_rrset(name, alias[0]))
            if not self.chases:
                return
            name = alias[0][0].target  # type: ignore[attr-defined]
        if not any(dns.name.from_text(there).is_subdomain(name) for there, _ in self._answers):
            response.set_rcode(dns.rcode.NXDOMAIN)


@contextmanager
def name_server() -> Iterator[NameServer]:
    """A DNS server for as long as the block runs."""
    server = NameServer()
    try:
        yield server
    finally:
        server.close()


def _two_sockets() -> tuple[socket.socket, socket.socket]:
    """A UDP and a listening TCP socket on the same free port."""
    for _ in range(50):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        udp.bind(("127.0.0.1", 0))
        try:
            tcp.bind(udp.getsockname())
        except OSError:
            # Somebody else has this port for TCP.
            udp.close()
            tcp.close()
            continue
        tcp.listen()
        return udp, tcp
    raise OSError("no port is free for both UDP and TCP")


def _key(name: str, kind: str) -> Key:
    return dns.name.from_text(name).to_text().lower(), dns.rdatatype.from_text(kind)


def _read(kind: str, records: tuple[str, ...]) -> list[dns.rdata.Rdata]:
    return [dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), text) for text in records]


def _rrset(name: dns.name.Name, records: list[dns.rdata.Rdata]) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(name, 60, records)


def _next(items: list[object]) -> object:
    return items.pop(0) if len(items) > 1 else items[0]


def _with_record(response: dns.message.Message, name: dns.name.Name, kind: RdataType, rdata: bytes) -> bytes:
    """The response with one record appended by hand; the header's count of answers says so."""
    # Without the EDNS record, which has to come last.
    response.use_edns(False)
    wire = response.to_wire()
    record = name.to_wire() + struct.pack("!HHIH", kind, dns.rdataclass.IN, 60, len(rdata)) + rdata
    return wire[:6] + struct.pack("!H", 1) + wire[8:] + record
