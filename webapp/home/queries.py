"""Fetching what a customer's start page is made from: a few of each kind, however many certificates there are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from certlifecycle import Basis, Mover, RefundPolicy, State
from webapp.access import visible_to
from webapp.accounts.models import Account
from webapp.certificates.facts import excepted
from webapp.certificates.models import Certificate, Purchase
from webapp.certificates.queries import Listed, rows_where, showings_of
from webapp.counting import counted
from webapp.domaincontrol.showing import Showing

CLOSING = timedelta(days=7)
"""How long before its refund window closes a valid certificate is put before its owner."""

EXPIRING = timedelta(days=30)
"""The same before it expires."""

MOST = 12
"""How many needs stand on the page; the others are one link away."""


class Kind(StrEnum):
    """Why a certificate stands on the start page."""

    REFUNDABLE = "refundable"
    CLOSING = "closing"
    FAILED = "failed"
    REFUSED = "refused"
    PROOF = "proof"
    UNSUBMITTED = "unsubmitted"
    EXPIRING = "expiring"
    BEING_VERIFIED = "being_verified"
    REFUND_ASKED = "refund_asked"
    REFUND_APPROVED = "refund_approved"
    ISSUING = "issuing"
    REVOKING = "revoking"


class Paper(NamedTuple):
    """What a certificate's row does not tell: why it failed, its order, and how control of its domain is shown."""

    problem: str | None
    purchase: Purchase
    showing: Showing | None

    @property
    def mover(self) -> Mover | None:
        """Whose move the showing of control makes it, where it says so."""
        return self.showing.mover if self.showing else None


@dataclass(frozen=True, slots=True)
class Looked:
    """Everything that the start page shows. ``counts`` are all of a customer's certificates by state, those of each
    state as far as :mod:`~webapp.counting` goes."""

    rows: Mapping[Kind, tuple[Listed, ...]]
    papers: Mapping[str, Paper]
    counts: Mapping[State, int]
    next_expiry: datetime | None


def look(session: Session, owner: Account, now: datetime, policy: RefundPolicy) -> Looked:
    """Look at one customer's certificates. Each kind is found by an index and bounded."""
    found = {kind: _few(session, owner, *wanted(now, policy)) for kind, wanted in WANTED.items()}
    for row in _few(session, owner, *_excepted(now)):
        kind = EXCEPTED[State(row.state)]
        found[kind] = (row, *(one for one in found[kind] if one.id != row.id))
    rows = [row for some in found.values() for row in some]
    mine = visible_to(owner)
    state, ends = col(Certificate.state), col(Certificate.not_after)
    numbers = (counted(Certificate, mine, state == one, along=col(Certificate.created_at)) for one in State)
    soonest = sa.select(ends).where(mine, _ISSUED, ends > now).order_by(ends).limit(1)
    return Looked(
        found,
        _papers(session, rows),
        dict(zip(State, session.execute(sa.select(*numbers)).one(), strict=True)),
        session.execute(soonest).scalar(),
    )


_ISSUED = sa.and_(col(Certificate.state) == State.ISSUED, col(Certificate.issued_at).is_not(None))
"""What is issued has an issue date; said again, for only those that have one are sorted by their ends."""

Wanted = tuple[sa.ColumnElement[bool], sa.UnaryExpression[Any]]


def _few(
    session: Session, owner: Account, where: sa.ColumnElement[bool], order: sa.UnaryExpression[Any]
) -> tuple[Listed, ...]:
    return rows_where(session, owner, where, MOST + 1, (order, col(Certificate.id).asc()))


def _papers(session: Session, rows: Sequence[Listed]) -> dict[str, Paper]:
    states = {row.id: row.state for row in rows}
    found = session.exec(
        select(Certificate.id, Certificate.problem, Purchase)
        .join(Purchase, col(Purchase.id) == Certificate.purchase_id)
        .where(col(Certificate.id).in_(states))
    ).all()
    showing = showings_of(session, states)
    return {key: Paper(problem, purchase, showing.get(key)) for key, problem, purchase in found}


def _in(state: State) -> Callable[[datetime, RefundPolicy], Wanted]:
    """Those in a state, the ones that have been in it for the longest first."""
    return lambda _now, _policy: (col(Certificate.state) == state, col(Certificate.state_since).asc())


def _basis(policy: RefundPolicy) -> sa.SQLColumnExpression[Any]:
    return col(Purchase.paid_at) if policy.basis is Basis.PAYMENT else col(Certificate.issued_at)


def _refundable(now: datetime, policy: RefundPolicy) -> Wanted:
    basis = _basis(policy)
    where = sa.and_(col(Certificate.state) == State.REVOKED, basis >= now - policy.window, ~excepted(now))
    return where, basis.asc()


def _closing(now: datetime, policy: RefundPolicy) -> Wanted:
    basis = _basis(policy)
    opens = now - policy.window
    closing = sa.and_(col(Certificate.state) == State.ISSUED, basis >= opens, basis <= opens + CLOSING)
    return sa.and_(closing, ~excepted(now)), basis.asc()


EXCEPTED: Mapping[State, Kind] = {
    State.REVOKED: Kind.REFUNDABLE,
    State.ISSUED: Kind.CLOSING,
    State.FAILED: Kind.FAILED,
    State.REJECTED: Kind.REFUSED,
    State.PENDING: Kind.UNSUBMITTED,
}
"""As what a certificate with an exception is told, where it can rest until the customer applies."""


def _excepted(now: datetime) -> Wanted:
    """Those whose deadline is the end of an exception, whenever their window closed."""
    ends, state = col(Certificate.waiver_until), col(Certificate.state)
    is_due = sa.or_(state != State.ISSUED, ends <= now + CLOSING)
    # Said by what is left out, a database does not take the index of the states for it, whose rows it had to sort.
    rests = state.not_in([one for one in State if one not in EXCEPTED])
    return sa.and_(excepted(now), rests, is_due), ends.asc()


def _expiring(now: datetime, _policy: RefundPolicy) -> Wanted:
    later = aliased(Certificate)
    ends = col(Certificate.not_after)
    successor = (
        sa.select(col(later.id))
        .where(
            col(later.holder_id) == Certificate.holder_id,
            col(later.domain) == Certificate.domain,
            col(later.state) == State.ISSUED,
            col(later.not_after) > ends,
        )
        .exists()
    )
    where = sa.and_(_ISSUED, ends > now, ends <= now + EXPIRING, ~successor)
    return where, ends.asc()


WANTED: Mapping[Kind, Callable[[datetime, RefundPolicy], Wanted]] = {
    Kind.REFUNDABLE: _refundable,
    Kind.CLOSING: _closing,
    Kind.FAILED: _in(State.FAILED),
    Kind.REFUSED: _in(State.REJECTED),
    Kind.PROOF: _in(State.SUBMITTED),
    Kind.UNSUBMITTED: _in(State.PENDING),
    Kind.EXPIRING: _expiring,
    Kind.REFUND_ASKED: _in(State.REFUND_REQUESTED),
    Kind.REFUND_APPROVED: _in(State.REFUND_APPROVED),
    Kind.ISSUING: _in(State.VERIFIED),
    Kind.REVOKING: _in(State.REVOKING),
}
