"""The log on another machine: what arrives there, and what a server that is away costs."""

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from log_server import Collector, until_it_speaks
from processes import ROOT, environment, eventually, free_ports
from shop import Shop
from smtp import make_certificate

from webapp import log_server
from webapp.log_server import LogServer, LogServerError, LogServerHandler, handler, read_log_server
from webapp.logs import LogFormat, formatter_for

HEAD = re.compile(
    r"<(?P<pri>\d+)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (?P<host>\S+) certificate-desk (?P<process>\d+) - - "
)
"""What comes before the line (RFC 5424, 6.2)."""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path)


@pytest.fixture
def collector(certificate: Path) -> Iterator[Collector]:
    with Collector(certificate) as collector:
        yield collector


@pytest.fixture
def make_log() -> Iterator["Logs"]:
    logs = Logs()
    yield logs
    logs.close()


class Logs:
    """Loggers that send to a server, ended with the test."""

    def __init__(self) -> None:
        self._handlers: list[logging.Handler] = []

    def __call__(self, server: LogServer) -> logging.Logger:
        made = LogServerHandler(server)
        made.setFormatter(formatter_for(LogFormat.TEXT))
        self._handlers.append(made)
        log = logging.Logger("desk.test")  # Nobody else's.
        log.addHandler(made)
        return log

    def close(self) -> None:
        for one in self._handlers:
            one.close()


class Said:
    """What this process has written to standard error."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.text = ""

    def wait_for(self, words: str) -> None:
        eventually(lambda: self._more() or words in self.text)

    def _more(self) -> None:
        self.text += self._capsys.readouterr().err


def test_lines_arrive_at_another_machine_as_syslog(collector: Collector, make_log: Logs) -> None:
    log = make_log(collector.address)
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        log.log(level, "退款 %s\nin two lines", level)
    found = [HEAD.match(message := collector.next()) for _ in range(5)]
    heads = [one for one in found if one]
    assert [int(one["pri"]) for one in heads] == [128 + severity for severity in (7, 6, 4, 3, 2)]
    assert {int(one["process"]) for one in heads} == {os.getpid()}
    assert message.endswith("Z CRITICAL desk.test 退款 50\nin two lines")


def test_nothing_is_sent_to_a_server_that_is_not_known(
    collector: Collector, make_log: Logs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other")
    log = make_log(LogServer("127.0.0.1", collector.port, other))
    log.warning("a secret of the house")
    said = Said(capsys)
    said.wait_for("cannot be reached")
    assert "certificate verify failed" in said.text
    assert f"LOG_SERVER 127.0.0.1:{collector.port}" in said.text
    assert collector.messages.empty()


def test_a_server_of_another_name_is_not_known(certificate: Path, make_log: Logs, collector: Collector) -> None:
    """The certificate is for its address."""
    log = make_log(LogServer("localhost", collector.port, certificate))
    log.warning("a secret of the house")
    right = make_log(collector.address)
    right.warning("to the right one")
    assert collector.next().endswith("to the right one")
    assert collector.messages.empty()


def test_lines_wait_for_a_server_that_is_away(
    certificate: Path, make_log: Logs, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_server, "PAUSE_SECONDS", 0.05)
    (port,) = free_ports(1)
    log = make_log(LogServer("127.0.0.1", port, certificate))
    for number in range(3):
        log.warning("line %d", number)
    said = Said(capsys)
    said.wait_for("lines wait")
    with Collector(certificate, port) as collector:
        assert [one[-6:] for one in collector.texts(3)] == ["line 0", "line 1", "line 2"]
        said.wait_for("is back")
    # It is said once that it is away, however often it was tried.
    assert said.text.count("cannot be reached") == 1


def test_a_server_that_was_started_again_misses_nothing(collector: Collector, make_log: Logs) -> None:
    log = make_log(collector.address)
    for number in range(3):
        log.warning("line %d", number)
        assert collector.next().endswith(f"line {number}")
        collector.hang_up()


def test_what_was_too_much_is_counted(
    certificate: Path, make_log: Logs, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_server, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(log_server, "KEPT", 2)
    (port,) = free_ports(1)
    log = make_log(LogServer("127.0.0.1", port, certificate))
    log.warning("in hand")
    Said(capsys).wait_for("lines wait")
    for number in range(5):
        log.warning("line %d", number)
    with Collector(certificate, port) as collector:
        ends = [text.rsplit(" ", 2)[-2:] for text in collector.texts(3)]
        assert ends == [["in", "hand"], ["line", "0"], ["line", "1"]]
        assert collector.texts(1) == ["3 lines were lost while the log server was away."]


def test_what_cannot_be_written_stops_nothing(
    collector: Collector, make_log: Logs, capsys: pytest.CaptureFixture[str]
) -> None:
    log = make_log(collector.address)
    log.warning("%d", "no number")
    assert "Logging error" in capsys.readouterr().err
    log.warning("the next, with half a \ud83d character")
    assert collector.next().endswith("half a \\ud83d character")


SAY = {
    "the pages": (
        "import json, logging.config\n"
        'logging.config.dictConfig(json.load(open("webapp/log_config.json")))\n'
        'logging.getLogger("desk").warning("one")\n'
        'logging.getLogger("granian.access").info("two")'
    ),
    "a process that was forked off": (
        "import logging, os\n"
        "from webapp.log_server import handler\n"
        "logging.basicConfig(level=logging.INFO, handlers=[handler()])\n"
        'logging.warning("one")\n'
        "if os.fork() == 0:\n"
        '    logging.warning("two")\n'
        "    logging.shutdown()\n"
        "    os._exit(0)\n"
        "os.wait()"
    ),
}


@pytest.mark.parametrize("who", SAY)
def test_what_was_said_last_is_sent_as_well(shop: Shop, collector: Collector, who: str) -> None:
    given = environment(shop.settings, **set_to(collector))
    subprocess.run([sys.executable, "-c", SAY[who]], env=given, cwd=ROOT, check=True, timeout=60)
    assert sorted(text[-3:] for text in collector.texts(2)) == ["one", "two"]


@pytest.mark.parametrize("module", ["webapp.effects.worker", "webapp.live.__main__"])
def test_each_process_sends_them(shop: Shop, collector: Collector, module: str) -> None:
    say = until_it_speaks(module)
    given = environment(shop.settings, LOG_FORMAT="json", **set_to(collector))
    subprocess.run([sys.executable, "-c", say], env=given, cwd=ROOT, capture_output=True, check=False, timeout=60)
    (text,) = collector.texts(1)
    assert json.loads(text).keys() == {"time", "level", "logger", "message"}


def set_to(collector: Collector) -> dict[str, str]:
    """The settings for a server."""
    return {"LOG_SERVER": f"127.0.0.1:{collector.port}", "LOG_SERVER_CA_FILE": str(collector.certificate)}


def test_a_process_that_ends_waits_for_no_server_that_is_away(shop: Shop) -> None:
    (port,) = free_ports(1)
    given = environment(shop.settings, LOG_SERVER=f"127.0.0.1:{port}")
    done = subprocess.run(
        [sys.executable, "-c", SAY["the pages"]], env=given, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert "WARNING desk one" in done.stderr


@pytest.mark.parametrize(
    ("value", "server"),
    [
        ("logs.example.com", LogServer("logs.example.com", 6514)),
        (" logs.example.com:1514 ", LogServer("logs.example.com", 1514)),
        ("[2001:db8::1]:6515", LogServer("2001:db8::1", 6515)),
        ("", None),
    ],
)
def test_a_server_is_a_host_and_a_port(value: str, server: LogServer | None) -> None:
    assert read_log_server({"LOG_SERVER": value}) == server


@pytest.mark.parametrize(
    "value",
    [
        "logs.example.com:0",
        "logs.example.com:x",
        "logs.example.com:99999",
        "tls://logs.example.com",
        "a@b",
        ":6514",
        "日志.example.com",
        f"{'a' * 64}.example.com",
        "[::1",
    ],
)
def test_what_is_no_server_is_said(value: str) -> None:
    with pytest.raises(LogServerError, match="LOG_SERVER must be a host, or host:port, not"):
        read_log_server({"LOG_SERVER": value})


def test_certificates_that_are_not_there_are_said(tmp_path: Path) -> None:
    given = {"LOG_SERVER": "logs.example.com", "LOG_SERVER_CA_FILE": str(tmp_path / "ca.pem")}
    with pytest.raises(LogServerError, match=r"LOG_SERVER_CA_FILE: there is no file .*ca\.pem"):
        read_log_server(given)


def test_without_a_server_nothing_is_sent() -> None:
    assert type(handler({})) is logging.NullHandler
