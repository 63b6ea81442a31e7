"""Presence: who else has a case open.

A page about a case says every few seconds that it is still there, by the same questions that keep it up to date, and
says good-bye when it is left. A page that can do neither (no scripts, a dead machine) counts for a short while, and so
does one whose last sign was still on its way when it was left, and came after its good-bye.
"""

from datetime import datetime, timedelta

from sqlmodel import Session, col, delete, select, update

from certlifecycle import Actor
from webapp.accounts.models import Account
from webapp.db import insert_unless, rows_changed
from webapp.live.signals import tell
from webapp.live.tickets import REVIEW_TOPIC
from webapp.review.models import ReviewVisit

GONE_AFTER = timedelta(seconds=45)
"""After this long without a sign a page counts as left: three heartbeats of the hub."""


def come(session: Session, visit: str, certificate_id: str, who: Actor, now: datetime) -> None:
    """Note that a page is open, inside the caller's transaction; the others are told when it was not before."""
    mine = [
        col(ReviewVisit.id) == visit,
        col(ReviewVisit.certificate_id) == certificate_id,
        col(ReviewVisit.account_id) == who.id,
    ]
    known = session.exec(
        update(ReviewVisit).where(*mine, col(ReviewVisit.seen_at) > now - GONE_AFTER).values(seen_at=now)
    )
    if rows_changed(known) == 1:
        return
    session.exec(delete(ReviewVisit).where(*mine))
    # Whatever was left behind without a good-bye goes here, so that the table stays as small as the team.
    session.exec(delete(ReviewVisit).where(col(ReviewVisit.seen_at) <= now - 10 * GONE_AFTER))
    row = {"id": visit, "certificate_id": certificate_id, "account_id": who.id, "seen_at": now}
    # The same page may say so twice at once; another's page with this name is nothing that a page of ours would send.
    insert = insert_unless(session, ReviewVisit).values(row).on_conflict_do_nothing()
    if session.execute(insert.returning(col(ReviewVisit.id))).first() is not None:
        _tell(session, certificate_id)


def leave(session: Session, visit: str, certificate_id: str, who: Actor) -> None:
    """Note that a page was left, inside the caller's transaction."""
    gone = session.exec(
        delete(ReviewVisit).where(
            col(ReviewVisit.id) == visit,
            col(ReviewVisit.certificate_id) == certificate_id,
            col(ReviewVisit.account_id) == who.id,
        )
    )
    if rows_changed(gone) == 1:
        _tell(session, certificate_id)


def others(session: Session, certificate_id: str, viewer: Actor, now: datetime) -> list[str]:
    """The names of the other reviewers who have the case open, in alphabetical order."""
    found = session.exec(
        select(Account.id, Account.name)
        .join(ReviewVisit, col(ReviewVisit.account_id) == Account.id)
        .where(
            ReviewVisit.certificate_id == certificate_id,
            ReviewVisit.account_id != viewer.id,
            col(ReviewVisit.seen_at) > now - GONE_AFTER,
        )
        .distinct()
    ).all()
    return sorted(name for _, name in found)


def _tell(session: Session, certificate_id: str) -> None:
    tell(session, REVIEW_TOPIC, f"looking-{certificate_id}")
