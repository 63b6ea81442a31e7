"""What is handed to people who embed the life cycle for their own tests."""

import sys
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec, module_from_spec
from zoneinfo import ZoneInfo

import pytest

from certlifecycle import PRESETS, REFUND_ORIGINS, SYSTEM, Event, Money, RefundPolicy, Role, State
from certlifecycle.testing import ALICE, CAST, MORNING, RITA, ROBIN, Clock, handed_in
from certlifecycle.testing import certificate_in as build

pytest_plugins = ["certlifecycle.testing"]

SHORTEST = {
    "pending": [],
    "submitted": ["submit"],
    "failed": ["submit", "fail_verification"],
    "verified": ["submit", "verify"],
    "issued": ["submit", "verify", "issue"],
    "revoking": ["submit", "verify", "issue", "revoke"],
    "revoked": ["submit", "verify", "issue", "revoke", "confirm_revocation"],
    "refund_requested": ["request_refund"],
    "refund_approved": ["request_refund", "approve_refund"],
    "refunded": ["request_refund", "approve_refund", "complete_refund"],
    "rejected": ["request_refund", "reject_refund"],
}


@pytest.mark.parametrize("state", State)
def test_a_certificate_comes_to_a_state_by_the_shortest_legal_path(state):
    certificate = build(state)

    assert certificate.state is state
    assert [step.event.value for step in certificate.history] == SHORTEST[state]


@pytest.mark.parametrize("origin", REFUND_ORIGINS)
def test_the_origin_of_a_refund_can_be_chosen(origin):
    certificate = build(State.REJECTED, origin=origin)

    assert certificate.facts.origin is origin
    assert [step.event.value for step in certificate.history] == [*SHORTEST[origin], *SHORTEST["rejected"]]


def test_what_happens_on_the_way_is_recorded():
    certificate = build(State.REFUND_APPROVED, origin=State.REVOKED)

    assert certificate.facts.paid_at == certificate.facts.issued_at == certificate.facts.revoked_at == MORNING
    assert certificate.facts.applicant_id == ALICE.id
    assert certificate.facts.approvals == (RITA.id,)
    assert certificate.facts.refund_minor == 26_800
    step = certificate.history[2]
    assert (step.event, step.actor, step.source, step.target) == (Event.ISSUE, SYSTEM, State.VERIFIED, State.ISSUED)
    assert (step.at, step.evidence) == (MORNING, handed_in(Event.ISSUE)["evidence"])


def test_the_second_reviewer_steps_in_where_the_policy_asks_for_one():
    certificate = build(State.REFUNDED, policy=RefundPolicy("two/1", two_reviewers_above_minor=0))

    assert certificate.facts.approvals == (RITA.id, ROBIN.id)


def test_another_reviewer_steps_in_for_a_reviewer_s_own_certificate():
    certificate = build(State.VERIFIED, customer_id=RITA.id)

    assert certificate.owner.id == RITA.id
    assert certificate.owner.role is Role.CUSTOMER
    assert certificate.history[-1].actor == ROBIN


def test_instants_and_money_can_be_chosen():
    issued_at = MORNING - timedelta(days=20)
    certificate = build(
        State.REVOKED,
        issued_at=issued_at,
        revoked_at=MORNING - timedelta(days=1),
        paid=Money(9_900, "EUR"),
        voucher_minor=900,
    )

    assert certificate.facts.paid_at == certificate.facts.issued_at == issued_at
    assert certificate.facts.revoked_at == MORNING - timedelta(days=1)
    assert certificate.verdict().amount == Money(9_000, "EUR")
    assert certificate.history[2].at == issued_at
    assert build(State.ISSUED, paid_at=issued_at).facts.paid_at == issued_at


def test_a_state_that_the_rules_do_not_let_it_reach_is_refused():
    too_long_ago = MORNING - timedelta(days=31)
    with pytest.raises(ValueError, match=r"^no legal path leads to rejected from revoked$"):
        build(State.REJECTED, origin=State.REVOKED, issued_at=too_long_ago)
    with pytest.raises(ValueError, match=r"^no legal path leads to refund requested$"):
        build(State.REFUND_REQUESTED, paid=Money(0, "CNY"))


@pytest.mark.parametrize("back", [Event.WITHDRAW_REFUND, Event.KEEP_CERTIFICATE])
def test_a_refund_that_came_to_nothing_leaves_nothing_behind(back):
    state = State.REFUND_REQUESTED if back is Event.WITHDRAW_REFUND else State.REJECTED
    before = build(State.REVOKED).facts
    certificate = build(state, origin=State.REVOKED)
    certificate.fire(back, ALICE)

    assert certificate.facts == before


def test_a_renewed_application_keeps_its_origin_and_loses_its_approvals():
    policy = RefundPolicy("two/1", two_reviewers_above_minor=0)
    certificate = build(State.REFUND_REQUESTED, origin=State.FAILED, policy=policy)
    certificate.fire(Event.APPROVE_REFUND, RITA)
    certificate.fire(Event.REJECT_REFUND, ROBIN, reason="It is in use.")
    certificate.fire(Event.REQUEST_REFUND, ALICE, reason="It is not.")

    assert certificate.facts.origin is State.FAILED
    assert certificate.facts.approvals == ()


def test_a_returned_refund_is_decided_anew():
    certificate = build(State.REFUND_APPROVED)
    certificate.fire(Event.RETURN_REFUND, SYSTEM, reason="The account is closed.")

    assert certificate.facts.approvals == ()
    assert certificate.fire(Event.APPROVE_REFUND, RITA) is State.REFUND_APPROVED


def test_moves_name_everybody_who_may_make_them():
    assert build(State.REFUND_REQUESTED).moves() == [
        (Event.WITHDRAW_REFUND, ALICE),
        (Event.APPROVE_REFUND, RITA),
        (Event.APPROVE_REFUND, ROBIN),
        (Event.REJECT_REFUND, RITA),
        (Event.REJECT_REFUND, ROBIN),
    ]
    assert build(State.REFUNDED).moves() == []


def test_the_clock_moves_by_hand_and_counts_days_of_24_hours():
    clock = Clock()
    assert clock() == clock.now == MORNING
    assert clock.advance(days=1, hours=2, minutes=3, microseconds=4) == clock()
    assert clock() - MORNING == timedelta(days=1, hours=2, minutes=3, microseconds=4)

    berlin = Clock(datetime(2026, 3, 28, 12, tzinfo=ZoneInfo("Europe/Berlin")))
    assert berlin.advance(days=1) == datetime(2026, 3, 29, 11, tzinfo=UTC)


def test_the_cast_is_told_apart_by_id():
    assert len({actor.id for actor in CAST}) == len(CAST)


def test_the_fixtures_share_a_clock(certificate_in, clock):
    certificate = certificate_in(State.REVOKED, policy=PRESETS["28-days-from-issue"])
    assert certificate.facts.revoked_at == clock.now == MORNING

    clock.advance(days=28)
    assert certificate.verdict().eligible
    clock.advance(microseconds=1)
    assert not certificate.verdict().eligible


def test_the_builders_work_without_pytest(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytest", None)
    spec = find_spec("certlifecycle.testing")
    without = module_from_spec(spec)
    spec.loader.exec_module(without)

    assert without.certificate_in(State.ISSUED).state is State.ISSUED
    assert not hasattr(without, "_clock")
