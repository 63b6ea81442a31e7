"""Exceptions from the refund policy: what they change in a verdict, what they never change, and who makes them."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from test_lifecycle_exhaustive import ACTORS, PAID, REVOKED, Machine, agree, facts_in, origins_of

from certlifecycle import (
    PRESETS,
    SYSTEM,
    Actor,
    Case,
    Event,
    Facts,
    Money,
    Outlook,
    RefundPolicy,
    Role,
    Rule,
    State,
    Waiver,
    verdict,
)
from certlifecycle.testing import ADA, ALICE, DORA, LEO, PIA, RITA, ROBIN, handed_in
from certlifecycle.waivers import LASTS, may_agree, may_decline, may_propose, waivable

LATE = PAID + timedelta(days=200)
UNTIL = LATE + LASTS
WAIVER = Waiver(UNTIL, "Rita", "Ada", "The mail with the deadline never arrived.")
KEEPS_ALL = RefundPolicy("keeps/1", fee_minor=50_000)


def late(state: State = State.REVOKED, origin: State | None = None, waiver: Waiver | None = WAIVER) -> Facts:
    return replace(facts_in(state, origin), waiver=waiver)


def codes(refusals: object) -> list[str]:
    return [one.code for one in refusals]  # type: ignore[attr-defined]


def test_an_exception_is_told_as_one() -> None:
    answer = verdict(late(), LATE)
    assert (answer.eligible, answer.rule, answer.deadline) == (True, Rule.EXCEPTION, UNTIL)
    assert str(answer.sentence) == (
        "Refundable until 1 October 2026, 12:00 UTC, as an exception that Rita and Ada made: "
        "The mail with the deadline never arrived."
    )


def test_it_ends_with_its_last_instant() -> None:
    assert verdict(late(), UNTIL).eligible
    over = verdict(late(), UNTIL + timedelta(microseconds=1))
    assert (over.eligible, over.rule) == (False, Rule.WINDOW_CLOSED)


def test_what_the_policy_allows_by_itself_stays_no_exception() -> None:
    assert verdict(late(), REVOKED) == verdict(late(waiver=None), REVOKED)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("state", [State.SUBMITTED, State.VERIFIED, State.ISSUED, State.REVOKING])
def test_no_exception_pays_back_a_certificate_that_is_in_use(state: State, preset: str) -> None:
    for now, pays_all in product((REVOKED, LATE, UNTIL), (False, True)):
        answer = verdict(late(state, waiver=replace(WAIVER, pays_all=pays_all)), now, PRESETS[preset])
        assert not answer.eligible
    step = verdict(late(State.ISSUED), LATE).next_step
    assert str(step) == "Revoke it, then apply by 1 October 2026, 12:00 UTC."


def test_what_is_kept_comes_back_only_by_an_exception_from_that() -> None:
    facts = replace(late(State.PENDING), waiver=None)
    assert verdict(facts, REVOKED, KEEPS_ALL).rule is Rule.NOTHING_TO_PAY_BACK
    window_only = verdict(replace(facts, waiver=WAIVER), REVOKED, KEEPS_ALL)
    assert (window_only.eligible, window_only.outlook) == (False, Outlook.NEVER)
    everything = verdict(replace(facts, waiver=replace(WAIVER, pays_all=True)), REVOKED, KEEPS_ALL)
    assert (everything.rule, everything.amount) == (Rule.EXCEPTION, facts.paid)


def test_a_late_revocation_can_be_waived() -> None:
    policy = PRESETS["28-days-from-issue"]
    facts = replace(late(), revoked_at=PAID + timedelta(days=29, hours=1), waiver=None)
    now = PAID + timedelta(days=29)
    assert verdict(facts, now, policy).rule is Rule.REVOKED_TOO_LATE
    assert verdict(replace(facts, waiver=WAIVER), now, policy).rule is Rule.EXCEPTION


@pytest.mark.parametrize("state", State)
def test_asking_and_firing_agree_with_an_exception_as_well(state: State) -> None:
    """State × origin × instant × actor × event × what is waived; the owner may apply just where the verdict says so."""
    machine = Machine()
    instants = (REVOKED, LATE, UNTIL, UNTIL + timedelta(microseconds=1))
    policies = (*PRESETS.values(), KEEPS_ALL)
    for origin, now, policy, pays_all in product(origins_of(state), instants, policies, (False, True)):
        facts = late(state, origin, replace(WAIVER, pays_all=pays_all))
        for actor, event in product(ACTORS, (Event.REQUEST_REFUND, Event.APPROVE_REFUND)):
            said = agree(machine, Case(actor, facts, now, policy, **handed_in(event)), event)
            if event is Event.REQUEST_REFUND:
                assert said.allowed == (actor is ALICE and verdict(facts, now, policy).eligible)


def test_without_a_frozen_amount_the_whole_price_counts_for_two_reviewers() -> None:
    policy = replace(KEEPS_ALL, two_reviewers_above_minor=20_000)
    facts = replace(late(State.REFUND_REQUESTED, State.PENDING), refund_minor=None)
    machine = Machine()
    for pays_all, target in ((False, State.REFUND_APPROVED), (True, State.REFUND_REQUESTED)):
        case = Case(RITA, replace(facts, waiver=replace(WAIVER, pays_all=pays_all)), LATE, policy)
        assert agree(machine, case, Event.APPROVE_REFUND).target is target


# Who, and what


def asked_by(actor: Actor, facts: Facts | None = None, policy: RefundPolicy | None = None) -> Case:
    return Case(actor, facts or late(waiver=None), LATE, policy or PRESETS["30-days-from-issue"])


@pytest.mark.parametrize(
    ("actor", "why"),
    [
        (RITA, []),
        (ADA, []),
        (DORA, []),
        (PIA, ["may_not_decide"]),
        (LEO, ["may_not_decide"]),
        (ALICE, ["wrong_role", "own_certificate"]),
        (SYSTEM, ["wrong_role"]),
        (Actor(ALICE.id, Role.REVIEWER), ["own_certificate"]),
    ],
)
def test_who_may_propose(actor: Actor, why: list[str]) -> None:
    assert codes(may_propose(asked_by(actor))) == why


@pytest.mark.parametrize(
    ("actor", "why"),
    [
        (ROBIN, []),
        (PIA, []),
        (RITA, ["own_proposal"]),
        (DORA, ["may_not_pay"]),
        (LEO, ["may_not_pay"]),
        (ALICE, ["wrong_role", "own_certificate"]),
        (Actor(ALICE.id, Role.REVIEWER), ["own_certificate"]),
    ],
)
def test_who_may_agree(actor: Actor, why: list[str]) -> None:
    assert codes(may_agree(asked_by(actor), RITA.id)) == why


@pytest.mark.parametrize(
    ("actor", "why"),
    [(RITA, []), (ROBIN, []), (PIA, []), (LEO, ["may_not_decide"]), (ALICE, ["wrong_role", "own_certificate"])],
)
def test_who_may_decline(actor: Actor, why: list[str]) -> None:
    assert codes(may_decline(asked_by(actor), RITA.id)) == why


def test_the_proposer_may_take_it_back_without_a_right_left() -> None:
    assert may_decline(asked_by(replace(RITA, rights=frozenset())), RITA.id) == ()


def test_what_can_be_waived() -> None:
    def code(facts: Facts, now: object = LATE, policy: RefundPolicy | None = None) -> str | None:
        found = waivable(replace(asked_by(RITA, facts, policy), now=now))
        return found.code if found else None

    none = late(waiver=None)
    assert code(none) is None
    assert code(late()) == "excepted"
    assert code(none, REVOKED) == "no_exception_needed"
    assert code(late(State.ISSUED, waiver=None), REVOKED) == "not_waivable"
    assert code(late(State.REFUND_APPROVED, State.REVOKED, None)) == "not_waivable"
    assert code(late(State.ISSUED, waiver=None)) is None, "the customer may know before they revoke"
    assert code(replace(none, paid=Money(0, "CNY"))) == "nothing_paid"
    assert code(replace(none, state=State.PENDING), REVOKED, KEEPS_ALL) is None
