"""The audit trail: what is noted, who may read it, and finding in it."""

import csv
import io
from typing import Any

import pytest
import sqlalchemy as sa
from pages import button, link, links
from shop import PASSWORD, Page, Shop
from test_cli import run

from certlifecycle import Role, State
from webapp.audit.models import AuditEvent, AuditKind, ChainLink
from webapp.audit.present import KIND_WORDS
from webapp.audit.record import record
from webapp.audit.search import PAGE_SIZE
from webapp.audit.verify import verify
from webapp.certificates.models import Certificate, Channel
from webapp.desk import WORKER, By


def noted(shop: Shop) -> list[AuditEvent]:
    with shop.database.reading() as session:
        return list(session.execute(sa.select(AuditEvent).order_by(AuditEvent.id)).scalars())


def told(shop: Shop) -> list[tuple[str, str, str]]:
    """What is noted, by whom, about what."""
    return [(one.kind, one.actor_name, one.subject) for one in noted(shop)]


def first_of(shop: Shop) -> Certificate:
    """The certificate that was ordered first."""
    with shop.database.reading() as session:
        return session.execute(sa.select(Certificate).order_by(Certificate.created_at)).scalars().first()


def entries(page: Page) -> list[str]:
    """The entries of a page, each as its reader sees it."""
    rows = [node for node in page.tree.iter("tr") if (node.get("id") or "").startswith("entry-")]
    return [" ".join("".join(row.itertext()).split()) for row in rows]


# What is noted


def test_signing_in_and_out_is_noted_and_so_is_failing_to(shop: Shop) -> None:
    browser = shop.browser()

    def sign_in(email: str, password: str, status: int) -> None:
        form = {"email": email, "password": password}
        browser.post("/sign-in", form, status, environ_overrides={"REMOTE_ADDR": "192.0.2.7"})

    sign_in("alice@example.com", "not the password", 422)
    sign_in("nobody@example.com", "my secret, in the wrong field", 422)
    sign_in("Alice@example.com", PASSWORD, 303)
    browser.post("/sign-out")
    assert told(shop) == [
        ("sign_in_refused", "Alice", "alice@example.com"),
        # What was typed is not kept where it is no account's.
        ("sign_in_refused", "", ""),
        ("signed_in", "Alice", "alice@example.com"),
        ("signed_out", "Alice", "alice@example.com"),
    ]
    refused, unknown, *_ = rows = noted(shop)
    assert (refused.actor_id, refused.address) == (shop.alice.id, "192.0.2.7")
    assert (unknown.actor_id, unknown.actor_role, unknown.facts) == (None, None, {})
    assert "secret" not in str([row.model_dump() for row in rows])


def test_downloads_jobs_and_the_command_line_are_noted(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    browser = shop.browser(shop.alice)
    for what in ("chain", "certificate"):
        assert browser.client.get(f"/certificates/{certificate.id}/{what}.pem").status_code == 200
    page = browser.get("/jobs/export/certificates")
    job = browser.post("/jobs/export/certificates", {"once": page.field("once"), "state": ""}).location
    assert job is not None
    browser.post(f"{job}/stop")
    run(shop.app, "add-account", "eve@example.com", "--name", "Eve", "--role", "admin", "--password", PASSWORD)
    run(shop.app, "top-up", "alice@example.com", "5", "--reference", "T-1")
    assert told(shop) == [
        ("certificate_fetched", "Alice", "chain"),
        ("certificate_fetched", "Alice", "certificate"),
        ("job_started", "Alice", "export"),
        ("job_stopped", "Alice", "export"),
        ("account_added", "The desk", "eve@example.com"),
        ("balance_topped_up", "The desk", "alice@example.com"),
    ]
    rows = noted(shop)
    assert rows[0].certificate_id == certificate.id
    assert (rows[4].channel, rows[4].facts["role"]) == (Channel.COMMAND_LINE, "admin")
    assert rows[5].facts["amount"] == "5.00 CNY"
    assert PASSWORD not in str([row.model_dump() for row in rows])


def test_whatever_undoes_an_act_undoes_its_trace(shop: Shop) -> None:
    run(shop.app, "top-up", "alice@example.com", "5", "--reference", "T-1")
    run(shop.app, "top-up", "alice@example.com", "5", "--reference", "T-1", exit_code=1)
    assert len(noted(shop)) == 1


# Who may read it


@pytest.mark.parametrize("url", ["/audit", "/audit/entries.csv"])
def test_only_administrators_read_it(shop: Shop, url: str) -> None:
    for account in (shop.alice, shop.rita):
        shop.browser(account).get(url, 403)
    assert shop.browser().client.get(url).status_code == 303
    assert noted(shop) == []


def test_it_is_in_the_navigation_of_administrators_alone(shop: Shop) -> None:
    shop.order()
    assert link(shop.browser(shop.ada).get("/audit"), "Audit trail") == "/audit"
    assert "/audit" not in links(shop.browser(shop.rita).get("/review"))


# Finding


@pytest.fixture
def busy(any_shop: Shop) -> Shop:
    """Alice was refunded, Bob has just ordered, Ada signed in from somewhere."""
    any_shop.certificate_in(State.REFUNDED)
    any_shop.clock.advance(days=2)
    any_shop.order(any_shop.bob, domain="bücher.example".encode("idna").decode())
    ada = By(any_shop.ada.actor, Channel.WEB, "198.51.100.20")
    with any_shop.database.writing() as session:
        record(session, AuditKind.SIGNED_IN, ada, any_shop.clock(), subject="ada@example.com", deep={"<b>": 1})
    return any_shop


def test_what_is_looked_for_is_found(busy: Shop) -> None:
    browser = busy.browser(busy.ada)
    every = entries(browser.get("/audit"))
    assert every[0].startswith("Signed inEntry 11 Ada (admin)198.51.100.20")
    assert every[1].startswith("Ordered and paidEntry 10 Bob (customer)")
    assert len(every) == 11
    refund = busy.refund_of(first_of(busy))

    def found(**args: str) -> list[str]:
        return [one.partition("Entry ")[0] for one in entries(browser.get("/audit", query_string=args))]

    assert found(who="ADA") == ["Signed in"]
    assert found(who="bob@example") == ["Ordered and paid"]
    assert found(what="signed_in") == ["Signed in"]
    assert found(what="approve_refund") == ["Refund approved"]
    assert found(about="xn--bcher") == ["Ordered and paid"]
    assert found(about="ada@") == ["Signed in"]
    assert found(about=refund.number)[-1] == "Refund applied for"
    assert len(found(about=refund.certificate_id)) == 9
    assert found(address="198.51.") == ["Signed in"]
    assert found(since="2026-05-06") == ["Signed in", "Ordered and paid"]
    assert len(found(until="2026-05-05")) == 9
    # 09:00 in UTC is 17:00 of the same day for the reader, who is in Shanghai.
    assert len(found(since="2026-05-04", until="2026-05-04")) == 9
    assert found(who="ada", what="order") == []
    assert "Nothing fits what you look for" in browser.get("/audit?who=zoe").words


@pytest.mark.parametrize("wrong", ["since=now", "until=9999-12-31", "after=x", "before=-3", f"after={'9' * 40}"])
def test_what_makes_no_sense_is_left_out(busy: Shop, wrong: str) -> None:
    assert len(entries(busy.browser(busy.ada).get(f"/audit?{wrong}"))) == 11


def test_signs_with_a_meaning_for_the_database_are_plain_signs(busy: Shop) -> None:
    browser = busy.browser(busy.ada)
    for text in ("%", "_", "'", "\\"):
        assert entries(browser.get("/audit", query_string={"who": text, "address": text})) == []


def test_pages_go_forth_and_back_and_keep_the_search(any_shop: Shop) -> None:
    with any_shop.database.writing() as session:
        for number in range(2 * PAGE_SIZE + 5):
            record(session, AuditKind.SIGNED_IN, WORKER, any_shop.clock(), subject=f"n{number}")
    any_shop.order()
    browser = any_shop.browser(any_shop.ada)

    def numbers(page: Page) -> list[int]:
        return [int(node.get("id")[6:]) for node in page.tree.iter("tr") if (node.get("id") or "").startswith("entry-")]

    first = browser.get("/audit?what=signed_in")
    second = browser.get(str(link(first, "Next")))
    third = browser.get(str(link(second, "Next")))
    assert [len(numbers(page)) for page in (first, second, third)] == [PAGE_SIZE, PAGE_SIZE, 5]
    shown = [number for page in (first, second, third) for number in numbers(page)]
    assert shown == list(range(2 * PAGE_SIZE + 5, 0, -1))
    assert link(third, "Next") is None
    assert numbers(browser.get(str(link(third, "Previous")))) == numbers(second)
    assert numbers(browser.get(str(link(second, "Previous")))) == numbers(first)
    assert link(first, "Previous") is None


def test_an_entry_is_shown_with_what_belongs_to_it(busy: Shop) -> None:
    page = busy.browser(busy.ada).get("/audit")
    assert "&lt;b&gt;" in page.text
    refund = busy.refund_of(first_of(busy))
    assert link(page, f"www.example.com, refund {refund.number}") == f"/certificates/{refund.certificate_id}"
    assert "bücher.example" in page.words
    assert button(page, "Search") is not None


def test_there_are_words_for_everything() -> None:
    assert set(KIND_WORDS) == set(AuditKind)


def test_what_nobody_has_words_for_is_shown_as_it_is(busy: Shop) -> None:
    with busy.database.writing() as session:
        session.add(AuditEvent(kind="of_a_newer_version", channel=Channel.WEB, at=busy.clock()))
        session.flush()
        session.add(ChainLink(position=12, source="audit_event", row_id=2, form=1, digest="0" * 64, hash="0" * 64))
    assert entries(busy.browser(busy.ada).get("/audit"))[0].startswith("of_a_newer_versionEntry 12 Somebody unknown")


# Taking it along


def read(answer: Any) -> list[list[str]]:
    assert answer.status_code == 200
    text = answer.get_data(as_text=True)
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def test_the_file_holds_what_was_looked_for_and_taking_it_is_noted(busy: Shop) -> None:
    answer = busy.browser(busy.ada).client.get("/audit/entries.csv?who=bob")
    assert answer.headers["Content-Disposition"] == "attachment; filename=audit-2026-05-06.csv"
    heads, only = read(answer)
    row = dict(zip(heads, only, strict=True))
    assert (row["entry"], row["what"], row["who"], row["at"]) == ("10", "order", "Bob", "2026-05-06T09:00:00.000000Z")
    last = noted(busy)[-1]
    assert (last.kind, last.actor_name, last.facts) == ("audit_exported", "Ada", {"filter": {"who": "bob"}})
    # That it was taken is itself in the next one, and all of it is in the chain.
    assert [row[2] for row in read(busy.browser(busy.ada).client.get("/audit/entries.csv"))[1:4]] == [
        "audit_exported",
        "audit_exported",
        "signed_in",
    ]
    with busy.database.reading() as session:
        assert verify(session.connection()).position == 13


def test_the_file_holds_no_formula(shop: Shop) -> None:
    evil = shop.account("=cmd|' /C calc'!A0", Role.CUSTOMER)
    with shop.database.writing() as session:
        record(session, AuditKind.SIGNED_IN, By(evil.actor, Channel.WEB), shop.clock(), subject=" @SUM(1)")
    heads, *rows = read(shop.browser(shop.ada).client.get("/audit/entries.csv"))
    row = dict(zip(heads, rows[-1], strict=True))
    assert row["who"].startswith("'=")
    assert row["about"].startswith("'@")
