"""Jobs: the list, one with its bar and its results, stopping it, and fetching its file."""

from flask import Response, flash, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from webapp.access import account, by, parts
from webapp.audit.models import AuditKind
from webapp.audit.record import record
from webapp.errors import Forbidden, NotFound
from webapp.htmx import go_to, live_page, tagged
from webapp.jobs import present, queries
from webapp.jobs.blueprint import blueprint
from webapp.jobs.book import file_of
from webapp.jobs.exports import KIND as EXPORT
from webapp.jobs.exports import may_have
from webapp.wording import _


@blueprint.get("")
def list_jobs() -> Response:
    """What the reader asked for, the newest first; for admins, what anybody asked for."""
    with parts().database.reading() as session:
        page = queries.jobs_of(session, account(), after=request.args.get("after"), before=request.args.get("before"))
    return live_page("jobs/list.html", view=present.job_list(page))


@blueprint.get("/<key:job_id>")
def details(job_id: str) -> Response:
    """One job: how far it is, what came of each part, what went wrong and why."""
    only_failed = request.args.get("show") == "failed"
    with parts().database.reading() as session:
        found = queries.job_of(session, job_id, account())
        items = queries.items_of(session, found.job, request.args.get("page", type=int), only_failed=only_failed)
    return live_page("jobs/job.html", view=present.job_view(found, items, account()))


@blueprint.get("/under-way")
def under_way() -> Response:
    """The reader's jobs that are not finished, for the navigation."""
    with parts().database.reading() as session:
        found = queries.under_way(session, account())
    return tagged(render_template("jobs/_under_way.html", jobs_under_way=found))


@blueprint.post("/<key:job_id>/stop")
def stop(job_id: str) -> BaseResponse:
    """End a job where it stands."""
    with parts().database.reading() as session:
        queries.job_of(session, job_id, account())
    if parts().jobs.stop(job_id, by()):
        flash(_("Stopped."), "success")
    else:
        flash(_("It had ended already; there was nothing left to stop."), "info")
    return go_to(url_for("jobs.details", job_id=job_id))


@blueprint.get("/<key:job_id>/file")
def file(job_id: str) -> Response:
    """The file that a job made, piece by piece, so that no large one ever stands in memory."""
    with parts().database.reading() as session:
        job = queries.job_of(session, job_id, account()).job
    if not present.has_file(job):
        raise NotFound(_("The file is not kept any more."), _("Have it made again."))
    if job.kind == EXPORT and job.owner_id == account().id and not may_have(job, account()):
        raise Forbidden(_("The file is about an organisation that you no longer belong to."), _("Have your own made."))
    with parts().database.writing() as session:
        at, name = parts().desk.clock(), job.file_name or ""
        record(session, AuditKind.JOB_FILE_FETCHED, by(), at, subject=name, job=job_id)
    kind = "application/zip" if name.endswith(".zip") else "text/csv"
    response = Response(file_of(parts().database, job_id), mimetype=kind)
    response.headers.set("Content-Disposition", "attachment", filename=job.file_name)
    response.headers.set("Cache-Control", "no-store")
    return response
