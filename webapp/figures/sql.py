"""What SQLite and PostgreSQL say in different words: the day of an instant, and the time between two."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from webapp.columns import UtcDateTime
from webapp.figures.period import Period, offsets

Instant = sa.SQLColumnExpression[datetime] | sa.SQLColumnExpression[datetime | None]


class _ShiftedDay(FunctionElement[date]):
    """The day on a clock that is so many seconds ahead of UTC."""

    type = sa.Date()
    inherit_cache = True


class _Seconds(FunctionElement[float]):
    """The seconds from one instant to another."""

    type = sa.Float()
    inherit_cache = True


@compiles(_ShiftedDay, "sqlite")
def _shifted_day_sqlite(element: _ShiftedDay, compiler: SQLCompiler, **more: object) -> str:
    at, ahead = (compiler.process(one, **more) for one in element.clauses)
    # Without its fraction: SQLite rounds the last half millisecond of a day up into the next one.
    return f"date(substr({at}, 1, 19), ({ahead}) || ' seconds')"


@compiles(_ShiftedDay, "postgresql")
def _shifted_day_postgresql(element: _ShiftedDay, compiler: SQLCompiler, **more: object) -> str:
    at, ahead = (compiler.process(one, **more) for one in element.clauses)
    return f"CAST(timezone('UTC', {at}) + make_interval(secs => {ahead}) AS DATE)"


@compiles(_Seconds, "sqlite")
def _seconds_sqlite(element: _Seconds, compiler: SQLCompiler, **more: object) -> str:
    earlier, later = (compiler.process(one, **more) for one in element.clauses)
    return f"((julianday({later}) - julianday({earlier})) * 86400.0)"


@compiles(_Seconds, "postgresql")
def _seconds_postgresql(element: _Seconds, compiler: SQLCompiler, **more: object) -> str:
    earlier, later = (compiler.process(one, **more) for one in element.clauses)
    return f"CAST(EXTRACT(EPOCH FROM {later} - {earlier}) AS DOUBLE PRECISION)"


def local_day(at: Instant, period: Period) -> sa.ColumnElement[date]:
    """The day of an instant, at or before the period's end, as the period's time zone counts it."""
    known = offsets(period.zone, period.last.year)
    first = sa.literal(known[-1][1], sa.Integer)
    if len(known) == 1:
        return _ShiftedDay(at, first)
    ahead = sa.case(*((at >= sa.literal(since, UtcDateTime()), seconds) for since, seconds in known), else_=first)
    return _ShiftedDay(at, ahead)


def seconds_between(earlier: Instant, later: Instant) -> sa.ColumnElement[float]:
    """The seconds from one instant to another; exact to a millisecond."""
    return _Seconds(earlier, later)


def within(at: Instant, period: Period) -> sa.ColumnElement[bool]:
    """Whether an instant belongs to the period."""
    return sa.and_(at >= period.start, at < period.end)
