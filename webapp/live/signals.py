"""Telling viewers of something that is no change of a certificate: a claim, a note, somebody who looks.

A signal names an event of the page, says nothing more, and asks for nothing but another look. It is told once to
whoever is connected, and for a short while to whoever connects.
"""

import sqlalchemy as sa
from sqlmodel import Session, col, delete, func, select

from webapp.live.bus import make_signal
from webapp.live.models import LiveSignal

KEPT_ROWS = 1000
"""How many rows stay for a hub that was away for a moment."""


def tell(session: Session, topic: str, *names: str) -> None:
    """Have the viewers of a topic told, when the caller's transaction commits and not otherwise.

    The names become events of the stream: letters, digits, ``-`` and ``_`` alone; raises :class:`ValueError`.
    """
    # PostgreSQL tells the same thing once a transaction; so does this.
    signals = [make_signal(topic, name) for name in dict.fromkeys(names)]
    if session.get_bind().dialect.name != "sqlite":
        for one in signals:
            message = f"{one.topic} {one.name}"
            session.execute(sa.text("SELECT pg_notify('desk_signal', :message)"), {"message": message})
        return
    session.add_all([LiveSignal(topic=one.topic, name=one.name) for one in signals])
    session.flush()
    newest = select(func.max(LiveSignal.id)).scalar_subquery()
    session.exec(delete(LiveSignal).where(col(LiveSignal.id) <= newest - KEPT_ROWS))
