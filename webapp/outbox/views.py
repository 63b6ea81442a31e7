"""What the desk owes the outside, and having it tried again: for administrators alone."""

from flask import Blueprint, flash, render_template, request
from werkzeug.wrappers import Response

from certlifecycle import Role
from webapp.access import by, only, parts
from webapp.htmx import go_to, live_page
from webapp.outbox import present, queries, retrying
from webapp.outbox.forms import ReasonForm, RetryForm
from webapp.outbox.papers import papers
from webapp.outbox.present import Outbox, View
from webapp.outbox.queries import LONGEST_ATTEMPT, Kind, Place, Running, Standing
from webapp.outbox.retrying import Result
from webapp.wording import words

blueprint = Blueprint("outbox", __name__, url_prefix="/outbox")
admins_only = only(Role.ADMIN)

Answer = tuple[str, int] | Response


# Looking


@blueprint.get("")
@admins_only
def outbox() -> Response:
    """Everything with one standing, of one kind or of all."""
    return live_page("outbox/outbox.html", outbox=_outbox(_view()))


def _view() -> View:
    """What the address asks for; what makes no sense is left out."""
    standing = request.args.get("standing", Standing.FAILING, type=Standing)
    return View(standing, request.args.get("kind", type=Kind), Place.read(request.args.get("after", "")))


def _outbox(view: View) -> Outbox:
    now = parts().desk.clock()
    running = Running.of(parts().desk.work.under_way(now - LONGEST_ATTEMPT))
    with parts().database.reading() as session:
        found = queries.entries(session, view.standing, view.kinds, running, now, view.after)
        known = papers(session, found)
        counted = queries.counts(session, running, now)
        overdue = queries.overdue_since(session)
    return present.outbox(view, found, known, counted, running, now, overdue)


# Trying again


@blueprint.post("/work/<key:key>/retry")
@admins_only
def retry_work(key: str) -> Answer:
    """Have what is due for one certificate tried again now."""
    form = RetryForm()
    if not form.validate():
        return _show_again(f"work-{key}", form)
    return _say(retrying.retry_work(parts().desk, key, by(), form.said, form.seen))


@blueprint.post("/mails/<key:key>/retry")
@admins_only
def retry_mail(key: str) -> Answer:
    """Have one mail tried again now."""
    form = ReasonForm()
    if not form.validate():
        return _show_again(f"mail-{key}", form)
    return _say(retrying.retry_mail(parts().desk, key, by(), form.said))


@blueprint.post("/mails/<key:key>/drop")
@admins_only
def drop_mail(key: str) -> Answer:
    """Let one mail be that was given up."""
    form = ReasonForm()
    if not form.validate():
        return _show_again(f"mail-{key}", form)
    return _say(retrying.drop_mail(parts().desk, key, by(), form.said))


@blueprint.post("/retry-all")
@admins_only
def retry_all() -> Answer:
    """Have all of one kind tried again that fails or was given up, and say what came of each."""
    view, form = _view(), ReasonForm()
    if view.kind is None or view.standing not in (Standing.FAILING, Standing.GIVEN_UP):
        return go_to(view.url())
    if not form.validate():
        return _show_again("all", form)
    batch = retrying.retry_many(parts().desk, view.standing, view.kind, view.after, by(), form.said)
    return render_template("outbox/result.html", batch=present.batch_view(view, batch), form=form), 200


def _say(result: Result) -> Response:
    flash(words().say(result.sentence), "success" if result.is_done else "warning")
    return go_to(_view().url())


def _show_again(key: str, form: ReasonForm) -> Answer:
    box = _outbox(_view())
    return render_template("outbox/outbox.html", outbox=present.with_form(box, key, form)), 422
