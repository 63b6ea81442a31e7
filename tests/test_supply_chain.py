"""What a deployment installs: named by version and hash, as the project asks for it, under licences that are listed."""

import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from processes import ROOT

LOCK = (ROOT / "requirements.lock").read_text("utf-8")
ENTRIES = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(.*(?:\n    --hash.*)*)", LOCK, re.MULTILINE)
LOCKED = {canonicalize_name(name): Version(version) for name, version, _hashes in ENTRIES}
CONDITIONAL = {canonicalize_name(name) for name, _version, rest in ENTRIES if ";" in rest.splitlines()[0]}
"""Those that a marker may keep off this kind of machine: they cannot be asked."""


def wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [Requirement(one) for one in project["dependencies"]]


@pytest.mark.parametrize("requirement", wanted(), ids=lambda one: one.name)
def test_the_lock_has_what_the_project_asks_for(requirement: Requirement) -> None:
    version = LOCKED.get(canonicalize_name(requirement.name))
    assert version is not None, f"{requirement.name} is not locked; run: make lock"
    assert requirement.specifier.contains(version), f"{requirement} is locked at {version}; run: make lock"


def test_everything_that_is_locked_is_named_by_its_hashes() -> None:
    assert len(ENTRIES) == len([line for line in LOCK.splitlines() if line and not line.startswith((" ", "#"))])
    for name, _version, rest in ENTRIES:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", rest), name


def test_the_lock_names_no_place_to_fetch_from() -> None:
    assert "://" not in LOCK
    assert not re.search(r"^\s*--(index|extra|find|trusted)", LOCK, re.MULTILINE)


def test_the_licence_of_everything_that_is_locked_is_listed() -> None:
    listed = (ROOT / "LICENCES.md").read_text("utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in listed.splitlines()[2:]]
    licences = {canonicalize_name(row[0]): row[2] for row in rows}
    assert set(LOCKED) - CONDITIONAL <= set(licences)
    assert not [name for name, licence in licences.items() if licence in ("", "UNKNOWN")]


def test_security_says_where_to_write_and_what_is_supported() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    for what in ("security@example.com", "## What is supported", "--require-hashes"):
        assert what in text


Audit = Callable[[], "subprocess.CompletedProcess[str]"]


class Weaknesses(ThreadingHTTPServer):
    """Answers as the OSV database does (https://google.github.io/osv.dev/post-v1-query/)."""

    daemon_threads = True

    def __init__(self) -> None:
        self.known: dict[str, dict[str, object]] = {}
        self.asked: dict[str, Version] = {}
        super().__init__(("127.0.0.1", 0), _Answering)


class _Answering(BaseHTTPRequestHandler):
    server: Weaknesses

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = query["package"]["name"]
        self.server.asked[canonicalize_name(name)] = Version(query["version"])
        known = self.server.known.get(name)
        body = json.dumps({"vulns": [known]} if known else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def weaknesses() -> Iterator[Weaknesses]:
    with Weaknesses() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def audit(weaknesses: Weaknesses) -> Audit:
    """``make audit``, with another database of weaknesses than PyPI's."""
    other = f"ARGS=--vulnerability-service osv --osv-url http://127.0.0.1:{weaknesses.server_port}/v1/query"
    # What it installs first is a part of what the tests need.
    command = ["make", f"--old-file={sys.prefix}/.supply", f"VENV={sys.prefix}", "audit", other]
    return lambda: subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_a_known_weakness_of_anything_locked_fails_the_audit(audit: Audit, weaknesses: Weaknesses) -> None:
    done = audit()
    assert done.returncode == 0, done.stderr
    assert set(LOCKED) - CONDITIONAL <= set(weaknesses.asked)
    locked = {(canonicalize_name(name), Version(version)) for name, version, _rest in ENTRIES}
    assert set(weaknesses.asked.items()) <= locked

    fixed = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}
    weaknesses.known["flask"] = {
        "id": "PYSEC-0000-1",
        "summary": "An example.",
        "details": "An example.",
        "affected": [{"package": {"name": "flask", "ecosystem": "PyPI"}, "ranges": [fixed]}],
    }
    done = audit()
    assert done.returncode != 0
    assert re.search(r"^flask +\S+ +PYSEC-0000-1 +99\.1$", done.stdout, re.MULTILINE), done.stdout
