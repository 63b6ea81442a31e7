"""Internal notes: what reviewers write for each other. No page, mail or file for a customer ever reads them."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from certlifecycle import Actor
from webapp.certificates.models import Certificate
from webapp.desk import Also
from webapp.live.signals import tell
from webapp.live.tickets import REVIEW_TOPIC
from webapp.review.models import ReviewNote


def new_note(certificate_id: str, who: Actor, text: str, now: datetime, event: str = "") -> ReviewNote:
    """A note, to be written together with a decision (``event``) or by :func:`add`."""
    return ReviewNote(
        certificate_id=certificate_id,
        author_id=who.id,
        author_name=who.name,
        event=event,
        text=text,
        at=now,
    )


def add(session: Session, note: ReviewNote) -> None:
    """Write a note by itself, inside the caller's transaction; other reviewers who look at the case see it come."""
    session.add(note)
    session.flush()
    tell(session, REVIEW_TOPIC, f"note-{note.certificate_id}")


def notes_of(session: Session, certificate_id: str) -> Sequence[ReviewNote]:
    """What reviewers wrote about a case, the latest first."""
    newest = (col(ReviewNote.at).desc(), col(ReviewNote.id))
    return session.exec(select(ReviewNote).where(ReviewNote.certificate_id == certificate_id).order_by(*newest)).all()


def alongside(written: Sequence[ReviewNote]) -> Also:
    """What writes these notes in the transaction of the decision that they belong to, or not at all."""

    def write(session: Session, _decided: Certificate) -> None:
        session.add_all(written)

    return write
