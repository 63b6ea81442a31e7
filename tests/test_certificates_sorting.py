"""The list sorted by its columns: each certificate once, forth and back, whatever the column and the direction."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pages import link, words_of
from shop import Page, Shop

from certlifecycle import PRESETS, Event, State
from webapp.certificates import queries
from webapp.certificates.search import NEWEST, STATES_ON, Order, Place, Search, Sort, Tab
from webapp.certificates.sorting import segments, sorts_on
from webapp.wording import STATE_WORDS

SIGNED = (State.ISSUED, State.REVOKING, State.REVOKED, State.REFUND_REQUESTED, State.REFUND_APPROVED, State.REJECTED)


def domains(page: Page) -> list[str]:
    rows = [node for node in page.tree.iter("th") if node.get("scope") == "row"]
    return [words_of(row.find("a")) for row in rows]


def head(page: Page, label: str) -> Any:
    """The head of a column by its words."""
    return next(node for node in page.tree.iter("th") if node.get("scope") == "col" and words_of(node) == label)


def walk(shop: Shop, address: str) -> list[str]:
    """All domains from the first page to the last, having seen the same from the last page to the first."""
    browser = shop.browser(shop.alice)
    pages = [browser.get(address)]
    while (older := link(pages[-1], "Next")) is not None:
        pages.append(browser.get(older))
    if (last := link(pages[0], "Last")) is not None:
        back = [browser.get(last)]
        while (newer := link(back[-1], "Previous")) is not None:
            back.append(browser.get(newer))
        assert [domains(page) for page in back] == [domains(page) for page in reversed(pages)]
    return [domain for page in pages for domain in domains(page)]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of three, so that a few certificates have many."""
    monkeypatch.setattr(queries, "PAGE_SIZE", 3)


def fill_signed(shop: Shop) -> list[str]:
    """Twelve certificates that were issued, some at the same instant, in every state."""
    made = []
    for number in range(12):
        if number % 3 == 0:
            shop.clock.advance(days=4)
        domain = f"{'cab'[number % 3]}{number:02}.example.com"
        shop.certificate_in(SIGNED[number % len(SIGNED)], domain=domain)
        made.append(domain)
    return made


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("sort", list(Sort))
def test_every_sort_meets_each_one_once_forth_and_back(any_shop: Shop, sort: Sort) -> None:
    made = fill_signed(any_shop)
    seen = walk(any_shop, f"/certificates?tab=signed&sort={Order(sort, falling=False)}")
    opposite = walk(any_shop, f"/certificates?tab=signed&sort={Order(sort, falling=True)}")
    assert sorted(seen) == sorted(opposite) == sorted(made)
    if sort is not Sort.STATE:
        # Within a state the latest stands first, however the states are ordered.
        assert opposite == seen[::-1]


@pytest.mark.usefixtures("small_pages")
def test_by_domain_it_is_the_alphabet(shop: Shop) -> None:
    made = fill_signed(shop)
    assert walk(shop, "/certificates?tab=signed&sort=domain") == sorted(made)
    assert walk(shop, "/certificates?tab=signed&sort=-domain") == sorted(made, reverse=True)


@pytest.mark.usefixtures("small_pages")
def test_by_state_it_is_the_life_cycle_and_in_a_state_the_latest_first(shop: Shop) -> None:
    fill_signed(shop)
    with shop.database.reading() as session:
        search = Search(Tab.SIGNED, order=Order(Sort.STATE, falling=False))
        page = queries.list_page(session, search, shop.alice, shop.clock(), shop.desk.policy)
    states = [State(row.state) for row in page.rows]
    assert states == sorted(states, key=STATES_ON[Tab.SIGNED].index)
    seen = walk(shop, "/certificates?tab=signed&sort=state")
    found = {one.domain: one for one in [shop.get(key) for key in ids(shop)]}
    places = [(STATES_ON[Tab.SIGNED].index(found[domain].state), found[domain].state_since) for domain in seen]
    assert places == sorted(places, key=lambda place: (place[0], -place[1].timestamp()))
    fallen = walk(shop, "/certificates?tab=signed&sort=-state")
    assert [found[domain].state for domain in fallen] == sorted(
        (found[domain].state for domain in seen), key=STATES_ON[Tab.SIGNED].index, reverse=True
    )


def ids(shop: Shop) -> list[str]:
    with shop.database.reading() as session:
        search = Search(Tab.SIGNED)
        return [row.id for row in queries.found_by(session, search, shop.alice, 100)]


def test_by_deadline_the_running_windows_come_first_the_nearest_on_top(shop: Shop) -> None:
    shop.certificate_in(State.ISSUED, domain="closed.example.com")
    shop.clock.advance(days=10)
    shop.certificate_in(State.REVOKED, domain="soon.example.com")
    shop.clock.advance(days=5)
    shop.certificate_in(State.REFUND_REQUESTED, domain="asked.example.com")
    shop.certificate_in(State.ISSUED, domain="later.example.com")
    shop.clock.advance(days=16)
    first = domains(shop.browser(shop.alice).get("/certificates?tab=signed&sort=deadline"))
    # The window of the first closed a day ago; under an application no deadline is left to keep.
    assert first == ["soon.example.com", "later.example.com", "asked.example.com", "closed.example.com"]
    assert domains(shop.browser(shop.alice).get("/certificates?tab=signed&sort=-deadline")) == first[::-1]


def test_by_deadline_the_last_instant_still_runs(shop: Shop) -> None:
    shop.certificate_in(State.ISSUED, domain="edge.example.com")
    shop.clock.advance(days=1)
    shop.certificate_in(State.ISSUED, domain="later.example.com")
    shop.clock.advance(days=29)
    browser = shop.browser(shop.alice)
    url = "/certificates?tab=signed&sort=deadline"
    assert domains(browser.get(url)) == ["edge.example.com", "later.example.com"]
    shop.clock.advance(microseconds=1)
    assert domains(browser.get(url)) == ["later.example.com", "edge.example.com"]


def test_where_the_window_runs_from_the_payment_unsigned_ones_have_a_deadline_too(
    sqlite_url: str, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop(sqlite_url, policy=PRESETS["7-days-from-payment"])
    for domain in ("first.example.com", "second.example.com"):
        shop.order(domain=domain)
        shop.clock.advance(days=1)
    page = shop.browser(shop.alice).get("/certificates?tab=unsigned&sort=deadline")
    assert domains(page) == ["first.example.com", "second.example.com"]
    assert head(page, "Refund").get("aria-sort") == "ascending"


def test_what_a_tab_cannot_be_sorted_by_is_not_offered_and_harmless(shop: Shop) -> None:
    assert set(sorts_on(Tab.UNSIGNED, shop.desk.policy)) == {Sort.ORDERED, Sort.DOMAIN, Sort.STATE}
    for number in range(2):
        shop.clock.advance(hours=1)
        shop.order(domain=f"{number}.example.com")
    for sort in ("issued", "-expires", "deadline", "nonsense", "-", "--domain"):
        page = shop.browser(shop.alice).get(f"/certificates?tab=unsigned&sort={sort}")
        assert set(domains(page)) == {"0.example.com", "1.example.com"}
    assert not list(head(page, "Refund").iter("a"))


def test_a_head_says_how_it_is_sorted_and_turns_it_round(shop: Shop) -> None:
    shop.certificate_in(State.ISSUED)
    browser = shop.browser(shop.alice)
    page = browser.get("/certificates?tab=signed&q=example&state=issued")
    assert head(page, "Certificate").get("aria-sort") is None
    up = head(page, "Certificate").find("a").get("href")
    page = browser.get(up)
    assert head(page, "Certificate").get("aria-sort") == "ascending"
    # What was looked for stays.
    assert page.field("q") == "example"
    page = browser.get(head(page, "Certificate").find("a").get("href"))
    assert head(page, "Certificate").get("aria-sort") == "descending"
    # Of what happened people look for the latest, of what ends for the nearest.
    assert "sort=-issued" in head(page, "Issued").find("a").get("href")
    assert "sort=expires" in head(page, "Expires").find("a").get("href")


def test_where_there_are_no_heads_a_select_sorts(shop: Shop) -> None:
    shop.certificate_in(State.ISSUED)
    page = shop.browser(shop.alice).get("/certificates?tab=signed&sort=expires")
    (select,) = [node for node in page.tree.iter("select") if node.get("name") == "sort"]
    assert select.get("form") == "find"
    chosen = [node.get("value") for node in select.iter("option") if node.get("selected") is not None]
    assert chosen == ["expires"]
    assert len(list(select.iter("option"))) == 2 * len(sorts_on(Tab.SIGNED, shop.desk.policy))


def test_a_place_of_another_sort_leads_to_the_first_page(shop: Shop) -> None:
    shop.certificate_in(State.ISSUED)
    browser = shop.browser(shop.alice)
    for place in ("0.www.example.com." + "0" * 32, "9.5." + "0" * 32, "0.." + "f" * 32, "0.1.short"):
        for way in ("after", "before"):
            browser.get(f"/certificates?tab=signed&sort=issued&{way}={place}")


def test_an_address_says_the_same_as_the_search_that_it_was_written_from() -> None:
    for sort in Sort:
        for falling in (True, False):
            order = Order(sort, falling)
            assert Order.read(str(order)) == order
    assert Order.read("") == Order.read("nonsense") == NEWEST
    place = Place(1, "*.example.com", "a" * 32)
    assert Place.read(str(place), Sort.DOMAIN) == place
    assert Place.read(str(place), Sort.ISSUED) is None


def test_a_filter_by_state_leaves_one_segment(shop: Shop) -> None:
    order = Order(Sort.STATE, falling=False)
    assert len(segments(Tab.SIGNED, State.ISSUED, order, shop.clock(), shop.desk.policy)) == 1
    assert len(segments(Tab.SIGNED, None, order, shop.clock(), shop.desk.policy)) == len(STATES_ON[Tab.SIGNED])


def test_rows_show_the_dates_that_they_are_sorted_by(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    shop.clock.advance(hours=1)
    page = shop.browser(shop.alice).get("/certificates?tab=signed")
    assert certificate.not_after is not None
    for label, instant in (("Issued", certificate.issued_at), ("Expires", certificate.not_after)):
        assert instant is not None
        assert f"{label} {instant + timedelta(hours=8):%-d %b %Y}" in page.words
        assert f'datetime="{instant.isoformat(timespec="seconds")}"' in page.text
    shop.fire(shop.order(domain="new.example.com"), Event.REQUEST_REFUND)
    assert (
        f"Ordered {shop.clock() + timedelta(hours=8):%-d %b %Y}"
        in shop.browser(shop.alice).get("/certificates?tab=unsigned").words
    )
    assert STATE_WORDS[State.REFUND_REQUESTED] in shop.browser(shop.alice).get("/certificates?tab=unsigned").words
