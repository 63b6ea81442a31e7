"""The settings of the certificate authorities: which ACME servers there are, and who issues for which product."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

BUILTIN = "builtin"
MAX_NAME_LENGTH = 40

_DIRECTORY = re.compile(r"ACME_(?:([A-Z0-9]+(?:_[A-Z0-9]+)*)_)?DIRECTORY")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]{4,}")
_MAIL = re.compile(r"[^@\s,]+@[^@\s,]+")


@dataclass(frozen=True, slots=True)
class ExternalAccount:
    """The customer number that some authorities want to see bound to the ACME account (RFC 8555, section 7.3.4).

    ``hmac_key`` is base64url, as the authority hands it out.
    """

    kid: str
    hmac_key: str = field(repr=False)


class ChoiceError(ValueError):
    """The settings of the authorities cannot be used; the message begins with the name of one."""


@dataclass(frozen=True, slots=True)
class AcmeServer:
    """An ACME server in the settings: see :func:`read_authority_settings`."""

    name: str
    directory_url: str
    contact: str = ""
    ca_file: Path | None = None
    external: ExternalAccount | None = None
    asks_validity: bool = True


@dataclass(frozen=True, slots=True)
class AuthoritySettings:
    """Which authority issues for which product, and the ACME servers that are set up."""

    default: str = BUILTIN
    by_product: Mapping[str, str] = field(default_factory=dict)
    servers: tuple[AcmeServer, ...] = ()

    def name_for(self, product: str) -> str:
        """The name of the authority that new orders of a product go to."""
        return self.by_product.get(product, self.default)

    def by_acme(self, product: str) -> bool:
        """Whether new orders of a product go to an ACME server, which takes the names from the CSR."""
        return self.name_for(product) != BUILTIN


def read_authority_settings(environ: Mapping[str, str], products: Collection[str]) -> AuthoritySettings:
    """Read the settings of the authorities. Raises ChoiceError naming the first one that is malformed.

    ``AUTHORITIES``
        The authority of all products, and after it those of single ones: ``acme``, or ``builtin,wildcard=acme``. The
        default is ``builtin``.
    ``ACME_DIRECTORY``
        The address (https) of the server called ``acme``. Setting it means to agree to its terms of service.
    ``ACME_CONTACT``
        A mail address for its warnings.
    ``ACME_CA_FILE``
        A file with the roots for its TLS certificate (PEM), where the usual ones will not do.
    ``ACME_EAB_KID``, ``ACME_EAB_HMAC_KEY``
        The customer number and key (base64url) that some servers ask for.
    ``ACME_ASK_VALIDITY``
        ``0`` leaves the end of the validity to the server. By default it is told what was ordered; a server that says
        no to that gets the order without it.

    A further server called ``acme-name`` is set up in the same way by ``ACME_NAME_DIRECTORY`` and so on. A name stays
    with its server: a new server gets a new name, since certificates are revoked where they were issued.
    """
    servers = tuple(
        _server(environ, match[1] or "")
        for match in map(_DIRECTORY.fullmatch, sorted(environ))
        if match and environ[match[0]].strip()
    )
    known = (BUILTIN, *(server.name for server in servers))
    default, by_product = BUILTIN, {}
    words = [word.strip() for word in environ.get("AUTHORITIES", "").split(",") if word.strip()]
    for place, word in enumerate(words):
        product, separator, name = (part.strip() for part in word.rpartition("="))
        if name not in known:
            raise ChoiceError(f"AUTHORITIES: {name!r} is not set up; there is {', '.join(known)}")
        if separator and product not in products:
            raise ChoiceError(f"AUTHORITIES: {product!r} is none of the products {', '.join(products)}")
        if not separator and place > 0:
            raise ChoiceError(f"AUTHORITIES: {name!r} must stand first, or be said of a product")
        if separator:
            by_product[product] = name
        else:
            default = name
    return AuthoritySettings(default, by_product, servers)


def _server(environ: Mapping[str, str], suffix: str) -> AcmeServer:
    prefix = f"ACME_{suffix}_" if suffix else "ACME_"
    name = f"acme-{suffix.lower().replace('_', '-')}" if suffix else "acme"
    if len(name) > MAX_NAME_LENGTH:
        raise ChoiceError(f"{prefix}DIRECTORY: the name {name} is too long")

    def text(setting: str) -> str:
        return environ.get(prefix + setting, "").strip()

    if not _is_https(text("DIRECTORY")):
        raise ChoiceError(f"{prefix}DIRECTORY must be an https address, not {text('DIRECTORY')!r}")
    contact = text("CONTACT").removeprefix("mailto:")
    if contact and _MAIL.fullmatch(contact) is None:
        raise ChoiceError(f"{prefix}CONTACT must be a mail address, not {contact!r}")
    ca_file = Path(text("CA_FILE")) if text("CA_FILE") else None
    if ca_file is not None:
        _check_roots(ca_file, f"{prefix}CA_FILE")
    asks = text("ASK_VALIDITY") or "1"
    if asks not in ("0", "1"):
        raise ChoiceError(f"{prefix}ASK_VALIDITY must be 0 or 1, not {asks!r}")
    external = _external(prefix, text("EAB_KID"), text("EAB_HMAC_KEY"))
    return AcmeServer(name, text("DIRECTORY"), contact, ca_file, external, asks == "1")


def _is_https(address: str) -> bool:
    try:
        parts = urlsplit(address)
        # Reading the port checks it.
        return parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _check_roots(path: Path, setting: str) -> None:
    if not path.is_file():
        raise ChoiceError(f"{setting}: there is no file {path}")
    try:
        x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        raise ChoiceError(f"{setting}: {path} is no file with certificates in PEM") from None


def _external(prefix: str, kid: str, hmac_key: str) -> ExternalAccount | None:
    if not kid and not hmac_key:
        return None
    if not kid or not hmac_key:
        raise ChoiceError(f"{prefix}EAB_KID and {prefix}EAB_HMAC_KEY belong together")
    # Some authorities hand it out with padding, some without.
    hmac_key = hmac_key.rstrip("=")
    if _BASE64URL.fullmatch(hmac_key) is None:
        raise ChoiceError(f"{prefix}EAB_HMAC_KEY must be base64url")
    return ExternalAccount(kid, hmac_key)
