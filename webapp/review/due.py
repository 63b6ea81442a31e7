"""How near a deadline is, in a word and in a colour."""

from datetime import datetime, timedelta

from webapp.wording import relative

SOON = timedelta(days=1)
"""A case that is due within this time stands out."""


def pace(due_at: datetime, now: datetime) -> str:
    """How a deadline is shown: normal, soon or overdue."""
    return "overdue" if now >= due_at else "soon" if due_at - now <= SOON else "normal"


def due_words(due_at: datetime, now: datetime) -> str:
    """``due in 6 hours``, ``2 days late``."""
    if now < due_at:
        return f"due {relative(due_at, now)}"
    late = relative(due_at, now)
    return "due just now" if late == "just now" else f"{late.removesuffix(' ago')} late"
