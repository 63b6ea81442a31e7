"""The organisation's own sign-in: OpenID Connect, authorisation code with PKCE, as its relying party.

Sources: OpenID Connect Core 1.0 and Discovery 1.0, RFC 6749, RFC 7636 (PKCE), RFC 9207 (``iss``), RFC 9700 (current
practice). Authlib asks for the code and the tokens and checks the claims; joserfc checks the signature. What this
module adds is what a sign-in must not leave to chance: which addresses are asked, how much and for how long, and which
algorithms count.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key
from urllib3.exceptions import HTTPError

from webapp.accounts.bounded import SECONDS, BoundedAdapter
from webapp.accounts.provider_settings import ProviderSettings

log = logging.getLogger("desk.oidc")

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Signatures that only the provider can make: neither ``none`` nor one with a secret that both sides know."""
LEEWAY = 60
"""By how many seconds the provider's clock and ours may differ."""
KEPT_SECONDS = 300
"""How long what the provider says about itself is kept. Its keys are asked for anew whenever none of them fits."""
SCOPE = "openid email profile"


class ProviderUnavailable(Exception):
    """The provider does not answer, or not as a provider does. It may be well again in a moment."""


class ProviderRefused(Exception):
    """The provider does not vouch for anybody here, or what it says does not hold; the text says what, for the log."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom the provider vouches for. ``email`` is set only where the provider has seen that it is theirs."""

    subject: str
    email: str | None
    name: str
    groups: frozenset[str]
    has_second_factor: bool


@dataclass(frozen=True, slots=True)
class _Known:
    """What the provider says about itself, and when it was asked."""

    metadata: Mapping[str, Any]
    keys: tuple[Key, ...]
    at: float


class Provider:
    """The provider as one process knows it. Any number of threads may ask."""

    def __init__(self, settings: ProviderSettings, return_to: str, clock: Callable[[], datetime]) -> None:
        self.settings = settings
        self._return_to = return_to
        self._clock = clock
        self._known: _Known | None = None
        self._asking = threading.Lock()

    def begin(self, state: str, nonce: str, verifier: str) -> str:
        """Where a browser goes to sign in; raises :class:`ProviderUnavailable`."""
        metadata = self._look().metadata
        with self._session(metadata) as session:
            url, _state = session.create_authorization_url(
                metadata["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
            )
        return str(url)

    def finish(self, code: str, nonce: str, verifier: str, issuer: str | None) -> Person:
        """Who came back with this code; raises :class:`ProviderUnavailable` and :class:`ProviderRefused`.

        ``issuer`` is the ``iss`` of the answer: where it is another, the code is somebody else's and is not sent
        (RFC 9207, 2.4).
        """
        known = self._look()
        promised = known.metadata.get("authorization_response_iss_parameter_supported") is True
        if issuer != self.settings.issuer and (issuer is not None or promised):
            raise ProviderRefused(f"the answer comes from another issuer: {issuer!r:.80}")
        with self._session(known.metadata) as session, _trouble():
            tokens = session.fetch_token(
                known.metadata["token_endpoint"],
                grant_type="authorization_code",
                code=code,
                code_verifier=verifier,
                allow_redirects=False,
            )
            claims = self._checked(tokens, nonce, known)
            return self._person(self._completed(session, claims, known.metadata))

    # What the provider says about somebody

    def _checked(self, tokens: Mapping[str, Any], nonce: str, known: _Known) -> Mapping[str, Any]:
        """The claims of the ID token, once everything about it is as it must be (OpenID Connect Core, 3.1.3.7)."""
        text = tokens.get("id_token")
        if not isinstance(text, str):
            raise ProviderRefused("there is no ID token")
        token = _opened(text, known.keys)
        if token is None:
            # The provider may have new keys.
            token = _opened(text, self._look(anew=True).keys)
        if token is None:
            raise ProviderRefused("the ID token is signed with no key of the provider")
        claims = CodeIDToken(
            token.claims,
            token.header,
            {
                "iss": {"essential": True, "value": self.settings.issuer},
                "aud": {"essential": True, "value": self.settings.client_id},
            },
            {"nonce": nonce, "client_id": self.settings.client_id, "access_token": tokens.get("access_token")},
        )
        claims.validate(now=int(self._clock().timestamp()), leeway=LEEWAY)
        return dict(claims)

    def _completed(
        self, session: OAuth2Session, claims: Mapping[str, Any], metadata: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """The claims with what the provider tells only when asked for it: about the same person, and nothing new."""
        wanted = {"email", *([self.settings.groups_claim] if self.settings.groups else [])}
        if wanted <= claims.keys() or "userinfo_endpoint" not in metadata:
            return claims
        more = _object(session.get(metadata["userinfo_endpoint"], allow_redirects=False))
        if more.get("sub") != claims["sub"]:
            raise ProviderRefused("what was asked about somebody is about somebody else")
        return {**more, **claims}

    def _person(self, claims: Mapping[str, Any]) -> Person:
        subject, email, name = claims["sub"], claims.get("email"), claims.get("name")
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise ProviderRefused("the subject is none")
        groups, methods = claims.get(self.settings.groups_claim), claims.get("amr")
        said = {*_texts(methods), *_texts(claims.get("acr"))}
        # "true" as text is no promise: only what the provider says in so many words counts.
        is_seen = isinstance(email, str) and claims.get("email_verified") is True
        return Person(
            subject=subject,
            email=_address(email) if is_seen and isinstance(email, str) else None,
            name=name.strip()[:200] if isinstance(name, str) and name.isprintable() else "",
            groups=frozenset(_texts(groups)),
            has_second_factor=bool(said & self.settings.second_factor),
        )

    # What the provider says about itself

    def _look(self, *, anew: bool = False) -> _Known:
        with self._asking:
            known = self._known
            if known is None or anew or time.monotonic() - known.at > KEPT_SECONDS:
                known = self._known = self._ask()
            return known

    def _ask(self) -> _Known:
        url = f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        with _bounded(requests.Session()) as session, _silence():
            metadata = _object(session.get(url, allow_redirects=False, timeout=SECONDS))
            # Or one provider could pass another's people off as its own (Discovery, 4.3).
            if metadata.get("issuer") != self.settings.issuer:
                raise ProviderUnavailable(f"it says that it is {metadata.get('issuer')!r:.80}")
            needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            optional = ("userinfo_endpoint",) if "userinfo_endpoint" in metadata else ()
            for name in (*needed, *optional):
                address = metadata.get(name)
                if not isinstance(address, str) or not self.settings.may_be_asked(address):
                    raise ProviderUnavailable(f"its {name} is no https address: {address!r:.80}")
            keys = _object(session.get(metadata["jwks_uri"], allow_redirects=False, timeout=SECONDS))
            return _Known(metadata, tuple(_keys(keys)), time.monotonic())

    @contextmanager
    def _session(self, metadata: Mapping[str, Any]) -> Iterator[OAuth2Session]:
        by_body = metadata.get("token_endpoint_auth_methods_supported") == ["client_secret_post"]
        method = "client_secret_post" if by_body else "client_secret_basic"
        session = OAuth2Session(
            self.settings.client_id,
            self.settings.client_secret or None,
            token_endpoint_auth_method=method if self.settings.client_secret else "none",
            scope=SCOPE,
            redirect_uri=self._return_to,
            code_challenge_method="S256",
            default_timeout=SECONDS,
        )
        with _bounded(session):
            yield session


@contextmanager
def _bounded(session: requests.Session) -> Iterator[requests.Session]:
    for scheme in ("https://", "http://"):
        session.mount(scheme, BoundedAdapter())
    with session:
        yield session


@contextmanager
def _silence() -> Iterator[None]:
    """The provider is not there, or answers with what nobody can read."""
    try:
        yield
    except (requests.RequestException, HTTPError, OSError, ValueError, RecursionError) as failure:
        log.warning("The provider cannot be used: %s", type(failure).__name__)
        raise ProviderUnavailable(type(failure).__name__) from failure
    except ProviderUnavailable as failure:
        log.warning("The provider cannot be used: %s", failure)
        raise


@contextmanager
def _trouble() -> Iterator[None]:
    """The same once it is about somebody; what the provider or the checks refuse is told apart."""
    with _silence():
        try:
            yield
        except (OAuthError, JoseError) as refused:
            log.warning("The provider's answer does not hold: %.200r", str(refused))
            raise ProviderRefused(str(refused)) from None
        except (KeyError, TypeError, AttributeError) as nonsense:
            raise ProviderUnavailable(type(nonsense).__name__) from nonsense


def _object(answer: requests.Response) -> dict[str, Any]:
    if answer.status_code != requests.codes.ok:
        raise ProviderUnavailable(f"it answers {answer.status_code}")
    found = json.loads(answer.content)
    if not isinstance(found, dict):
        raise ProviderUnavailable("its answer is no object")
    return found


def _keys(said: Mapping[str, Any]) -> Iterator[Key]:
    """The keys that can be used here; a provider may have others, for other purposes and of other kinds."""
    listed = said.get("keys")
    for one in listed if isinstance(listed, list) else []:
        if not isinstance(one, dict) or one.get("use") == "enc" or one.get("kty") not in ("RSA", "EC"):
            continue
        try:
            yield JWKRegistry.import_key(one)
        except (JoseError, ValueError, TypeError, KeyError):
            log.warning("The provider has a key that cannot be read.")


def _opened(text: str, keys: tuple[Key, ...]) -> jwt.Token | None:
    """The token, if it is signed with one of these keys; raises JoseError for what is no such token at all."""
    kid = jws.extract_compact(text.encode()).headers().get("kid")
    for key in keys:
        if kid is not None and key.kid is not None and key.kid != kid:
            continue
        try:
            return jwt.decode(text, key, ALGORITHMS)
        except JoseError:
            continue
    return None


def _texts(value: object) -> list[str]:
    """Texts of a claim that may be one or several."""
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, str)]


def _address(email: str) -> str | None:
    """An address as accounts have it."""
    tidy = email.strip().lower()
    user, _at, domain = tidy.rpartition("@")
    fits = user and domain and len(tidy) <= 254 and tidy.isprintable() and " " not in tidy
    return tidy if fits else None
