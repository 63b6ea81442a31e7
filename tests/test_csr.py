"""Reading CSRs: what is taken, what is refused and in which words, and that nothing else ever comes out."""

import base64
import math
import subprocess
from datetime import UTC, datetime
from ipaddress import ip_address
from itertools import count

import pytest
from ca_support import csr_builder, make_csr
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from webapp.certificates.csr import MAX_CSR_BYTES, CsrRejected, ParsedCsr, read_csr
from webapp.certificates.public_keys import PRIMES_BELOW_752

NAME = "www.example.com"
ORDER = (NAME,)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
CSR = make_csr(EC_KEY, names=[NAME])
DER = x509.load_pem_x509_csr(CSR.encode()).public_bytes(Encoding.DER)


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def refusal(text: str | bytes, names: tuple[str, ...] = ORDER) -> CsrRejected:
    with pytest.raises(CsrRejected) as caught:
        read_csr(text, names)
    fault = caught.value
    assert str(fault) == fault.problem
    for sentence in (fault.problem, fault.advice):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    return fault


# What is taken


def test_a_csr_is_read():
    assert read_csr(CSR, ORDER) == ParsedCsr(
        pem=CSR,
        key_description="EC, P-256",
        names=(NAME,),
        common_name=None,
        key_fingerprint=read_csr(DER, ORDER).key_fingerprint,
        certificate_names=(NAME,),
        notes=(),
    )


@pytest.mark.parametrize(
    "form",
    [
        CSR.encode(),
        DER,
        b"\xef\xbb\xbf" + CSR.encode(),
        CSR.encode("utf-16"),
        "\ufeff" + CSR,
        CSR.replace("\n", "\r\n"),
        CSR.replace("\n", "\n  "),
        "".join(CSR.splitlines()),
        CSR.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"),
        f"Here is my request, grüße!\n\n{CSR}\nthanks",
        base64.b64encode(DER).decode(),
        base64.encodebytes(DER),
    ],
)
def test_a_csr_may_come_in_many_forms(form):
    assert read_csr(form, ORDER).pem == CSR


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ec.generate_private_key(ec.SECP384R1()), "EC, P-384"),
        (lambda: rsa.generate_private_key(65537, 2048), "RSA, 2048 bits"),
        (lambda: rsa.generate_private_key(65537, 3072), "RSA, 3072 bits"),
    ],
)
def test_keys_are_named(make, words):
    key = make()
    parsed = read_csr(make_csr(key, names=[NAME]), ORDER)
    assert parsed.key_description == words
    # The same fingerprint as `openssl pkey -pubin -outform DER | sha256sum` gives.
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"], input=public, capture_output=True, check=True
    ).stdout
    digest = subprocess.run(["openssl", "sha256", "-r"], input=der, capture_output=True, check=True).stdout
    assert digest.decode().split()[0] == parsed.key_fingerprint


def test_a_csr_of_openssl_is_read(tmp_path):
    subject = ["-subj", "/C=CN/O=Example/CN=www.example.com", "-addext", "subjectAltName=DNS:www.example.com"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(tmp_path / "key")]
    made = subprocess.run(["openssl", "req", "-new", "-text", *key, *subject], capture_output=True, check=True)
    parsed = read_csr(made.stdout, ORDER)
    assert (parsed.names, parsed.common_name) == ((NAME,), NAME)


def test_a_shop_may_ask_for_longer_keys(rsa_key):
    """128 bits of strength: 3072 of RSA, or P-256 (NIST SP 800-57 part 1, table 2)."""
    short = make_csr(rsa_key, names=[NAME])
    with pytest.raises(CsrRejected) as caught:
        read_csr(short, ORDER, 3072)
    assert "2048 bits, and at least 3072 are needed" in caught.value.problem
    assert "RSA with 3072 to 8192 bits" in caught.value.advice
    # What was taken before stays readable.
    assert read_csr(short, ORDER).names == ORDER
    for key in (rsa.generate_private_key(65537, 3072), EC_KEY):
        assert read_csr(make_csr(key, names=[NAME]), ORDER, 3072).names == ORDER


def test_a_signature_with_sha_512_is_fine(rsa_key):
    assert read_csr(make_csr(rsa_key, names=[NAME], digest=SHA512()), ORDER).names == ORDER


# Names


@pytest.mark.parametrize(
    ("common_name", "names", "ordered", "in_csr"),
    [
        (NAME, [], [NAME], [NAME]),
        ("WWW.Example.COM", [], [NAME], [NAME]),
        (NAME, [NAME], [NAME], [NAME]),
        ("bücher.example.com", [], ["xn--bcher-kva.example.com"], ["xn--bcher-kva.example.com"]),
        (None, ["XN--Bcher-KVA.example.com"], ["bücher.example.com"], ["xn--bcher-kva.example.com"]),
        ("a.example.com", ["b.example.com"], ["a.example.com", "b.example.com"], ["b.example.com", "a.example.com"]),
        (None, ["*.example.com"], ["*.example.com"], ["*.example.com"]),
    ],
)
def test_names_that_fit_the_order(common_name, names, ordered, in_csr):
    parsed = read_csr(make_csr(EC_KEY, common_name, names), ordered)
    assert parsed.names == tuple(in_csr)
    assert set(parsed.certificate_names) == set(in_csr)
    assert parsed.notes == ()


def test_a_wildcard_may_bring_its_own_domain():
    parsed = read_csr(make_csr(EC_KEY, "example.com", ["*.example.com", "example.com"]), ["*.example.com"])
    assert parsed.certificate_names == ("*.example.com", "example.com")
    assert tuple(map(str, parsed.notes)) == (
        "The CSR asks for example.com too, which belongs to *.example.com; the certificate can bear both.",
    )


def test_a_csr_without_names_gets_those_of_the_order():
    parsed = read_csr(make_csr(EC_KEY), ["example.com", NAME])
    assert (parsed.names, parsed.common_name) == ((), None)
    assert parsed.certificate_names == ("example.com", NAME)
    assert tuple(map(str, parsed.notes)) == (
        f"The CSR has no names in it; the certificate will bear those of the order: example.com, {NAME}.",
    )


def test_a_common_name_that_is_no_domain_is_left_out_when_there_are_others():
    parsed = read_csr(make_csr(EC_KEY, "Example\u202e Ltd", [NAME]), ORDER)
    assert parsed.common_name is None
    assert tuple(map(str, parsed.notes)) == (
        "The common name “Example� Ltd” is not a domain name; the certificate will not bear it.",
    )


@pytest.mark.parametrize(
    ("common_name", "names", "ordered", "words"),
    [
        (None, ["other.example.com"], [NAME], "asks for other.example.com, but the order is for www.example.com"),
        ("other.example.com", [NAME], [NAME], "asks for other.example.com"),
        (None, ["example.com"], [NAME], "asks for example.com"),
        (None, ["example.com"], ["*.example.com"], "lacks *.example.com"),
        (None, ["www.example.com"], ["*.example.com"], "asks for www.example.com"),
        (None, ["*.example.com"], ["example.com"], "asks for *.example.com"),
        (None, ["a.example.com"], ["a.example.com", "b.example.com"], "lacks b.example.com"),
        (None, [f"n{n}.example.com" for n in range(9)], [NAME], "n2.example.com and 6 more"),
        ("Example Ltd", [], [NAME], "common name of the CSR is not a domain name"),
        ("192.0.2.1", [], [NAME], "IP address"),
        (None, ["a_b.example.com"], [NAME], "underscore"),
        (None, ["www.example.com\0.example.org"], [NAME], "invisible character (U+0000)"),
        (None, ["localhost"], [NAME], "at least one dot"),
        (None, [x509.IPAddress(ip_address("192.0.2.1"))], [NAME], "an IP address"),
        (None, [NAME, x509.RFC822Name("a@example.com")], [NAME], "a mail address"),
        (None, [NAME, x509.UniformResourceIdentifier("http://example.com/")], [NAME], "a web address (URI)"),
        (None, [NAME, x509.DirectoryName(x509.Name([]))], [NAME], "not supported"),
        (None, [f"n{n}.example.com" for n in range(101)], [NAME], "has 101 names; at most 100"),
        (None, [NAME], [], "names no domain"),
        (None, [NAME], ["exa mple.com"], "order itself"),
    ],
)
def test_names_that_are_refused(common_name, names, ordered, words):
    assert words in refusal(make_csr(EC_KEY, common_name, names), tuple(ordered)).problem


def test_a_hundred_names_are_possible():
    names = [f"n{n}.example.com" for n in range(100)]
    assert read_csr(make_csr(EC_KEY, names[0], names), names).names == tuple(names)


# Not a CSR


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing was pasted"),
        (b"", "nothing was pasted"),
        (" \n\t ", "nothing was pasted"),
        ("\ufeff", "nothing was pasted"),
        ("hello", "not a CSR"),
        ("grüße", "not a CSR"),
        ("\ud800", "neither a CSR in text form"),
        (b"\xff\xfe\x00", "neither a CSR in text form"),
        (b"abc\xff", "neither a CSR in text form"),
        (CSR[:40] + "\0" + CSR[40:], "null bytes"),
        (CSR[:-40], "cut off"),
        (CSR.replace("-----END", "-----FIN"), "cut off"),
        (CSR.replace("MI", "!!", 1), "damaged"),
        (CSR.replace("CERTIFICATE REQUEST", "PKCS12"), "something else"),
        (CSR + CSR, "2 CSRs"),
        (DER[:-1], "damaged"),
        (DER + b"\0", "damaged"),
        (b"\x30\x00", "not a CSR"),
        ("MAA=", "not a CSR"),
        (f"-----BEGIN CERTIFICATE REQUEST-----\n{'A' * MAX_CSR_BYTES}\n-----END CERTIFICATE REQUEST-----", "too large"),
        (b"\x30\x82\x40\x00" + bytes(MAX_CSR_BYTES), "too large"),
    ],
)
def test_what_is_no_csr(text, words):
    assert words in refusal(text).problem


def certificate() -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    csr = x509.load_pem_x509_csr(CSR.encode())
    made = x509.CertificateBuilder(name, name, csr.public_key(), 1)
    day = datetime(2026, 1, 1, tzinfo=UTC)
    return made.not_valid_before(day).not_valid_after(day.replace(month=3)).sign(EC_KEY, SHA256())


def test_a_certificate_is_told_from_a_csr():
    pem = certificate().public_bytes(Encoding.PEM).decode()
    for text in (
        pem,
        certificate().public_bytes(Encoding.DER),
        pem + CSR,
        CSR + pem,
        pem.replace("CERTIFICATE", "CERTIFICATE REQUEST"),
    ):
        assert refusal(text).problem == "This is a certificate, or contains one; a CSR is needed."


def test_a_public_key_is_told_from_a_csr():
    pem = EC_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert "a public key, not a CSR" in refusal(pem).problem


# Private keys


def private_keys() -> dict[str, str | bytes]:
    """Private keys in every form in which people have them lying about."""
    rsa_key = rsa.generate_private_key(65537, 2048)
    locked = BestAvailableEncryption(b"secret")
    traditional = rsa_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    pkcs8 = EC_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    der = rsa_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return {
        "PKCS #8": pkcs8,
        "PKCS #8, encrypted": rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked).decode(),
        "PKCS #1": traditional,
        "SEC 1": EC_KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode(),
        "OpenSSH": rsa_key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode(),
        "Ed25519": ed25519.Ed25519PrivateKey.generate()
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode(),
        "as bytes": pkcs8.encode(),
        "UTF-16 with a mark": pkcs8.encode("utf-16"),
        "UTF-16 without a mark": pkcs8.encode("utf-16-le"),
        "not UTF-8": b"\xff\xff" + pkcs8.encode(),
        "with null bytes": pkcs8.replace("\n", "\0\n"),
        "cut off": traditional[:200],
        "lower case": traditional.lower(),
        "word processor's dashes": traditional.replace("-----", "—"),
        "after a CSR": CSR + pkcs8,
        "before a CSR": pkcs8 + CSR,
        "after much else": "x" * MAX_CSR_BYTES + pkcs8,
        "after a CSR in DER": DER + pkcs8.encode(),
        "PKCS #8 in DER": der,
        "PKCS #1 in DER": rsa_key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        "SEC 1 in DER": EC_KEY.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        "encrypted, in DER": rsa_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, locked),
        "PKCS #12": pkcs12.serialize_key_and_certificates(b"www", rsa_key, None, None, locked),
        "base64 alone": "".join(pkcs8.splitlines()[1:-1]),
        "base64 of the text": base64.b64encode(pkcs8.encode()).decode(),
        "under a CSR's header": pkcs8.replace("PRIVATE KEY", "CERTIFICATE REQUEST"),
        "PuTTY": "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\n",
        "OpenPGP": "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ\n",
    }


PRIVATE_KEYS = private_keys()


@pytest.mark.parametrize("form", PRIVATE_KEYS)
def test_a_private_key_is_refused_whatever_it_looks_like(form):
    fault = refusal(PRIVATE_KEYS[form])
    assert fault.problem == "This contains a private key. It was refused and not stored."
    assert "make a new key" in fault.advice


@pytest.mark.parametrize("form", PRIVATE_KEYS)
def test_no_part_of_a_private_key_is_kept(form):
    text = PRIVATE_KEYS[form]
    fault = refusal(text)
    assert fault.__cause__ is None
    shown = repr(fault.args) + repr(vars(fault))
    clean = text if isinstance(text, str) else text.decode("latin-1")
    lines = [line for line in clean.splitlines() if len(line) >= 16 and "KEY" not in line.upper()]
    assert not any(line in shown for line in lines)


# Keys


def test_an_ed25519_key_is_refused_in_words():
    fault = refusal(make_csr(ed25519.Ed25519PrivateKey.generate(), names=[NAME]))
    assert fault.problem == "The key in the CSR is of the type Ed25519, which public certificates may not carry."
    assert "RSA with 2048 to 8192 bits, or EC on the curve P-256 or P-384" in fault.advice


def test_other_kinds_of_keys_are_refused():
    ed448_csr = csr_builder(names=[NAME]).sign(ed448.Ed448PrivateKey.generate(), None)
    assert "type Ed448" in refusal(ed448_csr.public_bytes(Encoding.PEM)).problem
    dsa_csr = csr_builder(names=[NAME]).sign(dsa.generate_private_key(2048), SHA256())
    assert "type DSA" in refusal(dsa_csr.public_bytes(Encoding.PEM)).problem
    for curve in (ec.SECP521R1(), ec.SECP256K1(), ec.BrainpoolP256R1()):
        fault = refusal(make_csr(ec.generate_private_key(curve), names=[NAME]))
        assert f"curve {curve.name}" in fault.problem


def is_probably_prime(number: int) -> bool:
    """Miller and Rabin, enough rounds for a test."""
    if any(number % prime == 0 for prime in PRIMES_BELOW_752):
        return False
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7, 11, 13):
        value = pow(base, odd, number)
        if value in (1, number - 1):
            continue
        if not any((value := value * value % number) == number - 1 for _ in range(twos - 1)):
            return False
    return True


def primes_from(start: int, step: int) -> int:
    return next(number for number in count(start, step) if is_probably_prime(number))


def key_of(p: int, q: int, exponent: int = 65537) -> rsa.RSAPrivateKey:
    d = pow(exponent, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(exponent, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def test_an_rsa_key_with_close_primes_is_refused():
    p = primes_from(3 * 2**1022 + 1, 2)
    q = primes_from(p + 2**400, 2)
    assert "so close" in refusal(make_csr(key_of(p, q), names=[NAME])).problem


def test_an_rsa_key_of_the_roca_library_is_refused():
    # As the faulty library made its primes of 1024 bits: k * M + (65537 ** a mod M), M the first 126 primes' product.
    product = math.prod(PRIMES_BELOW_752[:126])
    start = 3 * 2**1022 // product * product
    p = primes_from(start + pow(65537, 12345, product), product)
    q = primes_from(start + 2**1000 // product * product + pow(65537, 67890, product), product)
    assert "ROCA" in refusal(make_csr(key_of(p, q), names=[NAME])).problem


@pytest.mark.parametrize(
    ("bits", "exponent", "words"),
    [
        (1024, 65537, "has 1024 bits, and at least 2048"),
        (2047, 65537, "2047 bits"),
        (2048, 3, "unusual public exponent"),
    ],
)
def test_weak_rsa_keys_are_refused(bits, exponent, words):
    half = bits // 2
    p, q = (
        primes_from(2**half - 2 ** (half - 10) + 1, 2),
        primes_from(2 ** (bits - half) - 2 ** (bits - half - 3) + 1, 2),
    )
    while (p - 1) % exponent == 0:
        p = primes_from(p + 2, 2)
    while (q - 1) % exponent == 0:
        q = primes_from(q + 2, 2)
    assert words in refusal(make_csr(key_of(p, q, exponent), names=[NAME])).problem


def der(tag: int, *parts: bytes) -> bytes:
    """One value in DER."""
    content = b"".join(parts)
    size = len(content)
    length = (
        bytes([size])
        if size < 128
        else bytes([0x80 | (size.bit_length() + 7) // 8]) + size.to_bytes((size.bit_length() + 7) // 8, "big")
    )
    return bytes([tag]) + length + content


SEQUENCE, SET, BIT_STRING, OCTET_STRING, ATTRIBUTES = 0x30, 0x31, 0x03, 0x04, 0xA0
VERSION_1, NO_SUBJECT = b"\x02\x01\x00", b"\x30\x00"
SHA256_WITH_RSA = bytes.fromhex("300d06092a864886f70d01010b0500")
SHA256_WITH_ECDSA = bytes.fromhex("300a06082a8648ce3d040302")
SUBJECT_ALT_NAME = bytes.fromhex("0603551d11")
EXTENSION_REQUEST = bytes.fromhex("06092a864886f70d01090e")


@pytest.mark.parametrize(
    ("modulus", "words"),
    [
        (743 * (2**2048 // 743 - 1 | 1), "very small factor"),
        (2**2051 + 1, "multiple of eight"),
        (2**9999 + 1, "more than 8192"),
    ],
)
def test_the_modulus_is_looked_at_before_the_signature(modulus, words):
    key = rsa.RSAPublicNumbers(65537, modulus).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    info = der(SEQUENCE, VERSION_1, NO_SUBJECT, spki, der(ATTRIBUTES))
    csr = der(SEQUENCE, info, SHA256_WITH_RSA, der(BIT_STRING, bytes(257)))
    assert words in refusal(csr).problem


def test_a_csr_that_its_key_did_not_sign_is_refused():
    changed = DER.replace(b"www.example.com", b"www.example.org")
    fault = refusal(changed, ("www.example.org",))
    assert "does not prove that you hold the private key" in fault.problem


def test_a_strange_version_or_signature_algorithm_is_refused():
    assert "damaged" in refusal(DER.replace(VERSION_1, b"\x02\x01\x07", 1)).problem
    strange = SHA256_WITH_ECDSA[:-1] + b"\x7f"
    assert SHA256_WITH_ECDSA in DER
    assert "does not prove" in refusal(DER.replace(SHA256_WITH_ECDSA, strange)).problem


def test_a_doubled_extension_is_refused():
    name = der(SEQUENCE, der(0x82, NAME.encode()))
    extension = der(SEQUENCE, SUBJECT_ALT_NAME, der(OCTET_STRING, name))
    attribute = der(SEQUENCE, EXTENSION_REQUEST, der(SET, der(SEQUENCE, extension, extension)))
    spki = EC_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    info = der(SEQUENCE, VERSION_1, NO_SUBJECT, spki, der(ATTRIBUTES, attribute))
    signature = EC_KEY.sign(info, ec.ECDSA(SHA256()))
    csr = der(SEQUENCE, info, SHA256_WITH_ECDSA, der(BIT_STRING, b"\0", signature))
    assert x509.load_der_x509_csr(csr).is_signature_valid
    assert "names in the CSR cannot be read" in refusal(csr).problem


# Anything at all


def only_csr_rejected_escapes(text: str | bytes) -> None:
    try:
        parsed = read_csr(text, ORDER)
    except CsrRejected:
        return
    assert set(parsed.certificate_names) == set(ORDER)
    assert x509.load_pem_x509_csr(parsed.pem.encode()).is_signature_valid


FUZZ = settings(
    max_examples=300, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@FUZZ
@given(
    st.lists(
        st.tuples(st.integers(0, len(DER) - 1), st.sampled_from(["flip", "drop", "insert"]), st.integers(0, 255)),
        min_size=1,
        max_size=4,
    )
)
def test_a_mutated_csr_never_breaks_anything(changes):
    mutated = bytearray(DER)
    for position, what, value in changes:
        at = position % len(mutated)
        if what == "flip":
            mutated[at] ^= value
        elif what == "drop":
            del mutated[at]
        else:
            mutated.insert(at, value)
    only_csr_rejected_escapes(bytes(mutated))
    only_csr_rejected_escapes(base64.b64encode(mutated).decode())


@FUZZ
@given(st.binary(max_size=400))
@example(b"\x30\x80\x00\x00")
@example(b"\xff\xfe")
@example(b"\xfe\xff\xd8")
def test_random_bytes_never_break_anything(data):
    only_csr_rejected_escapes(data)
    only_csr_rejected_escapes(b"\x30" + data)


@FUZZ
@given(st.text(max_size=200), st.integers(0, len(CSR)))
def test_random_text_never_breaks_anything(text, at):
    only_csr_rejected_escapes(text)
    only_csr_rejected_escapes(CSR[:at] + text + CSR[at:])
    only_csr_rejected_escapes(f"-----BEGIN {text}-----\nMAA=\n-----END {text}-----")


def test_a_text_made_to_be_slow_is_not():
    only_csr_rejected_escapes("-----BEGIN A-----" * 900)
    only_csr_rejected_escapes("private" + " " * 100_000)
