"""The sorted list as segments, so that a page of it is found by key however long the list is.

A segment is a part of the list that is sorted by one column and then by id: ``WHERE … AND (key, id) > (…)`` on an
index. A plain sort is one segment. Sorting by state is one for each state, in the order of the life cycle; sorting by
the refund deadline puts those whose window still runs first, the nearest first, and then what has no deadline to keep.

Where rows of one segment are sorted by different columns it has a strand for each: the deadline is the issue date and
the length of the window, or the end of an exception. Each strand is read by its own index, and they are merged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from certlifecycle import Basis, RefundPolicy, State
from webapp.certificates.facts import excepted
from webapp.certificates.models import Certificate, Purchase
from webapp.certificates.search import STATES_ON, Order, Place, Sort, Tab
from webapp.columns import UtcDateTime

WITHOUT_A_DEADLINE = (State.REFUND_REQUESTED, State.REFUND_APPROVED, State.REFUNDED)
"""Where a running window is worth nothing: an application is under way, or the money has come back."""

COLUMNS: dict[str, Any] = {
    "created_at": col(Certificate.created_at),
    "domain": col(Certificate.domain),
    "state_since": col(Certificate.state_since),
    "issued_at": col(Certificate.issued_at),
    "not_after": col(Certificate.not_after),
    "paid_at": col(Purchase.paid_at),
    "waiver_until": col(Certificate.waiver_until),
}
"""What a segment can be sorted by; a row of the list has an attribute of the same name."""

KEYS = {Sort.ORDERED: "created_at", Sort.DOMAIN: "domain", Sort.ISSUED: "issued_at", Sort.EXPIRES: "not_after"}


@dataclass(frozen=True, slots=True)
class Strand:
    """Rows that one column sorts: ``key`` names one of :data:`COLUMNS`.

    ``ahead`` is how long after the instant in that column the one is by which strands are merged.
    """

    where: sa.ColumnElement[bool]
    key: str
    ahead: timedelta = timedelta(0)

    def value(self, row: object) -> Any:  # noqa: ANN401  Text or an instant, as the column holds it.
        """By what a row of this strand is sorted."""
        value = getattr(row, self.key)
        return value + self.ahead if self.ahead else value

    def order(self, *, falling: bool) -> tuple[sa.UnaryExpression[Any], ...]:
        """The order of the rows."""
        columns = (COLUMNS[self.key], col(Certificate.id))
        return tuple(one.desc() if falling else one.asc() for one in columns)

    def beyond(self, place: Place | None, *, falling: bool) -> sa.ColumnElement[bool]:
        """The rows that follow a place in this direction; all of them without one."""
        if place is None:
            return self.where
        at = place.key
        key = sa.literal(at) if isinstance(at, str) else sa.literal(at - self.ahead, UtcDateTime())
        here, there = sa.tuple_(COLUMNS[self.key], col(Certificate.id)), sa.tuple_(key, sa.literal(place.id))
        return sa.and_(self.where, here < there if falling else here > there)


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the list. ``falling`` is the direction of key and id alike."""

    strands: tuple[Strand, ...]
    falling: bool


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
            return [Segment((Strand(sa.true(), KEYS[sort]),), order.falling)]


def _in_state(state: State) -> Segment:
    return Segment((Strand(col(Certificate.state) == state, "state_since"),), falling=True)


def _by_deadline(now: datetime, policy: RefundPolicy) -> list[Segment]:
    key = "paid_at" if policy.basis is Basis.PAYMENT else "issued_at"
    # Said by what is left out, a database does not take the index of the states for it, whose rows it had to sort.
    has_one, by_exception = col(Certificate.state).not_in(WITHOUT_A_DEADLINE), excepted(now)
    runs = sa.and_(COLUMNS[key] >= now - policy.window, has_one, sa.not_(by_exception))
    excepted_ones = sa.and_(by_exception, has_one)
    running = (Strand(runs, key, policy.window), Strand(excepted_ones, "waiver_until"))
    rest = Strand(sa.not_(sa.or_(runs, excepted_ones)), key)
    return [Segment(running, falling=False), Segment((rest,), falling=True)]


def _reversed(segment: Segment) -> Segment:
    return replace(segment, falling=not segment.falling)


def backwards(found: Sequence[Segment]) -> list[Segment]:
    """The same list from its end."""
    return [_reversed(one) for one in found[::-1]]
