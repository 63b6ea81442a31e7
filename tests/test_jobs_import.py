"""Taking over orders as a job: all of the file or nothing, every wrong row by its line, ten thousand in seconds."""

import gc
import io
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from job_support import by, executor, job_of, key_of, said, told, work
from order_files import file, row
from pages import link
from shop import Shop
from sqlmodel import func, select
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from certlifecycle import Role
from webapp.accounts.models import Account
from webapp.certificates.models import Certificate, Channel, History, PaymentMethod, Purchase
from webapp.desk import By
from webapp.importing import ACCOUNT_FIELDS, BATCH, FIELDS, LARGEST_FILE, Table, import_orders
from webapp.jobs import import_orders as importing
from webapp.jobs.import_orders import KIND, LAID_BY, MOST_PROBLEMS, MOST_ROWS, ImportOrders, start_import
from webapp.jobs.import_views import EXAMPLE
from webapp.jobs.models import JobChunk, JobState
from webapp.payments.bank_accounts import load


def count(shop: Shop, model: Any) -> int:
    with shop.database.reading() as session:
        return session.exec(select(func.count()).select_from(model)).one()


def send(shop: Shop, content: bytes, name: str = "orders.csv") -> str:
    """Ada sends a file in; returns the job's id."""
    return start_import(shop.parts.jobs, by(shop.ada), content, name)


def many(number: int, start: int = 0) -> bytes:
    """A file with so many orders."""
    return file(*(row(number=f"X-{n}", domain=f"d{n}.example.com") for n in range(start, start + number)))


# The job


def test_a_file_is_taken_in_in_the_name_of_whoever_sent_it(any_shop: Shop) -> None:
    job = work(any_shop, send(any_shop, file(row(), row(number="X-1002"))))
    assert (job.state, job.done, job.failed, job.total) == (JobState.FINISHED, 2, 0, 2)
    assert said(job) == "Orders taken in: 2. Known already and left as they are: 0."
    assert job.result == {"taken": 2, "known": 0}
    with any_shop.database.reading() as session:
        rows = session.exec(select(History)).all()
        purchases = session.exec(select(Purchase).order_by(Purchase.number)).all()
    assert [(one.event, one.actor_id, one.actor_role, one.channel, one.address) for one in rows] == [
        ("import", any_shop.ada.id, Role.ADMIN, Channel.IMPORT, "192.0.2.7")
    ] * 2
    assert [one.facts["order"] for one in rows] == ["X-1001", "X-1002"]
    assert (purchases[0].voucher_minor, purchases[0].payment_method) == (6800, PaymentMethod.ALIPAY)
    # The file has done its duty.
    assert (count(any_shop, JobChunk), job.file_until) == (0, None)


def test_it_does_what_the_command_line_does(any_shop: Shop, open_shop: Any, tmp_path: Any) -> None:
    """The same rows come out of both ways."""
    work(any_shop, send(any_shop, many(3)))
    assert import_orders(any_shop.desk, many(3)).known == 3


def test_the_same_file_again_changes_nothing(any_shop: Shop) -> None:
    work(any_shop, send(any_shop, many(2)))
    job = work(any_shop, send(any_shop, many(3)))
    assert said(job) == "Orders taken in: 1. Known already and left as they are: 2."
    assert count(any_shop, Certificate) == 3


def test_every_wrong_row_is_listed_and_nothing_is_taken_in(any_shop: Shop) -> None:
    content = file(
        row(),
        row(number="", domain="b.example.com"),
        row(number="X-3", email="nobody@example.com"),
        row(number="X-4", amount="268,00"),
        row(number="X-5", email="rita@example.com"),
        row(domain="another.example.com"),
    )
    job_id = send(any_shop, content)
    job = work(any_shop, job_id)
    assert (job.state, job.done, job.failed, job.total) == (JobState.FAILED, 6, 5, 6)
    assert said(job).startswith("Nothing of the file was taken in, for 5 rows are wrong.")
    assert told(any_shop, job_id) == [
        ("failed", "is empty"),
        ("failed", "there is no account for nobody@example.com"),
        ("failed", "'268,00' is not an amount of money"),
        ("failed", "rita@example.com is not the account of a customer"),
        ("failed", "order X-1001 is known with shop.example.com"),
    ]
    page = any_shop.browser(any_shop.ada).get(f"/jobs/{job_id}")
    for label in ("Line 3, number", "Line 4, email", "Line 5, amount", "Line 6, email", "Line 7, domain"):
        assert label in page.words
    # There is nothing to pick out: only what is wrong is listed.
    assert ("What is wrong" in page.words, link(page, "Not done 5")) == (True, None)
    assert (count(any_shop, Certificate), count(any_shop, JobChunk)) == (0, 0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "this column is missing"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (file(row()).replace(b"voucher", b"coupon"), "this column is missing"),
        (file(row()) + b"too,short\r\n", "must have 11 fields, not 2"),
        (file(row()).replace(b"shop.example.com", b'"shop.example.com'), "unexpected end of data"),
    ],
    ids=["nothing", "no text", "no column", "short row", "open quote"],
)
def test_a_file_that_is_no_table_is_given_back(shop: Shop, content: bytes, words: str) -> None:
    job_id = send(shop, content or b"\r\n")
    job = work(shop, job_id)
    assert (job.state, job.done, job.failed, count(shop, Certificate)) == (JobState.FAILED, 1, 1, 0)
    assert said(job).startswith("Nothing of the file was taken in, for one row is wrong.")
    ((_, problem),) = told(shop, job_id)
    assert words in problem


def test_a_file_that_is_wrong_throughout_is_not_read_to_its_end(shop: Shop) -> None:
    job = work(shop, send(shop, many(3 * BATCH).replace(b"alice@", b"nobody@")))
    assert (job.state, job.done, job.total) == (JobState.FAILED, BATCH, 3 * BATCH)
    assert job.failed >= MOST_PROBLEMS
    assert "the check ended there" in said(job)


def test_a_number_that_stands_twice_far_apart_is_found_in_time(any_shop: Shop) -> None:
    content = file(*[row(number=f"X-{n}") for n in range(BATCH)], row(number="X-0", amount="1.00", voucher=""))
    job_id = send(any_shop, content)
    job = work(any_shop, job_id)
    assert (job.state, count(any_shop, Certificate)) == (JobState.FAILED, 0)
    assert told(any_shop, job_id) == [("failed", "order X-0 is known with another value")]


def test_too_many_rows_are_refused_before_they_are_checked(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MOST_ROWS", 2)
    job_id = send(shop, many(3))
    work(shop, job_id)
    assert told(shop, job_id) == [("failed", "has more than 2 rows; split it")]
    assert MOST_ROWS == 50_000


def test_an_interrupted_check_goes_on_where_it_was(any_shop: Shop) -> None:
    """Every step by another worker, and one of them dies before its step is committed."""
    job_id = send(any_shop, many(2 * BATCH + 3))

    class Dies(ImportOrders):
        def step(self, grip: Any) -> None:
            grip.note = dies  # type: ignore[method-assign]
            super().step(grip)

    def dies(*_what: object, **_more: object) -> None:
        raise MemoryError

    for done in (0, BATCH):
        turns = iter([False, True])
        executor(any_shop, is_stopping=lambda turns=turns: next(turns)).run(job_id, key_of(job_of(any_shop, job_id)))
        assert job_of(any_shop, job_id).done == done
        with pytest.raises(MemoryError):
            executor(any_shop, {KIND: Dies(any_shop.desk)}).run(job_id, key_of(job_of(any_shop, job_id)))
        assert job_of(any_shop, job_id).done == done
    job = work(any_shop, job_id)
    assert (job.state, job.done, count(any_shop, Certificate)) == (JobState.FINISHED, 2 * BATCH + 3, 2 * BATCH + 3)


def test_a_stop_before_the_end_takes_nothing_in(any_shop: Shop) -> None:
    job_id = send(any_shop, many(BATCH + 1))
    turns = iter([False, False, False, True])
    executor(any_shop, is_stopping=lambda: next(turns)).run(job_id, key_of(job_of(any_shop, job_id)))
    assert job_of(any_shop, job_id).doing is not None
    any_shop.parts.jobs.stop(job_id, By(any_shop.ada.actor, Channel.WEB))
    page = any_shop.browser(any_shop.ada).get(f"/jobs/{job_id}")
    assert "Stopped by Ada. Nothing of the file is taken in." in page.words
    assert "What is wrong" not in page.words
    assert count(any_shop, Certificate) == 0
    # The file goes with the next sweep after its day.
    assert any_shop.parts.jobs.remove_old_files(any_shop.clock.advance(days=1)) == 1
    assert count(any_shop, JobChunk) == 0


def test_a_stop_while_everything_is_being_written_undoes_it(postgres_url: str, open_shop: Any) -> None:
    """On SQLite the stop waits until the writing is over, and comes too late."""
    shop: Shop = open_shop(postgres_url)
    job_id = send(shop, many(2))
    real = shop.desk.open_orders

    def stopped_meanwhile(*what: Any) -> None:
        real(*what)
        assert shop.parts.jobs.stop(job_id, By(shop.ada.actor, Channel.WEB))

    shop.desk.open_orders = stopped_meanwhile  # type: ignore[method-assign]
    job = work(shop, job_id)
    assert (job.state, count(shop, Certificate)) == (JobState.STOPPED, 0)


def test_ten_thousand_rows_are_taken_in(any_shop: Shop) -> None:
    number = 10_000
    job_id = send(any_shop, many(number))
    began = time.process_time()
    job = work(any_shop, job_id)
    # A few seconds on an idle machine; one that writes row by row needs a minute.
    assert time.process_time() - began < 30
    assert (job.state, job.done, job.total) == (JobState.FINISHED, number, number)
    assert (count(any_shop, Certificate), count(any_shop, History)) == (number, number)


def test_a_long_file_takes_no_more_memory_than_a_short_one(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def tidied(step: Callable[..., Any]) -> Callable[..., Any]:
        def one(*what: Any) -> Any:
            # What is held is measured, not what waits to be collected.
            gc.collect()
            return step(*what)

        return one

    monkeypatch.setattr(ImportOrders, "step", tidied(ImportOrders.step))
    monkeypatch.setattr(importing, "take_in", tidied(importing.take_in))

    def peak(rows: bytes) -> int:
        job_id = send(shop, rows)
        tracemalloc.start()
        try:
            assert work(shop, job_id).state == JobState.FINISHED
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # What is compiled once is not counted.
    peak(many(1, start=100_000))
    short, long = peak(many(2 * BATCH)), peak(many(12 * BATCH, start=2 * BATCH))
    assert long < 1.5 * short


def test_a_table_goes_on_from_any_place(shop: Shop) -> None:
    """Bytes in pieces of any size, quoted line breaks, a byte order mark: the rest of the rows are the same rows."""
    rows = [row(number=f"X-{n}", payment_account="two\r\nlines 密" if n % 2 else "") for n in range(6)]
    for ends in ("\r\n", "\n", "\r"):
        content = b"\xef\xbb\xbf" + file(*rows, ends=ends)
        whole = list(Table([content]))
        assert [fields["number"] for _, fields in whole] == [f"X-{n}" for n in range(6)]
        for size in (1, 7, 64, len(content)):
            pieces = [content[at : at + size] for at in range(0, len(content), size)]
            table = Table(pieces)
            rest = iter(table)
            for taken in range(1, 7):
                assert next(rest) == whole[taken - 1]
                place = table.place
                assert list(Table([content[place.offset :]], place)) == whole[taken:]


def test_what_was_laid_by_lies_behind_what_was_sent() -> None:
    assert LAID_BY * importing.PIECE > LARGEST_FILE


# The page


def upload(content: bytes, name: str = "orders.csv") -> dict[str, Any]:
    return {"file": (io.BytesIO(content), name), "once": "form-1"}


def test_the_page_says_what_the_file_must_hold(shop: Shop) -> None:
    browser = shop.browser(shop.ada)
    page = browser.get(link(browser.get("/jobs"), "Take in orders") or "")
    for name in (*FIELDS, *ACCOUNT_FIELDS.values()):
        assert name in page.words
    template = browser.client.get(link(page, "Download a file to fill in") or "")
    assert template.data.startswith(b"\xef\xbb\xbf")
    ((_, example),) = list(Table([template.data]))
    assert example == EXAMPLE


def test_the_example_is_a_row_that_can_be_taken_in(shop: Shop) -> None:
    content = file(EXAMPLE | {"email": "alice@example.com"}, header=tuple(EXAMPLE))
    assert work(shop, send(shop, content)).state == JobState.FINISHED


def test_a_file_of_another_kind_begins_no_job(shop: Shop) -> None:
    browser = shop.browser(shop.ada)
    page = browser.post("/jobs/import", upload(many(2), "orders.xlsx"), 422)
    assert "“orders.xlsx” is another kind of file. Choose one whose name ends in .csv." in page.words
    assert link(browser.get("/jobs"), "Take in the orders of orders.xlsx") is None


def test_a_file_is_sent_and_its_job_is_shown(shop: Shop) -> None:
    browser = shop.browser(shop.ada)
    page = browser.follow(browser.post("/jobs/import", upload(many(2), "Mai 2026.csv")))
    assert "Take in the orders of Mai 2026.csv" in page.words
    again = browser.post("/jobs/import", upload(many(2)))
    job_id = (again.location or "").rpartition("/")[2]
    work(shop, job_id)
    page = browser.get(f"/jobs/{job_id}")
    assert link(page, "See the certificates") == "/certificates"
    assert "Orders taken in: 2." in page.words
    # Pressed twice, it was one job.
    assert browser.get("/jobs").words.count("Take in the orders of") == 1


def test_what_is_no_file_is_said_at_once(shop: Shop) -> None:
    browser = shop.browser(shop.ada)
    for data in ({"once": "form-1"}, {"once": "form-1", "file": "number,email"}, upload(b"")):
        page = browser.post("/jobs/import", data, status=422)
        assert "Choose a file with orders in it." in page.words
    assert (
        "Load the page again." in browser.post("/jobs/import", {"file": (io.BytesIO(b"x"), "x"), "once": ""}, 422).words
    )


def send_large(shop: Shop, who: Account, url: str, content: bytes) -> int:
    """Send a file as it is; the test client itself would leave large ones behind. Returns the status."""
    browser = shop.browser(who)
    sent = FileStorage(io.BytesIO(content), "orders.csv", "file")
    fields = {"csrf_token": browser.client.get("/csrf-for-tests").text, "once": "form-1", "file": sent}
    boundary, body = encode_multipart(fields)
    answer = browser.client.post(url, data=body, content_type=f'multipart/form-data; boundary="{boundary}"')
    return answer.status_code


def test_admins_may_send_a_large_file_and_nobody_else(shop: Shop) -> None:
    large = many(1) + b"\r\n" * 200_000
    assert send_large(shop, shop.ada, "/jobs/import", large) == 303
    for other in (shop.rita, shop.alice):
        assert send_large(shop, other, "/jobs/import", large) == 413
        assert send_large(shop, other, "/jobs/import", many(1)) == 403
        for url in ("/jobs/import", "/jobs/import/orders.csv"):
            shop.browser(other).get(url, 403)
    too_large = b"x" * (LARGEST_FILE + 1)
    assert send_large(shop, shop.ada, "/jobs/import", too_large) == 422
    assert send_large(shop, shop.ada, "/jobs/import", too_large + b"x" * 100_000) == 413
    # Room is made for this form alone.
    assert send_large(shop, shop.ada, "/jobs/export/history", large) == 413


# The account that paid


def test_the_bank_account_that_paid_is_kept_with_new_and_known_orders(any_shop: Shop) -> None:
    header = (*FIELDS, *ACCOUNT_FIELDS.values())
    paid = {"payment_method": "bank", "bank_holder": "Alice Example", "bank_account": "", "bank_code": ""}
    numbered = {"bank_account": "12345678", "bank_code": "102100099996"}
    first = row(number="X-1", **paid) | {"bank_holder": ""}
    work(any_shop, send(any_shop, file(first, header=header)))
    both = file(row(number="X-1", **paid) | numbered, row(number="X-2", **paid) | numbered, header=header)
    job = work(any_shop, send(any_shop, both))
    assert said(job) == "Orders taken in: 1. Known already and left as they are: 1."
    with any_shop.database.reading() as session:
        purchases = session.exec(select(Purchase)).all()
        kept = [load(session, one.id) for one in purchases]
    assert [one.has_payer_account for one in purchases] == [True, True]
    assert [one.label for one in kept if one] == ["ending 5678"] * 2
    # Another account for a known order is an error, and then nothing of the file is taken in.
    other = {"bank_account": "87654321", "bank_code": "102100099996"}
    wrong = file(row(number="X-3", **paid) | numbered, row(number="X-1", **paid) | other, header=header)
    job_id = send(any_shop, wrong)
    assert work(any_shop, job_id).state == JobState.FAILED
    assert told(any_shop, job_id) == [("failed", "The order is known with another account, ending 5678.")]
    assert count(any_shop, Purchase) == 2
