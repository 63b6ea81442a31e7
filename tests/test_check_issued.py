"""What the desk checks before it tells anybody that a certificate was issued."""

from datetime import UTC, datetime, timedelta

import pytest
from ca_support import make_csr
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from certlifecycle import RevocationReason
from webapp.authorities.builtin_profiles import issuing_certificate, leaf_certificate, root_certificate
from webapp.authorities.port import (
    REASON_CODES,
    REASON_SENTENCES,
    AuthorityRefused,
    BadCertificate,
    check_issued,
    hex_serial,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAMES = ("www.example.com", "example.com")
URL = "http://ca.example.com/ca"
DAYS = timedelta(days=90)

ROOT_KEY, ISSUING_KEY, KEY, OTHER_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))
ROOT = root_certificate(ROOT_KEY, NOW - timedelta(days=365))
ISSUING = issuing_certificate(ISSUING_KEY.public_key(), ROOT_KEY, ROOT, URL, NOW - timedelta(days=365))
CSR = make_csr(KEY, names=NAMES)


def leaf(
    key: ec.EllipticCurvePrivateKey = KEY,
    names: tuple[str, ...] = NAMES,
    signer: ec.EllipticCurvePrivateKey = ISSUING_KEY,
    issuer: x509.Certificate = ISSUING,
    not_before: datetime = NOW,
) -> x509.Certificate:
    return leaf_certificate(key.public_key(), names, signer, issuer, URL, not_before, DAYS)


def chain(*certificates: x509.Certificate) -> str:
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates)


def test_the_ordered_certificate_is_accepted():
    good = leaf()
    issued = check_issued(chain(good, ISSUING), CSR, NAMES, NOW)
    assert issued.chain_pem == chain(good, ISSUING)
    assert int(issued.serial, 16) == good.serial_number
    assert issued.not_after == NOW + DAYS - timedelta(seconds=1)


def test_the_order_of_the_names_and_their_case_do_not_matter():
    check_issued(chain(leaf(), ISSUING), CSR, ("Example.com", "WWW.example.com"), NOW)


def test_a_root_that_comes_along_is_dropped():
    good = leaf()
    assert check_issued(chain(good, ISSUING, ROOT), CSR, NAMES, NOW).chain_pem == chain(good, ISSUING)


def test_text_around_the_certificates_is_dropped():
    good = leaf()
    padded = f"Subject: somebody\n{chain(good)}\nissuer:\n{chain(ISSUING)}"
    assert check_issued(padded, CSR, NAMES, NOW).chain_pem == chain(good, ISSUING)


def other_ca_certificate() -> x509.Certificate:
    """A CA certificate for the customer's key, signed by the root."""
    return issuing_certificate(KEY.public_key(), ROOT_KEY, ROOT, URL, NOW)


def with_san(*names: x509.GeneralName) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(ISSUING.subject)
        .public_key(KEY.public_key())
        .serial_number(7)
        .not_valid_before(NOW)
        .not_valid_after(NOW + DAYS)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    return builder.sign(ISSUING_KEY, SHA256())


BAD_CHAINS = {
    "nothing": ("", "cannot be read"),
    "no certificate": ("hello", "cannot be read"),
    "not ASCII": ("é", "cannot be read"),
    "damaged": (chain(leaf()).replace("MII", "MIJ", 1), "cannot be read"),
    "too much text": ("x" * 70_000, "too large"),
    "too many": (chain(leaf(), *[ISSUING] * 6), "too many"),
    "the leaf alone": (chain(leaf()), "without the certificate of its issuer"),
    "another key": (chain(leaf(key=OTHER_KEY), ISSUING), "another key than the CSR"),
    "a name missing": (chain(leaf(names=NAMES[:1]), ISSUING), "was ordered"),
    "a name too many": (chain(leaf(names=(*NAMES, "other.example.com")), ISSUING), "other.example.com"),
    "a name of another kind": (
        chain(with_san(*map(x509.DNSName, NAMES), x509.RFC822Name("a@example.com")), ISSUING),
        "RFC822Name",
    ),
    "no names": (chain(with_san(), ISSUING), "names in the certificate cannot be read"),
    "another signature": (chain(leaf(signer=OTHER_KEY), ISSUING), "not signed by the issuer"),
    "another issuer": (chain(leaf(), ROOT, ISSUING), "not issued by the issuer"),
    "not valid yet": (chain(leaf(not_before=NOW + timedelta(minutes=6)), ISSUING), "not valid before"),
    "over": (chain(leaf(not_before=NOW - DAYS), ISSUING), "was valid only until"),
}


@pytest.mark.parametrize("what", BAD_CHAINS)
def test_another_certificate_is_refused_in_words(what):
    chain_pem, words = BAD_CHAINS[what]
    with pytest.raises(BadCertificate, match=words) as refusal:
        check_issued(chain_pem, CSR, NAMES, NOW)
    assert isinstance(refusal.value, AuthorityRefused)
    assert refusal.value.detail.endswith(".")


def test_a_ca_certificate_for_the_customer_is_refused():
    borne = other_ca_certificate()
    builder = x509.CertificateBuilder(
        borne.issuer, borne.subject, KEY.public_key(), 8, borne.not_valid_before_utc, borne.not_valid_after_utc
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in NAMES]), critical=False)
    with pytest.raises(BadCertificate, match="not of a server"):
        check_issued(chain(builder.sign(ROOT_KEY, SHA256()), ROOT), CSR, NAMES, NOW)


def test_an_issuer_that_is_no_ca_is_refused():
    """A server's certificate that signs another one: the names and the signature fit, the right to do so is missing."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "www.example.net")])
    server = x509.CertificateBuilder(ROOT.subject, name, OTHER_KEY.public_key(), 9, NOW, NOW + DAYS)
    server_certificate = server.sign(ROOT_KEY, SHA256())
    forged = (
        x509.CertificateBuilder(name, x509.Name([]), KEY.public_key(), 10, NOW, NOW + DAYS)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in NAMES]), critical=True)
        .sign(OTHER_KEY, SHA256())
    )
    with pytest.raises(BadCertificate, match="not one of a certificate authority"):
        check_issued(chain(forged, server_certificate), CSR, NAMES, NOW)


def test_a_clock_that_is_a_little_slow_is_forgiven():
    check_issued(chain(leaf(not_before=NOW + timedelta(minutes=5)), ISSUING), CSR, NAMES, NOW)


def test_the_last_second_counts():
    last = NOW + DAYS - timedelta(seconds=1)
    check_issued(chain(leaf(), ISSUING), CSR, NAMES, last)
    with pytest.raises(BadCertificate, match="valid only until"):
        check_issued(chain(leaf(), ISSUING), CSR, NAMES, last + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("written", "canonical"), [("0A", "a"), ("00:aB:01", "ab01"), (" ff\n", "ff"), ("f" * 40, "f" * 40)]
)
def test_a_serial_number_has_one_form(written, canonical):
    assert hex_serial(written) == canonical


def test_every_reason_has_its_number_and_a_sentence():
    assert REASON_CODES == {
        RevocationReason.UNSPECIFIED: 0,
        RevocationReason.KEY_COMPROMISE: 1,
        RevocationReason.AFFILIATION_CHANGED: 3,
        RevocationReason.SUPERSEDED: 4,
        RevocationReason.CESSATION_OF_OPERATION: 5,
    }
    assert set(REASON_SENTENCES) == set(RevocationReason)
    assert all(sentence.endswith(".") for sentence in REASON_SENTENCES.values())
