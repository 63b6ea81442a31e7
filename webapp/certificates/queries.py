"""Fetching certificates for whoever may see them: one with all that belongs to it, or a page of a list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from certlifecycle import REFUND_STATES, REVIEWERS, Facts, Money, RefundPolicy, State
from webapp.access import parts, visible_to
from webapp.accounts.models import Account
from webapp.certificates.facts import organisation_of, waiver_in
from webapp.certificates.models import Certificate, History, Purchase
from webapp.certificates.search import Place, Search, Tab
from webapp.certificates.sorting import Segment, backwards, segments
from webapp.counting import MOST, counted
from webapp.desk import File
from webapp.domaincontrol.showing import STATES, Showing, showings
from webapp.errors import NotFound
from webapp.organisations.models import Organisation
from webapp.organisations.naming import OF_CERTIFICATE, customer_words, narrowed
from webapp.refunds.models import Refund
from webapp.wording import _

PAGE_SIZE = 25


@dataclass(frozen=True, slots=True)
class Counts:
    """How many certificates the text finds on each tab, and how many of them the filter by state leaves.

    They are counted as far as :mod:`~webapp.counting` goes.
    """

    unsigned: int
    signed: int
    found: int

    def on(self, tab: Tab) -> int:
        """How many the text finds on a tab."""
        return self.unsigned if tab is Tab.UNSIGNED else self.signed


class Listed(NamedTuple):
    """What a row of the list tells, and what the refund policy wants to know for it.

    ``refund`` is the application that the certificate's state speaks of; ``showing`` is how control of the domain is
    being shown, for pages that say whose move it is.
    """

    id: str
    customer_id: str
    domain: str
    state: State
    version: int
    created_at: datetime
    state_since: datetime
    issued_at: datetime | None
    not_after: datetime | None
    revoked_at: datetime | None
    number: str
    product_name: str
    paid_at: datetime
    amount_minor: int
    voucher_minor: int
    currency: str
    customer_name: str
    holder_id: str
    organisation_name: str | None
    waiver: dict[str, Any] | None = None
    waiver_until: datetime | None = None
    refund: Refund | None = None
    showing: Showing | None = None

    @property
    def facts(self) -> Facts:
        """What the refund policy is told about this certificate."""
        return Facts(
            state=State(self.state),
            customer_id=self.customer_id,
            paid_at=self.paid_at,
            paid=Money(self.amount_minor, self.currency),
            voucher_minor=self.voucher_minor,
            issued_at=self.issued_at,
            revoked_at=self.revoked_at,
            origin=State(self.refund.origin) if self.refund else None,
            organisation_id=organisation_of(self.customer_id, self.holder_id),
            waiver=waiver_in(self.waiver),
        )


_ROWS = (
    # Columns and not objects: a list costs a third of the time that way, and no row shows the long texts.
    sa.select(
        *(
            col(one)
            for one in (
                Certificate.id,
                Certificate.customer_id,
                Certificate.domain,
                Certificate.state,
                Certificate.version,
                Certificate.created_at,
                Certificate.state_since,
                Certificate.issued_at,
                Certificate.not_after,
                Certificate.revoked_at,
                Purchase.number,
                Purchase.product_name,
                Purchase.paid_at,
                Purchase.amount_minor,
                Purchase.voucher_minor,
                Purchase.currency,
                Account.name,
                Certificate.holder_id,
                Organisation.name,
                Certificate.waiver,
                Certificate.waiver_until,
            )
        )
    )
    .join(Purchase, col(Purchase.id) == Certificate.purchase_id)
    .join(Account, col(Account.id) == Certificate.customer_id)
    .outerjoin(Organisation, OF_CERTIFICATE)
)


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of the list; ``newer`` and ``older`` are the places to continue from, where there is more."""

    tab: Tab
    counts: Counts
    rows: tuple[Listed, ...]
    newer: Place | None
    older: Place | None


def certificate_file(session: Session, certificate_id: str, viewer: Account) -> File:
    """A certificate with all that belongs to it; raises :class:`~webapp.errors.NotFound` also for somebody else's."""
    seen = select(Certificate.id).where(Certificate.id == certificate_id, visible_to(viewer))
    if session.exec(seen).first() is None:
        raise NotFound(_("There is no such certificate."))
    return parts().desk.open_file(session, certificate_id)


def customer_name(session: Session, file: File, viewer: Account) -> str:
    """The name of the certificate's customer, for reviewers with that of the organisation whose it is."""
    whose = (
        select(Account.name, Organisation.name)
        .outerjoin(Organisation, col(Organisation.id) == file.certificate.holder_id)
        .where(Account.id == file.certificate.customer_id)
    )
    name, organisation = session.exec(whose).one()
    return customer_words(name, organisation if viewer.role in REVIEWERS else None)


def history_of(session: Session, certificate_id: str) -> Sequence[History]:
    """All that happened to a certificate, the latest first."""
    newest = col(History.id).desc()
    return session.exec(select(History).where(History.certificate_id == certificate_id).order_by(newest)).all()


def listed(session: Session, certificate_id: str, viewer: Account) -> Listed:
    """One row of the list; raises :class:`~webapp.errors.NotFound` also for somebody else's certificate."""
    found = rows_where(session, viewer, col(Certificate.id) == certificate_id, limit=1)
    if not found:
        raise NotFound(_("There is no such certificate."))
    return with_showing(session, found)[0]


def found_by(session: Session, search: Search, viewer: Account, limit: int) -> tuple[Listed, ...]:
    """All that a search finds on its tab, the newest first, up to a limit."""
    where = _filter(search, search.tab or Tab.UNSIGNED, _matches(session, search, viewer))
    newest = (col(Certificate.created_at).desc(), col(Certificate.id).desc())
    return rows_where(session, viewer, where, limit, newest)


def rows_where(
    session: Session,
    viewer: Account,
    where: sa.ColumnElement[bool],
    limit: int,
    order: Sequence[sa.UnaryExpression[Any]] = (),
) -> tuple[Listed, ...]:
    """Rows of the list for whoever may see them, with the applications that their states speak of."""
    statement = _ROWS.where(visible_to(viewer), where).order_by(*order).limit(limit)
    return _with_refunds(session, [Listed(*row) for row in session.execute(statement)])


def _with_refunds(session: Session, rows: Sequence[Listed]) -> tuple[Listed, ...]:
    under_refund = [one.id for one in rows if one.state in REFUND_STATES]
    if not under_refund:
        return tuple(rows)
    found = session.exec(
        select(Refund).where(col(Refund.certificate_id).in_(under_refund)).order_by(col(Refund.applied_at))
    ).all()
    latest = {refund.certificate_id: refund for refund in found}
    return tuple(one._replace(refund=latest[one.id]) if one.id in latest else one for one in rows)


def showing_of(session: Session, certificate: Certificate) -> Showing | None:
    """How control of a certificate's domain is being shown; ``None`` where it is not, or this desk looks at none."""
    return showings_of(session, {certificate.id: State(certificate.state)}).get(certificate.id)


def showings_of(session: Session, states: Mapping[str, State]) -> dict[str, Showing]:
    """The same for several, whose states are given by their keys; nothing is asked where none calls for it."""
    keys = [key for key, state in states.items() if state in STATES]
    return showings(session, keys, parts().settings.authorities.by_acme) if keys and parts().checker else {}


def with_showing(session: Session, rows: Sequence[Listed]) -> tuple[Listed, ...]:
    """These rows, with how control of their domains is shown."""
    found = showings_of(session, {one.id: one.state for one in rows})
    return tuple(one._replace(showing=found.get(one.id)) for one in rows) if found else tuple(rows)


# Pages


def list_page(session: Session, search: Search, viewer: Account, now: datetime, policy: RefundPolicy) -> ListPage:
    """The page that a search asks for. The number of statements does not depend on how many certificates there are."""
    matches = _matches(session, search, viewer)
    counts = _count(session, search, viewer, matches)
    tab = search.tab or Tab.UNSIGNED
    if search.tab is None and search.state is None:
        # Whoever has chosen nothing is shown the tab that has something.
        tab = Tab.SIGNED if counts.signed and not counts.unsigned else Tab.UNSIGNED
        counts = replace(counts, found=counts.on(tab))
    pages = _Pages(
        session, viewer, _filter(search, tab, matches), segments(tab, search.state, search.order, now, policy)
    )
    if search.after is None and (search.before or search.is_last):
        page = pages.before(search.before, counts.found)
        if page is not None:
            return ListPage(tab, counts, *page)
    return ListPage(tab, counts, *pages.after(search.after))


class Found(NamedTuple):
    """A row with the number of its segment, and the key by which it is sorted there."""

    segment: int
    key: Any
    row: Listed


Continued = tuple[tuple[Listed, ...], Place | None, Place | None]
"""Rows, and the places to continue from before the first and after the last of them."""


class _Pages:
    """Pages of one sorted list."""

    def __init__(
        self, session: Session, viewer: Account, where: sa.ColumnElement[bool], found: Sequence[Segment]
    ) -> None:
        self.session, self.viewer, self.where, self.segments = session, viewer, where, list(found)

    def after(self, place: Place | None) -> Continued:
        """The page that begins after a place, or the first one."""
        rows = self._walk(self.segments, place, PAGE_SIZE + 1)
        shown = rows[:PAGE_SIZE]
        newer = self._place(shown[0]) if place and shown else None
        older = self._place(shown[-1]) if len(rows) > PAGE_SIZE else None
        return self._finished(shown), newer, older

    def before(self, place: Place | None, found: int) -> Continued | None:
        """The page that ends before a place, or the last of all; ``None`` where it is the first, which is full."""
        # Of a list too long to be counted the last page is a full one.
        size = PAGE_SIZE if place or found > MOST else (found - 1) % PAGE_SIZE + 1
        last = len(self.segments) - 1
        turned = replace(place, segment=last - place.segment) if place else None
        walked = self._walk(backwards(self.segments), turned, size + 1)
        rows = [one._replace(segment=last - one.segment) for one in walked]
        if len(rows) <= size:
            return None
        shown = rows[size - 1 :: -1]
        return self._finished(shown), self._place(shown[0]), self._place(shown[-1]) if place else None

    def _walk(self, found: Sequence[Segment], place: Place | None, limit: int) -> list[Found]:
        """Rows from one segment to the next until there are enough."""
        rows: list[Found] = []
        first = place.segment if place else 0
        for number, segment in enumerate(found):
            if number < first or len(rows) == limit:
                continue
            rows += self._read(segment, number, place if number == first else None, limit - len(rows))
        return rows

    def _read(self, segment: Segment, number: int, place: Place | None, limit: int) -> list[Found]:
        """The rows of a segment that follow a place, its strands merged."""
        falling, rows = segment.falling, list[Found]()
        for strand in segment.strands:
            beyond = strand.beyond(place, falling=falling)
            statement = _ROWS.where(visible_to(self.viewer), self.where, beyond).order_by(
                *strand.order(falling=falling)
            )
            read = (Listed(*row) for row in self.session.execute(statement.limit(limit)))
            rows += [Found(number, strand.value(row), row) for row in read]
        if len(segment.strands) > 1:
            rows.sort(key=lambda one: (one.key, one.row.id), reverse=falling)
        return rows[:limit]

    def _finished(self, rows: Sequence[Found]) -> tuple[Listed, ...]:
        return with_showing(self.session, _with_refunds(self.session, [one.row for one in rows]))

    def _place(self, found: Found) -> Place:
        return Place(found.segment, found.key, found.row.id)


def _on(tab: Tab) -> sa.ColumnElement[bool]:
    issued_at = col(Certificate.issued_at)
    return issued_at.is_(None) if tab is Tab.UNSIGNED else issued_at.is_not(None)


def _matches(session: Session, search: Search, viewer: Account) -> sa.ColumnElement[bool]:
    """What the text finds: domains, and for reviewers whose certificate it is as well."""
    if not search.text:
        return sa.true()
    named = narrowed(session, search.text) if viewer.role in REVIEWERS else []
    return sa.or_(col(Certificate.domain).contains(search.needle, autoescape=True), *named)


def _filter(search: Search, tab: Tab, matches: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    in_state = sa.true() if search.state is None else col(Certificate.state) == search.state
    return sa.and_(_on(tab), matches, in_state)


def _count(session: Session, search: Search, viewer: Account, matches: sa.ColumnElement[bool]) -> Counts:
    shown = search.tab or Tab.UNSIGNED
    filters = [sa.and_(_on(tab), matches) for tab in Tab]
    if search.state is not None:
        filters.append(_filter(search, shown, matches))
    newest = col(Certificate.created_at)
    numbers = sa.select(*(counted(Certificate, visible_to(viewer), one, along=newest) for one in filters))
    unsigned, signed, *in_state = session.execute(numbers).one()
    found = in_state[0] if in_state else (unsigned if shown is Tab.UNSIGNED else signed)
    return Counts(unsigned, signed, found)
