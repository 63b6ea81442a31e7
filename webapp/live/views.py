"""The pages' side of live updates: a new ticket for a page that has been open for longer than its first one lasts."""

from flask import Blueprint, Response, jsonify

from webapp.access import account
from webapp.context import live_url

blueprint = Blueprint("live", __name__)


@blueprint.get("/live-ticket")
def renew_ticket() -> Response:
    """Where to open the stream from now on, as JSON; whoever is not signed in is sent to sign in, as everywhere."""
    return jsonify(url=live_url(account()))
