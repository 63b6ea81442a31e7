"""What can be exported: each table's columns, who may have which of its rows, and the order in which they are read."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, cast

import sqlalchemy as sa
from sqlmodel import col

from certlifecycle import REVIEWERS, Money, Role, State
from webapp.accounts.models import Account
from webapp.certificates.models import Certificate, History, Purchase
from webapp.organisations.models import Organisation
from webapp.organisations.naming import OF_CERTIFICATE
from webapp.refunds.models import Outcome, Refund

Element = sa.ColumnElement[Any]


def plain(value: Any) -> str:  # noqa: ANN401  Whatever a column holds.
    """A value as machines read it: instants in ISO 8601 and UTC, nothing for what is missing."""
    match value:
        case None:
            return ""
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case StrEnum():
            return value.value
        case list():
            return " ".join(map(str, value))
        case dict():
            return json.dumps(value, ensure_ascii=False, sort_keys=True)
        case _:
            return str(value)


def decimal(minor: int, currency: str) -> str:
    """An amount as a plain decimal number; its currency stands in a column of its own."""
    digits = Money(minor, currency).digits
    return f"{Decimal(minor).scaleb(-digits):.{digits}f}"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file: its head, what is selected for it, and how that is written."""

    head: str
    elements: tuple[Element, ...]
    show: Callable[..., str] = plain


def _element(attribute: object) -> Element:
    return cast(Element, attribute)


def _column(head: str, attribute: object) -> Column:
    return Column(head, (_element(attribute),))


def _amount(head: str, minor: object, currency: object) -> Column:
    return Column(head, (_element(minor), _element(currency)), decimal)


@dataclass(frozen=True, slots=True)
class Table:
    """A table that can be exported.

    ``holder`` is whose a row is; ``at`` the instant that the dates of a filter are about; ``order`` what the rows are
    read by, the last of which is unique; ``state`` what a filter by state is about and ``states`` what it can be.
    """

    name: str
    columns: tuple[Column, ...]
    source: sa.FromClause
    holder: Element
    at: Element
    order: tuple[Element, ...]
    state: Element | None
    states: type[StrEnum] | None
    roles: frozenset[Role]


_certificate: sa.FromClause = (
    sa.inspect(Certificate)
    .local_table.join(sa.inspect(Purchase).local_table, col(Purchase.id) == Certificate.purchase_id)
    .join(sa.inspect(Account).local_table, col(Account.id) == Certificate.customer_id)
    .outerjoin(sa.inspect(Organisation).local_table, OF_CERTIFICATE)
)
_refund: sa.FromClause = (
    sa.inspect(Refund)
    .local_table.join(sa.inspect(Certificate).local_table, col(Certificate.id) == Refund.certificate_id)
    .join(sa.inspect(Purchase).local_table, col(Purchase.id) == Certificate.purchase_id)
    .join(sa.inspect(Account).local_table, col(Account.id) == Refund.customer_id)
    .outerjoin(sa.inspect(Organisation).local_table, col(Organisation.id) == Refund.holder_id)
)
_history: sa.FromClause = (
    sa.inspect(History)
    .local_table.join(sa.inspect(Certificate).local_table, col(Certificate.id) == History.certificate_id)
    .join(sa.inspect(Purchase).local_table, col(Purchase.id) == Certificate.purchase_id)
)

CERTIFICATES = Table(
    "certificates",
    (
        _column("order", Purchase.number),
        _column("domain", Certificate.domain),
        _column("names", Certificate.names),
        _column("product", Purchase.product),
        _column("customer", Account.name),
        _column("email", Account.email),
        _column("organisation", Organisation.name),
        _column("state", Certificate.state),
        _column("state_since", Certificate.state_since),
        _column("ordered_at", Certificate.created_at),
        _column("paid_at", Purchase.paid_at),
        _amount("amount", Purchase.amount_minor, Purchase.currency),
        _amount("voucher", Purchase.voucher_minor, Purchase.currency),
        _amount("refunded", Purchase.refunded_minor, Purchase.currency),
        _column("currency", Purchase.currency),
        _column("payment_method", Purchase.payment_method),
        _column("submitted_at", Certificate.submitted_at),
        _column("issued_at", Certificate.issued_at),
        _column("not_after", Certificate.not_after),
        _column("serial", Certificate.serial),
        _column("issuer", Certificate.issuer),
        _column("revoked_at", Certificate.revoked_at),
        _column("revocation_reason", Certificate.revocation_reason),
    ),
    _certificate,
    _element(Certificate.holder_id),
    _element(Certificate.created_at),
    (_element(Certificate.created_at), _element(Certificate.id)),
    _element(Certificate.state),
    State,
    frozenset({Role.CUSTOMER, *REVIEWERS}),
)

REFUNDS = Table(
    "refunds",
    (
        _column("refund", Refund.number),
        _column("order", Purchase.number),
        _column("domain", Certificate.domain),
        _column("customer", Account.name),
        _column("email", Account.email),
        _column("organisation", Organisation.name),
        _column("outcome", Refund.outcome),
        _column("reason", Refund.reason_code),
        _column("in_words", Refund.reason),
        _amount("amount", Refund.amount_minor, Refund.currency),
        _column("currency", Refund.currency),
        _column("goes_to", Refund.destination),
        _column("applied_at", Refund.applied_at),
        _column("answer_promised_by", Refund.latest),
        _column("decided_at", Refund.decided_at),
        _column("why_refused", Refund.decision_reason),
        _column("what_to_do", Refund.instructions),
        _column("paid_at", Refund.paid_at),
        _column("paid_to", Refund.paid_to),
        _column("provider_reference", Refund.payout_reference),
        _column("closed_at", Refund.closed_at),
    ),
    _refund,
    _element(Refund.holder_id),
    _element(Refund.applied_at),
    (_element(Refund.applied_at), _element(Refund.id)),
    _element(Refund.outcome),
    Outcome,
    frozenset({Role.CUSTOMER, *REVIEWERS}),
)

HISTORY = Table(
    "history",
    (
        _column("number", History.id),
        _column("at", History.at),
        _column("order", Purchase.number),
        _column("domain", Certificate.domain),
        _column("event", History.event),
        _column("from_state", History.from_state),
        _column("to_state", History.to_state),
        _column("who", History.actor_name),
        _column("role", History.actor_role),
        _column("reason", History.reason),
        _column("channel", History.channel),
        _column("address", History.address),
        _column("facts", History.facts),
    ),
    _history,
    _element(Certificate.holder_id),
    _element(History.at),
    (_element(History.id),),
    None,
    None,
    REVIEWERS,
)

TABLES: Mapping[str, Table] = {one.name: one for one in (CERTIFICATES, REFUNDS, HISTORY)}
