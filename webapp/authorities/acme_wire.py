"""Requests to an ACME server: signed, with nonces, bounded in time and size (RFC 8555, section 6).

One instance is one short conversation and belongs to one thread. What a server does not answer, or answers with an
error of its own, is temporary trouble; only a problem document with a lasting cause is an answer.

The signatures come from the ``acme`` package. Its client is not used: it repeats a request once after a refused nonce,
forgets the Retry-After of errors, and its ``poll_and_finalize`` waits and takes a failed order for a finished one.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin

import requests
from acme.jws import JWS
from josepy.json_util import decode_b64jose
from josepy.jwa import ES256
from josepy.jwk import JWKEC
from urllib3.exceptions import HTTPError

from webapp.authorities.acme_messages import (
    AcmeProblem,
    DirectoryAnswer,
    Problem,
    checked_url,
    not_acme,
    read_directory,
    read_problem,
)
from webapp.authorities.port import AuthorityUnavailable
from webapp.retelling import stored

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 20.0
"""How long a server may take to accept a connection, and to answer a request as a whole."""

MAX_ANSWER_BYTES = 256 * 1024

NONCE_TRIES = 20
"""How often one request is repeated because its nonce was refused. Servers refuse good ones now and then."""

MAX_PAUSE = timedelta(days=1)
"""The longest wish for a pause that is respected; after that the server is asked again."""

USER_AGENT = "certificate-desk"
_BASE64URL = re.compile(r"(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2,3})?")
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer. ``retry_at`` is the instant before which the server asked not to be asked again."""

    content: bytes
    location: str | None
    retry_at: datetime | None

    def document(self) -> Mapping[str, Any]:
        """The JSON object in it. Raises AuthorityUnavailable when it is none."""
        document = _parsed(self.content)
        if not isinstance(document, dict):
            raise not_acme(stored("no JSON object"))
        return document


class AcmeWire:
    """A conversation with the server whose directory is at ``directory_url``, signed with ``key``.

    ``verify`` is the file with the root certificates that the server's TLS certificate is checked against, or ``True``
    for the usual ones. ``kid`` is the account's address, set once it is known. Every method raises AuthorityUnavailable
    for temporary trouble and AcmeProblem for a refusal.
    """

    def __init__(
        self,
        directory_url: str,
        key: JWKEC,
        verify: str | bool,
        clock: Callable[[], datetime],
        session: requests.Session,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.directory_url = directory_url
        self.key = key
        self.kid: str | None = None
        self._verify = verify
        self._clock = clock
        self._session = session
        self._answer_seconds = answer_seconds
        self._nonce: bytes | None = None
        self._directory: DirectoryAnswer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._session.close()

    @property
    def directory(self) -> DirectoryAnswer:
        """Where the services are; asked for once in a conversation."""
        if self._directory is None:
            self._directory = read_directory(self._send("GET", checked_url(self.directory_url)).document())
        return self._directory

    def fetch(self, url: str, accept: str = "application/json") -> Answer:
        """Read a resource: POST-as-GET (section 6.3)."""
        return self._post(url, b"", self.kid, accept)

    def post(self, url: str, payload: Mapping[str, Any]) -> Answer:
        """Send a request in the account's name."""
        return self._post(url, json.dumps(payload).encode(), self.kid)

    def introduce(self, payload: Mapping[str, Any]) -> Answer:
        """Send a newAccount request, the one kind that carries the key itself (section 6.2)."""
        return self._post(self.directory.new_account, json.dumps(payload).encode(), None)

    def _post(self, url: str, payload: bytes, kid: str | None, accept: str = "application/json") -> Answer:
        headers = {"Content-Type": "application/jose+json", "Accept": accept}
        for _ in range(NONCE_TRIES):
            nonce = self._nonce or self._fresh_nonce()
            self._nonce = None
            signed = JWS.sign(payload, self.key, ES256, nonce, url, kid).json_dumps()
            try:
                return self._send("POST", url, headers, signed.encode())
            except AcmeProblem as refusal:
                if refusal.problem.code != "badNonce":
                    raise
        raise AuthorityUnavailable(
            stored("The certificate authority did not accept any of the nonces that it gave out.")
        )

    def _fresh_nonce(self) -> bytes:
        self._send("HEAD", self.directory.new_nonce)
        if self._nonce is None:
            raise not_acme("no nonce")
        return self._nonce

    def _send(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> Answer:
        deadline = time.monotonic() + self._answer_seconds
        try:
            with self._session.request(
                method,
                url,
                data=content,
                # Uncompressed, so that the bound on the size is a bound on what has to be kept.
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **(headers or {})},
                timeout=(min(CONNECT_SECONDS, self._answer_seconds), self._answer_seconds),
                allow_redirects=False,
                verify=self._verify,
                stream=True,
            ) as response:
                body = _body(response, deadline)
        except requests.exceptions.SSLError as error:
            ours = stored("The certificate authority's own TLS certificate could not be verified.")
            raise AuthorityUnavailable(ours) from error
        except (requests.RequestException, HTTPError, OSError) as error:
            raise AuthorityUnavailable(
                stored("The certificate authority cannot be reached, or does not answer.")
            ) from error
        self._keep_nonce(response.headers.get("Replay-Nonce"))
        retry_at = _retry_at(response.headers.get("Retry-After"), self._clock())
        if 200 <= response.status_code < 300:
            location = response.headers.get("Location")
            return Answer(body, urljoin(url, location) if location else None, retry_at)
        problem = read_problem(_parsed(body))
        if problem is None and not body and response.status_code == HTTPStatus.NOT_FOUND:
            # Some servers have no more to say of what they do not know.
            problem = Problem("", "")
        raise _refusal(response.status_code, problem, retry_at)

    def _keep_nonce(self, text: str | None) -> None:
        # A nonce that is not base64url must be ignored (section 6.5.1); the decoder would skip what is not.
        if text is not None and _BASE64URL.fullmatch(text) is not None:
            self._nonce = decode_b64jose(text)


def _body(response: requests.Response, deadline: float) -> bytes:
    """What the server sends until ``deadline`` (monotonic seconds). One that drips is one that does not answer."""
    parts: list[bytes] = []
    size = 0
    while part := response.raw.read1(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise not_acme(stored("it is too large"))
        if time.monotonic() > deadline:
            raise TimeoutError
    return b"".join(parts)


def _refusal(status: int, problem: Problem | None, retry_at: datetime | None) -> Exception:
    told = problem or Problem("", "")
    if status == HTTPStatus.TOO_MANY_REQUESTS or told.code == "rateLimited":
        return AuthorityUnavailable(
            told.after(stored("The certificate authority takes no more requests for now.")), retry_at
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or told.code == "serverInternal":
        return AuthorityUnavailable(told.after(stored("The certificate authority has trouble of its own.")), retry_at)
    if problem is None:
        # Whatever stands between the desk and the server said this: an ACME server says why.
        return AuthorityUnavailable(
            stored("The certificate authority's address answers with status {status}.", status=status), retry_at
        )
    return AcmeProblem(status, problem)


def _retry_at(text: str | None, now: datetime) -> datetime | None:
    """Seconds or an HTTP date (RFC 9110, section 10.2.3) as an instant in the future, if it is one."""
    if text is None:
        return None
    if text.strip().isdecimal():
        # Ten digits are three centuries: enough, and never too many for the arithmetic.
        instant = now + min(timedelta(seconds=int(text.strip()[:10])), MAX_PAUSE)
    else:
        try:
            instant = parsedate_to_datetime(text)
        except ValueError:
            return None
        instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return min(instant, now + MAX_PAUSE) if instant > now else None


def _parsed(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
