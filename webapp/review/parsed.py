"""An issued certificate, read and put in words: what a reviewer compares with the order and the request.

Field names are those of RFC 5280. What cannot be read is said, never guessed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from certlifecycle import phrase
from webapp.certificates.public_keys import describe_key, key_fingerprint
from webapp.wording import Vocabulary, _, words


@dataclass(frozen=True, slots=True)
class Extension:
    """One extension: its name, whether it is critical, and what it says."""

    name: str
    critical: bool
    value: str


@dataclass(frozen=True, slots=True)
class ParsedCertificate:
    """What the first certificate of a chain says. Fingerprints are lower-case hexadecimal."""

    subject: str
    issuer: str
    serial: str
    names: tuple[str, ...]
    key: str
    key_fingerprint: str | None
    signature: str
    not_before: datetime
    not_after: datetime
    fingerprint: str
    extensions: tuple[Extension, ...]
    chain_length: int


class Unreadable(ValueError):
    """The text holds no certificate that can be read."""


def read_certificate(chain_pem: str) -> ParsedCertificate:
    """Read the end-entity certificate of a PEM chain; raises :class:`Unreadable` and nothing else."""
    try:
        chain = x509.load_pem_x509_certificates(chain_pem.encode())
        return _parsed(chain[0], len(chain))
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension) as wrong:
        # The library has errors of its own that are no ValueError, and repeats what it choked on.
        raise Unreadable(_("The certificate cannot be read.")) from wrong


def _parsed(certificate: x509.Certificate, chain_length: int) -> ParsedCertificate:
    key = certificate.public_key()
    known = key if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) else None
    extensions = tuple(_extension(one) for one in certificate.extensions)
    return ParsedCertificate(
        subject=certificate.subject.rfc4514_string() or _("Empty: the names stand in the extension"),
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        names=_names(certificate),
        key=describe_key(known) if known else type(key).__name__,
        key_fingerprint=key_fingerprint(known) if known else None,
        signature=_signature(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        fingerprint=certificate.fingerprint(SHA256()).hex(),
        extensions=extensions,
        chain_length=chain_length,
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(found.value.get_values_for_type(x509.DNSName))


def _signature(certificate: x509.Certificate) -> str:
    used = certificate.signature_hash_algorithm
    kind = "ECDSA" if certificate.signature_algorithm_oid.dotted_string.startswith("1.2.840.10045.") else "RSA"
    return (
        _("{key} with {hash}", key=kind, hash=used.name.upper())
        if used
        else certificate.signature_algorithm_oid.dotted_string
    )


EXTENSION_NAMES: Mapping[x509.ObjectIdentifier, str] = Vocabulary(
    {
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME: phrase("Subject alternative name"),
        ExtensionOID.BASIC_CONSTRAINTS: phrase("Basic constraints"),
        ExtensionOID.KEY_USAGE: phrase("Key usage"),
        ExtensionOID.EXTENDED_KEY_USAGE: phrase("Extended key usage"),
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER: phrase("Authority key identifier"),
        ExtensionOID.SUBJECT_KEY_IDENTIFIER: phrase("Subject key identifier"),
        ExtensionOID.CRL_DISTRIBUTION_POINTS: phrase("CRL distribution points"),
        ExtensionOID.AUTHORITY_INFORMATION_ACCESS: phrase("Authority information access"),
        ExtensionOID.CERTIFICATE_POLICIES: phrase("Certificate policies"),
        ExtensionOID.PRECERT_SIGNED_CERTIFICATE_TIMESTAMPS: phrase("Signed certificate timestamps"),
        ExtensionOID.TLS_FEATURE: phrase("TLS feature"),
    }
)

PURPOSES = Vocabulary(
    {
        ExtendedKeyUsageOID.SERVER_AUTH: phrase("TLS server"),
        ExtendedKeyUsageOID.CLIENT_AUTH: phrase("TLS client"),
    }
)

POLICIES = Vocabulary(
    {
        "2.23.140.1.2.1": phrase("domain validated"),
        "2.23.140.1.2.2": phrase("organisation validated"),
        "2.23.140.1.2.3": phrase("individual validated"),
        "2.23.140.1.1": phrase("extended validation"),
    }
)
"""Reserved policy identifiers (TLS Baseline Requirements, section 7.1.6.1)."""

USAGES = Vocabulary(
    {
        "digital_signature": phrase("digital signature"),
        "content_commitment": phrase("content commitment"),
        "key_encipherment": phrase("key encipherment"),
        "data_encipherment": phrase("data encipherment"),
        "key_agreement": phrase("key agreement"),
        "key_cert_sign": phrase("certificate signing"),
        "crl_sign": phrase("CRL signing"),
    }
)


def _extension(one: x509.Extension[x509.ExtensionType]) -> Extension:
    say = _SAYING.get(type(one.value), _other)
    return Extension(EXTENSION_NAMES.get(one.oid, one.oid.dotted_string), one.critical, say(one.value))


def _other(value: object) -> str:
    return value.value.hex(":") if isinstance(value, x509.UnrecognizedExtension) else _("Present")


def _constraints(value: x509.BasicConstraints) -> str:
    return _("Certificate authority") if value.ca else _("No certificate authority")


def _usage(value: x509.KeyUsage) -> str:
    return words().show([told for name, told in USAGES.items() if getattr(value, name)])


def _purposes(value: x509.ExtendedKeyUsage) -> str:
    return words().show([PURPOSES.get(one, one.dotted_string) for one in value])


def _policies(value: x509.CertificatePolicies) -> str:
    oids = [one.policy_identifier.dotted_string for one in value]
    return ", ".join(f"{oid} ({POLICIES[oid]})" if oid in POLICIES else oid for oid in oids)


def _general(value: x509.GeneralName) -> str:
    if isinstance(value, x509.DirectoryName):
        return value.value.rfc4514_string()
    return str(value.value)


def _points(value: x509.CRLDistributionPoints) -> str:
    return ", ".join(_general(name) for point in value for name in point.full_name or ())


def _access(value: x509.AuthorityInformationAccess) -> str:
    methods = {"1.3.6.1.5.5.7.48.1": "OCSP", "1.3.6.1.5.5.7.48.2": _("issuer")}
    told = []
    for one in value:
        method = one.access_method.dotted_string
        told.append(f"{methods.get(method, method)} {_general(one.access_location)}")
    return ", ".join(told)


def _authority_key(value: x509.AuthorityKeyIdentifier) -> str:
    return value.key_identifier.hex(":") if value.key_identifier else _("Present")


_SAYING: Mapping[type, Callable[[Any], str]] = {
    x509.SubjectAlternativeName: lambda value: ", ".join(_general(name) for name in value),
    x509.BasicConstraints: _constraints,
    x509.KeyUsage: _usage,
    x509.ExtendedKeyUsage: _purposes,
    x509.CertificatePolicies: _policies,
    x509.CRLDistributionPoints: _points,
    x509.AuthorityInformationAccess: _access,
    x509.AuthorityKeyIdentifier: _authority_key,
    x509.SubjectKeyIdentifier: lambda value: value.digest.hex(":"),
}
