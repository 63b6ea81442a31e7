"""Let's Encrypt's test server Pebble and its challenge server, on free loopback ports, from Debian's package.

Pebble keeps refusing good nonces now and then, as its authors mean it to, and forgets everything when it is restarted.
In front of it tests may put a :class:`Front`, which can refuse connections, hold answers back, and rewrite them.
"""

import json
import os
import shutil
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import requests
from acme.jws import JWS
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from processes import free_ports

INSTALL = "apt-get install pebble"


def missing() -> bool:
    """Whether Pebble is not installed here."""
    return shutil.which("pebble") is None or shutil.which("pebble-challtestsrv") is None


@dataclass(frozen=True)
class Tls:
    """A TLS certificate for loopback servers; it is its own root."""

    certificate: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> "Tls":
        """Make one in ``folder``."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=2))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, SHA256())
        )
        made = cls(folder / "tls.crt", folder / "tls.key")
        made.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
        made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return made


@dataclass
class ChallengeServer:
    """What customers would run: a web server and name servers, for every domain at once."""

    folder: Path
    dns_port: int
    http_port: int
    control_port: int
    process: subprocess.Popen[bytes]
    published: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def start(cls, folder: Path) -> "ChallengeServer":
        """Start one; every domain resolves to this machine's IPv4 loopback address."""
        dns, http, control = free_ports(3)
        words = ["-dns01", f"127.0.0.1:{dns}", "-http01", f"127.0.0.1:{http}", "-management", f"127.0.0.1:{control}"]
        words += ["-https01", "", "-tlsalpn01", "", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]
        process = _start(["pebble-challtestsrv", *words], folder / "challtestsrv.log")
        server = cls(folder, dns, http, control, process)
        _await_answer(
            process,
            lambda: requests.post(f"http://127.0.0.1:{control}/dns-request-history", json={"host": "."}, timeout=5),
        )
        return server

    def publish(self, kind: str, location: str, value: str) -> None:
        """Put a value where a challenge wants it."""
        self.published.append((kind, location))
        if kind == "http-01":
            self._control("add-http01", token=location.rpartition("/")[2], content=value)
        else:
            self._control("set-txt", host=f"{location}.", value=value)

    def clear(self) -> None:
        """Take away all that was published."""
        while self.published:
            kind, location = self.published.pop()
            if kind == "http-01":
                self._control("del-http01", token=location.rpartition("/")[2])
            else:
                self._control("clear-txt", host=f"{location}.")

    def stop(self) -> None:
        """End it."""
        _end(self.process)

    def _control(self, verb: str, **fields: str) -> None:
        requests.post(f"http://127.0.0.1:{self.control_port}/{verb}", json=fields, timeout=5).raise_for_status()


@dataclass
class Pebble:
    """A running ACME server. It forgets everything, its own root included, when it is restarted."""

    folder: Path
    port: int
    control_port: int
    tls: Tls
    challenges: ChallengeServer
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    strict: bool = True

    @classmethod
    def start(cls, folder: Path, external_accounts: dict[str, str] | None = None, **environment: str) -> "Pebble":
        """Start one with its files in ``folder``; ``environment`` holds Pebble's own settings (``PEBBLE_…``)."""
        folder.mkdir(parents=True, exist_ok=True)
        tls = Tls.make(folder)
        challenges = ChallengeServer.start(folder)
        port, control = free_ports(2)
        settings = {
            "listenAddress": f"127.0.0.1:{port}",
            "managementListenAddress": f"127.0.0.1:{control}",
            "certificate": str(tls.certificate),
            "privateKey": str(tls.key),
            "httpPort": challenges.http_port,
            "tlsPort": free_ports(1)[0],
            "externalAccountBindingRequired": bool(external_accounts),
            "externalAccountMACKeys": external_accounts or {},
        }
        (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
        surroundings = {"PATH": os.environ["PATH"], "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0"} | environment
        server = cls(folder, port, control, tls, challenges, surroundings, process=None)  # type: ignore[arg-type]
        server.begin()
        return server

    @property
    def directory_url(self) -> str:
        """Where its directory is."""
        return f"https://127.0.0.1:{self.port}/dir"

    def begin(self) -> None:
        """Start the process, at the same address as before."""
        words = ["pebble", "-strict", "-config", str(self.folder / "pebble.json")]
        words += ["-dnsserver", f"127.0.0.1:{self.challenges.dns_port}"]
        self.process = _start(words, self.folder / "pebble.log", self.environment)
        ca = str(self.tls.certificate)
        _await_answer(self.process, lambda: requests.get(self.directory_url, verify=ca, timeout=5))

    def halt(self) -> None:
        """End the process; it forgets everything."""
        _end(self.process)

    def restart(self) -> None:
        """End the process and start it anew."""
        self.halt()
        self.begin()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Let it take connections and never answer, for as long as the block runs."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def certificate_status(self, serial: str) -> dict[str, object]:
        """What Pebble itself says of a certificate."""
        url = f"https://127.0.0.1:{self.control_port}/cert-status-by-serial/{serial}"
        answer = requests.get(url, verify=str(self.tls.certificate), timeout=5)
        answer.raise_for_status()
        status: dict[str, object] = answer.json()
        return status

    def root(self) -> x509.Certificate:
        """Its present root certificate."""
        url = f"https://127.0.0.1:{self.control_port}/roots/0"
        return x509.load_pem_x509_certificate(requests.get(url, verify=str(self.tls.certificate), timeout=5).content)

    def stop(self) -> None:
        """End it and its challenge server."""
        _end(self.process)
        self.challenges.stop()


def _start(words: list[str], log: Path, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen(words, stdout=file, stderr=file, env=environment)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def _await_answer(process: subprocess.Popen[bytes], ask: Callable[[], requests.Response]) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            ask().raise_for_status()
        except requests.ConnectionError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


# A proxy in front of it


@dataclass
class Exchange:
    """One request that went through the front, and its answer, which a test may change."""

    method: str
    path: str
    payload: bytes
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""

    @property
    def kind(self) -> str:
        """What was asked for, after Pebble's paths: ``order-plz``, ``authZ``, ``chalZ``, ``finalize-order`` …"""
        return self.path.strip("/").partition("/")[0]

    @property
    def document(self) -> dict[str, object]:
        """The JSON in the answer."""
        document: dict[str, object] = json.loads(self.content)
        return document

    def answer(self, status: int, document: object, **headers: str) -> None:
        """Give this answer instead."""
        self.status, self.content = status, json.dumps(document).encode()
        self.headers |= {name.replace("_", "-"): value for name, value in headers.items()}

    def refuse(self, status: int, code: str, detail: str, **headers: str) -> None:
        """Give a problem document instead (RFC 7807)."""
        self.answer(status, {"type": f"urn:ietf:params:acme:error:{code}", "detail": detail}, **headers)


class Front:
    """Stands between a client and Pebble under an address of its own, which Pebble then uses in its answers.

    ``before`` sees each request before Pebble does and keeps it from Pebble by giving an answer; ``after`` sees each
    answer before the client does. ``seen`` lists what went through.
    """

    def __init__(self, pebble: Pebble) -> None:
        self.pebble = pebble
        self.seen: list[Exchange] = []
        self.before: Callable[[Exchange], object] = lambda _: None
        self.after: Callable[[Exchange], object] = lambda _: None
        self.port = free_ports(1)[0]
        self._server: ThreadingHTTPServer | None = None
        self.open()

    @property
    def directory_url(self) -> str:
        """Where the directory is."""
        return f"https://127.0.0.1:{self.port}/dir"

    def taken(self, kind: str) -> list[Exchange]:
        """The requests of a kind whose nonce was not refused."""
        return [one for one in self.seen if one.kind == kind and b":badNonce" not in one.content]

    def count(self, kind: str) -> int:
        """How many there are of them."""
        return len(self.taken(kind))

    def open(self) -> None:
        """Take connections."""
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                exchange = front.carry(self.command, self.path, dict(self.headers), body)
                self.send_response(exchange.status)
                for name, value in exchange.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(exchange.content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(exchange.content)

            do_GET = do_POST = do_HEAD = handle_any

            def log_message(self, *words: object) -> None:
                """Keep quiet."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *where: object) -> None:
                """A client that was killed is no error of this server."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pebble.tls.certificate, self.pebble.tls.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        """Refuse connections, until it is opened again."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def carry(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Exchange:
        """Take a request to Pebble and its answer back."""
        payload = JWS.from_json(json.loads(body)).payload if body else b""
        exchange = Exchange(method, path, payload)
        self.seen.append(exchange)
        self.before(exchange)
        if not exchange.status:
            answer = requests.request(
                method,
                f"https://127.0.0.1:{self.pebble.port}{path}",
                data=body,
                # Under the address that the client used: it is part of what the client signed.
                headers={name: value for name, value in headers.items() if name != "Content-Length"},
                verify=str(self.pebble.tls.certificate),
                timeout=20,
            )
            exchange.status, exchange.content = answer.status_code, answer.content
            kept = ("Content-Type", "Location", "Link", "Replay-Nonce", "Retry-After")
            exchange.headers = {name: answer.headers[name] for name in kept if name in answer.headers}
        # A refused nonce is no answer to the request, and the client sends it again.
        if b":badNonce" not in exchange.content:
            self.after(exchange)
        return exchange
