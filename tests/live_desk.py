"""A little desk with live fragments in a real Chromium: htmx, its sse extension and live.js under the console's CSP."""

import json
import re
import sqlite3
import threading
from contextlib import closing
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.request import urlopen

from live_support import ALICE, PATIENCE, HubProcess, Writer, free_port, make_sqlite, ticket
from playwright.sync_api import Browser, Page, expect

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
        self.given: dict[str, str] = {}  # Further fragments, by their path.
        self.replaces: dict[str, str] = {}  # What their answers take the place of instead of what asked, by their path.
        self.poll = 0.5
        self.puts_off = ""  # How long the list waits before it asks, as htmx writes it: " delay:1s".
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
            '<p id="list" hx-get="/fragment/list" hx-swap="outerHTML"'
            f' hx-trigger="sse:change{self.puts_off}, desk:refresh from:body">{count} in all</p>'
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
        elif self.path in desk.given:
            self.send(desk.given[self.path], replaces=desk.replaces.get(self.path))
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

    def send(
        self, text: str, status: int = 200, kind: str = "text/html", csp: str = "", replaces: str | None = None
    ) -> None:
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
        if replaces:
            self.send_header("HX-Retarget", replaces)
            self.send_header("HX-Reselect", replaces)
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
        expect(place).to_have_attribute("data-live-status", status)
        expect(place).to_have_text(text)

    def is_away(self) -> None:
        """Wait until the page has noticed that there is no stream; whether it polls already is a matter of moments."""
        place = self.page.locator("[data-live-status]")
        away = re.compile("^(reconnecting|polling)$")
        expect(place).to_have_attribute("data-live-status", away)

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
        expect(self.page.locator(f"#{certificate} b")).to_have_text(text)

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


def hide(page: Page, hidden: bool) -> None:
    """Turn the tab away or back: the switch that headless Chromium does not offer."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def viewers(scene: Scene) -> int:
    """How many streams the hub has open."""
    with urlopen(f"http://127.0.0.1:{scene.port}/healthz") as answer:
        return int(json.load(answer)["viewers"])
