"""CAA: the climb, the properties, and that nothing is issued where the records cannot be read (RFC 8659)."""

import time
from collections.abc import Iterator

import dns.rdata
import pytest
from dns.rdataclass import IN
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.CAA import CAA
from hypothesis import given
from hypothesis import strategies as st
from nameserver import NameServer, name_server

from webapp.domaincontrol.caa import CaaVerdict, Relevant, check_caa, forbids
from webapp.domaincontrol.dns import Resolvers

OURS = "desk.example"


@pytest.fixture
def server() -> Iterator[NameServer]:
    with name_server() as running:
        yield running


def check(server: NameServer, *names: str, identifier: str = OURS, seconds: float = 10) -> CaaVerdict:
    return check_caa(Resolvers([server.address], seconds=seconds), names, identifier)


# The examples of RFC 8659 with its two authorities, and a third that no record names. Where the RFC uses one name for
# two examples the second has a name of its own here.

CA1, CA2, ANY = "ca1.example.net", "ca2.example.org", "any.example"

EXAMPLES = {
    # Section 4.2
    "certs": (['0 issue "ca1.example.net"'], {"certs": {CA1}, "sub.certs": {CA1}, "*.certs": {CA1}}),
    "nocerts": (['0 issue ";"'], {"nocerts": set(), "*.nocerts": set()}),
    "malformed": (['0 issue "%%%%%"'], {"malformed": set(), "*.malformed": set()}),
    "account": (['0 issue "ca1.example.net; account=230123"'], {"account": {CA1}}),
    # Section 4.3
    "wild": (
        ['0 issue "ca1.example.net"', '0 issuewild "ca2.example.org"'],
        {"wild": {CA1}, "sub.wild": {CA1}, "*.wild": {CA2}, "*.sub.wild": {CA2}},
    ),
    "wild2": (['0 issue "ca1.example.net"'], {"wild2": {CA1}, "*.wild2": {CA1}, "*.sub.wild2": {CA1}}),
    "wild3": (
        ['0 issuewild "ca2.example.org"', '0 issue ";"'],
        {"*.wild3": {CA2}, "*.sub.wild3": {CA2}, "wild3": set(), "sub.wild3": set()},
    ),
    "wild4": (
        ['0 issuewild "ca2.example.org"'],
        {"*.wild4": {CA2}, "*.sub.wild4": {CA2}, "wild4": {CA1, CA2, ANY}, "sub.wild4": {CA1, CA2, ANY}},
    ),
    "nowild": (
        ['0 issue "ca1.example.net"', '0 issuewild ";"'],
        {"nowild": {CA1}, "*.nowild": set(), "*.sub.nowild": set()},
    ),
    "nowild2": (['0 issuewild ";"'], {"nowild2": {CA1, CA2, ANY}, "*.nowild2": set()}),
    # Section 4.4
    "report": (
        ['0 issue "ca1.example.net"', '0 iodef "mailto:security@example.com"', '0 iodef "https://iodef.example.com/"'],
        {"report": {CA1}},
    ),
    # Section 4.5
    "new": (['0 issue "ca1.example.net"', '128 tbs "Unknown"'], {"new": set(), "*.new": set()}),
}
CASES = [(zone, name, allowed) for zone, (_, expected) in EXAMPLES.items() for name, allowed in expected.items()]


@pytest.mark.parametrize(("zone", "name", "allowed"), CASES, ids=[name for _, name, _ in CASES])
def test_the_examples_of_the_rfc(server: NameServer, zone: str, name: str, allowed: set[str]) -> None:
    server.put(f"{zone}.example.com", "CAA", *EXAMPLES[zone][0])
    found = {one for one in (CA1, CA2, ANY) if check(server, f"{name}.example.com", identifier=one).allowed}
    assert found == allowed


# One value


def record(text: str) -> CAA:
    found = dns.rdata.from_text(IN, RdataType.CAA, text)
    assert isinstance(found, CAA)
    return found


def allows(*records: str, name: str = "example.com") -> bool:
    return forbids(Relevant(tuple(map(record, records)), "example.com"), name, OURS) is None


@pytest.mark.parametrize(
    "value",
    [
        "desk.example",
        "DESK.Example",
        "  desk.example\t",
        "desk.example;",
        "desk.example ; ",
        "desk.example; policy=dv",
        "desk.example ;a=1; b-2=:/?  ;  c=",
    ],
)
def test_values_that_name_us(value: str) -> None:
    assert allows(f'0 issue "{value}"')
    assert allows('0 issue "other.example"', f'0 ISSUE "{value}"')


@pytest.mark.parametrize(
    "value",
    [
        "",
        ";",
        " ; ",
        "; policy=dv",
        "other.example",
        "www.desk.example",
        "example",
        "desk.example.",
        "desk.example other.example",
        "desk.example, other.example",
        "desk..example",
        "-desk.example",
        "desk_.example",
        "desk.example; policy",
        "desk.example; a=1;",
        "desk.example; a=1 b=2",
        "desk.example; =1",
        "desk.example\\010",
        "d\\233sk.example",
        # Narrowed to an account or to methods that this authority does not know (RFC 8657).
        "desk.example; accounturi=https://desk.example/1",
        "desk.example; ValidationMethods=dns-01",
    ],
)
def test_values_that_do_not(value: str) -> None:
    assert not allows(f'0 issue "{value}"')


@pytest.mark.parametrize(
    ("records", "allowed"),
    [
        (['0 iodef "mailto:security@example.com"'], True),
        (['0 contactemail "someone@example.com"'], True),
        (['0 tbs "Unknown"'], True),
        (['128 tbs "Unknown"'], False),
        (['1 tbs "Unknown"'], True),  # Bit 0 is the most significant one (section 4.1.1).
        (['255 tbs "Unknown"'], False),
        (['128 issue "desk.example"', '128 iodef "mailto:a@example.com"'], True),
        (['0 issue "desk.example"', '128 issuemail "desk.example"'], False),
    ],
)
def test_other_properties_and_the_critical_mark(records: list[str], allowed: bool) -> None:
    assert allows(*records) is allowed


@given(st.binary(max_size=400))
def test_no_odd_value_ever_names_us_or_takes_long(value: bytes) -> None:
    odd = CAA(IN, RdataType.CAA, 0, b"issue", value)
    problem = forbids(Relevant((odd,), "example.com"), "example.com", OURS)
    if problem is None:
        assert value.split(b";")[0].strip(b" \t").lower() == OURS.encode()
    else:
        assert problem.isprintable()


def test_a_value_made_to_keep_a_parser_busy_is_read_at_once() -> None:
    began = time.monotonic()
    for value in (b"desk.example;" + b"a=a=" * 16000 + b"\x00", b"a-" * 30000, b"a." * 30000, b";" * 60000):
        assert forbids(Relevant((CAA(IN, RdataType.CAA, 0, b"issue", value),), "a"), "a", OURS) is not None
    assert time.monotonic() - began < 3


# The climb


def test_the_climb_goes_from_the_name_up_to_the_top_level_domain(server: NameServer) -> None:
    assert check(server, "a.b.example.com") == CaaVerdict(True)
    assert server.questions("CAA") == ["a.b.example.com", "b.example.com", "example.com", "com"]


def test_the_first_records_on_the_way_up_decide(server: NameServer) -> None:
    server.put("example.com", "CAA", '0 issue ";"')
    server.put("b.example.com", "CAA", '0 issue "desk.example"')
    assert check(server, "a.b.example.com").allowed
    assert server.questions("CAA") == ["a.b.example.com", "b.example.com"]
    assert not check(server, "c.example.com").allowed


def test_records_at_a_top_level_domain_count(server: NameServer) -> None:
    server.put("com", "CAA", '0 issue ";"')
    assert not check(server, "example.com").allowed


def test_a_wildcard_is_looked_for_below_its_star(server: NameServer) -> None:
    assert check(server, "*.example.com", "example.com").allowed
    assert server.questions("CAA") == ["example.com", "com"]


def test_every_name_must_be_allowed(server: NameServer) -> None:
    server.put("example.com", "CAA", '0 issue "desk.example"', '0 issuewild ";"')
    assert check(server, "example.com").allowed
    verdict = check(server, "*.example.com", "example.com")
    assert not verdict.allowed
    assert "*.example.com" in verdict.words


@pytest.mark.parametrize("chases", [True, False], ids=["by the resolver", "by us"])
def test_aliases_are_followed_but_not_climbed(server: NameServer, chases: bool) -> None:
    """RFC 8659, section 3: an alias's target counts, the target's parents do not."""
    server.chases = chases
    server.put("www.example.com", "CNAME", "host.example.net.")
    server.put("example.net", "CAA", '0 issue ";"')
    server.put("host.example.net", "A", "192.0.2.1")
    assert check(server, "www.example.com").allowed
    server.put("host.example.net", "CAA", '0 issue ";"')
    assert not check(server, "www.example.com").allowed


# Records that cannot be read


@pytest.mark.parametrize("at", ["www.example.com", "example.com", "com"])
@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NOTIMP"])
def test_an_error_anywhere_on_the_way_forbids(server: NameServer, at: str, rcode: str) -> None:
    server.fail(at, "CAA", rcode)
    verdict = check(server, "www.example.com")
    assert not verdict.allowed
    assert verdict.words.startswith(f"The CAA records of {at} cannot be read.")


def test_silence_forbids_and_ends_in_time(server: NameServer) -> None:
    server.delay("www.example.com", "CAA", 60)
    began = time.monotonic()
    verdict = check(server, "www.example.com", seconds=0.5)
    assert time.monotonic() - began < 3
    assert not verdict.allowed
    assert "No answer came in time" in verdict.words


def test_a_record_that_means_nothing_forbids(server: NameServer) -> None:
    server.garble("example.com", "CAA", b"\x00\x09is")
    assert not check(server, "example.com", seconds=0.5).allowed


def test_aliases_in_a_circle_forbid(server: NameServer) -> None:
    server.put("www.example.com", "CNAME", "www.example.com.")
    assert not check(server, "www.example.com").allowed


# Several resolvers


def test_one_resolver_that_sees_a_refusal_is_enough() -> None:
    with name_server() as one, name_server() as two, name_server() as three:
        three.put("example.com", "CAA", '0 issue ";"')
        resolvers = Resolvers([one.address, two.address, three.address], quorum=2)
        assert not check_caa(resolvers, ["example.com"], OURS).allowed


def test_failures_beyond_the_quorum_are_borne() -> None:
    with name_server() as one, name_server() as two, name_server() as three:
        for server in (two, three):
            server.fail("example.com", "CAA", "SERVFAIL")
        servers = [one.address, two.address, three.address]
        assert check_caa(Resolvers(servers, quorum=1), ["example.com"], OURS).allowed
        assert not check_caa(Resolvers(servers, quorum=2), ["example.com"], OURS).allowed
        assert not check_caa(Resolvers(servers), ["example.com"], OURS).allowed


# Words


def test_a_refusal_says_what_stands_there_and_what_to_add(server: NameServer) -> None:
    server.put("example.com", "CAA", '0 issue "other.example"', '0 issue "third.example; a=1"')
    words = check(server, "www.example.com").words
    for part in ("at example.com", "“other.example”", "“third.example; a=1”", "www.example.com"):
        assert part in words
    assert words.endswith('Add the record: example.com. CAA 0 issue "desk.example"')


def test_the_record_that_is_advised_lets_us_issue(server: NameServer) -> None:
    server.put("example.com", "CAA", '0 issue "other.example"', '0 issuewild "other.example"')
    for name, tag in (("example.com", "issue"), ("*.example.com", "issuewild")):
        line = check(server, name).words.rpartition("Add the record: ")[2]
        owner, _, rest = line.partition(" CAA ")
        assert owner == "example.com."
        assert rest.startswith(f"0 {tag} ")
        assert allows('0 issue "other.example"', '0 issuewild "other.example"', rest, name=name)


def test_what_a_stranger_wrote_is_shown_safely(server: NameServer) -> None:
    server.put("example.com", "CAA", '0 issue "<b>\\010\\226\\128\\174' + "x" * 200 + '"')
    words = check(server, "example.com").words
    assert words.isprintable()
    assert len(words) < 300
