"""Exceptions from the refund policy: who may propose one, who may agree, and what can be waived at all.

One person proposes it with a reason, another, who may send money, agrees; then the customer can apply although the
policy alone says no. It is no event of a certificate's life: it changes what the policy is told, not the state. Whoever
embeds this keeps the proposal, and puts a :class:`~certlifecycle.facts.Waiver` among the facts once it is agreed upon.
"""

from dataclasses import replace
from datetime import timedelta

from certlifecycle.facts import Waiver
from certlifecycle.machine import Case, Refusal, by_reviewer, may_decide, not_own_certificate
from certlifecycle.policy import WAIVABLE, verdict
from certlifecycle.sentences import say
from certlifecycle.states import Right

LASTS = timedelta(days=14)
"""How long a proposal waits for somebody to agree, and then how long the customer has to apply."""


def in_force(case: Case) -> Waiver | None:
    """The exception that the policy is told of and listens to now, also where a step is left before it pays back."""
    waiver = case.facts.waiver
    if waiver is None or case.now > waiver.until:
        return None
    plain = verdict(replace(case.facts, waiver=None), case.now, case.policy)
    return waiver if plain.rule in WAIVABLE else None


def waivable(case: Case) -> Refusal | None:
    """Say why no exception can be made for this certificate now, or ``None`` where one can."""
    if in_force(case) is not None:
        present = verdict(case.facts, case.now, case.policy)
        return Refusal("excepted", say("An exception is in force already."), present)
    answer = verdict(replace(case.facts, waiver=None), case.now, case.policy)
    if answer.eligible:
        return Refusal("no_exception_needed", say("No exception is needed: the refund policy allows it."), answer)
    if answer.rule not in WAIVABLE:
        return Refusal(
            "not_waivable",
            say(
                "{answer} An exception cannot change that: it is made from the window and from what is kept.",
                answer=answer.sentence,
            ),
            answer,
        )
    if case.facts.paid.minor == 0:
        return Refusal("nothing_paid", say("Nothing was paid for this order."), answer)
    return None


def may_propose(case: Case) -> tuple[Refusal, ...]:
    """Why this actor may not propose an exception now; nothing where they may."""
    return _refusals(
        by_reviewer.refusal(case), may_decide.refusal(case), not_own_certificate.refusal(case), waivable(case)
    )


def may_agree(case: Case, proposer_id: str) -> tuple[Refusal, ...]:
    """Why this actor may not agree to an exception that ``proposer_id`` proposed; nothing where they may."""
    return _refusals(
        by_reviewer.refusal(case),
        _not_the_proposer(case, proposer_id),
        _may_pay(case),
        not_own_certificate.refusal(case),
        waivable(case),
    )


def may_decline(case: Case, proposer_id: str) -> tuple[Refusal, ...]:
    """Why this actor may not decline a proposal, or take back their own; nothing where they may."""
    return _refusals(
        by_reviewer.refusal(case),
        None if case.actor.id == proposer_id or case.actor.rights else may_decide.refusal(case),
        not_own_certificate.refusal(case),
    )


def _refusals(*asked: Refusal | None) -> tuple[Refusal, ...]:
    return tuple(refusal for refusal in asked if refusal is not None)


def _not_the_proposer(case: Case, proposer_id: str) -> Refusal | None:
    if case.actor.id != proposer_id:
        return None
    return Refusal("own_proposal", say("You proposed it, so somebody else has to agree."))


def _may_pay(case: Case) -> Refusal | None:
    if case.actor.has(Right.PAY):
        return None
    return Refusal("may_not_pay", say("Somebody with the right to send money has to agree."))
