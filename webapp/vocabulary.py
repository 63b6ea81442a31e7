"""The names of what can happen to a certificate, and of lengths of time: message ids, worded by ``webapp.wording``."""

from dataclasses import dataclass

from certlifecycle import Event, Role, State, phrase


def phrases(one: str, many: str) -> tuple[str, str]:
    """Mark a message with a number in it, as :func:`~certlifecycle.phrase` does one without."""
    return one, many


STATES = {
    State.PENDING: phrase("Not submitted"),
    State.SUBMITTED: phrase("Being verified"),
    State.VERIFIED: phrase("Being issued"),
    State.FAILED: phrase("Verification failed"),
    State.ISSUED: phrase("Issued"),
    State.REVOKING: phrase("Being revoked"),
    State.REVOKED: phrase("Revoked"),
    State.REFUND_REQUESTED: phrase("Refund in review"),
    State.REFUND_APPROVED: phrase("Refund approved"),
    State.REFUNDED: phrase("Refunded"),
    State.REJECTED: phrase("Refund refused"),
}
"""A state on its badge."""

EVENTS = {
    Event.SUBMIT: phrase("Submit for verification"),
    Event.WITHDRAW_SUBMISSION: phrase("Withdraw the submission"),
    Event.VERIFY: phrase("Verify"),
    Event.FAIL_VERIFICATION: phrase("Fail the verification"),
    Event.ISSUE: phrase("Issue"),
    Event.REFUSE_ISSUANCE: phrase("Refuse to issue"),
    Event.REVOKE: phrase("Revoke"),
    Event.CONFIRM_REVOCATION: phrase("Confirm the revocation"),
    Event.REFUSE_REVOCATION: phrase("Refuse the revocation"),
    Event.REQUEST_REFUND: phrase("Refund"),
    Event.WITHDRAW_REFUND: phrase("Withdraw the application"),
    Event.APPROVE_REFUND: phrase("Approve the refund"),
    Event.REJECT_REFUND: phrase("Refuse the refund"),
    Event.COMPLETE_REFUND: phrase("Confirm the payment"),
    Event.RETURN_REFUND: phrase("Return to the reviewers"),
    Event.KEEP_CERTIFICATE: phrase("Keep the certificate"),
}
"""An event on its button."""

HAPPENED = {
    "order": phrase("Ordered and paid"),
    "import": phrase("Taken over from an order placed elsewhere"),
    "retry": phrase("Tried again by hand"),
    "propose_exception": phrase("Exception from the refund policy proposed"),
    "grant_exception": phrase("Exception from the refund policy granted"),
    "decline_exception": phrase("Exception from the refund policy declined"),
    Event.SUBMIT: phrase("Submitted for verification"),
    Event.WITHDRAW_SUBMISSION: phrase("Submission withdrawn"),
    Event.VERIFY: phrase("Verified"),
    Event.FAIL_VERIFICATION: phrase("Verification failed"),
    Event.ISSUE: phrase("Issued"),
    Event.REFUSE_ISSUANCE: phrase("The certificate authority refused to issue"),
    Event.REVOKE: phrase("Revocation asked for"),
    Event.CONFIRM_REVOCATION: phrase("Revoked"),
    Event.REFUSE_REVOCATION: phrase("The certificate authority refused to revoke"),
    Event.REQUEST_REFUND: phrase("Refund applied for"),
    Event.WITHDRAW_REFUND: phrase("Refund application withdrawn"),
    Event.APPROVE_REFUND: phrase("Refund approved"),
    Event.REJECT_REFUND: phrase("Refund refused"),
    Event.COMPLETE_REFUND: phrase("Money paid back"),
    Event.RETURN_REFUND: phrase("Payment did not go through; back with the reviewers"),
    Event.KEEP_CERTIFICATE: phrase("Certificate kept"),
}
"""An event in a history."""

ROLES = {
    Role.CUSTOMER: phrase("customer"),
    Role.REVIEWER: phrase("reviewer"),
    Role.ADMIN: phrase("admin"),
    Role.SYSTEM: phrase("system"),
}
"""In what capacity somebody acts."""

STATE_NAMES = {
    State.PENDING: phrase("pending"),
    State.SUBMITTED: phrase("submitted"),
    State.VERIFIED: phrase("verified"),
    State.FAILED: phrase("failed"),
    State.ISSUED: phrase("issued"),
    State.REVOKING: phrase("revoking"),
    State.REVOKED: phrase("revoked"),
    State.REFUND_REQUESTED: phrase("refund requested"),
    State.REFUND_APPROVED: phrase("refund approved"),
    State.REFUNDED: phrase("refunded"),
    State.REJECTED: phrase("rejected"),
}
"""A state within a sentence, and in the picture of the life cycle: the same as its label."""

EVENT_NAMES = {
    Event.SUBMIT: phrase("submit"),
    Event.WITHDRAW_SUBMISSION: phrase("withdraw submission"),
    Event.VERIFY: phrase("verify"),
    Event.FAIL_VERIFICATION: phrase("fail verification"),
    Event.ISSUE: phrase("issue"),
    Event.REFUSE_ISSUANCE: phrase("refuse issuance"),
    Event.REVOKE: phrase("revoke"),
    Event.CONFIRM_REVOCATION: phrase("confirm revocation"),
    Event.REFUSE_REVOCATION: phrase("refuse revocation"),
    Event.REQUEST_REFUND: phrase("request refund"),
    Event.WITHDRAW_REFUND: phrase("withdraw refund"),
    Event.APPROVE_REFUND: phrase("approve refund"),
    Event.REJECT_REFUND: phrase("reject refund"),
    Event.COMPLETE_REFUND: phrase("complete refund"),
    Event.RETURN_REFUND: phrase("return refund"),
    Event.KEEP_CERTIFICATE: phrase("keep certificate"),
}
"""An event in the picture of the life cycle."""


@dataclass(frozen=True, slots=True)
class Span:
    """How a length of time is told: in days, hours or minutes, each for one and for many, and as less than a minute."""

    days: tuple[str, str]
    hours: tuple[str, str]
    minutes: tuple[str, str]
    moment: str


AHEAD = Span(
    phrases("in {count} day", "in {count} days"),
    phrases("in {count} hour", "in {count} hours"),
    phrases("in {count} minute", "in {count} minutes"),
    phrase("in less than a minute"),
)
AGO = Span(
    phrases("{count} day ago", "{count} days ago"),
    phrases("{count} hour ago", "{count} hours ago"),
    phrases("{count} minute ago", "{count} minutes ago"),
    phrase("just now"),
)
LEFT = Span(
    phrases("{count} day left", "{count} days left"),
    phrases("{count} hour left", "{count} hours left"),
    phrases("{count} minute left", "{count} minutes left"),
    phrase("less than a minute left"),
)
DUE = Span(
    phrases("due in {count} day", "due in {count} days"),
    phrases("due in {count} hour", "due in {count} hours"),
    phrases("due in {count} minute", "due in {count} minutes"),
    phrase("due in less than a minute"),
)
LATE = Span(
    phrases("{count} day late", "{count} days late"),
    phrases("{count} hour late", "{count} hours late"),
    phrases("{count} minute late", "{count} minutes late"),
    phrase("due just now"),
)
