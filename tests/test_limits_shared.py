"""Failures to sign in that several processes count together, in a real Redis."""

import logging
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from conftest import required
from processes import free_ports
from shop import PASSWORD, Shop

from webapp.accounts.limits import SignInLimits
from webapp.accounts.settings import SecondFactor, SignInSettings

WRONG = {"email": "alice@example.com", "password": "wrong"}
RIGHT = {"email": "alice@example.com", "password": PASSWORD}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of this file alone; the value is its address."""
    server = shutil.which("redis-server")
    if server is None:
        required("Redis", "apt-get install redis-server")
    assert server is not None
    (port,) = free_ports(1)
    folder: Path = tmp_path_factory.mktemp("redis")
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen([server, *options], stdout=subprocess.DEVNULL)
    try:
        answers(port, process)
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def answers(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until it takes connections."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, "Redis did not start"
        time.sleep(0.02)
    raise AssertionError("Redis takes no connections")


def test_several_processes_count_together(redis: str, sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    settings = SignInSettings(second_factor=SecondFactor.OFF, limit_account=3, limit_storage=redis)
    first = open_shop(sqlite_url, sign_in=settings)
    # The same database, and an application that shares no memory with the first.
    second = first.another_app()
    for app in (first.app, second, first.app):
        first.browser(app=app).post("/sign-in", WRONG, 422)
    for app in (first.app, second):
        first.browser(app=app).post("/sign-in", RIGHT, 429)


def test_while_the_store_is_away_each_counts_by_itself(
    sqlite_url: str, open_shop: Callable[..., Shop], caplog: pytest.LogCaptureFixture
) -> None:
    (nobody,) = free_ports(1)
    away = f"redis://127.0.0.1:{nobody}"
    shop = open_shop(
        sqlite_url, sign_in=SignInSettings(second_factor=SecondFactor.OFF, limit_account=2, limit_storage=away)
    )
    with caplog.at_level(logging.WARNING, "webapp.accounts.limits"):
        shop.browser().post("/sign-in", RIGHT)
    assert "counted in this process alone" in caplog.text
    for _ in range(2):
        shop.browser().post("/sign-in", WRONG, 422)
    shop.browser().post("/sign-in", RIGHT, 429)


def test_what_is_stored_names_nobody(redis: str) -> None:
    import redis as library

    SignInLimits(SignInSettings(limit_storage=redis)).begin("carol@example.com", "192.0.2.7")
    with closing(library.Redis.from_url(redis)) as store:
        keys = [key.decode() for key in store.scan_iter()]
    assert keys
    assert not [key for key in keys if "carol" in key]
