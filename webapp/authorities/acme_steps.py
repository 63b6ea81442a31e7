"""The steps of one ACME order, from its row to the certificate (RFC 8555, section 7.4).

What is due follows from the row and from what the server says of the order now, never from what this process remembers.
A request that changes something at the server is announced in the row before it is sent, so a worker that is killed in
the middle is followed by one that asks the server how it ended.
"""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from josepy.json_util import encode_b64jose

from webapp.authorities import acme_proof
from webapp.authorities.acme_account import AcmeAccounts
from webapp.authorities.acme_messages import (
    SENTENCES,
    AcmeProblem,
    OrderAnswer,
    Problem,
    checked_url,
    not_acme,
    read_order,
)
from webapp.authorities.acme_models import AcmeAccount, AcmeOrder, AcmeStep
from webapp.authorities.acme_orders import (
    AcmeOrderBook,
    AuthorizationRecord,
    has_lapsed,
    read_authorizations,
    write_authorizations,
)
from webapp.authorities.acme_proof import BEGIN_ANEW, ProofOfControl
from webapp.authorities.acme_wire import AcmeWire, Answer
from webapp.authorities.port import AuthorityUnavailable, BadCertificate, read_issued
from webapp.authorities.validity import granted_validity, not_after
from webapp.retelling import stored

MAX_ORDERS = 10
"""How often an order that came to nothing at the server is replaced before the customer is told."""

PEM_CHAIN = "application/pem-certificate-chain"

VENDORS_BUSINESS = ("unauthorized", "userActionRequired", "externalAccountRequired")
"""Refusals that are about the desk's account and no customer's fault."""

LAPSED = ("expired", "deactivated", "revoked")
"""What becomes of an authorization that nobody proved wrong (section 7.1.6)."""


class AcmeSteps:
    """Moves one order during one conversation with the server.

    ``asks_validity`` says whether the server is told how long the certificate was ordered for, ``finalizes`` whether
    the certificate is asked for once every name is proved.
    """

    def __init__(
        self,
        book: AcmeOrderBook,
        accounts: AcmeAccounts,
        wire: AcmeWire,
        proof: ProofOfControl,
        asks_validity: bool,
        finalizes: bool,
        clock: Callable[[], datetime],
    ) -> None:
        self._book = book
        self._accounts = accounts
        self._wire = wire
        self._proof = proof
        self._asks_validity = asks_validity
        self._finalizes = finalizes
        self._clock = clock

    def step(self, order: AcmeOrder) -> tuple[AcmeOrder, bool]:
        """Take the step that is due; the answer says whether the next can follow at once.

        Raises AuthorityUnavailable, and Overtaken when another worker has moved the order meanwhile.
        """
        if order.order_url is not None and order.directory_url != self._wire.directory_url:
            # The vendor has moved to another server, which knows nothing of this order.
            return self._replace(order)
        if self._proof.rests(order):
            order = self._proof.look_around(order)
            if not _something_seen(order):
                return order, False
        try:
            account = self._accounts.enter(self._wire)
            match order.step:
                case AcmeStep.SUBMITTED | AcmeStep.ORDERING:
                    return self._place(order, account)
                case AcmeStep.DOWNLOADING:
                    return self._download(order)
                case _:
                    return self._follow(order)
        except AcmeProblem as refusal:
            if refusal.problem.code != "accountDoesNotExist":
                raise operator_needed(refusal) from refusal
            self._accounts.forget(self._wire)
            return order, True

    # An order at the server

    def _place(self, order: AcmeOrder, account: AcmeAccount) -> tuple[AcmeOrder, bool]:
        if order.orders_placed >= MAX_ORDERS:
            problem = stored(
                "The certificate authority was given the order {count} times and did not carry it out.",
                count=MAX_ORDERS,
            )
            return self._book.fail(order, problem), False
        order = self._book.change(order, step=AcmeStep.ORDERING)
        request: dict[str, object] = {"identifiers": [{"type": "dns", "value": name} for name in order.names]}
        wish = self._asks_validity and order.asks_validity and not account.refuses_not_after
        if wish:
            now = self._clock().replace(microsecond=0)
            end = not_after(now, granted_validity(now, order.validity_days))
            request["notAfter"] = end.strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            answer = self._wire.post(self._wire.directory.new_order, request)
        except AcmeProblem as refusal:
            return self._not_placed(order, refusal, wish)
        order_url = checked_url(answer.location)
        placed = read_order(answer.document())
        if self._asks_validity and not order.asks_validity:
            self._accounts.note_refused_validity()
        self._book.note_proofs(order, placed.authorizations)
        order = self._book.change(
            order,
            step=AcmeStep.PROVING,
            orders_placed=order.orders_placed + 1,
            directory_url=self._wire.directory_url,
            order_url=order_url,
            finalize_url=placed.finalize,
            expires_at=placed.expires,
            authorizations=write_authorizations([AuthorizationRecord(url) for url in placed.authorizations]),
            polled_at=None,
        )
        return order, True

    def _not_placed(self, order: AcmeOrder, refusal: AcmeProblem, wish: bool) -> tuple[AcmeOrder, bool]:
        code = refusal.problem.code
        if code in ("", "accountDoesNotExist", *VENDORS_BUSINESS):
            raise refusal
        if wish and code not in SENTENCES:
            # Some servers take no wish for the end of the validity. The answer to an order without one will tell.
            return self._book.change(order, asks_validity=False), True
        words = refusal.problem.explained(stored("The certificate authority does not take the order."))
        return self._book.fail(order, words), False

    def _replace(self, order: AcmeOrder) -> tuple[AcmeOrder, bool]:
        """The server's order lapsed, is gone, or served another row: the next step places a new one."""
        order = self._book.change(
            order,
            step=AcmeStep.SUBMITTED,
            order_url=None,
            finalize_url=None,
            certificate_url=None,
            expires_at=None,
            authorizations=[],
            polled_at=None,
            ready_at=None,
        )
        return order, True

    # What the server says of it

    def _follow(self, order: AcmeOrder) -> tuple[AcmeOrder, bool]:
        try:
            answer = self._wire.fetch(order.order_url or "")
        except AcmeProblem as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND or refusal.problem.code == "unauthorized":
                return self._replace(order)
            raise
        found = read_order(answer.document())
        if found.status == "ready":
            return self._finalize(order) if self._finalizes else self._rest(order)
        if not self._finalizes and found.status in ("processing", "valid"):
            # Servers may answer equal new-order requests with one order, and it becomes another row's certificate.
            return self._replace(order)
        return self._apply(order, found, answer)

    def _rest(self, order: AcmeOrder) -> tuple[AcmeOrder, bool]:
        """Every name is proved; note how, and leave it at that."""
        now = self._clock()
        order, _ = self._proof.refresh(self._book.change(order, polled_at=now))
        return self._book.change(order, ready_at=now), False

    def _apply(self, order: AcmeOrder, found: OrderAnswer, answer: Answer) -> tuple[AcmeOrder, bool]:
        now = self._clock()
        match found.status:
            case "valid" if found.certificate:
                step = AcmeStep.DOWNLOADING
                return self._book.change(order, step=step, certificate_url=found.certificate, polled_at=now), True
            case "pending":
                order = self._book.change(order, step=AcmeStep.PROVING, polled_at=now, ready_at=None)
                return self._prove(order, answer.retry_at)
            case "ready" | "processing" | "valid":
                return self._book.change(order, polled_at=now, next_at=answer.retry_at), False
            case _:
                return self._diagnose(order, found.error)

    def _prove(self, order: AcmeOrder, retry_at: datetime | None) -> tuple[AcmeOrder, bool]:
        order, pause = self._proof.refresh(order)
        problem = acme_proof.failure(order)
        if problem is not None:
            return self._book.fail(order, problem), False
        statuses = {one.status for one in read_authorizations(order.authorizations)}
        if statuses.intersection(LAPSED):
            return self._replace(order)
        if statuses == {"valid"}:
            return order, True
        order = self._proof.announce(self._proof.look_around(order))
        if not any(one.awaits_customer for one in read_authorizations(order.authorizations)):
            # Only the server is waited for, so its wish for a pause delays nobody's look.
            wishes = [one for one in (pause, retry_at) if one]
            order = self._book.change(order, next_at=max(wishes, default=None))
        return order, False

    def _diagnose(self, order: AcmeOrder, error: Problem | None) -> tuple[AcmeOrder, bool]:
        """The server gave the order up; find out why."""
        order, _ = self._proof.refresh(order, settled=True)
        problem = acme_proof.failure(order)
        if problem is None and error is not None:
            problem = error.explained(stored("The certificate authority has given the order up."))
        if problem is None:
            records = read_authorizations(order.authorizations)
            untried = not any(one.answered for one in records)
            if untried or has_lapsed(order, self._clock()) or any(one.status in LAPSED for one in records):
                return self._replace(order)
            problem = stored(
                "The certificate authority has given the order up and does not say why. {advice}",
                advice=BEGIN_ANEW,
            )
        return self._book.fail(order, problem), False

    # The certificate

    def _finalize(self, order: AcmeOrder) -> tuple[AcmeOrder, bool]:
        order = self._book.change(order, step=AcmeStep.FINALIZING)
        csr = x509.load_pem_x509_csr(order.csr_pem.encode("ascii")).public_bytes(Encoding.DER)
        try:
            answer = self._wire.post(order.finalize_url or "", {"csr": encode_b64jose(csr)})
        except AcmeProblem as refusal:
            code = refusal.problem.code
            if code == "orderNotReady":
                # Somebody else has finalized it since we looked; the next look tells.
                return order, False
            if code in ("", "accountDoesNotExist", *VENDORS_BUSINESS):
                raise
            words = refusal.problem.explained(stored("The certificate authority does not issue for this CSR."))
            return self._book.fail(order, words), False
        return self._apply(order, read_order(answer.document()), answer)

    def _download(self, order: AcmeOrder) -> tuple[AcmeOrder, bool]:
        try:
            answer = self._wire.fetch(order.certificate_url or "", PEM_CHAIN)
            issued = read_issued(answer.content.decode("ascii"))
        except AcmeProblem as refusal:
            if refusal.problem.code == "accountDoesNotExist":
                raise
            # The address may be out of date. What the order says now decides.
            return self._book.change(order, step=AcmeStep.FINALIZING, certificate_url=None), False
        except (BadCertificate, UnicodeDecodeError) as fault:
            raise not_acme("no certificate") from fault
        served = self._book.by_serial(issued.serial)
        if not _same_key(issued.chain_pem, order.csr_pem) or served is not None:
            # Servers may answer equal new-order requests with one order, and it has become another row's certificate.
            return self._replace(order)
        return self._book.store_issued(order, issued), False


def operator_needed(refusal: AcmeProblem) -> AuthorityUnavailable:
    """A refusal that only the vendor can do something about, as the temporary trouble that it is to the customer."""
    ours = stored("The certificate authority does not serve this shop's account; its operator has to look into it.")
    return AuthorityUnavailable(refusal.problem.after(ours))


def _something_seen(order: AcmeOrder) -> bool:
    pending = (one for one in read_authorizations(order.authorizations) if one.status == "pending")
    return any(challenge.seen for one in pending for challenge in one.open_challenges)


def _same_key(chain_pem: str, csr_pem: str) -> bool:
    leaf = x509.load_pem_x509_certificate(chain_pem.encode("ascii"))
    csr = x509.load_pem_x509_csr(csr_pem.encode("ascii"))
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        return leaf.public_key().public_bytes(*form) == csr.public_key().public_bytes(*form)
    except (ValueError, UnsupportedAlgorithm):
        return False
