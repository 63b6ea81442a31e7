"""Addresses inside the console."""

from flask import url_for
from werkzeug.routing import BaseConverter


class KeyConverter(BaseConverter):
    """A row's key in an address: 32 hexadecimal digits, so that nothing else ever reaches the database."""

    regex = "[0-9a-f]{32}"


def own_path(target: str | None, *, may_sign_in: bool = False) -> str:
    """``target`` if it is a path of this console, else the start page; the sign-in page only where it may be.

    Browsers read ``//`` and backslashes as another site and drop control characters before they look, so a path with
    any of them is refused.
    """
    if (
        target is None
        or not target.startswith("/")
        or target.startswith("//")
        or "\\" in target
        or any(ord(character) <= 0x20 or ord(character) == 0x7F for character in target)
        or (target.startswith("/sign-") and not may_sign_in)
    ):
        return url_for("home")
    return target
