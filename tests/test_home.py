"""The start page: what needs the customer, the nearest deadline first, each with its one next step."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from domain_looks import looked
from pages import link, selects_of, words_of
from shop import Page, Shop
from start_page import need, needs, step, waiting

from certlifecycle import PRESETS, Event, State
from webapp.certificates.models import PaymentMethod
from webapp.domaincontrol.models import DomainControl
from webapp.home.queries import MOST

RESOLVER = ("127.0.0.1:5354",)
"""Where nobody is asked in these tests; it only switches the looks at domains on."""


@pytest.fixture
def looking(sqlite_url: str, open_shop: Callable[..., Shop]) -> Shop:
    """A shop that looks at domains."""
    return open_shop(sqlite_url, resolvers=RESOLVER)


def home(shop: Shop) -> Page:
    return shop.browser(shop.alice).get("/")


# Who sees it


def test_reviewers_go_to_their_queue(shop: Shop) -> None:
    for person in (shop.rita, shop.ada):
        assert shop.browser(person).get("/", 303).location == "/review"
    assert shop.browser().get("/", 303).location == "/sign-in?next=/"


def test_everybody_sees_their_own(shop: Shop) -> None:
    shop.order(shop.bob, domain="bob.example.com")
    shop.order(shop.alice, domain="alice.example.com")
    assert needs(home(shop)) == ["alice.example.com"]


def test_whoever_has_nothing_is_taught_how_it_goes(shop: Shop) -> None:
    page = home(shop)
    assert "Here you will see what needs you" in page.words
    assert link(page, "Order a certificate") == "/order"
    assert link(page, "What the states mean") == "/help/states"
    assert "You order" in page.words


def test_whoever_has_nothing_to_do_reads_that(shop: Shop) -> None:
    shop.certificate_in(State.ISSUED)
    page = home(shop)
    assert "Nothing needs you now." in page.words
    assert "1 valid" in page.words
    # Its deadlines are far away.
    assert needs(page) == []


# What needs them


@pytest.mark.parametrize(
    ("state", "label", "leads", "says"),
    [
        (State.PENDING, "Submit", "/certificates/{}/submit", "Hand in a CSR"),
        (State.FAILED, "Submit again", "/certificates/{}/submit", "No record was found."),
        (State.REVOKED, "Apply for the refund", "/certificates/{}/refund", "268.00 CNY go back to your balance"),
        (State.REJECTED, "Read why, and answer", "/refunds/", "The site still uses it."),
    ],
)
def test_each_state_that_waits_for_the_customer_has_its_one_step(
    shop: Shop, state: State, label: str, leads: str, says: str
) -> None:
    certificate = shop.certificate_in(state)
    page = home(shop)
    assert needs(page) == ["www.example.com"]
    found = step(page, "www.example.com")
    assert found[0] == label
    assert found[1].startswith(leads.format(certificate.id))
    assert says in words_of(need(page, "www.example.com"))
    shop.browser(shop.alice).get(found[1])


@pytest.mark.parametrize(
    ("state", "label", "says"),
    [
        (State.VERIFIED, "Details", "The certificate authority is issuing it."),
        (State.REVOKING, "Details", "the certificate authority has to confirm it"),
        (State.REFUND_REQUESTED, "Follow the refund", "A reviewer decides about your refund of 268.00 CNY."),
        (State.REFUND_APPROVED, "Follow the refund", "are approved and on their way to your balance"),
        (State.SUBMITTED, "Details", "A reviewer looks at it."),
    ],
)
def test_what_is_on_its_way_needs_nothing(
    sqlite_url: str, open_shop: Callable[..., Shop], state: State, label: str, says: str
) -> None:
    shop = open_shop(sqlite_url, domain_control=False)
    shop.certificate_in(state)
    page = home(shop)
    assert (needs(page), waiting(page)) == ([], ["www.example.com"])
    assert step(page, "www.example.com")[0] == label
    assert says in words_of(need(page, "www.example.com"))
    shop.browser(shop.alice).get(step(page, "www.example.com")[1])


def test_nothing_is_left_of_what_is_over(shop: Shop) -> None:
    shop.certificate_in(State.REFUNDED)
    shop.certificate_in(State.REVOKED, domain="late.example.com")
    shop.clock.advance(days=31)
    page = home(shop)
    assert (needs(page), waiting(page)) == ([], [])
    assert "1 refunded" in page.words


def test_the_deadline_is_exact_with_its_zone_and_a_countdown(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    shop.clock.advance(days=28)
    page = home(shop)
    told = need(page, "www.example.com")
    assert "2 days left Refund window closes 3 Jun 2026, 17:00 CST" in words_of(told)
    (time,) = told.iter("time")
    assert certificate.issued_at is not None
    assert time.get("datetime") == (certificate.issued_at + timedelta(days=30)).isoformat(timespec="seconds")
    assert told.get("data-soon") is not None
    # The last instant still counts, one microsecond later nothing is left to do.
    shop.clock.advance(days=2)
    assert "less than a minute left" in words_of(need(home(shop), "www.example.com"))
    shop.clock.advance(microseconds=1)
    assert needs(home(shop)) == []


def test_a_valid_one_is_put_before_its_owner_in_the_last_week_of_its_window(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    shop.clock.advance(days=23)
    page = home(shop)
    assert "If you do not need it: revoke it, then apply" in words_of(need(page, "www.example.com"))
    assert step(page, "www.example.com") == ("Revoke", f"/certificates/{certificate.id}/revoke")
    shop.clock.advance(microseconds=-1)
    assert needs(home(shop)) == []
    shop.clock.advance(days=7, microseconds=2)
    assert needs(home(shop)) == []


def test_one_that_expires_wants_a_successor_until_there_is_one(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    assert certificate.not_after is not None
    shop.clock.now = certificate.not_after - timedelta(days=30)
    page = home(shop)
    assert step(page, "www.example.com") == ("Order the next one", "/order/dv")
    assert "30 days left Expires" in words_of(need(page, "www.example.com"))
    assert "Order the next one in time" in words_of(need(page, "www.example.com"))
    shop.certificate_in(State.ISSUED)
    assert needs(home(shop)) == []


def test_an_expired_one_wants_nothing(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    assert certificate.not_after is not None
    shop.clock.now = certificate.not_after
    assert needs(home(shop)) == []
    assert "The next one expires" not in home(shop).words


def test_the_nearest_deadline_stands_first_and_then_what_waits_for_the_longest(shop: Shop) -> None:
    shop.order(domain="old.example.com")
    shop.certificate_in(State.REVOKED, domain="later.example.com")
    shop.clock.advance(days=-1)
    shop.certificate_in(State.REVOKED, domain="nearest.example.com")
    shop.clock.advance(days=3)
    shop.order(domain="new.example.com")
    assert needs(home(shop)) == ["nearest.example.com", "later.example.com", "old.example.com", "new.example.com"]
    primary = [node for node in home(shop).tree.iter("a") if "button--primary" in (node.get("class") or "")]
    assert [words_of(one) for one in primary] == ["Apply for the refund: nearest.example.com"]


def test_where_the_window_runs_from_the_payment_an_order_has_a_deadline(
    sqlite_url: str, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop(sqlite_url, policy=PRESETS["7-days-from-payment"])
    shop.order(domain="new.example.com")
    shop.certificate_in(State.ISSUED, domain="used.example.com")
    shop.certificate_in(State.REVOKED, domain="gone.example.com")
    page = home(shop)
    for domain in ("new.example.com", "used.example.com", "gone.example.com"):
        assert "7 days left Refund window closes 11 May 2026, 17:00 CST" in words_of(need(page, domain))


def test_money_that_goes_elsewhere_is_named_as_where_it_goes(shop: Shop) -> None:
    shop.certificate_in(State.REVOKED, method=PaymentMethod.ALIPAY, account="ending 88")
    assert "268.00 CNY go back to your balance in this shop." in words_of(need(home(shop), "www.example.com"))


# The proof


def test_a_proof_that_is_not_seen_yet_shows_what_was_seen_and_until_when_we_look(looking: Shop) -> None:
    shop = looking
    certificate = shop.certificate_in(State.SUBMITTED)
    page = home(shop)
    assert "We have not looked yet." in words_of(need(page, "www.example.com"))
    assert "2 days left We look until 6 May 2026, 17:00 CST" in words_of(need(page, "www.example.com"))
    assert step(page, "www.example.com") == ("See what to set", f"/certificates/{certificate.id}#domain-control")
    looked(shop, certificate, caa="The CAA records do not let us issue.")
    shop.clock.advance(minutes=3)
    seen = (
        "Seen 3 min ago. TXT record: No TXT record at _desk.www.example.com yet. The CAA records do not let us issue."
    )
    assert seen in words_of(need(home(shop), "www.example.com"))
    shop.clock.advance(days=2)
    assert "We look until" not in words_of(need(home(shop), "www.example.com"))


def test_once_it_was_seen_the_next_move_is_somebody_elses(looking: Shop) -> None:
    certificate = looking.certificate_in(State.SUBMITTED, product="ov")
    looked(looking, certificate, held=True)
    page = home(looking)
    assert (needs(page), waiting(page)) == ([], ["www.example.com"])
    assert "A reviewer looks at your organisation next." in words_of(need(page, "www.example.com"))


def test_before_there_is_a_value_the_page_says_that_it_is_being_made(looking: Shop) -> None:
    certificate = looking.certificate_in(State.SUBMITTED)
    with looking.database.writing() as session:
        session.execute(sa.delete(DomainControl))
    page = home(looking)
    assert "it is there in a moment" in words_of(need(page, "www.example.com"))
    assert step(page, "www.example.com")[1] == f"/certificates/{certificate.id}#domain-control"


# The promised day


def test_a_refund_in_review_shows_the_promised_day_and_that_it_is_late(shop: Shop) -> None:
    shop.certificate_in(State.REFUND_REQUESTED)
    told = words_of(need(home(shop), "www.example.com"))
    assert "in 7 days Answer promised by Monday, 11 May 2026" in told
    # The day ends at 16:00 UTC.
    shop.clock.now = shop.clock.now.replace(day=11, hour=15, minute=59)
    assert "late" not in words_of(need(home(shop), "www.example.com"))
    shop.clock.advance(minutes=1)
    told = words_of(need(home(shop), "www.example.com"))
    assert "The answer about 268.00 CNY is late. Your claim does not lapse" in told
    assert "late Answer was promised by Monday, 11 May 2026" in told


# How much


def test_a_long_list_is_cut_and_its_rest_is_one_link_away(shop: Shop) -> None:
    for number in range(MOST + 3):
        shop.order(domain=f"n{number}.example.com")
    shop.certificate_in(State.REVOKED, domain="refund.example.com")
    page = home(shop)
    assert len(needs(page)) == MOST
    assert needs(page)[0] == "refund.example.com"
    assert link(page, "More that are not submitted") == "/certificates?tab=unsigned&state=pending"
    assert link(page, "More that can be refunded") is None
    assert f"Needs you {MOST}+" in page.words


def test_the_number_of_statements_does_not_depend_on_the_number_of_certificates(shop: Shop) -> None:
    def statements() -> int:
        browser = shop.browser(shop.alice)
        return selects_of(shop, lambda: browser.get("/"))

    shop.fire(shop.order(), Event.REQUEST_REFUND)
    shop.order()
    few = statements()
    for number in range(6):
        shop.fire(shop.order(domain=f"n{number}.example.com"), Event.REQUEST_REFUND)
        shop.order(domain=f"m{number}.example.com")
    assert statements() == few


def test_the_quiet_summary_leads_to_what_it_counts(shop: Shop) -> None:
    shop.give(shop.alice, 50_000)
    shop.certificate_in(State.ISSUED)
    shop.order()
    page = home(shop)
    assert link(page, "1 valid") == "/certificates?tab=signed&state=issued"
    assert link(page, "1 not issued yet") == "/certificates?tab=unsigned"
    assert link(page, "0 refunded") == "/refunds"
    assert link(page, "500.00 CNY on your balance") == "/order"
    assert "The next one expires" in page.words


# Alive


def test_it_follows_every_change_and_the_fragment_is_the_page_s(shop: Shop) -> None:
    certificate = shop.order()
    browser = shop.browser(shop.alice)
    fragment = browser.get("/", htmx=True)
    assert fragment.text.strip().startswith('<div id="home"')
    assert fragment.text.strip() in browser.get("/").text
    assert "sse:change" in fragment.text
    assert 'data-announce="One thing needs you."' in fragment.text
    tag = fragment.response.headers["ETag"]
    again = {"HX-Request": "true", "If-None-Match": tag}
    assert browser.client.get("/", headers=again).status_code == 304
    shop.fire(certificate, Event.SUBMIT)
    assert browser.client.get("/", headers=again).status_code == 200


def test_what_a_screen_reader_is_told_is_a_whole_sentence(shop: Shop) -> None:
    browser = shop.browser(shop.alice)

    def told() -> str | None:
        fragment = browser.get("/", htmx=True)
        return next(node.get("data-announce") for node in fragment.tree.iter() if node.get("id") == "home")

    assert told() == "Nothing needs you now."
    shop.order()
    assert told() == "One thing needs you."
    shop.order(domain="second.example.com")
    assert told() == "2 things need you."
