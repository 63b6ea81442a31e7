"""One route, two answers: the whole page for a browser, the fragment for htmx."""

from flask import Flask, Response, redirect
from htmx_flask import Htmx, request
from werkzeug.wrappers import Response as BaseResponse


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
    """Send the reader to another page after a change: 303 for a form, ``HX-Redirect`` for htmx."""
    if wants_fragment():
        return Response(status=204, headers={"HX-Redirect": url})
    return redirect(url, 303)
