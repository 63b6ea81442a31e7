"""The pages of jobs: how far, what came of each, stopping; for whoever asked, and for admins."""

import re

from job_support import by, decide, executor, job_of, key_of, work
from pages import button, link, links, words_of
from shop import Page, Shop

from certlifecycle import SYSTEM, Event, State, say
from webapp.certificates.models import Channel
from webapp.desk import By
from webapp.jobs.book import Order
from webapp.jobs.models import JobState
from webapp.jobs.queries import ITEMS_ON_A_PAGE, PAGE_SIZE


def ask(shop: Shop, count: int = 3) -> str:
    """Rita has some submissions verified."""
    certificates = [shop.certificate_in(State.SUBMITTED, domain=f"{n}.example.com") for n in range(count)]
    return decide(shop, shop.rita, Event.VERIFY, certificates)


def do_some(shop: Shop, job_id: str, steps: int) -> None:
    """A worker takes so many steps and then lets others have their turn."""
    turns = iter([False] * steps + [True])
    executor(shop, is_stopping=lambda: next(turns)).run(job_id, key_of(job_of(shop, job_id)))


def bar(page: Page) -> tuple[str | None, str | None, str]:
    """What the bar of a job's page shows: value, highest value, text."""
    node = next(page.tree.iter("progress"))
    return node.get("value"), node.get("max"), words_of(node)


def pulse(page: Page, key: str = "job") -> str | None:
    """How often a part of the page asks how it stands, in seconds."""
    node = next(one for one in page.tree.iter() if one.get("id") == key)
    every: str | None = node.get("data-live-every")
    return every


def test_a_job_s_page_tells_how_far_it_is(shop: Shop) -> None:
    job_id = ask(shop)
    browser = shop.browser(shop.rita)
    page = browser.get(f"/jobs/{job_id}")
    assert bar(page) == ("0", "3", "0 of 3")
    assert "Verify 3 certificates" in page.words
    assert "Waiting for its turn" in page.words
    assert page.words.count("Not yet") == 3
    assert "You can leave this page" in page.words
    assert pulse(page) == "1"
    assert link(page, "Load the page again to see how far it is.") == f"/jobs/{job_id}"

    do_some(shop, job_id, 2)
    page = browser.get(f"/jobs/{job_id}")
    assert bar(page) == ("2", "3", "2 of 3")
    assert "In progress" in page.words
    assert (page.words.count("Verified."), page.words.count("Not yet")) == (2, 1)

    work(shop, job_id)
    page = browser.get(f"/jobs/{job_id}")
    assert bar(page) == ("3", "3", "3 of 3")
    assert "Finished" in page.words
    assert "Everything is done." in page.words
    assert button(page, "Stop") is None
    # Nothing can change any more, so nothing asks any more.
    assert pulse(page) is None


def test_the_living_part_is_the_page_s_own(shop: Shop) -> None:
    job_id = ask(shop)
    browser = shop.browser(shop.rita)
    whole, part = browser.get(f"/jobs/{job_id}"), browser.get(f"/jobs/{job_id}", htmx=True)
    inside = next(node for node in whole.tree.iter() if node.get("id") == "job")
    (alone,) = list(part.tree)
    assert words_of(inside) == words_of(alone)
    assert "job-news" not in part.text
    # Asked again, and nothing has changed: nothing is sent.
    tag = part.response.headers["ETag"]
    again = browser.client.get(f"/jobs/{job_id}", headers={"HX-Request": "true", "If-None-Match": tag})
    assert again.status_code == 304
    # The end is announced where a screen reader listens.
    work(shop, job_id)
    ended = browser.get(f"/jobs/{job_id}", htmx=True)
    news = next(node for node in ended.tree.iter() if node.get("id") == "job-news")
    assert (news.get("hx-swap-oob"), words_of(news)) == ("innerHTML", "Finished. Everything is done.")


def test_what_went_wrong_stands_at_each_part_and_can_be_picked_out(shop: Shop) -> None:
    good, bad = (shop.certificate_in(State.SUBMITTED, domain=f"{name}.example.com") for name in ("good", "bad"))
    job_id = decide(shop, shop.rita, Event.VERIFY, [good, bad])
    shop.fire(bad, Event.WITHDRAW_SUBMISSION)
    work(shop, job_id)
    browser = shop.browser(shop.rita)
    page = browser.get(f"/jobs/{job_id}")
    assert "Finished, but not everything" in page.words
    assert "Done: 1. Not done: 1." in page.words
    # In the reader's own time zone.
    assert "Submission withdrawn by Alice, 4 May 2026, 17:00 CST." in page.words
    assert link(page, "bad.example.com") == f"/certificates/{bad.id}"
    failed = browser.get(link(page, "Not done 1") or "")
    assert "bad.example.com" in failed.words
    assert "good.example.com" not in failed.words
    assert link(failed, "All 2") == f"/jobs/{job_id}"


def test_results_are_paged_and_the_page_follows_the_work(shop: Shop) -> None:
    count = ITEMS_ON_A_PAGE + 2
    job_id = ask(shop, count)
    browser = shop.browser(shop.rita)
    assert "Page 1 of 2" in browser.get(f"/jobs/{job_id}").words
    do_some(shop, job_id, ITEMS_ON_A_PAGE + 1)
    page = browser.get(f"/jobs/{job_id}")
    assert "Page 2 of 2" in page.words
    assert f"{ITEMS_ON_A_PAGE + 1}.example.com" in page.words
    assert "Page 1 of 2" in browser.get(link(page, "Previous") or "").words
    work(shop, job_id)
    page = browser.get(f"/jobs/{job_id}")
    assert "Page 1 of 2" in page.words
    assert "Page 2 of 2" in browser.get(link(page, "Next") or "").words
    for odd in ("0", "-1", "99", "x"):
        browser.get(f"/jobs/{job_id}?page={odd}")


def test_a_job_can_be_stopped_and_says_by_whom(shop: Shop) -> None:
    job_id = ask(shop)
    do_some(shop, job_id, 1)
    browser = shop.browser(shop.rita)
    page = browser.follow(browser.post(f"/jobs/{job_id}/stop"))
    assert job_of(shop, job_id).state == JobState.STOPPED
    assert "Stopped by Rita." in page.words
    assert "What is done stays done. The rest is left as it is." in page.words
    assert (page.words.count("Verified."), page.words.count("Left as it is")) == (1, 2)
    again = browser.follow(browser.post(f"/jobs/{job_id}/stop"))
    assert "It had ended already" in again.words


def test_a_stop_with_scripts_stays_on_the_job(shop: Shop) -> None:
    job_id = ask(shop)
    answer = shop.browser(shop.rita).post(f"/jobs/{job_id}/stop", status=204, htmx=True)
    assert answer.location == f"/jobs/{job_id}"


def test_only_whoever_asked_and_admins_see_it(shop: Shop) -> None:
    job_id = ask(shop)
    for stranger in (shop.robin, shop.alice):
        browser = shop.browser(stranger)
        for url in (f"/jobs/{job_id}", f"/jobs/{job_id}/file"):
            browser.get(url, 404)
        browser.post(f"/jobs/{job_id}/stop", status=404)
        assert "Verify 3" not in browser.get("/jobs").words
    assert job_of(shop, job_id).state == JobState.QUEUED
    ada = shop.browser(shop.ada)
    assert "Asked for by Rita" in ada.get(f"/jobs/{job_id}").words
    ada.post(f"/jobs/{job_id}/stop")
    assert "Stopped by Ada." in ada.get(f"/jobs/{job_id}").words
    assert shop.browser().get(f"/jobs/{job_id}", 303).location.startswith("/sign-in")  # type: ignore[union-attr]
    ada.get("/jobs/" + "0" * 32, 404)


def test_the_list_has_what_the_reader_asked_for_and_for_admins_everything(shop: Shop) -> None:
    job_id = ask(shop)
    rita, ada = shop.browser(shop.rita), shop.browser(shop.ada)
    page = rita.get("/jobs")
    assert link(page, "Verify 3 certificates") == f"/jobs/{job_id}"
    assert bar(page) == ("0", "3", "0 of 3")
    assert pulse(page, "jobs") == "2"
    assert "Rita" in ada.get("/jobs").words
    assert "Nothing has taken time yet" in shop.browser(shop.alice).get("/jobs").words
    work(shop, job_id)
    assert pulse(rita.get("/jobs"), "jobs") is None


def test_a_long_list_is_paged_by_key(shop: Shop) -> None:
    shop.certificate_in(State.PENDING)
    for number in range(PAGE_SIZE + 1):
        shop.clock.advance(minutes=1)
        shop.parts.jobs.begin(Order("many", say("Job {number}!", number=number), total=1), by(shop.rita))
    browser = shop.browser(shop.rita)
    first = browser.get("/jobs")
    assert f"Job {PAGE_SIZE}!" in first.words
    assert "Job 0!" not in first.words
    last = browser.get(link(first, "Next") or "")
    assert "Job 0!" in last.words
    assert link(last, "Next") is None
    back = browser.get(link(last, "Previous") or "")
    assert re.findall(r"Job \d+!", back.words) == re.findall(r"Job \d+!", first.words)
    # A key of somebody else's leads to the beginning.
    assert f"Job {PAGE_SIZE}!" in browser.get("/jobs?after=" + "0" * 32).words
    many = [f"/jobs?before={key}" for key in (link(first, f"Job {PAGE_SIZE - 3}!") or "").split("/")[-1:]]
    assert f"Job {PAGE_SIZE}!" in browser.get(many[0]).words


def test_the_navigation_shows_what_is_under_way(shop: Shop) -> None:
    browser = shop.browser(shop.rita)
    assert "under-way" not in browser.get("/review").text
    job_id = ask(shop)
    page = browser.get("/review")
    assert f"/jobs/{job_id}" in links(page)
    assert pulse(page, "under-way") == "3"
    assert "under-way" not in shop.browser(shop.ada).get("/review").text
    decide(shop, shop.rita, Event.VERIFY, [shop.certificate_in(State.SUBMITTED)])
    sign = next(node for node in browser.get("/review").tree.iter() if node.get("id") == "under-way")
    assert (sign.get("href"), words_of(sign)) == ("/jobs", "Jobs under way: 2")
    assert "Jobs under way: 2" in browser.get("/jobs/under-way", htmx=True).words


def test_the_sign_in_the_navigation_goes_by_itself(shop: Shop) -> None:
    job_id = ask(shop)
    work(shop, job_id)
    part = shop.browser(shop.rita).get("/jobs/under-way", htmx=True)
    (sign,) = list(part.tree)
    assert (sign.get("id"), sign.get("hidden"), sign.get("hx-get")) == ("under-way", "", None)


def test_a_job_of_the_desk_s_own_is_the_admins_to_see(shop: Shop) -> None:
    job_id = shop.parts.jobs.begin(Order("many", say("Compare the books."), total=1), By(SYSTEM, Channel.WORKER))
    assert "The desk itself" in shop.browser(shop.ada).get("/jobs").words
    shop.browser(shop.rita).get(f"/jobs/{job_id}", 404)


def test_while_nobody_knows_how_much_there_is_the_bar_says_so(shop: Shop) -> None:
    job_id = shop.parts.jobs.begin(Order("many", say("Something large."), {"reason": ""}), by(shop.rita))
    browser = shop.browser(shop.rita)
    assert bar(browser.get(f"/jobs/{job_id}")) == (None, None, "Not counted yet")
    grip = shop.parts.jobs.take(job_id, "a worker")
    assert grip is not None
    with grip.step(done=1234, doing={"text": "Counting what there is.", "values": {}}):
        pass
    page = browser.get(f"/jobs/{job_id}")
    assert bar(page) == (None, None, "1,234 so far")
    assert "Counting what there is." in page.words
    # Stopped, it moves no more.
    browser.post(f"/jobs/{job_id}/stop")
    assert bar(browser.get(f"/jobs/{job_id}")) == ("1234", "1235", "Ended before it was counted")


def test_the_latest_trouble_is_for_whoever_runs_the_desk(shop: Shop) -> None:
    job_id = ask(shop)
    grip = shop.parts.jobs.take(job_id, "a worker")
    assert grip is not None
    shop.parts.jobs.set_back(grip, "OperationalError: disk full")
    assert "disk full" not in shop.browser(shop.rita).get(f"/jobs/{job_id}").words
    assert "disk full" in shop.browser(shop.ada).get(f"/jobs/{job_id}").words


def test_there_is_no_file_where_none_was_made(shop: Shop) -> None:
    job_id = ask(shop)
    page = shop.browser(shop.rita).get(f"/jobs/{job_id}/file", 404)
    assert "The file is not kept any more." in page.words
