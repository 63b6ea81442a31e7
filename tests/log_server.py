"""A log server on loopback that takes syslog over TLS, for tests to read what arrives."""

import queue
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path

from webapp.log_server import LogServer

PATIENCE = 30.0


class Collector:
    """A server that keeps each message; ``certificate`` is a PEM file with its key."""

    def __init__(self, certificate: Path, port: int = 0) -> None:
        self.certificate = certificate
        self.messages: queue.Queue[bytes] = queue.Queue()
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", port))
        self._open: list[ssl.SSLSocket] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def __enter__(self) -> "Collector":
        return self

    def __exit__(self, *_wrong: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.hang_up()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def address(self) -> LogServer:
        """Where it is, for whoever trusts its certificate."""
        return LogServer("127.0.0.1", self.port, self.certificate)

    def next(self) -> str:
        """The next message, however long it takes to come."""
        return self.messages.get(timeout=PATIENCE).decode()

    def texts(self, number: int) -> list[str]:
        """What the next messages say after their heads."""
        return [self.next().split(" - - ", 1)[1] for _ in range(number)]

    def hang_up(self) -> None:
        """End every connection, as a server that is started again does."""
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._open.clear()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:  # Closed: the end.
                return
            try:
                connection = self._context.wrap_socket(plain, server_side=True)
            except OSError:  # Whoever came does not trust this server.
                plain.close()
                continue
            self._open.append(connection)
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: ssl.SSLSocket) -> None:
        with suppress(OSError, ValueError), connection.makefile("rb") as stream:
            # Each message stands behind its length and a space.
            digits = b""
            while byte := stream.read(1):
                if byte == b" ":
                    self.messages.put(stream.read(int(digits)))
                    digits = b""
                else:
                    digits += byte


def until_it_speaks(module: str) -> str:
    """A script: a process of the desk, which ends after the first line of its log."""
    return (
        f"import logging, {module} as it\n"
        "logging.Logger.handle, kept = lambda self, record: (kept(self, record), exit()), logging.Logger.handle\n"
        "it.main()"
    )
