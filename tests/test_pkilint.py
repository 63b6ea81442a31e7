"""Everything that the built-in authority signs, as pkilint sees it: nothing at WARNING or above."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from ca_support import NAMES, HandClock, PrivateKey, make_csr
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from pkilint import finding_filter, loader, pkix, validation
from pkilint.cabf import cabf_crl, serverauth
from pkilint.pkix import certificate, crl, extension, name
from pkilint.pkix import ocsp as pkix_ocsp
from pkilint.pkix.certificate import certificate_extension
from sqlmodel import SQLModel

from certlifecycle import RevocationReason
from webapp.authorities.builtin import BuiltinAuthority
from webapp.authorities.builtin_profiles import leaf_certificate, root_certificate
from webapp.authorities.models import CaCertificate, CaCrl
from webapp.authorities.port import Issued
from webapp.db import make_engine

URL = "http://ca.example.com/ca"
# Most clients still name the issuer by SHA-1 hashes; nothing depends on their strength.
ASKED_WITH = (SHA1(), SHA256())  # noqa: S303


@pytest.fixture(scope="module")
def ca_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    engine = make_engine(f"sqlite:///{tmp_path_factory.mktemp('db') / 'ca.sqlite3'}")
    SQLModel.metadata.create_all(engine, tables=[CaCertificate.__table__, CaCrl.__table__])
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(scope="module")
def authority(ca_engine: sa.Engine, clock: HandClock, tmp_path_factory: pytest.TempPathFactory) -> BuiltinAuthority:
    return BuiltinAuthority(ca_engine, tmp_path_factory.mktemp("ca"), URL, clock)


def worst(results: Iterable[validation.ValidationResult]) -> list[str]:
    """The findings at WARNING or above, as ``SEVERITY code``."""
    return sorted(
        f"{found.finding.severity.name} {found.finding.code}"
        for result in results
        for found in result.finding_descriptions
        if found.finding.severity <= validation.ValidationFindingSeverity.WARNING
    )


def lint_server_auth(der: bytes) -> list[str]:
    """As ``lint_cabf_serverauth_cert lint --detect`` does it: the Baseline Requirements."""
    document = loader.RFC5280CertificateDocumentLoader().load_der_document(der)
    kind = serverauth.determine_certificate_type(document)
    linter = certificate.create_pkix_certificate_validator_container(
        serverauth.create_decoding_validators(), serverauth.create_validators(kind)
    )
    filters = serverauth.create_serverauth_finding_filters(kind)
    results, _ = finding_filter.filter_results(filters, linter.validate(document.root))
    return worst(results)


def lint_pkix(der: bytes) -> list[str]:
    """As ``lint_pkix_cert lint`` does it: RFC 5280."""
    document = loader.RFC5280CertificateDocumentLoader().load_der_document(der)
    linter = certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )
    return worst(linter.validate(document.root))


def decoders() -> list[validation.Validator]:
    return [
        pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
        pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
    ]


def lint_crl(der: bytes, kind: crl.CertificateRevocationListType) -> list[str]:
    """As ``lint_crl lint -p BR`` does it: RFC 5280 and the Baseline Requirements."""
    document = loader.RFC5280CertificateListDocumentLoader().load_der_document(der)
    linter = crl.create_pkix_crl_validator_container(
        decoders(),
        [
            crl.create_issuer_validator_container([]),
            crl.create_validity_validator_container([cabf_crl.create_validity_period_validator(kind)]),
            crl.create_extensions_validator_container([]),
            cabf_crl.CabfCrlReasonCodeAllowlistValidator(kind),
        ],
    )
    return worst(linter.validate(document.root))


def lint_ocsp_response(der: bytes) -> list[str]:
    """As ``lint_ocsp_response lint`` does it: RFC 6960."""
    document = loader.RFC6960OCSPResponseDocumentLoader().load_der_document(der)
    linter = pkix_ocsp.create_pkix_ocsp_response_validator_container(
        [pkix_ocsp.create_response_decoder(), *decoders()], []
    )
    return worst(linter.validate(document.root))


@pytest.fixture(scope="module")
def keys() -> dict[str, PrivateKey]:
    return {
        "RSA 2048": rsa.generate_private_key(65537, 2048),
        "RSA 3072": rsa.generate_private_key(65537, 3072),
        "RSA 4096": rsa.generate_private_key(65537, 4096),
        "P-256": ec.generate_private_key(ec.SECP256R1()),
        "P-384": ec.generate_private_key(ec.SECP384R1()),
    }


def der_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def issue(authority: BuiltinAuthority, order_key: str, key: PrivateKey, names: tuple[str, ...], days: int) -> bytes:
    ref = authority.submit(order_key, make_csr(key, names=names), names, days)
    progress = authority.advance(ref)
    assert isinstance(progress, Issued)
    return der_of(x509.load_pem_x509_certificates(progress.certificate.chain_pem.encode())[0])


def test_the_root_is_clean(authority):
    assert lint_server_auth(der_of(authority.root_certificate)) == []
    assert lint_pkix(der_of(authority.root_certificate)) == []


def test_the_issuing_certificate_is_clean(authority):
    assert lint_server_auth(der_of(authority.issuing_certificate)) == []
    assert lint_pkix(der_of(authority.issuing_certificate)) == []


@pytest.mark.parametrize("kind", ["RSA 2048", "RSA 3072", "RSA 4096", "P-256", "P-384"])
def test_a_leaf_is_clean(authority, keys, kind):
    der = issue(authority, kind, keys[kind], ("www.example.com", "xn--bcher-kva.example.org"), 365)
    assert lint_server_auth(der) == []
    # RFC 5280 recommends a subject key identifier in every certificate; the Baseline Requirements, which came later,
    # recommend none in a server's, and their linter leaves the older finding out for that reason.
    missing = certificate_extension.SubjectKeyIdentifierPresenceValidator.VALIDATION_EE_SKID_MISSING
    assert lint_pkix(der) == [f"WARNING {missing.code}"]


def test_a_wildcard_leaf_is_clean(authority, keys):
    der = issue(authority, "wildcard", keys["P-256"], ("*.example.com", "example.com"), 90)
    assert lint_server_auth(der) == []


@pytest.mark.parametrize("day", [(2027, 3, 14), (2027, 3, 15), (2029, 3, 15)])
def test_a_leaf_of_the_longest_validity_is_clean_at_every_limit(ca_engine, keys, tmp_path, day):
    clock = HandClock(datetime(*day, tzinfo=UTC))
    authority = BuiltinAuthority(ca_engine, tmp_path / "ca", URL, clock)
    assert lint_server_auth(issue(authority, f"longest {day}", keys["P-256"], NAMES, 3650)) == []


def test_the_crls_are_clean(ca_engine, keys, tmp_path):
    authority = BuiltinAuthority(ca_engine, tmp_path / "ca", URL, HandClock())
    assert lint_crl(authority.crl(), crl.CertificateRevocationListType.CRL) == []
    for reason in RevocationReason:
        der = issue(authority, f"revoked for {reason}", keys["P-256"], NAMES, 90)
        authority.revoke(format(x509.load_der_x509_certificate(der).serial_number, "x"), reason)
    full = authority.crl()
    assert len(x509.load_der_x509_crl(full)) == len(RevocationReason)
    assert lint_crl(full, crl.CertificateRevocationListType.CRL) == []
    assert lint_crl(authority.root_crl(), crl.CertificateRevocationListType.ARL) == []


@pytest.mark.parametrize("revoked", [False, True])
@pytest.mark.parametrize("digest", ASKED_WITH, ids=["SHA-1", "SHA-256"])
def test_an_ocsp_response_is_clean(authority, keys, revoked, digest):
    leaf = x509.load_der_x509_certificate(issue(authority, f"asked {revoked} {digest.name}", keys["P-256"], NAMES, 90))
    if revoked:
        authority.revoke(format(leaf.serial_number, "x"), RevocationReason.SUPERSEDED)
    request = ocsp.OCSPRequestBuilder().add_certificate(leaf, authority.issuing_certificate, digest).build()
    response = authority.ocsp(request.public_bytes(Encoding.DER))
    assert ocsp.load_der_ocsp_response(response).certificate_status.name == ("REVOKED" if revoked else "GOOD")
    assert lint_ocsp_response(response) == []


def test_the_linters_do_complain(keys):
    """A clean answer above would mean nothing if they could not."""
    now = HandClock().now.replace(microsecond=0)
    key = ec.generate_private_key(ec.SECP256R1())
    root_key = ec.generate_private_key(ec.SECP384R1())
    root = root_certificate(root_key, now)

    bad_leaf = leaf_certificate(
        keys["P-256"].public_key(), NAMES, key, root, "https://ca.example.com/ca", now, timedelta(days=201)
    )
    found = lint_server_auth(der_of(bad_leaf))
    assert "ERROR cabf.serverauth.certificate_validity_period_exceeds_200_days" in found
    assert "ERROR cabf.serverauth.aia_location_uri_not_http" in found

    bad_crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.subject)
        .last_update(now)
        .next_update(now + timedelta(days=30))
        .sign(key, SHA256())
        .public_bytes(Encoding.DER)
    )
    found = lint_crl(bad_crl, crl.CertificateRevocationListType.CRL)
    assert {"ERROR cabf.crl_invalid_validity_period", "ERROR pkix.crl_number_missing"} <= set(found)

    good = ocsp.OCSPResponseBuilder().add_response(
        bad_leaf, root, SHA256(), ocsp.OCSPCertStatus.GOOD, now, now + timedelta(days=1), None, None
    )
    response = good.responder_id(ocsp.OCSPResponderEncoding.HASH, root).sign(root_key, SHA384())
    der = response.public_bytes(Encoding.DER)
    tomorrow = (now + timedelta(days=1)).strftime("%Y%m%d%H%M%SZ").encode()
    the_day_before = (now - timedelta(days=1)).strftime("%Y%m%d%H%M%SZ").encode()
    assert lint_ocsp_response(der) == []
    assert lint_ocsp_response(der.replace(tomorrow, the_day_before)) == ["ERROR pkix.ocsp_negative_validity_period"]
