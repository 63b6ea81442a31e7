"""CRLs (RFC 5280, section 5) and OCSP responses (RFC 6960) of the built-in authority."""

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, Hash, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from certlifecycle import RevocationReason
from webapp.authorities.builtin_keys import CaPair
from webapp.authorities.builtin_profiles import key_id
from webapp.authorities.port import AuthorityUnavailable, CertificateStatus, StatusKind

OCSP_VALIDITY = timedelta(hours=24)
"""How long a response may be relied on: between 8 hours and 10 days (Baseline Requirements, section 4.9.10)."""

MAX_OCSP_REQUEST_BYTES = 4 * 1024
MAX_NONCE_BYTES = 128

_REASON_FLAGS = {
    RevocationReason.KEY_COMPROMISE: x509.ReasonFlags.key_compromise,
    RevocationReason.AFFILIATION_CHANGED: x509.ReasonFlags.affiliation_changed,
    RevocationReason.SUPERSEDED: x509.ReasonFlags.superseded,
    RevocationReason.CESSATION_OF_OPERATION: x509.ReasonFlags.cessation_of_operation,
}
_CERT_STATUS = {
    StatusKind.GOOD: ocsp.OCSPCertStatus.GOOD,
    StatusKind.REVOKED: ocsp.OCSPCertStatus.REVOKED,
    StatusKind.UNKNOWN: ocsp.OCSPCertStatus.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class RevokedEntry:
    """One revoked certificate: serial number in hex, instant, reason."""

    serial: str
    revoked_at: datetime
    reason: RevocationReason


def build_crl(
    issuer: CaPair, number: int, this_update: datetime, validity: timedelta, entries: Iterable[RevokedEntry]
) -> bytes:
    """Sign a CRL; the answer is DER."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(this_update)
        .next_update(this_update + validity)
        .add_extension(x509.AuthorityKeyIdentifier(key_id(issuer.certificate), None, None), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for entry in entries:
        builder = builder.add_revoked_certificate(_crl_entry(entry))
    return builder.sign(issuer.key, _digest(issuer)).public_bytes(Encoding.DER)


def _crl_entry(entry: RevokedEntry) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(int(entry.serial, 16)).revocation_date(entry.revoked_at)
    # "Unspecified" is said by leaving the extension out (RFC 5280, section 5.3.1).
    flag = _REASON_FLAGS.get(entry.reason)
    if flag is not None:
        builder = builder.add_extension(x509.CRLReason(flag), critical=False)
    return builder.build()


def answer_ocsp(
    request_der: bytes, issuer: CaPair, status_of: Callable[[str], CertificateStatus], now: datetime
) -> bytes:
    """Answer an OCSP request, always with a response: trouble is one of RFC 6960's error responses.

    A request about several certificates, or about another authority's, is answered ``unauthorized``: this responder
    keeps to the profile of one certificate per request (RFC 5019, sections 2.1.1 and 2.2.3).
    """
    if len(request_der) > MAX_OCSP_REQUEST_BYTES:
        return _error(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
    try:
        request = ocsp.load_der_ocsp_request(request_der)
        algorithm = request.hash_algorithm
        serial = request.serial_number
        nonce = _nonce(request)
    except (NotImplementedError, UnsupportedAlgorithm):
        # Several certificates at once, or a hash under which no authority is known here.
        return _error(ocsp.OCSPResponseStatus.UNAUTHORIZED)
    except Exception:  # noqa: BLE001  What a stranger's bytes make the library raise changes between releases.
        return _error(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
    if not _is_about(request, issuer.certificate):
        return _error(ocsp.OCSPResponseStatus.UNAUTHORIZED)
    try:
        status = status_of(format(serial, "x")) if serial > 0 else CertificateStatus(StatusKind.UNKNOWN)
    except AuthorityUnavailable:
        return _error(ocsp.OCSPResponseStatus.TRY_LATER)
    builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
        request.issuer_name_hash,
        request.issuer_key_hash,
        serial,
        algorithm,
        _CERT_STATUS[status.kind],
        now.replace(microsecond=0),
        now.replace(microsecond=0) + OCSP_VALIDITY,
        status.revoked_at,
        _REASON_FLAGS.get(status.reason) if status.reason is not None else None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate)
    if nonce is not None:
        builder = builder.add_extension(nonce, critical=False)
    try:
        return builder.sign(issuer.key, _digest(issuer)).public_bytes(Encoding.DER)
    except AuthorityUnavailable:
        return _error(ocsp.OCSPResponseStatus.TRY_LATER)


def _nonce(request: ocsp.OCSPRequest) -> x509.OCSPNonce | None:
    try:
        nonce = request.extensions.get_extension_for_class(x509.OCSPNonce).value
    except x509.ExtensionNotFound:
        return None
    # RFC 9654, section 2.1: a length outside these bounds makes the request malformed.
    if not 1 <= len(nonce.nonce) <= MAX_NONCE_BYTES:
        raise ValueError("The nonce has an impossible length.")
    return nonce


def _is_about(request: ocsp.OCSPRequest, issuer: x509.Certificate) -> bool:
    """Whether the request names this issuer (CertID, RFC 6960, section 4.1.1)."""
    name = issuer.subject.public_bytes()
    # The hash of the BIT STRING's contents, that is of the uncompressed point of an EC key.
    point = issuer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return hmac.compare_digest(_hash(request.hash_algorithm, name), request.issuer_name_hash) and hmac.compare_digest(
        _hash(request.hash_algorithm, point), request.issuer_key_hash
    )


def _hash(algorithm: HashAlgorithm, data: bytes) -> bytes:
    digest = Hash(algorithm)
    digest.update(data)
    return digest.finalize()


def _digest(issuer: CaPair) -> SHA256 | SHA384:
    """The hash that goes with the issuer's curve (Baseline Requirements, section 7.1.3.2.2)."""
    return SHA384() if issuer.key.curve.name == "secp384r1" else SHA256()


def _error(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
