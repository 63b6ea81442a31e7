"""For the tests of whoever embeds the life cycle: a cast, a hand-moved clock, certificates in any state.

The builders need nothing but the life cycle. With pytest, ``pytest_plugins = ["certlifecycle.testing"]`` provides the
fixtures ``clock`` and ``certificate_in``; strategies for hypothesis are in :mod:`certlifecycle.strategies`.

PYTEST_DONT_REWRITE: nothing is asserted here, and a test module may import the cast before pytest loads the plugin.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from certlifecycle.explain import Permission, advance, declared_transitions, judge
from certlifecycle.facts import Facts
from certlifecycle.machine import Case
from certlifecycle.money import Money
from certlifecycle.policy import DEFAULT_POLICY, RefundPolicy, Verdict, verdict
from certlifecycle.states import SYSTEM, Actor, Event, RevocationReason, Right, Role, State

ALICE = Actor("alice", Role.CUSTOMER, "Alice")
"""The customer who owns the certificates, unless a test says otherwise."""
CHARLIE = Actor("charlie", Role.CUSTOMER, "Charlie")
"""Another customer, a stranger to Alice's certificates."""
RITA = Actor("rita", Role.REVIEWER, "Rita")
ROBIN = Actor("robin", Role.REVIEWER, "Robin")
ADA = Actor("ada", Role.ADMIN, "Ada")
DORA = Actor("dora", Role.REVIEWER, "Dora", rights=frozenset({Right.DECIDE}))
"""A reviewer who judges and sends no money."""
PIA = Actor("pia", Role.REVIEWER, "Pia", rights=frozenset({Right.PAY}))
"""A reviewer who sends money and judges nothing."""
LEO = Actor("leo", Role.REVIEWER, "Leo", rights=frozenset())
"""A reviewer who only looks."""

CAST = (ALICE, CHARLIE, RITA, ROBIN, ADA, DORA, PIA, LEO, SYSTEM)

MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""Where a new :class:`Clock` stands: a Monday without a holiday near it."""


class Clock:
    """A clock that only moves by hand. Calling it tells the time, as an aware instant."""

    def __init__(self, now: datetime = MORNING) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, microseconds: float = 0) -> datetime:
        """Move on and return the new time. A day is 24 hours, whatever the clocks on the wall do."""
        step = timedelta(days=days, hours=hours, minutes=minutes, microseconds=microseconds)
        self.now = self.now.astimezone(UTC) + step
        return self.now


@dataclass(frozen=True, slots=True)
class Step:
    """One event that happened, as :attr:`CertificateUnderTest.history` keeps it."""

    event: Event
    actor: Actor
    source: State
    target: State
    at: datetime
    reason: str
    evidence: str


class CertificateUnderTest:
    """A certificate in memory, which remembers what the life cycle has to be told. The machine makes every change."""

    def __init__(self, facts: Facts, clock: Callable[[], datetime], policy: RefundPolicy = DEFAULT_POLICY) -> None:
        self.facts = facts
        self.clock = clock
        self.policy = policy
        self.history: list[Step] = []

    @property
    def state(self) -> State:
        """The present state."""
        return self.facts.state

    @property
    def owner(self) -> Actor:
        """Its customer, acting as one."""
        return ALICE if self.facts.customer_id == ALICE.id else Actor(self.facts.customer_id, Role.CUSTOMER)

    def case(self, actor: Actor, *, reason: str = "", evidence: str = "") -> Case:
        """The question that the life cycle is asked when ``actor`` comes now, with what was handed in."""
        return Case(actor, self.facts, self.clock(), self.policy, reason, evidence)

    def fire(self, event: Event, actor: Actor, *, reason: str = "", evidence: str = "") -> State:
        """Let ``event`` happen and return the new state; raises :class:`~certlifecycle.EventRefused`."""
        return self._fire(event, self.case(actor, reason=reason, evidence=evidence))

    def _fire(self, event: Event, case: Case) -> State:
        target = advance(case, event)
        self.history.append(Step(event, case.actor, self.state, target, case.now, case.reason, case.evidence))
        self.facts = facts_after(case, event, target)
        return target

    def explain(self, event: Event, actor: Actor, *, reason: str = "", evidence: str = "") -> Permission:
        """Whether ``actor`` may fire ``event`` now, or why not."""
        return judge(self.case(actor, reason=reason, evidence=evidence), event)

    def verdict(self) -> Verdict:
        """Whether the money comes back if it is asked for now."""
        return verdict(self.facts, self.clock(), self.policy)

    def moves(self) -> list[tuple[Event, Actor]]:
        """Every event that can happen now, once for each of those who may fire it: the owner, reviewers, the desk."""
        return [(move.event, move.case.actor) for move in _moves(self, self.facts, {})]


def facts_after(case: Case, event: Event, target: State) -> Facts:
    """What is known after ``event`` led to ``target``: the record that whoever fires an event has to keep."""
    facts = replace(case.facts, state=target)
    match event:
        case Event.ISSUE:
            return replace(facts, issued_at=case.now)
        case Event.CONFIRM_REVOCATION:
            return replace(facts, revoked_at=case.now)
        case Event.REQUEST_REFUND:
            # A renewed application comes from where the refused one came from.
            renewed = case.facts.state is State.REJECTED
            return replace(
                facts,
                origin=case.facts.origin if renewed else case.facts.state,
                applicant_id=case.actor.id,
                approvals=(),
                payers=(),
                refund_minor=verdict(case.facts, case.now, case.policy).amount.minor,
            )
        case Event.APPROVE_REFUND:
            payers = (case.actor.id,) if case.actor.has(Right.PAY) else ()
            return replace(
                facts, approvals=(*case.facts.approvals, case.actor.id), payers=(*case.facts.payers, *payers)
            )
        case Event.RETURN_REFUND:
            # The application is decided anew, so the old approvals have done their work.
            return replace(facts, approvals=(), payers=())
        case Event.WITHDRAW_REFUND | Event.KEEP_CERTIFICATE:
            return replace(facts, origin=None, applicant_id=None, approvals=(), payers=(), refund_minor=None)
        case _:
            return facts


def handed_in(event: Event) -> dict[str, str]:
    """Something acceptable for whatever ``event`` asks to be handed in: keywords for ``fire`` and ``explain``."""
    reason = RevocationReason.SUPERSEDED.value if event is Event.REVOKE else "An example's reason."
    return {"reason": reason, "evidence": f"an example's evidence for {event.value}"}


@dataclass(frozen=True, slots=True)
class _Move:
    event: Event
    case: Case
    target: State


def _moves(certificate: CertificateUnderTest, facts: Facts, instants: Mapping[Event, datetime]) -> Iterator[_Move]:
    events = dict.fromkeys(one.event for one in declared_transitions() if one.source is facts.state)
    for event in events:
        now = instants.get(event, certificate.clock())
        for actor in (certificate.owner, RITA, ROBIN, SYSTEM):
            case = Case(actor, facts, now, certificate.policy, **handed_in(event))
            permission = judge(case, event)
            if permission.allowed and permission.target is not None:
                yield _Move(event, case, permission.target)


def _shortest_path(
    certificate: CertificateUnderTest,
    there: Callable[[Facts], bool],
    instants: Mapping[Event, datetime],
) -> tuple[_Move, ...] | None:
    paths: deque[tuple[Facts, tuple[_Move, ...]]] = deque([(certificate.facts, ())])
    seen = {certificate.facts}
    while paths:
        facts, path = paths.popleft()
        if there(facts):
            return path
        for move in _moves(certificate, facts, instants):
            after = facts_after(move.case, move.event, move.target)
            if after not in seen:
                seen.add(after)
                paths.append((after, (*path, move)))
    return None


def certificate_in(
    state: State,
    *,
    clock: Callable[[], datetime] | None = None,
    policy: RefundPolicy = DEFAULT_POLICY,
    customer_id: str = ALICE.id,
    paid: Money = Money(26800, "CNY"),  # noqa: B008  # immutable
    voucher_minor: int = 0,
    automatic_checks_suffice: bool = False,
    paid_at: datetime | None = None,
    issued_at: datetime | None = None,
    revoked_at: datetime | None = None,
    origin: State | None = None,
) -> CertificateUnderTest:
    """A certificate that came to ``state`` by the shortest legal path from ``pending``, fired through the machine.

    Everything happens at the clock's present instant, except what ``paid_at`` (also the issue, if not given),
    ``issued_at`` and ``revoked_at`` put elsewhere. ``origin`` chooses the state that a refund application came from;
    without it that is ``pending``. Raises :class:`ValueError` when no legal path leads there, for example to a refund
    that the policy forbids at that instant.
    """
    clock = clock or Clock()
    start = Facts(
        State.PENDING,
        customer_id=customer_id,
        paid_at=paid_at or issued_at or clock(),
        paid=paid,
        voucher_minor=voucher_minor,
        automatic_checks_suffice=automatic_checks_suffice,
    )
    certificate = CertificateUnderTest(start, clock, policy)
    instants = {Event.ISSUE: issued_at or clock(), Event.CONFIRM_REVOCATION: revoked_at or clock()}
    path = _shortest_path(certificate, lambda facts: facts.state is state and origin in (None, facts.origin), instants)
    if path is None:
        raise ValueError(f"no legal path leads to {state.label}" + (f" from {origin.label}" if origin else ""))
    for move in path:
        certificate._fire(move.event, move.case)
    return certificate


try:
    import pytest
except ModuleNotFoundError:
    # The builders serve in a shell or with unittest as well.
    pass
else:

    @pytest.fixture(name="clock")
    def _clock() -> Clock:
        """A :class:`Clock` of the test's own."""
        return Clock()

    @pytest.fixture(name="certificate_in")
    def _certificate_in(clock: Callable[[], datetime]) -> Callable[..., CertificateUnderTest]:
        """:func:`certificate_in` on the test's ``clock``."""
        return partial(certificate_in, clock=clock)
