"""What a customer's start page says: what waits for them, the nearest deadline first, and what is on its way."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from certlifecycle import Mover, State, phrase, verdict
from webapp.certificates.listing import address, addresses
from webapp.certificates.names import display_name
from webapp.certificates.search import Tab
from webapp.desk import Desk
from webapp.home.kinds import TOLD, Case, Deadline
from webapp.home.queries import MOST, Kind, Looked
from webapp.wording import _

UNDER_WAY = (Kind.BEING_VERIFIED, Kind.REFUND_ASKED, Kind.REFUND_APPROVED, Kind.ISSUING, Kind.REVOKING)
"""What the customer waits for; everything else waits for the customer."""


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that waits for the customer, or that they wait for. ``action`` is the one next step."""

    kind: Kind
    key: str
    domain: str
    url: str
    state: State
    since: datetime
    sentence: str
    detail: str | None
    deadline: Deadline | None
    action: tuple[str, str]


@dataclass(frozen=True, slots=True)
class HomeView:
    """The start page. ``more`` are (label, address) of what has no room; ``has_any`` says there is a certificate."""

    needs: list[Need]
    more: list[tuple[str, str]]
    waiting: list[Need]
    more_waiting: list[tuple[str, str]]
    has_any: bool
    valid: int
    unsigned: int
    refunded: int
    next_expiry: datetime | None


def home_view(looked: Looked, desk: Desk, now: datetime) -> HomeView:
    """Everything on the start page of one customer."""
    url = addresses("certificates.details")
    found: dict[str, Need] = {}
    for kind, rows in looked.rows.items():
        for row in rows:
            paper = looked.papers[row.id]
            case = Case(row, paper, verdict(row.facts, now, desk.policy), now, desk)
            stands_as = _stands_as(kind, paper.mover)
            told = TOLD[stands_as](case)
            need = Need(
                kind=stands_as,
                key=row.id,
                domain=display_name(row.domain),
                url=url(row.id),
                state=State(row.state),
                since=row.state_since,
                sentence=told.sentence,
                detail=told.detail,
                deadline=told.deadline,
                action=told.action,
            )
            # One certificate stands once, with what is nearest.
            if row.id not in found or _urgency(need) < _urgency(found[row.id]):
                found[row.id] = need
    needs = sorted((one for one in found.values() if one.kind not in UNDER_WAY), key=_urgency)
    waiting = sorted((one for one in found.values() if one.kind in UNDER_WAY), key=_urgency)
    return HomeView(
        needs=needs[:MOST],
        more=_more(needs),
        waiting=waiting[:MOST],
        more_waiting=_more(waiting),
        has_any=any(looked.counts.values()),
        valid=looked.counts.get(State.ISSUED, 0),
        unsigned=sum(looked.counts.get(state, 0) for state in BEFORE_THE_ISSUE),
        refunded=looked.counts.get(State.REFUNDED, 0),
        next_expiry=looked.next_expiry,
    )


def _stands_as(kind: Kind, mover: Mover | None) -> Kind:
    """Whoever has to show that the domain is theirs is told so, also where an authority asks after the approval."""
    if kind is Kind.ISSUING and mover is Mover.CUSTOMER:
        return Kind.PROOF
    if kind is Kind.PROOF and mover is not Mover.CUSTOMER:
        return Kind.BEING_VERIFIED
    return kind


BEFORE_THE_ISSUE = (State.PENDING, State.SUBMITTED, State.VERIFIED, State.FAILED)


def _urgency(need: Need) -> tuple[bool, datetime]:
    """Those with a deadline first, the nearest first; then what has waited for the longest."""
    return (False, need.deadline.at) if need.deadline else (True, need.since)


def _list(tab: Tab, state: State, sort: str | None = None) -> dict[str, str]:
    return {"tab": tab.value, "state": state.value} | ({"sort": sort} if sort else {})


MORE: Mapping[Kind, tuple[str, Mapping[str, str]]] = {
    Kind.REFUNDABLE: (phrase("More that can be refunded"), _list(Tab.SIGNED, State.REVOKED, "deadline")),
    Kind.CLOSING: (phrase("More refund windows that close soon"), _list(Tab.SIGNED, State.ISSUED, "deadline")),
    Kind.FAILED: (phrase("More that failed"), _list(Tab.UNSIGNED, State.FAILED)),
    Kind.REFUSED: (phrase("More refunds that were refused"), _list(Tab.SIGNED, State.REJECTED)),
    Kind.PROOF: (phrase("More that are being verified"), _list(Tab.UNSIGNED, State.SUBMITTED)),
    Kind.UNSUBMITTED: (phrase("More that are not submitted"), _list(Tab.UNSIGNED, State.PENDING)),
    Kind.EXPIRING: (phrase("More that expire soon"), _list(Tab.SIGNED, State.ISSUED, "expires")),
    Kind.BEING_VERIFIED: (phrase("More that are being verified"), _list(Tab.UNSIGNED, State.SUBMITTED)),
    Kind.REFUND_ASKED: (phrase("More refunds in review"), _list(Tab.SIGNED, State.REFUND_REQUESTED)),
    Kind.REFUND_APPROVED: (phrase("More refunds on their way"), _list(Tab.SIGNED, State.REFUND_APPROVED)),
    Kind.ISSUING: (phrase("More that are being issued"), _list(Tab.UNSIGNED, State.VERIFIED)),
    Kind.REVOKING: (phrase("More that are being revoked"), _list(Tab.SIGNED, State.REVOKING)),
}


def _more(needs: list[Need]) -> list[tuple[str, str]]:
    """The ways to what has no room on the page, one for each kind that has any."""
    kinds = dict.fromkeys(need.kind for need in needs[MOST:])
    return [(_(MORE[kind][0]), address(MORE[kind][1])) for kind in kinds]
