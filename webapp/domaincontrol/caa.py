"""Whether a domain's CAA records let this certificate authority issue (RFC 8659).

A certificate authority looks right before it issues: what it found counts for the records' TTL or eight hours at most
(TLS Baseline Requirements, section 3.2.2.8). Where the records cannot be read, nothing is issued: the section allows an
exception only for a zone that is known to be without DNSSEC, which is not found out here. DNSSEC is not validated by
the desk itself, as the section asks of publicly trusted authorities; see :mod:`webapp.domaincontrol.dns`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dns.rdatatype import RdataType
from dns.rdtypes.ANY.CAA import CAA

from webapp.certificates.names import shown
from webapp.domaincontrol.dns import TROUBLE, Asking, Outcome, Resolvers
from webapp.retelling import stored

_CRITICAL = 0x80
"""The issuer critical flag (RFC 8659, section 4.1.1)."""
_UNDERSTOOD = {"issue", "issuewild", "iodef"}
# Parameters that narrow whom or how a certificate may be issued to (RFC 8657). Nothing here can meet them.
_NARROWING = {"accounturi", "validationmethods"}

# The parts of issue-value in RFC 8659, section 4.2.
_LABEL = r"[A-Za-z0-9](?:-*[A-Za-z0-9])*"
_ISSUER = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_PARAMETER = re.compile(rf"(?P<tag>{_LABEL})[ \t]*=[ \t]*[\x21-\x3a\x3c-\x7e]*")


@dataclass(frozen=True, slots=True)
class CaaVerdict:
    """Whether it may be issued. ``words`` say why not and what would help; they are empty when it may."""

    allowed: bool
    words: str = ""


@dataclass(frozen=True, slots=True)
class Relevant:
    """The relevant CAA RRset, and at which name it was found; empty when there is none up to the root."""

    records: tuple[CAA, ...]
    at: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The climb ended at a name whose records could not be read."""

    at: str
    outcome: Outcome


def check_caa(resolvers: Resolvers, names: Sequence[str], identifier: str) -> CaaVerdict:
    """Whether an authority that goes by ``identifier`` may issue for all of these DNS names.

    A record that forbids counts as soon as one resolver sees it. Records that cannot be read forbid unless the quorum
    of resolvers reads some.
    """
    for domain in dict.fromkeys(name.removeprefix("*.") for name in names):
        wanted = [name for name in names if name.removeprefix("*.") == domain]
        problem = _problem_of(resolvers, domain, wanted, identifier)
        if problem is not None:
            return CaaVerdict(False, problem)
    return CaaVerdict(True)


def _problem_of(resolvers: Resolvers, domain: str, wanted: Sequence[str], identifier: str) -> str | None:
    found = resolvers.each(lambda asking: relevant_set(asking, domain))
    read = [one for one in found if isinstance(one, Relevant)]
    for relevant in read:
        for name in wanted:
            problem = forbids(relevant, name, identifier)
            if problem is not None:
                return problem
    if len(read) >= resolvers.quorum:
        return None
    failed = next(one for one in found if isinstance(one, Unreadable))
    return stored(
        "The CAA records of {domain} cannot be read. {trouble}. "
        "Without them nothing may be issued; ask whoever runs your DNS.",
        domain=failed.at,
        trouble=TROUBLE[failed.outcome],
    )


def relevant_set(asking: Asking, domain: str) -> Relevant | Unreadable:
    """Climb from a domain name toward the root, to the first name with CAA records (RFC 8659, section 3).

    Aliases are followed at each name, but the tree is never climbed at their target.
    """
    labels = domain.split(".")
    for start in range(len(labels)):
        name = ".".join(labels[start:])
        answer = asking.ask(name, RdataType.CAA)
        if answer.outcome is Outcome.FOUND:
            return Relevant(tuple(one for one in answer.records if isinstance(one, CAA)), name)
        if not answer.outcome.is_absence:
            return Unreadable(name, answer.outcome)
    return Relevant((), "")


def forbids(relevant: Relevant, name: str, identifier: str) -> str | None:
    """Why these records forbid ``identifier`` to issue for a DNS name, in words; ``None`` when they do not."""
    unknown = [one for one in relevant.records if one.flags & _CRITICAL and _tag(one) not in _UNDERSTOOD]
    if unknown:
        return stored(
            "A CAA record at {domain} is marked critical and of a kind that is not known here: “{kind}”. "
            "Remove the mark or the record.",
            domain=relevant.at,
            kind=shown(_tag(unknown[0]), 30),
        )
    properties = _properties(relevant.records, wildcard=name.startswith("*."))
    if properties is None:
        return None
    tag, values = properties
    if any(_authorises(value, identifier) for value in values):
        return None
    said = ", ".join(f"{tag} “{shown(_text(value), 60)}”" for value in values[:3])
    return stored(
        "The CAA records at {domain} do not let us issue for {name}; they say: {said}. Add the record: {record}",
        domain=relevant.at,
        name=name,
        said=said,
        record=f'{relevant.at}. CAA 0 {tag} "{identifier}"',
    )


def _properties(records: Sequence[CAA], *, wildcard: bool) -> tuple[str, list[bytes]] | None:
    """The tag that decides and its values; ``None`` when nothing restricts who may issue."""
    # Section 4.3: for a wildcard, issuewild takes the place of issue; for any other name it does not count.
    for tag in ("issuewild", "issue") if wildcard else ("issue",):
        values = [one.value for one in records if _tag(one) == tag]
        if values:
            return tag, values
    return None


def _authorises(value: bytes, identifier: str) -> bool:
    # Section 4.2: a malformed value counts as one that names no issuer at all.
    head, *rest = (part.strip(" \t") for part in _text(value).split(";"))
    if not _ISSUER.fullmatch(head) or head.lower() != identifier.lower():
        return False
    parameters = [_PARAMETER.fullmatch(part) for part in ([] if rest == [""] else rest)]
    return all(one is not None and one["tag"].lower() not in _NARROWING for one in parameters)


def _tag(record: CAA) -> str:
    return _text(record.tag).lower()


def _text(value: bytes) -> str:
    return value.decode("ascii", "replace")
