"""May this viewer still look? Asked when a stream is opened and then at every heartbeat."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from sqlalchemy import DateTime, bindparam, create_engine, text
from sqlalchemy.engine import make_url

from webapp.live.tickets import CUSTOMER_PREFIX

StillAllowed = Callable[[str, str, Sequence[str]], Awaitable[bool]]

_ANSWER_SECONDS = 5.0
_THREADS = 4
_REVIEWERS = frozenset({"reviewer", "admin"})
# The present instant is bound as the column's type, so each database compares it in its own form.
_QUERY = text(
    "SELECT a.id, a.role, a.organisation_id FROM web_session s JOIN account a ON a.id = s.account_id"
    " WHERE s.token_hash = :key AND s.revoked_at IS NULL AND s.expires_at > :now"
    " AND a.disabled_at IS NULL"
).bindparams(bindparam("now", type_=DateTime(timezone=True)))


class SessionCheck:
    """Asks the desk's own tables; the session's key is the hash it is stored under.

    The times of ``web_session`` are UTC, as SQLAlchemy's DateTime stores them.
    """

    def __init__(self, database_url: str) -> None:
        url = make_url(database_url)
        timeout = "timeout" if url.get_backend_name() == "sqlite" else "connect_timeout"
        self._engine = create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            pool_size=_THREADS,
            pool_pre_ping=True,
            connect_args={timeout: 3},
        )
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sessions")

    async def __call__(self, session_key: str, account_id: str, topics: Sequence[str]) -> bool:
        """Whether the session is alive, its account enabled, and the topics are for its role, or its own.

        Raises TimeoutError or sqlalchemy.exc.SQLAlchemyError when the database gives no answer.
        """
        loop = asyncio.get_running_loop()
        answer = loop.run_in_executor(self._threads, self._ask, session_key, account_id, topics)
        return await asyncio.wait_for(answer, _ANSWER_SECONDS)

    def close(self) -> None:
        """Let go of the connections and threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._engine.dispose()

    def _ask(self, session_key: str, account_id: str, topics: Sequence[str]) -> bool:
        with self._engine.connect() as connection:
            row = connection.execute(_QUERY, {"key": session_key, "now": datetime.now(UTC)}).first()
        if row is None or str(row.id) != account_id:
            return False
        own = CUSTOMER_PREFIX + str(row.organisation_id or row.id)
        return all(topic == own or row.role in _REVIEWERS for topic in topics)
