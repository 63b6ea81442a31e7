"""The admin's pages about payments: what is connected, what is to be looked into, and what providers told."""

from flask import Blueprint, Response, request
from sqlmodel import col, func, select

from certlifecycle import Role
from webapp.access import only, parts
from webapp.htmx import live_page
from webapp.payments import bank_views, books_views, present
from webapp.payments.bank_queries import known_refunds
from webapp.payments.models_outside import ProviderNotification
from webapp.payments.paging import Page, Place
from webapp.payments.queries import concerns, last_days

blueprint = Blueprint("payments", __name__, url_prefix="/payments")
blueprint.register_blueprint(bank_views.blueprint)
blueprint.register_blueprint(books_views.blueprint)

admins_only = only(Role.ADMIN)
PAGE_SIZE = 50


@blueprint.get("")
@admins_only
def overview() -> Response:
    """What is to be looked into, and every way of paying."""
    now, bank = parts().desk.clock(), parts().payments.bank
    with parts().database.reading() as session:
        found = concerns(session, now, by_hand=bank is not None and bank.settings.folder is None)
        days = last_days(session)
    return live_page(
        "payments/overview.html",
        concerns=present.concern_rows(found),
        ways=present.ways(parts().payments, parts().settings.public_url, days, now),
    )


@blueprint.get("/notifications")
@admins_only
def notifications() -> Response:
    """What providers told, the latest first."""
    with parts().database.reading() as session:
        total = session.exec(select(func.count()).select_from(ProviderNotification)).one()
        place = Place.within(request.args.get("page", 1, type=int), PAGE_SIZE, total)
        newest = (col(ProviderNotification.received_at).desc(), col(ProviderNotification.id).desc())
        wanted = select(ProviderNotification).order_by(*newest).offset(place.offset).limit(place.size)
        rows = session.exec(wanted).all()
        known = known_refunds(session, [one.refund_no for one in rows])
    return live_page("payments/notifications.html", page=Page(present.notification_rows(rows, known), place))
