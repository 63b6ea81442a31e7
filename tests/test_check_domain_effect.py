"""The worker's looks at a submitted certificate's domain, and what follows from them."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from nameserver import NameServer, name_server
from shop import Shop
from webserver import WebServer, web_server

from certlifecycle import Event, State
from webapp.certificates.models import Certificate, Channel
from webapp.domaincontrol.caa import CaaVerdict
from webapp.domaincontrol.check import Checker, Look
from webapp.domaincontrol.dns import Resolvers
from webapp.domaincontrol.http import Visitor
from webapp.domaincontrol.models import DomainControl, Method, note_look, open_control
from webapp.domaincontrol.tokens import LIFETIME, Challenge
from webapp.effects import Effects
from webapp.effects.check_domain import PAUSES, Patience, check_domain

HOST = "_desk.www.example.com"


@pytest.fixture
def names() -> Iterator[NameServer]:
    with name_server() as running:
        yield running


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


@pytest.fixture
def checker(names: NameServer, web: WebServer) -> Checker:
    return Checker(Resolvers([names.address]), Visitor(port=web.port, allow_loopback=True), "desk.example")


@pytest.fixture
def desk_shop(any_shop: Shop) -> Shop:
    """A shop whose database has the table, on each database."""
    DomainControl.__table__.create(any_shop.database.engine, checkfirst=True)  # type: ignore[attr-defined]
    return any_shop


def control_of(shop: Shop, certificate: Certificate) -> DomainControl:
    row: DomainControl = shop.find(DomainControl, shop.get(certificate.id).submission_id)
    return row


def challenge_of(shop: Shop, certificate: Certificate) -> Challenge:
    """What the customer reads on the certificate's page, before the first look or after it."""
    assert certificate.submission_id is not None
    control = open_control(shop.database, certificate.submission_id, certificate.id, shop.clock())
    return control.challenge(certificate.names)


def publish(names: NameServer, challenge: Challenge) -> None:
    names.put(challenge.record_name, "TXT", f'"{challenge.record_value}"')


def look(shop: Shop, checker: Checker, certificate: Certificate, patience: Patience | None = None) -> Certificate:
    check_domain(shop.desk, checker, certificate.id, patience)
    return shop.get(certificate.id)


def told(shop: Shop, certificate: Certificate) -> list[str]:
    return [row.event for row in shop.history(certificate)]


# It holds


def test_with_the_record_there_the_system_verifies_by_itself(
    desk_shop: Shop, names: NameServer, checker: Checker
) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED)
    publish(names, challenge_of(desk_shop, certificate))
    desk_shop.clock.advance(minutes=5)
    after = look(desk_shop, checker, certificate)
    assert after.state == State.VERIFIED
    row = desk_shop.history(certificate)[-1]
    assert (row.event, row.actor_role, row.channel) == ("verify", "system", Channel.WORKER)
    control = control_of(desk_shop, certificate)
    assert (control.held_by, control.held_at) == (Method.DNS_TXT, desk_shop.clock())
    assert (control.checked_at, control.attempts, control.caa_problem) == (desk_shop.clock(), 1, None)
    assert [finding.words for finding in control.seen] == [f"The TXT record at {HOST} holds the right value."]
    desk_shop.fire(after, Event.ISSUE)
    assert desk_shop.get(certificate.id).state == State.ISSUED


def test_the_file_does_as_well(desk_shop: Shop, names: NameServer, web: WebServer, checker: Checker) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED)
    challenge = challenge_of(desk_shop, certificate)
    names.put("www.example.com", "A", "127.0.0.1")
    web.serve(challenge.path, challenge.token)
    assert look(desk_shop, checker, certificate).state == State.VERIFIED
    assert control_of(desk_shop, certificate).held_by == Method.HTTP_TOKEN


def test_a_wildcard_is_verified_at_its_base_domain(desk_shop: Shop, names: NameServer, checker: Checker) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED, domain="*.example.com", product="wildcard")
    challenge = challenge_of(desk_shop, certificate)
    assert challenge.record_name == "_desk.example.com"
    publish(names, challenge)
    assert look(desk_shop, checker, certificate).state == State.VERIFIED


def test_where_a_reviewer_decides_it_is_noted_and_nothing_more_is_due(
    desk_shop: Shop, names: NameServer, checker: Checker
) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED, product="ov")
    publish(names, challenge_of(desk_shop, certificate))
    after = look(desk_shop, checker, certificate)
    assert (after.state, after.due_at, after.work_error) == (State.SUBMITTED, None, None)
    assert (after.version, told(desk_shop, after)) == (certificate.version, ["order", "submit"])
    assert control_of(desk_shop, certificate).held_at == desk_shop.clock()
    assert desk_shop.desk.retry_overdue(desk_shop.clock.advance(days=40)) == 0
    # A repeated look changes nothing, however late.
    assert look(desk_shop, checker, certificate).state == State.SUBMITTED
    desk_shop.fire(after, Event.VERIFY, desk_shop.rita)
    assert desk_shop.get(certificate.id).state == State.VERIFIED


# Not yet


def test_looks_go_on_with_growing_pauses(desk_shop: Shop, checker: Checker) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED)
    pauses = []
    for _ in range(8):
        after = look(desk_shop, checker, certificate)
        assert (after.state, after.version) == (State.SUBMITTED, certificate.version)
        # Waiting for the customer is not a failure of the desk's.
        assert not after.work_error
        assert after.due_at is not None
        pauses.append(after.due_at - desk_shop.clock())
        desk_shop.clock.now = after.due_at
    assert pauses == [*PAUSES, *[PAUSES[-1]] * 3]
    assert [pause.total_seconds() for pause in PAUSES] == [10, 30, 60, 120, 300]
    control = control_of(desk_shop, certificate)
    assert (control.attempts, control.held_at, control.held_by) == (8, None, None)
    assert [(finding.method, finding.words) for finding in control.seen] == [
        (Method.DNS_TXT, f"No TXT record at {HOST} yet."),
        (
            Method.HTTP_TOKEN,
            "www.example.com has no address for a web server. The name does not exist (NXDOMAIN).",
        ),
    ]


def test_the_value_stays_the_same_for_one_submission_and_is_new_for_the_next(desk_shop: Shop, checker: Checker) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED)
    first = challenge_of(desk_shop, certificate)
    for _ in range(3):
        look(desk_shop, checker, certificate)
    assert challenge_of(desk_shop, certificate) == first
    desk_shop.fire(desk_shop.get(certificate.id), Event.WITHDRAW_SUBMISSION, desk_shop.alice)
    again = desk_shop.fire(desk_shop.get(certificate.id), Event.SUBMIT)
    second = challenge_of(desk_shop, again)
    assert second.token != first.token
    assert second.path != first.path


def test_the_value_of_an_earlier_submission_shows_nothing(desk_shop: Shop, names: NameServer, checker: Checker) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED)
    publish(names, challenge_of(desk_shop, certificate))
    desk_shop.fire(certificate, Event.WITHDRAW_SUBMISSION, desk_shop.alice)
    again = desk_shop.fire(desk_shop.get(certificate.id), Event.SUBMIT)
    assert look(desk_shop, checker, again).state == State.SUBMITTED


def test_of_many_who_make_the_value_at_once_one_wins(desk_shop: Shop) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED)
    together = threading.Barrier(6)

    def ask(_: int) -> str:
        together.wait()
        return challenge_of(desk_shop, certificate).token

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(ask, range(6)))) == 1


def test_of_two_looks_that_see_it_the_first_counts(desk_shop: Shop) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED)
    challenge_of(desk_shop, certificate)
    assert certificate.submission_id is not None
    first = desk_shop.clock()
    note_look(desk_shop.database, certificate.submission_id, first, (), Method.HTTP_TOKEN, None)
    later = desk_shop.clock.advance(seconds=1)
    row = note_look(desk_shop.database, certificate.submission_id, later, (), Method.DNS_TXT, None)
    assert (row.held_by, row.held_at, row.checked_at, row.attempts) == (Method.HTTP_TOKEN, first, later, 2)


# The time is up


@pytest.mark.parametrize(("product", "days"), [("dv", 2), ("ov", 30)])
def test_when_the_time_is_up_the_last_finding_is_the_reason(
    desk_shop: Shop, names: NameServer, checker: Checker, product: str, days: int
) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED, product=product)
    look(desk_shop, checker, certificate)
    desk_shop.clock.advance(days=days, seconds=-1)
    names.put(HOST, "TXT", '"desk-verification=mistyped"')
    after = look(desk_shop, checker, certificate)
    # The next look is at the very end, not a whole pause after it.
    assert (after.state, after.due_at) == (State.SUBMITTED, desk_shop.clock() + timedelta(seconds=1))
    desk_shop.clock.advance(seconds=1)
    after = look(desk_shop, checker, certificate)
    assert (after.state, after.due_at) == (State.FAILED, None)
    assert after.problem is not None
    assert after.problem.startswith(
        f"In {days} days we could not see that you control www.example.com. What we saw last: "
        f"The TXT record at {HOST} holds another value: “desk-verification=mistyped”."
    )
    assert "Submit again: you get a new value" in after.problem
    row = desk_shop.history(certificate)[-1]
    assert (row.event, row.actor_role, row.reason) == ("fail_verification", "system", after.problem)


def test_patience_is_a_setting(desk_shop: Shop, checker: Checker) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED)
    patience = Patience(automatic=timedelta(days=1))
    assert look(desk_shop, checker, certificate, patience).state == State.SUBMITTED
    desk_shop.clock.advance(days=1)
    after = look(desk_shop, checker, certificate, patience)
    assert after.state == State.FAILED
    assert after.problem is not None
    assert after.problem.startswith("In 1 day we could not see")


def test_a_desk_that_was_down_looks_before_it_gives_up(desk_shop: Shop, names: NameServer, checker: Checker) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED)
    publish(names, challenge_of(desk_shop, certificate))
    desk_shop.clock.advance(days=3)
    assert look(desk_shop, checker, certificate).state == State.VERIFIED


def test_a_value_that_is_too_old_is_not_looked_for(desk_shop: Shop, names: NameServer, checker: Checker) -> None:
    """The Baseline Requirements let a value be used for 30 days; the last instant still counts."""
    on_time, late = (desk_shop.certificate_in(State.SUBMITTED, product="ov") for _ in range(2))
    given_late = challenge_of(desk_shop, late)
    publish(names, challenge_of(desk_shop, on_time))
    desk_shop.clock.now += LIFETIME
    assert look(desk_shop, checker, on_time).state == State.SUBMITTED
    assert control_of(desk_shop, on_time).held_at == desk_shop.clock()
    desk_shop.clock.advance(seconds=1)
    publish(names, given_late)
    names.asked.clear()
    after = look(desk_shop, checker, late, Patience(reviewed=timedelta(days=400)))
    assert (names.questions("TXT"), after.state) == ([], State.FAILED)


def test_the_time_counts_from_when_the_customer_was_given_the_value(desk_shop: Shop, checker: Checker) -> None:
    """A submission that was made before the desk looked at domains gets its value at the first look."""
    certificate = desk_shop.certificate_in(State.SUBMITTED)
    with desk_shop.database.writing() as session:
        session.delete(session.get(DomainControl, certificate.submission_id))
    desk_shop.clock.advance(days=5)
    assert look(desk_shop, checker, certificate).state == State.SUBMITTED
    desk_shop.clock.advance(days=2)
    assert look(desk_shop, checker, certificate).state == State.FAILED


# CAA


def test_caa_forbids_until_it_is_changed(desk_shop: Shop, names: NameServer, checker: Checker) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED)
    publish(names, challenge_of(desk_shop, certificate))
    names.put("example.com", "CAA", '0 issue "other.example"')
    after = look(desk_shop, checker, certificate)
    assert after.state == State.SUBMITTED
    assert after.due_at == desk_shop.clock() + PAUSES[0]
    control = control_of(desk_shop, certificate)
    assert control.held_by == Method.DNS_TXT
    assert control.caa_problem is not None
    assert 'Add the record: example.com. CAA 0 issue "desk.example"' in control.caa_problem
    held_at = control.held_at
    # Control was shown; what is at the domain later does not take it back.
    names.take_away(HOST, "TXT")
    names.put("example.com", "CAA", '0 issue "other.example"', '0 issue "desk.example"')
    desk_shop.clock.advance(minutes=1)
    assert look(desk_shop, checker, certificate).state == State.VERIFIED
    control = control_of(desk_shop, certificate)
    assert (control.held_at, control.caa_problem) == (held_at, None)


def test_caa_that_cannot_be_read_forbids(desk_shop: Shop, names: NameServer, checker: Checker) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED)
    publish(names, challenge_of(desk_shop, certificate))
    names.fail("example.com", "CAA", "SERVFAIL")
    assert look(desk_shop, checker, certificate).state == State.SUBMITTED
    names.fail("example.com", "CAA", "NOERROR")
    assert look(desk_shop, checker, certificate).state == State.VERIFIED


def test_caa_that_forbids_to_the_end_is_the_reason(desk_shop: Shop, names: NameServer, checker: Checker) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED, product="ov")
    publish(names, challenge_of(desk_shop, certificate))
    names.put("www.example.com", "CAA", '0 issue ";"')
    assert look(desk_shop, checker, certificate).due_at is not None
    desk_shop.clock.advance(days=30)
    after = look(desk_shop, checker, certificate)
    assert after.state == State.FAILED
    assert after.problem is not None
    assert "after 30 days its CAA records still do not let us issue" in after.problem
    assert after.problem.endswith('CAA 0 issue "desk.example" Then submit again.')


# Somebody else is faster


class Interrupted:
    """A checker during whose look something happens."""

    def __init__(self, real: Checker, happens: Callable[[], object]) -> None:
        self.real, self.happens = real, happens

    def look(self, challenge: Challenge) -> Look:
        """Look, and let it happen before the answer is there."""
        answer = self.real.look(challenge)
        self.happens()
        return answer

    def caa(self, names: Sequence[str]) -> CaaVerdict:
        """Look."""
        return self.real.caa(names)


def test_a_submission_that_was_replaced_during_the_look_is_not_verified(
    desk_shop: Shop, names: NameServer, checker: Checker
) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED)
    publish(names, challenge_of(desk_shop, certificate))

    def replace_it() -> None:
        desk_shop.fire(certificate, Event.WITHDRAW_SUBMISSION, desk_shop.alice)
        desk_shop.fire(desk_shop.get(certificate.id), Event.SUBMIT)

    after = look(desk_shop, Interrupted(checker, replace_it), certificate)  # type: ignore[arg-type]
    assert after.state == State.SUBMITTED
    assert after.submission_id != certificate.submission_id
    assert after.due_at is not None
    assert told(desk_shop, certificate) == ["order", "submit", "withdraw_submission", "submit"]


@pytest.mark.parametrize("late", [False, True], ids=["with time left", "at the end"])
def test_a_reviewer_who_is_faster_has_decided(desk_shop: Shop, checker: Checker, late: bool) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED)
    challenge_of(desk_shop, certificate)
    if late:
        desk_shop.clock.advance(days=2)

    def decide() -> None:
        desk_shop.fire(certificate, Event.VERIFY, desk_shop.rita)

    after = look(desk_shop, Interrupted(checker, decide), certificate)  # type: ignore[arg-type]
    assert after.state == State.VERIFIED
    # The due work is that of the new state.
    assert after.due_at == desk_shop.clock()
    assert told(desk_shop, certificate) == ["order", "submit", "verify"]


def test_a_reviewer_who_is_faster_than_a_look_that_holds_leaves_the_issue_due(
    desk_shop: Shop, names: NameServer, checker: Checker
) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED, product="ov")
    publish(names, challenge_of(desk_shop, certificate))

    def decide() -> None:
        desk_shop.fire(certificate, Event.VERIFY, desk_shop.rita)

    after = look(desk_shop, Interrupted(checker, decide), certificate)  # type: ignore[arg-type]
    assert (after.state, after.due_at) == (State.VERIFIED, desk_shop.clock())


def test_many_looks_at_once_verify_once(desk_shop: Shop, names: NameServer, checker: Checker) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED)
    publish(names, challenge_of(desk_shop, certificate))
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: check_domain(desk_shop.desk, checker, certificate.id), range(5)))
    assert told(desk_shop, certificate) == ["order", "submit", "verify"]


@pytest.mark.parametrize("state", [state for state in State if state is not State.SUBMITTED])
def test_in_any_other_state_nobody_is_asked(shop: Shop, names: NameServer, checker: Checker, state: State) -> None:
    certificate = shop.certificate_in(state)
    check_domain(shop.desk, checker, certificate.id)
    assert (shop.get(certificate.id), names.asked) == (certificate, [])


# The worker's way here


def test_a_submission_is_due_work_of_the_worker(desk_shop: Shop, names: NameServer, checker: Checker) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED)
    assert certificate.due_at == desk_shop.clock()
    publish(names, challenge_of(desk_shop, certificate))
    desk_shop.effects = Effects(desk_shop.desk, desk_shop.parts.authority, desk_shop.parts.gateways, checker)
    assert desk_shop.run_due(certificate.id) == 1
    assert desk_shop.run_due(certificate.id) == 1
    assert desk_shop.get(certificate.id).state == State.ISSUED


def test_a_desk_that_looks_at_no_domains_leaves_them_to_reviewers(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    effects = Effects(shop.desk, shop.parts.authority, shop.parts.gateways)
    effects.run("check_domain", certificate.id)
    after = shop.get(certificate.id)
    assert (after.state, after.due_at, after.version) == (State.SUBMITTED, None, certificate.version)
    verified = shop.fire(after, Event.VERIFY)
    effects.run("check_domain", certificate.id)
    assert shop.get(certificate.id) == verified


def test_names_that_cannot_be_checked_are_noted_as_trouble(desk_shop: Shop, checker: Checker) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED)
    with desk_shop.database.writing() as session:
        row = session.get_one(Certificate, certificate.id)
        row.names = ["www.example.com", "www.example.org"]
    effects = Effects(desk_shop.desk, desk_shop.parts.authority, desk_shop.parts.gateways, checker)
    with pytest.raises(ValueError, match="2 domains"):
        effects.run("check_domain", certificate.id)
    assert "2 domains" in (desk_shop.get(certificate.id).work_error or "")
