"""The admin's pages about the bank: files to hand out, reports to take in, and what came of each line."""

import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bank_provider import Order, line, report
from connected_shop import connected
from outside_shop import OutsideShop
from pages import button, links, words_of
from shop import Browser, Page, Shop
from sqlmodel import col, select

from certlifecycle import Event, State
from webapp.certificates.models import Certificate, PaymentMethod
from webapp.payments.bank import MOST_PAYMENTS, file_name
from webapp.payments.bank_xml import LARGEST_MESSAGE
from webapp.payments.models_books import Act, PaymentAct
from webapp.payments.models_outside import BankPayment, BankReport

BANK = PaymentMethod.BANK
UPLOAD = "/payments/bank/reports"


@pytest.fixture
def outside(sqlite_url: str, open_shop: Callable[..., Shop], tmp_path: Path) -> Iterator[OutsideShop]:
    with connected(open_shop, sqlite_url, tmp_path / "bank") as opened:
        yield opened


@pytest.fixture
def ada(outside: OutsideShop) -> Browser:
    return outside.shop.browser(outside.shop.ada)


def ordered(outside: OutsideShop, count: int = 1) -> list[Certificate]:
    """Approved refunds to bank accounts, as payments that wait for a file."""
    found = [outside.approved(BANK) for _ in range(count)]
    for one in found:
        outside.pay(one)
    return found


def order_of(outside: OutsideShop, certificate: Certificate) -> Order:
    """The payment as the bank would name it in a report."""
    batch = outside.files_kept()[-1]
    return Order(batch.msg_id, outside.refund_no(certificate), "", "268.00", "CNY")


def upload(browser: Browser, content: bytes, status: int = 303, name: str = "report.xml", **more: Any) -> Page:
    data = {"report": (io.BytesIO(content), name)}
    return browser.post(UPLOAD, data, status, content_type="multipart/form-data", **more)


def multipart(token: str, content: bytes) -> dict[str, Any]:
    """A large upload as a browser sends it; the test client would leave its own temporary file open."""
    parts = [
        b'--edge\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n' + token.encode(),
        b'\r\n--edge\r\nContent-Disposition: form-data; name="report"; filename="report.xml"\r\n\r\n' + content,
        b"\r\n--edge--\r\n",
    ]
    return {"data": b"".join(parts), "content_type": "multipart/form-data; boundary=edge"}


def test_a_file_of_another_kind_is_not_read(outside: OutsideShop) -> None:
    page = upload(outside.shop.browser(outside.shop.ada), b"<Document/>", 422, name="report.pdf")
    assert "“report.pdf” is another kind of file. Choose one whose name ends in .xml." in page.words


def rows_of(page: Page) -> list[str]:
    """The rows of the page's tables, as they are read."""
    rows = [row for row in page.tree.iter("tr") if next(row.iter("td"), None) is not None]
    return [" ".join(" ".join(row.itertext()).split()) for row in rows]


def acts(outside: OutsideShop) -> list[tuple[str, str, str, str]]:
    with outside.shop.database.reading() as session:
        found = session.exec(select(PaymentAct).order_by(col(PaymentAct.at), col(PaymentAct.act))).all()
    return [(one.act.value, one.subject, one.actor_name, one.channel.value) for one in found]


# Files out


def test_payments_wait_for_their_file_until_it_is_time_or_somebody_asks(outside: OutsideShop, ada: Browser) -> None:
    page = ada.get("/payments/bank")
    assert "Nothing waits." in page.words
    assert button(page, "Make the file now") is None
    first, _ = ordered(outside, 2)
    page = ada.get("/payments/bank")
    assert "They are put into one file together, at 4 May 2026, 18:00 CST at the latest." in page.words
    waiting = rows_of(page)
    assert len(waiting) == 2
    assert outside.shop.refund_of(first).number in page.words
    assert "示例科技有限公司, account ending 4567" in waiting[0]
    # No more of the account than is needed to recognise it.
    assert "6217000010001234567" not in page.text
    assert f"/refunds/{outside.refund_no(first)}" in links(page)
    answer = ada.post("/payments/bank/files")
    page = ada.follow(answer)
    assert "The file is made." in page.words
    (batch,) = outside.files_kept()
    assert batch.payments == 2
    (row,) = rows_of(page)
    assert file_name(batch) in row
    assert "Not downloaded yet 2 without an answer Asked for by Ada, 4 May 2026, 17:00 CST" in row
    assert "536.00 CNY" in row
    assert acts(outside) == [("file_made", batch.id, "Ada", "web")]
    # Whoever presses a moment later finds that it is done.
    assert "Nothing waits for a file any more" in ada.follow(ada.post("/payments/bank/files")).words
    assert len(outside.files_kept()) == 1


def test_a_file_is_downloaded_as_it_was_made_and_that_is_noted(outside: OutsideShop, ada: Browser) -> None:
    ordered(outside)
    (batch,) = outside.files.make()
    url = next(link for link in links(ada.get("/payments/bank")) if link.endswith(".xml"))
    outside.shop.clock.advance(minutes=5)
    for _ in range(2):
        answer = ada.client.get(url)
        assert answer.data == batch.content
        assert answer.headers["Content-Type"].startswith("application/xml")
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{file_name(batch)}"'
        assert answer.headers["Cache-Control"] == "no-store"
    (kept,) = outside.files_kept()
    # The first download is when it left the house.
    assert kept.exported_at == outside.shop.clock()
    assert acts(outside) == [("file_downloaded", batch.id, "Ada", "web")] * 2
    page = ada.get("/payments/bank")
    assert "With the bank" in page.words
    assert "Downloaded by Ada, 4 May 2026, 17:05 CST" in page.words
    ada.get(f"/payments/bank/files/{'0' * 32}.xml", 404)


def test_with_a_folder_a_download_is_only_a_look(
    sqlite_url: str, open_shop: Callable[..., Shop], tmp_path: Path
) -> None:
    with connected(open_shop, sqlite_url, tmp_path / "bank", by_hand=False) as outside:
        ordered(outside)
        (batch,) = outside.files.make()
        ada = outside.shop.browser(outside.shop.ada)
        assert ada.client.get(f"/payments/bank/files/{batch.id}.xml").status_code == 200
        assert outside.files_kept()[0].exported_at is None
        assert "Not in the folder yet" in ada.get("/payments/bank").words
        outside.folder.turn()
        assert "With the bank" in ada.get("/payments/bank").words


def test_what_the_bank_said_shows_on_the_file(outside: OutsideShop, ada: Browser) -> None:
    paid, rejected, left = ordered(outside, 3)
    (batch,) = outside.files.make()
    lines = [line(order_of(outside, paid), "ACSC"), line(order_of(outside, rejected), "RJCT", "AC04")]
    upload(ada, report(batch.msg_id, outside.shop.clock(), *lines))
    assert "1 paid, 1 rejected, 1 without an answer" in ada.get("/payments/bank").words
    upload(ada, report(batch.msg_id, outside.shop.clock(), line(order_of(outside, left), "ACSC")))
    assert "Answered 2 paid, 1 rejected" in ada.get("/payments/bank").words


# Reports in


def test_a_report_moves_exactly_the_refunds_that_it_speaks_of(outside: OutsideShop, ada: Browser) -> None:
    settled, rejected, pending, silent = ordered(outside, 4)
    outside.files.make()
    lines = [
        line(order_of(outside, settled), "ACSC"),
        line(order_of(outside, rejected), "RJCT", "AC04"),
        line(order_of(outside, pending), "PDNG"),
    ]
    answer = upload(ada, report(outside.files_kept()[0].msg_id, outside.shop.clock(), *lines))
    page = ada.follow(answer)
    assert "The report is taken in." in page.words
    assert "1 paid, 1 rejected, 1 not final" in page.words
    assert "Uploaded by Ada, 4 May 2026, 17:00 CST" in page.words
    told = {outside.shop.refund_of(one).number: one for one in (settled, rejected, pending, silent)}
    by_refund = {number: row for row in rows_of(page) for number in told if number in row}
    assert len(by_refund) == 3
    assert "Settled (ACSC)" in by_refund[outside.shop.refund_of(settled).number]
    assert (
        "Paid The refund is confirmed, and the customer is told." in by_refund[outside.shop.refund_of(settled).number]
    )
    row = by_refund[outside.shop.refund_of(rejected).number]
    assert "Rejected (RJCT) The account is closed. AC04 as told" in row
    assert "The account cannot take the money, so it goes to the customer’s balance" in row
    row = by_refund[outside.shop.refund_of(pending).number]
    assert "Pending (PDNG)" in row
    assert "Not final The bank goes on; another report follows." in row
    assert f"/refunds/{outside.refund_no(settled)}" in links(page)
    # Those of which the last word was said are looked at now, and nobody else.
    with outside.shop.database.reading() as session:
        due = {
            one.id: one.attempts
            for one in session.exec(select(Certificate).where(col(Certificate.due_at).is_not(None))).all()
        }
    assert [due[one.id] for one in (settled, rejected, pending, silent)] == [2, 2, 1, 1]
    states = [outside.pay(one) for one in (settled, rejected, pending, silent)]
    assert states == [State.REFUNDED, State.REFUNDED, State.REFUND_APPROVED, State.REFUND_APPROVED]
    assert outside.on_balance() == 26800
    assert outside.shop.refund_of(rejected).paid_to == "your balance in this shop"
    # It stands in the list with its own page.
    page = ada.get("/payments/bank")
    assert "report.xml 1 paid, 1 rejected, 1 not final" in page.words


def test_the_same_report_again_changes_nothing_and_leads_to_the_first(outside: OutsideShop, ada: Browser) -> None:
    (certificate,) = ordered(outside)
    outside.files.make()
    content = report(outside.files_kept()[0].msg_id, outside.shop.clock(), line(order_of(outside, certificate), "ACSC"))
    first = upload(ada, content)
    attempts = outside.shop.get(certificate.id).attempts
    again = upload(ada, content, name="copy.xml")
    assert again.location == first.location
    assert "taken in before, so nothing was changed" in ada.follow(again).words
    assert outside.shop.get(certificate.id).attempts == attempts
    assert [act for act, *_ in acts(outside)] == ["report_taken_in"]
    # The same words in another file are known already.
    other = report(outside.files_kept()[0].msg_id, outside.shop.clock(), line(order_of(outside, certificate), "ACSC"))
    page = ada.follow(upload(ada, other))
    assert "Known already The bank had said so before. Nothing was changed." in page.words
    assert "Somebody has to look into this" not in page.words


def test_what_does_not_fit_stands_first_with_what_to_do(outside: OutsideShop, ada: Browser) -> None:
    fine, wrong, refused, twice = ordered(outside, 4)
    (batch,) = outside.files.make()
    now = outside.shop.clock()
    upload(ada, report(batch.msg_id, now, line(order_of(outside, refused), "RJCT", "AC04")))
    stranger = Order(batch.msg_id, "f" * 32, "", "9.00", "CNY")
    lines = [
        line(order_of(outside, fine), "ACSC"),
        line(order_of(outside, wrong), "ACSC", amount="1.00"),
        line(order_of(outside, refused), "ACSC"),
        line(order_of(outside, twice), "RJCT", "AM05"),
        line(stranger, "ACSC"),
    ]
    page = ada.follow(upload(ada, report(batch.msg_id, now, *lines)))
    assert "Somebody has to look into this" in page.words
    assert "1 paid 4 to look into" in page.words
    rows = rows_of(page)
    assert "Paid The refund is confirmed" in rows[-1]
    told = " ".join(rows[:-1])
    assert "Does not match The amount or the file is not the one that was ordered" in told
    assert "Says the opposite The bank had said the opposite before" in told
    assert "Refused as a duplicate The bank had this payment already" in told
    assert f"{'f' * 32} Settled (ACSC)" in told
    assert "No such payment This desk has ordered no payment with this number." in told
    page = ada.get("/payments/bank")
    assert "1 paid 4 to look into" in page.words
    assert "do not fit our payments: 4." in ada.get("/payments").words


def test_a_rejection_on_the_shops_side_is_told_as_that(outside: OutsideShop, ada: Browser) -> None:
    (certificate,) = ordered(outside)
    (batch,) = outside.files.make()
    content = report(batch.msg_id, outside.shop.clock(), line(order_of(outside, certificate), "RJCT", "AM04"))
    page = ada.follow(upload(ada, content))
    assert "The reason lies with the shop, so the application goes back to the reviewers." in page.words
    assert outside.pay(certificate) == State.REFUND_REQUESTED


def test_a_report_about_the_whole_file_names_no_amount_of_its_own(outside: OutsideShop, ada: Browser) -> None:
    page = ada.follow(upload(ada, report("a" * 32, outside.shop.clock(), group="RJCT", group_reason="FF01")))
    (row,) = rows_of(page)
    assert row.startswith("None Rejected (RJCT) FF01")
    assert "No such payment" in row
    page = ada.follow(upload(ada, report("b" * 32, outside.shop.clock())))
    assert "No payment in it" in page.words


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"hello", "The file is no XML"),
        (b"\xff\xfe", "The file is not UTF-8 text."),
        (b"<a/>", "This is no pain.002 message of ISO 20022."),
    ],
)
def test_what_is_no_report_is_refused_in_words(outside: OutsideShop, ada: Browser, content: bytes, says: str) -> None:
    page = upload(ada, content, 422)
    assert "The file was not taken in, and nothing was changed." in page.words
    assert says in page.words
    with outside.shop.database.reading() as session:
        assert session.exec(select(BankReport)).all() == []
    assert acts(outside) == []


def test_a_form_without_a_file_says_so(ada: Browser) -> None:
    assert "Choose the file that the bank made." in ada.post(UPLOAD, {}, 422).words
    assert "Choose the file that the bank made." in upload(ada, b"", 422, name="").words


def test_a_report_may_be_larger_than_other_forms_but_not_of_any_size(outside: OutsideShop, ada: Browser) -> None:
    padding = b" " * (512 * 1024)
    content = report("a" * 32, outside.shop.clock()).replace(b"</Document>", padding + b"</Document>")
    token = ada.client.get("/csrf-for-tests").text
    assert ada.client.post(UPLOAD, **multipart(token, content)).status_code == 303
    assert ada.client.post(UPLOAD, **multipart(token, b"x" * (LARGEST_MESSAGE + 1))).status_code == 422
    assert ada.client.post(UPLOAD, **multipart(token, b"x" * (LARGEST_MESSAGE + 100_000))).status_code == 413
    # It counts for this form alone.
    assert ada.client.post("/payments/bank/files", **multipart(token, padding)).status_code == 413


def test_without_the_forms_secret_nothing_is_taken_in(outside: OutsideShop, ada: Browser) -> None:
    content = report("a" * 32, outside.shop.clock())
    assert ada.client.post(UPLOAD, data={"report": (io.BytesIO(content), "report.xml")}).status_code == 400
    assert ada.client.post("/payments/bank/files").status_code == 400


def waiting_payments(outside: OutsideShop, count: int) -> None:
    """Many payments that wait, without the refunds behind them."""
    now = outside.shop.clock()
    account = {"holder": "Example", "number": "62220202", "bank_code": "102100099996"}
    with outside.shop.database.writing() as session:
        for number in range(count):
            key = f"{number:032x}"
            order = {"refund_no": key, "amount_minor": 100, "currency": "CNY", "purpose": "Refund"}
            session.add(BankPayment(**account, **order, ordered_at=now, updated_at=now))


def test_long_lists_are_paged(outside: OutsideShop, ada: Browser) -> None:
    for number in range(21):
        outside.reports.take_in(report(f"{number:032x}", outside.shop.clock()), f"report-{number}.xml")
        outside.shop.clock.advance(minutes=1)
    page = ada.get("/payments/bank")
    assert "1 to 20 of 21" in page.words
    assert "From the folder" in page.words
    assert "report-20.xml" in page.words
    assert "report-0.xml" not in page.words
    older = ada.get("/payments/bank?reports=2")
    assert "21 to 21 of 21" in older.words
    assert "report-0.xml" in older.words
    assert "/payments/bank?reports=1" in links(older)
    # A page that does not exist is the nearest one that does.
    assert "report-0.xml" in ada.get("/payments/bank?reports=99").words
    assert "report-20.xml" in ada.get("/payments/bank?reports=-1").words


def test_many_waiting_payments_are_counted_and_the_first_are_listed(outside: OutsideShop, ada: Browser) -> None:
    waiting_payments(outside, 201)
    assert "The first 200 of 201 are listed." in ada.get("/payments/bank").words


# Who


@pytest.mark.parametrize("name", ["alice", "rita"])
def test_only_admins_see_payments(outside: OutsideShop, name: str) -> None:
    shop = outside.shop
    (batch,) = (ordered(outside), outside.files.make())[1]
    browser = shop.browser(getattr(shop, name))
    for url in ("", "/bank", "/reconciliation", "/notifications", f"/bank/files/{batch.id}.xml"):
        browser.get(f"/payments{url}", 403)
    browser.post("/payments/bank/files", status=403)
    upload(browser, report(batch.msg_id, shop.clock()), 403)
    browser.post("/payments/reconciliation", {"method": "balance", "day": "2026-05-03"}, 403)
    assert "Payments" not in [words_of(node) for node in browser.get("/certificates").tree.iter("a")]
    assert acts(outside) == []


def test_the_fragment_is_the_page_without_the_form(outside: OutsideShop, ada: Browser) -> None:
    ordered(outside)
    fragment = ada.get("/payments/bank", htmx=True)
    assert "sse:change" in fragment.text
    assert 'type="file"' not in fragment.text
    assert "Make the file now" in fragment.words


# Without a bank


def test_without_a_bank_the_page_says_how_to_connect_one(shop: Shop) -> None:
    ada = shop.browser(shop.ada)
    page = ada.get("/payments/bank")
    assert "No bank is connected" in page.words
    assert "set BANK_ACCOUNT and BANK_HOLDER" in page.words
    ada.post("/payments/bank/files", status=404)
    upload(ada, report("a" * 32, shop.clock()), 404)
    ada.get(f"/payments/bank/files/{'0' * 32}.xml", 404)
    ada.get(f"/payments/bank/reports/{'0' * 32}", 404)


def test_a_file_is_made_by_itself_when_the_oldest_payment_has_waited_long_enough(outside: OutsideShop) -> None:
    files = outside.shop.parts.payments.bank.files  # type: ignore[union-attr]
    assert files.make_due() == []
    ordered(outside)
    outside.shop.clock.advance(minutes=59)
    ordered(outside)
    assert files.make_due() == []
    outside.shop.clock.now += timedelta(minutes=1)
    (batch,) = files.make_due()
    assert batch.payments == 2
    assert acts(outside) == []


def test_a_full_file_does_not_wait(outside: OutsideShop) -> None:
    files = outside.shop.parts.payments.bank.files  # type: ignore[union-attr]
    waiting_payments(outside, MOST_PAYMENTS - 1)
    assert files.make_due() == []
    ordered(outside)
    (batch,) = files.make_due()
    assert batch.payments == MOST_PAYMENTS


def test_what_was_done_cannot_be_edited(outside: OutsideShop, ada: Browser) -> None:
    ordered(outside)
    ada.post("/payments/bank/files")
    for statement in ("UPDATE payment_act SET actor_name = 'x'", "DELETE FROM payment_act"):
        with pytest.raises(Exception, match="append-only"), outside.shop.database.writing() as session:
            session.connection().exec_driver_sql(statement)
    assert [act for act, *_ in acts(outside)] == [Act.FILE_MADE]


def test_a_refund_that_came_back_is_linked_from_its_report(outside: OutsideShop, ada: Browser) -> None:
    (certificate,) = ordered(outside)
    (batch,) = outside.files.make()
    page = ada.follow(
        upload(ada, report(batch.msg_id, outside.shop.clock(), line(order_of(outside, certificate), "ACSC")))
    )
    url = next(link for link in links(page) if link.startswith("/refunds/"))
    assert outside.shop.refund_of(certificate).number in ada.get(url).words
    assert Event.COMPLETE_REFUND not in [row.event for row in outside.shop.history(certificate)]


def test_a_file_that_the_bank_answers_was_taken_there_somehow(outside: OutsideShop, ada: Browser) -> None:
    first, _ = ordered(outside, 2)
    (batch,) = outside.files.make()
    assert "that nobody has taken to the bank yet: 1." in ada.get("/payments").words
    upload(ada, report(batch.msg_id, outside.shop.clock(), line(order_of(outside, first), "ACSC")))
    page = ada.get("/payments/bank")
    assert "With the bank" in page.words
    assert "Not downloaded yet" not in page.words
    assert "nobody has taken" not in ada.get("/payments").words
