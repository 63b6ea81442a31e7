"""Where a sign-in may lead: to a path of the console, and never to another site."""

from collections.abc import Iterator

import pytest
from flask import Flask

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
        "/%09/evil.example.com",
        "/%5Cevil.example.com",
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
