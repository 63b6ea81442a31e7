"""Making an exception from the refund policy: proposed by one, agreed to by another, used by the customer."""

from collections.abc import Callable
from dataclasses import replace
from threading import Barrier, Thread
from typing import Any

import pytest
from pages import link, refusal
from review_support import text_of
from shop import PASSWORD, Shop
from sqlmodel import col, update
from test_rights import allow

from certlifecycle import PRESETS, Event, EventRefused, Right, Rule, State
from webapp.accounts.models import Account
from webapp.certificates.models import Certificate, Channel
from webapp.desk import Amendment, By
from webapp.errors import Superseded
from webapp.goodwill.granting import ExceptionRefused, NothingProposed, agree, decline, propose
from webapp.refunds.models import Refund

WHY = "The mail with the deadline never arrived."


def by(who: Account) -> By:
    return By(who.actor, Channel.WEB, "192.0.2.1")


def late(shop: Shop, **order: Any) -> Certificate:
    """A certificate of Alice's that was revoked, and whose refund window has closed."""
    certificate = shop.certificate_in(State.REVOKED, **order)
    shop.clock.advance(days=31)
    return certificate


def url_of(certificate: Certificate) -> str:
    return f"/certificates/{certificate.id}/exception"


def proposed(shop: Shop, certificate: Certificate, who: Account | None = None) -> str:
    after = propose(shop.desk, certificate.id, by(who or shop.rita), WHY)
    assert after.waiver is not None
    return str(after.waiver["id"])


def test_from_the_proposal_to_the_application(any_shop: Shop) -> None:
    shop = any_shop
    certificate = late(shop)
    with pytest.raises(EventRefused, match="the window closed"):
        shop.fire(certificate, Event.REQUEST_REFUND)
    key = proposed(shop, certificate)
    with pytest.raises(EventRefused, match="the window closed"):
        shop.fire(certificate, Event.REQUEST_REFUND)
    agree(shop.desk, certificate.id, by(shop.ada), key)

    assert shop.fire(certificate, Event.REQUEST_REFUND).state == State.REFUND_REQUESTED
    refund = shop.refund_of(certificate)
    assert refund.rule == Rule.EXCEPTION
    assert f"as an exception that Rita and Ada made: {WHY}" in refund.verdict
    told = [(row.event, row.actor_name, row.reason) for row in shop.history(certificate)[-3:-1]]
    assert told == [
        ("propose_exception", "Rita", WHY),
        ("grant_exception", "Ada", f"Proposed by Rita, agreed to by Ada: {WHY}"),
    ]
    shop.clock.advance(days=30)
    assert shop.fire(certificate, Event.APPROVE_REFUND).state == State.REFUND_APPROVED, "what was frozen counts"


def test_it_ends_after_fourteen_days(shop: Shop) -> None:
    certificate = late(shop)
    agree(shop.desk, certificate.id, by(shop.ada), proposed(shop, certificate))
    shop.clock.advance(days=14, microseconds=1)
    with pytest.raises(EventRefused, match="the window closed"):
        shop.fire(certificate, Event.REQUEST_REFUND)
    assert proposed(shop, certificate), "another may be made"


def test_a_proposal_that_nobody_answers_ends_as_well(shop: Shop) -> None:
    certificate = late(shop)
    key = proposed(shop, certificate)
    shop.clock.advance(days=14, microseconds=1)
    with pytest.raises(NothingProposed):
        agree(shop.desk, certificate.id, by(shop.ada), key)
    assert proposed(shop, certificate) != key


def test_whoever_proposed_it_does_not_agree(any_shop: Shop) -> None:
    certificate = late(any_shop)
    key = proposed(any_shop, certificate)
    with pytest.raises(ExceptionRefused, match="somebody else has to agree"):
        agree(any_shop.desk, certificate.id, by(any_shop.rita), key)


def test_whoever_sends_no_money_does_not_agree_even_from_an_old_page(any_shop: Shop) -> None:
    shop = any_shop
    certificate, stale = late(shop), by(shop.robin)
    key = proposed(shop, certificate)
    allow(shop, shop.robin, Right.DECIDE)
    with pytest.raises(ExceptionRefused, match="right to send money"):
        agree(shop.desk, certificate.id, stale, key)


def test_two_who_agree_at_once_and_one_who_declines(any_shop: Shop) -> None:
    shop = any_shop
    certificate = late(shop)
    key = proposed(shop, certificate)
    start, done, gone = Barrier(3), [], []

    def act(what: Callable[[], object], name: str) -> None:
        start.wait()
        try:
            what()
            done.append(name)
        except NothingProposed:
            gone.append(name)

    acts = {
        "Robin": lambda: agree(shop.desk, certificate.id, by(shop.robin), key),
        "Ada": lambda: agree(shop.desk, certificate.id, by(shop.ada), key),
        "Rita": lambda: decline(shop.desk, certificate.id, by(shop.rita), key, "Changed my mind."),
    }
    threads = [Thread(target=act, args=(what, name)) for name, what in acts.items()]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (len(done), len(gone)) == (1, 2)
    last = shop.history(certificate)[-1]
    assert (last.actor_name, len(shop.history(certificate))) == (done[0], shop.get(certificate.id).version)


def test_an_application_that_comes_between_is_seen(any_shop: Shop) -> None:
    """What is written is judged on what it is written upon: an amendment that lost a race looks again."""
    shop = any_shop
    certificate = late(shop)
    looks: list[int] = []

    def make(file: Any, _case: Any) -> Any:
        looks.append(file.certificate.version)
        if len(looks) == 1 and not shop.database.is_sqlite:
            proposed(shop, certificate, shop.ada)
        return Amendment("decline_exception", {}, "x", {})

    shop.desk.amend(certificate.id, by(shop.rita), make)
    assert looks == (
        [certificate.version] if shop.database.is_sqlite else [certificate.version, certificate.version + 1]
    )


def test_it_makes_nobodys_page_old(shop: Shop) -> None:
    certificate = late(shop)
    agree(shop.desk, certificate.id, by(shop.ada), proposed(shop, certificate))
    assert shop.fire(certificate, Event.REQUEST_REFUND, version=certificate.version)
    with pytest.raises(Superseded):
        shop.fire(certificate, Event.REQUEST_REFUND, version=certificate.version)


def test_what_was_kept_comes_back_whole(open_shop: Callable[..., Shop], sqlite_url: str) -> None:
    shop = open_shop(sqlite_url, policy=replace(PRESETS["30-days-from-issue"], fee_minor=90_000))
    certificate = shop.order()
    agree(shop.desk, certificate.id, by(shop.ada), proposed(shop, certificate))
    shop.fire(certificate, Event.REQUEST_REFUND)
    assert shop.refund_of(certificate).amount_minor == 26_800


# The pages


def test_the_way_through_the_pages(shop: Shop) -> None:
    certificate = late(shop)
    rita, ada, alice = (shop.browser(who) for who in (shop.rita, shop.ada, shop.alice))
    details = f"/certificates/{certificate.id}"
    assert link(rita.get(details), "Make an exception") == url_of(certificate)
    assert link(alice.get(details), "Make an exception") is None
    page = rita.get(url_of(certificate))
    assert "The refund policy says: No refund: the window closed" in page.words
    assert "Say why." in rita.post(f"{url_of(certificate)}/propose", {"reason": " "}, 422).words
    rita.post(f"{url_of(certificate)}/propose", {"reason": WHY})
    assert "proposed" not in text_of(alice.get(details).tree), "nobody hopes for what is only spoken of"
    assert WHY in ada.get("/review").words
    own = rita.get(url_of(certificate))
    assert refusal(own, "Agree") == "You proposed it, so somebody else has to agree."

    page = ada.get(url_of(certificate))
    shop.clock.advance(minutes=11)
    asked = ada.post(f"{url_of(certificate)}/agree", {"proposal": page.field("proposal")}, 422)
    assert "Confirm that it is you" in asked.words
    ada.post(f"{url_of(certificate)}/agree", {"proposal": asked.field("proposal"), "proof_password": PASSWORD})
    assert "Proposed by Rita, agreed to by Ada, until" in ada.get(details).words

    seen = alice.get(details).words
    assert "as an exception that Rita and Ada made" in seen
    assert "Exception from the refund policy granted" in seen
    form = alice.get(f"{details}/refund")
    data = {"version": form.field("version"), "reason_code": "other", "reason": "Too late by a day."}
    where = alice.post(f"{details}/refund", data).location
    assert where is not None
    assert "By an exception from the refund policy" in alice.get(where).words
    case = rita.get(f"/review/{certificate.id}").words
    assert "as an exception that Rita and Ada made" in case


def test_the_proposer_and_others_are_refused_in_words(shop: Shop) -> None:
    certificate = late(shop)
    key = proposed(shop, certificate)
    shop.clock.advance(minutes=11)
    page = shop.browser(shop.rita).post(f"{url_of(certificate)}/agree", {"proposal": key}, 409)
    assert "You proposed it, so somebody else has to agree." in page.words
    gone = shop.browser(shop.ada).post(f"{url_of(certificate)}/agree", {"proposal": "f" * 32}, 409)
    assert "This proposal waits for nobody any more." in gone.words
    shop.browser(shop.ada).post(f"{url_of(certificate)}/agree", {}, 422)
    twice = shop.browser(shop.robin).post(f"{url_of(certificate)}/propose", {"reason": "Me too."}, 409)
    assert "An exception is proposed already." in twice.words


def test_declining(shop: Shop) -> None:
    certificate = late(shop)
    key = proposed(shop, certificate)
    robin = shop.browser(shop.robin)
    page = robin.post(f"{url_of(certificate)}/decline", {"proposal": key, "reason": ""}, 422)
    assert "Say why." in page.words
    robin.post(f"{url_of(certificate)}/decline", {"proposal": key, "reason": "It did arrive."})
    assert "It did arrive." in robin.get(f"/certificates/{certificate.id}").words
    assert "It did arrive." not in shop.browser(shop.alice).get(f"/certificates/{certificate.id}").words
    assert shop.get(certificate.id).waiver is None


def test_a_valid_certificate_is_said_to_need_its_revocation(shop: Shop) -> None:
    issued = shop.certificate_in(State.ISSUED)
    page = shop.browser(shop.rita).get(url_of(issued))
    assert "An exception cannot change that" in refusal(page, "Propose")
    shop.clock.advance(days=31)
    agree(shop.desk, issued.id, by(shop.ada), proposed(shop, issued))
    with pytest.raises(EventRefused):
        shop.fire(issued, Event.REQUEST_REFUND)
    assert "The customer has to revoke it before they can apply." in shop.browser(shop.rita).get(url_of(issued)).words
    revoked = shop.fire(shop.fire(issued, Event.REVOKE), Event.CONFIRM_REVOCATION)
    assert shop.fire(revoked, Event.REQUEST_REFUND).state == State.REFUND_REQUESTED


def test_whoever_only_looks_reads_why(shop: Shop) -> None:
    certificate = late(shop)
    key = proposed(shop, certificate)
    robin = allow(shop, shop.robin)
    page = shop.browser(robin).get(url_of(certificate))
    assert refusal(page, "Agree") == "Somebody with the right to send money has to agree."
    assert refusal(page, "Decline").startswith("You may look at cases")
    assert key


def test_one_in_force_is_said_and_not_replaced_while_the_certificate_is_still_valid(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    shop.clock.advance(days=31)
    agree(shop.desk, certificate.id, by(shop.ada), proposed(shop, certificate))
    with pytest.raises(ExceptionRefused, match="in force already"):
        proposed(shop, certificate)
    page = shop.browser(shop.rita).get(url_of(certificate))
    assert "In force Proposed by Rita, agreed to by Ada" in page.words
    assert (
        "An exception from the refund policy is in force"
        in shop.browser(shop.rita).get(f"/certificates/{certificate.id}").words
    )
    shop.fire(certificate, Event.REVOKE)
    shop.run_due(certificate.id)
    assert shop.fire(certificate, Event.REQUEST_REFUND).state == State.REFUND_REQUESTED


@pytest.mark.parametrize(
    ("language", "zone", "told"),
    [
        ("en", "", "Refundable until 18 Jun 2026, 17:00 CST, as an exception that Rita and Ada made: {why}"),
        (
            "en",
            "Europe/Berlin",
            "Refundable until 18 Jun 2026, 11:00 CEST, as an exception that Rita and Ada made: {why}",
        ),
        ("zh-Hans", "", "2026年6月18日 17:00"),
    ],
)
def test_the_frozen_verdict_is_told_as_its_reader_tells_the_time(
    shop: Shop, language: str, zone: str, told: str
) -> None:
    certificate = late(shop)
    agree(shop.desk, certificate.id, by(shop.ada), proposed(shop, certificate))
    shop.fire(certificate, Event.REQUEST_REFUND)
    refund = shop.refund_of(certificate)
    with shop.database.writing() as session:
        session.exec(update(Account).where(col(Account.id) == shop.robin.id).values(language=language, timezone=zone))
    browser = shop.browser(shop.robin)
    for address in (f"/review/{certificate.id}", f"/refunds/{refund.id}"):
        words = browser.get(address).words
        assert told.format(why=WHY) in words, address
        assert WHY in words
        assert "UTC" not in words
        assert language == "en" or "Refundable until" not in words


def test_a_frozen_verdict_that_is_worded_otherwise_is_told_as_it_stands(shop: Shop) -> None:
    certificate = late(shop)
    agree(shop.desk, certificate.id, by(shop.ada), proposed(shop, certificate))
    shop.fire(certificate, Event.REQUEST_REFUND)
    with shop.database.writing() as session:
        session.exec(update(Refund).values(verdict="As Rita and Ada have written."))
    assert "As Rita and Ada have written." in shop.browser(shop.rita).get(f"/review/{certificate.id}").words
