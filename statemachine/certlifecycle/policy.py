"""The refund policy as data, and the one function that answers whether the money comes back.

The default is the source that the product implements: a full refund while the certificate was never submitted, after
its verification failed, or within 30 days of its issue once it is revoked. The list, the details page, the
application, the reviewer's page and the guard of ``request_refund`` all ask :func:`verdict`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays

from certlifecycle.facts import Facts, Waiver
from certlifecycle.money import Money
from certlifecycle.sentences import Sentence, say
from certlifecycle.states import REFUND_ORIGINS, State


class PolicyError(ValueError):
    """A policy that contradicts itself or names something unknown; the message names the field."""


class Basis(StrEnum):
    """The instant from which the refund window runs."""

    ISSUE = "issue"
    PAYMENT = "payment"


@dataclass(frozen=True, slots=True)
class RefundPolicy:
    """When a vendor pays back, how much of it, and how long the decision takes.

    ``window_days`` counts whole days of 24 hours from the ``basis``; the last instant still counts.
    ``revocation_inside`` asks in addition that the certificate authority's confirmation of the revocation lies inside
    the window. ``fee_minor`` (minor units) and, unless ``voucher_refundable``, the part paid with vouchers stay with
    the vendor. Above ``two_reviewers_above_minor`` two different reviewers must approve; ``None`` never asks for two.
    ``review_days`` is the promise to the customer in business days (soonest, latest), counted in ``timezone`` with the
    public holidays of ``calendar`` (a country or ``COUNTRY-SUBDIVISION`` code; empty counts weekends only).

    Raises :class:`PolicyError` when a value makes no sense.
    """

    version: str
    basis: Basis = Basis.ISSUE
    window_days: int = 30
    revocation_inside: bool = False
    fee_minor: int = 0
    voucher_refundable: bool = False
    two_reviewers_above_minor: int | None = None
    review_days: tuple[int, int] = (3, 5)
    calendar: str = "CN"
    timezone: str = "Asia/Shanghai"

    def __post_init__(self) -> None:
        if not self.version.strip():
            raise PolicyError("version: a policy needs a version")
        if not 0 < self.window_days <= 3660:
            raise PolicyError("window_days: must be between 1 and 3660 days")
        if self.fee_minor < 0:
            raise PolicyError("fee_minor: must not be negative")
        if self.two_reviewers_above_minor is not None and self.two_reviewers_above_minor < 0:
            raise PolicyError("two_reviewers_above_minor: must not be negative")
        soonest, latest = self.review_days
        if not 0 < soonest <= latest <= 60:
            raise PolicyError("review_days: must be two numbers from 1 to 60, the soonest first")
        try:
            ZoneInfo(self.timezone)
        # A folder of the time zone database, or a name too long for a file, is an error of the file system.
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise PolicyError(f"timezone: {self.timezone!r} is no IANA time zone") from None
        if self.calendar and not _has_holidays(self.calendar):
            raise PolicyError(f"calendar: no holidays are known for {self.calendar!r}")

    @property
    def window(self) -> timedelta:
        """The length of the refund window."""
        return timedelta(days=self.window_days)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which the vendor's business days begin and end."""
        return ZoneInfo(self.timezone)

    def as_mapping(self) -> dict[str, object]:
        """The policy as plain JSON types, for freezing it on an application."""
        return asdict(self) | {"basis": self.basis.value, "review_days": list(self.review_days)}

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> "RefundPolicy":
        """Read a policy from plain JSON types; raises :class:`PolicyError` naming the field that is wrong."""
        readers: dict[str, Callable[[object], object]] = {
            "version": _text,
            "basis": _basis,
            "window_days": _whole,
            "revocation_inside": _truth,
            "fee_minor": _whole,
            "voucher_refundable": _truth,
            "two_reviewers_above_minor": lambda value: None if value is None else _whole(value),
            "review_days": _pair,
            "calendar": _text,
            "timezone": _text,
        }
        if unknown := sorted(set(values) - set(readers)):
            raise PolicyError(f"{unknown[0]}: a refund policy has no such field")
        if "version" not in values:
            raise PolicyError("version: a policy needs a version")
        read: dict[str, object] = {}
        for name, value in values.items():
            try:
                read[name] = readers[name](value)
            except (TypeError, ValueError) as wrong:
                raise PolicyError(f"{name}: {wrong}") from None
        return cls(**read)  # type: ignore[arg-type]  # each value came through its field's reader


@lru_cache(maxsize=256)
def _has_holidays(calendar: str) -> bool:
    country, _, subdivision = calendar.partition("-")
    # The library looks any other name up among its own functions and stock exchanges.
    if not re.fullmatch("[A-Z]{2}", country):
        return False
    try:
        holidays.country_holidays(country, subdiv=subdivision or None)
    except NotImplementedError:
        return False
    return True


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("must be text")
    return value


def _whole(value: object) -> int:
    # JSON's true is an int to Python, and no number of days to anybody.
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("must be a whole number")
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("must be true or false")
    return value


def _basis(value: object) -> Basis:
    if _text(value) not in set(Basis):
        raise ValueError(f"must be one of {', '.join(Basis)}")
    return Basis(str(value))


def _pair(value: object) -> tuple[int, int]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise TypeError("must be two whole numbers")
    return _whole(value[0]), _whole(value[1])


PRESETS: Mapping[str, RefundPolicy] = {
    "30-days-from-issue": RefundPolicy("30-days-from-issue/1"),
    "28-days-from-issue": RefundPolicy("28-days-from-issue/1", window_days=28, revocation_inside=True),
    "7-days-from-payment": RefundPolicy("7-days-from-payment/1", basis=Basis.PAYMENT, window_days=7),
}
"""Policies that ship with the product, by name. The first is the source's own and the default."""

DEFAULT_POLICY = PRESETS["30-days-from-issue"]


class Rule(StrEnum):
    """Which rule of the policy decided."""

    NEVER_SUBMITTED = "never_submitted"
    FAILED_VERIFICATION = "failed_verification"
    REVOKED_IN_WINDOW = "revoked_in_window"
    BEING_VERIFIED = "being_verified"
    BEING_ISSUED = "being_issued"
    NOT_REVOKED = "not_revoked"
    BEING_REVOKED = "being_revoked"
    REVOKED_TOO_LATE = "revoked_too_late"
    WINDOW_CLOSED = "window_closed"
    NOTHING_TO_PAY_BACK = "nothing_to_pay_back"
    ALREADY_APPLIED = "already_applied"
    ALREADY_APPROVED = "already_approved"
    ALREADY_REFUNDED = "already_refunded"
    EXCEPTION = "exception"
    """The policy alone would have refused; two people made an exception."""


WAIVABLE = frozenset({Rule.WINDOW_CLOSED, Rule.REVOKED_TOO_LATE, Rule.NOTHING_TO_PAY_BACK})
"""Rules from which an exception can be made: those about time and about what is kept.

What a certificate is at present is none of them: money never goes back for one that is still valid.
"""


class Outlook(StrEnum):
    """What a verdict means for the customer: now, after a step, never, or it is under way or done already."""

    NOW = "now"
    AFTER_A_STEP = "after_a_step"
    NEVER = "never"
    UNDER_WAY = "under_way"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the money comes back if it is asked for now, why, and until when.

    ``deadline`` is the last instant that still counts (inclusive), ``None`` where the policy sets no limit.
    ``next_step`` says what would make it refundable, ``None`` where nothing would or nothing is needed.
    ``amount`` is what would be paid back.
    """

    eligible: bool
    outlook: Outlook
    rule: Rule
    sentence: Sentence
    deadline: datetime | None
    next_step: Sentence | None
    amount: Money
    policy_version: str


def refundable(facts: Facts, policy: RefundPolicy) -> Money:
    """What the policy pays back of an order: the amount paid less the excluded voucher part and the fee."""
    voucher = 0 if policy.voucher_refundable else facts.voucher_minor
    return Money(max(0, facts.paid.minor - voucher - policy.fee_minor), facts.paid.currency)


def deadline(facts: Facts, policy: RefundPolicy) -> datetime | None:
    """The last instant at which an application counts, in UTC, or ``None`` while no limit runs.

    With the issue date as the basis, a certificate that was never issued has no limit.
    """
    basis = facts.paid_at if policy.basis is Basis.PAYMENT else facts.issued_at
    # In UTC, because a sum in a zone with summer time is a sum of wall clocks: an hour too long or too short.
    return None if basis is None else basis.astimezone(UTC) + policy.window


def verdict(facts: Facts, now: datetime, policy: RefundPolicy = DEFAULT_POLICY) -> Verdict:
    """Answer whether a refund may be applied for at ``now``, by which rule, until when, and what to do if not.

    An exception among the facts is heard only where the policy alone refuses by a rule that can be waived; the answer
    then says by :attr:`Rule.EXCEPTION`, and by the names of the two who granted it, that it is one.

    Raises :class:`ValueError` for a naive ``now`` and for a refused refund without the state it came from.
    """
    if now.utcoffset() is None:
        raise ValueError("now must be a timezone-aware instant")
    waiver = facts.waiver
    if waiver is None:
        return _answer(facts, now, policy, None)
    plain = _answer(replace(facts, waiver=None), now, policy, None)
    return _answer(facts, now, policy, waiver) if plain.rule in WAIVABLE and now <= waiver.until else plain


def _answer(facts: Facts, now: datetime, policy: RefundPolicy, waiver: Waiver | None) -> Verdict:
    if facts.state is State.REJECTED:
        # A refused application may be made again exactly where a first one could be made.
        if facts.origin not in REFUND_ORIGINS:
            raise ValueError("a refused refund must say which state it came from")
        return _answer(replace(facts, state=facts.origin), now, policy, waiver)

    until = deadline(facts, policy) if waiver is None else waiver.until.astimezone(UTC)
    amount = paid_back(facts, policy, waiver)

    def answer(rule: Rule, outlook: Outlook, sentence: Sentence, next_step: Sentence | None = None) -> Verdict:
        eligible = outlook is Outlook.NOW
        if waiver is not None and eligible:
            rule, sentence = Rule.EXCEPTION, exceptionally(waiver)
        return Verdict(eligible, outlook, rule, sentence, until, next_step, amount, policy.version)

    match facts.state:
        case State.REFUND_REQUESTED:
            return answer(
                Rule.ALREADY_APPLIED,
                Outlook.UNDER_WAY,
                say("A refund has been applied for and is waiting for a decision."),
            )
        case State.REFUND_APPROVED:
            return answer(
                Rule.ALREADY_APPROVED,
                Outlook.UNDER_WAY,
                say("The refund is approved and the money is on its way."),
            )
        case State.REFUNDED:
            return answer(Rule.ALREADY_REFUNDED, Outlook.DONE, say("The money has been paid back."))

    if amount.minor == 0:
        return answer(
            Rule.NOTHING_TO_PAY_BACK,
            Outlook.NEVER,
            say("No refund: nothing of this order was paid in a way that is paid back."),
        )
    if until is not None and now > until:
        return answer(
            Rule.WINDOW_CLOSED,
            Outlook.NEVER,
            say("No refund: the window closed on {deadline}.", deadline=until),
        )

    match facts.state:
        case State.PENDING:
            rule = Rule.NEVER_SUBMITTED
            return answer(rule, Outlook.NOW, granted(rule, until))
        case State.FAILED:
            rule = Rule.FAILED_VERIFICATION
            return answer(rule, Outlook.NOW, granted(rule, until))
        case State.SUBMITTED:
            return answer(
                Rule.BEING_VERIFIED,
                Outlook.AFTER_A_STEP,
                say("Not refundable while it is being verified."),
                say("Withdraw the submission; it is refundable then."),
            )
        case State.VERIFIED:
            return answer(
                Rule.BEING_ISSUED,
                Outlook.AFTER_A_STEP,
                say("Not refundable while it is being issued."),
                say("Wait until it is issued, then revoke it; it is refundable then."),
            )
    # From here on the certificate was issued, so a limit runs whatever the basis.
    if until is None:
        raise ValueError(f"a certificate that is {facts.state.value} must say when it was issued")
    match facts.state:
        case State.ISSUED if policy.revocation_inside:
            return answer(
                Rule.NOT_REVOKED,
                Outlook.AFTER_A_STEP,
                say("Not refundable before it is revoked."),
                say(
                    "Revoke it now: the certificate authority must have confirmed it, and you must have applied, "
                    "by {deadline}.",
                    deadline=until,
                ),
            )
        case State.ISSUED:
            return answer(
                Rule.NOT_REVOKED,
                Outlook.AFTER_A_STEP,
                say("Not refundable before it is revoked."),
                say("Revoke it, then apply by {deadline}.", deadline=until),
            )
        case State.REVOKING:
            return answer(
                Rule.BEING_REVOKED,
                Outlook.AFTER_A_STEP,
                say("Not refundable until the certificate authority has confirmed the revocation."),
                say("Wait for the confirmation, then apply by {deadline}.", deadline=until),
            )
        case _:
            if policy.revocation_inside and (facts.revoked_at is None or facts.revoked_at > until):
                return answer(
                    Rule.REVOKED_TOO_LATE,
                    Outlook.NEVER,
                    say("No refund: its revocation was not confirmed by {deadline}.", deadline=until),
                )
            return answer(Rule.REVOKED_IN_WINDOW, Outlook.NOW, granted(Rule.REVOKED_IN_WINDOW, until))


def paid_back(facts: Facts, policy: RefundPolicy, waiver: Waiver | None) -> Money:
    """What comes back: all that was paid where an exception says so, else what the policy lets come back."""
    return facts.paid if waiver is not None and waiver.pays_all else refundable(facts, policy)


def exceptionally(waiver: Waiver) -> Sentence:
    """The sentence of a verdict that is an exception: until when, by whom, why."""
    return say(
        "Refundable until {deadline}, as an exception that {proposer} and {agreer} made: {reason}",
        deadline=waiver.until,
        proposer=waiver.proposed_by,
        agreer=waiver.agreed_by,
        reason=waiver.reason,
    )


def granted(rule: Rule, deadline: datetime | None) -> Sentence:
    """The sentence of a verdict by which a refund could be applied for, from what an application keeps of it.

    Raises :class:`ValueError` for a rule that grants nothing, or nothing without a deadline.
    """
    if rule not in (Rule.NEVER_SUBMITTED, Rule.FAILED_VERIFICATION, Rule.REVOKED_IN_WINDOW):
        raise ValueError(f"{rule.value} grants no refund")
    if deadline is not None:
        return say("Refundable until {deadline}.", deadline=deadline)
    if rule is Rule.NEVER_SUBMITTED:
        return say("Refundable: it was never submitted for verification.")
    if rule is Rule.FAILED_VERIFICATION:
        return say("Refundable: its verification failed.")
    raise ValueError("what was revoked inside a window has a deadline")
