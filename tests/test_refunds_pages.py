"""The refund page: how far an application is, taking it back, and living with a refusal."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from shop import Page, Shop

from certlifecycle import PRESETS, Event, State
from webapp.certificates.models import Certificate, PaymentMethod
from webapp.payments.models import Payout, PayoutStatus
from webapp.payments.port import Answer, Failed, PayoutOrder, Pending, Unknown
from webapp.recording import Refusal
from webapp.refunds.models import Outcome
from webapp.refunds.queries import PAGE_SIZE


def url_of(shop: Shop, certificate: Certificate) -> str:
    return f"/refunds/{shop.refund_of(certificate).id}"


def element(page: Page, key: str) -> Any:
    return next(node for node in page.tree.iter() if node.get("id") == key)


def steps(page: Any) -> list[str]:
    """The steps with what stands before each for a screen reader: ``Done: Applied``."""
    (found,) = [node for node in page.tree.iter("ol") if node.get("class") == "steps"]
    labels = [node for node in found.iter("p") if node.get("class") == "step__label"]
    return ["".join(node.itertext()) for node in labels]


def badge(page: Any) -> str:
    head = next(node for node in page.tree.iter("header") if node.get("class") == "panel__head")
    (found,) = [node for node in head.iter("span") if "badge" in node.get("class", "")]
    return "".join(found.itertext())


def follows(shop: Shop, page: Page, certificate: Certificate) -> bool:
    return element(page, f"refund-{shop.refund_of(certificate).id}").get("hx-trigger") is not None


class Gateway:
    """A payment provider that always gives the same answer, and counts how often it was asked."""

    def __init__(self, method: PaymentMethod, answer: Answer) -> None:
        self.method = method
        self.answer = answer
        self.asked = 0

    def refund(self, order: PayoutOrder) -> Answer:
        self.asked += 1
        return self.answer

    query = refund


# Progress


PROGRESS = {
    State.REFUND_REQUESTED: (
        "In review",
        ["Done: Applied", "Now: In review", "To come: Approved", "To come: Money sent", "To come: Refunded"],
    ),
    State.REFUND_APPROVED: (
        "Approved, not yet paid",
        ["Done: Applied", "Done: Reviewed", "Now: Approved", "To come: Money sent", "To come: Refunded"],
    ),
    State.REFUNDED: (
        "Refunded",
        ["Done: Applied", "Done: Reviewed", "Done: Approved", "Done: Money sent", "Done: Refunded"],
    ),
    State.REJECTED: (
        "Refused",
        ["Done: Applied", "Stopped here: Refused", "Left out: Money sent", "Left out: Refunded"],
    ),
}


@pytest.mark.parametrize("state", PROGRESS)
def test_each_state_has_its_own_word_and_steps_and_lives_until_nothing_can_change(shop: Shop, state: State) -> None:
    certificate = shop.certificate_in(state)
    page = shop.browser(shop.alice).get(url_of(shop, certificate))
    word, expected = PROGRESS[state]
    assert badge(page) == word
    assert steps(page) == expected
    assert follows(shop, page, certificate) == (state is not State.REFUNDED)


def test_an_approved_refund_is_nowhere_called_refunded(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_APPROVED)
    browser = shop.browser(shop.alice)
    assert "Approved, not yet paid" in browser.get("/refunds").words
    words = browser.get(url_of(shop, certificate)).words
    assert "It is not refunded before the payment provider confirms it." in words
    assert "Done: Refunded" not in words


def test_once_confirmed_the_providers_reference_and_the_day_are_there(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUNDED)
    page = shop.browser(shop.alice).get(url_of(shop, certificate))
    refund = shop.refund_of(certificate)
    assert refund.payout_reference
    assert refund.payout_reference in page.words
    assert "Confirmed 4 May 2026, 17:00 CST" in page.words
    assert "The payment provider confirmed that 268.00 CNY went to your balance in this shop." in page.words


def test_the_page_shows_what_was_frozen_whatever_the_policy_says_today(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    shop.desk.policy = PRESETS["7-days-from-payment"]
    words = shop.browser(shop.alice).get(url_of(shop, certificate)).words
    for told in ("Refundable until 3 Jun 2026, 17:00 CST.", "30-days-from-issue/1", "3 Jun 2026, 17:00 CST"):
        assert told in words


def test_the_fragment_and_the_page_are_made_from_the_same(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser = shop.browser(shop.alice)
    url = url_of(shop, certificate)
    fragment = browser.get(url, htmx=True)
    assert fragment.text.lstrip().startswith(f'<div class="stack" id="refund-{shop.refund_of(certificate).id}"')
    assert fragment.words in browser.get(url).words


def test_an_unchanged_fragment_is_not_sent_twice(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser, url = shop.browser(shop.alice), url_of(shop, certificate)
    first = browser.client.get(url, headers={"HX-Request": "true"})
    again = {"HX-Request": "true", "If-None-Match": first.headers["ETag"]}
    assert browser.client.get(url, headers=again).status_code == 304
    shop.fire(certificate, Event.APPROVE_REFUND)
    assert browser.client.get(url, headers=again).status_code == 200


def test_a_late_answer_is_called_late(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    # The last promised day, the 11th in the shop's time zone, ends at 16:00 UTC.
    shop.clock.now = shop.clock.now.replace(day=11, hour=15, minute=59)
    assert "it is late" not in shop.browser(shop.alice).get(url_of(shop, certificate)).words
    shop.clock.advance(minutes=1)
    words = shop.browser(shop.alice).get(url_of(shop, certificate)).words
    assert "The answer was promised by Monday, 11 May 2026, and it is late. The claim does not lapse." in words


# Two reviewers


def test_one_of_two_approvals_is_told_as_what_it_is(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    policy = replace(PRESETS["30-days-from-issue"], two_reviewers_above_minor=10000)
    shop = open_shop(sqlite_url, policy=policy)
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    shop.fire(certificate, Event.APPROVE_REFUND, shop.rita)
    browser = shop.browser(shop.alice)
    page = browser.get(url_of(shop, certificate))
    assert "Approved by a first reviewer; a second one decides." in page.words
    assert steps(page)[1:3] == ["Now: In review", "To come: Approved"]
    # Nobody has decided yet, so it can still be taken back.
    browser.post(f"{url_of(shop, certificate)}/withdraw", {"version": page.field("version")})
    assert shop.get(certificate.id).state == State.REVOKED


# How the money goes


def test_a_payment_without_an_answer_is_not_guessed(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_APPROVED)
    shop.effects.gateways = {PaymentMethod.BALANCE: Gateway(PaymentMethod.BALANCE, Unknown("time-out"))}
    shop.run_due()
    page = shop.browser(shop.alice).get(url_of(shop, certificate))
    assert badge(page) == "Sent, no answer yet"
    assert "nothing is guessed and nothing is paid twice" in page.words
    assert steps(page)[3:] == ["Now: Money sent", "To come: Refunded"]
    assert "time-out" not in page.words


def test_a_payment_that_is_on_its_way_is_sent_and_not_confirmed(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_APPROVED)
    shop.effects.gateways = {PaymentMethod.BALANCE: Gateway(PaymentMethod.BALANCE, Pending("P-1"))}
    shop.run_due()
    page = shop.browser(shop.alice).get(url_of(shop, certificate))
    assert badge(page) == "Sent, not yet confirmed"
    assert steps(page)[3:] == ["Now: Money sent", "To come: Refunded"]


def paid_elsewhere(shop: Shop) -> Certificate:
    """A refund that Alipay refuses and the balance takes."""
    shop.desk.payable = frozenset(PaymentMethod)
    certificate = shop.certificate_in(State.REFUND_APPROVED, method=PaymentMethod.ALIPAY, account="ending 88")
    alipay = Gateway(PaymentMethod.ALIPAY, Failed("The account was closed."))
    shop.effects.gateways = {PaymentMethod.ALIPAY: alipay, **shop.parts.gateways}
    shop.run_due()
    return certificate


def test_money_that_went_to_another_account_is_told_with_the_reason(shop: Shop) -> None:
    certificate = paid_elsewhere(shop)
    page = shop.browser(shop.alice).get(url_of(shop, certificate))
    assert badge(page) == "Refunded"
    told = "The Alipay account ending 88 could not take the money. It is in your balance in this shop since 4 May 2026"
    assert f"{told}, 17:00 CST. Why: The account was closed." in page.words
    assert "To the Alipay account ending 88 Refused by the provider" in page.words
    assert "To your balance in this shop Confirmed" in page.words


def test_a_reviewer_reads_whose_balance_it_is(shop: Shop) -> None:
    certificate = paid_elsewhere(shop)
    words = shop.browser(shop.rita).get(url_of(shop, certificate)).words
    assert "the customer’s balance in this shop" in words
    assert "your balance" not in words


def test_a_shop_that_cannot_pay_back_to_the_account_says_so(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED, method=PaymentMethod.BANK, account="ending 1234")
    words = shop.browser(shop.alice).get(url_of(shop, certificate)).words
    assert "The order was paid with the bank account ending 1234. This shop cannot pay back to it" in words


def test_when_every_way_of_paying_failed_it_is_in_review_again(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_APPROVED)
    shop.effects.gateways = {PaymentMethod.BALANCE: Gateway(PaymentMethod.BALANCE, Failed("No."))}
    shop.run_due()
    page = shop.browser(shop.alice).get(url_of(shop, certificate))
    assert badge(page) == "In review again"
    assert steps(page)[1:3] == ["Now: In review", "To come: Approved"]
    assert "no account could take the money" in page.words


def test_after_a_second_approval_the_failures_of_the_first_round_count_no_more(shop: Shop) -> None:
    shop.desk.payable = frozenset(PaymentMethod)
    certificate = shop.certificate_in(State.REFUND_APPROVED, method=PaymentMethod.ALIPAY, account="ending 88")
    methods = (PaymentMethod.ALIPAY, PaymentMethod.BALANCE)
    shop.effects.gateways = {method: Gateway(method, Failed("No.")) for method in methods}
    shop.run_due()
    shop.fire(certificate, Event.APPROVE_REFUND)
    page = shop.browser(shop.alice).get(url_of(shop, certificate))
    assert badge(page) == "Approved, not yet paid"
    assert steps(page)[2:4] == ["Now: Approved", "To come: Sent to Alipay"]
    # Each way is tried anew; it stays to be read that it was tried.
    assert "could not take the money" not in page.words
    assert page.words.count("Refused by the provider No.") == 2


def test_a_payment_that_is_only_prepared_is_not_called_sent(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_APPROVED)
    refund = shop.refund_of(certificate)
    now = shop.clock()
    payout = Payout(
        refund_id=refund.id,
        method=PaymentMethod.BALANCE,
        status=PayoutStatus.INTENDED,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        intended_at=now,
        updated_at=now,
    )
    with shop.database.writing() as session:
        session.add(payout)
    page = shop.browser(shop.alice).get(url_of(shop, certificate))
    assert badge(page) == "Approved, not yet paid"
    assert steps(page)[2] == "Now: Approved"


# Taking it back


@pytest.mark.parametrize("origin", [State.PENDING, State.FAILED, State.REVOKED])
def test_a_withdrawal_leads_back_to_where_the_certificate_came_from(shop: Shop, origin: State) -> None:
    certificate = shop.fire(shop.certificate_in(origin), Event.REQUEST_REFUND)
    browser, url = shop.browser(shop.alice), url_of(shop, certificate)
    answer = browser.post(f"{url}/withdraw", {"version": browser.get(url).field("version")})
    assert answer.location == url
    page = browser.follow(answer)
    assert "Your application is withdrawn. The certificate is as it was before." in page.words
    assert steps(page) == ["Done: Applied", "Stopped here: Withdrawn"]
    assert not follows(shop, page, certificate)
    assert shop.get(certificate.id).state == origin
    assert shop.refund_of(certificate).outcome == Outcome.WITHDRAWN


def test_whoever_withdraws_too_late_is_told_who_did_what_and_when(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser, url = shop.browser(shop.alice), url_of(shop, certificate)
    version = browser.get(url).field("version")
    shop.fire(certificate, Event.APPROVE_REFUND)
    page = browser.post(f"{url}/withdraw", {"version": version}, 409)
    assert "Refund approved by Rita, 4 May 2026, 17:00 CST." in page.words
    assert badge(page) == "Approved, not yet paid"
    assert shop.get(certificate.id).state == State.REFUND_APPROVED
    fragment = browser.post(f"{url}/withdraw", {"version": version}, 409, htmx=True)
    assert "Refund approved by Rita" in fragment.words


def test_an_approved_refund_cannot_be_taken_back(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_APPROVED)
    browser, url = shop.browser(shop.alice), url_of(shop, certificate)
    assert "Withdraw" not in browser.get(url).words
    browser.post(f"{url}/withdraw", {"version": certificate.version}, 409)


def test_pressing_withdraw_twice_is_harmless(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser, url = shop.browser(shop.alice), url_of(shop, certificate)
    data = {"version": certificate.version}
    assert browser.post(f"{url}/withdraw", data).location == browser.post(f"{url}/withdraw", data).location
    assert shop.history(certificate)[-1].event == Event.WITHDRAW_REFUND


def test_a_closed_application_cannot_move_the_certificate(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser, url = shop.browser(shop.alice), url_of(shop, certificate)
    certificate = shop.fire(certificate, Event.WITHDRAW_REFUND)
    shop.clock.advance(minutes=1)
    certificate = shop.fire(certificate, Event.REQUEST_REFUND)
    assert "Withdraw the application" not in browser.get(url).words
    page = browser.post(f"{url}/withdraw", {"version": certificate.version}, 409)
    assert "This application is closed" in page.words
    assert shop.get(certificate.id).state == State.REFUND_REQUESTED


@pytest.mark.parametrize("verb", ["withdraw", "keep"])
def test_a_form_without_its_version_does_nothing(shop: Shop, verb: str) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED if verb == "withdraw" else State.REJECTED)
    browser, url = shop.browser(shop.alice), url_of(shop, certificate)
    for version in ("", "one", "9" * 40):
        assert "Load the page again." in browser.post(f"{url}/{verb}", {"version": version}, 422).words
    assert shop.get(certificate.id).version == certificate.version


# Living with a refusal


def test_a_refusal_says_why_and_what_now(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    handed = Refusal("Install another one.\nThen apply again.")
    shop.fire(certificate, Event.REJECT_REFUND, reason="It is still in use.\nWe looked.", handed=handed)
    page = shop.browser(shop.alice).get(url_of(shop, certificate))
    assert "It is still in use.<br>We looked." in page.text
    assert "Install another one.<br>Then apply again." in page.text
    assert [node.get("href") for node in page.tree.iter("a") if node.text is None and "refund" in node.get("href")]
    assert "Your move" in page.words


def test_apply_again_leads_to_a_new_application(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REJECTED)
    browser = shop.browser(shop.alice)
    page = browser.get(url_of(shop, certificate))
    (again,) = [node for node in page.tree.iter("a") if "Apply again" in "".join(node.itertext())]
    assert "Your money comes back" in browser.get(again.get("href")).words


def test_after_the_deadline_apply_again_is_refused_with_the_reason_and_keep_stays(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REJECTED)
    shop.clock.advance(days=31)
    page = shop.browser(shop.alice).get(url_of(shop, certificate))
    (again,) = [node for node in page.tree.iter("button") if "Apply again" in "".join(node.itertext())]
    assert again.get("aria-disabled") == "true"
    why = element(page, again.get("aria-describedby"))
    assert "No refund: the window closed on 3 Jun 2026, 17:00 CST." in "".join(why.itertext())
    (keep,) = [node for node in page.tree.iter("button") if "Keep the certificate" in "".join(node.itertext())]
    assert keep.get("aria-disabled") is None


def test_keeping_the_certificate_leads_back_to_it(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REJECTED)
    browser, url = shop.browser(shop.alice), url_of(shop, certificate)
    answer = browser.post(f"{url}/keep", {"version": browser.get(url).field("version")})
    assert answer.location == f"/certificates/{certificate.id}"
    assert shop.get(certificate.id).state == State.REVOKED
    page = browser.get(url)
    assert "You keep the certificate." in page.words
    # The refusal stays to be read; nothing can be done with it any more.
    assert badge(page) == "Refused"
    assert "Apply again" not in page.words
    assert not follows(shop, page, certificate)
    browser.post(f"{url}/keep", {"version": shop.get(certificate.id).version}, 409)


def test_what_is_written_in_a_reason_is_text(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    shop.fire(certificate, Event.REJECT_REFUND, reason="<script>alert(1)</script>", handed=Refusal("<b>no</b>"))
    page = shop.browser(shop.alice).get(url_of(shop, certificate))
    assert "&lt;script&gt;alert(1)" in page.text
    assert "&lt;b&gt;no" in page.text


# Who


def test_a_reviewer_reads_but_has_no_buttons(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser, url = shop.browser(shop.rita), url_of(shop, certificate)
    page = browser.get(url)
    assert "Withdraw" not in page.words
    assert f"/review/{certificate.id}" in page.text
    browser.post(f"{url}/withdraw", {"version": certificate.version}, 403)
    browser.post(f"{url}/keep", {"version": certificate.version}, 403)
    browser.get("/refunds", 403)


def test_somebody_elses_refund_is_not_there(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser, url = shop.browser(shop.bob), url_of(shop, certificate)
    browser.get(url, 404)
    browser.get(url, 404, htmx=True)
    browser.post(f"{url}/withdraw", {"version": certificate.version}, 404)
    browser.post(f"{url}/keep", {"version": certificate.version}, 404)
    browser.get(f"/refunds/{'0' * 32}", 404)


# The list


def test_an_empty_list_says_how_something_gets_there(shop: Shop) -> None:
    page = shop.browser(shop.alice).get("/refunds")
    assert "No refund applied for yet" in page.words
    assert "sse:change" in element(page, "refunds").get("hx-trigger")


def test_the_list_has_ones_own_applications_the_newest_first(shop: Shop) -> None:
    shop.certificate_in(State.REFUND_REQUESTED, owner=shop.bob, domain="bob.example.com")
    for number, state in enumerate((State.REFUNDED, State.REJECTED, State.REFUND_REQUESTED)):
        shop.clock.advance(hours=1)
        shop.certificate_in(state, domain=f"{number}.example.com")
    page = shop.browser(shop.alice).get("/refunds")
    domains = [node.text for node in page.tree.iter("a") if "/refunds/" in node.get("href")]
    assert domains == ["2.example.com", "1.example.com", "0.example.com"]
    assert "In review" in page.words
    assert "Answer by Monday, 11 May 2026" in page.words
    assert "Refused 4 May 2026, 19:00 CST" in page.words
    assert "Refunded 4 May 2026, 18:00 CST" in page.words
    (mine,) = [node for node in page.tree.iter("tr") if node.get("class") == "rows__wants"]
    assert "1.example.com" in "".join(mine.itertext())


def test_an_older_refusal_of_the_same_certificate_wants_nothing(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REJECTED)
    shop.clock.advance(hours=1)
    shop.fire(certificate, Event.REQUEST_REFUND)
    page = shop.browser(shop.alice).get("/refunds")
    assert "Refused" in page.words
    assert "Your move" not in page.words


def test_a_long_list_has_pages_forth_and_back(shop: Shop) -> None:
    total = 2 * PAGE_SIZE + 1
    for number in range(total):
        # Some at the same instant, so that the key decides.
        shop.clock.advance(seconds=number % 2)
        shop.fire(shop.order(domain=f"{number:02}.example.com"), Event.REQUEST_REFUND)
    browser = shop.browser(shop.alice)

    def domains(page: Page) -> list[str]:
        return [node.text for node in page.tree.iter("a") if node.get("href").startswith("/refunds/")]

    def link(page: Page, rel: str) -> str | None:
        return next((node.get("href") for node in page.tree.iter("a") if node.get("rel") == rel), None)

    pages = [browser.get("/refunds")]
    while following := link(pages[-1], "next"):
        pages.append(browser.get(following))
    assert [len(domains(page)) for page in pages] == [PAGE_SIZE, PAGE_SIZE, 1]
    assert len({one for page in pages for one in domains(page)}) == total
    assert link(pages[0], "prev") is None
    back = browser.get(link(pages[2], "prev") or "")
    assert domains(back) == domains(pages[1])
    assert domains(browser.get(link(back, "prev") or "")) == domains(pages[0])


def test_a_place_that_is_not_ones_own_leads_to_the_first_page(shop: Shop) -> None:
    others = shop.certificate_in(State.REFUND_REQUESTED, owner=shop.bob)
    shop.certificate_in(State.REFUND_REQUESTED, domain="mine.example.com")
    browser = shop.browser(shop.alice)
    for place in (shop.refund_of(others).id, "nothing", ""):
        assert "mine.example.com" in browser.get(f"/refunds?after={place}").words
        assert "mine.example.com" in browser.get(f"/refunds?before={place}").words
