"""Alipay's gateway protocol: what is signed, how an answer is opened, which instant is meant.

Written directly, for both Python SDKs own the import name ``alipay`` and neither takes a gateway on a port of its own.
Sources: Alipay Open Platform, "Signature" (docs.open.alipay.com/291/106118), "Verifying a signature"
(docs.open.alipay.com/200/106120) and "Common parameters" (docs.open.alipay.com/291/105974).
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from certlifecycle import Money, MoneyError

SHANGHAI = ZoneInfo("Asia/Shanghai")
"""Alipay writes every instant in this zone, without naming it."""

CURRENCY = "CNY"
SMALLEST_KEY = 2048
_TIME = "%Y-%m-%d %H:%M:%S"


class NotSigned(Exception):
    """An answer or a notification whose signature is missing or wrong: nobody knows who wrote it."""


class Malformed(Exception):
    """An answer that cannot be read, or says something that it cannot mean."""


# Keys


def read_private_key(text: str) -> RSAPrivateKey:
    """The shop's own key: PEM, or the bare base64 that Alipay's key tool hands out. Raises :class:`ValueError`."""
    try:
        is_pem = "-----BEGIN" in text
        key = load_pem_private_key(text.encode(), None) if is_pem else load_der_private_key(_decoded(text), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("is no private key in PEM or base64 without a password") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < SMALLEST_KEY:
        raise ValueError(f"must be an RSA key of at least {SMALLEST_KEY} bits")
    return key


def read_public_key(text: str) -> RSAPublicKey:
    """Alipay's key, which is not the shop's own public key: PEM or base64. Raises :class:`ValueError`."""
    try:
        is_pem = "-----BEGIN" in text
        key = load_pem_public_key(text.encode()) if is_pem else load_der_public_key(_decoded(text))
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is no public key in PEM or base64") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < SMALLEST_KEY:
        raise ValueError(f"must be an RSA key of at least {SMALLEST_KEY} bits")
    return key


def _decoded(text: str) -> bytes:
    return base64.b64decode("".join(text.split()), validate=True)


# Signatures


def signed_text(fields: Mapping[str, str], leave_out: frozenset[str]) -> bytes:
    """What a signature covers: the fields that are not empty, sorted by name, as they are before URL encoding."""
    pairs = sorted((name, value) for name, value in fields.items() if value and name not in leave_out)
    return "&".join(f"{name}={value}" for name, value in pairs).encode()


def sign(key: RSAPrivateKey, text: bytes) -> str:
    """An RSA2 signature, that is RSA PKCS #1 v1.5 with SHA-256, in base64."""
    return base64.b64encode(key.sign(text, PKCS1v15(), SHA256())).decode("ascii")


def signed_request(key: RSAPrivateKey, fields: Mapping[str, str]) -> dict[str, str]:
    """A request's fields with their signature, which covers all of them, ``sign_type`` too."""
    return {**fields, "sign": sign(key, signed_text(fields, frozenset({"sign"})))}


def holds(key: RSAPublicKey, signature: str, text: bytes) -> bool:
    """Whether a base64 signature was made over ``text`` by the owner of ``key``."""
    try:
        key.verify(base64.b64decode(signature, validate=True), text, PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def verify_fields(key: RSAPublicKey, fields: Mapping[str, str]) -> None:
    """Check a notification's signature over its decoded form fields. Raises :class:`NotSigned`.

    Alipay leaves ``sign_type`` out of what it signs in notifications of a trade, and has left it in elsewhere; either
    is proof that Alipay wrote it.
    """
    if fields.get("sign_type") != "RSA2":
        raise NotSigned("the notification is not signed with RSA2")
    signature = fields.get("sign", "")
    for leave_out in (frozenset({"sign", "sign_type"}), frozenset({"sign"})):
        if holds(key, signature, signed_text(fields, leave_out)):
            return
    raise NotSigned("the notification's signature does not hold")


# Answers


def open_answer(key: RSAPublicKey, body: bytes, method: str) -> dict[str, Any]:
    """The object in an answer to ``method``, once its signature is verified over the exact bytes that arrived.

    Raises :class:`Malformed` and :class:`NotSigned`. An error without a signature counts as not signed: somebody on
    the way may have written it.
    """
    try:
        text = body.decode("utf-8")
        members = _members(text)
    except (ValueError, RecursionError):
        raise Malformed("the answer is no JSON object") from None
    name = f"{method.replace('.', '_')}_response"
    begin, end = members.get(name) or members.get("error_response") or (0, 0)
    if "sign" not in members:
        raise NotSigned(f"the answer is not signed: {_clipped(text[begin:end])}")
    signature = json.loads(text[slice(*members["sign"])])
    # Only the member named after this method counts: an answer to another question proves nothing.
    if not end or not isinstance(signature, str) or not holds(key, signature, text[begin:end].encode()):
        raise NotSigned("the answer's signature does not hold")
    # Amounts may come as numbers; as text they stay what they are.
    content = json.loads(text[begin:end], parse_float=str)
    if not isinstance(content, dict):
        raise Malformed("the answer holds no object")
    return content


_BLANK = re.compile(r"[ \t\r\n]*")


def _members(text: str) -> dict[str, tuple[int, int]]:
    """Where the values of a JSON object's own members begin and end. A name that stands twice is an error."""
    decoder = json.JSONDecoder()
    found: dict[str, tuple[int, int]] = {}
    place = _after(text, 0, "{")
    while True:
        name, place = decoder.raw_decode(text, _skip(text, place))
        begin = _skip(text, _after(text, place, ":"))
        _, place = decoder.raw_decode(text, begin)
        if not isinstance(name, str) or name in found:
            raise ValueError("a member's name is no string or stands twice")
        found[name] = (begin, place)
        place = _skip(text, place)
        if text[place : place + 1] == "}":
            if _skip(text, place + 1) != len(text):
                raise ValueError("something follows the object")
            return found
        place = _after(text, place, ",")


def _after(text: str, place: int, sign: str) -> int:
    place = _skip(text, place)
    if text[place : place + 1] != sign:
        raise ValueError(f"{sign} is missing")
    return place + 1


def _skip(text: str, place: int) -> int:
    blank = _BLANK.match(text, place)
    return blank.end() if blank else place


def _clipped(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:300]}…"


# Values


def written_time(at: datetime) -> str:
    """An instant as Alipay writes it."""
    return at.astimezone(SHANGHAI).strftime(_TIME)


def read_time(text: str) -> datetime:
    """An instant that Alipay wrote. Raises :class:`Malformed`."""
    try:
        return datetime.strptime(text.strip(), _TIME).replace(tzinfo=SHANGHAI)
    except ValueError:
        raise Malformed(f"{_clipped(text)!r} is no instant of Alipay's") from None


def written_amount(amount: Money) -> str:
    """An amount in yuan with two decimals: ``268.00``."""
    return f"{Decimal(amount.minor).scaleb(-amount.digits):.{amount.digits}f}"


def read_amount(value: object) -> Money:
    """An amount in yuan, which Alipay writes as text or as a number. Raises :class:`Malformed`."""
    try:
        return Money.parse(str(value), CURRENCY)
    except MoneyError:
        raise Malformed(f"{_clipped(str(value))!r} is no amount of yuan") from None
