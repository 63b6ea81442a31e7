"""Secrets that the desk must be able to read again, unreadable in the table: sealed with a key made of SECRET_KEY."""

import base64
import os
from collections.abc import Iterable
from contextlib import suppress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE = 12


def seal(secret_key: str, owner: str, secret: bytes) -> str:
    """Make a secret unreadable; it can be opened again for the same owner only."""
    nonce = os.urandom(NONCE)
    return base64.b64encode(nonce + _box(secret_key).encrypt(nonce, secret, owner.encode())).decode()


def unseal(secret_keys: Iterable[str], owner: str, sealed: str) -> bytes | None:
    """What was sealed with one of these keys; ``None`` where it was with another, or for somebody else."""
    raw = base64.b64decode(sealed)
    for secret_key in secret_keys:
        with suppress(InvalidTag):
            return _box(secret_key).decrypt(raw[:NONCE], raw[NONCE:], owner.encode())
    return None


def _box(secret_key: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=b"certificate desk: sealed secrets").derive(secret_key.encode()))
