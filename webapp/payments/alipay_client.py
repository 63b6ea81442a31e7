"""One call to Alipay's gateway: a signed form over HTTPS, and a verified answer within a bounded time."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from webapp.loopback import is_this_machine
from webapp.payments.alipay_protocol import (
    Malformed,
    NotSigned,
    open_answer,
    signed_request,
    written_time,
)
from webapp.retelling import stored

LARGEST_ANSWER = 1024 * 1024
T = TypeVar("T")

PRODUCTION = "https://openapi.alipay.com/gateway.do"

Reference = Literal["out_trade_no", "trade_no"]
"""By which of its numbers a payment is named toward Alipay."""


class NoAnswer(Exception):
    """Nobody knows what Alipay did: the message says what went wrong on the way."""


@dataclass(frozen=True, slots=True)
class AlipaySettings:
    """The shop's application at Alipay.

    ``private_key`` is the shop's own, ``alipay_key`` is Alipay's public key, and ``former_alipay_key`` the one before:
    while Alipay changes over, what either has signed counts. ``reference`` says what the orders' payment references
    are: the shop's own order number at Alipay, or Alipay's trade number. ``seconds`` bounds a call as a whole. Raises
    :class:`ValueError` for a gateway without TLS that is not on this machine.
    """

    app_id: str
    private_key: RSAPrivateKey = field(repr=False)
    alipay_key: RSAPublicKey = field(repr=False)
    gateway: str = PRODUCTION
    reference: Reference = "out_trade_no"
    seconds: float = 15.0
    former_alipay_key: RSAPublicKey | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.gateway)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(parts.hostname or ""))
        if not (is_safe and parts.hostname):
            raise ValueError(f"Alipay's gateway must be an https address, not {self.gateway!r}")


def by_either_key(settings: AlipaySettings, check: Callable[[RSAPublicKey], T]) -> T:
    """What a check says with Alipay's key or, where that one did not sign, with its former one.

    Raises :class:`~webapp.payments.alipay_protocol.NotSigned` where neither did.
    """
    try:
        return check(settings.alipay_key)
    except NotSigned:
        if settings.former_alipay_key is None:
            raise
        return check(settings.former_alipay_key)


def make_http() -> httpx.Client:
    """An HTTP client for a provider: it follows no redirect and keeps no connection."""
    return httpx.Client(follow_redirects=False, limits=httpx.Limits(max_connections=20, max_keepalive_connections=0))


class AlipayClient:
    """Calls the gateway's methods. Safe to use from several threads."""

    def __init__(self, settings: AlipaySettings, http: httpx.Client, clock: Callable[[], datetime]) -> None:
        self.settings = settings
        self._http = http
        self._clock = clock

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def call(self, method: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """Call a method with its business content and return the verified answer. Raises :class:`NoAnswer`."""
        fields = {
            "app_id": self.settings.app_id,
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": written_time(self._clock()),
            "version": "1.0",
            "biz_content": json.dumps(content, ensure_ascii=False, separators=(",", ":")),
        }
        body = self._post(signed_request(self.settings.private_key, fields))
        try:
            return by_either_key(self.settings, lambda key: open_answer(key, body, method))
        except (Malformed, NotSigned) as wrong:
            raise NoAnswer(stored("Alipay's answer proves nothing: {wrong}", wrong=wrong)) from None

    def _post(self, fields: Mapping[str, str]) -> bytes:
        request = self._http.build_request(
            "POST",
            # The SDKs repeat the character set in the address, for there the gateway looks before it reads the form.
            httpx.URL(self.settings.gateway, params={"charset": "utf-8"}),
            data=dict(fields),
            headers={
                "Content-Type": "application/x-www-form-urlencoded;charset=utf-8",
                # A packed answer could unpack to any size.
                "Accept-Encoding": "identity",
                # An answer that comes twice over a connection in use would be taken for the next call's.
                "Connection": "close",
            },
            timeout=self.settings.seconds,
        )
        return self._send(request, LARGEST_ANSWER, self.settings.seconds)

    def download(self, address: str, largest: int, seconds: float) -> bytes:
        """Fetch a file that an answer pointed to; ``largest`` in bytes. Raises :class:`NoAnswer`."""
        headers = {"Accept-Encoding": "identity", "Connection": "close"}
        try:
            request = self._http.build_request("GET", address, headers=headers, timeout=self.settings.seconds)
        except httpx.InvalidURL:
            raise NoAnswer(stored("Alipay pointed to an address that is none.")) from None
        return self._send(request, largest, seconds)

    def _send(self, request: httpx.Request, largest: int, seconds: float) -> bytes:
        # The request's own time-outs bound each step; this bounds the whole, for a body may arrive byte by byte.
        deadline = time.monotonic() + seconds
        body = bytearray()
        try:
            answer = self._http.send(request, stream=True)
            try:
                if answer.status_code != httpx.codes.OK:
                    raise NoAnswer(stored("Alipay answered with HTTP status {status}.", status=answer.status_code))
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > largest:
                        raise NoAnswer(stored("Alipay's answer is larger than any answer can be."))
                    if time.monotonic() > deadline:
                        raise NoAnswer(
                            stored("Alipay's answer took longer than {seconds} seconds.", seconds=f"{seconds:g}")
                        )
            finally:
                answer.close()
        except httpx.TimeoutException:
            raise NoAnswer(stored("Alipay did not answer within {seconds} seconds.", seconds=f"{seconds:g}")) from None
        except httpx.ConnectError:
            raise NoAnswer(stored("Alipay could not be reached.")) from None
        except (httpx.HTTPError, httpx.StreamError):
            raise NoAnswer(stored("The connection to Alipay broke off before its answer was whole.")) from None
        return bytes(body)
