"""Fetching certificates for whoever may see them: one with all that belongs to it, or a page of a list."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import QueryableAttribute, defer
from sqlmodel import Session, col, select
from werkzeug.datastructures import MultiDict

from certlifecycle import REFUND_STATES, State
from webapp.access import parts, visible_to
from webapp.accounts.models import Account
from webapp.certificates.models import Certificate, History, Purchase
from webapp.certificates.names import NameRejected, read_domain
from webapp.columns import UtcDateTime
from webapp.desk import File
from webapp.errors import NotFound
from webapp.refunds.models import Refund

PAGE_SIZE = 25
LONGEST_SEARCH = 253

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Tab(StrEnum):
    """On which tab a certificate stands; one under refund stays where it was."""

    UNSIGNED = "unsigned"
    SIGNED = "signed"


STATES_ON: dict[Tab, tuple[State, ...]] = {
    Tab.UNSIGNED: (
        State.PENDING,
        State.SUBMITTED,
        State.VERIFIED,
        State.FAILED,
        *(state for state in State if state in REFUND_STATES),
    ),
    Tab.SIGNED: (
        State.ISSUED,
        State.REVOKING,
        State.REVOKED,
        *(state for state in State if state in REFUND_STATES),
    ),
}
"""The states that certificates on a tab can be in, in the order of the life cycle."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: after or before one certificate, in the order from the newest to the oldest."""

    created_at: datetime
    id: str

    def __str__(self) -> str:
        return f"{(self.created_at - EPOCH) // timedelta(microseconds=1)}-{self.id}"

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """Read what an address holds; ``None`` for anything else, which leads to the first page."""
        found = re.fullmatch(r"([0-9]{1,17})-([0-9a-f]{32})", text)
        return cls(EPOCH + timedelta(microseconds=int(found[1])), found[2]) if found else None


@dataclass(frozen=True, slots=True)
class Search:
    """What somebody wants to see of the list. ``tab`` is ``None`` while they have not chosen one."""

    tab: Tab | None = None
    state: State | None = None
    text: str = ""
    after: Place | None = None
    before: Place | None = None
    is_last: bool = False

    @classmethod
    def read(cls, args: MultiDict[str, str]) -> "Search":
        """Read an address; what makes no sense is left out, for a list has a sensible answer to everything."""
        tab = args.get("tab", type=Tab)
        state = args.get("state", type=State)
        return cls(
            tab,
            state if state in STATES_ON[tab or Tab.UNSIGNED] else None,
            # No domain has invisible characters, and PostgreSQL takes no null byte in a text.
            "".join(filter(str.isprintable, args.get("q", ""))).strip()[:LONGEST_SEARCH],
            Place.read(args.get("after", "")),
            Place.read(args.get("before", "")),
            args.get("page") == "last",
        )

    @property
    def needle(self) -> str:
        """The text as it stands in the table: a name that is typed in another script is kept in its ASCII form."""
        if self.text.isascii():
            return self.text.lower()
        try:
            # A single label is no domain name yet, so one is put behind it for the reading.
            return read_domain(f"{self.text}.example").removesuffix(".example")
        except NameRejected:
            return self.text.lower()


@dataclass(frozen=True, slots=True)
class Counts:
    """How many certificates the text finds on each tab, and how many of them the filter by state leaves."""

    unsigned: int
    signed: int
    found: int

    def on(self, tab: Tab) -> int:
        """How many the text finds on a tab."""
        return self.unsigned if tab is Tab.UNSIGNED else self.signed


@dataclass(frozen=True, slots=True)
class Listed:
    """A certificate in the list, with what its row tells."""

    certificate: Certificate
    purchase: Purchase
    customer_name: str
    refund: Refund | None


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
        raise NotFound("There is no such certificate.")
    return parts().desk.open_file(session, certificate_id)


def customer_name(session: Session, file: File) -> str:
    """The name of the certificate's customer."""
    return session.exec(select(Account.name).where(Account.id == file.certificate.customer_id)).one()


def history_of(session: Session, certificate_id: str) -> Sequence[History]:
    """All that happened to a certificate, the latest first."""
    newest = col(History.id).desc()
    return session.exec(select(History).where(History.certificate_id == certificate_id).order_by(newest)).all()


def listed(session: Session, certificate_id: str, viewer: Account) -> Listed:
    """One row of the list; raises :class:`~webapp.errors.NotFound` also for somebody else's certificate."""
    found = _rows(session, viewer, Certificate.id == certificate_id, limit=1)
    if not found:
        raise NotFound("There is no such certificate.")
    return found[0]


def list_page(session: Session, search: Search, viewer: Account) -> ListPage:
    """The page that a search asks for. The number of statements does not depend on what it finds."""
    counts = _count(session, search, viewer)
    tab = search.tab or Tab.UNSIGNED
    if search.tab is None and search.state is None:
        # Whoever has chosen nothing is shown the tab that has something.
        tab = Tab.SIGNED if counts.signed and not counts.unsigned else Tab.UNSIGNED
        counts = replace(counts, found=counts.on(tab))
    where = _filter(search, tab)
    if search.after is None and (search.before or search.is_last):
        page = _page_before(session, viewer, tab, counts, where, search.before)
        if page is not None:
            return page
    condition = sa.and_(where, _order() < _bound(search.after)) if search.after else where
    rows = _rows(session, viewer, condition, PAGE_SIZE + 1)
    shown = rows[:PAGE_SIZE]
    newer = _place(shown[0]) if search.after and shown else None
    return ListPage(tab, counts, shown, newer, older=_place(shown[-1]) if len(rows) > PAGE_SIZE else None)


def _page_before(
    session: Session,
    viewer: Account,
    tab: Tab,
    counts: Counts,
    where: sa.ColumnElement[bool],
    place: Place | None,
) -> ListPage | None:
    """The page that ends before a place, or the last of all; ``None`` where it would be the first, which is full."""
    size = PAGE_SIZE if place else (counts.found - 1) % PAGE_SIZE + 1
    condition = sa.and_(where, _order() > _bound(place)) if place else where
    rows = _rows(session, viewer, condition, size + 1, backwards=True)
    if len(rows) <= size:
        return None
    shown = rows[-size:]
    return ListPage(tab, counts, shown, _place(shown[0]), _place(shown[-1]) if place else None)


def _place(row: Listed) -> Place:
    return Place(row.certificate.created_at, row.certificate.id)


def _order() -> sa.Tuple:
    return sa.tuple_(col(Certificate.created_at), col(Certificate.id))


def _bound(place: Place) -> sa.Tuple:
    return sa.tuple_(sa.literal(place.created_at, UtcDateTime()), sa.literal(place.id))


def _on(tab: Tab) -> sa.ColumnElement[bool]:
    issued_at = col(Certificate.issued_at)
    return issued_at.is_(None) if tab is Tab.UNSIGNED else issued_at.is_not(None)


def _matches(search: Search) -> sa.ColumnElement[bool]:
    return col(Certificate.domain).contains(search.needle, autoescape=True) if search.text else sa.true()


def _filter(search: Search, tab: Tab) -> sa.ColumnElement[bool]:
    in_state = sa.true() if search.state is None else col(Certificate.state) == search.state
    return sa.and_(_on(tab), _matches(search), in_state)


def _count(session: Session, search: Search, viewer: Account) -> Counts:
    # One pass over the index that the list itself uses; an aggregate with FILTER is understood by both databases.
    tab = search.tab or Tab.UNSIGNED
    statement = sa.select(
        sa.func.count().filter(_on(Tab.UNSIGNED)),
        sa.func.count().filter(_on(Tab.SIGNED)),
        sa.func.count().filter(_filter(search, tab)),
    )
    unsigned, signed, found = session.execute(
        statement.select_from(Certificate).where(visible_to(viewer), _matches(search))
    ).one()
    return Counts(unsigned, signed, found)


def _rows(
    session: Session,
    viewer: Account,
    condition: sa.ColumnElement[bool] | bool,
    limit: int,
    *,
    backwards: bool = False,
) -> tuple[Listed, ...]:
    """Certificates with what their rows tell, the newest first; ``backwards`` takes the oldest that fit."""
    newest = (col(Certificate.created_at).desc(), col(Certificate.id).desc())
    oldest = (col(Certificate.created_at), col(Certificate.id))
    found = session.exec(
        select(Certificate, Purchase, Account.name)
        .join(Purchase, col(Purchase.id) == Certificate.purchase_id)
        .join(Account, col(Account.id) == Certificate.customer_id)
        .where(visible_to(viewer), condition)
        .order_by(*(oldest if backwards else newest))
        .limit(limit)
        # Requests and chains are long, and no row shows them.
        .options(*(defer(cast(QueryableAttribute[Any], one)) for one in (Certificate.csr_pem, Certificate.chain_pem)))
    ).all()
    refunds = _latest_refunds(session, [certificate for certificate, _, _ in found])
    rows = [Listed(certificate, purchase, name, refunds.get(certificate.id)) for certificate, purchase, name in found]
    return tuple(reversed(rows) if backwards else rows)


def _latest_refunds(session: Session, certificates: Sequence[Certificate]) -> dict[str, Refund]:
    """The applications that these certificates' states speak of, by certificate."""
    under_refund = [one.id for one in certificates if one.state in REFUND_STATES]
    if not under_refund:
        return {}
    found = session.exec(
        select(Refund).where(col(Refund.certificate_id).in_(under_refund)).order_by(col(Refund.applied_at))
    ).all()
    return {refund.certificate_id: refund for refund in found}
