"""Who may not do what, and the words in which it is refused."""

from dataclasses import replace

import pytest

from certlifecycle import (
    SYSTEM,
    Actor,
    Event,
    EventRefused,
    RefundPolicy,
    Role,
    Rule,
    State,
    advance,
    explain,
    judge,
    may_do,
    possible,
)
from certlifecycle.testing import ADA, ALICE, CHARLIE, MORNING, RITA, ROBIN

pytest_plugins = ["certlifecycle.testing"]

TWO_REVIEWERS = RefundPolicy("two-reviewers/1", two_reviewers_above_minor=26_799)


def why_not(certificate, event, actor, **handed):
    """The sentences of a refusal, after making sure that firing refuses as well."""
    said = certificate.explain(event, actor, **handed)
    with pytest.raises(EventRefused):
        advance(certificate.case(actor, **handed), event)
    return [str(one.sentence) for one in (*said.refusals, *said.missing)]


# Who


def test_a_stranger_cannot_touch_a_certificate(certificate_in):
    certificate = certificate_in(State.ISSUED)
    assert why_not(certificate, Event.REVOKE, CHARLIE, reason="superseded") == [
        "This certificate belongs to somebody else."
    ]


def test_a_customer_cannot_decide(certificate_in):
    certificate = certificate_in(State.REFUND_REQUESTED)
    assert "Only a reviewer can do this." in why_not(certificate, Event.APPROVE_REFUND, ALICE)


def test_a_reviewer_cannot_apply_for_a_customer(certificate_in):
    certificate = certificate_in(State.PENDING)
    assert why_not(certificate, Event.REQUEST_REFUND, RITA, reason="As a favour.") == ["Only the customer can do this."]


def test_nobody_but_the_desk_says_that_the_money_went_back(certificate_in):
    certificate = certificate_in(State.REFUND_APPROVED)
    for actor in (ALICE, RITA, ADA):
        assert why_not(certificate, Event.COMPLETE_REFUND, actor, evidence="reference") == [
            "The desk does this by itself."
        ]


def test_the_desk_cannot_revoke_by_itself(certificate_in):
    certificate = certificate_in(State.ISSUED)
    assert why_not(certificate, Event.REVOKE, SYSTEM, reason="superseded") == [
        "Only the customer or a reviewer can do this."
    ]


@pytest.mark.parametrize("event", [Event.APPROVE_REFUND, Event.REJECT_REFUND])
def test_a_customer_who_became_a_reviewer_cannot_decide_on_a_refund_of_their_own(certificate_in, event):
    certificate = certificate_in(State.REFUND_REQUESTED)
    turned = Actor(ALICE.id, Role.REVIEWER)
    assert why_not(certificate, event, turned, reason="Fine.") == ["Nobody decides on a refund of their own."]


def test_an_applicant_who_is_not_the_customer_cannot_approve_either(certificate_in):
    certificate = certificate_in(State.REFUND_REQUESTED)
    certificate.facts = replace(certificate.facts, applicant_id=ROBIN.id)
    assert why_not(certificate, Event.APPROVE_REFUND, ROBIN) == ["Nobody decides on a refund of their own."]
    assert certificate.explain(Event.APPROVE_REFUND, RITA).allowed


@pytest.mark.parametrize("event", [Event.VERIFY, Event.FAIL_VERIFICATION])
def test_a_reviewer_cannot_verify_a_certificate_of_their_own(certificate_in, event):
    certificate = certificate_in(State.SUBMITTED, customer_id=RITA.id)
    assert why_not(certificate, event, RITA, reason="Fine.") == ["Nobody decides on a certificate of their own."]
    assert certificate.explain(event, ROBIN, reason="Fine.").allowed


def test_a_certificate_of_an_organisation_is_every_members_and_nobody_elses(certificate_in):
    certificate = certificate_in(State.PENDING)
    certificate.facts = replace(certificate.facts, organisation_id="example")
    member, former = Actor("mary", Role.CUSTOMER, organisation_id="example"), ALICE
    assert certificate.explain(Event.REQUEST_REFUND, member).offered
    assert why_not(certificate, Event.REQUEST_REFUND, former, reason="Not needed.") == [
        "This certificate belongs to somebody else."
    ]


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (State.SUBMITTED, Event.VERIFY),
        (State.SUBMITTED, Event.FAIL_VERIFICATION),
        (State.REFUND_REQUESTED, Event.APPROVE_REFUND),
        (State.REFUND_REQUESTED, Event.REJECT_REFUND),
    ],
)
def test_nobody_decides_on_what_belongs_to_their_own_organisation(certificate_in, state, event):
    certificate = certificate_in(state)
    certificate.facts = replace(certificate.facts, organisation_id="example")
    for role in (Role.REVIEWER, Role.ADMIN):
        insider = Actor("mary", role, organisation_id="example")
        assert why_not(certificate, event, insider, reason="Fine.") == [
            "Nobody decides on what belongs to their own organisation. Somebody from outside it has to."
        ]
        for outsider in (Actor("mary", role), Actor("mary", role, organisation_id="another")):
            assert certificate.explain(event, outsider, reason="Fine.").allowed


@pytest.mark.parametrize(
    ("state", "event", "said"),
    [
        (State.SUBMITTED, Event.VERIFY, "Nobody decides on a certificate of their own."),
        (State.REFUND_REQUESTED, Event.APPROVE_REFUND, "Nobody decides on a refund of their own."),
    ],
)
def test_whoever_paid_decides_as_little_as_the_customer(certificate_in, state, event, said):
    """Also when somebody else looks after the certificate by now: the money goes back to whoever paid."""
    certificate = certificate_in(state)
    certificate.facts = replace(certificate.facts, payer_id=ROBIN.id)
    assert why_not(certificate, event, ROBIN) == [said]
    assert certificate.explain(event, RITA).allowed


def test_the_same_reviewer_cannot_be_both_reviewers(certificate_in):
    certificate = certificate_in(State.REFUND_REQUESTED, policy=TWO_REVIEWERS)
    certificate.fire(Event.APPROVE_REFUND, RITA)
    assert why_not(certificate, Event.APPROVE_REFUND, RITA) == [
        "You have approved it already; this amount needs a second reviewer."
    ]


def test_two_reviewers_are_asked_for_only_above_the_limit(certificate_in):
    at_the_limit = replace(TWO_REVIEWERS, two_reviewers_above_minor=26_800)
    certificate = certificate_in(State.REFUND_REQUESTED, policy=at_the_limit)
    assert certificate.fire(Event.APPROVE_REFUND, RITA) is State.REFUND_APPROVED


def test_a_refund_without_a_frozen_amount_is_not_let_through_by_one_reviewer(certificate_in):
    certificate = certificate_in(State.REFUND_REQUESTED, policy=TWO_REVIEWERS)
    certificate.facts = replace(certificate.facts, refund_minor=None)
    assert certificate.fire(Event.APPROVE_REFUND, RITA) is State.REFUND_REQUESTED


# Rules


def test_the_desk_verifies_by_itself_only_where_automatic_checks_suffice(certificate_in):
    assert why_not(certificate_in(State.SUBMITTED), Event.VERIFY, SYSTEM) == ["This product is verified by a reviewer."]


def test_a_refund_after_the_window_is_refused_with_the_verdict(certificate_in, clock):
    certificate = certificate_in(State.REVOKED)
    clock.advance(days=30, microseconds=1)
    said = certificate.explain(Event.REQUEST_REFUND, ALICE, reason="Late.")

    assert not said.offered
    assert [one.verdict for one in said.refusals] == [certificate.verdict()]
    assert why_not(certificate, Event.REQUEST_REFUND, ALICE, reason="Late.") == [
        "No refund: the window closed on 1 April 2026, 09:00 UTC."
    ]


def test_a_refund_of_a_valid_certificate_is_refused_with_the_step_that_helps(certificate_in):
    (refusal,) = certificate_in(State.ISSUED).explain(Event.REQUEST_REFUND, ALICE).refusals

    assert refusal.code == Rule.NOT_REVOKED
    assert str(refusal.verdict.next_step) == "Revoke it, then apply by 1 April 2026, 09:00 UTC."


# What has to be handed in


@pytest.mark.parametrize(
    ("state", "event", "actor", "sentence"),
    [
        (State.PENDING, Event.SUBMIT, ALICE, "Hand in a certificate signing request (CSR)."),
        (State.SUBMITTED, Event.FAIL_VERIFICATION, RITA, "Give a reason."),
        (State.VERIFIED, Event.ISSUE, SYSTEM, "The certificate from the certificate authority is missing."),
        (State.VERIFIED, Event.REFUSE_ISSUANCE, SYSTEM, "Give a reason."),
        (State.ISSUED, Event.REVOKE, ALICE, "Choose a revocation reason."),
        (State.REVOKING, Event.REFUSE_REVOCATION, SYSTEM, "Give a reason."),
        (State.PENDING, Event.REQUEST_REFUND, ALICE, "Give a reason."),
        (State.REFUND_REQUESTED, Event.REJECT_REFUND, RITA, "Give a reason."),
        (State.REFUND_APPROVED, Event.COMPLETE_REFUND, SYSTEM, "The payment provider's confirmation is missing."),
        (State.REFUND_APPROVED, Event.RETURN_REFUND, SYSTEM, "Give a reason."),
    ],
)
def test_what_is_missing_is_asked_for_and_the_event_still_offered(certificate_in, state, event, actor, sentence):
    certificate = certificate_in(state)
    said = certificate.explain(event, actor, reason=" ")

    assert said.offered
    assert not said.allowed
    assert why_not(certificate, event, actor, reason=" ") == [sentence]


@pytest.mark.parametrize("reason", ["because", "keyCompromise", "certificate_hold", "privilege_withdrawn"])
def test_a_revocation_needs_a_reason_that_a_subscriber_may_give(certificate_in, reason):
    certificate = certificate_in(State.ISSUED)
    assert why_not(certificate, Event.REVOKE, ALICE, reason=reason) == ["Choose a revocation reason."]


# Where it leads nowhere


def test_an_event_from_a_wrong_state_says_from_where_it_is_possible(certificate_in):
    assert why_not(certificate_in(State.ISSUED), Event.SUBMIT, ALICE, evidence="CSR") == [
        "This is not possible while the certificate is issued; it is possible while it is pending or failed."
    ]


def test_a_refund_that_does_not_say_where_it_came_from_cannot_go_back(certificate_in):
    certificate = certificate_in(State.REFUND_REQUESTED)
    certificate.facts = replace(certificate.facts, origin=None)

    assert why_not(certificate, Event.WITHDRAW_REFUND, ALICE) == ["The refund did not come from this state."]
    assert why_not(certificate, Event.WITHDRAW_REFUND, RITA) == ["Only the customer can do this."]


def test_a_refused_event_tells_what_was_tried_from_where_and_what_is_possible_instead(certificate_in):
    with pytest.raises(EventRefused) as refused:
        certificate_in(State.SUBMITTED).fire(Event.SUBMIT, ALICE, evidence="CSR")

    assert refused.value.instead == (Event.WITHDRAW_SUBMISSION,)
    assert str(refused.value) == (
        "submit was refused from submitted: This is not possible while the certificate is submitted; "
        "it is possible while it is pending or failed. Possible now: withdraw_submission."
    )
    with pytest.raises(EventRefused, match=r"Possible now: nothing\.$"):
        certificate_in(State.REFUNDED).fire(Event.SUBMIT, ALICE)


# Asking


def test_a_permission_is_no_bare_boolean(certificate_in):
    with pytest.raises(TypeError, match=r"\.allowed or \.offered"):
        bool(certificate_in(State.PENDING).explain(Event.SUBMIT, ALICE))


def test_explain_may_ask_about_another_state_than_the_present_one(certificate_in, clock):
    facts = certificate_in(State.ISSUED).facts
    assert explain(State.PENDING, Event.SUBMIT, ALICE, facts, clock.now).offered
    assert not explain(State.ISSUED, Event.SUBMIT, ALICE, facts, clock.now).offered


def test_the_buttons_of_a_role_are_the_events_it_can_ever_fire_from_here(certificate_in):
    certificate = certificate_in(State.ISSUED)

    assert [(one.event, one.offered) for one in may_do(certificate.case(ALICE))] == [(Event.REVOKE, True)]
    assert [(one.event, one.offered) for one in may_do(certificate.case(CHARLIE))] == [(Event.REVOKE, False)]
    assert may_do(certificate.case(SYSTEM)) == ()
    assert possible(certificate.case(RITA)) == (Event.REVOKE,)
    assert judge(certificate.case(ALICE), Event.REVOKE).target is State.REVOKING


def test_a_clock_without_a_zone_is_no_clock(certificate_in):
    certificate = certificate_in(State.PENDING)
    certificate.clock = lambda: MORNING.replace(tzinfo=None)
    with pytest.raises(ValueError, match="now must be a timezone-aware instant"):
        certificate.explain(Event.REQUEST_REFUND, ALICE)
