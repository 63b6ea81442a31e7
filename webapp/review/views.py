"""Looking: the queue, one case with its evidence, and the parts of both that keep themselves up to date."""

from flask import Response, flash, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from webapp.access import account, parts, reviewers_only
from webapp.columns import new_id
from webapp.goodwill import present as goodwill
from webapp.htmx import go_to, live_page, tagged
from webapp.review import claims, presence, present
from webapp.review.blueprint import blueprint
from webapp.review.context import case_context, file_of, lease
from webapp.review.queries import QueueItem
from webapp.review.queue import Filter, queue_page, within_reach
from webapp.wording import _


@blueprint.get("")
@reviewers_only
def queue() -> Response:
    """What waits for a reviewer, the most pressing first."""
    desk = parts().desk
    now = desk.clock()
    with parts().database.reading() as session:
        page = queue_page(session, Filter.read(request.args), desk.policy, account(), now)
        shown = present.queue(session, page, account(), now)
        exceptions = goodwill.waiting(session, now)
    return live_page("review/queue.html", queue=shown, exceptions=exceptions)


@blueprint.get("/next")
@reviewers_only
def next_case() -> BaseResponse:
    """To the next case that this reviewer can decide and nobody else has claimed, behind the one named ``after``."""
    following = next_of(request.args.get("after"))
    if following is None:
        flash(nothing_else(), "info")
        return go_to(url_for("review.queue"))
    return go_to(url_for("review.item", certificate_id=following))


def next_of(after: str | None = None) -> str | None:
    """The next case for this reviewer, the most pressing first; ``None`` where there is none."""
    desk = parts().desk
    with parts().database.reading() as session:
        free = within_reach(session, desk.policy, account(), desk.clock(), after)
        return next((one.waiting.certificate_id for one in free if _is_open(one)), None)


def _is_open(one: QueueItem) -> bool:
    return present.refusal(one, account()) is None


def nothing_else() -> str:
    """Why there is no next case."""
    with parts().database.reading() as session:
        held = set(claims.holders(session, parts().desk.clock()).values()) - {account().id}
    return (
        _("Nothing else waits for you. What others have claimed is left to them.")
        if held
        else _("Nothing else waits for you.")
    )


@blueprint.get("/<key:certificate_id>")
@reviewers_only
def item(certificate_id: str) -> Response:
    """One case: the evidence beside the decision. Others see that the reader has it open."""
    file_of(certificate_id)
    visit, now, me = new_id(), parts().desk.clock(), account().actor
    with parts().database.writing() as session:
        presence.come(session, visit, certificate_id, me, now)
        # To open the case is to work on it.
        claims.renew(session, certificate_id, me, now, lease())
    return live_page("review/item.html", **case_context(certificate_id, visit=visit))


@blueprint.get("/<key:certificate_id>/asked")
@reviewers_only
def asked(certificate_id: str) -> Response:
    """What is asked for, as it is now."""
    return tagged(render_template("review/_asked.html", **case_context(certificate_id)))


@blueprint.get("/<key:certificate_id>/evidence")
@reviewers_only
def evidence(certificate_id: str) -> Response:
    """The evidence as it is now."""
    return tagged(render_template("review/_evidence.html", **case_context(certificate_id)))


@blueprint.get("/<key:certificate_id>/decision")
@reviewers_only
def decision(certificate_id: str) -> Response:
    """What can be decided now."""
    return tagged(render_template("review/_decision.html", **case_context(certificate_id)))


@blueprint.get("/<key:certificate_id>/news")
@reviewers_only
def news(certificate_id: str) -> Response:
    """What others did since the reader's page was made."""
    version = request.args.get("version", 0, type=int)
    return tagged(render_template("review/_news.html", **case_context(certificate_id, version=version)))
