"""Changes out of a SQLite file, whatever happens to the files beside it."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from pathlib import Path

import pytest
from live_support import PATIENCE, Door, Stream, Writer, health, hub_at, make_sqlite, play, settings_for, ticket

from webapp.live.bus import Change, Opened
from webapp.live.bus_sqlite import SqliteSource
from webapp.live.hub import Hub
from webapp.live.process import open_source


async def next_change(events: AsyncGenerator[Opened | Change]) -> Change:
    async with asyncio.timeout(PATIENCE):
        change = await anext(events)
    assert isinstance(change, Change)
    return change


@pytest.mark.parametrize("use_inotify", [True, False])
def test_every_commit_of_another_process_arrives_once_and_in_order(tmp_path: Path, use_inotify: bool) -> None:
    async def scenario() -> None:
        async with aclosing(SqliteSource(str(path), use_inotify=use_inotify).listen(10)) as events:
            assert await anext(events) == Opened((), complete=True)
            writing = asyncio.create_task(asyncio.to_thread(write))
            assert [(await next_change(events)).id for _ in range(150)] == list(range(1, 151))
            await writing

    def write() -> None:
        for _ in range(100):
            writer.change()
        writer.change(times=50)

    path = tmp_path / "desk.sqlite3"
    with Writer(make_sqlite(path)) as writer:
        asyncio.run(scenario())


def test_the_newest_changes_come_first_of_all(tmp_path: Path) -> None:
    async def opened(recent: int) -> Opened:
        async with aclosing(SqliteSource(str(path)).listen(recent)) as events:
            first = await anext(events)
        assert isinstance(first, Opened)
        return first

    path = tmp_path / "desk.sqlite3"
    with Writer(make_sqlite(path)) as writer:
        writer.change(times=5)
        few, all_of_them = asyncio.run(opened(3)), asyncio.run(opened(6))
    assert [change.id for change in few.recent] == [3, 4, 5]
    assert not few.complete
    assert [change.id for change in all_of_them.recent] == [1, 2, 3, 4, 5]
    assert all_of_them.complete


@pytest.mark.parametrize("name", ["desk.sqlite3", "link.sqlite3"])
def test_a_commit_is_seen_long_before_the_safety_net(tmp_path: Path, name: str) -> None:
    async def scenario() -> None:
        async with aclosing(SqliteSource(str(tmp_path / name)).listen(10)) as events:
            await anext(events)
            loop = asyncio.get_running_loop()
            late = 0.0
            for _ in range(10):
                # It is being waited for when the file is written, and only a little later can the commit be seen.
                waiting = asyncio.create_task(next_change(events))
                await asyncio.to_thread(writer.change)
                committed = loop.time()
                await waiting
                late += loop.time() - committed
            # The safety net alone would be about ten seconds late.
            assert late < 5

    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / "desk.sqlite3" if name.startswith("link") else tmp_path / name
    if name.startswith("link"):
        (tmp_path / name).symlink_to(path)
    with Writer(make_sqlite(path)) as writer:
        asyncio.run(scenario())


def test_the_wal_file_may_appear_later_and_be_emptied(tmp_path: Path) -> None:
    async def scenario() -> None:
        # The last connection to close has removed the file.
        assert not wal.exists()
        async with aclosing(SqliteSource(str(path)).listen(10)) as events:
            await anext(events)
            with Writer(url) as writer:
                writer.change("c1")
                assert (await next_change(events)).certificate_id == "c1"
                writer.run("PRAGMA wal_checkpoint(TRUNCATE)")
                assert wal.stat().st_size == 0
                writer.change("c2")
                assert (await next_change(events)).certificate_id == "c2"
            # This writer has gone; the next one finds the hub's connection open.
            with Writer(url) as writer:
                writer.change("c3")
                assert (await next_change(events)).certificate_id == "c3"

    path = tmp_path / "desk.sqlite3"
    wal = tmp_path / "desk.sqlite3-wal"
    url = make_sqlite(path)
    asyncio.run(scenario())


def test_a_wal_file_that_was_removed_and_made_again_is_noticed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            stream = await Stream.open(port, ticket(since=3))
            # Behind everybody's back, as a clumsy restore does it: the hub's connection keeps the old files.
            for file in tmp_path.glob("desk.sqlite3*"):
                file.unlink()
            make_sqlite(path)
            assert (await stream.event()).name == "refresh"
            with Writer(url) as writer:
                number = writer.change("c7")
                assert await stream.change() == ("c7", number)

    path = tmp_path / "desk.sqlite3"
    url = make_sqlite(path)
    with Writer(url) as first:
        first.change(times=3)
    play(scenario())


def test_a_history_that_was_put_back_is_looked_at_anew(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            stream = await Stream.open(port, ticket(since=5))
            with closing(sqlite3.connect(path)) as database:
                database.execute("DELETE FROM history WHERE id > 2")
                database.execute("UPDATE sqlite_sequence SET seq = 2")
                database.commit()
            assert (await stream.event()).name == "refresh"
            # Its number was used before, for another change.
            number = writer.change("c9")
            assert number == 3
            assert await stream.change() == ("c9", number)

    path = tmp_path / "desk.sqlite3"
    url = make_sqlite(path)
    with Writer(url) as writer:
        writer.change(times=5)
        play(scenario())


def test_a_hub_that_is_started_before_the_database_waits_for_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        hub = Hub(settings_for(f"sqlite:///{path}"), open_source(f"sqlite:///{path}"), Door())
        port = await hub.start()
        assert (await health(port))[0] == 503
        refused = await Stream.open(port, ticket())
        assert refused.status == 503
        assert not path.exists()
        url = make_sqlite(path)
        async with asyncio.timeout(PATIENCE):
            while (await health(port))[0] != 200:
                await asyncio.sleep(0.05)
        stream = await Stream.open(port, ticket())
        with Writer(url) as writer:
            number = writer.change("c1")
            assert await stream.change() == ("c1", number)
        await hub.stop()

    path = tmp_path / "desk.sqlite3"
    play(scenario())


def test_a_row_that_cannot_be_announced_does_not_hold_up_the_others(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            stream = await Stream.open(port, ticket())
            writer.run("INSERT INTO history (certificate_id, customer_id, event) VALUES ('c' || char(10), 'x', 'y')")
            number = writer.change("c1")
            assert await stream.change() == ("c1", number)
        # And so it is for a hub that finds such a row.
        async with hub_at(url) as port:
            assert await (await Stream.open(port, ticket())).change() == ("c1", number)

    url = make_sqlite(tmp_path / "desk.sqlite3")
    with Writer(url) as writer:
        play(scenario())


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/desk"])
def test_only_a_shared_database_has_changes_to_tell(url: str) -> None:
    with pytest.raises(ValueError, match="SQLite in a file or PostgreSQL"):
        open_source(url)
