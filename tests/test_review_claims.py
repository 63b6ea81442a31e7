"""Claims on cases: one holds, everybody sees it, and no claim ever decides what may happen to a certificate."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from review_support import FAILURE, REJECTION, button, decide, domains, element, row_of, text_of, url_of
from shop import Shop
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, delete, func, select, update

from certlifecycle import PRESETS, Event, State
from webapp.accounts.models import Account
from webapp.certificates.models import Certificate
from webapp.live.models import LiveSignal
from webapp.review import claims
from webapp.review.models import ReviewClaim, ReviewClaimEvent

LEASE = timedelta(minutes=15)


def take(shop: Shop, certificate: Certificate, who: Account) -> bool:
    with shop.database.writing() as session:
        return claims.take(session, certificate.id, who.actor, shop.clock(), LEASE)


def take_over(shop: Shop, certificate: Certificate, claim_id: str, who: Account) -> bool:
    with shop.database.writing() as session:
        return claims.take_over(session, certificate.id, claim_id, who.actor, shop.clock(), LEASE)


def held(shop: Shop, certificate: Certificate) -> ReviewClaim | None:
    with shop.database.reading() as session:
        return claims.held(session, certificate.id, shop.clock())


def holder(shop: Shop, certificate: Certificate) -> str | None:
    claim = held(shop, certificate)
    return claim.holder_name if claim else None


def trace(shop: Shop, certificate: Certificate) -> list[tuple[str, str, str | None]]:
    """What was done, by whom, and from whom, the earliest first."""
    with shop.database.reading() as session:
        found = claims.trace(session, certificate.id)
    return [(one.act, one.actor_name, one.from_name) for one in reversed(found)]


# The claim itself, on both databases


def test_one_claims_and_the_other_does_not(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.REFUND_REQUESTED)
    assert take(any_shop, certificate, any_shop.rita)
    assert not take(any_shop, certificate, any_shop.robin)
    claim = held(any_shop, certificate)
    assert claim is not None
    assert (claim.holder_id, claim.holder_name) == (any_shop.rita.id, "Rita")
    assert (claim.since, claim.until) == (any_shop.clock(), any_shop.clock() + LEASE)
    assert trace(any_shop, certificate) == [("claimed", "Rita", None)]


def test_a_claim_ends_with_its_time_and_not_a_microsecond_before(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.SUBMITTED)
    take(any_shop, certificate, any_shop.rita)
    any_shop.clock.now += LEASE - timedelta(microseconds=1)
    assert not take(any_shop, certificate, any_shop.robin)
    any_shop.clock.advance(microseconds=1)
    assert held(any_shop, certificate) is None
    assert take(any_shop, certificate, any_shop.robin)
    assert trace(any_shop, certificate) == [("claimed", "Rita", None), ("claimed", "Robin", None)]


def test_claiming_again_renews_and_is_no_second_claim(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.SUBMITTED)
    take(any_shop, certificate, any_shop.rita)
    any_shop.clock.advance(minutes=10)
    assert take(any_shop, certificate, any_shop.rita)
    claim = held(any_shop, certificate)
    assert claim is not None
    assert claim.until == any_shop.clock() + LEASE
    assert trace(any_shop, certificate) == [("claimed", "Rita", None)]


def test_a_claim_is_renewed_once_a_third_of_its_time_has_passed(any_shop: Shop) -> None:
    def renew(who: Account) -> bool:
        with any_shop.database.writing() as session:
            return claims.renew(session, certificate.id, who.actor, any_shop.clock(), LEASE)

    certificate = any_shop.certificate_in(State.SUBMITTED)
    assert not renew(any_shop.rita)
    take(any_shop, certificate, any_shop.rita)
    any_shop.clock.advance(minutes=4, seconds=59)
    assert not renew(any_shop.rita)
    any_shop.clock.advance(seconds=1)
    assert not renew(any_shop.robin)
    assert renew(any_shop.rita)
    claim = held(any_shop, certificate)
    assert claim is not None
    assert claim.until == any_shop.clock() + LEASE
    any_shop.clock.now += LEASE
    assert not renew(any_shop.rita)


@pytest.mark.parametrize("state", [state for state in State if state not in (State.SUBMITTED, State.REFUND_REQUESTED)])
def test_what_waits_for_no_reviewer_cannot_be_claimed(shop: Shop, state: State) -> None:
    certificate = shop.certificate_in(state)
    assert not take(shop, certificate, shop.rita)
    assert held(shop, certificate) is None


def test_a_take_over_means_one_claim(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.REFUND_REQUESTED)
    take(any_shop, certificate, any_shop.rita)
    seen = held(any_shop, certificate)
    assert seen is not None
    assert not take_over(any_shop, certificate, seen.id, any_shop.rita)
    assert take_over(any_shop, certificate, seen.id, any_shop.robin)
    # Ada saw Rita's claim, which is no more: she would take it from somebody she knows nothing of.
    assert not take_over(any_shop, certificate, seen.id, any_shop.ada)
    assert holder(any_shop, certificate) == "Robin"
    assert trace(any_shop, certificate) == [("claimed", "Rita", None), ("taken_over", "Robin", "Rita")]


def test_only_the_holder_lets_go(any_shop: Shop) -> None:
    def release(who: Account) -> bool:
        with any_shop.database.writing() as session:
            return claims.release(session, certificate.id, who.actor, any_shop.clock())

    certificate = any_shop.certificate_in(State.REFUND_REQUESTED)
    take(any_shop, certificate, any_shop.rita)
    assert not release(any_shop.robin)
    assert release(any_shop.rita)
    assert not release(any_shop.rita)
    assert held(any_shop, certificate) is None
    assert trace(any_shop, certificate) == [("claimed", "Rita", None), ("released", "Rita", None)]


def test_a_claim_changes_nothing_of_the_certificate(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.REFUND_REQUESTED)
    take(any_shop, certificate, any_shop.rita)
    after = any_shop.get(certificate.id)
    assert (after.version, after.state) == (certificate.version, certificate.state)
    assert len(any_shop.history(certificate)) == certificate.version


@pytest.mark.parametrize("verb", ["UPDATE", "DELETE"])
def test_the_trace_is_append_only(any_shop: Shop, verb: str) -> None:
    certificate = any_shop.certificate_in(State.REFUND_REQUESTED)
    take(any_shop, certificate, any_shop.rita)
    changes: dict[str, Any] = {
        "UPDATE": update(ReviewClaimEvent).values(actor_name="Nobody"),
        "DELETE": delete(ReviewClaimEvent),
    }
    with pytest.raises(DBAPIError, match="append-only"), any_shop.database.writing() as session:
        session.exec(changes[verb])


def test_every_act_tells_the_other_reviewers(shop: Shop) -> None:
    def told() -> list[str]:
        with shop.database.writing() as session:
            names = list(session.exec(select(LiveSignal.name).order_by(col(LiveSignal.id))).all())
            session.exec(delete(LiveSignal))
        return names

    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    both = ["claims", f"claim-{certificate.id}"]
    rita, robin = shop.browser(shop.rita), shop.browser(shop.robin)
    rita.post(f"{url_of(certificate)}/claim")
    assert told() == both
    claim = held(shop, certificate)
    assert claim is not None
    robin.post(f"{url_of(certificate)}/take-over", {"claim": claim.id})
    assert told() == both
    robin.post(f"{url_of(certificate)}/release")
    assert told() == both
    robin.post(f"{url_of(certificate)}/release")
    assert told() == []


# Races


def together(*calls: Callable[[], bool]) -> list[bool]:
    """Make all calls at the same instant, each in a thread."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], bool]) -> bool:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


ROUNDS = range(8)


def test_of_many_who_claim_at_once_one_holds_the_case(any_shop: Shop) -> None:
    people = [any_shop.rita, any_shop.robin, any_shop.ada]
    for number in ROUNDS:
        certificate = any_shop.certificate_in(State.REFUND_REQUESTED)
        if number % 2:
            # Over a claim that has run out as well as over none.
            take(any_shop, certificate, any_shop.rita)
            any_shop.clock.now += LEASE
        won = together(*(lambda c=certificate, who=who: take(any_shop, c, who) for who in people))
        assert sum(won) == 1
        assert holder(any_shop, certificate) == people[won.index(True)].name
        assert [act for act, _, _ in trace(any_shop, certificate)].count("claimed") == 1 + number % 2


def test_of_many_who_take_over_the_same_claim_one_gets_it(any_shop: Shop) -> None:
    for _ in ROUNDS:
        certificate = any_shop.certificate_in(State.REFUND_REQUESTED)
        take(any_shop, certificate, any_shop.rita)
        seen = held(any_shop, certificate)
        assert seen is not None
        people, key = [any_shop.robin, any_shop.ada], seen.id
        won = together(*(lambda c=certificate, k=key, who=who: take_over(any_shop, c, k, who) for who in people))
        assert sum(won) == 1
        assert holder(any_shop, certificate) == people[won.index(True)].name
        assert trace(any_shop, certificate)[1:] == [("taken_over", people[won.index(True)].name, "Rita")]


# In the console


def test_a_claim_stands_in_the_row_and_at_the_case(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    rita, robin = shop.browser(shop.rita), shop.browser(shop.robin)
    assert "Nobody has claimed it." in rita.get(url_of(certificate)).words
    answer = rita.post(f"{url_of(certificate)}/claim")
    assert answer.location == url_of(certificate)
    page = rita.follow(answer)
    assert "www.example.com: Claimed by you until 17:15 CST" in page.words
    assert text_of(element(page, "claim")) == "Claimed by you until 17:15 CST Let go"
    assert "Claimed by you until 17:15 CST" in row_of(rita.get("/review"), certificate)
    page = robin.get(url_of(certificate))
    assert text_of(element(page, "claim")) == "Claimed by Rita until 17:15 CST Take over"
    assert element(page, "claim").get("data-expires") == "2026-05-04T09:15:00+00:00"
    assert "Claimed by Rita until 17:15 CST" in row_of(robin.get("/review"), certificate)
    shop.clock.now += LEASE
    assert "Nobody has claimed it." in robin.get(url_of(certificate)).words


def test_whoever_is_second_reads_who_was_first(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    take(shop, certificate, shop.rita)
    robin = shop.browser(shop.robin)
    page = robin.follow(robin.post(f"{url_of(certificate)}/claim"))
    assert "www.example.com: Claimed by Rita until 17:15 CST" in page.words
    assert holder(shop, certificate) == "Rita"


def test_from_the_queue_one_comes_back_to_the_same_tab(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser = shop.browser(shop.rita)
    page = browser.get("/review?kind=refund&q=example&evil=//evil.example")
    back = element(page, "act").findall("input")[-1].get("value")
    answer = browser.post(f"{url_of(certificate)}/claim", {"back": back, "row": "1"})
    assert answer.location == "/review?kind=refund&q=example"


def test_with_htmx_a_claim_answers_in_its_place(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser = shop.browser(shop.rita)
    cell = browser.post(f"{url_of(certificate)}/claim", {"row": "1"}, 200, htmx=True)
    assert cell.text.lstrip().startswith(f'<div class="claim-cell" id="claim-{certificate.id}"')
    assert "Claimed by you until" in cell.words
    strip = browser.post(f"{url_of(certificate)}/release", None, 200, htmx=True)
    assert strip.text.lstrip().startswith('<div class="claim" id="claim"')
    assert "Nobody has claimed it." in strip.words
    assert "Claim" in browser.get(f"{url_of(certificate)}/claim?row=1", htmx=True).words


def test_a_row_whose_case_is_decided_says_so(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    shop.fire(certificate, Event.APPROVE_REFUND)
    browser = shop.browser(shop.rita)
    told = browser.get(f"{url_of(certificate)}/claim?row=1", htmx=True)
    assert told.words == "It waits for no reviewer any more."
    assert browser.get(f"{url_of(certificate)}/claim", htmx=True).words == ""
    assert "waits for no reviewer" in browser.post(f"{url_of(certificate)}/claim", {"row": "1"}, 200, htmx=True).words


def test_a_take_over_is_told_to_whoever_held_the_case(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    take(shop, certificate, shop.rita)
    rita, robin = shop.browser(shop.rita), shop.browser(shop.robin)
    seen = robin.get(url_of(certificate)).field("claim")
    robin.post(f"{url_of(certificate)}/take-over", {"claim": seen})
    told = "Robin took it over from you, 17:00 CST."
    assert told in text_of(element(rita.get(url_of(certificate)), "claim"))
    assert told in rita.get("/review").words
    assert "took it over" not in shop.browser(shop.ada).get("/review").words
    assert "took it over" not in text_of(element(robin.get(url_of(certificate)), "claim"))
    # Once Robin lets go there is nothing to be told any more.
    robin.post(f"{url_of(certificate)}/release")
    assert "took it over from you" not in text_of(element(rita.get(url_of(certificate)), "claim"))
    assert "took it over from you" not in rita.get("/review").words


def test_what_was_done_with_claims_stands_at_the_case(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    take(shop, certificate, shop.rita)
    claim = held(shop, certificate)
    assert claim is not None
    take_over(shop, certificate, claim.id, shop.robin)
    shop.browser(shop.robin).post(f"{url_of(certificate)}/release")
    decide(shop.browser(shop.ada), certificate, "approve")
    evidence = text_of(element(shop.browser(shop.rita).get(url_of(certificate)), "claim-trace"))
    assert evidence == (
        "Who claimed it, and when Robin let go of it, 4 May 2026, 17:00 CST"
        " Robin took it over from you, 4 May 2026, 17:00 CST You claimed it, 4 May 2026, 17:00 CST"
    )


# Deciding


@pytest.mark.parametrize(
    ("state", "verb", "data", "after"),
    [
        (State.SUBMITTED, "verify", {}, State.VERIFIED),
        (State.SUBMITTED, "fail", FAILURE, State.FAILED),
        (State.REFUND_REQUESTED, "approve", {}, State.REFUND_APPROVED),
        (State.REFUND_REQUESTED, "reject", REJECTION, State.REJECTED),
    ],
)
def test_deciding_what_somebody_else_holds_asks_first(
    shop: Shop, state: State, verb: str, data: dict[str, str], after: State
) -> None:
    certificate = shop.certificate_in(state)
    take(shop, certificate, shop.rita)
    robin = shop.browser(shop.robin)
    page = decide(robin, certificate, verb, 409, **data)
    assert "Your decision was not taken Claimed by Rita until 17:15 CST." in page.words
    if "words" in data:
        assert page.field("words").strip() == data["words"]
    boxes = [node for node in page.tree.iter("input") if node.get("name") == "despite"]
    assert {box.get("type") for box in boxes} == {"checkbox"}
    assert shop.get(certificate.id).state == state
    decide(robin, certificate, verb, despite=boxes[0].get("value"), **data)
    assert shop.get(certificate.id).state == after
    assert held(shop, certificate) is None
    assert trace(shop, certificate)[-1] == ("passed_over", "Robin", "Rita")


def test_a_confirmation_is_for_one_claim_alone(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    take(shop, certificate, shop.rita)
    first = held(shop, certificate)
    assert first is not None
    take_over(shop, certificate, first.id, shop.ada)
    page = decide(shop.browser(shop.robin), certificate, "approve", 409, despite=first.id)
    assert "Claimed by Ada until 17:15 CST." in page.words
    assert shop.get(certificate.id).state == State.REFUND_REQUESTED


def test_ones_own_claim_ends_with_the_decision(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    take(shop, certificate, shop.rita)
    page = shop.browser(shop.rita).get(url_of(certificate))
    assert [node for node in page.tree.iter("input") if node.get("name") == "despite"] == []
    decide(shop.browser(shop.rita), certificate, "verify")
    assert held(shop, certificate) is None
    assert trace(shop, certificate)[-1] == ("decided", "Rita", None)


def test_a_first_approval_leaves_the_claim_of_another_where_it_is(
    sqlite_url: str, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop(sqlite_url, policy=replace(PRESETS["30-days-from-issue"], two_reviewers_above_minor=0))
    certificate = shop.certificate_in(State.REVOKED)
    certificate = shop.fire(certificate, Event.REQUEST_REFUND)
    take(shop, certificate, shop.rita)
    claim = held(shop, certificate)
    assert claim is not None
    decide(shop.browser(shop.robin), certificate, "approve", despite=claim.id)
    assert shop.get(certificate.id).state == State.REFUND_REQUESTED
    assert holder(shop, certificate) == "Rita"
    decide(shop.browser(shop.rita), shop.get(certificate.id), "approve")
    assert held(shop, certificate) is None


def test_a_claim_never_stands_in_the_way_of_the_customer_or_the_system(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    take(shop, certificate, shop.rita)
    shop.fire(certificate, Event.WITHDRAW_REFUND)
    assert shop.get(certificate.id).state == State.REVOKED
    page = shop.browser(shop.robin).get(url_of(certificate))
    assert "Claimed by" not in text_of(element(page, "claim"))


def test_the_version_decides_whoever_holds_the_claim(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    take(shop, certificate, shop.rita)
    shop.fire(certificate, Event.APPROVE_REFUND, shop.robin)
    page = decide(shop.browser(shop.rita), certificate, "approve", 409)
    assert "Already approved by Robin" in page.words


# The next case, and the tabs


def test_the_next_case_is_one_that_nobody_else_holds(shop: Shop) -> None:
    cases = []
    for name in ("first", "second", "third"):
        cases.append(shop.certificate_in(State.SUBMITTED, domain=f"{name}.example.com"))
        shop.clock.advance(minutes=1)
    first, second, third = cases
    take(shop, second, shop.robin)
    rita = shop.browser(shop.rita)
    assert decide(rita, first, "verify").location == url_of(third)
    take(shop, third, shop.robin)
    answer = decide(shop.browser(shop.ada), shop.certificate_in(State.SUBMITTED), "verify")
    assert answer.location == "/review"


def test_one_walks_round_the_queue_without_deciding(shop: Shop) -> None:
    cases = []
    for name in ("first", "second", "third"):
        cases.append(shop.certificate_in(State.SUBMITTED, domain=f"{name}.example.com"))
        shop.clock.advance(minutes=1)
    first, second, third = cases
    rita = shop.browser(shop.rita)
    assert rita.get("/review/next", 303).location == url_of(first)
    assert rita.get(f"/review/next?after={first.id}", 303).location == url_of(second)
    assert rita.get(f"/review/next?after={third.id}", 303).location == url_of(first)
    assert rita.get("/review/next?after=nonsense", 303).location == url_of(first)
    for one in (second, third):
        take(shop, one, shop.robin)
    # Only the case itself is left, and what others hold.
    answer = rita.get(f"/review/next?after={first.id}", 303)
    assert answer.location == "/review"
    words = rita.follow(answer).words
    assert "Nothing else waits for you. What others have claimed is left to them." in words


def test_the_search_for_the_next_case_does_not_end_with_a_page(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.review.queue.PAGE_SIZE", 2)
    for number in range(3):
        shop.certificate_in(State.SUBMITTED, domain=f"own{number}.example.com")
        shop.clock.advance(minutes=1)
    with shop.database.writing() as session:
        session.exec(update(Account).where(col(Account.id) == shop.alice.id).values(role="reviewer"))
    last = shop.certificate_in(State.SUBMITTED, shop.bob, domain="bob.example.com")
    assert shop.browser(shop.alice).get("/review/next", 303).location == url_of(last)


def test_tabs_for_ones_own_claims_and_for_what_is_free(shop: Shop) -> None:
    mine = shop.certificate_in(State.SUBMITTED, domain="mine.example.com")
    theirs = shop.certificate_in(State.REFUND_REQUESTED, domain="theirs.example.com")
    shop.certificate_in(State.REFUND_REQUESTED, domain="free.example.com")
    take(shop, mine, shop.rita)
    take(shop, theirs, shop.robin)
    rita = shop.browser(shop.rita)
    assert "Everything 3 Verifications 1 Refunds 2 Mine 1 Unclaimed 1" in rita.get("/review").words
    assert domains(rita.get("/review?claim=mine")) == ["mine.example.com"]
    assert domains(rita.get("/review?claim=free")) == ["free.example.com"]
    assert len(domains(rita.get("/review?claim=nonsense"))) == 3
    shop.clock.now += LEASE
    assert "Mine 0 Unclaimed 3" in rita.get("/review").words
    assert "No case that waits for a reviewer fits this tab" in rita.get("/review?claim=mine").words


# Who


def test_customers_claim_nothing(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    alice = shop.browser(shop.alice)
    for verb in ("claim", "take-over", "release"):
        alice.post(f"{url_of(certificate)}/{verb}", None, 403)
    alice.get(f"{url_of(certificate)}/claim", 403)
    alice.get("/review/next", 403)
    with shop.database.reading() as session:
        assert session.exec(select(func.count()).select_from(ReviewClaimEvent)).one() == 0


def test_what_does_not_exist_cannot_be_claimed(shop: Shop) -> None:
    rita = shop.browser(shop.rita)
    for verb in ("claim", "take-over", "release"):
        rita.post(f"/review/{'0' * 32}/{verb}", None, 404)
    rita.get(f"/review/{'0' * 32}/claim", 404)


def test_the_lease_is_a_setting(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(sqlite_url, review_claim_minutes=45)
    certificate = shop.certificate_in(State.SUBMITTED)
    shop.browser(shop.rita).post(f"{url_of(certificate)}/claim")
    assert "Claimed by Rita until 17:45 CST" in shop.browser(shop.robin).get(url_of(certificate)).words


def test_a_decision_panel_has_its_buttons_whoever_holds_the_case(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    take(shop, certificate, shop.rita)
    page = shop.browser(shop.robin).get(url_of(certificate))
    assert button(page, "Approve the refund").get("aria-disabled") is None
