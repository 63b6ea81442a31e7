"""What stands in the built-in authority's certificates.

Profiles of the TLS Baseline Requirements, section 7.1.2: root (7.1.2.1), issuing CA (7.1.2.6) and domain-validated
server certificate (7.1.2.7.2). Nothing of a CSR goes into a certificate but its public key.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from webapp.authorities.validity import not_after

ROOT_VALIDITY = timedelta(days=20 * 365)
ISSUING_VALIDITY = timedelta(days=10 * 365)

ORGANIZATION = "Certificate Desk"
# ISO 3166-1's user-assigned code for "no particular country" (Baseline Requirements, section 7.1.4.2).
COUNTRY = "XX"

DOMAIN_VALIDATED = x509.ObjectIdentifier("2.23.140.1.2.1")

_CA_KEY_USAGE = x509.KeyUsage(
    # The issuing CA signs OCSP responses itself, for which this bit is needed.
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)
# For RSA too: keyEncipherment serves only cipher suites without forward secrecy, and asserting both bits is
# not recommended (Baseline Requirements, section 7.1.2.7.11).
_LEAF_KEY_USAGE = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=False,
    crl_sign=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def root_certificate(key: ec.EllipticCurvePrivateKey, not_before: datetime) -> x509.Certificate:
    """A self-signed root certificate, valid for 20 years from ``not_before`` (aware, whole seconds)."""
    name = _ca_name("Root CA", key.public_key())
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        _builder(name, name, key.public_key(), not_before, ROOT_VALIDITY)
        # No path length: it says nothing on a root (section 7.1.2.1.4).
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_CA_KEY_USAGE, critical=True)
        .add_extension(key_id, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id), critical=False)
        .sign(key, SHA384())
    )


def issuing_certificate(
    public_key: ec.EllipticCurvePublicKey,
    root_key: ec.EllipticCurvePrivateKey,
    root: x509.Certificate,
    url: str,
    not_before: datetime,
) -> x509.Certificate:
    """The certificate of the issuing CA, valid for 10 years, that may issue server certificates and no further CA.

    ``url`` is the http address under which the authority's endpoints are found.
    """
    return (
        _builder(_ca_name("Issuing CA", public_key), root.subject, public_key, not_before, ISSUING_VALIDITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_CA_KEY_USAGE, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.CertificatePolicies([_policy(DOMAIN_VALIDATED)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_authority_key_id(root), critical=False)
        .add_extension(_access(ca_issuers=f"{url}/root.crt"), critical=False)
        .add_extension(_distribution_point(f"{url}/root.crl"), critical=False)
        .sign(root_key, SHA384())
    )


def leaf_certificate(
    public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    names: Sequence[str],
    issuing_key: ec.EllipticCurvePrivateKey,
    issuing: x509.Certificate,
    url: str,
    not_before: datetime,
    validity: timedelta,
) -> x509.Certificate:
    """A domain-validated server certificate for ``names`` (canonical A-labels)."""
    return (
        # The subject is empty, so the names must be critical (RFC 5280, section 4.2.1.6). There is no subject key
        # identifier: in a server certificate it is not recommended (section 7.1.2.7.6).
        _builder(x509.Name([]), issuing.subject, public_key, not_before, validity)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_LEAF_KEY_USAGE, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.CertificatePolicies([_policy(DOMAIN_VALIDATED)]), critical=False)
        .add_extension(_authority_key_id(issuing), critical=False)
        .add_extension(_access(ca_issuers=f"{url}/issuing.crt", ocsp=f"{url}/ocsp"), critical=False)
        .add_extension(_distribution_point(f"{url}/issuing.crl"), critical=False)
        .sign(issuing_key, SHA256())
    )


def key_id(certificate: x509.Certificate) -> bytes:
    """The subject key identifier of a CA certificate."""
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.key_identifier


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    not_before: datetime,
    validity: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        # 159 random bits, where at least 64 are asked for (section 7.1.2.7).
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after(not_before, validity))
    )


def _ca_name(kind: str, public_key: ec.EllipticCurvePublicKey) -> x509.Name:
    # Part of the key identifier keeps the roots of two installations apart in a trust store.
    mark = x509.SubjectKeyIdentifier.from_public_key(public_key).digest.hex()[:8]
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, COUNTRY),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{ORGANIZATION} {kind} {mark}"),
        ]
    )


def _policy(oid: x509.ObjectIdentifier) -> x509.PolicyInformation:
    return x509.PolicyInformation(oid, None)


def _authority_key_id(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    key_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id)


def _access(ca_issuers: str, ocsp: str | None = None) -> x509.AuthorityInformationAccess:
    descriptions = [(AuthorityInformationAccessOID.CA_ISSUERS, ca_issuers)]
    if ocsp is not None:
        descriptions.insert(0, (AuthorityInformationAccessOID.OCSP, ocsp))
    return x509.AuthorityInformationAccess(
        [x509.AccessDescription(method, x509.UniformResourceIdentifier(url)) for method, url in descriptions]
    )


def _distribution_point(url: str) -> x509.CRLDistributionPoints:
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
    return x509.CRLDistributionPoints([point])
