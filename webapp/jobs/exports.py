"""Writing a table to a CSV file, as a job: a thousand rows a step, each step's piece kept with its progress.

The job is the trace of the export: who had what, when, and with which filter. The file is kept for some days
(``EXPORT_DAYS``) and given to nobody but whoever asked, and to admins.
"""

import io
import zlib
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from defusedcsv import csv  # type: ignore[import-untyped]  # it ships no types

from certlifecycle import REVIEWERS, Role, Sentence, say
from webapp.accounts.models import Account
from webapp.columns import UtcDateTime
from webapp.desk import By
from webapp.errors import Forbidden
from webapp.jobs.book import Jobs, Order
from webapp.jobs.export_tables import TABLES, Table
from webapp.jobs.grip import Grip, Halted
from webapp.jobs.models import Job, JobChunk, JobState
from webapp.jobs.said import pack
from webapp.wording import _

KIND = "export"
ROWS_A_STEP = 1000

TITLES: dict[str, Sentence] = {
    "certificates": say("Export of certificates"),
    "refunds": say("Export of refunds"),
    "history": say("Export of the history"),
}


def start_export(
    jobs: Jobs,
    by: By,
    table: str,
    *,
    since: date | None = None,
    until: date | None = None,
    state: str | None = None,
    zone: str = "UTC",
    once: str | None = None,
) -> str:
    """Have a table written to a file and return the job's id.

    ``since`` and ``until`` are days of the time zone ``zone``, both included. Raises
    :class:`~webapp.errors.Forbidden` for a role that may not have this table.
    """
    if by.actor.role not in TABLES[table].roles:
        raise Forbidden(_("This export is not for your role."))
    parameters = {
        "table": table,
        "since": since.isoformat() if since else None,
        "until": until.isoformat() if until else None,
        "state": state,
        "zone": zone,
        # Whoever leaves an organisation takes no file of it along.
        "holder": by.holder_id,
    }
    return jobs.begin(Order(KIND, TITLES[table], parameters, once=once), by)


class Export:
    """Counts the rows, then writes them. ``kept`` is how long the files are."""

    def __init__(self, kept: timedelta) -> None:
        self._kept = kept

    def step(self, grip: Grip) -> None:
        """Count, write the next rows, or end the file."""
        job = grip.job
        table = TABLES[job.parameters["table"]]
        if grip.account is None or grip.account.role not in table.roles:
            raise Halted(JobState.STOPPED, say("Stopped: this export is not for the role that your account has now."))
        if not may_have(job, grip.account):
            raise Halted(JobState.STOPPED, say("Stopped: you no longer belong to the organisation that this is about."))
        wanted = self._wanted(table, job, grip.account)
        if job.cursor is None:
            self._begin(grip, table, wanted)
        else:
            self._go_on(grip, table, wanted, job.cursor)

    def _begin(self, grip: Grip, table: Table, wanted: sa.ColumnElement[bool]) -> None:
        with grip.database.reading() as session:
            count = sa.select(sa.func.count()).select_from(table.source).where(wanted)
            total = session.execute(count).scalar_one()
        # Spreadsheets take a file without this mark for another encoding.
        head = "\ufeff" + written([[one.head for one in table.columns]])
        cursor = {"after": None, "pieces": 1}
        with grip.step(total=total, cursor=cursor, doing=pack(say("Writing the rows."))) as session:
            session.add(_piece(grip.job, 0, head))

    def _go_on(self, grip: Grip, table: Table, wanted: sa.ColumnElement[bool], cursor: dict[str, Any]) -> None:
        elements = [element for column in table.columns for element in column.elements]
        query = sa.select(*elements, *table.order).select_from(table.source).where(wanted)
        if cursor["after"] is not None:
            query = query.where(_order(table) > _place(table, cursor["after"]))
        with grip.database.reading() as session:
            rows = session.execute(query.order_by(*table.order).limit(ROWS_A_STEP)).all()
        if not rows:
            self._end(grip)
            return
        after = [_packed(value) for value in rows[-1][len(elements) :]]
        text = written([_cells(table, row) for row in rows])
        # What was counted may have changed since; the bar never says more than there is.
        done = grip.job.done + len(rows)
        total = max(grip.job.total or 0, done)
        with grip.step(done=len(rows), total=total, cursor={"after": after, "pieces": cursor["pieces"] + 1}) as session:
            session.add(_piece(grip.job, cursor["pieces"], text))

    def _end(self, grip: Grip) -> None:
        day = grip.job.created_at.astimezone(ZoneInfo(grip.job.parameters["zone"])).date()
        done = grip.job.done
        said = say("The file is ready. Rows in it: {count}.", count=done)
        if not done:
            said = say("Nothing fits what was asked for: the file holds the heads of the columns alone.")
        columns = {
            "total": done,
            "file_name": f"{grip.job.parameters['table']}-{day.isoformat()}.csv",
            "file_until": grip.clock() + self._kept,
            "result": {"rows": done},
        }
        with grip.database.writing() as session:
            grip.end(session, JobState.FINISHED, said, columns)

    def _wanted(self, table: Table, job: Job, owner: Account) -> sa.ColumnElement[bool]:
        # Nothing that is written from now on: otherwise a busy desk's export would never end.
        found = [table.at <= sa.literal(job.created_at, UtcDateTime())]
        if owner.role not in REVIEWERS:
            found.append(table.holder == owner.holder_id)
        zone = ZoneInfo(job.parameters["zone"])
        if since := job.parameters["since"]:
            found.append(table.at >= _midnight(date.fromisoformat(since), zone))
        if until := job.parameters["until"]:
            found.append(table.at < _midnight(date.fromisoformat(until) + timedelta(days=1), zone))
        if job.parameters["state"] and table.state is not None and table.states is not None:
            found.append(table.state == table.states(job.parameters["state"]))
        return sa.and_(*found)


def may_have(job: Job, owner: Account) -> bool:
    """Whether an export is still its owner's to have: not what belongs to an organisation that they have left."""
    holder = job.parameters.get("holder")
    return owner.role in REVIEWERS or holder in (None, owner.id, owner.holder_id)


def tables_for(role: Role) -> list[Table]:
    """What somebody with this role can export."""
    return [one for one in TABLES.values() if role in one.roles]


def written(rows: Sequence[Sequence[str]]) -> str:
    """Rows as CSV in which no cell can become a formula of a spreadsheet (OWASP, CSV injection)."""
    text = io.StringIO()
    # The writer looks at a cell's first sign only, and spreadsheets skip blanks before a formula.
    csv.writer(text).writerows([[cell.strip() for cell in row] for row in rows])
    return text.getvalue()


def _midnight(day: date, zone: ZoneInfo) -> sa.ColumnElement[datetime]:
    return sa.literal(datetime.combine(day, time(), zone), UtcDateTime())


def _cells(table: Table, row: Sequence[Any]) -> list[str]:
    cells, start = [], 0
    for column in table.columns:
        end = start + len(column.elements)
        cells.append(column.show(*row[start:end]))
        start = end
    return cells


def _piece(job: Job, position: int, text: str) -> JobChunk:
    return JobChunk(job_id=job.id, position=position, content=zlib.compress(text.encode()))


def _order(table: Table) -> sa.Tuple:
    return sa.tuple_(*table.order)


def _place(table: Table, after: Sequence[Any]) -> sa.Tuple:
    pairs = zip(after, table.order, strict=True)
    return sa.tuple_(*(sa.literal(_unpacked(value, element), element.type) for value, element in pairs))


def _packed(value: Any) -> Any:  # noqa: ANN401  An instant, a key or a number.
    return value.isoformat() if isinstance(value, datetime) else value


def _unpacked(value: Any, element: sa.ColumnElement[Any]) -> Any:  # noqa: ANN401  Ditto.
    return datetime.fromisoformat(value) if isinstance(element.type, UtcDateTime) else value
