"""The desk: one door through which every change of a certificate goes.

Views, the worker, the command line and the import all come here, and nothing else assigns a state. One call is one
transaction: the row is loaded, the life cycle is asked, and state, history, refund and due work are written together.
The update is conditional on state and version, so that of two who come at once exactly one wins and the other is told
who did what and when.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import sqlalchemy as sa
from sqlmodel import Session, SQLModel, col, select, update

from certlifecycle import (
    SYSTEM,
    Actor,
    Case,
    Event,
    Permission,
    RefundPolicy,
    Role,
    State,
    Verdict,
    advance,
    may_do,
    verdict,
)
from webapp.certificates.facts import approvals_of, facts_of, latest_refund, policy_for
from webapp.certificates.models import Certificate, Channel, History, PaymentMethod, Purchase
from webapp.columns import new_id
from webapp.db import Database, rows_changed
from webapp.errors import NotFound, Superseded
from webapp.recording import Change, Handed, record
from webapp.refunds.models import Refund, RefundApproval

WORK_DUE_IN = {
    State.SUBMITTED: "check_domain",
    State.VERIFIED: "issue",
    State.REVOKING: "revoke",
    State.REFUND_APPROVED: "pay",
}
"""What the system owes while a certificate rests in a state. The state is the truth; the queue only makes it prompt."""


class Work(Protocol):
    """Where due work is handed in, inside the transaction that made it due."""

    def enqueue(self, session: Session, kind: str, certificate_id: str, key: str) -> None:
        """Hand in work ``kind`` for a certificate; ``key`` is new for every attempt."""


@dataclass(frozen=True, slots=True)
class By:
    """Who comes through the door, and from where."""

    actor: Actor
    channel: Channel
    address: str = ""


WORKER = By(SYSTEM, Channel.WORKER)


@dataclass(frozen=True, slots=True)
class File:
    """A certificate with all that belongs to deciding about it."""

    certificate: Certificate
    purchase: Purchase
    refund: Refund | None
    approvals: tuple[RefundApproval, ...]


class Desk:
    """The door. ``payable`` are the payment methods that a gateway is connected for."""

    def __init__(
        self,
        database: Database,
        work: Work,
        policy: RefundPolicy,
        clock: Callable[[], datetime],
        payable: frozenset[PaymentMethod] = frozenset({PaymentMethod.BALANCE}),
    ) -> None:
        self.database = database
        self.work = work
        self.policy = policy
        self.clock = clock
        self.payable = payable

    # Asking

    def open_file(self, session: Session, certificate_id: str) -> File:
        """Fetch a certificate with its order and refund; raises :class:`~webapp.errors.NotFound`."""
        found = session.exec(
            select(Certificate, Purchase)
            .join(Purchase, col(Purchase.id) == Certificate.purchase_id)
            .where(Certificate.id == certificate_id)
        ).first()
        if found is None:
            raise NotFound("There is no such certificate.")
        certificate, purchase = found
        refund = latest_refund(session, certificate)
        return File(certificate, purchase, refund, tuple(approvals_of(session, refund)))

    def case(self, file: File, actor: Actor, now: datetime, reason: str = "", evidence: str = "") -> Case:
        """The question to the life cycle: this certificate, this actor, now, under the policy that decides."""
        facts = facts_of(file.certificate, file.purchase, file.refund, file.approvals)
        policy = policy_for(file.refund, file.certificate, self.policy)
        return Case(actor, facts, now, policy, reason, evidence)

    def permissions(self, file: File, actor: Actor) -> dict[Event, Permission]:
        """For every event that this actor's role can fire from here: offered, or refused with the reason."""
        return {one.event: one for one in may_do(self.case(file, actor, self.clock()))}

    def verdict(self, certificate: Certificate, purchase: Purchase, refund: Refund | None) -> Verdict:
        """Whether the money comes back, were it asked for now."""
        return verdict(facts_of(certificate, purchase, refund), self.clock(), self.policy)

    # Changing

    def fire(
        self,
        certificate_id: str,
        event: Event,
        by: By,
        *,
        reason: str = "",
        handed: Handed | None = None,
        version: int | None = None,
        alongside: Sequence[SQLModel] = (),
    ) -> Certificate:
        """Let an event happen and return the certificate as it is then.

        ``handed`` is what the event brings along; ``version`` is the one that the page was made from, ``None`` where
        nobody looked at a page; ``alongside`` are rows that are written with the change or not at all. Raises
        :class:`~certlifecycle.EventRefused` with the verdict, :class:`~webapp.errors.Superseded` when somebody else
        was faster, :class:`~webapp.errors.NotFound`.
        """
        with self.database.writing() as session:
            file = self.open_file(session, certificate_id)
            before = file.certificate
            if version is not None and version != before.version:
                raise Superseded(self._rows_since(session, before.id, version))
            now = self.clock()
            case = self.case(file, by.actor, now, reason, handed.evidence if handed else "")
            target = advance(case, event)
            change = Change(event, target, case, file.refund, handed, self.payable)
            recorded = record(before, file.purchase, change)
            if not self._move(session, before, target, now, recorded.columns):
                raise Superseded(self._rows_since(session, before.id, before.version))
            session.add_all([*recorded.rows, *alongside])
            for statement in recorded.statements:
                session.exec(statement)
            after = session.exec(
                select(Certificate).where(Certificate.id == certificate_id).execution_options(populate_existing=True)
            ).one()
            self._tell(session, after, event.value, State(case.facts.state), by, change, recorded.facts)
            self._enqueue(session, after, target)
        return after

    def open_order(self, session: Session, purchase: Purchase, domain: str, names: list[str], by: By) -> Certificate:
        """Begin a certificate's life for a paid order, inside the caller's transaction."""
        now = self.clock()
        certificate = Certificate(
            purchase_id=purchase.id,
            customer_id=purchase.customer_id,
            domain=domain,
            names=names,
            state=State.PENDING,
            created_at=now,
            state_since=now,
        )
        session.add(purchase)
        session.flush()
        session.add(certificate)
        session.flush()
        event = "import" if by.channel is Channel.IMPORT else "order"
        self._tell(session, certificate, event, None, by, None, {"order": purchase.number})
        return certificate

    def retry_overdue(self, older_than: datetime, limit: int = 100) -> int:
        """Hand in again what should have been done by now; returns how many. Called by the reconciler.

        Whatever became of the earlier attempt, effects are idempotent, so one too many does no harm.
        """
        overdue = (
            select(Certificate.id)
            .where(col(Certificate.due_at) <= older_than)
            .order_by(col(Certificate.due_at))
            .limit(limit)
        )
        with self.database.reading() as session:
            waiting = session.exec(overdue).all()
        return sum(self._retry(certificate_id, older_than) for certificate_id in waiting)

    def look_now(self, certificate_id: str) -> bool:
        """Have what is due looked at now rather than at its time; returns whether anything was due."""
        return self._retry(certificate_id, datetime.max.replace(tzinfo=UTC))

    def postpone(self, certificate_id: str, version: int, until: datetime, note: str) -> None:
        """Note that work could not be finished yet and when to look again; the state stays as it is."""
        with self.database.writing() as session:
            session.exec(
                update(Certificate)
                .where(
                    col(Certificate.id) == certificate_id,
                    col(Certificate.version) == version,
                    col(Certificate.due_at).is_not(None),
                )
                .values(due_at=until, work_error=note)
            )

    def rest(self, certificate_id: str, version: int) -> None:
        """Note that the system has done its part in this state; the next move is somebody else's."""
        with self.database.writing() as session:
            session.exec(
                update(Certificate)
                .where(col(Certificate.id) == certificate_id, col(Certificate.version) == version)
                .values(due_at=None, work_error=None)
            )

    def note_failure(self, certificate_id: str, error: str) -> None:
        """Note why an attempt failed. The reconciler tries again when the work is overdue."""
        with self.database.writing() as session:
            session.exec(
                update(Certificate)
                .where(col(Certificate.id) == certificate_id, col(Certificate.due_at).is_not(None))
                .values(work_error=error[:2000])
            )

    # Inside

    def _move(
        self,
        session: Session,
        before: Certificate,
        target: State,
        now: datetime,
        columns: dict[str, Any],
    ) -> bool:
        owes = target in WORK_DUE_IN
        if target != before.state:
            columns = columns | {"state_since": now}
        result = session.exec(
            update(Certificate)
            .where(
                col(Certificate.id) == before.id,
                col(Certificate.state) == before.state,
                col(Certificate.version) == before.version,
            )
            .values(
                state=target,
                version=before.version + 1,
                due_at=now if owes else None,
                attempts=1 if owes else 0,
                work_error=None,
                **columns,
            )
            # The loaded row stays as it was read: whether the change took place is for the database to say.
            .execution_options(synchronize_session=False)
        )
        return rows_changed(result) == 1

    def _tell(
        self,
        session: Session,
        certificate: Certificate,
        event: str,
        came_from: State | None,
        by: By,
        change: Change | None,
        facts: dict[str, Any],
    ) -> None:
        row = History(
            certificate_id=certificate.id,
            customer_id=certificate.customer_id,
            refund_id=facts.get("refund"),
            event=event,
            from_state=came_from,
            to_state=State(certificate.state),
            actor_id=by.actor.id,
            actor_role=Role(by.actor.role),
            actor_name=by.actor.name,
            reason=change.case.reason if change else "",
            facts=facts,
            channel=by.channel,
            address=by.address,
            at=self.clock(),
        )
        session.add(row)
        session.flush()
        if not self.database.is_sqlite:
            # The notification leaves with the commit or not at all. On SQLite the hub sees the commit itself.
            message = f"{row.id}:{row.certificate_id}:{row.customer_id}"
            session.execute(sa.text("SELECT pg_notify('desk', :message)"), {"message": message})

    def _enqueue(self, session: Session, certificate: Certificate, state: State) -> None:
        kind = WORK_DUE_IN.get(state)
        if kind is not None:
            key = f"{kind}-{certificate.id}-{certificate.version}-{certificate.attempts}"
            self.work.enqueue(session, kind, certificate.id, key)

    def _retry(self, certificate_id: str, older_than: datetime) -> bool:
        with self.database.writing() as session:
            certificate = session.exec(
                select(Certificate).where(Certificate.id == certificate_id, col(Certificate.due_at) <= older_than)
            ).first()
            if certificate is None:
                # Done, or handed in by another reconciler, since it was found.
                return False
            result = session.exec(
                update(Certificate)
                .where(
                    col(Certificate.id) == certificate_id,
                    col(Certificate.version) == certificate.version,
                    col(Certificate.attempts) == certificate.attempts,
                )
                .values(
                    due_at=self.clock() + pause_after(certificate.attempts),
                    attempts=certificate.attempts + 1,
                )
            )
            if rows_changed(result) != 1:
                return False
            session.refresh(certificate)
            self._enqueue(session, certificate, State(certificate.state))
        return True

    def _rows_since(self, session: Session, certificate_id: str, version: int) -> list[History]:
        # Each row stands for one version: the first history row made version 1.
        rows = session.exec(
            select(History)
            .where(History.certificate_id == certificate_id)
            .order_by(col(History.id))
            .offset(max(version, 0))
        ).all()
        for row in rows:
            # They outlive the transaction, which is rolled back.
            session.expunge(row)
        return list(rows)


def pause_after(attempts: int) -> timedelta:
    """How long to wait for an attempt before the next: twice as long each time, a quarter of an hour at most."""
    # Bounded before it is raised to a power: an authority can be at work for weeks.
    return timedelta(seconds=min(2 ** min(attempts, 10), 900))


def order_number(prefix: str, at: datetime) -> str:
    """A readable number for people: the day and eight random hexadecimal digits."""
    return f"{prefix}{at:%Y%m%d}-{new_id()[:8].upper()}"
