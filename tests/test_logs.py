"""The processes' logs: a line a record, UTC, and readable by a program where that is wanted."""

import json
import logging
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from log_server import until_it_speaks
from processes import ROOT, environment
from shop import Shop

from webapp.logs import LogFormat, formatter, formatter_for

AT = datetime(2026, 5, 4, 9, 0, 0, 125_000, tzinfo=UTC)


def record(message: str, *values: object) -> logging.LogRecord:
    made = logging.LogRecord("desk.payments", logging.WARNING, __file__, 1, message, values, None)
    made.created, made.msecs = AT.timestamp(), 125.0
    return made


def test_a_line_for_people() -> None:
    line = formatter_for(LogFormat.TEXT).format(record("Refund %s: refused", "7f"))
    assert line == "2026-05-04T09:00:00.125Z WARNING desk.payments Refund 7f: refused"


def test_a_line_for_programs() -> None:
    line = formatter_for(LogFormat.JSON).format(record("Refund %s: refused", "退款\nforged"))
    assert "\n" not in line
    assert line.isascii()
    assert json.loads(line) == {
        "time": "2026-05-04T09:00:00.125Z",
        "level": "WARNING",
        "logger": "desk.payments",
        "message": "Refund 退款\nforged: refused",
    }
    assert datetime.fromisoformat(json.loads(line)["time"]) == AT


def test_what_failed_stays_in_the_line() -> None:
    try:
        raise LookupError("gone")
    except LookupError:
        failed = record("Failed")
        failed.exc_info = sys.exc_info()
    line = formatter_for(LogFormat.JSON).format(failed)
    assert "\n" not in line
    assert "LookupError: gone" in json.loads(line)["exc_info"]


@pytest.mark.parametrize(("given", "kind"), [("", "Formatter"), ("text", "Formatter"), (" json", "JsonFormatter")])
def test_the_web_server_is_told_by_the_environment(given: str, kind: str) -> None:
    assert type(formatter({"LOG_FORMAT": given})).__name__ == kind


SAY = """
import json, logging.config
logging.config.dictConfig(json.load(open("webapp/log_config.json")))
logging.getLogger("desk").warning("ours")
logging.getLogger("_granian").warning("the server's")
logging.getLogger("granian.access").info("a request")
logging.getLogger("somebody").info("not worth a line")
"""


def test_the_web_server_s_own_lines_are_of_the_same_kind(shop: Shop) -> None:
    given = environment(shop.settings, LOG_FORMAT="json")
    said = subprocess.run([sys.executable, "-c", SAY], env=given, cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout == ""
    lines = [json.loads(line) for line in said.stderr.splitlines()]
    assert [(one["logger"], one["message"]) for one in lines] == [
        ("desk", "ours"),
        ("_granian", "the server's"),
        ("granian.access", "a request"),
    ]


@pytest.mark.parametrize("module", ["webapp.effects.worker", "webapp.live.__main__"])
def test_each_process_writes_them(shop: Shop, module: str) -> None:
    """What it says before it begins to work: the hub, where it listens; the worker, that keys lie in the clear."""
    say = until_it_speaks(module)
    given = environment(shop.settings, LOG_FORMAT="json")
    said = subprocess.run([sys.executable, "-c", say], env=given, cwd=ROOT, capture_output=True, text=True, check=False)
    first = json.loads(said.stderr.splitlines()[0])
    assert first.keys() == {"time", "level", "logger", "message"}
