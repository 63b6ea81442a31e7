"""What a decision is based on, besides the application: payments, domain checks, certificate, customer, history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from flask import url_for
from sqlalchemy.orm import QueryableAttribute, defer
from sqlmodel import Session, col, func, select

from certlifecycle import Money, State, phrase
from webapp.accounts.models import Account
from webapp.catalogue import product_words
from webapp.certificates.csr import CsrRejected, read_csr
from webapp.certificates.models import Certificate, Purchase
from webapp.certificates.names import display_name
from webapp.certificates.present import Happening, fingerprint_words, timeline
from webapp.desk import File
from webapp.domaincontrol.models import DomainControl
from webapp.domaincontrol.present import METHOD_WORDS, FindingView
from webapp.domaincontrol.tokens import Challenge
from webapp.organisations.naming import customer_words, organisation_name
from webapp.refunds.models import Outcome, Refund
from webapp.refunds.progress import Attempt, attempts
from webapp.refunds.queries import RefundFile, payouts_of
from webapp.review.models import ReviewNote
from webapp.review.parsed import ParsedCertificate, Unreadable, read_certificate
from webapp.wording import _, words

SHOWN = 5
"""How many of the customer's other certificates and refunds are listed."""


# The signing request and the certificate


@dataclass(frozen=True, slots=True)
class Request:
    """What a signing request says: names as (name, note, whether it fits the order), or why it cannot be read."""

    key: str
    key_fingerprint: str | None
    subject: str | None
    names: Sequence[tuple[str, str | None, bool]]
    notes: tuple[str, ...]
    problem: str | None


def request_of(certificate: Certificate) -> Request | None:
    """The signing request as the desk reads it today; ``None`` where none was handed in."""
    if certificate.csr_pem is None:
        return None
    try:
        parsed = read_csr(certificate.csr_pem, certificate.names)
    except CsrRejected as rejected:
        return Request(certificate.key_description or "", None, None, [], (), words().sentences(*rejected.sentences))
    asked = [(display_name(name), None, name in parsed.certificate_names) for name in parsed.names]
    fingerprint = fingerprint_words(parsed.key_fingerprint)
    return Request(
        parsed.key_description, fingerprint, parsed.common_name, asked, tuple(map(words().say, parsed.notes)), None
    )


@dataclass(frozen=True, slots=True)
class Issued:
    """The issued certificate: parsed, or ``problem`` says why not. ``key_fits`` compares it with the request."""

    parsed: ParsedCertificate | None
    fingerprint: str
    key_fits: bool | None
    problem: str | None


def issued_of(certificate: Certificate, request: Request | None) -> Issued | None:
    """The issued certificate; ``None`` where none was issued."""
    if certificate.chain_pem is None:
        return None
    try:
        parsed = read_certificate(certificate.chain_pem)
    except Unreadable as wrong:
        return Issued(None, "", None, str(wrong))
    asked = request.key_fingerprint if request else None
    fits = fingerprint_words(parsed.key_fingerprint) == asked if asked and parsed.key_fingerprint else None
    return Issued(parsed, fingerprint_words(parsed.fingerprint), fits, None)


# The domain


@dataclass(frozen=True, slots=True)
class DomainChecks:
    """What the desk saw of the domain for the latest submission, and what it was looking for."""

    challenge: Challenge
    findings: list[FindingView]
    looks: int
    checked_at: datetime | None
    caa_checked_at: datetime | None
    caa_problem: str | None


def domain_checks(session: Session, certificate: Certificate) -> DomainChecks | None:
    """The checks of the latest submission; ``None`` where nothing was submitted."""
    if certificate.submission_id is None:
        return None
    control = session.get(DomainControl, certificate.submission_id)
    if control is None:
        return None
    return DomainChecks(
        challenge=control.challenge(certificate.names),
        findings=[FindingView(METHOD_WORDS[one.method], words().retell(one.words), one.held) for one in control.seen],
        looks=control.attempts,
        checked_at=control.checked_at,
        caa_checked_at=control.caa_checked_at,
        caa_problem=words().retell(control.caa_problem or "") or None,
    )


# The money


@dataclass(frozen=True, slots=True)
class Payments:
    """What was paid, in which parts, what went back, and every attempt to pay this refund so far."""

    cash: Money
    voucher: Money | None
    refunded: Money | None
    attempts: list[Attempt]


def payments_of(session: Session, file: File, viewer: Account) -> Payments:
    """The money of the order, and of the application under way."""
    purchase, refund = file.purchase, file.refund
    tried: list[Attempt] = []
    if refund is not None:
        case = RefundFile(refund, file, file.approvals, tuple(payouts_of(session, [refund.id])))
        tried = attempts(case, viewer)
    currency = purchase.currency
    return Payments(
        cash=Money(purchase.amount_minor - purchase.voucher_minor, currency),
        voucher=Money(purchase.voucher_minor, currency) if purchase.voucher_minor else None,
        refunded=Money(purchase.refunded_minor, currency) if purchase.refunded_minor else None,
        attempts=tried,
    )


# The customer


@dataclass(frozen=True, slots=True)
class OtherCertificate:
    """One of the customer's other certificates, or of their organisation's: ``whose`` is the member's name then."""

    domain: str
    whose: str | None
    product: str
    state: State
    ordered_at: datetime
    url: str


@dataclass(frozen=True, slots=True)
class OtherRefund:
    """One of the customer's other applications. ``outcome`` is (words, tone); ``whose`` as on a certificate."""

    number: str
    domain: str
    whose: str | None
    amount: Money
    outcome: tuple[str, str]
    applied_at: datetime
    url: str


@dataclass(frozen=True, slots=True)
class Customer:
    """Who the customer is, and the newest of what they bought and applied for besides this.

    Where the certificate is an ``organisation``'s, what all of its members bought and applied for. ``shown`` is the
    name with it.
    """

    account: Account
    organisation: str | None
    shown: str
    certificates: list[OtherCertificate]
    certificate_count: int
    refunds: list[OtherRefund]
    refund_count: int
    earlier: str


OUTCOME_WORDS = {
    Outcome.OPEN: (phrase("In review"), "money"),
    Outcome.APPROVED: (phrase("Approved"), "money"),
    Outcome.REFUNDED: (phrase("Refunded"), "good"),
    Outcome.REJECTED: (phrase("Refused"), "bad"),
    Outcome.WITHDRAWN: (phrase("Withdrawn"), "neutral"),
}


EARLIER_WORDS = {
    Outcome.OPEN: phrase("{count} in review"),
    Outcome.APPROVED: phrase("{count} approved"),
    Outcome.REFUNDED: phrase("{count} refunded"),
    Outcome.REJECTED: phrase("{count} refused"),
    Outcome.WITHDRAWN: phrase("{count} withdrawn"),
}


def customer_of(session: Session, file: File) -> Customer:
    """Who the customer is, and what they or their organisation bought and had refunded besides this."""
    certificate, here = file.certificate, file.refund.id if file.refund else ""
    account = session.exec(select(Account).where(Account.id == certificate.customer_id)).one()
    organisation = organisation_name(session, certificate.holder_id)
    outcomes = session.exec(
        select(Refund.outcome, func.count())
        .where(_same(Refund, certificate, organisation), Refund.id != here)
        .group_by(col(Refund.outcome))
    ).all()
    counts = {Outcome(outcome): count for outcome, count in outcomes}
    certificates = session.exec(
        select(func.count())
        .select_from(Certificate)
        .where(_same(Certificate, certificate, organisation), Certificate.id != certificate.id)
    ).one()
    return Customer(
        account=account,
        organisation=organisation,
        shown=customer_words(account.name, organisation),
        certificates=_other_certificates(session, certificate, organisation),
        certificate_count=certificates,
        refunds=_other_refunds(session, certificate, organisation, here),
        refund_count=sum(counts.values()),
        earlier=earlier_words(counts),
    )


def _same(
    table: type[Certificate] | type[Refund], here: Certificate, organisation: str | None
) -> sa.ColumnElement[bool]:
    """What belongs to the same organisation, or to the same customer where it is no organisation's."""
    if organisation is None:
        return col(table.customer_id) == here.customer_id
    return col(table.holder_id) == here.holder_id


def earlier_words(counts: dict[Outcome, int]) -> str:
    """What became of the customer's other applications: ``2 refunded, 1 refused``."""
    told = [_(template, count=counts[one]) for one, template in EARLIER_WORDS.items() if one in counts]
    return words().show(told) or _("None")


def _other_certificates(session: Session, certificate: Certificate, organisation: str | None) -> list[OtherCertificate]:
    found = session.exec(
        select(Certificate, Purchase.product_name, Account.name)
        .join(Purchase, col(Purchase.id) == Certificate.purchase_id)
        .join(Account, col(Account.id) == Certificate.customer_id)
        .where(_same(Certificate, certificate, organisation), Certificate.id != certificate.id)
        .order_by(col(Certificate.created_at).desc(), col(Certificate.id).desc())
        .limit(SHOWN)
        # Requests and chains are long, and no line shows them.
        .options(*(defer(cast(QueryableAttribute[Any], one)) for one in (Certificate.csr_pem, Certificate.chain_pem)))
    ).all()
    return [
        OtherCertificate(
            display_name(other.domain),
            name if organisation else None,
            product_words(product),
            State(other.state),
            other.created_at,
            url_for("review.item", certificate_id=other.id),
        )
        for other, product, name in found
    ]


def _other_refunds(
    session: Session, certificate: Certificate, organisation: str | None, here: str
) -> list[OtherRefund]:
    found = session.exec(
        select(Refund, Certificate.domain, Account.name)
        .join(Certificate, col(Certificate.id) == Refund.certificate_id)
        .join(Account, col(Account.id) == Refund.customer_id)
        .where(_same(Refund, certificate, organisation), Refund.id != here)
        .order_by(col(Refund.applied_at).desc(), col(Refund.id).desc())
        .limit(SHOWN)
    ).all()
    return [
        OtherRefund(
            refund.number,
            display_name(domain),
            name if organisation else None,
            refund.amount,
            (_(OUTCOME_WORDS[Outcome(refund.outcome)][0]), OUTCOME_WORDS[Outcome(refund.outcome)][1]),
            refund.applied_at,
            url_for("refunds.details", refund_id=refund.id),
        )
        for refund, domain, name in found
    ]


# The history


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the history as reviewers read it: something that happened, or an internal note."""

    what: str
    who: str
    when: datetime
    why: str
    state: State | None

    @property
    def is_note(self) -> bool:
        """Whether only reviewers read it."""
        return self.state is None


def note_entries(notes: Sequence[ReviewNote], viewer: Account) -> list[Entry]:
    """What reviewers wrote for each other."""
    return [
        Entry(_("Internal note"), _("You") if one.author_id == viewer.id else one.author_name, one.at, one.text, None)
        for one in notes
    ]


def history_with_notes(session: Session, certificate_id: str, written: Sequence[Entry], viewer: Account) -> list[Entry]:
    """All that happened and all that reviewers wrote about it, the latest first."""
    told = [_happened(one) for one in timeline(session, certificate_id, viewer)]
    # Sorting keeps the order of the history where two things happened at the same instant.
    return sorted([*written, *told], key=lambda entry: entry.when, reverse=True)


def _happened(one: Happening) -> Entry:
    return Entry(one.what, one.who, one.when, one.why, one.state)
