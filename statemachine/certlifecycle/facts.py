"""What the life cycle is told about one certificate. It never looks anything up by itself."""

from dataclasses import dataclass
from datetime import datetime

from certlifecycle.money import Money
from certlifecycle.states import State


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one certificate when a question about it is asked. Instants are aware.

    ``origin`` is the state that the latest refund application came from; ``approvals`` are the ids of the reviewers
    who have approved it so far, ``payers`` of those among them who might send money when they did; ``refund_minor`` is
    the amount frozen on it. ``automatic_checks_suffice`` says that for this product no reviewer needs to look at the
    submission.
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
    payers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("paid_at", "issued_at", "revoked_at"):
            instant: datetime | None = getattr(self, name)
            if instant is not None and instant.utcoffset() is None:
                raise ValueError(f"{name} must be a timezone-aware instant")
