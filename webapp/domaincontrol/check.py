"""Look once at a domain: is the value there, and may a certificate be issued?

Both answers rest on several resolvers (:class:`~webapp.domaincontrol.dns.Resolvers`). That is not yet the corroboration
from several networks that the Baseline Requirements, section 3.2.2.9, ask of publicly trusted authorities: all
questions leave from this machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dns.rdatatype import RdataType
from dns.rdtypes.ANY.TXT import TXT

from webapp.certificates.names import shown
from webapp.domaincontrol.caa import CaaVerdict, check_caa
from webapp.domaincontrol.dns import TROUBLE, Answer, Asking, Deadline, Outcome, Resolvers
from webapp.domaincontrol.http import Visit, Visitor
from webapp.domaincontrol.models import Finding, Method
from webapp.domaincontrol.tokens import Challenge
from webapp.retelling import stored

_MOST_ADDRESSES = 4
"""How many of a domain's addresses are tried."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw. ``held_by`` is the method by which control was shown, if it was."""

    findings: tuple[Finding, ...]
    held_by: Method | None


@dataclass(frozen=True, slots=True)
class _View:
    """What one resolver led to. Of several, the words of the highest ``weight`` help the reader most."""

    held: bool
    words: str
    weight: int = 0


class Checker:
    """Looks at domains. ``caa_identifier`` is the name by which CAA records let this authority issue."""

    def __init__(self, resolvers: Resolvers, visitor: Visitor, caa_identifier: str) -> None:
        self.resolvers = resolvers
        self.visitor = visitor
        self.caa_identifier = caa_identifier

    def look(self, challenge: Challenge) -> Look:
        """Look for the value: in the DNS and, where a file can prove it and the DNS does not, on the web server."""
        findings = [self._look_for_record(challenge)]
        if not findings[0].held and not challenge.wildcard:
            findings.append(self._look_for_file(challenge))
        held = next((finding.method for finding in findings if finding.held), None)
        return Look(tuple(findings), held)

    def caa(self, names: Sequence[str]) -> CaaVerdict:
        """Whether the CAA records let this authority issue for these names, now."""
        return check_caa(self.resolvers, names, self.caa_identifier)

    def _look_for_record(self, challenge: Challenge) -> Finding:
        def view(asking: Asking) -> _View:
            return _read_record(challenge, asking.ask(challenge.record_name, RdataType.TXT))

        return self._together(Method.DNS_TXT, self.resolvers.each(view))

    def _look_for_file(self, challenge: Challenge) -> Finding:
        found = self.resolvers.each(lambda asking: _addresses(asking, challenge.domain))
        deadline = Deadline(self.visitor.seconds)
        visits: dict[tuple[str, ...], Visit] = {}
        views = []
        for addresses, trouble in found:
            if not addresses:
                views.append(
                    _View(
                        False,
                        stored(
                            "{domain} has no address for a web server. {trouble}.",
                            domain=challenge.domain,
                            trouble=trouble,
                        ),
                    )
                )
                continue
            if addresses not in visits:
                visits[addresses] = self.visitor.fetch(challenge.domain, challenge.path, addresses, deadline)
            views.append(_read_file(challenge, visits[addresses]))
        return self._together(Method.HTTP_TOKEN, views)

    def _together(self, method: Method, views: Sequence[_View]) -> Finding:
        seen = sum(view.held for view in views)
        held = seen >= self.resolvers.quorum
        told = max((view for view in views if view.held == held), key=lambda view: view.weight)
        words = told.words
        if seen and not held:
            words = stored(
                "{seen} of {all} resolvers led to the right value; the others do not yet. {words}",
                seen=seen,
                all=len(views),
                words=words,
            )
        return Finding(method, held, words, seen, len(views))


def _read_record(challenge: Challenge, answer: Answer) -> _View:
    name = challenge.record_name
    if answer.outcome.is_absence:
        return _View(False, stored("No TXT record at {name} yet.", name=name), 1)
    if answer.outcome is not Outcome.FOUND:
        trouble = TROUBLE[answer.outcome]
        return _View(False, stored("The TXT record at {name} cannot be read. {trouble}.", name=name, trouble=trouble))
    values = [b"".join(record.strings) for record in answer.records if isinstance(record, TXT)]
    # Some DNS panels keep the quotation marks that were typed; the value inside proves the same.
    if any(value.strip(b' \t"') == challenge.record_value.encode("ascii") for value in values):
        return _View(True, stored("The TXT record at {name} holds the right value.", name=name))
    said = ", ".join(f"“{_shown(value)}”" for value in values[:3])
    return _View(False, stored("The TXT record at {name} holds another value: {said}.", name=name, said=said), 2)


def _read_file(challenge: Challenge, visit: Visit) -> _View:
    if visit.body is None:
        return _View(False, visit.words, 1 if visit.reached else 0)
    # An editor may leave a line end, a byte order mark, or both.
    body = visit.body.removeprefix(b"\xef\xbb\xbf").strip()
    if body == challenge.token.encode("ascii"):
        held = stored("The file on the web server of {domain} holds the right value.", domain=challenge.domain)
        return _View(True, held)
    if not body:
        return _View(False, stored("The file on the web server of {domain} holds nothing.", domain=challenge.domain), 2)
    other = stored(
        "The file on the web server of {domain} holds other text: “{text}”.",
        domain=challenge.domain,
        text=_shown(body),
    )
    return _View(False, other, 2)


def _shown(value: bytes) -> str:
    return shown(value.decode("utf-8", "replace"), 60)


def _addresses(asking: Asking, domain: str) -> tuple[tuple[str, ...], str]:
    """The addresses that one resolver gives for a domain, IPv4 first, and what went wrong where it gives none."""
    found: list[str] = []
    trouble = ""
    for kind in (RdataType.A, RdataType.AAAA):
        answer = asking.ask(domain, kind)
        # Both kinds of record keep the address as text under the same name.
        # Sorted, because resolvers that give the same ones in turns lead to the same server.
        found += sorted(record.address for record in answer.records)  # type: ignore[attr-defined]
        trouble = trouble or TROUBLE.get(answer.outcome, "")
    return tuple(found[:_MOST_ADDRESSES]), trouble
