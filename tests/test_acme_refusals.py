"""The ACME authority when the server says no, in each of the ways in which servers say it."""

from datetime import timedelta
from http import HTTPStatus

import pytest
from acme_support import Credulous, csr_for, offering_only

from webapp.authorities.acme_models import AcmeStep
from webapp.authorities.port import (
    AuthorityUnavailable,
    Failed,
    Issued,
    Pending,
)

pytest_plugins = ["acme_fixtures"]

WWW = "www.example.com"
WRONG = {
    "type": "urn:ietf:params:acme:error:incorrectResponse",
    "detail": "Expected another value",
    "status": HTTPStatus.FORBIDDEN,
}


def with_challenges(exchange, status, error):
    """The authorization in an answer, with what the server says of the challenge that it was told of (http-01)."""
    challenges = []
    for one in exchange.document["challenges"]:
        kept = {name: value for name, value in one.items() if name != "error"}
        changed = {"status": status} | ({"error": error} if error else {})
        challenges.append(kept | changed if one["type"] == "http-01" else kept | {"status": "pending"})
    return challenges


def invalid_authorization(exchange):
    if exchange.kind == "authZ":
        change = {"status": "invalid", "challenges": with_challenges(exchange, "invalid", WRONG)}
        exchange.answer(200, exchange.document | change)
    if exchange.kind == "my-order":
        exchange.answer(200, exchange.document | {"status": "invalid"})


def invalid_authorization_that_keeps_its_reason(exchange):
    if exchange.kind == "authZ":
        change = {"status": "invalid", "challenges": with_challenges(exchange, "invalid", None)}
        exchange.answer(200, exchange.document | change)
    if exchange.kind == "my-order":
        exchange.answer(200, exchange.document | {"status": "invalid"})


def invalid_challenge_in_a_pending_authorization(exchange):
    if exchange.kind == "authZ":
        change = {"status": "pending", "challenges": with_challenges(exchange, "invalid", WRONG)}
        exchange.answer(200, exchange.document | change)
    if exchange.kind == "my-order":
        exchange.answer(200, exchange.document | {"status": "pending"})


def invalid_challenge_without_an_error(exchange):
    if exchange.kind == "authZ":
        change = {"status": "pending", "challenges": with_challenges(exchange, "invalid", None)}
        exchange.answer(200, exchange.document | change)
    if exchange.kind == "my-order":
        exchange.answer(200, exchange.document | {"status": "pending"})


def invalid_order_with_the_reason(exchange):
    if exchange.kind == "authZ":
        change = {"status": "pending", "challenges": with_challenges(exchange, "pending", None)}
        exchange.answer(200, exchange.document | change)
    if exchange.kind == "my-order":
        exchange.answer(200, exchange.document | {"status": "invalid", "error": WRONG})


def invalid_order_without_any_reason(exchange):
    if exchange.kind == "authZ":
        change = {"status": "pending", "challenges": with_challenges(exchange, "pending", None)}
        exchange.answer(200, exchange.document | change)
    if exchange.kind == "my-order":
        exchange.answer(200, exchange.document | {"status": "invalid", "error": None})


@pytest.mark.parametrize(
    ("tells", "words"),
    [
        (invalid_authorization, "Expected another value"),
        (invalid_authorization_that_keeps_its_reason, "does not say why"),
        (invalid_challenge_in_a_pending_authorization, "Expected another value"),
        (invalid_challenge_without_an_error, "does not say why"),
        (invalid_order_with_the_reason, "Expected another value"),
        (invalid_order_without_any_reason, "does not say why"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_a_failed_proof_is_recognised_however_the_server_says_it(desk, front, tells, words):
    authority = desk.authority(directory_url=front.directory_url, look=Credulous(desk.clock))
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    authority.advance(ref)
    assert front.count("chalZ") == 1
    front.after = tells
    progress = desk.run(lambda: authority, ref, "none")
    assert isinstance(progress, Failed)
    assert words in progress.reason
    assert desk.row(ref).step is AcmeStep.FAILED


def test_a_complaint_about_a_challenge_that_stays_open_is_shown_and_can_be_mended(desk, front):
    def complain(exchange):
        if exchange.kind == "authZ":
            change = {"status": "pending", "challenges": with_challenges(exchange, "pending", WRONG)}
            exchange.answer(200, exchange.document | change)
        if exchange.kind == "my-order":
            exchange.answer(200, exchange.document | {"status": "pending"})

    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    desk.run(lambda: authority, ref, until=lambda _: front.count("chalZ") == 1)
    front.after = complain
    progress = desk.run(
        lambda: authority,
        ref,
        until=lambda progress: isinstance(progress, Pending) and "It says" in progress.challenges[0].finding,
    )
    assert progress.challenges[0].finding.startswith("The certificate authority found something else than the value")
    told = front.count("chalZ")
    desk.clock.forward(timedelta(minutes=2))
    authority.advance(ref)
    assert front.count("chalZ") == told + 1
    front.after = lambda _: None
    assert isinstance(desk.run(lambda: authority, ref), Issued)


def test_a_server_without_a_way_that_is_known_here_fails_the_order(desk, front):
    front.after = offering_only("tls-alpn-01")
    authority = desk.authority(directory_url=front.directory_url)
    progress = desk.run(lambda: authority, authority.submit("order 1", csr_for(WWW), [WWW], 90))
    assert isinstance(progress, Failed)
    assert "neither a page on the web server nor a DNS record" in progress.reason


@pytest.mark.parametrize("code", ["rejectedIdentifier", "caa", "unsupportedIdentifier"])
def test_an_order_that_the_server_does_not_take_fails_in_words(desk, front, code):
    def refuse(exchange):
        if exchange.kind == "order-plz":
            exchange.refuse(HTTPStatus.FORBIDDEN, code, "not here\u202e")

    front.before = refuse
    authority = desk.authority(directory_url=front.directory_url)
    progress = desk.run(lambda: authority, authority.submit("order 1", csr_for(WWW), [WWW], 90))
    assert isinstance(progress, Failed)
    assert progress.reason.endswith("It says: “not here\ufffd”")


def test_a_csr_that_the_server_does_not_take_fails_in_words(desk, front):
    def refuse(exchange):
        if exchange.kind == "finalize-order":
            exchange.refuse(HTTPStatus.BAD_REQUEST, "badCSR", "weak key")

    front.before = refuse
    authority = desk.authority(directory_url=front.directory_url)
    progress = desk.run(lambda: authority, authority.submit("order 1", csr_for(WWW), [WWW], 90))
    assert progress == Failed("The certificate authority does not accept the CSR. It says: “weak key”")


def test_an_order_that_failed_while_issuing_says_why(desk, front):
    def fail(exchange):
        if exchange.kind == "my-order" and front.count("finalize-order"):
            error = {"type": "urn:ietf:params:acme:error:caa", "detail": "CAA record for example.com"}
            exchange.answer(200, exchange.document | {"status": "invalid", "error": error})

    front.after = fail
    authority = desk.authority(directory_url=front.directory_url)
    progress = desk.run(lambda: authority, authority.submit("order 1", csr_for(WWW), [WWW], 90))
    assert isinstance(progress, Failed)
    assert progress.reason.startswith("A CAA record of the domain forbids")


@pytest.mark.parametrize("kind", ["order-plz", "finalize-order", "my-order"])
@pytest.mark.parametrize("code", ["userActionRequired", "externalAccountRequired"])
def test_what_only_the_vendor_can_mend_fails_no_order(desk, front, code, kind):
    def refuse(exchange):
        if exchange.kind == kind:
            exchange.refuse(HTTPStatus.FORBIDDEN, code, "new terms")

    authority = desk.authority(directory_url=front.directory_url)
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    front.before = refuse
    with pytest.raises(AuthorityUnavailable, match=r"its operator has to look into it\. It says: “new terms”"):
        desk.run_into_trouble(authority, ref)
    front.before = lambda _: None
    assert isinstance(desk.run(lambda: authority, ref), Issued)
