"""What somebody wants to see of the list, read from an address and written into one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from werkzeug.datastructures import MultiDict

from certlifecycle import REFUND_STATES, State
from webapp.certificates.names import NameRejected, read_domain

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


class Sort(StrEnum):
    """By what the list is sorted. An address writes the downward order of a name with a minus in front."""

    ORDERED = "ordered"
    DOMAIN = "domain"
    STATE = "state"
    ISSUED = "issued"
    EXPIRES = "expires"
    DEADLINE = "deadline"

    @property
    def falls_first(self) -> bool:
        """Whether a first press means downward: of what happened, people look for the latest."""
        return self in (Sort.ORDERED, Sort.ISSUED)


@dataclass(frozen=True, slots=True)
class Order:
    """A sort and its direction. The plain one is the newest first."""

    sort: Sort = Sort.ORDERED
    falling: bool = True

    def __str__(self) -> str:
        return f"-{self.sort}" if self.falling else self.sort.value

    @classmethod
    def read(cls, text: str) -> "Order":
        """Read what an address holds; anything else is the plain order."""
        falling = text.startswith("-")
        try:
            return cls(Sort(text.removeprefix("-")), falling)
        except ValueError:
            return NEWEST

    def pressed(self, sort: Sort) -> "Order":
        """The order that the head of a column leads to: its first direction, and the other one when pressed again."""
        return Order(sort, not self.falling if sort is self.sort else sort.falls_first)


NEWEST = Order()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: after or before one certificate.

    ``segment`` is the part of the sorted list it stands in (:mod:`~webapp.certificates.sorting`), ``key`` the value
    that it is sorted by there.
    """

    segment: int
    key: datetime | str
    id: str

    def __str__(self) -> str:
        key = self.key if isinstance(self.key, str) else str((self.key - EPOCH) // timedelta(microseconds=1))
        return f"{self.segment}.{key}.{self.id}"

    @classmethod
    def read(cls, text: str, sort: Sort) -> "Place | None":
        """Read what an address holds; ``None`` for anything else, which leads to the first page."""
        found = re.fullmatch(r"([0-9])\.([!-~]{1,255})\.([0-9a-f]{32})", text)
        if found is None:
            return None
        if sort is Sort.DOMAIN:
            return cls(int(found[1]), found[2], found[3])
        if re.fullmatch(r"[0-9]{1,17}", found[2]) is None:
            return None
        return cls(int(found[1]), EPOCH + timedelta(microseconds=int(found[2])), found[3])


@dataclass(frozen=True, slots=True)
class Search:
    """What somebody wants to see of the list. ``tab`` is ``None`` while they have not chosen one."""

    tab: Tab | None = None
    state: State | None = None
    text: str = ""
    order: Order = NEWEST
    after: Place | None = None
    before: Place | None = None
    is_last: bool = False

    @classmethod
    def read(cls, args: MultiDict[str, str]) -> "Search":
        """Read an address; what makes no sense is left out, for a list has a sensible answer to everything."""
        tab = args.get("tab", type=Tab)
        state = args.get("state", type=State)
        order = Order.read(args.get("sort", ""))
        return cls(
            tab,
            state if state in STATES_ON[tab or Tab.UNSIGNED] else None,
            # No domain has invisible characters, and PostgreSQL takes no null byte in a text.
            "".join(filter(str.isprintable, args.get("q", ""))).strip()[:LONGEST_SEARCH],
            order,
            Place.read(args.get("after", ""), order.sort),
            Place.read(args.get("before", ""), order.sort),
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

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything of a tab out."""
        return bool(self.text or self.state)

    def args(self, tab: Tab) -> Mapping[str, str]:
        """The parameters of an address that shows this on ``tab``; a state that no certificate there has is left out.

        The place is not among them: whoever comes back to a search begins at its beginning.
        """
        found = {"tab": tab.value}
        if self.state in STATES_ON[tab] and self.state is not None:
            found["state"] = self.state.value
        if self.text:
            found["q"] = self.text
        if self.order != NEWEST:
            found["sort"] = str(self.order)
        return found
