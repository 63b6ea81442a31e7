"""Private keys in files: written whole or not at all, readable by their owner only, made once by whoever is first.

An encrypted one is a JWE (RFC 7516) in its compact form: its key is stretched from the passphrase by PBKDF2 (RFC 7518,
4.8), and AES-256-GCM finds whatever was changed. PKCS#8 has no authentication code, and OpenSSL stretches little.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

ENCRYPTED_PEM = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"
ENCRYPTED_JWE = b"eyJ"
"""How a JWE begins: with the Base64 of a JSON object's head."""
ALGORITHM, ENCRYPTION = "PBES2-HS512+A256KW", "A256GCM"
ROUNDS = 210_000
"""Of PBKDF2, as many as OWASP's Password Storage Cheat Sheet asks for with SHA-512."""
SHORTEST_PASSPHRASE = 14
"""In bytes; joserfc takes a shorter one for no key (112 bits)."""


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

    A key that is not encrypted, or is encrypted as PKCS#8 knows it, is read as well: :func:`encrypt_ec_key` mends that.
    """
    if path.stat().st_mode & 0o077:
        raise KeyDirectoryError(f"{path} can be read by others than its owner. Run: chmod 600 {path}")
    content = path.read_bytes()
    is_locked = content.startswith(ENCRYPTED_JWE) or ENCRYPTED_PEM in content
    if is_locked and passphrase is None:
        raise KeyDirectoryError(f"{path} is encrypted. Set CA_KEY_PASSPHRASE, or CA_KEY_PASSPHRASE_FILE.")
    try:
        key = _opened(content, passphrase or b"") if is_locked else load_pem_private_key(content, None)
    except (JoseError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        trouble = (
            "cannot be decrypted: CA_KEY_PASSPHRASE is not the passphrase it was encrypted with, or the file is damaged"
            if is_locked
            else "does not hold a private key. Restore it from a backup"
        )
        raise KeyDirectoryError(f"{path} {trouble}.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyDirectoryError(f"{path} does not hold a key of the kind that the desk makes (EC).")
    return key


def _opened(content: bytes, passphrase: bytes) -> PrivateKeyTypes:
    if ENCRYPTED_PEM in content:
        return load_pem_private_key(content, passphrase)
    locked_by = OctKey.import_key(passphrase)
    opened = jwe.decrypt_compact(content.strip(), locked_by, algorithms=[ALGORITHM, ENCRYPTION])
    return load_pem_private_key(opened.plaintext or b"", None)


def is_encrypted(path: Path) -> bool:
    """Whether a private key is of no use without its passphrase, and a change of its file is found."""
    return path.read_bytes().startswith(ENCRYPTED_JWE)


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
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    if passphrase is not None:
        if len(passphrase) < SHORTEST_PASSPHRASE:
            raise KeyDirectoryError(f"CA_KEY_PASSPHRASE is too short: take at least {SHORTEST_PASSPHRASE} characters.")
        locked_by = OctKey.import_key(passphrase)
        # Made anew each time: the library puts the salt into it, and takes the one that is there.
        head = {"alg": ALGORITHM, "enc": ENCRYPTION, "p2c": ROUNDS}
        content = jwe.encrypt_compact(head, content, locked_by, algorithms=[ALGORITHM, ENCRYPTION]).encode()
    write_whole(path, content, 0o600)


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
