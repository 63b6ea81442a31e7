"""What is late, or about to be, at the head of the queue."""

from datetime import timedelta
from typing import Any

import pytest
from review_support import text_of, url_of
from shop import Page, Shop
from sqlmodel import col, update

from certlifecycle import State
from webapp.certificates.models import Certificate
from webapp.domaincontrol.models import DomainControl
from webapp.domaincontrol.models import Method as ControlMethod
from webapp.review.late import SHOWN, time_outs


def strip(page: Page) -> Any:
    return next((node for node in page.tree.iter("section") if node.get("class") == "late"), None)


def told(page: Page) -> str:
    return text_of(strip(page)) if strip(page) is not None else ""


def leads_to(page: Page) -> list[str]:
    return [node.get("href") for node in strip(page).iter("a")]


def see_control(shop: Shop, certificate: Certificate, **values: Any) -> None:
    with shop.database.writing() as session:
        statement = update(DomainControl).where(col(DomainControl.certificate_id) == certificate.id)
        session.exec(statement.values(**values))


def test_nothing_late_nothing_said(shop: Shop) -> None:
    shop.certificate_in(State.REFUND_REQUESTED)
    shop.certificate_in(State.REVOKING, domain="revoking.example.com")
    shop.certificate_in(State.SUBMITTED, domain="submitted.example.com")
    assert strip(shop.browser(shop.rita).get("/review")) is None


def test_reviews_that_are_late_are_named_with_a_link(shop: Shop) -> None:
    refund = shop.certificate_in(State.REFUND_REQUESTED, domain="refund.example.com")
    shop.clock.advance(days=8)
    page = shop.browser(shop.rita).get("/review")
    assert "1 review is late It stands first in the queue." in told(page)
    assert "refund.example.com Refund · 17 hours late" in told(page)
    assert leads_to(page) == [url_of(refund)]
    shop.certificate_in(State.SUBMITTED, domain="verify.example.com")
    shop.clock.advance(days=5)
    page = shop.browser(shop.rita).get("/review")
    assert "2 reviews are late They stand first in the queue." in told(page)
    assert "verify.example.com Verification · " in told(page)


def test_of_many_that_are_late_some_are_named_and_the_rest_is_a_link(shop: Shop) -> None:
    for number in range(SHOWN + 2):
        shop.certificate_in(State.REFUND_REQUESTED, domain=f"{number}.example.com")
        shop.clock.advance(minutes=1)
    shop.clock.advance(days=10)
    page = shop.browser(shop.rita).get("/review?kind=verification")
    assert f"{SHOWN + 2} reviews are late" in told(page)
    assert "0.example.com" in told(page)
    assert f"{SHOWN}.example.com" not in told(page)
    assert told(page).endswith("2 more")
    assert leads_to(page)[-1] == "/review"


@pytest.mark.parametrize(
    ("product", "hours_before", "hours_near"),
    [("dv", 48 - 12.1, 48 - 11.9), ("ov", 30 * 24 - 24.1, 30 * 24 - 23.9)],
)
def test_a_verification_near_its_time_out_is_shown(
    shop: Shop, product: str, hours_before: float, hours_near: float
) -> None:
    certificate = shop.certificate_in(State.SUBMITTED, product=product)
    start = shop.clock()

    def near() -> list[str]:
        with shop.database.reading() as session:
            return [one.certificate_id for one in time_outs(session, shop.clock())]

    shop.clock.now = start + timedelta(hours=hours_before)
    assert near() == []
    shop.clock.now = start + timedelta(hours=hours_near)
    assert near() == [certificate.id]
    page = shop.browser(shop.rita).get("/review")
    assert "1 verification is about to time out What we look for at the domain is not there yet." in told(page)
    assert "you can verify it by hand until then" in told(page)
    assert f"www.example.com fails in {11 if product == 'dv' else 23} hours" in told(page)
    assert url_of(certificate) in leads_to(page)
    shop.clock.advance(days=1, hours=1)
    assert "timed out" in told(shop.browser(shop.rita).get("/review"))


def test_the_time_runs_from_when_an_authority_asked_the_customer(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    see_control(shop, certificate, given_at=shop.clock() + timedelta(days=1))
    shop.clock.advance(hours=47)
    assert "fails in" not in told(shop.browser(shop.rita).get("/review"))
    shop.clock.advance(hours=23)
    assert "www.example.com fails in 2 hours" in told(shop.browser(shop.rita).get("/review"))


def test_what_will_not_fail_by_itself_does_not_time_out(shop: Shop) -> None:
    seen = shop.certificate_in(State.SUBMITTED, domain="seen.example.com")
    see_control(shop, seen, held_at=shop.clock(), held_by=ControlMethod.DNS_TXT)
    resting = shop.certificate_in(State.SUBMITTED, domain="resting.example.com")
    shop.desk.rest(resting.id, resting.version)
    shop.certificate_in(State.VERIFIED, domain="verified.example.com")
    forbidden = shop.certificate_in(State.SUBMITTED, domain="forbidden.example.com")
    see_control(shop, forbidden, held_at=shop.clock(), held_by=ControlMethod.DNS_TXT, caa_problem="CAA forbids it.")
    shop.clock.advance(hours=47)
    with shop.database.reading() as session:
        assert [one.certificate_id for one in time_outs(session, shop.clock())] == [forbidden.id]


def test_several_time_outs_stand_in_their_order(any_shop: Shop) -> None:
    later = any_shop.certificate_in(State.SUBMITTED, domain="later.example.com")
    see_control(any_shop, later, created_at=any_shop.clock() + timedelta(hours=1))
    first = any_shop.certificate_in(State.SUBMITTED, domain="first.example.com")
    any_shop.clock.advance(hours=47)
    with any_shop.database.reading() as session:
        assert [one.certificate_id for one in time_outs(session, any_shop.clock())] == [first.id, later.id]
    page = any_shop.browser(any_shop.rita).get("/review")
    assert "2 verifications are about to time out" in told(page)
    assert "you can verify them by hand until then" in told(page)


def test_many_time_outs_lead_to_the_verifications(shop: Shop) -> None:
    for number in range(SHOWN + 1):
        shop.certificate_in(State.SUBMITTED, domain=f"{number}.example.com")
    shop.clock.advance(hours=47)
    assert "/review?kind=verification" in leads_to(shop.browser(shop.rita).get("/review"))


def test_a_revocation_that_is_not_confirmed_after_a_day_is_shown(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKING, domain="slow.example.com")
    shop.clock.advance(hours=24)
    browser = shop.browser(shop.rita)
    assert strip(browser.get("/review")) is None
    shop.clock.advance(seconds=1)
    page = browser.get("/review")
    assert "1 revocation is not confirmed after 24 hours" in told(page)
    assert "The certificate authority has to confirm it. Its page says what holds it up." in told(page)
    assert "slow.example.com asked for 1 day ago" in told(page)
    assert leads_to(page) == [f"/certificates/{certificate.id}"]
    shop.run_due(certificate.id)
    assert strip(browser.get("/review")) is None


def test_many_slow_revocations_lead_to_their_list(shop: Shop) -> None:
    for number in range(SHOWN + 1):
        shop.certificate_in(State.REVOKING, domain=f"{number}.example.com")
    shop.clock.advance(days=2)
    page = shop.browser(shop.rita).get("/review")
    assert f"{SHOWN + 1} revocations are not confirmed after 24 hours" in told(page)
    assert leads_to(page)[-1] == "/certificates?tab=signed&state=revoking"
    shop.browser(shop.rita).get(leads_to(page)[-1])


def test_a_search_shows_what_was_searched_for_alone(shop: Shop) -> None:
    shop.certificate_in(State.REFUND_REQUESTED)
    shop.clock.advance(days=10)
    assert strip(shop.browser(shop.rita).get("/review?q=example")) is None


def test_the_strip_lives_with_the_queue(shop: Shop) -> None:
    shop.certificate_in(State.REFUND_REQUESTED)
    shop.clock.advance(days=10)
    assert "1 review is late" in shop.browser(shop.rita).get("/review", htmx=True).words
