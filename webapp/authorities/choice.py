"""Several certificate authorities behind one port, chosen among by product.

The choice is made once for an order and kept, so that a change of the settings in the middle never orders a second
certificate. What was issued is revoked where it was issued: an authority stays reachable as long as it is set up, also
when no product is sold from it any more.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col

from certlifecycle import RevocationReason
from webapp.authorities.acme_authority import AcmeAuthority
from webapp.authorities.acme_models import AcmeOrder
from webapp.authorities.choice_models import ChosenAuthority
from webapp.authorities.port import (
    AuthorityRefused,
    AuthorityUnavailable,
    CertificateAuthority,
    CertificateStatus,
    Look,
    Progress,
    Proof,
    StatusKind,
    hex_serial,
)
from webapp.authorities.settings import BUILTIN, AcmeServer, AuthoritySettings, ChoiceError, read_authority_settings
from webapp.db import Database
from webapp.retelling import stored

__all__ = [
    "BUILTIN",
    "AcmeServer",
    "Authorities",
    "AuthoritySettings",
    "ChoiceError",
    "acme_authorities",
    "chosen_name",
    "read_authority_settings",
]


def chosen_name(session: Session, order_key: str) -> str | None:
    """The name of the authority that an order was handed to; ``None`` before that."""
    known = session.get(ChosenAuthority, order_key)
    return known.authority if known else None


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

    def proves_control(self, order_key: str) -> bool:
        """Whether the authority of an order wants to see control itself; the default one where none has it yet."""
        return self.proves_control_to(self._settings.default, order_key)

    def proves_control_to(self, name: str, order_key: str) -> bool:
        """The same, with the authority called ``name`` where none has the order yet. It is decided from then on."""
        return self._member(self._chosen(order_key, name)).proves_control(order_key)

    def submit(self, order_key: str, csr_pem: str, names: Sequence[str], validity_days: int) -> str:
        """Hand an order to the default authority, unless its key was handed to another one before."""
        return self.submit_to(self._settings.default, order_key, csr_pem, names, validity_days)

    def submit_to(self, name: str, order_key: str, csr_pem: str, names: Sequence[str], validity_days: int) -> str:
        """Hand an order to the authority called ``name``, unless its key was handed to another one before."""
        chosen = self._chosen(order_key, name)
        return f"{chosen}:{self._member(chosen).submit(order_key, csr_pem, names, validity_days)}"

    def prove(self, ref: str) -> Proof:
        """Take one step towards the proof at the authority that has the order."""
        name, _, rest = ref.partition(":")
        return self._member(name).prove(rest)

    def advance(self, ref: str) -> Progress:
        """Take one step at the authority that has the order."""
        name, _, rest = ref.partition(":")
        return self._member(name).advance(rest)

    def revoke(self, serial: str, reason: RevocationReason) -> None:
        """Revoke at the authority that issued the certificate, whatever the settings say of new ones."""
        for member in self._members.values():
            if member.status(serial).kind is not StatusKind.UNKNOWN:
                return member.revoke(serial, reason)
        self._check_that_its_authority_is_set_up(serial)
        raise AuthorityRefused(
            stored("None of the certificate authorities that are set up here has issued this certificate.")
        )

    def status(self, serial: str) -> CertificateStatus:
        """What the authority that issued the certificate says of it."""
        answers = (member.status(serial) for member in self._members.values())
        known = (answer for answer in answers if answer.kind is not StatusKind.UNKNOWN)
        return next(known, CertificateStatus(StatusKind.UNKNOWN))

    def _member(self, name: str) -> CertificateAuthority:
        member = self._members.get(name)
        if member is None:
            # The operator may set it up again; another one must not issue in its place.
            raise AuthorityUnavailable(
                stored("The certificate authority {name} has this order and is not set up any more.", name=name)
            )
        return member

    def _check_that_its_authority_is_set_up(self, serial: str) -> None:
        """A certificate that can be revoked once the operator has set its authority up again is not beyond that."""
        try:
            number = hex_serial(serial)
        except ValueError:
            return
        with self._database.reading() as session:
            name = session.scalar(sa.select(col(AcmeOrder.authority)).where(col(AcmeOrder.serial) == number))
        if name is not None and name not in self._members:
            raise AuthorityUnavailable(
                stored(
                    "The certificate authority {name} issued this certificate and is not set up any more.", name=name
                )
            )

    def _chosen(self, order_key: str, name: str) -> str:
        with self._database.reading() as session:
            known = chosen_name(session, order_key)
        if known is not None:
            return known
        try:
            with self._database.writing() as session:
                session.add(ChosenAuthority(order_key=order_key, authority=name, chosen_at=self._clock()))
        except IntegrityError:
            # Another worker has just decided.
            with self._database.reading() as session:
                return session.get_one(ChosenAuthority, order_key).authority
        return name


@dataclass(frozen=True, slots=True)
class _ForProduct:
    """All authorities, with one of them for new orders."""

    all: Authorities
    name: str

    def proves_control(self, order_key: str) -> bool:
        return self.all.proves_control_to(self.name, order_key)

    def prove(self, ref: str) -> Proof:
        return self.all.prove(ref)

    def submit(self, order_key: str, csr_pem: str, names: Sequence[str], validity_days: int) -> str:
        return self.all.submit_to(self.name, order_key, csr_pem, names, validity_days)

    def advance(self, ref: str) -> Progress:
        return self.all.advance(ref)

    def revoke(self, serial: str, reason: RevocationReason) -> None:
        self.all.revoke(serial, reason)

    def status(self, serial: str) -> CertificateStatus:
        return self.all.status(serial)
