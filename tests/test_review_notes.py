"""Internal notes: for reviewers, and for nobody else."""

import re
from typing import Any

import pytest
from mail_shop import MailShop, html_of
from mail_shop import text_of as body_of
from review_support import FAILURE, REJECTION, decide, element, text_of, url_of
from shop import Shop
from sqlalchemy.exc import DBAPIError
from sqlmodel import delete, select, update

from certlifecycle import Event, State
from webapp.certificates.models import Certificate
from webapp.review.models import ReviewNote

SECRET = "The host still answers with this certificate."


def notes(shop: Shop, certificate: Certificate) -> list[tuple[str, str, str]]:
    """Who wrote what with which decision, the earliest first."""
    with shop.database.reading() as session:
        found = session.exec(select(ReviewNote).where(ReviewNote.certificate_id == certificate.id)).all()
    return [(one.author_name, one.event, one.text) for one in sorted(found, key=lambda one: one.at)]


def add(shop: Shop, certificate: Certificate, text: str = SECRET) -> None:
    shop.browser(shop.rita).post(f"{url_of(certificate)}/note", {"text": text})


def test_a_note_stands_beside_the_decision_and_in_the_history(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser = shop.browser(shop.rita)
    answer = browser.post(f"{url_of(certificate)}/note", {"text": f" {SECRET}\r\nSince May.\x00 "})
    assert answer.location == f"{url_of(certificate)}#notes"
    assert notes(shop, certificate) == [("Rita", "", f"{SECRET}\nSince May.")]
    page = shop.browser(shop.robin).get(url_of(certificate))
    assert "Only reviewers read these." in text_of(element(page, "notes"))
    assert f"{SECRET} Since May. Rita · 4 May 2026, 17:00 CST" in text_of(element(page, "notes"))
    assert f"Internal note Rita · 4 May 2026, 17:00 CST {SECRET}" in text_of(element(page, "evidence"))
    assert "You · 4 May 2026" in text_of(element(browser.get(url_of(certificate)), "notes"))
    assert shop.get(certificate.id).version == certificate.version


@pytest.mark.parametrize(
    ("state", "verb", "data", "event"),
    [
        (State.SUBMITTED, "verify", {}, "verify"),
        (State.SUBMITTED, "fail", FAILURE, "fail_verification"),
        (State.REFUND_REQUESTED, "approve", {}, "approve_refund"),
        (State.REFUND_REQUESTED, "reject", REJECTION, "reject_refund"),
    ],
)
def test_a_note_is_written_with_a_decision_and_apart_from_its_reason(
    shop: Shop, state: State, verb: str, data: dict[str, str], event: str
) -> None:
    certificate = shop.certificate_in(state)
    decide(shop.browser(shop.rita), certificate, verb, note=SECRET, **data)
    assert notes(shop, certificate) == [("Rita", event, SECRET)]
    assert shop.history(certificate)[-1].reason == data.get("words", "")


def test_a_decision_that_comes_to_nothing_leaves_no_note_and_loses_no_word(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    stale = certificate
    shop.fire(certificate, Event.APPROVE_REFUND, shop.robin)
    page = decide(shop.browser(shop.rita), stale, "approve", 409, note=SECRET)
    assert f"What you had written: {SECRET}" in page.words
    assert notes(shop, certificate) == []


def test_a_double_click_writes_one_note(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    browser = shop.browser(shop.rita)
    for _ in range(2):
        decide(browser, certificate, "verify", note=SECRET)
    assert len(notes(shop, certificate)) == 1


def test_a_refused_form_keeps_the_note(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    page = decide(shop.browser(shop.rita), certificate, "reject", 422, note=SECRET, words="", instructions="")
    assert element(page, "note").text.strip() == SECRET
    page = decide(shop.browser(shop.rita), certificate, "approve", 422, note=SECRET, version="")
    assert element(page, "go-note").text.strip() == SECRET
    assert element(page, "more-go-note").get("open") is not None


@pytest.mark.parametrize(
    ("text", "told"), [("", "Write the note."), ("  ", "Write the note."), ("x" * 2001, "too long")]
)
def test_a_note_needs_words(shop: Shop, text: str, told: str) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser = shop.browser(shop.rita)
    page = browser.post(f"{url_of(certificate)}/note", {"text": text}, 422)
    assert told in text_of(element(page, "notes"))
    fragment = browser.post(f"{url_of(certificate)}/note", {"text": text}, 422, htmx=True)
    assert told in fragment.words
    assert notes(shop, certificate) == []


def test_with_htmx_the_notes_come_back_with_the_new_one(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser = shop.browser(shop.rita)
    fragment = browser.post(f"{url_of(certificate)}/note", {"text": SECRET}, 200, htmx=True)
    assert SECRET in fragment.words
    assert fragment.field("text").strip() == ""
    assert SECRET in browser.get(f"{url_of(certificate)}/notes", htmx=True).words


def test_a_note_is_for_good(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.REFUND_REQUESTED)
    add(any_shop, certificate)
    changes: list[Any] = [update(ReviewNote).values(text="Something else."), delete(ReviewNote)]
    for change in changes:
        with pytest.raises(DBAPIError, match="append-only"), any_shop.database.writing() as session:
            session.exec(change)


def test_customers_write_and_read_none(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    add(shop, certificate)
    alice = shop.browser(shop.alice)
    alice.post(f"{url_of(certificate)}/note", {"text": "Mine."}, 403)
    alice.get(f"{url_of(certificate)}/notes", 403)
    assert len(notes(shop, certificate)) == 1


def test_no_page_for_a_customer_holds_a_note(shop: Shop) -> None:
    """Every address that a customer can fetch, those of files and those that are yet to be written included."""
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    decide(shop.browser(shop.rita), certificate, "reject", note=SECRET, **REJECTION)
    add(shop, certificate)
    # The test would see it where it stands.
    assert SECRET in shop.browser(shop.rita).get(url_of(certificate)).text
    keys = {"certificate_id": certificate.id, "refund_id": shop.refund_of(certificate).id}
    client = shop.browser(shop.alice).client
    answered = 0
    for rule in shop.app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or not set(rule.arguments) <= set(keys):
            continue
        url = re.sub(r"<[^>]*?(\w+)>", lambda found: keys[found[1]], rule.rule)
        for headers in ({}, {"HX-Request": "true"}):
            answer = client.get(url, headers=headers)
            answered += answer.status_code == 200
            assert SECRET.encode() not in answer.data, url
    assert answered > 20


def test_no_mail_holds_a_note(shop: Shop) -> None:
    office = MailShop(shop)
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    decide(shop.browser(shop.rita), certificate, "reject", note=SECRET, **REJECTION)
    other = shop.certificate_in(State.SUBMITTED, domain="other.example.com")
    decide(shop.browser(shop.rita), other, "fail", note=SECRET, **FAILURE)
    add(shop, certificate)
    office.office.plan()
    letters = [office.compose(mail) for mail in office.mails()]
    told = " ".join(body_of(letter) + html_of(letter) + str(letter["subject"]) for letter in letters)
    assert REJECTION["words"] in told
    assert FAILURE["words"] in told
    assert SECRET not in told
