"""Fetching what the admin's first page about payments shows: what is to be looked into, and the latest comparisons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlmodel import Session, col, func, select

from webapp.certificates.models import PaymentMethod
from webapp.payments.models_books import ComparisonStatus, DailyComparison, DailyDifference
from webapp.payments.models_outside import (
    NEEDS_A_LOOK,
    BankBatch,
    BankPayment,
    BankReport,
    BankReportLine,
    BankStatus,
    NotificationEffect,
    ProviderNotification,
)

RECENT = timedelta(days=30)
"""How far back the first page counts what is to be looked into."""


class Concern(StrEnum):
    """Something that an admin has to look into."""

    FILES = "files"
    """Payment order files that nobody has taken to the bank yet."""
    LINES = "lines"
    """Lines of the bank's reports that changed nothing, though they should have."""
    DIFFERENCES = "differences"
    """Days on which a provider says something else than the desk."""
    NO_STATEMENT = "no_statement"
    """Days with refunds for which the provider had no statement."""
    NOTIFICATIONS = "notifications"
    """Notifications that name another order or amount than the refund has."""


@dataclass(frozen=True, slots=True)
class LastDay:
    """The latest day that was compared with a provider, and how many differences there were."""

    comparison: DailyComparison
    differences: int


def concerns(session: Session, now: datetime, *, by_hand: bool) -> dict[Concern, int]:
    """What is to be looked into, and how much of it; ``by_hand`` says that files to the bank are downloaded."""
    since = now - RECENT
    lines = select(func.count()).select_from(BankReportLine).join(BankReport)
    days = select(func.count()).select_from(DailyComparison).where(DailyComparison.planned_at >= since)
    has_differences = col(DailyComparison.id).in_(select(DailyDifference.comparison_id))
    notifications = select(func.count()).select_from(ProviderNotification)
    counts = {
        Concern.LINES: lines.where(BankReport.received_at >= since, col(BankReportLine.effect).in_(NEEDS_A_LOOK)),
        Concern.DIFFERENCES: days.where(has_differences),
        Concern.NO_STATEMENT: days.where(
            DailyComparison.status == ComparisonStatus.NO_STATEMENT, DailyComparison.unchecked > 0
        ),
        Concern.NOTIFICATIONS: notifications.where(
            ProviderNotification.received_at >= since, ProviderNotification.effect == NotificationEffect.MISMATCH
        ),
    }
    if by_hand:
        # Whatever way it got there: a bank that answers has it.
        answered = select(BankPayment.batch_id).where(
            col(BankPayment.batch_id).is_not(None), BankPayment.status != BankStatus.ORDERED
        )
        files = select(func.count()).select_from(BankBatch).where(col(BankBatch.id).not_in(answered))
        counts[Concern.FILES] = files.where(col(BankBatch.exported_at).is_(None))
    found = {concern: session.exec(counts[concern]).one() for concern in Concern if concern in counts}
    return {concern: count for concern, count in found.items() if count}


def difference_counts(session: Session, comparison_ids: Sequence[str]) -> dict[str, int]:
    """How many differences each of these comparisons found; those without any are left out."""
    wanted = select(DailyDifference.comparison_id, func.count()).group_by(col(DailyDifference.comparison_id))
    return dict(session.exec(wanted.where(col(DailyDifference.comparison_id).in_(comparison_ids))).all())


def last_days(session: Session) -> dict[PaymentMethod, LastDay]:
    """The latest day that was compared, or is being compared, for each provider."""
    latest = (
        select(DailyComparison.method, func.max(DailyComparison.day).label("day"))
        .group_by(col(DailyComparison.method))
        .subquery()
    )
    rows = session.exec(
        select(DailyComparison).join(
            latest, (col(DailyComparison.method) == latest.c.method) & (col(DailyComparison.day) == latest.c.day)
        )
    ).all()
    counted = difference_counts(session, [one.id for one in rows])
    return {PaymentMethod(one.method): LastDay(one, counted.get(one.id, 0)) for one in rows}
