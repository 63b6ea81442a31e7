"""Fetching what waits for a reviewer, and the evidence about one case."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import QueryableAttribute, defer
from sqlmodel import Session, col, func, select

from certlifecycle import RefundPolicy, State
from certlifecycle.calendar import Promise, business_days_after, latest_instant
from webapp.access import parts
from webapp.accounts.models import Account
from webapp.certificates.models import Certificate, Purchase
from webapp.desk import File
from webapp.refunds.models import Outcome, Refund, RefundApproval

PAGE_SIZE = 50
VERIFICATION_DAYS = 2
"""The desk's own target for a verification, in business days after the submission."""


class Kind(StrEnum):
    """What a case asks a reviewer for."""

    VERIFICATION = "verification"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Waiting:
    """One case in the queue, without its papers. ``due_at`` is the first instant at which it is late."""

    certificate_id: str
    kind: Kind
    since: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Case:
    """One case of the queue with what its row tells."""

    waiting: Waiting
    file: File
    customer_name: str


@dataclass(frozen=True, slots=True)
class Customer:
    """What is known of a certificate's customer."""

    account: Account
    certificates: int
    refunds: dict[Outcome, int]
    """How many other applications had each outcome."""


def waiting(session: Session, policy: RefundPolicy) -> list[Waiting]:
    """Everything that waits for a reviewer, the nearest to its deadline first and then the oldest.

    A refund is due when the latest day promised to the customer ends, a verification after
    :data:`VERIFICATION_DAYS`, both in the policy's time zone and calendar. The order needs the calendar, so it is made
    here and not by the database; only keys and dates are read.
    """
    found = session.execute(
        sa.select(
            col(Certificate.id),
            col(Certificate.state),
            sa.func.coalesce(Certificate.submitted_at, Certificate.state_since, type_=Certificate.state_since.type),
            col(Refund.applied_at),
            col(Refund.latest),
        )
        .outerjoin(Refund, sa.and_(col(Refund.certificate_id) == Certificate.id, col(Refund.closed_at).is_(None)))
        .where(col(Certificate.state).in_((State.SUBMITTED, State.REFUND_REQUESTED)))
    )
    cases = [
        _refund(key, applied_at, latest, policy)
        if state == State.REFUND_REQUESTED
        else _verification(key, submitted_at, policy)
        for key, state, submitted_at, applied_at, latest in found
    ]
    return sorted(cases, key=lambda one: (one.due_at, one.since, one.certificate_id))
