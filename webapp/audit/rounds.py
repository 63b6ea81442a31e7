"""What a worker does for the audit trail beside its queue."""

from collections.abc import Callable
from datetime import datetime

from sqlmodel import Session, col, select

from certlifecycle import RefundPolicy
from webapp.audit.heads import DailyHeads
from webapp.audit.models import AuditEvent, AuditKind
from webapp.audit.record import record
from webapp.db import Database
from webapp.desk import WORKER
from webapp.parts import Parts


class Trail:
    """Notes once which refund policy is in force, and keeps a file a day with the head of the history."""

    def __init__(
        self, database: Database, policy: RefundPolicy, heads: DailyHeads, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._policy = policy
        self._heads = heads
        self._clock = clock
        self._noted = False

    def turn(self) -> None:
        """Do what is to be done now."""
        if not self._noted:
            with self._database.writing() as session:
                note_policy(session, self._policy, self._clock())
            self._noted = True
        self._heads.turn()


def trail_of(parts: Parts) -> Trail:
    """The trail of a worker, put together from its parts."""
    settings, clock = parts.settings, parts.desk.clock
    heads = DailyHeads(parts.database, settings.history_heads, settings.timezone, clock)
    return Trail(parts.database, settings.policy, heads, clock)


def note_policy(session: Session, policy: RefundPolicy, at: datetime) -> bool:
    """Write down which refund policy is in force, unless the last row says so already; returns whether it did not.

    A policy is a setting, so whoever changed it is not known here; that it changed, to what and when, is.
    """
    kept = select(AuditEvent.facts).where(AuditEvent.kind == AuditKind.POLICY_IN_FORCE.value)
    last = session.exec(kept.order_by(col(AuditEvent.id).desc()).limit(1)).first()
    now = policy.as_mapping()
    if last == {"policy": now}:
        return False
    record(session, AuditKind.POLICY_IN_FORCE, WORKER, at, subject=policy.version, policy=now)
    return True
