"""Which events may this actor fire now, and why not the others.

Reads the declaration of :class:`~certlifecycle.machine.CertificateLifecycle` once; from then on asking costs a few
microseconds and no machine. :func:`advance` really fires, through the machine; that the two agree in every case is
proved by the exhaustive test of state × event × role × date.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import cast

from statemachine.exceptions import TransitionNotAllowed

from certlifecycle.facts import Facts
from certlifecycle.machine import Case, CertificateLifecycle, Guard, Kind, Refusal, refund_denial
from certlifecycle.policy import DEFAULT_POLICY, RefundPolicy
from certlifecycle.sentences import say
from certlifecycle.states import Actor, Event, Role, State


@dataclass(frozen=True, slots=True)
class Declared:
    """One transition as the machine declares it."""

    event: Event
    source: State
    target: State
    guards: tuple[Guard, ...]

    @property
    def roles(self) -> frozenset[Role]:
        """Who may fire it; a guard on a certificate's own customer or rule may narrow this further."""
        return frozenset[Role]().union(*(guard.roles for guard in self.guards))


@cache
def declared_transitions() -> tuple[Declared, ...]:
    """All transitions, in the order of the states and then of the declaration."""
    order = {event: place for place, event in enumerate(Event)}
    found = [
        Declared(
            Event(transition.event),
            State(source.value),
            State(target.value),
            tuple(cast(Guard, spec.func) for spec in transition.cond),
        )
        for source in CertificateLifecycle.states
        for transition in source.transitions
        for target in transition.targets
    ]
    # A stable sort keeps the alternatives of one event in the order in which the machine tries them.
    return tuple(sorted(found, key=lambda one: (list(State).index(one.source), order[one.event])))


@cache
def _table() -> Mapping[tuple[State, Event], tuple[Declared, ...]]:
    table: dict[tuple[State, Event], tuple[Declared, ...]] = {}
    for one in declared_transitions():
        key = (one.source, one.event)
        table[key] = (*table.get(key, ()), one)
    return MappingProxyType(table)


@dataclass(frozen=True, slots=True)
class Permission:
    """The answer to "may this actor fire this event now?".

    ``refusals`` say why not. ``missing`` says what has still to be handed in: with no refusal and something missing,
    the event is *offered* (show the button, ask for the rest) but not yet *allowed*. ``target`` is where it would
    lead, where that is known.
    """

    event: Event
    state: State
    target: State | None
    refusals: tuple[Refusal, ...] = ()
    missing: tuple[Refusal, ...] = ()

    @property
    def offered(self) -> bool:
        """Whether nothing but input stands in the way."""
        return not self.refusals

    @property
    def allowed(self) -> bool:
        """Whether firing succeeds."""
        return not self.refusals and not self.missing

    def __bool__(self) -> bool:
        raise TypeError("ask .allowed or .offered: a permission is never a bare boolean")


class EventRefused(Exception):
    """An event that may not happen: what was tried, from where, why not, and what is possible instead."""

    def __init__(self, permission: Permission, instead: tuple[Event, ...]) -> None:
        self.permission = permission
        self.instead = instead
        why = " ".join(str(one.sentence) for one in (*permission.refusals, *permission.missing))
        possible = ", ".join(instead) or "nothing"
        super().__init__(
            f"{permission.event.value} was refused from {permission.state.value}: {why} Possible now: {possible}."
        )


def judge(case: Case, event: Event) -> Permission:
    """Judge one event for one case, by the guards of the declared transitions."""
    state = case.facts.state
    ways = _table().get((state, event), ())
    if not ways:
        return Permission(event, state, None, (_no_way(case, event),))
    way = next((one for one in ways if _is_meant(one, case)), None)
    if way is None:
        route = next(g for g in ways[0].guards if g.kind is Kind.ROUTE)
        return Permission(
            event,
            state,
            None,
            _objections(ways[0], case, {Kind.WHO}) or tuple(filter(None, [route.refusal(case)])),
        )
    return Permission(
        event,
        state,
        way.target,
        _objections(way, case, {Kind.WHO, Kind.RULE}),
        _objections(way, case, {Kind.INPUT}),
    )


def _is_meant(way: Declared, case: Case) -> bool:
    return all(guard(case) for guard in way.guards if guard.kind is Kind.ROUTE)


def _objections(way: Declared, case: Case, kinds: set[Kind]) -> tuple[Refusal, ...]:
    asked = (guard.refusal(case) for guard in way.guards if guard.kind in kinds)
    return tuple(refusal for refusal in asked if refusal is not None)


def _no_way(case: Case, event: Event) -> Refusal:
    # For a refund the policy has the better answer: which step makes it refundable, or that nothing does.
    if event is Event.REQUEST_REFUND and (denial := refund_denial(case)) is not None:
        return denial
    sources = [one.source for one in declared_transitions() if one.event is event]
    return Refusal(
        "wrong_state",
        say(
            "This is not possible while the certificate is {state}; it is possible while it is {sources}.",
            state=case.facts.state,
            sources=tuple(dict.fromkeys(sources)),
        ),
    )


def explain(
    state: State,
    event: Event,
    actor: Actor,
    facts: Facts,
    now: datetime,
    policy: RefundPolicy = DEFAULT_POLICY,
    *,
    reason: str = "",
    evidence: str = "",
) -> Permission:
    """Say whether ``actor`` may fire ``event`` on a certificate in ``state`` at ``now``, or why not.

    ``facts`` describe the certificate, ``reason`` and ``evidence`` are what was handed in so far.
    """
    known = facts if facts.state is state else replace(facts, state=state)
    return judge(Case(actor, known, now, policy, reason, evidence), event)


def possible(case: Case) -> tuple[Event, ...]:
    """The events that are offered in this case, in the order of the life cycle."""
    return tuple(event for event in Event if judge(case, event).offered)


def may_do(case: Case) -> tuple[Permission, ...]:
    """For every event that this actor's role can ever fire from this state: offered, or refused with the reason."""
    return tuple(
        judge(case, event)
        for (source, event), ways in _table().items()
        if source is case.facts.state and any(case.actor.role in way.roles for way in ways)
    )


class _Model:
    def __init__(self, state: str) -> None:
        self.state = state


def advance(case: Case, event: Event) -> State:
    """Fire ``event`` on the machine and return the new state; the caller records it.

    Raises :class:`EventRefused` with the reasons and with what is possible instead.
    """
    model = _Model(case.facts.state.value)
    try:
        CertificateLifecycle(model).send(event.value, case=case)
    except TransitionNotAllowed:
        raise EventRefused(judge(case, event), possible(case)) from None
    return State(model.state)
