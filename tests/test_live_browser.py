"""The browser's side in a real Chromium: htmx, its sse extension and live.js, under the console's strict CSP."""

import json
import re
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.request import urlopen

import chromium
import pytest
from conftest import required
from live_support import ALICE, PATIENCE, HubProcess, Writer, free_port, make_sqlite, ticket
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser
STATIC = Path(__file__).parent.parent / "webapp" / "static"
CONFIG = {
    "allowEval": False,
    "allowScriptTags": False,
    "selfRequestsOnly": True,
    "includeIndicatorStyles": False,
    "historyCacheSize": 0,
    "defaultSettleDelay": 0,
    "responseHandling": [
        {"code": "204", "swap": False},
        {"code": "[23]..", "swap": True},
        {"code": "409|422", "swap": True},
        {"code": "[45]..", "swap": True, "error": True, "target": "#messages", "swapOverride": "innerHTML"},
    ],
}


class Desk(ThreadingHTTPServer):
    """A little desk: one page whose fragments show how many changes there were when they were rendered."""

    daemon_threads = True

    def __init__(self, database: Path, live_port: int) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.database = database
        self.live_port = live_port
        self.asked: list[str] = []
        self.signed_in = True
        self.down = False
        self.rows = ""
        self.poll = 0.5
        self.hold: dict[str, threading.Event] = {}  # Answers that wait, after they were rendered.

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that leaves in the middle of an answer is no news."""

    def count(self, certificate: str | None = None) -> tuple[int, int]:
        """How many changes there were, and the last id."""
        query = "SELECT count(*), coalesce(max(id), 0) FROM history WHERE certificate_id = coalesce(?, certificate_id)"
        with closing(sqlite3.connect(self.database)) as connection:
            count, last = connection.execute(query, (certificate,)).fetchone()
        return count, last

    def ticket(self) -> str:
        return ticket(session_key=ALICE, since=self.count()[1])

    def fragment(self, certificate: str) -> str:
        count = self.count(certificate)[0]
        return (
            f'<section id="{certificate}" class="card" hx-get="/fragment/{certificate}" hx-swap="outerHTML"'
            f' hx-trigger="sse:certificate-{certificate}, desk:refresh from:body">'
            f"<b>{certificate} changed {count} times</b>"
            f'<details id="{certificate}-more"><summary>more</summary>nothing</details>'
            f'<form hx-post="/press/{certificate}" hx-target="#{certificate}" hx-swap="outerHTML">'
            f'<input name="why" aria-label="why {certificate}"><button>press {certificate}</button></form></section>'
        )

    def everything(self) -> str:
        count = self.count()[0]
        return (
            '<p id="list" hx-get="/fragment/list" hx-swap="outerHTML" hx-trigger="sse:change, desk:refresh from:body">'
            f"{count} in all</p>"
        )

    def page(self) -> str:
        config = json.dumps(CONFIG)
        return f"""<!doctype html><html lang="en"><head><title>desk</title><meta name="htmx-config" content='{config}'>
            <script src="/vendor/htmx.min.js" defer></script><script src="/vendor/htmx-ext-sse.js" defer></script>
            <script src="/live.js" defer></script></head>
            <body hx-ext="sse" sse-connect="http://127.0.0.1:{self.live_port}/live" data-live-ticket="{self.ticket()}"
              data-live-renew="/ticket" data-live-poll="{self.poll}">
            <div id="messages"></div>
            <main id="main">{self.fragment("c1")}{self.fragment("c2")}{self.everything()}</main>
            <button hx-get="/more" hx-target="#main" hx-swap="beforeend">more certificates</button>
            <p data-live-status="off" data-text-live="Live" data-text-reconnecting="Reconnecting"
              data-text-polling="Polling" data-text-off="Not live"></p></body></html>"""


class Answer(BaseHTTPRequestHandler):
    """One request to the little desk."""

    server: Desk
    protocol_version = "HTTP/1.1"
    kinds: ClassVar[dict[str, str]] = {".js": "text/javascript", ".json": "application/json"}

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        desk = self.server
        desk.asked.append(self.path)
        if desk.down:
            self.close_connection = True
        elif self.path == "/":
            self.send(desk.page(), csp=f"default-src 'none'; script-src 'self'; connect-src 'self' {self.live_origin}")
        elif self.path.endswith(".js"):
            self.send((STATIC / self.path.lstrip("/")).read_text("utf-8"), kind="text/javascript")
        elif self.path == "/ticket":
            if desk.signed_in:
                self.send(json.dumps({"ticket": desk.ticket()}), kind="application/json")
            else:
                self.send("", HTTPStatus.UNAUTHORIZED)
        elif self.path == "/fragment/list":
            self.send(desk.everything())
        elif self.path == "/fragment/rows":
            self.send(desk.rows)
        elif self.path.startswith("/fragment/"):
            self.send(desk.fragment(self.path.removeprefix("/fragment/")))
        elif self.path == "/more":
            self.send(desk.fragment("c3"))
        else:
            self.send("not found", HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        certificate = self.path.removeprefix("/press/")
        self.server.asked.append(self.path)
        with closing(sqlite3.connect(self.server.database)) as connection:
            row = (certificate, ALICE)
            connection.execute("INSERT INTO history (certificate_id, customer_id, event) VALUES (?, ?, 'press')", row)
            connection.commit()
        self.send(self.server.fragment(certificate))

    @property
    def live_origin(self) -> str:
        return f"http://127.0.0.1:{self.server.live_port}"

    def send(self, text: str, status: int = 200, kind: str = "text/html", csp: str = "") -> None:
        content = text.encode()
        held = self.server.hold.get(self.path)
        if held:
            held.wait(PATIENCE)
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        if csp:
            self.send_header("Content-Security-Policy", csp)
        self.end_headers()
        self.wfile.write(content)


class Scene:
    """A page in a browser, the desk behind it, another process that changes things, and the hub."""

    def __init__(self, browser: Browser, directory: Path) -> None:
        self.path = directory / "desk.sqlite3"
        self.url = make_sqlite(self.path)
        with closing(sqlite3.connect(self.path)) as database:
            database.execute("INSERT INTO account (id, role) VALUES (?, 'customer')", (ALICE,))
            session = (ALICE, ALICE, "2100-01-01 00:00:00.000000", None)
            database.execute("INSERT INTO web_session VALUES (?, ?, ?, ?)", session)
            database.commit()
        self.writer = Writer(self.url)
        self.port = free_port()
        self.desk = Desk(self.path, self.port)
        threading.Thread(target=self.desk.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.hub: HubProcess | None = None
        self.complaints: list[str] = []
        self.page: Page = browser.new_page()
        self.page.set_default_timeout(PATIENCE * 1000)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console", lambda line: self.complaints.append(line.text) if "Content Security" in line.text else None
        )

    def start_hub(self, **settings: object) -> None:
        self.hub = HubProcess(
            self.url, port=self.port, **({"heartbeat": 0.5, "origins": (self.desk.origin,)} | settings)
        )

    def stop_hub(self) -> None:
        if self.hub:
            self.hub.stop()

    def open(self) -> Page:
        self.page.goto(self.desk.origin)
        return self.page

    def open_live(self) -> Page:
        self.open()
        self.is_shown("live", "Live")
        return self.page

    def is_shown(self, status: str, text: str) -> None:
        place = self.page.locator("[data-live-status]")
        expect(place).to_have_attribute("data-live-status", status, timeout=PATIENCE * 1000)
        expect(place).to_have_text(text)

    def is_away(self) -> None:
        """Wait until the page has noticed that there is no stream; whether it polls already is a matter of moments."""
        place = self.page.locator("[data-live-status]")
        away = re.compile("^(reconnecting|polling)$")
        expect(place).to_have_attribute("data-live-status", away, timeout=PATIENCE * 1000)

    def remember_statuses(self) -> None:
        """Keep what the page says of itself from now on; what shows for a moment only cannot be waited for."""
        self.page.evaluate("""() => {
          const place = document.querySelector("[data-live-status]");
          window.statusesOfTest = [];
          new MutationObserver(() => window.statusesOfTest.push(place.dataset.liveStatus))
            .observe(place, { attributeFilter: ["data-live-status"] });
        }""")

    @property
    def statuses(self) -> list[str]:
        """What it has said since."""
        told: list[str] = self.page.evaluate("window.statusesOfTest")
        return told

    def counts(self, certificate: str, times: int) -> None:
        text = f"{certificate} changed {times} times"
        expect(self.page.locator(f"#{certificate} b")).to_have_text(text, timeout=PATIENCE * 1000)

    def until(self, path: str, times: int) -> None:
        """Wait until a path was asked for so often."""
        asked = self.desk.asked
        for _ in range(int(PATIENCE * 50)):
            if asked.count(path) >= times:
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"{path} was asked for {asked.count(path)} times, not {times}")

    def close(self) -> None:
        for held in self.desk.hold.values():
            held.set()
        self.page.close()
        self.stop_hub()
        self.writer.__exit__(None, None, None)
        self.desk.shutdown()
        self.desk.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if chromium.path() is None:
        required("Chromium", chromium.INSTALL)
    with chromium.running() as running:
        yield running


@pytest.fixture
def scene(browser: Browser, tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(browser, tmp_path)
    yield scene
    scene.close()
    assert scene.complaints == []


def hide(page: Page, hidden: bool) -> None:
    """Turn the tab away or back: the switch that headless Chromium does not offer."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_a_fragment_shows_a_change_of_another_process(scene: Scene) -> None:
    scene.start_hub()
    page = scene.open_live()
    scene.writer.change("c1")
    scene.counts("c1", 1)
    scene.counts("c2", 0)
    expect(page.locator("#list")).to_have_text("1 in all")
    # The fragment that replaced the first one listens as well.
    for times in (2, 3, 4):
        scene.writer.change("c1")
        scene.counts("c1", times)
    scene.writer.change("c2")
    scene.counts("c2", 1)
    assert scene.desk.asked.count("/fragment/c2") == 1


def test_it_polls_while_the_hub_is_away_and_is_live_again_when_it_returns(scene: Scene) -> None:
    scene.start_hub()
    scene.open_live()
    scene.remember_statuses()
    scene.stop_hub()
    scene.is_shown("polling", "Polling")
    assert scene.statuses[:2] == ["reconnecting", "polling"]
    scene.writer.change("c1")
    scene.counts("c1", 1)
    scene.start_hub()
    scene.is_shown("live", "Live")
    scene.writer.change("c1")
    scene.counts("c1", 2)
    asked = len(scene.desk.asked)
    scene.page.wait_for_timeout(1500)
    assert len(scene.desk.asked) <= asked + 4, "it goes on polling"


def test_without_a_hub_from_the_start_it_polls(scene: Scene) -> None:
    scene.open()
    scene.is_shown("polling", "Polling")
    scene.writer.change("c1")
    scene.counts("c1", 1)


def test_what_changed_while_the_hub_was_away_is_shown(scene: Scene) -> None:
    scene.start_hub()
    scene.open_live()
    hide(scene.page, True)  # So that only the stream can bring it.
    scene.stop_hub()
    scene.is_shown("reconnecting", "Reconnecting")
    scene.writer.change("c1")
    scene.start_hub()
    scene.is_shown("live", "Live")
    scene.counts("c1", 1)


def test_a_hidden_tab_does_not_poll(scene: Scene) -> None:
    scene.open()
    scene.is_shown("polling", "Polling")
    hide(scene.page, True)
    scene.page.wait_for_timeout(300)
    asked = len(scene.desk.asked)
    scene.page.wait_for_timeout(1500)
    assert [path for path in scene.desk.asked[asked:] if path != "/ticket"] == []


def test_a_tab_that_is_seen_again_does_not_wait_for_the_next_poll(scene: Scene) -> None:
    scene.desk.poll = 600
    scene.open()
    scene.is_shown("polling", "Polling")
    hide(scene.page, True)
    scene.writer.change("c1")
    hide(scene.page, False)
    scene.counts("c1", 1)


def test_it_does_not_claim_to_poll_when_the_desk_does_not_answer(scene: Scene) -> None:
    scene.open()
    scene.is_shown("polling", "Polling")
    scene.desk.down = True
    scene.is_shown("reconnecting", "Reconnecting")
    scene.desk.down = False
    scene.is_shown("polling", "Polling")


def test_an_expired_ticket_is_renewed(scene: Scene) -> None:
    scene.start_hub(ticket_max_age=1)
    page = scene.open_live()
    page.wait_for_timeout(3200)
    scene.stop_hub()
    scene.is_away()
    # A new ticket is given time to arrive, the old one is older than that.
    scene.start_hub(ticket_max_age=2)
    scene.is_shown("live", "Live")
    assert "/ticket" in scene.desk.asked
    scene.writer.change("c1")
    scene.counts("c1", 1)


def test_an_ended_session_ends_the_attempts(scene: Scene) -> None:
    scene.start_hub()
    scene.open_live()
    scene.desk.signed_in = False
    scene.writer.run("UPDATE web_session SET revoked_at = CURRENT_TIMESTAMP")
    scene.is_shown("off", "Not live")
    asked = len(scene.desk.asked)
    scene.page.wait_for_timeout(4000)
    assert len(scene.desk.asked) == asked


def test_a_stream_without_heartbeats_counts_as_dead(scene: Scene) -> None:
    scene.start_hub()
    scene.open_live()
    assert scene.hub is not None
    # The kernel keeps the connection; nothing answers on it.
    scene.hub.process.send_signal(signal.SIGSTOP)
    try:
        scene.is_away()
        scene.writer.change("c1")
        scene.counts("c1", 1)
    finally:
        scene.hub.process.send_signal(signal.SIGCONT)
    scene.is_shown("live", "Live")


def test_nothing_is_replaced_under_somebody_who_writes(scene: Scene) -> None:
    scene.start_hub()
    page = scene.open_live()
    field = page.get_by_label("why c1")
    field.focus()
    scene.writer.change("c1")
    expect(page.locator("#c1")).to_have_attribute("data-live-held", "")
    expect(page.locator("#list")).to_have_text("1 in all")
    assert "/fragment/c1" not in scene.desk.asked
    page.keyboard.type("because")
    # Leaving the field does not throw away what was written.
    page.get_by_label("why c2").focus()
    page.wait_for_timeout(300)
    expect(field).to_have_value("because")
    scene.counts("c1", 0)
    # Once it is taken back, the change is shown.
    field.fill("")
    page.locator("summary").nth(1).focus()
    scene.counts("c1", 1)
    expect(page.locator("#c1")).not_to_have_attribute("data-live-held", "")


def test_an_answer_that_arrives_while_somebody_writes_waits_too(scene: Scene) -> None:
    scene.start_hub()
    page = scene.open_live()
    scene.desk.hold["/fragment/c1"] = threading.Event()
    scene.writer.change("c1")
    scene.until("/fragment/c1", 1)
    page.get_by_label("why c1").focus()
    scene.desk.hold.pop("/fragment/c1").set()
    expect(page.locator("#c1")).to_have_attribute("data-live-held", "")
    scene.counts("c1", 0)
    page.get_by_label("why c1").blur()
    scene.counts("c1", 1)


def test_a_press_is_not_lost_to_a_refresh(scene: Scene) -> None:
    scene.start_hub()
    page = scene.open_live()
    page.get_by_role("button", name="press c1").hover()
    page.evaluate("() => addEventListener('sse:change', () => { document.documentElement.dataset.told = 1; })")
    page.mouse.down()
    scene.writer.change("c1")
    page.wait_for_function("() => document.documentElement.dataset.told")
    assert "/fragment/c1" not in scene.desk.asked
    page.mouse.up()
    scene.counts("c1", 2)
    assert scene.desk.asked.count("/press/c1") == 1


def test_a_change_during_a_refresh_is_not_lost(scene: Scene) -> None:
    scene.start_hub()
    scene.open_live()
    held = scene.desk.hold["/fragment/c1"] = threading.Event()
    scene.writer.change("c1")
    scene.until("/fragment/c1", 1)
    # The first answer is rendered and on its way; these come too late for it.
    scene.writer.change("c1")
    scene.writer.change("c1")
    expect(scene.page.locator("#list")).to_have_text("3 in all")
    del scene.desk.hold["/fragment/c1"]
    held.set()
    scene.counts("c1", 3)
    assert scene.desk.asked.count("/fragment/c1") == 2


def test_a_change_during_another_request_is_not_lost_to_what_that_brings(scene: Scene) -> None:
    scene.start_hub()
    page = scene.open_live()
    held = scene.desk.hold["/more"] = threading.Event()
    page.get_by_role("button", name="more certificates").click()
    scene.until("/more", 1)
    scene.writer.change("c3")
    expect(page.locator("#list")).to_have_text("1 in all")
    held.set()
    scene.counts("c3", 1)


def test_the_same_content_is_not_put_in_again(scene: Scene) -> None:
    scene.open()
    scene.is_shown("polling", "Polling")
    page = scene.page
    page.locator("#c1").evaluate("element => { element.mark = 1; }")
    page.locator("#c1-more").evaluate("element => { element.open = true; }")
    scene.until("/fragment/c1", scene.desk.asked.count("/fragment/c1") + 3)
    assert page.locator("#c1").evaluate("element => element.mark") == 1
    scene.writer.change("c1")
    scene.counts("c1", 1)
    assert page.locator("#c1").evaluate("element => element.mark") is None
    expect(page.locator("#c1-more")).to_have_attribute("open", "")


def test_many_changes_are_not_as_many_requests(scene: Scene) -> None:
    scene.start_hub()
    page = scene.open_live()
    begun = time.monotonic()
    for _ in range(60):
        scene.writer.change("other")
    expect(page.locator("#list")).to_have_text("60 in all")
    # One at once, and from then on one in half a second.
    assert scene.desk.asked.count("/fragment/list") <= 2 + 2 * (time.monotonic() - begun)


def test_a_refused_background_refresh_is_not_announced(scene: Scene) -> None:
    scene.start_hub()
    page = scene.open_live()
    page.locator("#c1").evaluate("element => element.setAttribute('hx-get', '/gone')")
    page.evaluate("() => htmx.process(document.querySelector('#c1'))")
    page.evaluate("() => addEventListener('htmx:responseError', () => { window.refused = true; })")
    scene.writer.change("c1")
    page.wait_for_function("() => window.refused")
    expect(page.locator("#messages")).to_have_text("")


def test_a_stream_that_returns_shows_the_present_whatever_the_hub_knows(scene: Scene) -> None:
    scene.start_hub()
    scene.open_live()
    hide(scene.page, True)
    scene.stop_hub()
    scene.is_shown("reconnecting", "Reconnecting")
    assert "/fragment/c1" not in scene.desk.asked
    scene.start_hub()
    scene.is_shown("live", "Live")
    scene.until("/fragment/c1", 1)


def test_what_changed_lights_up_and_nothing_else(scene: Scene) -> None:
    scene.start_hub()
    page = scene.open_live()
    # A list that is replaced as a whole, in which one row is new and one is another than before.
    rows = "<ul id='list' hx-get='/fragment/rows' hx-trigger='desk:refresh from:body' hx-swap='outerHTML'>"
    old = [("r1", "same"), ("r2", "before")]
    page.evaluate(
        "html => { document.querySelector('#list').outerHTML = html; htmx.process(document.body); }",
        rows + "".join(f"<li id='{name}' data-flash>{text}</li>" for name, text in old) + "</ul>",
    )
    new = [("r1", "same"), ("r2", "after"), ("r3", "new")]
    scene.desk.rows = rows + "".join(f"<li id='{name}' data-flash>{text}</li>" for name, text in new) + "</ul>"
    page.evaluate("() => htmx.trigger(document.body, 'desk:refresh')")
    expect(page.locator("#r3")).to_have_class("is-changed")
    expect(page.locator("#r2")).to_have_class("is-changed")
    expect(page.locator("#r1")).not_to_have_class("is-changed")
    # The light is no difference: the same answer again changes nothing.
    page.locator("#list").evaluate("element => { element.mark = 1; }")
    page.evaluate("() => htmx.trigger(document.body, 'desk:refresh')")
    scene.until("/fragment/rows", 2)
    scene.page.wait_for_timeout(200)
    assert page.locator("#list").evaluate("element => element.mark") == 1


def test_a_row_is_asked_for_by_what_it_names_and_by_its_end(scene: Scene) -> None:
    """htmx knows nothing of such rows: they are too many."""
    scene.start_hub()
    page = scene.open_live()
    row = "<p id='row' data-live-on='certificate-c2 claim-c2' data-live-get='/fragment/rows' hx-swap='outerHTML'>{}</p>"
    page.evaluate("html => document.querySelector('#list').insertAdjacentHTML('afterend', html)", row.format("first"))
    scene.desk.rows = row.format("second")
    scene.writer.change("c1")
    scene.counts("c1", 1)
    scene.writer.change("c2")
    expect(page.locator("#row")).to_have_text("second")
    assert scene.desk.asked.count("/fragment/rows") == 1
    # What replaced it is asked for as well, and also when its time has run out.
    scene.desk.rows = row.format("third")
    scene.writer.change("c2")
    expect(page.locator("#row")).to_have_text("third")
    scene.desk.rows = row.format("fourth")
    page.evaluate("() => htmx.trigger('#row', 'desk:expired')")
    expect(page.locator("#row")).to_have_text("fourth")
    # An answer that went wrong takes nothing away.
    scene.desk.down = True
    page.evaluate("() => htmx.trigger('#row', 'desk:expired')")
    scene.until("/fragment/rows", 4)
    scene.desk.down = False
    expect(page.locator("#row")).to_have_text("fourth")


def test_a_tab_that_was_hidden_for_long_returns_its_connection_and_comes_back(scene: Scene) -> None:
    scene.start_hub()
    page = scene.page
    page.clock.install()
    scene.open_live()
    assert viewers(scene) == 1
    hide(page, True)
    page.clock.run_for(61_000)
    for _ in range(200):
        if viewers(scene) == 0:
            break
        page.wait_for_timeout(20)
    assert viewers(scene) == 0
    scene.writer.change("c1")
    hide(page, False)
    scene.counts("c1", 1)
    page.clock.run_for(3000)
    scene.is_shown("live", "Live")
    assert viewers(scene) == 1


def viewers(scene: Scene) -> int:
    """How many streams the hub has open."""
    with urlopen(f"http://127.0.0.1:{scene.port}/healthz") as answer:
        return int(json.load(answer)["viewers"])
