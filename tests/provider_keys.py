"""The stand-in provider's keys and signatures, written apart from the desk's: both follow the document."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)


@dataclass(frozen=True)
class Keys:
    """The shop's key pair and Alipay's."""

    shop: rsa.RSAPrivateKey
    alipay: rsa.RSAPrivateKey

    @property
    def shop_pem(self) -> str:
        """The shop's private key, as it keeps it."""
        return self.shop.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def alipay_base64(self) -> str:
        """Alipay's public key, as Alipay shows it to the shop."""
        der = self.alipay.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()


@cache
def make_keys() -> Keys:
    """Keys for one run of the tests."""
    return Keys(rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048))


def joined(fields: Mapping[str, str], *leave_out: str) -> str:
    """What a signature covers, as the document has it."""
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields) if fields[name] and name not in leave_out)


def signature(key: rsa.RSAPrivateKey, text: str) -> str:
    """RSA2: RSA with SHA-256, in base64."""
    return base64.b64encode(key.sign(text.encode(), padding.PKCS1v15(), SHA256())).decode()


def signed_answer(key: rsa.RSAPrivateKey, name: str, content: str) -> bytes:
    """The body of an answer whose object ``name`` is ``content``, JSON to the letter, signed by ``key``."""
    return f'{{"{name}": {content} ,"sign":"{signature(key, content)}"}}'.encode()


def is_signed(key: rsa.RSAPublicKey, sign: str, text: str) -> bool:
    """Whether a signature holds."""
    try:
        key.verify(base64.b64decode(sign, validate=True), text.encode(), padding.PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True
