"""The vocabulary of the life cycle: states, events, and who acts.

Each state carries a sentence of meaning and says whose move it is; nothing else in the product invents another name
for a state or an event.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from certlifecycle.sentences import phrase


class Role(StrEnum):
    """In what capacity somebody acts."""

    CUSTOMER = "customer"
    REVIEWER = "reviewer"
    ADMIN = "admin"
    SYSTEM = "system"


REVIEWERS = frozenset({Role.REVIEWER, Role.ADMIN})
"""Who may decide for the vendor: an administrator can do what a reviewer can."""


class Right(StrEnum):
    """What somebody of the vendor's may do besides looking: the two halves of a refund, and all other decisions."""

    DECIDE = "decide"
    """Judge a case: verify, fail, refuse, revoke, and say that a refund is due."""
    PAY = "pay"
    """Let money leave the house: no refund is approved without somebody who may."""


RIGHTS = frozenset(Right)
"""All of them: what a reviewer has unless somebody took it away."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody, or the desk itself, who fires an event. ``id`` is compared, ``name`` is only shown.

    ``organisation_id`` is the organisation that they belong to, ``None`` for whoever is by themselves. ``rights`` count
    for reviewers and administrators alone; whoever knows no rights gives them all.
    """

    id: str
    role: Role
    name: str = ""
    organisation_id: str | None = field(default=None, kw_only=True)
    rights: frozenset[Right] = field(default=RIGHTS, kw_only=True)

    def has(self, right: Right) -> bool:
        """Whether this right is theirs."""
        return right in self.rights


SYSTEM = Actor("system", Role.SYSTEM, "The desk")
"""The desk's own workers, acting without a person."""


class Mover(StrEnum):
    """Whose move it is while a certificate rests in a state."""

    CUSTOMER = "customer"
    REVIEWER = "reviewer"
    SYSTEM = "system"
    NOBODY = "nobody"


class State(StrEnum):
    """The eleven states of a certificate, from order to refund."""

    meaning: str
    mover: Mover
    is_final: bool

    def __new__(cls, value: str, mover: Mover = Mover.NOBODY, meaning: str = "", is_final: bool = False) -> "State":
        state = str.__new__(cls, value)
        state._value_ = value
        state.mover = mover
        state.meaning = meaning
        state.is_final = is_final
        return state

    @property
    def label(self) -> str:
        """The state in words, for a sentence: ``refund requested``."""
        return self.value.replace("_", " ")

    PENDING = (
        "pending",
        Mover.CUSTOMER,
        phrase("Bought and paid for, not submitted for verification."),
    )
    SUBMITTED = (
        "submitted",
        Mover.REVIEWER,
        phrase("Domain and key handed in; control of the domain is being checked."),
    )
    VERIFIED = (
        "verified",
        Mover.SYSTEM,
        phrase("Approved; the certificate authority is issuing."),
    )
    FAILED = (
        "failed",
        Mover.CUSTOMER,
        phrase("Verification failed, or the certificate authority refused."),
    )
    ISSUED = (
        "issued",
        Mover.CUSTOMER,
        phrase("A certificate exists and is valid."),
    )
    REVOKING = (
        "revoking",
        Mover.SYSTEM,
        phrase("Revocation asked for; the certificate authority has not confirmed it yet."),
    )
    REVOKED = (
        "revoked",
        Mover.CUSTOMER,
        phrase("The certificate authority has revoked it."),
    )
    REFUND_REQUESTED = (
        "refund_requested",
        Mover.REVIEWER,
        phrase("A refund was applied for; a reviewer decides."),
    )
    REFUND_APPROVED = (
        "refund_approved",
        Mover.SYSTEM,
        phrase("The refund is approved and the money is on its way. Approved is not refunded."),
    )
    REFUNDED = (
        "refunded",
        Mover.NOBODY,
        phrase("The payment provider confirmed that the money went back."),
        True,
    )
    REJECTED = (
        "rejected",
        Mover.CUSTOMER,
        phrase("The refund was refused; the reason and the next step are shown."),
    )


class Event(StrEnum):
    """The sixteen events that move a certificate. A name that comes from outside is read with ``Event(name)``."""

    @property
    def label(self) -> str:
        """The event in words, for a picture or a table: ``request refund``."""
        return self.value.replace("_", " ")

    SUBMIT = "submit"
    WITHDRAW_SUBMISSION = "withdraw_submission"
    VERIFY = "verify"
    FAIL_VERIFICATION = "fail_verification"
    ISSUE = "issue"
    REFUSE_ISSUANCE = "refuse_issuance"
    REVOKE = "revoke"
    CONFIRM_REVOCATION = "confirm_revocation"
    REFUSE_REVOCATION = "refuse_revocation"
    REQUEST_REFUND = "request_refund"
    WITHDRAW_REFUND = "withdraw_refund"
    APPROVE_REFUND = "approve_refund"
    REJECT_REFUND = "reject_refund"
    COMPLETE_REFUND = "complete_refund"
    RETURN_REFUND = "return_refund"
    KEEP_CERTIFICATE = "keep_certificate"


REFUND_STATES = frozenset({State.REFUND_REQUESTED, State.REFUND_APPROVED, State.REFUNDED, State.REJECTED})
"""States in which a refund application exists, so that the state the certificate came from is worth knowing."""

REFUND_ORIGINS = (State.PENDING, State.FAILED, State.REVOKED)
"""States from which a first refund application can be made, and to which a refund that came to nothing returns."""


class RevocationReason(StrEnum):
    """The reasons a subscriber may give (RFC 5280, 5.3.1; Baseline Requirements 4.9.1.1 and 7.2.2).

    ``privilegeWithdrawn`` is the certificate authority's to give, ``certificateHold`` may not be used at all.
    """

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key_compromise"
    AFFILIATION_CHANGED = "affiliation_changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation_of_operation"
