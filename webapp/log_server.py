"""The log on another machine: syslog over TLS (RFC 5424 in the frames of RFC 5425).

Whoever breaks into the desk can change what lies on its machine, but not what has left it. Standard error has every
line as before; this is beside it. Nothing waits for the server: lines are sent by a thread of their own, and while the
server is away the last :data:`KEPT` of each process wait for it.
"""

import logging
import os
import queue
import socket
import ssl
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

USUAL_PORT = 6514
"""The port of syslog over TLS (RFC 5425, 4.1)."""
KEPT = 10_000
"""So many lines a process wait for a server that is away; what comes then is lost to it, and counted."""
PATIENCE_SECONDS = 10.0
PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
LAST_SECONDS = 3.0
"""How long a process that ends waits until what it said last is sent."""

LOCAL_USE_0 = 16
"""The facility (RFC 5424, 6.2.1)."""
SEVERITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""What a level is from which on (RFC 5424, 6.2.1); below all of them it is 7, debug."""
APPLICATION = "certificate-desk"
MACHINE = socket.gethostname().encode("ascii", "replace").decode()[:255] or "-"


class LogServerError(ValueError):
    """No log server can be reached as it is told to be. The message names the setting."""


@dataclass(frozen=True)
class LogServer:
    """Where the log goes; ``ca_file`` holds certificates to trust instead of the system's."""

    host: str
    port: int = USUAL_PORT
    ca_file: Path | None = None


def read_log_server(environ: Mapping[str, str]) -> LogServer | None:
    """``LOG_SERVER`` and ``LOG_SERVER_CA_FILE``; ``None`` where none is set. Raises :class:`LogServerError`."""
    value, ca = environ.get("LOG_SERVER", "").strip(), environ.get("LOG_SERVER_CA_FILE", "").strip()
    if not value:
        return None
    try:
        parts = urlsplit(f"//{value}")
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")  # As it is looked up.
    except ValueError:
        host, port = None, None
    if not host or port == 0 or parts.netloc != value or "@" in value or not value.isascii():
        raise LogServerError(f"LOG_SERVER must be a host, or host:port, not {value[:80]!r}")
    ca_file = Path(ca) if ca else None
    if ca_file and not ca_file.is_file():
        raise LogServerError(f"LOG_SERVER_CA_FILE: there is no file {ca_file}")
    return LogServer(host, port or USUAL_PORT, ca_file)


class LogServerHandler(logging.Handler):
    """Hands lines to the thread that sends them. Emitting takes no longer than putting a line into a queue."""

    def __init__(self, server: LogServer) -> None:
        super().__init__()
        self._server = server
        self._sender: _Sender | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Have a line sent; called with the handler's lock held."""
        try:
            line = _framed(record, self.format(record))
        except Exception:  # noqa: BLE001  # As every handler: a line that cannot be written stops nothing.
            self.handleError(record)
            return
        # A process that was forked off has no thread but the one that forked.
        if self._sender is None or self._sender.process != os.getpid():
            self._sender = _Sender(self._server)
        self._sender.put(line)

    def close(self) -> None:
        """Let what was said last be sent, for a moment."""
        if self._sender is not None and self._sender.process == os.getpid():
            self._sender.end(LAST_SECONDS)
        super().close()


def handler(environ: Mapping[str, str] = os.environ) -> logging.Handler:
    """For whoever sets its log up by a file (``log_config.json``): one that does nothing where no server is set."""
    server = read_log_server(environ)
    return LogServerHandler(server) if server else logging.NullHandler()


def _framed(record: logging.LogRecord, text: str) -> bytes:
    severity = next((number for level, number in SEVERITIES if record.levelno >= level), 7)
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    head = f"<{LOCAL_USE_0 * 8 + severity}>1 {at} {MACHINE} {APPLICATION} {record.process or '-'} - - "
    line = (head + text).encode("utf-8", "backslashreplace")
    return b"%d %s" % (len(line), line)


class _Sender:
    """The thread of one process that sends, and what waits for it."""

    def __init__(self, server: LogServer) -> None:
        self.process = os.getpid()
        self._server = server
        self._lines: queue.Queue[bytes | None] = queue.Queue(KEPT)
        self._lost = 0
        self._told = 0  # So many of the lost ones the server knows of.
        self._ending = threading.Event()
        self._connection: ssl.SSLSocket | None = None
        self._is_away = False
        # A process that ends does not wait for a server that is away.
        self._thread = threading.Thread(target=self._run, name="log server", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._lost += 1

    def end(self, seconds: float) -> None:
        self._ending.set()
        with suppress(queue.Full):
            self._lines.put_nowait(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            self._send(line)
            if self._lines.empty() and (lost := self._lost - self._told):
                self._told += lost
                words = f"{lost} lines were lost while the log server was away."
                made = logging.makeLogRecord({"levelno": logging.WARNING, "process": self.process})
                self._send(_framed(made, words))
        if self._connection:
            with suppress(OSError):
                self._connection.unwrap()
            self._hang_up()

    def _send(self, line: bytes) -> None:
        """Send a line, however long it takes; give up only when the process ends."""
        pause = PAUSE_SECONDS
        while True:
            try:
                self._connected().sendall(line)
            except OSError as wrong:
                self._drop(wrong)
                if self._ending.wait(pause):
                    return
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                if self._is_away:
                    self._is_away = False
                    self._say("The log server is back.")
                return

    def _connected(self) -> ssl.SSLSocket:
        if self._connection and self._has_ended(self._connection):
            self._hang_up()
        if self._connection is None:
            server = self._server
            context = ssl.create_default_context(cafile=server.ca_file)
            plain = socket.create_connection((server.host, server.port), PATIENCE_SECONDS)
            try:
                self._connection = context.wrap_socket(plain, server_hostname=server.host)
            except BaseException:
                plain.close()
                raise
        return self._connection

    @staticmethod
    def _has_ended(connection: ssl.SSLSocket) -> bool:
        """Whether the server hung up. It says nothing otherwise, and a line sent to nobody would seem sent."""
        connection.setblocking(False)
        try:
            return not connection.recv(1024)
        except ssl.SSLWantReadError:
            return False
        finally:
            connection.settimeout(PATIENCE_SECONDS)

    def _hang_up(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _drop(self, wrong: OSError) -> None:
        self._hang_up()
        if not self._is_away:
            self._is_away = True
            self._say(f"The log server cannot be reached ({wrong}); lines wait for it.")

    def _say(self, words: str) -> None:
        # Not by way of the log: it would come back here.
        server = self._server
        print(f"{words} (LOG_SERVER {server.host}:{server.port})", file=sys.stderr, flush=True)
