"""One route, two answers: the whole page for a browser, the fragment for htmx."""

from hashlib import sha256

from flask import Flask, Response, make_response, redirect, render_template
from flask_wtf.csrf import generate_csrf
from htmx_flask import Htmx, request
from werkzeug.wrappers import Response as BaseResponse

from webapp.paths import is_own_path


def install(app: Flask) -> None:
    """Give requests their ``htmx`` attribute and keep caches from mixing the two answers up."""
    Htmx(app)

    @app.after_request
    def vary(response: Response) -> Response:
        response.vary.add("HX-Request")
        return response


def wants_fragment() -> bool:
    """Whether htmx asks for a part of the page. A boosted or history request gets the whole page."""
    htmx = request.htmx
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def go_to(url: str) -> BaseResponse:
    """Send the reader to another page after a change: 303 for a form, ``HX-Redirect`` for htmx.

    Raises :class:`ValueError` for what is no path of this console: no request decides alone where its answer leads.
    """
    if not is_own_path(url):
        raise ValueError("Only paths of this console are gone to.")
    if wants_fragment():
        return Response(status=204, headers={"HX-Redirect": url})
    return redirect(url, 303)


def live_page(template: str, **context: object) -> Response:
    """A page, or the fragment of it that lives: ``x/_y.html`` beside ``x/y.html``, made from the same context."""
    if wants_fragment():
        folder, _, name = template.rpartition("/")
        return tagged(render_template(f"{folder}/_{name}", **context))
    return make_response(render_template(template, **context))


def tagged(html: str) -> Response:
    """A fragment with an entity tag, so that asking again for what has not changed costs next to nothing.

    No cache keeps it; ``live.js`` remembers it for as long as the page is open.
    """
    response = make_response(html)
    # The form's secret is signed anew for every answer and says nothing about the content.
    response.set_etag(sha256(html.replace(generate_csrf(), "").encode()).hexdigest()[:32])
    response.make_conditional(request)
    return response


def replaces_more(response: Response, selector: str) -> None:
    """Let an answer take the place of more of the page than asked for it: of what ``selector`` names there, whole."""
    response.headers["HX-Retarget"] = response.headers["HX-Reselect"] = selector
