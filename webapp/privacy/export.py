"""One person's data as a ZIP file, as a job: a section a step, and the file at the end."""

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import col, select

from certlifecycle import say
from webapp.accounts.models import Account
from webapp.desk import By
from webapp.jobs.book import Jobs, Order, pieces, remove_file
from webapp.jobs.exports import written
from webapp.jobs.grip import Grip, Halted
from webapp.jobs.models import Job, JobChunk, JobState
from webapp.jobs.said import pack
from webapp.mail.wrapping import wrapped
from webapp.privacy.sections import SECTIONS, heads_of, rows_of
from webapp.wording import Wording

KIND = "personal_data"
TITLE = say("Export of your data")
NAMES = tuple(SECTIONS)

ABOUT = (
    say(
        "Each part is there twice: as JSON for programs and as CSV for spreadsheets (UTF-8, instants in UTC, amounts "
        "in the smallest unit of their currency)."
    ),
    say(
        "What opens something is left out: passwords and codes are kept only as hashes, and keys are of no use to you."
    ),
    # Translators: "For customers" is the title of a page that is there in English only.
    say("What each part is stands in the help of the desk, under “For customers”."),
)
"""What somebody is told of the file, in it."""


def start(jobs: Jobs, by: By, once: str | None = None) -> str:
    """Have somebody's data put together and return the job's id; one that is under way already is that one."""
    with jobs.database.reading() as session:
        mine = select(Job.id).where(Job.owner_id == by.actor.id, Job.kind == KIND, col(Job.ended_at).is_(None))
        known = session.exec(mine).first()
    return known or jobs.begin(Order(KIND, TITLE, total=len(NAMES), once=once), by)


class PersonalData:
    """Reads the sections one after the other, then makes the file.

    ``kept`` is how long that is there, ``reader_of`` how somebody is written to.
    """

    def __init__(self, kept: timedelta, reader_of: Callable[[Account], Wording]) -> None:
        self._kept = kept
        self._reader_of = reader_of

    def step(self, grip: Grip) -> None:
        """Read the next section, or end."""
        if grip.account is None:
            raise Halted(JobState.STOPPED, say("Stopped: nobody asked for this."))
        if grip.job.done < len(NAMES):
            self._read(grip, grip.account, grip.job.done)
        else:
            self._end(grip, grip.account)

    def _read(self, grip: Grip, who: Account, place: int) -> None:
        with grip.database.reading() as session:
            rows = rows_of(session, NAMES[place], who)
        content = zlib.compress(json.dumps(rows).encode())
        with grip.step(done=1, doing=pack(say("Reading what there is."))) as session:
            session.add(JobChunk(job_id=grip.job.id, position=place, content=content))

    def _end(self, grip: Grip, who: Account) -> None:
        with grip.database.reading() as session:
            stored = select(JobChunk).where(JobChunk.job_id == grip.job.id).order_by(col(JobChunk.position))
            read = [json.loads(zlib.decompress(one.content)) for one in session.exec(stored)]
        made = grip.job.created_at
        content = packed(who, dict(zip(NAMES, read, strict=True)), made, readme(who, made, self._reader_of(who)))
        columns = {
            "file_name": f"your-data-{made.date().isoformat()}.zip",
            "file_until": grip.clock() + self._kept,
            "result": {"bytes": len(content)},
        }
        with grip.database.writing() as session:
            remove_file(session, grip.job.id)
            session.flush()
            for position, piece in enumerate(pieces(content)):
                session.add(JobChunk(job_id=grip.job.id, position=position, content=zlib.compress(piece)))
            grip.end(session, JobState.FINISHED, say("The file is ready. Keep it where nobody else finds it."), columns)


def readme(who: Account, at: datetime, reader: Wording) -> str:
    """A text that says what the file is, as its reader is written to."""
    whose = say(
        "The data that the desk holds about {name} ({email}), as of {at}.", name=who.name, email=who.email, at=at
    )
    paragraphs = (reader.say(whose), reader.sentences(*ABOUT))
    return "\n\n".join(map(wrapped, paragraphs)) + "\n"


def packed(who: Account, sections: dict[str, list[dict[str, Any]]], at: datetime, told: str) -> bytes:
    """The ZIP file: each section as JSON and as CSV, and the text that says what it is."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        _put(archive, "README.txt", told, at)
        for name, rows in sections.items():
            _put(archive, f"{name}.json", json.dumps(rows, ensure_ascii=False, indent=1) + "\n", at)
            # Spreadsheets take a file without this mark for another encoding.
            _put(archive, f"{name}.csv", "\ufeff" + written(_table(heads_of(name, who), rows)), at)
    return made.getvalue()


def _put(archive: zipfile.ZipFile, name: str, text: str, at: datetime) -> None:
    entry = zipfile.ZipInfo(name, at.timetuple()[:6])
    # For whoever unpacks it alone.
    entry.external_attr = 0o600 << 16
    archive.writestr(entry, text, zipfile.ZIP_DEFLATED)


def _table(heads: Sequence[str], rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    return [list(heads), *([_cell(row[head]) for head in heads] for row in rows)]


def _cell(value: Any) -> str:  # noqa: ANN401  Whatever JSON holds.
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
