"""Claims: who works on a case, for a while, so that two do not do the same work.

A claim is an aid and never a lock: what may happen to a certificate is for the door to say, whoever holds the case.
Each act is one conditional statement, so that of two who claim at once exactly one holds the case; each leaves its
trace and has the other reviewers told, all in the caller's transaction.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, delete, select, update

from certlifecycle import Actor
from webapp.certificates.models import Certificate
from webapp.columns import UtcDateTime, new_id
from webapp.db import insert_unless, rows_changed
from webapp.live.signals import tell
from webapp.live.tickets import REVIEW_TOPIC
from webapp.review.models import ClaimAct, ReviewClaim, ReviewClaimEvent
from webapp.review.queries import KINDS

RENEWED_AFTER = 3
"""A claim is renewed once a third of its time has passed; sooner would only make noise."""

TOLD_FOR = timedelta(hours=1)
"""How long somebody is shown that a case was taken over from them."""


# Looking


def standing(session: Session, certificate_ids: Iterable[str], now: datetime) -> dict[str, ReviewClaim]:
    """The claims that hold now, by certificate."""
    wanted = col(ReviewClaim.certificate_id).in_(list(certificate_ids))
    found = session.exec(select(ReviewClaim).where(wanted, col(ReviewClaim.until) > now)).all()
    return {claim.certificate_id: claim for claim in found}


def holders(session: Session, now: datetime) -> dict[str, str]:
    """Who holds what now: the account's id, by certificate."""
    found = session.exec(
        select(ReviewClaim.certificate_id, ReviewClaim.holder_id).where(col(ReviewClaim.until) > now)
    ).all()
    return dict(found)


def held(session: Session, certificate_id: str, now: datetime) -> ReviewClaim | None:
    """The claim on one case, where one holds now."""
    return standing(session, [certificate_id], now).get(certificate_id)


def trace(session: Session, certificate_id: str) -> Sequence[ReviewClaimEvent]:
    """All that was done with claims on one case, the latest first."""
    newest = col(ReviewClaimEvent.id).desc()
    return session.exec(
        select(ReviewClaimEvent).where(ReviewClaimEvent.certificate_id == certificate_id).order_by(newest)
    ).all()


def taken_from(session: Session, who: Actor, now: datetime) -> list[tuple[ReviewClaimEvent, Certificate]]:
    """What others have taken over from somebody of late, while the case still waits for a reviewer."""
    return list(
        session.exec(
            select(ReviewClaimEvent, Certificate)
            .join(Certificate, col(Certificate.id) == ReviewClaimEvent.certificate_id)
            # Still in the hands of whoever took it over: what came back, or was let go, is no news any more.
            .join(
                ReviewClaim,
                sa.and_(
                    col(ReviewClaim.certificate_id) == ReviewClaimEvent.certificate_id,
                    col(ReviewClaim.holder_id) == ReviewClaimEvent.actor_id,
                    col(ReviewClaim.since) == ReviewClaimEvent.at,
                ),
            )
            .where(
                ReviewClaimEvent.from_id == who.id,
                ReviewClaimEvent.act == ClaimAct.TAKEN_OVER,
                col(ReviewClaimEvent.at) > now - TOLD_FOR,
                col(Certificate.state).in_(tuple(KINDS)),
            )
            .order_by(col(ReviewClaimEvent.id).desc())
        )
    )


# Acting


def take(session: Session, certificate_id: str, who: Actor, now: datetime, lease: timedelta) -> bool:
    """Claim a case for as long as ``lease``, or renew one's own claim; returns whether it is the account's now.

    It is not when somebody else's claim holds, or when the case waits for nobody.
    """
    if _renew(session, certificate_id, who, now, now + lease):
        return True
    if not _claim(session, certificate_id, who, now, now + lease):
        return False
    _note(session, certificate_id, ClaimAct.CLAIMED, who, now)
    return True


def renew(session: Session, certificate_id: str, who: Actor, now: datetime, lease: timedelta) -> bool:
    """Keep one's own claim while one works on the case; returns whether there was anything to renew yet."""
    worn = now + lease - lease / RENEWED_AFTER
    return _renew(session, certificate_id, who, now, now + lease, worn)


def take_over(
    session: Session, certificate_id: str, claim_id: str, who: Actor, now: datetime, lease: timedelta
) -> bool:
    """Take a case from whoever holds it by this very claim; returns ``False`` where that claim is no more."""
    seen = session.exec(
        select(ReviewClaim).where(ReviewClaim.certificate_id == certificate_id, ReviewClaim.id == claim_id)
    ).first()
    if seen is None or seen.holder_id == who.id:
        return False
    former_id, former_name = seen.holder_id, seen.holder_name
    result = session.exec(
        update(ReviewClaim)
        .where(col(ReviewClaim.certificate_id) == certificate_id, col(ReviewClaim.id) == claim_id)
        .values(_holding(who, now, now + lease))
        .execution_options(synchronize_session=False)
    )
    if rows_changed(result) != 1:
        return False
    _note(session, certificate_id, ClaimAct.TAKEN_OVER, who, now, (former_id, former_name))
    return True


def release(session: Session, certificate_id: str, who: Actor, now: datetime) -> bool:
    """Let go of one's own claim; returns whether one held it."""
    if not _drop(session, certificate_id, col(ReviewClaim.holder_id) == who.id, col(ReviewClaim.until) > now):
        return False
    _note(session, certificate_id, ClaimAct.RELEASED, who, now)
    return True


def settle(session: Session, certificate_id: str, who: Actor, now: datetime, *, waits: bool) -> None:
    """End what a decision ends: one's own claim, and anybody's once the case ``waits`` for no reviewer any more."""
    claim = held(session, certificate_id, now)
    if claim is None:
        return
    if claim.holder_id == who.id:
        act, former = ClaimAct.DECIDED, None
    else:
        act, former = ClaimAct.PASSED_OVER, (claim.holder_id, claim.holder_name)
    if act is ClaimAct.DECIDED or not waits:
        _drop(session, certificate_id, col(ReviewClaim.id) == claim.id)
    _note(session, certificate_id, act, who, now, former)


# Inside


def _holding(who: Actor, now: datetime, until: datetime) -> dict[str, object]:
    return {
        "id": new_id(),
        "holder_id": who.id,
        "holder_name": who.name,
        "since": now,
        "until": until,
    }


def _claim(session: Session, certificate_id: str, who: Actor, now: datetime, until: datetime) -> bool:
    """One statement: the case waits, and nobody's claim holds."""
    values = _holding(who, now, until)
    waiting = sa.select(
        col(Certificate.id),
        *(sa.literal(value, UtcDateTime() if isinstance(value, datetime) else None) for value in values.values()),
    ).where(col(Certificate.id) == certificate_id, col(Certificate.state).in_(tuple(KINDS)))
    taken = session.execute(
        insert_unless(session, ReviewClaim)
        .from_select(["certificate_id", *values], waiting)
        .on_conflict_do_update(
            index_elements=["certificate_id"],
            set_=values,
            where=col(ReviewClaim.until) <= now,
        )
        .returning(col(ReviewClaim.id))
    )
    return taken.first() is not None


def _renew(
    session: Session,
    certificate_id: str,
    who: Actor,
    now: datetime,
    until: datetime,
    worn: datetime | None = None,
) -> bool:
    mine = [
        col(ReviewClaim.certificate_id) == certificate_id,
        col(ReviewClaim.holder_id) == who.id,
        col(ReviewClaim.until) > now,
    ]
    if worn is not None:
        mine.append(col(ReviewClaim.until) <= worn)
    result = session.exec(update(ReviewClaim).where(*mine).values(until=until))
    if rows_changed(result) != 1:
        return False
    _tell(session, certificate_id)
    return True


def _drop(session: Session, certificate_id: str, *conditions: sa.ColumnElement[bool]) -> bool:
    result = session.exec(delete(ReviewClaim).where(col(ReviewClaim.certificate_id) == certificate_id, *conditions))
    return rows_changed(result) == 1


def _note(
    session: Session,
    certificate_id: str,
    act: ClaimAct,
    who: Actor,
    now: datetime,
    former: tuple[str, str] | None = None,
) -> None:
    from_id, from_name = former or (None, None)
    session.add(
        ReviewClaimEvent(
            certificate_id=certificate_id,
            act=act,
            actor_id=who.id,
            actor_name=who.name,
            from_id=from_id,
            from_name=from_name,
            at=now,
        )
    )
    _tell(session, certificate_id)


def _tell(session: Session, certificate_id: str) -> None:
    tell(session, REVIEW_TOPIC, "claims", f"claim-{certificate_id}")
