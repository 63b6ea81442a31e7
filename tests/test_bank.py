"""The online bank: payment orders in files that the schema allows, and reports that move exactly what they speak of."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bank_provider import Order, Says, line, report
from outside_shop import CUSTOMERS_ACCOUNT, SHOPS_ACCOUNT, OutsideShop
from provider import Provider
from shop import START, Shop
from sqlmodel import select

from certlifecycle import Money, State
from webapp.certificates.models import Certificate, PaymentMethod
from webapp.columns import new_id
from webapp.payments.bank import BankSettings, file_name
from webapp.payments.bank_accounts import AccountRejected, BankAccount, load, store
from webapp.payments.bank_orders import Transfer, order_file
from webapp.payments.bank_reports import read_report
from webapp.payments.bank_xml import LARGEST_MESSAGE, MessageRefused, Schemas, read
from webapp.payments.models_outside import BankBatch, BankPayment, BankReport, BankStatus, LineEffect
from webapp.payments.port import Failed, PayoutOrder, Pending, Succeeded, Unheard, Unknown

IBAN = "DE89370400440532013000"


@pytest.fixture
def outside(any_shop: Shop, tmp_path: Path) -> Iterator[OutsideShop]:
    with Provider(any_shop.clock) as provider, OutsideShop(any_shop, provider, tmp_path / "bank") as opened:
        yield opened


# Accounts


def test_an_iban_is_read_as_people_write_it() -> None:
    account = BankAccount.read("  Example   GmbH ", "de89 3704-0044 0532 0130 00", "COBADEFFXXX")
    assert account == BankAccount("Example GmbH", iban=IBAN, bank_code="COBADEFFXXX")
    assert account.label == "ending 3000"
    assert not account.is_at_cnaps


@pytest.mark.parametrize("number", ["62220202", "6222020200001234567", "1" * 32])
def test_a_chinese_account_is_a_number_with_the_code_of_its_bank(number: str) -> None:
    account = BankAccount.read("示例科技有限公司", number, "102 1000 99996")
    assert (account.number, account.bank_code, account.is_at_cnaps) == (number, "102100099996", True)


@pytest.mark.parametrize(
    ("holder", "account", "code", "says"),
    [
        ("Example", "DE89370400440532013001", "", "check digits are wrong"),
        ("Example", "DE8937040044053201300O", "", "check digits are wrong"),
        ("Example", "1234567", "102100099996", "IBAN or a number of 8 to 32 digits"),
        ("Example", "１２３４５６７８", "102100099996", "IBAN or a number"),
        ("Example", "6222020200001234567", "", "needs the code of its bank"),
        ("Example", "6222020200001234567", "12345678901", "BIC or the 12 digits"),
        ("", IBAN, "", "holder's name"),
        ("Exam\x00ple", IBAN, "", "holder's name"),
        ("E" * 141, IBAN, "", "holder's name"),
    ],
)
def test_what_is_no_account_is_refused_in_words(holder: str, account: str, code: str, says: str) -> None:
    with pytest.raises(AccountRejected, match=says):
        BankAccount.read(holder, account, code)


def test_the_account_that_paid_is_kept_once(outside: OutsideShop) -> None:
    purchase = outside.purchase(outside.shop.order(method=PaymentMethod.BANK))
    other = BankAccount.read("Example", IBAN)
    with outside.shop.database.writing() as session:
        assert load(session, purchase.id) is None
        store(session, purchase.id, CUSTOMERS_ACCOUNT, START)
        store(session, purchase.id, CUSTOMERS_ACCOUNT, START)
        with pytest.raises(AccountRejected, match="known with another account, ending 4567"):
            store(session, purchase.id, other, START)
    with outside.shop.database.reading() as session:
        assert load(session, purchase.id) == CUSTOMERS_ACCOUNT


# Files out


@pytest.mark.parametrize("message", ["pain.001.001.03", "pain.001.001.09"])
def test_an_order_file_says_what_is_to_be_paid(message: str) -> None:
    transfers = [
        Transfer("a" * 32, CUSTOMERS_ACCOUNT, Money(26800, "CNY"), "Refund R1 & <more>"),
        Transfer("b" * 32, BankAccount.read("Example GmbH", IBAN, "COBADEFFXXX"), Money(5, "CNY"), "Refund R2"),
    ]
    at = datetime(2026, 5, 4, 1, 30, tzinfo=UTC)
    content = order_file(message, Schemas(), "c" * 32, SHOPS_ACCOUNT, transfers, at)
    root = read(content)
    assert Schemas().check(root, "pain.001") == message

    def text(path: str) -> list[str]:
        return [(node.text or "") for node in root.iterfind("/".join(f"{{*}}{step}" for step in path.split("/")))]

    assert text("CstmrCdtTrfInitn/GrpHdr/MsgId") == ["c" * 32]
    assert text("CstmrCdtTrfInitn/GrpHdr/NbOfTxs") == ["2"]
    assert text("CstmrCdtTrfInitn/GrpHdr/CtrlSum") == ["268.05"]
    one = "CstmrCdtTrfInitn/PmtInf/CdtTrfTxInf"
    assert text(f"{one}/PmtId/EndToEndId") == ["a" * 32, "b" * 32]
    assert text(f"{one}/Amt/InstdAmt") == ["268.00", "0.05"]
    assert text(f"{one}/CdtrAcct/Id/Othr/Id") == [CUSTOMERS_ACCOUNT.number]
    assert text(f"{one}/CdtrAcct/Id/IBAN") == [IBAN]
    assert text(f"{one}/CdtrAgt/FinInstnId/ClrSysMmbId/ClrSysId/Cd") == ["CNAPS"]
    assert text(f"{one}/CdtrAgt/FinInstnId/ClrSysMmbId/MmbId") == ["105100000017"]
    assert text(f"{one}/Cdtr/Nm") == ["示例科技有限公司", "Example GmbH"]
    assert text(f"{one}/RmtInf/Ustrd") == ["Refund R1 & <more>", "Refund R2"]


def test_amounts_are_written_in_the_currencys_own_digits() -> None:
    account = BankAccount.read("Example", IBAN)
    content = order_file(
        "pain.001.001.03", Schemas(), "m", account, [Transfer("k", account, Money(500, "JPY"), "x")], START
    )
    assert b'<InstdAmt Ccy="JPY">500</InstdAmt>' in content


def test_what_the_schema_does_not_allow_never_leaves() -> None:
    account = BankAccount.read("Example", IBAN)
    too_long = Transfer("k" * 36, account, Money(1, "EUR"), "x")
    with pytest.raises(MessageRefused, match="no valid pain"):
        order_file("pain.001.001.03", Schemas(), "m", account, [too_long], START)
    with pytest.raises(ValueError, match="is none of"):
        BankSettings(account, message="pain.001.001.02")


# Reading XML


GOOD = report("m" * 32, START, line(Order("m" * 32, "k" * 32, "", "1.00", "CNY"), "ACSC"))
LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE Document [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.03">&b;</Document>'
)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (LAUGHS, "declares a document type"),
        (
            GOOD.replace(b"<Document", b'<!DOCTYPE Document SYSTEM "file:///etc/passwd"><Document'),
            "declares a document",
        ),
        (GOOD.decode().encode("utf-16"), "not UTF-8"),
        (GOOD.replace(b'encoding="UTF-8"', b'encoding="UTF-16"'), "not declared as UTF-8"),
        (GOOD.replace(b'encoding="UTF-8"', b"encoding='utf-7'"), "not declared as UTF-8"),
        (GOOD[:-20], "is no XML"),
        (b"", "is no XML"),
        (b" " * (LARGEST_MESSAGE + 1), "larger than 5 MiB"),
        (b"<Document/>", "no pain.002 message"),
        (GOOD.replace(b"pain.002.001.03", b"pain.001.001.03"), "no pain.002 message"),
        (GOOD.replace(b"pain.002.001.03", b"pain.002.001.99"), "is not installed"),
        (GOOD.replace(b"pain.002.001.03", b"pain.002.001.03/../x"), "no pain.002 message"),
        (GOOD.replace(b"ACSC", b"PAID"), "no valid pain.002.001.03"),
        (GOOD.replace(b"TxSts", b"TxStatus"), "no valid pain.002.001.03"),
    ],
)
def test_what_is_no_report_is_refused_in_words(content: bytes, says: str) -> None:
    with pytest.raises(MessageRefused, match=says):
        read_report(content, Schemas(), UTC)


@pytest.mark.parametrize("version", ["pain.002.001.03", "pain.002.001.12", "pain.002.001.14", "pain.002.001.15"])
def test_reports_of_every_version_with_a_schema_are_read(version: str) -> None:
    content = report("m", START, line(Order("m", "k", "", "1.00", "CNY"), "RJCT", "AC04"), version=version)
    (said,) = read_report(content, Schemas(), UTC).said
    assert (said.key, said.status, said.codes, said.amount) == ("k", "RJCT", {"AC04"}, Money(100, "CNY"))
    assert said.words == "The account is closed. AC04 as told"


def test_a_vendor_may_add_the_schema_of_its_banks_version(tmp_path: Path) -> None:
    known = (Path(__file__).parent.parent / "webapp/payments/schemas/pain.002.001.12.xsd").read_text("utf-8")
    (tmp_path / "pain.002.001.10.xsd").write_text(known.replace("pain.002.001.12", "pain.002.001.10"), "utf-8")
    content = report("m", START, line(Order("m", "k", "", "1.00", "CNY"), "ACSC"), version="pain.002.001.10")
    assert read_report(content, Schemas(tmp_path), UTC).original == "m"


# Orders


def order_of(outside: OutsideShop, certificate: Certificate) -> PayoutOrder:
    refund = outside.shop.refund_of(certificate)
    purchase = outside.purchase(certificate)
    return PayoutOrder(
        refund.id, purchase.id, purchase.payment_reference, purchase.customer_id, refund.amount, "Refund of an order"
    )


def payment(outside: OutsideShop, certificate: Certificate) -> BankPayment:
    found: BankPayment = outside.shop.find(BankPayment, outside.refund_no(certificate))
    return found


def test_an_order_is_written_down_once_and_goes_into_one_file(outside: OutsideShop) -> None:
    certificate = outside.approved(PaymentMethod.BANK)
    wanted = order_of(outside, certificate)
    gateway = outside.bank_gateway
    assert gateway.query(wanted) == Unheard()
    assert [gateway.refund(wanted) for _ in range(3)] == [Pending()] * 3
    (batch,) = outside.files.make()
    assert outside.files.make() == []
    assert gateway.query(wanted) == gateway.refund(wanted) == Pending(batch.msg_id)
    assert batch.content.count(wanted.refund_no.encode()) == 1
    assert gateway.query(replace(wanted, amount=Money(1, "CNY"))) == Unknown(
        "The bank was ordered to pay another amount. Somebody has to look into it."
    )


def test_an_order_without_an_account_to_pay_to_is_refused(outside: OutsideShop) -> None:
    certificate = outside.shop.order(method=PaymentMethod.BANK)
    wanted = PayoutOrder(new_id(), certificate.purchase_id, "x", "x", Money(1, "CNY"), "Refund")
    assert isinstance(outside.bank_gateway.refund(wanted), Failed)


def test_what_the_format_cannot_hold_does_not_stop_a_file(outside: OutsideShop) -> None:
    certificate = outside.approved(PaymentMethod.BANK)
    wanted = replace(order_of(outside, certificate), refund_no="k" * 36)
    answer = outside.bank_gateway.refund(wanted)
    assert isinstance(answer, Failed)
    assert answer.reason.startswith("The order cannot be written in the bank's format.")
    assert outside.files.make() == []


def test_orders_asked_for_at_once_are_written_down_once(outside: OutsideShop) -> None:
    certificate = outside.approved(PaymentMethod.BANK)
    wanted = order_of(outside, certificate)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: outside.bank_gateway.refund(wanted), range(12)))
    assert answers == [Pending()] * 12


def test_files_made_at_once_never_share_an_order(outside: OutsideShop) -> None:
    for _ in range(4):
        for _ in range(3):
            outside.bank_gateway.refund(order_of(outside, outside.approved(PaymentMethod.BANK)))
        with ThreadPoolExecutor(4) as pool:
            made = [batch for batches in pool.map(lambda _: outside.files.make(), range(4)) for batch in batches]
        assert sum(batch.payments for batch in made) == 3


def test_currencies_do_not_mix_in_a_file(outside: OutsideShop) -> None:
    for currency in ("CNY", "EUR"):
        certificate = outside.approved(PaymentMethod.BANK)
        wanted = order_of(outside, certificate)
        outside.bank_gateway.refund(replace(wanted, amount=Money(wanted.amount.minor, currency)))
    assert sorted((batch.currency, batch.payments) for batch in outside.files.make()) == [("CNY", 1), ("EUR", 1)]


def test_a_worker_that_dies_before_or_after_the_file_appears_hands_out_the_same_bytes(outside: OutsideShop) -> None:
    certificate = outside.approved(PaymentMethod.BANK)
    outside.pay(certificate)
    (batch,) = outside.files.make()
    # It died here: the file is kept and was not written. The next worker writes it.
    outside.folder.turn()
    place = outside.bank.folder / "out" / file_name(batch)
    assert place.read_bytes() == batch.content
    # Or it died here: written, and not noted as such.
    with outside.shop.database.writing() as session:
        session.exec(select(BankBatch)).one().exported_at = None
    outside.bank.turn()
    outside.folder.turn()
    assert place.read_bytes() == batch.content
    # The bank refuses what it has already. That is no word on the payment.
    outside.bank.turn()
    (duplicate,) = outside.folder.turn()
    assert [one.effect for one in duplicate.to_look_at] == [LineEffect.DUPLICATE]
    assert payment(outside, certificate).status == BankStatus.PAID
    assert outside.settle(certificate) == State.REFUNDED
    assert outside.bank.paid[outside.refund_no(certificate)] == ["268.00"]


def test_a_duplicate_that_is_refused_first_is_no_rejection(outside: OutsideShop) -> None:
    certificate = outside.approved(PaymentMethod.BANK)
    outside.pay(certificate)
    outside.folder.turn()
    (batch,) = outside.files_kept()
    outside.bank.plan(outside.refund_no(certificate), Says.NOTHING, Says.NOTHING)
    outside.bank.turn()
    (outside.bank.folder / "out" / file_name(batch)).write_bytes(batch.content)
    outside.bank.turn()
    (intake,) = outside.folder.turn()
    assert [one.effect for one in intake.lines] == [LineEffect.DUPLICATE]
    assert outside.pay(certificate) == State.REFUND_APPROVED
    assert outside.settle(certificate) == State.REFUNDED
    assert outside.payouts(certificate).keys() == {PaymentMethod.BANK}


# Reports in


def test_a_report_moves_exactly_the_refunds_it_speaks_of(outside: OutsideShop) -> None:
    paid, rejected, pending, silent = (outside.approved(PaymentMethod.BANK) for _ in range(4))
    for one in (paid, rejected, pending, silent):
        outside.pay(one)
    outside.folder.turn()
    (batch,) = outside.files_kept()
    assert batch.payments == 4
    outside.bank.drop(
        report(
            batch.msg_id,
            outside.shop.clock(),
            about(outside, paid, "ACSC"),
            about(outside, rejected, "RJCT", "AC04"),
            about(outside, pending, "PDNG"),
            line(Order(batch.msg_id, "0" * 32, "", "1.00", "CNY"), "ACSC"),
        )
    )
    (intake,) = outside.folder.turn()
    assert [one.effect for one in intake.lines] == [
        LineEffect.PAID,
        LineEffect.REJECTED,
        LineEffect.NOT_FINAL,
        LineEffect.UNKNOWN,
    ]
    # Exactly those two are looked at now.
    assert sorted(outside.woken) == sorted([paid.id, rejected.id])
    states = [outside.pay(one) for one in (paid, rejected, pending, silent)]
    assert states == [State.REFUNDED, State.REFUNDED, State.REFUND_APPROVED, State.REFUND_APPROVED]
    assert outside.payouts(paid).keys() == {PaymentMethod.BANK}
    assert outside.payouts(rejected)[PaymentMethod.BANK].detail == (
        "The bank rejected the payment. The account is closed. AC04 as told"
    )
    assert outside.on_balance() == 26800
    assert payment(outside, pending).said == "PDNG"


def reported(outside: OutsideShop, *lines: str, **more: object) -> list[LineEffect]:
    """Take a report in about the file of a refund; what its lines came to."""
    msg_id = outside.files_kept()[0].msg_id
    content = report(msg_id, outside.shop.clock(), *lines, **more)  # type: ignore[arg-type]
    return [LineEffect(one.effect) for one in outside.reports.take_in(content, "by hand.xml").lines]


@pytest.fixture
def ordered(outside: OutsideShop) -> Certificate:
    """A refund that the bank was ordered to pay."""
    certificate = outside.approved(PaymentMethod.BANK)
    outside.pay(certificate)
    outside.folder.turn()
    return certificate


def about(outside: OutsideShop, certificate: Certificate, status: str, reason: str = "", **more: str) -> str:
    return line(Order("", outside.refund_no(certificate), "", "268.00", "CNY"), status, reason, **more)


def test_the_same_report_again_changes_nothing(outside: OutsideShop, ordered: Certificate) -> None:
    msg_id = outside.files_kept()[0].msg_id
    content = report(msg_id, outside.shop.clock(), about(outside, ordered, "ACSC"))
    assert not outside.reports.take_in(content, "a.xml").again
    before = payment(outside, ordered)
    outside.shop.clock.advance(hours=1)
    assert outside.reports.take_in(content, "b.xml").again
    assert payment(outside, ordered) == before
    with outside.shop.database.reading() as session:
        assert len(session.exec(select(BankReport)).all()) == 1


def test_the_same_report_at_once_is_taken_in_once(outside: OutsideShop, ordered: Certificate) -> None:
    msg_id = outside.files_kept()[0].msg_id
    content = report(msg_id, outside.shop.clock(), about(outside, ordered, "ACSC"))
    with ThreadPoolExecutor(4) as pool:
        intakes = list(pool.map(lambda _: outside.reports.take_in(content, "a.xml"), range(4)))
    assert [one.again for one in intakes].count(False) == 1


@pytest.mark.parametrize(("first", "second"), [("ACSC", "RJCT"), ("RJCT", "ACSC")])
def test_the_opposite_of_a_last_word_is_reported_and_changes_nothing(
    outside: OutsideShop, ordered: Certificate, first: str, second: str
) -> None:
    reported(outside, about(outside, ordered, first))
    before = payment(outside, ordered)
    assert reported(outside, about(outside, ordered, second)) == [LineEffect.CONTRADICTION]
    assert payment(outside, ordered) == before


def test_of_two_reports_at_once_one_has_the_last_word(outside: OutsideShop) -> None:
    for _ in range(6):
        certificate = outside.approved(PaymentMethod.BANK)
        outside.pay(certificate)
        outside.folder.turn()
        msg_id = outside.files_kept()[-1].msg_id
        words = [("ACSC", ""), ("RJCT", "AC04")]
        files = [report(msg_id, outside.shop.clock(), about(outside, certificate, *one)) for one in words]
        with ThreadPoolExecutor(2) as pool:
            lines = [one.lines[0] for one in pool.map(lambda file: outside.reports.take_in(file, "x.xml"), files)]
        effects = {LineEffect(one.effect) for one in lines}
        status = payment(outside, certificate).status
        last = {BankStatus.PAID: LineEffect.PAID, BankStatus.REJECTED: LineEffect.REJECTED}[BankStatus(status)]
        assert effects == {last, LineEffect.CONTRADICTION}
        outside.shop.clock.advance(minutes=1)


@pytest.mark.parametrize("status", ["PDNG", "ACCP", "ACTC", "ACSP", "ACWC"])
def test_nothing_but_settled_and_rejected_is_a_last_word(
    outside: OutsideShop, ordered: Certificate, status: str
) -> None:
    assert reported(outside, about(outside, ordered, status)) == [LineEffect.NOT_FINAL]
    assert outside.pay(ordered) == State.REFUND_APPROVED
    assert reported(outside, about(outside, ordered, "ACSC")) == [LineEffect.PAID]
    # A word that was overtaken on the way.
    assert reported(outside, about(outside, ordered, status)) == [LineEffect.KNOWN]
    assert outside.pay(ordered) == State.REFUNDED


def test_another_amount_or_another_file_is_not_ours(outside: OutsideShop, ordered: Certificate) -> None:
    assert reported(outside, about(outside, ordered, "ACSC", amount="1.00")) == [LineEffect.MISMATCH]
    foreign = report(new_id(), outside.shop.clock(), about(outside, ordered, "RJCT", "AC04"))
    (wrong,) = outside.reports.take_in(foreign, "foreign.xml").lines
    assert wrong.effect == LineEffect.MISMATCH
    assert payment(outside, ordered).status == BankStatus.ORDERED


def test_an_order_that_is_in_no_file_yet_cannot_be_answered(outside: OutsideShop, ordered: Certificate) -> None:
    waiting = outside.approved(PaymentMethod.BANK)
    outside.pay(waiting)
    assert reported(outside, about(outside, waiting, "ACSC")) == [LineEffect.MISMATCH]
    assert payment(outside, waiting).status == BankStatus.WAITING


@pytest.mark.parametrize(
    ("group", "effect", "state"),
    [("RJCT", LineEffect.REJECTED, BankStatus.REJECTED), ("ACSC", LineEffect.PAID, BankStatus.PAID)],
)
def test_a_word_on_the_whole_file_holds_for_all_that_is_not_named(
    outside: OutsideShop, ordered: Certificate, group: str, effect: LineEffect, state: BankStatus
) -> None:
    assert reported(outside, group=group, count=2) == [LineEffect.MISMATCH]
    assert reported(outside, about(outside, ordered, "PDNG"), group=group) == [LineEffect.NOT_FINAL]
    assert reported(outside, group=group, count=1) == [effect]
    assert payment(outside, ordered).status == state


def test_a_payment_rejected_with_its_file_was_rejected_for_the_files_reason(
    outside: OutsideShop, ordered: Certificate
) -> None:
    lines = reported(outside, about(outside, ordered, "RJCT"), group="RJCT", group_reason="DU01")
    assert lines == [LineEffect.DUPLICATE]
    assert payment(outside, ordered).status == BankStatus.ORDERED


def test_a_rejection_that_is_the_shops_own_fault_goes_back_to_the_reviewers(
    outside: OutsideShop, ordered: Certificate
) -> None:
    reported(outside, about(outside, ordered, "RJCT", "AM04"))
    assert outside.pay(ordered) == State.REFUND_REQUESTED
    assert outside.on_balance() == 0
    assert "does not hold enough money" in outside.shop.history(ordered)[-1].reason


def test_what_the_bank_calls_settled_is_its_statement(outside: OutsideShop, ordered: Certificate) -> None:
    reported(outside, about(outside, ordered, "ACSC"))
    reported(outside, about(outside, ordered, "ACSC"))
    reported(outside, line(Order("", "0" * 32, "", "7.00", "CNY"), "ACSC"))
    day = outside.shop.clock().date()
    lines = {one.refund_no: one.amount for one in outside.bank_gateway.statement(day)}
    assert lines == {outside.refund_no(ordered): Money(26800, "CNY"), "0" * 32: Money(700, "CNY")}
    assert outside.bank_gateway.statement(day - timedelta(days=1)) == []
    assert isinstance(outside.bank_gateway.query(order_of(outside, ordered)), Succeeded)


# The folder


def test_what_cannot_be_read_is_put_aside_with_the_reason(outside: OutsideShop, ordered: Certificate) -> None:
    place = outside.bank.folder
    outside.bank.drop(b"<Document>")
    # A link may point to anything on this machine, so that not even a valid report is read through one.
    msg_id = outside.files_kept()[0].msg_id
    elsewhere = place.parent / "rejected.xml"
    elsewhere.write_bytes(report(msg_id, outside.shop.clock(), about(outside, ordered, "RJCT", "AC04")))
    (place / "in" / "000000.xml").symlink_to(elsewhere)
    (place / "in" / "notes.txt").write_text("not for the desk")
    outside.bank.turn()
    (intake,) = outside.folder.turn()
    assert intake.decided == (outside.refund_no(ordered),)
    assert payment(outside, ordered).status == BankStatus.PAID
    assert sorted(path.suffix for path in (place / "refused").iterdir()) == [".txt", ".txt", ".xml", ".xml"]
    assert all("no XML" in path.read_text() for path in (place / "refused").glob("*.txt"))
    assert [path.name for path in (place / "in").iterdir()] == ["notes.txt"]
    assert len(list((place / "done").iterdir())) == 1


def test_unfinished_files_are_left_alone(outside: OutsideShop, ordered: Certificate) -> None:
    (outside.bank.folder / "in" / ".half.xml").write_bytes(b"<Docu")
    assert outside.folder.turn() == []
    assert not list((outside.bank.folder / "out").glob(".*"))


def test_two_workers_may_look_into_the_folder_at_once(outside: OutsideShop) -> None:
    certificates = [outside.approved(PaymentMethod.BANK) for _ in range(5)]
    for one in certificates:
        outside.pay(one)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: outside.folder.turn(), range(4)))
    outside.bank.turn()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: outside.folder.turn(), range(4)))
    assert [outside.pay(one) for one in certificates] == [State.REFUNDED] * 5
    assert sorted(outside.bank.paid.values()) == [["268.00"]] * 5
