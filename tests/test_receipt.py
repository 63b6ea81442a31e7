"""The receipt of a refund: what it says, who gets it, and that there is none before the money went back."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fakes import Provider, refuses
from pages import link
from pypdf import PageObject, PdfReader
from shop import Shop
from werkzeug.test import TestResponse

from certlifecycle import PRESETS, Event, Money, State
from webapp.accounts.models import Account
from webapp.certificates.models import Certificate, PaymentMethod, Purchase
from webapp.due import WORK_DUE_IN
from webapp.effects import Effects
from webapp.receipts.paper import BOLD, OTHER, PLAIN, RIGHT, runs, width_of, wrapped
from webapp.receipts.words import account_name, receipt_of
from webapp.refunds.queries import refund_file


def url_of(shop: Shop, certificate: Certificate) -> str:
    return f"/refunds/{shop.refund_of(certificate).id}/receipt.pdf"


def answer(shop: Shop, certificate: Certificate, reader: Account | None = None) -> TestResponse:
    response = shop.browser(reader or shop.alice).client.get(url_of(shop, certificate))
    assert (response.status_code, response.mimetype) == (200, "application/pdf")
    return response


def fetch(shop: Shop, certificate: Certificate, reader: Account | None = None) -> bytes:
    return answer(shop, certificate, reader).get_data()


def page_of(paper: bytes) -> PageObject:
    (page,) = PdfReader(io.BytesIO(paper)).pages
    return page


def text_of(paper: bytes) -> str:
    """What the receipt says, with white space folded."""
    return " ".join(page_of(paper).extract_text().split())


def refunded(shop: Shop, **order: Any) -> Certificate:
    """A certificate that was never submitted, and whose money went back."""
    certificate = shop.order(**order)
    for event in (Event.REQUEST_REFUND, Event.APPROVE_REFUND, Event.COMPLETE_REFUND):
        certificate = shop.fire(certificate, event)
    return certificate


def rename(shop: Shop, person: Account, name: str) -> None:
    with shop.database.writing() as session:
        found = session.get(Account, person.id)
        assert found is not None
        found.name = name


def test_it_says_everything_about_the_refund(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUNDED)
    refund, order = shop.refund_of(certificate), shop.find(Purchase, certificate.purchase_id)
    text = text_of(fetch(shop, certificate))
    for told in (
        "Certificate desk",
        "http://127.0.0.1:8000",
        "Refund receipt",
        f"RC{refund.number[1:]}",
        "268.00 CNY Refunded",
        f"Certificate desk has paid back 268.00 CNY for the order {order.number}.",
        "The payment provider confirmed it on 4 May 2026, 17:00 CST.",
        "Paid back to Customer’s balance in this shop",
        f"Order {order.number}",
        "Customer Alice",
        "Product DV certificate",
        "In money 268.00 CNY",
        "Domain www.example.com",
        "Revoked 4 May 2026, 17:00 CST",
        f"Refund {refund.number}",
        "Applied for 4 May 2026, 17:00 CST",
        "Rule Revoked, and applied for inside the refund window",
        "Policy 30-days-from-issue/1",
        "Paid for the order 268.00 CNY",
        "Times are those of Asia/Shanghai, and each is given with its time zone.",
    ):
        assert told in text, told
    # Long numbers may be broken over two lines.
    assert (certificate.serial or "?") in text.replace(" ", "")
    assert (refund.payout_reference or "?").replace(" ", "") in text.replace(" ", "")
    assert "voucher" not in text.lower()


def test_its_owner_and_reviewers_get_the_very_same_one(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUNDED)
    own = fetch(shop, certificate)
    shop.clock.advance(days=3)
    assert fetch(shop, certificate) == own
    assert fetch(shop, certificate, shop.rita) == own
    assert fetch(shop, certificate, shop.ada) == own


def test_nobody_else_gets_it(shop: Shop) -> None:
    url = url_of(shop, shop.certificate_in(State.REFUNDED))
    shop.browser(shop.bob).get(url, 404)
    shop.browser().get(url, 303)
    shop.browser(shop.alice).get(f"/refunds/{'0' * 32}/receipt.pdf", 404)


@pytest.mark.parametrize("state", [State.REFUND_REQUESTED, State.REFUND_APPROVED, State.REJECTED])
def test_there_is_none_before_the_money_went_back(shop: Shop, state: State) -> None:
    certificate = shop.certificate_in(state)
    for reader in (shop.alice, shop.rita):
        page = shop.browser(reader).get(url_of(shop, certificate), 404)
        assert "This refund has no receipt, because no money has been paid back." in page.words
        assert "Look at the refund to see how far it is." in page.words
    refund = shop.browser(shop.alice).get(f"/refunds/{shop.refund_of(certificate).id}")
    assert link(refund, "Receipt (PDF)") is None


def test_there_is_none_for_an_application_that_was_taken_back(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    shop.fire(certificate, Event.WITHDRAW_REFUND)
    shop.browser(shop.alice).get(url_of(shop, certificate), 404)


def test_only_a_paid_refund_can_be_worded(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_APPROVED)
    with shop.app.test_request_context("/"), shop.database.reading() as session:
        case = refund_file(session, shop.refund_of(certificate).id, shop.alice)
        with pytest.raises(ValueError, match="has no receipt: its outcome is approved"):
            receipt_of(case, shop.alice, shop.settings)


def test_the_refund_page_leads_to_it(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUNDED)
    for reader in (shop.alice, shop.rita):
        page = shop.browser(reader).get(f"/refunds/{shop.refund_of(certificate).id}")
        assert link(page, "Receipt (PDF)") == url_of(shop, certificate)


def test_a_certificate_that_was_never_issued(shop: Shop) -> None:
    certificate = refunded(shop)
    text = text_of(fetch(shop, certificate))
    assert "Domain www.example.com Issued Never" in text
    assert "Serial number" not in text
    assert "Rule Never submitted for verification" in text


def test_voucher_and_fee_are_reckoned(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(sqlite_url, policy=replace(PRESETS["30-days-from-issue"], fee_minor=1000))
    certificate = shop.certificate_in(State.REFUNDED, voucher=5000)
    # What the policy says later changes nothing.
    shop.desk.policy = PRESETS["7-days-from-payment"]
    text = text_of(fetch(shop, certificate))
    assert "In money 218.00 CNY By voucher 50.00 CNY" in text
    assert (
        "Paid for the order 268.00 CNY Paid with a voucher, not paid back -50.00 CNY Fee, not paid back -10.00 CNY "
        "Refunded 208.00 CNY"
    ) in text
    assert shop.refund_of(certificate).amount == Money(26800 - 5000 - 1000, "CNY")


def test_a_voucher_that_is_paid_back_is_not_taken_off(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(sqlite_url, policy=replace(PRESETS["30-days-from-issue"], voucher_refundable=True))
    text = text_of(fetch(shop, shop.certificate_in(State.REFUNDED, voucher=5000)))
    assert "By voucher 50.00 CNY" in text
    assert "Paid for the order 268.00 CNY Refunded 268.00 CNY" in text


def test_the_account_is_the_one_that_took_the_money(shop: Shop) -> None:
    """Alipay refused, so it went to the balance; the receipt says what happened and not what was meant."""
    shop.desk.payable = frozenset({PaymentMethod.BALANCE, PaymentMethod.ALIPAY})
    certificate = shop.order(method=PaymentMethod.ALIPAY, account="ending 88")
    for event in (Event.REQUEST_REFUND, Event.APPROVE_REFUND):
        certificate = shop.fire(certificate, event)
    gateways = {**shop.parts.gateways, PaymentMethod.ALIPAY: Provider(refuses)}
    Effects(shop.desk, shop.parts.authority, gateways).run(WORK_DUE_IN[State.REFUND_APPROVED], certificate.id)
    text = text_of(fetch(shop, certificate))
    assert "Paid with Alipay account ending 88" in text
    assert "Paid back to Customer’s balance in this shop" in text


@pytest.mark.parametrize(
    ("method", "account", "name"),
    [
        (PaymentMethod.BALANCE, "", "Customer’s balance in this shop"),
        (PaymentMethod.ALIPAY, "ending 88", "Alipay account ending 88"),
        (PaymentMethod.BANK, "", "Bank account"),
    ],
)
def test_accounts_as_they_are_called_on_paper(method: PaymentMethod, account: str, name: str) -> None:
    assert account_name(method, account) == name


# The paper


def test_what_no_latin_font_can_write_is_written_all_the_same(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(sqlite_url, shop_name="示例证书商店")
    rename(shop, shop.alice, "张三 Müller")
    certificate = shop.certificate_in(State.REFUNDED, domain="xn--fsqu00a.example.com")
    text = text_of(fetch(shop, certificate))
    assert "示例证书商店 has paid back 268.00 CNY" in text
    assert "Customer 张三 Müller" in text
    assert "例子.example.com" in text


def test_the_file_says_what_it_is(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUNDED)
    response = answer(shop, certificate)
    number = f"RC{shop.refund_of(certificate).number[1:]}"
    assert response.headers["Content-Disposition"] == f"inline; filename={number}.pdf"
    assert response.headers["Cache-Control"] == "no-store"
    reader = PdfReader(io.BytesIO(response.get_data()))
    assert reader.metadata is not None
    assert reader.metadata.title == f"Refund receipt {number}"
    assert reader.metadata.author == "Certificate desk"
    assert reader.trailer["/Root"]["/Lang"] == "en"
    assert len(response.get_data()) < 60_000


def test_the_longest_words_stay_on_the_page(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(sqlite_url, shop_name="A shop with a name that is as long as anybody would ever make it " * 2)
    rename(shop, shop.alice, "W" * 200)
    labels = ".".join(["w" * 60] * 4)
    certificate = refunded(shop, domain=f"{labels[:240]}.example", voucher=100)
    paper = fetch(shop, certificate)
    lowest: dict[str, float] = {}

    def note(text: str, cm: Any, tm: Any, _font: Any, _size: Any) -> None:
        if text.strip():
            lowest[text.strip()] = tm[5] * cm[3] + cm[5]

    page_of(paper).extract_text(visitor_text=note)
    foot = next(y for text, y in lowest.items() if text.startswith("Times are those of"))
    assert sorted(lowest.values())[2] > foot + 10
    assert "W" * 200 in text_of(paper).replace(" ", "")
    assert certificate.domain in text_of(paper).replace(" ", "")


def test_lines_are_as_wide_as_there_is_room() -> None:
    text = "Paid back 示例证书商店 to a-long-name.department.example.com and 4fcaea55850c075b89a230cd22c850a28c"
    for width in (20.0, 60.0, 150.0):
        lines = wrapped(text, PLAIN, 9, width)
        assert all(width_of(line, PLAIN, 9) <= width for line in lines)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert wrapped(text, PLAIN, 9, RIGHT * 9) == [text]
    assert wrapped("a-long-name.example.com", PLAIN, 9, 60) == ["a-long-name.", "example.com"]
    assert wrapped("", PLAIN, 9, 60) == [""]


def test_each_character_gets_a_font_that_has_it() -> None:
    assert runs("it’s 好 – fine", BOLD) == [("it’s ", BOLD), ("好", OTHER), (" – fine", BOLD)]
