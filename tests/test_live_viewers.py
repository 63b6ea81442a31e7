"""Whether a viewer may still look, asked of real tables in both databases."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from live_support import ALICE, BOB, POSTGRES_SCHEMA, RITA, Stream, hub_at, make_sqlite, play, ticket

from webapp.columns import UtcDateTime
from webapp.live.viewers import SessionCheck

REVIEW = ("review",)
OWN = (f"customer:{ALICE}",)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return make_sqlite(tmp_path / "desk.sqlite3")
    address: str = request.getfixturevalue("postgres_server").create()
    engine = sa.create_engine(address)
    with engine.begin() as connection:
        connection.exec_driver_sql(POSTGRES_SCHEMA)
    engine.dispose()
    return address


@pytest.fixture
def ask(url: str) -> Iterator[Callable[..., bool]]:
    check = SessionCheck(url)
    yield lambda key, account, topics=OWN: asyncio.run(check(key, account, topics))
    check.close()


def people(url: str) -> sa.Engine:
    """Three people with a session each, written as the desk writes instants."""
    engine = sa.create_engine(url)
    metadata = sa.MetaData()
    sessions = sa.Table(
        "web_session",
        metadata,
        sa.Column("token_hash", sa.Text),
        sa.Column("account_id", sa.Text),
        sa.Column("expires_at", UtcDateTime),
        sa.Column("revoked_at", UtcDateTime),
    )
    accounts = sa.Table("account", metadata, sa.Column("id", sa.Text), sa.Column("role", sa.Text))
    now = datetime.now(UTC)
    with engine.begin() as connection:
        for account, role, seconds in ((ALICE, "customer", 60), (BOB, "admin", -1), (RITA, "reviewer", 60)):
            connection.execute(accounts.insert().values(id=account, role=role))
            until = now + timedelta(seconds=seconds)
            connection.execute(sessions.insert().values(token_hash=account[0], account_id=account, expires_at=until))
    return engine


def test_a_session_stands_until_it_is_ended(url: str, ask: Callable[..., bool]) -> None:
    engine = people(url)
    assert ask("a", ALICE)
    assert not ask("b", BOB), "expired"
    assert not ask("x", ALICE), "unknown"
    assert not ask("a", RITA), "somebody else's"
    assert not ask("a", ALICE, REVIEW), "a customer does not review"
    assert ask("c", RITA, REVIEW)
    assert ask("c", RITA, (*OWN, *REVIEW))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE web_session SET revoked_at = CURRENT_TIMESTAMP WHERE token_hash = 'a'")
    assert not ask("a", ALICE), "revoked"
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE account SET role = 'customer' WHERE role = 'reviewer'")
    assert not ask("c", RITA, REVIEW), "no longer a reviewer"
    assert not ask("c", RITA), "somebody else's certificates"
    assert ask("c", RITA, (f"customer:{RITA}",))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE account SET organisation_id = 'o' WHERE role = 'customer'")
    assert not ask("c", RITA, (f"customer:{RITA}",)), "what was theirs is their organisation's"
    assert ask("c", RITA, ("customer:o",))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE account SET organisation_id = NULL")
    assert not ask("c", RITA, ("customer:o",)), "no longer a member"
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE account SET disabled_at = CURRENT_TIMESTAMP")
    assert not ask("c", RITA, (f"customer:{RITA}",)), "disabled"
    engine.dispose()


def test_a_session_that_runs_out_within_the_second_is_still_compared_exactly(
    url: str, ask: Callable[..., bool]
) -> None:
    engine = people(url)
    sessions = sa.table("web_session", sa.column("expires_at", UtcDateTime))
    for milliseconds, stands in ((-200, False), (2000, True)):
        until = datetime.now(UTC) + timedelta(milliseconds=milliseconds)
        with engine.begin() as connection:
            connection.execute(sessions.update().values(expires_at=until))
        assert ask("a", ALICE) is stands
    engine.dispose()


def test_a_revoked_session_ends_its_stream(tmp_path: Path) -> None:
    async def scenario() -> None:
        check = SessionCheck(url)
        async with hub_at(url, check, heartbeat=0.2) as port:
            stream = await Stream.open(port, ticket(session_key="a"))
            assert stream.status == 200
            with closing(sqlite3.connect(tmp_path / "desk.sqlite3")) as database:
                database.execute("UPDATE web_session SET revoked_at = CURRENT_TIMESTAMP")
                database.commit()
            async with asyncio.timeout(2):
                await stream.rest()
            assert (await Stream.open(port, ticket(session_key="a"))).status == 403
        check.close()

    url = make_sqlite(tmp_path / "desk.sqlite3")
    people(url).dispose()
    play(scenario())


def test_no_answer_is_an_error_and_not_a_yes(tmp_path: Path) -> None:
    check = SessionCheck(f"sqlite:///{tmp_path / 'nothing.sqlite3'}")
    with pytest.raises(sa.exc.SQLAlchemyError):
        asyncio.run(check("a", ALICE, OWN))
    check.close()
