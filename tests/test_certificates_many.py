"""Many certificates at once: what would happen to each, what happened to each, and nobody else's."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from job_support import work
from pages import link, words_of
from shop import Browser, Page, Shop

from certlifecycle import Event, State
from webapp.certificates import many
from webapp.certificates.many import Chosen, read_chosen
from webapp.certificates.models import Certificate
from webapp.refunds.models import RefundReason

APPLIED = "Applied, please wait for the verification."


def pick(certificate: Certificate) -> str:
    return f"{certificate.id}:{certificate.version}"


def preview(browser: Browser, event: Event, *certificates: Certificate, **more: Any) -> Page:
    data = {"event": event.value, "tab": "unsigned", "chosen": [pick(one) for one in certificates]}
    return browser.post("/certificates/many", data | more, 200)


def hidden(page: Page) -> dict[str, Any]:
    """The form that lets it happen, as any browser of the same person would send it."""
    (form,) = [node for node in page.tree.iter("form") if node.get("action") == "/certificates/many/carry-out"]
    found: dict[str, Any] = {"chosen": []}
    for node in form.iter("input"):
        if node.get("type") == "hidden" and node.get("name") != "csrf_token":
            name, value = node.get("name"), node.get("value")
            if name == "chosen":
                found["chosen"].append(value)
            else:
                found[name] = value
    return found


def panel(page: Page, title: str) -> list[tuple[str, str]]:
    """The rows of the panel with this title: (domain, all that stands there)."""
    for section in page.tree.iter("section"):
        head = section.find("header")
        if head is not None and words_of(head).startswith(title):
            rows = [row for body in section.iter("tbody") for row in body.iter("tr")]
            return [(words_of(row.find("th")), words_of(row)) for row in rows]
    return []


def carry_out(browser: Browser, page: Page, status: int = 200, **more: Any) -> Page:
    return browser.post("/certificates/many/carry-out", hidden(page) | more, status)


# What would happen


def test_refunds_say_what_comes_back_and_why_not(shop: Shop) -> None:
    new = shop.order(domain="new.example.com", voucher=6800)
    failed = shop.certificate_in(State.FAILED, domain="failed.example.com")
    checked = shop.certificate_in(State.SUBMITTED, domain="checked.example.com")
    page = preview(shop.browser(shop.alice), Event.REQUEST_REFUND, new, failed, checked)
    done = panel(page, "These will be done")
    assert [domain for domain, _ in done] == ["new.example.com", "failed.example.com"]
    assert "200.00 CNY are applied for, to go back to your balance in this shop." in done[0][1]
    assert "In all 468.00 CNY" in page.words
    ((domain, why),) = panel(page, "These stay as they are")
    assert (domain, "Not refundable while it is being verified." in why) == ("checked.example.com", True)
    assert "Submit 2 applications" in page.words
    assert "between Friday, 8 May 2026 and Monday, 11 May 2026" in page.words
    # Nothing has been changed.
    assert shop.get(new.id) == new


def test_revocations_say_what_can_come_back_afterwards(shop: Shop) -> None:
    late = shop.certificate_in(State.ISSUED, domain="late.example.com")
    shop.clock.advance(days=31)
    fresh = shop.certificate_in(State.ISSUED, domain="fresh.example.com")
    new = shop.order(domain="new.example.com")
    page = preview(shop.browser(shop.alice), Event.REVOKE, late, fresh, new)
    told = dict(panel(page, "These will be done"))
    then = "Then you can apply for 268.00 CNY to go back to your balance in this shop."
    assert f"Revoked for good. {then} Refundable until 4 Jul 2026, 17:00 CST." in told["fresh.example.com"]
    assert "Revoked for good. No refund: the window closed on 3 Jun 2026, 17:00 CST." in told["late.example.com"]
    assert "In all, if you apply afterwards 268.00 CNY" in page.words
    assert [domain for domain, _ in panel(page, "These stay as they are")] == ["new.example.com"]
    assert "Type 2 to confirm." in page.words


def test_withdrawals_say_that_nothing_is_lost(shop: Shop) -> None:
    checked = shop.certificate_in(State.SUBMITTED)
    page = preview(shop.browser(shop.alice), Event.WITHDRAW_SUBMISSION, checked)
    assert "You can submit it again, or apply for the refund." in page.words
    assert "Withdraw 1 submission" in page.words
    assert "In all" not in page.words


def test_where_nothing_is_possible_there_is_nothing_to_press(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUNDED)
    page = preview(shop.browser(shop.alice), Event.REQUEST_REFUND, certificate, tab="signed")
    assert "The money has been paid back." in page.words
    assert not [node for node in page.tree.iter("form") if "carry-out" in (node.get("action") or "")]
    assert link(page, "Back to the list") == "/certificates?tab=signed"


def test_without_a_tick_the_list_says_what_to_do(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    answer = browser.post("/certificates/many", {"event": "request_refund", "tab": "signed", "q": "www"})
    assert answer.location == "/certificates?tab=signed&q=www"
    assert "Nothing was chosen. Tick the certificates first" in browser.follow(answer).words


def test_all_that_were_found_whatever_is_ticked(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        shop.order(domain=f"n{number}.example.com")
    other = shop.order(domain="other.example.net")
    shop.order(shop.bob, domain="bob.example.com")
    browser = shop.browser(shop.alice)
    page = preview(browser, Event.REQUEST_REFUND, other, q="example.com", all="1")
    assert sorted(domain for domain, _ in panel(page, "These will be done")) == [
        f"n{number}.example.com" for number in range(4)
    ]
    monkeypatch.setattr(many, "MOST", 3)
    page = preview(browser, Event.REQUEST_REFUND, q="example.com", all="1")
    assert "These are the first 3 of them" in page.words
    assert len(hidden(page)["chosen"]) == 3


def test_a_button_that_is_none_of_the_page_is_refused(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    for event in ("approve_refund", "", "nonsense"):
        for address in ("/certificates/many", "/certificates/many/carry-out"):
            browser.post(address, {"event": event, "chosen": pick(shop.order())}, 400)


def test_only_customers_do_this(shop: Shop) -> None:
    certificate = shop.order()
    for person in (shop.rita, shop.ada):
        browser = shop.browser(person)
        browser.post("/certificates/many", {"event": "request_refund", "chosen": pick(certificate)}, 403)
        browser.post("/certificates/many/carry-out", {"event": "request_refund", "chosen": pick(certificate)}, 403)
        page = browser.get("/certificates?tab=unsigned")
        assert not [node for node in page.tree.iter("input") if node.get("type") == "checkbox"]


# What happened


def test_one_reason_applies_for_all_of_them(any_shop: Shop) -> None:
    shop = any_shop
    certificates = [shop.order(domain=f"n{number}.example.com") for number in range(3)]
    browser = shop.browser(shop.alice)
    page = preview(browser, Event.REQUEST_REFUND, *certificates)
    done = carry_out(browser, page, reason_code="bought_twice", reason="Ordered by two of us.")
    assert "All of them are done" in done.words
    results = panel(done, "One by one")
    assert [APPLIED in told for _, told in results] == [True, True, True]
    for certificate in certificates:
        refund = shop.refund_of(certificate)
        assert (refund.reason_code, refund.reason) == (RefundReason.BOUGHT_TWICE, "Ordered by two of us.")
        assert shop.history(certificate)[-1].address == "127.0.0.1"


def test_revoking_asks_for_the_reason_and_the_number(shop: Shop) -> None:
    certificates = [shop.certificate_in(State.ISSUED, domain=f"n{number}.example.com") for number in range(2)]
    browser = shop.browser(shop.alice)
    page = preview(browser, Event.REVOKE, *certificates)
    again = carry_out(browser, page, 422, count="3", reason="superseded")
    assert "This is not how many would be revoked: there are 2." in again.words
    again = carry_out(browser, page, 422, count="2")
    assert "Choose a reason." in again.words
    assert [shop.get(one.id).state for one in certificates] == [State.ISSUED, State.ISSUED]
    done = carry_out(browser, again, count=" 2 ", reason="superseded")
    assert "All of them are done" in done.words
    assert [shop.get(one.id).state for one in certificates] == [State.REVOKING, State.REVOKING]
    assert shop.get(certificates[0].id).revocation_reason == "superseded"


def test_a_reason_that_is_missing_is_asked_for_and_nothing_is_lost(shop: Shop) -> None:
    certificate = shop.order()
    browser = shop.browser(shop.alice)
    page = preview(browser, Event.REQUEST_REFUND, certificate, q="www")
    again = carry_out(browser, page, 422, reason_code="other", reason="")
    assert "Tell us why in a few words." in again.words
    assert hidden(again)["chosen"] == [pick(certificate)]
    assert hidden(again)["back"] == "/certificates?tab=unsigned&q=www"
    (chosen,) = [node.get("value") for node in again.tree.iter("input") if node.get("checked") is not None][:1]
    assert chosen == "other"


def test_withdrawals(shop: Shop) -> None:
    certificates = [shop.certificate_in(State.SUBMITTED, domain=f"n{number}.example.com") for number in range(2)]
    browser = shop.browser(shop.alice)
    done = carry_out(browser, preview(browser, Event.WITHDRAW_SUBMISSION, *certificates))
    assert done.words.count("The submission is withdrawn.") == 2
    assert [shop.get(one.id).state for one in certificates] == [State.PENDING, State.PENDING]
    assert link(done, "Back to the list") == "/certificates?tab=unsigned"


def test_whoever_was_faster_is_named_and_the_others_are_done_all_the_same(any_shop: Shop) -> None:
    shop = any_shop
    mine, theirs = (shop.certificate_in(State.SUBMITTED, domain=f"{name}.example.com") for name in ("mine", "theirs"))
    browser = shop.browser(shop.alice)
    page = preview(browser, Event.WITHDRAW_SUBMISSION, mine, theirs)
    shop.fire(theirs, Event.VERIFY)
    done = carry_out(browser, page)
    assert "Not all of them could be done" in done.words
    assert "1 is done. Those that are not stand first" in done.words
    first, second = panel(done, "One by one")
    # What was not done stands first.
    assert first[0] == "theirs.example.com"
    assert "Verified by Rita, 4 May 2026, 17:00 CST." in first[1]
    assert "The submission is withdrawn." in second[1]
    assert shop.get(theirs.id).state == State.VERIFIED
    assert shop.get(mine.id).state == State.PENDING


def test_sending_the_same_form_again_does_it_once(shop: Shop) -> None:
    certificate = shop.order()
    browser = shop.browser(shop.alice)
    page = preview(browser, Event.REQUEST_REFUND, certificate)
    answers = [carry_out(browser, page, reason_code="other", reason="Not needed.") for _ in range(2)]
    assert "You had applied already; the application is under way." in answers[1].words
    assert [row.event for row in shop.history(certificate)].count(Event.REQUEST_REFUND) == 1


def test_many_at_the_same_time_do_it_once(any_shop: Shop) -> None:
    shop = any_shop
    certificates = [shop.order(domain=f"n{number}.example.com") for number in range(3)]
    page = preview(shop.browser(shop.alice), Event.REQUEST_REFUND, *certificates)

    def press(_: int) -> int:
        data = hidden(page) | {"reason_code": "other", "reason": "Not needed."}
        return shop.browser(shop.alice).post("/certificates/many/carry-out", data, 200).status

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(press, range(4))) == {200}
    for certificate in certificates:
        assert [row.event for row in shop.history(certificate)].count(Event.REQUEST_REFUND) == 1


def test_a_window_that_closes_while_somebody_reads_is_told(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    shop.clock.advance(days=30)
    browser = shop.browser(shop.alice)
    page = preview(browser, Event.REQUEST_REFUND, certificate)
    shop.clock.now += timedelta(microseconds=1)
    done = carry_out(browser, page, reason_code="other", reason="Not needed.")
    assert "None of them could be done" in done.words
    assert "No refund: the window closed on 3 Jun 2026, 17:00 CST." in done.words


def test_somebody_elses_are_as_good_as_not_there(shop: Shop) -> None:
    theirs, mine = shop.order(shop.bob, domain="theirs.example.com"), shop.order(domain="mine.example.com")
    browser = shop.browser(shop.alice)
    page = preview(browser, Event.REQUEST_REFUND, theirs, mine)
    assert "theirs" not in page.words
    data = hidden(page) | {"chosen": [pick(theirs)], "reason_code": "other", "reason": "Not needed."}
    done = browser.post("/certificates/many/carry-out", data, 200)
    assert "Nothing was chosen" in done.words
    assert shop.get(theirs.id) == theirs


def test_the_way_back_stays_in_the_console(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    browser = shop.browser(shop.alice)
    page = preview(browser, Event.WITHDRAW_SUBMISSION, certificate)
    done = carry_out(browser, page, back="https://evil.example.com/")
    assert link(done, "Back to the list") == "/"


def test_what_makes_no_sense_among_the_ticks_is_left_out() -> None:
    one = "a" * 32
    assert read_chosen([f"{one}:3", "nonsense", f"{one}:3", f"{'b' * 32}:", f"{'c' * 33}:1"]) == [Chosen(one, 3)]
    assert str(Chosen(one, 3)) == f"{one}:3"


# So many that nobody waits for the page


def test_more_than_a_page_is_waited_for_become_a_job(any_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "AT_ONCE", 2)
    certificates = [any_shop.order(domain=f"{n}.example.com") for n in range(3)]
    browser = any_shop.browser(any_shop.alice)
    page = preview(browser, Event.REQUEST_REFUND, *certificates)
    said = {"reason_code": RefundReason.BOUGHT_TWICE.value, "reason": "Bought twice."}
    answer = carry_out(browser, page, 303, **said)
    assert "Apply for 3 refunds" in browser.follow(answer).words
    # Pressed twice, it is the same job.
    assert carry_out(browser, page, 303, **said).location == answer.location
    job_id = (answer.location or "").rpartition("/")[2]
    work(any_shop, job_id)
    shown = browser.get(f"/jobs/{job_id}")
    assert shown.words.count("Refund applied for.") == 3
    assert "Bought twice." in shown.words
    for certificate in certificates:
        assert any_shop.get(certificate.id).state == State.REFUND_REQUESTED
        assert any_shop.history(certificate)[-1].actor_id == any_shop.alice.id
        assert any_shop.refund_of(certificate).reason_code == RefundReason.BOUGHT_TWICE
