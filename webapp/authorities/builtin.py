"""The built-in certificate authority: a root and an issuing CA of the desk's own.

It makes real certificates that a browser trusts once the root is installed. Domain control is not its business: whoever
submits an order has checked it. Web processes serve its CRL and OCSP while a worker issues and revokes, so everything
but the keys is in the database.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlmodel import col

from certlifecycle import RevocationReason
from webapp.authorities.builtin_crl import CrlPublisher
from webapp.authorities.builtin_keys import Held, load_or_create
from webapp.authorities.builtin_profiles import key_id, leaf_certificate
from webapp.authorities.builtin_status import answer_ocsp
from webapp.authorities.models import CaCertificate
from webapp.authorities.port import (
    AuthorityRefused,
    AuthorityUnavailable,
    CertificateStatus,
    Issued,
    Progress,
    Proof,
    StatusKind,
    hex_serial,
    read_issued,
)
from webapp.authorities.validity import granted_validity, max_validity, not_after
from webapp.certificates.csr import MAX_NAMES, CsrRejected, read_csr
from webapp.certificates.names import read_domain
from webapp.db import Database, rows_changed
from webapp.retelling import stored

MAX_ORDER_KEY_LENGTH = 200

CRL_VALIDITY = timedelta(days=7)
"""At most 10 days for server certificates (Baseline Requirements, section 7.2)."""

CRL_REFRESH = timedelta(hours=1)
"""How old a CRL without news may get before a new one is signed."""

ROOT_CRL_VALIDITY = timedelta(days=90)
"""At most 12 months for certificates of CAs (section 7.2)."""

ROOT_CRL_REFRESH = timedelta(days=7)


class BuiltinAuthority:
    """A CertificateAuthority whose keys lie in ``directory`` and whose certificates lie in the database.

    ``public_url`` is the plain http address under which ``views.blueprint`` is reached, such as
    ``http://desk.example.com/ca``; it stands in every certificate. ``clock`` gives the present instant (aware). The
    keys are made at the first start, encrypted with ``passphrase`` where there is one; ``held`` opens the
    issuing key where it is kept elsewhere. Raises KeyDirectoryError when
    they cannot be used, ValueError for an address that no certificate may carry.
    """

    def __init__(
        self,
        engine: sa.Engine,
        directory: Path,
        public_url: str,
        clock: Callable[[], datetime],
        passphrase: bytes | None = None,
        held: Held | None = None,
    ) -> None:
        parts = urlsplit(public_url)
        if parts.scheme != "http" or not parts.netloc or parts.query or parts.fragment:
            # Checking a certificate must not need another certificate (Baseline Requirements, section 7.1.2.11.2).
            raise ValueError(f"The address in certificates must begin with http://, not {public_url!r}.")
        self._database = Database(engine)
        self._url = public_url.rstrip("/")
        self._clock = clock
        self._keys = load_or_create(directory, self._url, clock(), passphrase, held)
        self._issuer = key_id(self._keys.issuing.certificate).hex()
        self._crl = CrlPublisher(self._database, self._keys.issuing, CRL_VALIDITY, CRL_REFRESH)
        self._root_crl = CrlPublisher(self._database, self._keys.root, ROOT_CRL_VALIDITY, ROOT_CRL_REFRESH)

    @property
    def root_certificate(self) -> x509.Certificate:
        """What people install to trust this authority."""
        return self._keys.root.certificate

    @property
    def issuing_certificate(self) -> x509.Certificate:
        """The CA certificate between the root and the servers' certificates."""
        return self._keys.issuing.certificate

    # Orders

    def proves_control(self, order_key: str) -> bool:
        """No: whoever submits an order has looked."""
        return False

    def prove(self, ref: str) -> Proof:
        """Nothing is proved to this authority; see the port."""
        raise AuthorityRefused(stored("This authority leaves it to the desk to see that a domain is the customer's."))

    def submit(self, order_key: str, csr_pem: str, names: Sequence[str], validity_days: int) -> str:
        """Take an order in; see the port. Orders that can never be met are refused here."""
        if not 1 <= len(order_key) <= MAX_ORDER_KEY_LENGTH:
            raise AuthorityRefused(stored("An order key has 1 to {most} characters.", most=MAX_ORDER_KEY_LENGTH))
        if validity_days < 1:
            raise AuthorityRefused(stored("A certificate is valid for at least one day."))
        if len(names) > MAX_NAMES:
            raise AuthorityRefused(stored("A certificate has at most {most} names.", most=MAX_NAMES))
        try:
            csr = read_csr(csr_pem, names)
        except CsrRejected as fault:
            raise AuthorityRefused(str(fault)) from fault
        now = self._clock()
        order = CaCertificate(
            order_key=order_key,
            csr_pem=csr.pem,
            names=list(dict.fromkeys(read_domain(name) for name in names)),
            # The limits only ever get shorter, so today's will do until the order is signed.
            validity_days=min(validity_days, max_validity(now).days),
            submitted_at=now,
        )
        with _database_trouble():
            kept = self._by_order_key(order_key) or self._insert(order)
        if (kept.csr_pem, kept.names) != (order.csr_pem, order.names):
            raise AuthorityRefused(stored("This order was handed in before with another CSR or for other names."))
        return kept.ref

    def advance(self, ref: str) -> Progress:
        """Sign the certificate if nobody has yet, and hand out the one that was stored first.

        A certificate that was signed and not stored, because the process died or another was quicker, has never left
        the process.
        """
        with _database_trouble():
            pem = self._pem_of(ref)
            if pem is None:
                self._store_issued(ref, self._sign(self._by_ref(ref)))
                pem = self._pem_of(ref)
        if pem is None:
            raise AuthorityUnavailable(stored("The certificate was signed, but could not be stored."))
        return Issued(read_issued(pem))

    # Revocation

    def revoke(self, serial: str, reason: RevocationReason) -> None:
        """Revoke for good; the first reason stays. Returns once the database has confirmed it."""
        number = _known_form(serial)
        this = (col(CaCertificate.serial) == number, col(CaCertificate.issuer) == self._issuer)
        with _database_trouble(), self._database.writing() as session:
            changed = rows_changed(
                session.execute(
                    sa.update(CaCertificate)
                    .where(*this, col(CaCertificate.revoked_at).is_(None))
                    .values(revoked_at=self._clock(), revocation_reason=reason)
                )
            )
            if not changed and session.scalar(sa.select(col(CaCertificate.ref)).where(*this)) is None:
                raise AuthorityRefused(
                    stored(
                        "This authority has not issued a certificate with the serial number {number}.", number=number
                    )
                )

    def status(self, serial: str) -> CertificateStatus:
        """Whether a certificate of the present issuing CA is good, revoked, or not known at all."""
        return self._status(_known_form(serial))

    def crl(self) -> bytes:
        """The present CRL of the issuing CA, DER. A revocation is on it as soon as ``revoke`` has returned."""
        with _database_trouble():
            return self._crl.current(self._clock())

    def root_crl(self) -> bytes:
        """The present CRL of the root, DER."""
        with _database_trouble():
            return self._root_crl.current(self._clock())

    def ocsp(self, request_der: bytes) -> bytes:
        """Answer an OCSP request (DER) with a response (DER); never raises for what is in the request."""
        return answer_ocsp(request_der, self._keys.issuing, self._status, self._clock())

    # Rows

    def _by_order_key(self, order_key: str) -> CaCertificate | None:
        with self._database.reading() as session:
            return session.scalar(sa.select(CaCertificate).where(col(CaCertificate.order_key) == order_key))

    def _by_ref(self, ref: str) -> CaCertificate:
        with self._database.reading() as session:
            order = session.get(CaCertificate, ref)
        if order is None:
            raise AuthorityRefused(stored("This authority does not know the order."))
        return order

    def _pem_of(self, ref: str) -> str | None:
        return self._by_ref(ref).pem

    def _insert(self, order: CaCertificate) -> CaCertificate:
        """Store an order, unless somebody else has just stored one under the same key; then theirs is the answer."""
        try:
            with self._database.writing() as session:
                session.add(order)
        except IntegrityError:
            first = self._by_order_key(order.order_key)
            if first is None:
                raise
            return first
        return order

    def _sign(self, order: CaCertificate) -> str:
        """The chain of a new certificate for an order; nothing is stored."""
        issuing = self._keys.issuing
        # Not back-dated: the customer's refund window is counted from here.
        not_before = self._clock().replace(microsecond=0)
        validity = granted_validity(not_before, order.validity_days)
        if not_after(not_before, validity) > issuing.certificate.not_valid_after_utc:
            raise AuthorityUnavailable(
                stored("The authority's own certificate ends too soon; it has to be renewed first.")
            )
        public_key = x509.load_pem_x509_csr(order.csr_pem.encode("ascii")).public_key()
        if not isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise AuthorityRefused(stored("The key in the CSR is of a type that public certificates may not carry."))
        leaf = leaf_certificate(
            public_key, order.names, issuing.key, issuing.certificate, self._url, not_before, validity
        )
        return "".join(cert.public_bytes(Encoding.PEM).decode("ascii") for cert in (leaf, issuing.certificate))

    def _store_issued(self, ref: str, chain_pem: str) -> bool:
        """Store a signed certificate if the order has none; whether this one was the first."""
        issued = read_issued(chain_pem)
        with self._database.writing() as session:
            return bool(
                rows_changed(
                    session.execute(
                        sa.update(CaCertificate)
                        .where(col(CaCertificate.ref) == ref, col(CaCertificate.serial).is_(None))
                        .values(
                            issuer=self._issuer,
                            serial=issued.serial,
                            pem=issued.chain_pem,
                            issued_at=issued.not_before,
                            not_after=issued.not_after,
                        )
                    )
                )
            )

    def _status(self, serial: str) -> CertificateStatus:
        query = sa.select(col(CaCertificate.revoked_at), col(CaCertificate.revocation_reason)).where(
            col(CaCertificate.serial) == serial, col(CaCertificate.issuer) == self._issuer
        )
        with _database_trouble(), self._database.reading() as session:
            row = session.execute(query).one_or_none()
        if row is None:
            return CertificateStatus(StatusKind.UNKNOWN)
        revoked_at, reason = row
        if revoked_at is None:
            return CertificateStatus(StatusKind.GOOD)
        return CertificateStatus(StatusKind.REVOKED, revoked_at, reason)


def _known_form(serial: str) -> str:
    try:
        return hex_serial(serial)
    except ValueError as fault:
        raise AuthorityRefused(str(fault)) from None


@contextmanager
def _database_trouble() -> Iterator[None]:
    """Say that the outcome is open when the database cannot be reached or does not answer in time."""
    try:
        yield
    except (OperationalError, InterfaceError, sa.exc.TimeoutError) as error:
        raise AuthorityUnavailable(stored("The built-in authority cannot reach its database; try again.")) from error
