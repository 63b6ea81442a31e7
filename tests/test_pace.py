"""Whoever asks for more than anybody can read is slowed down, told so in words, and nobody else is."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from job_support import by
from limits import RateLimitItemPerMinute
from shop import Shop

from webapp.accounts.limits import Counter, Limit
from webapp.errors import TooOften
from webapp.jobs.book import WITHIN
from webapp.jobs.exports import start_export


@pytest.fixture
def shop(sqlite_url: str, open_shop: Callable[..., Shop]) -> Shop:
    return open_shop(sqlite_url, request_limit=10, job_limit=3)


def test_somebody_who_copies_everything_waits(shop: Shop) -> None:
    alice = shop.browser(shop.alice)
    for _page in range(10):
        alice.get("/certificates")
    page = alice.get("/certificates", 429)
    assert "You have asked for more than 10 pages within a minute." in page.words
    assert "Wait a minute, then go on." in page.words
    assert 1 <= int(page.response.headers["Retry-After"]) <= 60
    # Their other browser too; nobody else, and nobody who has not signed in.
    shop.browser(shop.alice).get("/", 429)
    shop.browser(shop.bob).get("/certificates")
    for _page in range(20):
        shop.browser().get("/help")


def test_what_comes_too_soon_changes_nothing(shop: Shop) -> None:
    certificate = shop.order()
    alice = shop.browser(shop.alice)
    for _page in range(9):
        alice.get("/certificates")
    # The first asks for the form's secret, so the second is one too many.
    alice.post(f"/certificates/{certificate.id}/refund", {"version": 1, "reason": "other"}, 429)
    assert shop.get(certificate.id).version == certificate.version


def test_a_part_of_a_page_is_told_in_a_notice(shop: Shop) -> None:
    alice = shop.browser(shop.alice)
    for _page in range(10):
        alice.get("/certificates", htmx=True)
    assert "within a minute" in alice.get("/certificates", 429, htmx=True).words


def export(shop: Shop, once: str) -> str:
    with shop.app.test_request_context():
        return start_export(shop.parts.jobs, by(shop.ada), "certificates", once=once)


def test_only_so_many_jobs_are_begun_within_an_hour(shop: Shop) -> None:
    begun = [export(shop, str(number)) for number in range(3)]
    with pytest.raises(TooOften) as caught:
        export(shop, "3")
    assert "You have begun 3 jobs within an hour" in caught.value.detail
    assert caught.value.seconds == WITHIN.total_seconds()
    # A button pressed twice is the job that is there already.
    assert export(shop, "2") == begun[2]
    shop.clock.advance(seconds=WITHIN.total_seconds())
    assert export(shop, "3") not in begun


def test_those_who_are_counted_at_the_same_instant_are_all_counted(request: pytest.FixtureRequest) -> None:
    """Often enough, and in turns short enough, that one of them meets the thread that clears the store as it begins."""
    turns = sys.getswitchinterval()
    request.addfinalizer(lambda: sys.setswitchinterval(turns))
    sys.setswitchinterval(1e-6)
    counter, limit = Counter("memory://"), Limit(RateLimitItemPerMinute(4000), "requests")
    start = Barrier(8, timeout=60)

    def ask() -> None:
        start.wait()
        for _request in range(500):
            assert counter.count(limit)

    with ThreadPoolExecutor(8) as threads:
        for one in [threads.submit(ask) for _thread in range(8)]:
            one.result()
    assert not counter.count(limit)
