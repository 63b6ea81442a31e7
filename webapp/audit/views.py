"""The audit trail for administrators: searching it, and taking what was found along as a file."""

from collections.abc import Iterator

from flask import Blueprint, Response, render_template, request

from certlifecycle import Role
from webapp.access import by, only, parts
from webapp.audit import present
from webapp.audit.heads import newest_head
from webapp.audit.models import AuditKind
from webapp.audit.record import record
from webapp.audit.search import Trail, all_of, page_of
from webapp.db import Database
from webapp.jobs.exports import written
from webapp.wording import words

blueprint = Blueprint("audit", __name__, url_prefix="/audit")

admins_only = only(Role.ADMIN)
AT_ONCE = 1000


@blueprint.get("")
@admins_only
def trail() -> str:
    """Who did what, when, about what and from where; the newest first."""
    wanted = Trail.read(request.args, words().zone)
    after, before = (request.args.get(name, type=int) for name in ("after", "before"))
    with parts().database.reading() as session:
        page = page_of(session, wanted, after=_position(after), before=_position(before))
    return render_template("audit/trail.html", view=present.trail_view(wanted, page))


@blueprint.get("/entries.csv")
@admins_only
def export() -> Response:
    """What a search finds, as a file that is safe to open in a spreadsheet. That it was taken is an entry itself."""
    wanted, database = Trail.read(request.args, words().zone), parts().database
    now = parts().desk.clock()
    with database.writing() as session:
        record(session, AuditKind.AUDIT_EXPORTED, by(), now, subject="entries.csv", filter=dict(wanted.args))
    with database.reading() as session:
        found = newest_head(session)
    response = Response(_lines(database, wanted, found[0].position if found else 0), mimetype="text/csv")
    day = now.astimezone(wanted.zone).date().isoformat()
    response.headers.set("Content-Disposition", "attachment", filename=f"audit-{day}.csv")
    response.headers.set("Cache-Control", "no-store")
    return response


def _lines(database: Database, wanted: Trail, head: int) -> Iterator[str]:
    # Spreadsheets take a file without this mark for another encoding.
    yield "\ufeff" + written([present.COLUMNS])
    with database.reading() as session:
        for entries in all_of(session, wanted, head + 1, AT_ONCE):
            yield written([present.cells(entry) for entry in entries])


def _position(number: int | None) -> int | None:
    """A place in the chain; what cannot be one leads to the first page."""
    return number if number is not None and 0 < number < 2**62 else None
