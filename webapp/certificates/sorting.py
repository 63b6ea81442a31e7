"""The sorted list as segments, so that a page of it is found by key however long the list is.

A segment is a part of the list that is sorted by one column and then by id: ``WHERE … AND (key, id) > (…)`` on an
index. A plain sort is one segment. Sorting by state is one for each state, in the order of the life cycle; sorting by
the refund deadline puts those whose window still runs first, the nearest first, and then what has no deadline to keep.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from certlifecycle import Basis, RefundPolicy, State
from webapp.certificates.models import Certificate, Purchase
from webapp.certificates.search import STATES_ON, Order, Place, Sort, Tab
from webapp.columns import UtcDateTime

WITH_A_DEADLINE = (
    State.PENDING,
    State.SUBMITTED,
    State.VERIFIED,
    State.FAILED,
    State.ISSUED,
    State.REVOKING,
    State.REVOKED,
    State.REJECTED,
)
"""Where a running window is worth something: no application is under way, and the money has not come back."""

COLUMNS: dict[str, Any] = {
    "created_at": col(Certificate.created_at),
    "domain": col(Certificate.domain),
    "state_since": col(Certificate.state_since),
    "issued_at": col(Certificate.issued_at),
    "not_after": col(Certificate.not_after),
    "paid_at": col(Purchase.paid_at),
}
"""What a segment can be sorted by; a row of the list has an attribute of the same name."""

KEYS = {Sort.ORDERED: "created_at", Sort.DOMAIN: "domain", Sort.ISSUED: "issued_at", Sort.EXPIRES: "not_after"}


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the list. ``key`` names one of :data:`COLUMNS`; ``falling`` is the direction of key and id alike."""

    where: sa.ColumnElement[bool]
    key: str
    falling: bool

    def order(self) -> tuple[sa.UnaryExpression[Any], ...]:
        """The order of the rows."""
        columns = (COLUMNS[self.key], col(Certificate.id))
        return tuple(one.desc() if self.falling else one.asc() for one in columns)

    def beyond(self, place: Place | None) -> sa.ColumnElement[bool]:
        """The rows that follow a place in this segment's direction; all of them without one."""
        if place is None:
            return self.where
        key = sa.literal(place.key) if isinstance(place.key, str) else sa.literal(place.key, UtcDateTime())
        here, there = sa.tuple_(COLUMNS[self.key], col(Certificate.id)), sa.tuple_(key, sa.literal(place.id))
        return sa.and_(self.where, here < there if self.falling else here > there)


def sorts_on(tab: Tab, policy: RefundPolicy) -> tuple[Sort, ...]:
    """By what the list of a tab can be sorted: nothing unsigned has an issue date, or a deadline that runs from it."""
    if tab is Tab.SIGNED:
        return (Sort.ORDERED, Sort.DOMAIN, Sort.STATE, Sort.ISSUED, Sort.EXPIRES, Sort.DEADLINE)
    by_payment = (Sort.DEADLINE,) if policy.basis is Basis.PAYMENT else ()
    return (Sort.ORDERED, Sort.DOMAIN, Sort.STATE, *by_payment)


def segments(tab: Tab, state: State | None, order: Order, now: datetime, policy: RefundPolicy) -> list[Segment]:
    """The segments of a tab's list, in this order. A sort that the tab does not know is the plain one."""
    sort = order.sort if order.sort in sorts_on(tab, policy) else Sort.ORDERED
    match sort:
        case Sort.STATE:
            # Those that have been in a state for the shortest time come first, however the states are ordered.
            found = [_in_state(one) for one in ((state,) if state else STATES_ON[tab])]
            return found[::-1] if order.falling else found
        case Sort.DEADLINE:
            running = _by_deadline(now, policy)
            return [_reversed(one) for one in running[::-1]] if order.falling else running
        case _:
            return [Segment(sa.true(), KEYS[sort], order.falling)]


def _in_state(state: State) -> Segment:
    return Segment(col(Certificate.state) == state, "state_since", falling=True)


def _by_deadline(now: datetime, policy: RefundPolicy) -> list[Segment]:
    key = "paid_at" if policy.basis is Basis.PAYMENT else "issued_at"
    runs = sa.and_(COLUMNS[key] >= now - policy.window, col(Certificate.state).in_(WITH_A_DEADLINE))
    return [Segment(runs, key, falling=False), Segment(sa.not_(runs), key, falling=True)]


def _reversed(segment: Segment) -> Segment:
    return replace(segment, falling=not segment.falling)


def backwards(found: Sequence[Segment]) -> list[Segment]:
    """The same list from its end."""
    return [_reversed(one) for one in found[::-1]]
