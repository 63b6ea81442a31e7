"""Request heads, strictly read."""

import pytest

from webapp.live.wire import Malformed, parse_head


def test_a_request_head() -> None:
    request = parse_head(b"GET /live?a=b HTTP/1.1\r\nHost: h:1\r\nOrigin:https://desk.example.com  \r\nA: ")
    assert (request.method, request.path) == ("GET", "/live")
    assert request.headers == {"host": "h:1", "origin": "https://desk.example.com", "a": ""}


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"GET",
        b"GET /",
        b"GET / HTTP/2",
        b"GET  / HTTP/1.1",
        b"get / HTTP/1.1",
        b"GET live HTTP/1.1",
        b"GET http://x/live HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET /\xe4 HTTP/1.1",
        b"GET / HTTP/1.1\r\nno colon",
        b"GET / HTTP/1.1\r\n: empty name",
        b"GET / HTTP/1.1\r\nsp ace: x",
        b"GET / HTTP/1.1\r\n folded: x",
        b"GET / HTTP/1.1\r\na: x\0y",
        b"GET / HTTP/1.1\na: x",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_anything_else_is_malformed(head: bytes) -> None:
    with pytest.raises(Malformed):
        parse_head(head)


@pytest.mark.parametrize(
    ("text", "token"),
    [
        (b"Bearer a.b-c_d", "a.b-c_d"),
        (b"bearer   a", "a"),
        (b"BEARER a b", "a b"),
        (b"Bearer", ""),
        (b"Bearera", ""),
        (b"Basic a", ""),
        (b"", ""),
    ],
)
def test_a_token_is_shown_as_bearers_show_it(text: bytes, token: str) -> None:
    assert parse_head(b"GET / HTTP/1.1\r\nAuthorization: " + text).bearer == token


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"17", 17),
        (b"", 0),
        (b"-1", 0),
        (b"1e3", 0),
        (b"\xb2", 0),  # A superscript two: a digit to Python, no number.
        (b"9" * 18, int("9" * 18)),
        (b"9" * 19, 0),
        (b"1 2", 0),
    ],
)
def test_the_last_event_id_is_a_bounded_number_or_nothing(text: bytes, number: int) -> None:
    assert parse_head(b"GET / HTTP/1.1\r\nLast-Event-ID: " + text).last_event_id == number
