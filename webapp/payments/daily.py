"""The daily comparison: every day of every connected provider, once, by whichever worker comes first.

A day is planned when it is over where the provider is; days that passed while no worker ran are made up for. A
statement that is not there yet is asked for again. Whoever compares holds the row by a claim of its own, so that one
that was taken for dead records nothing. Nothing here pays, or changes a refund.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, delete, func, select, update

from certlifecycle import Money
from webapp.certificates.models import PaymentMethod
from webapp.columns import new_id
from webapp.db import Database, rows_changed
from webapp.desk import By
from webapp.payments.acts import note
from webapp.payments.models_books import Act, ComparisonStatus, DailyComparison, DailyDifference
from webapp.payments.port import PaymentGateway
from webapp.payments.reconciliation import Comparison, Difference, reconcile

log = logging.getLogger("desk.payments")

AFTER_MIDNIGHT = timedelta(hours=1)
"""How long after its end a day is compared: what was paid in its last minute is confirmed here a little later."""
MOST_MISSED_DAYS = timedelta(days=31)
"""How far back days are made up for that passed while no worker ran."""
ASK_AGAIN = timedelta(hours=1)
"""The pause after a provider had no statement."""
TRY_AGAIN = timedelta(minutes=10)
"""The pause after something went wrong."""
PATIENCE = timedelta(days=2)
"""How long a statement is waited for."""
LEASE = timedelta(minutes=10)
"""How long a comparison may read one statement before it is taken for dead."""

OPEN = (ComparisonStatus.DUE, ComparisonStatus.RUNNING)


class _Overtaken(Exception):
    """This comparison was taken for dead, and another worker does it."""


class Comparisons:
    """Plans and makes the comparisons of all connected providers."""

    def __init__(
        self,
        database: Database,
        gateways: Mapping[PaymentMethod, PaymentGateway],
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._gateways = gateways
        self._clock = clock

    def turn(self) -> int:
        """Plan what is over, and compare what is due; returns how many comparisons were made."""
        self.plan()
        made = 0
        while (row := self._claim()) is not None:
            self._compare(row)
            made += 1
        return made

    # Planning

    def last_day(self, method: PaymentMethod) -> date:
        """The latest day that is over where this provider is."""
        return (self._clock() - AFTER_MIDNIGHT).astimezone(self._gateways[method].zone).date() - timedelta(days=1)

    def plan(self) -> None:
        """Write down every day that is over and not planned yet."""
        with self._database.reading() as session:
            latest = dict(
                session.exec(
                    select(DailyComparison.method, func.max(DailyComparison.day)).group_by(DailyComparison.method)
                ).all()
            )
        for method in self._gateways:
            last = self.last_day(method)
            first = last
            if method in latest:
                first = max(latest[method] + timedelta(days=1), last - MOST_MISSED_DAYS)
            for number in range((last - first).days + 1):
                self._plan(method, first + timedelta(days=number))

    def _plan(self, method: PaymentMethod, day: date) -> None:
        now = self._clock()
        try:
            with self._database.writing() as session:
                session.add(DailyComparison(method=method, day=day, next_at=now, planned_at=now))
        except IntegrityError:
            # Another worker planned it at the same moment.
            log.debug("%s of %s is planned already.", day, method.value)

    def ask(self, method: PaymentMethod, day: date, by: By) -> str:
        """Have a day compared now, for the first time or again; returns the comparison's id.

        One that is being made this moment is left to finish. Raises :class:`ValueError` for a day that is not over.
        """
        if day > self.last_day(method):
            raise ValueError("the day is not over")
        self._plan(method, day)
        now = self._clock()
        with self._database.writing() as session:
            row = session.exec(
                select(DailyComparison).where(DailyComparison.method == method, DailyComparison.day == day)
            ).one()
            session.exec(
                update(DailyComparison)
                .where(col(DailyComparison.id) == row.id, col(DailyComparison.status) != ComparisonStatus.RUNNING)
                .values(status=ComparisonStatus.DUE, next_at=now, planned_at=now, trouble="")
            )
            note(session, Act.COMPARISON_ASKED, row.id, by, now)
        return row.id

    # Comparing

    def _claim(self) -> DailyComparison | None:
        """Take up the comparison that has been due for the longest; nobody else has it then."""
        now = self._clock()
        due = select(DailyComparison).where(
            col(DailyComparison.status).in_(OPEN),
            col(DailyComparison.next_at) <= now,
            # Those of a provider that is no longer connected wait until it is again.
            col(DailyComparison.method).in_(self._gateways),
        )
        while True:
            with self._database.reading() as session:
                row = session.exec(due.order_by(col(DailyComparison.next_at), col(DailyComparison.id))).first()
            if row is None:
                return None
            values = {
                "status": ComparisonStatus.RUNNING,
                "claim": new_id(),
                "begun_at": now,
                "next_at": now + LEASE,
                "steps_done": 0,
                "steps_total": 1,
            }
            same = (col(DailyComparison.claim) == row.claim) if row.claim else col(DailyComparison.claim).is_(None)
            with self._database.writing() as session:
                result = session.exec(
                    update(DailyComparison)
                    .where(col(DailyComparison.id) == row.id, same, col(DailyComparison.next_at) == row.next_at)
                    .values(**values)
                )
                taken = rows_changed(result) == 1
            if taken:
                for name, value in values.items():
                    setattr(row, name, value)
                return row

    def _compare(self, row: DailyComparison) -> None:
        gateway = self._gateways[PaymentMethod(row.method)]
        try:
            comparison = reconcile(
                self._database,
                gateway,
                row.day,
                gateway.zone,
                lambda done, total: self._hold(row, done, total),
            )
            self._record(row, comparison)
        except _Overtaken:
            log.warning("The comparison of %s with %s was taken for dead.", row.day, gateway.method.value)
        except Exception as failure:
            # The day stays due, and the reason is on its row; the other providers must not wait for it.
            log.exception("%s could not be compared with %s.", row.day, gateway.method.value)
            self._release(row, f"{type(failure).__name__}: {failure}"[:1000])

    def _record(self, row: DailyComparison, comparison: Comparison) -> None:
        now = self._clock()
        if comparison.missing and now - row.planned_at < PATIENCE:
            self._set(
                row,
                status=ComparisonStatus.DUE,
                next_at=now + ASK_AGAIN,
                trouble=comparison.missing,
                unchecked=comparison.unchecked,
            )
            return
        self._set(
            row,
            [_stored(row, place, one) for place, one in enumerate(comparison.differences)],
            status=ComparisonStatus.NO_STATEMENT if comparison.missing else ComparisonStatus.COMPARED,
            finished_at=now,
            compared=comparison.compared,
            unchecked=comparison.unchecked,
            trouble=comparison.missing,
            steps_done=row.steps_total,
        )

    def _hold(self, row: DailyComparison, done: int, total: int) -> None:
        """Note the progress, and that somebody is at it."""
        until = self._clock() + LEASE
        self._set(row, status=ComparisonStatus.RUNNING, next_at=until, steps_done=done, steps_total=total)
        row.steps_total = total

    def _release(self, row: DailyComparison, trouble: str) -> None:
        try:
            self._set(row, status=ComparisonStatus.DUE, next_at=self._clock() + TRY_AGAIN, trouble=trouble)
        except _Overtaken:
            log.warning("The comparison of %s was taken for dead.", row.day)

    def _set(
        self,
        row: DailyComparison,
        found: Sequence[DailyDifference] | None = None,
        *,
        status: ComparisonStatus,
        **values: object,
    ) -> None:
        """Change the row while it is held; ``found`` replaces the differences. Raises :class:`_Overtaken`."""
        claim = row.claim if status is ComparisonStatus.RUNNING else None
        with self._database.writing() as session:
            result = session.exec(
                update(DailyComparison)
                .where(col(DailyComparison.id) == row.id, col(DailyComparison.claim) == row.claim)
                .values(status=status, claim=claim, **values)
            )
            if rows_changed(result) != 1:
                raise _Overtaken
            if found is not None:
                session.exec(delete(DailyDifference).where(col(DailyDifference.comparison_id) == row.id))
                session.add_all(found)


def _stored(row: DailyComparison, place: int, one: Difference) -> DailyDifference:
    return DailyDifference(
        comparison_id=row.id,
        place=place,
        kind=one.kind,
        # A provider's records may hold anything.
        refund_no=one.refund_no[:64],
        ours_minor=one.ours.minor if one.ours else None,
        ours_currency=one.ours.currency if one.ours else "",
        theirs_minor=one.theirs.minor if one.theirs else None,
        theirs_currency=one.theirs.currency if one.theirs else "",
        at=one.at,
        reference=one.reference[:128],
    )


def differences_of(session: Session, comparison_id: str) -> Sequence[DailyDifference]:
    """What was found when the day was compared last, the earliest first."""
    wanted = select(DailyDifference).where(DailyDifference.comparison_id == comparison_id)
    return session.exec(wanted.order_by(col(DailyDifference.place))).all()


def as_comparison(row: DailyComparison, found: Sequence[DailyDifference]) -> Comparison:
    """A stored comparison as it was made."""
    return Comparison(
        PaymentMethod(row.method),
        row.day,
        row.compared,
        tuple(
            Difference(
                one.kind,
                one.refund_no,
                _money(one.ours_minor, one.ours_currency),
                _money(one.theirs_minor, one.theirs_currency),
                one.at,
                one.reference,
            )
            for one in found
        ),
        row.trouble,
        row.unchecked,
    )


def _money(minor: int | None, currency: str) -> Money | None:
    return None if minor is None else Money(minor, currency)
