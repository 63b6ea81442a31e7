"""Passwords, hashed with argon2id (RFC 9106), and which of them are good enough to be taken."""

from enum import StrEnum

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# The library's defaults are RFC 9106's second recommended option (64 MiB, t=3, p=4).
_hasher = PasswordHasher()

NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$hrI7uj0YfIa/WNOBeHMx3Q$str/9v0TD396j0xLsTVh5odU3To04fNw6GmeRwQwO0A"
"""Checked for an unknown address, so that the answer takes as long as for a known one.

Written down, for to make it would take every process that starts as long as a sign-in.
"""

NONE = "!"
"""Stands in place of a hash for whoever has no password. Nothing fits it."""

SHORTEST = 12
LONGEST = 200
STRONG = 3
"""What zxcvbn must say of a new password, of 0 to 4: it stands up to ten to the eighth guesses."""

_JUDGED = 72
"""So much of a password is judged, which is the most that zxcvbn takes: what is strong so far stays so."""


class Weakness(StrEnum):
    """Why a password is not taken."""

    SHORT = "short"
    LONG = "long"
    COMMON = "common"
    """It is one that many people have, or is made like one."""


def hash_password(password: str) -> str:
    """Hash a password for keeping."""
    return _hasher.hash(password)


def fits(password_hash: str, password: str) -> bool:
    """Whether this is the password. Takes as long where there is none."""
    if password_hash == NONE:
        fits(NOBODY, password)
        return False
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def weakness(password: str, about: tuple[str, ...] = ()) -> Weakness | None:
    """Why a new password is not taken, ``None`` if it is good. ``about`` is what anybody may know of its owner.

    The lists of common and leaked passwords, and of the words and names that people make theirs of, are those of the
    package zxcvbn (MIT licence), which Dan Wheeler described in "zxcvbn: Low-Budget Password Strength Estimation"
    (USENIX Security 2016): some thirty thousand passwords that were leaked and had been chosen most often.
    """
    if len(password) < SHORTEST:
        return Weakness.SHORT
    if len(password) > LONGEST:
        return Weakness.LONG
    # Loading the lists takes a tenth of a second, which only those processes spend that are asked.
    from zxcvbn import zxcvbn

    known = [part for text in about for part in {text, *text.replace("@", " ").replace(".", " ").split()} if part]
    judged = zxcvbn(password[:_JUDGED], user_inputs=known)
    return Weakness.COMMON if judged["score"] < STRONG else None
