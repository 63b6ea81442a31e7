"""The refund policy as data: what is a policy, what is not, and that it survives being frozen."""

import json
import zoneinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certlifecycle import PRESETS, PolicyError, RefundPolicy
from certlifecycle.strategies import policies


@pytest.mark.parametrize("policy", PRESETS.values(), ids=list(PRESETS))
def test_a_policy_survives_being_frozen(policy):
    assert RefundPolicy.from_mapping(json.loads(json.dumps(policy.as_mapping()))) == policy


@settings(deadline=None)
@given(policy=policies())
def test_every_policy_survives_being_frozen(policy):
    assert RefundPolicy.from_mapping(json.loads(json.dumps(policy.as_mapping()))) == policy


def test_a_policy_needs_no_more_than_a_version():
    assert RefundPolicy.from_mapping({"version": "7"}) == RefundPolicy("7")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"version": " "}, "version: a policy needs a version"),
        ({"window_days": 0}, "window_days: must be between 1 and 3660 days"),
        ({"window_days": 3661}, "window_days: must be between 1 and 3660 days"),
        ({"fee_minor": -1}, "fee_minor: must not be negative"),
        ({"two_reviewers_above_minor": -1}, "two_reviewers_above_minor: must not be negative"),
        ({"review_days": (0, 5)}, "review_days: must be two numbers from 1 to 60, the soonest first"),
        ({"review_days": (5, 3)}, "review_days: must be two numbers from 1 to 60, the soonest first"),
        ({"review_days": (3, 61)}, "review_days: must be two numbers from 1 to 60, the soonest first"),
        ({"timezone": "Mars/Olympus"}, "timezone: 'Mars/Olympus' is no IANA time zone"),
        ({"timezone": ""}, "timezone: '' is no IANA time zone"),
        ({"timezone": "../etc"}, "timezone: '../etc' is no IANA time zone"),
        ({"timezone": "Asia"}, "timezone: 'Asia' is no IANA time zone"),
        ({"timezone": "x" * 300}, "timezone: 'xxx"),
        ({"calendar": "QQ"}, "calendar: no holidays are known for 'QQ'"),
        ({"calendar": "cn"}, "calendar: no holidays are known for 'cn'"),
        ({"calendar": "DE-XX"}, "calendar: no holidays are known for 'DE-XX'"),
        ({"calendar": "NYSE"}, "calendar: no holidays are known for 'NYSE'"),
        ({"calendar": "country_holidays"}, "calendar: no holidays are known for 'country_holidays'"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_by_the_name_of_the_field(values, message):
    with pytest.raises(PolicyError) as refused:
        RefundPolicy(**{"version": "1"} | values)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("name", ["Asia", "x" * 300, "tzdata", "a\0b"])
def test_a_time_zone_is_refused_alike_where_the_system_has_no_database(name):
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=())
    try:
        with pytest.raises(PolicyError, match=r"^timezone: "):
            RefundPolicy("1", timezone=name)
    finally:
        zoneinfo.reset_tzpath(to=before)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "version: a policy needs a version"),
        ({"version": "1", "window": 30}, "window: a refund policy has no such field"),
        ({"version": 1}, "version: must be text"),
        ({"version": "1", "basis": "delivery"}, "basis: must be one of issue, payment"),
        ({"version": "1", "basis": ["issue"]}, "basis: must be text"),
        ({"version": "1", "window_days": "30"}, "window_days: must be a whole number"),
        ({"version": "1", "window_days": True}, "window_days: must be a whole number"),
        ({"version": "1", "window_days": 30.0}, "window_days: must be a whole number"),
        ({"version": "1", "revocation_inside": 1}, "revocation_inside: must be true or false"),
        ({"version": "1", "voucher_refundable": "no"}, "voucher_refundable: must be true or false"),
        ({"version": "1", "two_reviewers_above_minor": "1"}, "two_reviewers_above_minor: must be a whole number"),
        ({"version": "1", "review_days": 3}, "review_days: must be two whole numbers"),
        ({"version": "1", "review_days": [3]}, "review_days: must be two whole numbers"),
        ({"version": "1", "review_days": [3, "5"]}, "review_days: must be a whole number"),
        ({"version": "1", "calendar": None}, "calendar: must be text"),
        ({"version": "1", "timezone": 8}, "timezone: must be text"),
        ({"version": "1", "window_days": 0}, "window_days: must be between 1 and 3660 days"),
    ],
)
def test_a_mapping_that_is_no_policy_is_refused_by_the_name_of_the_field(values, message):
    with pytest.raises(PolicyError) as refused:
        RefundPolicy.from_mapping(values)
    assert str(refused.value) == message


FIELDS = [*RefundPolicy("1").as_mapping()]


@given(values=st.dictionaries(st.sampled_from(FIELDS), st.none() | st.booleans() | st.integers()))
def test_no_mapping_raises_anything_but_a_policy_error(values):
    try:
        policy = RefundPolicy.from_mapping({"version": "1"} | values)
    except PolicyError as error:
        policy, message = None, str(error)

    assert policy or message.partition(":")[0] in FIELDS
