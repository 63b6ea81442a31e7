"""The whole desk with one command: clear about what is in its way, and nothing of it outlives it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from processes import ROOT, end, environment, eventually
from shop import test_settings

from webapp.config import Settings
from webapp.serve import commands, running, why_not

FOR_EVER = "import signal; print('ready', flush=True); signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {FOR_EVER}"


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


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


def test_it_runs_what_the_procfile_lists(settings: Settings) -> None:
    listed = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    assert set(commands(settings)) == set(listed) - {"release"}
    for name in ("worker", "live"):
        assert commands(settings)[name] == [sys.executable, *listed[name].split()[1:]]
    web = " ".join(commands(settings)["web"][2:])
    assert web.startswith("granian --interface=wsgi --factory --no-ws ")
    assert f"--port={settings.port} --workers=2 --blocking-threads=1" in web
    assert web.split()[-1] == listed["web"].split()[-1]


def test_processes_end_with_the_block(tmp_path: Path) -> None:
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


def test_a_process_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.serve.STOP_SECONDS", 0.2)
    deaf = f"import pathlib; pathlib.Path({str(tmp_path / 'ready')!r}).touch()"
    code = STUBBORN.replace("print('ready', flush=True)", deaf)
    with running({"deaf": [sys.executable, "-c", code]}) as processes:
        eventually((tmp_path / "ready").exists)
    assert processes["deaf"].returncode == -signal.SIGKILL


# The whole of it


def children_of(pid: int) -> set[int]:
    """The processes that a process has started."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return {int(one) for one in text.split()}


def family_of(pid: int) -> set[int]:
    """Everything that came of a process, its workers' workers included."""
    found = children_of(pid)
    return found.union(*(family_of(child) for child in found))


Told = Callable[[], str]


@pytest.fixture
def served(settings: Settings, tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", Told]]:
    """``python -m webapp.serve``, open for business; and what it has said so far."""
    log = tmp_path / "serve.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "webapp.serve"], env=environment(settings), cwd=ROOT, stdout=out, stderr=out
        )
    try:
        eventually(lambda: "is open at" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield process, log.read_text
    finally:
        end(process)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_everything_stops_when_it_is_told_to(
    served: tuple["subprocess.Popen[bytes]", Told], settings: Settings, number: signal.Signals
) -> None:
    process, said = served
    assert f"Certificate desk is open at http://127.0.0.1:{settings.port}\n" in said()
    # No demo was asked for, so no passwords are shown.
    assert "Sign in with" not in said()
    family = family_of(process.pid)
    assert len(family) >= 3
    process.send_signal(number)
    assert process.wait(40) == 0
    eventually(lambda: not any(map(alive, family)))
    for port in (settings.port, settings.live_port):
        assert why_not("PORT", "127.0.0.1", port) is None


def test_everything_stops_when_one_of_them_dies(served: tuple["subprocess.Popen[bytes]", Told]) -> None:
    process, said = served
    family = family_of(process.pid)
    (worker,) = [pid for pid in family if b"webapp.effects.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(worker, signal.SIGKILL)
    assert process.wait(40) == 1
    assert said().endswith("worker ended unexpectedly; everything was stopped.\n")
    eventually(lambda: not any(map(alive, family)))
