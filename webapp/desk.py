"""The desk: one door through which every change of a certificate goes.

Views, the worker, the command line and the import all come here, and nothing else assigns a state. One call is one
transaction: the row is loaded, the life cycle is asked, and state, history, refund and due work are written together.
The update is conditional on state and version, so that of two who come at once exactly one wins and the other is told
who did what and when.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, insert, select, update

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
from webapp.certificates.models import RETRY, Certificate, Channel, History, PaymentMethod, Purchase
from webapp.columns import new_id
from webapp.db import Database, rows_changed
from webapp.due import WORK_DUE_IN
from webapp.errors import DeskError, Forbidden, NotFound, NothingDue, Superseded
from webapp.organisations.standing import as_of_now, holders_of
from webapp.recording import Change, Handed, evidence_of, record
from webapp.refunds.models import Refund, RefundApproval
from webapp.telling import Telling
from webapp.wording import _
from webapp.work import Work

Also = Callable[[Session, Certificate], None]
"""What is written into the transaction of a change besides the change itself."""


class _OnlyRetried(Exception):
    """What came in between was no decision: an administrator had due work tried again."""


@dataclass(frozen=True, slots=True)
class By:
    """Who comes through the door, and from where."""

    actor: Actor
    channel: Channel
    address: str = ""

    @property
    def holder_id(self) -> str:
        """Whose certificates are theirs: their organisation's, else their own alone."""
        return self.actor.organisation_id or self.actor.id


WORKER = By(SYSTEM, Channel.WORKER)


@dataclass(frozen=True, slots=True)
class File:
    """A certificate with all that belongs to deciding about it."""

    certificate: Certificate
    purchase: Purchase
    refund: Refund | None
    approvals: tuple[RefundApproval, ...]


@dataclass(frozen=True, slots=True)
class Opening:
    """A paid order that a certificate's life is to begin for. ``purchase`` holds the columns of its row."""

    purchase: Mapping[str, Any]
    domain: str
    names: list[str]


@dataclass(frozen=True, slots=True)
class Amendment:
    """What changes beside the state, and as what the history tells it: one of :data:`BESIDE`."""

    event: str
    columns: Mapping[str, Any]
    reason: str
    facts: dict[str, Any]


class Desk(Telling):
    """The door. ``payable`` are the payment methods that a gateway is connected for."""

    def __init__(
        self,
        database: Database,
        work: Work,
        policy: RefundPolicy,
        clock: Callable[[], datetime],
        payable: frozenset[PaymentMethod] = frozenset({PaymentMethod.BALANCE}),
    ) -> None:
        super().__init__(database, work, clock)
        self.policy = policy
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
            raise NotFound(_("There is no such certificate."))
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
        also: Also | None = None,
    ) -> Certificate:
        """Let an event happen and return the certificate as it is then.

        ``handed`` is what the event brings along; ``version`` is the one that the page was made from, ``None`` where
        nobody looked at a page. A retry since then is no reason to turn anybody away: it decides nothing, and what an
        attempt found out that was under way meanwhile is as true as before. ``also`` writes what belongs to the change
        into the same transaction; whatever it raises undoes all of it. Raises
        :class:`~certlifecycle.EventRefused` with the verdict, :class:`~webapp.errors.Superseded` when somebody else was
        faster, :class:`~webapp.errors.NotFound`.
        """
        while True:
            try:
                return self._fire(certificate_id, event, by, reason, handed, version, also)
            except _OnlyRetried:
                # Between reading and writing; a new look sees it.
                continue

    def _fire(
        self,
        certificate_id: str,
        event: Event,
        by: By,
        reason: str,
        handed: Handed | None,
        version: int | None,
        also: Also | None,
    ) -> Certificate:
        with self.database.writing() as session:
            by = replace(by, actor=as_of_now(session, by.actor))
            file = self.open_file(session, certificate_id)
            before = file.certificate
            if version is not None and version != before.version:
                decisions = self._decisions_since(session, before.id, version)
                if decisions or version > before.version:
                    raise Superseded(decisions)
            now = self.clock()
            case = self.case(file, by.actor, now, reason, evidence_of(handed))
            target = advance(case, event)
            change = Change(event, target, case, file.refund, handed, self.payable)
            recorded = record(before, file.purchase, change)
            if not self._move(session, before, target, now, recorded.columns):
                decisions = self._decisions_since(session, before.id, before.version)
                raise Superseded(decisions) if decisions else _OnlyRetried
            session.add_all(recorded.rows)
            for statement in recorded.statements:
                session.exec(statement)
            after = session.exec(
                select(Certificate).where(Certificate.id == certificate_id).execution_options(populate_existing=True)
            ).one()
            self._tell(session, after, event.value, State(case.facts.state), by, reason, recorded.facts)
            self.enqueue_due(session, after)
            if also is not None:
                also(session, after)
        return after

    def open_order(self, session: Session, purchase: Purchase, domain: str, names: list[str], by: By) -> Certificate:
        """Begin a certificate's life for a paid order, inside the caller's transaction."""
        now = self.clock()
        certificate = Certificate(
            purchase_id=purchase.id,
            customer_id=purchase.customer_id,
            holder_id=holders_of(session, [purchase.customer_id])[purchase.customer_id],
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
        self._tell(session, certificate, _began(by), None, by, "", {"order": purchase.number})
        return certificate

    def open_orders(self, session: Session, orders: Sequence[Opening], by: By) -> None:
        """Begin the lives of many certificates at one go, inside the caller's transaction.

        Plain rows, and three statements: made one by one, a few thousand would keep all other writers waiting.
        """
        if not orders:
            return
        now = self.clock()
        holders = holders_of(session, (one.purchase["customer_id"] for one in orders))
        certificates = [
            {
                "id": new_id(),
                "purchase_id": one.purchase["id"],
                "customer_id": one.purchase["customer_id"],
                "holder_id": holders[one.purchase["customer_id"]],
                "domain": one.domain,
                "names": one.names,
                "state": State.PENDING,
                "version": 1,
                "attempts": 0,
                "created_at": now,
                "state_since": now,
            }
            for one in orders
        ]
        session.execute(insert(Purchase), [dict(one.purchase) for one in orders])
        session.execute(insert(Certificate), certificates)
        told = [
            self._history(row["id"], row["customer_id"], _began(by), None, State.PENDING, by, {"order": number})
            for row, number in zip(certificates, (one.purchase["number"] for one in orders), strict=True)
        ]
        statement = insert(History).returning(col(History.id), sort_by_parameter_order=True)
        ids = session.execute(statement, told).scalars().all()
        self._announce(
            session, [(key, row["id"], row["holder_id"]) for key, row in zip(ids, certificates, strict=True)]
        )

    def retry(self, certificate_id: str, by: By, reason: str, *, version: int) -> Certificate:
        """Have what is due tried again at once because an administrator asks for it; return the certificate.

        The state stays, so this is none of the life cycle's events; but it leaves a trace like every change: a history
        row and a version. An attempt that is under way is neither waited for nor cut off. Effects ask before they act,
        so that two at once do nothing twice, and whichever finds an answer first is heard (see :meth:`fire`).

        Raises :class:`~webapp.errors.NothingDue` when there is nothing to try, :class:`~webapp.errors.Superseded` when
        the page that was looked at is out of date, :class:`~webapp.errors.Forbidden`, :class:`~webapp.errors.NotFound`.
        """
        if not reason.strip():
            raise DeskError(_("A retry needs a reason."), _("Say why it should work now."))
        with self.database.writing() as session:
            by = replace(by, actor=as_of_now(session, by.actor))
            if by.actor.role is not Role.ADMIN:
                raise Forbidden(_("Only an administrator can have work tried again."))
            file = self.open_file(session, certificate_id)
            before, state = file.certificate, State(file.certificate.state)
            if before.version != version:
                raise Superseded(self._rows_since(session, before.id, version))
            result = session.exec(
                update(Certificate)
                .where(
                    col(Certificate.id) == before.id,
                    col(Certificate.version) == version,
                    col(Certificate.due_at).is_not(None),
                )
                .values(version=version + 1, due_at=self.clock(), attempts=Certificate.attempts + 1)
                .execution_options(synchronize_session=False)
            )
            if rows_changed(result) != 1:
                late = self._rows_since(session, before.id, version)
                raise Superseded(late) if late else NothingDue()
            session.refresh(before)
            facts: dict[str, Any] = {"work": WORK_DUE_IN[state], "attempt": before.attempts}
            if state is State.REFUND_APPROVED and file.refund is not None:
                facts["refund"] = file.refund.id
            self._tell(session, before, RETRY, state, by, reason.strip(), facts)
            self.enqueue_due(session, before)
        return before

    def amend(self, certificate_id: str, by: By, make: Callable[[File, Case], Amendment]) -> Certificate:
        """Change something beside the state, and return the certificate as it is then.

        ``make`` is told how things stand and says what is to change, or raises why nothing may. It is asked anew when
        somebody else was faster, so that it always judges what the change is written upon. Like every change it
        leaves a history row and a version; as it decides nothing about the certificate, nobody's page is out of date
        by it (see :meth:`fire`). Raises :class:`~webapp.errors.NotFound`.
        """
        while True:
            with self.database.writing() as session:
                by = replace(by, actor=as_of_now(session, by.actor))
                file = self.open_file(session, certificate_id)
                before = file.certificate
                made = make(file, self.case(file, by.actor, self.clock()))
                as_read = (col(Certificate.id) == before.id, col(Certificate.version) == before.version)
                changed = update(Certificate).where(*as_read).values(version=before.version + 1, **made.columns)
                # Somebody else may have been faster since it was read; then it is looked at again.
                if rows_changed(session.exec(changed.execution_options(synchronize_session=False))) == 1:
                    session.refresh(before)
                    self._tell(session, before, made.event, State(before.state), by, made.reason, made.facts)
                    return before

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
                held_up=None,
                hindrance=None,
                failing_since=None,
                **columns,
            )
            # The loaded row stays as it was read: whether the change took place is for the database to say.
            .execution_options(synchronize_session=False)
        )
        return rows_changed(result) == 1


def _began(by: By) -> str:
    """The word for the row with which a certificate begins."""
    return "import" if by.channel is Channel.IMPORT else "order"


def order_number(prefix: str, at: datetime) -> str:
    """A readable number for people: the day and eight random hexadecimal digits."""
    return f"{prefix}{at:%Y%m%d}-{new_id()[:8].upper()}"
