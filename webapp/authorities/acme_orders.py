"""The rows of ACME orders: found, claimed by one worker at a time, changed, and read as what they mean.

A worker claims an order for a short while before it talks to the server. One that is killed leaves a claim behind that
ends by itself; one that was merely slow finds that its claim has passed to another, and changes nothing any more.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col

from certlifecycle import RevocationReason
from webapp.authorities.acme_models import AcmeAuthorization, AcmeOrder, AcmeStep
from webapp.authorities.port import (
    CLOCK_SKEW,
    AuthorityRefused,
    Challenge,
    Failed,
    Issued,
    IssuedCertificate,
    Pending,
    Processing,
    Progress,
    Proof,
    Proved,
    Sighting,
    read_issued,
)
from webapp.columns import new_id
from webapp.db import Database, rows_changed
from webapp.retelling import stored

FINAL_STEPS = (AcmeStep.ISSUED, AcmeStep.FAILED)
STEPS_PAST_PROOF = (AcmeStep.FINALIZING, AcmeStep.DOWNLOADING, AcmeStep.ISSUED)

CLAIM_LASTS = timedelta(minutes=1)
"""How long a claim lasts after the latest change: longer than any one request may take."""

_INSTANTS = ("answered_at", "checked_at")


class Overtaken(Exception):
    """Another worker has claimed the order meanwhile; what this one found out is not recorded."""


@dataclass(frozen=True, slots=True)
class ChallengeRecord:
    """One way to prove control of a name. ``answered_at`` is set before the server is told to look.

    ``complaint`` is what the server said of it while it is still open.
    """

    kind: str
    url: str
    location: str
    value: str
    status: str
    answered_at: datetime | None = None
    complaint: str = ""
    seen: bool = False
    finding: str = ""
    checked_at: datetime | None = None

    def sighted(self, sighting: Sighting) -> Self:
        """The same, with what a new look found."""
        return replace(self, seen=sighting.seen, finding=sighting.finding, checked_at=sighting.checked_at)

    def shown(self, domain: str) -> Challenge:
        """The challenge as the customer is shown it."""
        finding = " ".join(sentence for sentence in (self.complaint, self.finding) if sentence)
        return Challenge(self.kind, domain, self.location, self.value, self.seen, finding, self.checked_at)


@dataclass(frozen=True, slots=True)
class AuthorizationRecord:
    """The proof that is asked for one name; ``status`` is the server's word, ``expires_at`` its time limit."""

    url: str
    domain: str = ""
    status: str = "pending"
    expires_at: datetime | None = None
    challenges: tuple[ChallengeRecord, ...] = ()

    @property
    def open_challenges(self) -> tuple[ChallengeRecord, ...]:
        """The ways that are still open."""
        return tuple(one for one in self.challenges if one.status in ("pending", "processing"))

    @property
    def answered(self) -> tuple[ChallengeRecord, ...]:
        """The ways that the server was told to look at."""
        return tuple(one for one in self.challenges if one.answered_at is not None)

    @property
    def met(self) -> str | None:
        """The kind of the challenge by which it became valid; ``None`` where the server was not told to look."""
        return next((one.kind for one in self.answered), None)

    @property
    def awaits_customer(self) -> bool:
        """Whether something has yet to be published, or what is published does not satisfy the server."""
        return self.status == "pending" and (not self.answered or any(one.complaint for one in self.answered))


def read_authorizations(stored: Sequence[Mapping[str, Any]]) -> tuple[AuthorizationRecord, ...]:
    """The authorizations of an order from their JSON."""
    return tuple(
        AuthorizationRecord(
            one["url"],
            one["domain"],
            one["status"],
            _read_instant(one["expires_at"]),
            tuple(_read_challenge(item) for item in one["challenges"]),
        )
        for one in stored
    )


def write_authorizations(records: Sequence[AuthorizationRecord]) -> list[dict[str, Any]]:
    """The authorizations of an order as JSON."""
    return [
        {
            "url": one.url,
            "domain": one.domain,
            "status": one.status,
            "expires_at": _written_instant(one.expires_at),
            "challenges": [_written_challenge(item) for item in one.challenges],
        }
        for one in records
    ]


def _read_challenge(stored: Mapping[str, Any]) -> ChallengeRecord:
    return ChallengeRecord(**{**stored, **{name: _read_instant(stored[name]) for name in _INSTANTS}})


def _written_challenge(record: ChallengeRecord) -> dict[str, Any]:
    return asdict(record) | {name: _written_instant(getattr(record, name)) for name in _INSTANTS}


def _read_instant(stored: str | None) -> datetime | None:
    return datetime.fromisoformat(stored) if stored else None


def _written_instant(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None


def standing(order: AcmeOrder) -> Progress:
    """Where an order stands according to its row; nobody is asked."""
    if order.step is AcmeStep.ISSUED and order.pem:
        return Issued(read_issued(order.pem))
    if order.step is AcmeStep.FAILED and order.problem:
        return Failed(order.problem)
    return _under_way(order)


def _under_way(order: AcmeOrder) -> Pending | Processing:
    challenges = _awaited(order)
    return Pending(challenges) if challenges else Processing(order.next_at)


def proof_of(order: AcmeOrder, sharers: Sequence[AcmeOrder]) -> Proof:
    """Where the proof of an order stands according to its row; ``sharers`` are the orders with one of its proofs."""
    if order.step is AcmeStep.FAILED and order.problem:
        return Failed(order.problem)
    if order.ready_at is None and order.step not in STEPS_PAST_PROOF:
        return _under_way(order)
    met = {
        record.url: record.met
        for one in (*sharers, order)
        for record in read_authorizations(one.authorizations)
        if record.met
    }
    kinds = [met.get(one.url) for one in read_authorizations(order.authorizations)]
    # What the server was never told to look at it has seen at some other time, for nobody whom we know.
    return Proved(tuple(one.order_key for one in sharers), None in kinds, tuple(kind for kind in kinds if kind))


@dataclass(frozen=True, slots=True)
class ShownProof:
    """The proof of an order as the worker last saw it: for the pages.

    ``challenges`` are what the customer still has to publish, ``proved`` the names that the server has settled, each
    with the kind of the challenge that was met, or with none where it was taken as proved. ``is_placed`` says that the
    server has the order, ``is_ready`` that every name is proved, ``is_renewed`` that the server let an earlier order
    lapse, and with it the values that were published for it.
    """

    challenges: tuple[Challenge, ...]
    proved: tuple[tuple[str, str | None], ...]
    is_placed: bool
    is_ready: bool
    is_renewed: bool


def shown_proof(session: Session, order_key: str) -> ShownProof | None:
    """The proof of an order; ``None`` where no ACME authority has the order."""
    order = session.scalar(sa.select(AcmeOrder).where(col(AcmeOrder.order_key) == order_key))
    return shown_in(order) if order is not None else None


def shown_in(order: AcmeOrder) -> ShownProof:
    """The proof of an order, from its row."""
    records = read_authorizations(order.authorizations)
    return ShownProof(
        _awaited(order),
        tuple((one.domain, one.met) for one in records if one.status == "valid"),
        order.order_url is not None,
        order.ready_at is not None or order.step in STEPS_PAST_PROOF,
        order.orders_placed > 1,
    )


def awaited_challenges(session: Session, order_key: str) -> tuple[Challenge, ...]:
    """What a customer still has to publish for an order, as the worker last saw it.

    Empty when nothing is the customer's move, or no ACME authority has the order.
    """
    proof = shown_proof(session, order_key)
    return () if proof is None else proof.challenges


def _awaited(order: AcmeOrder) -> tuple[Challenge, ...]:
    if order.step is not AcmeStep.PROVING or order.ready_at is not None:
        return ()
    return tuple(
        challenge.shown(one.domain)
        for one in read_authorizations(order.authorizations)
        if one.awaits_customer
        for challenge in one.open_challenges
    )


class AcmeOrderBook:
    """The orders of the authority called ``authority``. ``clock`` gives the present instant (aware)."""

    def __init__(self, database: Database, authority: str, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._authority = authority
        self._clock = clock

    def take_in(self, order: AcmeOrder) -> AcmeOrder:
        """Store a new order, unless its key is known; then the one stored first is the answer."""
        known = self._find(col(AcmeOrder.order_key) == order.order_key)
        if known is not None:
            return known
        try:
            with self._database.writing() as session:
                session.add(order)
        except IntegrityError:
            first = self._find(col(AcmeOrder.order_key) == order.order_key)
            if first is None:
                raise
            return first
        return order

    def by_ref(self, ref: str) -> AcmeOrder:
        """The order with a reference. Raises AuthorityRefused when there is none."""
        order = self._find(col(AcmeOrder.ref) == ref)
        if order is None:
            raise AuthorityRefused(stored("This authority does not know the order."))
        return order

    def by_serial(self, serial: str) -> AcmeOrder | None:
        """The order that became the certificate with a serial number (canonical hex)."""
        return self._find(col(AcmeOrder.serial) == serial)

    def note_proofs(self, order: AcmeOrder, urls: Sequence[str]) -> None:
        """Note which authorizations the server has put into a claimed order, before anything is done about them."""
        with self._database.writing() as session:
            known = session.scalars(
                sa.select(col(AcmeAuthorization.url)).where(col(AcmeAuthorization.order_ref) == order.ref)
            ).all()
            new = dict.fromkeys(url for url in urls if url not in known)
            session.add_all(AcmeAuthorization(order_ref=order.ref, url=url) for url in new)

    def sharers(self, order: AcmeOrder) -> list[AcmeOrder]:
        """The other orders in which one of the same proofs was ever asked for."""
        urls = [one.url for one in read_authorizations(order.authorizations)]
        asked = sa.select(col(AcmeAuthorization.order_ref)).where(col(AcmeAuthorization.url).in_(urls))
        query = sa.select(AcmeOrder).where(col(AcmeOrder.ref).in_(asked), col(AcmeOrder.ref) != order.ref)
        with self._database.reading() as session:
            return list(session.scalars(query))

    def claim(self, order: AcmeOrder) -> AcmeOrder | None:
        """Claim an order, and return the row as it is then; ``None`` while another worker has it."""
        mark, now = new_id(), self._clock()
        with self._database.writing() as session:
            claimed = session.execute(
                sa.update(AcmeOrder)
                .where(
                    col(AcmeOrder.ref) == order.ref,
                    sa.or_(col(AcmeOrder.claimed_until).is_(None), col(AcmeOrder.claimed_until) <= now),
                )
                .values(claim=mark, claimed_until=now + CLAIM_LASTS)
            )
        return self.by_ref(order.ref) if rows_changed(claimed) == 1 else None

    def release(self, order: AcmeOrder) -> None:
        """End a claim, if it is still the present one."""
        with self._database.writing() as session:
            session.execute(
                sa.update(AcmeOrder)
                .where(col(AcmeOrder.ref) == order.ref, col(AcmeOrder.claim) == order.claim)
                .values(claim=None, claimed_until=None)
            )

    def change(self, order: AcmeOrder, **values: object) -> AcmeOrder:
        """Store a change of a claimed order and return the row as it is now. Raises Overtaken.

        A pause ends with any change that does not set one: something has happened since.
        """
        values = {"next_at": None, "trouble": None, "claimed_until": self._clock() + CLAIM_LASTS} | values
        with self._database.writing() as session:
            changed = session.execute(
                sa.update(AcmeOrder)
                .where(
                    col(AcmeOrder.ref) == order.ref,
                    col(AcmeOrder.claim) == order.claim,
                    col(AcmeOrder.step).not_in(FINAL_STEPS),
                )
                .values(**values)
            )
            if rows_changed(changed) != 1:
                raise Overtaken
        return self.by_ref(order.ref)

    def store_issued(self, order: AcmeOrder, issued: IssuedCertificate) -> AcmeOrder:
        """Store the certificate if the order has none yet: the first one is the one that is handed out."""
        try:
            return self.change(
                order,
                step=AcmeStep.ISSUED,
                serial=issued.serial,
                pem=issued.chain_pem,
                issued_at=issued.not_before,
                not_after=issued.not_after,
            )
        except IntegrityError:
            # Another row has just become this certificate.
            raise Overtaken from None

    def fail(self, order: AcmeOrder, problem: str) -> AcmeOrder:
        """There will be no certificate for this order."""
        return self.change(order, step=AcmeStep.FAILED, problem=problem)

    def put_off(self, order: AcmeOrder, until: datetime, trouble: str) -> AcmeOrder:
        """Do not ask the server before ``until``. Raises Overtaken."""
        return self.change(order, next_at=until, trouble=trouble)

    def mark_revoked(self, order: AcmeOrder, reason: RevocationReason, at: datetime) -> None:
        """Note the revocation; the first one stays."""
        with self._database.writing() as session:
            session.execute(
                sa.update(AcmeOrder)
                .where(col(AcmeOrder.ref) == order.ref, col(AcmeOrder.revoked_at).is_(None))
                .values(revoked_at=at, revocation_reason=reason)
            )

    def _find(self, condition: sa.ColumnElement[bool]) -> AcmeOrder | None:
        with self._database.reading() as session:
            return session.scalar(sa.select(AcmeOrder).where(condition, col(AcmeOrder.authority) == self._authority))


def has_lapsed(order: AcmeOrder, now: datetime) -> bool:
    """Whether one of the server's time limits for the order has passed, with an allowance for clocks that differ."""
    unproved = (one.expires_at for one in read_authorizations(order.authorizations) if one.status != "valid")
    return any(limit is not None and limit + CLOCK_SKEW <= now for limit in (order.expires_at, *unproved))
