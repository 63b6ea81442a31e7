"""A demo shop: people, and certificates in every state with dates around the refund deadline.

Everything goes through the door and the effects, with a clock that runs through the past three months; nothing is
written into the tables by hand. A loading that was interrupted is taken up where it ended: the people are there at once
or not at all, and the history tells how far each story was told.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from sqlmodel import Session, col, func, select

from certlifecycle import Event, Money, Role, State
from webapp.accounts.models import Account
from webapp.accounts.passwords import hash_password
from webapp.authorities.settings import AuthoritySettings
from webapp.catalogue import PRODUCTS
from webapp.certificates.models import Certificate, Channel, History, PaymentMethod, Purchase
from webapp.columns import new_id
from webapp.config import Settings
from webapp.desk import By, order_number
from webapp.due import WORK_DUE_IN
from webapp.effects import Effects
from webapp.hindrances import Hindrance
from webapp.parts import Parts, assemble, present
from webapp.payments.ledger import CASH, SALES, transfer, wallet
from webapp.recording import Application, Handed, Refusal, Submission
from webapp.refunds.models import RefundReason
from webapp.retelling import stored
from webapp.work import Attempt

PASSWORD = "certificate-desk"  # noqa: S105  # Printed at the start of every demo; real shops refuse the demo.


class Person(NamedTuple):
    """Somebody of the demo."""

    email: str
    name: str
    role: Role


PEOPLE = (
    Person("carla@example.com", "Carla Customer", Role.CUSTOMER),
    Person("dan@example.com", "Dan Customer", Role.CUSTOMER),
    Person("rita@example.com", "Rita Reviewer", Role.REVIEWER),
    Person("robin@example.com", "Robin Reviewer", Role.REVIEWER),
    Person("ada@example.com", "Ada Admin", Role.ADMIN),
)


class DemoRefused(Exception):
    """There is real data; the demo would mix with it."""


RESTING = (Event.SUBMIT, Event.VERIFY, Event.REVOKE, Event.APPROVE_REFUND)
"""Events after which the system owes a step."""


class Story(NamedTuple):
    """One certificate: how it came to where it stands. ``days`` before now it was ordered."""

    domain: str
    product: str
    days: float
    events: tuple[Event, ...]
    owner: str = "carla@example.com"
    method: PaymentMethod = PaymentMethod.BALANCE
    account: str = ""
    issued_days: float | None = None
    """How long ago it was issued, where the refund deadline is the point of it."""
    hindrance: Hindrance | None = None
    """What seems to keep the system from going on, so that the outbox has something to show."""

    @property
    def rests(self) -> bool:
        """Whether it ends where the system owes a step: the demo holds it back for a day."""
        return bool(self.events) and self.events[-1] in RESTING


ISSUED = (Event.SUBMIT, Event.VERIFY, Event.ISSUE)
REVOKED = (*ISSUED, Event.REVOKE, Event.CONFIRM_REVOCATION)
APPLIED = (*REVOKED, Event.REQUEST_REFUND)
ALIPAY, BANK = PaymentMethod.ALIPAY, PaymentMethod.BANK

STORIES = (
    Story("shop.example.com", "dv", 0.2, ()),
    Story("*.example.net", "wildcard", 1, (), method=ALIPAY, account="ending 88"),
    Story("api.example.com", "dv", 0.1, (Event.SUBMIT,)),
    Story("www.example.org", "ov", 3, (Event.SUBMIT,), owner="dan@example.com"),
    Story("queue.example.com", "dv", 0.3, (Event.SUBMIT, Event.VERIFY)),
    Story("mail.example.com", "dv", 5, (Event.SUBMIT, Event.FAIL_VERIFICATION)),
    # Around the refund deadline
    Story("fresh.example.com", "dv", 2, ISSUED, issued_days=1.5),
    Story("soon.example.com", "dv", 31, ISSUED, issued_days=29.6),
    Story("late.example.com", "dv", 45, ISSUED, issued_days=30.1, method=BANK, account="ending 4711"),
    Story("*.shop.example.org", "wildcard", 75, ISSUED, owner="dan@example.com", issued_days=70),
    Story("tomorrow.example.com", "ov", 31, REVOKED, issued_days=29.1),
    Story("toolate.example.com", "dv", 60, REVOKED, issued_days=40),
    # Under way, and done
    Story(
        "going.example.com",
        "dv",
        20,
        (*ISSUED, Event.REVOKE),
        issued_days=10,
        hindrance=Hindrance.UNREACHABLE,
    ),
    Story("waiting.example.com", "dv", 6, APPLIED, issued_days=5),
    Story("old.example.org", "ov", 12, APPLIED, owner="dan@example.com", issued_days=11),
    Story("unused.example.com", "dv", 1.2, (Event.REQUEST_REFUND,)),
    Story("paying.example.com", "dv", 8, (*APPLIED, Event.APPROVE_REFUND), issued_days=7),
    Story(
        "gone.example.com",
        "ov",
        25,
        (*APPLIED, Event.APPROVE_REFUND, Event.COMPLETE_REFUND),
        issued_days=20,
    ),
    Story("refused.example.com", "dv", 9, (*APPLIED, Event.REJECT_REFUND), issued_days=8),
)


class _Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class _NoQueue:
    """The demo runs its effects itself, in the past; nothing is left for a worker."""

    def enqueue(self, session: Session, kind: str, subject_id: str, key: str) -> None:
        """Take nothing in."""

    def under_way(self, since: datetime) -> list[Attempt]:
        """No worker is at anything."""
        return []


BEGINS = timedelta(days=90)
"""How long before now the people of the demo opened their accounts: before all their orders."""


def load_demo(settings: Settings, after_each: Callable[[], object] = lambda: None) -> bool:
    """Fill an empty shop, or finish one whose filling was interrupted. Returns whether there was anything to do.

    ``after_each`` is called whenever something has happened that will not happen again. Raises :class:`DemoRefused` in
    a real shop.
    """
    clock = _Clock(present())
    # What has happened in the demo was issued by the built-in authority, whoever issues from now on.
    parts = assemble(replace(settings, authorities=AuthoritySettings()), clock, _NoQueue())
    try:
        with parts.database.reading() as session:
            there = {person.email: person for person in session.exec(select(Account)).all()}
            orders = session.exec(select(func.count()).select_from(Purchase)).one()
        if not {person.email for person in PEOPLE} <= set(there):
            if there or orders:
                raise DemoRefused("This shop has real data. The demo only fills an empty one.")
            clock.now -= BEGINS
            there = _open_accounts(parts, clock)
            after_each()
        return _tell_all(parts, clock, there, after_each)
    finally:
        parts.database.engine.dispose()


def _tell_all(parts: Parts, clock: _Clock, people: dict[str, Account], after_each: Callable[[], object]) -> bool:
    """Tell what was not told yet, as of the instant at which the filling was begun."""
    now = people[PEOPLE[0].email].created_at + BEGINS
    known = _known(parts)
    untold = 0
    for story in STORIES:
        certificate, happened = known.get((people[story.owner].id, story.domain), (None, 0))
        if not _is_told(story, certificate, happened):
            _Telling(parts, clock, people, story, now).tell(certificate, happened, after_each)
            untold += 1
    return untold > 0


def _is_told(story: Story, certificate: Certificate | None, happened: int) -> bool:
    if certificate is None or happened < len(story.events):
        return False
    # What the system still owes, without a word on it, was not held back yet.
    return not story.rests or happened > len(story.events) or certificate.work_error is not None


def _known(parts: Parts) -> dict[tuple[str, str], tuple[Certificate | None, int]]:
    """The demo's certificates by owner and domain, and how many events have happened to each since the order."""
    ordered = select(History.certificate_id).where(History.channel == Channel.DEMO, History.event == "order")
    count = select(func.count()).where(History.certificate_id == Certificate.id).scalar_subquery()
    with parts.database.reading() as session:
        found = session.exec(select(Certificate, count - 1).where(col(Certificate.id).in_(ordered))).all()
    return {(one.customer_id, one.domain): (one, happened) for one, happened in found}


def _open_accounts(parts: Parts, clock: _Clock) -> dict[str, Account]:
    secret = hash_password(PASSWORD)
    people = {
        person.email: Account(
            email=person.email,
            name=person.name,
            password_hash=secret,
            role=person.role,
            created_at=clock(),
        )
        for person in PEOPLE
    }
    with parts.database.writing() as session:
        session.add_all(people.values())
        session.flush()
        for person in people.values():
            if person.role == Role.CUSTOMER:
                gift = Money.parse("12000", parts.settings.currency)
                transfer(session, "top-up", new_id(), CASH, wallet(person.id), gift, clock())
    return people


class _Telling:
    """Tells one story: orders, then lets one event after the other happen."""

    def __init__(self, parts: Parts, clock: _Clock, people: dict[str, Account], story: Story, now: datetime) -> None:
        self.parts, self.clock, self.people, self.story, self.now = parts, clock, people, story, now
        self.owner = people[story.owner]
        self.effects = Effects(parts.desk, parts.authority, parts.gateways)

    def tell(self, known: Certificate | None, happened: int, after_each: Callable[[], object]) -> None:
        """Order the certificate and take it where the story ends; a ``known`` one goes on after what has happened."""
        story = self.story
        self.clock.now = self.now - timedelta(days=story.days)
        certificate = known or self._order()
        if known is None:
            after_each()
        # The time between the order and the issue, or now, is shared out among the events.
        step = (self.now - self.clock.now) / (len(story.events) + 1)
        for number, event in enumerate(story.events):
            if event is Event.ISSUE and story.issued_days is not None:
                self.clock.now = self.now - timedelta(days=story.issued_days)
                after = len(story.events) - story.events.index(event)
                step = (self.now - self.clock.now) / (after + 1)
            elif event in (Event.SUBMIT, Event.VERIFY) and story.issued_days is not None:
                self.clock.now += timedelta(days=max(0.0, story.days - story.issued_days) / 4)
            else:
                self.clock.now += min(step, timedelta(hours=20))
            if number >= happened:
                self._happen(certificate, event)
                after_each()
        if story.rests:
            with self.parts.database.reading() as session:
                version = self.parts.desk.open_file(session, certificate.id).certificate.version
            note = stored("Held back in the demo, so that this state can be looked at.")
            self.parts.desk.postpone(certificate.id, version, self.now + timedelta(days=1), note, story.hindrance)

    def _order(self) -> Certificate:
        story = self.story
        product = PRODUCTS[story.product]
        price = product.price(self.parts.settings.currency)
        purchase = Purchase(
            number=order_number("N", self.clock()),
            customer_id=self.owner.id,
            product=product.code,
            product_name=product.name,
            validity_days=product.validity_days,
            amount_minor=price.minor,
            currency=price.currency,
            payment_method=story.method,
            payment_reference=new_id(),
            payment_account=story.account,
            paid_at=self.clock(),
            created_at=self.clock(),
        )
        purchase.payment_reference = purchase.number
        with self.parts.database.writing() as session:
            source = wallet(self.owner.id) if story.method is PaymentMethod.BALANCE else CASH
            transfer(session, "order", purchase.number, source, SALES, price, self.clock())
            by = By(self.owner.actor, Channel.DEMO)
            names = product.names_for(story.domain)
            return self.parts.desk.open_order(session, purchase, story.domain, names, by)

    def _happen(self, certificate: Certificate, event: Event) -> None:
        if event in (Event.ISSUE, Event.CONFIRM_REVOCATION, Event.COMPLETE_REFUND):
            with self.parts.database.reading() as session:
                state = self.parts.desk.open_file(session, certificate.id).certificate.state
            self.effects.run(WORK_DUE_IN[State(state)], certificate.id)
            return
        reason, handed = self._brought(certificate, event)
        decides = event in (
            Event.VERIFY,
            Event.FAIL_VERIFICATION,
            Event.APPROVE_REFUND,
            Event.REJECT_REFUND,
        )
        actor = (self.people["rita@example.com"] if decides else self.owner).actor
        self.parts.desk.fire(certificate.id, event, By(actor, Channel.DEMO), reason=reason, handed=handed)

    def _brought(self, certificate: Certificate, event: Event) -> tuple[str, Handed | None]:
        match event:
            case Event.SUBMIT:
                return "", Submission(_signing_request(certificate.names), "EC, P-256")
            case Event.FAIL_VERIFICATION:
                return stored("There was no answer from the domain when we looked."), None
            case Event.REVOKE:
                return "superseded", None
            case Event.REQUEST_REFUND:
                return "The site moved to another address.", Application(RefundReason.NOT_NEEDED)
            case Event.REJECT_REFUND:
                advice = stored("Take the certificate off your servers, then apply again.")
                return stored("The certificate is still served by the site."), Refusal(advice)
            case _:
                return "", None


def _signing_request(names: list[str]) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.add_extension(alternatives, critical=False).sign(key, SHA256())
    return request.public_bytes(Encoding.PEM).decode()
