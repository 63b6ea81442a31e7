"""What follows from each answer of an authority that wants to see control itself, in ``submitted`` and ``verified``."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from fakes import ProvingAuthority
from nameserver import NameServer, name_server
from shop import Shop

from certlifecycle import Event, State
from webapp.authorities.port import (
    AuthorityRefused,
    AuthorityUnavailable,
    Challenge,
    Failed,
    Pending,
    Processing,
    Proved,
)
from webapp.certificates.models import Certificate
from webapp.domaincontrol.check import Checker
from webapp.domaincontrol.dns import Resolvers
from webapp.domaincontrol.http import Visitor
from webapp.domaincontrol.models import DomainControl, Method
from webapp.effects import Effects
from webapp.effects.patience import LOOK_AGAIN, PAUSES

WWW = "www.example.com"
PROVED = Proved(kinds=("dns-01",))


def asked(when: datetime, finding: str = "Nothing is there yet.", seen: bool = False) -> Pending:
    place = f"http://{WWW}/.well-known/acme-challenge/abc"
    return Pending(
        (
            Challenge("http-01", WWW, place, "abc.def", seen, finding, when),
            Challenge("dns-01", WWW, f"_acme-challenge.{WWW}", "ghi", seen, finding, when),
        )
    )


@pytest.fixture
def names() -> Iterator[NameServer]:
    """The DNS, which knows nothing yet. CAA records would forbid the desk's own authority to issue."""
    with name_server() as running:
        running.put("example.com", "CAA", '0 issue "other.example"')
        yield running


@pytest.fixture
def effects_of(any_shop: Shop, names: NameServer) -> Callable[..., tuple[Shop, ProvingAuthority]]:
    """A shop on each database whose authority gives these answers."""

    def make(*answers: object) -> tuple[Shop, ProvingAuthority]:
        checker = Checker(Resolvers([names.address]), Visitor(allow_loopback=True), "desk.example")
        authority = ProvingAuthority(any_shop.parts.authority, *answers)
        any_shop.effects = Effects(any_shop.desk, authority, any_shop.parts.gateways, checker)
        return any_shop, authority

    return make


def submitted(shop: Shop, **order: Any) -> Certificate:
    return shop.certificate_in(State.SUBMITTED, **order)


def look(shop: Shop, certificate: Certificate) -> Certificate:
    shop.effects.run("check_domain", certificate.id)
    return shop.get(certificate.id)


def control_of(shop: Shop, certificate: Certificate) -> DomainControl:
    row: DomainControl = shop.find(DomainControl, certificate.submission_id)
    return row


def told(shop: Shop, certificate: Certificate) -> list[str]:
    return [row.event for row in shop.history(certificate)]


Make = Callable[..., tuple[Shop, ProvingAuthority]]


# In submitted


def test_what_is_proved_is_verified_by_the_system_whatever_our_own_caa_identity_says(effects_of: Make) -> None:
    shop, authority = effects_of(PROVED)
    certificate = submitted(shop)
    after = look(shop, certificate)
    assert after.state == State.VERIFIED
    assert authority.keys == [certificate.submission_id]
    control = control_of(shop, certificate)
    assert (control.held_by, control.held_at, control.caa_problem) == (Method.DNS_TXT, shop.clock(), None)
    shop.effects.run("issue", certificate.id)
    assert shop.get(certificate.id).state == State.ISSUED


def test_what_is_proved_rests_where_a_reviewer_decides(effects_of: Make) -> None:
    shop, _ = effects_of(Proved(kinds=("http-01",)))
    certificate = submitted(shop, product="ov")
    after = look(shop, certificate)
    assert (after.state, after.due_at) == (State.SUBMITTED, None)
    assert control_of(shop, certificate).held_by == Method.HTTP_TOKEN


def test_while_the_customer_is_waited_for_the_pauses_grow(effects_of: Make) -> None:
    shop, authority = effects_of(Processing())
    certificate = submitted(shop)
    given = shop.clock.advance(hours=30)
    pauses = []
    for _ in range(len(PAUSES)):
        # The look was a moment ago.
        authority.answers = [asked(shop.clock() - timedelta(seconds=1))]
        after = look(shop, certificate)
        assert (after.state, after.work_error, after.held_up) == (State.SUBMITTED, "", None)
        assert after.due_at is not None
        pauses.append(after.due_at - shop.clock())
        shop.clock.now = after.due_at
    assert tuple(pauses) == PAUSES
    control = control_of(shop, certificate)
    # The customer's time began when there was something to publish, not before.
    assert (control.given_at, control.attempts) == (given, len(PAUSES))
    assert control.checked_at == shop.clock() - PAUSES[-1] - timedelta(seconds=1)
    assert [one.method for one in control.seen] == [Method.DNS_TXT, Method.HTTP_TOKEN]


@pytest.mark.parametrize(("product", "days"), [("dv", 2), ("ov", 30)])
def test_when_the_time_is_up_the_last_finding_is_the_reason(effects_of: Make, product: str, days: int) -> None:
    shop, authority = effects_of(Processing())
    certificate = submitted(shop, product=product)
    shop.clock.advance(days=1)
    authority.answers = [asked(shop.clock(), f"No TXT record at _acme-challenge.{WWW} yet.")]
    look(shop, certificate)
    shop.clock.advance(days=days, seconds=-1)
    assert look(shop, certificate).due_at == shop.clock() + timedelta(seconds=1)
    shop.clock.advance(seconds=1)
    failed = look(shop, certificate)
    assert (failed.state, failed.due_at) == (State.FAILED, None)
    # Two ways with the same finding are told once.
    assert failed.problem == (
        f"In {days} days we could not see that you control {WWW}. What we saw last: No TXT record at "
        f"_acme-challenge.{WWW} yet. Submit again: you get a new value for the TXT record or the file. Leave it there "
        "until the certificate is issued."
    )


def test_an_authority_at_work_is_asked_again_soon_or_when_it_says(effects_of: Make) -> None:
    shop, authority = effects_of(Processing())
    certificate = submitted(shop)
    after = look(shop, certificate)
    assert (after.due_at, after.work_error) == (shop.clock() + LOOK_AGAIN, "")
    authority.answers = [Processing(shop.clock() + timedelta(minutes=9))]
    assert look(shop, certificate).due_at == shop.clock() + timedelta(minutes=9)
    # One that names an instant of the past is asked soon all the same.
    authority.answers = [Processing(shop.clock() - timedelta(minutes=9))]
    assert look(shop, certificate).due_at == shop.clock() + LOOK_AGAIN


def test_an_authority_that_never_finishes_ends_in_time_and_says_so(effects_of: Make) -> None:
    shop, authority = effects_of(Processing())
    certificate = submitted(shop)
    authority.answers = [asked(shop.clock())]
    look(shop, certificate)
    authority.answers = [Processing(shop.clock() + timedelta(days=9))]
    assert look(shop, certificate).due_at == shop.clock() + timedelta(days=2)
    shop.clock.advance(days=2)
    failed = look(shop, certificate)
    assert failed.problem == (
        f"In 2 days the certificate authority did not finish its check of {WWW}. Submit again: it is asked anew, and "
        "you get a new value to publish."
    )


@pytest.mark.parametrize("answer", [Failed("It is on a list."), AuthorityRefused("It is on a list.")])
def test_a_definite_no_fails_the_verification_in_the_authority_s_words(effects_of: Make, answer: object) -> None:
    shop, _ = effects_of(answer)
    certificate = submitted(shop)
    failed = look(shop, certificate)
    assert (failed.state, failed.problem) == (State.FAILED, "It is on a list.")
    row = shop.history(certificate)[-1]
    assert (row.event, row.actor_role, row.reason) == ("fail_verification", "system", "It is on a list.")


@pytest.mark.parametrize("minutes", [None, -5, 45], ids=["no wish", "a wish of the past", "a wish"])
def test_an_authority_that_is_away_is_told_in_its_words_and_left_alone_as_long_as_it_wants(
    effects_of: Make, minutes: int | None
) -> None:
    shop, authority = effects_of(Processing())
    certificate = submitted(shop)
    retry_at = None if minutes is None else shop.clock() + timedelta(minutes=minutes)
    authority.answers = [AuthorityUnavailable("It is being mended.", retry_at)]
    with pytest.raises(AuthorityUnavailable):
        look(shop, certificate)
    waiting = shop.get(certificate.id)
    assert (waiting.state, waiting.version) == (State.SUBMITTED, certificate.version)
    assert (waiting.work_error, waiting.held_up) == ("It is being mended.", "It is being mended.")
    assert waiting.due_at == (retry_at if minutes == 45 else certificate.due_at)


def test_trouble_with_finding_out_whose_the_order_is_is_told_as_well(effects_of: Make) -> None:
    class Gone(ProvingAuthority):
        def proves_control(self, order_key: str) -> bool:
            raise AuthorityUnavailable("The certificate authority acme is not set up any more.")

    shop, authority = effects_of(PROVED)
    shop.effects.authority = Gone(authority)
    certificate = submitted(shop)
    with pytest.raises(AuthorityUnavailable):
        look(shop, certificate)
    assert shop.get(certificate.id).held_up == "The certificate authority acme is not set up any more."


def test_words_for_the_customer_end_with_the_trouble(effects_of: Make) -> None:
    shop, _ = effects_of(AuthorityUnavailable("It is being mended."), Processing())
    certificate = submitted(shop)
    with pytest.raises(AuthorityUnavailable):
        look(shop, certificate)
    assert look(shop, certificate).held_up is None
    # Nor do they outlive what nobody foresaw, or a change of state.
    for end in (
        lambda: shop.desk.note_failure(certificate.id, "ValueError: no"),
        lambda: shop.desk.rest(certificate.id, certificate.version),
        lambda: shop.fire(certificate, Event.WITHDRAW_SUBMISSION, shop.alice),
    ):
        shop.desk.postpone(certificate.id, certificate.version, shop.clock(), "note", held_up="words")
        end()
        assert shop.get(certificate.id).held_up is None


# The same account for everybody


def own(shop: Shop, names: NameServer, certificate: Certificate) -> None:
    challenge = control_of(shop, certificate).challenge(certificate.names)
    names.put(challenge.record_name, "TXT", f'"{challenge.record_value}"')


@pytest.mark.parametrize("product", ["dv", "ov"])
def test_what_was_taken_as_proved_is_looked_at_by_the_desk_too(
    effects_of: Make, names: NameServer, product: str
) -> None:
    shop, _ = effects_of(Proved(assumed=True))
    certificate = submitted(shop, product=product)
    after = look(shop, certificate)
    assert (after.state, after.due_at) == (State.SUBMITTED, shop.clock() + PAUSES[0])
    assert control_of(shop, certificate).held_at is None
    own(shop, names, certificate)
    after = look(shop, certificate)
    assert control_of(shop, certificate).held_by == Method.DNS_TXT
    assert (after.state, after.due_at is None) == ((State.VERIFIED, False) if product == "dv" else (after.state, True))


def test_a_proof_that_is_shared_counts_among_the_submissions_of_one_customer_only(
    effects_of: Make, names: NameServer
) -> None:
    shop, authority = effects_of(PROVED)
    certificate, twin = submitted(shop), submitted(shop)
    stranger = submitted(shop, owner=shop.bob)
    for keys, state in (
        ((twin.submission_id, stranger.submission_id), State.SUBMITTED),
        (("nobody knows this one",), State.SUBMITTED),
        ((twin.submission_id,), State.VERIFIED),
    ):
        authority.answers = [Proved(keys, kinds=("dns-01",))]
        assert look(shop, certificate).state == state


def test_time_runs_out_on_who_does_not_show_it_to_the_desk(effects_of: Make) -> None:
    shop, _ = effects_of(Proved(assumed=True))
    certificate = submitted(shop)
    look(shop, certificate)
    shop.clock.advance(days=2)
    failed = look(shop, certificate)
    assert failed.state == State.FAILED
    assert "No TXT record at _desk.www.example.com yet." in (failed.problem or "")


# Somebody is faster


@pytest.mark.parametrize("answer", [PROVED, Failed("No."), Proved(assumed=True)], ids=["proved", "failed", "assumed"])
def test_a_submission_that_was_replaced_during_the_look_is_left_alone(effects_of: Make, answer: object) -> None:
    shop, authority = effects_of(PROVED)
    certificate = submitted(shop)

    def replaced() -> object:
        shop.fire(certificate, Event.WITHDRAW_SUBMISSION, shop.alice)
        shop.fire(shop.get(certificate.id), Event.SUBMIT)
        return answer

    authority.answers = [replaced]
    after = look(shop, certificate)
    assert after.state == State.SUBMITTED
    assert after.submission_id != certificate.submission_id
    assert after.due_at == shop.clock()
    assert told(shop, certificate) == ["order", "submit", "withdraw_submission", "submit"]


# In verified


def verified(shop: Shop, authority: ProvingAuthority, **order: Any) -> Certificate:
    """A certificate that was proved and approved."""
    authority.answers = [PROVED]
    certificate = submitted(shop, **order)
    look(shop, certificate)
    if order.get("product") == "ov":
        shop.fire(shop.get(certificate.id), Event.VERIFY)
    return shop.get(certificate.id)


def issue(shop: Shop, certificate: Certificate) -> Certificate:
    shop.effects.run("issue", certificate.id)
    return shop.get(certificate.id)


@pytest.mark.parametrize("product", ["dv", "ov"])
def test_an_authority_that_asks_again_is_waited_for_the_customer_s_sake(effects_of: Make, product: str) -> None:
    shop, authority = effects_of(PROVED)
    certificate = verified(shop, authority, product=product)
    shop.clock.advance(days=9)
    authority.answers = [asked(shop.clock()), asked(shop.clock())]
    after = issue(shop, certificate)
    assert (after.state, after.due_at, after.work_error) == (State.VERIFIED, shop.clock() + PAUSES[0], "")
    control = control_of(shop, certificate)
    # What had been held is not any more, and the customer has time from now on.
    assert (control.held_at, control.held_by, control.given_at) == (None, None, shop.clock())
    shop.clock.advance(days=2, seconds=-1)
    assert issue(shop, certificate).due_at == shop.clock() + timedelta(seconds=1)
    shop.clock.advance(seconds=1)
    failed = issue(shop, certificate)
    assert failed.state == State.FAILED
    assert told(shop, certificate)[-1] == "refuse_issuance"
    assert (failed.problem or "").startswith(f"In 2 days we could not see that you control {WWW}.")


def test_an_authority_that_asks_again_and_is_satisfied_issues(effects_of: Make) -> None:
    shop, authority = effects_of(PROVED)
    certificate = verified(shop, authority)
    authority.answers = [asked(shop.clock())]
    issue(shop, certificate)
    authority.answers = [PROVED]
    assert issue(shop, certificate).state == State.ISSUED


def test_a_reviewer_who_was_faster_leaves_the_customer_the_time_from_then_on(effects_of: Make) -> None:
    shop, authority = effects_of(Processing())
    certificate = submitted(shop)
    authority.answers = [asked(shop.clock())]
    look(shop, certificate)
    shop.clock.advance(days=1, hours=23)
    approved = shop.fire(shop.get(certificate.id), Event.VERIFY)
    shop.clock.advance(days=1)
    assert issue(shop, approved).state == State.VERIFIED
    shop.clock.advance(days=1)
    assert issue(shop, approved).state == State.FAILED


def test_an_authority_at_work_on_the_certificate_names_when_to_ask_again(effects_of: Make) -> None:
    shop, authority = effects_of(PROVED)
    certificate = verified(shop, authority)
    authority.answers = [Processing(shop.clock() + timedelta(minutes=3))]
    after = issue(shop, certificate)
    assert (after.due_at, after.work_error) == (
        shop.clock() + timedelta(minutes=3),
        "The certificate authority is working on it.",
    )
    assert after.held_up is None


def test_caa_that_holds_the_built_in_authority_back_is_told_to_the_customer(any_shop: Shop, names: NameServer) -> None:
    checker = Checker(Resolvers([names.address]), Visitor(allow_loopback=True), "desk.example")
    any_shop.effects = Effects(any_shop.desk, any_shop.parts.authority, any_shop.parts.gateways, checker)
    certificate = any_shop.certificate_in(State.VERIFIED)
    any_shop.effects.run("issue", certificate.id)
    words = any_shop.browser(any_shop.alice).get(f"/certificates/{certificate.id}").words
    assert 'Add the record: example.com. CAA 0 issue "desk.example"' in words
    assert "We try again by ourselves." in words
