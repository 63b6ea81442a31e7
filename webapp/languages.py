"""In which language and time zone somebody reads: their choice, else the shop's, else what their browser asks for.

The same for pages and mails. A page knows the browser; for a mail the account remembers what it asked for last.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import cast
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from flask import Flask, Response, current_app, g, has_request_context, request

from webapp import wording
from webapp.accounts.models import Account
from webapp.config import Settings
from webapp.locales.catalogues import SOURCE_LANGUAGE, Catalogue, offered
from webapp.wording import Wording, words

COOKIE = "language"
"""The cookie in which the choice of somebody who has not signed in is kept; over TLS its name has a prefix."""
MOST_ASKED_FOR = 20
"""How many languages of a browser's list are looked at."""


class Languages:
    """The languages of a shop, and the wording of each reader."""

    def __init__(self, settings: Settings) -> None:
        self.offered: Mapping[str, Catalogue] = offered(settings.languages)
        self._default = settings.language
        self._timezone = settings.timezone
        self._cookie = settings.cookie_name(COOKIE)
        self._wordings: dict[tuple[str, str], Wording] = {}

    @property
    def last_resort(self) -> str:
        """The language for whoever says nothing that helps: English, where it is offered."""
        return SOURCE_LANGUAGE if SOURCE_LANGUAGE in self.offered else next(iter(self.offered))

    def choose(self, chosen: Iterable[str], asked_for: Sequence[str]) -> str:
        """The first of the ``chosen`` languages that is offered, else the shop's own, else the best one asked for."""
        for tag in chosen:
            if tag in self.offered:
                return tag
        return self._default or self._matching(asked_for) or self.last_resort

    def _matching(self, asked_for: Sequence[str]) -> str | None:
        ours = {spoken(tag): tag for tag in self.offered}
        return next((ours[spoken(tag)] for tag in asked_for[:MOST_ASKED_FOR] if spoken(tag) in ours), None)

    def wording(self, language: str, timezone: str = "") -> Wording:
        """The words of a language that is offered, in a time zone; the shop's where none was chosen."""
        key = language, timezone or self._timezone
        found = self._wordings.get(key)
        if found is None:
            # Two threads may both make one; either is as good.
            found = self._wordings[key] = Wording(ZoneInfo(key[1]), self.offered[language])
        return found

    def of_account(self, account: Account) -> Wording:
        """How somebody is written to."""
        language = self.choose([account.language], [account.browser_language])
        return self.wording(language, account.timezone)

    def of_request(self) -> Wording:
        """How whoever asks reads."""
        if not has_request_context():
            return self.wording(self.choose([], []))
        account: Account | None = g.get("account")
        chosen = [account.language if account else "", request.cookies.get(self._cookie, "")]
        language = self.choose(chosen, [tag for tag, _quality in request.accept_languages])
        found = self.wording(language, account.timezone if account else "")
        # Before it is known who asks, it is only a guess.
        if "account" in g:
            g.wording = found
        return found


@lru_cache(maxsize=1024)
def spoken(tag: str) -> tuple[str, str]:
    """A language and the script it is written in: ``zh-CN``, ``zh-SG`` and ``zh-Hans`` are read by the same people.

    ``("", "")`` for what names no language.
    """
    try:
        locale = Locale.parse(tag, sep="-")
    except (ValueError, TypeError, UnknownLocaleError):
        return "", ""
    likely = get_global("likely_subtags")
    full = likely.get(f"{locale.language}_{locale.territory}") or likely.get(locale.language) or ""
    return locale.language, locale.script or next((part for part in full.split("_") if len(part) == 4), "")


def offered_here() -> Languages:
    """The languages of the running application."""
    return cast(Languages, current_app.extensions["languages"])


def install(app: Flask, languages: Languages) -> None:
    """Let every page be worded for its reader, and say so in its headers."""
    app.extensions["languages"] = languages
    wording.install(app, languages.wording(languages.last_resort), languages.of_request)

    @app.context_processor
    def choices() -> dict[str, object]:
        return {"languages": tuple(languages.offered.values())}

    @app.after_request
    def tell(response: Response) -> Response:
        if response.mimetype == "text/html":
            response.content_language.add(words().language)
            response.vary.update(("Accept-Language", "Cookie"))
        return response
