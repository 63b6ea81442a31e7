"""The refund policy: what it answers, to the microsecond."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings

from certlifecycle import (
    DEFAULT_POLICY,
    PRESETS,
    Basis,
    Facts,
    Money,
    Outlook,
    Rule,
    State,
    deadline,
    granted,
    refundable,
    verdict,
)
from certlifecycle.strategies import cases

PAID = datetime(2026, 4, 1, 8, 30, tzinfo=UTC)
ISSUED = datetime(2026, 4, 3, 6, 5, tzinfo=UTC)
WINDOW_CLOSES = datetime(2026, 5, 3, 6, 5, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)

THIRTY = PRESETS["30-days-from-issue"]
TWENTY_EIGHT = PRESETS["28-days-from-issue"]
SEVEN = PRESETS["7-days-from-payment"]


def certificate(state: State, **known) -> Facts:
    """Alice's certificate, issued where its state (or the one its refund came from) says that it was."""
    was_issued = (known.get("origin") or state) in (State.ISSUED, State.REVOKING, State.REVOKED)
    facts = Facts(state, "alice", PAID, Money(26_800, "CNY"), issued_at=ISSUED if was_issued else None)
    return replace(facts, **known)


# The presets


def test_the_default_is_the_source_s_own_rule():
    assert THIRTY == DEFAULT_POLICY
    assert (THIRTY.basis, THIRTY.window, THIRTY.revocation_inside) == (Basis.ISSUE, timedelta(days=30), False)
    assert THIRTY.review_days == (3, 5)


def test_two_more_presets_ship():
    assert (TWENTY_EIGHT.basis, TWENTY_EIGHT.window_days, TWENTY_EIGHT.revocation_inside) == (Basis.ISSUE, 28, True)
    assert (SEVEN.basis, SEVEN.window_days, SEVEN.revocation_inside) == (Basis.PAYMENT, 7, False)
    assert len({policy.version for policy in PRESETS.values()}) == len(PRESETS) == 3


# The boundary


@pytest.mark.parametrize(
    ("policy", "last"),
    [
        (THIRTY, ISSUED + 30 * timedelta(hours=24)),
        (TWENTY_EIGHT, ISSUED + 28 * timedelta(hours=24)),
        (SEVEN, PAID + 7 * timedelta(hours=24)),
    ],
)
def test_the_last_instant_counts_and_a_microsecond_later_does_not(policy, last):
    revoked = certificate(State.REVOKED, revoked_at=ISSUED)

    assert deadline(revoked, policy) == last
    assert verdict(revoked, last - MOMENT, policy).eligible
    assert verdict(revoked, last, policy).eligible
    assert not verdict(revoked, last + MOMENT, policy).eligible
    assert verdict(revoked, last + MOMENT, policy).rule is Rule.WINDOW_CLOSED


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "UTC"])
def test_the_boundary_is_an_instant_in_whatever_zone_it_is_told(zone):
    there = ZoneInfo(zone)
    revoked = certificate(State.REVOKED, revoked_at=ISSUED.astimezone(there), issued_at=ISSUED.astimezone(there))

    assert verdict(revoked, WINDOW_CLOSES.astimezone(there)).eligible
    assert verdict(revoked, WINDOW_CLOSES.astimezone(timezone(timedelta(hours=-11)))).eligible
    assert not verdict(revoked, (WINDOW_CLOSES + MOMENT).astimezone(there)).eligible


@pytest.mark.parametrize(
    ("zone", "issued"),
    [
        ("Europe/Berlin", datetime(2026, 3, 15, 12)),  # noqa: DTZ001  # the zone is put on below
        ("Europe/Berlin", datetime(2026, 10, 10, 12)),  # noqa: DTZ001
        ("Europe/Berlin", datetime(2026, 9, 25, 2, 30)),  # noqa: DTZ001
        ("America/New_York", datetime(2026, 2, 20, 1, 30)),  # noqa: DTZ001
        ("Australia/Lord_Howe", datetime(2026, 3, 20, 12)),  # noqa: DTZ001
    ],
)
def test_thirty_days_are_720_hours_when_the_clocks_change(zone, issued):
    issued = issued.replace(tzinfo=ZoneInfo(zone))
    revoked = certificate(State.REVOKED, issued_at=issued, revoked_at=issued)
    last = issued.astimezone(UTC) + timedelta(hours=720)

    assert deadline(revoked, THIRTY) == last
    assert verdict(revoked, last.astimezone(ZoneInfo(zone))).eligible
    assert not verdict(revoked, (last + MOMENT).astimezone(ZoneInfo(zone))).eligible


@pytest.mark.parametrize("fold", [0, 1])
def test_the_hour_that_comes_twice_is_told_apart(fold):
    berlin = ZoneInfo("Europe/Berlin")
    # 720 hours after the issue it is half past two for the first time that night; the second time is too late.
    issued = datetime(2026, 9, 25, 0, 30, tzinfo=UTC)
    last = datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=fold)
    revoked = certificate(State.REVOKED, issued_at=issued, revoked_at=issued)

    assert verdict(revoked, last).eligible == (fold == 0)


# The rules, one by one: state, policy, instant → rule, outlook, sentence, next step


@pytest.mark.parametrize(
    ("facts", "policy", "now", "rule", "outlook", "sentence", "next_step"),
    [
        pytest.param(
            certificate(State.PENDING),
            THIRTY,
            PAID + timedelta(days=900),
            Rule.NEVER_SUBMITTED,
            Outlook.NOW,
            "Refundable: it was never submitted for verification.",
            None,
            id="never submitted",
        ),
        pytest.param(
            certificate(State.PENDING),
            SEVEN,
            PAID,
            Rule.NEVER_SUBMITTED,
            Outlook.NOW,
            "Refundable until 8 April 2026, 08:30 UTC.",
            None,
            id="never submitted, counted from the payment",
        ),
        pytest.param(
            certificate(State.FAILED),
            THIRTY,
            PAID + timedelta(days=900),
            Rule.FAILED_VERIFICATION,
            Outlook.NOW,
            "Refundable: its verification failed.",
            None,
            id="failed",
        ),
        pytest.param(
            certificate(State.FAILED),
            SEVEN,
            PAID,
            Rule.FAILED_VERIFICATION,
            Outlook.NOW,
            "Refundable until 8 April 2026, 08:30 UTC.",
            None,
            id="failed, counted from the payment",
        ),
        pytest.param(
            certificate(State.SUBMITTED),
            THIRTY,
            PAID,
            Rule.BEING_VERIFIED,
            Outlook.AFTER_A_STEP,
            "Not refundable while it is being verified.",
            "Withdraw the submission; it is refundable then.",
            id="being verified",
        ),
        pytest.param(
            certificate(State.VERIFIED),
            THIRTY,
            PAID,
            Rule.BEING_ISSUED,
            Outlook.AFTER_A_STEP,
            "Not refundable while it is being issued.",
            "Wait until it is issued, then revoke it; it is refundable then.",
            id="being issued",
        ),
        pytest.param(
            certificate(State.ISSUED),
            THIRTY,
            WINDOW_CLOSES,
            Rule.NOT_REVOKED,
            Outlook.AFTER_A_STEP,
            "Not refundable before it is revoked.",
            "Revoke it, then apply by 3 May 2026, 06:05 UTC.",
            id="issued",
        ),
        pytest.param(
            certificate(State.ISSUED),
            TWENTY_EIGHT,
            ISSUED,
            Rule.NOT_REVOKED,
            Outlook.AFTER_A_STEP,
            "Not refundable before it is revoked.",
            "Revoke it now: the certificate authority must have confirmed it, and you must have applied, "
            "by 1 May 2026, 06:05 UTC.",
            id="issued, revocation inside the window",
        ),
        pytest.param(
            certificate(State.ISSUED),
            THIRTY,
            WINDOW_CLOSES + MOMENT,
            Rule.WINDOW_CLOSED,
            Outlook.NEVER,
            "No refund: the window closed on 3 May 2026, 06:05 UTC.",
            None,
            id="issued too long ago",
        ),
        pytest.param(
            certificate(State.REVOKING),
            THIRTY,
            ISSUED,
            Rule.BEING_REVOKED,
            Outlook.AFTER_A_STEP,
            "Not refundable until the certificate authority has confirmed the revocation.",
            "Wait for the confirmation, then apply by 3 May 2026, 06:05 UTC.",
            id="being revoked",
        ),
        pytest.param(
            certificate(State.REVOKED, revoked_at=ISSUED),
            THIRTY,
            ISSUED,
            Rule.REVOKED_IN_WINDOW,
            Outlook.NOW,
            "Refundable until 3 May 2026, 06:05 UTC.",
            None,
            id="revoked",
        ),
        pytest.param(
            certificate(State.REVOKED, revoked_at=datetime(2026, 5, 1, 6, 5, tzinfo=UTC)),
            TWENTY_EIGHT,
            datetime(2026, 5, 1, 6, 5, tzinfo=UTC),
            Rule.REVOKED_IN_WINDOW,
            Outlook.NOW,
            "Refundable until 1 May 2026, 06:05 UTC.",
            None,
            id="revoked at the last instant of the window",
        ),
        pytest.param(
            certificate(State.REVOKED, revoked_at=datetime(2026, 5, 1, 6, 5, tzinfo=UTC) + MOMENT),
            TWENTY_EIGHT,
            ISSUED,
            Rule.REVOKED_TOO_LATE,
            Outlook.NEVER,
            "No refund: its revocation was not confirmed by 1 May 2026, 06:05 UTC.",
            None,
            id="revoked after the window",
        ),
        pytest.param(
            certificate(State.REVOKED),
            TWENTY_EIGHT,
            ISSUED,
            Rule.REVOKED_TOO_LATE,
            Outlook.NEVER,
            "No refund: its revocation was not confirmed by 1 May 2026, 06:05 UTC.",
            None,
            id="revoked nobody knows when",
        ),
        pytest.param(
            certificate(State.REVOKED, revoked_at=ISSUED),
            SEVEN,
            PAID + timedelta(days=7) + MOMENT,
            Rule.WINDOW_CLOSED,
            Outlook.NEVER,
            "No refund: the window closed on 8 April 2026, 08:30 UTC.",
            None,
            id="too late after the payment",
        ),
        pytest.param(
            certificate(State.PENDING, voucher_minor=26_800),
            THIRTY,
            PAID,
            Rule.NOTHING_TO_PAY_BACK,
            Outlook.NEVER,
            "No refund: nothing of this order was paid in a way that is paid back.",
            None,
            id="paid with vouchers",
        ),
        pytest.param(
            certificate(State.REFUND_REQUESTED, origin=State.REVOKED),
            THIRTY,
            WINDOW_CLOSES + timedelta(days=9),
            Rule.ALREADY_APPLIED,
            Outlook.UNDER_WAY,
            "A refund has been applied for and is waiting for a decision.",
            None,
            id="applied for",
        ),
        pytest.param(
            certificate(State.REFUND_APPROVED, origin=State.REVOKED),
            THIRTY,
            WINDOW_CLOSES + timedelta(days=9),
            Rule.ALREADY_APPROVED,
            Outlook.UNDER_WAY,
            "The refund is approved and the money is on its way.",
            None,
            id="approved",
        ),
        pytest.param(
            certificate(State.REFUNDED, origin=State.REVOKED),
            THIRTY,
            WINDOW_CLOSES + timedelta(days=9),
            Rule.ALREADY_REFUNDED,
            Outlook.DONE,
            "The money has been paid back.",
            None,
            id="refunded",
        ),
    ],
)
def test_the_verdict_names_rule_sentence_and_next_step(facts, policy, now, rule, outlook, sentence, next_step):
    answer = verdict(facts, now, policy)

    assert (answer.rule, answer.outlook, str(answer.sentence)) == (rule, outlook, sentence)
    assert (None if answer.next_step is None else str(answer.next_step)) == next_step
    assert answer.eligible == (outlook is Outlook.NOW)
    assert answer.deadline == deadline(facts, policy)
    assert answer.amount == refundable(facts, policy)
    assert answer.policy_version == policy.version


@pytest.mark.parametrize("origin", [State.PENDING, State.FAILED, State.REVOKED])
@pytest.mark.parametrize("days", [0, 29, 31])
def test_a_refused_refund_is_judged_as_where_it_came_from(origin, days):
    now = ISSUED + timedelta(days=days)
    rejected = certificate(State.REJECTED, origin=origin, revoked_at=ISSUED)
    assert verdict(rejected, now) == verdict(replace(rejected, state=origin), now)


@pytest.mark.parametrize("origin", [None, State.ISSUED, State.REJECTED])
def test_a_refused_refund_must_say_where_it_came_from(origin):
    with pytest.raises(ValueError, match="a refused refund must say which state it came from"):
        verdict(certificate(State.REJECTED, origin=origin), ISSUED)


@pytest.mark.parametrize("state", [State.ISSUED, State.REVOKING, State.REVOKED])
def test_an_issued_certificate_must_say_when(state):
    with pytest.raises(ValueError, match=f"^a certificate that is {state.value} must say when it was issued"):
        verdict(certificate(state, issued_at=None), ISSUED)


def test_a_naive_instant_is_refused():
    with pytest.raises(ValueError, match="now must be a timezone-aware instant"):
        verdict(certificate(State.PENDING), datetime(2026, 1, 1))  # noqa: DTZ001  # the naive one is the point


@settings(max_examples=300, deadline=None)
@given(case=cases())
def test_a_verdict_never_contradicts_itself(case):
    answer = verdict(case.facts, case.now, case.policy)

    assert answer.eligible == (answer.outlook is Outlook.NOW)
    assert (answer.next_step is not None) == (answer.outlook is Outlook.AFTER_A_STEP)
    assert str(answer.sentence).endswith(".")
    if answer.eligible:
        assert answer.amount.minor > 0
        assert answer.deadline is None or case.now <= answer.deadline


# The amount


@pytest.mark.parametrize(
    ("changes", "voucher", "minor"),
    [
        ({}, 0, 26_800),
        ({}, 6_800, 20_000),
        ({"voucher_refundable": True}, 6_800, 26_800),
        ({"fee_minor": 800}, 6_800, 19_200),
        ({"fee_minor": 800, "voucher_refundable": True}, 6_800, 26_000),
        ({"fee_minor": 30_000}, 0, 0),
    ],
)
def test_fee_and_vouchers_stay_with_the_vendor(changes, voucher, minor):
    policy = replace(THIRTY, **changes)
    assert refundable(certificate(State.PENDING, voucher_minor=voucher), policy) == Money(minor, "CNY")


@settings(max_examples=200, deadline=None)
@given(case=cases())
def test_what_an_application_keeps_suffices_to_say_its_verdict_again(case):
    answer = verdict(case.facts, case.now, case.policy)
    if answer.eligible:
        assert granted(answer.rule, answer.deadline) == answer.sentence


@pytest.mark.parametrize(
    ("rule", "until"), [(Rule.WINDOW_CLOSED, None), (Rule.NOT_REVOKED, WINDOW_CLOSES), (Rule.REVOKED_IN_WINDOW, None)]
)
def test_a_rule_that_grants_nothing_has_no_such_sentence(rule, until):
    with pytest.raises(ValueError, match=r"grants no refund|has a deadline"):
        granted(rule, until)
