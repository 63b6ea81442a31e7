"""Counting what was done in a period: a fixed number of statements, each an aggregate that the database makes.

What was done is read from the history, where nothing is ever changed; what became of an application from its own row;
what was paid from the payouts.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from certlifecycle import REVIEWERS, Event, State
from webapp.certificates.models import History, PaymentMethod
from webapp.columns import UtcDateTime
from webapp.figures.period import Period
from webapp.figures.sql import local_day, seconds_between, within
from webapp.payments.models import Payout, PayoutStatus
from webapp.refunds.models import Outcome, Refund, RefundReason


class Work(StrEnum):
    """What is counted by day."""

    ORDERED = "ordered"
    SUBMITTED = "submitted"
    VERIFIED = "verified"
    FAILED = "failed"
    ISSUED = "issued"
    APPLIED = "applied"
    WITHDRAWN = "withdrawn"
    APPROVED = "approved"
    REFUSED = "refused"
    REFUNDED = "refunded"


EVENTS: Mapping[str, Work] = {
    "order": Work.ORDERED,
    "import": Work.ORDERED,
    Event.SUBMIT: Work.SUBMITTED,
    Event.VERIFY: Work.VERIFIED,
    Event.FAIL_VERIFICATION: Work.FAILED,
    Event.ISSUE: Work.ISSUED,
    Event.REQUEST_REFUND: Work.APPLIED,
    Event.WITHDRAW_REFUND: Work.WITHDRAWN,
    Event.APPROVE_REFUND: Work.APPROVED,
    Event.REJECT_REFUND: Work.REFUSED,
    Event.COMPLETE_REFUND: Work.REFUNDED,
}
"""The events of the history that are counted, and as what."""

PERCENTS = (50, 90, 99)

Daily = Counter[tuple[Work, date]]


@dataclass(frozen=True, slots=True)
class Took:
    """How many cases that came on one day were decided on another, and how many of them by when it was promised."""

    came: date
    decided: date
    cases: int
    kept: int


@dataclass(frozen=True, slots=True)
class Speed:
    """How long decisions took. ``seconds`` are the percentiles :data:`PERCENTS` and the longest; ``None`` if none."""

    groups: Sequence[Took]
    seconds: tuple[float, float, float, float] | None


@dataclass(frozen=True, slots=True)
class Fate:
    """Applications of the period with one reason, one currency and one outcome."""

    reason: RefundReason
    currency: str
    outcome: Outcome
    cases: int
    minor: int


@dataclass(frozen=True, slots=True)
class Decided:
    """Decisions of the period about applications with one reason and one currency."""

    reason: RefundReason
    currency: str
    refused: bool
    cases: int
    minor: int


@dataclass(frozen=True, slots=True)
class PaidBack:
    """What was refunded on one day in one currency."""

    day: date
    currency: str
    cases: int
    minor: int


@dataclass(frozen=True, slots=True)
class Paying:
    """Payouts by one provider in one currency: those confirmed or refused in the period, those under way now."""

    method: PaymentMethod
    currency: str
    status: PayoutStatus
    cases: int
    minor: int


def by_day(session: Session, period: Period) -> Daily:
    """What was done on each day. A first of two approvals decides nothing, so it is not counted."""
    day = local_day(col(History.at), period).label("day")
    found = session.execute(
        sa.select(day, col(History.event), sa.func.count())
        .where(
            within(col(History.at), period),
            col(History.event).in_(tuple(EVENTS)),
            sa.or_(col(History.event) != Event.APPROVE_REFUND, col(History.to_state) == State.REFUND_APPROVED),
        )
        .group_by(day, col(History.event))
    )
    counted: Daily = Counter()
    for when, event, cases in found:
        counted[EVENTS[event], when] += cases
    return counted


# How long it took

_Row = type[History]


def _decides(row: _Row) -> sa.ColumnElement[bool]:
    """Whether a row of the history is a decision about a refund."""
    approved = sa.and_(col(row.event) == Event.APPROVE_REFUND, col(row.to_state) == State.REFUND_APPROVED)
    return sa.or_(col(row.event) == Event.REJECT_REFUND, approved)


def refund_speed(session: Session, period: Period) -> Speed:
    """How long the first answers of the period took, from the application on, and if they came by the promised day.

    What a payment brought back to the reviewers is decided again, but the customer had their answer before.
    """
    earlier = aliased(History)
    before = sa.exists().where(
        col(earlier.certificate_id) == History.certificate_id,
        col(earlier.refund_id) == History.refund_id,
        col(earlier.id) < col(History.id),
        _decides(earlier),
    )
    answers: sa.Select[*tuple[Any, ...]] = (
        sa.select(col(Refund.applied_at).label("since"), col(History.at).label("at"), col(Refund.latest).label("due"))
        .select_from(History)
        .join(Refund, col(Refund.id) == History.refund_id)
        .where(within(col(History.at), period), _decides(History), ~before)
    )
    return _speed(session, answers.subquery(), period)


def verification_speed(session: Session, period: Period) -> Speed:
    """How long reviewers' decisions about submissions took. When they were due the calendar knows, and not the rows.

    What the desk decides by itself waits for the customer's domain and not for a reviewer, so it is left out.
    """
    submitted = aliased(History)
    decisions: sa.Select[*tuple[Any, ...]] = (
        sa.select(
            sa.func.max(col(submitted.at), type_=UtcDateTime()).label("since"),
            col(History.at).label("at"),
            sa.cast(sa.null(), sa.Date).label("due"),
        )
        .select_from(History)
        .join(
            submitted,
            sa.and_(
                col(submitted.certificate_id) == History.certificate_id,
                col(submitted.event) == Event.SUBMIT,
                col(submitted.id) < col(History.id),
            ),
        )
        .where(
            within(col(History.at), period),
            col(History.event).in_((Event.VERIFY, Event.FAIL_VERIFICATION)),
            col(History.actor_role).in_(tuple(REVIEWERS)),
        )
        .group_by(col(History.id), col(History.at))
    )
    return _speed(session, decisions.subquery(), period)


def _speed(session: Session, cases: sa.Subquery, period: Period) -> Speed:
    """Pairs of days and percentiles of cases that came at ``since``, were decided ``at`` and due on the day ``due``.

    The percentiles (:data:`PERCENTS`) are nearest ranks, values that really occurred: the smallest that so many per
    cent do not exceed. Each group says which of its values reach a rank; the smallest of all is the percentile.
    """
    decided = local_day(cases.c.at, period)
    seconds = seconds_between(cases.c.since, cases.c.at)
    ranked = sa.select(
        local_day(cases.c.since, period).label("came"),
        decided.label("decided"),
        sa.case((decided <= cases.c.due, 1), else_=0).label("kept"),
        seconds.label("seconds"),
        sa.func.row_number().over(order_by=seconds).label("place"),
        sa.func.count().over().label("total"),
    ).subquery()
    row = ranked.c
    reaching = (sa.func.min(row.seconds).filter(row.place * 100 >= row.total * percent) for percent in PERCENTS)
    found = session.execute(
        sa.select(
            row.came, row.decided, sa.func.count(), sa.func.sum(row.kept), *reaching, sa.func.max(row.seconds)
        ).group_by(row.came, row.decided)
    ).all()
    if not found:
        return Speed([], None)
    half, most, nearly_all = (min(one[place] for one in found if one[place] is not None) for place in (4, 5, 6))
    return Speed([Took(*one[:4]) for one in found], (half, most, nearly_all, max(one[7] for one in found)))


# What it was about


def fates(session: Session, period: Period) -> list[Fate]:
    """What the applications made in the period were about, and what has become of them until now."""
    keys = (col(Refund.reason_code), col(Refund.currency), col(Refund.outcome))
    found = session.execute(
        sa.select(*keys, sa.func.count(), sa.func.sum(Refund.amount_minor))
        .where(within(col(Refund.applied_at), period))
        .group_by(*keys)
    )
    return [Fate(reason, currency, outcome, cases, int(minor)) for reason, currency, outcome, cases, minor in found]


def decisions(session: Session, period: Period) -> list[Decided]:
    """What was decided in the period, by the customer's reason. What is decided again counts again."""
    keys = (col(Refund.reason_code), col(Refund.currency), col(History.event))
    found = session.execute(
        sa.select(*keys, sa.func.count(), sa.func.sum(Refund.amount_minor))
        .select_from(History)
        .join(Refund, col(Refund.id) == History.refund_id)
        .where(within(col(History.at), period), _decides(History))
        .group_by(*keys)
    )
    return [
        Decided(reason, currency, event == Event.REJECT_REFUND, cases, int(minor))
        for reason, currency, event, cases, minor in found
    ]


# The money


def paid_back(session: Session, period: Period) -> list[PaidBack]:
    """What was refunded by day and currency, the earliest first. Only what a provider has confirmed is refunded."""
    day = local_day(col(Refund.paid_at), period).label("day")
    found = session.execute(
        sa.select(day, col(Refund.currency), sa.func.count(), sa.func.sum(Refund.amount_minor))
        .where(within(col(Refund.paid_at), period))
        .group_by(day, col(Refund.currency))
        .order_by(day, col(Refund.currency))
    )
    return [PaidBack(when, currency, cases, int(minor)) for when, currency, cases, minor in found]


def payouts(session: Session, period: Period) -> list[Paying]:
    """Every way of paying that came to an end in the period, and those that wait for an answer now."""
    keys = (col(Payout.method), col(Payout.currency), col(Payout.status))
    ended = col(Payout.status).in_((PayoutStatus.CONFIRMED, PayoutStatus.REFUSED))
    found = session.execute(
        sa.select(*keys, sa.func.count(), sa.func.sum(Payout.amount_minor))
        .where(sa.or_(sa.and_(ended, within(col(Payout.updated_at), period)), ~ended))
        .group_by(*keys)
    )
    return [Paying(method, currency, status, cases, int(minor)) for method, currency, status, cases, minor in found]
