"""Every page there is, in every role and state: valid, accessible, inside the screen, and none forgotten."""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe
from ca_support import serving
from furnished import ELSEWHERE, FILES, FRAGMENTS, PAGES, Furnished, furnished
from markup import faults
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext
from playwright.sync_api import Page as Tab
from shop import Browser, Page

from webapp.accounts import sessions
from webapp.accounts.models import Account

SHOWN = (200, 403, 404, 409)
"""The statuses with which a page may answer; what is not for somebody is a page as well."""


class Visit(NamedTuple):
    """Somebody at an address."""

    who: Account | None
    endpoint: str
    address: str

    def __str__(self) -> str:
        return f"{self.who.name if self.who else 'nobody'} at {self.address}"


@pytest.fixture(scope="module")
def desk(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    with furnished(migrated_sqlite, tmp_path_factory.mktemp("furnished")) as opened:
        yield opened


def visits(desk: Furnished) -> Iterator[Visit]:
    """Who looks at what. A customer and a reviewer look at everything.

    Somebody without an account, a customer who has bought nothing, and an administrator look at one page of each kind;
    the administrator at all that are for nobody else.
    """
    shop = desk.shop
    rita = shop.browser(shop.rita).client
    for endpoint, addresses in desk.addresses().items():
        if endpoint in FILES:
            continue
        is_for_admins = rita.get(addresses[0]).status_code == 403
        for who in (None, shop.alice, shop.bob, shop.rita, shop.ada):
            everything = who in (shop.alice, shop.rita) or (who is shop.ada and is_for_admins)
            for address in addresses if everything else addresses[:1]:
                yield Visit(who, endpoint, address)


def test_nothing_is_forgotten(desk: Furnished) -> None:
    """A new address has to be entered in one of the tables, so that it is walked."""
    there = {rule.endpoint for rule in desk.shop.app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    assert there == PAGES.keys() | FRAGMENTS.keys() | FILES.keys() | ELSEWHERE.keys()


def test_every_page_is_valid_for_everybody(desk: Furnished) -> None:
    shop = desk.shop
    browsers = {who.id if who else None: shop.browser(who) for who in (None, shop.alice, shop.bob, shop.rita, shop.ada)}
    seen: set[str] = set()
    wrong: dict[str, list[str]] = {}
    for visit in visits(desk):
        browser = browsers[visit.who.id if visit.who else None]
        is_part = visit.endpoint in FRAGMENTS
        headers = {"HX-Request": "true"} if is_part else {}
        response = browser.client.get(visit.address, headers=headers)
        if response.status_code in (204, 303):
            continue
        assert response.status_code in SHOWN, visit
        assert response.mimetype == "text/html", visit
        page = Page(response, fragment=is_part)
        if not is_part and (found := faults(page.tree, response.headers["Content-Language"])):
            wrong[str(visit)] = found
        if response.status_code == 200:
            seen.add(visit.endpoint)
    assert wrong == {}, "\n".join(f"{one}: {found}" for one, found in wrong.items())
    assert seen == PAGES.keys() | FRAGMENTS.keys()


# In a browser

WIDE, HALF, NARROW = 1280, 640, 320
"""The widths in CSS pixels that a page is looked at in: a desktop, the same at 200 % and at 400 % (WCAG 2.2, 1.4.10)."""
LANGUAGES = ("en", "zh-Hans")
SEEN_ELSEWHERE = {"styleguide.styleguide"}
"""What test_styleguide_templates.py looks at in a browser."""
ALWAYS = ("long", "wildcard")
"""Certificates whose pages are looked at whatever else was seen: their names are the longest."""

Element = tuple[str, str, str, str]


def elements(page: Page) -> set[Element]:
    """What a page is made of: each kind of element within each kind of element."""
    kinds = {node: (node.tag, " ".join(sorted((node.get("class") or "").split()))) for node in page.tree.iter()}
    return {(*kinds[parent], *kinds[child]) for parent in page.tree.iter() for child in parent}


def worth_seeing(desk: Furnished) -> Iterator[Visit]:
    """One page of each kind in each role, and of the others those that have anything which was not seen yet.

    A page that is made of the same elements as others differs from them in words alone, and a browser takes a second
    for what the test above does in a hundredth.
    """
    shop = desk.shop
    people = {who.id if who else None: shop.browser(who) for who in (None, shop.alice, shop.bob, shop.rita, shop.ada)}
    long = [desk.certificates[name].id for name in ALWAYS]
    seen: set[Element] = set()
    kinds: set[tuple[str | None, str]] = set()
    for visit in visits(desk):
        if visit.endpoint in FRAGMENTS or visit.endpoint in SEEN_ELSEWHERE:
            continue
        response = people[visit.who.id if visit.who else None].client.get(visit.address)
        if response.status_code not in SHOWN:
            continue
        made_of = elements(Page(response, fragment=False))
        # An error's page is the same for whatever is not there; an administrator sees what reviewers see.
        role = visit.who.role.value if visit.who else None
        kind = ("anybody", "error") if response.status_code != 200 else (role, visit.endpoint)
        if made_of <= seen and kind in kinds and not any(one in visit.address for one in long):
            continue
        seen |= made_of
        kinds.add(kind)
        yield visit


class Walker:
    """Somebody who looks at pages: in both languages by turns, at all widths, in both schemes."""

    def __init__(self, chromium: Chromium, desk: Furnished, address: str, who: Account | None, folder: Path) -> None:
        self.address = address
        self.folder = folder
        self.name = who.name.lower() if who else "nobody"
        self.context: BrowserContext = chromium.new_context(
            viewport={"width": WIDE, "height": 900}, reduced_motion="reduce", timezone_id="Asia/Shanghai"
        )
        if who is not None:
            name = sessions.cookie_name(desk.shop.settings)
            cookie = desk.shop.browser(who).client.get_cookie(name)
            assert cookie is not None
            self.context.add_cookies([{"name": name, "value": cookie.value, "url": address}])
        self.tab: Tab = self.context.new_page()
        self.axe = Axe()
        self.numbers = count()
        self.complaints: list[str] = []
        self.tab.on("console", lambda told: self.complaints.append(told.text))

    def goes_to(self, where: str) -> list[str]:
        """What is wrong with a page."""
        number = next(self.numbers)
        language = LANGUAGES[number % 2]
        self.context.add_cookies([{"name": "language", "value": language, "url": self.address}])
        self.tab.set_viewport_size({"width": WIDE, "height": 900})
        self.tab.emulate_media(color_scheme="light")
        self.tab.goto(self.address + where)
        return [f"{self.name} at {where} in {language}: {found}" for found in self.looks(f"{number:03}-{language}")]

    def looks(self, name: str) -> list[str]:
        """What is wrong with the page as it is now."""
        tab = self.tab
        tab.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        tab.evaluate(self.axe.axe_script)
        found = [f"light: {one}" for one in self.breaks()]
        self.takes_a_picture(f"{name}-wide-light")
        tab.emulate_media(color_scheme="dark")
        for width in (HALF, NARROW):
            tab.set_viewport_size({"width": width, "height": 900})
            over = tab.evaluate("document.documentElement.scrollWidth") - width
            if over > 0:
                found.append(f"{over} px over the edge at {width}")
        # What does not hang on colours hangs on little else that has changed, except for the size of targets.
        found += [f"dark: {one}" for one in self.breaks("color-contrast", "target-size")]
        self.takes_a_picture(f"{name}-narrow-dark")
        found += [one for one in self.complaints if "Content Security Policy" in one]
        self.complaints.clear()
        return found

    def breaks(self, *only: str) -> list[str]:
        """The rules that the page breaks: any, or any of these."""
        more = {"runOnly": list(only)} if only else {"rules": {"target-size": {"enabled": True}}}
        told = self.tab.evaluate("more => axe.run(more)", {"resultTypes": ["violations"]} | more)
        return [
            f"{one['id']} {one['nodes'][0]['target']} {one['nodes'][0]['failureSummary']}" for one in told["violations"]
        ]

    def takes_a_picture(self, name: str) -> None:
        """For whoever asks for pictures, by naming a folder in ``DESK_PICTURES``."""
        if "DESK_PICTURES" in os.environ:
            self.tab.screenshot(path=self.folder / f"{self.name}-{name}.png", full_page=True)


@pytest.mark.browser
def test_axe_finds_nothing_and_nothing_runs_over_the_edge(
    desk: Furnished, chromium: Chromium, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("DESK_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    walkers: dict[str, Walker] = {}
    wrong: list[str] = []
    with serving(desk.shop.app) as address:
        for visit in worth_seeing(desk):
            name = visit.who.name if visit.who else "nobody"
            if name not in walkers:
                walkers[name] = Walker(chromium, desk, address, visit.who, folder)
            print(visit, flush=True)
            wrong += walkers[name].goes_to(visit.address)
        for walker in walkers.values():
            walker.context.close()
    assert wrong == []
