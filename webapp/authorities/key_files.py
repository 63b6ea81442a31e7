"""Private keys in files: written whole or not at all, readable by their owner only, made once by whoever is first."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"


class KeyDirectoryError(RuntimeError):
    """A directory with keys is not usable; the message says what to do."""


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Make the directory if need be and hold it alone; the lock ends with the process, however it ends."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_mode & 0o077:
        directory.chmod(0o700)
    handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def load_ec_key(path: Path, passphrase: bytes | None = None) -> ec.EllipticCurvePrivateKey:
    """Read a private key, encrypted or not. Raises KeyDirectoryError where it cannot be used; the message says why.

    A key that is not encrypted is read although there is a passphrase: :func:`encrypt_ec_key` mends that.
    """
    if path.stat().st_mode & 0o077:
        raise KeyDirectoryError(f"{path} can be read by others than its owner. Run: chmod 600 {path}")
    try:
        content = path.read_bytes()
        if ENCRYPTED not in content:
            key = load_pem_private_key(content, None)
        elif passphrase is None:
            raise KeyDirectoryError(f"{path} is encrypted. Set CA_KEY_PASSPHRASE, or CA_KEY_PASSPHRASE_FILE.")
        else:
            key = _decrypted(path, content, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        advice = "Restore it from a backup."
        raise KeyDirectoryError(f"{path} does not hold a private key. {advice}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyDirectoryError(f"{path} does not hold a key of the kind that the desk makes (EC).")
    return key


def _decrypted(path: Path, content: bytes, passphrase: bytes) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(content, passphrase)
    except ValueError as error:
        raise KeyDirectoryError(
            f"{path} cannot be decrypted: CA_KEY_PASSPHRASE is not the passphrase it was encrypted with, "
            "or the file is damaged."
        ) from error


def is_encrypted(path: Path) -> bool:
    """Whether a private key is of no use without its passphrase."""
    return ENCRYPTED in path.read_bytes()


def make_ec_key(path: Path, curve: ec.EllipticCurve, passphrase: bytes | None = None) -> None:
    """Put a new private key in place, encrypted where there is a passphrase. The caller holds the directory."""
    _write_key(path, ec.generate_private_key(curve), passphrase)


def encrypt_ec_key(path: Path, passphrase: bytes) -> bool:
    """Encrypt a private key where it lies; returns whether it was not encrypted before. The caller holds the directory.

    Raises KeyDirectoryError when it is encrypted with another passphrase.
    """
    key = load_ec_key(path, passphrase)
    if is_encrypted(path):
        return False
    _write_key(path, key, passphrase)
    return True


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey, passphrase: bytes | None) -> None:
    # PKCS#8 with PBKDF2 and AES-256-CBC (RFC 8018), as the library chooses.
    how = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    write_whole(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how), 0o600)


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Put a file in place whole or not at all, and let it survive a power cut. The caller holds the directory."""
    draft = path.with_name(f"{path.name}.draft")
    # A draft is left behind by a start that was killed.
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
