"""What the desk asks of every payment provider."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
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
    """The provider definitely will not pay; ``reason`` is its answer in words.

    ``elsewhere`` says that the money may go to the customer's balance instead without anybody looking. It may not where
    the refusal is no fault of the customer's account: the money may have gone back by other hands already, or the
    shop's own account is in the way.
    """

    reason: str
    elsewhere: bool = True


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows: a time-out, a system error. To be asked again, never guessed and never paid twice."""

    detail: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """Definitely not paid now, for a reason that passes: the shop's account is short of money, a key is wrong.

    The same order is to be sent again later. ``detail`` tells the shop what to put right.
    """

    detail: str


@dataclass(frozen=True, slots=True)
class Unheard:
    """Only from a query: the provider does not know this refund, so that the same order may be sent again."""


Answer = Succeeded | Pending | Failed | Unknown | Deferred | Unheard


@dataclass(frozen=True, slots=True)
class PayoutOrder:
    """One refund toward a provider. ``refund_no`` is the idempotency key; it and the amount never change."""

    refund_no: str
    purchase_id: str
    payment_reference: str
    customer_id: str
    amount: Money
    reason: str


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One refund as the provider has it in its own books. ``at`` is the instant at which the provider paid."""

    refund_no: str
    amount: Money
    at: datetime
    reference: str


class StatementMissing(Exception):
    """The provider has no statement for the day, or not yet; the message is a sentence for the shop."""


class PaymentGateway(Protocol):
    """A way of paying somebody back. Both calls are idempotent in ``refund_no`` and may be repeated at any time.

    ``in_flight`` is how long an order that was sent may still be on its way when nobody answered. Only when the
    provider does not know it after that time is it sent again. ``zone`` is where the provider's days begin.
    """

    method: PaymentMethod
    in_flight: timedelta

    @property
    def zone(self) -> tzinfo:
        """The time zone of the provider's days."""

    def refund(self, order: PayoutOrder) -> Answer:
        """Pay back, once however often it is called."""

    def query(self, order: PayoutOrder) -> Answer:
        """Ask what became of it. A refund that the provider never heard of is :class:`Unheard`."""

    def statement(self, day: date) -> list[StatementLine]:
        """Every refund of a day in the provider's own records; the day is one of the provider's time zone.

        Raises :class:`StatementMissing`.
        """


@dataclass(frozen=True, slots=True)
class Notification:
    """A provider's word that something may have happened to a refund, with its signature checked.

    ``refund_no`` is empty when it is not about a refund. ``amount`` is empty when the provider names none.
    """

    notify_id: str
    kind: str
    refund_no: str
    payment_references: frozenset[str]
    amount: Money | None


class NotificationRefused(Exception):
    """A notification that does not come from the provider, or is not meant for this shop. Never shown to a person."""


class NotifyingGateway(PaymentGateway, Protocol):
    """A provider that calls back."""

    def verify_notification(self, fields: Mapping[str, str]) -> Notification:
        """Check who sent it and for whom. Raises :class:`NotificationRefused`."""
