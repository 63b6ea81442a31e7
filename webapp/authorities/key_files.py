"""Private keys in files: written whole or not at all, readable by their owner only, made once by whoever is first."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


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


def load_ec_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read a private key. Raises KeyDirectoryError when others can read it or it is of another kind."""
    if path.stat().st_mode & 0o077:
        raise KeyDirectoryError(f"{path} can be read by others than its owner. Run: chmod 600 {path}")
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        advice = "Restore it from a backup."
        raise KeyDirectoryError(f"{path} does not hold an unencrypted private key. {advice}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyDirectoryError(f"{path} does not hold a key of the kind that the desk makes (EC).")
    return key


def make_ec_key(path: Path, curve: ec.EllipticCurve) -> None:
    """Put a new private key in place. The caller holds the directory."""
    pem = ec.generate_private_key(curve).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_whole(path, pem, 0o600)


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
