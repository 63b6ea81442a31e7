"""Answers are sent compressed to whoever can read them, so that a desk without a proxy in front is a light one too.

A page holds a secret (the form's) beside what an address put into it (the text of a search), and from the length of
many such answers a listener on the line could guess the one by means of the other (BREACH). So every compressed page
gets a file name of random length into its gzip header, which readers skip (RFC 1952, section 2.3): Alparslan, Kilic,
Tuncay, *Heal the Breach*, IEEE Access 10 (2022).
"""

import gzip
import secrets
import struct
import zlib
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, request

SMALLEST = 1000
"""Answers of fewer bytes fit into one packet as they are."""

LONGEST_PADDING = 100

TYPES = {
    "application/javascript",
    "application/json",
    "image/svg+xml",
    "text/css",
    "text/html",
    "text/javascript",
    "text/plain",
}
"""What becomes smaller; certificates, archives and pictures are sent as they are."""


def install(app: Flask) -> None:
    """Compress what is worth it. To be installed first, so that it sees an answer when everything else has."""
    folder = Path(app.static_folder or "")

    @app.after_request
    def compress(response: Response) -> Response:
        if response.mimetype not in TYPES:
            return response
        response.vary.add("Accept-Encoding")
        if response.status_code in (204, 206, 304) or "Content-Encoding" in response.headers or not _wanted():
            return response
        if request.endpoint == "static" and response.status_code == 200:
            body = _packed_file(folder / str((request.view_args or {})["filename"]), response.last_modified)
            # The file that Flask has opened for it is not needed.
            response.close()
            response.direct_passthrough = False
        elif response.is_streamed or (response.content_length or 0) < SMALLEST:
            return response
        else:
            body = packed(response.get_data())
        response.set_data(body)
        response.headers["Content-Encoding"] = "gzip"
        etag, _is_weak = response.get_etag()
        if etag is not None:
            # The same content in other bytes (RFC 9110, section 8.8.1).
            response.set_etag(etag, weak=True)
        return response


def _wanted() -> bool:
    return request.method == "GET" and request.accept_encodings["gzip"] > 0


@lru_cache(maxsize=64)
def _packed_file(path: Path, _version: object) -> bytes:
    """One of our own files, compressed once and as well as it can be: it is the same for everybody."""
    return gzip.compress(path.read_bytes(), 9, mtime=0)


def packed(body: bytes) -> bytes:
    """A page, compressed, with padding of a length that nobody can foresee."""
    padding = b"x" * secrets.randbelow(LONGEST_PADDING) + b"\0"
    # Flag 8 announces the file name; the time is unknown, the system too (RFC 1952, section 2.3.1).
    header = b"\x1f\x8b\x08\x08\0\0\0\0\x00\xff"
    packer = zlib.compressobj(5, zlib.DEFLATED, -zlib.MAX_WBITS)
    content = packer.compress(body) + packer.flush()
    return header + padding + content + struct.pack("<II", zlib.crc32(body), len(body) & 0xFFFFFFFF)
