"""Changes from PostgreSQL, by LISTEN/NOTIFY.

The desk notifies the channel inside the transaction of the change; PostgreSQL delivers the
notification when the transaction commits, and delivers all of them in the order of the commits.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator

import psycopg
from sqlalchemy.engine import URL

from webapp.live.bus import Change, Opened, Signal, readable_changes, readable_signals

CHANNEL = "desk"
SIGNALS = "desk_signal"
# A dead peer is noticed after about 25 s even when the network swallows every packet.
_KEEPALIVE = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
    "application_name": "desk-live",
}
_SILENCE_SECONDS = 15.0
_ANSWER_SECONDS = 5.0
# Whose a certificate is can change, and its history cannot: it is told to whoever holds it now.
_NEWEST = (
    "SELECT h.id, h.certificate_id, coalesce(c.holder_id, h.customer_id)"
    " FROM history h LEFT JOIN certificate c ON c.id = h.certificate_id ORDER BY h.id DESC LIMIT %s"
)


class PostgresSource:
    """The history of one PostgreSQL database, followed on a connection of its own.

    A sequence gives out ids before the commits, so a row may become visible after rows with
    higher ids. What arrives live arrives in the order of the commits and needs no allowance; only
    what was read from the table does: 100 ids, as many changes as may have begun while one short
    transaction lasted.
    """

    overlap = 100

    def __init__(self, url: URL) -> None:
        # The dialect knows how the URL's parts and query become libpq's parameters.
        _, self._parameters = url.get_dialect()().create_connect_args(url)

    async def listen(self, recent: int) -> AsyncGenerator[Opened | Change | Signal]:
        """See ``Source.listen``. Raises psycopg.Error or TimeoutError when the connection is lost.

        It listens before it reads, so nothing can be committed unseen in between; what is both
        read and notified has the same id.
        """
        parameters = {**_KEEPALIVE, **self._parameters}
        async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            await connection.execute(f"LISTEN {SIGNALS}")
            rows = await (await connection.execute(_NEWEST, (recent,))).fetchall()
            newest = tuple(readable_changes(rows[::-1]))
            yield Opened(newest, complete=len(rows) < recent)
            while True:
                async for notice in connection.notifies(timeout=_SILENCE_SECONDS):
                    for told in _read(notice):
                        yield told
                # A server that is gone may leave a silent connection: ask it something.
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await connection.execute("SELECT 1")


def _read(notice: psycopg.Notify) -> Iterator[Change | Signal]:
    if notice.channel == SIGNALS:
        topic, _, name = notice.payload.partition(" ")
        return readable_signals([(topic, name)])
    return readable_changes([_parts(notice.payload)])


def _parts(payload: str) -> tuple[str, str, str]:
    """``<history id>:<certificate id>:<holder id>``; anything else becomes a refused change."""
    history_id, _, rest = payload.partition(":")
    certificate_id, _, holder_id = rest.partition(":")
    return history_id, certificate_id, holder_id
