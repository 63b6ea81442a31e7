"""The reasons that reviewers give often: how they fill a form, and how an administrator looks after them."""

from typing import Any

import pytest
from review_support import decide, element, text_of, url_of
from shop import Page, Shop
from sqlmodel import select

from certlifecycle import State
from webapp.review import reasons
from webapp.review.models import ReasonKind, ReasonTemplate

STILL_USED = "The certificate was still in use when we looked."
ADVICE = "Install another certificate on your servers, then apply again."
UNCLEAR = "From the reason that you gave we cannot tell why the money should go back."
NEW = {"kind": "reject", "label": "Paid twice", "reason": "You were paid already.", "instructions": "Look at May."}


def template(shop: Shop, label: str) -> ReasonTemplate:
    with shop.database.reading() as session:
        return session.exec(select(ReasonTemplate).where(ReasonTemplate.label == label)).one()


def options(page: Page) -> list[str]:
    """The names of the texts on offer."""
    return [text_of(one) for one in element(page, "template").iter("option")][1:]


# Filling in


def test_each_refusal_is_offered_its_own_texts_and_the_product_ships_some(shop: Shop) -> None:
    browser = shop.browser(shop.rita)
    assert options(browser.get(url_of(shop.certificate_in(State.SUBMITTED)))) == [
        "No control of the domain",
        "Organisation not confirmed",
        "Names do not fit",
    ]
    page = browser.get(url_of(shop.certificate_in(State.REFUND_REQUESTED)))
    assert options(page) == ["Still in use", "Not covered by the terms", "Reason not clear"]
    carried = next(one for one in element(page, "template").iter("option") if one.get("value"))
    assert (carried.get("data-reason"), carried.get("data-instructions")) == (STILL_USED, ADVICE)


def test_a_text_is_filled_in_and_nothing_is_decided(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    browser = shop.browser(shop.rita)
    chosen = {"template": template(shop, "Still in use").id}
    page = decide(browser, certificate, "reject/text", 200, **chosen)
    assert (page.field("words").strip(), page.field("instructions").strip()) == (STILL_USED, ADVICE)
    assert element(page, "refusing").get("open") is not None
    assert shop.get(certificate.id).state == State.REFUND_REQUESTED
    fragment = decide(browser, certificate, "reject/text", 200, htmx=True, **chosen)
    assert fragment.text.lstrip().startswith('<div id="decision"')
    assert fragment.field("words").strip() == STILL_USED


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", STILL_USED),
        (UNCLEAR, STILL_USED),
        ("My own words.", f"My own words.\n{STILL_USED}"),
        (f"{STILL_USED} Really.", f"{STILL_USED} Really."),
    ],
)
def test_nothing_that_somebody_typed_is_taken_away(shop: Shop, typed: str, expected: str) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    sent = {"template": template(shop, "Still in use").id, "words": typed}
    page = decide(shop.browser(shop.rita), certificate, "reject/text", 200, **sent)
    assert page.field("words").strip() == expected


@pytest.mark.parametrize("chosen", ["", "0" * 32, "nonsense"])
def test_a_text_that_is_not_on_offer_fills_nothing_in(shop: Shop, chosen: str) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    page = decide(shop.browser(shop.rita), certificate, "fail/text", 200, template=chosen, words="Kept.")
    assert page.field("words").strip() == "Kept."
    # A text that was retired while the form was open keeps nobody from deciding.
    if len(chosen) <= 32:
        decide(shop.browser(shop.rita), certificate, "fail", template=chosen, words="Kept.")
        assert shop.get(certificate.id).problem == "Kept."


def test_a_text_that_was_chosen_and_not_read_is_shown_before_it_is_sent(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    browser = shop.browser(shop.rita)
    chosen = {"template": template(shop, "No control of the domain").id}
    page = decide(browser, certificate, "fail", 422, words="", **chosen)
    assert "The text that you chose stands in the form now. Read it" in page.words
    assert shop.get(certificate.id).state == State.SUBMITTED
    decide(browser, certificate, "fail", words=page.field("words"), **chosen)
    assert shop.get(certificate.id).problem == "We could not confirm that you control the domain."


def test_filling_in_needs_the_case(shop: Shop) -> None:
    browser = shop.browser(shop.rita)
    for verb in ("fail", "reject"):
        browser.post(f"/review/{'0' * 32}/{verb}/text", {"version": 1}, 404)
        browser.post(f"/review/{'0' * 32}/{verb}", {"version": 1, "template": template(shop, "Still in use").id}, 404)


# Looking after them


def test_an_administrator_sees_all_texts_with_what_the_customer_reads(shop: Shop) -> None:
    ada = shop.browser(shop.ada)
    assert "Texts of refusals" in ada.get("/review").words
    words = ada.get("/review/reasons").words
    assert "A verification fails 3" in words
    assert f"Still in use {STILL_USED} {ADVICE} As it came with the desk" in words


def test_a_new_text_is_offered_behind_the_others(shop: Shop) -> None:
    ada = shop.browser(shop.ada)
    form = ada.get("/review/reasons/new?kind=reject")
    kinds = [one for one in form.tree.iter("input") if one.get("name") == "kind"]
    assert [one.get("value") for one in kinds if one.get("checked") is not None] == ["reject"]
    answer = ada.post("/review/reasons/new", NEW)
    assert "“Paid twice” is offered to reviewers from now on." in ada.follow(answer).words
    assert "Changed by Ada, 4 May 2026, 17:00 CST" in ada.get("/review/reasons").words
    page = shop.browser(shop.rita).get(url_of(shop.certificate_in(State.REFUND_REQUESTED)))
    assert options(page)[-1] == "Paid twice"


def test_changing_a_text_changes_no_decision_that_was_made_with_it(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    decide(shop.browser(shop.rita), certificate, "reject", words=STILL_USED, instructions=ADVICE)
    known = template(shop, "Still in use")
    ada = shop.browser(shop.ada)
    page = ada.get(f"/review/reasons/{known.id}")
    assert page.field("reason").strip() == STILL_USED
    changed = NEW | {"label": "Still in use", "version": page.field("version")}
    answer = ada.post(f"/review/reasons/{known.id}", changed)
    assert "What customers were told before stays as it was." in ada.follow(answer).words
    after = template(shop, "Still in use")
    assert (after.reason, after.instructions, after.version) == ("You were paid already.", "Look at May.", 2)
    assert shop.refund_of(certificate).decision_reason == STILL_USED


def test_of_two_administrators_the_second_is_told(shop: Shop) -> None:
    known = template(shop, "Still in use")
    stale = NEW | {"version": str(known.version), "label": "Still in use"}
    ada = shop.browser(shop.ada)
    ada.post(f"/review/reasons/{known.id}", stale)
    page = ada.post(f"/review/reasons/{known.id}", stale | {"reason": "Mine."}, 409)
    assert "Somebody else changed it in the meantime." in page.words
    assert page.field("reason").strip() == "Mine."
    assert template(shop, "Still in use").reason == "You were paid already."
    answer = ada.post(f"/review/reasons/{known.id}/retire", {"version": "1"})
    assert "Somebody else changed it in the meantime." in ada.follow(answer).words
    assert template(shop, "Still in use").retired_at is None


def test_a_retired_text_is_offered_no_more_and_can_be_brought_back(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    known = template(shop, "Still in use")
    ada, rita = shop.browser(shop.ada), shop.browser(shop.rita)
    answer = ada.post(f"/review/reasons/{known.id}/retire", {"version": "1"})
    assert "“Still in use” is offered no longer." in ada.follow(answer).words
    assert "Still in use Retired" in ada.get("/review/reasons").words
    assert "Still in use" not in options(rita.get(url_of(certificate)))
    answer = ada.post(f"/review/reasons/{known.id}/restore", {"version": "2"})
    assert "is offered to reviewers again." in ada.follow(answer).words
    assert "Still in use" in options(rita.get(url_of(certificate)))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"kind": ""}, "Choose when it is used."),
        ({"kind": "other"}, "Not a valid choice"),
        ({"label": " "}, "Give it a name."),
        ({"label": "x" * 81}, "at most 80 characters"),
        ({"reason": " "}, "Write what the customer reads."),
        ({"reason": "x" * 2001}, "This is too long"),
        ({"instructions": ""}, "Tell the customer what to do now."),
    ],
)
def test_what_is_wrong_with_a_text_is_said(shop: Shop, wrong: dict[str, str], told: str) -> None:
    ada = shop.browser(shop.ada)
    page = ada.post("/review/reasons/new", NEW | wrong, 422)
    assert told in page.words
    known = template(shop, "Still in use")
    assert told in ada.post(f"/review/reasons/{known.id}", NEW | wrong | {"version": "1"}, 422).words
    assert template(shop, "Still in use").version == 1


def test_a_reason_for_a_failed_verification_needs_no_instructions(shop: Shop) -> None:
    shop.browser(shop.ada).post("/review/reasons/new", NEW | {"kind": "fail", "instructions": ""})
    assert template(shop, "Paid twice").kind == ReasonKind.FAIL


def test_only_administrators_look_after_them(shop: Shop) -> None:
    known = template(shop, "Still in use")
    for person in (shop.rita, shop.alice):
        browser = shop.browser(person)
        for url in ("/review/reasons", "/review/reasons/new", f"/review/reasons/{known.id}"):
            browser.get(url, 403)
        for verb in ("retire", "restore"):
            browser.post(f"/review/reasons/{known.id}/{verb}", {"version": "1"}, 403)
        browser.post("/review/reasons/new", NEW, 403)
    assert "Texts of refusals" not in shop.browser(shop.rita).get("/review").words


def test_a_text_that_does_not_exist_is_not_there(shop: Shop) -> None:
    ada = shop.browser(shop.ada)
    ada.get(f"/review/reasons/{'0' * 32}", 404)
    ada.post(f"/review/reasons/{'0' * 32}/retire", {"version": "1"}, 404)


def test_texts_are_kept_on_both_databases(any_shop: Shop) -> None:
    words = reasons.Wording(ReasonKind.REJECT, "Paid twice", "You were paid already.", "Look at May.")
    now: Any = any_shop.clock()
    with any_shop.database.writing() as session:
        key = reasons.add(session, words, any_shop.ada, now).id
    with any_shop.database.writing() as session:
        assert reasons.change(session, key, 1, words, any_shop.ada, now)
        assert not reasons.change(session, key, 1, words, any_shop.ada, now)
        assert reasons.retire(session, key, 2, any_shop.ada, now)
    with any_shop.database.reading() as session:
        assert key not in [one.id for one in reasons.offered(session, ReasonKind.REJECT)]
        assert [one.position for one in reasons.everything(session) if one.kind == ReasonKind.REJECT] == [0, 1, 2, 3]


def test_no_texts_at_all_is_said_and_keeps_nobody_from_deciding(shop: Shop) -> None:
    with shop.database.writing() as session:
        for one in session.exec(select(ReasonTemplate)).all():
            session.delete(one)
    assert "Reviewers write every reason by hand." in shop.browser(shop.ada).get("/review/reasons").words
    certificate = shop.certificate_in(State.SUBMITTED)
    decide(shop.browser(shop.rita), certificate, "fail", words="There was no record.")
    assert shop.get(certificate.id).state == State.FAILED
