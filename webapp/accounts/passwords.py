"""Passwords, hashed with argon2id (RFC 9106)."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# The library's defaults are RFC 9106's second recommended option (64 MiB, t=3, p=4).
_hasher = PasswordHasher()

NOBODY = _hasher.hash("nobody has this password")
"""Checked for an unknown address, so that the answer takes as long as for a known one."""

SHORTEST = 12
LONGEST = 200


def hash_password(password: str) -> str:
    """Hash a password for keeping."""
    return _hasher.hash(password)


def fits(password_hash: str, password: str) -> bool:
    """Whether this is the password."""
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
