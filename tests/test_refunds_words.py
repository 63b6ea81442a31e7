"""What a customer reads about the policy, the amount and the dates, for policies other than the default."""

from dataclasses import replace
from datetime import date

import pytest
from shop import Shop

from certlifecycle import DEFAULT_POLICY, PRESETS, Event, Money, RefundPolicy, State
from webapp.certificates.models import Purchase
from webapp.recording import Change, record
from webapp.refunds.present import between, deductions, policy_words, review_days

GENEROUS = replace(DEFAULT_POLICY, voucher_refundable=True)
STRICT = replace(DEFAULT_POLICY, fee_minor=500, two_reviewers_above_minor=100_000)


def test_the_default_says_what_is_not_paid_back() -> None:
    assert "What was paid with a voucher is not paid back." in policy_words(DEFAULT_POLICY, "CNY")
    assert not any("voucher" in rule for rule in policy_words(GENEROUS, "CNY"))


def test_a_fee_and_two_reviewers_are_told() -> None:
    rules = policy_words(STRICT, "CNY")
    assert "A fee of 5.00 CNY is kept." in rules
    assert "Above 1,000.00 CNY two reviewers have to approve." in rules


def test_the_presets_name_their_window() -> None:
    twenty_eight = " ".join(policy_words(PRESETS["28-days-from-issue"], "CNY"))
    assert "within 28 days of the issue date" in twenty_eight
    assert "must have confirmed the revocation" in twenty_eight
    seven = PRESETS["7-days-from-payment"]
    assert "within 7 days of the payment" in " ".join(policy_words(seven, "CNY"))
    finished = policy_words(replace(seven, revocation_inside=True), "CNY")
    assert "The certificate authority must have confirmed the revocation in that time." in finished


def test_what_stays_with_the_shop_is_named(shop: Shop) -> None:
    certificate = shop.order(voucher=6800)
    purchase = shop.find(Purchase, certificate.purchase_id)
    assert [money for _, money in deductions(purchase, STRICT)] == [Money(6800, "CNY"), Money(500, "CNY")]
    assert deductions(purchase, GENEROUS) == ()


def test_days_that_are_the_same_are_said_once(shop: Shop) -> None:
    with shop.app.app_context():
        assert between(date(2026, 5, 7), date(2026, 5, 7)) == "on Thursday, 7 May 2026"
        assert between(date(2026, 5, 7), date(2026, 5, 8)).startswith("between Thursday")
    assert review_days(RefundPolicy("a", review_days=(1, 1))) == "1 business day"
    assert review_days(RefundPolicy("a", review_days=(3, 3))) == "3 business days"


def test_an_application_that_was_withdrawn_elsewhere_is_shown_as_it_stands(shop: Shop) -> None:
    """Applied for in one tab, withdrawn in another, and pressed again in the first."""
    certificate = shop.certificate_in(State.REVOKED)
    browser = shop.browser(shop.alice)
    url = f"/certificates/{certificate.id}/refund"
    form = {"reason_code": "other", "reason": "Not needed any more.", "version": certificate.version}
    first = browser.post(url, form)
    shop.fire(certificate, Event.WITHDRAW_REFUND)
    again = browser.post(url, form)
    assert again.location == first.location
    assert "You had applied already." in browser.follow(again).text


def test_a_decision_without_an_application_is_a_mistake_of_the_caller(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    with shop.database.writing() as session:
        file = shop.desk.open_file(session, certificate.id)
        case = shop.desk.case(file, shop.rita.actor, shop.clock())
        change = Change(Event.APPROVE_REFUND, State.REFUND_APPROVED, case, None, None, shop.desk.payable)
        with pytest.raises(LookupError, match="needs a refund application"):
            record(file.certificate, file.purchase, change)
