"""A real OpenID provider on a free loopback port, made with Authlib's own server: it signs people in, and can be made
to say what it should not.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9207 import IssuerParameter
from authlib.oidc.core import OpenIDCode
from ca_support import serving
from flask import Flask, Response, jsonify, request
from joserfc import jwk
from shop import Browser, Clock, Page

from certlifecycle import Role
from webapp.accounts.provider_settings import ProviderSettings

CLIENT = "certificate-desk"
SECRET = "a secret that the two share"
RETURN = "http://127.0.0.1:8000/sign-in/provider/return"

PAGE = """<!doctype html><html lang="en"><title>Example login</title><h1>Example login</h1>
<form method="post"><button>Sign in as {name}</button></form></html>"""


@dataclass
class Client(ClientMixin):
    """The desk, as the provider knows it."""

    returns_to: str = RETURN

    def get_client_id(self) -> str:
        return CLIENT

    def get_default_redirect_uri(self) -> str:
        return self.returns_to

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.returns_to

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class Code:
    """A code on its way to the desk."""

    code: str
    user: dict[str, Any]
    nonce: str
    code_challenge: str
    code_challenge_method: str
    redirect_uri: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return "openid email profile"

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> None:
        return None

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


def new_key(kid: str) -> jwk.RSAKey:
    return jwk.RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"}, private=True)


@dataclass
class LoginProvider:
    """The provider. ``person`` is who signs in next; ``claims`` replace what the ID token says.

    ``says`` replaces what it says about itself, ``tells`` is what it tells of somebody only when asked. ``broken`` is
    what it answers, under ``broken_at``, in place of anything sensible. ``handed`` are the tokens that it gave.
    """

    clock: Clock
    person: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    says: dict[str, Any] = field(default_factory=dict)
    tells: dict[str, Any] = field(default_factory=dict)
    client: Client = field(default_factory=Client)
    issuer: str = ""
    algorithm: str = "RS256"
    asks: bool = False
    broken: str = ""
    broken_at: str = "/"
    asked: list[str] = field(default_factory=list)
    handed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key = new_key("first")
        self.listed = [self.key]
        self.codes: dict[str, Code] = {}
        self.app = self._app()

    def settings(self, **changes: Any) -> ProviderSettings:
        """How the desk is set up for it."""
        usual: dict[str, Any] = {"client_id": CLIENT, "client_secret": SECRET, "name": "Example login"}
        return ProviderSettings(self.issuer, **(usual | {"allow_loopback": True} | changes))

    def rotate(self) -> None:
        """Sign with a new key from now on; the former one is gone."""
        self.key = new_key("second")
        self.listed = [self.key]

    # The server

    def _app(self) -> Flask:
        app = Flask("login-provider")
        server = AuthorizationServer(
            app, query_client=lambda _id: self.client, save_token=lambda _token, _request: None
        )
        server.register_grant(_grant(self), [_OpenID(self), CodeChallenge(required=True)])
        server.register_extension(_Issuer(self))

        @app.before_request
        def note() -> Response | None:
            self.asked.append(request.path)
            if self.broken and request.path.startswith(self.broken_at):
                return Response(self.broken, 200 if self.broken != "error" else 500)
            return None

        @app.get("/.well-known/openid-configuration")
        def metadata() -> Response:
            return jsonify(self._metadata() | self.says)

        @app.get("/keys")
        def keys() -> Response:
            public = [key.as_dict(private=False) for key in self.listed]
            return jsonify({"keys": [{"kty": "oct", "k": "AAAA"}, {"kty": "RSA", "n": "?"}, "x", *public]})

        @app.route("/authorize", methods=["GET", "POST"])
        def authorize() -> Any:
            grant = server.get_consent_grant(end_user=self.person)
            if self.asks and request.method == "GET":
                return PAGE.format(name=self.person["name"])
            return server.create_authorization_response(grant_user=self.person or None, grant=grant)

        @app.post("/token")
        def token() -> Any:
            answer = server.create_token_response()
            self.handed += [value for name, value in (answer.get_json() or {}).items() if name.endswith("_token")]
            return answer

        @app.get("/userinfo")
        def userinfo() -> Response:
            assert request.headers["Authorization"].startswith("Bearer ")
            return jsonify(self.tells)

        return app

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_response_iss_parameter_supported": True,
            **({"userinfo_endpoint": f"{self.issuer}/userinfo"} if self.tells else {}),
        }


class _OpenID(OpenIDCode):
    def __init__(self, provider: LoginProvider) -> None:
        super().__init__(require_nonce=True)
        self.provider = provider

    def exists_nonce(self, nonce: str, request: object) -> bool:
        return False

    def resolve_client_private_key(self, client: object) -> jwk.RSAKey:
        return self.provider.key

    def get_client_algorithm(self, client: object) -> str:
        return self.provider.algorithm

    def get_encode_header(self, client: object) -> dict[str, Any]:
        return {"alg": self.provider.algorithm, "kid": self.provider.key.kid}

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        now = int(self.provider.clock().timestamp())
        return {"iss": self.provider.issuer, "aud": [CLIENT], "iat": now, "exp": now + 300}

    def generate_user_info(self, user: dict[str, Any], scope: str) -> dict[str, Any]:
        return user

    def encode_id_token(self, token: dict[str, Any], request: Any) -> str:
        wrong = self.provider.claims
        # What is left out is said to be null, which is the same to whoever reads it.
        request.user = request.user | wrong
        return str(super().encode_id_token(token, request))


class _Issuer(IssuerParameter):
    def __init__(self, provider: LoginProvider) -> None:
        self.provider = provider

    def get_issuer(self) -> str:
        return self.provider.issuer


def _grant(provider: LoginProvider) -> type[AuthorizationCodeGrant]:
    class Grant(AuthorizationCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

        def save_authorization_code(self, code: str, request: Any) -> None:
            sent = request.payload.data
            provider.codes[code] = Code(
                code,
                dict(request.user),
                sent["nonce"],
                sent["code_challenge"],
                sent["code_challenge_method"],
                sent["redirect_uri"],
            )

        def query_authorization_code(self, code: str, client: object) -> Code | None:
            return provider.codes.get(code)

        def delete_authorization_code(self, authorization_code: Code) -> None:
            del provider.codes[authorization_code.code]

        def authenticate_user(self, authorization_code: Code) -> dict[str, Any]:
            return authorization_code.user

    return Grant


@contextmanager
def login_provider(clock: Clock) -> Iterator[LoginProvider]:
    """A provider that runs for as long as the block does."""
    # Authlib's server asks for TLS, which a provider of a test on this machine has no use for.
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    provider = LoginProvider(clock)
    try:
        with serving(provider.app) as address:
            provider.issuer = address
            yield provider
    finally:
        del os.environ["AUTHLIB_INSECURE_TRANSPORT"]


def person(subject: str = "1", email: str = "carol@example.com", **more: Any) -> dict[str, Any]:
    """Somebody as the provider knows them."""
    return {"sub": subject, "email": email, "email_verified": True, "name": "Carol", "groups": [], **more}


def to_provider(browser: Browser, path: str = "/sign-in/provider") -> str:
    """Begin at the desk; the address at the provider to which that leads."""
    return str(browser.post(path, status=200).response.headers["Refresh"]).removeprefix("0; url=")


def at_provider(url: str) -> str:
    """Sign in there; the path at the desk to which that leads back."""
    answer = requests.get(url, allow_redirects=False, timeout=20)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["Location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == RETURN
    return f"{back.path}?{back.query}"


def through(browser: Browser, path: str = "/sign-in/provider", status: int = 303) -> Page:
    """Go the whole way: to the provider, and back."""
    return browser.get(at_provider(to_provider(browser, path)), status)


GROUPS = {"desk-reviewers": Role.REVIEWER, "desk-admins": Role.ADMIN}
