"""Several certificate authorities behind one port, and the settings that choose among them by product.

The choice is made once for an order and kept, so that a change of the settings in the middle never orders a second
certificate. What was issued is revoked where it was issued: an authority stays reachable as long as it is set up, also
when no product is sold from it any more.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from certlifecycle import RevocationReason
from webapp.authorities.acme_account import ExternalAccount
from webapp.authorities.acme_authority import AcmeAuthority
from webapp.authorities.choice_models import ChosenAuthority
from webapp.authorities.port import (
    AuthorityRefused,
    AuthorityUnavailable,
    CertificateAuthority,
    CertificateStatus,
    Look,
    Progress,
    StatusKind,
)
from webapp.db import Database

BUILTIN = "builtin"
MAX_NAME_LENGTH = 40

_DIRECTORY = re.compile(r"ACME_(?:([A-Z0-9]+(?:_[A-Z0-9]+)*)_)?DIRECTORY")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]{4,}")
_MAIL = re.compile(r"[^@\s,]+@[^@\s,]+")


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

    directory = urlsplit(text("DIRECTORY"))
    if directory.scheme != "https" or not directory.hostname:
        raise ChoiceError(f"{prefix}DIRECTORY must be an https address, not {text('DIRECTORY')!r}")
    contact = text("CONTACT").removeprefix("mailto:")
    if contact and _MAIL.fullmatch(contact) is None:
        raise ChoiceError(f"{prefix}CONTACT must be a mail address, not {contact!r}")
    ca_file = Path(text("CA_FILE")) if text("CA_FILE") else None
    if ca_file is not None and not ca_file.is_file():
        raise ChoiceError(f"{prefix}CA_FILE: there is no file {ca_file}")
    asks = text("ASK_VALIDITY") or "1"
    if asks not in ("0", "1"):
        raise ChoiceError(f"{prefix}ASK_VALIDITY must be 0 or 1, not {asks!r}")
    external = _external(prefix, text("EAB_KID"), text("EAB_HMAC_KEY"))
    return AcmeServer(name, text("DIRECTORY"), contact, ca_file, external, asks == "1")


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


def acme_authorities(
    settings: AuthoritySettings, engine: sa.Engine, data_dir: Path, look: Look, clock: Callable[[], datetime]
) -> dict[str, AcmeAuthority]:
    """The ACME authorities that are set up, by name. Account keys lie in folders of ``data_dir`` named after them."""
    return {
        server.name: AcmeAuthority(
            engine,
            server.name,
            server.directory_url,
            data_dir / server.name,
            look,
            clock,
            contact=server.contact,
            external=server.external,
            verify=str(server.ca_file) if server.ca_file else True,
            asks_validity=server.asks_validity,
        )
        for server in settings.servers
    }


class Authorities:
    """A CertificateAuthority made of several; ``members`` are those that are set up, by name.

    Its references carry the name of the member in front. As it stands it hands new orders to the default member;
    :meth:`for_product` chooses by product.
    """

    def __init__(
        self,
        engine: sa.Engine,
        members: Mapping[str, CertificateAuthority],
        settings: AuthoritySettings,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = Database(engine)
        self._members = members
        self._settings = settings
        self._clock = clock

    def for_product(self, product: str) -> CertificateAuthority:
        """The same authorities, with new orders going to the one for a product."""
        return _ForProduct(self, self._settings.name_for(product))

    def submit(self, order_key: str, csr_pem: str, names: Sequence[str], validity_days: int) -> str:
        """Hand an order to the default authority, unless its key was handed to another one before."""
        return self.submit_to(self._settings.default, order_key, csr_pem, names, validity_days)

    def submit_to(self, name: str, order_key: str, csr_pem: str, names: Sequence[str], validity_days: int) -> str:
        """Hand an order to the authority called ``name``, unless its key was handed to another one before."""
        chosen = self._chosen(order_key, name)
        return f"{chosen}:{self._member(chosen).submit(order_key, csr_pem, names, validity_days)}"

    def advance(self, ref: str) -> Progress:
        """Take one step at the authority that has the order."""
        name, _, rest = ref.partition(":")
        return self._member(name).advance(rest)

    def revoke(self, serial: str, reason: RevocationReason) -> None:
        """Revoke at the authority that issued the certificate, whatever the settings say of new ones."""
        for member in self._members.values():
            if member.status(serial).kind is not StatusKind.UNKNOWN:
                return member.revoke(serial, reason)
        raise AuthorityRefused("None of the certificate authorities that are set up here has issued this certificate.")

    def status(self, serial: str) -> CertificateStatus:
        """What the authority that issued the certificate says of it."""
        answers = (member.status(serial) for member in self._members.values())
        known = (answer for answer in answers if answer.kind is not StatusKind.UNKNOWN)
        return next(known, CertificateStatus(StatusKind.UNKNOWN))

    def _member(self, name: str) -> CertificateAuthority:
        member = self._members.get(name)
        if member is None:
            # The operator may set it up again; another one must not issue in its place.
            raise AuthorityUnavailable(f"The certificate authority {name} has this order and is not set up any more.")
        return member

    def _chosen(self, order_key: str, name: str) -> str:
        with self._database.reading() as session:
            known = session.get(ChosenAuthority, order_key)
        if known is None:
            try:
                with self._database.writing() as session:
                    session.add(ChosenAuthority(order_key=order_key, authority=name, chosen_at=self._clock()))
                return name
            except IntegrityError:
                # Another worker has just decided.
                with self._database.reading() as session:
                    known = session.get_one(ChosenAuthority, order_key)
        return known.authority


@dataclass(frozen=True, slots=True)
class _ForProduct:
    """All authorities, with one of them for new orders."""

    all: Authorities
    name: str

    def submit(self, order_key: str, csr_pem: str, names: Sequence[str], validity_days: int) -> str:
        return self.all.submit_to(self.name, order_key, csr_pem, names, validity_days)

    def advance(self, ref: str) -> Progress:
        return self.all.advance(ref)

    def revoke(self, serial: str, reason: RevocationReason) -> None:
        self.all.revoke(serial, reason)

    def status(self, serial: str) -> CertificateStatus:
        return self.all.status(serial)
