"""A PostgreSQL server for a test run, on a free loopback port, from what the machine has."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

import psycopg
import sqlalchemy as sa
from sqlalchemy import make_url

from webapp.db import Database, make_engine
from webapp.effects import queue
from webapp.migrations.granting import grant

# A server as root is refused by PostgreSQL itself, so there it runs as the package's own user.
_AS_ROOT = os.geteuid() == 0


def _binary(name: str) -> str | None:
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return str(places[0]) if places else shutil.which(name)


def _command(*words: str) -> list[str]:
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *words] if _AS_ROOT else list(words)


@dataclass
class PostgresServer:
    """A running server; ``stop`` ends exactly this one."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    serving: ClassVar[str] = "desk_serving"
    """The account that serves; ``desk`` owns what is there."""

    def url(self, database: str) -> str:
        """The SQLAlchemy address of one of its databases."""
        return f"postgresql+psycopg://desk@127.0.0.1:{self.port}/{database}"

    def as_serving(self, url: str) -> str:
        """The address of the same database for the account that serves."""
        return make_url(url).set(username=self.serving).render_as_string(hide_password=False)

    def create(self, database: str | None = None, template: str = "template0") -> str:
        """Create a database and return its address."""
        name = database or f"t{uuid4().hex}"
        # By its files: without waiting for the disk twice as fast as by the log.
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database, whoever is still connected."""
        self._run(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def stop(self) -> None:
        """Shut the server down at once; its data is thrown away."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, statement: str) -> None:
        address = f"host=127.0.0.1 port={self.port} user=desk dbname=postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]


@contextmanager
def owning(database: Database) -> Iterator[sa.Engine]:
    """An engine as whoever owns the tables; whoever has the file of SQLite does.

    Tables that were made meanwhile are granted at its end, as by the release step.
    """
    if database.is_sqlite:
        yield database.engine
        return
    engine = make_engine(database.engine.url.set(username="desk").render_as_string(hide_password=False))
    yield engine
    grant(engine, PostgresServer.serving, queue.SCHEMA)
    engine.dispose()


def start_postgres() -> PostgresServer | None:
    """Start a server with its data in a new folder; ``None`` where PostgreSQL is not installed.

    The folder is not one of pytest's: every starting pytest closes those to other users, and the server may be one.
    """
    initdb, postgres = _binary("initdb"), _binary("postgres")
    if initdb is None or postgres is None:
        return None
    folder = Path(tempfile.mkdtemp(prefix="desk-postgres-"))
    data = folder / "data"
    data.mkdir(mode=0o700)
    if _AS_ROOT:
        user = pwd.getpwnam("postgres")
        folder.chmod(0o755)
        os.chown(data, user.pw_uid, user.pw_gid)
    create = _command(initdb, "-D", str(data), "-U", "desk", "-A", "trust", "-E", "UTF8", "--no-sync")
    subprocess.run(create, check=True, capture_output=True, cwd="/")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        # A test database need not survive a power cut.
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        # Nobody follows its log, and no database lives long enough to be tidied.
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "autovacuum": "off",
        "jit": "off",
        "max_connections": "200",
        "shared_buffers": "64MB",
        # Its files may be kept in memory.
        "max_wal_size": "128MB",
    }
    settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    log = (folder / "log").open("wb")
    process = subprocess.Popen(_command(postgres, "-D", str(data), *settings), stdout=log, stderr=log, cwd="/")
    log.close()
    server = PostgresServer(folder, port, process)
    ready = _binary("pg_isready")
    assert ready is not None
    # pg_isready itself waits for the answer; the loop only covers the time before the port is open.
    for _ in range(200):
        probe_command = [ready, "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "5"]
        if subprocess.run(probe_command, check=False).returncode == 0:
            server._run(f"CREATE ROLE {server.serving} LOGIN")
            return server
        if process.poll() is not None:
            break
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    raise RuntimeError(f"PostgreSQL did not start:\n{(folder / 'log').read_text()}")
