"""``make lighthouse``: what Google's Lighthouse says of the five pages that people use most, on a phone and a computer.

Starts a demo of its own on free loopback ports, served as in production, signs in, and measures every page so many
times that the median is worth something. Fails where a median is below :data:`ENOUGH`. Lighthouse itself is installed
from npm into the virtual environment's folder, once. Its performance is a matter of time, so a busy machine costs
points that the pages do not.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import chromium
import httpx
from playwright.sync_api import Browser
from screenshots import CUSTOMER, REVIEWER, Way, demo, to, to_certificate

from webapp.demo import PASSWORD

VERSION = "12.8.2"
ENOUGH = 98
CATEGORIES = {"performance": "speed", "accessibility": "access", "best-practices": "practices"}
INSTALL = "Lighthouse needs Node.js 18.16 or newer with npm: apt-get install nodejs npm"

PAGES: dict[str, tuple[str, Way]] = {
    "certificate list": (CUSTOMER, to("/certificates?tab=signed")),
    "certificate": (CUSTOMER, to_certificate("soon.example.com")),
    "refund form": (CUSTOMER, to_certificate("tomorrow.example.com", "Refund")),
    "refund": (CUSTOMER, to_certificate("waiting.example.com", "Follow the refund")),
    "review queue": (REVIEWER, to("/review")),
}
"""For each page who looks, and the way there."""

FORMS = {"mobile": (), "desktop": ("--preset=desktop",)}


class Missing(Exception):
    """Something that Lighthouse needs is not there."""


def installed() -> str:
    """Lighthouse's command, installed where it is not yet; raises :class:`Missing`."""
    npm, browser = shutil.which("npm"), chromium.path()
    if npm is None or shutil.which("node") is None:
        raise Missing(INSTALL)
    if browser is None:
        raise Missing(f"Lighthouse needs Chromium: {chromium.INSTALL}")
    folder = Path(sys.prefix) / f"lighthouse-{VERSION}"
    command = folder / "node_modules" / ".bin" / "lighthouse"
    if not command.exists():
        print(f"Installing Lighthouse {VERSION} (the first time takes a minute) …", flush=True)
        folder.mkdir(exist_ok=True)
        words = [npm, "install", "--prefix", folder, "--no-audit", "--no-fund", "--silent", f"lighthouse@{VERSION}"]
        if subprocess.run(words).returncode:
            raise Missing("npm could not install Lighthouse; what it said stands above.")
    return str(command)


def signed_in(base: str, who: str) -> str:
    """Somebody's cookies, as a request's header holds them."""
    with httpx.Client(base_url=base) as client:
        token = client.get("/sign-in").text.partition('name="csrf_token" value="')[2].partition('"')[0]
        answer = client.post("/sign-in", data={"csrf_token": token, "email": who, "password": PASSWORD})
        if answer.status_code != 303:
            raise SystemExit(f"{who} could not sign in: {answer.status_code}.")
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar)


def addresses(browser: Browser, base: str, cookies: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """The name of each page, who looks, and its address."""
    for name, (who, way) in PAGES.items():
        context = browser.new_context(locale="en-GB")
        pairs = [one.split("=", 1) for one in cookies[who].split("; ")]
        context.add_cookies([{"name": key, "value": value, "url": base} for key, value in pairs])
        page = context.new_page()
        way(page, base)
        yield name, who, page.url
        context.close()


TRIES = 3
"""How often a visit is made whose trace was not recorded."""


@contextmanager
def headers(folder: Path, cookie: str) -> Iterator[Path]:
    """A file with the headers of every request: secrets do not belong into a command line."""
    path = folder / "headers.json"
    path.write_text(json.dumps({"Cookie": cookie}))
    try:
        yield path
    finally:
        path.unlink()


def measure(command: str, address: str, form: str, extra: Path, *more: str) -> dict:
    """Lighthouse's whole report of one visit."""
    words = [
        command,
        address,
        "--quiet",
        "--output=json",
        f"--only-categories={','.join(CATEGORIES)}",
        f"--extra-headers={extra}",
        f"--chrome-flags={' '.join(['--headless=new', *chromium.FLAGS])}",
        *FORMS[form],
        *more,
    ]
    environment = os.environ | {"CHROME_PATH": chromium.path() or ""}
    for _ in range(TRIES):
        answer = subprocess.run(words, env=environment, capture_output=True, text=True)
        if not answer.returncode:
            report: dict = json.loads(answer.stdout)
            return report
        # The browser's trace began after the page did: its own advice is to run it again.
        if "NO_NAVSTART" not in answer.stderr:
            break
    raise SystemExit(f"Lighthouse failed at {address}:\n{answer.stderr}")


def scores(report: dict) -> dict[str, int]:
    """The points of one report, out of a hundred."""
    return {name: round(100 * (report["categories"][name]["score"] or 0)) for name in CATEGORIES}


def losses(report: dict) -> list[str]:
    """What cost points in one report."""
    found = []
    for name in CATEGORIES:
        for part in report["categories"][name]["auditRefs"]:
            audit = report["audits"][part["id"]]
            if part["weight"] and audit["score"] is not None and audit["score"] < 0.9:
                found.append(f"{name}: {audit['title']} ({audit.get('displayValue') or audit['score']})")
    return found


def main() -> int:
    """Measure all pages; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make lighthouse", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="visits of each page in each form (default: 3)")
    parser.add_argument(
        "--slowdown",
        type=float,
        help="how many times slower than this machine a phone is taken to be, instead of Lighthouse's own 4: it thinks "
        "of a computer with an index of 1,500 to 2,000, and asks for less on a slower or busy one",
    )
    arguments = parser.parse_args()
    slower = [f"--throttling.cpuSlowdownMultiplier={arguments.slowdown:g}"] if arguments.slowdown else []
    try:
        command = installed()
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 2
    with demo() as base:
        cookies = {who: signed_in(base, who) for who in (CUSTOMER, REVIEWER)}
        with chromium.running() as browser:
            found = list(addresses(browser, base, cookies))
        poor = 0
        print(f"\n  Median of {arguments.runs}; at least {ENOUGH} is asked for.\n")
        print(f"  {'page':<18}{'form':<9}" + "".join(f"{word:>11}" for word in CATEGORIES.values()) + "   machine")
        for name, who, address in found:
            with headers(Path(sys.prefix), cookies[who]) as extra:
                for form in FORMS:
                    more = slower if form == "mobile" else []
                    reports = [measure(command, address, form, extra, *more) for _ in range(arguments.runs)]
                    poor += told(name, form, reports)
    if poor:
        print(f"\n{poor} of {len(found) * len(FORMS)} are below {ENOUGH}.", file=sys.stderr)
    return 1 if poor else 0


def told(name: str, form: str, reports: list[dict]) -> bool:
    """Print the medians of one page, with what costs points where they are too low; returns whether they are."""
    medians = {key: int(median(scores(one)[key] for one in reports)) for key in CATEGORIES}
    # Lighthouse's own measure of how fast this machine was just then.
    index = median(one["environment"]["benchmarkIndex"] for one in reports)
    points = "".join(f"{one:>11}" for one in medians.values())
    print(f"  {name:<18}{form:<9}{points}{index:>10,.0f}", flush=True)
    if min(medians.values()) >= ENOUGH:
        return False
    for loss in dict.fromkeys(loss for one in reports for loss in losses(one)):
        print(f"    {loss}")
    return True


if __name__ == "__main__":
    sys.exit(main())
