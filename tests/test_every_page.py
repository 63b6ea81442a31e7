"""Every page there is, in every role and state: valid, accessible, inside the screen, and none forgotten."""

import os
import re
from collections.abc import Iterator
from itertools import count, cycle
from pathlib import Path
from typing import NamedTuple

import lxml.html
import pytest
from axe_playwright_python.sync_playwright import Axe
from ca_support import serving
from furnished import ELSEWHERE, FILES, FRAGMENTS, HALFWAY, PAGES, Furnished
from markup import faults
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext
from playwright.sync_api import Page as Tab
from shop import Browser, Page
from werkzeug.test import Cookie

from webapp.accounts import sessions

SHOWN = (200, 403, 404, 409)
"""The statuses with which a page may answer; what is not for somebody is a page as well."""


class Visit(NamedTuple):
    """Somebody at an address."""

    name: str
    endpoint: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} at {self.address}"


def visits(desk: Furnished, people: dict[str, Browser]) -> Iterator[Visit]:
    """Who looks at what. A customer and a reviewer look at everything.

    Somebody without an account, a customer who has bought nothing, and an administrator look at one page of each kind;
    the administrator at all that are for nobody else.
    """
    for endpoint, addresses in desk.addresses().items():
        if endpoint in FILES:
            continue
        is_for_admins = people["Rita"].client.get(addresses[0]).status_code == 403
        for name in people:
            everything = name in ("Alice", "Rita") or (name == "Ada" and is_for_admins)
            for address in addresses if everything else addresses[:1]:
                yield Visit(name, endpoint, address)


def test_nothing_is_forgotten(furnished_desk: Furnished) -> None:
    """A new address has to be entered in one of the tables, so that it is walked."""
    there = {rule.endpoint for rule in furnished_desk.shop.app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    assert there == PAGES.keys() | FRAGMENTS.keys() | FILES.keys() | ELSEWHERE.keys()


def test_every_page_is_valid_for_everybody(furnished_desk: Furnished, people: dict[str, Browser]) -> None:
    seen: set[str] = set()
    wrong: dict[str, list[str]] = {}
    for visit in visits(furnished_desk, people):
        is_part = visit.endpoint in FRAGMENTS
        headers = {"HX-Request": "true"} if is_part else {}
        response = people[visit.name].client.get(visit.address, headers=headers)
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
"""The widths in CSS pixels at which a page is looked at: a desktop, the same at 200 % and 400 % (WCAG 2.2, 1.4.10)."""
LANGUAGES = ("en", "zh-Hans")
SCHEMES = ("light", "dark")
SEEN_ELSEWHERE = {"styleguide.styleguide"}
"""What test_styleguide_templates.py looks at in a browser."""
ALWAYS = ("long", "wildcard")
"""Certificates whose pages are looked at whatever else was seen: their names are the longest."""
ROLES = {"Nobody": None, HALFWAY: None, "Alice": "customer", "Bob": "customer", "Rita": "reviewer", "Ada": "admin"} | {
    "Olga": "customer"
}
MINUTE = 60_000
"""Milliseconds that a browser on a busy machine may take for a page."""

Element = tuple[str, str, str, str]


def elements(text: str) -> set[Element]:
    """What a page is made of: each kind of element within each kind of element.

    That it is valid is seen to elsewhere, so the quick parser will do.
    """
    tree = lxml.html.document_fromstring(text)
    kinds = {
        node: (node.tag, " ".join(sorted((node.get("class") or "").split())))
        for node in tree.iter()
        if isinstance(node.tag, str)
    }
    return {(*kinds[parent], *kinds[child]) for parent in kinds for child in parent if child in kinds}


class Sight(NamedTuple):
    """A page worth looking at in a browser, in these colour schemes."""

    visit: Visit
    schemes: tuple[str, ...]


def worth_seeing(desk: Furnished, people: dict[str, Browser]) -> Iterator[Sight]:
    """One page of each kind, and of the others those that have anything which was not seen yet.

    A page that is made of the same elements as others differs from them in words alone, and a browser takes a second
    for what the test above does in a hundredth. Every kind of element is seen in both schemes. Whoever asks for
    pictures gets one of each kind in each role.
    """
    long = [desk.certificates[name].id for name in ALWAYS]
    seen: dict[str, set[Element]] = {scheme: set() for scheme in SCHEMES}
    kinds: set[tuple[str | None, str]] = set()
    turns = cycle(SCHEMES)
    for visit in visits(desk, people):
        if visit.endpoint in FRAGMENTS or visit.endpoint in SEEN_ELSEWHERE:
            continue
        response = people[visit.name].client.get(visit.address)
        if response.status_code not in SHOWN:
            continue
        made_of = elements(response.get_data(as_text=True))
        kind = _kind(desk, visit, response.status_code)
        if made_of <= seen["light"] & seen["dark"] and kind in kinds and not any(one in visit.address for one in long):
            continue
        kinds.add(kind)
        schemes = tuple(scheme for scheme in SCHEMES if not made_of <= seen[scheme]) or (next(turns),)
        for scheme in schemes:
            seen[scheme] |= made_of
        yield Sight(visit, schemes)


def _kind(desk: Furnished, visit: Visit, status: int) -> tuple[str | None, str]:
    """What of a page there has to be one of: what is public is the same for all, and so is what went wrong."""
    if status != 200:
        return None, "error"
    view = desk.shop.app.view_functions[visit.endpoint]
    is_public = getattr(view, "is_public", False)
    in_each_role = "DESK_PICTURES" in os.environ and not is_public
    return ROLES[visit.name] if in_each_role else None, visit.endpoint


class Walker:
    """Somebody who looks at pages: in both languages by turns, at all widths, in the schemes that are asked for."""

    def __init__(self, chromium: Chromium, name: str, cookie: Cookie | None, address: str, folder: Path) -> None:
        self.address = address
        self.folder = folder
        self.name = name
        self.context: BrowserContext = chromium.new_context(
            viewport={"width": WIDE, "height": 900}, reduced_motion="reduce", timezone_id="Asia/Shanghai"
        )
        self.context.set_default_timeout(MINUTE)
        if cookie is not None:
            self.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": address}])
        self.tab: Tab = self.context.new_page()
        self.axe = Axe()
        self.numbers = count()
        self.wrong: list[str] = []
        self.tab.on("console", lambda told: self._hears(told.text))

    def _hears(self, told: str) -> None:
        if "Content Security Policy" in told or "Trusted" in told:
            self.wrong.append(f"{self.tab.url}: {told}")

    def goes_to(self, where: str) -> None:
        """Open a page."""
        self.language = LANGUAGES[next(self.numbers) % 2]
        self.context.add_cookies([{"name": "language", "value": self.language, "url": self.address}])
        self.tab.set_viewport_size({"width": WIDE, "height": 900})
        self.tab.goto(self.address + where)

    def sends_nothing(self) -> None:
        """Send the page's own form as it is, and stand before what it says about that."""
        with self.tab.expect_navigation():
            self.tab.evaluate("document.querySelector('main form.form[method=post]').submit()")

    def looks(self, *schemes: str) -> None:
        """Note what is wrong with the page as it is now: in the first scheme by all rules, in others the colours."""
        tab = self.tab
        tab.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        tab.evaluate(self.axe.axe_script)
        for number, scheme in enumerate(schemes):
            tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            self._note(scheme, self._broken("color-contrast") if number else self._broken())
            self._takes_a_picture(f"wide-{scheme}")
        for width in (HALF, NARROW):
            tab.set_viewport_size({"width": width, "height": 900})
            over = tab.evaluate("document.documentElement.scrollWidth") - width
            self._note(f"{width} px wide", [f"{over} px over the edge"] if over > 0 else [])
        self._note("narrow", self._broken("target-size"))
        self._takes_a_picture("narrow")

    def _note(self, how: str, found: list[str]) -> None:
        where = self.tab.url.removeprefix(self.address)
        self.wrong += [f"{self.name} at {where} in {self.language}, {how}: {one}" for one in found]

    def _broken(self, *only: str) -> list[str]:
        """The rules that the page breaks: any, or any of these."""
        more = {"runOnly": list(only)} if only else {"rules": {"target-size": {"enabled": True}}}
        told = self.tab.evaluate("more => axe.run(more)", {"resultTypes": ["violations"]} | more)
        return [
            f"{one['id']} {one['nodes'][0]['target']} {one['nodes'][0]['failureSummary']}" for one in told["violations"]
        ]

    def _takes_a_picture(self, how: str) -> None:
        """For whoever asks for pictures, by naming a folder in ``DESK_PICTURES``."""
        if "DESK_PICTURES" in os.environ:
            place = re.sub(r"[0-9a-f]{32}|[^\w-]+", "-", self.tab.url.removeprefix(self.address)).strip("-")[:60]
            name = f"{self.name}-{next(self.numbers):03}-{place}-{self.language}-{how}.png"
            self.tab.screenshot(path=self.folder / name, full_page=True, caret="initial")


@pytest.mark.browser
def test_axe_finds_nothing_and_nothing_runs_over_the_edge(
    furnished_desk: Furnished, people: dict[str, Browser], chromium: Chromium, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("DESK_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    cookie = sessions.cookie_name(furnished_desk.shop.settings)
    with serving(furnished_desk.shop.app) as address:
        walkers = {
            name: Walker(chromium, name, browser.client.get_cookie(cookie), address, folder)
            for name, browser in people.items()
        }
        for visit, schemes in worth_seeing(furnished_desk, people):
            walkers[visit.name].goes_to(visit.address)
            walkers[visit.name].looks(*schemes)
        for name, where in forms(furnished_desk):
            walkers[name].goes_to(where)
            walkers[name].sends_nothing()
            walkers[name].looks("dark", "light")
        choosing(walkers["Alice"], furnished_desk)
        with_shortcuts(walkers["Rita"])
        wrong = [one for walker in walkers.values() for one in walker.wrong]
        for walker in walkers.values():
            walker.context.close()
    assert wrong == [], "\n".join(wrong)


def forms(desk: Furnished) -> list[tuple[str, str]]:
    """Forms that nobody has filled in, and who sends them."""
    one = {name: certificate.id for name, certificate in desk.certificates.items()}
    return [
        ("Nobody", "/sign-in"),
        ("Alice", "/order/dv"),
        ("Alice", f"/certificates/{one['pending']}/submit"),
        ("Alice", f"/certificates/{one['issued']}/revoke"),
        ("Alice", f"/certificates/{one['pending']}/refund"),
        ("Alice", "/account/password"),
        ("Rita", f"/review/{one['refund_requested']}"),
        ("Ada", "/review/reasons/new"),
        ("Ada", "/jobs/import"),
        ("Ada", "/payments/bank"),
    ]


def choosing(alice: Walker, desk: Furnished) -> None:
    """Boxes are ticked, and what would become of many is shown: of some something, of others nothing."""
    alice.goes_to("/certificates?tab=unsigned&sort=domain")
    for name in ("pending", "failed", "submitted"):
        alice.tab.locator(f"#pick-{desk.certificates[name].id}").check()
    alice.looks("light", "dark")
    alice.tab.set_viewport_size({"width": WIDE, "height": 900})
    with alice.tab.expect_navigation():
        alice.tab.locator(".many button[value=request_refund]").click()
    alice.looks("dark", "light")
    alice.sends_nothing()
    alice.looks("light", "dark")


def with_shortcuts(rita: Walker) -> None:
    """The sheet of shortcuts is open."""
    rita.goes_to("/review")
    rita.tab.keyboard.press("?")
    rita.tab.locator("dialog[open]").wait_for()
    rita.looks("light", "dark")
