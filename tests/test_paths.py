"""Where a sign-in may lead: to a path of the console, and never to another site."""

import re
from collections.abc import Iterator
from itertools import product
from urllib.parse import unquote

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser

from webapp.htmx import go_to
from webapp.paths import KeyConverter, own_path


@pytest.fixture
def app() -> Iterator[Flask]:
    """A bare application with a start page."""
    app = Flask(__name__)
    app.url_map.converters["key"] = KeyConverter
    app.add_url_rule("/", "home", lambda: "home")
    app.add_url_rule("/things/<key:thing>", "thing", lambda thing: thing)
    with app.test_request_context():
        yield app


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/certificates",
        "/certificates?tab=signed&q=a%20b",
        "/certificates/0123456789abcdef0123456789abcdef#history",
        "/order/dv",
        "/a//b",
        "/?next=//evil.example.com",
        "/search?q=http://evil.example.com",
        "/städte",
        "/%20/evil.example.com",
        "/100%25",
        "/sign",
    ],
)
def test_a_path_of_the_console_is_followed(app: Flask, target: str) -> None:
    assert own_path(target) == target


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        " ",
        "certificates",
        "?next=/",
        "#top",
        "http://evil.example.com",
        "https://evil.example.com/",
        "HTTPS://evil.example.com/",
        "//evil.example.com",
        "///evil.example.com",
        "////evil.example.com",
        "http:/evil.example.com",
        "http:evil.example.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "mailto:somebody@example.com",
        "/\\evil.example.com",
        "\\/evil.example.com",
        "\\\\evil.example.com",
        "/a\\b",
        # Browsers drop these before they look.
        "/\t/evil.example.com",
        "/\n/evil.example.com",
        "/\r/evil.example.com",
        "\t//evil.example.com",
        "\t/certificates",
        "/certificates\r\nSet-Cookie: a=b",
        " //evil.example.com",
        "/ /evil.example.com",
        "/\x00/evil.example.com",
        "/\x1f",
        "/\x7f",
        # A proxy may decode them before it sends a request on.
        "/%09/evil.example.com",
        "/%0d%0aSet-Cookie:%20a=b",
        "/%5Cevil.example.com",
        "/%2fevil.example.com",
        "/%00",
        "/\x85/evil.example.com",
        # Signing in only leads back to signing in, or out again.
        "/sign-in",
        "/sign-in?next=/",
        "/sign-out",
    ],
    ids=repr,
)
def test_anything_else_leads_to_the_start_page(app: Flask, target: str | None) -> None:
    assert own_path(target) == "/"


@pytest.mark.parametrize("control", [*range(0x21), 0x7F], ids=hex)
def test_no_control_character_is_let_through_anywhere(app: Flask, control: int) -> None:
    assert own_path(f"/certificates{chr(control)}/x") == "/"


PIECES = [
    *[
        "/",
        "//",
        "\\",
        ":",
        "@",
        "?",
        "#",
        ".",
        "..",
        "%",
        "%09",
        "%2f",
        "%5c",
        "%00",
        "\t",
        "\n",
        "\r",
        "\0",
        " ",
        "\xa0",
    ],
    *[
        "\u3000",
        "\u2028",
        "http",
        "https:",
        "javascript:",
        "evil.example.com",
        "x",
        "é",
        "。",
        "／",
        "＼",
        "[",
        "\ud800",
    ],
]
SHARP = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
TARGETS = st.one_of(SHARP, st.text(max_size=12), st.text(max_size=12).map("/{}".format))
HERE = "http://desk.example.com"


def as_a_browser_reads_it(target: str) -> str:
    """Where a browser goes (the URL standard's parser, as far as origins are concerned), and the path there."""
    stripped = target.strip("".join(map(chr, range(0x21)))).translate({0x09: None, 0x0A: None, 0x0D: None})
    path = re.split(r"[?#]", stripped)[0].replace("\\", "/")
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", path) or path.startswith("//"):
        return "elsewhere"
    return HERE


@settings(max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(target=TARGETS)
def test_nothing_that_is_followed_leaves_the_console(app: Flask, target: str) -> None:
    found = own_path(target)
    assert found in ("/", target)
    assert as_a_browser_reads_it(found) == HERE
    assert as_a_browser_reads_it(unquote(found.partition("?")[0])) == HERE
    # What is put into a header stays one line.
    assert "\n" not in found
    assert "\r" not in found


@pytest.mark.browser
def test_a_browser_stays_here_as_well(app: Flask, chromium: Browser) -> None:
    """The same with a real browser's own parser, over all short targets of sharp pieces."""
    pieces = ["/", "\\", "\t", "\n", ":", "@", "%09", "%5c", "evil.example.com", "http:", "."]
    targets = ["".join(one) for length in range(1, 5) for one in product(pieces, repeat=length)]
    followed = [target for target in targets if own_path(target) == target]
    assert len(followed) > 100
    page = chromium.new_page()
    origins = "targets => [...new Set(targets.map((one) => new URL(one, 'http://desk.example.com/sign-in').origin))]"
    assert page.evaluate(origins, followed) == [HERE]
    page.close()


def test_an_answer_leads_to_no_other_place_than_the_console() -> None:
    with pytest.raises(ValueError, match="paths of this console"):
        go_to("https://evil.example.com/")


@pytest.mark.parametrize(
    ("key", "status"),
    [
        ("0123456789abcdef" * 2, 200),
        ("0123456789abcdef" * 2 + "0", 404),
        ("0123456789ABCDEF" * 2, 404),
        ("0" * 31, 404),
        ("g" * 32, 404),
        ("9" * 5000, 404),
        ("0" * 31 + "%00", 404),
        ("0" * 32 + "%0A", 404),
        ("../" + "0" * 29, 404),
    ],
)
def test_only_a_key_reaches_a_view(app: Flask, key: str, status: int) -> None:
    assert app.test_client().get(f"/things/{key}").status_code == status
