"""Settings: what they are by default, and that a malformed one stops the start with its name."""

import json
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from money_support import at_once

from certlifecycle import PRESETS
from webapp.authorities.settings import AcmeServer, AuthoritySettings
from webapp.config import SettingError, Settings, load
from webapp.logs import LogFormat
from webapp.parts import assemble
from webapp.payments.settings import PaymentSettings


@pytest.fixture
def settings_of(tmp_path: Path) -> Any:
    """Load settings from an environment that names nothing but ``DATA_DIR`` and what the test names.

    The machine counts as one that knows a DNS resolver.
    """

    def read(**environ: str) -> Settings:
        return load({"DATA_DIR": str(tmp_path / "data")} | environ, tuple)

    return read


def test_the_defaults_suit_one_machine(settings_of: Any, tmp_path: Path) -> None:
    settings = settings_of()
    key = settings.secret_key
    assert settings == Settings(
        data_dir=tmp_path / "data",
        database_url=f"sqlite:///{tmp_path / 'data' / 'desk.sqlite3'}",
        database_owner_url="",
        secret_key=key,
        secret_key_fallbacks=(),
        ca_key_passphrase="",
        ca_key=None,
        host="127.0.0.1",
        port=8000,
        web_workers=2,
        public_url="http://127.0.0.1:8000",
        live_host="127.0.0.1",
        live_port=8001,
        live_url="http://127.0.0.1:8001/live",
        console_origins=("http://127.0.0.1:8000", "http://localhost:8000"),
        trusted_hosts=("127.0.0.1", "localhost"),
        trusted_proxies=0,
        shop_name="Certificate desk",
        currency="CNY",
        timezone="Asia/Shanghai",
        language="",
        languages=(),
        policy=PRESETS["30-days-from-issue"],
        ca_url="http://127.0.0.1:8000/ca",
        authorities=AuthoritySettings(),
        domain_control=True,
        resolvers=(),
        caa_identity="127.0.0.1",
        mail=settings.mail,
        payments=PaymentSettings(),
        session_idle_minutes=60,
        session_hours=12,
        review_claim_minutes=15,
        reconcile_seconds=5,
        worker_threads=4,
        export_days=7,
        history_heads=tmp_path / "data" / "history-heads",
        executor_id="worker-1",
        demo=False,
        demo_zone=None,
        style_guide=False,
        smallest_rsa_key=2048,
        request_limit=600,
        job_limit=100,
        log_format=LogFormat.TEXT,
        log_server=None,
    )
    assert not settings.secure_cookies
    assert (tmp_path / "data").is_dir()


def test_an_empty_variable_counts_as_unset(settings_of: Any) -> None:
    assert settings_of(PORT="", TIMEZONE="  ", SHOP_NAME="", DEMO="").port == 8000


def test_the_data_lies_in_var_where_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load({}).data_dir == tmp_path / "var"


def test_every_setting_can_be_set(settings_of: Any) -> None:
    settings = settings_of(
        HOST="192.0.2.7",
        PORT="65535",
        WEB_WORKERS="64",
        PUBLIC_URL="https://desk.example.com/console/",
        LIVE_HOST="127.0.0.1",
        LIVE_PORT="9000",
        LIVE_URL="https://live.example.com/stream",
        CA_URL="http://pki.example.com/",
        SECRET_KEY="chosen",
        TRUSTED_PROXIES="1",
        SHOP_NAME="Certificates & more",
        CURRENCY="EUR",
        TIMEZONE="Europe/Berlin",
        REFUND_POLICY="7-days-from-payment",
        SESSION_IDLE_MINUTES="5",
        SESSION_HOURS="8",
        REVIEW_CLAIM_MINUTES="45",
        RECONCILE_SECONDS="60",
        WORKER_THREADS="8",
        EXECUTOR_ID="worker-2",
        DEMO="1",
    )
    assert (settings.host, settings.port, settings.web_workers) == ("192.0.2.7", 65535, 64)
    assert (settings.live_host, settings.live_port) == ("127.0.0.1", 9000)
    assert settings.public_url == "https://desk.example.com/console"
    assert (settings.live_url, settings.ca_url) == ("https://live.example.com/stream", "http://pki.example.com")
    assert (settings.secret_key, settings.trusted_proxies) == ("chosen", 1)
    assert (settings.shop_name, settings.currency, settings.timezone) == (
        "Certificates & more",
        "EUR",
        "Europe/Berlin",
    )
    assert settings.policy == PRESETS["7-days-from-payment"]
    assert (settings.session_idle_minutes, settings.session_hours) == (5, 8)
    assert settings.review_claim_minutes == 45
    assert (settings.reconcile_seconds, settings.worker_threads) == (60, 8)
    assert (settings.executor_id, settings.demo, settings.secure_cookies) == ("worker-2", True, True)


WHOLE_NUMBERS = {
    "PORT": (1, 65535),
    "LIVE_PORT": (1, 65535),
    "WEB_WORKERS": (1, 64),
    "TRUSTED_PROXIES": (0, 5),
    "SESSION_IDLE_MINUTES": (1, 10080),
    "SESSION_HOURS": (1, 720),
    "REVIEW_CLAIM_MINUTES": (1, 480),
    "RECONCILE_SECONDS": (1, 3600),
    "WORKER_THREADS": (1, 64),
    "DEMO": (0, 1),
    "REQUEST_LIMIT": (10, 1_000_000),
    "JOB_LIMIT": (1, 1_000_000),
    "SMALLEST_RSA_KEY": (2048, 8192),
}


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        *((name, "many", "must be a whole number, not 'many'") for name in WHOLE_NUMBERS),
        *((name, "1.5", "must be a whole number, not '1.5'") for name in WHOLE_NUMBERS),
        *(
            (name, str(value), f"must be between {least} and {most}, not {value}")
            for name, (least, most) in WHOLE_NUMBERS.items()
            for value in (least - 1, most + 1)
        ),
        ("PORT", "9" * 5000, "must be a whole number"),
        *((name, "desk.example.com", "must be an http") for name in ("PUBLIC_URL", "LIVE_URL", "CA_URL")),
        *((name, "ftp://desk.example.com", "must be an http") for name in ("PUBLIC_URL", "LIVE_URL", "CA_URL")),
        *((name, "http://desk.example.com?a=b", "must be an http") for name in ("PUBLIC_URL", "LIVE_URL", "CA_URL")),
        ("PUBLIC_URL", "http://", "must be an http or https address, not 'http:'"),
        ("PUBLIC_URL", "http://:8000", "must be an http or https address"),
        ("PUBLIC_URL", "http://[::1", "must be an http or https address"),
        ("PUBLIC_URL", "http://desk.example.com:port", "must be an http or https address"),
        ("PUBLIC_URL", "http://desk.example.com:70000", "must be an http or https address"),
        ("PUBLIC_URL", "http://desk.example.com:0", "must be an http or https address"),
        ("PUBLIC_URL", "http://somebody@desk.example.com", "must be an http or https address"),
        ("PUBLIC_URL", "http://desk.example.com/#top", "must be an http or https address"),
        ("PUBLIC_URL", "http://desk.\nexample.com", "must be an http or https address"),
        ("PUBLIC_URL", "http://desk example.com", "must be an http or https address"),
        # The address of revocation lists must not need a certificate itself.
        ("CA_URL", "https://desk.example.com/ca", "must be an http address, not"),
        ("LIVE_PORT", "8000", "must be another port than PORT, not 8000 as well"),
        ("TIMEZONE", "Mars/Olympus", ": 'Mars/Olympus' is no IANA time zone"),
        ("TIMEZONE", "Asia", ": 'Asia' is no IANA time zone"),
        ("TIMEZONE", "../../etc/passwd", ": '../../etc/passwd' is no IANA time zone"),
        ("TIMEZONE", "x" * 300, ": 'xxx"),
        ("CURRENCY", "yuan", ": 'yuan' is not an ISO 4217 currency code"),
        ("REFUND_POLICY", "no-such-policy", ": 'no-such-policy' is neither a readable file nor one of 30-days-from"),
        ("REFUND_POLICY", "/", ": '/' is neither a readable file nor one of"),
        ("LOG_SERVER", "tls://logs.example.com", " must be a host, or host:port, not 'tls://logs.example.com'"),
        ("LOG_FORMAT", "xml", " must be one of text, json, not 'xml'"),
        ("DATABASE_URL", "postgresql://db.example.com/desk?sslmode=prefer", ": sslmode must be require, verify-ca or"),
        ("DATABASE_URL", "mysql://desk@127.0.0.1/desk", " must begin with sqlite:/// or postgresql://"),
        ("DATABASE_URL", "postgresql+psycopg2://127.0.0.1/desk", " must begin with sqlite:/// or postgresql://"),
        ("DATABASE_URL", "sqlite://", " must begin with sqlite:/// or postgresql://"),
        ("DATABASE_URL", "sqlite:///", " must name a file"),
        ("DATABASE_URL", "sqlite:///:memory:", " must name a file"),
        ("DATABASE_URL", "desk", " is no address of a database"),
        ("DATABASE_URL", "postgresql://127.0.0.1:port/desk", " is no address of a database"),
        ("DATA_DIR", "/dev/null", ": /dev/null cannot be used (File exists)"),
        ("DATA_DIR", "/dev/null/desk", ": /dev/null/desk cannot be used (Not a directory)"),
    ],
    ids=lambda value: value[:40].encode("unicode_escape").decode(),
)
def test_a_malformed_setting_stops_the_start_with_its_name(
    settings_of: Any, name: str, value: str, problem: str
) -> None:
    with pytest.raises(SettingError) as caught:
        settings_of(**{name: value})
    said = str(caught.value)
    assert said.startswith(name)
    assert said.removeprefix(name).strip().startswith(problem.strip())


def test_a_password_in_an_address_is_not_repeated(settings_of: Any) -> None:
    with pytest.raises(SettingError) as caught:
        settings_of(DATABASE_URL="postgresql://desk:hunter2@127.0.0.1:port/desk")
    assert "hunter2" not in str(caught.value)


# Addresses


@pytest.mark.parametrize(
    ("environ", "public_url", "live_url", "ca_url", "origins"),
    [
        (
            {"PORT": "8080"},
            "http://127.0.0.1:8080",
            "http://127.0.0.1:8081/live",
            "http://127.0.0.1:8080/ca",
            ("http://127.0.0.1:8080", "http://localhost:8080"),
        ),
        (
            {"HOST": "localhost"},
            "http://localhost:8000",
            "http://localhost:8001/live",
            "http://localhost:8000/ca",
            ("http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"),
        ),
        (
            {"HOST": "::1"},
            "http://[::1]:8000",
            "http://[::1]:8001/live",
            "http://[::1]:8000/ca",
            ("http://[::1]:8000", "http://localhost:8000"),
        ),
        (
            {"HOST": "0.0.0.0"},  # noqa: S104
            "http://127.0.0.1:8000",
            "http://127.0.0.1:8001/live",
            "http://127.0.0.1:8000/ca",
            ("http://127.0.0.1:8000", "http://localhost:8000"),
        ),
        (
            {"HOST": "::"},
            "http://[::1]:8000",
            "http://[::1]:8001/live",
            "http://[::1]:8000/ca",
            ("http://[::1]:8000", "http://localhost:8000"),
        ),
        (
            {"PORT": "65535"},
            "http://127.0.0.1:65535",
            "http://127.0.0.1:65534/live",
            "http://127.0.0.1:65535/ca",
            ("http://127.0.0.1:65535", "http://localhost:65535"),
        ),
        (
            # A browser leaves the scheme's own port out, and writes the name in lower case.
            {"PUBLIC_URL": "http://Desk.Example.COM:80"},
            "http://Desk.Example.COM:80",
            "http://desk.example.com:8001/live",
            "http://Desk.Example.COM:80/ca",
            ("http://desk.example.com",),
        ),
        (
            # A page that came over TLS may only listen over TLS: through the proxy that is there already.
            {"PUBLIC_URL": "https://desk.example.com"},
            "https://desk.example.com",
            "https://desk.example.com/live",
            "http://desk.example.com/ca",
            ("https://desk.example.com",),
        ),
        (
            {"PUBLIC_URL": "https://desk.example.com:443/console"},
            "https://desk.example.com:443/console",
            "https://desk.example.com:443/console/live",
            "http://desk.example.com/console/ca",
            ("https://desk.example.com",),
        ),
        (
            {"PUBLIC_URL": "https://desk.example.com:8443"},
            "https://desk.example.com:8443",
            "https://desk.example.com:8443/live",
            "http://desk.example.com/ca",
            ("https://desk.example.com:8443",),
        ),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else "",
)
def test_addresses_follow_from_where_the_console_is(
    settings_of: Any, environ: dict[str, str], public_url: str, live_url: str, ca_url: str, origins: tuple[str, ...]
) -> None:
    settings = settings_of(**environ)
    assert (settings.public_url, settings.live_url, settings.ca_url) == (public_url, live_url, ca_url)
    assert settings.console_origins == origins


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://desk:p%40w@127.0.0.1/desk", "postgresql+psycopg://desk:p%40w@127.0.0.1/desk"),
        ("postgresql://localhost:5433/desk", "postgresql+psycopg://localhost:5433/desk"),
        ("postgresql+psycopg://[::1]/desk", "postgresql+psycopg://[::1]/desk"),
        ("postgresql:///desk", "postgresql+psycopg:///desk"),
        ("postgresql:///desk?host=/run/postgresql", "postgresql+psycopg:///desk?host=%2Frun%2Fpostgresql"),
        ("sqlite:////srv/desk.sqlite3", "sqlite:////srv/desk.sqlite3"),
    ],
)
def test_hosters_short_forms_of_the_database_are_understood(settings_of: Any, given: str, used: str) -> None:
    assert settings_of(DATABASE_URL=given).database_url == used


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgresql://db.example.com/desk", "sslmode=require"),
        ("postgresql://db/desk", "sslmode=require"),
        ("postgresql:///desk?host=192.0.2.7", "host=192.0.2.7&sslmode=require"),
        ("postgresql://db.example.com/desk?sslmode=verify-full", "sslmode=verify-full"),
        # Whoever says so in so many words has another wall around both.
        ("postgresql://db.example.com/desk?sslmode=disable", "sslmode=disable"),
    ],
)
def test_a_database_on_another_machine_is_reached_over_tls(settings_of: Any, given: str, used: str) -> None:
    assert settings_of(DATABASE_URL=given).database_url.partition("?")[2] == used


SERVING = "postgresql://serving:pw@db.example.com/desk"


def test_the_owner_of_the_tables_may_be_another_account(settings_of: Any) -> None:
    settings = settings_of(DATABASE_URL=SERVING, DATABASE_OWNER_URL=SERVING.replace("serving", "owner"))
    assert settings.database_owner_url == "postgresql+psycopg://owner:pw@db.example.com/desk?sslmode=require"


@pytest.mark.parametrize(
    ("serving", "owner", "problem"),
    [
        (SERVING, SERVING, "DATABASE_URL must name an account of its own"),
        (SERVING.replace("serving:pw@", ""), SERVING, "DATABASE_URL must name an account of its own"),
        (SERVING, SERVING.replace("serving", "owner") + "2", "DATABASE_OWNER_URL must lead to the same database"),
        (SERVING, "sqlite:////srv/desk.sqlite3", "DATABASE_OWNER_URL is for PostgreSQL"),
        ("", SERVING, "DATABASE_OWNER_URL is for PostgreSQL"),
        (SERVING, "mysql://owner:pw@db.example.com/desk", "DATABASE_OWNER_URL must begin with"),
        (SERVING, "owner:pw", "DATABASE_OWNER_URL is no address of a database"),
    ],
)
def test_an_owner_that_makes_no_sense_is_named(settings_of: Any, serving: str, owner: str, problem: str) -> None:
    with pytest.raises(SettingError, match=problem) as caught:
        settings_of(DATABASE_URL=serving, DATABASE_OWNER_URL=owner)
    assert "pw" not in str(caught.value)


# The secret key


def test_a_secret_key_is_made_once_and_is_the_owner_s_alone(settings_of: Any, tmp_path: Path) -> None:
    first = settings_of().secret_key
    assert len(first) == 64
    assert settings_of().secret_key == first
    path = tmp_path / "data" / "secret_key"
    assert path.read_text() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in (tmp_path / "data").iterdir()] == ["secret_key"]


def test_a_secret_key_that_was_set_is_not_stored(settings_of: Any, tmp_path: Path) -> None:
    assert settings_of(SECRET_KEY="chosen").secret_key == "chosen"
    assert list((tmp_path / "data").iterdir()) == []


def test_an_empty_secret_key_signs_nothing(settings_of: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secret_key").touch()
    with pytest.raises(SettingError, match=r"SECRET_KEY: .*secret_key is empty"):
        settings_of()


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads that take turns as often as processes do."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty_threads")
def test_several_that_start_together_agree_on_the_key(settings_of: Any, tmp_path: Path) -> None:
    for number in range(150):
        folder = str(tmp_path / str(number))
        keys = at_once(*[lambda folder=folder: settings_of(DATA_DIR=folder).secret_key] * 6)
        assert len(set(keys)) == 1
        assert keys[0]


# The policy


def test_a_policy_comes_from_a_file(settings_of: Any, tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({"version": "ours/3", "window_days": 14, "review_days": [1, 2], "calendar": "DE"}))
    policy = settings_of(REFUND_POLICY=str(path)).policy
    assert (policy.version, policy.window_days, policy.review_days, policy.calendar) == ("ours/3", 14, (1, 2), "DE")


@pytest.mark.parametrize("name", list(PRESETS))
def test_policies_ship_by_name(settings_of: Any, name: str) -> None:
    assert settings_of(REFUND_POLICY=name).policy == PRESETS[name]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "Expecting value"),
        (b"[]", "the file must hold one JSON object"),
        (b"{}", "version: a policy needs a version"),
        (b'{"version": "1", "window_days": "many"}', "window_days: must be a whole number"),
        (b'{"version": "1", "colour": "red"}', "colour: a refund policy has no such field"),
        (b'{"version": "1", "basis": "weather"}', "basis: must be one of issue, payment"),
        (b"\xff\xfe", "'utf-8' codec can't decode"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_malformed_policy_stops_the_start(settings_of: Any, tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "policy.json"
    path.write_bytes(content)
    with pytest.raises(SettingError) as caught:
        settings_of(REFUND_POLICY=str(path))
    assert str(caught.value).startswith(f"REFUND_POLICY: {problem}")


# Certificate authorities

DIRECTORY = "https://ca.example.com/directory"


def test_who_issues_for_which_product(settings_of: Any) -> None:
    settings = settings_of(AUTHORITIES="builtin,ov=acme", ACME_DIRECTORY=DIRECTORY, ACME_CONTACT="ca@example.com")
    assert settings.authorities == AuthoritySettings(
        "builtin", {"ov": "acme"}, (AcmeServer("acme", DIRECTORY, "ca@example.com"),)
    )
    assert [settings.authorities.by_acme(product) for product in ("dv", "ov", "wildcard", "of before")] == [
        False,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"AUTHORITIES": "acme"}, "AUTHORITIES: 'acme' is not set up; there is builtin"),
        ({"AUTHORITIES": "builtin,ev=builtin"}, "AUTHORITIES: 'ev' is none of the products dv, ov, wildcard"),
        ({"ACME_DIRECTORY": "http://ca.example.com/"}, "ACME_DIRECTORY must be an https address"),
        ({"ACME_BIG_DIRECTORY": DIRECTORY, "ACME_BIG_EAB_KID": "1"}, "ACME_BIG_EAB_KID and ACME_BIG_EAB_HMAC_KEY"),
        (
            {"ACME_DIRECTORY": DIRECTORY, "DOMAIN_CONTROL": "off"},
            "DOMAIN_CONTROL must be on where an ACME server is set up: the desk looks before it does",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_a_malformed_setting_of_the_authorities_stops_the_start(
    settings_of: Any, environ: dict[str, str], says: str
) -> None:
    with pytest.raises(SettingError) as caught:
        settings_of(**environ)
    assert str(caught.value).startswith(says)


def test_a_machine_that_knows_no_resolver_needs_one_for_acme(tmp_path: Path) -> None:
    def none() -> object:
        raise ValueError("this machine is set up with no DNS resolver")

    environ = {"DATA_DIR": str(tmp_path / "data")}
    # Without an ACME server that leaves submissions to reviewers, as ever.
    assert load(environ, none).resolvers == ()
    acme = environ | {"ACME_DIRECTORY": DIRECTORY}
    with pytest.raises(SettingError) as caught:
        load(acme, none)
    assert str(caught.value) == (
        "RESOLVERS must be set where an ACME server is set up: this machine is set up with no DNS resolver"
    )
    assert load(acme | {"RESOLVERS": "192.0.2.53"}, none).authorities.servers


def test_nothing_is_put_together_that_could_not_look_before_an_acme_server_does(tmp_path: Path) -> None:
    environ = {"DATA_DIR": str(tmp_path / "data"), "ACME_DIRECTORY": DIRECTORY}
    settings = replace(load(environ, tuple), domain_control=False)
    with pytest.raises(SettingError, match=r"^RESOLVERS: the desk looks at a domain before"):
        assemble(settings)


def test_the_keys_of_the_accounts_lie_with_the_data(tmp_path: Path) -> None:
    environ = {
        "DATA_DIR": str(tmp_path / "data"),
        "ACME_DIRECTORY": DIRECTORY,
        "ACME_OTHER_DIRECTORY": DIRECTORY,
        "RESOLVERS": "192.0.2.53",
    }
    assemble(load(environ)).database.engine.dispose()
    keys = {path.relative_to(tmp_path) for path in tmp_path.rglob("account.key")}
    assert keys == {Path("data/acme-other/account.key"), Path("data/acme/account.key")}
    assert {stat.S_IMODE((tmp_path / key).stat().st_mode) for key in keys} == {0o600}
