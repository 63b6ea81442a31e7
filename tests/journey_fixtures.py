"""The browser of the tests of whole journeys."""

from collections.abc import Iterator

import pytest
from chromium import INSTALL, path, running
from conftest import required
from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for a file; each person gets a profile of their own."""
    if path() is None:
        required("Chromium", INSTALL)
    with running() as browser:
        yield browser
