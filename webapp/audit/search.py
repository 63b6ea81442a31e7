"""What somebody looks for in the audit trail, read from an address; and the entries that fit, a page at a time.

The history of certificates and the other acts are two tables in one chain, so pages run along the chain: its position
is the order, the place where a page begins, and the number by which an entry can be named.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col
from werkzeug.datastructures import MultiDict

from webapp.accounts.models import Account
from webapp.audit.chain import AUDIT, HISTORY
from webapp.audit.models import AuditEvent, ChainLink
from webapp.certificates.models import Certificate, History, Purchase
from webapp.columns import UtcDateTime
from webapp.refunds.models import Refund

PAGE_SIZE = 50
LONGEST = 253


@dataclass(frozen=True, slots=True)
class Trail:
    """What is looked for: empty means everything. ``since`` and ``until`` are days of ``zone``, both included."""

    zone: ZoneInfo
    who: str = ""
    what: str = ""
    about: str = ""
    address: str = ""
    since: date | None = None
    until: date | None = None

    @classmethod
    def read(cls, args: MultiDict[str, str], zone: ZoneInfo) -> "Trail":
        """Read an address; what makes no sense is left out, for a search has a sensible answer to everything."""
        texts = {name: _clean(args.get(name, "")) for name in ("who", "what", "about", "address")}
        return cls(zone, **texts, since=_day(args.get("since", "")), until=_day(args.get("until", "")))

    @property
    def args(self) -> dict[str, Any]:
        """The same as parameters of an address."""
        days = {"since": self.since, "until": self.until}
        texts = {name: getattr(self, name) for name in ("who", "what", "about", "address")}
        return {name: text for name, text in texts.items() if text} | {
            name: day.isoformat() for name, day in days.items() if day is not None
        }


def _clean(text: str) -> str:
    # PostgreSQL takes no null byte in a text.
    return "".join(filter(str.isprintable, text)).strip()[:LONGEST]


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        return None
    # The instants of the first and last days that there are cannot be told in every zone.
    return day if 1970 <= day.year <= 9000 else None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: what its row says, and by what names people know what it was about."""

    position: int
    source: str
    at: datetime
    kind: str
    to_state: str | None
    actor_name: str
    actor_role: str | None
    said: str
    certificate_id: str | None
    domain: str | None
    refund_id: str | None
    refund_number: str | None
    channel: str
    address: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TrailPage:
    """A page of entries, the newest first; ``newer`` and ``older`` are positions to go on from, if there is more."""

    entries: tuple[Entry, ...]
    newer: int | None
    older: int | None


def page_of(session: Session, trail: Trail, *, after: int | None = None, before: int | None = None) -> TrailPage:
    """The entries that fit: those older than position ``after``, or newer than position ``before``."""
    if before is not None and after is None:
        found = _entries(session, trail, PAGE_SIZE + 1, above=before)
        if len(found) > PAGE_SIZE:
            shown = tuple(reversed(found[:PAGE_SIZE]))
            return TrailPage(shown, shown[0].position, shown[-1].position)
        # The beginning is reached; a full first page is better than a short one.
        after = None
    found = _entries(session, trail, PAGE_SIZE + 1, below=after)
    shown = tuple(found[:PAGE_SIZE])
    newer = shown[0].position if shown and after is not None else None
    return TrailPage(shown, newer, shown[-1].position if len(found) > PAGE_SIZE else None)


def all_of(session: Session, trail: Trail, below: int, at_once: int) -> Iterator[list[Entry]]:
    """Every entry that fits below a position, the newest first, in portions."""
    while found := _entries(session, trail, at_once, below=below):
        yield found
        below = found[-1].position


def _entries(
    session: Session, trail: Trail, limit: int, *, below: int | None = None, above: int | None = None
) -> list[Entry]:
    """The next entries: downward from ``below`` or the head, or upward from ``above``."""
    place = col(ChainLink.position)
    found: list[Entry] = []
    for source, model in ((HISTORY, History), (AUDIT, AuditEvent)):
        query = _select(source, model).where(*_wanted(trail, model)).limit(limit)
        if above is not None:
            query = query.where(place > above).order_by(place)
        else:
            query = query.where(*([place < below] if below is not None else [])).order_by(place.desc())
        found += [Entry(row[0], source, *row[1:]) for row in session.execute(query)]
    found.sort(key=lambda entry: entry.position, reverse=above is None)
    return found[:limit]


def _select(source: str, model: type[History] | type[AuditEvent]) -> sa.Select[Any]:
    own = (AuditEvent.kind, sa.null(), AuditEvent.subject)
    kind, to_state, said = (History.event, History.to_state, History.reason) if model is History else own
    columns: list[Any] = [
        ChainLink.position,
        model.at,
        kind,
        to_state,
        model.actor_name,
        model.actor_role,
        said,
        model.certificate_id,
        Certificate.domain,
        model.refund_id,
        Refund.number,
        model.channel,
        model.address,
        model.facts,
    ]
    return (
        sa.select(*columns)
        .select_from(sa.inspect(ChainLink).local_table)
        .join(model, sa.and_(col(ChainLink.source) == source, col(ChainLink.row_id) == col(model.id)))
        .outerjoin(Certificate, col(Certificate.id) == col(model.certificate_id))
        .outerjoin(Refund, col(Refund.id) == col(model.refund_id))
    )


def _wanted(trail: Trail, model: type[History] | type[AuditEvent]) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if trail.what:
        found.append((col(History.event) if model is History else col(AuditEvent.kind)) == trail.what)
    if trail.who:
        people = sa.select(col(Account.id)).where(col(Account.email).icontains(trail.who, autoescape=True))
        found.append(
            sa.or_(col(model.actor_name).icontains(trail.who, autoescape=True), col(model.actor_id).in_(people))
        )
    if trail.about:
        found.append(_is_about(trail.about, model))
    if trail.address:
        found.append(col(model.address).startswith(trail.address, autoescape=True))
    if trail.since:
        found.append(col(model.at) >= _midnight(trail.since, trail.zone))
    if trail.until:
        found.append(col(model.at) < _midnight(trail.until + timedelta(days=1), trail.zone))
    return found


def _is_about(text: str, model: type[History] | type[AuditEvent]) -> sa.ColumnElement[bool]:
    """A certificate by its domain, id or order number, a refund by its number, or what else an act was about."""
    certificates = (
        sa.select(col(Certificate.id))
        .join(Purchase, col(Purchase.id) == Certificate.purchase_id)
        .where(
            sa.or_(
                col(Certificate.domain).icontains(text, autoescape=True),
                col(Certificate.id) == text.lower(),
                col(Purchase.number) == text,
            )
        )
    )
    refunds = sa.select(col(Refund.id)).where(col(Refund.number) == text)
    known = sa.or_(col(model.certificate_id).in_(certificates), col(model.refund_id).in_(refunds))
    return known if model is History else sa.or_(known, col(AuditEvent.subject).icontains(text, autoescape=True))


def _midnight(day: date, zone: ZoneInfo) -> sa.ColumnElement[datetime]:
    return sa.literal(datetime.combine(day, time(), zone), UtcDateTime())
