"""What the desk knows about whoever is signed in: taking it along."""

from flask import Blueprint, render_template, request, url_for
from werkzeug.wrappers import Response

from webapp.access import account, by, parts
from webapp.columns import new_id
from webapp.htmx import go_to
from webapp.privacy import export

blueprint = Blueprint("privacy", __name__, url_prefix="/account/data")


@blueprint.get("")
def overview() -> str:
    """What there is, and what can be done with it."""
    return render_template(
        "privacy/overview.html", days=parts().settings.export_days, once=new_id(), email=account().email
    )


@blueprint.post("/export")
def export_post() -> Response:
    """Have it all put together; the job's page shows how far that is."""
    job_id = export.start(parts().jobs, by(), once=request.form.get("once", "")[:32] or None)
    return go_to(url_for("jobs.details", job_id=job_id))
