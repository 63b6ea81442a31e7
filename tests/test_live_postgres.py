"""Changes out of a real PostgreSQL, through interruptions and commits out of order."""

from collections.abc import Iterator

import psycopg
import pytest
from live_support import (
    ALICE,
    BOB,
    RITA,
    PostgresServer,
    Stream,
    Writer,
    health,
    hub_at,
    play,
    postgres_server,
    ticket,
    until_healthy,
)

pytestmark = pytest.mark.postgres
INSERT = "INSERT INTO history (certificate_id, customer_id, event) VALUES (%s, %s, 'verify') RETURNING id"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""))


def insert(connection: psycopg.Connection, certificate: str, customer: str = ALICE) -> int:
    """One change in the connection's open transaction."""
    row = connection.execute(INSERT, (certificate, customer)).fetchone()
    assert row is not None
    connection.execute("SELECT pg_notify('desk', %s)", (f"{row[0]}:{certificate}:{customer}",))
    return int(row[0])


def test_changes_of_another_process_reach_whom_they_concern(server: PostgresServer) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            alice, bob = await Stream.open(port, ticket(ALICE)), await Stream.open(port, ticket(BOB))
            rita = await Stream.open(port, ticket(RITA, topics=("review",)))
            first, second = writer.change("c1", ALICE), writer.change("c2", BOB)
            assert await alice.change() == ("c1", first)
            assert await bob.change() == ("c2", second)
            assert [await rita.change(), await rita.change()] == [("c1", first), ("c2", second)]

    url = server.make_desk()
    with Writer(url) as writer:
        play(scenario())


def test_what_is_rolled_back_is_never_told(server: PostgresServer) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            stream = await Stream.open(port, ticket())
            insert(connection, "c1")
            connection.rollback()
            number = insert(connection, "c2")
            connection.commit()
            assert await stream.change() == ("c2", number)

    url = server.make_desk()
    with connect(url) as connection:
        play(scenario())


def test_a_change_committed_after_one_with_a_higher_id_is_replayed(server: PostgresServer) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            stream = await Stream.open(port, ticket())
            lower, higher = insert(early, "c1"), insert(late, "c2")
            assert lower < higher
            late.commit()
            assert await stream.change() == ("c2", higher)
            stream.close()
            witness = await Stream.open(port, ticket(RITA, topics=("review",)), last_event_id=higher)
            early.commit()
            assert await witness.change() == ("c1", lower)
            again = await Stream.open(port, ticket(), last_event_id=higher)
            assert await again.change() == ("c1", lower)
        # A hub that was not there tells it again too: it reads the table and allows for disorder.
        async with hub_at(url) as port:
            later = await Stream.open(port, ticket(), last_event_id=higher)
            assert ("c1", lower) in [await later.change(), await later.change()]

    url = server.make_desk()
    with connect(url) as early, connect(url) as late:
        play(scenario())


def test_a_lost_connection_is_made_again_and_everybody_looks(server: PostgresServer) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            stream = await Stream.open(port, ticket())
            for _ in range(3):
                killed = connection.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE application_name = 'desk-live' AND datname = current_database()"
                ).fetchone()
                # Committed while nobody listens.
                missed = insert(connection, "c1")
                connection.commit()
                assert killed == (1,)
                told = await stream.event()
                while told.name != "refresh":
                    told = await stream.event()
                number = insert(connection, "c2")
                connection.commit()
                while (await stream.event()).data != str(number):
                    pass
                assert (await stream.event()).id == str(number)
                assert missed < number

    url = server.make_desk()
    with connect(url) as connection:
        play(scenario())


def test_viewers_are_not_kept_before_a_dead_bus(server: PostgresServer) -> None:
    async def scenario() -> None:
        async with hub_at(url, bus_grace=0.1) as port:
            stream = await Stream.open(port, ticket())
            server.stop()
            try:
                await stream.rest()
                assert (await health(port))[0] == 503
                assert (await Stream.open(port, ticket())).status == 503
            finally:
                server.start()
            await until_healthy(port)
            back = await Stream.open(port, ticket())
            with connect(url) as connection:
                number = insert(connection, "c1")
                connection.commit()
            assert await back.change() == ("c1", number)

    url = server.make_desk()
    play(scenario())


def test_a_notification_that_makes_no_sense_is_left_out(server: PostgresServer) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            stream = await Stream.open(port, ticket())
            for payload in ("", "x", "1:2", "x:c:c", "7:a\nb:c", "8:c1:" + ALICE + ":"):
                connection.execute("SELECT pg_notify('desk', %s)", (payload,))
            number = insert(connection, "c1")
            connection.commit()
            assert await stream.change() == ("c1", number)

    url = server.make_desk()
    with connect(url) as connection:
        play(scenario())
