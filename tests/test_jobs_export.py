"""Exports: the right rows for the right people, no formula in any cell, a file for some days, and a trace of it."""

import csv
import io
from datetime import date, timedelta

import pytest
from job_support import by, executor, job_of, key_of, said, work
from pages import link
from shop import Shop
from sqlmodel import col, func, select, update

from certlifecycle import SYSTEM, Event, Role, State
from webapp.accounts.models import Account
from webapp.certificates.models import Channel
from webapp.desk import By
from webapp.errors import Forbidden
from webapp.jobs import exports
from webapp.jobs.book import Order, file_of
from webapp.jobs.export_tables import TABLES, decimal
from webapp.jobs.exports import KIND, TITLES, start_export, written
from webapp.jobs.models import JobChunk, JobState

Rows = list[dict[str, str]]


def read(content: bytes) -> Rows:
    """A file as a spreadsheet reads it."""
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def export(shop: Shop, who: Account, table: str, **wanted: object) -> Rows:
    """Have somebody export a table; returns what the file holds."""
    job_id = start_export(shop.parts.jobs, by(who), table, **wanted)  # type: ignore[arg-type]
    job = work(shop, job_id)
    assert job.state == JobState.FINISHED
    rows = read(b"".join(file_of(shop.database, job_id)))
    assert (job.done, job.total, job.result) == (len(rows), len(rows), {"rows": len(rows)})
    return rows


# What is in it


def test_the_certificates_as_they_are(any_shop: Shop) -> None:
    revoked = any_shop.certificate_in(State.REVOKED, domain="shop.example.com", voucher=1000)
    (row,) = export(any_shop, any_shop.rita, "certificates")
    assert row["domain"] == row["names"] == "shop.example.com"
    assert (row["customer"], row["email"]) == ("Alice", "alice@example.com")
    assert (row["state"], row["state_since"]) == ("revoked", "2026-05-04T09:00:00Z")
    assert (row["amount"], row["voucher"], row["refunded"], row["currency"]) == ("268.00", "10.00", "0.00", "CNY")
    assert (row["payment_method"], row["revocation_reason"]) == ("balance", "superseded")
    assert row["serial"] == any_shop.get(revoked.id).serial
    assert row["submitted_at"] == row["issued_at"] == row["revoked_at"] == "2026-05-04T09:00:00Z"


def test_the_refunds_as_they_stand(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.REFUNDED)
    (row,) = export(any_shop, any_shop.rita, "refunds")
    refund = any_shop.refund_of(certificate)
    assert (row["refund"], row["outcome"], row["amount"]) == (refund.number, "refunded", "268.00")
    assert (row["reason"], row["in_words"], row["goes_to"]) == ("not_needed", "Not needed.", refund.destination)
    assert (row["answer_promised_by"], row["provider_reference"]) == (
        refund.latest.isoformat(),
        refund.payout_reference,
    )
    assert row["why_refused"] == ""


def test_the_history_of_everything(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.SUBMITTED)
    first, second = export(any_shop, any_shop.ada, "history")
    assert (first["event"], first["from_state"], first["to_state"]) == ("order", "", "pending")
    assert (second["event"], second["from_state"], second["to_state"]) == ("submit", "pending", "submitted")
    assert (second["who"], second["role"], second["channel"], second["address"]) == (
        "Alice",
        "customer",
        "web",
        "192.0.2.1",
    )
    assert first["order"] == any_shop.history(certificate)[0].facts["order"]
    assert first["facts"].startswith('{"order": "N-')


def test_a_customer_has_their_own_and_nobody_else_s(any_shop: Shop) -> None:
    for owner in (any_shop.alice, any_shop.bob):
        any_shop.certificate_in(State.REFUND_REQUESTED, owner, domain=f"{owner.name.lower()}.example.com")
    for table in ("certificates", "refunds"):
        assert [row["domain"] for row in export(any_shop, any_shop.alice, table)] == ["alice.example.com"]
        assert len(export(any_shop, any_shop.rita, table)) == 2
    with pytest.raises(Forbidden):
        start_export(any_shop.parts.jobs, by(any_shop.alice), "history")


def test_filters_by_days_of_the_reader_s_time_zone_and_by_state(any_shop: Shop) -> None:
    """Midnight in Shanghai is 16:00 UTC."""
    for hour in (15, 16, 40):
        any_shop.clock.now = any_shop.clock.now.replace(day=4, hour=0) + timedelta(hours=hour)
        any_shop.order(domain=f"h{hour}.example.com")
    issued = any_shop.certificate_in(State.ISSUED, domain="issued.example.com")
    any_shop.clock.advance(days=9)

    def found(**wanted: object) -> set[str]:
        rows = export(any_shop, any_shop.rita, "certificates", zone="Asia/Shanghai", **wanted)
        return {row["domain"].partition(".")[0] for row in rows}

    assert found() == {"h15", "h16", "h40", "issued"}
    assert found(since=date(2026, 5, 5)) == {"h16", "h40", "issued"}
    assert found(until=date(2026, 5, 4)) == {"h15"}
    assert found(since=date(2026, 5, 5), until=date(2026, 5, 5)) == {"h16"}
    assert found(state="issued") == {"issued"}
    assert found(state="revoked") == set()
    of_history = export(any_shop, any_shop.rita, "history", zone="Asia/Shanghai", since=date(2026, 5, 6))
    assert len(of_history) == len(any_shop.history(issued)) + 1
    # The same days elsewhere are other instants.
    assert len(export(any_shop, any_shop.rita, "certificates", since=date(2026, 5, 5))) == 2


def test_nothing_that_fits_is_a_file_with_its_heads(any_shop: Shop) -> None:
    job_id = start_export(any_shop.parts.jobs, by(any_shop.alice), "refunds")
    job = work(any_shop, job_id)
    assert said(job).startswith("Nothing fits what was asked for")
    content = b"".join(file_of(any_shop.database, job_id))
    assert content.decode("utf-8-sig").startswith("refund,order,domain,")
    assert read(content) == []


@pytest.mark.parametrize(
    "evil",
    ['=HYPERLINK("http://evil.example")', "+1+1", "-2+3", "@SUM(A1)", "|cmd", "%0A=1", "  =1+1", "\t=1+1", "\r=1+1"],
    ids=repr,
)
def test_no_cell_becomes_a_formula(shop: Shop, evil: str) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    with shop.database.writing() as session:
        session.exec(update(Account).where(col(Account.id) == shop.alice.id).values(name=evil))
    shop.fire(certificate, Event.REQUEST_REFUND, reason=evil)
    for table in TABLES:
        for row in export(shop, shop.rita, table):
            for cell in row.values():
                assert not cell or cell.strip() == cell
                assert cell[:1] not in ("=", "+", "-", "@", "|", "%"), cell
    assert written([[evil]]).strip().strip('"').startswith("'")


def test_a_cell_with_quotes_and_lines_comes_back_whole(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    shop.fire(certificate, Event.REQUEST_REFUND, reason='He said "no",\nthen 密码')
    (row,) = export(shop, shop.rita, "refunds")
    assert row["in_words"] == 'He said "no",\nthen 密码'


@pytest.mark.parametrize(
    ("minor", "currency", "text"), [(0, "CNY", "0.00"), (7, "JPY", "7"), (1234567, "KWD", "1234.567")]
)
def test_amounts_are_plain_decimal_numbers(minor: int, currency: str, text: str) -> None:
    assert decimal(minor, currency) == text


def test_every_table_has_a_title_and_its_heads_once() -> None:
    assert set(TITLES) == set(TABLES)
    for table in TABLES.values():
        heads = [one.head for one in table.columns]
        assert len(heads) == len(set(heads))


# How it is made


@pytest.mark.parametrize("table", ["certificates", "history"])
def test_it_is_made_in_steps_and_goes_on_where_it_was(
    any_shop: Shop, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setattr(exports, "ROWS_A_STEP", 2)
    for number in range(5):
        any_shop.order(domain=f"{number}.example.com")
    job_id = start_export(any_shop.parts.jobs, by(any_shop.rita), table)
    for done in (0, 2, 4):
        turns = iter([False, True])
        executor(any_shop, is_stopping=lambda turns=turns: next(turns)).run(job_id, key_of(job_of(any_shop, job_id)))
        job = job_of(any_shop, job_id)
        assert (job.done, job.total) == (done, 5)
        # What is written in the meantime belongs to the next export.
        any_shop.clock.advance(seconds=1)
        any_shop.order(domain="later.example.com")
    work(any_shop, job_id)
    rows = read(b"".join(file_of(any_shop.database, job_id)))
    assert sorted(row["domain"] for row in rows) == [f"{number}.example.com" for number in range(5)]


def test_rows_that_begin_to_fit_while_it_is_made_do_not_break_the_bar(
    any_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "ROWS_A_STEP", 1)
    first, second = any_shop.order(domain="a.example.com"), any_shop.certificate_in(State.SUBMITTED)
    job_id = start_export(any_shop.parts.jobs, by(any_shop.rita), "certificates", state="submitted")
    turns = iter([False, True])
    executor(any_shop, is_stopping=lambda: next(turns)).run(job_id, key_of(job_of(any_shop, job_id)))
    assert job_of(any_shop, job_id).total == 1
    any_shop.fire(first, Event.SUBMIT)
    job = work(any_shop, job_id)
    assert (job.state, job.done, job.total) == (JobState.FINISHED, 2, 2)
    assert second.domain == "www.example.com"


def test_the_role_counts_while_it_is_made(any_shop: Shop) -> None:
    any_shop.order()
    job_id = start_export(any_shop.parts.jobs, by(any_shop.rita), "history")
    with any_shop.database.writing() as session:
        session.exec(update(Account).where(col(Account.id) == any_shop.rita.id).values(role=Role.CUSTOMER))
    job = work(any_shop, job_id)
    assert (job.state, said(job)) == (
        JobState.STOPPED,
        "Stopped: this export is not for the role that your account has now.",
    )
    nobody = any_shop.parts.jobs.begin(Order(KIND, TITLES["history"], job.parameters), By(SYSTEM, Channel.WORKER))
    assert work(any_shop, nobody).state == JobState.STOPPED


# Pages


def test_somebody_asks_for_a_file_and_fetches_it(shop: Shop) -> None:
    shop.certificate_in(State.ISSUED, domain="shop.example.com")
    browser = shop.browser(shop.alice)
    first = browser.get(link(browser.get("/jobs"), "Export") or "", 303)
    page = browser.follow(first)
    assert [link(page, label) for label in ("Certificates", "Refunds", "History")][2] is None
    once = page.field("once")
    data = {"once": once, "since": "2026-05-01", "until": "2026-05-31", "state": "issued"}
    shown = browser.follow(browser.post("/jobs/export/certificates", data))
    assert "Export of certificates" in shown.words
    for fact in ("From Friday, 1 May 2026", "Until Sunday, 31 May 2026", "State Issued"):
        assert fact in shown.words
    assert link(shown, "Download the file") is None
    again = browser.post("/jobs/export/certificates", data)
    job_id = (again.location or "").rpartition("/")[2]
    work(shop, job_id)
    page = browser.get(f"/jobs/{job_id}")
    assert "The file is kept until 11 May 2026, 17:00 CST" in page.words
    answer = browser.client.get(link(page, "Download the file") or "")
    assert answer.headers["Content-Disposition"] == "attachment; filename=certificates-2026-05-04.csv"
    assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == ("text/csv; charset=utf-8", "no-store")
    assert [row["domain"] for row in read(answer.data)] == ["shop.example.com"]


def test_a_file_is_for_whoever_asked_and_for_admins(shop: Shop) -> None:
    job_id = start_export(shop.parts.jobs, by(shop.alice), "certificates")
    work(shop, job_id)
    for stranger in (shop.bob, shop.rita):
        shop.browser(stranger).get(f"/jobs/{job_id}/file", 404)
    assert shop.browser(shop.ada).client.get(f"/jobs/{job_id}/file").status_code == 200


def test_a_file_is_kept_for_its_days_and_the_trace_for_ever(shop: Shop) -> None:
    job_id = start_export(shop.parts.jobs, by(shop.alice), "certificates")
    work(shop, job_id)
    until = shop.clock.advance(days=shop.settings.export_days)
    assert shop.parts.jobs.remove_old_files(until - timedelta(seconds=1)) == 0
    assert shop.parts.jobs.remove_old_files(until) == 1
    with shop.database.reading() as session:
        assert session.exec(select(func.count()).select_from(JobChunk)).one() == 0
    browser = shop.browser(shop.alice)
    browser.get(f"/jobs/{job_id}/file", 404)
    page = browser.get(f"/jobs/{job_id}")
    assert link(page, "Download the file") is None
    assert "The file is not kept any more." in page.words
    assert "Export of certificates" in shop.browser(shop.ada).get("/jobs").words


def test_what_does_not_fit_is_said_at_its_field(shop: Shop) -> None:
    browser = shop.browser(shop.rita)
    wrong = {"once": "form-1", "since": "2026-05-31", "until": "2026-05-01", "state": ""}
    assert "This day lies before the first one." in browser.post("/jobs/export/refunds", wrong, status=422).words
    odd = {"once": "form-1", "since": "May", "state": "lost"}
    page = browser.post("/jobs/export/refunds", odd, status=422)
    assert "Not a valid" in page.words


def test_every_table_has_its_page_for_its_roles_alone(shop: Shop) -> None:
    for table in TABLES.values():
        for who in (shop.alice, shop.rita, shop.ada):
            url = f"/jobs/export/{table.name}"
            allowed = who.role in table.roles
            shop.browser(who).get(url, 200 if allowed else 403)
            data = {"once": f"{table.name}-form", "state": ""}
            shop.browser(who).post(url, data, status=303 if allowed else 403)
    shop.browser(shop.ada).get("/jobs/export/passwords", 404)
