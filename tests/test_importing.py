"""Taking over orders from a file: all of it or nothing, once, and what is wrong is named by line and field."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from money_support import at_once
from order_files import file, row
from shop import Shop
from sqlmodel import col, func, select

from certlifecycle import Event, State
from webapp.certificates.models import Certificate, Channel, History, PaymentMethod, Purchase
from webapp.importing import FIELDS, LARGEST_FILE, BadRow, Report, import_orders


def purchases(shop: Shop) -> list[Purchase]:
    with shop.database.reading() as session:
        return list(session.exec(select(Purchase).order_by(col(Purchase.number))).all())


def certificates(shop: Shop) -> list[Certificate]:
    with shop.database.reading() as session:
        return list(session.exec(select(Certificate)).all())


def refused(shop: Shop, content: bytes) -> tuple[int, str, str]:
    """Import a file that must be refused, see that nothing of it was taken in, and return where and why."""
    with pytest.raises(BadRow) as caught:
        import_orders(shop.desk, content)
    wrong = caught.value
    assert str(wrong) == f"Line {wrong.line}, {wrong.field}: {wrong.problem}"
    assert purchases(shop) == certificates(shop) == []
    with shop.database.reading() as session:
        assert session.exec(select(func.count()).select_from(History)).one() == 0
    return wrong.line, wrong.field, wrong.problem


# What is taken in


def test_an_order_is_taken_over_through_the_door(any_shop: Shop) -> None:
    assert import_orders(any_shop.desk, file(row())) == Report(taken=1, known=0)
    (purchase,) = purchases(any_shop)
    assert purchase.number == "X-1001"
    assert purchase.customer_id == any_shop.alice.id
    assert (purchase.product, purchase.product_name, purchase.validity_days) == ("dv", "DV certificate", 200)
    assert (purchase.amount_minor, purchase.voucher_minor, purchase.currency) == (26800, 6800, "CNY")
    assert purchase.payment_method == PaymentMethod.ALIPAY
    assert (purchase.payment_reference, purchase.payment_account) == ("2026042822001", "ending 88")
    assert purchase.paid_at == datetime(2026, 5, 1, 4, 0, tzinfo=UTC)
    assert purchase.created_at == any_shop.clock()
    (certificate,) = certificates(any_shop)
    assert (certificate.domain, certificate.names) == ("shop.example.com", ["shop.example.com"])
    assert (certificate.state, certificate.customer_id, certificate.due_at) == (
        State.PENDING,
        any_shop.alice.id,
        None,
    )
    (told,) = any_shop.history(certificate)
    assert (told.event, told.from_state, told.to_state) == ("import", None, State.PENDING)
    assert (told.channel, told.actor_role, told.facts) == (Channel.IMPORT, "system", {"order": "X-1001"})
    # It lives on like any other.
    assert any_shop.fire(certificate, Event.SUBMIT).state == State.SUBMITTED


def test_the_same_file_twice_changes_nothing(any_shop: Shop) -> None:
    content = file(row(), row(number="X-1002", domain="other.example.com"))
    assert import_orders(any_shop.desk, content) == Report(taken=2, known=0)
    before = purchases(any_shop), certificates(any_shop)
    any_shop.clock.advance(days=3)
    assert import_orders(any_shop.desk, content) == Report(taken=0, known=2)
    assert (purchases(any_shop), certificates(any_shop)) == before
    # A longer file brings what is new.
    longer = file(row(), row(number="X-1003", domain="third.example.com"))
    assert import_orders(any_shop.desk, longer) == Report(taken=1, known=1)


def test_an_order_that_has_gone_on_is_still_known(any_shop: Shop) -> None:
    import_orders(any_shop.desk, file(row()))
    (certificate,) = certificates(any_shop)
    any_shop.fire(certificate, Event.SUBMIT)
    assert import_orders(any_shop.desk, file(row())) == Report(taken=0, known=1)
    assert certificates(any_shop)[0].state == State.SUBMITTED


def test_the_same_order_twice_in_a_file_is_taken_in_once(any_shop: Shop) -> None:
    assert import_orders(any_shop.desk, file(row(), row())) == Report(taken=1, known=1)
    assert len(purchases(any_shop)) == 1


def test_the_same_file_by_several_at_once_is_taken_in_once(sqlite_url: str, open_shop: Any) -> None:
    shop = open_shop(sqlite_url)
    reports = at_once(*[lambda: import_orders(shop.desk, file(row()))] * 4)
    assert sorted((one.taken, one.known) for one in reports) == [(0, 1), (0, 1), (0, 1), (1, 0)]
    assert len(certificates(shop)) == 1


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"], ids=repr)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_files_of_any_spreadsheet_are_read(shop: Shop, ends: str, mark: bytes) -> None:
    assert import_orders(shop.desk, mark + file(row(), ends=ends)) == Report(taken=1, known=0)
    assert purchases(shop)[0].number == "X-1001"


def test_columns_stand_in_any_order_and_any_case(shop: Shop) -> None:
    content = file(row(), header=tuple(reversed(FIELDS))).replace(b"payment_account,", b" Payment_Account ,")
    assert import_orders(shop.desk, content) == Report(taken=1, known=0)
    assert purchases(shop)[0].payment_account == "ending 88"


def test_a_file_without_rows_and_blank_lines_are_no_trouble(shop: Shop) -> None:
    assert import_orders(shop.desk, file()) == Report(0, 0)
    content = file(row()).replace(b"\r\n", b"\r\n\r\n")
    assert import_orders(shop.desk, content) == Report(taken=1, known=0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"email": "  Alice@Example.COM "}, {"customer_id": "alice"}),
        ({"voucher": ""}, {"voucher_minor": 0}),
        ({"voucher": "268"}, {"voucher_minor": 26800}),
        ({"payment_account": ""}, {"payment_account": ""}),
        ({"amount": "0", "voucher": "0"}, {"amount_minor": 0}),
        ({"amount": "1500", "voucher": "", "currency": "JPY"}, {"amount_minor": 1500, "currency": "JPY"}),
        ({"amount": "1.234", "voucher": "", "currency": "KWD"}, {"amount_minor": 1234, "currency": "KWD"}),
        ({"payment_method": "bank"}, {"payment_method": PaymentMethod.BANK}),
        ({"payment_method": "balance"}, {"payment_method": PaymentMethod.BALANCE}),
        ({"paid_at": "2026-05-01T04:00Z"}, {"paid_at": datetime(2026, 5, 1, 4, 0, tzinfo=UTC)}),
        ({"payment_reference": "付款 17"}, {"payment_reference": "付款 17"}),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else None,
)
def test_what_a_field_may_say(any_shop: Shop, changes: dict[str, str], expected: dict[str, Any]) -> None:
    assert import_orders(any_shop.desk, file(row(**changes))) == Report(1, 0)
    (purchase,) = purchases(any_shop)
    names = {"alice": any_shop.alice.id}
    for name, value in expected.items():
        wanted = names.get(value, value) if isinstance(value, str) else value
        assert getattr(purchase, name) == wanted


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("https://example.com","x")'])
def test_what_looks_like_a_formula_stays_text(shop: Shop, text: str) -> None:
    import_orders(shop.desk, file(row(payment_reference=text, payment_account=text, number=text)))
    (purchase,) = purchases(shop)
    assert (purchase.payment_reference, purchase.payment_account, purchase.number) == (text, text, text)


@pytest.mark.parametrize(
    ("product", "typed", "domain", "names"),
    [
        ("dv", "WWW.Example.com.", "www.example.com", ["www.example.com"]),
        ("ov", "bücher.example", "xn--bcher-kva.example", ["xn--bcher-kva.example"]),
        ("wildcard", "*.example.com", "*.example.com", ["*.example.com", "example.com"]),
        ("wildcard", "Example.com", "*.example.com", ["*.example.com", "example.com"]),
    ],
)
def test_domains_are_kept_as_the_certificate_will_bear_them(
    shop: Shop, product: str, typed: str, domain: str, names: list[str]
) -> None:
    import_orders(shop.desk, file(row(product=product, domain=typed)))
    (certificate,) = certificates(shop)
    assert (certificate.domain, certificate.names) == (domain, names)
    # Either way of writing it is the same order.
    assert import_orders(shop.desk, file(row(product=product, domain=domain))) == Report(taken=0, known=1)


# What is refused


LONG = ".".join(["a" * 60] * 4) + ".example"


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        *((name, "", "is empty") for name in FIELDS if name not in ("voucher", "payment_account")),
        *((name, "   ", "is empty") for name in ("number", "email")),
        ("number", "x" * 65, "is longer than 64 characters"),
        ("number", "X\t1", "has a control character in it"),
        ("email", "nobody@example.com", "there is no account for nobody@example.com"),
        ("email", "rita@example.com", "rita@example.com is not the account of a customer"),
        ("email", "x" * 255, "is longer than 254 characters"),
        ("email", "alice@example.com\x00", "has a control character in it"),
        ("product", "ev", "'ev' is none of dv, ov, wildcard"),
        ("domain", "not a domain", "“not a domain” contains a space, which a domain name cannot have."),
        ("domain", "*.example.com", "this product is for one name, not for a wildcard"),
        ("domain", "192.0.2.1", "“192.0.2.1” is an IP address. Certificates are issued for domain names only."),
        ("amount", "two", "'two' is not an amount of money"),
        ("amount", "1,000.00", "'1,000.00' is not an amount of money"),
        ("amount", "268.001", "'268.001' is not an amount of CNY"),
        ("amount", "-268", "must not be negative"),
        ("amount", "1e3", "'1e3' is not an amount of money"),
        ("amount", "9" * 15, f"{'9' * 15!r} is not an amount of CNY"),
        ("voucher", "-1", "must not be negative"),
        ("voucher", "268.01", "is more than the amount"),
        ("currency", "cny", "'cny' is not an ISO 4217 currency code"),
        ("currency", "RMB¥", "'RMB¥' is not an ISO 4217 currency code"),
        ("payment_method", "cash", "'cash' is none of balance, alipay, bank"),
        ("payment_reference", "x" * 129, "is longer than 128 characters"),
        ("payment_account", "x" * 65, "is longer than 64 characters"),
        ("payment_account", "ending\x0788", "has a control character in it"),
        ("paid_at", "yesterday", "'yesterday' is no instant as in 2026-05-03T14:05:00+08:00"),
        ("paid_at", "2026-05-01", "needs a time zone, as in 2026-05-03T14:05:00+08:00"),
        ("paid_at", "2026-05-01T12:00:00", "needs a time zone, as in 2026-05-03T14:05:00+08:00"),
        ("paid_at", "2026-05-04T09:05:01Z", "lies in the future"),
        ("paid_at", "9999-12-31T23:59:59-08:00", "lies in the future"),
        ("paid_at", "0001-01-01T00:00:00+08:00", "lies too far in the past"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_field(shop: Shop, field: str, value: str, problem: str) -> None:
    good = row(number="X-1000", domain="good.example.com")
    assert refused(shop, file(good, row(**{field: value}), good)) == (3, field, problem)


@pytest.mark.parametrize("name", ["co.uk", "*.co.uk"])
def test_a_wildcard_for_a_whole_registry_is_refused(shop: Shop, name: str) -> None:
    line, field, problem = refused(shop, file(row(domain=name, product="wildcard")))
    assert (line, field) == (2, "domain")
    assert "would cover every customer of a domain registry" in problem


def test_a_wildcard_that_is_too_long_is_refused(shop: Shop) -> None:
    fits = row(domain=LONG[:251], product="wildcard")
    assert import_orders(shop.desk, file(fits)) == Report(1, 0)
    with pytest.raises(BadRow, match=r"Line 2, domain: .* is too long"):
        import_orders(shop.desk, file(row(number="X-2", domain=f"{'b' * 9}.{LONG}", product="wildcard")))


def test_a_payment_of_this_moment_is_not_in_the_future(shop: Shop) -> None:
    """Clocks differ a little."""
    now = shop.clock() + timedelta(minutes=5)
    assert import_orders(shop.desk, file(row(paid_at=now.astimezone(timezone(timedelta(hours=8))).isoformat())))


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"", (1, "number", "this column is missing")),
        (b"number,email\r\n", (1, "product", "this column is missing")),
        (file(header=(*FIELDS, "colour")), (1, "colour", "there is no such column")),
        (file(header=(*FIELDS, "")), (1, "(empty)", "there is no such column")),
        (file(header=(*FIELDS, " Number")), (1, "number", "this column stands twice")),
        (file(row()) + b"X-2,alice@example.com\r\n", (3, "the row", "must have 11 fields, not 2")),
        (file(row()) + b"," * 11 + b"\r\n", (3, "the row", "must have 11 fields, not 12")),
        (file(row()) + b'"X-2"3,', (3, "the row", "',' expected after '\"'")),
        (file(row()) + b'X-2,"open\r\nand open', (3, "the row", "unexpected end of data")),
        (file(row()) + b'"' + b"x" * 140_000 + b'"', (3, "the row", "field larger than field limit (131072)")),
        (file(row()) + b"caf\xe9", (3, "the file", "is not UTF-8 text")),
        ("number".encode("utf-16"), (1, "the file", "is not UTF-8 text")),
        (b"x" * (LARGEST_FILE + 1), (1, "the file", "is larger than 20 MiB; split it")),
    ],
    ids=lambda value: value[2] if isinstance(value, tuple) else "",
)
def test_what_is_no_such_file_is_refused(shop: Shop, content: bytes, where: tuple[int, str, str]) -> None:
    assert refused(shop, content) == where


def test_lines_are_counted_as_an_editor_counts_them(shop: Shop) -> None:
    """A field that holds line breaks, and blank lines, do not shift the numbers."""
    several_lines = row(number="X-1", payment_account="\r\nending\n\n88\n")
    assert refused(shop, file(several_lines)) == (2, "payment_account", "has a control character in it")
    several_lines["payment_account"] = "ending 88\n\n\n"
    content = file(several_lines) + b"\r\n\r\n" + file(row(amount="two")).split(b"\r\n", 1)[1]
    lines = content.replace(b"\r\n", b"\n").split(b"\n")
    wanted = next(number for number, line in enumerate(lines, 1) if b",two," in line)
    assert wanted == 8
    assert refused(shop, content) == (wanted, "amount", "'two' is not an amount of money")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "bob@example.com"}, "email"),
        ({"product": "ov"}, "product"),
        ({"domain": "other.example.com"}, "domain"),
        ({"amount": "269.00"}, "amount"),
        ({"voucher": ""}, "voucher"),
        ({"amount": "26800", "voucher": "6800", "currency": "JPY"}, "currency"),
        ({"payment_method": "bank"}, "payment_method"),
        ({"payment_reference": "other"}, "payment_reference"),
        ({"payment_account": ""}, "payment_account"),
        ({"paid_at": "2026-05-01T12:00:01+08:00"}, "paid_at"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("where", ["in an earlier file", "in the same file"])
def test_a_known_order_that_says_something_else_is_refused(
    any_shop: Shop, changes: dict[str, str], field: str, where: str
) -> None:
    new, other = row(number="X-1000", domain="new.example.com"), row(**changes)
    if where == "in the same file":
        line, named, problem = refused(any_shop, file(row(), new, other))
        assert (line, named) == (4, field)
    else:
        import_orders(any_shop.desk, file(row()))
        before = purchases(any_shop), certificates(any_shop)
        with pytest.raises(BadRow) as caught:
            import_orders(any_shop.desk, file(new, other))
        assert (caught.value.line, caught.value.field) == (3, field)
        problem = caught.value.problem
        assert (purchases(any_shop), certificates(any_shop)) == before
    known = "shop.example.com" if field == "domain" else "another value"
    assert problem == f"order X-1001 is known with {known}"


def test_an_order_number_of_the_shop_itself_is_not_taken_over(any_shop: Shop) -> None:
    placed = any_shop.find(Purchase, any_shop.order().purchase_id)
    with pytest.raises(BadRow, match="is known with"):
        import_orders(any_shop.desk, file(row(number=placed.number)))
