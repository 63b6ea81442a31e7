"""Showing again who one is: before much money is approved and before rights are changed, in the form that needs it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from pages import button
from review_support import decide, element, text_of, url_of
from shop import PASSWORD, Browser, Page, Shop
from sign_in_support import App, events_of, sign_in
from sqlmodel import col, update

from certlifecycle import PRESETS, Event, Role, State
from webapp.accounts.models import Account, Act, Way, WebSession
from webapp.accounts.passwords import NONE
from webapp.accounts.settings import SignInSettings

POLICY = replace(PRESETS["30-days-from-issue"], two_reviewers_above_minor=10_000)
ASKED = "Confirm that it is you"


@pytest.fixture
def shop(sqlite_url: str, open_shop: Callable[..., Shop]) -> Shop:
    """Above 100.00 CNY two reviewers decide; a certificate costs 268.00."""
    return open_shop(sqlite_url, policy=POLICY)


def later(shop: Shop, who: Account) -> Browser:
    """Somebody's browser, eleven minutes after they signed in."""
    browser = shop.browser(who)
    shop.clock.advance(minutes=11)
    return browser


def asks(page: Page) -> bool:
    return ASKED in page.words


def test_much_money_asks_for_the_password_and_keeps_what_was_typed(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser = later(shop, shop.rita)
    page = decide(browser, certificate, "approve", 422, note="Called the customer.")
    assert asks(page)
    assert page.field("note") == "Called the customer."
    assert shop.get(certificate.id).version == certificate.version

    wrong = decide(browser, certificate, "approve", 422, note="Called the customer.", proof_password="guess")
    assert "This is not your password." in wrong.words
    assert wrong.field("note") == "Called the customer."
    assert events_of(shop, shop.rita) == [(Act.SIGN_IN_FAILED, Way.PASSWORD)]

    decide(browser, certificate, "approve", note="Called the customer.", proof_password=PASSWORD)
    assert shop.get(certificate.id).version == certificate.version + 1
    assert "Called the customer." in browser.get(url_of(certificate)).words
    assert "Confirmed who they are" in shop.browser(shop.ada).get("/audit?what=proved_again").words


def test_htmx_gets_the_form_back_in_place(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    page = decide(later(shop, shop.rita), certificate, "approve", 422, htmx=True, note="Called.")
    assert asks(page)
    assert page.field("note") == "Called."
    assert "hx-get" not in element(page, "decision").attrib, "nothing takes the form away"


def test_a_proof_counts_for_ten_minutes(shop: Shop) -> None:
    first, second = (shop.certificate_in(State.REFUND_REQUESTED, domain=f"{one}.example.com") for one in "ab")
    browser = later(shop, shop.rita)
    decide(browser, first, "approve", proof_password=PASSWORD)
    shop.clock.advance(minutes=10)
    decide(browser, second, "approve")
    third = shop.certificate_in(State.REFUND_REQUESTED, domain="c.example.com")
    shop.clock.advance(minutes=1)
    assert asks(decide(browser, third, "approve", 422))


def test_a_sign_in_is_a_proof(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser, _ = sign_in(shop, shop.rita)
    decide(browser, certificate, "approve")


def test_little_money_and_other_decisions_ask_for_nothing(open_shop: Callable[..., Shop], sqlite_url: str) -> None:
    shop = open_shop(sqlite_url, policy=replace(POLICY, two_reviewers_above_minor=26_800))
    little = shop.certificate_in(State.REFUND_REQUESTED)
    submitted = shop.certificate_in(State.SUBMITTED, domain="b.example.com")
    browser = later(shop, shop.rita)
    decide(browser, little, "approve")
    decide(browser, submitted, "verify")


def test_whoever_may_not_approve_is_told_so_instead(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    shop.fire(certificate, Event.APPROVE_REFUND, shop.rita)
    browser = later(shop, shop.rita)
    page = decide(browser, shop.get(certificate.id), "approve", 409)
    assert not asks(page)
    assert "You have approved it already" in page.words


def test_a_code_of_the_app_proves_it_too_and_counts_once(shop: Shop) -> None:
    browser = shop.browser(shop.rita)
    app = App(browser.get("/account/second-factor"))
    browser.post("/account/second-factor", {"code": app.shows(shop.clock()), "password": PASSWORD}, 200)
    shop.clock.advance(minutes=11)
    certificate, other = (shop.certificate_in(State.REFUND_REQUESTED, domain=f"{one}.example.com") for one in "ab")
    page = decide(browser, certificate, "approve", 422)
    assert "Or a code of your authenticator app" in page.words
    assert (
        "This is not a code that fits now:" in decide(browser, certificate, "approve", 422, proof_code="000000").words
    )
    code = app.shows(shop.clock())
    decide(browser, certificate, "approve", proof_code=code)
    second = shop.browser(shop.rita)
    shop.clock.advance(seconds=1)
    with shop.database.writing() as session:
        session.exec(update(WebSession).values(proved_at=shop.clock.now.replace(year=2020)))
    assert "This is not a code that fits now:" in decide(second, other, "approve", 422, proof_code=code).words


def test_a_passkey_that_is_none_proves_nothing(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    page = decide(later(shop, shop.rita), certificate, "approve", 422, proof_passkey='{"id": "x"}')
    assert "This passkey is not one of yours." in page.words
    assert shop.get(certificate.id).version == certificate.version


def test_without_anything_to_prove_it_by_one_signs_in_anew(shop: Shop) -> None:
    with shop.database.writing() as session:
        session.exec(update(Account).where(col(Account.id) == shop.rita.id).values(password_hash=NONE))
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    page = decide(later(shop, shop.rita), certificate, "approve", 422)
    assert "Sign out, sign in again, and do it then." in page.words


def test_guessing_has_to_wait(open_shop: Callable[..., Shop], sqlite_url: str) -> None:
    shop = open_shop(sqlite_url, policy=POLICY, sign_in=SignInSettings(limit_account=2))
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser = later(shop, shop.rita)
    for _ in range(2):
        decide(browser, certificate, "approve", 422, proof_password="guess")
    page = decide(browser, certificate, "approve", 422, proof_password=PASSWORD)
    assert "There were too many tries that failed." in page.words
    assert shop.get(certificate.id).version == certificate.version


def test_many_at_once_ask_once_for_all(shop: Shop) -> None:
    large = shop.certificate_in(State.REFUND_REQUESTED)
    submitted = shop.certificate_in(State.SUBMITTED, domain="b.example.com")
    browser = later(shop, shop.rita)
    data = {"case": f"{large.id}:{large.version}", "note": "All seen."}
    page = browser.post("/review/many/approve", data, 422)
    assert asks(page)
    assert page.field("note") == "All seen."
    assert page.field("case") == data["case"]
    assert shop.get(large.id).version == large.version
    browser.post("/review/many/verify", {"case": f"{submitted.id}:{submitted.version}"}, 200)
    done = browser.post("/review/many/approve", data | {"proof_password": PASSWORD}, 200)
    assert "approved by a first reviewer" in done.words


def test_changing_rights_asks_for_it(shop: Shop) -> None:
    browser = later(shop, shop.ada)
    data = {"was": "reviewer-11", "role": "reviewer", "may_pay": "y", "reason": "Only the treasury from now on."}
    page = browser.post(f"/people/{shop.rita.id}", data, 422)
    assert asks(page)
    assert page.field("reason") == "Only the treasury from now on."
    assert button(page, "Use a passkey") is None
    assert shop.find(Account, shop.rita.id).may_decide
    browser.post(f"/people/{shop.rita.id}", data | {"proof_password": PASSWORD})
    assert shop.find(Account, shop.rita.id).may_decide is False
    assert "Rita: role and rights are as you chose" in text_of(browser.get("/people").tree)
    assert shop.find(Account, shop.rita.id).role == Role.REVIEWER
