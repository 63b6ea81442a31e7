"""Settings come from the environment, are listed here once, and a malformed one stops the start with its name."""

import contextlib
import json
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from certlifecycle import PRESETS, Money, MoneyError, PolicyError, RefundPolicy
from webapp.accounts.settings import SignInSettingError, SignInSettings, load_sign_in
from webapp.authorities.pkcs11_address import Pkcs11Address, Pkcs11AddressError, read_address
from webapp.authorities.settings import AuthoritySettings, ChoiceError, read_authority_settings
from webapp.catalogue import PRODUCTS
from webapp.certificates.public_keys import MAX_RSA_BITS, MIN_RSA_BITS
from webapp.domaincontrol.dns import Nameserver, read_nameservers, system_nameservers
from webapp.locales.catalogues import offered
from webapp.log_server import LogServer, LogServerError, read_log_server
from webapp.logs import LogFormat
from webapp.loopback import is_this_machine
from webapp.mail.settings import MailSettingError, MailSettings, load_mail
from webapp.payments.settings import PaymentSettingError, PaymentSettings, load_payments
from webapp.privacy.settings import RetentionSettings
from webapp.secret_files import SecretFileError, with_files


class SettingError(Exception):
    """A setting that cannot be used; the message begins with its name."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a vendor can set. See :func:`load` for the environment variables and their defaults."""

    data_dir: Path
    database_url: str
    database_owner_url: str
    secret_key: str
    secret_key_fallbacks: tuple[str, ...]
    ca_key_passphrase: str
    ca_key: Pkcs11Address | None
    host: str
    port: int
    web_workers: int
    public_url: str
    live_host: str
    live_port: int
    live_url: str
    console_origins: tuple[str, ...]
    trusted_hosts: tuple[str, ...]
    trusted_proxies: int
    shop_name: str
    currency: str
    timezone: str
    language: str
    languages: tuple[str, ...]
    policy: RefundPolicy
    ca_url: str
    authorities: AuthoritySettings
    domain_control: bool
    resolvers: tuple[Nameserver, ...]
    caa_identity: str
    mail: MailSettings
    payments: PaymentSettings
    session_idle_minutes: int
    session_hours: int
    review_claim_minutes: int
    reconcile_seconds: int
    worker_threads: int
    export_days: int
    history_heads: Path
    executor_id: str
    demo: bool
    demo_zone: Path | None
    style_guide: bool
    smallest_rsa_key: int
    request_limit: int
    job_limit: int
    log_format: LogFormat
    log_server: LogServer | None
    sign_in: SignInSettings = field(default_factory=SignInSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """The key and the former ones, in the order in which they are tried."""
        return (self.secret_key, *reversed(self.secret_key_fallbacks))

    @property
    def secure_cookies(self) -> bool:
        """Whether the console is reached over TLS, so that cookies may insist on it."""
        return self.public_url.startswith("https://")

    def cookie_name(self, name: str) -> str:
        """A cookie's name; over TLS the prefix ties it to this host alone (RFC 6265bis, 4.1.3.2)."""
        return f"__Host-{name}" if self.secure_cookies else name


def load(environ: Mapping[str, str] = os.environ, own_resolvers: Callable[[], object] = system_nameservers) -> Settings:
    """Read the settings; raises :class:`SettingError` naming the first one that is malformed.

    ``own_resolvers`` raises ValueError where the machine is set up with no DNS resolver. Makes ``DATA_DIR``, for its
    owner alone, and a secret key in it where none is set.
    """

    try:
        # Every secret may stand in a file as well, named by the setting and _FILE.
        environ = with_files(environ)
    except SecretFileError as wrong:
        raise SettingError(str(wrong)) from None

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

    def url(name: str, default: str, *schemes: str) -> str:
        value = text(name, default).rstrip("/")
        if not _is_address(value, schemes):
            raise SettingError(f"{name} must be an {' or '.join(schemes)} address, not {value!r}")
        return value

    # Where the embedded database, the built-in CA's keys and the secret key live.
    data_dir = Path(text("DATA_DIR", "var")).resolve()
    # The address on which the pages are served.
    host = text("HOST", "127.0.0.1")
    # Their port.
    port = whole("PORT", 8000, 1, 65535)
    # The address under which people reach the console.
    public_url = url("PUBLIC_URL", f"http://{_in_address(reached_at(host))}:{port}", "http", "https")
    public = urlsplit(public_url)
    # The address and port of the hub for live updates.
    live_host = text("LIVE_HOST", host)
    live_port = whole("LIVE_PORT", port + 1 if port < 65535 else port - 1, 1, 65535)
    if (live_host, live_port) == (host, port):
        raise SettingError(f"LIVE_PORT must be another port than PORT, not {live_port} as well")
    # Where browsers reach the hub: its own port, or a path of the console's origin behind a proxy. A page that came
    # over TLS may only listen over TLS, and then there is a proxy already.
    public_host = _in_address(public.hostname or "")
    beside = f"http://{public_host}:{live_port}/live"
    live_url = url("LIVE_URL", beside if public.scheme == "http" else f"{public_url}/live", "http", "https")
    # The address under which certificates' CRL and OCSP are found. Plain http, as RFC 5280 and 6960 expect.
    plain = public_url if public.scheme == "http" else f"http://{public_host}{public.path}"
    ca_url = url("CA_URL", f"{plain}/ca", "http")
    # The time zone in which instants are shown.
    timezone = text("TIMEZONE", "Asia/Shanghai")
    try:
        ZoneInfo(timezone)
    # A folder of the time zone database, or a name too long for a file, is an error of the file system.
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingError(f"TIMEZONE: {timezone!r} is no IANA time zone") from None
    # The languages that are offered (BCP 47, by commas), and the one for whoever has chosen none; without it browsers
    # are given what they ask for.
    languages, language = _languages(text("LANGUAGES", ""), text("LANGUAGE", ""))
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
    # On PostgreSQL the account that owns the tables, where it is another one; only the release step uses it.
    database_owner_url = _owner_url(text("DATABASE_OWNER_URL", ""), database_url)
    # The key that signs cookies, forms and live tickets. Every process of one desk needs the same.
    secret_key = text("SECRET_KEY", "")
    try:
        # It holds the keys of the built-in CA and everything that customers entrust to the desk.
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        secret_key = secret_key or _stored_secret(data_dir / "secret_key")
    except OSError as wrong:
        raise SettingError(f"DATA_DIR: {data_dir} cannot be used ({wrong.strerror})") from None

    # Shows the demo sign-ins on the sign-in page.
    demo = whole("DEMO", 0, 0, 1) == 1
    # Whether the worker looks for itself if a domain is the customer's; without it reviewers alone verify.
    domain_control = text("DOMAIN_CONTROL", "on") == "on"
    # The DNS resolvers that are asked, as addresses with or without port; none means those of the machine.
    resolvers = _resolvers(text("RESOLVERS", ""))

    return Settings(
        data_dir=data_dir,
        database_url=database_url,
        database_owner_url=database_owner_url,
        secret_key=secret_key,
        # Former ones, by commas: what was signed with them still counts, nothing new is signed with them.
        secret_key_fallbacks=tuple(filter(None, (one.strip() for one in text("SECRET_KEY_FALLBACKS", "").split(",")))),
        # The passphrase of the built-in authority's keys; without it they lie unencrypted in DATA_DIR/ca.
        ca_key_passphrase=text("CA_KEY_PASSPHRASE", ""),
        # The issuing key on a PKCS #11 token, as an address of RFC 7512; without it the key lies in DATA_DIR/ca.
        ca_key=_ca_key(text("CA_KEY", "")),
        host=host,
        port=port,
        # Processes that render pages.
        web_workers=whole("WEB_WORKERS", 2, 1, 64),
        public_url=public_url,
        live_host=live_host,
        live_port=live_port,
        live_url=live_url,
        console_origins=_origins(public),
        # Further names, by commas, under which requests may ask for the desk, besides those of PUBLIC_URL and CA_URL.
        trusted_hosts=_trusted_hosts(text("TRUSTED_HOSTS", ""), public, urlsplit(ca_url)),
        # How many proxies stand in front and set X-Forwarded-For and -Proto.
        trusted_proxies=whole("TRUSTED_PROXIES", 0, 0, 5),
        # The name that customers know the vendor by.
        shop_name=text("SHOP_NAME", "Certificate desk"),
        currency=currency,
        timezone=timezone,
        language=language,
        languages=languages,
        policy=policy,
        ca_url=ca_url,
        # AUTHORITIES says who issues for which product; ACME_… set up the servers among them.
        authorities=_authorities(
            environ, domain_control=domain_control, resolvers=(lambda: resolvers) if resolvers else own_resolvers
        ),
        domain_control=domain_control,
        resolvers=resolvers,
        # The name by which CAA records let the built-in authority issue (RFC 8659).
        caa_identity=text("CAA_IDENTITY", urlsplit(public_url).hostname or "localhost"),
        # SMTP_URL, SMTP_CA_FILE, MAIL_FROM, MAIL_REPLY_TO; without a server mails land as files in DATA_DIR/mail.
        mail=_mail(environ, shop_name=text("SHOP_NAME", "Certificate desk"), public_url=public_url, data_dir=data_dir),
        # ALIPAY_… and BANK_…: where refunds can be paid besides the balance; see webapp/payments/settings.py.
        payments=_payments(environ),
        # A session ends after this long without a request, and in any case after this many hours.
        session_idle_minutes=whole("SESSION_IDLE_MINUTES", 60, 1, 7 * 24 * 60),
        session_hours=whole("SESSION_HOURS", 12, 1, 30 * 24),
        # How long a reviewer's claim on a case lasts; it is renewed while they work on it.
        review_claim_minutes=whole("REVIEW_CLAIM_MINUTES", 15, 1, 8 * 60),
        # How often overdue work is looked for.
        reconcile_seconds=whole("RECONCILE_SECONDS", 5, 1, 3600),
        # How many effects one worker runs at once.
        worker_threads=whole("WORKER_THREADS", 4, 1, 64),
        # For how many days an exported file is kept.
        export_days=whole("EXPORT_DAYS", 7, 1, 365),
        # The folder for a file a day with the head of the history, for another machine to take away.
        history_heads=Path(text("HISTORY_HEADS", str(data_dir / "history-heads"))),
        # A worker's stable name: after a restart it takes up its own unfinished work.
        executor_id=text("EXECUTOR_ID", "worker-1"),
        demo=demo,
        # The file with the records of the demo's own DNS; set by whoever starts that.
        demo_zone=Path(text("DEMO_ZONE", "")) if text("DEMO_ZONE", "") else None,
        # Serves the page with every component in every state, which is for whoever designs pages.
        style_guide=text("STYLE_GUIDE", "on" if demo else "off") == "on",
        # How many bits an RSA key in a CSR must have at least. Public authorities take 2048.
        smallest_rsa_key=whole("SMALLEST_RSA_KEY", MIN_RSA_BITS, MIN_RSA_BITS, MAX_RSA_BITS),
        # How many pages one account may ask for within a minute, and how many jobs it may begin within an hour.
        request_limit=whole("REQUEST_LIMIT", 600, 10, 1_000_000),
        job_limit=whole("JOB_LIMIT", 100, 1, 1_000_000),
        # How the processes write their logs.
        log_format=_log_format(text("LOG_FORMAT", LogFormat.TEXT)),
        # LOG_SERVER and LOG_SERVER_CA_FILE: where they go as well, so that nobody who breaks in here can change them.
        log_server=_log_server(environ),
        # SECOND_FACTOR and SIGN_IN_LIMIT_…: who needs a second factor, and how often a sign-in may fail.
        sign_in=_sign_in(environ, demo=demo),
        # For how long what is known about people is kept. Reminders and notifications are told apart by what was
        # before, so some of it has to stay for a while.
        retention=RetentionSettings(
            sign_in_days=whole("RETENTION_SIGN_IN_DAYS", 365, 1, 36500),
            mail_days=whole("RETENTION_MAIL_DAYS", 365, 30, 36500),
            notification_days=whole("RETENTION_NOTIFICATION_DAYS", 365, 30, 36500),
            books_years=whole("RETENTION_BOOKS_YEARS", 10, 1, 100),
        ),
    )


def is_exposed(folder: Path) -> bool:
    """Whether every user of the machine can look into a folder that is meant for its owner."""
    return folder.is_dir() and bool(folder.stat().st_mode & 0o007)


def _is_address(value: str, schemes: tuple[str, ...]) -> bool:
    """Whether something can be reached there, and a path can be added to it."""
    try:
        parts = urlsplit(value)
        # Reading the port checks it.
        complete = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    plain = re.fullmatch("[!-~]+", value) and not parts.query and not parts.fragment and "@" not in parts.netloc
    return complete and bool(plain) and parts.scheme in schemes


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def reached_at(host: str) -> str:
    """The name of this machine for its own browser: "every address" is none to go to."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # Comparing, not binding.


def _origins(public: SplitResult) -> tuple[str, ...]:
    """The console's origins, written as a browser does: lower case, and without the scheme's own port."""
    host = public.hostname or ""
    usual = {"http": 80, "https": 443}[public.scheme]
    port = "" if public.port in (None, usual) else f":{public.port}"
    # The loopback address goes by two names, and a browser sends the one that was typed.
    other = {"127.0.0.1": ["localhost"], "::1": ["localhost"], "localhost": ["127.0.0.1", "::1"]}.get(host, [])
    return tuple(f"{public.scheme}://{_in_address(name)}{port}" for name in (host, *other))


def _log_format(value: str) -> LogFormat:
    if value not in set(LogFormat):
        raise SettingError(f"LOG_FORMAT must be one of {', '.join(LogFormat)}, not {value[:40]!r}")
    return LogFormat(value)


def _log_server(environ: Mapping[str, str]) -> LogServer | None:
    try:
        return read_log_server(environ)
    except LogServerError as wrong:
        raise SettingError(str(wrong)) from None


def _ca_key(value: str) -> Pkcs11Address | None:
    try:
        return read_address(value) if value else None
    except Pkcs11AddressError as wrong:
        raise SettingError(f"CA_KEY {wrong}") from None


def _trusted_hosts(further: str, *own: SplitResult) -> tuple[str, ...]:
    """The names that a ``Host`` header may bear, in lower case; one with a dot in front covers all that end in it."""
    names = [urlsplit(origin).hostname or "" for address in own for origin in _origins(address)]
    for name in filter(None, (one.strip().lower() for one in further.split(","))):
        if not re.fullmatch(r"\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]", name):
            raise SettingError(f"TRUSTED_HOSTS must be names of hosts without scheme and port, by commas, not {name!r}")
        names.append(name.strip("[]"))
    return tuple(dict.fromkeys(names))


def _database_url(value: str, name: str = "DATABASE_URL") -> str:
    try:
        parts = make_url(value)
    except (ArgumentError, ValueError):
        # Not repeated here: it may hold a password.
        raise SettingError(f"{name} is no address of a database") from None
    if value.startswith("sqlite:///"):
        if parts.database in (None, "", ":memory:"):
            raise SettingError(f"{name} must name a file: the desk's processes share it")
        return value
    # Hosters hand out the short forms; the driver is always psycopg.
    if parts.drivername not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise SettingError(f"{name} must begin with sqlite:/// or postgresql://")
    parts = parts.set(drivername="postgresql+psycopg")
    if _is_elsewhere(parts):
        # Otherwise the driver takes what it gets, encrypted or not, from whoever stands between.
        encryption = parts.query.get("sslmode", "")
        if encryption in ("allow", "prefer"):
            raise SettingError(f"{name}: sslmode must be require, verify-ca or verify-full for another machine")
        if not encryption:
            parts = parts.update_query_dict({"sslmode": "require"})
    return parts.render_as_string(hide_password=False)


def _owner_url(value: str, database_url: str) -> str:
    if not value:
        return ""
    owner, serving = make_url(_database_url(value, "DATABASE_OWNER_URL")), make_url(database_url)
    if "sqlite" in (owner.get_backend_name(), serving.get_backend_name()):
        raise SettingError("DATABASE_OWNER_URL is for PostgreSQL: whoever has the file of SQLite owns it")
    if not serving.username or serving.username == owner.username:
        raise SettingError("DATABASE_URL must name an account of its own where DATABASE_OWNER_URL names the owner")
    if (owner.host, owner.port, owner.database) != (serving.host, serving.port, serving.database):
        raise SettingError("DATABASE_OWNER_URL must lead to the same database as DATABASE_URL")
    return owner.render_as_string(hide_password=False)


def _is_elsewhere(address: URL) -> bool:
    """Whether a database is reached over a network; without a host, or with a path, it is a socket of this machine."""
    host = address.host or str(address.query.get("host", ""))
    return bool(host) and not host.startswith("/") and not is_this_machine(host.casefold())


def _mail(environ: Mapping[str, str], *, shop_name: str, public_url: str, data_dir: Path) -> MailSettings:
    try:
        return load_mail(environ, shop_name=shop_name, public_url=public_url, data_dir=data_dir)
    except MailSettingError as wrong:
        raise SettingError(str(wrong)) from None


def _sign_in(environ: Mapping[str, str], *, demo: bool) -> SignInSettings:
    try:
        return load_sign_in(environ, demo=demo)
    except SignInSettingError as wrong:
        raise SettingError(str(wrong)) from None


def _languages(several: str, one: str) -> tuple[tuple[str, ...], str]:
    if not several and not one:
        return (), ""
    try:
        known = offered(tuple(name.strip() for name in several.split(",") if name.strip()))
    except LookupError as wrong:
        raise SettingError(f"LANGUAGES: {wrong.args[0]}") from None
    default = next((tag for tag in known if tag.casefold() == one.casefold()), "")
    if one and not default:
        raise SettingError(f"LANGUAGE must be one of those that are offered ({', '.join(known)}), not {one!r}")
    return tuple(known) if several else (), default


def _payments(environ: Mapping[str, str]) -> PaymentSettings:
    try:
        return load_payments(environ)
    except PaymentSettingError as wrong:
        raise SettingError(str(wrong)) from None


def _authorities(
    environ: Mapping[str, str], *, domain_control: bool, resolvers: Callable[[], object]
) -> AuthoritySettings:
    """An ACME server fails an order for good when it finds a wrong value, so the desk must be able to look before."""
    try:
        authorities = read_authority_settings(environ, PRODUCTS)
    except ChoiceError as wrong:
        raise SettingError(str(wrong)) from None
    if authorities.servers and not domain_control:
        raise SettingError("DOMAIN_CONTROL must be on where an ACME server is set up: the desk looks before it does")
    try:
        if authorities.servers:
            resolvers()
    except ValueError as missing:
        raise SettingError(f"RESOLVERS must be set where an ACME server is set up: {missing}") from None
    return authorities


def _resolvers(value: str) -> tuple[Nameserver, ...]:
    try:
        return read_nameservers(value)
    except ValueError as wrong:
        raise SettingError(f"RESOLVERS: {wrong}") from None


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
    if not path.exists():
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(48))
        # Of several starting processes exactly one puts its key in place, and nobody ever reads half of one.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        os.unlink(draft)
    secret = path.read_text("ascii")
    if not secret:
        raise SettingError(f"SECRET_KEY: {path} is empty; remove it, and a new key is made")
    return secret
