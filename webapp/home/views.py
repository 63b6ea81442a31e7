"""The start page: what needs its reader. Reviewers are led to their queue."""

from flask import redirect, url_for
from werkzeug.wrappers import Response

from certlifecycle import REVIEWERS
from webapp.access import account, parts
from webapp.certificates.listing import list_address
from webapp.home.needs import home_view
from webapp.home.queries import look
from webapp.htmx import live_page
from webapp.payments.ledger import balance, wallet


def home() -> Response:
    """A customer's needs on one page."""
    viewer = account()
    if viewer.role in REVIEWERS:
        return redirect(url_for("review.queue"), 303)
    desk, now = parts().desk, parts().desk.clock()
    with parts().database.reading() as session:
        looked = look(session, viewer, now, desk.policy)
        held = balance(session, wallet(viewer.id), parts().settings.currency)
    view = home_view(looked, desk, now)
    return live_page("home/home.html", view=view, balance=held, now=now, list_address=list_address)
