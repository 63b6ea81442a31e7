"""The page of one certificate: where it stands, what can be done, the facts, the history, the download."""

import subprocess
from pathlib import Path

import pytest
from pages import button, link, refusal
from shop import Shop

from certlifecycle import SYSTEM, Event, State
from webapp.certificates import present
from webapp.certificates.models import Certificate, Channel, PaymentMethod
from webapp.desk import By
from webapp.hindrances import Hindrance


def address(certificate: Certificate, tail: str = "") -> str:
    return f"/certificates/{certificate.id}{tail}"


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("reader", ["alice", "rita", "ada"])
def test_every_state_has_a_page_for_everybody_who_may_see_it(shop: Shop, state: State, reader: str) -> None:
    certificate = shop.certificate_in(state)
    browser = shop.browser(getattr(shop, reader))
    page = browser.get(address(certificate))
    assert "www.example.com" in page.words
    primary = [node for node in page.tree.iter() if "button--primary" in (node.get("class") or "").split()]
    assert len(primary) <= 1
    current = [node for node in page.tree.iter() if "state--current" in (node.get("class") or "").split()]
    assert len(current) == 1
    fragment = browser.get(address(certificate), htmx=True)
    assert fragment.text.strip().startswith('<div id="certificate"')
    assert ("hx-trigger" in fragment.text) is (state is not State.REFUNDED)


def test_a_stranger_learns_nothing(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    browser = shop.browser(shop.bob)
    for tail in ("", "/row", "/chain.pem", "/submit", "/revoke"):
        browser.get(address(certificate, tail), 404)
    for tail in ("/submit", "/withdraw-submission", "/revoke"):
        browser.post(address(certificate, tail), {"version": certificate.version}, 404)
    shop.browser().get(address(certificate), 303)


def test_looking_changes_nothing(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    browser = shop.browser(shop.alice)
    for tail in ("", "/chain.pem", "/revoke"):
        browser.get(address(certificate, tail))
    browser.get(address(certificate, "/row"), htmx=True)
    assert shop.get(certificate.id) == certificate


def test_the_facts_of_an_issued_certificate(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED, method=PaymentMethod.ALIPAY, account="ending 88", voucher=800)
    page = shop.browser(shop.alice).get(address(certificate))
    assert certificate.serial is not None
    assert certificate.issuer is not None
    for fact in (
        certificate.serial,
        certificate.issuer,
        "The Alipay account ending 88",
        "268.00 CNY , of which 8.00 CNY with a voucher",
        "4 May 2026, 17:00 CST",
        "EC, P-256",
    ):
        assert fact in page.words
    # 268 less the voucher; nothing reaches an Alipay account from here, so the balance takes it.
    assert "260.00 CNY would go back to your balance in this shop." in page.words


def test_whoever_reviews_reads_about_the_customer_not_about_themselves(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    page = shop.browser(shop.rita).get(address(certificate))
    assert "Alice" in page.words
    assert "the customer’s balance" in page.words
    assert "your balance" not in page.words
    assert link(page, "Review") == f"/review/{certificate.id}"
    assert button(page, "Withdraw the submission") is None


# What can be done


@pytest.mark.parametrize(
    ("state", "offered", "refused"),
    [
        (State.PENDING, ["Submit for verification", "Refund"], {}),
        (State.FAILED, ["Submit for verification", "Refund"], {}),
        (State.SUBMITTED, ["Withdraw the submission"], {"Refund": "Not refundable while it is being verified."}),
        (State.VERIFIED, [], {"Refund": "Not refundable while it is being issued."}),
        (State.ISSUED, ["Download the certificate", "Revoke"], {"Refund": "Not refundable before it is revoked."}),
        (
            State.REVOKING,
            [],
            {"Refund": "Not refundable until the certificate authority has confirmed the revocation."},
        ),
        (State.REVOKED, ["Refund"], {}),
        (State.REFUND_REQUESTED, ["Follow the refund", "Withdraw the application"], {}),
        (State.REFUND_APPROVED, ["Follow the refund"], {}),
        (State.REFUNDED, ["Follow the refund"], {}),
        (State.REJECTED, ["See why, and what now", "Apply again", "Keep the certificate"], {}),
    ],
)
def test_buttons_are_what_the_life_cycle_permits_and_refused_ones_say_why(
    shop: Shop, state: State, offered: list[str], refused: dict[str, str]
) -> None:
    certificate = shop.certificate_in(state)
    page = shop.browser(shop.alice).get(address(certificate))
    for label in offered:
        assert link(page, label) is not None or button(page, label).get("formaction") is not None
    assert {label: refusal(page, label) for label in refused} == refused


def test_after_the_window_the_refund_button_says_so_to_the_minute(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    shop.clock.advance(days=30)
    browser = shop.browser(shop.alice)
    # The last instant still counts.
    last = browser.get(address(certificate))
    assert link(last, "Refund") == address(certificate, "/refund")
    assert "less than a minute left" in last.words
    shop.clock.advance(microseconds=1)
    page = browser.get(address(certificate))
    assert refusal(page, "Refund") == "No refund: the window closed on 3 Jun 2026, 17:00 CST."
    assert "Nothing left to do" in page.words


def test_the_line_on_top_names_the_date_of_the_decision(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    refund = shop.refund_of(certificate)
    page = shop.browser(shop.alice).get(address(certificate))
    assert f"You have the answer by {refund.latest:%A}, {refund.latest.day}" in page.words


def test_why_it_failed_is_said_in_words(shop: Shop) -> None:
    certificate = shop.certificate_in(State.FAILED)
    page = shop.browser(shop.alice).get(address(certificate))
    assert "Why it was not issued No record was found." in page.words


def test_a_revocation_that_the_authority_refused_is_told(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKING)
    shop.fire_as_system(certificate, Event.REFUSE_REVOCATION, reason="The authority is closed today.")
    page = shop.browser(shop.alice).get(address(certificate))
    assert "It could not be revoked The authority is closed today." in page.words


def test_trouble_behind_the_scenes_is_told_to_each_in_their_words(shop: Shop) -> None:
    certificate = shop.certificate_in(State.VERIFIED)
    shop.desk.note_failure(certificate.id, "OSError: Connection refused.", Hindrance.UNREACHABLE)
    assert "longer than usual" not in shop.browser(shop.alice).get(address(certificate)).words
    for _ in range(2):
        shop.clock.advance(hours=1)
        assert shop.desk.retry_overdue(shop.clock()) == 1
    assert "This takes longer than usual." in shop.browser(shop.alice).get(address(certificate)).words
    assert "Connection refused." not in shop.browser(shop.alice).get(address(certificate)).words
    page = shop.browser(shop.rita).get(address(certificate))
    cause = (
        "The certificate authority cannot be reached, or does not answer. Attempt 3; the desk tries again by itself."
    )
    assert cause in page.words
    # What the program saw stands folded, for whoever has to look deeper.
    (folded,) = [node for node in page.tree.iter("details") if "Technical details" in "".join(node.itertext())]
    assert "OSError: Connection refused." in "".join(folded.itertext())
    assert page.words.count("OSError") == 1


# History


def test_the_history_says_who_what_when_why_and_from_where(shop: Shop) -> None:
    certificate = shop.order()
    shop.clock.advance(minutes=5)
    shop.fire(certificate, Event.SUBMIT)
    shop.desk.fire(
        certificate.id, Event.FAIL_VERIFICATION, By(shop.rita.actor, Channel.COMMAND_LINE), reason="No record."
    )
    with shop.database.reading() as session:
        failed, submitted, ordered = present.timeline(session, certificate.id, shop.alice)
    assert (ordered.what, ordered.who) == ("Ordered and paid", "You")
    assert submitted.when == shop.clock.now
    assert (failed.who, failed.why) == ("Rita (reviewer), on the command line", "No record.")
    assert failed.state is State.FAILED
    page = shop.browser(shop.alice).get(address(certificate))
    assert "Rita (reviewer), on the command line" in page.words


def test_the_desk_itself_and_the_reason_of_a_revocation_are_named_in_words(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    with shop.database.reading() as session:
        happened = present.timeline(session, certificate.id)
    assert happened[0].who == SYSTEM.name
    assert happened[1].why.startswith("Superseded. Another certificate has replaced this one")


# The download


def test_the_chain_is_one_that_openssl_takes(shop: Shop, tmp_path: Path) -> None:
    certificate = shop.certificate_in(State.ISSUED, domain="*.example.com", product="wildcard")
    answer = shop.browser(shop.alice).get(address(certificate, "/chain.pem")).response
    assert answer.headers["Content-Type"] == "application/pem-certificate-chain"
    assert answer.headers["Content-Disposition"] == "attachment; filename=wildcard.example.com.pem"
    file = tmp_path / "chain.pem"
    file.write_bytes(answer.data)
    told = subprocess.run(
        ["openssl", "x509", "-in", file, "-noout", "-serial", "-fingerprint", "-sha256", "-ext", "subjectAltName"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    page = shop.browser(shop.alice).get(address(certificate))
    fingerprint = told.split("Fingerprint=")[1].splitlines()[0]
    assert fingerprint in page.words
    assert "DNS:*.example.com" in told


def test_there_is_no_chain_before_the_issue_and_there_is_one_after_the_revocation(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    browser.get(address(shop.order(), "/chain.pem"), 404)
    revoked = shop.certificate_in(State.REVOKED, domain="old.example.com")
    browser.get(address(revoked, "/chain.pem"))
