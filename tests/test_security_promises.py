"""What docs/security.md says of the desk's behaviour where no other file has a reason to look."""

import json
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from math import log2
from pathlib import Path

import pytest
import sqlalchemy as sa
from packaging.utils import canonicalize_name
from processes import ROOT
from shop import PASSWORD, Shop, test_settings
from sign_in_support import sign_in, with_app
from sqlmodel import SQLModel, col, select
from test_cli import run
from test_supply_chain import LOCKED
from werkzeug.routing import BaseConverter

from certlifecycle import Role, State
from webapp import demo
from webapp.accounts import factors, passwords, sessions
from webapp.accounts.models import Account, WebSession
from webapp.audit.models import AuditEvent
from webapp.catalogue import PRODUCTS
from webapp.certificates.models import Certificate, Purchase
from webapp.config import load
from webapp.refunds.models import RefundReason

LONG = "Ferry lantern quilt moss, " * 4
NEW = "ferry lantern quilt moss"


@pytest.fixture
def behind_tls(sqlite_url: str, open_shop: Callable[..., Shop]) -> Shop:
    """A shop that people reach over TLS."""
    return open_shop(sqlite_url, public_url="https://desk.example.com", trusted_hosts=("desk.example.com",))


# Cookies and headers


def test_over_tls_every_cookie_is_for_this_host_alone(behind_tls: Shop) -> None:
    browser = behind_tls.browser()
    client = browser.client
    page = client.get("/sign-in", base_url="https://desk.example.com")
    token = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)[0]
    form = {"email": "alice@example.com", "password": PASSWORD, "csrf_token": token, "language": "zh-Hans"}
    headers = {"Referer": "https://desk.example.com/sign-in"}
    answers = [
        page,
        client.post("/language", data=form, base_url="https://desk.example.com", headers=headers),
        client.post("/sign-in", data=form, base_url="https://desk.example.com", headers=headers),
    ]
    set_ = {
        one.partition("=")[0]: one.partition(";")[2]
        for answer in answers
        for one in answer.headers.getlist("Set-Cookie")
    }
    assert set_.keys() == {"__Host-desk", "__Host-desk_form", "__Host-language"}
    for name, attributes in set_.items():
        said = {part.strip() for part in attributes.split(";")}
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= said, name
        assert "Domain" not in attributes
    # The one that a script sets, because it holds what only the page's look depends on.
    script = (ROOT / "webapp/static/theme.js").read_text("utf-8")
    assert re.findall(r"document\.cookie = `([^`]+)`", script) == [
        "${prefix}theme=${theme}; Path=/; Max-Age=31536000; SameSite=Lax${secure}"
    ]
    client.set_cookie("__Host-theme", "dark", domain="desk.example.com", secure=True)
    assert 'data-theme="dark"' in client.get("/help", base_url="https://desk.example.com").text


@pytest.mark.parametrize(
    "url", ["/sign-in", "/certificates", "/no/such", "/healthz", "/static/desk.css", "/ca/root.pem"]
)
def test_every_answer_tells_browsers_to_be_careful(shop: Shop, url: str) -> None:
    response = shop.browser(shop.alice).client.get(url)
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    policy = response.headers["Content-Security-Policy"]
    for directive in ("default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"):
        assert directive in policy
    kind = response.headers["Content-Type"]
    assert not kind.startswith("text/") or "charset=utf-8" in kind
    response.close()


def test_signing_out_clears_what_the_browser_kept(shop: Shop) -> None:
    for way in ("/sign-out", "/account/sign-out-everywhere"):
        page = shop.browser(shop.alice).post(way)
        assert page.response.headers["Clear-Site-Data"] == '"cache"'


def test_what_no_browser_needs_is_not_there(shop: Shop) -> None:
    client = shop.browser(shop.ada).client
    assert client.open("/sign-in", method="TRACE").status_code == 405
    for url in (
        "/static/",
        "/.git/config",
        "/static/../../pyproject.toml",
        "/static/%2e%2e/config.py",
        "/docs",
        "/console",
    ):
        assert client.get(url).status_code == 404, url
    assert not shop.app.debug


@pytest.mark.parametrize(
    ("environ", "pages", "shows_sign_ins"),
    [
        ({"DEMO": "1"}, 200, True),
        ({"SMTP_URL": "smtp://mail.example.com", "MAIL_FROM": "desk@example.com"}, 404, False),
    ],
    ids=["demo", "shop"],
)
def test_a_shop_serves_nothing_of_the_workshop(
    sqlite_url: str,
    tmp_path: Path,
    open_shop: Callable[..., Shop],
    environ: dict[str, str],
    pages: int,
    shows_sign_ins: bool,
) -> None:
    settings = load({"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": sqlite_url} | environ, tuple)
    shop = open_shop(sqlite_url, demo=settings.demo, style_guide=settings.style_guide, mail=settings.mail)
    admin = shop.browser(shop.ada).client
    assert [admin.get(page).status_code for page in ("/styleguide", "/dev/mail")] == [pages, pages]
    assert (demo.PASSWORD in shop.browser().client.get("/sign-in").text) is shows_sign_ins


# Requests


def test_what_stands_in_the_address_does_not_fill_in_a_form(shop: Shop) -> None:
    client = shop.browser().client
    token = client.get("/csrf-for-tests").text
    right = {"email": "alice@example.com", "password": PASSWORD}
    assert client.post("/sign-in", query_string=right, data={"csrf_token": token}).status_code == 422
    # Of two values of one field the first counts, everywhere.
    twice = [("csrf_token", token), *right.items(), ("password", "another")]
    body = "&".join(f"{name}={value}" for name, value in twice)
    kind = "application/x-www-form-urlencoded"
    assert client.post("/sign-in", data=body, content_type=kind).status_code == 303


def test_a_form_changes_nothing_but_what_it_asks_for(shop: Shop) -> None:
    """Whoever adds fields of their own to a form is not heard."""
    browser = shop.browser(shop.alice)
    more = {"role": "admin", "email": "eve@example.com", "password_hash": "!", "id": shop.ada.id}
    browser.post("/account/preferences", {"language": "en", "timezone": "UTC"} | more)
    after = shop.find(Account, shop.alice.id)
    assert (after.role, after.email, after.timezone) == (Role.CUSTOMER, "alice@example.com", "UTC")
    assert after.password_hash == shop.alice.password_hash
    shop.give(shop.alice, 1_000_00)
    form = browser.get("/order/dv")
    wanted = {"order_id": form.field("order_id"), "domain": "www.example.com"}
    more = {"amount_minor": "1", "state": "refunded", "customer_id": shop.bob.id, "currency": "USD"}
    browser.post("/order/dv", wanted | more)
    with shop.database.reading() as session:
        (certificate,) = session.exec(select(Certificate)).all()
        (purchase,) = session.exec(select(Purchase)).all()
    assert (certificate.state, certificate.customer_id) == (State.PENDING, shop.alice.id)
    assert (purchase.amount_minor, purchase.currency) == (PRODUCTS["dv"].price("CNY").minor, "CNY")


@pytest.mark.parametrize(
    ("proxies", "noted"), [(0, "127.0.0.1"), (1, "192.0.2.9"), (2, "198.51.100.7")], ids=["none", "one", "two"]
)
def test_only_proxies_that_are_trusted_say_where_somebody_is(
    sqlite_url: str, open_shop: Callable[..., Shop], proxies: int, noted: str
) -> None:
    shop = open_shop(sqlite_url, trusted_proxies=proxies)
    headers = {"X-Forwarded-For": "203.0.113.1, 198.51.100.7, 192.0.2.9", "X-Real-IP": "203.0.113.2"}
    client = shop.browser().client
    form = {"email": "alice@example.com", "password": "wrong", "csrf_token": client.get("/csrf-for-tests").text}
    assert client.post("/sign-in", data=form, headers=headers).status_code == 422
    with shop.database.reading() as session:
        assert [row.address for row in session.exec(select(AuditEvent))] == [noted]


def test_looking_changes_nothing(shop: Shop) -> None:
    """Every address that needs no key, fetched by everybody: no certificate, no money and no account changes."""
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    before = state_of(shop)
    for who in (shop.alice, shop.rita, shop.ada):
        client = shop.browser(who).client
        for rule in shop.app.url_map.iter_rules():
            if "GET" in (rule.methods or ()) and not rule.arguments:
                client.get(rule.rule, buffered=True)
        client.get(f"/certificates/{certificate.id}")
    assert state_of(shop) == before


def state_of(shop: Shop) -> dict[str, list[tuple[object, ...]]]:
    """All that money and rights depend on."""
    tables = ("account", "certificate", "purchase", "refund", "ledger_transfer", "history", "payout")
    with shop.database.reading() as session:
        connection = session.connection()
        found = {name: connection.execute(sa.select(SQLModel.metadata.tables[name])).all() for name in tables}
    return {name: sorted(map(tuple, rows), key=str) for name, rows in found.items()}


def test_marks_of_a_format_are_plain_text(shop: Shop) -> None:
    text = "%s {0.__class__} {name} %(name)s {{ 7*7 }} ${7*7}"
    certificate = shop.certificate_in(State.PENDING)
    browser = shop.browser(shop.alice)
    form = {"version": certificate.version, "reason_code": RefundReason.NOT_NEEDED.value, "reason": text}
    browser.post(f"/certificates/{certificate.id}/refund", form)
    assert text in browser.get(f"/refunds/{shop.refund_of(certificate).id}").words


# Signing in


def test_a_password_counts_as_it_was_typed(shop: Shop) -> None:
    for typed in (PASSWORD.upper(), f"{PASSWORD} ", f" {PASSWORD}", PASSWORD[:-1], PASSWORD.title()):
        shop.browser().post("/sign-in", {"email": "alice@example.com", "password": typed}, 422)


def test_a_long_password_of_any_signs_lasts_for_years(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    assert len(LONG) > 100
    browser.post("/account/password", {"password": PASSWORD, "new": LONG, "again": LONG})
    shop.clock.advance(days=5 * 365)
    shop.browser().post("/sign-in", {"email": "alice@example.com", "password": LONG[:-1]}, 422)
    shop.browser().post("/sign-in", {"email": "alice@example.com", "password": LONG})
    # Nothing is asked of its signs: letters alone do, in any script.
    assert passwords.weakness("fährlaternesteppdeckemoos") is None


def test_passwords_are_hashed_with_argon2id(shop: Shop) -> None:
    first, second = passwords.hash_password(NEW), passwords.hash_password(NEW)
    # 64 MiB and three rounds: RFC 9106's second recommendation, far above what OWASP asks for at least.
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert first != second
    # What is checked for an address that nobody has costs the same.
    assert passwords.NOBODY.startswith(first.rpartition("=4$")[0])
    assert passwords.fits(passwords.NOBODY, "nobody has this password")


def test_password_fields_hide_what_is_typed_and_let_managers_fill_them(shop: Shop) -> None:
    found = {}
    for who, url in ((None, "/sign-in"), (shop.alice, "/account/password"), (shop.alice, "/account/second-factor")):
        for field in shop.browser(who).get(url).tree.iter("input"):
            if "password" in (field.get("autocomplete") or "") or field.get("type") == "password":
                found[url, field.get("name")] = (field.get("type"), field.get("autocomplete"), field.get("onpaste"))
    assert found == {
        ("/sign-in", "password"): ("password", "current-password", None),
        ("/account/password", "password"): ("password", "current-password", None),
        ("/account/password", "new"): ("password", "new-password", None),
        ("/account/password", "again"): ("password", "new-password", None),
        ("/account/second-factor", "password"): ("password", "current-password", None),
    }
    for script in (ROOT / "webapp/static").glob("*.js"):
        assert "paste" not in script.read_text("utf-8"), script.name


def test_nobody_is_asked_for_a_hint_or_a_secret_question(shop: Shop) -> None:
    form = shop.browser().get("/sign-in").tree
    fields = {field.get("name") for field in form.iter("input")} - {None, "theme", "language", "next"}
    assert fields == {"csrf_token", "email", "password", "credential"} & fields | {"email", "password"}
    assert not [name for name in Account.model_fields if "hint" in name or "question" in name]


def test_a_new_desk_has_nobody_in_it(sqlite_url: str) -> None:
    from webapp.db import Database, make_engine

    engine = make_engine(sqlite_url)
    with Database(engine).reading() as session:
        assert session.exec(select(Account)).all() == []
    engine.dispose()


def test_recovery_codes_are_too_many_to_be_tried(shop: Shop) -> None:
    _, _, codes = with_app(shop, shop.alice)
    assert len(set(codes)) == len(codes) == factors.CODES
    for code in codes:
        letters = code.replace("-", "")
        assert set(letters) <= set(factors.ALPHABET)
        # From 112 bits on a plain hash may keep them (ASVS 5.0, 6.5.2).
        assert len(letters) * log2(len(factors.ALPHABET)) >= 112


def test_every_session_has_a_long_random_token_of_its_own(shop: Shop) -> None:
    tokens = set()
    for _ in range(5):
        browser, _page = sign_in(shop, shop.alice)
        cookie = browser.client.get_cookie(sessions.cookie_name(shop.settings))
        assert cookie is not None
        # 32 bytes of the system's generator, in base64.
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", cookie.value)
        tokens.add(cookie.value)
    assert len(tokens) == 5


def test_whoever_runs_the_desk_ends_sessions_at_once(shop: Shop) -> None:
    alice, bob, ada = (shop.browser(who) for who in (shop.alice, shop.bob, shop.ada))
    assert "Alice is signed out on every device." in run(shop.app, "sign-out", "Alice@example.com").output
    alice.get("/certificates", 303)
    bob.get("/certificates")
    assert "Everybody is signed out." in run(shop.app, "sign-out", "--everybody").output
    for one in (bob, ada):
        one.get("/certificates", 303)
    for words in ((), ("alice@example.com", "--everybody"), ("nobody@example.com",)):
        run(shop.app, "sign-out", *words, exit_code=1)
    with shop.database.reading() as session:
        noted = session.exec(select(AuditEvent).order_by(col(AuditEvent.id))).all()
        left = session.exec(select(WebSession).where(col(WebSession.revoked_at).is_(None))).all()
    assert [(row.kind, row.subject, row.channel) for row in noted] == [
        ("signed_out_everywhere", "alice@example.com", "command_line"),
        ("signed_out_everywhere", "everybody", "command_line"),
    ]
    assert left == []


# The log


def test_whoever_is_turned_away_leaves_a_line_in_the_log(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "desk"):
        shop.browser(shop.alice).get("/audit", 403)
        shop.browser().client.post("/sign-in", data={"email": "a", "password": "a secret"})
    assert [record.getMessage() for record in caplog.records] == [
        f"Refused with 403: GET '/audit' by {shop.alice.id} from 127.0.0.1",
        "Refused with 400: POST '/sign-in' by nobody from 127.0.0.1",
    ]


def test_nobody_writes_a_line_of_the_log(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    def broken(name: str) -> str:
        raise RuntimeError("of the house")

    # Not <path:name>, which takes no line break.
    class Anything(BaseConverter):
        regex = "(?s:.+)"
        part_isolating = False

    shop.app.url_map.converters["anything"] = Anything
    shop.app.add_url_rule("/broken/<anything:name>", "broken", broken, methods=["GET", "POST"])
    path = "/broken/x%0AUnexpected%20error%0d%1b[2J%E2%80%AE"
    with caplog.at_level(logging.WARNING, "desk"):
        assert shop.browser(shop.alice).client.get(path).status_code == 500
        assert shop.browser(shop.alice).client.post(path).status_code == 400
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    for line in told:
        assert line.isascii()
        assert line.isprintable()
        assert "'/broken/x\\nUnexpected error\\r\\x1b[2J\\u202e'" in line
    # With what happened, for whoever reads the log.
    assert caplog.records[0].exc_info is not None


# What is installed


def test_the_bill_of_materials_names_everything_that_is_locked() -> None:
    components = json.loads((ROOT / "sbom.json").read_text("utf-8"))["components"]
    listed = {canonicalize_name(one["name"]): one["version"] for one in components}
    assert {name: str(version) for name, version in LOCKED.items()} == listed


def test_a_demo_is_only_where_it_is_asked_for(tmp_path: Path) -> None:
    settings = test_settings("sqlite:////nowhere/desk.sqlite3", tmp_path)
    assert not settings.demo
    assert settings.demo_zone is None
    assert replace(settings, demo=True).demo
    assert settings.session_idle_minutes * 60 <= timedelta(hours=1).total_seconds()
