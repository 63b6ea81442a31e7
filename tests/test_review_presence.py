"""Presence: who else has a case open, honestly."""

from datetime import timedelta

import pytest
from review_support import element, text_of, url_of
from shop import Browser, Page, Shop
from sqlmodel import col, delete, func, select

from certlifecycle import State
from webapp.accounts.models import WebSession
from webapp.columns import new_id
from webapp.live.models import LiveSignal
from webapp.review import claims, presence
from webapp.review.models import ReviewVisit

LOOKING = "Also looking: "


def shown(page: Page) -> str:
    return text_of(element(page, "presence"))


def question(page: Page) -> str:
    """What the page asks, again and again, and says by it that it is open."""
    url = element(page, "presence").get("hx-get")
    assert isinstance(url, str)
    return url


def signals(shop: Shop) -> list[str]:
    with shop.database.writing() as session:
        names = list(session.exec(select(LiveSignal.name)).all())
        session.exec(delete(LiveSignal))
    return names


def test_whoever_opens_a_case_is_seen_by_the_others_and_not_by_themselves(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    rita, robin = shop.browser(shop.rita), shop.browser(shop.robin)
    page = rita.get(url_of(certificate))
    assert shown(page) == ""
    assert signals(shop) == [f"looking-{certificate.id}"]
    assert shown(robin.get(url_of(certificate))) == LOOKING + "Rita"
    assert shown(rita.get(question(page), htmx=True)) == LOOKING + "Robin"
    shop.browser(shop.ada).get(url_of(certificate))
    assert shown(rita.get(question(page), htmx=True)) == LOOKING + "Ada, Robin"


def test_a_page_follows_the_heartbeat_and_what_is_said_of_its_case(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    trigger = element(shop.browser(shop.rita).get(url_of(certificate)), "presence").get("hx-trigger")
    assert trigger == f"sse:heartbeat, sse:looking-{certificate.id}, desk:refresh from:body"


def test_a_page_counts_for_as_long_as_it_says_so(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    rita, robin = shop.browser(shop.rita), shop.browser(shop.robin)
    page = rita.get(url_of(certificate))
    for _ in range(5):
        shop.clock.advance(seconds=30)
        rita.get(question(page), htmx=True)
    signals(shop)
    shop.clock.now += presence.GONE_AFTER - timedelta(microseconds=1)
    assert shown(robin.get(url_of(certificate))) == LOOKING + "Rita"
    shop.clock.advance(microseconds=1)
    assert shown(robin.get(url_of(certificate))) == ""
    # A machine that was asleep comes back, and is seen again.
    signals(shop)
    rita.get(question(page), htmx=True)
    assert signals(shop) == [f"looking-{certificate.id}"]
    assert shown(robin.get(url_of(certificate))) == LOOKING + "Rita"


def test_a_sign_of_life_alone_tells_nobody_anything(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    rita = shop.browser(shop.rita)
    page = rita.get(url_of(certificate))
    signals(shop)
    shop.clock.advance(seconds=15)
    rita.get(question(page), htmx=True)
    assert signals(shop) == []


def leave(browser: Browser, page: Page, stay: int | str = 1) -> None:
    place = element(page, "presence")
    browser.post(place.get("data-leave"), {"visit": place.get("data-visit"), "stay": str(stay)}, 204)


def test_whoever_leaves_is_gone_at_once(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    rita, robin = shop.browser(shop.rita), shop.browser(shop.robin)
    page, other = rita.get(url_of(certificate)), rita.get(url_of(certificate))
    signals(shop)
    leave(rita, page)
    assert signals(shop) == [f"looking-{certificate.id}"]
    # Rita has it open in another tab.
    assert shown(robin.get(url_of(certificate))) == LOOKING + "Rita"
    leave(rita, other)
    assert shown(robin.get(url_of(certificate))) == ""
    signals(shop)
    leave(rita, other)
    assert signals(shop) == []


def test_a_sign_that_comes_after_the_good_bye_counts_for_nothing(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    rita, robin = shop.browser(shop.rita), shop.browser(shop.robin)
    page = rita.get(url_of(certificate))
    leave(rita, page)
    for _ in range(2):
        signals(shop)
        rita.get(question(page) + "&stay=1", htmx=True)
        assert signals(shop) == []
        assert shown(robin.get(url_of(certificate))) == ""
        # Nor when it was on its way for longer than an open page counts without a sign.
        shop.clock.now += presence.GONE_AFTER


def test_a_page_that_is_come_back_to_is_seen_again(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    rita, robin = shop.browser(shop.rita), shop.browser(shop.robin)
    page, other = rita.get(url_of(certificate)), robin.get(url_of(certificate))
    leave(rita, page)
    signals(shop)
    rita.get(question(page) + "&stay=2", htmx=True)
    assert signals(shop) == [f"looking-{certificate.id}"]
    # What the first stay still had to say comes now.
    leave(rita, page, stay=1)
    rita.get(question(page) + "&stay=1", htmx=True)
    assert signals(shop) == []
    assert shown(robin.get(question(other), htmx=True)) == LOOKING + "Rita"
    # A third stay that was so short that its good-bye is the first that is heard of it.
    leave(rita, page, stay=3)
    rita.get(question(page) + "&stay=3", htmx=True)
    assert signals(shop) == [f"looking-{certificate.id}"]
    assert shown(robin.get(question(other), htmx=True)) == ""


@pytest.mark.parametrize("stay", ["", "0", "-1", "x", "1000000", "9" * 40, "1.5"])
def test_a_number_of_a_stay_that_is_none_counts_as_the_first(shop: Shop, stay: str) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    rita, robin = shop.browser(shop.rita), shop.browser(shop.robin)
    page = rita.get(url_of(certificate))
    rita.get(f"{question(page)}&stay={stay}", htmx=True)
    assert shown(robin.get(url_of(certificate))) == LOOKING + "Rita"
    leave(rita, page, stay)
    rita.get(f"{question(page)}&stay={stay}", htmx=True)
    assert shown(robin.get(url_of(certificate))) == ""


def test_nobody_ends_or_keeps_up_somebody_else_s_page(shop: Shop) -> None:
    certificate, other = shop.certificate_in(State.REFUND_REQUESTED), shop.certificate_in(State.SUBMITTED)
    rita, robin, ada = (shop.browser(one) for one in (shop.rita, shop.robin, shop.ada))
    page = rita.get(url_of(certificate))
    visit = element(page, "presence").get("data-visit")
    leave(robin, page)
    robin.get(question(page), htmx=True)
    assert shown(ada.get(url_of(certificate))) == LOOKING + "Rita"
    # Nor is the page one about another case.
    rita.get(f"{url_of(other)}/presence?visit={visit}", htmx=True)
    assert shown(ada.get(url_of(other))) == ""


@pytest.mark.parametrize("visit", ["", "x", "0" * 31, "g" * 32, "0" * 33])
def test_a_visit_that_is_none_is_no_error_and_no_visit(shop: Shop, visit: str) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser = shop.browser(shop.rita)
    browser.get(f"{url_of(certificate)}/presence?visit={visit}", htmx=True)
    browser.post(f"{url_of(certificate)}/leave", {"visit": visit}, 204)
    with shop.database.reading() as session:
        assert session.exec(select(func.count()).select_from(ReviewVisit)).one() == 0


def test_what_was_left_without_a_good_bye_is_cleared_away(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser = shop.browser(shop.rita)
    for _ in range(3):
        browser.get(url_of(certificate))
    shop.clock.now += 11 * presence.GONE_AFTER
    browser.get(url_of(certificate))
    with shop.database.reading() as session:
        assert session.exec(select(func.count()).select_from(ReviewVisit)).one() == 1


def test_the_same_page_twice_at_once_is_one_page(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.REFUND_REQUESTED)
    visit, now = new_id(), any_shop.clock()
    for _ in range(2):
        with any_shop.database.writing() as session:
            presence.come(session, visit, certificate.id, any_shop.rita.actor, now)
    with any_shop.database.reading() as session:
        assert presence.others(session, certificate.id, any_shop.robin.actor, now) == ["Rita"]
        assert presence.others(session, certificate.id, any_shop.rita.actor, now) == []


def test_a_stay_that_is_over_stays_over(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.REFUND_REQUESTED)
    visit, rita, now = new_id(), any_shop.rita.actor, any_shop.clock()

    def come(stay: int, after: timedelta = timedelta()) -> list[str]:
        with any_shop.database.writing() as session:
            presence.come(session, visit, certificate.id, rita, now + after, stay)
            return presence.others(session, certificate.id, any_shop.robin.actor, now + after)

    def leave(stay: int) -> list[str]:
        with any_shop.database.writing() as session:
            presence.leave(session, visit, certificate.id, rita, stay)
            return presence.others(session, certificate.id, any_shop.robin.actor, now)

    assert come(1) == ["Rita"]
    assert leave(1) == []
    assert come(1) == []
    assert come(2) == ["Rita"]
    assert (leave(1), come(1)) == (["Rita"], ["Rita"])
    assert (leave(3), come(3), come(2)) == ([], [], [])
    assert come(3, after=2 * presence.GONE_AFTER) == []
    assert come(4, after=2 * presence.GONE_AFTER) == ["Rita"]


def test_the_signs_of_life_of_a_page_keep_no_session_alive(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser = shop.browser(shop.rita)
    page = browser.get(url_of(certificate))
    for _ in range(8):
        shop.clock.advance(minutes=9)
        browser.client.get(question(page) + "&active=1", headers={"HX-Request": "true"})
    with shop.database.reading() as session:
        seen = session.exec(select(WebSession.last_seen_at)).one()
    assert shop.clock() - seen > timedelta(hours=1)


def test_work_on_the_case_renews_the_claim(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    rita = shop.browser(shop.rita)
    rita.post(f"{url_of(certificate)}/claim")

    def until() -> str:
        with shop.database.reading() as session:
            claim = claims.held(session, certificate.id, shop.clock())
        assert claim is not None
        return f"{claim.until:%H:%M}"

    page = rita.get(url_of(certificate))
    shop.clock.advance(minutes=6)
    rita.get(question(page), htmx=True)
    assert until() == "09:15"
    rita.get(question(page) + "&active=1", htmx=True)
    assert until() == "09:21"
    shop.clock.advance(minutes=6)
    rita.get(url_of(certificate))
    assert until() == "09:27"
    shop.clock.advance(minutes=6)
    shop.browser(shop.robin).get(url_of(certificate))
    assert until() == "09:27"


def test_customers_are_neither_seen_nor_told(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    alice = shop.browser(shop.alice)
    alice.get(f"{url_of(certificate)}/presence?visit={new_id()}", 403)
    alice.post(f"{url_of(certificate)}/leave", {"visit": new_id()}, 403)
    alice.get(f"/certificates/{certificate.id}")
    assert shown(shop.browser(shop.rita).get(url_of(certificate))) == ""


def test_presence_leaves_with_the_certificate_untouched(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    shop.browser(shop.rita).get(url_of(certificate))
    assert shop.get(certificate.id).version == certificate.version
    with shop.database.reading() as session:
        assert session.exec(select(col(ReviewVisit.account_id))).all() == [shop.rita.id]
