"""Our own look at what an ACME server wants to see published, with the means of the domain control.

It is as strict as servers are (RFC 8555, sections 8.3 and 8.4), and stricter about redirects, which some follow:
a value that is seen here is one that they accept.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from dns.rdatatype import RdataType
from dns.rdtypes.ANY.TXT import TXT

from webapp.authorities.port import Challenge, Sighting
from webapp.certificates.names import shown
from webapp.domaincontrol.dns import TROUBLE, Answer, Asking, Deadline, Outcome, Resolvers
from webapp.domaincontrol.http import Visit, Visitor
from webapp.retelling import stored

_MOST_ADDRESSES = 4
_MOST_SHOWN = 3


class AcmeLook:
    """A :class:`~webapp.authorities.port.Look` through several resolvers, of which as many as their quorum must agree.

    ``clock`` gives the present instant (aware).
    """

    def __init__(self, resolvers: Resolvers, visitor: Visitor, clock: Callable[[], datetime]) -> None:
        self._resolvers = resolvers
        self._visitor = visitor
        self._clock = clock

    def __call__(self, challenge: Challenge) -> Sighting:
        """Look once; see the port."""
        views = self._records(challenge) if challenge.kind == "dns-01" else self._pages(challenge)
        seen = sum(view[0] for view in views)
        holds = seen >= self._resolvers.quorum
        words = next(view[1] for view in views if view[0] == holds)
        if seen and not holds:
            words = stored(
                "{seen} of {all} resolvers led to the right value; the others do not yet. {words}",
                seen=seen,
                all=len(views),
                words=words,
            )
        return Sighting(holds, words, self._clock())

    def _records(self, challenge: Challenge) -> list[tuple[bool, str]]:
        answers = self._resolvers.each(lambda asking: asking.ask(challenge.location, RdataType.TXT))
        return [_read_record(challenge, answer) for answer in answers]

    def _pages(self, challenge: Challenge) -> list[tuple[bool, str]]:
        parts = urlsplit(challenge.location)
        domain = parts.hostname or ""
        deadline = Deadline(self._visitor.seconds)
        visits: dict[tuple[str, ...], Visit] = {}
        views = []
        for addresses, trouble in self._resolvers.each(lambda asking: _addresses(asking, domain)):
            if not addresses:
                views.append(
                    (
                        False,
                        stored("{domain} has no address for a web server. {trouble}.", domain=domain, trouble=trouble),
                    )
                )
                continue
            if addresses not in visits:
                visits[addresses] = self._visitor.fetch(domain, parts.path, addresses, deadline)
            views.append(_read_page(challenge, domain, visits[addresses]))
        return views


def _read_record(challenge: Challenge, answer: Answer) -> tuple[bool, str]:
    name = challenge.location
    if answer.outcome.is_absence:
        return False, stored("No TXT record at {name} yet.", name=name)
    if answer.outcome is not Outcome.FOUND:
        return False, stored(
            "The TXT record at {name} cannot be read. {trouble}.", name=name, trouble=TROUBLE[answer.outcome]
        )
    values = [b"".join(record.strings) for record in answer.records if isinstance(record, TXT)]
    if challenge.value.encode("ascii") in values:
        return True, stored("The TXT record at {name} holds the right value.", name=name)
    return False, stored("The TXT record at {name} holds another value: {said}.", name=name, said=_listed(values))


def _read_page(challenge: Challenge, domain: str, visit: Visit) -> tuple[bool, str]:
    if visit.body is None:
        return False, visit.words
    # White space at the end does not count (section 8.3), anything else does.
    if visit.body.rstrip() == challenge.value.encode("ascii"):
        return True, stored("The file on the web server of {domain} holds the right value.", domain=domain)
    if not visit.body.strip():
        return False, stored("The file on the web server of {domain} holds nothing.", domain=domain)
    other = _listed([visit.body])
    return False, stored("The file on the web server of {domain} holds other text: {text}.", domain=domain, text=other)


def _addresses(asking: Asking, domain: str) -> tuple[tuple[str, ...], str]:
    """The addresses that one resolver gives for a domain, IPv4 first, and what went wrong where it gives none."""
    found: list[str] = []
    trouble = ""
    for kind in (RdataType.A, RdataType.AAAA):
        answer = asking.ask(domain, kind)
        # Sorted, because resolvers that give the same ones in turns lead to the same server.
        found += sorted(record.to_text() for record in answer.records)
        trouble = trouble or TROUBLE.get(answer.outcome, "")
    return tuple(found[:_MOST_ADDRESSES]), trouble


def _listed(values: Sequence[bytes]) -> str:
    return ", ".join(f"“{shown(value.decode('utf-8', 'replace'), 60)}”" for value in values[:_MOST_SHOWN])
