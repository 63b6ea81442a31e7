"""The bank account that paid, taken over with an order, so that its refund can go back there."""

import pytest
from order_files import file, row
from shop import Shop
from sqlmodel import col, select

from certlifecycle import Event
from webapp.certificates.models import Certificate, PaymentMethod, Purchase
from webapp.importing import FIELDS, BadRow, Report, import_orders
from webapp.payments.bank_accounts import BankAccount, load

IBAN = "DE89370400440532013000"
HEADER = (*FIELDS, "bank_holder", "bank_account", "bank_code")
ACCOUNT = {"bank_holder": "Example GmbH", "bank_account": "DE89 3704 0044 0532 0130 00", "bank_code": "COBADEFFXXX"}
NONE = dict.fromkeys(ACCOUNT, "")


def paid_by_bank(**changes: str) -> dict[str, str]:
    return row(payment_method="bank", **(ACCOUNT | changes))


def imported(shop: Shop, *rows: dict[str, str], header: tuple[str, ...] = HEADER) -> Report:
    return import_orders(shop.desk, file(*rows, header=header))


def account_of(shop: Shop, number: str = "X-1001") -> tuple[BankAccount | None, bool]:
    with shop.database.reading() as session:
        purchase = session.exec(select(Purchase).where(Purchase.number == number)).one()
        return load(session, purchase.id), purchase.has_payer_account


def test_the_account_that_paid_is_kept_and_the_money_is_promised_to_it(any_shop: Shop) -> None:
    any_shop.desk.payable = frozenset(PaymentMethod)
    assert imported(any_shop, paid_by_bank()) == Report(taken=1, known=0)
    assert account_of(any_shop) == (BankAccount("Example GmbH", iban=IBAN, bank_code="COBADEFFXXX"), True)
    with any_shop.database.reading() as session:
        certificate = session.exec(select(Certificate)).one()
    any_shop.fire(certificate, Event.REQUEST_REFUND)
    refund = any_shop.refund_of(certificate)
    assert (refund.method, refund.destination) == (PaymentMethod.BANK, "the bank account ending 88")


def test_a_chinese_account_is_a_number_with_its_banks_code(any_shop: Shop) -> None:
    number = {"bank_holder": "示例科技有限公司", "bank_account": "6217000010001234567", "bank_code": "105100000017"}
    imported(any_shop, paid_by_bank(**number))
    kept = BankAccount("示例科技有限公司", number="6217000010001234567", bank_code="105100000017")
    assert account_of(any_shop) == (kept, True)


def test_an_order_without_an_account_is_taken_over_as_before(any_shop: Shop) -> None:
    """Also from a file that has the columns for others, and from one that does not have them at all."""
    any_shop.desk.payable = frozenset(PaymentMethod)
    assert imported(any_shop, row(payment_method="bank") | NONE) == Report(taken=1, known=0)
    assert imported(any_shop, row(number="X-2", payment_method="bank"), header=FIELDS) == Report(taken=1, known=0)
    assert imported(any_shop, row(number="X-3") | NONE) == Report(taken=1, known=0)
    for number in ("X-1001", "X-2", "X-3"):
        assert account_of(any_shop, number) == (None, False)
    with any_shop.database.reading() as session:
        ordered = select(Certificate).join(Purchase, col(Purchase.id) == Certificate.purchase_id)
        certificate = session.exec(ordered.where(Purchase.number == "X-1001")).one()
    any_shop.fire(certificate, Event.REQUEST_REFUND)
    assert any_shop.refund_of(certificate).method == PaymentMethod.BALANCE


def test_the_same_file_again_changes_nothing(any_shop: Shop) -> None:
    imported(any_shop, paid_by_bank())
    before = account_of(any_shop)
    assert imported(any_shop, paid_by_bank()) == Report(taken=0, known=1)
    # Written in another way, it is the same account.
    assert imported(any_shop, paid_by_bank(bank_account=IBAN, bank_holder=" Example  GmbH ")) == Report(0, 1)
    # A file that does not name it takes nothing away.
    assert imported(any_shop, row(payment_method="bank") | NONE) == Report(taken=0, known=1)
    assert account_of(any_shop) == before


def test_a_later_file_may_bring_the_account_of_a_known_order(any_shop: Shop) -> None:
    imported(any_shop, row(payment_method="bank"), header=FIELDS)
    assert account_of(any_shop) == (None, False)
    assert imported(any_shop, paid_by_bank()) == Report(taken=0, known=1)
    assert account_of(any_shop)[1]


@pytest.mark.parametrize(
    ("changes", "field", "problem"),
    [
        ({"bank_account": f"{IBAN[:-1]}1"}, "bank_account", "The IBAN's check digits are wrong."),
        ({"bank_account": "12"}, "bank_account", "The account must be an IBAN or a number of 8 to 32 digits."),
        ({"bank_account": ""}, "bank_account", "The account must be an IBAN or a number of 8 to 32 digits."),
        ({"bank_account": "62220202", "bank_code": ""}, "bank_code", "An account number needs the code of its bank."),
        ({"bank_code": "X"}, "bank_code", "The bank code must be a BIC or the 12 digits of a CNAPS code."),
        ({"bank_holder": ""}, "bank_holder", "The account holder's name must have 1 to 140 printable characters."),
        (
            {"payment_method": "alipay"},
            "bank_holder",
            "is for orders paid from a bank account; this one was paid with alipay",
        ),
    ],
)
def test_what_is_no_account_is_named_by_line_and_field(
    any_shop: Shop, changes: dict[str, str], field: str, problem: str
) -> None:
    with pytest.raises(BadRow) as caught:
        imported(any_shop, paid_by_bank(number="X-1"), paid_by_bank() | changes)
    assert (caught.value.line, caught.value.field) == (3, field)
    assert caught.value.problem.startswith(problem)
    with any_shop.database.reading() as session:
        assert session.exec(select(Purchase)).all() == []


def test_another_account_for_a_known_order_is_refused(any_shop: Shop) -> None:
    imported(any_shop, paid_by_bank())
    before = account_of(any_shop)
    with pytest.raises(BadRow, match="Line 2, bank_account: The order is known with another account, ending 3000"):
        imported(any_shop, paid_by_bank(bank_holder="Somebody Else"))
    assert account_of(any_shop) == before


def test_a_column_that_stands_twice_is_named(any_shop: Shop) -> None:
    with pytest.raises(BadRow, match="bank_code: this column stands twice"):
        imported(any_shop, header=(*HEADER, "bank_code"))
