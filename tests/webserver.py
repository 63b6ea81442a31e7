"""A real HTTP server on a free loopback port, for tests of whoever fetches small files: it can also misbehave."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    """What a visitor asked: the request line's parts, and header fields by their names in lower case."""

    method: str
    path: str
    headers: dict[str, str]


Behaviour = Callable[["WebServer", socket.socket], None]


@dataclass
class WebServer:
    """The server. ``requests`` keeps what was asked; ``connections`` counts who came, even without a word."""

    address: str = "127.0.0.1"
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self.closing = threading.Event()
        self._behaviours: dict[str, Behaviour] = {}
        self._threads: list[threading.Thread] = []
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((self.address, self.port))
        self._listener.listen()
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)

    # What it answers; a path that nothing was set for is not found.

    def serve(self, path: str, body: bytes | str, status: str = "200 OK", **headers: str) -> None:
        """Answer with a body. Header fields are written with underscores: ``Content_Encoding="gzip"``."""
        content = body.encode() if isinstance(body, str) else body
        fields = {"Content-Length": str(len(content))} | {key.replace("_", "-"): it for key, it in headers.items()}
        self._behaviours[path] = _answer(status, fields, content)

    def redirect(self, path: str, to: str, status: str = "301 Moved Permanently") -> None:
        """Send visitors elsewhere."""
        self.serve(path, b"", status, Location=to)

    def behave(self, path: str, behaviour: Behaviour) -> None:
        """Do anything with the connection once the request is read."""
        self._behaviours[path] = behaviour

    def drip(
        self, path: str, seconds: float, start: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    ) -> None:
        """Begin to answer, then send one byte every so many seconds, for ever."""

        def slowly(server: WebServer, connection: socket.socket) -> None:
            connection.sendall(start)
            while not server.closing.wait(seconds):
                connection.sendall(b"x")

        self._behaviours[path] = slowly

    def flood(self, path: str, start: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> None:
        """Answer with as much as the visitor takes."""

        def endlessly(server: WebServer, connection: socket.socket) -> None:
            connection.sendall(start)
            while not server.closing.is_set():
                connection.sendall(b"x" * 65536)

        self._behaviours[path] = endlessly

    def fall_silent(self, path: str) -> None:
        """Read the request and say nothing."""
        self._behaviours[path] = lambda server, _connection: server.closing.wait() and None

    # Serving

    def close(self) -> None:
        """End the server and its threads."""
        self.closing.set()
        with socket.create_connection((self.address, self.port)):
            pass
        for thread in list(self._threads):
            thread.join()
        self._listener.close()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self.closing.is_set():
                connection.close()
                return
            self.connections += 1
            self._start(self._talk, connection)

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            try:
                request = _read(stream)
                if request is None:
                    return
                self.requests.append(request)
                behaviour = self._behaviours.get(request.path) or _answer("404 Not Found", {"Content-Length": "0"}, b"")
                behaviour(self, connection)
            except OSError:
                # The visitor has gone: it had enough.
                return


@contextmanager
def web_server(address: str = "127.0.0.1", port: int = 0) -> Iterator[WebServer]:
    """A web server for as long as the block runs."""
    server = WebServer(address, port)
    try:
        yield server
    finally:
        server.close()


def _answer(status: str, headers: dict[str, str], body: bytes) -> Behaviour:
    def answer(_server: WebServer, connection: socket.socket) -> None:
        fields = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        connection.sendall(f"HTTP/1.1 {status}\r\n{fields}\r\n".encode() + body)

    return answer


def _read(stream: object) -> Request | None:
    line = stream.readline().decode()  # type: ignore[attr-defined]
    if not line:
        return None
    method, path, _ = line.split()
    headers: dict[str, str] = {}
    while text := stream.readline().decode().strip():  # type: ignore[attr-defined]
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    return Request(method, path, headers)
