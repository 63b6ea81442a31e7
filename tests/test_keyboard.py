"""Without a pointer: everything is reached with Tab and shows that it is, and a whole refund is made by keys alone."""

import re
from collections.abc import Iterator
from threading import Semaphore
from typing import Any, NamedTuple
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from ca_support import serving
from furnished import Furnished
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect
from shop import Browser
from werkzeug.test import run_wsgi_app

from certlifecycle import State
from webapp.accounts import sessions

pytestmark = pytest.mark.browser

FIND_CONTROLS = """() => {
  const wanted = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  const isShown = (one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled;
  const shown = [...document.querySelectorAll(wanted)].filter(isShown);
  const group = (one) => one.type === "radio" && one.name;
  // Of a group of radio buttons Tab enters one; the arrows lead to the others.
  const controls = shown.filter((one) => !group(one) ||
    one === (shown.find((other) => group(other) === group(one) && other.checked) ??
             shown.find((other) => group(other) === group(one))));
  // Not marked in the page: what differs from what the server would send is replaced by the next refresh.
  window.controlsOfTest = controls;
  return controls.map((one) => one.outerHTML.slice(0, 120));
}"""
"""All that can be used, in the order of the page."""

LOOK = """() => {
  const one = document.activeElement;
  if (one === document.body || one === document.documentElement) return null;
  // Of a link that runs over two lines the first.
  const box = one.getClientRects()[0] ?? one.getBoundingClientRect();
  const ring = (style) => (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2) ||
    style.boxShadow !== "none";
  const within = [one, one.nextElementSibling, one.parentElement, one.closest("label")].filter(Boolean);
  const x = Math.min(Math.max(box.left + box.width / 2, 1), innerWidth - 1);
  const y = Math.min(Math.max(box.top + box.height / 2, 1), innerHeight - 1);
  const hit = document.elementFromPoint(x, y);
  return {
    place: window.controlsOfTest.indexOf(one),
    what: one.outerHTML.slice(0, 120),
    ringed: within.some((each) => ring(getComputedStyle(each))),
    seen: box.bottom > 0 && box.top < innerHeight &&
      (one.contains(hit) || within.some((each) => each === hit || each.tagName === "LABEL" && each.contains(hit))),
  };
}"""
"""What has the focus: its place, whether a ring shows it, and whether it lies in the window with nothing over it."""

SHIFT = """() => new Promise((done) => {
  const moved = [];
  new PerformanceObserver((list) => {
    for (const one of list.getEntries().filter((one) => !one.hadRecentInput)) {
      const named = ({ node, previousRect, currentRect }) => (node?.outerHTML ?? node?.data ?? "").slice(0, 80) +
        ` from ${JSON.stringify(previousRect)} to ${JSON.stringify(currentRect)}`;
      moved.push(`${one.value}: ${one.sources.map(named)}`);
    }
  }).observe({ type: "layout-shift", buffered: true });
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(moved))));
})"""
"""What has moved since the page began to load, and how far (its part of the Cumulative Layout Shift)."""


class Desk(NamedTuple):
    """The furnished shop, served."""

    it: Furnished
    people: dict[str, Browser]
    address: str


@pytest.fixture(scope="module")
def served(furnished_desk: Furnished, people: dict[str, Browser]) -> Iterator[Desk]:
    with serving(furnished_desk.shop.app) as address:
        yield Desk(furnished_desk, people, address)


def tab_of(chromium: Chromium, desk: Desk, name: str, **more: Any) -> Page:
    """Somebody's browser, signed in."""
    context = chromium.new_context(timezone_id="Asia/Shanghai", **more)
    cookie = desk.people[name].client.get_cookie(sessions.cookie_name(desk.it.shop.settings))
    if cookie is not None:
        context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": desk.address}])
    return context.new_page()


def main_pages(it: Furnished) -> list[tuple[str, str]]:
    """The pages that people spend their days on."""
    one = {name: certificate.id for name, certificate in it.certificates.items()}
    refund = it.shop.refund_of(it.certificates["rejected"]).id
    return [
        ("Nobody", "/sign-in"),
        ("Alice", "/"),
        ("Alice", "/certificates?sort=domain"),
        ("Alice", f"/certificates/{one['issued']}"),
        ("Alice", f"/certificates/{one['pending']}/submit"),
        ("Alice", f"/certificates/{one['issued']}/revoke"),
        ("Alice", f"/certificates/{one['pending']}/refund"),
        ("Alice", f"/refunds/{refund}"),
        ("Alice", "/account/security"),
        ("Rita", "/review"),
        ("Rita", f"/review/{one['refund_requested']}"),
        ("Rita", "/figures?days=90"),
        ("Ada", "/outbox"),
        ("Ada", "/jobs/import"),
    ]


def walk(tab: Page) -> list[str]:
    """Press Tab from the page's beginning to its end; the value is what was wrong on the way."""
    controls: list[str] = tab.evaluate(FIND_CONTROLS)
    assert len(controls) > 5
    wrong, places = [], []
    for _ in range(len(controls) * 2):
        tab.keyboard.press("Tab")
        here = tab.evaluate(LOOK)
        # Behind the last one Tab leads out of the page, or to its beginning again.
        if here is None or (places and here["place"] == places[0]):
            break
        if not here["ringed"]:
            wrong.append(f"nothing shows the focus on {here['what']}")
        if not here["seen"]:
            wrong.append(f"something lies over {here['what']}")
        # A region that scrolls is reached as well, and is no control.
        if here["place"] >= 0:
            places.append(here["place"])
    missed = set(range(len(controls))) - set(places)
    wrong += [f"Tab never comes to {controls[place]}" for place in sorted(missed)]
    if places != sorted(places):
        wrong.append(f"the order of Tab is not the page's: {places}")
    return wrong


@pytest.mark.parametrize("width", [1280, 390])
def test_tab_leads_through_everything_in_order_and_nothing_moves(served: Desk, chromium: Chromium, width: int) -> None:
    wrong = {}
    tabs = {name: tab_of(chromium, served, name, viewport={"width": width, "height": 800}) for name in served.people}
    # The first page of a browser's life waits for the machine's fonts, of which the desk brings none.
    tabs["Nobody"].goto(served.address + "/sign-in")
    for name, where in main_pages(served.it):
        tab = tabs[name]
        tab.goto(served.address + where)
        found = walk(tab)
        found += [f"moved by {moved}" for moved in tab.evaluate(SHIFT)]
        if found:
            wrong[f"{name} at {where}"] = found
    for tab in tabs.values():
        tab.context.close()
    assert wrong == {}, "\n".join(f"{where}: {one}" for where, found in wrong.items() for one in found)


PIECES = rb'(?=<main|<h1|<form|<footer|<fieldset class="switch"|<label><input type="radio")'
PAINTED = """() => Promise.race([
  new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
  new Promise((done) => setTimeout(done, 100)),
])"""
"""Either something was painted, or there was time enough for it."""


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_moves_when_a_page_arrives_in_pieces(served: Desk, chromium: Chromium, width: int) -> None:
    goes_on = Semaphore(0)
    pieces: list[bytes] = []

    def in_pieces(environ: WSGIEnvironment, start: StartResponse) -> Iterator[bytes]:
        environ.pop("HTTP_ACCEPT_ENCODING", None)
        parts, status, headers = run_wsgi_app(served.it.shop.app.wsgi_app, environ, buffered=True)
        start(status, headers.to_wsgi_list())
        whole = b"".join(parts)
        pieces[:0] = split = re.split(PIECES, whole) if environ["PATH_INFO"] == "/sign-in" else [whole]
        yield split[0]
        for piece in split[1:]:
            assert goes_on.acquire(timeout=30)
            yield piece

    with serving(in_pieces) as address:
        context = chromium.new_context(viewport={"width": width, "height": 800})
        tab = context.new_page()
        tab.goto(address + "/sign-in", wait_until="commit")
        assert len(pieces) > 8
        for _ in pieces:
            tab.evaluate(PAINTED)
            goes_on.release()
        tab.wait_for_load_state()
        assert tab.locator(".switch").is_visible()
        assert tab.evaluate(SHIFT) == []
        context.close()


def press_to(tab: Page, label: str) -> None:
    """Press Tab until what has this label has the focus."""
    for _ in range(200):
        tab.keyboard.press("Tab")
        words = tab.evaluate(
            "() => { const one = document.activeElement; return [...(one.labels ?? [])].map((each) => each.innerText)"
            ".concat(one.innerText ?? '').join(' ').replace(/\\s+/g, ' ').trim(); }"
        )
        if label in words:
            return
    raise AssertionError(f"Tab never comes to {label}")


def test_a_refund_by_keys_alone(served: Desk, chromium: Chromium) -> None:
    shop = served.it.shop
    certificate = shop.certificate_in(State.REVOKED, domain="a-keyboard.example.com")
    tab = tab_of(chromium, served, "Alice")
    tab.goto(served.address + "/")
    # The first stop leads past the navigation.
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "main"
    tab.goto(served.address + "/certificates?tab=signed&sort=domain")
    press_to(tab, "Refund : a-keyboard.example.com")
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", level=1)).to_have_text("Refund application")
    tab.locator("input[type=radio]").first.wait_for()
    while not tab.evaluate("document.activeElement.type === 'radio'"):
        tab.keyboard.press("Tab")
    tab.keyboard.press("Space")
    while not tab.evaluate("document.activeElement.checked && document.activeElement.value === 'other'"):
        tab.keyboard.press("ArrowDown")
    press_to(tab, "Refund reason")
    tab.keyboard.type("We do not need it any more.")
    press_to(tab, "Submit")
    tab.keyboard.press("Enter")
    expect(tab.locator("#messages")).to_have_text("Applied, please wait for the verification.")
    assert shop.get(certificate.id).state == State.REFUND_REQUESTED
    press_to(tab, "Withdraw the application")
    tab.keyboard.press("Enter")
    expect(tab.locator("main")).to_contain_text("Withdrawn")
    assert shop.get(certificate.id).state == State.REVOKED
    tab.context.close()
