"""Links that do one thing once: the address in a mail by which somebody accepts an invitation, or confirms an account.

A link names a row and is signed, so that nobody can make one up. Whether it still counts is the row's to say: when it
runs out, and whether it was used.
"""

from collections.abc import Sequence

from itsdangerous import BadSignature, URLSafeSerializer

from webapp.organisations.models import NoteKind

_SALT = "webapp.organisations.links"


class OneTimeLinks:
    """Signs links and reads them. Links that were signed with a former secret still count."""

    def __init__(self, secret: str, former: Sequence[str] = ()) -> None:
        # The last one signs.
        self._serializer = URLSafeSerializer([*former, secret], salt=_SALT)

    def token(self, kind: NoteKind, key: str) -> str:
        """Text for an address that names a row and what the link is for."""
        return str(self._serializer.dumps([kind.value, key]))

    def read(self, kind: NoteKind, token: str) -> str | None:
        """The row's key, ``None`` where the desk never made this link for this purpose."""
        try:
            purpose, key = self._serializer.loads(token)
        except (BadSignature, TypeError, ValueError):
            return None
        return str(key) if purpose == kind.value else None
