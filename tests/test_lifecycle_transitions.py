"""One test for each legal transition, and the declaration against the rules as they are written down."""

import pytest

from certlifecycle import (
    SYSTEM,
    CertificateLifecycle,
    Event,
    EventRefused,
    RefundPolicy,
    RevocationReason,
    State,
    declared_transitions,
)
from certlifecycle.testing import ADA, ALICE, CHARLIE, RITA, ROBIN

pytest_plugins = ["certlifecycle.testing"]

CUSTOMER, REVIEWER, DESK = {"customer"}, {"reviewer", "admin"}, {"system"}

# Copied by hand from the rules of the desk: event, from, to, who. "A second reviewer above the policy's amount" is the
# first approval that leaves the application where it is.
RULES = [
    ("submit", "pending", "submitted", CUSTOMER),
    ("submit", "failed", "submitted", CUSTOMER),
    ("withdraw_submission", "submitted", "pending", CUSTOMER),
    ("verify", "submitted", "verified", REVIEWER | DESK),
    ("fail_verification", "submitted", "failed", REVIEWER | DESK),
    ("issue", "verified", "issued", DESK),
    ("refuse_issuance", "verified", "failed", DESK),
    ("revoke", "issued", "revoking", CUSTOMER | REVIEWER),
    ("confirm_revocation", "revoking", "revoked", DESK),
    ("refuse_revocation", "revoking", "issued", DESK),
    ("request_refund", "pending", "refund_requested", CUSTOMER),
    ("request_refund", "failed", "refund_requested", CUSTOMER),
    ("request_refund", "revoked", "refund_requested", CUSTOMER),
    ("request_refund", "rejected", "refund_requested", CUSTOMER),
    ("withdraw_refund", "refund_requested", "pending", CUSTOMER),
    ("withdraw_refund", "refund_requested", "failed", CUSTOMER),
    ("withdraw_refund", "refund_requested", "revoked", CUSTOMER),
    ("approve_refund", "refund_requested", "refund_requested", REVIEWER),
    ("approve_refund", "refund_requested", "refund_approved", REVIEWER),
    ("reject_refund", "refund_requested", "rejected", REVIEWER),
    ("complete_refund", "refund_approved", "refunded", DESK),
    ("return_refund", "refund_approved", "refund_requested", DESK),
    ("keep_certificate", "rejected", "pending", CUSTOMER),
    ("keep_certificate", "rejected", "failed", CUSTOMER),
    ("keep_certificate", "rejected", "revoked", CUSTOMER),
]

MEANINGS = {
    "pending": "customer",
    "submitted": "reviewer",
    "verified": "system",
    "failed": "customer",
    "issued": "customer",
    "revoking": "system",
    "revoked": "customer",
    "refund_requested": "reviewer",
    "refund_approved": "system",
    "refunded": "nobody",
    "rejected": "customer",
}

TWO_REVIEWERS = RefundPolicy("two-reviewers/1", two_reviewers_above_minor=20_000)


def test_the_declaration_has_the_transitions_of_the_rules_and_no_other():
    declared = [(one.event.value, one.source.value, one.target.value, one.roles) for one in declared_transitions()]

    assert sorted(declared, key=str) == sorted(
        ((event, source, target, frozenset(who)) for event, source, target, who in RULES), key=str
    )


def test_the_declaration_has_the_states_and_events_of_the_rules_and_no_other():
    assert {state.value: state.mover.value for state in State} == MEANINGS
    assert {state.value for state in CertificateLifecycle.states} == set(MEANINGS)
    assert [state.value for state in CertificateLifecycle.states if state.initial] == ["pending"]
    assert [state.value for state in CertificateLifecycle.states if state.final] == ["refunded"]
    assert {event.value for event in Event} == {event for event, *_ in RULES}
    assert all(state.meaning.endswith(".") for state in State)


def test_every_transition_has_a_test_of_its_own():
    named = {f"test_{event}_from_{source}_to_{target}" for event, source, target, _ in RULES}

    assert named == {name for name in globals() if name.startswith("test_") and "_from_" in name}


# Verification and issue


def test_submit_from_pending_to_submitted(certificate_in):
    certificate = certificate_in(State.PENDING)
    assert certificate.fire(Event.SUBMIT, ALICE, evidence="CSR") is State.SUBMITTED


def test_submit_from_failed_to_submitted(certificate_in):
    certificate = certificate_in(State.FAILED)
    assert certificate.fire(Event.SUBMIT, ALICE, evidence="CSR") is State.SUBMITTED


def test_withdraw_submission_from_submitted_to_pending(certificate_in):
    certificate = certificate_in(State.SUBMITTED)
    assert certificate.fire(Event.WITHDRAW_SUBMISSION, ALICE) is State.PENDING


@pytest.mark.parametrize(("actor", "automatic"), [(RITA, False), (ADA, False), (SYSTEM, True)])
def test_verify_from_submitted_to_verified(certificate_in, actor, automatic):
    certificate = certificate_in(State.SUBMITTED, automatic_checks_suffice=automatic)
    assert certificate.fire(Event.VERIFY, actor) is State.VERIFIED


@pytest.mark.parametrize("actor", [RITA, ADA, SYSTEM])
def test_fail_verification_from_submitted_to_failed(certificate_in, actor):
    certificate = certificate_in(State.SUBMITTED)
    assert certificate.fire(Event.FAIL_VERIFICATION, actor, reason="No TXT record was found.") is State.FAILED


def test_issue_from_verified_to_issued(certificate_in):
    certificate = certificate_in(State.VERIFIED)
    assert certificate.fire(Event.ISSUE, SYSTEM, evidence="PEM") is State.ISSUED


def test_refuse_issuance_from_verified_to_failed(certificate_in):
    certificate = certificate_in(State.VERIFIED)
    assert certificate.fire(Event.REFUSE_ISSUANCE, SYSTEM, reason="CAA forbids it.") is State.FAILED


# Revocation


@pytest.mark.parametrize("reason", RevocationReason)
@pytest.mark.parametrize("actor", [ALICE, RITA, ADA])
def test_revoke_from_issued_to_revoking(certificate_in, actor, reason):
    certificate = certificate_in(State.ISSUED)
    assert certificate.fire(Event.REVOKE, actor, reason=reason) is State.REVOKING


def test_confirm_revocation_from_revoking_to_revoked(certificate_in):
    certificate = certificate_in(State.REVOKING)
    assert certificate.fire(Event.CONFIRM_REVOCATION, SYSTEM) is State.REVOKED


def test_refuse_revocation_from_revoking_to_issued(certificate_in):
    certificate = certificate_in(State.REVOKING)
    assert certificate.fire(Event.REFUSE_REVOCATION, SYSTEM, reason="Unknown serial number.") is State.ISSUED


# Refund


def test_request_refund_from_pending_to_refund_requested(certificate_in):
    certificate = certificate_in(State.PENDING)
    assert certificate.fire(Event.REQUEST_REFUND, ALICE, reason="Ordered twice.") is State.REFUND_REQUESTED


def test_request_refund_from_failed_to_refund_requested(certificate_in):
    certificate = certificate_in(State.FAILED)
    assert certificate.fire(Event.REQUEST_REFUND, ALICE, reason="Never worked.") is State.REFUND_REQUESTED


def test_request_refund_from_revoked_to_refund_requested(certificate_in):
    certificate = certificate_in(State.REVOKED)
    assert certificate.fire(Event.REQUEST_REFUND, ALICE, reason="Not needed.") is State.REFUND_REQUESTED


def test_request_refund_from_rejected_to_refund_requested(certificate_in):
    certificate = certificate_in(State.REJECTED, origin=State.REVOKED)
    assert certificate.fire(Event.REQUEST_REFUND, ALICE, reason="Once more.") is State.REFUND_REQUESTED


def test_withdraw_refund_from_refund_requested_to_pending(certificate_in):
    certificate = certificate_in(State.REFUND_REQUESTED, origin=State.PENDING)
    assert certificate.fire(Event.WITHDRAW_REFUND, ALICE) is State.PENDING


def test_withdraw_refund_from_refund_requested_to_failed(certificate_in):
    certificate = certificate_in(State.REFUND_REQUESTED, origin=State.FAILED)
    assert certificate.fire(Event.WITHDRAW_REFUND, ALICE) is State.FAILED


def test_withdraw_refund_from_refund_requested_to_revoked(certificate_in):
    certificate = certificate_in(State.REFUND_REQUESTED, origin=State.REVOKED)
    assert certificate.fire(Event.WITHDRAW_REFUND, ALICE) is State.REVOKED


def test_approve_refund_from_refund_requested_to_refund_requested(certificate_in):
    certificate = certificate_in(State.REFUND_REQUESTED, policy=TWO_REVIEWERS)
    assert certificate.fire(Event.APPROVE_REFUND, RITA) is State.REFUND_REQUESTED
    with pytest.raises(EventRefused, match="needs a second reviewer"):
        certificate.fire(Event.APPROVE_REFUND, RITA)
    assert certificate.fire(Event.APPROVE_REFUND, ROBIN) is State.REFUND_APPROVED


@pytest.mark.parametrize("actor", [RITA, ADA])
def test_approve_refund_from_refund_requested_to_refund_approved(certificate_in, actor):
    certificate = certificate_in(State.REFUND_REQUESTED)
    assert certificate.fire(Event.APPROVE_REFUND, actor) is State.REFUND_APPROVED


def test_reject_refund_from_refund_requested_to_rejected(certificate_in):
    certificate = certificate_in(State.REFUND_REQUESTED)
    assert certificate.fire(Event.REJECT_REFUND, RITA, reason="It is in use.") is State.REJECTED


def test_complete_refund_from_refund_approved_to_refunded(certificate_in):
    certificate = certificate_in(State.REFUND_APPROVED)
    assert certificate.fire(Event.COMPLETE_REFUND, SYSTEM, evidence="reference") is State.REFUNDED


def test_return_refund_from_refund_approved_to_refund_requested(certificate_in):
    certificate = certificate_in(State.REFUND_APPROVED)
    assert certificate.fire(Event.RETURN_REFUND, SYSTEM, reason="Account closed.") is State.REFUND_REQUESTED


def test_keep_certificate_from_rejected_to_pending(certificate_in):
    certificate = certificate_in(State.REJECTED, origin=State.PENDING)
    assert certificate.fire(Event.KEEP_CERTIFICATE, ALICE) is State.PENDING


def test_keep_certificate_from_rejected_to_failed(certificate_in):
    certificate = certificate_in(State.REJECTED, origin=State.FAILED)
    assert certificate.fire(Event.KEEP_CERTIFICATE, ALICE) is State.FAILED


def test_keep_certificate_from_rejected_to_revoked(certificate_in):
    certificate = certificate_in(State.REJECTED, origin=State.REVOKED)
    assert certificate.fire(Event.KEEP_CERTIFICATE, ALICE) is State.REVOKED


def test_no_event_of_a_customer_is_open_to_a_stranger(certificate_in):
    for event, source, _, who in RULES:
        if who == CUSTOMER:
            refusals = certificate_in(State(source)).explain(Event(event), CHARLIE).refusals
            assert "not_yours" in [one.code for one in refusals], (event, source)
