"""Whose a certificate is: the organisation beside the customer wherever a reviewer decides, and finding by its name."""

import pytest
from organisation_support import NAME, found, join, now_of
from pages import selects_of
from review_support import domains, element, row_of, text_of, url_of
from shop import Browser, Shop
from test_goodwill import late, proposed
from test_goodwill import url_of as exception_url
from test_jobs_export import export

from certlifecycle import Event, State
from webapp.certificates.models import Certificate

TOLD = f"Alice, {NAME}"


@pytest.fixture
def shared(shop: Shop) -> Shop:
    """A shop where Alice and Bob are colleagues, and Carol is nobody's."""
    shop.account("carol", shop.bob.role)
    join(shop, found(shop, shop.alice), shop.bob)
    return shop


def of(shop: Shop, who: str, state: State, domain: str) -> Certificate:
    """A certificate that somebody ordered as they belong now."""
    account = now_of(shop, getattr(shop, who))
    return shop.certificate_in(state, account, domain=domain)


def test_wherever_a_reviewer_decides_the_organisation_is_named(shared: Shop) -> None:
    certificate = of(shared, "alice", State.REFUND_REQUESTED, "shared.example.com")
    refund = shared.refund_of(certificate)
    rita = shared.browser(shared.rita)
    assert TOLD in row_of(rita.get("/review"), certificate)
    item = rita.get(url_of(certificate))
    assert f"· {TOLD}" in item.words
    assert f"Organisation {NAME}" in text_of(element(item, "evidence"))
    for address in (
        "/certificates?tab=signed",
        f"/certificates/{certificate.id}",
        f"/refunds/{refund.id}",
        f"/review/many?do=approve&case={certificate.id}:{certificate.version}",
        exception_url(certificate),
    ):
        assert TOLD in rita.get(address).words, address


def test_of_whom_belongs_nowhere_only_the_name_is_said(shop: Shop) -> None:
    found(shop, shop.bob)
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    rita = shop.browser(shop.rita)
    for address in ("/review", url_of(certificate), f"/refunds/{shop.refund_of(certificate).id}"):
        page = rita.get(address)
        assert "Alice" in page.words
        assert NAME not in page.words
    assert "Organisation" not in text_of(element(rita.get(url_of(certificate)), "evidence"))


def test_the_refunds_of_the_whole_organisation_stand_beside_a_decision(shared: Shop) -> None:
    bobs = of(shared, "bob", State.REFUNDED, "bobs.example.com")
    shared.certificate_in(State.REFUNDED, shared.account("dora", shared.bob.role), domain="dora.example.com")
    certificate = of(shared, "alice", State.REFUND_REQUESTED, "shared.example.com")
    told = text_of(element(shared.browser(shared.rita).get(url_of(certificate)), "evidence"))
    assert "Other certificates of the organisation 1 Other refunds of the organisation 1 refunded" in told
    number = shared.refund_of(bobs).number
    assert f"{number} Refunded 268.00 CNY for bobs.example.com · 4 May 2026, 17:00 CST · Bob" in told
    assert "bobs.example.com Refunded DV certificate · ordered 4 May 2026, 17:00 CST · Bob" in told
    assert "dora.example.com" not in told


def names_found(browser: Browser, text: str) -> list[str]:
    """What the reviewers' list of certificates finds."""
    page = browser.get(f"/certificates?tab=unsigned&q={text}")
    rows = [node for node in page.tree.iter("th") if node.get("scope") == "row"]
    return sorted(text_of(row.find("a")) for row in rows)


def test_reviewers_and_admins_find_by_the_organisation_as_by_the_customer(any_shop: Shop) -> None:
    shop = any_shop
    join(shop, found(shop, shop.alice, "Blue Heron Ltd"), shop.bob)
    carol = shop.account("carol", shop.bob.role)
    for who in ("alice", "bob"):
        of(shop, who, State.SUBMITTED, f"{who[0]}.example.com")
    shop.certificate_in(State.SUBMITTED, carol, domain="heron.example.org")
    for reviewer in (shop.rita, shop.ada):
        browser = shop.browser(reviewer)
        for text, expected in (
            ("blue heron", ["a.example.com", "b.example.com"]),
            ("heron", ["a.example.com", "b.example.com", "heron.example.org"]),
            ("CAROL", ["heron.example.org"]),
            ("bob@example.com", ["b.example.com"]),
            ("%", []),
        ):
            assert sorted(domains(browser.get(f"/review?q={text}"))) == expected, text
            assert names_found(browser, text) == expected, text
    page = shop.browser(shop.rita).get("/certificates?tab=unsigned&q=nobody")
    assert "has “nobody” in its domain, its customer’s name or its organisation’s." in page.words
    page = shop.browser(shop.rita).get("/certificates?tab=unsigned&q=nobody&state=submitted")
    assert "that is in the state “Being verified” has “nobody” in its domain" in page.words
    # Customers look through what is theirs already.
    assert names_found(shop.browser(shop.alice), "heron") == []


def test_a_search_by_name_takes_as_many_statements_however_much_it_finds(shared: Shop) -> None:
    rita = shared.browser(shared.rita)

    def statements() -> int:
        return selects_of(shared, lambda: rita.get("/certificates?tab=unsigned&q=alice"))

    of(shared, "alice", State.SUBMITTED, "0.example.com")
    few, few_in_review = statements(), selects_of(shared, lambda: rita.get("/review"))
    for number in range(1, 8):
        of(shared, "alice", State.SUBMITTED, f"{number}.example.com")
    assert statements() == few
    assert selects_of(shared, lambda: rita.get("/review")) == few_in_review


def test_an_export_names_the_organisation(any_shop: Shop) -> None:
    found(any_shop, any_shop.alice)
    of(any_shop, "alice", State.REFUNDED, "shared.example.com")
    any_shop.certificate_in(State.REFUNDED, any_shop.bob, domain="own.example.com")
    for table in ("certificates", "refunds"):
        rows = export(any_shop, any_shop.rita, table)
        assert {(row["customer"], row["organisation"]) for row in rows} == {("Alice", NAME), ("Bob", "")}


def test_a_shared_list_says_whose_of_the_members_it_is(shared: Shop) -> None:
    of(shared, "alice", State.PENDING, "a.example.com")
    bobs = of(shared, "bob", State.PENDING, "b.example.com")
    shared.fire(bobs, Event.REQUEST_REFUND)
    alice = shared.browser(shared.alice)
    rows = [node for node in alice.get("/certificates").tree.iter("th") if node.get("scope") == "row"]
    lines = {text_of(row.find("a")): text_of(row) for row in rows}
    assert "Bob" in lines["b.example.com"]
    assert "Alice" not in lines["a.example.com"]
    assert "Contact Bob" in alice.get(f"/refunds/{shared.refund_of(bobs).id}").words


def test_whoever_agrees_to_an_exception_reads_for_whom(shared: Shop) -> None:
    certificate = late(shared)
    proposed(shared, certificate)
    assert f"· {TOLD}" in shared.browser(shared.ada).get(exception_url(certificate)).words
