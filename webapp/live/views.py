"""The pages' side of live updates: what every page has that changes by itself.

That is a new ticket for a page that has been open for longer than its first one lasts, and the navigation's counts.
"""

from flask import Blueprint, Response, jsonify, render_template, request

from webapp import context
from webapp.access import account, reviewers_only
from webapp.htmx import tagged

blueprint = Blueprint("live", __name__)


@blueprint.get("/live-ticket")
def renew_ticket() -> Response:
    """What opens the stream from now on, as JSON; whoever is not signed in is sent to sign in, as everywhere."""
    return jsonify(ticket=context.live_ticket(account()))


@blueprint.get("/navigation")
@reviewers_only
def navigation() -> Response:
    """The navigation as it is now, for a page about the subject ``here``."""
    subject, viewer = request.args.get("here", ""), account()
    return tagged(
        render_template(
            "_navigation.html",
            nav=context.navigation(viewer, subject),
            nav_url=context.navigation_url(viewer, subject),
        )
    )
