"""What ACME servers answer (RFC 8555, sections 6.7 and 7.1), read with tolerance.

Servers differ in what they leave out and in which object they say that something failed. So a missing field is no error
unless nothing can be done without it, an unknown status is kept as it is, and the meaning is found elsewhere. (The
``acme`` package refuses a status that it does not know, ``expired`` among them, and drops unknown error codes.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from webapp.authorities.port import AuthorityUnavailable
from webapp.certificates.names import shown
from webapp.retelling import stored

ERROR_PREFIX = "urn:ietf:params:acme:error:"

MAX_URL_LENGTH = 2_000
MAX_DETAIL_LENGTH = 500

SENTENCES = {
    "badCSR": stored("The certificate authority does not accept the CSR."),
    "badPublicKey": stored("The certificate authority does not accept the key in the CSR."),
    "caa": stored("A CAA record of the domain forbids this certificate authority to issue for it."),
    "connection": stored("The certificate authority could not connect to the domain's web server."),
    "dns": stored("The certificate authority got no usable answer from the domain's name servers."),
    "incorrectResponse": stored("The certificate authority found something else than the value that was asked for."),
    "rejectedIdentifier": stored("The certificate authority does not issue for this name."),
    "tls": stored("The certificate authority could not set up a secure connection to the domain's web server."),
    "unauthorized": stored(
        "The certificate authority found something else than the value that was asked for, or nothing."
    ),
    "unsupportedIdentifier": stored("The certificate authority does not issue for names of this kind."),
}
"""The errors that are the customer's business, in words (section 6.7)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document (RFC 7807): the error's ``code`` without its prefix, and the server's sentence."""

    code: str
    detail: str
    parts: tuple["Problem", ...] = ()

    @property
    def said(self) -> str:
        """The server's own words as a sentence, made safe to show; empty when it said nothing."""
        details = " ".join(one.detail for one in (self, *self.parts) if one.detail)
        return stored("It says: “{details}”", details=shown(details, MAX_DETAIL_LENGTH)) if details else ""

    def after(self, ours: str) -> str:
        """Our sentence, followed by the server's own words."""
        return f"{ours} {self.said}".strip()

    def explained(self, otherwise: str) -> str:
        """What is wrong with the order, for the customer; ``otherwise`` is our sentence for errors not listed."""
        return self.after(SENTENCES.get(self.code, otherwise))


class AcmeProblem(Exception):
    """The server refused a request for a reason that asking again does not change."""

    def __init__(self, status: int, problem: Problem) -> None:
        super().__init__(f"{status} {problem.code}: {problem.detail}")
        self.status = status
        self.problem = problem


@dataclass(frozen=True, slots=True)
class DirectoryAnswer:
    """Where the server's services are (section 7.1.1)."""

    new_nonce: str
    new_account: str
    new_order: str
    revoke_cert: str


@dataclass(frozen=True, slots=True)
class OrderAnswer:
    """An order (section 7.1.3)."""

    status: str
    expires: datetime | None
    authorizations: tuple[str, ...]
    finalize: str
    certificate: str | None
    error: Problem | None


@dataclass(frozen=True, slots=True)
class ChallengeAnswer:
    """A challenge (section 8)."""

    kind: str
    url: str
    token: str
    status: str
    error: Problem | None


@dataclass(frozen=True, slots=True)
class AuthorizationAnswer:
    """An authorization (section 7.1.4). ``domain`` carries the ``*.`` of a wildcard."""

    status: str
    domain: str
    expires: datetime | None
    challenges: tuple[ChallengeAnswer, ...]


def read_problem(document: object) -> Problem | None:
    """A problem document; ``None`` when it is none."""
    if not isinstance(document, Mapping) or not isinstance(document.get("type"), str):
        return None
    parts = document.get("subproblems")
    return Problem(
        document["type"].removeprefix(ERROR_PREFIX),
        _text(document, "detail") or _text(document, "title"),
        tuple(filter(None, map(read_problem, parts[:10]))) if isinstance(parts, list) else (),
    )


def read_directory(document: Mapping[str, Any]) -> DirectoryAnswer:
    """The directory. Raises AuthorityUnavailable when it lacks a service."""
    return DirectoryAnswer(
        _url(document, "newNonce"),
        _url(document, "newAccount"),
        _url(document, "newOrder"),
        _url(document, "revokeCert"),
    )


def read_order(document: Mapping[str, Any]) -> OrderAnswer:
    """An order. Raises AuthorityUnavailable when nothing can be done with it."""
    urls = document.get("authorizations")
    if not isinstance(urls, list) or not urls:
        raise not_acme("an order without authorizations")
    return OrderAnswer(
        _text(document, "status"),
        _instant(_text(document, "expires")),
        tuple(checked_url(url) for url in urls),
        _url(document, "finalize"),
        _url(document, "certificate") if document.get("certificate") else None,
        read_problem(document.get("error")),
    )


def read_authorization(document: Mapping[str, Any]) -> AuthorizationAnswer:
    """An authorization. Raises AuthorityUnavailable when it does not say what for."""
    identifier = document.get("identifier")
    domain = _text(identifier, "value").lower() if isinstance(identifier, Mapping) else ""
    if not domain:
        raise not_acme("an authorization without a name")
    if document.get("wildcard") is True and not domain.startswith("*."):
        domain = f"*.{domain}"
    challenges = document.get("challenges")
    return AuthorizationAnswer(
        _text(document, "status"),
        domain,
        _instant(_text(document, "expires")),
        tuple(
            ChallengeAnswer(
                _text(one, "type"),
                _url(one, "url"),
                _text(one, "token"),
                _text(one, "status") or "pending",
                read_problem(one.get("error")),
            )
            for one in (challenges if isinstance(challenges, list) else [])
            if isinstance(one, Mapping) and one.get("url")
        ),
    )


def not_acme(what: str) -> AuthorityUnavailable:
    """The trouble with a server whose answers cannot be used."""
    return AuthorityUnavailable(stored("The certificate authority gave an answer that is not ACME: {what}.", what=what))


def checked_url(url: object) -> str:
    """An address in a server's answer. Raises AuthorityUnavailable when it is not one of an https server."""
    if not isinstance(url, str) or len(url) > MAX_URL_LENGTH:
        raise not_acme("an address is missing")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise not_acme("an address that cannot be read") from None
    # ACME is spoken over https only (section 6.1).
    if parts.scheme != "https" or not parts.hostname:
        raise not_acme("an address that is not https")
    return url


def _url(document: Mapping[str, Any], field: str) -> str:
    return checked_url(document.get(field))


def _text(document: Mapping[str, Any], field: str) -> str:
    value = document.get(field)
    return value if isinstance(value, str) else ""


def _instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
