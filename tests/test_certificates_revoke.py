"""Revoking: what it means for the money, the typed confirmation, and who may."""

import pytest
from pages import link, value
from shop import Shop

from certlifecycle import Event, State
from webapp.authorities.port import REASON_SENTENCES
from webapp.certificates.models import Certificate, PaymentMethod


def address(certificate: Certificate) -> str:
    return f"/certificates/{certificate.id}/revoke"


def filled(certificate: Certificate, **more: object) -> dict[str, object]:
    return {"version": certificate.version, "reason": "key_compromise", "domain": certificate.domain} | more


@pytest.mark.parametrize("who", ["alice", "rita", "ada"])
def test_customer_and_reviewer_revoke(shop: Shop, who: str) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    person = getattr(shop, who)
    browser = shop.browser(person)
    form = browser.get(address(certificate))
    for sentence in REASON_SENTENCES.values():
        assert sentence in form.words
    done = browser.follow(browser.post(address(certificate), filled(certificate)))
    assert "confirms in a moment" in done.words
    after = shop.get(certificate.id)
    assert after.state == State.REVOKING
    assert after.revocation_reason == "key_compromise"
    assert shop.history(certificate)[-1].actor_id == person.id


def test_the_money_is_told_beforehand(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    shop.clock.advance(days=18)
    page = shop.browser(shop.alice).get(address(certificate))
    assert "Refundable until 3 Jun 2026, 17:00 CST." in page.words
    assert "12 days left" in page.words
    assert "Once it is revoked, you can apply for 268.00 CNY to go back to your balance in this shop." in page.words
    reviewer = shop.browser(shop.rita).get(address(certificate))
    assert "the customer can apply for 268.00 CNY to go back to the customer’s balance in this shop." in reviewer.words


def test_money_that_cannot_go_where_it_came_from_is_told_to_go_to_the_balance(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED, method=PaymentMethod.ALIPAY, account="ending 88")
    page = shop.browser(shop.alice).get(address(certificate))
    assert "your balance in this shop. The account that paid cannot be reached from here." in page.words


def test_after_the_window_it_says_that_nothing_comes_back(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    shop.clock.advance(days=30, microseconds=1)
    browser = shop.browser(shop.alice)
    page = browser.get(address(certificate))
    assert "No refund: the window closed on 3 Jun 2026, 17:00 CST." in page.words
    assert "You can revoke it all the same; the money stays paid." in page.words
    browser.post(address(certificate), filled(certificate))
    assert shop.get(certificate.id).state == State.REVOKING


@pytest.mark.parametrize(
    "typed", ["bücher.example.com", "BÜCHER.example.com", "XN--bcher-kva.EXAMPLE.com", " xn--bcher-kva.example.com. "]
)
def test_the_domain_may_be_typed_in_either_form(shop: Shop, typed: str) -> None:
    certificate = shop.certificate_in(State.ISSUED, domain="xn--bcher-kva.example.com")
    shop.browser(shop.alice).post(address(certificate), filled(certificate, domain=typed))
    assert shop.get(certificate.id).state == State.REVOKING


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"domain": "other.example.com"}, "This is not the domain of this certificate."),
        ({"domain": ""}, "Type the domain of the certificate."),
        ({"domain": "not a domain"}, "This is not the domain of this certificate."),
        ({"reason": ""}, "Choose a reason."),
        ({"reason": "certificate_hold"}, "Choose one of the reasons."),
    ],
)
def test_a_form_that_is_not_right_comes_back_as_it_was(shop: Shop, wrong: dict[str, str], message: str) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    data = filled(certificate) | wrong
    page = shop.browser(shop.alice).post(address(certificate), data, 422)
    assert message in page.words
    assert value(page, "domain") == data["domain"]
    reasons = [node for node in page.tree.iter("input") if node.get("name") == "reason"]
    chosen = [node.get("value") for node in reasons if node.get("checked") is not None]
    assert chosen == [one for one in [data["reason"]] if one == "key_compromise"]
    assert shop.get(certificate.id).state == State.ISSUED


@pytest.mark.parametrize("state", [State.PENDING, State.REVOKING, State.REVOKED])
def test_only_an_issued_certificate_can_be_revoked(shop: Shop, state: State) -> None:
    certificate = shop.certificate_in(state)
    browser = shop.browser(shop.alice)
    browser.get(address(certificate), 409)
    browser.post(address(certificate), filled(certificate), 409)
    assert shop.get(certificate.id).state == state


def test_pressed_twice_it_is_revoked_once(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    browser = shop.browser(shop.alice)
    assert (
        browser.post(address(certificate), filled(certificate)).location
        == browser.post(address(certificate), filled(certificate)).location
    )
    assert [row.event for row in shop.history(certificate)].count("revoke") == 1


def test_a_stale_page_tells_what_happened_and_keeps_what_was_typed(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    shop.fire(certificate, Event.REVOKE)
    shop.fire_as_system(certificate, Event.REFUSE_REVOCATION, reason="Closed today.")
    # Alice revoked in another tab, the authority refused, and Rita's old page comes now.
    page = shop.browser(shop.rita).post(address(certificate), filled(certificate), 409)
    assert "Revocation asked for by Alice" in page.words
    assert value(page, "domain") == "www.example.com"
    assert value(page, "version") == str(certificate.version + 2)
    shop.browser(shop.rita).post(address(certificate), filled(certificate, version=certificate.version + 2))
    assert shop.get(certificate.id).state == State.REVOKING


def test_the_way_back_leads_to_the_certificate(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    page = shop.browser(shop.alice).get(address(certificate))
    assert link(page, "Keep it") == f"/certificates/{certificate.id}"
