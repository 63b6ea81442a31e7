"""Whose move it is while the control of a domain is shown: the same on the list, the start page, the certificate's page
and in the review queue, and told to whoever looks as soon as it changes."""

from collections.abc import Callable

import pytest
from domain_looks import looked
from pages import words_of
from review_support import element
from shop import Page, Shop
from sqlmodel import delete, select
from start_page import needs, step, waiting

from certlifecycle import Mover, State
from webapp.accounts.models import Account
from webapp.certificates.models import Certificate
from webapp.live.models import LiveSignal

YOURS, OF_CUSTOMER, OF_REVIEWER = "Your move", "Customer’s move", "Reviewer’s move"
WORDS = {
    Mover.CUSTOMER: OF_CUSTOMER,
    Mover.REVIEWER: OF_REVIEWER,
    Mover.SYSTEM: "We are working on it",
    Mover.NOBODY: "Nothing left to do",
}


def row(shop: Shop, who: Account, certificate: Certificate) -> str:
    """What the row of the list tells."""
    return words_of(element(shop.browser(who).get("/certificates"), f"certificate-{certificate.id}"))


def case(shop: Shop, certificate: Certificate) -> str:
    """What the row of the queue tells."""
    return words_of(element(shop.browser(shop.rita).get("/review"), f"case-{certificate.id}"))


def page(shop: Shop, certificate: Certificate, who: Account | None = None) -> Page:
    return shop.browser(who or shop.alice).get(f"/certificates/{certificate.id}")


def standing(page: Page) -> str:
    """The words above the facts: where it stands, and whose move it is."""
    return words_of(next(node for node in page.tree.iter("section")))


def test_while_nobody_has_shown_the_domain_it_is_the_customers(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED, product="ov")
    assert YOURS in row(shop, shop.alice, certificate)
    assert "See what to set" in row(shop, shop.alice, certificate)
    assert YOURS in standing(page(shop, certificate))
    start = shop.browser(shop.alice).get("/")
    assert needs(start) == ["www.example.com"]
    assert step(start, "www.example.com")[1] == f"/certificates/{certificate.id}#domain-control"
    assert OF_CUSTOMER in row(shop, shop.rita, certificate)
    assert OF_CUSTOMER in standing(page(shop, certificate, shop.rita))
    # The reviewer may decide all the same, and is told that there is nothing to see yet.
    assert OF_CUSTOMER in case(shop, certificate)
    assert "Review" in case(shop, certificate)


def test_once_it_was_seen_it_is_the_reviewers(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED, product="ov")
    looked(shop, certificate, held=True)
    assert OF_REVIEWER in row(shop, shop.alice, certificate)
    assert "Details" in row(shop, shop.alice, certificate)
    assert OF_REVIEWER in standing(page(shop, certificate))
    assert waiting(shop.browser(shop.alice).get("/")) == ["www.example.com"]
    assert YOURS in row(shop, shop.rita, certificate)
    assert YOURS in standing(page(shop, certificate, shop.rita))
    assert "move" not in case(shop, certificate)


def test_caa_records_that_forbid_it_are_for_the_customer_to_change(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED, product="ov")
    looked(shop, certificate, held=True, caa="The CAA records do not let us issue.")
    assert YOURS in row(shop, shop.alice, certificate)
    shown = standing(page(shop, certificate))
    assert YOURS in shown
    assert "The domain is yours, but its CAA records do not let us issue. Change them, as said below." in shown
    start = shop.browser(shop.alice).get("/")
    assert needs(start) == ["www.example.com"]
    assert "Change them; we look again then." in start.words
    assert OF_CUSTOMER in case(shop, certificate)
    looked(shop, certificate, held=True)
    assert OF_REVIEWER in row(shop, shop.alice, certificate)


def test_a_desk_that_looks_at_no_domains_leaves_it_to_the_reviewer(
    sqlite_url: str, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop(sqlite_url, domain_control=False)
    certificate = shop.certificate_in(State.SUBMITTED)
    assert OF_REVIEWER in row(shop, shop.alice, certificate)
    assert OF_REVIEWER in standing(page(shop, certificate))
    assert waiting(shop.browser(shop.alice).get("/")) == ["www.example.com"]
    assert YOURS in row(shop, shop.rita, certificate)
    assert "move" not in case(shop, certificate)


@pytest.mark.parametrize("state", [one for one in State if one not in (State.SUBMITTED, State.ISSUED)])
def test_of_every_other_state_list_and_page_say_the_same(shop: Shop, state: State) -> None:
    certificate = shop.certificate_in(state)
    for who in (shop.alice, shop.rita):
        expected = YOURS if state.mover == who.role else WORDS[state.mover]
        for told in (row(shop, who, certificate), standing(page(shop, certificate, who))):
            assert [one for one in (YOURS, *WORDS.values()) if one in told] == [expected]


def test_what_the_customer_has_to_do_stands_before_the_refund(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED, product="ov")
    text = page(shop, certificate).text
    assert text.count('id="domain-control"') == 1
    assert text.index('id="domain-control"') < text.index("Not refundable yet")
    looked(shop, certificate, held=True)
    text = page(shop, certificate).text
    assert text.count('id="domain-control"') == 1
    assert text.index('id="domain-control"') > text.index("Not refundable yet")


# Told as it happens


def told(shop: Shop) -> set[tuple[str, str]]:
    """What viewers are told since the last look."""
    with shop.database.writing() as session:
        rows = {(one.topic, one.name) for one in session.exec(select(LiveSignal))}
        session.exec(delete(LiveSignal))
    return rows


def test_whoever_looks_is_told_when_it_becomes_somebody_elses(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED, product="ov")
    everybody = {
        (topic, name)
        for topic in ("review", f"customer:{shop.alice.id}")
        for name in ("moves", f"certificate-{certificate.id}")
    }
    told(shop)
    looked(shop, certificate)
    assert told(shop) == set()
    looked(shop, certificate, held=True, caa="The CAA records do not let us issue.")
    assert told(shop) == everybody
    looked(shop, certificate, held=True, caa="The CAA records do not let us issue, still.")
    assert told(shop) == set()
    looked(shop, certificate, held=True)
    assert told(shop) == everybody


def test_the_start_page_and_the_queue_listen(shop: Shop) -> None:
    start = element(shop.browser(shop.alice).get("/"), "home")
    queue = element(shop.browser(shop.rita).get("/review"), "queue")
    for one in (start, queue):
        assert "sse:moves" in (one.get("hx-trigger") or "")
