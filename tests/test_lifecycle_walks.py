"""Lives that obey the rules, at random: what holds of every one of them."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings

from certlifecycle import REFUND_ORIGINS, REFUND_STATES, Event, Outlook, State, refundable
from certlifecycle.strategies import lives, policies
from certlifecycle.testing import handed_in

SLOW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

BACK = (Event.WITHDRAW_REFUND, Event.KEEP_CERTIFICATE)


@SLOW
@given(certificate=lives())
def test_somebody_can_always_do_something_until_the_life_is_over(certificate):
    is_over = certificate.state.is_final
    # A revoked certificate whose money never comes back has nothing left to happen either.
    is_over |= certificate.state is State.REVOKED and certificate.verdict().outlook is Outlook.NEVER

    assert bool(certificate.moves()) != is_over


@SLOW
@given(certificate=lives())
def test_every_event_starts_where_the_one_before_it_ended(certificate):
    states = [State.PENDING, *(step.target for step in certificate.history)]

    assert [step.source for step in certificate.history] == states[:-1]
    assert certificate.state is states[-1]


@SLOW
@given(certificate=lives())
def test_a_refund_that_came_to_nothing_leads_back_to_where_it_came_from(certificate):
    origin = None
    for step in certificate.history:
        if step.event is Event.REQUEST_REFUND and step.source in REFUND_ORIGINS:
            origin = step.source
        if step.event in BACK:
            assert step.target is origin
        assert step.source not in REFUND_STATES or step.target in REFUND_STATES or step.event in BACK


@SLOW
@given(certificate=lives(among=policies().map(lambda policy: replace(policy, two_reviewers_above_minor=26_000))))
def test_above_the_limit_two_different_reviewers_have_approved(certificate):
    # The amount depends on the policy's fee, and lies on both sides of the limit.
    needed = 2 if refundable(certificate.facts, certificate.policy).minor > 26_000 else 1
    approvers = set()
    for step in certificate.history:
        if step.event is Event.APPROVE_REFUND:
            assert step.actor.id not in approvers
            approvers.add(step.actor.id)
            if step.target is State.REFUND_APPROVED:
                assert len(approvers) == needed
        else:
            # Rejected, withdrawn or returned: another round begins.
            approvers = set()


@SLOW
@given(certificate=lives())
def test_money_goes_back_only_after_an_application_an_approval_and_a_confirmation(certificate):
    if certificate.state is State.REFUNDED:
        events = [step.event for step in certificate.history]

        assert events[-2:] == [Event.APPROVE_REFUND, Event.COMPLETE_REFUND]
        assert Event.REQUEST_REFUND in events
        assert events.count(Event.COMPLETE_REFUND) == 1


@SLOW
@given(certificate=lives())
def test_whatever_is_listed_as_a_move_is_allowed(certificate):
    for event, actor in certificate.moves():
        assert certificate.explain(event, actor, **handed_in(event)).allowed
