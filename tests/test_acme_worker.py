"""The worker between the console and an ACME server that is away, asks for patience, or whose answers are lost."""

import signal
import threading
from datetime import timedelta

import pytest
from acme_shop import AcmeShop, acme_environment
from pebble import Front
from processes import end, eventually, start
from sqlmodel import update

from certlifecycle import Event, State
from webapp.authorities.acme_models import AcmeOrder
from webapp.authorities.port import AuthorityUnavailable
from webapp.effects.worker import reconcile

pytest_plugins = ["acme_fixtures"]

AWAY = "The certificate authority cannot be reached, or does not answer."


def told(shop, certificate):
    return [row.event for row in shop.history(certificate)]


def words_for(shop, person, certificate):
    return shop.browser(person).get(f"/certificates/{certificate.id}").words


def retry_in_words(shop, certificate):
    """The customer reads the authority's trouble in plain words, and the reviewer too; nobody the exception's name."""
    customer, reviewer = (words_for(shop, one, certificate) for one in (shop.alice, shop.rita))
    assert f"{AWAY} We try again by ourselves." in customer
    assert f"{AWAY} Attempt " in reviewer
    for words in (customer, reviewer):
        assert "AuthorityUnavailable" not in words


# Away


def test_a_server_that_is_away_before_it_has_asked_anything(acme_shop, front):
    shop = acme_shop(front)
    front.close()
    certificate = shop.submitted()
    assert certificate.state == State.SUBMITTED
    retry_in_words(shop, certificate)
    # However long that takes, the customer's time has not begun.
    shop.clock.advance(days=5)
    assert shop.turn(certificate) is not None
    front.open()
    shop.turn(certificate)
    assert "cannot be reached" not in words_for(shop, shop.alice, certificate)
    assert shop.issue(certificate).state == State.ISSUED


def test_a_server_that_is_away_while_it_should_issue(acme_shop, front):
    shop = acme_shop(front)
    certificate = shop.submitted()
    shop.prove(certificate)
    shop.work(certificate, State.VERIFIED)
    front.close()
    assert shop.turn(certificate) is not None
    retry_in_words(shop, certificate)
    shop.clock.advance(minutes=1)
    assert reconcile(shop.desk, shop.clock()) == 1
    front.open()
    assert shop.work(certificate, State.ISSUED).held_up is None
    assert front.count("finalize-order") == 1


def test_a_server_that_is_away_while_it_should_revoke(acme_shop, front):
    shop = acme_shop(front)
    certificate = shop.issue(shop.submitted())
    front.close()
    form = {"version": certificate.version, "reason": "key_compromise", "domain": certificate.domain}
    shop.browser(shop.alice).post(f"/certificates/{certificate.id}/revoke", form)
    assert shop.turn(certificate) is not None
    assert shop.get(certificate.id).state == State.REVOKING
    retry_in_words(shop, certificate)
    front.open()
    assert shop.work(certificate, State.REVOKED).revoked_at


@pytest.mark.parametrize("when", ["proving", "issuing", "revoking"])
def test_a_server_that_names_an_instant_is_not_asked_before_it(acme_shop, front, when):
    def ask_for_patience(exchange):
        if exchange.method == "POST":
            exchange.refuse(503, "rateLimited", "Too many.", Retry_After="600")

    shop = acme_shop(front)
    certificate = shop.submitted()
    if when == "issuing":
        shop.prove(certificate)
        shop.work(certificate, State.VERIFIED)
    if when == "revoking":
        shop.issue(certificate)
        shop.fire(shop.get(certificate.id), Event.REVOKE)
    if when == "proving":
        shop.clock.advance(hours=2)
    front.before = ask_for_patience
    assert shop.turn(certificate) is not None
    waiting = shop.get(certificate.id)
    assert waiting.due_at == shop.clock() + timedelta(seconds=600)
    assert waiting.held_up == "The certificate authority takes no more requests for now. It says: “Too many.”"
    asked = len(front.seen)
    # The reconciler leaves it alone until then.
    assert reconcile(shop.desk, shop.clock.advance(seconds=599)) == 0
    assert len(front.seen) == asked
    assert reconcile(shop.desk, shop.clock.advance(seconds=1)) == 1
    front.before = lambda _: None
    shop.clock.advance(seconds=20)
    assert shop.turn(certificate) is None
    assert shop.get(certificate.id).held_up is None


def test_who_presses_check_now_meanwhile_does_not_disturb_it(acme_shop, front):
    shop = acme_shop(front)
    certificate = shop.submitted()

    def ask_for_patience(exchange):
        if exchange.method == "POST":
            exchange.refuse(503, "rateLimited", "Too many.", Retry_After="600")

    front.before = ask_for_patience
    shop.clock.advance(hours=2)
    shop.turn(certificate)
    asked = len(front.seen)
    shop.clock.advance(seconds=30)
    version = {"version": certificate.version}
    shop.browser(shop.alice).post(f"/certificates/{certificate.id}/check-now", version)
    assert isinstance(shop.turn(certificate), AuthorityUnavailable)
    assert len(front.seen) == asked
    # The instant still holds: 600 seconds from when it was named.
    assert shop.get(certificate.id).due_at == shop.clock() + timedelta(seconds=570)


# Revocation


def test_a_certificate_is_revoked_by_its_page_and_a_second_time_changes_nothing(acme_shop, pebble, front):
    shop = acme_shop(front)
    certificate = shop.issue(shop.submitted())
    form = {"version": certificate.version, "reason": "superseded", "domain": certificate.domain}
    url = f"/certificates/{certificate.id}/revoke"
    shop.browser(shop.alice).post(url, form)
    # The same button pressed twice.
    shop.browser(shop.alice).post(url, form)
    revoked = shop.work(certificate, State.REVOKED)
    status = pebble.certificate_status(revoked.serial.zfill(16))
    assert (status["Status"], status["Reason"]) == ("Revoked", 4)
    shop.effects.run("revoke", certificate.id)
    assert front.count("revoke-cert") == 1
    assert told(shop, certificate)[-2:] == ["revoke", "confirm_revocation"]


def test_a_revocation_whose_answer_was_lost_is_asked_for_again_and_counts_once(acme_shop, pebble, front):
    shop = acme_shop(front)
    certificate = shop.issue(shop.submitted())
    shop.fire(certificate, Event.REVOKE)

    def lose(exchange):
        if exchange.kind == "revoke-cert":
            exchange.status, exchange.content = 502, b"<html>Bad gateway</html>"

    front.after = lose
    assert shop.turn(certificate) is not None
    assert shop.get(certificate.id).state == State.REVOKING
    front.after = lambda _: None
    assert shop.work(certificate, State.REVOKED).revoked_at
    # The server said the second time that it was revoked already, and that is as good.
    assert front.count("revoke-cert") == 2
    assert told(shop, certificate).count("confirm_revocation") == 1


def test_a_revocation_that_the_server_refuses_leaves_the_certificate_with_its_words(acme_shop, front):
    shop = acme_shop(front)
    certificate = shop.issue(shop.submitted())
    shop.fire(certificate, Event.REVOKE)

    def refuse(exchange):
        if exchange.kind == "revoke-cert":
            exchange.refuse(400, "badRevocationReason", "not this one")

    front.before = refuse
    kept = shop.work(certificate, State.ISSUED)
    assert kept.problem == (
        "The certificate authority does not revoke for this reason. Choose another one and try again. "
        "It says: “not this one”"
    )
    assert "It could not be revoked" in shop.page(certificate).words


# Processes


def worker(shop: AcmeShop, front: Front):
    """A worker as a process of its own."""
    environment = acme_environment(shop.pebble, front.directory_url)
    return start(shop.settings, "-m", "webapp.effects.worker", **environment)


def let_claims_end(shop: AcmeShop) -> None:
    """Let the minute pass after which nobody waits for a dead worker any more."""
    with shop.database.writing() as session:
        session.exec(update(AcmeOrder).values(claimed_until=shop.clock()))


@pytest.mark.parametrize(
    ("database", "kind", "when"),
    [
        ("postgres_url", "order-plz", "before"),
        ("sqlite_url", "finalize-order", "after"),
    ],
)
def test_a_worker_that_is_killed_at_a_request_is_followed_by_one_that_finishes(
    request, acme_shop, front, database, kind, when
):
    """The server has, or has not, done what was asked; the answer is lost with the worker. One certificate is made."""
    shop = acme_shop(front, database_url=request.getfixturevalue(database))
    certificate = shop.submit(shop.order())
    killed = threading.Event()
    first = worker(shop, front)

    def kill(exchange):
        if exchange.kind == kind and not killed.is_set():
            first.send_signal(signal.SIGKILL)
            first.wait()
            killed.set()

    def is_asked():
        return "_acme-challenge" in shop.page(certificate).text

    def prove():
        shop.prove(certificate, "dns-01")
        shop.desk.look_now(certificate.id)

    setattr(front, when, kill)
    workers = [first]
    try:
        eventually(lambda: killed.is_set() or is_asked(), 60)
        if not killed.is_set():
            prove()
        eventually(killed.is_set, 60)
        let_claims_end(shop)
        workers.append(worker(shop, front))
        if kind == "order-plz":
            eventually(is_asked, 60)
            prove()
        eventually(lambda: shop.get(certificate.id).state == State.ISSUED, 120)
    finally:
        for process in workers:
            end(process)
    assert told(shop, certificate) == ["order", "submit", "verify", "issue"]
    assert len([one for one in front.taken("finalize-order") if one.status == 200]) == 1
