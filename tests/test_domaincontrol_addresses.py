"""Only public addresses are visited, however a private one is dressed up."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.domaincontrol.addresses import why_refused

PUBLIC = ["1.1.1.1", "9.9.9.9", "100.63.255.255", "100.128.0.0", "172.15.0.1", "2606:4700:4700::1111", "2a00::1"]

REFUSED = {
    "10.0.0.1": "a private address",
    "10.255.255.255": "a private address",
    "172.16.0.1": "a private address",
    "172.31.255.255": "a private address",
    "192.168.1.1": "a private address",
    "100.64.0.1": "a private address",  # Shared between carriers (RFC 6598); one cloud's metadata lives there.
    "100.100.100.200": "a private address",
    "127.0.0.1": "an address of the machine itself",
    "127.255.255.254": "an address of the machine itself",
    "0.0.0.0": "a reserved address",  # noqa: S104  # Nothing is bound to it.
    "0.1.2.3": "a private address",
    "169.254.169.254": "a link-local address",  # Clouds answer with credentials there.
    "168.63.129.16": "an address inside a cloud",
    "192.0.0.8": "a reserved address",
    "192.0.2.1": "a private address",
    "198.18.0.1": "a private address",
    "198.51.100.7": "a private address",
    "203.0.113.9": "a private address",
    "192.88.99.1": "an address of a 6to4 relay",
    "224.0.0.1": "a multicast address",
    "239.255.255.255": "a multicast address",
    "240.0.0.1": "a reserved address",
    "255.255.255.255": "a reserved address",
    "::": "a reserved address",
    "::1": "an address of the machine itself",
    "::127.0.0.1": "a reserved address",
    "::ffff:127.0.0.1": "an IPv4 address written as an IPv6 address",
    "::ffff:10.0.0.1": "an IPv4 address written as an IPv6 address",
    "::ffff:169.254.169.254": "an IPv4 address written as an IPv6 address",
    "::ffff:1.1.1.1": "an IPv4 address written as an IPv6 address",
    "64:ff9b::7f00:1": "an address of a NAT64 translator",
    "64:ff9b::10.0.0.1": "an address of a NAT64 translator",
    "64:ff9b:1::a9fe:a9fe": "an address of a NAT64 translator",
    "2002:7f00:1::": "a 6to4 address",
    "2002:a9fe:a9fe::1": "a 6to4 address",
    "2001:0:7f00:1::1": "a Teredo address",
    "2001:0:53aa:64c:0:fbff:f5ff:fffe": "a Teredo address",
    "2001:db8::1": "a private address",
    "3fff::1": "an address for documentation",
    "fc00::1": "a private address",
    "fd00:ec2::254": "a private address",
    "fe80::1": "a link-local address",
    "fec0::1": "not a public address",
    "ff02::1": "a multicast address",
    "ff0e::1": "a multicast address",
    "100::1": "a reserved address",
    "4000::1": "a reserved address",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_visited(address: str) -> None:
    assert why_refused(address) is None


@pytest.mark.parametrize(("address", "why"), REFUSED.items(), ids=list(REFUSED))
def test_others_are_refused_and_the_reason_is_given(address: str, why: str) -> None:
    assert why_refused(address) == why


def test_tests_may_visit_this_machine_and_nothing_else_besides() -> None:
    for address in ("127.0.0.1", "127.0.0.2", "::1"):
        assert why_refused(address, allow_loopback=True) is None
    for address in set(REFUSED) - {"127.0.0.1", "127.255.255.254", "::1"}:
        assert why_refused(address, allow_loopback=True) == REFUSED[address]


@given(st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address))
def test_an_address_that_is_let_in_is_public_in_every_disguise(address: ipaddress.IPv4Address) -> None:
    if why_refused(address) is None:
        assert address.is_global
        assert not address.is_multicast
    number = int(address)
    for disguise in (0xFFFF << 32, 0x64FF9B << 96, 0):
        assert why_refused(ipaddress.IPv6Address(disguise | number)) is not None
    assert why_refused(ipaddress.IPv6Address(0x2002 << 112 | number << 80)) is not None


@given(st.ip_addresses(v=6))
def test_an_ipv6_address_that_is_let_in_is_global_unicast(address: ipaddress.IPv6Address) -> None:
    if why_refused(address) is None:
        assert address.is_global
        assert address in ipaddress.ip_network("2000::/3")


def test_what_is_no_address_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        why_refused("example.com")
