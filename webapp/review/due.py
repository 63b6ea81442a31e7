"""How near a deadline is, in a word and in a colour."""

from datetime import datetime, timedelta

from webapp.vocabulary import DUE, LATE
from webapp.wording import words

SOON = timedelta(days=1)
"""A case that is due within this time stands out."""


def pace(due_at: datetime, now: datetime) -> str:
    """How a deadline is shown: normal, soon or overdue."""
    return "overdue" if now >= due_at else "soon" if due_at - now <= SOON else "normal"


def due_words(due_at: datetime, now: datetime) -> str:
    """``due in 6 hours``, ``2 days late``."""
    seconds = int((now - due_at).total_seconds())
    return words().span(DUE if now < due_at else LATE, seconds)
