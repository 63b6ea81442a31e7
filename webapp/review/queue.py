"""Which cases a reviewer sees: the tabs, the search, the page, and the case that comes next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from flask import url_for
from sqlmodel import Session
from werkzeug.datastructures import MultiDict

from certlifecycle import RefundPolicy
from webapp.accounts.models import Account
from webapp.certificates.search import Search
from webapp.portions import portions
from webapp.review import claims
from webapp.review.queries import PAGE_SIZE, Kind, QueueItem, Waiting, items, waiting


class Claimed(StrEnum):
    """Whose cases are shown."""

    MINE = "mine"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Filter:
    """What somebody wants to see of the queue."""

    kind: Kind | None = None
    claim: Claimed | None = None
    search: Search = field(default_factory=Search)
    page: int = 1

    @classmethod
    def read(cls, args: MultiDict[str, str]) -> "Filter":
        """Read an address; what makes no sense is left out, for the queue has a sensible answer to everything."""
        return cls(
            args.get("kind", type=Kind),
            args.get("claim", type=Claimed),
            Search(text=Search.read(args).text),
            max(1, args.get("page", 1, type=int)),
        )

    @property
    def tab(self) -> dict[str, str]:
        """The tab as parameters of an address."""
        chosen = {"kind": self.kind, "claim": self.claim}
        return {name: value.value for name, value in chosen.items() if value is not None}

    def url(self, page: int = 1) -> str:
        """Where this is shown."""
        return url_for(
            "review.queue",
            kind=self.kind.value if self.kind else None,
            claim=self.claim.value if self.claim else None,
            q=self.search.text or None,
            page=page if page > 1 else None,
        )

    def only(self, kind: Kind | None = None, claim: Claimed | None = None) -> "Filter":
        """Another tab under the same search."""
        return Filter(kind, claim, self.search)


@dataclass(frozen=True, slots=True)
class QueuePage:
    """One page of the queue: everything that the search finds, who holds what, and the cases to be shown."""

    wanted: Filter
    everything: list[Waiting]
    holders: dict[str, str]
    found: int
    shown: list[QueueItem]

    def count(self, other: Filter, viewer: Account) -> int:
        """How many cases another tab has."""
        return len(_chosen(self.everything, other, self.holders, viewer))


def queue_page(session: Session, wanted: Filter, policy: RefundPolicy, viewer: Account, now: datetime) -> QueuePage:
    """The page that a filter asks for; one that has emptied since the link to it was made is the last that has not."""
    everything = waiting(session, policy, wanted.search)
    holders = claims.holders(session, now)
    chosen = _chosen(everything, wanted, holders, viewer)
    page = min(wanted.page, max(1, -(-len(chosen) // PAGE_SIZE)))
    shown = items(session, chosen[(page - 1) * PAGE_SIZE : page * PAGE_SIZE])
    return QueuePage(replace(wanted, page=page), everything, holders, len(chosen), shown)


def found_by(
    session: Session, wanted: Filter, policy: RefundPolicy, viewer: Account, now: datetime, limit: int
) -> list[QueueItem]:
    """All that a filter finds on all of its pages, the most pressing first, up to a limit."""
    everything = waiting(session, policy, wanted.search)
    return items(session, _chosen(everything, wanted, claims.holders(session, now), viewer)[:limit])


def _chosen(everything: Sequence[Waiting], wanted: Filter, holders: dict[str, str], viewer: Account) -> list[Waiting]:
    fitting = [one for one in everything if wanted.kind in (None, one.kind)]
    match wanted.claim:
        case Claimed.MINE:
            return [one for one in fitting if holders.get(one.certificate_id) == viewer.id]
        case Claimed.FREE:
            return [one for one in fitting if one.certificate_id not in holders]
        case _:
            return fitting


def within_reach(
    session: Session, policy: RefundPolicy, viewer: Account, now: datetime, after: str | None = None
) -> Iterator[QueueItem]:
    """What others have not claimed, the most pressing first; ``after`` begins behind one case and leaves it out."""
    holders = claims.holders(session, now)
    free = [one for one in waiting(session, policy) if holders.get(one.certificate_id, viewer.id) == viewer.id]
    place = next((number for number, one in enumerate(free) if one.certificate_id == after), None)
    if place is not None:
        free = free[place + 1 :] + free[:place]
    for some in portions(free, PAGE_SIZE):
        yield from items(session, some)
