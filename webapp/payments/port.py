"""What the desk asks of every payment provider."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from certlifecycle import Money
from webapp.certificates.models import PaymentMethod


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The provider confirms that the money went back. ``reference`` is the provider's own."""

    reference: str


@dataclass(frozen=True, slots=True)
class Pending:
    """The provider has taken the order and has not finished."""

    reference: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The provider definitely will not pay; ``reason`` is its answer in words."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows: a time-out, a system error. To be asked again, never guessed and never paid twice."""

    detail: str


Answer = Succeeded | Pending | Failed | Unknown


@dataclass(frozen=True, slots=True)
class PayoutOrder:
    """One refund toward a provider. ``refund_no`` is the idempotency key; it and the amount never change."""

    refund_no: str
    payment_reference: str
    customer_id: str
    amount: Money
    reason: str


class PaymentGateway(Protocol):
    """A way of paying somebody back. Both calls are idempotent in ``refund_no`` and may be repeated at any time.

    ``patience`` is how long one attempt, a query and a refund, waits for the provider at most; then its answer is
    :class:`Unknown`. An attempt that has not answered after that is taken for dead, and the next one begins.
    """

    method: PaymentMethod
    patience: timedelta

    def refund(self, order: PayoutOrder) -> Answer:
        """Pay back, once however often it is called."""

    def query(self, order: PayoutOrder) -> Answer:
        """Ask what became of it. A refund that the provider never heard of is :class:`Failed`."""
