"""A shop in which everything has happened, and the addresses of all that can be looked at in it.

Each address is named by its endpoint, so that a test can see that none was forgotten: an endpoint that stands in none
of the tables at the end has nobody who looks at it.
"""

import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from bank_provider import Order, line, report
from connected_shop import connected
from job_support import by, decide, executor, job_of, key_of, work
from mail_shop import MailShop
from order_files import file, row
from organisation_support import found, join
from outside_shop import OutsideShop
from provider_books import Fault
from shop import Browser, Shop, test_settings
from sign_in_support import session_name, sign_in, with_app
from sqlmodel import SQLModel, select, update

from certlifecycle import Event, Role, State
from webapp.accounts.models import Passkey, ProviderIdentity
from webapp.accounts.provider_settings import ProviderSettings
from webapp.accounts.recovery import Recovering
from webapp.accounts.settings import Entrance, SecondFactor, SignInSettings
from webapp.certificates.models import Certificate, PaymentMethod
from webapp.help.views import FIRST, names
from webapp.hindrances import Hindrance
from webapp.jobs.exports import start_export
from webapp.jobs.import_orders import start_import
from webapp.mail.models import MailGroup
from webapp.mail.preferences import Unsubscribing
from webapp.organisations.links import OneTimeLinks
from webapp.organisations.models import Invitation, NoteKind, Registration
from webapp.payments.daily import Comparisons
from webapp.payments.models_books import ComparisonStatus, DailyComparison
from webapp.payments.models_outside import BankBatch, BankReport
from webapp.review.models import ReasonTemplate

NOBODY = "0" * 32
ISSUER = "http://127.0.0.1:9"
PROVIDER = ProviderSettings(ISSUER, "certificate-desk", "", "Example login", allow_loopback=True)
EVERY_WAY = SignInSettings(SecondFactor.OFF, registration=True, entrances=frozenset(Entrance), provider=PROVIDER)
"""All ways to sign in, one of them through an organisation that does not answer at present."""
HALFWAY = "Robin"
"""Who has typed a password, and not yet the code of the authenticator app."""
CASES = ("submitted", "refund_requested", "issued")
"""A verification, a refund, and what is nobody's case."""


class Furnished:
    """The shop. ``certificates`` are Alice's: one in each state, and some for which there is more to say."""

    def __init__(self, outside: OutsideShop) -> None:
        self.outside = outside
        self.shop = shop = outside.shop
        self.certificates = {state.value: self._in(state) for state in State}
        self._by_other_ways()
        self._deadlines()
        self._reviewers()
        self._payments()
        self._jobs()
        self._outbox()
        self._keys()
        self._organisation()
        post = MailShop(shop)
        self.certificates["mailed"] = self._in(State.FAILED, "mailed.example.com")
        post.office.work()
        self.mails = [path.stem for path in post.settings.folder.glob("*.eml")]
        shop.browser(shop.alice).post("/certificates/saved", {"name": "To repair", "state": "failed"})

    # Furnishing

    def _in(self, state: State, domain: str = "", **order: object) -> Certificate:
        domain = domain or f"{state.value.replace('_', '-')}.example.com"
        return self.shop.certificate_in(state, domain=domain, **order)

    def _by_other_ways(self) -> None:
        """Refunds of what was paid outside, and of what was never submitted."""
        outside = self.outside
        self.certificates["unused"] = outside.applied(PaymentMethod.ALIPAY, domain="unused.example.com")
        self.certificates["to-bank"] = paying = outside.approved(PaymentMethod.BANK, domain="to-bank.example.com")
        outside.pay(paying)
        refused = outside.approved(PaymentMethod.ALIPAY, domain="elsewhere.example.com", voucher=6800)
        outside.provider.books.plan(outside.refund_no(refused), Fault.DROP)
        outside.pay(refused)
        outside.shop.fire_as_system(refused, Event.RETURN_REFUND, reason="Nobody took it.")
        self.certificates["returned"] = refused

    def _deadlines(self) -> None:
        """Windows that have closed, or will soon; cases that are late."""
        shop = self.shop
        self.certificates["too-late"] = self._in(State.REVOKED, "too-late.example.com")
        shop.clock.advance(days=2)
        self.certificates["soon"] = self._in(State.ISSUED, "soon.example.com")
        shop.clock.advance(days=29)
        self.certificates["fresh"] = self._in(State.ISSUED, "fresh.example.com")
        self.certificates["wildcard"] = self._in(State.SUBMITTED, "*.wild.example.com", product="wildcard")
        self.certificates["organisation"] = self._in(State.SUBMITTED, "company.example.com", product="ov")
        long = "a-very-long-name-of-a-host-that-nobody-would-like-to-type.department.subsidiary.example.com"
        self.certificates["long"] = shop.fire(self._in(State.PENDING, long), Event.REQUEST_REFUND)

    def _reviewers(self) -> None:
        """A case that somebody has claimed and written a note about."""
        shop = self.shop
        claimed = self.certificates["refund_requested"]
        shop.browser(shop.robin).post(f"/review/{claimed.id}/claim")
        shop.browser(shop.ada).post(f"/review/{claimed.id}/note", {"text": "Look at the host."})

    def _payments(self) -> None:
        """A file for the bank, a report that fits and does not, compared days, notifications."""
        outside, shop = self.outside, self.shop
        ada = shop.browser(shop.ada)
        first = self.certificates["to-bank"]
        outside.files.make()
        batch = outside.files_kept()[-1]
        paid = Order(batch.msg_id, outside.refund_no(first), "", "268.00", "CNY")
        stranger = Order(batch.msg_id, "f" * 32, "", "9.00", "CNY")
        said = report(batch.msg_id, shop.clock(), line(paid, "ACSC", amount="1.00"), line(stranger, "ACSC"))
        self.upload(ada, "/payments/bank/reports", "report", said, "report.xml")
        waits = outside.approved(PaymentMethod.BANK, domain="waits.example.com")
        outside.pay(waits)
        unheard = outside.approved(PaymentMethod.ALIPAY, domain="unheard.example.com")
        outside.provider.books.plan(outside.refund_no(unheard), Fault.DROP)
        outside.pay(unheard)
        anybody = shop.app.test_client()
        for changes in ({}, {"refund_fee": "1.00"}, {"out_biz_no": ""}):
            told = outside.provider.notification(outside.refund_no(unheard), **changes)
            anybody.post("/notifications/alipay", data=told)
        shop.clock.advance(days=1)
        Comparisons(shop.database, shop.parts.gateways, shop.clock).turn()
        running = {"status": ComparisonStatus.RUNNING, "claim": "x", "steps_done": 3, "steps_total": 7}
        newest = select(DailyComparison.id).where(DailyComparison.method == PaymentMethod.BANK).limit(1)
        with shop.database.writing() as session:
            session.exec(update(DailyComparison).where(DailyComparison.id.in_(newest)).values(**running))

    def _jobs(self) -> None:
        """Jobs that wait, are half done, are done, have failed in part, have made a file, were refused."""
        shop = self.shop
        wanted = [self._in(State.SUBMITTED, f"many-{number}.example.com") for number in range(6)]
        waiting = decide(shop, shop.rita, Event.VERIFY, wanted[:2])
        halfway = decide(shop, shop.rita, Event.VERIFY, wanted[2:4])
        turns = iter([False, True])
        executor(shop, is_stopping=lambda: next(turns)).run(halfway, key_of(job_of(shop, halfway)))
        partly = decide(shop, shop.rita, Event.VERIFY, wanted[4:])
        shop.fire(wanted[4], Event.WITHDRAW_SUBMISSION)
        exported = {who.name: start_export(shop.parts.jobs, by(who), "certificates") for who in (shop.alice, shop.ada)}
        wrong = file(row(), row(number="", domain="b.example.com"), row(number="X-3", email="nobody@example.com"))
        imported = start_import(shop.parts.jobs, by(shop.ada), file(row(number="X-9")), "orders.csv")
        refused = start_import(shop.parts.jobs, by(shop.ada), wrong, "wrong.csv")
        for one in (partly, *exported.values(), imported, refused):
            work(shop, one)
        self.jobs = [waiting, halfway, partly, *exported.values(), imported, refused]
        self.exported = list(exported.values())

    def _organisation(self) -> None:
        """Two customers who share certificates, an invitation, and a registration; Alice stays by herself."""
        shop = self.shop
        olga, otto = shop.account("olga", Role.CUSTOMER), shop.account("otto", Role.CUSTOMER)
        join(shop, found(shop, olga), otto)
        self.owner, self.member = olga, otto
        shop.browser(olga).post("/account/organisation/invitations", {"email": "new@example.com"})
        at = {"created_at": shop.clock(), "expires_at": shop.clock() + timedelta(days=1000)}
        with shop.database.writing() as session:
            session.add(Registration(email="later@example.com", name="Later", password_hash="!", **at))
            session.exec(update(Invitation).values(expires_at=at["expires_at"]))

    def link(self, kind: NoteKind, model: type[SQLModel]) -> str:
        """What stands in a mail's link."""
        (key,) = self.ids(model)
        return OneTimeLinks(self.shop.settings.secret_key).token(kind, key)

    def _outbox(self) -> None:
        """What the desk owes and cannot do at present."""
        self.shop.desk.note_failure(self.certificates["verified"].id, "OSError: gone", Hindrance.UNREACHABLE)
        self.shop.desk.note_failure(self.certificates["revoking"].id, "OSError: gone", Hindrance.UNREACHABLE)

    def _keys(self) -> None:
        """A passkey, and a sign-in that failed."""
        shop = self.shop
        key = {"credential_id": "eA", "public_key": "", "sign_count": 0, "name": "Office laptop"}
        with shop.database.writing() as session:
            session.add(Passkey(account_id=shop.alice.id, created_at=shop.clock(), **key))
            there = {"issuer": ISSUER, "subject": "1", "email": shop.alice.email, "created_at": shop.clock()}
            session.add(ProviderIdentity(account_id=shop.alice.id, **there))
        shop.browser().post("/sign-in", {"email": shop.alice.email, "password": "wrong"}, 422)

    @staticmethod
    def upload(browser: Browser, url: str, name: str, content: bytes, file_name: str) -> None:
        """Send a file as a form does."""
        browser.post(url, {name: (io.BytesIO(content), file_name)}, content_type="multipart/form-data")

    # Looking

    @cached_property
    def session_of_alice(self) -> str:
        """What stands in an address for another browser in which Alice is signed in."""
        return session_name(self.shop, self.shop.browser(self.shop.alice))

    def people(self) -> dict[str, Browser]:
        """Everybody's browser: each role, a customer who has bought nothing, and somebody half signed in."""
        shop = self.shop
        with_app(shop, shop.robin)
        halfway, _ = sign_in(shop, shop.robin)
        signed_in = {who.name: shop.browser(who) for who in (shop.alice, shop.bob, shop.rita, shop.ada, self.owner)}
        return {"Nobody": shop.browser(), HALFWAY: halfway} | signed_in

    def ids(self, model: type[SQLModel]) -> list[str]:
        """The keys of all rows of a kind."""
        with self.shop.database.reading() as session:
            return [one.id for one in session.exec(select(model)).all()]

    def every(self, pattern: str) -> list[str]:
        """An address for each certificate."""
        return [pattern.format(one.id) for one in self.certificates.values()]

    def one(self, pattern: str, *names: str) -> list[str]:
        """An address for each certificate that is named."""
        return [pattern.format(self.certificates[name].id) for name in names]

    def recovery_token(self) -> str:
        """The secret of a link by which Bob may choose a new password."""
        recovering, clock = Recovering(self.shop.settings.secret_key), self.shop.clock
        with self.shop.database.writing() as session:
            return recovering.token(recovering.open(session, self.shop.bob, clock())) or ""

    def chosen(self) -> str:
        """Two cases as the queue's boxes name them."""
        cases = [self.shop.get(self.certificates[name].id) for name in ("refund_requested", "wildcard")]
        return "&".join(f"case={one.id}:{one.version}" for one in cases)

    def refunds(self) -> list[str]:
        """The keys of the refunds of all certificates that have one."""
        found = [self.shop.refund_of(one) for one in self.certificates.values()]
        return [one.id for one in found if one is not None]

    def addresses(self) -> dict[str, list[str]]:
        """What there is to look at, by endpoint."""
        return {endpoint: list(find(self)) for endpoint, find in (PAGES | FRAGMENTS | FILES).items()}


@contextmanager
def furnished(migrated: Path, folder: Path) -> Iterator[Furnished]:
    """The shop over a copy of an empty database, for as long as the block runs. Days pass, and all stay signed in."""
    shutil.copy(migrated, folder / "desk.sqlite3")
    settings = {"session_idle_minutes": 100 * 24 * 60, "resolvers": ("127.0.0.1:9",), "sign_in": EVERY_WAY}

    def open_shop(url: str, **changes: Any) -> Shop:
        return Shop(test_settings(url, folder / "data", **changes))

    with connected(open_shop, f"sqlite:///{folder / 'desk.sqlite3'}", folder / "bank", **settings) as outside:
        try:
            yield Furnished(outside)
        finally:
            outside.shop.close()


Find = Callable[[Furnished], list[str]]

PAGES: dict[str, Find] = {
    "home": lambda it: ["/"],
    "accounts.sign_in": lambda it: ["/sign-in", "/sign-in?next=/refunds"],
    "recovery.ask": lambda it: ["/sign-in/recover"],
    "recovery.choose": lambda it: [f"/sign-in/recover/{it.recovery_token()}", "/sign-in/recover/nonsense"],
    "privacy.overview": lambda it: ["/account/data"],
    "privacy.delete": lambda it: ["/account/data/delete"],
    "security.overview": lambda it: ["/account/security"],
    "security.password": lambda it: ["/account/password"],
    "open_sessions.end": lambda it: [f"/account/sessions/{it.session_of_alice}/end"],
    "provider.link": lambda it: ["/account/provider"],
    "provider.unlink": lambda it: ["/account/provider/remove"],
    "factors.set_up": lambda it: ["/account/second-factor"],
    "factors.remove": lambda it: ["/account/second-factor/remove"],
    "factors.codes": lambda it: ["/account/second-factor/codes"],
    "passkeys.add": lambda it: ["/account/passkeys/add"],
    "passkeys.remove": lambda it: [f"/account/passkeys/{one}/remove" for one in it.ids(Passkey)],
    "accounts.code": lambda it: ["/sign-in/code"],
    "organisation.overview": lambda it: ["/account/organisation"],
    "organisation.leave": lambda it: ["/account/organisation/leave"],
    "organisation.remove": lambda it: [f"/account/organisation/members/{it.member.id}/remove"],
    "organisation.make_owner": lambda it: [f"/account/organisation/members/{it.member.id}/owner"],
    "coming.invitation": lambda it: [f"/invitation/{it.link(NoteKind.INVITATION, Invitation)}", "/invitation/nonsense"],
    "coming.register": lambda it: ["/register"],
    "coming.confirm": lambda it: [f"/register/{it.link(NoteKind.REGISTRATION, Registration)}"],
    "mail.preferences": lambda it: ["/account/mail"],
    "preferences.preferences": lambda it: ["/account/preferences"],
    "unsubscribing.unsubscribe": lambda it: [
        f"/mail/unsubscribe/{Unsubscribing(it.shop.settings.secret_key).token(it.shop.alice.id, MailGroup.REMINDERS)}",
        "/mail/unsubscribe/nonsense",
    ],
    "certificates.list_certificates": lambda it: [
        "/certificates",
        "/certificates?tab=unsigned&state=failed",
        "/certificates?tab=signed&sort=deadline&q=example",
        "/certificates?q=nothing",
    ],
    "certificates.details": lambda it: [*it.every("/certificates/{}"), f"/certificates/{NOBODY}"],
    "certificates.submit": lambda it: it.one("/certificates/{}/submit", "pending", "failed", "issued"),
    "certificates.revoke": lambda it: it.one("/certificates/{}/revoke", "issued", "soon", "fresh", "pending"),
    "refunds.apply": lambda it: it.every("/certificates/{}/refund"),
    "refunds.list_refunds": lambda it: ["/refunds"],
    "refunds.details": lambda it: [f"/refunds/{one}" for one in it.refunds()],
    "ordering.price_list": lambda it: ["/order"],
    "ordering.order": lambda it: ["/order/dv", "/order/wildcard", "/order/nothing"],
    "glossary.states": lambda it: ["/help/states"],
    "help.first_page": lambda it: ["/help"],
    "help.page": lambda it: [f"/help/{name}" for name in names() if name != FIRST],
    "jobs.list_jobs": lambda it: ["/jobs"],
    "jobs.details": lambda it: [f"/jobs/{one}" for one in it.jobs],
    "jobs.export_table": lambda it: [f"/jobs/export/{name}" for name in ("certificates", "refunds", "history")],
    "jobs.import_orders": lambda it: ["/jobs/import"],
    "review.queue": lambda it: ["/review", "/review?kind=refund", "/review?q=nothing"],
    "review.item": lambda it: it.every("/review/{}"),
    "review.check_many": lambda it: [f"/review/many?do={act}&{it.chosen()}" for act in ("approve", "verify", "refuse")],
    "review.list_reasons": lambda it: ["/review/reasons"],
    "review.add_reason": lambda it: ["/review/reasons/new"],
    "review.change_reason": lambda it: [f"/review/reasons/{it.ids(ReasonTemplate)[0]}"],
    "figures.page": lambda it: ["/figures?days=90", "/figures?from=2026-01-01&to=2026-01-02"],
    "goodwill.look": lambda it: it.one("/certificates/{}/exception", "too-late", "issued", "pending"),
    "people.overview": lambda it: ["/people"],
    "people.lost": lambda it: [f"/people/{it.shop.rita.id}/second-factor"],
    "people.person": lambda it: [f"/people/{one.id}" for one in (it.shop.alice, it.shop.rita, it.shop.ada)],
    "audit.trail": lambda it: ["/audit", "/audit?who=ada", "/audit?what=signed_in", "/audit?who=nobody"],
    "outbox.outbox": lambda it: ["/outbox", "/outbox?standing=due", "/outbox?kind=issue", "/outbox?standing=given_up"],
    "payments.overview": lambda it: ["/payments"],
    "payments.bank.overview": lambda it: ["/payments/bank"],
    "payments.bank.report": lambda it: [f"/payments/bank/reports/{one}" for one in it.ids(BankReport)],
    "payments.notifications": lambda it: ["/payments/notifications"],
    "payments.books.days": lambda it: ["/payments/reconciliation"],
    "payments.books.comparison": lambda it: [f"/payments/reconciliation/{one}" for one in it.ids(DailyComparison)],
    "development.mails": lambda it: ["/dev/mail"],
    "development.mail": lambda it: [f"/dev/mail/{one}" for one in it.mails],
    "styleguide.styleguide": lambda it: ["/styleguide"],
}
"""Whole pages: each is looked at by everybody who may open it."""

FRAGMENTS: dict[str, Find] = {
    "certificates.row": lambda it: it.one("/certificates/{}/row", "pending", "issued", "rejected"),
    "jobs.under_way": lambda it: ["/jobs/under-way"],
    "live.navigation": lambda it: ["/navigation?here=review"],
    "review.asked": lambda it: it.one("/review/{}/asked", *CASES),
    "review.claim_now": lambda it: it.one("/review/{}/claim", *CASES),
    "review.decision": lambda it: it.one("/review/{}/decision", *CASES),
    "review.evidence": lambda it: it.one("/review/{}/evidence", *CASES),
    "review.news": lambda it: it.one("/review/{}/news", *CASES),
    "review.notes_now": lambda it: it.one("/review/{}/notes", *CASES),
    "review.look": lambda it: it.one("/review/{}/presence", *CASES),
}
"""Parts of pages, which htmx asks for: they are looked at as the parts of a page that they are."""

FILES: dict[str, Find] = {
    "ca.issuing_crl": lambda it: ["/ca/issuing.crl"],
    "ca.issuing_certificate": lambda it: ["/ca/issuing.crt"],
    "ca.root_crl": lambda it: ["/ca/root.crl"],
    "ca.root_certificate": lambda it: ["/ca/root.crt"],
    "ca.root_certificate_pem": lambda it: ["/ca/root.pem"],
    "certificates.leaf": lambda it: it.one("/certificates/{}/certificate.pem", "issued"),
    "certificates.chain": lambda it: it.one("/certificates/{}/chain.pem", "issued"),
    "development.file": lambda it: [f"/dev/mail/{it.mails[0]}.eml"],
    "audit.export": lambda it: ["/audit/entries.csv?what=issue"],
    "favicon": lambda it: ["/favicon.ico"],
    "figures.table": lambda it: ["/figures/refunds.csv?days=90"],
    "health": lambda it: ["/healthz"],
    "help.picture": lambda it: ["/help/lifecycle.svg"],
    "jobs.file": lambda it: [f"/jobs/{one}/file" for one in it.exported],
    "jobs.import_template": lambda it: ["/jobs/import/orders.csv"],
    "live.renew_ticket": lambda it: ["/live-ticket"],
    "payments.bank.download": lambda it: [f"/payments/bank/files/{one}.xml" for one in it.ids(BankBatch)],
    "payments.books.file": lambda it: [f"/payments/reconciliation/{one}.csv" for one in it.ids(DailyComparison)],
    "refunds.receipt": lambda it: [f"/refunds/{it.shop.refund_of(it.certificates['refunded']).id}/receipt.pdf"],
    "static": lambda it: ["/static/desk.css"],
}
"""What is no HTML."""

ELSEWHERE: dict[str, str] = {
    "ca.ocsp_by_get": "answers in DER what is asked in DER",
    "csrf_for_tests": "there in tests alone",
    "jobs.export": "leads to the first table",
    "provider.come_back": "leads on to what was wanted",
    "review.next_case": "leads to a case",
}
"""What shows nothing by itself, and why."""
