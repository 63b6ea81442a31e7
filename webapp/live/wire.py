"""The bytes on the wire: one HTTP/1.1 request head in, responses and event frames out.

The hub serves requests without a body and closes each connection after its answer, so the parser is
strict and small (RFC 9112). Frames are those of the HTML standard's server-sent events.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from webapp.live.bus import Change, Signal

MAX_HEAD_BYTES = 16_384  # A same-host page may send its cookies along; tickets take about 300.
_REQUEST_LINE = re.compile(r"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.[01]")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
_MAX_ID_DIGITS = 18  # Below 2^63, what a history id can be.


class Malformed(Exception):
    """The request head is not one."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request head: the path without its query, header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def bearer(self) -> str:
        """The token that the request shows (RFC 6750, 2.1); empty when it shows none."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip(" ") if scheme.lower() == "bearer" else ""

    @property
    def last_event_id(self) -> int:
        """The id after which the browser wants the stream continued; 0 when it names none."""
        text = self.headers.get("last-event-id", "")
        usable = text.isascii() and text.isdigit() and len(text) <= _MAX_ID_DIGITS
        return int(text) if usable else 0


def parse_head(head: bytes) -> Request:
    """Read a request head, without the empty line that ends it. Raises Malformed."""
    first, *rest = head.decode("latin-1").split("\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    fields = [_FIELD.fullmatch(field) for field in rest]
    if line is None or not all(fields):
        raise Malformed
    return Request(line[1], line[2].partition("?")[0], {f[1].lower(): f[2] for f in fields if f})


NOTHING_BUT_TEXT = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""Opened as a page, an answer of the hub is text that loads nothing and stands in no frame."""


def response(status: HTTPStatus, body: str, headers: Mapping[str, str]) -> bytes:
    """A whole plain-text answer, after which the connection is closed."""
    content = f"{body}\n".encode()
    own = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(content))}
    return _head(status, own | dict(headers)) + content


def cross_origin(origin: str | None) -> dict[str, str]:
    """The fields that let a permitted origin's page read the answer; None is the same origin's page."""
    if origin is None:
        return {"Vary": "Origin"}
    return {"Vary": "Origin", "Access-Control-Allow-Origin": origin}


PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET",
    "Access-Control-Allow-Headers": "Authorization, Last-Event-ID",
    "Access-Control-Max-Age": "7200",
}
"""What a page of another origin may send, and for how many seconds a browser need not ask again: two hours are the
longest that all of them remember."""


def stream_head(headers: Mapping[str, str], retry_milliseconds: int) -> bytes:
    """The start of an event stream; whoever is cut off waits ``retry`` before coming back.

    ``X-Accel-Buffering`` tells nginx, where it stands in front, to pass each event on at once.
    """
    own = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
    head = _head(HTTPStatus.OK, own | dict(headers))
    return head + f"retry: {retry_milliseconds}\n\n".encode()


def change_frames(change: Change) -> bytes:
    """The two events of a change: ``change`` for whoever follows them all, and the certificate's own.

    The first names the certificate, for a script that cannot know beforehand which events to listen for. The id stands
    on the second only, so that a stream cut between the two repeats both.
    """
    return (
        f"event: change\ndata: {change.certificate_id}\n\n"
        f"id: {change.id}\nevent: certificate-{change.certificate_id}\ndata: {change.id}\n\n"
    ).encode()


def signal_frame(signal: Signal) -> bytes:
    """An event that says only its name; it has no id, because nothing is continued from it."""
    return f"event: {signal.name}\ndata: {signal.topic}\n\n".encode()


def refresh_frame(last_id: int) -> bytes:
    """Something may have been missed: look at everything again."""
    return f"id: {last_id}\nevent: refresh\ndata: {last_id}\n\n".encode()


def heartbeat_frame(seconds: float) -> bytes:
    """A sign of life, with the seconds until the next.

    It is an event and not a comment, because a script does not see comments and could not tell a
    quiet stream from a dead one.
    """
    return f"event: heartbeat\ndata: {seconds:g}\n\n".encode()


def _head(status: HTTPStatus, headers: Mapping[str, str]) -> bytes:
    fields = {"Cache-Control": "no-store", "Connection": "close"} | NOTHING_BUT_TEXT | dict(headers)
    lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
