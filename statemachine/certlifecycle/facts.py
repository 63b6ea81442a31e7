"""What the life cycle is told about one certificate. It never looks anything up by itself."""

from dataclasses import dataclass
from datetime import datetime

from certlifecycle.money import Money
from certlifecycle.states import State


@dataclass(frozen=True, slots=True)
class Waiver:
    """An exception from the refund policy for one certificate, on which two people agreed. Instants are aware.

    Until ``until``, inclusive, the window counts as open; with ``pays_all`` the fee and what was paid with vouchers
    come back as well. Whatever else the policy asks for stays: a certificate that is in use has to be revoked first.
    ``proposed_by`` and ``agreed_by`` are names, for the sentence in which it is told.
    """

    until: datetime
    proposed_by: str
    agreed_by: str
    reason: str
    pays_all: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one certificate when a question about it is asked. Instants are aware.

    ``origin`` is the state that the latest refund application came from; ``approvals`` are the ids of the reviewers
    who have approved it so far, ``payers`` of those among them who might send money when they did; ``refund_minor`` is
    the amount frozen on it. ``automatic_checks_suffice`` says that for this product no reviewer needs to look at the
    submission. ``organisation_id`` is the organisation whose certificate it is, ``None`` where it is the customer's
    alone; ``payer_id`` is who paid for the order, where that is no longer the customer. ``waiver`` is an exception from
    the refund policy that was granted.
    """

    state: State
    customer_id: str
    paid_at: datetime
    paid: Money
    voucher_minor: int = 0
    issued_at: datetime | None = None
    revoked_at: datetime | None = None
    origin: State | None = None
    applicant_id: str | None = None
    approvals: tuple[str, ...] = ()
    refund_minor: int | None = None
    automatic_checks_suffice: bool = False
    organisation_id: str | None = None
    payer_id: str | None = None
    payers: tuple[str, ...] = ()
    waiver: Waiver | None = None

    def __post_init__(self) -> None:
        for name in ("paid_at", "issued_at", "revoked_at"):
            instant: datetime | None = getattr(self, name)
            if instant is not None and instant.utcoffset() is None:
                raise ValueError(f"{name} must be a timezone-aware instant")
