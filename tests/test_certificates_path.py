"""The way of a certificate: what is done, where it rests, what is to come, and the refund's branch."""

from collections.abc import Callable
from typing import Any

import pytest
from pages import link, words_of
from shop import Page, Shop

from certlifecycle import PRESETS, Event, State
from webapp.certificates.models import Certificate

ORDERED = "Done: Ordered"


def steps(node: Any) -> list[Any]:
    """The steps of a list, without those of its branches."""
    return [one for one in node if one.tag == "li"]


def told(one: Any) -> str:
    return words_of(next(node for node in one.iter("p") if node.get("class") == "step__label"))


def way(page: Page) -> tuple[list[str], dict[str, list[str]], list[str]]:
    """The way as a screen reader reads it: the steps, the branch by the step that it leaves, and where it rests."""
    (path,) = [node for node in page.tree.iter("ol") if (node.get("class") or "").startswith("path path--")]
    branches = {told(one): [told(other) for other in steps(branch)] for one in steps(path) for branch in one.iter("ol")}
    here = [told(one) for one in path.iter("li") if one.get("aria-current") == "step"]
    return [told(one) for one in steps(path)], branches, here


def page_of(shop: Shop, certificate: Certificate) -> Page:
    return shop.browser(shop.alice).get(f"/certificates/{certificate.id}")


HANDED, VERIFIED, ISSUED = "Done: CSR handed in", "Done: Domain verified", "Done: Issued"
REVOKED = "Done: Revoked"
APPLIED = "Done: Refund applied for"
POSSIBLE = ["Possible: Refund possible"]

WAYS: dict[State, tuple[list[str], dict[str, list[str]], str]] = {
    State.PENDING: (
        [ORDERED, "Now: Hand in a CSR", "To come: Domain verified", "To come: Issued"],
        {ORDERED: POSSIBLE},
        "Now: Hand in a CSR",
    ),
    State.SUBMITTED: (
        [ORDERED, HANDED, "Now: Domain being verified", "To come: Issued"],
        {},
        "Now: Domain being verified",
    ),
    State.VERIFIED: ([ORDERED, HANDED, VERIFIED, "Now: Being issued"], {}, "Now: Being issued"),
    State.FAILED: (
        [ORDERED, HANDED, "Stopped here: Verification failed", "Left out: Issued"],
        {"Stopped here: Verification failed": POSSIBLE},
        "Stopped here: Verification failed",
    ),
    State.ISSUED: ([ORDERED, HANDED, VERIFIED, ISSUED], {}, ISSUED),
    State.REVOKING: ([ORDERED, HANDED, VERIFIED, ISSUED, "Now: Being revoked"], {}, "Now: Being revoked"),
    State.REVOKED: ([ORDERED, HANDED, VERIFIED, ISSUED, REVOKED], {REVOKED: POSSIBLE}, REVOKED),
    State.REFUND_REQUESTED: (
        [ORDERED, HANDED, VERIFIED, ISSUED, REVOKED],
        {REVOKED: [APPLIED, "Now: In review", "To come: Money back"]},
        "Now: In review",
    ),
    State.REFUND_APPROVED: (
        [ORDERED, HANDED, VERIFIED, ISSUED, REVOKED],
        {REVOKED: [APPLIED, "Done: Approved", "Now: Money on its way"]},
        "Now: Money on its way",
    ),
    State.REFUNDED: (
        [ORDERED, HANDED, VERIFIED, ISSUED, REVOKED],
        {REVOKED: [APPLIED, "Done: Approved", "Done: Money back"]},
        "Done: Money back",
    ),
    State.REJECTED: (
        [ORDERED, HANDED, VERIFIED, ISSUED, REVOKED],
        {REVOKED: [APPLIED, "Stopped here: Refused", "Left out: Money back"]},
        "Stopped here: Refused",
    ),
}


def test_every_state_has_its_way() -> None:
    assert set(WAYS) == set(State)


@pytest.mark.parametrize("state", WAYS)
def test_the_way_to_each_state(shop: Shop, state: State) -> None:
    page = page_of(shop, shop.certificate_in(state))
    expected, branches, here = WAYS[state]
    assert way(page) == (expected, branches, [here])


def test_a_refund_of_what_was_never_handed_in_leaves_at_the_beginning(shop: Shop) -> None:
    certificate = shop.fire(shop.order(), Event.REQUEST_REFUND)
    seen, branches, here = way(page_of(shop, certificate))
    assert seen == [ORDERED, "Left out: CSR handed in", "Left out: Domain verified", "Left out: Issued"]
    assert branches == {ORDERED: [APPLIED, "Now: In review", "To come: Money back"]}
    assert here == ["Now: In review"]


def test_a_refund_after_a_failure_leaves_where_it_failed(shop: Shop) -> None:
    certificate = shop.fire(shop.certificate_in(State.FAILED), Event.REQUEST_REFUND)
    seen, branches, here = way(page_of(shop, certificate))
    assert seen[2] == "Stopped here: Verification failed"
    assert list(branches) == ["Stopped here: Verification failed"]
    assert here == ["Now: In review"]


def test_what_the_authority_refused_was_verified(shop: Shop) -> None:
    certificate = shop.certificate_in(State.VERIFIED)
    shop.fire_as_system(certificate, Event.REFUSE_ISSUANCE, reason="The key is known.")
    seen, branches, here = way(page_of(shop, certificate))
    assert seen == [ORDERED, HANDED, VERIFIED, "Stopped here: Not issued"]
    assert (list(branches), here) == (["Stopped here: Not issued"], ["Stopped here: Not issued"])


def test_of_two_failures_the_later_one_counts(shop: Shop) -> None:
    certificate = shop.certificate_in(State.VERIFIED)
    certificate = shop.fire_as_system(certificate, Event.REFUSE_ISSUANCE, reason="The key is known.")
    shop.clock.advance(hours=1)
    certificate = shop.fire(certificate, Event.SUBMIT)
    shop.clock.advance(hours=1)
    certificate = shop.fire(certificate, Event.FAIL_VERIFICATION)
    assert way(page_of(shop, certificate))[2] == ["Stopped here: Verification failed"]


def test_after_the_window_no_refund_branches_off(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    shop.clock.advance(days=30)
    page = page_of(shop, certificate)
    assert way(page)[1] == {REVOKED: POSSIBLE}
    assert "Until 3 Jun 2026, 17:00 CST" in page.words
    shop.clock.advance(microseconds=1)
    page = page_of(shop, certificate)
    assert way(page)[1] == {}
    # Nobody has anything left to do.
    assert "Your move" not in page.words


def test_a_way_without_a_limit_says_so(shop: Shop) -> None:
    assert "Refund possible At any time" in page_of(shop, shop.order()).words


def test_the_steps_have_their_instants_for_people_and_for_machines(shop: Shop) -> None:
    shop.clock.advance(minutes=5)
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    page = page_of(shop, certificate)
    (path,) = [node for node in page.tree.iter("ol") if (node.get("class") or "").startswith("path path--")]
    assert [one.get("datetime") for one in path.iter("time")] == ["2026-05-04T09:05:00+00:00"] * 6
    assert "Answer by 11 May 2026" in page.words


def test_whose_move_it_is_stands_at_the_present_step_and_for_a_reviewer_in_their_words(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)

    def move(page: Page) -> str:
        (here,) = [node for node in page.tree.iter("li") if node.get("aria-current") == "step"]
        return words_of(here)

    assert "Reviewer’s move" in move(page_of(shop, certificate))
    assert "Your move" in move(shop.browser(shop.rita).get(f"/certificates/{certificate.id}"))


def test_the_way_changes_with_the_certificate(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    browser = shop.browser(shop.alice)
    shop.fire(certificate, Event.VERIFY)
    fragment = browser.get(f"/certificates/{certificate.id}", htmx=True)
    assert way(fragment)[2] == ["Now: Being issued"]
    (living,) = [node for node in fragment.tree.iter("div") if node.get("id") == "certificate"]
    assert living.get("data-announce", "").startswith("Being issued. Approved.")


def test_where_the_window_runs_from_the_payment_the_branch_has_its_end(
    sqlite_url: str, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop(sqlite_url, policy=PRESETS["7-days-from-payment"])
    assert "Refund possible Until 11 May 2026, 17:00 CST" in page_of(shop, shop.order()).words


# What else the page offers


def test_the_chain_and_the_certificate_alone(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED, domain="*.example.com", product="wildcard")
    browser = shop.browser(shop.alice)
    page = browser.get(f"/certificates/{certificate.id}")
    chain, alone = link(page, "Download PEM, full chain"), link(page, "Certificate alone")
    assert chain is not None
    assert alone is not None
    whole = browser.get(chain).response
    answer = browser.get(alone).response
    assert answer.headers["Content-Disposition"] == "attachment; filename=wildcard.example.com.certificate.pem"
    assert whole.text.startswith(answer.text)
    assert whole.text.count("BEGIN CERTIFICATE") > answer.text.count("BEGIN CERTIFICATE") == 1
    assert answer.text.endswith("-----END CERTIFICATE-----\n")
    browser.get(f"/certificates/{shop.order().id}/certificate.pem", 404)
    shop.browser(shop.bob).get(alone, 404)


def test_what_is_long_can_be_copied_and_is_explained(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    page = page_of(shop, certificate)
    copies = {
        node.get("data-copy"): node.get("aria-label") for node in page.tree.iter("button") if node.get("data-copy")
    }
    assert copies[certificate.serial] == "Copy: Serial number"
    assert "Copy: SHA-256 fingerprint" in copies.values()
    (terms,) = [node for node in page.tree.iter("details") if node.get("id") == "terms"]
    assert "Revocations name it." in words_of(terms)
    assert link(page, "What the states mean") == "/help/states#issued"
