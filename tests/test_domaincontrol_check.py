"""One look at a domain, over a real name server and a real web server."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nameserver import NameServer, name_server
from test_domaincontrol_http import Detour
from webserver import WebServer, web_server

from webapp.domaincontrol.check import Checker, Look
from webapp.domaincontrol.dns import Resolvers
from webapp.domaincontrol.http import Visitor
from webapp.domaincontrol.models import Finding, Method
from webapp.domaincontrol.tokens import Challenge, new_token

CHALLENGE = Challenge("www.example.com", False, "b9" * 16, "0123456789abcdef0123456789abcdef")
WILDCARD = Challenge("example.com", True, "c7" * 16, "0123456789abcdef0123456789abcdef")
RECORD = f'"{CHALLENGE.record_value}"'


@pytest.fixture
def names() -> Iterator[NameServer]:
    with name_server() as running:
        yield running


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


def checker(web: WebServer, *names: NameServer, quorum: int | None = None, seconds: float = 10) -> Checker:
    resolvers = Resolvers([one.address for one in names], quorum=quorum, seconds=seconds)
    return Checker(resolvers, Visitor(seconds, web.port, allow_loopback=True), "desk.example")


def one(look: Look, method: Method) -> Finding:
    (finding,) = (finding for finding in look.findings if finding.method is method)
    return finding


# The record


def test_the_record_shows_control_and_the_web_server_is_left_alone(names: NameServer, web: WebServer) -> None:
    names.put(CHALLENGE.record_name, "TXT", RECORD)
    look = checker(web, names).look(CHALLENGE)
    words = "The TXT record at _desk.www.example.com holds the right value."
    assert look == Look((Finding(Method.DNS_TXT, True, words, 1, 1),), Method.DNS_TXT)
    assert web.connections == 0


def test_the_record_may_stand_among_others_in_quotes_or_behind_an_alias(names: NameServer, web: WebServer) -> None:
    names.put(CHALLENGE.record_name, "CNAME", "_desk.proofs.example.net.")
    names.put_txt("_desk.proofs.example.net", b"v=spf1 -all", b' "' + CHALLENGE.record_value.encode() + b'"')
    assert checker(web, names).look(CHALLENGE).held_by is Method.DNS_TXT


def test_a_wildcard_is_shown_at_its_base_domain_by_the_record_only(names: NameServer, web: WebServer) -> None:
    names.put("example.com", "A", "127.0.0.1")
    web.serve(WILDCARD.path, WILDCARD.token)
    look = checker(web, names).look(WILDCARD)
    assert [finding.method for finding in look.findings] == [Method.DNS_TXT]
    assert (look.held_by, web.connections) == (None, 0)
    names.put("_desk.example.com", "TXT", f'"{WILDCARD.record_value}"')
    assert checker(web, names).look(WILDCARD).held_by is Method.DNS_TXT


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (CHALLENGE.token.encode(), CHALLENGE.token),
        (CHALLENGE.record_value.upper().encode(), CHALLENGE.record_value.upper()),
        (CHALLENGE.record_value.encode() + b"x", CHALLENGE.record_value + "x"),
        (WILDCARD.record_value.encode(), WILDCARD.record_value),
        (b"", "“”"),
        (b"<script>", "<script>"),
        (b"a" * 500, "a" * 60 + "…"),
        (b"\x00\x1b[2J\xff", "\ufffd\ufffd[2J\ufffd"),
        ("\u202eevil".encode(), "\ufffdevil"),
    ],
)
def test_another_value_is_shown_short_and_safe(names: NameServer, web: WebServer, value: bytes, shown: str) -> None:
    names.put_txt(CHALLENGE.record_name, value)
    finding = one(checker(web, names).look(CHALLENGE), Method.DNS_TXT)
    assert not finding.held
    assert finding.words.startswith("The TXT record at _desk.www.example.com holds another value: “")
    assert shown in finding.words


@pytest.mark.parametrize(
    ("rcode", "words"),
    [
        (None, "No TXT record at _desk.www.example.com yet."),
        (
            "SERVFAIL",
            "The TXT record at _desk.www.example.com cannot be read. The domain’s name servers answer with an ",
        ),
        ("REFUSED", "The TXT record at _desk.www.example.com cannot be read. The name servers refuse to answer."),
    ],
)
def test_every_outcome_has_words(names: NameServer, web: WebServer, rcode: str | None, words: str) -> None:
    if rcode:
        names.fail(CHALLENGE.record_name, "TXT", rcode)
    finding = one(checker(web, names).look(CHALLENGE), Method.DNS_TXT)
    assert (finding.held, finding.words.startswith(words)) == (False, True)


def test_a_record_that_is_not_there_though_the_name_is(names: NameServer, web: WebServer) -> None:
    names.put(CHALLENGE.record_name, "A", "192.0.2.1")
    finding = one(checker(web, names).look(CHALLENGE), Method.DNS_TXT)
    assert finding.words == "No TXT record at _desk.www.example.com yet."


def test_silence_everywhere_ends_in_time(names: NameServer, web: WebServer) -> None:
    for name, kind in ((CHALLENGE.record_name, "TXT"), (CHALLENGE.domain, "A"), (CHALLENGE.domain, "AAAA")):
        names.delay(name, kind, 60)
    began = time.monotonic()
    look = checker(web, names, seconds=0.4).look(CHALLENGE)
    assert time.monotonic() - began < 3
    assert [finding.words.rpartition(". ")[2] for finding in look.findings] == ["No answer came in time."] * 2


def test_a_domain_that_is_too_long_for_the_record_can_use_the_file(names: NameServer, web: WebServer) -> None:
    domain = ".".join(["a" * 60] * 4) + ".example"
    long = Challenge(domain, False, new_token(), "0123")
    names.put(domain, "A", "127.0.0.1")
    web.serve(long.path, long.token)
    look = checker(web, names).look(long)
    assert "longer than DNS allows" in look.findings[0].words
    assert look.held_by is Method.HTTP_TOKEN


@pytest.fixture(scope="module")
def standing() -> Iterator[tuple[NameServer, Checker]]:
    """A name server and a checker for many looks at records alone."""
    with name_server() as names:
        yield names, Checker(Resolvers([names.address]), Visitor(), "desk.example")


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=600), min_size=1, max_size=4))
def test_no_odd_record_shows_control_or_breaks_the_look(
    standing: tuple[NameServer, Checker], values: list[bytes]
) -> None:
    names, looking = standing
    names.put_txt(WILDCARD.record_name, *values)
    (finding,) = looking.look(WILDCARD).findings
    assert not finding.held
    assert finding.words.isprintable()
    assert len(finding.words) < 400
    # The right value among odd ones still counts.
    names.put_txt(WILDCARD.record_name, *values, WILDCARD.record_value.encode())
    assert looking.look(WILDCARD).held_by is Method.DNS_TXT


# The file


@pytest.mark.parametrize("body", ["{}", "{}\n", "  {}\r\n", "\ufeff{}\r\n"])
def test_the_file_shows_control(names: NameServer, web: WebServer, body: str) -> None:
    names.put("www.example.com", "A", "127.0.0.1")
    web.serve(CHALLENGE.path, body.format(CHALLENGE.token))
    look = checker(web, names).look(CHALLENGE)
    words = "The file on the web server of www.example.com holds the right value."
    assert look.held_by is Method.HTTP_TOKEN
    assert one(look, Method.HTTP_TOKEN) == Finding(Method.HTTP_TOKEN, True, words, 1, 1)
    assert web.requests[0].headers["host"] == "www.example.com"
    assert CHALLENGE.token not in web.requests[0].path


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "holds nothing."),
        ("<h1>Welcome</h1>", "holds other text: “<h1>Welcome</h1>”."),
        (WILDCARD.token, f"holds other text: “{WILDCARD.token}”."),
        (CHALLENGE.token[:-1], f"holds other text: “{CHALLENGE.token[:-1]}”."),
        (f"<p>{CHALLENGE.token}</p>", "holds other text: "),
        ("\x1b" + "x" * 500, "holds other text: “\ufffdxxx"),
    ],
)
def test_another_content_is_shown_short_and_safe(names: NameServer, web: WebServer, body: str, words: str) -> None:
    names.put("www.example.com", "A", "127.0.0.1")
    web.serve(CHALLENGE.path, body)
    finding = one(checker(web, names).look(CHALLENGE), Method.HTTP_TOKEN)
    assert not finding.held
    assert words in finding.words
    assert len(finding.words) < 200


def test_a_domain_without_an_address_is_told(names: NameServer, web: WebServer) -> None:
    finding = one(checker(web, names).look(CHALLENGE), Method.HTTP_TOKEN)
    assert finding.words == ("www.example.com has no address for a web server. The name does not exist (NXDOMAIN).")


def test_a_name_that_points_inside_is_not_followed(names: NameServer, web: WebServer) -> None:
    web.serve(CHALLENGE.path, CHALLENGE.token)
    names.put("www.example.com", "A", "127.0.0.1", "10.0.0.1", "169.254.169.254")
    names.put("www.example.com", "AAAA", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fd00::1")
    detour = Detour(web)
    look = Checker(Resolvers([names.address]), Visitor(dial=detour), "desk.example").look(CHALLENGE)
    assert look.held_by is None
    assert "Only public addresses are visited." in one(look, Method.HTTP_TOKEN).words
    assert (detour.dialled, web.connections) == ([], 0)


# Rebinding: the name points somewhere public while it is judged, and inside when it is connected to.


def test_the_address_that_was_judged_is_the_one_that_is_visited(names: NameServer, web: WebServer) -> None:
    names.put("www.example.com", "A", "1.1.1.1")
    names.then("www.example.com", "A", "10.0.0.1")
    detour = Detour(web)
    Checker(Resolvers([names.address]), Visitor(dial=detour), "desk.example").look(CHALLENGE)
    assert detour.dialled == ["1.1.1.1"]
    assert names.questions("A") == ["www.example.com"]


def test_a_name_that_changes_its_mind_leads_nobody_astray(names: NameServer, web: WebServer) -> None:
    """The same with real connections: two machines of the loopback network, the second one never judged."""
    with web_server("127.0.0.2", web.port) as inside:
        for server in (web, inside):
            server.serve(CHALLENGE.path, "something else")
        names.put("www.example.com", "A", "127.0.0.1")
        names.then("www.example.com", "A", "127.0.0.2")
        checker(web, names).look(CHALLENGE)
        assert (web.connections, inside.connections) == (1, 0)


# Several resolvers


@pytest.fixture
def three() -> Iterator[list[NameServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(name_server()) for _ in range(3)]


@pytest.mark.parametrize(
    ("seeing", "quorum", "held"),
    [(3, None, True), (2, None, False), (2, 2, True), (1, 2, False), (0, 1, False), (1, 1, True)],
)
def test_as_many_resolvers_as_the_quorum_must_see_it(
    three: list[NameServer], web: WebServer, seeing: int, quorum: int | None, held: bool
) -> None:
    for names in three[:seeing]:
        names.put(CHALLENGE.record_name, "TXT", RECORD)
    look = checker(web, *three, quorum=quorum).look(CHALLENGE)
    finding = one(look, Method.DNS_TXT)
    assert (finding.held, finding.seen_by, finding.asked) == (held, seeing, 3)
    assert (look.held_by is Method.DNS_TXT) is held


def test_disagreement_is_told(three: list[NameServer], web: WebServer) -> None:
    three[0].put(CHALLENGE.record_name, "TXT", RECORD)
    three[1].fail(CHALLENGE.record_name, "TXT", "SERVFAIL")
    three[2].put(CHALLENGE.record_name, "TXT", '"an old value"')
    words = one(checker(web, *three).look(CHALLENGE), Method.DNS_TXT).words
    assert words == (
        "1 of 3 resolvers led to the right value; the others do not yet. "
        "The TXT record at _desk.www.example.com holds another value: “an old value”."
    )


def test_a_resolver_that_was_lied_to_does_not_decide(three: list[NameServer], web: WebServer) -> None:
    """One resolver leads to a stranger's server that shows the value; the others lead to the owner's."""
    with web_server("127.0.0.2", web.port) as stranger:
        stranger.serve(CHALLENGE.path, CHALLENGE.token)
        three[0].put("www.example.com", "A", "127.0.0.2")
        for names in three[1:]:
            names.put("www.example.com", "A", "127.0.0.1")
        finding = one(checker(web, *three).look(CHALLENGE), Method.HTTP_TOKEN)
    assert (finding.held, finding.seen_by) == (False, 1)
    # Those who lead to the same place share one visit.
    assert web.connections == 1
