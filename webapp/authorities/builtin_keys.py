"""The built-in authority's keys and certificates on disk.

They are made at the first start, in an order in which a start that was killed can be continued: each key is on disk
before its certificate is signed. A key that exists is never replaced.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from webapp.authorities.builtin_profiles import issuing_certificate, root_certificate
from webapp.authorities.key_files import (
    KeyDirectoryError,
    encrypt_ec_key,
    load_ec_key,
    locked,
    make_ec_key,
    write_whole,
)

Held = Callable[[], ec.EllipticCurvePrivateKey]


@dataclass(frozen=True, slots=True)
class CaPair:
    """A private key and the certificate of a CA."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class CaKeys:
    """The root and the issuing CA."""

    root: CaPair
    issuing: CaPair


def load_or_create(
    directory: Path, url: str, now: datetime, passphrase: bytes | None = None, held: Held | None = None
) -> CaKeys:
    """Read the keys and certificates in ``directory``, making those that are not there yet.

    Several processes may start at once: one makes them, the others wait for it. ``url`` goes into the issuing
    certificate when it is made, ``now`` (aware) is the beginning of its validity. New keys are encrypted with
    ``passphrase`` where there is one. ``held`` opens the issuing key where it is kept elsewhere than in the directory;
    none is made then. Raises KeyDirectoryError when a key
    is missing, foreign or readable by others.
    """
    not_before = now.replace(microsecond=0)
    with locked(directory):
        root = _pair(directory, "root", ec.SECP384R1(), lambda key: root_certificate(key, not_before), passphrase)
        issuing = _pair(
            directory,
            "issuing",
            ec.SECP256R1(),
            lambda key: issuing_certificate(key.public_key(), root.key, root.certificate, url, not_before),
            passphrase,
            held,
        )
    if issuing.certificate.issuer != root.certificate.subject:
        raise KeyDirectoryError(f"{directory}/issuing.crt was not issued by {directory}/root.crt.")
    return CaKeys(root, issuing)


def encrypt(directory: Path, passphrase: bytes) -> list[Path]:
    """Encrypt the keys in ``directory`` that are not encrypted yet, and return their paths.

    Raises KeyDirectoryError when one is encrypted with another passphrase; those before it stay encrypted.
    """
    with locked(directory):
        keys = [directory / f"{name}.key" for name in ("root", "issuing")]
        return [path for path in keys if path.exists() and encrypt_ec_key(path, passphrase)]


def _pair(
    directory: Path,
    name: str,
    curve: ec.EllipticCurve,
    certify: Callable[[ec.EllipticCurvePrivateKey], x509.Certificate],
    passphrase: bytes | None,
    held: Held | None = None,
) -> CaPair:
    key_path, certificate_path = directory / f"{name}.key", directory / f"{name}.crt"
    if held is not None and key_path.exists():
        raise KeyDirectoryError(
            f"CA_KEY names a key elsewhere, but {key_path} is there. What it has issued can be revoked with it alone: "
            f"take CA_KEY away, or begin anew without {key_path} and {certificate_path}."
        )
    if held is None and not key_path.exists():
        if certificate_path.exists():
            raise KeyDirectoryError(
                f"{certificate_path} is there, but its key {key_path} is missing. Restore it from a backup."
            )
        make_ec_key(key_path, curve, passphrase)
    key = load_ec_key(key_path, passphrase) if held is None else held()
    if not certificate_path.exists():
        write_whole(certificate_path, certify(key).public_bytes(Encoding.PEM), 0o644)
    certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
    if certificate.public_key() != key.public_key():
        raise KeyDirectoryError(
            f"{certificate_path} does not belong to {'CA_KEY' if held else key_path}. Restore both from one backup."
        )
    return CaPair(key, certificate)
