"""Whatever reads bytes that strangers wrote, each with the refusals that it may answer with.

``make fuzz`` has atheris look for an input at which one of them does anything else; what it found lies in ``corpus``
and is tried by every run of the tests (test_fuzzed.py). A target ends in time or the fuzzer says so.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import cache
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import httpx
from flask import Flask
from provider_keys import make_keys
from werkzeug.datastructures import MultiDict

from webapp.authorities.port import BadCertificate, read_issued
from webapp.certificates.csr import CsrRejected, read_csr
from webapp.certificates.lookalikes import doubts_about
from webapp.certificates.names import NameRejected, display_name, read_domain
from webapp.certificates.search import Search
from webapp.hosts import host_name
from webapp.importing import BadRow, Table, read_order
from webapp.live.tickets import TicketRefused, read_ticket
from webapp.live.wire import Malformed as MalformedHead
from webapp.live.wire import parse_head
from webapp.paths import own_path
from webapp.payments import alipay_bill
from webapp.payments.alipay_client import AlipayClient, AlipaySettings
from webapp.payments.alipay_protocol import (
    Malformed,
    NotSigned,
    open_answer,
    read_amount,
    read_private_key,
    read_public_key,
    read_time,
    verify_fields,
)
from webapp.payments.bank_reports import read_report
from webapp.payments.bank_xml import MessageRefused, Schemas
from webapp.payments.port import StatementMissing
from webapp.review.parsed import Unreadable, read_certificate

NOW = datetime(2026, 5, 4, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
Target = Callable[[bytes], None]


def text_of(data: bytes) -> str:
    """The text that a form's field holds; Werkzeug replaces what is no UTF-8."""
    return data.decode("utf-8", "replace")


def csr(data: bytes) -> None:
    for given in (data, text_of(data)):
        with suppress(CsrRejected):
            read_csr(given, ["example.com", "*.example.com"])


def chain(data: bytes) -> None:
    with suppress(BadCertificate):
        read_issued(text_of(data))
    with suppress(Unreadable):
        read_certificate(text_of(data))


@cache
def schemas() -> Schemas:
    return Schemas()


def bank_report(data: bytes) -> None:
    with suppress(MessageRefused):
        read_report(data, schemas(), SHANGHAI)


@cache
def keys() -> tuple[AlipaySettings, httpx.Client]:
    made = make_keys()
    own, theirs = read_private_key(made.shop_pem), read_public_key(made.alipay_base64)
    return AlipaySettings(app_id="1", private_key=own, alipay_key=theirs), httpx.Client()


def alipay_answer(data: bytes) -> None:
    settings, _ = keys()
    with suppress(Malformed, NotSigned):
        open_answer(settings.alipay_key, data, "alipay.trade.refund")
    for read in (read_amount, read_time):
        with suppress(Malformed):
            read(text_of(data))


def alipay_notification(data: bytes) -> None:
    settings, _ = keys()
    with suppress(NotSigned):
        verify_fields(settings.alipay_key, dict(parse_qsl(text_of(data), keep_blank_values=True)))


class Bills(AlipayClient):
    """Alipay with one bill: the bytes that were given."""

    def __init__(self, archive: bytes) -> None:
        settings, http = keys()
        super().__init__(settings, http, lambda: NOW)
        self.archive = archive

    def call(self, method: str, content: object) -> dict[str, object]:
        return {"code": "10000", "bill_download_url": "https://dwbillcenter.alipay.com/x"}

    def download(self, address: str, largest: int, seconds: float) -> bytes:
        return self.archive


def alipay_bill_archive(data: bytes) -> None:
    with suppress(StatementMissing):
        alipay_bill.refunds(Bills(data), date(2026, 5, 3))


def orders(data: bytes) -> None:
    with suppress(BadRow):
        for line, row in Table([data]):
            read_order(line, row, NOW)


def name(data: bytes) -> None:
    typed = text_of(data)
    host_name(typed)
    display_name(typed)
    doubts_about(typed)
    with suppress(NameRejected):
        domain = read_domain(typed)
        for written in (domain, display_name(domain).partition(" ")[0]):
            if read_domain(written) != domain:
                raise AssertionError(f"{written!r} is read in two ways")
        doubts_about(domain)


@cache
def bare_app() -> Flask:
    app = Flask(__name__)
    app.add_url_rule("/", "home", lambda: "home")
    return app


def onward(data: bytes) -> None:
    with bare_app().test_request_context():
        assert own_path(text_of(data)).startswith("/")


def query(data: bytes) -> None:
    Search.read(MultiDict(parse_qsl(text_of(data), keep_blank_values=True)))


def live_request(data: bytes) -> None:
    try:
        head = parse_head(data)
    except MalformedHead:
        return
    assert head.last_event_id >= 0
    with suppress(TicketRefused):
        read_ticket("secret", head.bearer, 60)


TARGETS: dict[str, Target] = {
    one.__name__: one
    for one in (
        csr,
        chain,
        bank_report,
        alipay_answer,
        alipay_notification,
        alipay_bill_archive,
        orders,
        name,
        onward,
        query,
        live_request,
    )
}
