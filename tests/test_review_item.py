"""One case before a reviewer: the evidence, the decision, and what happens when two decide."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from review_support import FAILURE, REJECTION, button, element, url_of
from shop import Browser, Page, Shop
from sqlmodel import col, select, update

from certlifecycle import PRESETS, Event, Role, State
from webapp.accounts.models import Account
from webapp.certificates.models import Certificate, PaymentMethod, Purchase
from webapp.recording import Application
from webapp.refunds.models import Outcome, RefundApproval, RefundReason


def decide(browser: Browser, certificate: Certificate, verb: str, status: int = 303, **more: Any) -> Page:
    htmx = more.pop("htmx", False)
    data = {"version": certificate.version} | more
    return browser.post(f"{url_of(certificate)}/{verb}", data, status, htmx=htmx)


@pytest.fixture
def careful(sqlite_url: str, open_shop: Callable[..., Shop]) -> Shop:
    """A shop in which every refund needs two reviewers."""
    return open_shop(sqlite_url, policy=replace(PRESETS["30-days-from-issue"], two_reviewers_above_minor=0))


# The evidence


def test_the_evidence_about_a_refund_stands_beside_the_decision(shop: Shop) -> None:
    shop.certificate_in(State.REFUNDED, domain="earlier.example.com")
    certificate = shop.certificate_in(State.REVOKED, method=PaymentMethod.ALIPAY, account="ending 88")
    reason = "Ordered twice.\n<b>Really.</b>"
    handed = Application(RefundReason.BOUGHT_TWICE)
    certificate = shop.fire(certificate, Event.REQUEST_REFUND, reason=reason, handed=handed)
    page = shop.browser(shop.rita).get(url_of(certificate))
    purchase = shop.find(Purchase, certificate.purchase_id)
    for told in (
        purchase.number,
        purchase.payment_reference,
        "DV certificate",
        "268.00 CNY",
        "the Alipay account ending 88",
        "the customer’s balance in this shop",
        "Alice",
        "alice@example.com",
        "Other certificates 1",
        "Other refunds 1 refunded",
        "I bought it twice",
        "EC, P-256",
        certificate.serial,
        "Refundable until 3 Jun 2026, 17:00 CST.",
        "Revoked, and applied for inside the refund window",
        "3 Jun 2026, 17:00 CST",
        "30-days-from-issue/1",
        "Refund applied for",
        "Approve the refund",
    ):
        assert told in page.words
    assert "Ordered twice.<br>&lt;b&gt;Really." in page.text


def test_the_evidence_about_a_verification_has_the_request_as_it_was_read(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED, domain="*.example.com", product="wildcard")
    page = shop.browser(shop.rita).get(url_of(certificate))
    names = [node for node in page.tree.iter("ul") if node.get("class") == "names"]
    assert "".join(names[0].itertext()).split() == ["*.example.com", "example.com"]
    assert "Key EC, P-256" in page.words
    assert "due in 3 days" in page.words
    assert "Refund application" not in page.words


def test_a_request_that_cannot_be_used_is_said_to_be(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    with shop.database.writing() as session:
        session.exec(update(Certificate).values(csr_pem="-----BEGIN NONSENSE-----"))
    words = shop.browser(shop.rita).get(url_of(certificate)).words
    assert "The signing request cannot be used" in words


@pytest.mark.parametrize("state", list(State))
def test_there_is_a_page_about_every_state_and_a_decision_where_one_waits(shop: Shop, state: State) -> None:
    certificate = shop.certificate_in(state)
    page = shop.browser(shop.rita).get(url_of(certificate))
    words = page.words
    waits = state in (State.SUBMITTED, State.REFUND_REQUESTED)
    assert ("Your decision" in words, "Nothing to decide" in words) == (waits, not waits)
    revocations = [node for node in page.tree.iter("a") if (node.get("href") or "").endswith("/revoke")]
    assert bool(revocations) == (state is State.ISSUED)


def test_what_the_policy_says_today_is_shown_where_it_differs(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    assert "the answer would be another" not in shop.browser(shop.rita).get(url_of(certificate)).words
    shop.clock.advance(days=31)
    words = shop.browser(shop.rita).get(url_of(certificate)).words
    assert "the answer would be another" in words
    assert "No refund: the window closed on 3 Jun 2026, 17:00 CST." in words
    # A slow reviewer never costs the customer the refund.
    decide(shop.browser(shop.rita), certificate, "approve")
    assert shop.get(certificate.id).state == State.REFUND_APPROVED


# Deciding


def test_verifying_leads_to_the_next_case_and_back(shop: Shop) -> None:
    first = shop.certificate_in(State.SUBMITTED, domain="first.example.com")
    shop.clock.advance(minutes=1)
    second = shop.certificate_in(State.SUBMITTED, domain="second.example.com")
    browser = shop.browser(shop.rita)
    answer = decide(browser, first, "verify")
    assert shop.get(first.id).state == State.VERIFIED
    assert answer.location == url_of(second)
    page = browser.follow(answer)
    assert "first.example.com is verified; the certificate authority issues it. This is the next case." in page.words
    assert f'<a href="{url_of(first)}">first.example.com</a>' in page.text
    last = decide(browser, second, "verify")
    assert last.location == "/review"
    assert "Nothing else waits for you." in browser.follow(last).words


def test_failing_a_verification_tells_the_customer_why(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    browser = shop.browser(shop.rita)
    answer = decide(browser, certificate, "fail", words="The record was\r\nnot there.")
    failed = shop.get(certificate.id)
    assert failed.state == State.FAILED
    assert failed.problem == "The record was\nnot there."
    assert "has failed; the customer reads why." in browser.follow(answer).words


def test_approving_sends_the_money(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser = shop.browser(shop.rita)
    answer = decide(browser, certificate, "approve")
    assert shop.get(certificate.id).state == State.REFUND_APPROVED
    assert "is approved; the money is being sent." in browser.follow(answer).words


def test_a_refusal_tells_the_customer_why_and_what_to_do(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser = shop.browser(shop.rita)
    answer = decide(browser, certificate, "reject", **REJECTION)
    refund = shop.refund_of(certificate)
    assert refund.outcome == Outcome.REJECTED
    assert (refund.decision_reason, refund.instructions) == (REJECTION["words"], REJECTION["instructions"])
    assert "is refused; the customer reads why and what to do." in browser.follow(answer).words


@pytest.mark.parametrize(
    ("state", "verb", "wrong", "told"),
    [
        (State.SUBMITTED, "fail", {"words": "  "}, "Write the reason."),
        (State.SUBMITTED, "fail", {"words": "x" * 2001}, "This is too long"),
        (State.SUBMITTED, "fail", {"words": "Kept.", "version": ""}, "Load the page again."),
        (State.REFUND_REQUESTED, "reject", {"words": "", "instructions": "Kept."}, "Write the reason."),
        (State.REFUND_REQUESTED, "reject", {"words": "Kept."}, "Tell the customer what to do now."),
        (State.REFUND_REQUESTED, "approve", {"note": "Kept.", "version": "x"}, "Load the page again."),
        (State.SUBMITTED, "verify", {"version": ""}, "Load the page again."),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(
    shop: Shop, state: State, verb: str, wrong: dict[str, str], told: str
) -> None:
    certificate = shop.certificate_in(state)
    browser = shop.browser(shop.rita)
    page = decide(browser, certificate, verb, 422, **wrong)
    assert told in page.words
    if wrong.get("words", "").strip():
        assert page.field("words").strip() == wrong["words"]
        assert element(page, "refusing").get("open") is not None
        # What was typed and sent is not replaced; the notice above it tells the news.
        assert element(page, "decision").get("hx-trigger") is None
        assert element(page, "news").get("hx-trigger") is not None
    fragment = decide(browser, certificate, verb, 422, htmx=True, **wrong)
    assert fragment.text.lstrip().startswith('<div id="decision"')
    assert told in fragment.words
    assert shop.get(certificate.id).version == certificate.version


def test_with_htmx_a_decision_is_a_redirect(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    answer = decide(shop.browser(shop.rita), certificate, "approve", 204, htmx=True)
    assert answer.location == "/review"


# Two reviewers


def test_the_first_of_two_approvals_is_explained_and_the_second_decides(careful: Shop) -> None:
    shop = careful
    certificate = shop.certificate_in(State.REVOKED)
    certificate = shop.fire(certificate, Event.REQUEST_REFUND)
    rita, robin = shop.browser(shop.rita), shop.browser(shop.robin)
    assert "Yours is the first approval; somebody else gives the second." in rita.get(url_of(certificate)).words
    answer = decide(rita, certificate, "approve")
    assert "is recorded; a second reviewer decides." in rita.follow(answer).words
    certificate = shop.get(certificate.id)
    assert certificate.state == State.REFUND_REQUESTED
    mine = rita.get(url_of(certificate))
    assert "Approved by you, 4 May 2026, 17:00 CST; the second decides." in mine.words
    assert button(mine, "Approve the refund").get("aria-disabled") == "true"
    assert "this amount needs a second reviewer" in mine.words
    decide(rita, certificate, "approve", 409)
    assert "Approved by Rita, 4 May 2026, 17:00 CST; the second decides." in robin.get(url_of(certificate)).words
    decide(robin, certificate, "approve")
    assert shop.get(certificate.id).state == State.REFUND_APPROVED


def test_a_first_approval_is_skipped_when_the_next_case_is_looked_for(careful: Shop) -> None:
    shop = careful
    first = shop.certificate_in(State.REVOKED, domain="first.example.com")
    first = shop.fire(first, Event.REQUEST_REFUND)
    second = shop.certificate_in(State.REVOKED, domain="second.example.com")
    second = shop.fire(second, Event.REQUEST_REFUND)
    assert decide(shop.browser(shop.rita), first, "approve").location == url_of(second)
    assert decide(shop.browser(shop.rita), second, "approve").location == "/review"


def test_a_double_click_on_a_first_approval_approves_once(careful: Shop) -> None:
    shop = careful
    certificate = shop.fire(shop.certificate_in(State.REVOKED), Event.REQUEST_REFUND)
    browser = shop.browser(shop.rita)
    assert decide(browser, certificate, "approve").location == decide(browser, certificate, "approve").location
    assert shop.get(certificate.id).state == State.REFUND_REQUESTED
    with shop.database.reading() as session:
        assert len(session.exec(select(RefundApproval)).all()) == 1


def test_a_stale_page_of_the_second_reviewer_is_told_of_the_first_approval(careful: Shop) -> None:
    shop = careful
    certificate = shop.fire(shop.certificate_in(State.REVOKED), Event.REQUEST_REFUND)
    shop.fire(certificate, Event.APPROVE_REFUND, shop.rita)
    page = decide(shop.browser(shop.robin), certificate, "approve", 409)
    assert "Approved by a first reviewer; a second one is needed by Rita, 4 May 2026, 17:00 CST." in page.words
    # It can still be decided, now with that knowledge.
    assert page.field("version") == str(shop.get(certificate.id).version)
    assert button(page, "Approve the refund").get("aria-disabled") is None


# One wins, the other is told


def test_whoever_is_second_is_told_who_did_what_and_when(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    shop.fire(certificate, Event.APPROVE_REFUND, shop.rita)
    page = decide(shop.browser(shop.robin), certificate, "approve", 409)
    assert "Your decision was not taken" in page.words
    assert "Already approved by Rita, 4 May 2026, 17:00 CST." in page.words
    assert "Nothing to decide" in page.words
    with shop.database.reading() as session:
        assert len(session.exec(select(RefundApproval)).all()) == 1


def test_what_a_late_reviewer_wrote_is_not_lost(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    shop.fire(certificate, Event.APPROVE_REFUND, shop.rita)
    written = {"words": "I looked at the host.", "instructions": "Write to us."}
    page = decide(shop.browser(shop.robin), certificate, "reject", 409, **written)
    assert "Already approved by Rita" in page.words
    assert "What you had written: I looked at the host. Write to us." in page.words
    assert shop.get(certificate.id).state == State.REFUND_APPROVED


def test_a_form_that_still_fits_keeps_what_was_written(careful: Shop) -> None:
    shop = careful
    certificate = shop.fire(shop.certificate_in(State.REVOKED), Event.REQUEST_REFUND)
    shop.fire(certificate, Event.APPROVE_REFUND, shop.rita)
    written = {"words": "I looked at the host.", "instructions": "Write to us."}
    browser = shop.browser(shop.robin)
    page = decide(browser, certificate, "reject", 409, **written)
    assert page.field("words").strip() == "I looked at the host."
    decide(browser, shop.get(certificate.id), "reject", **written)
    assert shop.get(certificate.id).state == State.REJECTED


@pytest.mark.parametrize(
    ("state", "meanwhile", "verb", "told"),
    [
        (State.SUBMITTED, Event.VERIFY, "fail", "Already verified by Rita"),
        (State.SUBMITTED, Event.FAIL_VERIFICATION, "verify", "The verification was already failed by Rita"),
        (State.SUBMITTED, Event.WITHDRAW_SUBMISSION, "verify", "The submission was withdrawn by Alice"),
        (State.REFUND_REQUESTED, Event.REJECT_REFUND, "approve", "Already refused by Rita"),
        (State.REFUND_REQUESTED, Event.WITHDRAW_REFUND, "approve", "The application was withdrawn by Alice"),
    ],
)
def test_every_change_that_came_first_is_put_in_words(
    shop: Shop, state: State, meanwhile: Event, verb: str, told: str
) -> None:
    certificate = shop.certificate_in(state)
    after = shop.fire(certificate, meanwhile)
    page = decide(shop.browser(shop.robin), certificate, verb, 409, **FAILURE)
    assert f"{told}, 4 May 2026, 17:00 CST." in page.words
    assert shop.get(certificate.id).state == after.state


def test_a_double_click_is_one_decision(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    browser = shop.browser(shop.rita)
    assert decide(browser, certificate, "verify").location == decide(browser, certificate, "verify").location
    assert [row.event for row in shop.history(certificate)] == ["order", "submit", "verify"]


# While somebody looks


def test_the_page_tells_by_itself_that_somebody_else_decided(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser = shop.browser(shop.robin)
    page = browser.get(url_of(certificate))
    parts = {key: element(page, key) for key in ("news", "decision", "evidence")}
    for part in parts.values():
        assert f"sse:certificate-{certificate.id}" in part.get("hx-trigger")
    assert parts["news"].get("hidden") is not None
    assert browser.get(parts["news"].get("hx-get"), htmx=True).words == ""
    shop.fire(certificate, Event.APPROVE_REFUND, shop.rita)
    told = browser.get(parts["news"].get("hx-get"), htmx=True)
    assert "Already approved by Rita, 4 May 2026, 17:00 CST." in told.words
    assert element(told, "news").get("hidden") is None
    assert "Nothing to decide" in browser.get(parts["decision"].get("hx-get"), htmx=True).words
    assert "Refund approved Rita (reviewer)" in browser.get(parts["evidence"].get("hx-get"), htmx=True).words


def test_a_page_about_what_is_final_follows_nothing(shop: Shop) -> None:
    page = shop.browser(shop.rita).get(url_of(shop.certificate_in(State.REFUNDED)))
    assert [element(page, key).get("hx-trigger") for key in ("news", "decision", "evidence")] == [None] * 3


@pytest.mark.parametrize("version", ["", "x", "-5", "0", "9" * 30])
def test_news_since_a_version_that_makes_no_sense_is_no_error(shop: Shop, version: str) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    shop.browser(shop.rita).get(f"{url_of(certificate)}/news?version={version}", htmx=True)


def test_an_unchanged_fragment_is_not_sent_twice(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser = shop.browser(shop.rita)
    for name in ("evidence", "decision", "news"):
        url = f"{url_of(certificate)}/{name}"
        tag = browser.client.get(url, headers={"HX-Request": "true"}).headers["ETag"]
        again = {"HX-Request": "true", "If-None-Match": tag}
        assert browser.client.get(url, headers=again).status_code == 304


# Who


@pytest.mark.parametrize("state", [State.SUBMITTED, State.REFUND_REQUESTED])
def test_nobody_decides_on_what_is_their_own(shop: Shop, state: State) -> None:
    certificate = shop.certificate_in(state)
    with shop.database.writing() as session:
        session.exec(update(Account).where(col(Account.id) == shop.alice.id).values(role=Role.REVIEWER))
    browser = shop.browser(shop.alice)
    page = browser.get(url_of(certificate))
    why = "Nobody decides on a certificate of their own."
    verbs: dict[str, dict[str, str]] = {"verify": {}, "fail": FAILURE}
    if state is State.REFUND_REQUESTED:
        why, verbs = "Nobody decides on a refund of their own.", {"approve": {}, "reject": REJECTION}
    assert page.words.count(why) == 2
    disabled = [node for node in page.tree.iter("button") if node.get("aria-disabled") == "true"]
    assert len(disabled) == 2
    for verb, data in verbs.items():
        assert why in decide(browser, certificate, verb, 409, **data).words
    assert shop.get(certificate.id).state == state


def test_customers_see_and_decide_nothing_here(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser = shop.browser(shop.alice)
    for part in ("", "/evidence", "/decision", "/news"):
        browser.get(f"{url_of(certificate)}{part}", 403)
    for verb in ("verify", "fail", "approve", "reject"):
        decide(browser, certificate, verb, 403, **REJECTION)
    assert shop.get(certificate.id).version == certificate.version


def test_an_admin_decides_as_a_reviewer_does(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    decide(shop.browser(shop.ada), certificate, "approve")
    assert shop.get(certificate.id).state == State.REFUND_APPROVED


def test_what_does_not_exist_is_not_there(shop: Shop) -> None:
    browser = shop.browser(shop.rita)
    browser.get(f"/review/{'0' * 32}", 404)
    browser.get("/review/12345", 404)
    for verb in ("verify", "fail", "approve", "reject"):
        browser.post(f"/review/{'0' * 32}/{verb}", {"version": 1}, 404)
