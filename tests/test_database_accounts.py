"""Two accounts on PostgreSQL: one owns the tables and makes releases, the other serves and can take nothing back.

Every other test on PostgreSQL works as the one that serves.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres import PostgresServer
from shop import Shop, test_settings
from sqlalchemy.exc import ProgrammingError

from certlifecycle import State
from webapp.config import Settings
from webapp.db import make_engine
from webapp.migrating import release


@pytest.fixture
def released(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Settings]:
    """A new database after its first release, with two accounts."""
    owner = postgres_server.create()
    settings = test_settings(postgres_server.as_serving(owner), tmp_path / "data", database_owner_url=owner)
    release(settings)
    yield settings
    postgres_server.drop(owner)


def test_the_one_that_serves_has_all_it_needs(released: Settings, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(released.database_url)
    certificate = shop.certificate_in(State.REFUNDED)
    assert shop.get(certificate.id).state is State.REFUNDED
    # The next release finds everything in order, and the one that serves goes on.
    release(released)
    shop.order()


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE history DISABLE TRIGGER USER",
        "DROP TRIGGER history_no_delete ON history",
        "DROP FUNCTION history_no_delete() CASCADE",
        "CREATE OR REPLACE FUNCTION history_no_delete() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN OLD; END$$",
        "SET session_replication_role = replica",
        "TRUNCATE history CASCADE",
        "TRUNCATE audit_event, chain_link",
        "DROP TABLE history CASCADE",
        "ALTER TABLE certificate ADD COLUMN more text",
        "CREATE TABLE more (id integer)",
        "CREATE TABLE dbos.more (id integer)",
        "CREATE INDEX more ON history (id)",
    ],
)
def test_the_one_that_serves_changes_no_table(postgres_url: str, statement: str) -> None:
    engine = make_engine(postgres_url)
    refused = "must be owner|permission denied"
    with pytest.raises(ProgrammingError, match=refused), engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
