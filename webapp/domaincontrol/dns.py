"""Questions to DNS resolvers: each asked by itself, in bounded time, every outcome told apart.

Several resolvers are asked the same and compared, so that one that was lied to, or that still remembers an old answer,
does not decide alone. DNSSEC is not validated here. A resolver that validates answers SERVFAIL for what does not
validate, and SERVFAIL never counts as an answer.
"""

import ipaddress
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdata
import dns.resolver
from dns.rdatatype import RdataType

from webapp.retelling import stored

LONGEST_CHAIN = 8
"""How many aliases in a row are followed."""
# The size that passes every path without fragments (DNS flag day 2020); longer answers come over TCP.
_EDNS_PAYLOAD = 1232
_UDP_SECONDS = 2.0
# The Baseline Requirements, section 3.2.2.8, ask for a second try before a look-up counts as failed.
_TRIES = 2

T = TypeVar("T")


class Deadline:
    """A point in time after which nothing is waited for any more."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, never below zero."""
        return max(0.0, self._end - time.monotonic())


class Outcome(StrEnum):
    """What became of a question."""

    FOUND = "found"
    NO_RECORD = "no_record"
    NO_NAME = "no_name"
    SERVFAIL = "servfail"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    ENDLESS = "endless"
    GARBLED = "garbled"
    IMPOSSIBLE = "impossible"

    @property
    def is_absence(self) -> bool:
        """Whether the DNS said for certain that there is no such record."""
        return self in (Outcome.NO_RECORD, Outcome.NO_NAME)


TROUBLE = {
    Outcome.NO_RECORD: stored("There is no such record"),
    Outcome.NO_NAME: stored("The name does not exist (NXDOMAIN)"),
    Outcome.SERVFAIL: stored(
        "The domain’s name servers answer with an error (SERVFAIL). Often they are down, or DNSSEC is broken"
    ),
    Outcome.REFUSED: stored("The name servers refuse to answer"),
    Outcome.TIMED_OUT: stored("No answer came in time"),
    Outcome.ENDLESS: stored("The aliases (CNAME) lead in a circle, or too far"),
    Outcome.GARBLED: stored("The answer could not be understood"),
    Outcome.IMPOSSIBLE: stored("The name is longer than DNS allows"),
}
"""Why there is no record, as the beginning of a sentence."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one resolver said. ``records`` are there exactly when the outcome is ``FOUND``."""

    outcome: Outcome
    records: tuple[dns.rdata.Rdata, ...] = ()


@dataclass(frozen=True, slots=True)
class Nameserver:
    """The IP address and port of a recursive resolver."""

    address: str
    port: int = 53


@dataclass(frozen=True, slots=True)
class Asking:
    """One resolver, for as long as ``deadline`` allows."""

    nameserver: Nameserver
    deadline: Deadline

    def ask(self, name: str, kind: RdataType) -> Answer:
        """Ask for the records of a name, following aliases. Never raises: every failure is an outcome."""
        try:
            target = dns.name.from_text(name)
        except dns.exception.DNSException:
            return Answer(Outcome.IMPOSSIBLE)
        for _ in range(LONGEST_CHAIN):
            found = self._persist(target, kind)
            if isinstance(found, Answer):
                return found
            # A resolver usually follows aliases by itself; this one left the rest to us.
            target = found
        return Answer(Outcome.ENDLESS)

    def _persist(self, target: dns.name.Name, kind: RdataType) -> Answer | dns.name.Name:
        found: Answer | dns.name.Name = Answer(Outcome.TIMED_OUT)
        for _ in range(_TRIES):
            if not self.deadline.left:
                break
            found = self._exchange(target, kind)
            if not isinstance(found, Answer) or found.outcome not in (Outcome.TIMED_OUT, Outcome.SERVFAIL):
                break
        return found

    def _exchange(self, target: dns.name.Name, kind: RdataType) -> Answer | dns.name.Name:
        query = dns.message.make_query(target, kind, use_edns=0, payload=_EDNS_PAYLOAD)
        where, port = self.nameserver.address, self.nameserver.port
        try:
            try:
                wait = min(_UDP_SECONDS, self.deadline.left)
                response = dns.query.udp(
                    query,
                    where,
                    wait,
                    port,
                    # What another sender, or the right one about something else, slips in is not an answer.
                    ignore_unexpected=True,
                    ignore_errors=True,
                    raise_on_truncation=True,
                )
            except dns.message.Truncated:
                response = dns.query.tcp(query, where, self.deadline.left, port)
        except (dns.exception.Timeout, OSError, EOFError):
            return Answer(Outcome.TIMED_OUT)
        except dns.exception.DNSException:
            return Answer(Outcome.GARBLED)
        return _read(response)


def _read(response: dns.message.Message) -> Answer | dns.name.Name:
    """The answer in a response, or the name at which an alias asks to go on."""
    rcode = response.rcode()
    if rcode == dns.rcode.SERVFAIL:
        return Answer(Outcome.SERVFAIL)
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return Answer(Outcome.REFUSED)
    if not isinstance(response, dns.message.QueryMessage):
        return Answer(Outcome.GARBLED)
    try:
        chain = response.resolve_chaining()
    except dns.message.ChainTooLong:
        return Answer(Outcome.ENDLESS)
    except dns.exception.DNSException:
        return Answer(Outcome.GARBLED)
    if chain.answer is not None:
        return Answer(Outcome.FOUND, tuple(chain.answer))
    if rcode == dns.rcode.NXDOMAIN:
        return Answer(Outcome.NO_NAME)
    return chain.canonical_name if chain.cnames else Answer(Outcome.NO_RECORD)


class Resolvers:
    """Several resolvers that are asked at the same time.

    ``quorum`` is how many of them must see the same before it counts; ``None`` means all. ``seconds`` bound the time
    for one piece of work. Raises :class:`ValueError` for an empty list or a quorum that cannot be reached.
    """

    def __init__(self, nameservers: Sequence[Nameserver], *, quorum: int | None = None, seconds: float = 10.0) -> None:
        self.nameservers = tuple(nameservers)
        self.quorum = len(self.nameservers) if quorum is None else quorum
        self.seconds = seconds
        if not 1 <= self.quorum <= len(self.nameservers):
            raise ValueError(f"a quorum of {self.quorum} among {len(self.nameservers)} resolvers is not possible")

    def each(self, work: Callable[[Asking], T]) -> list[T]:
        """Do the same work with each resolver at the same time; the answers come in the resolvers' order."""
        deadline = Deadline(self.seconds)
        with ThreadPoolExecutor(len(self.nameservers)) as pool:
            return list(pool.map(lambda one: work(Asking(one, deadline)), self.nameservers))


def system_nameservers() -> tuple[Nameserver, ...]:
    """The resolvers that this machine is set up with. Raises :class:`ValueError` when there are none."""
    try:
        found = dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration as missing:
        raise ValueError("this machine is set up with no DNS resolver") from missing
    return tuple(Nameserver(str(address), found.port) for address in found.nameservers)


def read_nameservers(text: str) -> tuple[Nameserver, ...]:
    """Read ``192.0.2.53, 192.0.2.54:5353, [2001:db8::53]:5353``. Raises :class:`ValueError` with what is wrong."""
    return tuple(_read_nameserver(one.strip()) for one in text.split(",") if one.strip())


def _read_nameserver(text: str) -> Nameserver:
    host, port = text, "53"
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or "53"
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        address = str(ipaddress.ip_address(host))
    except ValueError:
        raise ValueError(f"{text!r} is not the IP address of a resolver") from None
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ValueError(f"{text!r} has no port between 1 and 65535")
    return Nameserver(address, int(port))
