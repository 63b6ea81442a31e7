"""How each kind of mail comes about, for tests that look at all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from mail_shop import MailShop
from sqlmodel import Session

from certlifecycle import Event, State
from webapp.certificates.models import Certificate, Channel, PaymentMethod
from webapp.desk import By
from webapp.goodwill.granting import agree, propose
from webapp.mail.models import Mail, MailKind
from webapp.mail.plan import add_once
from webapp.mail.recovery import password_was_reset
from webapp.mail.reminders import add_reminders, find_reminders, heads_of_the_history
from webapp.payments.models import Payout, PayoutStatus
from webapp.recording import Payment, Refusal

WHY = "The site still uses it.\nWe looked at it twice."
WHAT_NOW = "Take it off the server first, then apply again."
ANSWER = "The account is closed."


@dataclass(frozen=True)
class Case:
    """``make`` lets it happen and returns the certificate; ``facts`` are what a reader must find."""

    make: Callable[[MailShop], Certificate]
    facts: tuple[str, ...]


def _in(state: State, **order: object) -> Callable[[MailShop], Certificate]:
    return lambda post: post.shop.certificate_in(state, **order)  # type: ignore[arg-type]


def _refused(state: State, event: Event, reason: str) -> Callable[[MailShop], Certificate]:
    def make(post: MailShop) -> Certificate:
        return post.shop.fire_as_system(post.shop.certificate_in(state), event, reason=reason)

    return make


def _rejected(post: MailShop) -> Certificate:
    certificate = post.shop.certificate_in(State.REFUND_REQUESTED)
    return post.shop.fire(certificate, Event.REJECT_REFUND, reason=WHY, handed=Refusal(WHAT_NOW))


def _paid(post: MailShop) -> Certificate:
    certificate = post.shop.certificate_in(State.REFUND_APPROVED)
    handed = Payment("REF-4711", "your balance in this shop")
    return post.shop.fire_as_system(certificate, Event.COMPLETE_REFUND, handed=handed)


def _fallback(post: MailShop) -> Certificate:
    shop = post.shop
    shop.desk.payable = frozenset(PaymentMethod)
    certificate = shop.certificate_in(State.REFUND_APPROVED, method=PaymentMethod.ALIPAY, account="ending 88")
    refund = shop.refund_of(certificate)
    with Session(shop.database.engine) as session, session.begin():
        session.add(
            Payout(
                refund_id=refund.id,
                method=PaymentMethod.ALIPAY,
                status=PayoutStatus.REFUSED,
                amount_minor=refund.amount_minor,
                currency="CNY",
                detail=ANSWER,
                intended_at=shop.clock(),
                updated_at=shop.clock(),
            )
        )
    handed = Payment("REF-4712", "your balance in this shop")
    return shop.fire_as_system(certificate, Event.COMPLETE_REFUND, handed=handed)


def _aged(state: State, **age: float) -> Callable[[MailShop], Certificate]:
    def make(post: MailShop) -> Certificate:
        certificate = post.shop.certificate_in(state)
        post.shop.clock.advance(**age)
        return certificate

    return make


def _head(post: MailShop) -> Certificate:
    certificate = post.shop.certificate_in(State.PENDING)
    with post.shop.database.writing() as session:
        found = find_reminders(session, post.shop.clock(), post.shop.settings.policy, (heads_of_the_history,))
        add_reminders(session, found, post.shop.clock(), "example.com")
    return certificate


def _forgotten(post: MailShop) -> Certificate:
    post.shop.browser().post("/sign-in/recover", {"email": post.shop.alice.email}, 200)
    return post.shop.certificate_in(State.PENDING)


def _reset(post: MailShop) -> Certificate:
    alice, now = post.shop.alice, post.shop.clock()
    with post.shop.database.writing() as session:
        add_once(session, [password_was_reset(alice, now, "example.com", "test")])
    return post.shop.certificate_in(State.PENDING)


def _excepted(post: MailShop) -> Certificate:
    shop = post.shop
    certificate = shop.certificate_in(State.REVOKED)
    shop.clock.advance(days=31)
    proposed = propose(shop.desk, certificate.id, By(shop.rita.actor, Channel.WEB, ""), WHY)
    assert proposed.waiver is not None
    return agree(shop.desk, certificate.id, By(shop.ada.actor, Channel.WEB, ""), proposed.waiver["id"])


WINDOW_CLOSES = "3 Jun 2026, 17:00 CST"
APPLIED_FACTS = ("268.00 CNY", "your balance in this shop", "Friday, 8 May 2026", "Monday, 11 May 2026")

CASES = {
    MailKind.APPLIED: Case(_in(State.REFUND_REQUESTED), (*APPLIED_FACTS, "4 May 2026, 17:00 CST")),
    MailKind.APPROVED: Case(
        _in(State.REFUND_APPROVED), ("268.00 CNY", "your balance in this shop", "Approved is not refunded")
    ),
    MailKind.PAID: Case(_paid, ("268.00 CNY", "your balance in this shop", "REF-4711")),
    MailKind.FALLBACK: Case(
        _fallback, ("268.00 CNY", "The Alipay account ending 88 could not take the money", "REF-4712", ANSWER)
    ),
    MailKind.REJECTED: Case(_rejected, (*WHY.split("\n"), WHAT_NOW, f"Refundable until {WINDOW_CLOSES}")),
    MailKind.RETURNED: Case(_refused(State.REFUND_APPROVED, Event.RETURN_REFUND, ANSWER), ("268.00 CNY", ANSWER)),
    MailKind.ISSUED: Case(_in(State.ISSUED), ("www.example.com", f"Revoke it, then apply by {WINDOW_CLOSES}")),
    MailKind.VERIFICATION_FAILED: Case(
        _in(State.FAILED), ("No record was found.", "Refundable: its verification failed.")
    ),
    MailKind.ISSUANCE_REFUSED: Case(
        _refused(State.VERIFIED, Event.REFUSE_ISSUANCE, "CAA forbids it."), ("CAA forbids it.", "Refundable")
    ),
    MailKind.REVOKED: Case(
        _in(State.REVOKED), ("268.00 CNY to your balance in this shop", f"Refundable until {WINDOW_CLOSES}")
    ),
    MailKind.REVOCATION_REFUSED: Case(
        _refused(State.REVOKING, Event.REFUSE_REVOCATION, "No such serial."), ("No such serial.", "still valid")
    ),
    MailKind.WINDOW_WEEK: Case(
        _aged(State.ISSUED, days=23), (WINDOW_CLOSES, "268.00 CNY", "Revoke it, then apply by", "you need do nothing")
    ),
    MailKind.WINDOW_DAY: Case(_aged(State.REVOKED, days=29), (WINDOW_CLOSES, "268.00 CNY", "Refundable until")),
    MailKind.EXPIRING_MONTH: Case(_aged(State.ISSUED, days=171), ("www.example.com", "Order a new one in time")),
    MailKind.EXPIRING_WEEK: Case(_aged(State.ISSUED, days=194), ("www.example.com", "Order a new one in time")),
    MailKind.REVIEW_OVERDUE: Case(
        _aged(State.REFUND_REQUESTED, days=10), ("www.example.com", "268.00 CNY, promised by Monday, 11 May 2026")
    ),
    MailKind.REVOCATION_SLOW: Case(
        _aged(State.REVOKING, hours=25),
        ("www.example.com", "asked for on 4 May 2026, 17:00 CST. It is not finished yet."),
    ),
    MailKind.RECOVERY: Case(_forgotten, ("alice@example.com", "4 May 2026, 17:30 CST", "your password stays as it is")),
    MailKind.PASSWORD_RESET: Case(_reset, ("alice@example.com", "4 May 2026, 17:00 CST", "Ask for a new link")),
    MailKind.EXCEPTION_GRANTED: Case(
        _excepted,
        (
            "You can apply for the refund now: 268.00 CNY to your balance in this shop.",
            "The exception lasts until 18 Jun 2026, 17:00 CST.",
            "The site still uses it. We looked at it twice.",
        ),
    ),
    MailKind.HISTORY_HEAD: Case(
        _head, ("proves the history up to entry 1", "verify-history --head 1:", "4 May 2026, 17:00 CST")
    ),
}
"""Every kind: how it comes about, and what its reader has to find in it."""


def happen(post: MailShop, kind: MailKind) -> Mail:
    """Let what a kind of mail tells happen, and return the mail."""
    CASES[kind].make(post)
    post.office.plan()
    post.office.remind()
    post.office.recover()
    (mail,) = [one for one in post.mails() if one.kind == kind and one.created_at > post.shop.clock() - timedelta(1)][
        :1
    ]
    return mail
