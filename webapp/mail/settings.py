"""How mail leaves the house: read from the environment once, named at the start when it cannot be used."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import getaddresses
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from webapp.loopback import is_this_machine


class MailSettingError(ValueError):
    """A setting that cannot be used; the message begins with its name and never holds the password."""


class Encryption(StrEnum):
    """How the connection to the mail server is encrypted. Wherever it is, the server's certificate is verified."""

    REQUIRED = "required"
    """STARTTLS (RFC 3207), or no mail."""
    NEVER = "never"
    """For a relay on the same machine."""
    IMPLICIT = "implicit"
    """TLS from the first byte on (RFC 8314)."""


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A mail server as it is reached. ``ca_file`` replaces the machine's trusted roots.

    ``timeout_seconds`` is how long one answer may take to begin or go on, ``limit_seconds`` how long all of them
    together for one message. A server that looks for viruses answers late, and one given up too early gets it twice.
    """

    host: str
    port: int
    encryption: Encryption = Encryption.REQUIRED
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    hello: str = "localhost"
    timeout_seconds: float = 60.0
    limit_seconds: float = 180.0


@dataclass(frozen=True, slots=True)
class MailSettings:
    """Who writes, and how it leaves. Without a ``server`` mails land as files in ``folder``."""

    sender: Address
    reply_to: Address | None
    server: SmtpServer | None
    folder: Path

    @property
    def domain(self) -> str:
        """The right side of Message-IDs: the domain that the sender writes from."""
        return self.sender.domain


def load_mail(environ: Mapping[str, str], *, shop_name: str, public_url: str, data_dir: Path) -> MailSettings:
    """Read the settings; raises :class:`MailSettingError` naming the first one that is malformed."""

    def text(name: str, default: str = "") -> str:
        return environ.get(name, "").strip() or default

    host = urlsplit(public_url).hostname or "localhost"
    ca_file = Path(text("SMTP_CA_FILE")) if text("SMTP_CA_FILE") else None
    if ca_file is not None and not ca_file.is_file():
        raise MailSettingError(f"SMTP_CA_FILE: there is no file {ca_file}")
    if text("SMTP_URL") and not text("MAIL_FROM"):
        raise MailSettingError("MAIL_FROM must say who writes, such as Shop <shop@example.com>, where SMTP_URL is set")
    return MailSettings(
        # What readers see as the sender: an address, with a name if wanted.
        sender=_address("MAIL_FROM", text("MAIL_FROM", f"no-reply@{_mail_domain(host)}"), shop_name),
        # Where answers go, if not to the sender.
        reply_to=_address("MAIL_REPLY_TO", text("MAIL_REPLY_TO"), shop_name) if text("MAIL_REPLY_TO") else None,
        # smtp://user:password@host:587 or smtps://…:465; empty writes files instead.
        server=_server(text("SMTP_URL"), ca_file, _hello(host)) if text("SMTP_URL") else None,
        folder=data_dir / "mail",
    )


def _server(value: str, ca_file: Path | None, hello: str) -> SmtpServer:
    # The value holds a password, so no message repeats it.
    try:
        parts = urlsplit(value)
        port = parts.port
        asked = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    except ValueError:
        raise MailSettingError("SMTP_URL cannot be read; write it as smtp://user:password@host:587") from None
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path not in ("", "/"):
        raise MailSettingError("SMTP_URL must be smtp://user:password@host:587 or smtps://user:password@host:465")
    if set(asked) - {"tls"}:
        raise MailSettingError("SMTP_URL: the only option is tls")
    encryption = Encryption.IMPLICIT
    if parts.scheme == "smtp":
        choices = (Encryption.REQUIRED, Encryption.NEVER)
        wanted = asked.get("tls", [Encryption.REQUIRED])[-1]
        if wanted not in choices:
            raise MailSettingError(f"SMTP_URL: tls must be one of {', '.join(choices)}")
        encryption = Encryption(wanted)
    elif asked:
        raise MailSettingError("SMTP_URL: smtps is encrypted from the beginning and takes no option tls")
    if encryption is Encryption.NEVER and not is_this_machine(parts.hostname):
        raise MailSettingError("SMTP_URL: tls=never is for a relay on the same machine")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        raise MailSettingError("SMTP_URL needs both a user and a password, or neither")
    if user and encryption is Encryption.NEVER:
        raise MailSettingError("SMTP_URL: a password is never sent without encryption; leave tls=never out")
    return SmtpServer(
        host=parts.hostname,
        port=port or (465 if encryption is Encryption.IMPLICIT else 587),
        encryption=encryption,
        user=user,
        password=password,
        ca_file=ca_file,
        hello=hello,
    )


def _address(name: str, value: str, display_name: str) -> Address:
    try:
        ((shown, spec),) = getaddresses([value])
        address = Address(display_name=shown or one_line(display_name), addr_spec=spec)
    except (ValueError, IndexError, MessageError):
        raise MailSettingError(f"{name} must be an address such as Shop <shop@example.com>, not {value!r}") from None
    if not address.username or "." not in address.domain:
        raise MailSettingError(f"{name} must be an address such as Shop <shop@example.com>, not {value!r}")
    return address


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _mail_domain(host: str) -> str:
    """A domain to write from where none was set; one without a dot could not even stand in an address."""
    return "desk.invalid" if _is_literal(host) or "." not in host else host


def _hello(host: str) -> str:
    """How to greet the server: the machine's name, or its address in brackets (RFC 5321, 4.1.4)."""
    if _is_literal(host):
        return f"[IPv6:{host}]" if ":" in host else f"[{host}]"
    return host


def one_line(text: str) -> str:
    """Text as it can stand in a header or a line: no line ends, no control or invisible characters."""
    return " ".join(re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in text)).split())
