"""One mapping from what went wrong to a page, or a fragment, that says what to do next."""

import logging
from secrets import token_hex
from typing import NamedTuple

from flask import Flask, Response, g, render_template, request, url_for
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from certlifecycle import EventRefused, phrase
from webapp.accounts.models import Account
from webapp.certificates.models import History
from webapp.errors import DeskError, Superseded, TooOften
from webapp.htmx import wants_fragment
from webapp.wording import EVENT_WORDS, STATE_WORDS, _, actor_name, happened, words

log = logging.getLogger("desk")

REFUSALS = frozenset({400, 403, 413, 429})
"""Answers to somebody who tried what they may not, or too much of it, or with a form that is not theirs."""


class Words(NamedTuple):
    """What a person reads about a status code."""

    title: str
    explanation: str
    advice: str


WORDS = {
    400: Words(
        phrase("This request could not be read"),
        phrase("Something in it was not what the desk expects."),
        phrase("Go back, check what you entered, and send it again."),
    ),
    403: Words(phrase("Not for you"), phrase("You may not do this."), phrase("Go back to the start page.")),
    404: Words(
        phrase("Nothing here"),
        phrase("There is no such page, or it belongs to somebody else."),
        phrase("Check the address, or look for it in your lists."),
    ),
    405: Words(
        phrase("Not this way"),
        phrase("This address does not take that kind of request."),
        phrase("Go back and use the page’s own buttons."),
    ),
    409: Words(
        phrase("Not possible any more"),
        phrase("The certificate is not in the state that this needs."),
        phrase("Look at the certificate as it is now."),
    ),
    413: Words(
        phrase("Too large"),
        phrase("What was sent is larger than the desk takes."),
        phrase("A CSR has a few thousand characters, a file of orders 20 MiB at most. Check which file you chose."),
    ),
    422: Words(
        phrase("Something is missing"),
        phrase("The form was not filled in as needed."),
        phrase("Go back and correct it."),
    ),
    500: Words(
        phrase("The desk made a mistake"),
        phrase("Nothing that you did just now was recorded."),
        phrase("Try again in a minute. If it happens again, tell us the reference."),
    ),
}


def install(app: Flask) -> None:
    """Register the handlers."""
    app.register_error_handler(DeskError, _desk_error)
    app.register_error_handler(TooOften, _too_often)
    app.register_error_handler(EventRefused, _event_refused)
    app.register_error_handler(CSRFError, _csrf_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _mistake)
    app.after_request(_note_refusal)


def show(code: int, text: Words, reference: str | None = None) -> tuple[str, int]:
    """Render an error as a page or, for htmx, as a notice."""
    template = "errors/_error.html" if wants_fragment() else "errors/error.html"
    # Texts of the table above are looked up; those that were made for the occasion already are.
    context: dict[str, object] = {name: _(part) for name, part in text._asdict().items()}
    context |= {"code": code, "action": _way_on(code), "reference": reference}
    return render_template(template, **context), code


def _way_on(code: int) -> tuple[str, str]:
    """A link to go on with: to the certificate that was refused something, else to the start page."""
    certificate_id = (request.view_args or {}).get("certificate_id")
    if code == 409 and certificate_id is not None:
        return _("To the certificate"), url_for("certificates.details", certificate_id=certificate_id)
    return _("To the start page"), url_for("home")


def _note_refusal(response: Response) -> Response:
    """Leave a line in the log where somebody was turned away: without the form's secret, the right, or patience."""
    if response.status_code in REFUSALS:
        who: Account | None = g.get("account")
        # A path may hold line breaks; as a literal of ASCII it cannot pretend to be another line.
        told = (response.status_code, request.method, ascii(request.path), who.id if who else "nobody")
        log.warning("Refused with %s: %s %s by %s from %s", *told, request.remote_addr)
    return response


def _desk_error(error: DeskError) -> tuple[str, int]:
    if isinstance(error, Superseded):
        return show(error.status, Words(error.title, tell_rows(error), error.advice))
    advice = error.advice or WORDS[error.status].advice
    return show(error.status, Words(error.title, error.detail, advice))


def _too_often(error: TooOften) -> tuple[str, int, dict[str, str]]:
    page, status = show(error.status, Words(error.title, error.detail, error.advice))
    return page, status, {"Retry-After": str(error.seconds)}


def tell_rows(error: Superseded) -> str:
    """Who did what, and when, since the page was made."""
    return words().sentences(error.detail, *(tell_row(row) for row in error.rows))


def tell_row(row: History) -> str:
    """Who did what, and when."""
    what, who = happened(row.event, row.to_state), actor_name(row.actor_name)
    return _("{deed} by {who}, {at}.", deed=what, who=who, at=row.at)


def _event_refused(error: EventRefused) -> tuple[str, int]:
    permission = error.permission
    why = [words().say(one.sentence) for one in (*permission.refusals, *permission.missing)]
    tried, state = EVENT_WORDS[permission.event], STATE_WORDS[permission.state]
    instead = [EVENT_WORDS[event] for event in error.instead]
    refused = _("“{tried}” is not possible: the certificate stands at “{state}”.", tried=tried, state=state)
    explanation = words().sentences(refused, *why)
    advice = _("Possible now: {events}.", events=instead) if instead else _("There is nothing for you to do here now.")
    return show(409, Words(WORDS[409].title, explanation, advice))


def _csrf_error(_error: CSRFError) -> tuple[str, int]:
    return show(
        400,
        Words(
            phrase("This form is too old"),
            phrase("It was made before you signed in, or in another session. Nothing was recorded."),
            phrase("Go back, load the page again, and send the form once more."),
        ),
    )


def _http_error(error: HTTPException) -> tuple[str, int] | HTTPException:
    code = error.code or 500
    if 300 <= code < 400:
        return error
    return show(code, WORDS.get(code, WORDS[500 if code >= 500 else 400]))


def _mistake(error: Exception) -> tuple[str, int]:
    reference = token_hex(4).upper()
    log.exception("Unexpected error %s at %s %s", reference, request.method, ascii(request.path), exc_info=error)
    return show(500, WORDS[500], reference)
