"""The built-in authority's keys and certificates on disk.

They are made at the first start, in an order in which a start that was killed can be continued: each key is on disk
before its certificate is signed. A key that exists is never replaced.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from webapp.authorities.builtin_profiles import issuing_certificate, root_certificate


class CaDirectoryError(RuntimeError):
    """The directory with the authority's keys is not usable; the message says what to do."""


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


def load_or_create(directory: Path, url: str, now: datetime) -> CaKeys:
    """Read the keys and certificates in ``directory``, making those that are not there yet.

    Several processes may start at once: one makes them, the others wait for it. ``url`` goes into the issuing
    certificate when it is made, ``now`` (aware) is the beginning of its validity. Raises CaDirectoryError when a key is
    missing, foreign or readable by others.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_mode & 0o077:
        directory.chmod(0o700)
    not_before = now.replace(microsecond=0)
    with _locked(directory):
        root = _pair(directory, "root", ec.SECP384R1(), lambda key: root_certificate(key, not_before))
        issuing = _pair(
            directory,
            "issuing",
            ec.SECP256R1(),
            lambda key: issuing_certificate(key.public_key(), root.key, root.certificate, url, not_before),
        )
    if issuing.certificate.issuer != root.certificate.subject:
        raise CaDirectoryError(f"{directory}/issuing.crt was not issued by {directory}/root.crt.")
    return CaKeys(root, issuing)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the directory alone; the lock ends with the process, however it ends."""
    handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _pair(
    directory: Path,
    name: str,
    curve: ec.EllipticCurve,
    certify: Callable[[ec.EllipticCurvePrivateKey], x509.Certificate],
) -> CaPair:
    key_path, certificate_path = directory / f"{name}.key", directory / f"{name}.crt"
    if not key_path.exists():
        if certificate_path.exists():
            raise CaDirectoryError(
                f"{certificate_path} is there, but its key {key_path} is missing. Restore it from a backup."
            )
        pem = ec.generate_private_key(curve).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write(key_path, pem, 0o600)
    key = _load_key(key_path)
    if not certificate_path.exists():
        _write(certificate_path, certify(key).public_bytes(Encoding.PEM), 0o644)
    certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
    if certificate.public_key() != key.public_key():
        raise CaDirectoryError(f"{certificate_path} does not belong to {key_path}. Restore both from one backup.")
    return CaPair(key, certificate)


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    if path.stat().st_mode & 0o077:
        raise CaDirectoryError(f"{path} can be read by others than its owner. Run: chmod 600 {path}")
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CaDirectoryError(f"{path} does not hold a key of the kind that the built-in authority makes (EC).")
    return key


def _write(path: Path, content: bytes, mode: int) -> None:
    """Put a file in place whole or not at all, and let it survive a power cut."""
    draft = path.with_name(f"{path.name}.draft")
    # A draft is left behind by a start that was killed; whoever is here holds the lock.
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
