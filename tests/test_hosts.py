"""By which names the desk is asked, and that any other is refused in words."""

from collections.abc import Callable

import pytest
from shop import Page, Shop

from webapp.config import SettingError, load
from webapp.hosts import host_name, is_trusted


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("desk.example.com", "desk.example.com"),
        ("DESK.example.com:8443", "desk.example.com"),
        ("127.0.0.1:8000", "127.0.0.1"),
        ("[::1]:8000", "::1"),
        ("[::1]", "::1"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("", None),
        ("a b", None),
        ("a,b", None),
        ("a/../b", None),
        ("user@desk.example.com", None),
        ("desk.example.com@evil.example", None),
        ("desk.example.com#", None),
        ("desk.example.com:80:80", None),
        ("desk.example.com:x", None),
        ("[::1", None),
        ("[]", None),
        ("bücher.example", None),
        ("desk.example.com\n", None),
        ("x" * 300, None),
    ],
)
def test_the_name_in_a_header_is_read_strictly(written: str, name: str | None) -> None:
    assert host_name(written) == name


def test_a_dot_in_front_covers_what_is_under_a_name_and_nothing_that_only_ends_alike() -> None:
    names = (".example.com", "desk.example")
    assert is_trusted("a.b.example.com", names)
    assert is_trusted("desk.example:1", names)
    assert not is_trusted("example.com", names)
    assert not is_trusted("evilexample.com", names)
    assert not is_trusted("sub.desk.example", names)


def test_the_desks_names_are_those_of_its_addresses_and_those_that_are_set(tmp_path: object) -> None:
    def names(**environ: str) -> tuple[str, ...]:
        return load({"DATA_DIR": f"{tmp_path}", **environ}).trusted_hosts

    assert set(names()) == {"127.0.0.1", "localhost"}
    assert names(PUBLIC_URL="https://Desk.example.com:8443/console") == ("desk.example.com",)
    assert names(PUBLIC_URL="https://desk.example.com", CA_URL="http://pki.example.com") == (
        "desk.example.com",
        "pki.example.com",
    )
    more = names(PUBLIC_URL="https://desk.example.com", TRUSTED_HOSTS="Old.example.com, .pods.example,[::1]")
    assert more == ("desk.example.com", "old.example.com", ".pods.example", "::1")


@pytest.mark.parametrize("value", ["*", "https://desk.example.com", "desk.example.com:80", "a b", "a..b", "..a"])
def test_a_name_that_is_none_stops_the_start(tmp_path: object, value: str) -> None:
    with pytest.raises(SettingError, match=r"^TRUSTED_HOSTS "):
        load({"DATA_DIR": f"{tmp_path}", "TRUSTED_HOSTS": value})


@pytest.mark.parametrize("host", ["evil.example.com", "127.0.0.1.evil.example.com", "a b", "", "x" * 5000])
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "fragment"])
def test_another_name_is_refused_in_words_before_anything_else(shop: Shop, host: str, htmx: bool) -> None:
    headers = {"Host": host} | ({"HX-Request": "true"} if htmx else {})
    client = shop.browser(shop.alice).client
    for url in ("/certificates", "/sign-in", "/no/such/page", "/ca/root.crt"):
        page = Page(client.get(url, headers=headers), fragment=htmx)
        assert page.status == 400
        assert "This is not the desk’s address" in page.words
        assert "TRUSTED_HOSTS" in page.words
        assert "alice" not in page.text.lower()
    assert client.post("/sign-out", headers=headers).status_code == 400


def test_a_name_from_a_proxy_counts_as_one_that_was_asked(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(sqlite_url, trusted_proxies=1, trusted_hosts=("desk.example.com",))
    client = shop.browser().client
    inside = {"Host": "10.0.0.1:8000"}
    assert client.get("/sign-in", headers=inside | {"X-Forwarded-Host": "desk.example.com"}).status_code == 200
    assert client.get("/sign-in", headers=inside | {"X-Forwarded-Host": "evil.example.com"}).status_code == 400
    assert client.get("/sign-in", headers=inside).status_code == 400


def test_whether_the_desk_is_well_may_be_asked_by_any_name(shop: Shop) -> None:
    assert shop.browser().client.get("/healthz", headers={"Host": "10.0.0.1:8000"}).status_code == 200
