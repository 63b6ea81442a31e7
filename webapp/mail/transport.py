"""How a message leaves the house: by SMTP (RFC 5321), or as a file where no mail server is set.

Every way out answers in one of three ways: it returns when the message was taken, raises :class:`Refused` when it
never will be, and :class:`NotNow` when it may be later. What nobody knows (a connection lost after the data) is
:class:`NotNow` as well: the message is sent again with the same Message-ID.
"""

import contextlib
import os
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from email.message import EmailMessage
from email.policy import EmailPolicy
from pathlib import Path
from typing import Protocol, cast

from webapp.mail.settings import Encryption, MailSettings, SmtpServer, one_line

_SECONDS_TO_LEAVE = 5


class Refused(Exception):
    """This message will never be taken; the text is the reason in words."""


class NotNow(Exception):
    """The message was not taken, or nobody knows. ``for_all`` says that no other would be taken now either."""

    def __init__(self, reason: str, *, for_all: bool) -> None:
        super().__init__(reason)
        self.for_all = for_all


Delivery = Callable[[EmailMessage, str], None]
"""Hands a message over for one address, while a connection is open. Raises :class:`Refused` or :class:`NotNow`."""


class Transport(Protocol):
    """A way out of the house."""

    def connection(self) -> AbstractContextManager[Delivery]:
        """Deliveries one after the other over one connection, which is made when the first one needs it."""


def transport_for(settings: MailSettings) -> Transport:
    """The way that the settings name."""
    if settings.server is None:
        return FolderTransport(settings.folder)
    return SmtpTransport(settings.server, settings.sender.addr_spec)


class FolderTransport:
    """Leaves each message as a file ``<mail id>.eml``: for development, and for a shop that has no mail server yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def connection(self) -> Iterator[Delivery]:
        """No connection is needed."""
        # Mails say what customers bought and where their money goes: nobody else's business on this machine.
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield self._write

    def _write(self, message: EmailMessage, address: str) -> None:
        name = message["Message-ID"].strip("<>").partition("@")[0]
        policy = cast(EmailPolicy, message.policy).clone(utf8=not address.isascii())
        try:
            # Renamed when it is complete, so that nobody reads half a message; written again it is the same file.
            half = self._folder / f".{name}.{threading.get_ident()}"
            half.touch(mode=0o600)
            half.write_bytes(message.as_bytes(policy=policy))
            os.replace(half, self._folder / f"{name}.eml")
        except OSError as failure:
            raise NotNow(f"The file cannot be written: {failure.strerror}.", for_all=True) from failure


class SmtpTransport:
    """Hands messages to a mail server; ``sender`` is the envelope's."""

    def __init__(self, server: SmtpServer, sender: str) -> None:
        self._server = server
        self._sender = sender

    @contextmanager
    def connection(self) -> Iterator[Delivery]:
        """One connection for many messages; a lost one is made anew for the next message."""
        line = _Line(self._server, self._sender)
        try:
            yield line.deliver
        finally:
            line.hang_up()


class _Line:
    """One connection to a mail server, made when it is first needed."""

    def __init__(self, server: SmtpServer, sender: str) -> None:
        self._server = server
        self._sender = sender
        self._client: _Client | None = None

    def deliver(self, message: EmailMessage, address: str) -> None:
        if self._client is None:
            self._client = _connect(self._server)
        self._client.begin(self._server.limit_seconds)
        try:
            self._client.send_message(message, self._sender, [address])
        except smtplib.SMTPRecipientsRefused as refused:
            raise self._refusal(*refused.recipients[address]) from None
        except smtplib.SMTPDataError as refused:
            raise self._refusal(refused.smtp_code, refused.smtp_error) from None
        except smtplib.SMTPNotSupportedError:
            raise Refused("The mail server cannot deliver to an address with such characters.") from None
        except smtplib.SMTPSenderRefused as refused:
            # Every mail has the same sender: this is for whoever runs the desk to put right.
            self.hang_up()
            raise NotNow(f"The mail server refused the sender: {_said(refused)}", for_all=True) from None
        except (OSError, smtplib.SMTPException) as failure:
            self.hang_up()
            detail = _failure(failure, self._server)
            raise NotNow(f"{detail} Whether it took the mail is not known.", for_all=True) from failure

    def _refusal(self, code: int, answer: bytes | str) -> Refused | NotNow:
        words = f"The mail server answered: {code} {_text(answer)}"
        if 500 <= code <= 599:
            return Refused(words)
        # 421 announces that the server closes the connection (RFC 5321, 3.8); what is no refusal at all has lost track.
        ends = code == 421 or not 400 <= code <= 499
        if ends:
            self.hang_up()
        return NotNow(words, for_all=ends)

    def hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.begin(_SECONDS_TO_LEAVE)
            with contextlib.suppress(OSError, smtplib.SMTPException):
                client.quit()
            client.close()


def _connect(server: SmtpServer) -> "_Client":
    """Connect, encrypt and log in as the settings say.

    Before a message was named, no answer is about the message: not even a final one makes it undeliverable.
    """
    client: _Client | None = None
    try:
        context = ssl.create_default_context(cafile=server.ca_file)
        if server.encryption is Encryption.IMPLICIT:
            client = _TlsClient(server, context)
        else:
            client = _Client(server)
            _encrypt(client, server, context)
        if server.user:
            client.login(server.user, server.password)
        return client
    except _NotEncrypted as missing:
        problem = str(missing)
    except smtplib.SMTPAuthenticationError as refused:
        problem = f"The mail server refused the user or the password: {_said(refused)}"
    except smtplib.SMTPResponseException as refused:
        problem = f"The mail server answered: {_said(refused)}"
    except (OSError, smtplib.SMTPException) as failure:
        problem = _failure(failure, server)
    if client is not None:
        client.close()
    raise NotNow(problem, for_all=True)


class _NotEncrypted(Exception):
    """The connection is not encrypted as it must be."""


def _encrypt(client: "_Client", server: SmtpServer, context: ssl.SSLContext) -> None:
    client.ehlo_or_helo_if_needed()
    if server.encryption is Encryption.NEVER:
        return
    if not client.has_extn("starttls"):
        raise _NotEncrypted("The mail server does not offer encryption (STARTTLS), which the settings require.")
    client.starttls(context=context)
    # What was said in the clear may have been said by anybody (RFC 3207, 4.2).
    client.ehlo_or_helo_if_needed()


class _Client(smtplib.SMTP):
    """A client whose patience has an end: who sends a byte now and then never lets a time-out run out."""

    def __init__(self, server: SmtpServer) -> None:
        self.begin(server.limit_seconds)
        super().__init__(server.host, server.port, server.hello, server.timeout_seconds)

    def begin(self, seconds: float) -> None:
        """From here on, all answers together may take so long."""
        self._ends = time.monotonic() + seconds

    def getreply(self) -> tuple[int, bytes]:
        """Read an answer, but not beyond the end of our patience."""
        if self.sock is None:
            return super().getreply()
        ran_out = threading.Event()
        # A handle of our own to the same connection: the client may close its own, and the number be used anew.
        with socket.socket(fileno=os.dup(self.sock.fileno())) as same:
            timer = threading.Timer(max(0.0, self._ends - time.monotonic()), _cut, [same, ran_out])
            timer.start()
            try:
                return super().getreply()
            finally:
                timer.cancel()
                timer.join()
                if ran_out.is_set():
                    # Whatever was read by then is no answer: half a line would pass for one.
                    raise TimeoutError


class _TlsClient(_Client, smtplib.SMTP_SSL):
    """The same, with TLS from the first byte on."""

    def __init__(self, server: SmtpServer, context: ssl.SSLContext) -> None:
        self.begin(server.limit_seconds)
        smtplib.SMTP_SSL.__init__(
            self, server.host, server.port, server.hello, timeout=server.timeout_seconds, context=context
        )


def _cut(connection: socket.socket, ran_out: threading.Event) -> None:
    ran_out.set()
    # Whoever waits for the other end is told that there is no more to come.
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _failure(failure: BaseException, server: SmtpServer) -> str:
    where = f"{server.host}:{server.port}"
    # The library words an error of the connection anew; the error itself stands behind it.
    if isinstance(failure, smtplib.SMTPServerDisconnected) and isinstance(failure.__context__, OSError):
        failure = failure.__context__
    match failure:
        case ssl.SSLCertVerificationError():
            return f"The certificate of the mail server {where} cannot be trusted: {failure.verify_message}."
        case socket.gaierror():
            return f"There is no mail server {server.host}."
        case TimeoutError():
            return f"The mail server {where} did not answer in time."
        case ConnectionRefusedError():
            return f"Nothing answers at {where}."
        case smtplib.SMTPServerDisconnected():
            return f"The mail server {where} ended the connection."
        case smtplib.SMTPException():
            return f"The mail server {where} could not be talked to: {one_line(str(failure))}."
        case _:
            return f"The connection to the mail server {where} failed: {one_line(str(failure))}."


def _said(refused: smtplib.SMTPResponseException) -> str:
    return f"{refused.smtp_code} {_text(refused.smtp_error)}"


def _text(answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return one_line(text)[:500]
