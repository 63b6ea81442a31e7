"""What is late, or about to be, at the head of the queue: reviews, verifications that time out, slow revocations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import url_for
from sqlmodel import Session, col, select

from certlifecycle import State
from webapp.certificates.models import Certificate, Purchase
from webapp.certificates.names import display_name
from webapp.certificates.search import Tab
from webapp.domaincontrol.models import DomainControl
from webapp.domaincontrol.tokens import LIFETIME
from webapp.effects.check_domain import Patience
from webapp.mail.reminders import REVOKED_WITHIN, slow_revocations
from webapp.review.due import due_words
from webapp.review.queries import KIND_WORDS, Kind, Waiting
from webapp.wording import _, ngettext, relative

SHOWN = 4
"""How many cases of each kind are named; the rest is a number and a link."""

NEAR = timedelta(days=1)
"""How near a time-out must be to be shown, or a quarter of the patience where that is shorter."""


@dataclass(frozen=True, slots=True)
class LateCase:
    """One case by name, how late it is in words, and where to go."""

    label: str
    note: str
    url: str


@dataclass(frozen=True, slots=True)
class LateGroup:
    """What is late for one cause. ``advice`` says what it means, ``rest`` is (how many more, where they are)."""

    tone: str
    title: str
    advice: str
    cases: list[LateCase]
    rest: tuple[int, str] | None


@dataclass(frozen=True, slots=True)
class TimeOut:
    """A verification whose domain the desk looks at until ``ends``, and then fails by itself."""

    certificate_id: str
    domain: str
    ends: datetime


def late_groups(session: Session, everything: Sequence[Waiting], now: datetime) -> list[LateGroup]:
    """What is to be said at the head of the queue, given all that waits; nothing where nothing is late."""
    groups = (
        _reviews(session, [one for one in everything if one.due_at <= now], now),
        _time_outs(time_outs(session, now), now),
        _revocations(slow_revocations(session, now), now),
    )
    return [group for group in groups if group is not None]


def time_outs(session: Session, now: datetime, patience: Patience | None = None) -> list[TimeOut]:
    """Verifications that the desk is about to fail, or should have, for want of control; the nearest first.

    Where a reviewer has to decide, nothing is due of the desk and nothing times out.
    """
    patience = patience or Patience()
    found = session.exec(
        select(Certificate.id, Certificate.domain, Purchase.product, DomainControl)
        .join(Purchase, col(Purchase.id) == Certificate.purchase_id)
        .join(DomainControl, col(DomainControl.submission_id) == Certificate.submission_id)
        .where(
            Certificate.state == State.SUBMITTED,
            col(Certificate.due_at).is_not(None),
            # Seen, and nothing against it: that is verified, not failed.
            col(DomainControl.held_at).is_(None) | col(DomainControl.caa_problem).is_not(None),
        )
    ).all()
    near = []
    for key, domain, product, control in found:
        waits = min(patience.for_product(product), LIFETIME)
        ends = control.ends_at(waits)
        if ends - now <= min(NEAR, waits / 4):
            near.append(TimeOut(key, domain, ends))
    return sorted(near, key=lambda one: (one.ends, one.certificate_id))


def _reviews(session: Session, late: Sequence[Waiting], now: datetime) -> LateGroup | None:
    if not late:
        return None
    named = late[:SHOWN]
    domains = dict(
        session.exec(
            select(Certificate.id, Certificate.domain).where(
                col(Certificate.id).in_([one.certificate_id for one in named])
            )
        ).all()
    )
    cases = [
        LateCase(
            display_name(domains[one.certificate_id]),
            f"{KIND_WORDS[one.kind]} · {due_words(one.due_at, now)}",
            url_for("review.item", certificate_id=one.certificate_id),
        )
        for one in named
    ]
    count = len(late)
    return LateGroup(
        "bad",
        ngettext("{count} review is late", "{count} reviews are late", count),
        ngettext(
            "It stands first in the queue. Nobody loses a refund because we are late.",
            "They stand first in the queue. Nobody loses a refund because we are late.",
            count,
        ),
        cases,
        (count - SHOWN, url_for("review.queue")) if count > SHOWN else None,
    )


def _time_outs(near: Sequence[TimeOut], now: datetime) -> LateGroup | None:
    if not near:
        return None
    cases = [
        LateCase(
            display_name(one.domain),
            _("fails {when}", when=relative(one.ends, now))
            if one.ends > now
            else _("timed out {when}", when=relative(one.ends, now)),
            url_for("review.item", certificate_id=one.certificate_id),
        )
        for one in near[:SHOWN]
    ]
    count = len(near)
    return LateGroup(
        "warn",
        ngettext("{count} verification is about to time out", "{count} verifications are about to time out", count),
        ngettext(
            "What we look for at the domain is not there yet. When the time is up it fails by itself; "
            "you can verify it by hand until then.",
            "What we look for at the domains is not there yet. When the time is up they fail by themselves; "
            "you can verify them by hand until then.",
            count,
        ),
        cases,
        (count - SHOWN, url_for("review.queue", kind=Kind.VERIFICATION.value)) if count > SHOWN else None,
    )


def _revocations(slow: Sequence[Certificate], now: datetime) -> LateGroup | None:
    if not slow:
        return None
    cases = [
        LateCase(
            display_name(one.domain),
            _("asked for {when}", when=relative(one.state_since, now)),
            url_for("certificates.details", certificate_id=one.id),
        )
        for one in slow[:SHOWN]
    ]
    count, hours = len(slow), REVOKED_WITHIN // timedelta(hours=1)
    elsewhere = url_for("certificates.list_certificates", tab=Tab.SIGNED.value, state=State.REVOKING.value)
    return LateGroup(
        "bad",
        ngettext(
            "{count} revocation is not confirmed after {hours} hours",
            "{count} revocations are not confirmed after {hours} hours",
            count,
            hours=hours,
        ),
        ngettext(
            "The certificate authority has to confirm it. Its page says what holds it up.",
            "The certificate authority has to confirm them. The page of each says what holds it up.",
            count,
        ),
        cases,
        (count - SHOWN, elsewhere) if count > SHOWN else None,
    )
