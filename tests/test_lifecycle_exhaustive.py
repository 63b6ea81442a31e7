"""Asking and firing agree in every case: state × event × actor × instant × policy × what was handed in × origin.

What is expected is worked out here a second time, from the rules' own words and with another way of counting, so that
an agreement of two wrong answers does not pass.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from statemachine.exceptions import TransitionNotAllowed
from test_lifecycle_transitions import RULES

from certlifecycle import (
    PRESETS,
    REFUND_ORIGINS,
    REFUND_STATES,
    SYSTEM,
    Actor,
    Case,
    CertificateLifecycle,
    Event,
    EventRefused,
    Facts,
    Kind,
    Money,
    Permission,
    RefundPolicy,
    Right,
    Role,
    State,
    advance,
    declared_transitions,
    explain,
    judge,
    may_do,
    possible,
    verdict,
)
from certlifecycle.strategies import cases
from certlifecycle.testing import ADA, ALICE, CHARLIE, DORA, LEO, PIA, RITA, ROBIN, handed_in

PAID = datetime(2026, 3, 1, 12, tzinfo=UTC)
ISSUED = PAID + timedelta(days=1)
REVOKED = PAID + timedelta(days=2)

ACTORS = (
    ALICE,
    CHARLIE,
    RITA,
    ROBIN,
    ADA,
    DORA,
    PIA,
    LEO,
    SYSTEM,
    Actor(ALICE.id, Role.REVIEWER, "Alice, who became a reviewer"),
    Actor(ROBIN.id, Role.CUSTOMER, "Robin, who buys for himself"),
)

LAST_HOUR = {"30-days-from-issue": 31 * 24, "28-days-from-issue": 29 * 24, "7-days-from-payment": 7 * 24}
"""When each preset's window closes on a certificate that was issued, in hours after the payment."""

LIMIT = 20_000


def facts_in(state: State, origin: State | None = None) -> Facts:
    place = origin or state
    return Facts(
        state,
        customer_id=ALICE.id,
        paid_at=PAID,
        paid=Money(26_800, "CNY"),
        issued_at=ISSUED if place in (State.ISSUED, State.REVOKING, State.REVOKED) else None,
        revoked_at=REVOKED if place is State.REVOKED else None,
        origin=origin,
        applicant_id=ALICE.id if origin else None,
        refund_minor=26_800 if origin else None,
    )


def origins_of(state: State) -> tuple[State | None, ...]:
    return REFUND_ORIGINS if state in REFUND_STATES else (None,)


class Machine:
    """One machine that is put into any state; building one for each case would take nearly all of the time."""

    def __init__(self) -> None:
        self.state = ""
        self.machine = CertificateLifecycle(self)

    def fire(self, case: Case, event: Event) -> State | None:
        """Really fire, and return the new state, or ``None`` when the machine refuses."""
        self.state = case.facts.state.value
        try:
            self.machine.send(event.value, case=case)
        except TransitionNotAllowed:
            return None
        reached = State(self.state)
        if reached.is_final:
            # A machine that came to a final state has ended and does not wake up again.
            self.machine = CertificateLifecycle(self)
        return reached


def agree(machine: Machine, case: Case, event: Event) -> Permission:
    """Ask and fire; both must say the same."""
    said = explain(
        case.facts.state,
        event,
        case.actor,
        case.facts,
        case.now,
        case.policy,
        reason=case.reason,
        evidence=case.evidence,
    )
    target = machine.fire(case, event)
    if target is None:
        assert not said.allowed, (case, event)
        assert said.refusals or said.missing
    else:
        assert said.allowed, (case, event, said)
        assert said.target is target
        rule = (event.value, case.facts.state.value, target.value)
        assert any(rule == tuple(row) and case.actor.role in who for *row, who in RULES), (case, event)
    return said


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("state", State)
def test_asking_and_firing_agree_in_every_case(machine, state, preset):
    closes = PAID + timedelta(hours=LAST_HOUR[preset])
    instants = (REVOKED, closes, closes + timedelta(microseconds=1), closes + timedelta(days=400))

    for origin, now, actor, event in product(origins_of(state), instants, ACTORS, Event):
        bare = Case(actor, facts_in(state, origin), now, PRESETS[preset])
        agree(machine, bare, event)
        said = agree(machine, replace(bare, **handed_in(event)), event)
        if event is Event.REQUEST_REFUND:
            assert said.allowed == (actor is ALICE and may_come_back(state, origin, preset, now <= closes)), said


def may_come_back(state: State, origin: State | None, preset: str, in_time: bool) -> bool:
    """The source's table: never submitted and failed always, issued when it is revoked in time, others not."""
    match origin if state is State.REJECTED else state:
        case State.PENDING | State.FAILED:
            return in_time or preset != "7-days-from-payment"
        case State.REVOKED:
            return in_time
        case _:
            return False


@pytest.mark.parametrize("state", State)
def test_the_policy_and_the_owner_s_right_to_apply_are_the_same_thing(state):
    for preset, origin, hours in product(PRESETS, origins_of(state), (0, 24, 167, 169, 700, 740, 750, 9000)):
        facts, now = facts_in(state, origin), PAID + timedelta(hours=hours)
        answer = verdict(facts, now, PRESETS[preset])
        said = judge(Case(ALICE, facts, now, PRESETS[preset], reason="Not needed."), Event.REQUEST_REFUND)

        assert said.allowed == answer.eligible
        if state not in (State.PENDING, State.FAILED, State.REVOKED, State.REJECTED):
            assert not answer.eligible


BOTH = {Right.DECIDE, Right.PAY}
APPROVALS = ((), (RITA,), (ROBIN,), (RITA, ROBIN), (DORA,), (DORA, PIA))


@pytest.mark.parametrize("amount", [LIMIT - 1, LIMIT, LIMIT + 1, None])
@pytest.mark.parametrize("applicant", [ALICE, ROBIN])
def test_asking_and_firing_agree_about_two_reviewers(machine, amount, applicant):
    policy = RefundPolicy("two-reviewers/1", two_reviewers_above_minor=LIMIT)
    for approvals, actor, event in product(APPROVALS, ACTORS, Event):
        facts = replace(
            facts_in(State.REFUND_REQUESTED, State.REVOKED),
            applicant_id=applicant.id,
            approvals=tuple(one.id for one in approvals),
            payers=tuple(one.id for one in approvals if Right.PAY in one.rights),
            refund_minor=amount,
        )
        said = agree(machine, Case(actor, facts, REVOKED, policy, **handed_in(event)), event)
        if event is Event.APPROVE_REFUND:
            is_staff = actor.role in (Role.REVIEWER, Role.ADMIN)
            is_free = actor not in approvals and actor.id not in (ALICE.id, applicant.id)
            # A refund that does not say its amount is the whole 268.00 CNY, and above the limit.
            is_large = amount in (LIMIT + 1, None)
            together = set(actor.rights).union(*(one.rights for one in approvals))
            is_enough = len(approvals) >= 1 or (not is_large and actor.rights >= BOTH)
            may = Right.DECIDE in actor.rights if not approvals else bool(actor.rights) and together == BOTH
            assert said.allowed == (is_staff and is_free and may)
            if said.allowed:
                assert said.target is (State.REFUND_APPROVED if is_enough else State.REFUND_REQUESTED)


HANDED = ("", " ", "superseded", "certificateHold", "An example's reason.")


@pytest.mark.parametrize("state", State)
def test_asking_and_firing_agree_whatever_is_handed_in(machine, state):
    facts = facts_in(state, origins_of(state)[-1])
    for automatic, reason, evidence, actor, event in product((False, True), HANDED, ("", "PEM"), ACTORS, Event):
        known = replace(facts, automatic_checks_suffice=automatic)
        agree(machine, Case(actor, known, REVOKED, reason=reason, evidence=evidence), event)


@settings(max_examples=500, deadline=None)
@given(case=cases())
def test_asking_and_firing_agree_in_cases_nobody_thought_of(machine, case):
    for event in Event:
        agree(machine, case, event)


@pytest.mark.parametrize("state", State)
def test_a_refused_event_raises_with_every_reason_and_what_is_possible_instead(state):
    for origin, actor, event, brought in product(origins_of(state), ACTORS, Event, (True, False)):
        case = Case(actor, facts_in(state, origin), REVOKED, **handed_in(event) if brought else {})
        said = judge(case, event)
        if said.allowed:
            assert advance(case, event) is said.target
            continue
        with pytest.raises(EventRefused) as refused:
            advance(case, event)
        assert refused.value.permission == said
        assert refused.value.instead == possible(case)
        reasons = [str(one.sentence) for one in (*said.refusals, *said.missing)]
        assert reasons
        assert all(reason and reason in str(refused.value) for reason in reasons)


@settings(max_examples=300, deadline=None)
@given(case=cases())
def test_of_several_ways_never_more_than_one_is_meant(case):
    for event in Event:
        ways = [one for one in declared_transitions() if one.event is event and one.source is case.facts.state]
        meant = [one for one in ways if all(guard(case) for guard in one.guards if guard.kind is Kind.ROUTE)]
        # Facts of a refund name its origin, so that exactly one of the ways back is meant.
        assert len(meant) == bool(ways)


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_what_is_offered_is_what_is_possible(case):
    shown = {one.event: one for one in may_do(case)}

    assert possible(case) == tuple(event for event in Event if judge(case, event).offered)
    assert set(possible(case)) <= set(shown), "every event that is possible has a button"
    assert all(one == judge(case, event) for event, one in shown.items())
