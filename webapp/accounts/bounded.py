"""Answers from elsewhere that may take neither more time nor more room than a sign-in has for them."""

import io
import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter

SECONDS = 10
LARGEST = 512 * 1024


class TooMuch(requests.RequestException):
    """The other end sends more, or more slowly, than anybody needs."""


class BoundedAdapter(HTTPAdapter):
    """Reads an answer to its end before it hands it over, as far as that is reasonable."""

    def send(self, request: requests.PreparedRequest, *arguments: Any, **more: Any) -> requests.Response:  # noqa: ANN401  # The library's own.
        """Send, and read all of the answer; raises :class:`TooMuch`."""
        ends = time.monotonic() + SECONDS
        response = super().send(request, *arguments, **{**more, "stream": True})
        raw, content = response.raw, bytearray()
        try:
            # A byte now and then never lets a time-out run out, so the whole has an end as well.
            while piece := raw.read1(65536, decode_content=True):
                content += piece
                if len(content) > LARGEST or time.monotonic() > ends:
                    raise TooMuch("the answer is too long, or takes too long")
        finally:
            raw.close()
        response.raw = io.BytesIO(content)
        return response
