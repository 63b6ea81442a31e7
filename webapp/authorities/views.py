"""Where machines fetch what they need to check a certificate of the built-in authority.

These addresses stand in every certificate. They are public, carry no session and change nothing, so they need no
protection against forged requests.
"""

import base64
import binascii
from collections.abc import Callable
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from flask import Blueprint, Response, request

from webapp.authorities.builtin import BuiltinAuthority
from webapp.authorities.builtin_status import MAX_OCSP_REQUEST_BYTES
from webapp.authorities.port import AuthorityUnavailable

CERTIFICATE_MAX_AGE = 24 * 3600
"""Seconds for which caches may keep the authority's certificates, which do not change."""

STATUS_MAX_AGE = 300
"""Seconds for which caches may keep a CRL or an OCSP response, and so hide a revocation that is newer."""

RETRY_AFTER = 30


def blueprint(authority: BuiltinAuthority) -> Blueprint:
    """The endpoints of one authority, under ``/ca``."""
    ca = Blueprint("ca", __name__, url_prefix="/ca")

    @ca.get("/root.crt")
    def root_certificate() -> Response:
        return _certificate(authority.root_certificate)

    @ca.get("/root.pem")
    def root_certificate_pem() -> Response:
        pem = authority.root_certificate.public_bytes(Encoding.PEM)
        answer = _cacheable(pem, "application/x-pem-file", CERTIFICATE_MAX_AGE)
        answer.headers["Content-Disposition"] = 'attachment; filename="root.pem"'
        return answer

    @ca.get("/issuing.crt")
    def issuing_certificate() -> Response:
        return _certificate(authority.issuing_certificate)

    @ca.get("/issuing.crl")
    def issuing_crl() -> Response:
        return _crl(authority.crl)

    @ca.get("/root.crl")
    def root_crl() -> Response:
        return _crl(authority.root_crl)

    @ca.post("/ocsp")
    def ocsp_by_post() -> Response:
        request.max_content_length = MAX_OCSP_REQUEST_BYTES
        return _ocsp(authority.ocsp(request.get_data()), cacheable=False)

    # A path, since base64 has slashes in it.
    @ca.get("/ocsp/<path:encoded>")
    def ocsp_by_get(encoded: str) -> Response:
        return _ocsp(authority.ocsp(_decoded(encoded)), cacheable=True)

    return ca


def _certificate(certificate: x509.Certificate) -> Response:
    return _cacheable(certificate.public_bytes(Encoding.DER), "application/pkix-cert", CERTIFICATE_MAX_AGE)


def _crl(current: Callable[[], bytes]) -> Response:
    try:
        return _cacheable(current(), "application/pkix-crl", STATUS_MAX_AGE)
    except AuthorityUnavailable as trouble:
        answer = Response(f"{trouble.detail}\n", status=503, mimetype="text/plain")
        answer.headers["Retry-After"] = str(RETRY_AFTER)
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _cacheable(content: bytes, mimetype: str, max_age: int) -> Response:
    answer = Response(content, mimetype=mimetype)
    answer.headers["Cache-Control"] = f"public, max-age={max_age}, no-transform"
    answer.set_etag(sha256(content).hexdigest()[:32])
    answer.make_conditional(request)
    return answer


def _decoded(encoded: str) -> bytes:
    """The request in the path (RFC 6960, appendix A.1); bytes that are no request when it is not base64."""
    if len(encoded) > 2 * MAX_OCSP_REQUEST_BYTES:
        return b""
    try:
        # Some clients leave the padding out.
        return base64.b64decode(encoded.encode("ascii") + b"=" * (-len(encoded) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return b""


def _ocsp(der: bytes, *, cacheable: bool) -> Response:
    answer = Response(der, mimetype="application/ocsp-response")
    # An answer with a nonce is for one asker, and an error is for now only (RFC 5019, section 6.2).
    keep = cacheable and _is_reusable(ocsp.load_der_ocsp_response(der))
    answer.headers["Cache-Control"] = (
        f"public, max-age={STATUS_MAX_AGE}, no-transform, must-revalidate" if keep else "no-store"
    )
    return answer


def _is_reusable(response: ocsp.OCSPResponse) -> bool:
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        return False
    if response.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        # It may be issued the next moment.
        return False
    return not any(isinstance(extension.value, x509.OCSPNonce) for extension in response.extensions)
