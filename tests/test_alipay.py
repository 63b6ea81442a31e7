"""Alipay over real HTTP, against a stand-in that checks every signature and fails as it is told."""

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from outside_shop import alipay_settings
from processes import free_ports
from provider import Provider
from provider_books import Fault
from provider_keys import make_keys, signed_answer
from shop import Clock

from certlifecycle import Money
from webapp.columns import new_id
from webapp.payments.alipay import AlipayGateway
from webapp.payments.alipay_bill import refunds
from webapp.payments.alipay_client import AlipayClient
from webapp.payments.alipay_protocol import (
    Malformed,
    NotSigned,
    open_answer,
    read_amount,
    read_private_key,
    read_public_key,
    signed_text,
    written_time,
)
from webapp.payments.port import (
    Answer,
    Deferred,
    Failed,
    PayoutOrder,
    Pending,
    StatementMissing,
    Succeeded,
    Unheard,
    Unknown,
)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider(Clock()) as running:
        yield running


Connect = Callable[..., AlipayGateway]


@pytest.fixture
def connect(provider: Provider) -> Iterator[Connect]:
    """Connect a desk to the stand-in, with settings of its own: ``connect(seconds=…)``."""
    opened: list[AlipayGateway] = []

    def connect_one(clock: Callable[[], datetime] = provider.clock, **changes: Any) -> AlipayGateway:
        opened.append(AlipayGateway(replace(alipay_settings(provider), **changes), clock))
        return opened[-1]

    yield connect_one
    for gateway in opened:
        gateway.close()


@pytest.fixture
def gateway(connect: Connect) -> AlipayGateway:
    return connect()


@pytest.fixture
def hasty(connect: Connect) -> AlipayGateway:
    """A desk that does not wait long: less than a late answer takes, and longer than a busy machine needs."""
    return connect(seconds=1.5)


def order(provider: Provider, minor: int = 26800, paid: int | None = None) -> PayoutOrder:
    """A refund of a payment that was made at the stand-in."""
    reference = new_id()
    provider.books.add_trade(reference, paid or minor)
    return PayoutOrder(new_id(), new_id(), reference, new_id(), Money(minor, "CNY"), "Refund R1 of order 1 & more")


# Signatures


def test_what_is_signed_is_sorted_unencoded_and_without_empty_fields() -> None:
    fields = {"version": "1.0", "app_id": "2014", "biz_content": '{"a":"1 2&3"}', "empty": "", "sign": "x"}
    assert signed_text(fields, frozenset({"sign"})) == b'app_id=2014&biz_content={"a":"1 2&3"}&version=1.0'


def test_instants_are_those_of_shanghai() -> None:
    assert written_time(datetime(2026, 5, 4, 18, 30, tzinfo=UTC)) == "2026-05-05 02:30:00"


def test_keys_come_in_pem_and_in_the_form_that_alipay_hands_out() -> None:
    keys = make_keys()
    bare = "".join(keys.shop_pem.splitlines()[1:-1])
    assert read_private_key(bare).private_numbers() == read_private_key(keys.shop_pem).private_numbers()
    assert read_public_key(keys.alipay_base64).public_numbers() == keys.alipay.public_key().public_numbers()


@pytest.mark.parametrize("text", ["", "not a key", "é", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no p"):
        read_private_key(text)
    with pytest.raises(ValueError, match="is no p"):
        read_public_key(text)


def test_keys_that_are_too_weak_are_refused() -> None:
    for weak in (rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP256R1())):  # noqa: S505
        private = weak.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        public = weak.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        with pytest.raises(ValueError, match="RSA key of at least 2048 bits"):
            read_private_key(private)
        with pytest.raises(ValueError, match="RSA key of at least 2048 bits"):
            read_public_key(public)


METHOD = "alipay.trade.refund"


def signed(inner: str, key: rsa.RSAPrivateKey | None = None, name: str = "alipay_trade_refund_response") -> bytes:
    return signed_answer(key or make_keys().alipay, name, inner)


def test_an_answer_is_verified_over_the_very_bytes_that_arrived() -> None:
    key = make_keys().alipay.public_key()
    # Written anew, the escaped slash, the spaces and the umlaut would all come out otherwise.
    inner = r'{"code" : "10000", "url":"http:\/\/example.com", "name":"\u00fcber 示例 } \" {", "fee":12.30}'
    content = open_answer(key, signed(inner), METHOD)
    assert content == {"code": "10000", "url": "http://example.com", "name": 'über 示例 } " {', "fee": "12.30"}


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace(b"10000", b"10001"),
        lambda body: body.replace(b'"10000"}', b'"10000" }'),
        lambda body: body.replace(b"refund_response", b"query_response"),
        lambda body: body.split(b',"sign"')[0] + b"}",
        lambda body: body.replace(b'"sign":"', b'"sign":"A'),
        lambda body: body.replace(b'"sign":"', b'"sign":"\xc3\xa9'),
        lambda body: body[:-1] + b',"sign":""}',
        lambda _body: signed('{"code":"10000"}', make_keys().shop),
        # The signed object stands in a place where nobody looks, another in its place.
        lambda body: b'{"alipay_trade_refund_response":{"code":"1"},"x":' + body + b"}",
        lambda body: body + body,
        lambda body: body + b" x",
        lambda _body: b"[" * 100_000,
        lambda _body: b"\xff\xfe",
        lambda _body: b"",
        lambda _body: b'"text"',
    ],
)
def test_an_answer_that_was_touched_proves_nothing(change: object) -> None:
    body = signed('{"code":"10000"}')
    assert open_answer(make_keys().alipay.public_key(), body, METHOD) == {"code": "10000"}
    with pytest.raises((NotSigned, Malformed)):
        open_answer(make_keys().alipay.public_key(), change(body), METHOD)  # type: ignore[operator]


def test_amounts_are_read_exactly() -> None:
    assert read_amount("268.00") == Money(26800, "CNY")
    assert read_amount(12.3) == Money(1230, "CNY")
    for wrong in ("1.005", "NaN", "1e99", None, "", "１２"):
        with pytest.raises(Malformed):
            read_amount(wrong)


def test_the_gateway_must_be_reached_over_tls(provider: Provider) -> None:
    with pytest.raises(ValueError, match="must be an https address"):
        replace(alipay_settings(provider), gateway="http://openapi.example.com/gateway.do")


# Refunding


def test_a_refund_moves_the_money_once_however_often_it_is_sent(gateway: AlipayGateway, provider: Provider) -> None:
    wanted = order(provider)
    assert gateway.query(wanted) == Unheard()
    answers = [gateway.refund(wanted) for _ in range(3)] + [gateway.query(wanted)]
    trade, _ = provider.books.find(wanted.refund_no)
    assert answers == [Succeeded(trade.trade_no)] * 4
    assert provider.books.paid(wanted.refund_no) == [26800]


def test_a_trade_may_be_named_by_alipays_own_number(connect: Connect, provider: Provider) -> None:
    wanted = order(provider)
    trade = provider.books.trade(wanted.payment_reference, "")
    answer = connect(reference="trade_no").refund(replace(wanted, payment_reference=trade.trade_no))
    assert answer == Succeeded(trade.trade_no)


UNANSWERED = [
    (Fault.LATE, Unknown, 1),
    (Fault.DROP, Unknown, 1),
    (Fault.RESET, Unknown, 0),
    (Fault.ERROR_500, Unknown, 0),
    (Fault.ERROR_500_AFTER, Unknown, 1),
    (Fault.SYSTEM_ERROR, Unknown, 0),
    (Fault.SYSTEM_ERROR_AFTER, Unknown, 1),
    (Fault.UNAVAILABLE, Unknown, 0),
    (Fault.BAD_SIGNATURE, Unknown, 1),
    (Fault.NO_SIGNATURE, Unknown, 1),
    (Fault.GARBAGE, Unknown, 1),
    (Fault.DRIP, Unknown, 1),
    (Fault.STRANGE, Unknown, 0),
    (Fault.SHORT_OF_MONEY, Deferred, 0),
    (Fault.REFUSED, Failed, 0),
    (Fault.PAYER_GONE, Failed, 0),
    (Fault.TWICE, Succeeded, 1),
    (Fault.SILENT_CHANGE, Succeeded, 1),
]
SLOW = {Fault.LATE, Fault.DRIP}


@pytest.mark.parametrize(("fault", "kind", "paid"), UNANSWERED)
def test_what_an_answer_means(
    gateway: AlipayGateway, hasty: AlipayGateway, provider: Provider, fault: Fault, kind: type[Answer], paid: int
) -> None:
    wanted = order(provider)
    provider.books.plan(wanted.refund_no, fault)
    assert isinstance((hasty if fault in SLOW else gateway).refund(wanted), kind)
    assert provider.books.paid(wanted.refund_no) == [26800] * paid
    # What really happened is for the query to say, and the same order sent again comes to the same.
    assert isinstance(gateway.query(wanted), Succeeded if paid else Unheard)
    assert isinstance(gateway.refund(wanted), Succeeded)
    assert provider.books.paid(wanted.refund_no) == [26800]


@pytest.mark.parametrize("fault", [one for one, kind, _ in UNANSWERED if kind is Unknown])
def test_a_query_that_is_not_answered_leaves_it_unknown(
    gateway: AlipayGateway, hasty: AlipayGateway, provider: Provider, fault: Fault
) -> None:
    wanted = order(provider)
    provider.books.plan(wanted.refund_no, fault, method="query")
    assert isinstance((hasty if fault in SLOW else gateway).query(wanted), Unknown)


def test_money_that_moved_without_being_confirmed_yet_is_pending(gateway: AlipayGateway, provider: Provider) -> None:
    wanted = order(provider)
    provider.books.plan(wanted.refund_no, Fault.UNAVAILABLE, method="query")
    assert isinstance(gateway.refund(wanted), Pending)
    assert isinstance(gateway.query(wanted), Succeeded)


def test_an_answer_that_came_twice_is_not_taken_for_the_next_one(provider: Provider) -> None:
    """Even by a client that would keep its connections."""
    first, second = order(provider), order(provider)
    provider.books.plan(first.refund_no, Fault.TWICE)
    provider.books.plan(second.refund_no, Fault.ERROR_500, Fault.ERROR_500)
    with closing(AlipayGateway(alipay_settings(provider), provider.clock, httpx.Client())) as gateway:
        assert isinstance(gateway.refund(first), Succeeded)
        assert isinstance(gateway.refund(second), Unknown)
        assert gateway.query(second) == Unheard()
    assert provider.books.paid(second.refund_no) == []


def test_an_answer_that_comes_drop_by_drop_is_not_waited_for(hasty: AlipayGateway, provider: Provider) -> None:
    wanted = order(provider)
    provider.books.plan(wanted.refund_no, Fault.DRIP)
    begun = time.monotonic()
    answer = hasty.refund(wanted)
    assert answer == Unknown("Alipay's answer took longer than 1.5 seconds.")
    assert time.monotonic() - begun < provider.late_seconds


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.RESET])
def test_a_broken_connection_is_told_in_words(gateway: AlipayGateway, provider: Provider, fault: Fault) -> None:
    wanted = order(provider)
    provider.books.plan(wanted.refund_no, fault)
    assert gateway.refund(wanted) == Unknown("The connection to Alipay broke off before its answer was whole.")


def test_a_gateway_that_is_away_is_told_in_words(provider: Provider) -> None:
    away = replace(alipay_settings(provider), gateway=f"http://127.0.0.1:{free_ports(1)[0]}/gateway.do")
    with closing(AlipayGateway(away, provider.clock)) as gateway:
        assert gateway.refund(order(provider)) == Unknown("Alipay could not be reached.")


def test_refusals_say_in_words_what_is_wrong(gateway: AlipayGateway, provider: Provider) -> None:
    unknown = replace(order(provider), payment_reference="nothing")
    assert isinstance(gateway.query(unknown), Unheard)
    refused = gateway.refund(unknown)
    assert isinstance(refused, Failed)
    assert refused.elsewhere
    assert refused.reason.startswith("Alipay does not know the payment of this order. (40004, ACQ.TRADE_NOT_EXIST")


def test_more_than_is_left_is_not_paid_elsewhere_before_somebody_looked(
    gateway: AlipayGateway, provider: Provider
) -> None:
    wanted = order(provider)
    # Somebody refunded by hand, in Alipay's own pages.
    provider.books.refund(provider.books.trade(wanted.payment_reference, ""), "by hand", 26800)
    refused = gateway.refund(wanted)
    assert isinstance(refused, Failed)
    assert not refused.elsewhere
    assert provider.books.paid(wanted.refund_no) == []


def test_the_same_number_with_another_amount_is_never_taken_for_done(
    gateway: AlipayGateway, provider: Provider
) -> None:
    wanted = order(provider, 10000, paid=26800)
    assert isinstance(gateway.refund(wanted), Succeeded)
    other = replace(wanted, amount=Money(20000, "CNY"))
    assert isinstance(gateway.refund(other), Unknown)
    found = gateway.query(other)
    assert isinstance(found, Unknown)
    assert "100.00 CNY instead of 200.00 CNY" in found.detail
    assert provider.books.paid(wanted.refund_no) == [10000]


@pytest.mark.parametrize("status", ["S", "F"])
def test_a_payment_by_card_is_back_when_the_bank_has_spoken(
    gateway: AlipayGateway, provider: Provider, status: str
) -> None:
    """Alipay puts what the bank refuses on the customer's Alipay balance, so both ends are ends."""
    wanted = order(provider)
    provider.books.plan(wanted.refund_no, Fault.TO_BANK)
    assert isinstance(gateway.refund(wanted), Pending)
    assert isinstance(gateway.query(wanted), Pending)
    provider.books.find(wanted.refund_no)[1].back = status
    assert isinstance(gateway.query(wanted), Succeeded)


def test_alipay_pays_yuan_only(gateway: AlipayGateway, provider: Provider) -> None:
    wanted = replace(order(provider), amount=Money(26800, "EUR"))
    assert isinstance(gateway.refund(wanted), Failed)
    assert provider.books.calls == []


@pytest.mark.parametrize(
    ("change", "sub_code"),
    [
        ({"private_key": make_keys().alipay}, "isv.invalid-signature"),
        ({"app_id": "2026050400000002"}, "isv.invalid-app-id"),
    ],
)
def test_a_wrong_setting_of_the_shops_sends_no_money_elsewhere(
    connect: Connect, provider: Provider, change: dict[str, object], sub_code: str
) -> None:
    answer = connect(**change).refund(order(provider))
    assert isinstance(answer, Deferred)
    assert sub_code in answer.detail


def test_a_clock_that_is_wrong_is_told_by_alipay(connect: Connect, provider: Provider) -> None:
    answer = connect(lambda: provider.clock() - timedelta(hours=8)).refund(order(provider))
    assert isinstance(answer, Deferred)
    assert "isv.invalid-timestamp" in answer.detail


def test_a_gateway_that_is_not_there_leaves_it_unknown(connect: Connect, provider: Provider) -> None:
    assert isinstance(connect(gateway="http://127.0.0.1:9/gateway.do").refund(order(provider)), Unknown)


def test_secrets_do_not_stand_in_the_settings_text(provider: Provider) -> None:
    assert "key" not in repr(alipay_settings(provider))


# The day's bill


def test_the_bill_lists_the_days_refunds(gateway: AlipayGateway, provider: Provider) -> None:
    wanted, later = order(provider), order(provider)
    gateway.refund(wanted)
    provider.clock.advance(hours=8)  # type: ignore[attr-defined]  # 17:00 and 01:00 of the next day in Shanghai
    gateway.refund(later)
    (line,) = gateway.statement(date(2026, 5, 4))
    assert (line.refund_no, line.amount) == (wanted.refund_no, wanted.amount)
    assert line.at == datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
    assert [one.refund_no for one in gateway.statement(date(2026, 5, 5))] == [later.refund_no]


def test_a_day_without_a_bill_is_said_to_be_one(gateway: AlipayGateway) -> None:
    with pytest.raises(StatementMissing, match=r"no bill for 3 May 2026, or not yet.*BILL_NOT_EXIST"):
        gateway.statement(date(2026, 5, 3))


def packed(**files: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        for name, content in files.items():
            out.writestr(f"{name}.csv", content)
    return archive.getvalue()


HEAD = "支付宝交易号,业务类型,完成时间,订单金额(元),退款批次号/请求号\n"


@pytest.mark.parametrize(
    "bill",
    [
        b"no archive",
        packed(),
        packed(sums="门店编号,笔数\n合计,1\n".encode("gbk")),
        packed(trades=b"\xff\xff\xff"),
        packed(trades=(HEAD + "1,退款,2026-05-04 17:00:00\n").encode("gbk")),
        packed(trades=(HEAD + "1,退款,yesterday,-1.00,x\n").encode("gbk")),
        packed(trades=(HEAD + "1,退款,2026-05-04 17:00:00,much,x\n").encode("gbk")),
    ],
)
def test_a_bill_that_cannot_be_read_is_said_to_be_missing(
    gateway: AlipayGateway, provider: Provider, bill: bytes
) -> None:
    provider.books.told_bill = bill
    with pytest.raises(StatementMissing):
        gateway.statement(date(2026, 5, 4))


@pytest.mark.parametrize(
    "address", ["https://bills.example.com/x", "file:///etc/passwd", "http://alipay.com.example.org/", "", "http://[x"]
)
def test_a_bill_is_fetched_from_alipay_alone(provider: Provider, address: str) -> None:
    fetched: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        fetched.append(str(request.url))
        content = {"code": "10000", "bill_download_url": address}
        return httpx.Response(
            200, content=signed(json.dumps(content), name="alipay_data_dataservice_bill_downloadurl_query_response")
        )

    http = httpx.Client(transport=httpx.MockTransport(answer))
    client = AlipayClient(alipay_settings(provider), http, provider.clock)
    with closing(client), pytest.raises(StatementMissing, match="could not be read"):
        refunds(client, date(2026, 5, 4))
    assert len(fetched) == 1
