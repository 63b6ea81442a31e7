"""The admin's pages about payments besides the bank: what is connected, the compared days, the notifications."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from connected_shop import connected
from outside_shop import OutsideShop
from pages import button, link, links, refusal
from provider_books import Fault
from shop import Browser, Shop
from sqlmodel import select, update
from test_payments_bank_pages import rows_of

from certlifecycle import State
from webapp.certificates.models import PaymentMethod
from webapp.payments.daily import PATIENCE, Comparisons
from webapp.payments.models_books import ComparisonStatus, DailyComparison, DailyDifference, DifferenceKind
from webapp.payments.models_outside import ProviderNotification
from webapp.payments.notifications import Inbox
from webapp.payments.payouts import waking

ALIPAY, BANK, BALANCE = PaymentMethod.ALIPAY, PaymentMethod.BANK, PaymentMethod.BALANCE
DAYS = "/payments/reconciliation"
DAY = date(2026, 5, 4)
NEXT_MORNING = datetime(2026, 5, 5, 2, 0, tzinfo=UTC)


@pytest.fixture
def outside(sqlite_url: str, open_shop: Callable[..., Shop], tmp_path: Path) -> Iterator[OutsideShop]:
    # Days pass here while somebody is signed in.
    with connected(open_shop, sqlite_url, tmp_path / "bank", session_idle_minutes=100 * 24 * 60) as opened:
        yield opened


@pytest.fixture
def ada(outside: OutsideShop) -> Browser:
    return outside.shop.browser(outside.shop.ada)


def turn(outside: OutsideShop) -> None:
    """What the worker does."""
    shop = outside.shop
    Comparisons(shop.database, shop.parts.gateways, shop.clock).turn()


def row_of(outside: OutsideShop, method: PaymentMethod, day: date = DAY) -> DailyComparison:
    with outside.shop.database.reading() as session:
        wanted = select(DailyComparison).where(DailyComparison.method == method, DailyComparison.day == day)
        return session.exec(wanted).one()


def url_of(outside: OutsideShop, method: PaymentMethod) -> str:
    return f"{DAYS}/{row_of(outside, method).id}"


# The first page


def test_the_first_page_says_what_is_connected_and_how(outside: OutsideShop, ada: Browser) -> None:
    page = ada.get("/payments")
    assert page.words.count("Connected") == 3
    assert "Application 2026050400000001" in page.words
    assert "Address for notifications http://127.0.0.1:8000/notifications/alipay" in page.words
    assert "Account Example Certificates Ltd, ending 4567" in page.words
    assert "Files Downloaded and uploaded by hand" in page.words
    assert "6222020200001234567" not in page.text
    assert "Nothing. What does not fit is listed here by itself." in page.words
    assert page.words.count("None yet. The worker makes one every day.") == 3
    assert link(page, "Payments") == "/payments"


def test_what_is_not_connected_says_how_it_would_be(shop: Shop) -> None:
    page = shop.browser(shop.ada).get("/payments")
    assert page.words.count("Not connected") == 2
    assert "To connect Alipay, set ALIPAY_APP_ID, ALIPAY_PRIVATE_KEY_FILE and ALIPAY_PUBLIC_KEY_FILE" in page.words
    assert "To connect a bank, set BANK_ACCOUNT and BANK_HOLDER" in page.words


def test_a_folder_is_named(sqlite_url: str, open_shop: Callable[..., Shop], tmp_path: Path) -> None:
    with connected(open_shop, sqlite_url, tmp_path / "bank", by_hand=False) as outside:
        words = outside.shop.browser(outside.shop.ada).get("/payments").words
    assert f"Files In the folder {tmp_path / 'bank'}" in words


def test_what_is_to_be_looked_into_is_counted(outside: OutsideShop, ada: Browser) -> None:
    shop, books = outside.shop, outside.provider.books
    # A file that nobody took away; a day that differs; one without a statement; a notification that does not fit.
    outside.pay(outside.approved(BANK))
    outside.files.make()
    certificate = outside.approved(ALIPAY)
    books.plan(outside.refund_no(certificate), Fault.DROP)
    outside.pay(certificate)
    notification = outside.provider.notification(outside.refund_no(certificate), refund_fee="1.00")
    inbox(outside).take_in(notification)
    shop.clock.now = NEXT_MORNING
    turn(outside)
    page = ada.get("/payments")
    assert "Payment order files that nobody has taken to the bank yet: 1." in page.words
    assert "on which a provider says something else than this desk: 1." in page.words
    assert "that name another order or amount than the refund has: 1." in page.words
    assert "had no statement" not in page.words
    assert "1 difference" in page.words
    shop.clock.advance(days=31)
    with shop.database.writing() as session:
        session.exec(update(DailyComparison).values(status=ComparisonStatus.NO_STATEMENT, unchecked=2, claim=None))
        session.exec(update(DailyComparison).values(planned_at=shop.clock()))
    page = ada.get("/payments")
    assert "for which the provider had no statement: 3." in page.words
    # What is older than thirty days is not counted any more.
    assert "that name another order" not in page.words


# The days


def test_without_a_day_the_page_says_when_one_comes(outside: OutsideShop, ada: Browser) -> None:
    page = ada.get(DAYS)
    assert "The worker compares every day an hour after it is over." in page.words
    assert 'data-live-every="2"' not in page.text


def test_the_days_show_how_each_provider_compared(outside: OutsideShop, ada: Browser) -> None:
    assert outside.settle(outside.approved(BALANCE)) == State.REFUNDED
    outside.shop.clock.now = NEXT_MORNING
    turn(outside)
    page = ada.get(DAYS)
    rows = rows_of(page)
    assert len(rows) == 3
    assert "Monday, 4 May 2026 , Alipay Alipay Tried again later Refunds 0" in rows
    assert "Monday, 4 May 2026 , Balance Balance Agrees Refunds 1" in rows
    page = ada.get(url_of(outside, ALIPAY))
    assert "Alipay has no bill for 4 May 2026, or not yet." in page.words
    assert "The worker tries again by itself, at 5 May 2026, 11:00 CST." in page.words
    assert "One refund was compared, and both sides say the same." in ada.get(url_of(outside, BALANCE)).words
    assert "Nothing was paid back on that day, and both sides say so." in ada.get(url_of(outside, BANK)).words
    assert f"Monday, 4 May 2026 {'Agrees'}" in ada.get("/payments").words


def test_a_difference_says_what_to_do_and_leads_to_the_refund(outside: OutsideShop, ada: Browser) -> None:
    certificate = outside.approved(ALIPAY)
    outside.pay(certificate)
    refund = outside.shop.refund_of(certificate)
    _, there = outside.provider.books.find(refund.id)
    there.minor -= 100
    outside.shop.clock.now = NEXT_MORNING
    turn(outside)
    url = url_of(outside, ALIPAY)
    page = ada.get(url)
    (row,) = rows_of(page)
    assert row.startswith(f"{refund.number} www.example.com Another amount The provider paid another amount")
    assert "Here 268.00 CNY There 267.00 CNY" in row
    assert f"/refunds/{refund.id}" in links(page)
    assert "Look into each difference. Nothing was paid or changed by the comparison." in page.words
    answer = ada.client.get(f"{url}.csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="reconciliation-alipay-2026-05-04.csv"'
    (line,) = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert (line["difference"], line["refund"], line["ours"]) == ("amount_differs", refund.id, "268.00 CNY")
    assert line["at"].endswith("+08:00")


def test_a_day_is_compared_again_by_the_worker_and_the_page_follows(outside: OutsideShop, ada: Browser) -> None:
    outside.shop.clock.now = NEXT_MORNING
    turn(outside)
    url = url_of(outside, BANK)
    page = ada.get(url)
    assert 'data-live-every="2"' not in page.text
    before = row_of(outside, BANK).finished_at
    outside.shop.clock.advance(minutes=5)
    page = ada.follow(ada.post(f"{url}/again"))
    # The request only asks for it.
    assert row_of(outside, BANK).finished_at == before
    assert "The worker compares the day once more." in page.words
    assert "About to be compared" in page.words
    assert "By hand Asked for by Ada, 5 May 2026, 10:05 CST" in page.words
    assert 'data-live-every="2"' in page.text
    assert link(page, "Reload") == url
    assert button(page, "Compare again") is None
    assert 'data-live-every="2"' in ada.get(DAYS).text
    turn(outside)
    assert row_of(outside, BANK).finished_at == outside.shop.clock()
    fragment = ada.get(url, htmx=True)
    assert 'data-live-every="2"' not in fragment.text
    assert button(fragment, "Compare again") is not None


def test_a_comparison_that_is_being_made_shows_a_true_bar(outside: OutsideShop, ada: Browser) -> None:
    outside.shop.clock.now = NEXT_MORNING
    turn(outside)
    with outside.shop.database.writing() as session:
        running = {"status": ComparisonStatus.RUNNING, "claim": "x", "steps_done": 3, "steps_total": 7}
        session.exec(update(DailyComparison).where(DailyComparison.method == BANK).values(**running))
    for url in (url_of(outside, BANK), DAYS):
        page = ada.get(url)
        (bar,) = list(page.tree.iter("progress"))
        assert (bar.get("value"), bar.get("max"), bar.get("aria-label")) == ("3", "7", "3 of 7 statements read")
        assert "Being compared" in page.words
        assert 'data-live-every="2"' in page.text


@pytest.mark.parametrize(
    ("unchecked", "label", "says"),
    [
        (0, "Nothing to compare", "The provider has no statement, and nothing was paid back through it on that day."),
        (1, "No statement", "One refund was confirmed on that day: ask the provider for the statement."),
        (4, "No statement", "4 refunds were confirmed on that day: ask the provider for the statement."),
    ],
)
def test_a_statement_that_never_came_is_told(
    outside: OutsideShop, ada: Browser, unchecked: int, label: str, says: str
) -> None:
    outside.shop.clock.now = NEXT_MORNING
    turn(outside)
    outside.shop.clock.now += PATIENCE
    turn(outside)
    with outside.shop.database.writing() as session:
        session.exec(update(DailyComparison).where(DailyComparison.day == DAY).values(unchecked=unchecked))
    page = ada.get(url_of(outside, ALIPAY))
    assert label in page.words
    assert says in page.words
    assert "no_statement" in ada.client.get(f"{url_of(outside, ALIPAY)}.csv").text


def test_many_refunds_are_counted(outside: OutsideShop, ada: Browser) -> None:
    outside.shop.clock.now = NEXT_MORNING
    turn(outside)
    with outside.shop.database.writing() as session:
        session.exec(update(DailyComparison).where(DailyComparison.method == BANK).values(compared=12))
        row = row_of(outside, BALANCE)
        for place in range(201):
            found = {"kind": DifferenceKind.PAID_TWICE, "refund_no": f"{place}", "reference": "r"}
            session.add(DailyDifference(comparison_id=row.id, place=place, at=NEXT_MORNING, **found))
    assert "12 refunds were compared, and both sides say the same." in ada.get(url_of(outside, BANK)).words
    page = ada.get(url_of(outside, BALANCE))
    assert "201 differences" in page.words
    assert "The first 200 are listed here; the file has all 201." in page.words
    assert len(rows_of(page)) == 200
    assert len(ada.client.get(f"{url_of(outside, BALANCE)}.csv").text.splitlines()) == 202


def test_any_day_that_is_over_can_be_compared(outside: OutsideShop, ada: Browser) -> None:
    page = ada.get(DAYS)
    assert "A day as the provider counts it" in page.words
    answer = ada.post(DAYS, {"method": "alipay", "day": "2026-04-20"})
    assert answer.location == f"{DAYS}/{row_of(outside, ALIPAY, date(2026, 4, 20)).id}"
    assert "About to be compared" in ada.follow(answer).words
    page = ada.post(DAYS, {"method": "alipay", "day": "2026-05-04"}, 422)
    assert "That day is not over yet. The latest day that can be compared is Sunday, 3 May 2026." in page.words
    for data in ({}, {"method": "alipay", "day": ""}, {"method": "alipay", "day": "soon"}, {"day": "2026-05-01"}):
        ada.post(DAYS, data, 422)
    ada.post(DAYS, {"method": "cheque", "day": "2026-05-01"}, 422)


def test_a_day_of_a_provider_that_is_not_connected_any_more_can_still_be_read(outside: OutsideShop) -> None:
    shop = outside.shop
    shop.clock.now = NEXT_MORNING
    turn(outside)
    shop.app.extensions["desk"] = replace(shop.parts, gateways={BALANCE: shop.parts.gateways[BALANCE]})
    ada, url = shop.browser(shop.ada), url_of(outside, BANK)
    why = "This provider is not connected any more, so its records cannot be read."
    assert refusal(ada.get(url), "Compare again") == why
    assert "Connect it again, then compare the day." in ada.post(f"{url}/again", status=409).words
    assert ada.client.get(f"{url}.csv").status_code == 200


def test_what_is_not_there_is_not_found(ada: Browser) -> None:
    for url in (f"{DAYS}/{'0' * 32}", f"{DAYS}/{'0' * 32}.csv", f"/payments/bank/reports/{'0' * 32}"):
        ada.get(url, 404)
    ada.post(f"{DAYS}/{'0' * 32}/again", status=404)


# Notifications


def inbox(outside: OutsideShop) -> Inbox:
    shop = outside.shop
    return Inbox(outside.alipay, shop.database, waking(shop.database, shop.desk.look_now), shop.clock)


def test_notifications_are_taken_in_by_the_console_and_listed(outside: OutsideShop, ada: Browser) -> None:
    """A stranger's request without a session or a secret of ours: the signature alone counts."""
    assert "No notification yet" in ada.get("/payments/notifications").words
    certificate = outside.approved(ALIPAY)
    refund = outside.shop.refund_of(certificate)
    outside.provider.books.plan(refund.id, Fault.DROP)
    outside.pay(certificate)
    stranger = outside.shop.app.test_client()
    attempts = outside.shop.get(certificate.id).attempts
    fields = outside.provider.notification(refund.id)
    for _ in range(2):
        answer = stranger.post("/notifications/alipay", data=fields)
        assert (answer.status_code, answer.text) == (200, "success")
    assert outside.shop.get(certificate.id).attempts == attempts + 1
    assert stranger.post("/notifications/alipay", data=fields | {"refund_fee": "1.00"}).status_code == 400
    outside.shop.clock.advance(minutes=1)
    stranger.post("/notifications/alipay", data=outside.provider.notification(refund.id, refund_fee="1.00"))
    outside.shop.clock.advance(minutes=1)
    stranger.post("/notifications/alipay", data=outside.provider.notification(refund.id, out_biz_no=""))
    page = ada.get("/payments/notifications")
    unrelated, mismatch, asked = rows_of(page)
    assert unrelated.startswith("None Alipay trade_status_sync Not about a refund")
    assert mismatch.startswith(f"{refund.number} www.example.com Alipay trade_status_sync Does not match")
    assert "Asked about The provider was asked at once what became of the refund." in asked
    assert f"/refunds/{refund.id}" in links(page)
    assert outside.pay(certificate) == State.REFUNDED


def test_notifications_are_paged(outside: OutsideShop, ada: Browser) -> None:
    with outside.shop.database.writing() as session:
        for number in range(51):
            at = outside.shop.clock() + timedelta(seconds=number)
            more = {"kind": f"kind-{number}", "effect": "not_ours", "received_at": at}
            session.add(ProviderNotification(provider=ALIPAY, notify_id=str(number), **more))
    page = ada.get("/payments/notifications")
    assert "1 to 50 of 51" in page.words
    assert "kind-50" in page.words
    assert "kind-0" in ada.get("/payments/notifications?page=2").words


def test_without_alipay_nobody_can_notify(shop: Shop) -> None:
    assert shop.app.test_client().post("/notifications/alipay", data={"a": "b"}).status_code == 404
