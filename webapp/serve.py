"""``python -m webapp.serve``: the whole desk on one machine with one command.

Runs the release step, then the processes of the Procfile side by side, and stops them all at Ctrl-C or when one of them
ends. ``--demo`` fills an empty shop first.
"""

import argparse
import contextlib
import errno
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from webapp import HERE
from webapp.accounts.settings import SecondFactor
from webapp.config import SettingError, Settings, load, reached_at
from webapp.demo import PASSWORD, PEOPLE, DemoRefused, load_demo
from webapp.demo_dns import DemoZone, serving
from webapp.migrating import release
from webapp.told import Told

PATIENCE = (2.0, 15.0)
"""How many seconds processes get to end: after they were told once, and after they were told again."""


def commands(settings: Settings) -> dict[str, list[str]]:
    """What runs side by side: the pages, the worker, and the hub for live updates."""
    pages = [
        "granian",
        "--interface=wsgi",
        "--factory",
        "--no-ws",
        # Proxies speak it; HTTP/2 would bring limits of its own.
        "--http=1",
        f"--host={settings.host}",
        f"--port={settings.port}",
        f"--workers={settings.web_workers}",
        "--blocking-threads=1",
        # What a request may bring along before its body: its line and its headers, in bytes and milliseconds.
        "--http1-buffer-size=65536",
        "--http1-header-read-timeout=10000",
        # Otherwise it waits for ever for a worker that does not end.
        "--workers-kill-timeout=10",
        "--log-level=warning",
        f"--log-config={HERE / 'log_config.json'}",
        "--respawn-failed-workers",
        "webapp:create_app",
    ]
    return {
        "web": [sys.executable, "-m", *pages],
        "worker": [sys.executable, "-m", "webapp.effects.worker"],
        "live": [sys.executable, "-m", "webapp.live"],
    }


def main() -> int:
    """Serve until told to stop; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m webapp.serve", description=__doc__)
    parser.add_argument("--demo", action="store_true", help="fill an empty shop with demo data first")
    arguments = parser.parse_args()
    if arguments.demo:
        os.environ.setdefault("DEMO", "1")
    try:
        settings = load()
    except SettingError as wrong:
        print(f"A setting cannot be used: {wrong}", file=sys.stderr)
        return 2
    for name, host, port in (
        ("PORT", settings.host, settings.port),
        ("LIVE_PORT", settings.live_host, settings.live_port),
    ):
        if obstacle := why_not(name, host, port):
            print(obstacle, file=sys.stderr)
            return 2
    release(settings)
    # What serves from here on does not know the owner of the tables.
    for name in ("DATABASE_OWNER_URL", "DATABASE_OWNER_URL_FILE"):
        os.environ.pop(name, None)
    if arguments.demo:
        try:
            load_demo(settings)
        except DemoRefused as refused:
            print(f"{refused} Serving it as it is.", file=sys.stderr)
            os.environ["DEMO"] = "0"
    demo = os.environ.get("DEMO") == "1"
    with own_dns(settings) if demo else contextlib.nullcontext():
        return run(settings, demo=demo)


@contextlib.contextmanager
def own_dns(settings: Settings) -> Iterator[None]:
    """Have the demo's processes ask the demo's own DNS, unless somebody has named resolvers.

    An ACME server looks into the real one, and so the desk has to.
    """
    if settings.resolvers or settings.authorities.servers:
        yield
        return
    path = settings.data_dir / "demo-dns.json"
    with serving(DemoZone(path)) as resolver:
        os.environ |= {"RESOLVERS": resolver, "DEMO_ZONE": str(path)}
        yield


def why_not(name: str, host: str, port: int) -> str | None:
    """Why no server can listen there, with what to do about it; ``None`` where one can. ``name`` is the setting's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # Without it a port that was in use a moment ago looks busy for a minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as wrong:
            if wrong.errno != errno.EADDRINUSE:
                return f"{name}: nothing can listen on port {port} of {host} ({wrong.strerror})."
            advice = f"Stop what runs there, or choose another: {name}={port + 10} make run"
            return f"Port {port} on {host} is in use. {advice}"
    return None


def run(settings: Settings, *, demo: bool) -> int:
    """Start the processes and stay until one ends or a signal comes; then end them all."""
    told = Told()
    with running(commands(settings)) as processes:
        for name, process in processes.items():
            watch = threading.Thread(target=_wait, args=(name, process, told), daemon=True)
            watch.start()
        if wait_for(settings, told):
            welcome(settings, demo=demo)
        told.wait()
        failed = [name for name, process in processes.items() if process.poll() not in (None, 0)]
    if failed:
        print(f"{', '.join(failed)} ended unexpectedly; everything was stopped.", file=sys.stderr)
    return 1 if failed else 0


def _wait(name: str, process: "subprocess.Popen[bytes]", told: Told) -> None:
    process.wait()
    told.set()


@contextlib.contextmanager
def running(
    started: dict[str, list[str]], patience: Sequence[float] = PATIENCE
) -> Iterator[dict[str, "subprocess.Popen[bytes]"]]:
    """Processes that are ended, gently and then firmly, when the block is left."""
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in started.items():
            # A session of its own, so that Ctrl-C reaches this process alone and the order of stopping is ours.
            processes[name] = subprocess.Popen(command, start_new_session=True)  # noqa: S603  # Our own commands.
        yield processes
    finally:
        _end(list(processes.values()), patience)


def _end(processes: list["subprocess.Popen[bytes]"], patience: Sequence[float]) -> None:
    # Whoever is only just starting can miss a signal, so all are told again after a moment.
    for seconds in patience:
        _tell(processes, signal.SIGTERM)
        if _have_ended(processes, seconds):
            break
    # What they started themselves ends with them.
    _tell(processes, signal.SIGKILL)
    for process in processes:
        process.wait()


def _tell(processes: list["subprocess.Popen[bytes]"], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            # Each leads a group of its own, named after it.
            os.killpg(process.pid, number)


def _have_ended(processes: list["subprocess.Popen[bytes]"], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    try:
        for process in processes:
            process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def wait_for(settings: Settings, told: Told) -> bool:
    """Wait until the pages answer; false when told to stop before that."""
    while not told.wait(0.1):
        # The port is open before anybody is there to answer.
        pages = http.client.HTTPConnection(reached_at(settings.host), settings.port, timeout=3)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(pages):
            pages.request("GET", "/healthz")
            pages.getresponse()
            return True
    return False


def welcome(settings: Settings, *, demo: bool) -> None:
    """Say where the desk is and how to get in."""
    lines = ["", f"  {settings.shop_name} is open at {settings.public_url}", ""]
    if demo:
        lines.append("  Sign in with")
        lines += [f"    {person.email:<20} {person.role.value:<9} {PASSWORD}" for person in PEOPLE]
        if settings.sign_in.second_factor is SecondFactor.OFF:
            lines += ["  No second factor is asked for here; SECOND_FACTOR=staff asks reviewers and admins for one."]
        lines.append("")
    lines += [f"  Data lies in {_short(settings.data_dir)}. Ctrl-C stops everything.", ""]
    print("\n".join(lines), flush=True)


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


if __name__ == "__main__":
    sys.exit(main())
