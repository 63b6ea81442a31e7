"""Taking along everything that the desk knows about oneself."""

import csv
import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from job_support import by, job_of, key_of, work
from pages import link
from shop import PASSWORD, Browser, Shop
from sign_in_support import sign_in, with_app
from sqlalchemy.sql import visitors
from sqlmodel import SQLModel, col, select, update

from certlifecycle import Event, State
from webapp.accounts.models import Account
from webapp.audit.models import AuditEvent
from webapp.certificates.models import PaymentMethod
from webapp.jobs.book import file_of
from webapp.jobs.models import JobState
from webapp.languages import Languages
from webapp.mail.wrapping import TEXT_WIDTH, width
from webapp.payments.models_outside import PayerAccount
from webapp.privacy import export, sections
from webapp.tables import FORMER


def taken(shop: Shop, browser: Browser) -> zipfile.ZipFile:
    """The file, asked for and fetched as somebody would."""
    page = browser.get("/account/data")
    shown = browser.post("/account/data/export", {"once": page.field("once")})
    job_id = (shown.location or "").rpartition("/")[2]
    work(shop, job_id)
    page = browser.get(f"/jobs/{job_id}")
    answer = browser.client.get(link(page, "Download the file") or "")
    assert (answer.mimetype, answer.headers["Cache-Control"]) == ("application/zip", "no-store")
    assert answer.headers["Content-Disposition"] == "attachment; filename=your-data-2026-05-04.zip"
    return zipfile.ZipFile(io.BytesIO(answer.data))


def told(file: zipfile.ZipFile, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(file.read(f"{name}.json"))
    return rows


def test_everything_about_somebody_and_nothing_about_others(any_shop: Shop) -> None:
    shop = any_shop
    for owner in (shop.alice, shop.bob):
        name = owner.name.lower()
        paid = shop.certificate_in(
            State.REFUNDED, owner, domain=f"{name}.example.com", method=PaymentMethod.BANK, account=f"ending {name}"
        )
        with shop.database.writing() as session:
            session.add(
                PayerAccount(
                    purchase_id=paid.purchase_id, holder=f"{name} Ltd", number="62220202", stored_at=shop.clock()
                )
            )
        shop.give(owner, 500)
    sign_in(shop, shop.alice)
    browser = shop.browser(shop.alice)
    file = taken(shop, browser)
    assert set(file.namelist()) == {"README.txt"} | {f"{n}.{k}" for n in sections.SECTIONS for k in ("json", "csv")}
    everything = "".join(file.read(name).decode() for name in file.namelist())
    assert "alice.example.com" in everything
    for stranger in ("bob", "Bob", shop.bob.id):
        assert stranger not in everything
    (account,) = told(file, "account")
    assert account == {
        "email": "alice@example.com",
        "name": "Alice",
        "role": "customer",
        "created_at": "2026-05-04T09:00:00Z",
        "language": "",
        "timezone": "",
        "browser_language": "en",
    }
    assert [row["act"] for row in told(file, "sign-ins")] == ["signed_in"]
    assert [row["holder"] for row in told(file, "bank-accounts")] == ["alice Ltd"]
    assert [(row["outcome"], row["reason"]) for row in told(file, "refunds")] == [("refunded", "Not needed.")]
    assert {row["direction"] for row in told(file, "balance")} == {"in"}
    events = [row["event"] for row in told(file, "history")]
    assert (events[0], events[-1]) == ("order", "complete_refund")
    assert {row["kind"] for row in told(file, "audit-trail")} >= {"signed_in", "job_started"}
    # What others did is there; from where is theirs.
    assert {row["address"] for row in told(file, "history") if row["actor_name"] == "Rita"} == {""}
    assert "alice@example.com" in file.read("README.txt").decode()
    rows = list(csv.reader(io.StringIO(file.read("orders.csv").decode("utf-8-sig"))))
    assert rows[0][:2] == ["number", "product"]
    assert len(rows) == 2


def test_what_opens_something_is_not_in_it(shop: Shop) -> None:
    browser, app, codes = with_app(shop, shop.alice)
    sign_in(shop, shop.alice)
    file = taken(shop, browser)
    everything = "".join(file.read(name).decode() for name in file.namelist())
    secret = app.totp.get_provisioning_uri("x", None).partition("secret=")[2].partition("&")[0]
    with shop.database.reading() as session:
        kept = [
            value
            for model, column in (("account", "password_hash"), ("authenticator", "sealed_secret"))
            for value in session.execute(select(SQLModel.metadata.tables[model].c[column])).scalars()
        ]
    for what in (PASSWORD, secret, *codes, *kept, "argon2", "token"):
        assert what not in everything
    assert len(told(file, "recovery-codes")) == 10


def test_it_says_what_it_is_in_its_reader_s_language_and_time_zone(shop: Shop) -> None:
    plain = taken(shop, shop.browser(shop.alice)).read("README.txt").decode()
    plain = " ".join(plain.split())
    assert plain.startswith(
        "The data that the desk holds about Alice (alice@example.com), as of 4 May 2026, 17:00 CST."
    )
    assert "under “For customers”" in plain
    with shop.database.writing() as session:
        session.exec(update(Account).where(col(Account.id) == shop.bob.id).values(language="zh-Hans", timezone="UTC"))
    job_id = export.start(shop.parts.jobs, by(shop.bob))
    work(shop, job_id)
    with zipfile.ZipFile(io.BytesIO(b"".join(file_of(shop.database, job_id)))) as file:
        chinese = file.read("README.txt").decode()
    assert "2026年5月4日 09:00" in chinese
    assert "bob@example.com" in chinese
    assert "JSON" in chinese
    for english in ("Each part", "passwords", "The data"):
        assert english not in chinese
    assert max(map(width, chinese.splitlines())) <= TEXT_WIDTH


def test_two_at_once_are_one_and_a_stranger_gets_nothing(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    first = browser.post("/account/data/export", {"once": "one"}).location
    assert browser.post("/account/data/export", {"once": "another"}).location == first
    job_id = (first or "").rpartition("/")[2]
    assert browser.get(first or "").words.count("Export of your data") >= 1
    assert work(shop, job_id).state == JobState.FINISHED
    shop.browser(shop.bob).get(f"/jobs/{job_id}/file", 404)
    shop.browser(shop.rita).get(f"/jobs/{job_id}/file", 404)
    assert browser.post("/account/data/export", {"once": "another"}).location != first
    browser.client.get(f"/jobs/{job_id}/file")
    with shop.database.reading() as session:
        rows = session.exec(select(AuditEvent).order_by(col(AuditEvent.id))).all()
    assert [(row.kind, row.subject) for row in rows] == [
        ("job_started", "personal_data"),
        ("job_started", "personal_data"),
        ("job_file_fetched", "your-data-2026-05-04.zip"),
    ]


def test_it_goes_on_where_it_was(shop: Shop) -> None:
    job_id = export.start(shop.parts.jobs, by(shop.alice))
    runner = export.PersonalData(timedelta(days=1), Languages(shop.settings).of_account)
    key = key_of(job_of(shop, job_id))
    for number in range(3):
        # Another worker each time, which knows nothing but what is written down.
        grip = shop.parts.jobs.take(job_id, key)
        assert grip is not None
        assert grip.job.done == number
        runner.step(grip)
    job = work(shop, job_id)
    assert (job.state, job.done, job.total) == (JobState.FINISHED, len(sections.SECTIONS), len(sections.SECTIONS))
    with zipfile.ZipFile(io.BytesIO(b"".join(file_of(shop.database, job_id)))) as file:
        assert file.testzip() is None
        assert told(file, "account")[0]["email"] == "alice@example.com"


def test_somebody_who_reviews_takes_along_what_they_did(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    shop.fire(certificate, Event.VERIFY)
    shop.browser(shop.rita).get("/account/data")
    with shop.database.reading() as session:
        rows = sections.rows_of(session, "history", shop.rita)
    assert [(row["event"], row["address"]) for row in rows] == [("verify", "192.0.2.1")]


def names_an_account(name: str) -> bool:
    """Whether a table's rows are about somebody."""
    table = SQLModel.metadata.tables[name]
    about = {"customer_id", "actor_id", "owner_id", "account_id", "recipient_id", "applicant_id", "reviewer_id"}
    foreign = {key.target_fullname for column in table.columns for key in column.foreign_keys}
    return "account.id" in foreign or bool(about & set(table.columns.keys())) or name == "account"


def test_no_table_about_people_is_forgotten(shop: Shop) -> None:
    """Whoever adds a table about somebody adds it to a section, or says why not."""
    read = {
        node.name
        for query in sections.SECTIONS.values()
        for node in visitors.iterate(query(shop.alice))
        if isinstance(node, sa.Table)
    }
    about = {name for name in set(SQLModel.metadata.tables) - FORMER if names_an_account(name)}
    assert about - read == set(sections.LEFT_OUT) & about
    assert not read & set(sections.LEFT_OUT)
