"""Strategies for hypothesis: actors, policies, facts, whole cases, and lives that obey the rules.

Needs hypothesis; the builders of :mod:`certlifecycle.testing` do without it.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from certlifecycle.facts import Facts
from certlifecycle.machine import Case
from certlifecycle.money import Money
from certlifecycle.policy import Basis, RefundPolicy
from certlifecycle.states import REFUND_ORIGINS, REFUND_STATES, Actor, RevocationReason, Role, State
from certlifecycle.testing import ALICE, CAST, DORA, RITA, ROBIN, CertificateUnderTest, Clock, certificate_in, handed_in

ORGANISATION = "the organisation"
"""The one that actors and certificates of these strategies belong to, where they belong to one."""

_ZONES = ("UTC", "Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu")


def instants() -> SearchStrategy[datetime]:
    """Aware instants of the 2020s and 2030s, told in many time zones."""
    zones = st.sampled_from(_ZONES).map(ZoneInfo)
    return st.datetimes(datetime(2020, 1, 2), datetime(2039, 12, 30), timezones=zones)  # noqa: DTZ001  # see timezones


def actors() -> SearchStrategy[Actor]:
    """The cast of :mod:`certlifecycle.testing`, Alice and Rita in each other's part, and members of an organisation."""
    turned = (Actor(ALICE.id, Role.REVIEWER), Actor(ALICE.id, Role.ADMIN), Actor(RITA.id, Role.CUSTOMER))
    members = (
        Actor("mary", Role.CUSTOMER, "Mary", organisation_id=ORGANISATION),
        Actor(ROBIN.id, Role.REVIEWER, "", organisation_id=ORGANISATION),
    )
    return st.sampled_from((*CAST, *turned, *members))


def policies() -> SearchStrategy[RefundPolicy]:
    """Every kind of valid policy, with windows of up to a year."""
    limits = st.none() | st.integers(0, 60_000)
    review = st.tuples(st.integers(1, 30), st.integers(0, 30)).map(lambda days: (days[0], sum(days)))
    return st.builds(
        RefundPolicy,
        version=st.integers(1, 999).map(lambda number: f"example/{number}"),
        basis=st.sampled_from(Basis),
        window_days=st.integers(1, 366),
        revocation_inside=st.booleans(),
        fee_minor=st.sampled_from((0, 0, 1_000, 60_000)),
        voucher_refundable=st.booleans(),
        two_reviewers_above_minor=limits,
        review_days=review,
        calendar=st.sampled_from(("", "CN", "DE-BY", "US", "AE")),
        timezone=st.sampled_from(_ZONES),
    )


@st.composite
def facts(draw: DrawFn) -> Facts:
    """What can be known of a certificate in any state, its instants and its refund included where it has them."""
    state = draw(st.sampled_from(State))
    origin = draw(st.sampled_from(REFUND_ORIGINS)) if state in REFUND_STATES else None
    place = origin or state
    paid_at, issued_at, revoked_at = sorted(draw(st.lists(instants(), min_size=3, max_size=3)))
    minor = draw(st.integers(0, 50_000))
    approvals = draw(st.sampled_from(((), (RITA.id,), (RITA.id, ROBIN.id), (DORA.id,)))) if origin else ()
    return Facts(
        state,
        customer_id=draw(st.sampled_from((ALICE.id, RITA.id))),
        paid_at=paid_at,
        paid=Money(minor, "CNY"),
        voucher_minor=draw(st.integers(0, minor)),
        issued_at=issued_at if place in (State.ISSUED, State.REVOKING, State.REVOKED) else None,
        revoked_at=revoked_at if place is State.REVOKED else None,
        origin=origin,
        applicant_id=draw(st.sampled_from((ALICE.id, ROBIN.id))) if origin else None,
        approvals=approvals,
        payers=draw(st.sampled_from(((), approvals[:1]))),
        refund_minor=draw(st.integers(1, 50_000)) if origin else None,
        automatic_checks_suffice=draw(st.booleans()),
        organisation_id=draw(st.sampled_from((None, None, ORGANISATION, "another"))),
        payer_id=draw(st.sampled_from((None, ALICE.id, ROBIN.id))),
    )


def cases() -> SearchStrategy[Case]:
    """Questions of every kind: any actor, any facts, any instant, any policy, with or without what is handed in."""
    return st.builds(
        Case,
        actor=actors(),
        facts=facts(),
        now=instants(),
        policy=policies(),
        reason=st.sampled_from(("", " ", "An example's reason.", *RevocationReason)),
        evidence=st.sampled_from(("", "an example's evidence")),
    )


@st.composite
def lives(
    draw: DrawFn, *, most_steps: int = 25, among: SearchStrategy[RefundPolicy] | None = None
) -> CertificateUnderTest:
    """A certificate that has lived: from ``pending`` on, up to ``most_steps`` legal events at growing instants.

    ``among`` chooses the policy. The events are in its ``history``, and its ``clock`` is a
    :class:`~certlifecycle.testing.Clock` that stands at the end of them.
    """
    clock = Clock(draw(instants()).astimezone(UTC))
    certificate = certificate_in(
        State.PENDING,
        clock=clock,
        policy=draw(policies() if among is None else among),
        automatic_checks_suffice=draw(st.booleans()),
    )
    for _ in range(draw(st.integers(0, most_steps))):
        clock.advance(days=draw(st.sampled_from((0, 0, 1, 5, 30))), hours=draw(st.integers(0, 23)))
        moves = certificate.moves()
        if not moves:
            break
        event, actor = draw(st.sampled_from(moves))
        certificate.fire(event, actor, **handed_in(event))
    return certificate
