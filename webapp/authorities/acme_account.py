"""The desk's account at an ACME server: its key on disk, its registration (RFC 8555, section 7.3)."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from acme.messages import Directory, ExternalAccountBinding
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from josepy.json_util import encode_b64jose
from josepy.jwk import JWKEC
from josepy.util import ComparableECKey
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from webapp.authorities.acme_messages import AcmeProblem, checked_url
from webapp.authorities.acme_models import AcmeAccount
from webapp.authorities.acme_wire import AcmeWire
from webapp.authorities.key_files import KeyDirectoryError, load_ec_key, locked, make_ec_key
from webapp.authorities.port import AuthorityUnavailable
from webapp.authorities.settings import ExternalAccount
from webapp.db import Database
from webapp.retelling import stored

__all__ = ["AcmeAccounts", "ExternalAccount", "load_or_create_account_key", "thumbprint"]


def load_or_create_account_key(directory: Path) -> JWKEC:
    """The account key in ``directory``, made when there is none. Several processes may start at once.

    Raises KeyDirectoryError when it is readable by others or is no P-256 key.
    """
    path = directory / "account.key"
    with locked(directory):
        if not path.exists():
            make_ec_key(path, ec.SECP256R1())
        key = load_ec_key(path)
    if not isinstance(key.curve, ec.SECP256R1):
        raise KeyDirectoryError(
            stored("{path} does not hold a key of the kind that the desk makes (P-256).", path=path)
        )
    return JWKEC(key=ComparableECKey(key))


def thumbprint(key: JWKEC) -> str:
    """The SHA-256 thumbprint of a key, base64url (RFC 7638)."""
    return encode_b64jose(key.thumbprint(SHA256))


class AcmeAccounts:
    """Finds the account of one key at one server, registers it when need be, and forgets it when the server has.

    ``contact`` is a mail address for the authority's warnings, or empty. Registering means to agree to the server's
    terms of service; whoever sets the server's address has read them.
    """

    def __init__(
        self,
        database: Database,
        directory_url: str,
        key: JWKEC,
        contact: str,
        external: ExternalAccount | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._directory_url = directory_url
        self._key = key
        self._thumbprint = thumbprint(key)
        self._contact = contact
        self._external = external
        self._clock = clock

    def enter(self, wire: AcmeWire) -> AcmeAccount:
        """The account, registered; from here on ``wire`` speaks in its name.

        A server that knows the key answers a second registration with the first account, so it may be repeated.
        Raises AuthorityUnavailable when the server refuses: only the vendor can mend that, no customer's order is
        at fault.
        """
        account = self._row()
        if account.url is None:
            account = self._register(wire, account)
        wire.kid = account.url
        return account

    def forget(self, wire: AcmeWire) -> None:
        """The server does not know the account any more; the next ``enter`` registers the same key again."""
        with self._database.writing() as session:
            session.execute(
                sa.update(AcmeAccount)
                # Another worker may have registered it again by now; that one stays.
                .where(*self._mine, col(AcmeAccount.url) == wire.kid)
                .values(url=None, registered_at=None)
            )
        wire.kid = None

    def note_refused_validity(self) -> None:
        """The server does not let clients wish for the end of the validity."""
        with self._database.writing() as session:
            session.execute(sa.update(AcmeAccount).where(*self._mine).values(refuses_not_after=True))

    @property
    def _mine(self) -> tuple[sa.ColumnElement[bool], ...]:
        return (
            col(AcmeAccount.directory_url) == self._directory_url,
            col(AcmeAccount.thumbprint) == self._thumbprint,
        )

    def _row(self) -> AcmeAccount:
        query = sa.select(AcmeAccount).where(*self._mine)
        with self._database.reading() as session:
            known = session.scalar(query)
        if known is not None:
            return known
        fresh = AcmeAccount(directory_url=self._directory_url, thumbprint=self._thumbprint)
        try:
            with self._database.writing() as session:
                session.add(fresh)
        except IntegrityError:
            # Another worker was first; theirs is the row.
            with self._database.reading() as session:
                return session.scalars(query).one()
        return fresh

    def _register(self, wire: AcmeWire, account: AcmeAccount) -> AcmeAccount:
        request: dict[str, object] = {"termsOfServiceAgreed": True}
        if self._contact:
            request["contact"] = [f"mailto:{self._contact}"]
        if self._external is not None:
            request["externalAccountBinding"] = ExternalAccountBinding.from_data(
                self._key.public_key(),
                self._external.kid,
                self._external.hmac_key,
                Directory({"newAccount": wire.directory.new_account}),
            )
        try:
            url = wire.introduce(request).location
        except AcmeProblem as refusal:
            ours = stored(
                "The certificate authority does not open an account for this shop; its operator has to look into it."
            )
            raise AuthorityUnavailable(refusal.problem.after(ours)) from refusal
        checked_url(url)
        with self._database.writing() as session:
            session.execute(
                sa.update(AcmeAccount)
                .where(col(AcmeAccount.id) == account.id)
                .values(url=url, registered_at=self._clock())
            )
        return self._row()
