"""The value, and where it belongs."""

from datetime import timedelta

import dns.name
import dns.zone
import pytest

from webapp.domaincontrol.tokens import LIFETIME, Challenge, domain_of, new_token

CHALLENGE = Challenge("www.example.com", False, "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210")


def test_a_value_has_more_than_112_random_bits_and_is_never_the_same() -> None:
    values = {new_token() for _ in range(1000)}
    assert len(values) == 1000
    assert all(len(bytes.fromhex(value)) * 8 == 128 for value in values)
    assert timedelta(days=30) == LIFETIME


def test_where_the_value_belongs() -> None:
    assert CHALLENGE.record_name == "_desk.www.example.com"
    assert CHALLENGE.record_value == "desk-verification=0123456789abcdef0123456789abcdef"
    assert CHALLENGE.url == ("http://www.example.com/.well-known/pki-validation/fedcba9876543210fedcba9876543210.txt")


def test_the_request_for_the_file_does_not_tell_the_value() -> None:
    assert CHALLENGE.token not in CHALLENGE.url


def test_the_zone_line_means_what_it_says_to_a_name_server() -> None:
    head = "$ORIGIN example.com.\n@ 300 IN SOA ns hostmaster 1 2 3 4 5\n@ 300 IN NS ns\nns 300 IN A 192.0.2.1\n"
    zone = dns.zone.from_text(f"{head}{CHALLENGE.zone_line}\n", relativize=False)
    record = zone.find_rdataset(dns.name.from_text(CHALLENGE.record_name), "TXT")[0]
    assert record.strings == (CHALLENGE.record_value.encode(),)


@pytest.mark.parametrize(
    ("names", "domain", "wildcard"),
    [
        (["www.example.com"], "www.example.com", False),
        (["*.example.com", "example.com"], "example.com", True),
        (["*.example.com"], "example.com", True),
        (["xn--bcher-kva.example"], "xn--bcher-kva.example", False),
    ],
)
def test_the_domain_that_names_are_about(names: list[str], domain: str, wildcard: bool) -> None:
    assert domain_of(names) == (domain, wildcard)


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["example.com", "www.example.com"],
        ["example.com", "example.org"],
        ["Example.com"],
        ["example.com\r\nX: y"],
        ["localhost"],
        ["127.0.0.1"],
        ["*.*.example.com"],
    ],
)
def test_what_one_value_cannot_prove_is_refused(names: list[str]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        domain_of(names)
