"""What the tests of live updates share: a small desk that writes, hubs that run, and viewers that read streams."""

import asyncio
import json
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import ClassVar

from webapp.live.hub import Hub
from webapp.live.process import open_source
from webapp.live.settings import HubSettings
from webapp.live.tickets import customer_topic, issue_ticket

ALICE, BOB, RITA = "a" * 32, "b" * 32, "c" * 32
SECRET = "a secret of the tests, long enough to sign with"
ORIGIN = "https://desk.example.com"
PATIENCE = 60.0
"""Seconds that another process may take: the machine is small and busy."""

SQLITE_SCHEMA = """
    CREATE TABLE account (
        id TEXT PRIMARY KEY, role TEXT NOT NULL, disabled_at TIMESTAMP, organisation_id TEXT
    );
    CREATE TABLE certificate (id TEXT PRIMARY KEY, holder_id TEXT NOT NULL);
    CREATE TABLE web_session (
        token_hash TEXT PRIMARY KEY, account_id TEXT NOT NULL, expires_at TIMESTAMP NOT NULL, revoked_at TIMESTAMP
    );
    CREATE TABLE history (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        certificate_id TEXT NOT NULL, customer_id TEXT NOT NULL, event TEXT NOT NULL
    );
    CREATE TABLE live_signal (id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, name TEXT NOT NULL);
"""
POSTGRES_SCHEMA = SQLITE_SCHEMA.replace("INTEGER PRIMARY KEY AUTOINCREMENT", "BIGSERIAL PRIMARY KEY").replace(
    "TIMESTAMP", "TIMESTAMPTZ"
)

# The desk of the tests: another process, which commits what it is told on its standard input, one line a transaction,
# and answers with the last id. A line is `<how many changes> <certificate> <customer>`, or SQL to run.
_WRITER = """
import sys
import sqlalchemy as sa
engine = sa.create_engine(sys.argv[1])
insert = sa.text(
    "INSERT INTO history (certificate_id, customer_id, event) VALUES (:certificate, :customer, 'verify') RETURNING id"
)
for line in sys.stdin:
    words = line.split()
    with engine.connect() as connection:
        if not words[0].isdigit():
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(line)
            print(0, flush=True)
            continue
        for _ in range(int(words[0])):
            last = connection.execute(insert, {"certificate": words[1], "customer": words[2]}).scalar_one()
            if engine.dialect.name == "postgresql":
                message = f"{last}:{words[1]}:{words[2]}"
                connection.execute(sa.text("SELECT pg_notify('desk', :message)"), {"message": message})
        connection.commit()
    print(last, flush=True)
"""

_HUB = """
import asyncio, json, logging, sys
from webapp.live.process import serve
from webapp.live.settings import HubSettings
logging.basicConfig(level=logging.INFO)
settings = json.loads(sys.argv[1])
settings["origins"] = tuple(settings["origins"])
runner = __import__(sys.argv[2]).run
runner(serve(HubSettings(**settings)))
"""


def sqlite_url(path: Path) -> str:
    """The address of a desk's database in one file."""
    return f"sqlite:///{path}"


def make_sqlite(path: Path) -> str:
    """An empty desk in a file; returns its address."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.executescript(SQLITE_SCHEMA)
    return sqlite_url(path)


class Writer:
    """The desk, in a process of its own."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._process.communicate(timeout=PATIENCE)

    def change(self, certificate: str = "c1", customer: str = ALICE, times: int = 1) -> int:
        """Commit so many changes in one transaction and return the last id."""
        return self._tell(f"{times} {certificate} {customer}")

    def run(self, sql: str) -> None:
        """Run one statement by itself."""
        self._tell(sql)

    def _tell(self, line: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


class Door:
    """Who may look: everybody whose session was not ended."""

    def __init__(self) -> None:
        self.ended: set[str] = set()
        self.asked = 0

    async def __call__(self, session_key: str, account_id: str, topics: object) -> bool:
        self.asked += 1
        return session_key not in self.ended


def ticket(
    account_id: str = ALICE,
    *,
    topics: tuple[str, ...] = (),
    since: int = 0,
    session_key: str = "",
    secret: str = SECRET,
) -> str:
    """A ticket for somebody's own certificates, or the topics given."""
    return issue_ticket(
        secret,
        session_key=session_key or f"session-{account_id}",
        account_id=account_id,
        topics=topics or (customer_topic(account_id),),
        since=since,
    )


def settings_for(url: str, **changes: object) -> HubSettings:
    """Settings of a hub in a test: a free port, one origin."""
    return replace(HubSettings(database_url=url, secret_key=SECRET, origins=(ORIGIN,)), **changes)  # type: ignore[arg-type]


@asynccontextmanager
async def hub_at(url: str, door: Door | None = None, **changes: object) -> AsyncIterator[int]:
    """A hub in this process on a real database; yields its port once the bus works."""
    hub = Hub(settings_for(url, **changes), open_source(url), door or Door())
    port = await hub.start()
    try:
        await until_healthy(port)
        yield port
    finally:
        await hub.stop()


class HubProcess:
    """A hub in a process of its own."""

    def __init__(self, url: str, loop: str = "uvloop", **changes: object) -> None:
        settings = json.dumps(asdict(settings_for(url, **changes)))
        self.process = subprocess.Popen([sys.executable, "-c", _HUB, settings, loop], stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert "Live updates on" in line, line + self.process.stderr.read()
        self.port = int(line.rsplit(":", 1)[1].split("/")[0])

    def __enter__(self) -> "HubProcess":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask it to stop and see that it does, at once and without a complaint."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.communicate(timeout=PATIENCE)
            assert self.process.returncode == 0


@dataclass(frozen=True)
class Told:
    """One event of a stream."""

    name: str
    data: str
    id: str | None


class Stream:
    """A viewer: one connection, read event by event. Heartbeats are kept apart."""

    opened: ClassVar[list["Stream"]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.status = 0
        self.headers: dict[str, str] = {}
        self.heartbeats = 0
        self.opened.append(self)

    @classmethod
    async def open(
        cls, port: int, ticket: str, *, last_event_id: int | None = None, origin: str | None = None
    ) -> "Stream":
        """Ask for a stream and read the head of the answer."""
        fields = ["GET /live HTTP/1.1", f"Host: 127.0.0.1:{port}", "Accept: text/event-stream"]
        fields.append(f"Authorization: Bearer {ticket}")
        if last_event_id is not None:
            fields.append(f"Last-Event-ID: {last_event_id}")
        if origin is not None:
            fields.append(f"Origin: {origin}")
        return await cls.ask(port, "\r\n".join([*fields, "", ""]).encode())

    @classmethod
    async def ask(cls, port: int, request: bytes) -> "Stream":
        """Send any bytes and read the head of the answer, if there is one."""
        stream = cls(*await asyncio.open_connection("127.0.0.1", port))
        stream.writer.write(request)
        async with asyncio.timeout(PATIENCE):
            head = (await stream.reader.readuntil(b"\r\n\r\n")).decode()
        first, *rest = head.strip().split("\r\n")
        stream.status = int(first.split()[1])
        stream.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in rest)}
        return stream

    async def event(self) -> Told:
        """The next event that is no heartbeat."""
        async with asyncio.timeout(PATIENCE):
            while True:
                block = (await self.reader.readuntil(b"\n\n")).decode()
                fields = dict(line.split(": ", 1) for line in block.strip().split("\n"))
                if "event" not in fields:
                    continue
                if fields["event"] == "heartbeat":
                    self.heartbeats += 1
                else:
                    return Told(fields["event"], fields["data"], fields.get("id"))

    async def change(self) -> tuple[str, int]:
        """The next change: its two events, as (certificate, id)."""
        first, second = await self.event(), await self.event()
        assert (first.name, first.id) == ("change", None), (first, second)
        assert second.name == f"certificate-{first.data}"
        assert second.data == second.id
        return first.data, int(second.data)

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    def close(self) -> None:
        """Leave."""
        self.writer.close()


def play(scenario: Coroutine[object, object, None]) -> None:
    """Run a scenario to its end and close what its viewers left open."""

    async def whole() -> None:
        try:
            await scenario
        finally:
            while Stream.opened:
                stream = Stream.opened.pop()
                stream.close()
                with suppress(OSError):
                    await stream.writer.wait_closed()

    asyncio.run(whole())


async def health(port: int) -> tuple[int, dict[str, object]]:
    """What the hub says of itself."""
    answer = await Stream.ask(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    return answer.status, json.loads(await answer.rest())


async def until_healthy(port: int) -> None:
    """Wait until the bus works."""
    await until_viewers(port, None)


async def until_viewers(port: int, viewers: int | None) -> None:
    """Wait until the bus works and, unless None, so many viewers are connected."""
    async with asyncio.timeout(PATIENCE):
        while True:
            status, state = await health(port)
            if status == 200 and viewers in (None, state["viewers"]):
                return
            await asyncio.sleep(0.02)


def free_port() -> int:
    """A port of the loopback address that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
