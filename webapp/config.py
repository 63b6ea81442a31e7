"""Settings come from the environment, are listed here once, and a malformed one stops the start with its name."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from certlifecycle import PRESETS, Money, MoneyError, PolicyError, RefundPolicy


class SettingError(Exception):
    """A setting that cannot be used; the message begins with its name."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a vendor can set. See :func:`load` for the environment variables and their defaults."""

    data_dir: Path
    database_url: str
    secret_key: str
    host: str
    port: int
    web_workers: int
    public_url: str
    live_host: str
    live_port: int
    live_url: str
    console_origins: tuple[str, ...]
    trusted_proxies: int
    shop_name: str
    currency: str
    timezone: str
    policy: RefundPolicy
    ca_url: str
    session_idle_minutes: int
    session_hours: int
    reconcile_seconds: int
    worker_threads: int
    executor_id: str
    demo: bool

    @property
    def secure_cookies(self) -> bool:
        """Whether the console is reached over TLS, so that cookies may insist on it."""
        return self.public_url.startswith("https://")


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; raises :class:`SettingError` naming the first one that is malformed.

    Makes ``DATA_DIR`` and a secret key in it where none is set.
    """

    def text(name: str, default: str) -> str:
        return environ.get(name, "").strip() or default

    def whole(name: str, default: int, least: int, most: int) -> int:
        raw = text(name, str(default))
        try:
            value = int(raw)
        except ValueError:
            raise SettingError(f"{name} must be a whole number, not {raw!r}") from None
        if not least <= value <= most:
            raise SettingError(f"{name} must be between {least} and {most}, not {value}")
        return value

    def url(name: str, default: str) -> str:
        value = text(name, default).rstrip("/")
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise SettingError(f"{name} must be an http or https address, not {value!r}")
        return value

    # Where the embedded database, the built-in CA's keys and the secret key live.
    data_dir = Path(text("DATA_DIR", "var")).resolve()
    # The address on which the pages are served.
    host = text("HOST", "127.0.0.1")
    # Their port.
    port = whole("PORT", 8000, 1, 65535)
    # The address under which people reach the console.
    public_url = url("PUBLIC_URL", f"http://{host}:{port}")
    # The address and port of the hub for live updates.
    live_host = text("LIVE_HOST", host)
    live_port = whole("LIVE_PORT", port + 1 if port < 65535 else port - 1, 1, 65535)
    # Where browsers reach the hub: its own port, or a path of the console's origin behind a proxy.
    live_url = url("LIVE_URL", f"http://{urlsplit(public_url).hostname}:{live_port}/live")
    # The time zone in which instants are shown.
    timezone = text("TIMEZONE", "Asia/Shanghai")
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise SettingError(f"TIMEZONE: {timezone!r} is no IANA time zone") from None
    # The currency of the price list (ISO 4217).
    currency = text("CURRENCY", "CNY")
    try:
        Money(0, currency)
    except MoneyError as wrong:
        raise SettingError(f"CURRENCY: {wrong}") from None
    # A preset's name, or the path of a JSON file with the policy's fields.
    policy = _policy(text("REFUND_POLICY", "30-days-from-issue"))
    # A SQLAlchemy address; the default is one SQLite file.
    database_url = _database_url(text("DATABASE_URL", f"sqlite:///{data_dir / 'desk.sqlite3'}"))
    data_dir.mkdir(parents=True, exist_ok=True)

    return Settings(
        data_dir=data_dir,
        database_url=database_url,
        # Signs cookies, forms and live tickets. Every process of one desk needs the same.
        secret_key=text("SECRET_KEY", "") or _stored_secret(data_dir / "secret_key"),
        host=host,
        port=port,
        # Processes that render pages.
        web_workers=whole("WEB_WORKERS", 2, 1, 64),
        public_url=public_url,
        live_host=live_host,
        live_port=live_port,
        live_url=live_url,
        console_origins=_origins(public_url),
        # How many proxies stand in front and set X-Forwarded-For and -Proto.
        trusted_proxies=whole("TRUSTED_PROXIES", 0, 0, 5),
        # The name that customers know the vendor by.
        shop_name=text("SHOP_NAME", "Certificate desk"),
        currency=currency,
        timezone=timezone,
        policy=policy,
        # The address under which certificates' CRL and OCSP are found. Plain http, as RFC 5280 and 6960 expect.
        ca_url=url("CA_URL", f"{public_url.replace('https://', 'http://', 1)}/ca"),
        # A session ends after this long without a request, and in any case after this many hours.
        session_idle_minutes=whole("SESSION_IDLE_MINUTES", 60, 1, 7 * 24 * 60),
        session_hours=whole("SESSION_HOURS", 12, 1, 30 * 24),
        # How often overdue work is looked for.
        reconcile_seconds=whole("RECONCILE_SECONDS", 5, 1, 3600),
        # How many effects one worker runs at once.
        worker_threads=whole("WORKER_THREADS", 4, 1, 64),
        # A worker's stable name: after a restart it takes up its own unfinished work.
        executor_id=text("EXECUTOR_ID", "worker-1"),
        # Shows the demo sign-ins on the sign-in page.
        demo=text("DEMO", "0") == "1",
    )


def _origins(public_url: str) -> tuple[str, ...]:
    parts = urlsplit(public_url)
    origins = [f"{parts.scheme}://{parts.netloc}"]
    # The loopback address goes by two names, and a browser sends the one that was typed.
    if parts.hostname in ("127.0.0.1", "localhost"):
        other = "localhost" if parts.hostname == "127.0.0.1" else "127.0.0.1"
        origins.append(origins[0].replace(parts.hostname, other))
    return tuple(origins)


def _database_url(value: str) -> str:
    if value.startswith("sqlite:///"):
        return value
    # Hosters hand out the short forms; the driver is always psycopg.
    for short in ("postgres://", "postgresql://"):
        if value.startswith(short):
            return "postgresql+psycopg://" + value.removeprefix(short)
    if value.startswith("postgresql+psycopg://"):
        return value
    raise SettingError("DATABASE_URL must begin with sqlite:/// or postgresql://")


def _policy(value: str) -> RefundPolicy:
    if value in PRESETS:
        return PRESETS[value]
    try:
        content = json.loads(Path(value).read_text("utf-8"))
        if not isinstance(content, dict):
            raise PolicyError("the file must hold one JSON object")
        return RefundPolicy.from_mapping(content)
    except OSError:
        raise SettingError(
            f"REFUND_POLICY: {value!r} is neither a readable file nor one of {', '.join(PRESETS)}"
        ) from None
    except ValueError as wrong:
        raise SettingError(f"REFUND_POLICY: {wrong}") from None


def _stored_secret(path: Path) -> str:
    try:
        # Exclusive creation lets exactly one of several starting processes choose.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text("ascii")
    with os.fdopen(handle, "w") as file:
        secret = secrets.token_urlsafe(48)
        file.write(secret)
    return secret
