"""A real mail server on a free loopback port, with the faults that real ones have."""

import asyncio
import ipaddress
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

USER, PASSWORD = "desk", "a pass/word:with@signs"


@dataclass(frozen=True)
class Say:
    """Answer one transaction with ``text`` at ``MAIL``, ``RCPT`` or ``DATA``; at ``DATA`` the mail is not kept."""

    at: str
    text: str


@dataclass(frozen=True)
class Drop:
    """Take the mail, and close the connection without an answer."""


@dataclass(frozen=True)
class DropHalfway:
    """Close the connection in the middle of the data."""


@dataclass
class Hold:
    """Take the mail, but answer only when ``go_on`` is set."""

    reached: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Dribble:
    """Take the mail, and answer with a byte now and then, without end."""

    every_seconds: float = 0.02


Fault = Say | Drop | DropHalfway | Hold | Dribble


@dataclass(frozen=True)
class Received:
    """A mail that the server took."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    encrypted: bool
    user: str | None

    @property
    def message(self) -> EmailMessage:
        """The mail as a mail program reads it."""
        return message_from_bytes(self.content, EmailMessage, policy=default)  # type: ignore[return-value]


class MailServer:
    """Takes mails into ``inbox``. ``faults`` are met one by one by the next transactions, then all goes well."""

    def __init__(self) -> None:
        self.inbox: list[Received] = []
        self.faults: deque[Fault] = deque()
        self.connections = 0
        self.port = 0
        self._arrived = threading.Condition()

    # What aiosmtpd asks

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, mail_options: list[str]
    ) -> str:
        session.fault = self.faults.popleft() if self.faults else None
        if (refused := _says(session, "MAIL")) is not None:
            return refused
        envelope.mail_from = address
        envelope.mail_options.extend(mail_options)
        if isinstance(session.fault, DropHalfway):
            _cut_at_data(server)
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        if (refused := _says(session, "RCPT")) is not None:
            return refused
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if (refused := _says(session, "DATA")) is not None:
            return refused
        self._take(server, session, envelope)
        match session.fault:
            case Drop():
                server.transport.abort()
            case Hold() as hold:
                hold.reached.set()
                await asyncio.get_running_loop().run_in_executor(None, hold.go_on.wait)
            case Dribble(every):
                while not server.transport.is_closing():
                    server.transport.write(b"2")
                    await asyncio.sleep(every)
        return "250 OK"

    def _take(self, server: SMTP, session: Session, envelope: Envelope) -> None:
        user = session.auth_data.login.decode() if session.auth_data else None
        received = Received(
            envelope.mail_from or "",
            tuple(envelope.rcpt_tos),
            bytes(envelope.content or b""),
            server.transport.get_extra_info("ssl_object") is not None,
            user,
        )
        with self._arrived:
            self.inbox.append(received)
            self._arrived.notify_all()

    # What tests ask

    def wait_for(self, count: int, seconds: float = 20) -> list[Received]:
        """The inbox, once there are so many mails in it."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.inbox) >= count, seconds), f"{len(self.inbox)} mails"
        return self.inbox


def _says(session: Session, at: str) -> str | None:
    fault = session.fault
    return fault.text if isinstance(fault, Say) and fault.at == at else None


def _cut_at_data(server: SMTP) -> None:
    # As soon as the client was told to go on with the data, nobody is there any more.
    push = server.push

    async def push_and_leave(status: str) -> None:
        await push(status)
        if status.startswith("354"):
            server.transport.abort()

    server.push = push_and_leave  # type: ignore[method-assign]


def _authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object) -> AuthResult:
    right = LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=data == right, handled=False, auth_data=data)


@contextmanager
def mail_server(
    *,
    certificate: Path | None = None,
    implicit: bool = False,
    login: bool = False,
    international: bool = True,
) -> Iterator[MailServer]:
    """A server that runs in a thread of its own until the block is left.

    With a ``certificate`` (a PEM file with its key) it offers STARTTLS, or speaks TLS from the beginning where
    ``implicit``; with ``login`` it insists on :data:`USER` and :data:`PASSWORD`.
    """
    box = MailServer()
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)

    def connected() -> SMTP:
        box.connections += 1
        server = SMTP(
            box,
            hostname="mail.example.com",
            enable_SMTPUTF8=international,
            tls_context=None if implicit else context,
            auth_required=login,
            authenticator=_authenticate,
            loop=loop,
        )
        # The library knows of STARTTLS only, and would refuse a password over TLS that was there from the beginning.
        server._auth_require_tls = not implicit
        return server

    loop = asyncio.new_event_loop()
    serving = loop.create_server(connected, "127.0.0.1", 0, ssl=context if implicit else None)
    server = loop.run_until_complete(serving)
    box.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, name="mail server")
    thread.start()
    try:
        yield box
    finally:
        for fault in box.faults:
            if isinstance(fault, Hold):
                fault.go_on.set()
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    # A last round lets the connections of the tasks close.
    await asyncio.sleep(0)


def make_certificate(folder: Path, *, host: str = "127.0.0.1") -> Path:
    """A self-signed certificate for a loopback server, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example.com")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .sign(key, SHA256())
    )
    path = folder / f"{host}.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    return path
