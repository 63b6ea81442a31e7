"""A whole shop for tests: a migrated database, the built-in CA, a fixed cast, and a clock that is moved by hand."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import html5lib
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from flask import Flask
from flask.testing import FlaskClient
from flask_wtf.csrf import generate_csrf
from shop_sharing import COMPILED, share_statements, with_keys_of_before
from sqlmodel import col, select
from werkzeug.test import TestResponse

from certlifecycle import SYSTEM, Event, Money, Role, State
from webapp import create_app
from webapp.access import public
from webapp.accounts import passwords, sessions
from webapp.accounts.models import Account, WebSession
from webapp.catalogue import PRODUCTS
from webapp.certificates.models import Certificate, Channel, History, PaymentMethod, Purchase
from webapp.columns import new_id
from webapp.config import Settings, load
from webapp.desk import By
from webapp.domaincontrol.http import Visitor
from webapp.due import WORK_DUE_IN
from webapp.effects import Effects
from webapp.parts import Parts, assemble
from webapp.payments.ledger import CASH, transfer, wallet
from webapp.recording import Application, Refusal, Submission
from webapp.refunds.models import Refund, RefundReason

START = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"

passwords_hashed = cache(passwords.hash_password)


class Clock:
    """An instant that only moves when it is told to."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **delta: float) -> datetime:
        """Move on by ``timedelta(**delta)``."""
        self.now += timedelta(**delta)
        return self.now


@cache
def signing_request(*names: str) -> str:
    """A CSR in PEM for these names, signed with a fresh P-256 key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    request = builder.add_extension(alternatives, critical=False).sign(key, SHA256())
    return request.public_bytes(Encoding.PEM).decode()


def test_settings(database_url: str, folder: Path, **changes: Any) -> Settings:
    """Settings for one test, in its own folder."""
    settings = load(
        {
            "DATA_DIR": str(folder),
            "DATABASE_URL": database_url,
            "SECRET_KEY": "a secret for tests alone",
            "TIMEZONE": "Asia/Shanghai",
            "SECOND_FACTOR": "off",
            "STYLE_GUIDE": "on",
            # Nobody clicks as fast as a test.
            "REQUEST_LIMIT": "1000000",
            "JOB_LIMIT": "1000000",
        }
    )
    return replace(settings, **changes)


test_settings.__test__ = False  # type: ignore[attr-defined]


@dataclass
class Shop:
    """The cast: Alice and Bob buy, Rita and Robin review, Ada runs the shop."""

    settings: Settings
    clock: Clock = field(default_factory=Clock)
    visitor: Visitor | None = None

    def __post_init__(self) -> None:
        with_keys_of_before(self.settings, self.clock())
        self.parts: Parts = assemble(self.settings, self.clock, visitor=self.visitor)
        share_statements(self.parts.database)
        self._app: Flask | None = None
        self._opening = Lock()
        self.desk = self.parts.desk
        self.database = self.parts.database
        self.effects = Effects(self.desk, self.parts.authority, self.parts.gateways)
        self.alice = self.account("alice", Role.CUSTOMER)
        self.bob = self.account("bob", Role.CUSTOMER)
        self.rita = self.account("rita", Role.REVIEWER)
        self.robin = self.account("robin", Role.REVIEWER)
        self.ada = self.account("ada", Role.ADMIN)

    # Set-up

    def account(self, name: str, role: Role) -> Account:
        """Somebody new, with :data:`PASSWORD`."""
        account = Account(
            email=f"{name}@example.com",
            name=name.capitalize(),
            password_hash=passwords_hashed(PASSWORD),
            role=role,
            created_at=self.clock(),
        )
        with self.database.writing() as session:
            session.add(account)
        return account

    def give(self, owner: Account, minor: int) -> None:
        """Put money on somebody's balance."""
        money = Money(minor, self.settings.currency)
        with self.database.writing() as session:
            transfer(session, "gift", new_id(), CASH, wallet(owner.id), money, self.clock())

    def order(
        self,
        owner: Account | None = None,
        domain: str = "www.example.com",
        product: str = "dv",
        method: PaymentMethod = PaymentMethod.BALANCE,
        account: str = "",
        minor: int | None = None,
        voucher: int = 0,
    ) -> Certificate:
        """A paid order: a certificate that is pending."""
        owner = owner or self.alice
        wanted = PRODUCTS[product]
        purchase = Purchase(
            number=f"N-{new_id()[:10]}",
            customer_id=owner.id,
            product=product,
            product_name=wanted.name,
            validity_days=wanted.validity_days,
            amount_minor=wanted.price("CNY").minor if minor is None else minor,
            voucher_minor=voucher,
            currency="CNY",
            payment_method=method,
            payment_reference=new_id(),
            payment_account=account,
            paid_at=self.clock(),
            created_at=self.clock(),
        )
        by = By(owner.actor, Channel.WEB)
        with self.database.writing() as session:
            return self.desk.open_order(session, purchase, domain, wanted.names_for(domain), by)

    def certificate_in(self, state: State, owner: Account | None = None, **order: Any) -> Certificate:
        """A certificate in any state, reached through the door and the effects."""
        certificate = self.order(owner, **order)
        for event in WAYS[state]:
            certificate = self.fire(certificate, event)
        return certificate

    # Acting

    def fire(self, certificate: Certificate, event: Event, actor: Account | None = None, **more: Any) -> Certificate:
        """Let an event happen, by whoever usually does it, with what it usually needs."""
        if event in SYSTEM_EVENTS and not more and actor is None:
            self.run_due(certificate.id)
            return self.get(certificate.id)
        handed: dict[str, Any] = {}
        owner = self.find(Account, certificate.customer_id)
        match event:
            case Event.SUBMIT:
                csr = signing_request(*certificate.names)
                handed = {"handed": Submission(csr, "EC, P-256")}
            case Event.REQUEST_REFUND:
                handed = {"handed": Application(RefundReason.NOT_NEEDED), "reason": "Not needed."}
            case Event.REJECT_REFUND:
                handed = {"handed": Refusal("Write to us."), "reason": "The site still uses it."}
            case Event.REVOKE:
                handed = {"reason": "superseded"}
            case Event.FAIL_VERIFICATION:
                handed = {"reason": "No record was found."}
        who = actor or (self.rita if event in REVIEWER_EVENTS else owner)
        by = By(who.actor, Channel.WEB, "192.0.2.1")
        return self.desk.fire(certificate.id, event, by, **(handed | more))

    def fire_as_system(self, certificate: Certificate, event: Event, **more: Any) -> Certificate:
        """Let the system do something that no effect would do here."""
        return self.desk.fire(certificate.id, event, By(SYSTEM, Channel.WORKER), **more)

    def run_due(self, only: str | None = None) -> int:
        """Run what the system owes, as a worker would; returns how much that was."""
        with self.database.reading() as session:
            due = select(Certificate).where(col(Certificate.due_at).is_not(None))
            rows = [one for one in session.exec(due).all() if only in (None, one.id)]
        for row in rows:
            self.effects.run(WORK_DUE_IN[State(row.state)], row.id)
        return len(rows)

    # Looking

    def get(self, certificate_id: str) -> Certificate:
        """The certificate as it is now."""
        return self.find(Certificate, certificate_id)

    def find(self, model: Any, key: Any) -> Any:
        """One row by its key."""
        with self.database.reading() as session:
            row = session.get(model, key)
        assert row is not None
        return row

    def refund_of(self, certificate: Certificate) -> Refund:
        """The latest refund application."""
        newest = col(Refund.applied_at).desc()
        with self.database.reading() as session:
            statement = select(Refund).where(Refund.certificate_id == certificate.id)
            return session.exec(statement.order_by(newest)).first()  # type: ignore[return-value]

    def history(self, certificate: Certificate) -> list[History]:
        """All that happened, the earliest first."""
        with self.database.reading() as session:
            statement = select(History).where(History.certificate_id == certificate.id)
            return list(session.exec(statement.order_by(col(History.id))).all())

    # The web

    @property
    def app(self) -> Flask:
        """The console over this shop; CSRF is checked, as in production."""
        with self._opening:
            if self._app is None:
                self._app = self._make_app()
        return self._app

    def _make_app(self) -> Flask:
        app = create_app(parts=self.parts)
        app.jinja_env.bytecode_cache = COMPILED
        app.testing = True
        # An unexpected error must show as the page a person would get.
        app.config["PROPAGATE_EXCEPTIONS"] = False
        csrf = public(lambda: generate_csrf())
        app.add_url_rule("/csrf-for-tests", "csrf_for_tests", csrf)
        return app

    def another_app(self) -> Flask:
        """The console of another process over the same shop."""
        return self._make_app()

    def browser(self, account: Account | None = None, app: Flask | None = None) -> "Browser":
        """Somebody's browser, signed in unless nobody is named."""
        client = (app or self.app).test_client()
        browser = Browser(client)
        if account is not None:
            token = new_id()
            now = self.clock()
            row = WebSession(
                token_hash=sessions.key_of(token),
                account_id=account.id,
                created_at=now,
                last_seen_at=now,
                expires_at=now + timedelta(days=400),
            )
            with self.database.writing() as session:
                session.add(row)
            client.set_cookie(sessions.cookie_name(self.settings), token)
        return browser

    def close(self) -> None:
        """Let go of the database."""
        self.database.engine.dispose()


SYSTEM_EVENTS = {
    Event.ISSUE,
    Event.REFUSE_ISSUANCE,
    Event.CONFIRM_REVOCATION,
    Event.REFUSE_REVOCATION,
    Event.COMPLETE_REFUND,
    Event.RETURN_REFUND,
}
REVIEWER_EVENTS = {
    Event.VERIFY,
    Event.FAIL_VERIFICATION,
    Event.APPROVE_REFUND,
    Event.REJECT_REFUND,
}
_ISSUED = (Event.SUBMIT, Event.VERIFY, Event.ISSUE)
_REVOKED = (*_ISSUED, Event.REVOKE, Event.CONFIRM_REVOCATION)
WAYS: dict[State, tuple[Event, ...]] = {
    State.PENDING: (),
    State.SUBMITTED: (Event.SUBMIT,),
    State.VERIFIED: (Event.SUBMIT, Event.VERIFY),
    State.FAILED: (Event.SUBMIT, Event.FAIL_VERIFICATION),
    State.ISSUED: _ISSUED,
    State.REVOKING: (*_ISSUED, Event.REVOKE),
    State.REVOKED: _REVOKED,
    State.REFUND_REQUESTED: (*_REVOKED, Event.REQUEST_REFUND),
    State.REFUND_APPROVED: (*_REVOKED, Event.REQUEST_REFUND, Event.APPROVE_REFUND),
    State.REFUNDED: (
        *_REVOKED,
        Event.REQUEST_REFUND,
        Event.APPROVE_REFUND,
        Event.COMPLETE_REFUND,
    ),
    State.REJECTED: (*_REVOKED, Event.REQUEST_REFUND, Event.REJECT_REFUND),
}


class Page:
    """An answer, parsed: a full page or a fragment."""

    def __init__(self, response: TestResponse, *, fragment: bool) -> None:
        self.response = response
        self.status = response.status_code
        self.text = response.get_data(as_text=True)
        self.location = response.headers.get("Location") or response.headers.get("HX-Redirect")
        self.tree: Any = None
        if self.text and "html" in (response.content_type or ""):
            self.tree = parse(self.text, fragment=fragment)

    def field(self, name: str) -> str:
        """The value that a form field of the page holds."""
        for node in self.tree.iter():
            if node.tag in ("input", "textarea") and node.get("name") == name:
                value = node.get("value") if node.tag == "input" else "".join(node.itertext())
                return value or ""
        raise AssertionError(f"no field {name} on the page")

    @property
    def words(self) -> str:
        """What a reader sees, with white space folded."""
        return " ".join(" ".join(self.tree.itertext()).split())


def parse(text: str, *, fragment: bool) -> Any:
    """Parse HTML strictly: an error in it, or an id that stands twice, fails the test."""
    parser = html5lib.HTMLParser(tree=html5lib.getTreeBuilder("etree"), strict=False, namespaceHTMLElements=False)
    container = "tbody" if text.lstrip().startswith("<tr") else "div"
    tree = parser.parseFragment(text, container=container) if fragment else parser.parse(text)
    assert not parser.errors, [(place, code, text.splitlines()[place[0] - 1]) for place, code, _ in parser.errors]
    ids = [node.get("id") for node in tree.iter() if node.get("id")]
    assert len(ids) == len(set(ids)), f"ids that stand twice: {sorted(ids)}"
    return tree


@dataclass
class Browser:
    """A browser without scripts, or with htmx where ``htmx=True`` is passed. Checks every page it gets."""

    client: FlaskClient

    def get(self, url: str, status: int = 200, *, htmx: bool = False, **more: Any) -> Page:
        """Fetch a page; it must answer with ``status`` and be valid HTML with a title of its own."""
        return self._check(self.client.get(url, headers=_headers(htmx), **more), status, htmx)

    def post(
        self,
        url: str,
        data: dict[str, Any] | None = None,
        status: int = 303,
        *,
        htmx: bool = False,
        **more: Any,
    ) -> Page:
        """Send a form with the session's CSRF token."""
        token = self.client.get("/csrf-for-tests").text
        data = {"csrf_token": token} | (data or {})
        response = self.client.post(url, data=data, headers=_headers(htmx), **more)
        return self._check(response, status, htmx)

    def follow(self, page: Page) -> Page:
        """Go where a change sends the reader."""
        assert page.location is not None
        return self.get(page.location)

    def _check(self, response: TestResponse, status: int, htmx: bool) -> Page:
        page = Page(response, fragment=htmx)
        assert page.status == status, f"{page.status} instead of {status}: {page.text[:3000]}"
        if page.tree is not None and not htmx:
            titles = list(page.tree.iter("title"))
            assert titles, "the page has no title"
            assert (titles[0].text or "").strip(" ·"), "the page's title is empty"
            assert len(list(page.tree.iter("h1"))) == 1, "the page needs exactly one h1"
        return page


def _headers(htmx: bool) -> dict[str, str]:
    return {"HX-Request": "true"} if htmx else {}
