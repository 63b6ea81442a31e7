"""Asking for a table as a file."""

from flask import render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from certlifecycle import phrase
from webapp.access import account, by, parts
from webapp.errors import Forbidden, NotFound
from webapp.htmx import go_to
from webapp.jobs.blueprint import blueprint
from webapp.jobs.export_tables import TABLES, Table
from webapp.jobs.exports import start_export, tables_for
from webapp.jobs.forms import ExportForm
from webapp.wording import Vocabulary, _, words

Answer = str | tuple[str, int] | BaseResponse

LABELS = Vocabulary(
    {"certificates": phrase("Certificates"), "refunds": phrase("Refunds"), "history": phrase("History")}
)


@blueprint.get("/export")
def export() -> BaseResponse:
    """Go to the first table that there is for the reader's role."""
    return go_to(url_for("jobs.export_table", name=tables_for(account().role)[0].name))


@blueprint.get("/export/<name>")
def export_table(name: str) -> str:
    """Ask which rows are wanted."""
    table = _table(name)
    return _page(table, ExportForm(table))


@blueprint.post("/export/<name>")
def export_table_post(name: str) -> Answer:
    """Begin the export."""
    table = _table(name)
    form = ExportForm(table)
    if not form.validate():
        return _page(table, form), 422
    state = form.state.data if "state" in form else None
    job_id = start_export(
        parts().jobs,
        by(),
        name,
        since=form.since.data,
        until=form.until.data,
        state=state or None,
        zone=words().zone.key,
        once=form.once.data,
    )
    return go_to(url_for("jobs.details", job_id=job_id))


def _table(name: str) -> Table:
    if name not in TABLES:
        raise NotFound(_("There is no such export."))
    if account().role not in TABLES[name].roles:
        raise Forbidden(_("This export is not for your role."), _("Choose another one."))
    return TABLES[name]


def _page(table: Table, form: ExportForm) -> str:
    here = request.path
    tabs = [
        (LABELS[one.name], url_for("jobs.export_table", name=one.name), one is table, None)
        for one in tables_for(account().role)
    ]
    return render_template(
        "jobs/export.html",
        table=table,
        form=form,
        tabs=tabs,
        here=here,
        days=parts().settings.export_days,
        zone=words().zone.key,
    )
