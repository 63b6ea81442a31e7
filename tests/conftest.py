"""Fixtures that every test file shares: databases, the shop, and real servers on free loopback ports."""

import gc
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

# Before any of them is imported: what a helper asserts is told with its values when it fails, as a test's own is.
helpers = (one.stem for one in Path(__file__).parent.glob("*.py") if not one.stem.startswith(("test_", "conftest")))
pytest.register_assert_rewrite(*helpers)

from scratch import keep_in_memory

# Before anybody asks where.
keep_in_memory()

from chromium import INSTALL, path, running
from furnished import Furnished, furnished
from playwright.sync_api import Browser as Chromium
from postgres import PostgresServer, start_postgres
from shop import Browser, Shop, test_settings

from webapp.db import make_engine
from webapp.effects import queue
from webapp.migrating import migrate
from webapp.migrations.granting import grant


def pytest_collection_finish() -> None:
    """Look for what is unreachable more seldom: what was imported stays, and most of what a test makes goes by itself.

    So a run needs an eighth less of the processor.
    """
    gc.collect()
    gc.freeze()
    # Else it would compare what is new with what was frozen, and seldom look at all.
    gc.collect()
    gc.set_threshold(20_000, 20, 20)


@sa.event.listens_for(sa.Pool, "checkout")
def _without_waiting_for_the_disk(connection: Any, _entry: object, _proxy: object) -> None:
    """Databases in the tests' own process need not survive a power cut; servers that tests start wait as in earnest."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


def required(what: str, installs: str) -> None:
    """Skip where something is missing locally, with the line that installs it; on CI nothing is skipped."""
    message = f"{what} is missing; install it with: {installs}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "desk.sqlite3"
    engine = make_engine(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL server of this test run, with a migrated template database."""
    server = start_postgres()
    if server is None:
        required("PostgreSQL", "apt-get install postgresql")
    assert server is not None
    try:
        engine = make_engine(server.create("template_desk"))
        migrate(engine)
        grant(engine, server.serving, queue.SCHEMA)
        engine.dispose()
        yield server
    finally:
        server.stop()


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """A migrated SQLite database of this test alone."""
    path = tmp_path / "desk.sqlite3"
    shutil.copy(migrated_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A migrated PostgreSQL database of this test alone, for the account that serves pages and owns no table."""
    url = postgres_server.create(template="template_desk")
    yield postgres_server.as_serving(url)
    postgres_server.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The same test on both databases."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
def open_shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """Open shops with settings of their own: ``open_shop(url, policy=…)``."""
    opened: list[Shop] = []

    def open_one(url: str, **changes: Any) -> Shop:
        shop = Shop(test_settings(url, tmp_path / "data", **changes))
        opened.append(shop)
        return shop

    yield open_one
    for shop in opened:
        shop.close()


@pytest.fixture
def shop(sqlite_url: str, open_shop: Callable[..., Shop]) -> Shop:
    """A shop on SQLite: what tests of pages use."""
    return open_shop(sqlite_url)


@pytest.fixture
def any_shop(database_url: str, open_shop: Callable[..., Shop]) -> Shop:
    """A shop on each database: what tests of the door, the money and the races use."""
    return open_shop(database_url)


@pytest.fixture(scope="module")
def furnished_desk(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    """A shop in which everything has happened, for the tests of a file that only look at it."""
    with furnished(migrated_sqlite, tmp_path_factory.mktemp("furnished")) as opened:
        yield opened


@pytest.fixture(scope="module")
def people(furnished_desk: Furnished) -> dict[str, Browser]:
    """Everybody's browser in that shop, by name."""
    return furnished_desk.people()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """One real browser for a file; each person gets a profile of their own."""
    if path() is None:
        required("Chromium", INSTALL)
    with running() as browser:
        yield browser
