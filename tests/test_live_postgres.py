"""Changes out of a real PostgreSQL, through interruptions and commits out of order."""

import psycopg
import pytest
import sqlalchemy as sa
from live_support import ALICE, BOB, POSTGRES_SCHEMA, RITA, Stream, Writer, health, hub_at, play, ticket, until_healthy
from postgres import PostgresServer

pytestmark = pytest.mark.postgres
INSERT = "INSERT INTO history (certificate_id, customer_id, event) VALUES (%s, %s, 'verify') RETURNING id"


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    """A desk in a database of its own."""
    address = postgres_server.create()
    with connect(address) as connection:
        connection.execute(POSTGRES_SCHEMA)
    return address


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""))


def insert(connection: psycopg.Connection, certificate: str, customer: str = ALICE) -> int:
    """One change in the connection's open transaction."""
    row = connection.execute(INSERT, (certificate, customer)).fetchone()
    assert row is not None
    connection.execute("SELECT pg_notify('desk', %s)", (f"{row[0]}:{certificate}:{customer}",))
    return int(row[0])


def test_changes_of_another_process_reach_whom_they_concern(url: str) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            alice, bob = await Stream.open(port, ticket(ALICE)), await Stream.open(port, ticket(BOB))
            rita = await Stream.open(port, ticket(RITA, topics=("review",)))
            first, second = writer.change("c1", ALICE), writer.change("c2", BOB)
            assert await alice.change() == ("c1", first)
            assert await bob.change() == ("c2", second)
            assert [await rita.change(), await rita.change()] == [("c1", first), ("c2", second)]

    with Writer(url) as writer:
        play(scenario())


def test_what_is_rolled_back_is_never_told(url: str) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            stream = await Stream.open(port, ticket())
            insert(connection, "c1")
            connection.rollback()
            number = insert(connection, "c2")
            connection.commit()
            assert await stream.change() == ("c2", number)

    with connect(url) as connection:
        play(scenario())


def test_a_change_committed_after_one_with_a_higher_id_is_replayed(url: str) -> None:
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

    with connect(url) as early, connect(url) as late:
        play(scenario())


def test_a_lost_connection_is_made_again_and_everybody_looks(url: str) -> None:
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
                while (await stream.event()).name != "refresh":
                    pass
                number = insert(connection, "c2")
                connection.commit()
                while (await stream.event()).id != str(number):
                    pass
                assert missed < number

    with connect(url) as connection:
        play(scenario())


def test_viewers_are_not_kept_before_a_dead_bus(url: str, postgres_server: PostgresServer) -> None:
    async def scenario() -> None:
        async with hub_at(url, bus_grace=0.1) as port:
            stream = await Stream.open(port, ticket())
            with psycopg.connect(elsewhere, autocommit=True) as outside:
                outside.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
                outside.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
                await stream.rest()
                assert (await health(port))[0] == 503
                assert (await Stream.open(port, ticket())).status == 503
                outside.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            await until_healthy(port)
            back = await Stream.open(port, ticket())
            with connect(url) as connection:
                number = insert(connection, "c1")
                connection.commit()
            assert await back.change() == ("c1", number)

    name = sa.make_url(url).database
    elsewhere = postgres_server.url("postgres").replace("+psycopg", "")
    play(scenario())


def test_a_notification_that_makes_no_sense_is_left_out(url: str) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            stream = await Stream.open(port, ticket())
            for payload in ("", "x", "1:2", "x:c:c", "7:a\nb:c", "8:c1:" + ALICE + ":"):
                connection.execute("SELECT pg_notify('desk', %s)", (payload,))
            number = insert(connection, "c1")
            connection.commit()
            assert await stream.change() == ("c1", number)

    with connect(url) as connection:
        play(scenario())
