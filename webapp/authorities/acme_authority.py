"""A certificate authority that is reached by ACME (RFC 8555), whoever runs it.

Orders, challenges and certificates are rows, so any worker can go on where another one stopped. The server is asked in
short conversations, never in a transaction.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import requests
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from josepy.json_util import encode_b64jose
from sqlalchemy.exc import InterfaceError, OperationalError

from certlifecycle import RevocationReason
from webapp.authorities.acme_account import AcmeAccounts, ExternalAccount, load_or_create_account_key
from webapp.authorities.acme_messages import AcmeProblem
from webapp.authorities.acme_models import AcmeOrder
from webapp.authorities.acme_orders import (
    FINAL_STEPS,
    STEPS_PAST_PROOF,
    AcmeOrderBook,
    Overtaken,
    proof_of,
    standing,
)
from webapp.authorities.acme_proof import ProofOfControl
from webapp.authorities.acme_steps import VENDORS_BUSINESS, AcmeSteps, operator_needed
from webapp.authorities.acme_wire import ANSWER_SECONDS, AcmeWire
from webapp.authorities.port import (
    REASON_CODES,
    AuthorityRefused,
    AuthorityUnavailable,
    CertificateStatus,
    Look,
    Progress,
    Proof,
    StatusKind,
    hex_serial,
)
from webapp.authorities.validity import max_validity
from webapp.certificates.csr import CsrRejected, ParsedCsr, read_csr
from webapp.certificates.names import read_domain
from webapp.db import Database
from webapp.retelling import stored

MAX_ORDER_KEY_LENGTH = 200

MAX_NAMES = 20
"""Names in one order; each costs a request, and a step is bounded."""

STEPS_PER_CALL = 4
"""How many steps one ``advance`` takes while each can follow at once."""


class AcmeAuthority:
    """A CertificateAuthority at an ACME server.

    ``name`` tells it from others in the database. ``directory_url`` is the server's address (https), ``key_directory``
    holds the account's key and is shared by all workers. ``contact`` is a mail address for the authority's warnings, or
    empty; ``external`` the customer number that some authorities ask for. ``verify`` is the file with the roots for the
    server's TLS certificate, ``True`` for the usual ones. ``look`` looks at what customers published; ``clock`` gives
    the present instant (aware). ``asks_validity`` passes the ordered validity on to the server, as far as it takes
    such a wish.

    Raises KeyDirectoryError when the key cannot be used.
    """

    def __init__(
        self,
        engine: sa.Engine,
        name: str,
        directory_url: str,
        key_directory: Path,
        look: Look,
        clock: Callable[[], datetime],
        *,
        contact: str = "",
        external: ExternalAccount | None = None,
        verify: str | bool = True,
        asks_validity: bool = True,
        answer_seconds: float = ANSWER_SECONDS,
        sessions: Callable[[], requests.Session] = requests.Session,
    ) -> None:
        database = Database(engine)
        self.name = name
        self._directory_url = directory_url
        self._key = load_or_create_account_key(key_directory)
        self._look = look
        self._clock = clock
        self._verify = verify
        self._asks_validity = asks_validity
        self._answer_seconds = answer_seconds
        self._sessions = sessions
        self._book = AcmeOrderBook(database, name, clock)
        self._accounts = AcmeAccounts(database, directory_url, self._key, contact, external, clock)

    # Orders

    def submit(self, order_key: str, csr_pem: str, names: Sequence[str], validity_days: int) -> str:
        """Take an order in; see the port. Nobody is asked yet, but what the server would refuse is refused here."""
        if not 1 <= len(order_key) <= MAX_ORDER_KEY_LENGTH:
            raise AuthorityRefused(
                stored(
                    "An order key has 1 to {most} characters.",
                    most=MAX_ORDER_KEY_LENGTH,
                )
            )
        if validity_days < 1:
            raise AuthorityRefused(stored("A certificate is valid for at least one day."))
        if len(names) > MAX_NAMES:
            raise AuthorityRefused(
                stored("This certificate authority takes at most {most} names in one order.", most=MAX_NAMES)
            )
        try:
            csr = read_csr(csr_pem, names)
        except CsrRejected as fault:
            raise AuthorityRefused(f"{fault.problem} {fault.advice}") from fault
        problem = names_problem(csr, names)
        if problem is not None:
            raise AuthorityRefused(problem)
        ordered = list(dict.fromkeys(read_domain(name) for name in names))
        now = self._clock()
        order = AcmeOrder(
            authority=self.name,
            order_key=order_key,
            csr_pem=csr.pem,
            names=ordered,
            # The limits only ever get shorter, so today's will do until the order is placed.
            validity_days=min(validity_days, max_validity(now).days),
            submitted_at=now,
        )
        with _database_trouble():
            kept = self._book.take_in(order)
        if (kept.csr_pem, kept.names) != (order.csr_pem, order.names):
            raise AuthorityRefused(stored("This order was handed in before with another CSR or for other names."))
        return kept.ref

    def proves_control(self, order_key: str) -> bool:
        """Yes, to every order: the server issues for nothing else."""
        return True

    def prove(self, ref: str) -> Proof:
        """Move the order on until every name is proved and no further; see the port."""
        with _database_trouble():
            order = self._book.by_ref(ref)
            if order.step not in STEPS_PAST_PROOF:
                order = self._moved(order, finalizes=False)
            return proof_of(order, self._book.sharers(order))

    def advance(self, ref: str) -> Progress:
        """Move the order on as far as is possible without waiting; see the port."""
        with _database_trouble():
            return standing(self._moved(self._book.by_ref(ref), finalizes=True))

    def _moved(self, order: AcmeOrder, *, finalizes: bool) -> AcmeOrder:
        """The order after what can be done for it now, by this worker or by the one that is at it."""
        if order.step in FINAL_STEPS:
            return order
        if order.next_at is not None and order.next_at > self._clock():
            if order.trouble:
                raise AuthorityUnavailable(order.trouble, order.next_at)
            return order
        claimed = self._book.claim(order)
        if claimed is None:
            # Another worker is at it.
            return order
        try:
            return self._converse(claimed, finalizes=finalizes)
        except Overtaken:
            return self._book.by_ref(order.ref)
        finally:
            self._book.release(claimed)

    def _converse(self, order: AcmeOrder, *, finalizes: bool) -> AcmeOrder:
        with self._conversation() as wire:
            proof = ProofOfControl(self._book, wire, self._look, self._clock)
            steps = AcmeSteps(self._book, self._accounts, wire, proof, self._asks_validity, finalizes, self._clock)
            try:
                for _ in range(STEPS_PER_CALL):
                    order, more = steps.step(order)
                    if not more:
                        break
            except AuthorityUnavailable as trouble:
                if trouble.retry_at is not None:
                    self._book.put_off(order, trouble.retry_at, trouble.detail)
                raise
        return order

    # Revocation

    def revoke(self, serial: str, reason: RevocationReason) -> None:
        """Revoke for good; see the port. The account that ordered the certificate asks for it."""
        number = _known_form(serial)
        with _database_trouble():
            order = self._book.by_serial(number)
            if order is None or order.pem is None:
                raise AuthorityRefused(
                    stored(
                        "This authority has not issued a certificate with the serial number {number}.", number=number
                    )
                )
            if order.revoked_at is not None:
                return
            if order.directory_url != self._directory_url:
                raise AuthorityUnavailable(
                    stored(
                        "The certificate came from another server than the one that is set up now; the operator has "
                        "to set up {server} again, under a name of its own.",
                        server=order.directory_url,
                    )
                )
            request: dict[str, object] = {"certificate": encode_b64jose(_leaf_der(order.pem))}
            if reason is not RevocationReason.UNSPECIFIED:
                request["reason"] = REASON_CODES[reason]
            with self._conversation() as wire:
                self._ask_to_revoke(wire, request)
            self._book.mark_revoked(order, reason, self._clock())

    def _ask_to_revoke(self, wire: AcmeWire, request: dict[str, object], again: bool = True) -> None:
        self._accounts.enter(wire)
        try:
            wire.post(wire.directory.revoke_cert, request)
        except AcmeProblem as refusal:
            code = refusal.problem.code
            if code == "alreadyRevoked":
                return
            if code == "accountDoesNotExist" and again:
                self._accounts.forget(wire)
                return self._ask_to_revoke(wire, request, again=False)
            if code in VENDORS_BUSINESS and code != "unauthorized":
                raise operator_needed(refusal) from refusal
            ours = stored("The certificate authority does not revoke this certificate.")
            if code == "badRevocationReason":
                ours = stored(
                    "The certificate authority does not revoke for this reason. Choose another one and try again."
                )
            raise AuthorityRefused(refusal.problem.after(ours)) from refusal

    def status(self, serial: str) -> CertificateStatus:
        """What the desk knows of a certificate that this authority issued to it."""
        with _database_trouble():
            order = self._book.by_serial(_known_form(serial))
        if order is None:
            return CertificateStatus(StatusKind.UNKNOWN)
        if order.revoked_at is None:
            return CertificateStatus(StatusKind.GOOD)
        return CertificateStatus(StatusKind.REVOKED, order.revoked_at, order.revocation_reason)

    def _conversation(self) -> AcmeWire:
        return AcmeWire(
            self._directory_url, self._key, self._verify, self._clock, self._sessions(), self._answer_seconds
        )


def names_problem(csr: ParsedCsr, names: Sequence[str]) -> str | None:
    """Why a CSR will not do for an ACME server, if so: it names exactly what is ordered (RFC 8555, section 7.4).

    The built-in authority takes the names from the order; this is for whoever takes CSRs in, to say it early.
    """
    ordered = list(dict.fromkeys(read_domain(name) for name in names))
    if set(csr.names) == set(ordered):
        return None
    return stored(
        "The CSR has to name exactly {ordered}, since the certificate authority takes the names from it; "
        "it names {named}. Make a new CSR and submit it again.",
        ordered=", ".join(ordered),
        named=", ".join(csr.names) or stored("nothing"),
    )


def _known_form(serial: str) -> str:
    try:
        return hex_serial(serial)
    except ValueError as fault:
        raise AuthorityRefused(str(fault)) from None


def _leaf_der(chain_pem: str) -> bytes:
    return x509.load_pem_x509_certificate(chain_pem.encode("ascii")).public_bytes(Encoding.DER)


@contextmanager
def _database_trouble() -> Iterator[None]:
    """Say that the outcome is open when the database cannot be reached or does not answer in time."""
    try:
        yield
    except (OperationalError, InterfaceError, sa.exc.TimeoutError) as error:
        raise AuthorityUnavailable(stored("The desk cannot reach its database; try again.")) from error
