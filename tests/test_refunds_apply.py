"""The refund application: what somebody reads before they apply, and what Submit does."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from shop import Page, Shop
from sqlmodel import select

from certlifecycle import PRESETS, Basis, Event, State
from webapp.certificates.models import Certificate, PaymentMethod
from webapp.refunds.models import Outcome, Refund, RefundReason
from webapp.refunds.present import policy_words, review_days

APPLIED = "Applied, please wait for the verification."
REFUNDABLE = (State.PENDING, State.FAILED, State.REVOKED, State.REJECTED)


def url_of(certificate: Certificate) -> str:
    return f"/certificates/{certificate.id}/refund"


def filled(certificate: Certificate, **changes: Any) -> dict[str, Any]:
    version = certificate.version
    return {"version": version, "reason_code": "bought_twice", "reason": "I ordered it twice."} | changes


def refunds(shop: Shop) -> list[Refund]:
    with shop.database.reading() as session:
        return list(session.exec(select(Refund)).all())


def element(page: Page, key: str) -> Any:
    return next(node for node in page.tree.iter() if node.get("id") == key)


# Before applying


def test_the_page_says_what_comes_back_where_to_until_when_and_when_the_answer_comes(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    page = shop.browser(shop.alice).get(url_of(certificate))
    assert "Refund application" in page.words
    assert "You get 268.00 CNY back to your balance in this shop." in page.words
    assert "until 3 Jun 2026, 17:00 CST" in page.words
    # A Monday at the end of a holiday: the third and the fifth business day, one of them a Saturday.
    assert "You will have an answer between Friday, 8 May 2026 and Monday, 11 May 2026" in page.words
    assert "Revoke the certificate, then apply" in page.words
    assert page.field("reason") == ""
    assert page.field("version") == str(certificate.version)


def test_what_is_not_paid_back_is_taken_off_and_named(shop: Shop) -> None:
    certificate = shop.order(voucher=6800)
    page = shop.browser(shop.alice).get(url_of(certificate))
    assert "You get 200.00 CNY back" in page.words
    assert "Paid with a voucher, not paid back − 68.00 CNY" in page.words


def test_an_account_that_cannot_be_reached_is_named_with_the_one_that_gets_the_money(shop: Shop) -> None:
    certificate = shop.order(method=PaymentMethod.ALIPAY, account="ending 88")
    page = shop.browser(shop.alice).get(url_of(certificate))
    assert "You paid with the Alipay account ending 88." in page.words
    assert "so the money goes to your balance in this shop" in page.words


@pytest.mark.parametrize("state", REFUNDABLE)
def test_wherever_the_policy_allows_it_there_is_a_form(shop: Shop, state: State) -> None:
    certificate = shop.certificate_in(state)
    page = shop.browser(shop.alice).get(url_of(certificate))
    assert "Your money comes back" in page.words
    # Nothing replaces the form while somebody is writing in it.
    assert element(page, "application").get("hx-trigger") is None


NEXT_STEPS = {
    State.SUBMITTED: ("Not refundable while it is being verified.", "Withdraw the submission"),
    State.VERIFIED: ("Not refundable while it is being issued.", "Wait until it is issued, then revoke it"),
    State.ISSUED: ("Not refundable before it is revoked.", "Revoke the certificate"),
    State.REVOKING: ("until the certificate authority has confirmed the revocation", "Wait for the confirmation"),
    State.REFUND_REQUESTED: ("A refund has been applied for", "See the refund"),
    State.REFUND_APPROVED: ("The refund is approved and the money is on its way.", "See the refund"),
    State.REFUNDED: ("The money has been paid back.", "See the refund"),
}


@pytest.mark.parametrize("state", NEXT_STEPS)
def test_where_it_does_not_the_page_says_why_and_what_to_do(shop: Shop, state: State) -> None:
    certificate = shop.certificate_in(state)
    browser = shop.browser(shop.alice)
    why, step = NEXT_STEPS[state]
    page = browser.get(url_of(certificate))
    assert why in page.words
    assert step in page.words
    assert not list(page.tree.iter("textarea"))
    # What can still become possible appears by itself.
    follows = element(page, "application").get("hx-trigger") or ""
    assert (f"sse:certificate-{certificate.id}" in follows) == (not state.is_final)
    before = len(refunds(shop))
    refused = browser.post(url_of(certificate), filled(certificate), 409)
    assert why in refused.words
    assert len(refunds(shop)) == before


def test_every_state_is_covered_by_the_two_tests_above() -> None:
    assert set(REFUNDABLE) | set(NEXT_STEPS) == set(State)


def test_the_withdrawal_that_makes_it_refundable_can_be_sent_from_here(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    browser = shop.browser(shop.alice)
    page = browser.get(url_of(certificate))
    (form,) = [node for node in page.tree.iter("form") if "withdraw" in node.get("action")]
    browser.post(form.get("action"), {"version": page.field("version")})
    assert "Your money comes back" in browser.get(url_of(certificate)).words


def test_the_form_appears_by_itself_once_the_revocation_is_confirmed(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKING)
    browser = shop.browser(shop.alice)
    follows = element(browser.get(url_of(certificate)), "application").get("hx-get")
    shop.run_due()
    fragment = browser.get(follows, htmx=True)
    assert fragment.text.lstrip().startswith("<div")
    assert fragment.field("reason") == ""


# The deadline


def test_exactly_thirty_days_after_the_issue_date_still_counts(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    shop.clock.advance(days=30)
    browser = shop.browser(shop.alice)
    assert "less than a minute left" in browser.get(url_of(certificate)).words
    browser.post(url_of(certificate), filled(certificate))
    assert shop.get(certificate.id).state == State.REFUND_REQUESTED


def test_a_microsecond_later_does_not_and_the_page_says_since_when(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    shop.clock.advance(days=30)
    browser = shop.browser(shop.alice)
    browser.get(url_of(certificate))
    shop.clock.advance(microseconds=1)
    page = browser.post(url_of(certificate), filled(certificate), 409)
    assert "No refund: the window closed on 3 Jun 2026, 17:00 CST." in page.words
    assert "the window closed" in browser.get(url_of(certificate)).words
    assert refunds(shop) == []


# Applying


def test_submit_answers_word_for_word_and_leads_to_the_refund_with_its_two_dates(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    browser = shop.browser(shop.alice)
    answer = browser.post(url_of(certificate), filled(certificate, reason="  Ordered twice,\r\nby mistake.\0 "))
    (refund,) = refunds(shop)
    assert answer.location == f"/refunds/{refund.id}"
    page = browser.follow(answer)
    assert APPLIED in page.words
    assert "between Friday, 8 May 2026 and Monday, 11 May 2026" in page.words
    assert (refund.reason_code, refund.reason) == (RefundReason.BOUGHT_TWICE, "Ordered twice,\nby mistake.")
    assert (refund.applicant_id, refund.origin, refund.amount_minor) == (shop.alice.id, State.REVOKED, 26800)
    assert shop.history(certificate)[-1].event == Event.REQUEST_REFUND


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"reason": ""}, "Tell us why in a few words."),
        ({"reason": " \n\t "}, "Tell us why in a few words."),
        ({"reason": "Why?"}, "Tell us a little more: at least 5 characters."),
        ({"reason": "x" * 2001}, "This is too long: at most 2,000 characters."),
        ({"reason_code": ""}, "Choose what fits best."),
        ({"reason_code": "because"}, "Not a valid choice"),
        ({"version": ""}, "Load the page again."),
        ({"version": "9" * 40}, "Load the page again."),
    ],
)
def test_what_is_wrong_with_the_form_is_said_and_nothing_is_lost(shop: Shop, wrong: dict[str, str], told: str) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    browser = shop.browser(shop.alice)
    data = filled(certificate, **wrong)
    page = browser.post(url_of(certificate), data, 422)
    assert told in page.words
    assert page.field("reason").strip() == data["reason"].strip()
    if data["reason_code"] == "bought_twice":
        (chosen,) = [node.get("value") for node in page.tree.iter("input") if node.get("checked") is not None][:1]
        assert chosen == "bought_twice"
    assert refunds(shop) == []


def test_a_double_submit_leads_to_the_same_place_and_applies_once(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    browser = shop.browser(shop.alice)
    first = browser.post(url_of(certificate), filled(certificate))
    second = browser.post(url_of(certificate), filled(certificate))
    assert first.location == second.location
    assert APPLIED in browser.follow(second).words
    assert len(refunds(shop)) == 1


def test_a_late_second_submit_shows_how_the_first_one_stands(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    browser = shop.browser(shop.alice)
    first = browser.post(url_of(certificate), filled(certificate))
    browser.follow(first)
    shop.fire(shop.get(certificate.id), Event.REJECT_REFUND)
    second = browser.post(url_of(certificate), filled(certificate))
    assert second.location == first.location
    words = browser.follow(second).words
    assert APPLIED not in words
    assert "You had applied already." in words


def test_a_stale_form_is_told_what_happened_keeps_what_was_typed_and_can_be_sent_again(shop: Shop) -> None:
    certificate = shop.certificate_in(State.PENDING)
    browser = shop.browser(shop.alice)
    data = filled(certificate)
    shop.fire(certificate, Event.SUBMIT)
    shop.fire(certificate, Event.WITHDRAW_SUBMISSION)
    page = browser.post(url_of(certificate), data, 409)
    assert "Submission withdrawn by Alice" in page.words
    assert page.field("reason") == "I ordered it twice."
    assert refunds(shop) == []
    browser.post(url_of(certificate), data | {"version": page.field("version")})
    assert len(refunds(shop)) == 1


def test_a_refused_application_is_made_again_from_where_the_first_came(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REJECTED)
    shop.clock.advance(days=1)
    shop.browser(shop.alice).post(url_of(certificate), filled(certificate))
    newest = shop.refund_of(certificate)
    assert (newest.outcome, newest.origin) == (Outcome.OPEN, State.REVOKED)
    assert len(refunds(shop)) == 2


# Who


def test_somebody_elses_certificate_is_not_there(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    browser = shop.browser(shop.bob)
    browser.get(url_of(certificate), 404)
    browser.post(url_of(certificate), filled(certificate), 404)
    browser.post(f"{url_of(certificate)}/check", filled(certificate), 404, htmx=True)
    assert refunds(shop) == []


def test_reviewers_do_not_apply(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    browser = shop.browser(shop.rita)
    browser.get(url_of(certificate), 403)
    browser.post(url_of(certificate), filled(certificate), 403)


# With htmx


def test_with_htmx_success_is_a_redirect_and_a_refusal_a_fragment(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    browser = shop.browser(shop.alice)
    refused = browser.post(url_of(certificate), filled(certificate, reason=""), 422, htmx=True)
    assert element(refused, "application") is not None
    answer = browser.post(url_of(certificate), filled(certificate), 204, htmx=True)
    assert answer.location == f"/refunds/{shop.refund_of(certificate).id}"


def test_the_reason_is_checked_when_the_field_is_left(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    browser = shop.browser(shop.alice)
    page = browser.get(url_of(certificate))
    check = element(page, "reason").get("hx-post")
    short = browser.post(check, {"reason": "Why?"}, 200, htmx=True)
    assert "at least 5 characters" in short.words
    assert short.field("reason") == "Why?"
    long_enough = browser.post(check, {"reason": "Why not?"}, 200, htmx=True)
    assert "at least" not in long_enough.words
    assert refunds(shop) == []


def test_an_unchanged_fragment_is_not_sent_twice(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    browser = shop.browser(shop.alice)
    first = browser.client.get(url_of(certificate), headers={"HX-Request": "true"})
    again = {"HX-Request": "true", "If-None-Match": first.headers["ETag"]}
    assert browser.client.get(url_of(certificate), headers=again).status_code == 304
    shop.clock.advance(minutes=30)
    shop.fire(certificate, Event.REVOKE)
    assert browser.client.get(url_of(certificate), headers=again).status_code == 200


# The rule in words


@pytest.mark.parametrize(
    ("preset", "told"),
    [
        ("30-days-from-issue", "within 30 days of the issue date. Revoke the certificate, then apply."),
        ("28-days-from-issue", "within 28 days of the issue date. In that time the certificate authority must have"),
        ("7-days-from-payment", "The money comes back within 7 days of the payment."),
    ],
)
def test_each_preset_is_put_in_words(preset: str, told: str) -> None:
    assert told in " ".join(policy_words(PRESETS[preset], "CNY"))


def test_what_a_policy_keeps_and_asks_for_is_put_in_words() -> None:
    policy = replace(
        PRESETS["30-days-from-issue"],
        basis=Basis.PAYMENT,
        revocation_inside=True,
        fee_minor=500,
        two_reviewers_above_minor=100000,
        review_days=(1, 1),
    )
    told = " ".join(policy_words(policy, "CNY"))
    assert "A fee of 5.00 CNY is kept." in told
    assert "Above 1,000.00 CNY two reviewers have to approve." in told
    assert "confirmed the revocation in that time" in told
    assert review_days(policy) == "1 business day"


def test_without_a_deadline_the_page_gives_the_reason_instead(shop: Shop) -> None:
    certificate = shop.order()
    shop.clock.advance(days=200)
    page = shop.browser(shop.alice).get(url_of(certificate))
    assert "Refundable: it was never submitted for verification." in page.words
    assert "left" not in page.words


def test_the_time_left_is_counted_down(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    shop.clock.now += timedelta(days=29, hours=1)
    assert "23 hours left" in shop.browser(shop.alice).get(url_of(certificate)).words
