"""Fixtures of the tests of the ACME authority: one Pebble for a file; a desk, a shop and a front for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from acme_shop import AcmeShop, open_acme_shop
from acme_support import Desk, open_database
from ca_support import HandClock
from conftest import required
from pebble import INSTALL, Front, Pebble, missing


@pytest.fixture(scope="module")
def pebble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """An ACME server that the tests of one file share; none of them restarts it."""
    if missing():
        required("Pebble", INSTALL)
    server = Pebble.start(tmp_path_factory.mktemp("pebble"))
    yield server
    server.stop()


@pytest.fixture
def own_pebble(tmp_path: Path) -> Iterator[Pebble]:
    """An ACME server that one test may restart or stop."""
    if missing():
        required("Pebble", INSTALL)
    server = Pebble.start(tmp_path / "pebble")
    yield server
    server.stop()


@pytest.fixture
def desk(pebble: Pebble, sqlite_url: str, tmp_path: Path) -> Iterator[Desk]:
    """A desk with an account key of its own, so that no proof of another test counts for it."""
    engine = open_database(sqlite_url)
    yield Desk(engine, tmp_path, pebble, HandClock())
    engine.dispose()


@pytest.fixture
def front(pebble: Pebble) -> Iterator[Front]:
    """A proxy in front of the shared server."""
    front = Front(pebble)
    yield front
    front.close()


@pytest.fixture
def acme_shop(pebble: Pebble, sqlite_url: str, tmp_path: Path) -> Iterator[Callable[..., AcmeShop]]:
    """Open shops that have Pebble issue: ``acme_shop(front, default="builtin", ov="acme")``."""
    opened: list[AcmeShop] = []

    def open_one(front: Front | None = None, *, database_url: str = sqlite_url, **by_product: str) -> AcmeShop:
        shop = open_acme_shop(database_url, tmp_path / "data", pebble, front, **by_product)
        opened.append(shop)
        return shop

    yield open_one
    for shop in opened:
        shop.close()
    pebble.challenges.clear()
