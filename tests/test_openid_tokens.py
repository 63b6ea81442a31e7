"""The tokens of the organisation's own sign-in stay with the server, and not for longer than it reads them."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Response, request
from login_provider import LoginProvider, at_provider, login_provider, person, to_provider
from shop import START, Clock, Shop, test_settings

from webapp.accounts.settings import Entrance, SecondFactor, SignInSettings


@pytest.fixture
def provider() -> Iterator[LoginProvider]:
    with login_provider(Clock(START)) as running:
        # What the token lacks is asked for, with the other token.
        running.person, running.tells = {"sub": "1"}, person()
        yield running


def test_no_token_reaches_the_browser_the_database_or_the_log(
    provider: LoginProvider, sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = test_settings(sqlite_url, tmp_path / "data")
    sign_in = SignInSettings(SecondFactor.OFF, entrances=frozenset(Entrance), provider=provider.settings())
    shop = Shop(replace(settings, sign_in=sign_in))
    provider.clock = shop.clock
    sent: list[str] = []

    @shop.app.after_request
    def note(answer: Response) -> Response:
        answer.direct_passthrough = False
        sent.extend([request.path, str(answer.headers), answer.get_data(as_text=True)])
        return answer

    for _visit in range(2):
        browser = shop.browser()
        browser.get("/sign-in")
        back = at_provider(to_provider(browser))
        assert browser.get(back, 303).location == "/"
        for page in ("/", "/account/security", "/account/data"):
            browser.get(page)
    shop.close()
    assert len(provider.handed) == 4
    assert len(sent) > 20
    for token in provider.handed:
        # Of a signed token its parts count as well.
        for part in (token, *token.split(".")):
            assert len(part) > 16
            assert not [one for one in sent if part in one]
            # The provider of the tests writes its own into the same log.
            assert not [one for one in caplog.records if one.name.startswith("desk") and part in one.getMessage()]
            files = [path for path in tmp_path.rglob("*") if path.is_file()]
            assert len(files) > 3
            assert not [path.name for path in files if part.encode() in path.read_bytes()]
