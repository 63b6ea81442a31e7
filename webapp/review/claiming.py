"""Working beside others: claims, presence and notes."""

import re
from urllib.parse import parse_qsl

from flask import Response, flash, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from webapp.access import account, parts, reviewers_only
from webapp.htmx import go_to, tagged, wants_fragment
from webapp.review import case, claims, notes, presence
from webapp.review.blueprint import Answer, blueprint
from webapp.review.context import case_context, file_of, lease
from webapp.review.evidence import note_entries
from webapp.review.forms import NoteForm
from webapp.review.present import ClaimView
from webapp.review.queue import Filter

# Claims


@blueprint.get("/<key:certificate_id>/claim")
@reviewers_only
def claim_now(certificate_id: str) -> Response:
    """Who works on the case now, for its page or (``row``) for its row in the queue."""
    return tagged(_fragment(certificate_id, request.args.get("row")))


@blueprint.post("/<key:certificate_id>/claim")
@reviewers_only
def claim(certificate_id: str) -> Answer:
    """Claim the case, unless somebody else was faster."""
    file_of(certificate_id)
    with parts().database.writing() as session:
        claims.take(session, certificate_id, account().actor, parts().desk.clock(), lease())
    return _answer(certificate_id)


@blueprint.post("/<key:certificate_id>/take-over")
@reviewers_only
def take_over(certificate_id: str) -> Answer:
    """Take the case from whoever holds it by the claim that the reader saw; they are told."""
    file_of(certificate_id)
    seen = request.form.get("claim", "")
    with parts().database.writing() as session:
        claims.take_over(session, certificate_id, seen, account().actor, parts().desk.clock(), lease())
    return _answer(certificate_id)


@blueprint.post("/<key:certificate_id>/release")
@reviewers_only
def release(certificate_id: str) -> Answer:
    """Let go of one's own claim."""
    file_of(certificate_id)
    with parts().database.writing() as session:
        claims.release(session, certificate_id, account().actor, parts().desk.clock())
    return _answer(certificate_id)


def _answer(certificate_id: str) -> Answer:
    """How the case stands now: in its place with htmx, as a message on the page that the reader came from without."""
    if wants_fragment():
        return _fragment(certificate_id, request.form.get("row")), 200
    now = _claim(certificate_id)
    flash(f"{now.domain}: {now.words}", "warning" if now.is_theirs else "success")
    back = request.form.get("back")
    if back is None:
        return go_to(url_for("review.item", certificate_id=certificate_id))
    wanted = Filter.read(MultiDict(parse_qsl(back)))
    return go_to(wanted.url(wanted.page))


def _claim(certificate_id: str) -> ClaimView:
    file = file_of(certificate_id)
    with parts().database.reading() as session:
        return case.claim_of(session, file, account(), parts().desk.clock())


def _fragment(certificate_id: str, row: str | None) -> str:
    if row:
        return render_template("review/_claim_cell.html", claim=_claim(certificate_id))
    file = file_of(certificate_id)
    with parts().database.reading() as session:
        claim, lost, _trace = case.claim_with_trace(session, file, account(), parts().desk.clock())
    return render_template("review/_claim.html", claim=claim, lost=lost)


# Presence


@blueprint.get("/<key:certificate_id>/presence")
@reviewers_only
def look(certificate_id: str) -> Response:
    """Who else looks. Being asked is the sign that the reader's page is still open; ``active``, that they work on it.

    It is a GET although it notes something, because a page that keeps itself up to date must not keep a session alive.
    """
    visit = _visit(request.args)
    now, me = parts().desk.clock(), account().actor
    file_of(certificate_id)
    if visit is not None:
        with parts().database.writing() as session:
            presence.come(session, visit, certificate_id, me, now, _stay(request.args))
            if request.args.get("active"):
                claims.renew(session, certificate_id, me, now, lease())
    with parts().database.reading() as session:
        looking = presence.others(session, certificate_id, me, now)
    return tagged(render_template("review/_presence.html", key=certificate_id, looking=looking, visit=visit or ""))


@blueprint.post("/<key:certificate_id>/leave")
@reviewers_only
def leave(certificate_id: str) -> BaseResponse:
    """The reader's page was left or hidden."""
    visit = _visit(request.form)
    if visit is not None:
        with parts().database.writing() as session:
            presence.leave(session, visit, certificate_id, account().actor, _stay(request.form))
    return Response(status=204)


def _visit(values: MultiDict[str, str]) -> str | None:
    found = re.fullmatch("[0-9a-f]{32}", values.get("visit", ""))
    return found[0] if found else None


def _stay(values: MultiDict[str, str]) -> int:
    """Which of the page's stays it is; a number that no page of ours would send counts as the first."""
    found = re.fullmatch("[1-9][0-9]{0,5}", values.get("stay", ""))
    return int(found[0]) if found else 1


# Notes


@blueprint.get("/<key:certificate_id>/notes")
@reviewers_only
def notes_now(certificate_id: str) -> Response:
    """What reviewers wrote about the case."""
    return tagged(_notes(certificate_id, NoteForm(formdata=None)))


@blueprint.post("/<key:certificate_id>/note")
@reviewers_only
def add_note(certificate_id: str) -> Answer:
    """Write a note for other reviewers, without deciding anything."""
    file_of(certificate_id)
    form = NoteForm()
    if not form.validate():
        if wants_fragment():
            return _notes(certificate_id, form), 422
        return render_template("review/item.html", **case_context(certificate_id, note=form)), 422
    with parts().database.writing() as session:
        note = notes.new_note(certificate_id, account().actor, form.text.data or "", parts().desk.clock())
        notes.add(session, note)
    if wants_fragment():
        return _notes(certificate_id, NoteForm(formdata=None)), 200
    return redirect(url_for("review.item", certificate_id=certificate_id, _anchor="notes"), 303)


def _notes(certificate_id: str, form: NoteForm) -> str:
    file_of(certificate_id)
    with parts().database.reading() as session:
        written = note_entries(notes.notes_of(session, certificate_id), account())
    return render_template("review/_notes.html", key=certificate_id, notes=written, note_form=form)
