"""The navigation: whose places are in it, how much waits there, and that the counts change by themselves."""

from typing import Any

import pytest
from pages import words_of
from shop import Page, Shop

from certlifecycle import Event, State
from webapp.hindrances import Hindrance


def navigation(page: Page) -> Any:
    return next(node for node in page.tree.iter("nav") if node.get("id") == "navigation")


def places(page: Page) -> list[str]:
    return [words_of(node) for node in navigation(page).iter("a")]


def here(page: Page) -> list[str]:
    return [words_of(node) for node in navigation(page).iter("a") if node.get("aria-current") == "page"]


def test_everybody_has_their_places(shop: Shop) -> None:
    shop.certificate_in(State.SUBMITTED)
    certificate = shop.certificate_in(State.REVOKING)
    shop.desk.note_failure(certificate.id, "gone", Hindrance.UNREACHABLE)
    of_alice, of_rita, of_ada = (
        places(shop.browser(who).get("/certificates")) for who in (shop.alice, shop.rita, shop.ada)
    )
    assert {"Certificates", "Refunds"} <= set(of_alice)
    assert {"Review 1", "Certificates"} <= set(of_rita)
    assert {"Review 1", "Certificates", "Payments", "Outbox 1"} <= set(of_ada)
    assert not [place for place in (*of_alice, *of_rita) if place.startswith(("Outbox", "Payments"))]


def test_the_counts_of_those_who_decide_change_by_themselves(shop: Shop) -> None:
    browser = shop.browser(shop.rita)
    page = browser.get("/certificates")
    shown = navigation(page)
    assert shown.get("hx-trigger") == "sse:change delay:700ms, desk:pulse, desk:refresh from:body"
    assert ("Review" in places(page), here(page)) == (True, ["Certificates"])
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    fragment = browser.get(shown.get("hx-get"), htmx=True)
    assert ("Review 1" in places(fragment), here(fragment)) == (True, ["Certificates"])
    # It comes from where it came from, and the links keep their ids: the focus stays on them.
    assert navigation(fragment).attrib == shown.attrib
    ids = [node.get("id") for node in shown.iter("a")]
    assert [node.get("id") for node in navigation(fragment).iter("a")] == ids
    assert None not in ids
    etag = fragment.response.headers["ETag"]
    again = {"HX-Request": "true", "If-None-Match": etag}
    assert browser.client.get(shown.get("hx-get"), headers=again).status_code == 304
    shop.fire(certificate, Event.APPROVE_REFUND)
    assert "Review" in places(browser.get(shown.get("hx-get"), htmx=True))


def test_what_fails_makes_no_event_so_an_administrator_s_is_asked_for(shop: Shop) -> None:
    every = [navigation(shop.browser(who).get("/certificates")).get("data-live-every") for who in (shop.ada, shop.rita)]
    assert every == ["30", None]


def test_a_customer_has_no_counts_to_follow(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    assert navigation(browser.get("/certificates")).get("hx-get") is None
    browser.get("/navigation", 403, htmx=True)


@pytest.mark.parametrize("subject", ["", "nonsense", "<script>"])
def test_a_place_that_is_none_is_nowhere(shop: Shop, subject: str) -> None:
    fragment = shop.browser(shop.rita).get("/navigation", query_string={"here": subject}, htmx=True)
    assert here(fragment) == []
