"""The hub as a process: put together, started, and stopped by a signal."""

import asyncio
import logging
import signal

from sqlalchemy.engine import make_url

from webapp.live.bus import Source
from webapp.live.bus_postgres import PostgresSource
from webapp.live.bus_sqlite import SqliteSource
from webapp.live.hub import Hub
from webapp.live.settings import HubSettings
from webapp.live.viewers import SessionCheck

logger = logging.getLogger(__name__)


def open_source(database_url: str) -> Source:
    """The source of changes for a database, named as SQLAlchemy names it.

    Raises ValueError for a database that is neither SQLite in a file nor PostgreSQL.
    """
    url = make_url(database_url)
    backend = url.get_backend_name()
    if backend == "postgresql":
        return PostgresSource(url)
    if backend == "sqlite" and url.database and url.database != ":memory:":
        return SqliteSource(url.database)
    raise ValueError("Live updates need SQLite in a file or PostgreSQL.")


async def serve(settings: HubSettings) -> None:
    """Run a hub until SIGTERM or SIGINT. Raises OSError when the port is taken."""
    check = SessionCheck(settings.database_url)
    hub = Hub(settings, open_source(settings.database_url), check)
    port = await hub.start()
    logger.info("Live updates on http://%s:%d/live", settings.host, port)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    waiting = loop.create_task(stopped.wait())
    await asyncio.wait({waiting, hub.following}, return_when=asyncio.FIRST_COMPLETED)
    ended = hub.following.done()
    await hub.stop()
    check.close()
    if ended:
        # A defect: better a process that ends and is started again than one that tells nothing.
        hub.following.result()
