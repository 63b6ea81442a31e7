"""The database's shape: what the migrations build is what the models say, on both databases, there and back."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from postgres import PostgresServer, owning
from processes import ROOT, environment
from shop import Shop, test_settings
from sqlmodel import SQLModel, select

from certlifecycle import State
from webapp import HERE, tables
from webapp.authorities.choice import chosen_name
from webapp.db import make_engine
from webapp.migrating import migrate
from webapp.organisations.models import Note

_ = tables  # Importing them declares them.


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with nothing in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'new.sqlite3'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create()
    yield url
    server.drop(url)


@pytest.fixture
def empty(empty_url: str) -> Iterator[sa.Engine]:
    engine = make_engine(empty_url)
    yield engine
    engine.dispose()


def alembic(engine: sa.Engine, act: Callable[..., object], *words: str) -> None:
    """Let Alembic act over a connection of the desk's own, as the release step does."""
    config = Config()
    config.set_main_option("script_location", str(HERE / "migrations"))
    with engine.execution_options(writing=True).connect() as connection:
        config.attributes["connection"] = connection
        act(config, *words)


def tables_in(engine: sa.Engine) -> set[str]:
    return set(sa.inspect(engine).get_table_names())


def plain(found: Any) -> Any:
    """What the inspector found, in text that can be compared."""
    if isinstance(found, dict):
        return {name: plain(value) for name, value in found.items()}
    return [plain(one) for one in found] if isinstance(found, list) else str(found)


def shape_of(engine: sa.Engine) -> dict[str, Any]:
    """Everything that the database says of the desk's tables; only columns have an order of their own."""
    inspector = sa.inspect(engine)
    return {
        table: {
            "columns": plain(inspector.get_columns(table)),
            "primary key": plain(inspector.get_pk_constraint(table)),
            "foreign keys": sorted(plain(inspector.get_foreign_keys(table)), key=str),
            "unique": sorted(plain(inspector.get_unique_constraints(table)), key=str),
            "checks": sorted(plain(inspector.get_check_constraints(table)), key=str),
            "indexes": sorted(plain(inspector.get_indexes(table)), key=str),
        }
        for table in SQLModel.metadata.tables
    }


def test_from_empty_to_what_the_models_say(empty: sa.Engine) -> None:
    migrate(empty)
    assert set(SQLModel.metadata.tables) <= tables_in(empty)
    # What `alembic check` does: raises when a new migration would be needed.
    alembic(empty, command.check)


def test_the_migrations_build_exactly_what_the_models_would(
    empty: sa.Engine, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """CHECK constraints too, which Alembic does not compare."""
    migrate(empty)
    if empty.dialect.name == "sqlite":
        url = f"sqlite:///{tmp_path / 'models.sqlite3'}"
    else:
        url = request.getfixturevalue("postgres_server").create()
    models = make_engine(url)
    SQLModel.metadata.create_all(models.execution_options(writing=True))
    built, said = shape_of(empty), shape_of(models)
    models.dispose()
    for table in SQLModel.metadata.tables:
        assert built[table] == said[table], table


def test_there_and_back_and_there_again(empty: sa.Engine) -> None:
    migrate(empty)
    shape, everything = shape_of(empty), tables_in(empty)
    alembic(empty, command.downgrade, "base")
    left = tables_in(empty)
    # The queue's own tables are none of ours to drop.
    assert left == everything - set(SQLModel.metadata.tables)
    assert "alembic_version" in left
    if empty.dialect.name == "sqlite":
        assert "workflow_status" in left
    else:
        assert "workflow_status" in sa.inspect(empty).get_table_names(schema="dbos")
    assert triggers(empty) == []
    migrate(empty)
    assert shape_of(empty) == shape
    assert len(triggers(empty)) >= 7


def triggers(engine: sa.Engine) -> list[str]:
    """The triggers of the desk's tables, and on PostgreSQL the functions that they call."""
    if engine.dialect.name == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%\\_no\\_%' ESCAPE '\\'"
    else:
        query = (
            "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
            "WHERE NOT tgisinternal AND relnamespace = 'public'::regnamespace "
            "UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        )
    with engine.connect() as connection:
        return sorted(connection.exec_driver_sql(query).scalars())


def test_migrating_twice_changes_nothing(empty: sa.Engine) -> None:
    migrate(empty)
    before = shape_of(empty), tables_in(empty)
    migrate(empty)
    assert (shape_of(empty), tables_in(empty)) == before


def test_migrating_keeps_what_is_there(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.REFUNDED)
    before = any_shop.get(certificate.id), any_shop.history(certificate)
    with owning(any_shop.database) as engine:
        migrate(engine)
    assert (any_shop.get(certificate.id), any_shop.history(certificate)) == before


def test_what_was_begun_with_the_built_in_authority_ends_with_it(any_shop: Shop) -> None:
    """An upgrade that changes the settings orders nothing twice, and asks no customer for a second proof."""
    states = (State.PENDING, State.SUBMITTED, State.VERIFIED, State.FAILED, State.ISSUED, State.REVOKED)
    certificates = {state: any_shop.certificate_in(state) for state in states}
    with owning(any_shop.database) as engine:
        alembic(engine, command.downgrade, "0004-1")
        with engine.execution_options(writing=True).begin() as connection:
            connection.exec_driver_sql("DELETE FROM chosen_authority")
            key = certificates[State.REVOKED].submission_id
            connection.execute(
                sa.text(
                    "INSERT INTO chosen_authority SELECT order_key, 'acme', submitted_at FROM ca_certificate WHERE "
                    "order_key = :key"
                ),
                {"key": key},
            )
        migrate(engine)
    with any_shop.database.reading() as session:
        chosen = {
            state: chosen_name(session, certificate.submission_id or "") for state, certificate in certificates.items()
        }
    assert chosen == {
        State.PENDING: None,
        State.SUBMITTED: "builtin",
        State.VERIFIED: "builtin",
        # It begins anew, with whoever issues then.
        State.FAILED: None,
        State.ISSUED: "builtin",
        # What is known stays.
        State.REVOKED: "acme",
    }


def test_a_migration_that_fails_leaves_nothing_behind(empty: sa.Engine) -> None:
    """The last table that the migration makes is there already."""
    with empty.execution_options(writing=True).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE refund_approval (id INTEGER)")
    with pytest.raises(sa.exc.DBAPIError, match="refund_approval"):
        migrate(empty)
    assert tables_in(empty) == {"refund_approval"}


def test_an_unknown_state_is_refused_by_the_database(any_shop: Shop) -> None:
    certificate = any_shop.order()
    statement = sa.text("UPDATE certificate SET state = 'lost' WHERE id = :id")
    with pytest.raises(sa.exc.IntegrityError, match="certificate_state"), any_shop.database.writing() as session:
        session.connection().execute(statement, {"id": certificate.id})


def test_the_migrations_are_one_line(migrated_sqlite: Path) -> None:
    scripts = ScriptDirectory(str(HERE / "migrations"))
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


def test_alembic_itself_finds_the_desk_s_database(migrated_sqlite: Path, tmp_path: Path) -> None:
    """``alembic check`` in a checkout, over the settings of the environment."""
    settings = test_settings(f"sqlite:///{migrated_sqlite}", tmp_path / "data")
    words = [sys.executable, "-m", "alembic", "check"]
    done = subprocess.run(words, env=environment(settings), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "No new upgrade operations detected." in done.stdout


def test_what_became_of_mails_with_links_is_told_apart(any_shop: Shop) -> None:
    """Those that nobody needed any more were once written down as given up, and nothing said what hindered the rest."""
    now = any_shop.clock()
    before = {
        "needless": ("given_up", "The invitation does not count any more."),
        "refused": ("given_up", "The mail server answered: 550 5.1.1 No such mailbox"),
        "waiting": ("due", "The mail server answered: 451 4.7.1 Greylisted"),
        "fresh": ("due", None),
    }
    with any_shop.database.writing() as session:
        for key, (status, error) in before.items():
            plain = {"kind": "invitation", "subject_id": key, "address": "x@example.com", "message_id": key}
            session.add(Note(id=key, status=status, error=error, due_at=now, created_at=now, **plain))
    with owning(any_shop.database) as engine:
        alembic(engine, command.downgrade, "0019")
        migrate(engine)
    with any_shop.database.reading() as session:
        after = {row.id: (row.status, row.hindrance) for row in session.exec(select(Note))}
    assert after == {
        "needless": ("suppressed", None),
        "refused": ("given_up", "refused"),
        "waiting": ("due", "not_now"),
        "fresh": ("due", None),
    }
