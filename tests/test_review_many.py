"""Many decisions at once: looked at first, decided one by one through the door, with a result for each."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from job_support import told, work
from review_support import button, element, text_of, url_of
from shop import Browser, Page, Shop
from sqlmodel import col, select, update

from certlifecycle import PRESETS, Event, Role, State
from webapp.accounts.models import Account
from webapp.certificates.models import Certificate, Channel
from webapp.desk import By
from webapp.jobs.models import JobState
from webapp.review import claims
from webapp.review.context import lease
from webapp.review.many import Act, Chosen, Ending, Order, run_many
from webapp.review.many_job import AT_ONCE, MOST
from webapp.review.models import ReasonTemplate, ReviewNote
from webapp.review.queries import PAGE_SIZE

REASON = {"words": "The sites still use them.", "instructions": "Install others first."}


def chosen(*certificates: Certificate) -> list[str]:
    return [f"{one.id}:{one.version}" for one in certificates]


def check(browser: Browser, act: str, *certificates: Certificate, status: int = 200) -> Page:
    query = "&".join(f"case={one}" for one in chosen(*certificates))
    return browser.get(f"/review/many?do={act}&{query}", status)


def act_on(browser: Browser, act: str, *certificates: Certificate, status: int = 200, **more: Any) -> Page:
    return browser.post(f"/review/many/{act}", {"case": chosen(*certificates)} | more, status)


def results(page: Page) -> dict[str, str]:
    """What became of each, by domain."""
    found = {}
    for node in page.tree.iter("li"):
        if (node.get("class") or "").startswith("outcome"):
            subject, told = (text_of(one) for one in node.iter("p"))
            found[subject] = told
    return found


@pytest.fixture
def mixed(shop: Shop) -> list[Certificate]:
    """Two refunds and a verification."""
    return [
        shop.certificate_in(State.REFUND_REQUESTED, domain="one.example.com"),
        shop.certificate_in(State.REFUND_REQUESTED, domain="two.example.com"),
        shop.certificate_in(State.SUBMITTED, domain="three.example.com"),
    ]


# Choosing


def test_rows_carry_their_version_into_the_choice(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    page = shop.browser(shop.rita).get("/review")
    (box,) = [node for node in page.tree.iter("input") if node.get("name") == "case"]
    assert (box.get("type"), box.get("value"), box.get("form")) == ("checkbox", *chosen(certificate), "many")
    form = element(page, "many")
    assert (form.get("method"), form.get("action")) == ("get", "/review/many")
    for label, act in (("Approve selected", "approve"), ("Verify selected", "verify"), ("Refuse selected …", "refuse")):
        assert (button(page, label).get("name"), button(page, label).get("value")) == ("do", act)
        assert button(page, label).get("form") == "many"


@pytest.mark.parametrize("query", ["", "do=approve", "do=nonsense&case=x", "do=approve&case=x", "do=approve&case=:1"])
def test_nothing_chosen_is_said(shop: Shop, query: str) -> None:
    browser = shop.browser(shop.rita)
    page = browser.get(f"/review/many?{query}", 303)
    assert "Choose at least one case" in browser.follow(page).words


def test_too_many_are_too_many(shop: Shop) -> None:
    browser = shop.browser(shop.rita)
    query = "&".join(f"case={number:032x}:1" for number in range(MOST + 1))
    assert f"At most {MOST} cases" in browser.get(f"/review/many?do=approve&{query}", 400).words
    # The same case twice is one case.
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    twice = check(browser, "approve", *[certificate] * (MOST + 1))
    assert "Will be decided 1" in twice.words


# Looking first


def test_what_would_happen_is_shown_and_nothing_happens(shop: Shop, mixed: list[Certificate]) -> None:
    page = check(shop.browser(shop.rita), "approve", *mixed)
    assert "Nothing has happened yet." in page.words
    assert "Will be decided 2" in page.words
    assert "536.00 CNY go back in all." in page.words
    assert "Left alone 1 three.example.com Alice · 268.00 CNY This is a verification" in page.words
    assert [shop.get(one.id).version for one in mixed] == [one.version for one in mixed]


def test_what_cannot_be_decided_says_why(shop: Shop) -> None:
    decided = shop.certificate_in(State.REFUND_REQUESTED, domain="decided.example.com")
    shop.fire(decided, Event.APPROVE_REFUND, shop.robin)
    gone = shop.certificate_in(State.ISSUED, domain="gone.example.com")
    own = shop.certificate_in(State.REFUND_REQUESTED, domain="own.example.com")
    with shop.database.writing() as session:
        session.exec(update(Account).where(col(Account.id) == shop.alice.id).values(role=Role.REVIEWER))
    page = check(shop.browser(shop.alice), "approve", decided, gone, own)
    assert "Already approved by Robin, 4 May 2026, 17:00 CST." in page.words
    assert "It waits for no reviewer any more." in page.words
    assert "Nobody decides on a refund of their own." in page.words
    assert "None of the chosen cases can be decided this way." in page.words


# Deciding


def test_each_case_has_its_own_result(shop: Shop, mixed: list[Certificate]) -> None:
    one, two, three = mixed
    shop.fire(two, Event.REJECT_REFUND, shop.robin)
    page = act_on(shop.browser(shop.rita), "approve", one, two, three)
    assert results(page) == {
        "one.example.com": "Approved; the money is being sent.",
        "two.example.com": "Already refused by Robin, 4 May 2026, 17:00 CST.",
        "three.example.com": "This is a verification: verify it or refuse it.",
    }
    assert "1 decided 1 of another kind 1 decided by somebody else first" in page.words
    assert shop.get(one.id).state == State.REFUND_APPROVED
    assert shop.get(three.id).state == State.SUBMITTED


def test_verifying_many(shop: Shop, mixed: list[Certificate]) -> None:
    other = shop.certificate_in(State.SUBMITTED, domain="four.example.com")
    told = results(act_on(shop.browser(shop.rita), "verify", mixed[0], mixed[2], other))
    assert told["three.example.com"] == told["four.example.com"] == "Verified; the certificate authority issues it."
    assert told["one.example.com"] == "This is a refund: approve it or refuse it."


def test_refusing_many_of_both_kinds_gives_everybody_the_same_reason(shop: Shop, mixed: list[Certificate]) -> None:
    browser = shop.browser(shop.rita)
    page = check(browser, "refuse", *mixed)
    assert "Will be decided 3" in page.words
    names = [text_of(node) for node in element(page, "template").iter("option")]
    assert {"No control of the domain", "Still in use"} <= set(names)
    told = results(act_on(browser, "refuse", *mixed, **REASON))
    assert told["one.example.com"] == "Refused; the customer reads why and what to do."
    assert told["three.example.com"] == "Failed; the customer reads why."
    refund = shop.refund_of(mixed[0])
    assert (refund.decision_reason, refund.instructions) == (REASON["words"], REASON["instructions"])
    assert shop.get(mixed[2].id).problem == REASON["words"]


def test_where_there_is_no_refund_nobody_is_asked_for_instructions(shop: Shop, mixed: list[Certificate]) -> None:
    browser = shop.browser(shop.rita)
    page = check(browser, "refuse", mixed[2])
    assert [node for node in page.tree.iter("textarea") if node.get("name") == "instructions"] == []
    names = [text_of(node) for node in element(page, "template").iter("option")]
    assert "Still in use" not in names
    act_on(browser, "refuse", mixed[2], words="There was no record.")
    assert shop.get(mixed[2].id).problem == "There was no record."


def test_a_refusal_without_a_reason_decides_nothing(shop: Shop, mixed: list[Certificate]) -> None:
    page = act_on(shop.browser(shop.rita), "refuse", *mixed, status=422, words=" ", note="Kept.")
    assert "Write the reason." in page.words
    assert "Tell the customer what to do now." in page.words
    assert page.field("note").strip() == "Kept."
    assert [shop.get(one.id).version for one in mixed] == [one.version for one in mixed]


def test_a_text_is_used_and_read_before_it_is_sent(shop: Shop, mixed: list[Certificate]) -> None:
    with shop.database.reading() as session:
        key = session.exec(select(ReasonTemplate.id).where(ReasonTemplate.label == "Still in use")).one()
    browser = shop.browser(shop.rita)
    page = act_on(browser, "refuse", *mixed, template=key, use="1")
    assert page.field("words").strip() == "The certificate was still in use when we looked."
    page = act_on(browser, "refuse", *mixed, status=422, template=key)
    assert "Nothing was decided yet The text that you chose stands in the form now." in page.words
    assert shop.get(mixed[0].id).state == State.REFUND_REQUESTED


def test_a_note_is_kept_with_each_case_that_was_decided(shop: Shop, mixed: list[Certificate]) -> None:
    act_on(shop.browser(shop.rita), "approve", *mixed, note="All of the same order.")
    with shop.database.reading() as session:
        notes = session.exec(select(ReviewNote)).all()
    assert {one.certificate_id for one in notes} == {mixed[0].id, mixed[1].id}
    assert {one.event for one in notes} == {"approve_refund"}


def test_above_the_limit_it_is_the_first_approval_and_says_so(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    policy = replace(PRESETS["30-days-from-issue"], two_reviewers_above_minor=50_000)
    shop = open_shop(sqlite_url, policy=policy)
    small = shop.certificate_in(State.REFUND_REQUESTED, domain="small.example.com")
    # A frozen policy decides; the shop's own helper needs two approvals no more than the pages do.
    large = shop.fire(
        shop.certificate_in(State.REVOKED, product="ov", domain="large.example.com"), Event.REQUEST_REFUND
    )
    rita = shop.browser(shop.rita)
    assert "this is the first approval, somebody else gives the second." in check(rita, "approve", small, large).words
    page = act_on(rita, "approve", small, large)
    assert results(page)["small.example.com"] == "Approved; the money is being sent."
    assert results(page)["large.example.com"].startswith("Your approval is recorded. This amount needs two reviewers")
    assert "1 decided 1 approved by a first reviewer" in page.words
    assert shop.get(large.id).state == State.REFUND_REQUESTED
    again = act_on(rita, "approve", shop.get(large.id))
    assert "this amount needs a second reviewer" in results(again)["large.example.com"]
    page = act_on(shop.browser(shop.robin), "approve", shop.get(large.id))
    assert results(page)["large.example.com"] == "Approved; the money is being sent."


def test_a_form_sent_twice_decides_once_and_says_so(shop: Shop, mixed: list[Certificate]) -> None:
    browser = shop.browser(shop.rita)
    act_on(browser, "approve", *mixed[:2])
    assert set(results(act_on(browser, "approve", *mixed[:2])).values()) == {"Your decision was recorded before."}
    assert shop.get(mixed[0].id).version == mixed[0].version + 1


def test_what_is_not_there_has_a_result_too(shop: Shop, mixed: list[Certificate]) -> None:
    missing = Certificate(**mixed[0].model_dump() | {"id": "0" * 32, "version": 1})
    page = act_on(shop.browser(shop.rita), "approve", mixed[0], missing)
    assert results(page)["A case that is not there"] == "There is no such certificate."
    assert results(page)["one.example.com"] == "Approved; the money is being sent."


# Claims


def take(shop: Shop, certificate: Certificate, who: Account) -> None:
    with shop.app.app_context(), shop.database.writing() as session:
        claims.take(session, certificate.id, who.actor, shop.clock(), lease())


def test_what_others_hold_is_left_to_them_unless_told_otherwise(shop: Shop, mixed: list[Certificate]) -> None:
    one, two, _ = mixed
    take(shop, one, shop.robin)
    take(shop, two, shop.rita)
    rita = shop.browser(shop.rita)
    page = check(rita, "approve", one, two)
    assert "Claimed by others 1 one.example.com" in page.words
    assert "268.00 CNY go back in all." in page.words
    left = "Claimed by Robin until 17:15 CST; it is left to them."
    assert results(act_on(rita, "approve", one, two)) == {
        "one.example.com": left,
        "two.example.com": "Approved; the money is being sent.",
    }
    told = results(act_on(rita, "approve", one, despite="y"))
    assert told == {"one.example.com": "Approved; the money is being sent."}
    with shop.database.reading() as session:
        acts = [row.act for row in claims.trace(session, one.id)]
        assert acts == ["passed_over", "claimed"]
        assert claims.standing(session, [one.id, two.id], shop.clock()) == {}


# The runner


def test_the_runner_needs_nothing_of_a_request_but_the_words(shop: Shop, mixed: list[Certificate]) -> None:
    order = Order(Act.REFUSE, By(shop.rita.actor, Channel.WORKER), "Why.", "What now.")
    with shop.app.test_request_context():
        told = run_many(shop.desk, order, [Chosen(one.id, one.version) for one in mixed])
    assert [one.ending for one in told] == [Ending.DONE] * 3
    assert shop.history(mixed[0])[-1].channel == Channel.WORKER


def test_nothing_that_happens_to_one_keeps_the_others_from_their_turn(shop: Shop, mixed: list[Certificate]) -> None:
    refused = shop.certificate_in(State.REFUND_REQUESTED, domain="refused.example.com")
    with shop.database.writing() as session:
        statement = update(Certificate).where(col(Certificate.id) == refused.id)
        session.exec(statement.values(customer_id=shop.rita.id))
    page = act_on(shop.browser(shop.rita), "approve", refused, *mixed)
    assert results(page)["two.example.com"] == "Approved; the money is being sent."
    assert len(results(page)) == 4


# Who


def test_customers_decide_nothing_at_all(shop: Shop, mixed: list[Certificate]) -> None:
    alice = shop.browser(shop.alice)
    check(alice, "approve", *mixed, status=403)
    for act in ("approve", "verify", "refuse"):
        act_on(alice, act, *mixed, status=403, **REASON)
    act_on(shop.browser(shop.rita), "destroy", *mixed, status=404)
    assert [shop.get(one.id).version for one in mixed] == [one.version for one in mixed]


def test_the_case_of_a_result_is_a_link_away(shop: Shop, mixed: list[Certificate]) -> None:
    page = act_on(shop.browser(shop.rita), "approve", mixed[0])
    assert url_of(mixed[0]) in [node.get("href") for node in page.tree.iter("a")]
    assert shop.history(mixed[0])[-1].actor_name == "Rita"


# More than a few


def many(shop: Shop, state: State, number: int) -> list[Certificate]:
    return [shop.certificate_in(state, domain=f"n{place:03}.example.com") for place in range(number)]


def job_in(page: Page) -> str:
    assert page.location is not None
    return page.location.rpartition("/")[2]


def test_more_than_a_few_are_a_job_that_keeps_to_the_rules_of_each(any_shop: Shop) -> None:
    cases = many(any_shop, State.SUBMITTED, AT_ONCE - 1)
    refund = any_shop.certificate_in(State.REFUND_REQUESTED, domain="refund.example.com")
    held, late = (any_shop.certificate_in(State.SUBMITTED, domain=f"{name}.example.com") for name in ("held", "late"))
    take(any_shop, held, any_shop.robin)
    take(any_shop, cases[0], any_shop.rita)
    rita = any_shop.browser(any_shop.rita)
    wanted = [*cases, refund, held, late]
    job_id = job_in(act_on(rita, "verify", *wanted, status=303, note="Rung up.", once="abc"))
    assert job_in(act_on(rita, "verify", *wanted, status=303, note="Rung up.", once="abc")) == job_id
    page = rita.get(f"/jobs/{job_id}")
    assert f"Verify {len(wanted)} submissions" in page.words
    assert f"0 of {len(wanted)}" in page.words
    any_shop.fire(late, Event.WITHDRAW_SUBMISSION)

    job = work(any_shop, job_id)
    assert (job.state, job.done, job.failed) == (JobState.FINISHED, len(wanted), 3)
    told_of = [outcome for outcome, _ in told(any_shop, job_id)]
    assert told_of == ["done"] * len(cases) + ["refused", "refused", "superseded"]
    words = [why for _, why in told(any_shop, job_id)]
    assert words[0] == "Verified."
    assert words[-3] == "This is a refund: approve it or refuse it."
    assert words[-2] == "Robin had claimed it until 4 May 2026, 09:15 UTC, so it was left to them."
    assert [any_shop.get(one.id).state for one in wanted[-3:]] == [
        State.REFUND_REQUESTED,
        State.SUBMITTED,
        State.PENDING,
    ]
    # The note and the end of the claim belong to the decision, and to it alone.
    with any_shop.database.reading() as session:
        noted = {note.certificate_id for note in session.exec(select(ReviewNote)).all()}
        assert noted == {one.id for one in cases}
        assert set(claims.standing(session, [one.id for one in wanted], any_shop.clock())) == {held.id}
    assert any_shop.history(cases[0])[-1].actor_id == any_shop.rita.id
    assert "Back to the queue" in rita.get(f"/jobs/{job_id}").words


def test_a_job_refuses_with_the_same_reason_and_passes_claims_over_where_told_to(shop: Shop) -> None:
    cases = many(shop, State.REFUND_REQUESTED, AT_ONCE + 1)
    take(shop, cases[0], shop.robin)
    rita = shop.browser(shop.rita)
    job_id = job_in(act_on(rita, "refuse", *cases, status=303, despite="y", **REASON))
    job = work(shop, job_id)
    assert (job.done, job.failed) == (AT_ONCE + 1, 0)
    refund = shop.refund_of(cases[0])
    assert refund.instructions == REASON["instructions"]
    assert shop.history(cases[-1])[-1].reason == REASON["words"]
    page = rita.get(f"/jobs/{job_id}")
    assert REASON["words"] in page.words
    assert REASON["instructions"] in page.words


def test_above_the_limit_a_job_gives_the_first_approval_and_nobody_approves_their_own(
    sqlite_url: str, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop(sqlite_url, policy=replace(PRESETS["30-days-from-issue"], two_reviewers_above_minor=100))
    cases = many(shop, State.REFUND_REQUESTED, AT_ONCE + 1)
    with shop.database.writing() as session:
        statement = update(Certificate).where(col(Certificate.id) == cases[0].id)
        session.exec(statement.values(customer_id=shop.rita.id))
    job_id = job_in(act_on(shop.browser(shop.rita), "approve", *cases, status=303))
    work(shop, job_id)
    (outcome, _), *others = told(shop, job_id)
    assert outcome == "refused"
    assert others == [("done", "Approved by a first reviewer; a second one is needed.")] * AT_ONCE
    assert {shop.get(one.id).state for one in cases} == {State.REFUND_REQUESTED}


def test_all_that_a_tab_has_can_be_chosen_where_a_page_does_not_hold_it(shop: Shop) -> None:
    rita = shop.browser(shop.rita)
    many(shop, State.SUBMITTED, PAGE_SIZE)
    assert 'name="all"' not in rita.get("/review").text
    shop.certificate_in(State.SUBMITTED, domain="one.more.example.com")
    shop.certificate_in(State.REFUND_REQUESTED, domain="refund.example.com")
    page = rita.get("/review?kind=verification&q=example")
    assert f"All {PAGE_SIZE + 1} that were found" in page.words
    assert '<input type="hidden" name="kind" value="verification" form="many">' in page.text
    asked = rita.get("/review/many?do=verify&all=1&kind=verification&q=example")
    assert f"Will be decided {PAGE_SIZE + 1} " in asked.words
    assert "one.more.example.com" in asked.words
    assert "refund.example.com" not in asked.words
