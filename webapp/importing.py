"""Taking over orders that were placed elsewhere, from a CSV file.

The whole file is read and checked before anything is written, and written in one transaction: a bad row is named by
line and field and nothing is taken in. An order number that is known already is left as it is, so that a file can be
sent again; if the row says something else than the known order, that is an error.
"""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sqlmodel import Session, col, select

from certlifecycle import SYSTEM, Money, MoneyError, Role
from webapp.accounts.models import Account
from webapp.catalogue import PRODUCTS
from webapp.certificates.models import Certificate, Channel, PaymentMethod, Purchase
from webapp.certificates.names import NameRejected, read_domain
from webapp.desk import By, Desk
from webapp.payments.bank_accounts import AccountRejected, BankAccount, store

FIELDS = (
    "number",
    "email",
    "product",
    "domain",
    "amount",
    "voucher",
    "currency",
    "payment_method",
    "payment_reference",
    "payment_account",
    "paid_at",
)
"""The columns. Amounts are decimals, ``paid_at`` is ISO 8601 with a zone; see :data:`MAY_BE_EMPTY`."""

ACCOUNT_FIELDS = {"holder": "bank_holder", "account": "bank_account", "bank_code": "bank_code"}
"""Further columns, which may be missing: the bank account that paid, as an IBAN or a number with its bank's code."""

MAY_BE_EMPTY = {"voucher", "payment_account"}
LARGEST_FILE = 20 * 1024 * 1024


T = TypeVar("T")


class BadRow(ValueError):
    """Something in the file cannot be read; the message names line and field."""

    def __init__(self, line: int, field: str, problem: str) -> None:
        super().__init__(f"Line {line}, {field}: {problem}")
        self.line = line
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Report:
    """How many orders were new, and how many were known."""

    taken: int
    known: int


@dataclass(frozen=True, slots=True)
class _Order:
    line: int
    email: str
    domain: str
    purchase: Purchase
    account: BankAccount | None


def import_orders(desk: Desk, content: bytes) -> Report:
    """Take in a CSV file with the columns of :data:`FIELDS`. Raises :class:`BadRow`; then nothing was taken in."""
    now = desk.clock()
    orders = [_read(line, row, now) for line, row in _rows(content)]
    taken = known = 0
    with desk.database.writing() as session:
        for order in orders:
            owner = session.exec(select(Account).where(Account.email == order.email)).first()
            if owner is None:
                raise BadRow(order.line, "email", f"there is no account for {order.email}")
            if owner.role != Role.CUSTOMER:
                raise BadRow(order.line, "email", f"{order.email} is not the account of a customer")
            order.purchase.customer_id = owner.id
            before = _known(session, order)
            if before is not None:
                _keep_account(session, order, before, now)
                known += 1
                continue
            product = PRODUCTS[order.purchase.product]
            names = product.names_for(order.domain)
            by = By(SYSTEM, Channel.IMPORT)
            desk.open_order(session, order.purchase, order.domain, names, by)
            _keep_account(session, order, order.purchase, now)
            taken += 1
    return Report(taken, known)


def _rows(content: bytes) -> list[tuple[int, Mapping[str, str]]]:
    if len(content) > LARGEST_FILE:
        raise BadRow(1, "the file", "is larger than 20 MiB; split it")
    try:
        # Spreadsheets put a byte order mark in front.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = content.count(b"\n", 0, wrong.start) + 1
        raise BadRow(line, "the file", "is not UTF-8 text") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    rows: list[tuple[int, Mapping[str, str]]] = []
    try:
        header = _header(next(reader, []))
        # A field may hold line breaks: a row is named by the line on which it begins.
        line = reader.line_num + 1
        for fields in reader:
            if fields and len(fields) != len(header):
                raise BadRow(line, "the row", f"must have {len(header)} fields, not {len(fields)}")
            if fields:
                rows.append((line, dict(zip(header, map(str.strip, fields), strict=True))))
            line = reader.line_num + 1
    except csv.Error as wrong:
        raise BadRow(line, "the row", str(wrong)) from None
    return rows


def _header(fields: list[str]) -> list[str]:
    header = [name.strip().lower() for name in fields]
    if missing := [name for name in FIELDS if name not in header]:
        raise BadRow(1, missing[0], "this column is missing")
    known = (*FIELDS, *ACCOUNT_FIELDS.values())
    if unknown := [name for name in header if name not in known]:
        raise BadRow(1, unknown[0] or "(empty)", "there is no such column")
    if twice := [name for name in known if header.count(name) > 1]:
        raise BadRow(1, twice[0], "this column stands twice")
    return header


def _read(line: int, row: Mapping[str, str], now: datetime) -> _Order:
    def read(field: str, reader: Callable[[str], T]) -> T:
        value = row[field]
        if not value and field not in MAY_BE_EMPTY:
            raise BadRow(line, field, "is empty")
        try:
            return reader(value)
        except ValueError as wrong:
            raise BadRow(line, field, _problem(wrong)) from None

    currency = row["currency"]
    read("currency", lambda value: Money(0, value))
    product = read("product", _one_of(PRODUCTS))
    amount = read("amount", lambda value: _amount(value, currency))
    voucher = read("voucher", lambda value: _amount(value or "0", currency))
    if voucher.minor > amount.minor:
        raise BadRow(line, "voucher", "is more than the amount")
    paid_at = read("paid_at", lambda value: _instant(value, now))
    method = read("payment_method", _one_of({one.value: one for one in PaymentMethod}))
    domain = read("domain", lambda value: _domain(value, product.wildcard))
    purchase = Purchase(
        number=read("number", _text(64)),
        customer_id="",
        product=product.code,
        product_name=product.name,
        validity_days=product.validity_days,
        amount_minor=amount.minor,
        voucher_minor=voucher.minor,
        currency=currency,
        payment_method=method,
        payment_reference=read("payment_reference", _text(128)),
        payment_account=read("payment_account", _text(64)),
        paid_at=paid_at,
        created_at=now,
    )
    return _Order(line, read("email", _text(254)).lower(), domain, purchase, _account(line, row, method))


def _account(line: int, row: Mapping[str, str], method: PaymentMethod) -> BankAccount | None:
    """The bank account that paid, where the row names one."""
    given = {name: row.get(field, "") for name, field in ACCOUNT_FIELDS.items()}
    named = [field for name, field in ACCOUNT_FIELDS.items() if given[name]]
    if not named:
        return None
    if method is not PaymentMethod.BANK:
        raise BadRow(line, named[0], f"is for orders paid from a bank account; this one was paid with {method.value}")
    try:
        return BankAccount.read(given["holder"], given["account"], given["bank_code"])
    except AccountRejected as wrong:
        raise BadRow(line, ACCOUNT_FIELDS[wrong.field], str(wrong)) from None


def _keep_account(session: Session, order: _Order, purchase: Purchase, now: datetime) -> None:
    """Keep the account that paid, so that money can go back to it; also for an order that was known without it."""
    if order.account is None:
        return
    try:
        store(session, purchase.id, order.account, now)
    except AccountRejected as wrong:
        raise BadRow(order.line, ACCOUNT_FIELDS[wrong.field], str(wrong)) from None


def _problem(wrong: Exception) -> str:
    return str(wrong.args[0]) if wrong.args else "cannot be read"


def _one_of(known: Mapping[str, T]) -> Callable[[str], T]:
    def read(value: str) -> T:
        if value not in known:
            raise ValueError(f"{value!r} is none of {', '.join(known)}")
        return known[value]

    return read


def _text(longest: int) -> Callable[[str], str]:
    def read(value: str) -> str:
        if len(value) > longest:
            raise ValueError(f"is longer than {longest} characters")
        if any(ord(character) < 0x20 or ord(character) == 0x7F for character in value):
            raise ValueError("has a control character in it")
        return value

    return read


def _amount(value: str, currency: str) -> Money:
    money = Money.parse(value, currency)
    if money.minor < 0:
        raise MoneyError("must not be negative")
    return money


def _instant(value: str, now: datetime) -> datetime:
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is no instant as in 2026-05-03T14:05:00+08:00") from None
    if instant.utcoffset() is None:
        raise ValueError("needs a time zone, as in 2026-05-03T14:05:00+08:00")
    if instant.year < 2000:
        raise ValueError("lies too far in the past")
    if instant > now + timedelta(minutes=5):
        raise ValueError("lies in the future")
    return instant.astimezone(UTC)


def _domain(value: str, wildcard: bool) -> str:
    try:
        # A wildcard may be ordered by the domain that it is for.
        domain = read_domain(value if not wildcard or value.startswith("*.") else f"*.{value}")
    except NameRejected as wrong:
        raise ValueError(str(wrong)) from None
    if not wildcard and domain.startswith("*."):
        raise ValueError("this product is for one name, not for a wildcard")
    return domain


def _known(session: Session, order: _Order) -> Purchase | None:
    """The order as it was taken in before; raises :class:`BadRow` when it says something else now."""
    found = session.exec(
        select(Purchase, Certificate.domain)
        .join(Certificate, col(Certificate.purchase_id) == Purchase.id)
        .where(Purchase.number == order.purchase.number)
    ).first()
    if found is None:
        return None
    before, domain = found
    if domain != order.domain:
        raise BadRow(order.line, "domain", f"order {before.number} is known with {domain}")
    compared = (
        "customer_id",
        "product",
        "amount_minor",
        "voucher_minor",
        "currency",
        "payment_method",
        "payment_reference",
        "payment_account",
        "paid_at",
    )
    for name in compared:
        if getattr(before, name) != getattr(order.purchase, name):
            field = {"customer_id": "email", "amount_minor": "amount", "voucher_minor": "voucher"}
            raise BadRow(
                order.line,
                field.get(name, name),
                f"order {before.number} is known with another value",
            )
    return before
