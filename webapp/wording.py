"""How instants, money and the life cycle's sentences read for a person: the only place that localises."""

from datetime import date, datetime
from typing import cast
from zoneinfo import ZoneInfo

from flask import Flask, current_app

from certlifecycle import Event, Money, Sentence, State

STATE_WORDS = {
    State.PENDING: "Not submitted",
    State.SUBMITTED: "Being verified",
    State.VERIFIED: "Being issued",
    State.FAILED: "Verification failed",
    State.ISSUED: "Issued",
    State.REVOKING: "Being revoked",
    State.REVOKED: "Revoked",
    State.REFUND_REQUESTED: "Refund in review",
    State.REFUND_APPROVED: "Refund approved",
    State.REFUNDED: "Refunded",
    State.REJECTED: "Refund refused",
}

EVENT_WORDS = {
    Event.SUBMIT: "Submit for verification",
    Event.WITHDRAW_SUBMISSION: "Withdraw the submission",
    Event.VERIFY: "Verify",
    Event.FAIL_VERIFICATION: "Fail the verification",
    Event.ISSUE: "Issue",
    Event.REFUSE_ISSUANCE: "Refuse to issue",
    Event.REVOKE: "Revoke",
    Event.CONFIRM_REVOCATION: "Confirm the revocation",
    Event.REFUSE_REVOCATION: "Refuse the revocation",
    Event.REQUEST_REFUND: "Refund",
    Event.WITHDRAW_REFUND: "Withdraw the application",
    Event.APPROVE_REFUND: "Approve the refund",
    Event.REJECT_REFUND: "Refuse the refund",
    Event.COMPLETE_REFUND: "Confirm the payment",
    Event.RETURN_REFUND: "Return to the reviewers",
    Event.KEEP_CERTIFICATE: "Keep the certificate",
}

HAPPENED = {
    "order": "Ordered and paid",
    "import": "Taken over from an order placed elsewhere",
    Event.SUBMIT: "Submitted for verification",
    Event.WITHDRAW_SUBMISSION: "Submission withdrawn",
    Event.VERIFY: "Verified",
    Event.FAIL_VERIFICATION: "Verification failed",
    Event.ISSUE: "Issued",
    Event.REFUSE_ISSUANCE: "The certificate authority refused to issue",
    Event.REVOKE: "Revocation asked for",
    Event.CONFIRM_REVOCATION: "Revoked",
    Event.REFUSE_REVOCATION: "The certificate authority refused to revoke",
    Event.REQUEST_REFUND: "Refund applied for",
    Event.WITHDRAW_REFUND: "Refund application withdrawn",
    Event.APPROVE_REFUND: "Refund approved",
    Event.REJECT_REFUND: "Refund refused",
    Event.COMPLETE_REFUND: "Money paid back",
    Event.RETURN_REFUND: "Payment did not go through; back with the reviewers",
    Event.KEEP_CERTIFICATE: "Certificate kept",
}


class Wording:
    """Words for one reader's time zone."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone

    def instant(self, value: datetime) -> str:
        """``3 May 2026, 14:05 CST``."""
        local = value.astimezone(self.zone)
        return f"{local:%-d %b %Y, %H:%M} {local.tzname()}"

    def clock(self, value: datetime) -> str:
        """``14:05 CST``: an instant of today, or so near that its day says nothing."""
        local = value.astimezone(self.zone)
        return f"{local:%H:%M} {local.tzname()}"

    def day(self, value: date) -> str:
        """``Tuesday, 3 May 2026``; of an instant, its day in the reader's zone."""
        local = value.astimezone(self.zone) if isinstance(value, datetime) else value
        return f"{local:%A, %-d %B %Y}"

    def say(self, sentence: Sentence | str) -> str:
        """Word one of the life cycle's sentences."""
        return sentence if isinstance(sentence, str) else sentence.render(self.show)

    def show(self, value: object) -> str:
        """Word one value of a sentence."""
        match value:
            case datetime():
                return self.instant(value)
            case date():
                return self.day(value)
            case _:
                return str(value)


def relative(value: datetime, now: datetime) -> str:
    """``in 12 days``, ``3 hours ago``: the largest unit that fits, rounded toward the present."""
    seconds = int((value - now).total_seconds())
    size = abs(seconds)
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if size >= length:
            count = size // length
            text = f"{count} {unit}{'s' if count != 1 else ''}"
            return f"in {text}" if seconds > 0 else f"{text} ago"
    return "in less than a minute" if seconds > 0 else "just now"


def happened(event: str, to_state: State) -> str:
    """What a history row tells, in the past tense. A first of two approvals leaves the application waiting."""
    if event == Event.APPROVE_REFUND and to_state == State.REFUND_REQUESTED:
        return "Approved by a first reviewer; a second one is needed"
    return HAPPENED[event]


def words() -> Wording:
    """The wording of the running application."""
    return cast(Wording, current_app.extensions["wording"])


def install(app: Flask, wording: Wording) -> None:
    """Give the templates the filters ``instant``, ``day``, ``money`` and ``say``; all of them answer plain text."""

    app.extensions["wording"] = wording

    def money(minor: int, currency: str) -> str:
        return str(Money(minor, currency))

    app.jinja_env.filters.update(instant=wording.instant, day=wording.day, money=money, say=wording.say)
    app.jinja_env.globals.update(STATE_WORDS=STATE_WORDS, EVENT_WORDS=EVENT_WORDS, happened=happened)
