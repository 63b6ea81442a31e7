"""Looking at the clock: what somebody has to be told although nothing happened.

Each look is a function of (session, now, policy) that answers with what is to be told; :func:`add_reminders` makes
mails of it. An occasion is told once, however often and by however many workers it is looked for. When its turn comes
a mail asks :func:`window_of`, :func:`expiry_of`, :func:`overdue_reviews`, :func:`overdue_verifications` or
:func:`slow_revocations` again, so nobody is reminded of what is done already.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import QueryableAttribute, defer
from sqlmodel import Session, col, func, select

from certlifecycle import REVIEWERS, Basis, Outlook, RefundPolicy, Role, State, Verdict, verdict
from certlifecycle.calendar import Promise, is_overdue
from certlifecycle.waivers import LASTS
from webapp.accounts.models import Account
from webapp.audit.heads import newest_head
from webapp.certificates.facts import excepted, facts_of
from webapp.certificates.models import Certificate, Purchase
from webapp.mail.models import Mail, MailKind
from webapp.mail.plan import add_once, new_mail
from webapp.portions import portions
from webapp.refunds.models import Refund
from webapp.review.queries import verification_due

WEEK, DAY = timedelta(days=7), timedelta(days=1)
WINDOW_LEADS = ((DAY, MailKind.WINDOW_DAY), (WEEK, MailKind.WINDOW_WEEK))
"""How long before a refund window closes somebody is reminded, the nearest first."""
EXPIRY_LEADS = ((WEEK, MailKind.EXPIRING_WEEK), (timedelta(days=30), MailKind.EXPIRING_MONTH))
"""The same before a certificate expires."""
REVOKED_WITHIN = timedelta(hours=24)
"""How long a certificate authority may take to revoke (Baseline Requirements, 4.9.1.1)."""

CHUNK = 500
"""How many occasions are looked up at once."""

REFUNDABLE = (State.PENDING, State.SUBMITTED, State.FAILED, State.ISSUED, State.REVOKED)
"""Where a certificate can rest while its window runs and no application is under way."""


@dataclass(frozen=True, slots=True)
class Reminder:
    """Something to tell one person. ``occasion`` is the same however often it is found."""

    kind: MailKind
    recipient: Account
    occasion: str
    certificate_id: str | None = None


Look = Callable[[Session, datetime, RefundPolicy], Iterator[Reminder]]


def find_reminders(
    session: Session, now: datetime, policy: RefundPolicy, looks: Iterable[Look] | None = None
) -> list[Reminder]:
    """What there is to tell now and was not told before, by some looks or by all of :data:`LOOKS`."""
    found = [reminder for look in (LOOKS if looks is None else looks) for reminder in look(session, now, policy)]
    known: set[tuple[str | None, str, str]] = set()
    occasions = sorted({one.occasion for one in found})
    for some in portions(occasions, CHUNK):
        mails = select(Mail.occasion, Mail.kind, Mail.recipient_id).where(col(Mail.occasion).in_(some))
        known.update((occasion, kind, recipient) for occasion, kind, recipient in session.exec(mails))
    return [one for one in found if (one.occasion, one.kind, one.recipient.id) not in known]


def add_reminders(session: Session, found: Iterable[Reminder], now: datetime, domain: str) -> int:
    """Make them due, inside the caller's transaction; returns how many nobody else had made due in the meantime."""
    return add_once(
        session,
        [
            new_mail(one.kind, one.recipient, now, domain, occasion=one.occasion, certificate_id=one.certificate_id)
            for one in found
        ],
    )


# Refund windows


def closing_windows(session: Session, now: datetime, policy: RefundPolicy) -> Iterator[Reminder]:
    """Certificates whose refund window closes soon and whose money could still come back."""
    farthest = max(lead for lead, _ in WINDOW_LEADS)
    basis = col(Purchase.paid_at) if policy.basis is Basis.PAYMENT else col(Certificate.issued_at)
    # This only narrows what is looked at, a day wider than needed on both sides: the policy itself decides below.
    begins, ends = now - policy.window - DAY, now - policy.window + farthest + DAY
    by_policy = (
        # Nothing rests in a state since before it was paid for or issued, so the index on the state's age finds the
        # few of the last weeks among all that ever were.
        col(Certificate.state_since) >= begins,
        basis >= begins,
        basis <= ends,
        ~excepted(now),
    )
    by_exception = (excepted(now), col(Certificate.waiver_until) <= now + farthest)
    for certificate, purchase, customer in (*_resting(session, *by_policy), *_resting(session, *by_exception)):
        answer = window_of(certificate, purchase, now, policy)
        if answer is None or answer.deadline is None:
            continue
        whole = LASTS if answer.deadline == certificate.waiver_until else policy.window
        kind = _due(WINDOW_LEADS, answer.deadline - now, whole)
        if kind is not None:
            # A policy that moves the deadline makes a new occasion.
            occasion = f"{certificate.id}-{answer.deadline.astimezone(UTC):%Y%m%dT%H%M%S}"
            yield Reminder(kind, customer, occasion, certificate.id)


def _resting(session: Session, *where: sa.ColumnElement[bool]) -> Iterable[tuple[Certificate, Purchase, Account]]:
    """Certificates for which nothing is under way, with their orders and customers."""
    return session.exec(
        select(Certificate, Purchase, Account)
        .join(Purchase, col(Purchase.id) == Certificate.purchase_id)
        .join(Account, col(Account.id) == Certificate.customer_id)
        .where(col(Certificate.state).in_(REFUNDABLE), *where)
        .options(*_without_papers())
    )


def window_of(certificate: Certificate, purchase: Purchase, now: datetime, policy: RefundPolicy) -> Verdict | None:
    """The policy's answer, while a deadline runs and something is to be gained by keeping it; else ``None``."""
    if certificate.state not in REFUNDABLE:
        return None
    answer = verdict(facts_of(certificate, purchase), now, policy)
    worthwhile = answer.outlook in (Outlook.NOW, Outlook.AFTER_A_STEP) and answer.deadline is not None
    return answer if worthwhile else None


# Certificates that expire


def expiring_certificates(session: Session, now: datetime, _policy: RefundPolicy) -> Iterator[Reminder]:
    """Valid certificates that expire soon and have no successor yet."""
    farthest = max(lead for lead, _ in EXPIRY_LEADS)
    # A successor is looked for in one pass over what is valid; certificate by certificate would take a customer with
    # thousands of them hours.
    last = func.max(Certificate.not_after)
    lasting = (
        sa.select(col(Certificate.holder_id), col(Certificate.domain), last.label("until"))
        .where(col(Certificate.state) == State.ISSUED, col(Certificate.not_after) > now)
        .group_by(col(Certificate.holder_id), col(Certificate.domain))
        .having(last <= now + farthest)
        .subquery()
    )
    same = sa.and_(
        lasting.c.holder_id == Certificate.holder_id,
        lasting.c.domain == Certificate.domain,
        lasting.c.until == Certificate.not_after,
    )
    rows = session.exec(
        select(Certificate, Account)
        .join(lasting, same)
        .join(Account, col(Account.id) == Certificate.customer_id)
        .where(
            Certificate.state == State.ISSUED,
            col(Certificate.not_after) > now,
            col(Certificate.not_after) <= now + farthest,
        )
        .options(*_without_papers())
    )
    for certificate, customer in rows:
        if certificate.not_before is None or certificate.not_after is None:
            continue
        kind = _due(EXPIRY_LEADS, certificate.not_after - now, certificate.not_after - certificate.not_before)
        if kind is not None:
            yield Reminder(kind, customer, certificate.id, certificate.id)


def expiry_of(session: Session, certificate: Certificate, now: datetime) -> timedelta | None:
    """How long a certificate is still valid; ``None`` when it no longer is, or one that lasts longer replaces it."""
    if certificate.state != State.ISSUED or certificate.not_after is None or certificate.not_after <= now:
        return None
    successor = select(Certificate.id).where(
        Certificate.holder_id == certificate.holder_id,
        Certificate.domain == certificate.domain,
        Certificate.state == State.ISSUED,
        col(Certificate.not_after) > certificate.not_after,
    )
    return None if session.exec(successor.limit(1)).first() else certificate.not_after - now


def _due(leads: tuple[tuple[timedelta, MailKind], ...], left: timedelta, whole: timedelta) -> MailKind | None:
    """The reminder for what is left of a span. Nobody is reminded in the first half of it: they have only begun."""
    return next((kind for lead, kind in leads if left <= lead and lead * 2 <= whole), None)


# What waits for the vendor


def late_reviews(session: Session, now: datetime, policy: RefundPolicy) -> Iterator[Reminder]:
    """Tell every reviewer, once a day, that promised days have passed, or the desk's own target for verifications."""
    if overdue_reviews(session, now, policy) or overdue_verifications(session, now, policy):
        yield from _daily(session, MailKind.REVIEW_OVERDUE, REVIEWERS, now, policy)


def late_revocations(session: Session, now: datetime, policy: RefundPolicy) -> Iterator[Reminder]:
    """Tell every administrator, once a day, that a revocation takes longer than it may."""
    if slow_revocations(session, now):
        yield from _daily(session, MailKind.REVOCATION_SLOW, frozenset({Role.ADMIN}), now, policy)


def _daily(
    session: Session, kind: MailKind, roles: frozenset[Role], now: datetime, policy: RefundPolicy
) -> Iterator[Reminder]:
    today = now.astimezone(policy.zone).date().isoformat()
    people = select(Account).where(col(Account.role).in_(sorted(roles)), col(Account.disabled_at).is_(None))
    for person in session.exec(people):
        yield Reminder(kind, person, today)


def overdue_reviews(session: Session, now: datetime, policy: RefundPolicy) -> list[tuple[Refund, Certificate]]:
    """Applications that wait although the latest day promised to the customer has passed, the oldest promise first."""
    rows = session.exec(
        select(Refund, Certificate)
        .join(Certificate, col(Certificate.id) == Refund.certificate_id)
        .where(
            # The open ones have an index of their own; a promise is only ever late after its day.
            col(Refund.closed_at).is_(None),
            col(Refund.latest) <= now.astimezone(policy.zone).date(),
            Certificate.state == State.REFUND_REQUESTED,
        )
        .order_by(col(Refund.latest), col(Refund.applied_at))
        .options(*_without_papers())
    )
    return [
        (refund, certificate)
        for refund, certificate in rows
        if is_overdue(Promise(refund.soonest, refund.latest), now, policy.zone)
    ]


def overdue_verifications(session: Session, now: datetime, policy: RefundPolicy) -> list[tuple[Certificate, datetime]]:
    """Submissions that wait for a reviewer although their time has passed, each with when that was; the oldest first.

    Only those for which the system has done its part: while it still looks at the domain, the move is the customer's.
    """
    rows = session.exec(
        select(Certificate)
        .where(Certificate.state == State.SUBMITTED, col(Certificate.due_at).is_(None))
        .order_by(col(Certificate.submitted_at), col(Certificate.id))
        .options(*_without_papers())
    )
    known = ((one, verification_due(one.submitted_at or one.state_since, policy)) for one in rows)
    return [(one, due_at) for one, due_at in known if due_at <= now]


def slow_revocations(session: Session, now: datetime) -> list[Certificate]:
    """Certificates whose revocation was asked for more than :data:`REVOKED_WITHIN` ago, the oldest first."""
    return list(
        session.exec(
            select(Certificate)
            .where(Certificate.state == State.REVOKING, col(Certificate.state_since) < now - REVOKED_WITHIN)
            .order_by(col(Certificate.state_since))
            .options(*_without_papers())
        )
    )


def _without_papers() -> list[Any]:
    """Leave the large columns where they are."""
    return [defer(cast(QueryableAttribute[Any], one)) for one in (Certificate.csr_pem, Certificate.chain_pem)]


def heads_of_the_history(session: Session, now: datetime, policy: RefundPolicy) -> Iterator[Reminder]:
    """Send every administrator, once a day, the head of the history, so that it lies where the desk cannot reach it."""
    if newest_head(session) is not None:
        yield from _daily(session, MailKind.HISTORY_HEAD, frozenset({Role.ADMIN}), now, policy)


LOOKS: tuple[Look, ...] = (closing_windows, expiring_certificates, late_reviews, late_revocations)
