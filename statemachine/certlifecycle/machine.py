"""The declaration of the life cycle: states, events, guards. The single source of truth.

Everything else (the transition table, the picture, the explanations, the buttons) is read off this class. Guards are
plain functions of a :class:`Case`; each carries the sentence that explains its denial, so that asking and firing can
never disagree.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Protocol, cast

import statemachine as library

from certlifecycle.facts import Facts
from certlifecycle.policy import DEFAULT_POLICY, RefundPolicy, Verdict, paid_back, verdict
from certlifecycle.sentences import Sentence, phrase, say
from certlifecycle.states import REVIEWERS, Actor, RevocationReason, Right, Role, State


@dataclass(frozen=True, slots=True)
class Case:
    """All that a guard may look at: who, what is known, when, under which policy, and what was handed in.

    ``reason`` is the text that a refusal or a refund needs, or a :class:`~certlifecycle.states.RevocationReason`.
    ``evidence`` is what an event has to show for itself: the CSR for ``submit``, the certificate for ``issue``, the
    provider's reference for ``complete_refund``.
    """

    actor: Actor
    facts: Facts
    now: datetime
    policy: RefundPolicy = DEFAULT_POLICY
    reason: str = ""
    evidence: str = ""


class Kind(Enum):
    """What part a guard plays."""

    WHO = auto()
    """Whether this actor may do it at all."""
    RULE = auto()
    """Whether the rules allow it now."""
    ROUTE = auto()
    """Which of several transitions of one event is meant; of these exactly one holds."""
    INPUT = auto()
    """Whether what the event needs was handed in; a form asks for it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a guard said no. ``verdict`` is there when the refund policy decided."""

    code: str
    sentence: Sentence
    verdict: Verdict | None = None


class Guard(Protocol):
    """A condition on a transition, as python-statemachine calls it, with the means to explain itself.

    ``words`` name the condition in the transition table; they are empty where ``roles`` say it all.
    """

    __name__: str
    kind: Kind
    words: str
    roles: frozenset[Role]

    def __call__(self, case: Case) -> bool: ...

    def refusal(self, case: Case) -> Refusal | None:
        """Say why not, or ``None`` when it holds."""


def _guard(
    kind: Kind,
    code: str,
    words: str,
    refuse: Callable[[Case], Refusal | None],
    roles: frozenset[Role] = frozenset(),
) -> Guard:
    # python-statemachine holds conditions by function object, so the guard is a function with attributes.
    def holds(case: Case) -> bool:
        return refuse(case) is None

    holds.__name__ = code
    for name, value in (("kind", kind), ("words", words), ("roles", roles), ("refusal", refuse)):
        setattr(holds, name, value)
    return cast(Guard, holds)


def _unless(kind: Kind, code: str, words: str, holds: Callable[[Case], bool], denial: Sentence) -> Guard:
    refusal = Refusal(code, denial)
    return _guard(kind, code, words, lambda case: None if holds(case) else refusal)


def _by(*roles: Role, denial: Sentence) -> Guard:
    refusal = Refusal("wrong_role", denial)
    return _guard(
        Kind.WHO,
        "may_be_done_by_" + "_or_".join(roles),
        "",
        lambda case: None if case.actor.role in roles else refusal,
        frozenset(roles),
    )


def _is_theirs(case: Case) -> bool:
    """Whether a certificate is the actor's own: of an organisation's, every member's and nobody else's."""
    if case.facts.organisation_id is not None:
        return case.actor.organisation_id == case.facts.organisation_id
    return case.actor.id == case.facts.customer_id


# Who

by_customer = _by(Role.CUSTOMER, denial=say("Only the customer can do this."))
by_reviewer = _by(*sorted(REVIEWERS), denial=say("Only a reviewer can do this."))
by_system = _by(Role.SYSTEM, denial=say("The desk does this by itself."))
by_reviewer_or_system = _by(*sorted(REVIEWERS), Role.SYSTEM, denial=say("Only a reviewer can do this."))
by_customer_or_reviewer = _by(
    Role.CUSTOMER, *sorted(REVIEWERS), denial=say("Only the customer or a reviewer can do this.")
)

own_certificate = _unless(
    Kind.WHO,
    "not_yours",
    "customers only their own",
    lambda case: case.actor.role is not Role.CUSTOMER or _is_theirs(case),
    say("This certificate belongs to somebody else."),
)
not_own_certificate = _unless(
    Kind.WHO,
    "own_certificate",
    "never the certificate's own customer",
    lambda case: case.actor.id not in (case.facts.customer_id, case.facts.payer_id),
    say("Nobody decides on a certificate of their own."),
)
not_own_refund = _unless(
    Kind.WHO,
    "own_refund",
    "never the applicant",
    lambda case: case.actor.id not in (case.facts.applicant_id, case.facts.customer_id, case.facts.payer_id),
    say("Nobody decides on a refund of their own."),
)
not_own_organisation = _unless(
    Kind.WHO,
    "own_organisation",
    "nobody of the same organisation",
    lambda case: case.facts.organisation_id is None or case.actor.organisation_id != case.facts.organisation_id,
    say("Nobody decides on what belongs to their own organisation. Somebody from outside it has to."),
)


def _may_pay(case: Case) -> bool:
    return case.actor.has(Right.PAY) or bool(case.facts.payers)


def _approved_by_you(case: Case) -> Refusal | None:
    if case.actor.id not in case.facts.approvals:
        return None
    by_amount = say("You have approved it already; this amount needs a second reviewer.")
    by_right = say("You have approved it already; somebody with the right to send money gives the second approval.")
    return Refusal("already_approved_by_you", by_amount if _may_pay(case) else by_right)


another_reviewer = _guard(Kind.WHO, "already_approved_by_you", "nobody approves twice", _approved_by_you)
may_decide = _unless(
    Kind.WHO,
    "may_not_decide",
    "reviewers only with the right to decide",
    lambda case: case.actor.role not in REVIEWERS or case.actor.has(Right.DECIDE),
    say("You may look at cases, but not decide them. Somebody with the right to decide does; administrators give it."),
)


def _undecided(case: Case) -> Refusal | None:
    if not case.actor.has(Right.PAY):
        return may_decide.refusal(case)
    # The first approval is always given by somebody who may decide, so with one of them that has happened.
    if case.actor.has(Right.DECIDE) or case.facts.approvals:
        return None
    return Refusal(
        "nobody_has_decided",
        say("You may send money, but not decide. Once somebody with the right to decide approved, it is your turn."),
    )


somebody_decides = _guard(Kind.WHO, "nobody_has_decided", "somebody with the right to decide", _undecided)
somebody_pays = _unless(
    Kind.WHO,
    "nobody_may_pay",
    "somebody with the right to send money",
    # Whoever may not even decide, or has approved already, is told that, and not of somebody else's right as well.
    lambda case: _may_pay(case) or not case.actor.has(Right.DECIDE) or case.actor.id in case.facts.approvals,
    say("It is approved once. The second approval sends the money, so somebody with the right to send money gives it."),
)

# Rules

checks_suffice = _unless(
    Kind.RULE,
    "needs_a_reviewer",
    "the desk itself only where automatic checks suffice",
    lambda case: case.actor.role is not Role.SYSTEM or case.facts.automatic_checks_suffice,
    say("This product is verified by a reviewer."),
)


def refund_denial(case: Case) -> Refusal | None:
    """The refund policy's own answer as a refusal, ``None`` when a refund may be applied for."""
    answer = verdict(case.facts, case.now, case.policy)
    return None if answer.eligible else Refusal(answer.rule.value, answer.sentence, answer)


refund_policy_allows = _guard(Kind.RULE, "refund_policy_allows", "the refund policy allows it", refund_denial)

# What is handed in

with_reason = _unless(
    Kind.INPUT,
    "needs_reason",
    "with a reason",
    lambda case: bool(case.reason.strip()),
    say("Give a reason."),
)
with_revocation_reason = _unless(
    Kind.INPUT,
    "needs_revocation_reason",
    "with an RFC 5280 reason",
    lambda case: case.reason in set(RevocationReason),
    say("Choose a revocation reason."),
)
with_csr = _unless(
    Kind.INPUT,
    "needs_csr",
    "with a CSR",
    lambda case: bool(case.evidence),
    say("Hand in a certificate signing request (CSR)."),
)
with_certificate = _unless(
    Kind.INPUT,
    "needs_certificate",
    "with the certificate from the CA",
    lambda case: bool(case.evidence),
    say("The certificate from the certificate authority is missing."),
)
with_confirmation = _unless(
    Kind.INPUT,
    "needs_confirmation",
    "with the provider's confirmation",
    lambda case: bool(case.evidence),
    say("The payment provider's confirmation is missing."),
)

# Which way


def came_from(origin: State) -> Guard:
    """Choose the transition back to where the refund application came from."""
    return _unless(
        Kind.ROUTE,
        f"came_from_{origin}",
        f"the refund came from {origin.label}",
        lambda case: case.facts.origin is origin,
        say("The refund did not come from this state."),
    )


def needs_another_approval(case: Case) -> bool:
    """Whether nobody has approved yet, and this approval needs a second beside it.

    The policy asks for two above its amount. Below it, whoever may decide but not send money approves first as well:
    their judgement is recorded, and somebody who may send money follows it or does not.
    """
    limit = case.policy.two_reviewers_above_minor
    frozen = case.facts.refund_minor
    # Without a frozen amount the present one counts: not knowing it must not make one reviewer enough.
    amount = paid_back(case.facts, case.policy, case.facts.waiver).minor if frozen is None else frozen
    is_large = limit is not None and amount > limit
    return not case.facts.approvals and (is_large or not case.actor.has(Right.PAY))


first_of_two_approvals = _unless(
    Kind.ROUTE,
    "first_of_two_approvals",
    phrase("the first of two approvals"),
    needs_another_approval,
    say("One approval is enough."),
)
deciding_approval = _unless(
    Kind.ROUTE,
    "deciding_approval",
    "the only or the second approval",
    lambda case: not needs_another_approval(case),
    say("This amount needs two reviewers."),
)


def _state(state: State) -> library.State:
    return library.State(
        state.label.capitalize(),
        value=state.value,
        initial=state is State.PENDING,
        final=state.is_final,
    )


class CertificateLifecycle(library.StateMachine):
    """A certificate's life from order to refund.

    Construct it over any object with a plain string attribute ``state``; fire with ``send(event, case=case)``. It has
    no side effects: whoever fires an event records it.
    """

    pending = _state(State.PENDING)
    submitted = _state(State.SUBMITTED)
    verified = _state(State.VERIFIED)
    failed = _state(State.FAILED)
    issued = _state(State.ISSUED)
    revoking = _state(State.REVOKING)
    revoked = _state(State.REVOKED)
    refund_requested = _state(State.REFUND_REQUESTED)
    refund_approved = _state(State.REFUND_APPROVED)
    refunded = _state(State.REFUNDED)
    rejected = _state(State.REJECTED)

    # Verification and issue
    submit = submitted.from_(pending, failed, cond=[by_customer, own_certificate, with_csr])
    withdraw_submission = submitted.to(pending, cond=[by_customer, own_certificate])
    verify = submitted.to(
        verified, cond=[by_reviewer_or_system, may_decide, not_own_certificate, not_own_organisation, checks_suffice]
    )
    fail_verification = submitted.to(
        failed, cond=[by_reviewer_or_system, may_decide, not_own_certificate, not_own_organisation, with_reason]
    )
    issue = verified.to(issued, cond=[by_system, with_certificate])
    refuse_issuance = verified.to(failed, cond=[by_system, with_reason])

    # Revocation
    revoke = issued.to(revoking, cond=[by_customer_or_reviewer, may_decide, own_certificate, with_revocation_reason])
    confirm_revocation = revoking.to(revoked, cond=by_system)
    refuse_revocation = revoking.to(issued, cond=[by_system, with_reason])

    # Refund
    request_refund = refund_requested.from_(
        pending,
        failed,
        revoked,
        rejected,
        cond=[by_customer, own_certificate, refund_policy_allows, with_reason],
    )
    withdraw_refund = (
        refund_requested.to(pending, cond=[by_customer, own_certificate, came_from(State.PENDING)])
        | refund_requested.to(failed, cond=[by_customer, own_certificate, came_from(State.FAILED)])
        | refund_requested.to(revoked, cond=[by_customer, own_certificate, came_from(State.REVOKED)])
    )
    # Above the policy's amount the first approval is recorded and the application keeps waiting; the second decides.
    approve_refund = refund_requested.to.itself(  # type: ignore[no-untyped-call]  # the library leaves it untyped
        internal=True,
        cond=[
            by_reviewer,
            somebody_decides,
            not_own_refund,
            not_own_organisation,
            another_reviewer,
            first_of_two_approvals,
        ],
    ) | refund_requested.to(
        refund_approved,
        cond=[
            by_reviewer,
            somebody_decides,
            somebody_pays,
            not_own_refund,
            not_own_organisation,
            another_reviewer,
            deciding_approval,
        ],
    )
    reject_refund = refund_requested.to(
        rejected, cond=[by_reviewer, may_decide, not_own_refund, not_own_organisation, with_reason]
    )
    complete_refund = refund_approved.to(refunded, cond=[by_system, with_confirmation])
    return_refund = refund_approved.to(refund_requested, cond=[by_system, with_reason])
    keep_certificate = (
        rejected.to(pending, cond=[by_customer, own_certificate, came_from(State.PENDING)])
        | rejected.to(failed, cond=[by_customer, own_certificate, came_from(State.FAILED)])
        | rejected.to(revoked, cond=[by_customer, own_certificate, came_from(State.REVOKED)])
    )
