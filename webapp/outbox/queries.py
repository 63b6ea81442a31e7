"""Fetching what the desk owes the outside: work on certificates and mails, in one order, a page at a time.

Work on a certificate is never given up: it fails for as long as it fails, and the reconciler goes on with pauses of a
quarter of an hour at most. What is *running* is what the queue says a worker has taken and not given back (DBOS marks
that in the database, on SQLite and PostgreSQL alike), and of mails those that a worker has claimed. An attempt older
than :data:`LONGEST_ATTEMPT` is no longer believed: its worker has died, and the reconciler has begun another by then.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlmodel import Session, col, func, select

from certlifecycle import State
from webapp.certificates.models import Certificate
from webapp.counting import counted
from webapp.due import WORK_DUE_IN
from webapp.mail.models import Mail, MailStatus
from webapp.organisations.models import Note
from webapp.work import Attempt

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PAGE_SIZE = 50
LONGEST_ATTEMPT = timedelta(minutes=15)
MAILS_OWED = (MailStatus.DUE, MailStatus.GIVEN_UP)
MAILS: tuple[type[Mail] | type[Note], ...] = (Mail, Note)
"""Where mails stand: those to accounts, and those with a link to people who may have none."""


class Kind(StrEnum):
    """What is owed: the kinds of work on certificates, and mails."""

    CHECK_DOMAIN = "check_domain"
    ISSUE = "issue"
    REVOKE = "revoke"
    PAY = "pay"
    MAIL = "mail"


class Standing(StrEnum):
    """How it stands with a piece of work. Each is in exactly one."""

    FAILING = "failing"
    GIVEN_UP = "given_up"
    RUNNING = "running"
    DUE = "due"


STATES: dict[Kind, State] = {Kind(kind): state for state, kind in WORK_DUE_IN.items()}


@dataclass(frozen=True, slots=True)
class Place:
    """Behind which entry a page begins."""

    at: datetime
    key: str

    def __str__(self) -> str:
        return f"{(self.at - EPOCH) // timedelta(microseconds=1)}-{self.key}"

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """The place that an address names; ``None`` for anything else, which leads to the first page."""
        found = re.fullmatch(r"([0-9]{1,17})-([0-9a-f]{32})", text)
        return cls(EPOCH + timedelta(microseconds=int(found[1])), found[2]) if found else None


@dataclass(frozen=True, slots=True)
class Found:
    """One entry in its order: by when the trouble began, or by when its turn comes."""

    kind: Kind
    key: str
    place: Place


@dataclass(frozen=True, slots=True)
class Running:
    """The attempts under way, the latest of each certificate."""

    attempts: dict[str, Attempt]

    @classmethod
    def of(cls, under_way: Sequence[Attempt]) -> "Running":
        """From what the queue says, the latest first."""
        return cls({one.subject_id: one for one in reversed(under_way)})

    def keys(self, kind: Kind) -> Collection[str]:
        """The certificates for which this kind of work is being done."""
        return [key for key, one in self.attempts.items() if one.kind == kind]


def counts(session: Session, running: Running, now: datetime) -> Counter[tuple[Standing, Kind]]:
    """How many entries there are, by standing and kind."""
    found: Counter[tuple[Standing, Kind]] = Counter()
    failing = col(Certificate.failing_since).is_not(None)
    of_work = (
        sa.select(col(Certificate.state), failing, sa.func.count())
        .where(_owed())
        .group_by(col(Certificate.state), failing)
    )
    for state, fails, count in session.execute(of_work):
        found[Standing.FAILING if fails else Standing.DUE, Kind(WORK_DUE_IN[State(state)])] += count
    # The few that are being worked on are counted there instead.
    for kind, state in STATES.items():
        being_done = sa.select(failing).where(_owed(), col(Certificate.state) == state, _among(running.keys(kind)))
        for (fails,) in session.execute(being_done):
            found[Standing.FAILING if fails else Standing.DUE, kind] -= 1
            found[Standing.RUNNING, kind] += 1
    for model in MAILS:
        standing = _standing_of_mail(model, now)
        of_mails = sa.select(standing, sa.func.count()).where(_mails_owed(model)).group_by(standing)
        for value, count in session.execute(of_mails):
            found[Standing(value), Kind.MAIL] += count
    return found


def how_much_is_stuck(session: Session) -> int:
    """How many entries fail or were given up, as far as :mod:`~webapp.counting` goes: what an administrator should
    look at."""
    since = col(Certificate.failing_since)
    failing = counted(Certificate, _owed(), since.is_not(None), along=since)
    mails = (
        counted(model, col(model.status) == one, col(model.hindrance).is_not(None), along=col(model.created_at))
        for model in MAILS
        for one in MAILS_OWED
    )
    return int(sum(session.execute(sa.select(failing, *mails)).one()))


def entries(
    session: Session,
    standing: Standing,
    kinds: Collection[Kind],
    running: Running,
    now: datetime,
    after: Place | None = None,
    limit: int = PAGE_SIZE + 1,
) -> list[Found]:
    """The next entries with this standing behind a place, in their order.

    What fails or was given up stands by when that began, the oldest first; anything else by when its turn comes.
    """
    found: list[Found] = []
    for kind in kinds:
        if kind is Kind.MAIL:
            for model in MAILS:
                found += _mails(session, model, standing, now, after, limit)
        elif standing is not Standing.GIVEN_UP:
            found += _work(session, standing, kind, running, after, limit)
    return sorted(found, key=lambda one: (one.place.at, one.place.key))[:limit]


def _work(
    session: Session, standing: Standing, kind: Kind, running: Running, after: Place | None, limit: int
) -> Iterator[Found]:
    being_done = _among(running.keys(kind))
    failing = col(Certificate.failing_since).is_not(None)
    conditions = {
        Standing.FAILING: sa.and_(failing, ~being_done),
        Standing.RUNNING: being_done,
        Standing.DUE: sa.and_(~failing, ~being_done),
    }
    by = col(Certificate.failing_since) if standing is Standing.FAILING else col(Certificate.due_at)
    where = (_owed(), col(Certificate.state) == STATES[kind], conditions[standing])
    return _page(session, kind, col(Certificate.id), by, where, after, limit)


def _mails(
    session: Session,
    model: type[Mail] | type[Note],
    standing: Standing,
    now: datetime,
    after: Place | None,
    limit: int,
) -> Iterator[Found]:
    by = col(model.due_at) if standing in (Standing.DUE, Standing.RUNNING) else col(model.created_at)
    where = (_mails_owed(model), _standing_of_mail(model, now) == standing.value)
    return _page(session, Kind.MAIL, col(model.id), by, where, after, limit)


def _page(
    session: Session,
    kind: Kind,
    key: Mapped[str],
    by: Mapped[Any],
    where: tuple[sa.ColumnElement[bool], ...],
    after: Place | None,
    limit: int,
) -> Iterator[Found]:
    statement = sa.select(key, by).where(*where).order_by(by, key).limit(limit)
    if after is not None:
        statement = statement.where(sa.or_(by > after.at, sa.and_(by == after.at, key > after.key)))
    for found, at in session.execute(statement):
        yield Found(kind, found, Place(at, found))


def _owed() -> sa.ColumnElement[bool]:
    return sa.and_(col(Certificate.due_at).is_not(None), col(Certificate.state).in_(tuple(WORK_DUE_IN)))


def _among(keys: Collection[str]) -> sa.ColumnElement[bool]:
    return col(Certificate.id).in_(keys)


def _mails_owed(model: type[Mail] | type[Note]) -> sa.ColumnElement[bool]:
    return col(model.status).in_(MAILS_OWED)


def _standing_of_mail(model: type[Mail] | type[Note], now: datetime) -> sa.Case[Any]:
    claimed = sa.and_(col(model.claimed_at).is_not(None), col(model.due_at) > now)
    return sa.case(
        (col(model.status) == MailStatus.GIVEN_UP, Standing.GIVEN_UP.value),
        (claimed, Standing.RUNNING.value),
        (col(model.hindrance).is_not(None), Standing.FAILING.value),
        else_=Standing.DUE.value,
    )


def overdue_since(session: Session) -> datetime | None:
    """From when the longest overdue work on a certificate was due; the reconciler leaves nothing overdue for long."""
    return session.exec(select(func.min(Certificate.due_at)).where(_owed())).one()
