"""A certificate from an ACME server, through the console's pages and the worker's effects, against Pebble."""

import pytest
from acme_shop import open_acme_shop, publish, tasks_on
from acme_support import Credulous, offering_only
from ca_support import make_csr
from cryptography.hazmat.primitives.asymmetric import ec
from pebble import Pebble
from start_page import needs, waiting

from certlifecycle import Event, State
from webapp.authorities.port import StatusKind

pytest_plugins = ["acme_fixtures"]


def told(shop, certificate):
    return [row.event for row in shop.history(certificate)]


@pytest.mark.parametrize("kind", ["http-01", "dns-01"])
def test_from_the_order_to_the_certificate_by_what_the_page_says(acme_shop, pebble, kind):
    shop = acme_shop()
    certificate = shop.submit(shop.order())
    page = shop.page(certificate)
    assert "We are asking the certificate authority what your domain has to show" in page.words
    assert "You need do nothing" in page.words
    assert "We are working on it" in page.words
    assert "We look again by ourselves, until" not in page.words
    assert tasks_on(page) == []
    start = shop.browser(shop.alice).get("/")
    assert (needs(start), waiting(start)) == ([], ["www.example.com"])
    assert "We and the certificate authority look at your domain. You need do nothing." in start.words
    assert "We are working on it" in shop.browser(shop.alice).get("/certificates").words

    shop.turn(certificate)
    assert needs(shop.browser(shop.alice).get("/")) == ["www.example.com"]
    assert "Your move" in shop.browser(shop.alice).get("/certificates").words
    page = shop.page(certificate)
    assert "Show that the domain is yours, as said below." in page.words
    assert "Do one of the two" in page.words
    record, file = tasks_on(page)
    assert (record.kind, record.location) == ("dns-01", "_acme-challenge.www.example.com")
    assert file.location.startswith("http://www.example.com/.well-known/acme-challenge/")
    assert "desk-verification" not in page.text
    assert "TXT record: No TXT record at _acme-challenge.www.example.com yet." in page.words
    # Whoever gives up on it is told of the same record, and not of the desk's own.
    giving_up = shop.browser(shop.alice).get(f"/certificates/{certificate.id}/refund")
    assert "It waits for one record" in giving_up.words
    assert f'_acme-challenge.www.example.com. 300 IN TXT "{record.value}"' in giving_up.words
    assert "_desk.www.example.com" not in giving_up.text
    shop.clock.advance(seconds=40)
    assert "Checked 40 s ago." in shop.page(certificate).words

    issued = shop.issue(certificate, kind)
    assert told(shop, certificate) == ["order", "submit", "verify", "issue"]
    assert shop.history(certificate)[2].actor_role == "system"
    assert "Pebble Intermediate CA" in (issued.issuer or "")
    assert shop.parts.authority.status(issued.serial).kind is StatusKind.GOOD
    chain = shop.browser(shop.alice).get(f"/certificates/{certificate.id}/chain.pem")
    assert chain.text == issued.chain_pem
    assert "_acme-challenge" not in shop.page(certificate).text


def test_a_wildcard_is_proved_name_by_name(acme_shop, pebble):
    shop = acme_shop()
    certificate = shop.submitted(domain="*.example.org", product="wildcard")
    page = shop.page(certificate)
    assert "Each of these names has to be proved." in page.words
    assert "The TXT records have the same name and different values: add both, and keep both." in page.words
    records = [one for one in tasks_on(page) if one.kind == "dns-01"]
    assert [one.location for one in records] == ["_acme-challenge.example.org"] * 2
    (file,) = (one for one in tasks_on(page) if one.kind == "http-01")
    giving_up = shop.browser(shop.alice).get(f"/certificates/{certificate.id}/refund").words
    assert "It waits for 2 records" in giving_up
    for one in records:
        assert f'_acme-challenge.example.org. 300 IN TXT "{one.value}"' in giving_up

    publish(pebble.challenges, file)
    seen = "example.org: The certificate authority has seen that it is yours."
    shop.work(certificate, lambda _: seen in shop.page(certificate).words)
    words = shop.page(certificate).words
    assert [one.kind for one in tasks_on(shop.page(certificate))] == ["dns-01"]
    assert "TXT record for *.example.org: " in words
    assert shop.issue(certificate, "dns-01").state == State.ISSUED


def test_an_organisation_proves_once_and_rests_for_a_reviewer_who_reads_what_was_seen(acme_shop):
    shop = acme_shop()
    certificate = shop.submitted(product="ov")
    rita = shop.browser(shop.rita)
    evidence = rita.get(f"/review/{certificate.id}").words
    assert "acme, the ACME server at https://127.0.0.1" in evidence
    assert "TXT record: No TXT record at _acme-challenge.www.example.com yet." in evidence
    assert "Control Not shown." in evidence
    # The desk's own value is not what this authority looks for.
    assert "_desk.www.example.com" not in evidence

    shop.prove(certificate)
    waiting = shop.work(certificate, lambda one: one.due_at is None)
    assert waiting.state == State.SUBMITTED
    assert "A reviewer looks at your organisation next; you need do nothing." in shop.page(certificate).words
    assert tasks_on(shop.page(certificate)) == []
    evidence = rita.get(f"/review/{certificate.id}").words
    assert "Shown by a file on the web server" in evidence
    assert "www.example.com: the authority has seen the file on the web server" in evidence

    rita.post(f"/review/{certificate.id}/verify", {"version": waiting.version})
    assert shop.work(certificate, State.ISSUED).issuer
    assert told(shop, certificate) == ["order", "submit", "verify", "issue"]


def test_nothing_is_finalized_before_it_is_verified(acme_shop, front):
    shop = acme_shop(front)
    certificate = shop.submitted(product="ov")
    shop.prove(certificate)
    shop.work(certificate, lambda one: one.due_at is None)
    assert (front.count("order-plz"), front.count("finalize-order")) == (1, 0)
    shop.fire(shop.get(certificate.id), Event.VERIFY)
    shop.work(certificate, State.ISSUED)
    assert (front.count("order-plz"), front.count("finalize-order")) == (1, 1)


def test_the_built_in_authority_keeps_the_desk_s_own_control(acme_shop, front):
    shop = acme_shop(front, default="builtin", ov="acme")
    dv, ov = shop.submitted(), shop.submitted(product="ov")
    page = shop.page(dv)
    assert tasks_on(page)[0].location == "_desk.www.example.com"
    assert "_acme-challenge" not in page.text
    assert tasks_on(shop.page(ov))[0].location == "_acme-challenge.www.example.com"
    challenge = shop.control_of(dv).challenge(dv.names)
    shop.pebble.challenges.publish("dns-01", challenge.record_name, challenge.record_value)
    assert (shop.work(dv, State.ISSUED).issuer or "").startswith("Certificate Desk")
    evidence = shop.browser(shop.rita).get(f"/review/{dv.id}").words
    assert "The built-in authority" in evidence
    assert "Shown by a TXT record" in evidence


def test_where_the_server_takes_a_file_alone_the_help_speaks_of_the_file(acme_shop, front):
    front.after = offering_only("http-01")
    shop = acme_shop(front)
    certificate = shop.submitted()
    assert [one.kind for one in tasks_on(shop.page(certificate))] == ["http-01"]
    giving_up = shop.browser(shop.alice).get(f"/certificates/{certificate.id}/refund").words
    assert "It waits for one file" in giving_up
    assert "IN TXT" not in giving_up
    front.after = lambda _: None
    assert shop.issue(certificate).state == State.ISSUED


# What goes wrong with the proof


def test_a_wrong_value_is_seen_here_and_the_server_is_not_told(acme_shop, front):
    shop = acme_shop(front)
    certificate = shop.submitted()
    shop.pebble.challenges.publish("dns-01", "_acme-challenge.www.example.com", "mistyped")
    shop.clock.advance(seconds=15)
    version = {"version": certificate.version}
    shop.browser(shop.alice).post(f"/certificates/{certificate.id}/check-now", version)
    shop.turn(certificate)
    assert "holds another value: “mistyped”." in shop.page(certificate).words
    assert front.count("chalZ") == 0
    assert shop.issue(certificate, "dns-01").state == State.ISSUED


def test_a_value_that_the_server_finds_wrong_fails_the_verification_with_its_words(acme_shop):
    shop = acme_shop()
    certificate = shop.submitted()
    authority = shop.parts.authority._members["acme"]
    honest, authority._look = authority._look, Credulous(shop.clock)
    failed = shop.work(certificate, State.FAILED)
    authority._look = honest
    assert told(shop, certificate) == ["order", "submit", "fail_verification"]
    assert failed.problem.startswith("Control of www.example.com was not accepted.")
    words = shop.page(certificate).words
    assert "It says: “" in words
    assert "Submit the certificate again: you then get a new value to publish." in words

    # A new submission is a new order, with new values.
    again = shop.submit(failed)
    shop.turn(again)
    assert shop.issue(again).state == State.ISSUED


def test_what_the_authority_will_never_issue_for_fails_with_its_words(acme_shop, front):
    def refuse(exchange):
        if exchange.kind == "order-plz":
            exchange.refuse(403, "rejectedIdentifier", "This name is on a list.")

    front.before = refuse
    shop = acme_shop(front)
    failed = shop.submitted()
    assert failed.state == State.FAILED
    assert failed.problem == (
        "The certificate authority does not issue for this name. It says: “This name is on a list.”"
    )
    assert "Submit it again, or apply for a refund." in shop.page(failed).words


@pytest.mark.parametrize(("product", "days"), [("dv", 2), ("ov", 30)])
def test_when_the_time_is_up_the_last_finding_is_the_reason(acme_shop, product, days):
    shop = acme_shop()
    certificate = shop.submitted(product=product)
    assert "We look again by ourselves, until" in shop.page(certificate).words
    shop.clock.advance(days=days, seconds=-1)
    shop.turn(certificate)
    assert shop.get(certificate.id).state == State.SUBMITTED
    shop.clock.advance(seconds=1)
    shop.turn(certificate)
    failed = shop.get(certificate.id)
    assert failed.state == State.FAILED
    assert failed.problem.startswith(
        f"In {days} days we could not see that you control www.example.com. What we saw last: "
        "No TXT record at _acme-challenge.www.example.com yet. "
        "The file on the web server of www.example.com holds nothing. Submit again: you get a new value"
    )


def test_a_submission_that_was_taken_back_and_made_again_has_an_order_and_values_of_its_own(acme_shop, front):
    shop = acme_shop(front)
    first = shop.submitted()
    before = tasks_on(shop.page(first))
    data = {"version": first.version}
    shop.browser(shop.alice).post(f"/certificates/{first.id}/withdraw-submission", data)
    assert shop.get(first.id).state == State.PENDING
    second = shop.submit(shop.get(first.id))
    shop.turn(second)
    after = tasks_on(shop.page(second))
    assert {one.value for one in before}.isdisjoint(one.value for one in after)
    for task in before:
        publish(shop.pebble.challenges, task)
    shop.clock.advance(seconds=20)
    shop.turn(second)
    assert shop.get(second.id).state == State.SUBMITTED
    assert shop.issue(second).state == State.ISSUED
    assert front.count("finalize-order") == 1


def test_a_csr_that_will_not_do_is_refused_on_the_form(acme_shop):
    shop = acme_shop()
    certificate = shop.order(domain="*.example.org", product="wildcard")
    alice, url = shop.browser(shop.alice), f"/certificates/{certificate.id}/submit"
    assert "The CSR must have exactly these names" in alice.get(url).words
    nameless = make_csr(ec.generate_private_key(ec.SECP256R1()))
    page = alice.post(url, {"version": certificate.version, "csr": nameless, "step": "send"}, 422)
    assert "The CSR has to name exactly *.example.org, example.org" in page.words
    assert "it names nothing. Make a new CSR and submit it again." in page.words
    assert shop.get(certificate.id).state == State.PENDING


def test_the_built_in_authority_takes_the_names_from_the_order(acme_shop):
    shop = acme_shop(default="builtin", ov="acme")
    certificate = shop.order()
    alice, url = shop.browser(shop.alice), f"/certificates/{certificate.id}/submit"
    assert "must have exactly" not in alice.get(url).words
    nameless = make_csr(ec.generate_private_key(ec.SECP256R1()))
    alice.post(url, {"version": certificate.version, "csr": nameless, "step": "send"})
    assert shop.get(certificate.id).state == State.SUBMITTED


# What was proved lapses, or was never asked for


def gone(front):
    """Let the server forget the orders that it has now."""
    orders = {one.headers["Location"] for one in front.taken("order-plz")}

    def refuse(exchange):
        if any(url.endswith(exchange.path) for url in orders):
            exchange.refuse(404, "malformed", "No such order")

    front.before = refuse


def test_what_lapsed_before_it_was_issued_is_told_and_can_be_proved_anew(acme_shop, front):
    shop = acme_shop(front)
    certificate = shop.submitted(product="ov")
    shop.prove(certificate)
    shop.work(certificate, lambda one: one.due_at is None)
    gone(front)
    shop.clock.advance(days=20)
    shop.fire(shop.get(certificate.id), Event.VERIFY)
    shop.turn(certificate)
    page = shop.page(certificate)
    assert "Approved. Show the certificate authority that the domain is yours, as said below" in page.words
    assert "Approved, but one thing is left to do" in page.words
    assert "These values are new" in page.words
    assert "Your move" in page.words
    start = shop.browser(shop.alice).get("/")
    assert needs(start) == ["www.example.com"]
    assert "It is approved. Show the certificate authority that the domain is yours, and it issues." in start.words
    assert "2 days left We look until" in start.words
    assert "Your move" in shop.browser(shop.alice).get("/certificates").words
    assert shop.control_of(certificate).held_at is None
    assert "Not shown." in shop.browser(shop.rita).get(f"/review/{certificate.id}").words
    # The pages' own button serves here as well.
    shop.clock.advance(seconds=15)
    version = shop.get(certificate.id).version
    shop.browser(shop.alice).post(f"/certificates/{certificate.id}/check-now", {"version": version})
    assert shop.issue(certificate, "dns-01").state == State.ISSUED
    assert told(shop, certificate) == ["order", "submit", "verify", "issue"]


def test_what_lapsed_and_is_not_proved_anew_ends_in_time(acme_shop, front):
    shop = acme_shop(front)
    certificate = shop.submitted(product="ov")
    shop.prove(certificate)
    shop.work(certificate, lambda one: one.due_at is None)
    gone(front)
    shop.clock.advance(days=20)
    shop.fire(shop.get(certificate.id), Event.VERIFY)
    shop.turn(certificate)
    shop.clock.advance(days=2, seconds=-1)
    shop.turn(certificate)
    assert shop.get(certificate.id).state == State.VERIFIED
    shop.clock.advance(seconds=1)
    shop.turn(certificate)
    failed = shop.get(certificate.id)
    assert told(shop, certificate)[-1] == "refuse_issuance"
    assert failed.problem.startswith("In 2 days we could not see that you control www.example.com.")


def test_a_reviewer_who_was_faster_than_the_proof_leaves_it_to_the_customer(acme_shop):
    shop = acme_shop()
    certificate = shop.submitted()
    shop.fire(certificate, Event.VERIFY)
    shop.turn(certificate)
    words = shop.page(certificate).words
    assert "Approved, but one thing is left to do" in words
    assert "These values are new" not in words
    assert shop.issue(certificate).state == State.ISSUED


# One account for all customers


@pytest.fixture
def generous(tmp_path):
    """A server that takes for proved what its account has proved before."""
    server = Pebble.start(tmp_path / "generous", PEBBLE_AUTHZREUSE="100")
    yield server
    server.stop()


def show_to_the_desk(shop, certificate):
    challenge = shop.control_of(certificate).challenge(certificate.names)
    shop.pebble.challenges.publish("dns-01", challenge.record_name, challenge.record_value)


def test_what_one_customer_has_proved_does_not_count_for_another(generous, sqlite_url, tmp_path):
    shop = open_acme_shop(sqlite_url, tmp_path / "data", generous)
    shop.issue(shop.submitted())
    certificate = shop.submitted(shop.bob)
    for _ in range(5):
        shop.turn(certificate)
        shop.clock.advance(minutes=10)
    assert shop.get(certificate.id).state == State.SUBMITTED
    page = shop.page(certificate)
    assert "The certificate authority knows this domain from another order" in page.words
    assert tasks_on(page)[0].location == "_desk.www.example.com"
    evidence = shop.browser(shop.rita).get(f"/review/{certificate.id}").words
    assert "www.example.com: the authority took it as proved from another order" in evidence
    show_to_the_desk(shop, certificate)
    issued = shop.work(certificate, State.ISSUED)
    assert "Pebble" in issued.issuer
    shop.close()


def reuse_the_first_order(front):
    """Answer equal orders with one, as large servers do."""
    first = {}

    def answer(exchange):
        if exchange.kind == "order-plz" and front.count("order-plz") < 3:
            if not first:
                first.update(content=exchange.content, location=exchange.headers["Location"])
            exchange.content, exchange.headers["Location"] = first["content"], first["location"]

    front.after = answer


def test_what_two_customers_are_asked_for_at_once_shows_of_neither_that_the_domain_is_theirs(acme_shop, front):
    reuse_the_first_order(front)
    shop = acme_shop(front)
    alices, bobs = shop.submitted(shop.alice), shop.submitted(shop.bob)
    assert tasks_on(shop.page(alices)) == tasks_on(shop.page(bobs))
    shop.prove(alices)
    for _ in range(6):
        shop.turn(alices)
        shop.turn(bobs)
        shop.clock.advance(seconds=20)
    for certificate in (alices, bobs):
        assert shop.get(certificate.id).state == State.SUBMITTED
        assert "knows this domain from another order" in shop.page(certificate).words
    show_to_the_desk(shop, alices)
    assert shop.work(alices, State.ISSUED).state == State.ISSUED
    shop.turn(bobs)
    assert shop.get(bobs.id).state == State.SUBMITTED


def test_what_one_customer_is_asked_for_twice_is_proved_once(acme_shop, front):
    reuse_the_first_order(front)
    shop = acme_shop(front)
    one, two = shop.submitted(), shop.submitted()
    shop.prove(one)
    assert shop.work(one, State.VERIFIED).state == State.VERIFIED
    assert shop.work(two, State.VERIFIED).state == State.VERIFIED
