"""Questions to real name servers: every outcome is told apart, and none takes long."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from dns.rdatatype import RdataType
from nameserver import NameServer, name_server

from webapp.domaincontrol.dns import (
    LONGEST_CHAIN,
    Answer,
    Asking,
    Deadline,
    Nameserver,
    Outcome,
    Resolvers,
    read_nameservers,
    system_nameservers,
)

NAME = "_desk.example.com"


@pytest.fixture
def server() -> Iterator[NameServer]:
    with name_server() as running:
        yield running


def ask(server: NameServer, name: str = NAME, kind: RdataType = RdataType.TXT, seconds: float = 10) -> Answer:
    return Asking(server.address, Deadline(seconds)).ask(name, kind)


def texts(answer: Answer) -> list[bytes]:
    return [b"".join(record.strings) for record in answer.records]


def test_records_are_found(server: NameServer) -> None:
    server.put(NAME, "TXT", '"one"', '"two" "parts"')
    answer = ask(server)
    assert answer.outcome is Outcome.FOUND
    assert sorted(texts(answer)) == [b"one", b"twoparts"]
    assert server.asked == [(NAME, "TXT", "udp")]


@pytest.mark.parametrize(
    ("there", "outcome"),
    [(("example.com", "A", "192.0.2.1"), Outcome.NO_NAME), ((NAME, "A", "192.0.2.1"), Outcome.NO_RECORD)],
)
def test_absence_is_certain(server: NameServer, there: tuple[str, str, str], outcome: Outcome) -> None:
    server.put(*there)
    answer = ask(server)
    assert (answer.outcome, answer.records, answer.outcome.is_absence) == (outcome, (), True)


@pytest.mark.parametrize(
    ("rcode", "outcome"),
    [
        ("SERVFAIL", Outcome.SERVFAIL),
        ("REFUSED", Outcome.REFUSED),
        ("NOTIMP", Outcome.REFUSED),
        ("FORMERR", Outcome.REFUSED),
    ],
)
def test_an_error_is_no_answer(server: NameServer, rcode: str, outcome: Outcome) -> None:
    server.fail(NAME, "TXT", rcode)
    answer = ask(server)
    assert (answer.outcome, answer.outcome.is_absence) == (outcome, False)


def test_a_failure_is_tried_once_more(server: NameServer) -> None:
    server.put(NAME, "TXT", '"here"')
    server.fail(NAME, "TXT", "SERVFAIL", "NOERROR")
    assert texts(ask(server)) == [b"here"]
    server.fail(NAME, "TXT", "SERVFAIL")
    assert ask(server).outcome is Outcome.SERVFAIL
    assert len(server.asked) == 4


def test_long_answers_come_over_tcp(server: NameServer) -> None:
    server.put_txt(NAME, b"x" * 5000)
    assert texts(ask(server)) == [b"x" * 5000]
    assert [over for _, _, over in server.asked] == ["udp", "tcp"]


def test_edns_offers_the_size_that_needs_no_fragments(server: NameServer) -> None:
    """An answer beyond 512 bytes and within 1232 comes in one datagram."""
    server.put_txt(NAME, b"x" * 1000)
    assert texts(ask(server)) == [b"x" * 1000]
    assert [over for _, _, over in server.asked] == ["udp"]


@pytest.mark.parametrize("chases", [True, False], ids=["by the resolver", "by us"])
def test_aliases_are_followed(server: NameServer, chases: bool) -> None:
    server.chases = chases
    server.put(NAME, "CNAME", "elsewhere.example.net.")
    server.put("elsewhere.example.net", "CNAME", "_there.example.org.")
    server.put("_there.example.org", "TXT", '"here"')
    assert texts(ask(server)) == [b"here"]


@pytest.mark.parametrize("chases", [True, False], ids=["by the resolver", "by us"])
def test_an_alias_to_nothing_is_an_absence(server: NameServer, chases: bool) -> None:
    server.chases = chases
    server.put(NAME, "CNAME", "nothing.example.net.")
    assert ask(server).outcome is Outcome.NO_NAME


@pytest.mark.parametrize("chases", [True, False], ids=["by the resolver", "by us"])
def test_aliases_in_a_circle_end(server: NameServer, chases: bool) -> None:
    server.chases = chases
    server.put(NAME, "CNAME", "a.example.net.")
    server.put("a.example.net", "CNAME", "b.example.net.")
    server.put("b.example.net", "CNAME", "a.example.net.")
    assert ask(server).outcome is Outcome.ENDLESS
    assert len(server.asked) <= LONGEST_CHAIN


def test_aliases_without_end_end(server: NameServer) -> None:
    server.chases = False
    for number in range(30):
        server.put(f"n{number}.example.com", "CNAME", f"n{number + 1}.example.com.")
    assert ask(server, "n0.example.com").outcome is Outcome.ENDLESS
    assert len(server.asked) == LONGEST_CHAIN


def test_silence_ends_in_time(server: NameServer) -> None:
    server.delay(NAME, "TXT", 60)
    began = time.monotonic()
    assert ask(server, seconds=0.5).outcome is Outcome.TIMED_OUT
    assert time.monotonic() - began < 3


def test_the_time_over_udp_counts_for_tcp_as_well(server: NameServer) -> None:
    server.truncates = True
    server.put(NAME, "TXT", '"too late"')
    server.delay(NAME, "TXT", 0.6)
    began = time.monotonic()
    assert ask(server, seconds=1.0).outcome is Outcome.TIMED_OUT
    assert time.monotonic() - began < 3


def test_a_resolver_that_is_not_there_is_a_time_out() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        nameserver = Nameserver("127.0.0.1", taken.getsockname()[1])
        assert Asking(nameserver, Deadline(0.3)).ask(NAME, RdataType.TXT).outcome is Outcome.TIMED_OUT


def test_a_lie_is_not_heard() -> None:
    """An answer with another id, one that makes no sense, and one from another sender: none counts."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver, ThreadPoolExecutor(1) as pool:
        resolver.bind(("127.0.0.1", 0))
        resolver.settimeout(5)
        asking = Asking(Nameserver("127.0.0.1", resolver.getsockname()[1]), Deadline(1.0))
        asked = pool.submit(asking.ask, NAME, RdataType.TXT)
        wire, asker = resolver.recvfrom(4096)
        # The question sent back as a response without an error: "there is no such record".
        response = wire[:2] + b"\x81\x80" + wire[4:]
        resolver.sendto(bytes([response[0] ^ 1]) + response[1:], asker)
        resolver.sendto(b"nonsense", asker)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(response, asker)
        assert asked.result().outcome is Outcome.TIMED_OUT


def test_a_record_that_means_nothing_is_no_answer(server: NameServer) -> None:
    server.garble("example.com", "CAA", b"\x00\x05is")
    assert ask(server, "example.com", RdataType.CAA, seconds=1).outcome is Outcome.TIMED_OUT
    server.truncates = True
    assert ask(server, "example.com", RdataType.CAA, seconds=1).outcome is Outcome.GARBLED


@pytest.mark.parametrize("name", ["a" * 64 + ".example.com", ".".join(["a" * 60] * 4) + "._desk.example.com"])
def test_names_that_the_dns_cannot_carry(server: NameServer, name: str) -> None:
    assert ask(server, name).outcome is Outcome.IMPOSSIBLE
    assert server.asked == []


# Several resolvers


def test_a_silent_resolver_takes_no_time_from_the_others() -> None:
    with name_server() as one, name_server() as two:
        one.delay(NAME, "TXT", 60)
        two.put(NAME, "TXT", '"here"')
        resolvers = Resolvers([one.address, two.address], seconds=1.0)
        began = time.monotonic()
        answers = resolvers.each(lambda asking: asking.ask(NAME, RdataType.TXT))
        assert time.monotonic() - began < 3
        assert [answer.outcome for answer in answers] == [Outcome.TIMED_OUT, Outcome.FOUND]


def test_answers_come_in_the_resolvers_order() -> None:
    with name_server() as one, name_server() as two:
        one.put(NAME, "TXT", '"one"')
        one.delay(NAME, "TXT", 0.1)
        two.put(NAME, "TXT", '"two"')
        answers = Resolvers([one.address, two.address]).each(lambda asking: asking.ask(NAME, RdataType.TXT))
    assert [texts(answer) for answer in answers] == [[b"one"], [b"two"]]


@pytest.mark.parametrize(("count", "quorum"), [(0, None), (2, 0), (2, 3)])
def test_a_quorum_that_cannot_be_is_a_mistake(count: int, quorum: int | None) -> None:
    with pytest.raises(ValueError, match="not possible"):
        Resolvers([Nameserver("127.0.0.1")] * count, quorum=quorum)


# Settings


def test_resolvers_are_read_from_a_setting() -> None:
    assert read_nameservers("192.0.2.53, 192.0.2.54:5353,[2001:db8::53]:5353 , 2001:db8::54,[2001:db8::55]") == (
        Nameserver("192.0.2.53", 53),
        Nameserver("192.0.2.54", 5353),
        Nameserver("2001:db8::53", 5353),
        Nameserver("2001:db8::54", 53),
        Nameserver("2001:db8::55", 53),
    )


@pytest.mark.parametrize(
    "text", ["dns.example", "192.0.2.53:", "192.0.2.53:0", "192.0.2.53:70000", "[192.0.2", "1.2.3.4:x"]
)
def test_a_resolver_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"192|dns|1\.2"):
        read_nameservers(text)


def test_the_machines_own_resolvers_have_addresses() -> None:
    try:
        found = system_nameservers()
    except ValueError as missing:
        assert "no DNS resolver" in str(missing)  # noqa: PT017  # A machine without a network has none.
    else:
        assert all(read_nameservers(one.address) for one in found)
