"""Fetching what waits for a reviewer, and what is known around one case."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import QueryableAttribute, defer
from sqlmodel import Session, col, select

from certlifecycle import RefundPolicy, State, phrase
from certlifecycle.calendar import Promise, business_days_after, latest_instant
from webapp.accounts.models import Account
from webapp.certificates.models import Certificate, Purchase
from webapp.certificates.search import Search
from webapp.desk import File
from webapp.organisations.models import Organisation
from webapp.organisations.naming import OF_CERTIFICATE, customer_words, is_of_named
from webapp.refunds.models import Refund, RefundApproval
from webapp.wording import Vocabulary

PAGE_SIZE = 50
VERIFICATION_DAYS = 2
"""The desk's own target for a verification, in business days after the submission."""


class Kind(StrEnum):
    """What a case asks a reviewer for."""

    VERIFICATION = "verification"
    REFUND = "refund"


KIND_WORDS = Vocabulary({Kind.VERIFICATION: phrase("Verification"), Kind.REFUND: phrase("Refund")})

KINDS = {State.SUBMITTED: Kind.VERIFICATION, State.REFUND_REQUESTED: Kind.REFUND}
"""The states in which a certificate waits for a reviewer, and for what."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One case in the queue, without its papers. ``due_at`` is the first instant at which it is late."""

    certificate_id: str
    kind: Kind
    since: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class QueueItem:
    """One case with what its row tells. ``customer`` names the organisation as well, where it is an organisation's."""

    waiting: Waiting
    file: File
    customer: str


def waiting(session: Session, policy: RefundPolicy, search: Search | None = None) -> list[Waiting]:
    """Everything that waits for a reviewer and fits the search, the nearest to its deadline first and then the oldest.

    A refund is due when the latest day promised to the customer ends, a verification after
    :data:`VERIFICATION_DAYS`, both in the policy's time zone. The order needs the business calendar, so it is made
    here and not by the database; only keys and dates are read.
    """
    found = session.execute(
        sa.select(
            col(Certificate.id),
            col(Certificate.state),
            col(Certificate.submitted_at),
            col(Certificate.state_since),
            col(Refund.applied_at),
            col(Refund.latest),
        )
        .outerjoin(Refund, sa.and_(col(Refund.certificate_id) == Certificate.id, col(Refund.closed_at).is_(None)))
        .where(col(Certificate.state).in_(tuple(KINDS)), _matches(search))
    )
    cases = [
        Waiting(key, Kind.REFUND, applied_at, end_of_day(latest, policy))
        if state == State.REFUND_REQUESTED
        else Waiting(key, Kind.VERIFICATION, submitted_at or since, verification_due(submitted_at or since, policy))
        for key, state, submitted_at, since, applied_at, latest in found
    ]
    return sorted(cases, key=lambda one: (one.due_at, one.since, one.certificate_id))


def _matches(search: Search | None) -> sa.ColumnElement[bool]:
    """Domain, order, refund, customer or organisation: whatever a reviewer was told on the telephone."""
    if search is None or not search.text:
        return sa.true()
    text = search.text
    order = sa.select(col(Purchase.id)).where(col(Purchase.number).icontains(text, autoescape=True))
    return sa.or_(
        col(Certificate.domain).contains(search.needle, autoescape=True),
        col(Refund.number).icontains(text, autoescape=True),
        col(Certificate.purchase_id).in_(order),
        is_of_named(text),
    )


def verification_due(submitted_at: datetime, policy: RefundPolicy) -> datetime:
    """The instant from which a verification is late."""
    day = submitted_at.astimezone(policy.zone).date()
    return end_of_day(_target(day, policy.calendar), policy)


@lru_cache(maxsize=1024)
def _target(day: date, calendar: str) -> date:
    return business_days_after(day, VERIFICATION_DAYS, calendar)


def end_of_day(day: date, policy: RefundPolicy) -> datetime:
    """The instant at which a day ends where the vendor is."""
    return latest_instant(Promise(day, day), policy.zone)


def items(session: Session, wanted: Sequence[Waiting]) -> list[QueueItem]:
    """The papers of these cases, in their order. What was decided in the meantime is left out."""
    keys = [one.certificate_id for one in wanted]
    found = session.exec(
        select(Certificate, Purchase, Account.name, Organisation.name)
        .join(Purchase, col(Purchase.id) == Certificate.purchase_id)
        .join(Account, col(Account.id) == Certificate.customer_id)
        .outerjoin(Organisation, OF_CERTIFICATE)
        .where(col(Certificate.id).in_(keys), col(Certificate.state).in_(tuple(KINDS)))
        .options(*(defer(cast(QueryableAttribute[Any], one)) for one in (Certificate.csr_pem, Certificate.chain_pem)))
    ).all()
    refunds = {
        one.certificate_id: one
        for one in session.exec(
            select(Refund).where(col(Refund.certificate_id).in_(keys), col(Refund.closed_at).is_(None))
        ).all()
    }
    approvals = session.exec(
        select(RefundApproval).where(col(RefundApproval.refund_id).in_([one.id for one in refunds.values()]))
    ).all()
    rows = {}
    for certificate, purchase, name, organisation in found:
        refund = refunds.get(certificate.id)
        given = tuple(one for one in approvals if refund and (one.refund_id, one.round) == (refund.id, refund.round))
        rows[certificate.id] = (File(certificate, purchase, refund, given), customer_words(name, organisation))
    return [QueueItem(one, *rows[one.certificate_id]) for one in wanted if one.certificate_id in rows]
