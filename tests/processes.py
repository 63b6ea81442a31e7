"""Starting the desk's own processes for tests, and ending exactly those."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from webapp.config import Settings

ROOT = Path(__file__).parent.parent


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """The settings of a shop as a process finds them."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'statemachine'}{os.pathsep}{ROOT / 'tests'}",
        "DATA_DIR": str(settings.data_dir),
        "DATABASE_URL": settings.database_url,
        "SECRET_KEY": settings.secret_key,
        "PORT": str(settings.port),
        "LIVE_PORT": str(settings.live_port),
        "RECONCILE_SECONDS": "1",
        "SECOND_FACTOR": settings.sign_in.second_factor.value,
    } | more


def start(settings: Settings, *words: str, **more: str) -> "subprocess.Popen[bytes]":
    """Start ``python <words>`` with a shop's settings; its output goes to a file in the shop's folder."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with (settings.data_dir / f"{words[-1].rpartition('/')[2]}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, *words],
            env=environment(settings, **more),
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process of ours, gently and then firmly."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def eventually(holds: Callable[[], object], seconds: float = 90.0) -> None:
    """Wait until something that another process does is visible; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"still not true after {seconds} s")
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody used a moment ago, for TCP and UDP alike; no two are the same."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = tcp.getsockname()[1]
            with suppress(OSError):
                udp.bind(("127.0.0.1", port))
                found += [port] if port not in found else []
    return found
