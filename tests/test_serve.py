"""The whole desk with one command: clear about what is in its way, and nothing of it outlives it."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from postgres import PostgresServer
from processes import ROOT, end, environment, eventually, free_ports
from shop import test_settings

from webapp import serve
from webapp.config import Settings
from webapp.db import make_engine
from webapp.serve import commands, running, why_not

FOR_EVER = "import signal; signal.pause()"


@contextmanager
def listening(family: socket.AddressFamily = socket.AF_INET, host: str = "127.0.0.1") -> Iterator[int]:
    """Somebody else's server; the value is its port."""
    with socket.socket(family) as server:
        server.bind((host, 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    port, live_port = free_ports(2)
    settings = test_settings(f"sqlite:///{tmp_path / 'desk.sqlite3'}", tmp_path / "data")
    return replace(settings, port=port, live_port=live_port)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


# What is in its way


def serve_that_stops(settings: Settings, **more: str) -> tuple[int, str, str]:
    """Run ``python -m webapp.serve`` where it cannot work; returns its exit status and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "webapp.serve"],
        env=environment(settings, **more),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_port_that_is_in_use_is_said_before_anything_begins(settings: Settings, tmp_path: Path) -> None:
    with listening() as port:
        status, out, said = serve_that_stops(replace(settings, port=port))
    assert (status, out) == (2, "")
    assert said == (
        f"Port {port} on 127.0.0.1 is in use. Stop what runs there, or choose another: PORT={port + 10} make run\n"
    )
    assert not (tmp_path / "desk.sqlite3").exists()


def test_a_malformed_setting_is_said_by_its_name(settings: Settings) -> None:
    said = "A setting cannot be used: TIMEZONE: 'Mars' is no IANA time zone\n"
    assert serve_that_stops(settings, TIMEZONE="Mars") == (2, "", said)


def test_the_port_of_the_hub_is_looked_at_too() -> None:
    with listening() as port:
        assert (why_not("LIVE_PORT", "127.0.0.1", port) or "").endswith(f"LIVE_PORT={port + 10} make run")


def test_a_free_port_is_free_again_at_once() -> None:
    with listening() as port:
        # A connection that the server ends keeps the port half-closed for a minute.
        with socket.create_connection(("127.0.0.1", port)):
            pass
        assert why_not("PORT", "127.0.0.1", port)
    assert why_not("PORT", "127.0.0.1", port) is None


def test_addresses_of_the_sixth_version_are_looked_at_too() -> None:
    with listening(socket.AF_INET6, "::1") as port:
        assert f"Port {port} on ::1 is in use." in (why_not("PORT", "::1", port) or "")
    assert why_not("PORT", "::1", port) is None


def test_what_is_no_address_of_this_machine_is_not_called_in_use() -> None:
    # TEST-NET-1: nobody's.
    said = why_not("PORT", "192.0.2.1", 8000)
    assert said == "PORT: nothing can listen on port 8000 of 192.0.2.1 (Cannot assign requested address)."


# What it starts


def test_what_it_runs_does_not_know_the_owner_of_the_tables(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer
) -> None:
    owner = postgres_server.create()
    given = environment(settings, DATABASE_URL=postgres_server.as_serving(owner), DATABASE_OWNER_URL=owner)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["serve"])
    told: list[dict[str, str]] = []
    monkeypatch.setattr(serve, "run", lambda _settings, demo: told.append(dict(os.environ)) or 0)
    assert serve.main() == 0
    assert "DATABASE_URL" in told[0]
    assert "DATABASE_OWNER_URL" not in told[0]
    engine = make_engine(told[0]["DATABASE_URL"])
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM history").scalar() == 0
    engine.dispose()
    postgres_server.drop(owner)


def test_it_runs_what_the_procfile_lists(settings: Settings) -> None:
    listed = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    assert set(commands(settings)) == set(listed) - {"release"}
    for name in ("worker", "live"):
        assert commands(settings)[name] == [sys.executable, *listed[name].split()[1:]]
    web = " ".join(commands(settings)["web"][2:])
    assert web.startswith("granian --interface=wsgi --factory --no-ws ")
    for limit in ("http", "http1-buffer-size", "http1-header-read-timeout"):
        value = re.search(rf"--{limit}=(\d+)", web)
        assert value is not None
        assert f"--{limit} {value[1]} " in listed["web"]
    assert f"--port={settings.port} --workers=2 --blocking-threads=1" in web
    assert web.split()[-1] == listed["web"].split()[-1]


def test_processes_end_with_the_block() -> None:
    with running({"one": [sys.executable, "-c", FOR_EVER], "two": [sys.executable, "-c", FOR_EVER]}) as processes:
        assert all(alive(one.pid) for one in processes.values())
        # Ctrl-C in a terminal reaches a whole group: theirs are not ours.
        groups = {os.getpgid(one.pid) for one in processes.values()}
        assert os.getpgid(0) not in groups
        assert len(groups) == 2
    assert [one.returncode for one in processes.values()] == [-signal.SIGTERM] * 2


def test_processes_end_when_the_block_fails() -> None:
    with pytest.raises(RuntimeError, match="a defect"), running({"one": [sys.executable, "-c", FOR_EVER]}) as processes:
        raise RuntimeError("a defect")
    assert processes["one"].returncode == -signal.SIGTERM


def test_what_was_started_ends_when_the_next_cannot_be_started() -> None:
    started = {"one": [sys.executable, "-c", FOR_EVER], "two": ["/no/such/program"]}
    before = children_of(os.getpid())
    with pytest.raises(FileNotFoundError), running(started):
        raise AssertionError("never here")
    assert children_of(os.getpid()) == before


def mark(path: Path) -> str:
    """Python that leaves the process's id where the test sees it."""
    return f"import os, pathlib; pathlib.Path({str(path)!r}).write_text(str(os.getpid()))"


def test_a_process_that_missed_a_signal_is_told_again(tmp_path: Path) -> None:
    once = "lambda *_: signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))"
    ready = mark(tmp_path / "ready")
    code = f"import signal, sys\nsignal.signal(signal.SIGTERM, {once})\n{ready}\nwhile True: signal.pause()"
    with running({"one": [sys.executable, "-c", code]}, patience=(0.1, 30)) as processes:
        eventually((tmp_path / "ready").exists)
    assert processes["one"].returncode == 7


def test_a_process_that_does_not_listen_is_killed_with_all_that_came_of_it(tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    child = f"{deaf}\n{mark(tmp_path / 'child')}\nsignal.pause()"
    code = f"{deaf}\nimport subprocess\nsubprocess.Popen([{sys.executable!r}, '-c', {child!r}])\nsignal.pause()"
    with running({"one": [sys.executable, "-c", code]}, patience=(0.1, 0.1)) as processes:
        eventually(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text())
    assert processes["one"].returncode == -signal.SIGKILL
    grandchild = int((tmp_path / "child").read_text())
    eventually(lambda: not alive(grandchild))


def test_what_a_process_left_behind_ends_too(tmp_path: Path) -> None:
    """The process itself ends when it is told to; its child does not listen."""
    child = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{mark(tmp_path / 'child')}\nsignal.pause()"
    code = f"import signal, subprocess\nsubprocess.Popen([{sys.executable!r}, '-c', {child!r}])\nsignal.pause()"
    with running({"one": [sys.executable, "-c", code]}):
        eventually(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text())
    grandchild = int((tmp_path / "child").read_text())
    eventually(lambda: not alive(grandchild))


# The whole of it


def children_of(pid: int) -> set[int]:
    """The processes that a process has started."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return {int(one) for one in text.split()}


def family_of(pid: int) -> set[int]:
    """Everything that came of a process, its workers' workers included."""
    found = children_of(pid)
    return found.union(*(family_of(child) for child in found))


@dataclass
class Served:
    """``python -m webapp.serve``, and what it has said so far."""

    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text()

    def wait_until_open(self) -> None:
        # Five processes start, on a machine that other tests share.
        eventually(lambda: "is open at" in self.said or self.process.poll() is not None, 120)
        assert self.process.poll() is None, self.said


@pytest.fixture
def served(settings: Settings, tmp_path: Path) -> Iterator[Served]:
    log = tmp_path / "serve.log"
    words = [sys.executable, "-m", "webapp.serve"]
    with log.open("wb") as out:
        process = subprocess.Popen(words, env=environment(settings), cwd=ROOT, stdout=out, stderr=out)
    yield Served(process, log)
    end(process)


def test_everything_stops_when_it_is_told_to(served: Served, settings: Settings) -> None:
    served.wait_until_open()
    assert f"Certificate desk is open at http://127.0.0.1:{settings.port}\n" in served.said
    # No demo was asked for, so no passwords are shown.
    assert "Sign in with" not in served.said
    family = family_of(served.process.pid)
    assert len(family) >= 3
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(40) == 0
    eventually(lambda: not any(map(alive, family)))
    for port in (settings.port, settings.live_port):
        assert why_not("PORT", "127.0.0.1", port) is None


def test_everything_stops_when_it_is_told_to_while_it_starts(served: Served) -> None:
    """The processes that render pages are there, and not yet able to hear."""
    eventually(lambda: len(family_of(served.process.pid)) >= 5)
    family = family_of(served.process.pid)
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(40) == 0
    assert "is open at" not in served.said
    eventually(lambda: not any(map(alive, family)))


def test_everything_stops_when_one_of_them_dies(served: Served) -> None:
    served.wait_until_open()
    family = family_of(served.process.pid)
    (worker,) = [pid for pid in family if b"webapp.effects.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(worker, signal.SIGKILL)
    assert served.process.wait(40) == 1
    assert served.said.endswith("worker ended unexpectedly; everything was stopped.\n")
    eventually(lambda: not any(map(alive, family)))
