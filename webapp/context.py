"""What every page's template knows."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from flask import Flask, g, request, url_for
from sqlmodel import Session, col, func, select

from certlifecycle import REVIEWERS, Role, State
from webapp.access import parts
from webapp.accounts.models import Account
from webapp.catalogue import product_words
from webapp.certificates.models import Certificate, History
from webapp.counting import counted
from webapp.htmx import wants_fragment
from webapp.jobs.models import Job
from webapp.jobs.queries import under_way
from webapp.live.tickets import issue_ticket
from webapp.outbox.queries import how_much_is_stuck
from webapp.wording import _, pgettext

THEMES = ("auto", "light", "dark")

NavItem = tuple[str, str, bool, int | None]


def install(app: Flask) -> None:
    """Register the context processor, and note what is known before a page reads anything."""
    app.jinja_env.filters["product"] = product_words

    @app.before_request
    def remember_since() -> None:
        g.since = None
        if g.get("account") is not None and not wants_fragment():
            with parts().database.reading() as session:
                # Read before the page's own data: what changes in between is told again, never missed.
                g.since = session.exec(select(func.max(History.id))).one() or 0

    @app.context_processor
    def page() -> dict[str, Any]:
        viewer: Account | None = g.get("account")
        theme = request.cookies.get(parts().settings.cookie_name("theme"), "auto")
        return {
            "shop_name": parts().settings.shop_name,
            "theme": theme if theme in THEMES else "auto",
            "current_account": viewer,
            "nav": [] if wants_fragment() else navigation(viewer, here()),
            "nav_url": navigation_url(viewer, here()),
            "jobs_under_way": [] if wants_fragment() else jobs_under_way(viewer),
            "live_url": parts().settings.live_url,
            "live_ticket": live_ticket(viewer),
            "live_ticket_url": url_for("live.renew_ticket"),
            "proof_minutes": parts().settings.sign_in.proof_minutes,
        }


def live_ticket(viewer: Account | None) -> str | None:
    """What this page shows the hub to be told changes: it names what may be told."""
    since: int | None = g.get("since")
    if viewer is None or since is None:
        return None
    settings = parts().settings
    topic = "review" if viewer.role in REVIEWERS else f"customer:{viewer.holder_id}"
    return issue_ticket(
        settings.secret_key,
        session_key=g.session_key,
        account_id=viewer.id,
        topics=[topic],
        since=since,
    )


def here() -> str:
    """The subject of this request's page: the name of its blueprint."""
    return (request.endpoint or "").partition(".")[0]


def navigation_url(viewer: Account | None, subject: str) -> str | None:
    """Where the navigation of a page about this subject comes from anew; only those who decide have counts in it."""
    return url_for("live.navigation", here=subject) if viewer is not None and viewer.role in REVIEWERS else None


def navigation(viewer: Account | None, subject: str) -> list[NavItem]:
    """The places of the console for this person: label, address, whether it is here, and how much waits there."""
    if viewer is None:
        return []
    if viewer.role in REVIEWERS:
        with parts().database.reading() as session:
            places = [
                (_("Review"), "review.queue", how_much_waits(session)),
                (_("Certificates"), "certificates.list_certificates", None),
                (_("Figures"), "figures.page", None),
            ]
            if viewer.role == Role.ADMIN:
                places.append((_("Payments"), "payments.overview", None))
                places.append((_("Outbox"), "outbox.outbox", how_much_is_stuck(session)))
                places.append((_("Audit trail"), "audit.trail", None))
                places.append((_("People"), "people.overview", None))
    else:
        places = [
            (_("Home"), "home", None),
            (_("Certificates"), "certificates.list_certificates", None),
            (pgettext("in the menu", "Order"), "ordering.price_list", None),
            (_("Refunds"), "refunds.list_refunds", None),
        ]
    return [
        (label, url_for(endpoint), endpoint.partition(".")[0] == subject, count) for label, endpoint, count in places
    ]


def jobs_under_way(viewer: Account | None) -> Sequence[Job]:
    """What this person has had begun and is not finished yet."""
    if viewer is None:
        return []
    with parts().database.reading() as session:
        return under_way(session, viewer)


def how_much_waits(session: Session) -> int:
    """How many certificates wait for a reviewer, those of each state as far as :mod:`~webapp.counting` goes."""
    state, by_age = col(Certificate.state), col(Certificate.state_since)
    waiting = (counted(Certificate, state == one, along=by_age) for one in (State.SUBMITTED, State.REFUND_REQUESTED))
    return int(sum(session.execute(sa.select(*waiting)).one()))
