"""Presence: who else has a case open.

A page about a case says every few seconds that it is still there, by the same questions that keep it up to date, and
says good-bye when it is left. A page that can do neither (no scripts, a dead machine) counts for a short while.

What a page says may arrive in another order than it was said: its last sign of life is still on its way when it is
left, and comes after the good-bye. Every word therefore names the stay that it belongs to, a number that the page
raises when it is come back to (another tab, the browser's Back), and a stay that is over stays over.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement
from sqlmodel import Session, and_, col, delete, not_, or_, select, update

from certlifecycle import Actor
from webapp.accounts.models import Account
from webapp.db import insert_unless, rows_changed
from webapp.live.signals import tell
from webapp.live.tickets import REVIEW_TOPIC
from webapp.review.models import ReviewVisit

GONE_AFTER = timedelta(seconds=45)
"""After this long without a sign a page counts as left: three heartbeats of the hub."""


def come(session: Session, visit: str, certificate_id: str, who: Actor, now: datetime, stay: int = 1) -> None:
    """Note that a page is open, inside the caller's transaction; the others are told when it was not before.

    ``stay`` is the page's own count, from 1, of the times that it was come to. A sign from a stay that is over, or from
    one before, changes nothing.
    """
    mine = _page(visit, certificate_id, who)
    this = and_(col(ReviewVisit.stay) == stay, col(ReviewVisit.is_over).is_(False))
    is_fresh = col(ReviewVisit.seen_at) > now - GONE_AFTER
    if rows_changed(session.exec(update(ReviewVisit).where(*mine, this, is_fresh).values(seen_at=now))):
        return
    back = update(ReviewVisit).where(*mine, or_(col(ReviewVisit.stay) < stay, and_(this, not_(is_fresh))))
    if rows_changed(session.exec(back.values(stay=stay, is_over=False, seen_at=now))):
        _tell(session, certificate_id)
        return
    # Whatever was left behind goes here, so that the table stays as small as the team.
    session.exec(delete(ReviewVisit).where(col(ReviewVisit.seen_at) <= now - 10 * GONE_AFTER))
    row = {"id": visit, "certificate_id": certificate_id, "account_id": who.id, "seen_at": now, "stay": stay}
    # It is there already when the stay is over, when the same page said so twice at once, and when it is another's
    # page: that is nothing that a page of ours would send.
    insert = insert_unless(session, ReviewVisit).values(row).on_conflict_do_nothing()
    if session.execute(insert.returning(col(ReviewVisit.id))).first() is not None:
        _tell(session, certificate_id)


def leave(session: Session, visit: str, certificate_id: str, who: Actor, stay: int = 1) -> None:
    """Note that a page's stay is over, inside the caller's transaction; a stay that has begun since goes on."""
    over = update(ReviewVisit).where(
        *_page(visit, certificate_id, who),
        or_(col(ReviewVisit.stay) < stay, and_(col(ReviewVisit.stay) == stay, col(ReviewVisit.is_over).is_(False))),
    )
    if rows_changed(session.exec(over.values(stay=stay, is_over=True))):
        _tell(session, certificate_id)


def others(session: Session, certificate_id: str, viewer: Actor, now: datetime) -> list[str]:
    """The names of the other reviewers who have the case open, in alphabetical order."""
    found = session.exec(
        select(Account.id, Account.name)
        .join(ReviewVisit, col(ReviewVisit.account_id) == Account.id)
        .where(
            ReviewVisit.certificate_id == certificate_id,
            ReviewVisit.account_id != viewer.id,
            col(ReviewVisit.is_over).is_(False),
            col(ReviewVisit.seen_at) > now - GONE_AFTER,
        )
        .distinct()
    ).all()
    return sorted(name for _, name in found)


def _page(visit: str, certificate_id: str, who: Actor) -> list[ColumnElement[bool]]:
    return [
        col(ReviewVisit.id) == visit,
        col(ReviewVisit.certificate_id) == certificate_id,
        col(ReviewVisit.account_id) == who.id,
    ]


def _tell(session: Session, certificate_id: str) -> None:
    tell(session, REVIEW_TOPIC, f"looking-{certificate_id}")
