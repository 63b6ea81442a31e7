"""Taking over many orders from a file, as a job: every row is checked first, then all are taken in, or none.

The checking is done in steps, and what is right is laid by, ready to be written. Writing it is one step and one
transaction, so short that nobody waits for it.
"""

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from typing import Any

from sqlmodel import Session, insert

from certlifecycle import SYSTEM, say
from webapp.certificates.models import Channel
from webapp.desk import By, Desk
from webapp.importing import (
    BATCH,
    LARGEST_FILE,
    BadRow,
    Order,
    Place,
    Report,
    Table,
    read_order,
    sort_out,
    take_in,
)
from webapp.jobs.book import PIECE, Jobs, file_of, remove_file
from webapp.jobs.book import Order as Asked
from webapp.jobs.grip import Grip
from webapp.jobs.models import JobChunk, JobItem, JobState, Outcome
from webapp.jobs.said import pack
from webapp.payments.bank_accounts import BankAccount

KIND = "import_orders"
LAID_BY = LARGEST_FILE // PIECE + 1
"""The pieces of a job's file from this one on hold what was checked; those before it hold what was sent."""
MOST_ROWS = 50_000
"""How many orders are taken in at one go: about ten seconds of writing, in which nobody else can write on SQLite."""
MOST_PROBLEMS = 200
"""How many wrong rows are listed; with more, the file as a whole is not what it should be."""


def start_import(jobs: Jobs, by: By, content: bytes, file_name: str, once: str | None = None) -> str:
    """Have a file of orders taken in and return the job's id. ``content`` is at most ``LARGEST_FILE`` bytes."""
    title = say("Take in the orders of {file}", file=file_name)
    return jobs.begin(Asked(KIND, title, content=content, file_name=file_name, once=once), by)


class ImportOrders:
    """Counts the rows, checks them batch by batch, and takes all of them in."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def step(self, grip: Grip) -> None:
        """Count, check the next batch, or take in."""
        cursor = grip.job.cursor
        try:
            if cursor is None:
                self._count(grip)
            elif cursor["place"] is not None:
                self._check(grip, cursor)
            elif grip.job.failed:
                self._give_back(grip)
            else:
                self._take_in(grip, cursor)
        except BadRow as wrong:
            # The table ends here: what follows a row that cannot be told apart is no row either.
            self._give_back(grip, wrong)

    def _count(self, grip: Grip) -> None:
        rows = sum(1 for _ in Table(file_of(grip.database, grip.job.id)))
        if rows > MOST_ROWS:
            raise BadRow(1, "the file", say("has more than {most} rows; split it", most=MOST_ROWS))
        place = Table(file_of(grip.database, grip.job.id)).place
        cursor = {"place": asdict(place), "batches": 0}
        with grip.step(total=rows, cursor=cursor, doing=pack(say("Checking the rows. Nothing is taken in yet."))):
            pass

    def _check(self, grip: Grip, cursor: dict[str, Any]) -> None:
        place = Place(**cursor["place"] | {"header": tuple(cursor["place"]["header"])})
        table = Table(file_of(grip.database, grip.job.id, place.offset), place)
        rows = list(islice(table, BATCH))
        orders, problems = _read(rows, grip.clock())
        with grip.database.reading() as session:
            _, more = sort_out(session, orders)
        problems = sorted([*problems, *more], key=lambda one: one.line)
        is_last = len(rows) < BATCH or grip.job.failed + len(problems) >= MOST_PROBLEMS
        after = {"place": None if is_last else asdict(table.place), "batches": cursor["batches"] + 1}
        doing = say("Every row is in order. Taking all of them in at one go.") if is_last else None
        columns = {"doing": pack(doing)} if doing else {}
        with grip.step(done=len(rows), failed=len(problems), cursor=after, **columns) as session:
            chunk = zlib.compress(json.dumps([_pack(one) for one in orders]).encode())
            session.add(JobChunk(job_id=grip.job.id, position=LAID_BY + cursor["batches"], content=chunk))
            _list(session, grip, problems)

    def _take_in(self, grip: Grip, cursor: dict[str, Any]) -> None:
        actor = grip.account.actor if grip.account else SYSTEM
        by = By(actor, Channel.IMPORT, grip.job.address)
        taken = known = 0
        with grip.database.writing() as session:
            for batch in _laid_by(session, grip.job.id, cursor["batches"]):
                report = take_in(self._desk, session, batch, by)
                taken, known = taken + report.taken, known + report.known
            _end(session, grip, Report(taken, known))

    def _give_back(self, grip: Grip, wrong: BadRow | None = None) -> None:
        """End without having taken anything in; ``wrong`` is a last problem, after which nothing can be read."""
        problems = [wrong] if wrong else []
        count = grip.job.failed + len(problems)
        said = (
            say("Nothing of the file was taken in, for one row is wrong. Mend it and send the file again.")
            if count == 1
            else say(
                "Nothing of the file was taken in, for {count} rows are wrong. Mend them and send the file again.",
                count=count,
            )
        )
        if count >= MOST_PROBLEMS:
            said = say(
                "Nothing of the file was taken in. The first {count} rows that are wrong are listed below; the check "
                "ended there. Mend the file and send it again.",
                count=count,
            )
        with grip.database.writing() as session:
            _list(session, grip, problems)
            remove_file(session, grip.job.id)
            # A file that is no table has no rows to go through but the one that says so.
            done = max(grip.job.done, count)
            total = max(done, grip.job.total or 0)
            grip.end(
                session, JobState.FAILED, said, {"done": done, "failed": count, "total": total, "file_until": None}
            )


def _read(rows: Sequence[tuple[int, Any]], now: datetime) -> tuple[list[Order], list[BadRow]]:
    orders: list[Order] = []
    problems: list[BadRow] = []
    for line, row in rows:
        try:
            orders.append(read_order(line, row, now))
        except BadRow as wrong:
            problems.append(wrong)
    return orders, problems


def _list(session: Session, grip: Grip, problems: Sequence[BadRow]) -> None:
    if not problems:
        return
    rows = [
        {
            "job_id": grip.job.id,
            "position": grip.job.failed + number,
            "subject": f"line-{one.line}",
            "label": one.field,
            "outcome": Outcome.FAILED,
            "said": [pack(one.sentence)],
            "at": grip.clock(),
        }
        for number, one in enumerate(problems)
    ]
    session.execute(insert(JobItem), rows)


def _end(session: Session, grip: Grip, report: Report) -> None:
    remove_file(session, grip.job.id)
    said = say(
        "Orders taken in: {taken}. Known already and left as they are: {known}.",
        taken=report.taken,
        known=report.known,
    )
    grip.end(session, JobState.FINISHED, said, {"file_until": None, "result": asdict(report)})


def _laid_by(session: Session, job_id: str, batches: int) -> Iterator[list[Order]]:
    for number in range(batches):
        chunk = session.get_one(JobChunk, (job_id, LAID_BY + number))
        yield [_unpack(one) for one in json.loads(zlib.decompress(chunk.content))]


def _pack(order: Order) -> dict[str, Any]:
    instants = {name: order.purchase[name].isoformat() for name in ("paid_at", "created_at")}
    return asdict(order) | {"purchase": order.purchase | instants}


def _unpack(packed: dict[str, Any]) -> Order:
    purchase, account = packed["purchase"], packed["account"]
    instants = {name: datetime.fromisoformat(purchase[name]) for name in ("paid_at", "created_at")}
    return Order(**packed | {"purchase": purchase | instants, "account": BankAccount(**account) if account else None})
