"""Which public keys a certificate may carry, and how they are named.

Rules: TLS Baseline Requirements, section 6.1.5 (sizes), 6.1.6 (exponent, small factors) and 6.1.1.3
(close primes, ROCA); P-521 is permitted there but by no browser's root programme.
"""

import math
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certlifecycle import Sentence, say
from webapp.retelling import stored

MIN_RSA_BITS = 2048
"""What a public authority may take at least; a shop can ask for more."""
MAX_RSA_BITS = 8192
FERMAT_ROUNDS = 100

CURVE_NAMES = {"secp256r1": "P-256", "secp384r1": "P-384"}

PRIMES_BELOW_752 = tuple(
    number for number in range(2, 752) if all(number % d for d in range(2, math.isqrt(number) + 1))
)
_SMALL_FACTORS = math.prod(PRIMES_BELOW_752)

# ROCA (CVE-2017-15361): primes of the faulty library are k * M + (65537 ** a mod M) with M the
# product of the first primes, so such a modulus is a power of 65537 modulo each of them. An honest
# modulus is so modulo all of them with a chance of less than one in a hundred million.
_ROCA_PRIMES = PRIMES_BELOW_752[1:39]
_ROCA_RESIDUES = {prime: frozenset(pow(65537, exponent, prime) for exponent in range(prime)) for prime in _ROCA_PRIMES}


def describe_key(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    """A key in a person's words, such as ``RSA, 2048 bits`` or ``EC, P-256``."""
    if isinstance(key, rsa.RSAPublicKey):
        return stored("RSA, {bits} bits", bits=key.key_size)
    return stored("EC, {curve}", curve=CURVE_NAMES.get(key.curve.name, key.curve.name))


def key_fingerprint(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    """SHA-256 of the SubjectPublicKeyInfo, lower-case hex."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(der).hexdigest()


def allowed_keys(least_rsa_bits: int) -> Sentence:
    """Which keys are taken, in words."""
    return say(
        "RSA with {least} to {most} bits, or EC on the curve P-256 or P-384",
        least=least_rsa_bits,
        most=MAX_RSA_BITS,
    )


def key_fault(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, least_rsa_bits: int) -> Sentence | None:
    """Why a public key cannot go into a certificate, as a sentence; None when it can."""
    if isinstance(key, rsa.RSAPublicKey):
        return _rsa_fault(key, least_rsa_bits)
    if key.curve.name in CURVE_NAMES:
        return None
    return say("The key lies on the curve {curve}, which browsers do not accept.", curve=key.curve.name)


def _rsa_fault(key: rsa.RSAPublicKey, least_bits: int) -> Sentence | None:
    numbers = key.public_numbers()
    modulus, exponent = numbers.n, numbers.e
    if key.key_size < least_bits:
        return say(
            "The RSA key is too short: it has {bits} bits, and at least {least} are needed.",
            bits=key.key_size,
            least=least_bits,
        )
    if key.key_size > MAX_RSA_BITS:
        return say(
            "The RSA key has {bits} bits; more than {most} are not supported.", bits=key.key_size, most=MAX_RSA_BITS
        )
    if key.key_size % 8:
        return say("The RSA key has {bits} bits, which is not a multiple of eight.", bits=key.key_size)
    if exponent % 2 == 0 or not 2**16 < exponent < 2**256:
        return say("The RSA key has an unusual public exponent; 65537 is the usual one.")
    if math.gcd(modulus, _SMALL_FACTORS) != 1:
        return say("The RSA key is broken: its modulus has a very small factor.")
    if _has_close_primes(modulus):
        return say("The RSA key is broken: its two primes are so close that anybody can compute them.")
    if has_roca_fingerprint(modulus):
        return say(
            "The RSA key was made by hardware or a library with a known fault "
            "(ROCA, CVE-2017-15361), so its private key can be computed."
        )
    return None


def _has_close_primes(modulus: int) -> bool:
    """Fermat's factorisation, as many rounds as the Baseline Requirements ask for."""
    mean = math.isqrt(modulus - 1) + 1
    for _ in range(FERMAT_ROUNDS):
        square = mean * mean - modulus
        if math.isqrt(square) ** 2 == square:
            return True
        mean += 1
    return False


def has_roca_fingerprint(modulus: int) -> bool:
    """Whether an RSA modulus has the structure that the ROCA fault leaves behind."""
    return all(modulus % prime in residues for prime, residues in _ROCA_RESIDUES.items())
