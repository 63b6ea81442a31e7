"""People at real browsers who read the console in their own language: what a journey in it is told with.

What is looked for is named by its text in the sources and looked up in the reader's catalogue, so that one journey is
told for readers of every language. Every page that they stop at is kept as a picture, has to fit the screen, and has
to be in their language alone.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from language_support import english
from playwright.sync_api import Locator, Page, expect
from review_support import Console
from shop import parse

from webapp.accounts.models import Account
from webapp.languages import Languages
from webapp.wording import Wording

SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 900}}


class Look(NamedTuple):
    """In which language, on what, and in which colours somebody reads."""

    language: str
    device: str
    scheme: str

    def __str__(self) -> str:
        return "-".join(self)


class Reader:
    """Somebody at a browser, who counts what they press."""

    def __init__(self, console: Console, tab: Page, look: Look, wording: Wording, folder: Path) -> None:
        self.console = console
        self.tab = tab
        self.look = look
        self.wording = wording
        self.folder = folder
        self.clicks = 0
        self._numbers = count(1)

    # In words

    def say(self, message: str, **values: object) -> str:
        """A text of the console in the reader's language; it must have been translated into it."""
        said = self.wording.gettext(message, **values)
        assert self.look.language == "en" or self.wording.gettext(message) != message, message
        return said

    @property
    def main(self) -> Locator:
        """The content of the page."""
        return self.tab.locator("main")

    # Going on

    def opens(self, where: str) -> None:
        """Type an address."""
        self.tab.goto(self.console.url + where)

    def presses(self, what: Locator) -> None:
        """Press anything; it is counted."""
        self.clicks += 1
        what.click()

    def goes_to(self, place: str) -> None:
        """Follow a link of the main navigation."""
        name = self.say(place)
        self.presses(self.tab.locator("#navigation").get_by_role("link", name=name))

    def follows(self, message: str, **values: object) -> None:
        """Follow the first link whose words begin so."""
        self.presses(self.main.get_by_role("link", name=self.say(message, **values)).first)

    def button(self, message: str, **values: object) -> Locator:
        """The button with these words."""
        return self.main.get_by_role("button", name=self.say(message, **values), exact=True)

    def sees(self, message: str, where: str = "main", **values: object) -> None:
        """Wait until a text shows, without loading the page anew."""
        found = self.tab.locator(where).get_by_text(self.say(message, **values)).first
        expect(found).to_be_visible()

    def is_at(self, domain: str) -> None:
        """Wait for the page of a domain."""
        expect(self.tab.get_by_role("heading", level=1)).to_contain_text(domain)

    def is_live(self) -> None:
        """Wait until changes would come to this page by themselves."""
        expect(self.tab.locator("[data-live-status=live]")).to_have_count(1)

    def stops_at(self, name: str) -> None:
        """Look at the page: keep a picture; it fits the screen and speaks one language."""
        picture = self.folder / f"{self.look}-{next(self._numbers):02}-{name}.png"
        # Hiding the caret would take a style that the pages' policy forbids.
        self.tab.screenshot(path=picture, full_page=True, caret="initial")
        assert self.tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, picture.name
        if self.look.language != "en":
            left = english(parse(self.tab.content(), fragment=False))
            assert left == set(), (picture.name, left)


@contextmanager
def reading(console: Console, account: Account, look: Look, folder: Path) -> Iterator[Reader]:
    """Somebody, signed in. Pictures go to ``folder``, or where ``DESK_PICTURES`` says."""
    folder = Path(os.environ.get("DESK_PICTURES", folder)) / "journeys"
    folder.mkdir(parents=True, exist_ok=True)
    locale = {"en": "en-GB", "zh-Hans": "zh-CN"}[look.language]
    more: dict[str, Any] = {"viewport": SIZES[look.device], "color_scheme": look.scheme, "locale": locale}
    if look.device == "phone":
        more |= {"has_touch": True, "is_mobile": True}
    wording = Languages(console.shop.settings).wording(look.language)
    with console.tab(account, reduced_motion="reduce", **more) as tab:
        yield Reader(console, tab, look, wording, folder)
