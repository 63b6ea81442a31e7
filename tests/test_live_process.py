"""The hub as a process: many viewers, restarts, signals, and its own command."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from live_support import (
    ALICE,
    BOB,
    PATIENCE,
    SECRET,
    HubProcess,
    Stream,
    Writer,
    free_port,
    make_sqlite,
    play,
    ticket,
    until_healthy,
    until_viewers,
)


def desk(tmp_path: Path) -> str:
    """A desk at which Alice is signed in; the key of her session is her account's id."""
    path = tmp_path / "desk.sqlite3"
    url = make_sqlite(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("INSERT INTO account (id, role) VALUES (?, 'customer')", (ALICE,))
        session = (ALICE, ALICE, "2100-01-01 00:00:00.000000", None)
        database.execute("INSERT INTO web_session VALUES (?, ?, ?, ?)", session)
        database.commit()
    return url


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_three_hundred_viewers_are_told_of_a_change(tmp_path: Path, loop: str) -> None:
    async def scenario() -> None:
        streams = await asyncio.gather(*(Stream.open(hub.port, ticket(session_key=ALICE)) for _ in range(300)))
        assert {stream.status for stream in streams} == {200}
        await until_viewers(hub.port, 300)
        number = await asyncio.to_thread(writer.change, "c1")
        async with asyncio.timeout(5):
            told = await asyncio.gather(*(stream.change() for stream in streams))
        assert told == [("c1", number)] * 300

    url = desk(tmp_path)
    with HubProcess(url, loop, viewers_per_account=300) as hub, Writer(url) as writer:
        play(scenario())


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_slow_reader_is_dropped_by_either_event_loop(tmp_path: Path, loop: str) -> None:
    async def scenario() -> None:
        with socket.create_connection(("127.0.0.1", hub.port)) as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            shown = ticket(session_key=ALICE)
            slow.sendall(f"GET /live HTTP/1.1\r\nAuthorization: Bearer {shown}\r\n\r\n".encode())
            await until_viewers(hub.port, 1)
            await asyncio.to_thread(writer.change, "c1", ALICE, 5000)
            await until_viewers(hub.port, 0)

    url = desk(tmp_path)
    with HubProcess(url, loop, buffer=16_384) as hub, Writer(url) as writer:
        play(scenario())


def test_a_viewer_who_returns_after_a_restart_gets_what_it_missed(tmp_path: Path) -> None:
    async def scenario() -> None:
        port = free_port()
        with HubProcess(url, port=port) as hub:
            stream = await Stream.open(port, ticket(session_key=ALICE))
            seen = writer.change("c1")
            assert await stream.change() == ("c1", seen)
            hub.stop()
        await stream.rest()
        missed = writer.change("c2")
        writer.change("c3", BOB)
        with HubProcess(url, port=port):
            await until_healthy(port)
            stream = await Stream.open(port, ticket(session_key=ALICE), last_event_id=seen)
            assert await stream.change() == ("c2", missed)
            now = writer.change("c4")
            assert await stream.change() == ("c4", now)

    url = desk(tmp_path)
    with Writer(url) as writer:
        play(scenario())


def test_it_stops_at_once_with_viewers_connected(tmp_path: Path) -> None:
    async def scenario() -> None:
        streams = [await Stream.open(hub.port, ticket(session_key=ALICE)) for _ in range(5)]
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await asyncio.to_thread(hub.stop)
        assert loop.time() - begun < 3
        for stream in streams:
            await stream.rest()

    with HubProcess(desk(tmp_path)) as hub:
        play(scenario())


def test_its_command_takes_the_settings_of_the_environment(tmp_path: Path) -> None:
    async def scenario() -> None:
        await until_listening(port)
        await until_healthy(port)
        origin = "https://console.example.com"
        stream = await Stream.open(port, ticket(session_key=ALICE), origin=origin)
        assert stream.status == 200
        assert (await Stream.open(port, ticket(session_key=ALICE), origin="https://example.com")).status == 403
        number = writer.change("c1")
        assert await stream.change() == ("c1", number)

    url, port = desk(tmp_path), free_port()
    environment = os.environ | {
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": url,
        "SECRET_KEY": SECRET,
        "LIVE_PORT": str(port),
        "PUBLIC_URL": "https://console.example.com/desk",
    }
    with (
        Writer(url) as writer,
        subprocess.Popen([sys.executable, "-m", "webapp.live"], env=environment, stderr=subprocess.DEVNULL) as hub,
    ):
        try:
            play(scenario())
        finally:
            hub.send_signal(signal.SIGTERM)
        assert hub.wait(PATIENCE) == 0


async def until_listening(port: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
