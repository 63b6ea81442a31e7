"""Fixtures of the tests of live pages in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from live_desk import Scene
from playwright.sync_api import Browser


@pytest.fixture
def scene(chromium: Browser, tmp_path: Path) -> Iterator[Scene]:
    """The little desk, not yet opened; it must not complain about anything."""
    scene = Scene(chromium, tmp_path)
    yield scene
    scene.close()
    assert scene.complaints == []
