"""Addresses inside the console."""

from urllib.parse import unquote

from flask import Flask, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.routing import BaseConverter


class KeyConverter(BaseConverter):
    """A row's key in an address: 32 hexadecimal digits, so that nothing else ever reaches the database."""

    regex = "[0-9a-f]{32}"


def install(app: Flask) -> None:
    """Refuse addresses with a null byte in them: nobody writes one, and PostgreSQL takes it in no text."""

    @app.before_request
    def refuse_null_bytes() -> None:
        if "\0" in request.path or b"%00" in request.query_string or b"\0" in request.query_string:
            raise BadRequest


def is_own_path(target: str) -> bool:
    """Whether an address is a path of this console for every browser.

    Browsers read ``//`` and backslashes as another site and drop control characters before they look, so a path with
    any of them is refused. So is one that says them in percent code: a proxy may decode it before it sends it on.
    """
    return _is_here(target) and _is_here(unquote(target.partition("?")[0].partition("#")[0]), spaces=True)


def own_path(target: str | None, *, may_sign_in: bool = False) -> str:
    """``target`` if it is a path of this console, else the start page; the sign-in page only where it may be."""
    if target is None or not is_own_path(target) or (target.startswith("/sign-") and not may_sign_in):
        return url_for("home")
    return target


def _is_here(path: str, *, spaces: bool = False) -> bool:
    return (
        path.startswith("/")
        and not path.startswith("//")
        and "\\" not in path
        and not any(ord(one) < 0x20 or 0x7F <= ord(one) < 0xA0 or (one == " " and not spaces) for one in path)
    )
