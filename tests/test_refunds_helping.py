"""Help before the refund: what was seen and what puts it right, always skippable."""

from collections.abc import Callable

import pytest
from domain_looks import looked
from pages import link, links, words_of
from shop import Page, Shop
from sqlmodel import delete

from certlifecycle import Event, State
from webapp.certificates.models import Certificate
from webapp.domaincontrol.models import DomainControl

CAA = "The CAA records at example.com do not let us issue for www.example.com; they say: issue “other.example”."


@pytest.fixture
def shop(sqlite_url: str, open_shop: Callable[..., Shop]) -> Shop:
    """A shop that looks at domains; nobody is asked in these tests."""
    return open_shop(sqlite_url, resolvers=("127.0.0.1:5354",), caa_identity="desk.example")


def application(shop: Shop, certificate: Certificate) -> Page:
    return shop.browser(shop.alice).get(f"/certificates/{certificate.id}/refund")


def help_of(page: Page) -> str | None:
    found = [node for node in page.tree.iter("section") if "help" in (node.get("class") or "").split()]
    return words_of(found[0]) if found else None


def assert_skippable(page: Page) -> None:
    """The form is on the same page, and the way to it is offered."""
    assert page.field("reason") == ""
    assert link(page, "Go on with the refund") == "#refund-form"
    assert any(node.get("id") == "refund-form" for node in page.tree.iter())


def test_a_failed_proof_shows_what_was_seen_and_how_to_try_again(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    looked(shop, certificate)
    certificate = shop.fire(certificate, Event.FAIL_VERIFICATION)
    shop.clock.advance(minutes=4)
    page = application(shop, certificate)
    told = help_of(page)
    assert told is not None
    assert "What we saw last, 4 min ago: TXT record: No TXT record at _desk.www.example.com yet." in told
    assert "Submit again: you get a new value" in told
    assert link(page, "Submit again") == f"/certificates/{certificate.id}/submit"
    assert_skippable(page)


def test_a_failure_that_nobody_looked_at_shows_its_reason(shop: Shop) -> None:
    page = application(shop, shop.certificate_in(State.FAILED))
    told = help_of(page)
    assert told is not None
    assert "What came back: No record was found." in told
    assert_skippable(page)


@pytest.mark.parametrize(
    ("product", "records"),
    [
        ("dv", ['example.com. 300 IN CAA 0 issue "desk.example"']),
        (
            "wildcard",
            ['example.com. 300 IN CAA 0 issue "desk.example"', 'example.com. 300 IN CAA 0 issuewild "desk.example"'],
        ),
    ],
)
def test_records_that_are_in_the_way_are_shown_as_they_should_be(shop: Shop, product: str, records: list[str]) -> None:
    domain = "*.example.com" if product == "wildcard" else "example.com"
    certificate = shop.certificate_in(State.SUBMITTED, product=product, domain=domain)
    looked(shop, certificate, held=True, caa=CAA)
    page = application(shop, certificate)
    for record in records:
        assert record in page.words
    assert CAA in page.words
    assert "We look again by ourselves." in page.words
    assert link(page, "See what to set") == f"/certificates/{certificate.id}#domain-control"
    # It is being verified: the refund is a step away, and the step is offered as before.
    assert "Withdraw the submission" in page.words
    certificate = shop.fire(certificate, Event.FAIL_VERIFICATION)
    page = application(shop, certificate)
    assert records[-1] in page.words
    assert "Then submit again." in page.words
    assert_skippable(page)


def test_what_the_authority_refused_may_need_another_key(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    looked(shop, certificate, held=True)
    certificate = shop.fire(certificate, Event.VERIFY)
    certificate = shop.fire_as_system(certificate, Event.REFUSE_ISSUANCE, reason="The key is known to be weak.")
    page = application(shop, certificate)
    told = help_of(page)
    assert told is not None
    assert "What came back: The key is known to be weak." in told
    assert "make a new CSR with a new key" in told
    assert_skippable(page)


def test_a_stuck_proof_shows_the_record_that_it_waits_for(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    page = application(shop, certificate)
    told = help_of(page)
    assert told is not None
    assert "_desk.www.example.com. 300 IN TXT" in told
    # Nothing to apply for yet, so there is nothing to go on with.
    assert link(page, "Go on with the refund") is None


def test_once_it_was_seen_there_is_nothing_to_help_with(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    looked(shop, certificate, held=True)
    assert help_of(application(shop, certificate)) is None


def test_before_there_is_a_value_there_is_nothing_to_help_with(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    with shop.database.writing() as session:
        session.exec(delete(DomainControl))
    assert help_of(application(shop, certificate)) is None


def test_whoever_has_handed_nothing_in_for_days_is_shown_the_command(shop: Shop) -> None:
    certificate = shop.order()
    assert help_of(application(shop, certificate)) is None
    shop.clock.advance(days=3)
    page = application(shop, certificate)
    told = help_of(page)
    assert told is not None
    assert "One command on your server makes it." in told
    assert link(page, "Show me the command") == f"/certificates/{certificate.id}/submit"
    assert_skippable(page)


def test_a_submission_that_was_taken_back_says_nothing_of_the_csr(shop: Shop) -> None:
    certificate = shop.fire(shop.certificate_in(State.SUBMITTED), Event.WITHDRAW_SUBMISSION)
    shop.clock.advance(days=3)
    assert help_of(application(shop, certificate)) is None


@pytest.mark.parametrize("state", [State.ISSUED, State.REVOKED, State.REFUND_REQUESTED, State.REJECTED])
def test_elsewhere_there_is_nothing_to_help_with(shop: Shop, state: State) -> None:
    assert help_of(application(shop, shop.certificate_in(state))) is None


def test_a_desk_that_looks_at_no_domains_promises_no_look(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(sqlite_url, domain_control=False)
    stuck = shop.certificate_in(State.SUBMITTED)
    assert help_of(application(shop, stuck)) is None
    looked(shop, stuck, held=True, caa=CAA)
    failed = shop.fire(stuck, Event.FAIL_VERIFICATION)
    told = help_of(application(shop, failed))
    assert told is not None
    assert "IN CAA" not in told


def test_the_help_asks_for_nothing(shop: Shop) -> None:
    """No field, no form, no press: whoever wants the refund types one sentence and submits."""
    page = application(shop, shop.certificate_in(State.FAILED))
    (found,) = [node for node in page.tree.iter("section") if "help" in (node.get("class") or "").split()]
    assert not [node for node in found.iter() if node.tag in ("form", "input", "textarea", "select", "button")]
    assert "#refund-form" in links(page)
