"""What the desk asks of a certificate authority, whichever it is.

An authority is slow, may be down and may be asked twice: every call here is made outside any transaction, is bounded in
time and may be repeated after a crash.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certlifecycle import RevocationReason, phrase
from webapp.certificates.names import NameRejected, read_domain
from webapp.retelling import stored

MAX_CHAIN_BYTES = 64 * 1024
MAX_CHAIN_LENGTH = 6
CLOCK_SKEW = timedelta(minutes=5)

# RFC 5280, section 4.1.2.2: at most 20 octets.
_HEX_SERIAL = re.compile(r"[0-9a-fA-F]{1,40}")

REASON_CODES = {
    RevocationReason.UNSPECIFIED: 0,
    RevocationReason.KEY_COMPROMISE: 1,
    RevocationReason.AFFILIATION_CHANGED: 3,
    RevocationReason.SUPERSEDED: 4,
    RevocationReason.CESSATION_OF_OPERATION: 5,
}
"""The CRLReason numbers of RFC 5280, section 5.3.1. There a CRL entry omits the extension rather than say 0."""

REASON_SENTENCES = {
    RevocationReason.UNSPECIFIED: phrase("None of the other reasons fits, or you do not want to give one."),
    RevocationReason.KEY_COMPROMISE: phrase("The private key was lost, or somebody else may have seen it."),
    RevocationReason.AFFILIATION_CHANGED: phrase(
        "The organisation named in the certificate has changed its name or owner."
    ),
    RevocationReason.SUPERSEDED: phrase("Another certificate has replaced this one."),
    RevocationReason.CESSATION_OF_OPERATION: phrase("The website is no longer run, or the domain is no longer yours."),
}
"""What each reason means, for the customer who chooses one."""


class AuthorityError(Exception):
    """An authority did not do what it was asked for. ``detail`` is a sentence that may be shown to a customer."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class AuthorityRefused(AuthorityError):
    """A definite no: asking again changes nothing."""


class AuthorityUnavailable(AuthorityError):
    """Temporary trouble: nothing is known about the outcome, and the same call may be made again.

    ``retry_at`` (aware) is the instant before which the authority asked not to be asked again, if it named one.
    """

    def __init__(self, detail: str, retry_at: datetime | None = None) -> None:
        super().__init__(detail)
        self.retry_at = retry_at


class BadCertificate(AuthorityRefused):
    """The authority handed out a certificate that is not the one that was ordered."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the customer has to publish so that the authority sees that the domain is theirs (RFC 8555, section 8).

    ``kind`` is ``http-01`` or ``dns-01``, ``domain`` the name as the certificate will bear it, ``location`` the web
    address or the name of the TXT record, and ``value`` what has to stand there. The rest is what the last look at that
    place found: whether the value was ``seen``, the ``finding`` in words, and when it was ``checked_at`` (aware).
    """

    kind: str
    domain: str
    location: str
    value: str
    seen: bool = False
    finding: str = ""
    checked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a look at a challenge's place found. ``finding`` is a sentence for the customer."""

    seen: bool
    finding: str
    checked_at: datetime


class Look(Protocol):
    """The desk's own look at what a customer published, before the authority is told to look.

    An authority looks once and a wrong token fails the order for good, so it is told only when this has seen the value.
    """

    def __call__(self, challenge: Challenge) -> Sighting:
        """Look once, bounded in time. Whatever is in the way is a finding, never an exception."""


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate as it was handed out. ``chain_pem`` starts with the leaf and does not hold the root.

    ``serial`` is lower-case hex without leading zeros; ``not_after`` is the last second of the validity.
    """

    chain_pem: str
    serial: str
    not_before: datetime
    not_after: datetime
    fingerprint_sha256: str
    issuer: str


@dataclass(frozen=True, slots=True)
class Pending:
    """The authority waits until the customer has met the challenges."""

    challenges: tuple[Challenge, ...]


@dataclass(frozen=True, slots=True)
class Processing:
    """The authority is at work; ask again later, and not before ``until`` (aware) where it has named an instant."""

    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Proved:
    """The authority takes control of every name as proved, and can be asked for the certificate.

    It takes it so for the account that all of the shop's customers share there, so it may count what another customer
    has proved, or is just proving. ``shared_with`` are the keys of other orders in which the same proof was asked for;
    ``assumed`` says that some name was taken as proved without the customer of this order having proved it. ``kinds``
    are those of the challenges that were met.
    """

    shared_with: tuple[str, ...] = ()
    assumed: bool = False
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Issued:
    """The certificate is there."""

    certificate: IssuedCertificate


@dataclass(frozen=True, slots=True)
class Failed:
    """There will be no certificate for this order. ``reason`` is a sentence for the customer."""

    reason: str


Proof = Pending | Processing | Proved | Failed
Progress = Pending | Processing | Issued | Failed


class StatusKind(StrEnum):
    """What an authority says of a serial number (RFC 6960, section 2.2)."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """The status of one certificate; the instant and the reason only when it is revoked."""

    kind: StatusKind
    revoked_at: datetime | None = None
    reason: RevocationReason | None = None


class CertificateAuthority(Protocol):
    """Issues and revokes. Every call raises AuthorityUnavailable for temporary trouble."""

    def proves_control(self, order_key: str) -> bool:
        """Whether this authority wants to see itself that the names of an order are the customer's, by ``prove``.

        One that does not takes the word of whoever submits the order; then the desk has looked before.
        """

    def submit(self, order_key: str, csr_pem: str, names: Sequence[str], validity_days: int) -> str:
        """Hand in an order; the answer is the reference for ``advance``.

        ``order_key`` is the idempotency key: the same key gives the same reference and never a second certificate.
        Raises AuthorityRefused when the CSR or the names cannot be certified, or when the key was used for another
        CSR or other names.
        """

    def prove(self, ref: str) -> Proof:
        """Take one bounded step towards the proof that the names are the customer's, and never ask for the certificate.

        Safe to repeat at any time. Raises AuthorityRefused when the reference is unknown, or when this authority has
        nothing proved to it.
        """

    def advance(self, ref: str) -> Progress:
        """Take one bounded step towards the certificate and say where it stands. Safe to repeat at any time.

        Raises AuthorityRefused when the reference is unknown.
        """

    def revoke(self, serial: str, reason: RevocationReason) -> None:
        """Revoke a certificate; returns when the revocation is certain, or was so already.

        Raises AuthorityRefused when it definitely will not be revoked.
        """

    def status(self, serial: str) -> CertificateStatus:
        """What the authority says of a serial number (hex)."""


class AuthorityChoice(CertificateAuthority, Protocol):
    """Several authorities behind one port. New orders go to the one for their product, the rest to whoever has it."""

    def for_product(self, product: str) -> CertificateAuthority:
        """The same authorities, with new orders going to the one for a product."""


def hex_serial(serial: str) -> str:
    """A serial number in its canonical form: lower-case hex, no colons, no leading zeros. Raises ValueError."""
    digits = serial.strip().replace(":", "")
    if _HEX_SERIAL.fullmatch(digits) is None:
        raise ValueError("A serial number is written in at most 40 hexadecimal digits.")
    return format(int(digits, 16), "x")


def read_issued(chain_pem: str) -> IssuedCertificate:
    """The facts of a chain, leaf first, without the root that some authorities append. Raises BadCertificate."""
    certificates = _load_chain(chain_pem)
    try:
        return _facts_of(_without_root(certificates))
    except Exception as error:
        # The library reads names and dates only when they are asked for.
        raise BadCertificate(stored("The certificate chain cannot be read.")) from error


def _facts_of(certificates: Sequence[x509.Certificate]) -> IssuedCertificate:
    leaf = certificates[0]
    return IssuedCertificate(
        chain_pem="".join(cert.public_bytes(Encoding.PEM).decode("ascii") for cert in certificates),
        serial=format(leaf.serial_number, "x"),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        fingerprint_sha256=leaf.fingerprint(SHA256()).hex(),
        issuer=_issuer_name(leaf),
    )


def check_issued(chain_pem: str, csr_pem: str, names: Sequence[str], now: datetime) -> IssuedCertificate:
    """Check that a chain is the certificate that was ordered, before anybody is told that it was issued.

    The leaf must carry the CSR's key and exactly the ordered names, be signed by the next certificate of the chain, be
    no CA, and be valid at ``now`` (aware). Raises BadCertificate with a sentence.
    """
    issued = read_issued(chain_pem)
    certificates = _load_chain(issued.chain_pem)
    leaf = certificates[0]
    if _spki(leaf) != _spki(x509.load_pem_x509_csr(csr_pem.encode("ascii"))):
        raise BadCertificate(stored("The certificate holds another key than the CSR."))
    _check_names(leaf, names)
    _check_signatures(certificates)
    _check_validity(issued, now)
    return issued


def _load_chain(chain_pem: str) -> list[x509.Certificate]:
    if len(chain_pem) > MAX_CHAIN_BYTES:
        raise BadCertificate(stored("The certificate chain is too large."))
    try:
        certificates = x509.load_pem_x509_certificates(chain_pem.encode("ascii"))
    except Exception as error:
        # The library raises much that is no ValueError, InvalidVersion for one.
        raise BadCertificate(stored("The certificate chain cannot be read.")) from error
    if len(certificates) > MAX_CHAIN_LENGTH:
        raise BadCertificate(
            stored("The certificate chain has {count} certificates, which is too many.", count=len(certificates))
        )
    return certificates


def _without_root(certificates: list[x509.Certificate]) -> list[x509.Certificate]:
    last = certificates[-1]
    return certificates[:-1] if len(certificates) > 1 and last.issuer == last.subject else certificates


def _issuer_name(leaf: x509.Certificate) -> str:
    names = leaf.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else leaf.issuer.rfc4514_string()


def _spki(holder: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    try:
        return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception as error:
        raise BadCertificate(stored("The key in the certificate cannot be read.")) from error


def _check_names(leaf: x509.Certificate, names: Sequence[str]) -> None:
    try:
        general_names = list(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        is_ca = _is_ca(leaf)
    except Exception as error:
        raise BadCertificate(stored("The names in the certificate cannot be read.")) from error
    if is_ca:
        raise BadCertificate(stored("The certificate is one of a certificate authority, not of a server."))
    borne = {name.value.lower() if isinstance(name, x509.DNSName) else repr(name) for name in general_names}
    try:
        ordered = {read_domain(name) for name in names}
    except NameRejected as fault:
        raise BadCertificate(str(fault)) from None
    if borne != ordered:
        raise BadCertificate(
            stored(
                "The certificate is for {names}, but {ordered} was ordered.",
                names=", ".join(sorted(borne)),
                ordered=", ".join(sorted(ordered)),
            )
        )


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _check_signatures(certificates: list[x509.Certificate]) -> None:
    if len(certificates) < 2:
        raise BadCertificate(stored("The certificate came without the certificate of its issuer."))
    for certificate, issuer in pairwise(certificates):
        try:
            certificate.verify_directly_issued_by(issuer)
            is_ca = _is_ca(issuer)
        except InvalidSignature:
            raise BadCertificate(stored("The certificate is not signed by the issuer that came with it.")) from None
        except Exception as error:
            raise BadCertificate(stored("The certificate was not issued by the issuer that came with it.")) from error
        if not is_ca:
            raise BadCertificate(stored("The issuer’s certificate is not one of a certificate authority."))


def _check_validity(issued: IssuedCertificate, now: datetime) -> None:
    if issued.not_before > now.astimezone(UTC) + CLOCK_SKEW:
        raise BadCertificate(stored("The certificate is not valid before {instant}.", instant=issued.not_before))
    # The second of notAfter still counts.
    if issued.not_after + timedelta(seconds=1) <= now.astimezone(UTC):
        raise BadCertificate(stored("The certificate was valid only until {instant}.", instant=issued.not_after))
