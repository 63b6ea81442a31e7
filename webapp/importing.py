"""Taking over orders that were placed elsewhere, from a CSV file.

The whole file is read and checked before anything is written, and written in one transaction: a bad row is named by
line and field and nothing is taken in. An order number that is known already is left as it is, so that a file can be
sent again; if the row says something else than the known order, that is an error.
"""

import csv
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlmodel import Session, col, select

from certlifecycle import SYSTEM, Money, Role, Sentence, say
from webapp.accounts.models import Account
from webapp.catalogue import PRODUCTS
from webapp.certificates.models import Certificate, Channel, PaymentMethod, Purchase
from webapp.certificates.names import NameRejected, read_domain
from webapp.columns import new_id
from webapp.desk import By, Desk, Opening
from webapp.payments.bank_accounts import AccountRejected, BankAccount, store, store_new
from webapp.portions import portions

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
BATCH = 500
"""How many rows are compared with the database, and written, at one go."""

COMPARED = {
    "customer_id": "email",
    "product": "product",
    "amount_minor": "amount",
    "voucher_minor": "voucher",
    "currency": "currency",
    "payment_method": "payment_method",
    "payment_reference": "payment_reference",
    "payment_account": "payment_account",
    "paid_at": "paid_at",
}
"""What a row must say as it did before, and the field in which it says it."""

T = TypeVar("T")


class BadRow(ValueError):
    """Something in the file cannot be read; the message names line and field. ``sentence`` is the problem alone."""

    def __init__(self, line: int, field: str, problem: Sentence | str) -> None:
        self.sentence = problem if isinstance(problem, Sentence) else say("{problem}", problem=problem)
        super().__init__(f"Line {line}, {field}: {self.sentence}")
        self.line = line
        self.field = field
        self.problem = str(self.sentence)


@dataclass(frozen=True, slots=True)
class Report:
    """How many orders were new, and how many were known."""

    taken: int
    known: int


@dataclass(frozen=True, slots=True)
class Order:
    """One row that can be read. ``purchase`` holds the columns of its row but for the customer, who is looked up."""

    line: int
    email: str
    domain: str
    purchase: dict[str, Any]
    account: BankAccount | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading a file goes on: its columns, and the byte and the line at which the next row begins."""

    header: tuple[str, ...]
    offset: int
    line: int


def import_orders(desk: Desk, content: bytes) -> Report:
    """Take in a CSV file with the columns of :data:`FIELDS`. Raises :class:`BadRow`; then nothing was taken in."""
    if len(content) > LARGEST_FILE:
        raise BadRow(1, "the file", say("is larger than 20 MiB; split it"))
    now = desk.clock()
    orders = [read_order(line, row, now) for line, row in Table([content])]
    taken = known = 0
    with desk.database.writing() as session:
        for batch in portions(orders, BATCH):
            report = take_in(desk, session, batch, By(SYSTEM, Channel.IMPORT))
            taken, known = taken + report.taken, known + report.known
    return Report(taken, known)


def take_in(desk: Desk, session: Session, batch: Sequence[Order], by: By) -> Report:
    """Take orders in within the caller's transaction. Raises :class:`BadRow`; then it must be rolled back."""
    fresh, problems = sort_out(session, batch)
    if problems:
        raise problems[0]
    openings = [Opening(one.purchase, one.domain, _names(one)) for one in fresh]
    desk.open_orders(session, openings, by)
    _keep_accounts(session, batch, {one.line for one in fresh}, desk.clock())
    # What was compared is needed no more, and a long file must not fill the memory.
    session.expunge_all()
    return Report(len(fresh), len(batch) - len(fresh))


def sort_out(session: Session, batch: Sequence[Order]) -> tuple[list[Order], list[BadRow]]:
    """Which orders are new, and what is wrong with the others that are not simply known, both in the file's order."""
    emails = {one.email for one in batch}
    owners = {one.email: one for one in session.exec(select(Account).where(col(Account.email).in_(emails))).all()}
    known = _known(session, [one.purchase["number"] for one in batch])
    fresh: list[Order] = []
    problems: list[BadRow] = []
    for order in batch:
        owner = owners.get(order.email)
        if owner is None:
            problems.append(BadRow(order.line, "email", say("there is no account for {email}", email=order.email)))
            continue
        if owner.role != Role.CUSTOMER:
            problem = say("{email} is not the account of a customer", email=order.email)
            problems.append(BadRow(order.line, "email", problem))
            continue
        order.purchase["customer_id"] = owner.id
        before = known.get(order.purchase["number"])
        if before is None:
            known[order.purchase["number"]] = (order.purchase, order.domain)
            fresh.append(order)
        elif (difference := _difference(order, *before)) is not None:
            problems.append(difference)
        else:
            order.purchase["id"] = before[0]["id"]
    return fresh, problems


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a file that comes in pieces, each with its end."""
    rest = b""
    for piece in pieces:
        # The last line may go on in the next piece, and so may the end of a line: a line feed after its return.
        *whole, rest = (rest + piece).splitlines(keepends=True) or [b""]
        yield from whole
    if rest:
        yield rest


class Table:
    """The rows of a file that comes in pieces, each with the line on which it begins and its fields by column.

    ``place`` is where reading went on to; handed in with the pieces from there on, reading continues. Raises
    :class:`BadRow` where the file is no such table.
    """

    def __init__(self, pieces: Iterable[bytes], place: Place | None = None) -> None:
        self._lines = self._offset = 0
        self._reader = csv.reader(self._texts(pieces, is_start=place is None), strict=True)
        if place is None:
            try:
                place = Place(tuple(_header(next(self._reader, []))), 0, 1)
            except csv.Error as wrong:
                raise BadRow(1, "the row", str(wrong)) from None
        else:
            self._lines, self._offset = place.line - 1, place.offset
        self._header = place.header

    @property
    def place(self) -> Place:
        """The beginning of the next row."""
        return Place(self._header, self._offset, self._lines + 1)

    def __iter__(self) -> Iterator[tuple[int, Mapping[str, str]]]:
        # A field may hold line breaks: a row is named by the line on which it begins.
        line = self._lines + 1
        try:
            for fields in self._reader:
                if fields and len(fields) != len(self._header):
                    problem = say("must have {wanted} fields, not {there}", wanted=len(self._header), there=len(fields))
                    raise BadRow(line, "the row", problem)
                if fields:
                    yield line, dict(zip(self._header, map(str.strip, fields), strict=True))
                line = self._lines + 1
        except csv.Error as wrong:
            raise BadRow(line, "the row", str(wrong)) from None

    def _texts(self, pieces: Iterable[bytes], *, is_start: bool) -> Iterator[str]:
        # Spreadsheets put a byte order mark in front.
        encoding = "utf-8-sig" if is_start else "utf-8"
        for line in lines_of(pieces):
            self._lines += 1
            self._offset += len(line)
            try:
                yield line.decode(encoding)
            except UnicodeDecodeError:
                raise BadRow(self._lines, "the file", say("is not UTF-8 text")) from None
            encoding = "utf-8"


def _header(fields: list[str]) -> list[str]:
    header = [name.strip().lower() for name in fields]
    if missing := [name for name in FIELDS if name not in header]:
        raise BadRow(1, missing[0], say("this column is missing"))
    known = (*FIELDS, *ACCOUNT_FIELDS.values())
    if unknown := [name for name in header if name not in known]:
        raise BadRow(1, unknown[0] or "(empty)", say("there is no such column"))
    if twice := [name for name in known if header.count(name) > 1]:
        raise BadRow(1, twice[0], say("this column stands twice"))
    return header


def read_order(line: int, row: Mapping[str, str], now: datetime) -> Order:
    """Read one row. Raises :class:`BadRow` with the first field that cannot be read."""

    def read(field: str, reader: Callable[[str], T]) -> T:
        value = row[field]
        if not value and field not in MAY_BE_EMPTY:
            raise BadRow(line, field, say("is empty"))
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
        raise BadRow(line, "voucher", say("is more than the amount"))
    paid_at = read("paid_at", lambda value: _instant(value, now))
    method = read("payment_method", _one_of({one.value: one for one in PaymentMethod}))
    domain = read("domain", lambda value: _domain(value, product.wildcard))
    purchase = {
        "id": new_id(),
        "number": read("number", _text(64)),
        "product": product.code,
        "product_name": product.name,
        "validity_days": product.validity_days,
        "amount_minor": amount.minor,
        "voucher_minor": voucher.minor,
        "refunded_minor": 0,
        "currency": currency,
        "payment_method": method,
        "payment_reference": read("payment_reference", _text(128)),
        "payment_account": read("payment_account", _text(64)),
        "paid_at": paid_at,
        "created_at": now,
    }
    return Order(line, read("email", _text(254)).lower(), domain, purchase, _account(line, row, method))


def _account(line: int, row: Mapping[str, str], method: PaymentMethod) -> BankAccount | None:
    """The bank account that paid, where the row names one."""
    given = {name: row.get(field, "") for name, field in ACCOUNT_FIELDS.items()}
    named = [field for name, field in ACCOUNT_FIELDS.items() if given[name]]
    if not named:
        return None
    if method is not PaymentMethod.BANK:
        problem = say("is for orders paid from a bank account; this one was paid with {method}", method=method.value)
        raise BadRow(line, named[0], problem)
    try:
        return BankAccount.read(given["holder"], given["account"], given["bank_code"])
    except AccountRejected as wrong:
        raise BadRow(line, ACCOUNT_FIELDS[wrong.field], str(wrong)) from None


def _keep_accounts(session: Session, batch: Sequence[Order], fresh: Collection[int], now: datetime) -> None:
    """Keep the accounts that paid, so that money can go back; also for orders that were known without them."""
    named = [(one, one.account) for one in batch if one.account is not None]
    store_new(session, [(one.purchase["id"], account) for one, account in named if one.line in fresh], now)
    for order, account in named:
        if order.line not in fresh:
            try:
                store(session, order.purchase["id"], account, now)
            except AccountRejected as wrong:
                raise BadRow(order.line, ACCOUNT_FIELDS[wrong.field], str(wrong)) from None


def _names(order: Order) -> list[str]:
    return PRODUCTS[order.purchase["product"]].names_for(order.domain)


def _problem(wrong: Exception) -> Sentence | str:
    # Ours are sentences; those of other parts are what they say.
    said = wrong.args[0] if wrong.args else say("cannot be read")
    return said if isinstance(said, Sentence) else str(said)


def _one_of(known: Mapping[str, T]) -> Callable[[str], T]:
    def read(value: str) -> T:
        if value not in known:
            raise ValueError(say("{value} is none of {known}", value=repr(value), known=", ".join(known)))
        return known[value]

    return read


def _text(longest: int) -> Callable[[str], str]:
    def read(value: str) -> str:
        if len(value) > longest:
            raise ValueError(say("is longer than {longest} characters", longest=longest))
        if any(ord(character) < 0x20 or ord(character) == 0x7F for character in value):
            raise ValueError(say("has a control character in it"))
        return value

    return read


def _amount(value: str, currency: str) -> Money:
    money = Money.parse(value, currency)
    if money.minor < 0:
        raise ValueError(say("must not be negative"))
    return money


def _instant(value: str, now: datetime) -> datetime:
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        problem = say("{value} is no instant as in 2026-05-03T14:05:00+08:00", value=repr(value))
        raise ValueError(problem) from None
    if instant.utcoffset() is None:
        raise ValueError(say("needs a time zone, as in 2026-05-03T14:05:00+08:00"))
    if instant.year < 2000:
        raise ValueError(say("lies too far in the past"))
    if instant > now + timedelta(minutes=5):
        raise ValueError(say("lies in the future"))
    return instant.astimezone(UTC)


def _domain(value: str, wildcard: bool) -> str:
    try:
        # A wildcard may be ordered by the domain that it is for.
        domain = read_domain(value if not wildcard or value.startswith("*.") else f"*.{value}")
    except NameRejected as wrong:
        raise ValueError(str(wrong)) from None
    if not wildcard and domain.startswith("*."):
        raise ValueError(say("this product is for one name, not for a wildcard"))
    return domain


def _known(session: Session, numbers: Sequence[str]) -> dict[str, tuple[dict[str, Any], str]]:
    """The orders with these numbers that were taken in before: what is compared of each, and its domain."""
    found = session.exec(
        select(Purchase, Certificate.domain)
        .join(Certificate, col(Certificate.purchase_id) == Purchase.id)
        .where(col(Purchase.number).in_(numbers))
    ).all()
    return {one.number: ({name: getattr(one, name) for name in ("id", *COMPARED)}, domain) for one, domain in found}


def _difference(order: Order, before: Mapping[str, Any], domain: str) -> BadRow | None:
    """What a row says otherwise than the known order with its number."""
    number = order.purchase["number"]
    if domain != order.domain:
        problem = say("order {number} is known with {domain}", number=number, domain=domain)
        return BadRow(order.line, "domain", problem)
    for name, field in COMPARED.items():
        if before[name] != order.purchase[name]:
            return BadRow(order.line, field, say("order {number} is known with another value", number=number))
    return None
