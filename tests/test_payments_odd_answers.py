"""Answers of providers that are signed, or valid, and yet not what was asked for: none of them moves money."""

import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date
from pathlib import Path
from typing import Any

import httpx
import pytest
from bank_provider import Order, line, report
from outside_shop import OutsideShop, alipay_settings
from processes import ROOT
from provider import Provider
from provider_keys import make_keys, signed_answer
from shop import START, Clock, Shop
from sqlalchemy.exc import IntegrityError

from certlifecycle import Money
from webapp.columns import new_id
from webapp.payments.alipay import AlipayGateway
from webapp.payments.alipay_client import LARGEST_ANSWER, AlipayClient
from webapp.payments.alipay_protocol import Malformed, open_answer
from webapp.payments.bank_intake import BankReports
from webapp.payments.bank_reports import read_report
from webapp.payments.bank_xml import MessageRefused, Schemas
from webapp.payments.port import PayoutOrder, StatementMissing, Unheard, Unknown

REFUND = "alipay_trade_refund_response"
QUERY = "alipay_trade_fastpay_refund_query_response"
BILL = "alipay_data_dataservice_bill_downloadurl_query_response"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider(Clock()) as running:
        yield running


@pytest.fixture
def order() -> PayoutOrder:
    return PayoutOrder(new_id(), new_id(), "trade-1", new_id(), Money(26800, "CNY"), "Refund R1 of order 1")


def saying(provider: Provider, *answers: tuple[str, dict[str, Any]] | bytes) -> AlipayGateway:
    """A desk whose calls are answered so, one after the other; a mapping is signed as Alipay signs it."""
    left = list(answers)

    def answer(_request: httpx.Request) -> httpx.Response:
        given = left.pop(0)
        if isinstance(given, bytes):
            return httpx.Response(200, content=given)
        name, content = given
        return httpx.Response(200, content=signed_answer(make_keys().alipay, name, json.dumps(content)))

    http = httpx.Client(transport=httpx.MockTransport(answer))
    return AlipayGateway(alipay_settings(provider), provider.clock, http)


def test_an_answer_about_another_payment_proves_nothing(provider: Provider, order: PayoutOrder) -> None:
    content = {"code": "10000", "out_trade_no": "trade-2", "fund_change": "Y"}
    with closing(saying(provider, (REFUND, content))) as gateway:
        answer = gateway.refund(order)
    assert isinstance(answer, Unknown)
    assert "another payment" in answer.detail


def test_an_order_that_moved_nothing_and_is_not_known_stays_unknown(provider: Provider, order: PayoutOrder) -> None:
    """Were it taken for unheard of, it would be sent once more."""
    taken = {"code": "10000", "out_trade_no": "trade-1", "fund_change": "N"}
    with closing(saying(provider, (REFUND, taken), (QUERY, {"code": "10000"}))) as gateway:
        answer = gateway.refund(order)
    assert isinstance(answer, Unknown)
    assert "without moving money" in answer.detail


def test_an_answer_about_another_refund_proves_nothing(provider: Provider, order: PayoutOrder) -> None:
    about = {"code": "10000", "refund_status": "REFUND_SUCCESS", "out_request_no": "another", "refund_amount": "268.00"}
    with closing(saying(provider, (QUERY, about), (QUERY, {"code": "10000"}))) as gateway:
        answer = gateway.query(order)
        assert gateway.query(order) == Unheard()
    assert isinstance(answer, Unknown)
    assert "another refund" in answer.detail


def test_an_answer_of_any_length_is_not_read_to_its_end(provider: Provider, order: PayoutOrder) -> None:
    with closing(saying(provider, b"x" * (LARGEST_ANSWER + 1))) as gateway:
        answer = gateway.query(order)
    assert isinstance(answer, Unknown)
    assert "larger than any answer can be" in answer.detail


def test_what_is_signed_must_be_an_object() -> None:
    keys = make_keys()
    for inner in ('"text"', "[1]", "12"):
        with pytest.raises(Malformed):
            open_answer(keys.alipay.public_key(), signed_answer(keys.alipay, REFUND, inner), "alipay.trade.refund")


# The day's bill


def bill(*entries: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", method) as out:
        for name, content in entries:
            out.writestr(name, content)
    return archive.getvalue()


TRADES = "支付宝交易号,业务类型,完成时间,订单金额（元）,退款批次号/请求号\n".encode("gbk")


def billed(provider: Provider, archive: bytes) -> AlipayGateway:
    """A desk that is sent to this archive."""
    told = {"code": "10000", "bill_download_url": alipay_settings(provider).gateway}
    return saying(provider, (BILL, told), archive)


def test_only_tables_of_a_bill_are_read(provider: Provider) -> None:
    with (
        closing(billed(provider, bill(("readme.txt", b"not a table")))) as gateway,
        pytest.raises(StatementMissing, match="could not be read"),
    ):
        gateway.statement(date(2026, 5, 4))


@pytest.mark.parametrize("way", ["packed", "locked"])
def test_a_bill_is_packed_as_alipay_packs_it(provider: Provider, way: str) -> None:
    archive = bill(("trades.csv", TRADES), method=zipfile.ZIP_BZIP2 if way == "packed" else zipfile.ZIP_STORED)
    if way == "locked":
        # The flag that says so stands in the file's own head and in the directory at the end.
        body = bytearray(archive)
        body[6] |= 1
        body[archive.index(b"PK\x01\x02") + 8] |= 1
        archive = bytes(body)
    with (
        closing(billed(provider, archive)) as gateway,
        pytest.raises(StatementMissing, match="packed in a way"),
    ):
        gateway.statement(date(2026, 5, 4))


def test_an_address_that_is_none_is_not_asked(provider: Provider) -> None:
    http = httpx.Client(transport=httpx.MockTransport(lambda _request: pytest.fail("It was asked.")))
    client = AlipayClient(alipay_settings(provider), http, provider.clock)
    with closing(client), pytest.raises(Exception, match="an address that is none"):
        client.download("https://bills.alipay.com/\x01", 10, 1.0)


# The bank's reports


LINE = line(Order("m" * 32, "k" * 32, "", "1.00", "CNY"), "ACSC")
GOOD = report("m" * 32, START, LINE).decode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (GOOD.replace(">1.00<", ">1.001<"), "An amount in the report cannot be read"),
        (GOOD.replace(START.isoformat(timespec="seconds"), "0001-01-01T00:00:00+14:00"), "is no instant"),
        (GOOD.replace(START.isoformat(timespec="seconds"), "2026-05-04T24:00:00"), "is no instant"),
    ],
)
def test_what_the_schema_allows_and_the_desk_cannot_read_is_refused(content: str, says: str) -> None:
    assert content != GOOD
    with pytest.raises(MessageRefused, match=says):
        read_report(content.encode(), Schemas(), UTC)


def test_a_schema_that_a_vendor_adds_may_allow_what_the_desk_cannot_do_without(tmp_path: Path) -> None:
    schema = (ROOT / "webapp/payments/schemas/pain.002.001.12.xsd").read_text("utf-8")
    schema = schema.replace('name="OrgnlGrpInfAndSts"', 'minOccurs="0" name="OrgnlGrpInfAndSts"')
    (tmp_path / "pain.002.001.10.xsd").write_text(schema.replace("pain.002.001.12", "pain.002.001.10"), "utf-8")
    given = report("m" * 32, START, LINE, version="pain.002.001.10").decode()
    without = re.sub("<OrgnlGrpInfAndSts>.*</OrgnlGrpInfAndSts>", "", given)
    assert read_report(given.encode(), Schemas(tmp_path), UTC).original == "m" * 32
    with pytest.raises(MessageRefused, match="names no original file"):
        read_report(without.encode(), Schemas(tmp_path), UTC)


@pytest.fixture
def outside(any_shop: Shop, tmp_path: Path) -> Iterator[OutsideShop]:
    with Provider(any_shop.clock) as provider, OutsideShop(any_shop, provider, tmp_path / "bank") as opened:
        yield opened


def test_a_device_in_the_folder_is_no_report(outside: OutsideShop) -> None:
    """Reading from a pipe would wait for ever."""
    outside.folder.turn()
    os.mkfifo(outside.bank.folder / "in" / "report.xml")
    assert outside.folder.turn() == []
    reasons = [path.read_text() for path in (outside.bank.folder / "refused").glob("*.txt")]
    assert len(reasons) == 1
    assert "no XML" in reasons[0]


def test_what_breaks_while_a_report_is_taken_in_is_not_taken_for_a_repetition(
    outside: OutsideShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_all: object) -> None:
        raise IntegrityError("INSERT", {}, Exception("a rule of the database"))

    monkeypatch.setattr(BankReports, "_apply", breaks)
    with pytest.raises(IntegrityError):
        outside.reports.take_in(GOOD.encode(), "report.xml")
