"""One database, two ways to use it: reading, and writing.

On SQLite a writer takes the lock at its beginning (BEGIN IMMEDIATE), so that it never has to be turned away in the
middle; readers take none. On PostgreSQL both are plain transactions.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import Session, SQLModel


def make_engine(url: str) -> sa.Engine:
    """Connect to SQLite or PostgreSQL with the settings that the desk relies on."""
    if url.startswith("sqlite"):
        _keep_private(sa.make_url(url).database)
        engine = sa.create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine
    return sa.create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=10)


def _keep_private(path: str | None) -> None:
    """Let a new database file be its owner's alone; the files that SQLite puts beside it take its mode."""
    if path is None or path.startswith((":", "file:")):
        return
    # One that is there keeps its mode, and what is wrong with a path is better said by SQLite itself.
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # The driver must not begin transactions by itself: _begin_sqlite does.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # NORMAL loses acknowledged commits at a power cut.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


class Database:
    """Hands out sessions over one engine."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(writing=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for looking; whatever it changed is rolled back."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose work is committed at the end of the block, or not at all."""
        with Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session


def rows_changed(result: sa.Result[Any]) -> int:
    """How many rows an UPDATE or DELETE met: the answer of every conditional change."""
    count: int = result.rowcount  # type: ignore[attr-defined]  # a cursor result, seen through the session
    return count


def insert_unless(session: Session, model: type[SQLModel]) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say what is to happen where the row is there already, as the session's database words it."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    return sqlite.insert(model) if is_sqlite else postgresql.insert(model)
