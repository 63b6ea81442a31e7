"""Every error has a page and a fragment in the console's own design, and says what to do next."""

from collections.abc import Callable

import pytest
from shop import Page, Shop
from sqlmodel import col, update

from certlifecycle import Event, State
from webapp.access import public
from webapp.accounts.models import Account

HEADERS = {"HX-Request": "true"}


def broken() -> str:
    raise RuntimeError("secret of the house")


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "fragment"])
@pytest.mark.parametrize(
    ("url", "status", "title"),
    [
        ("/certificates/" + "0" * 32, 404, "Nothing here"),
        ("/no/such/page", 404, "Nothing here"),
        ("/certificates/" + "9" * 400, 404, "Nothing here"),
        ("/review", 403, "Not for you"),
        ("/sign-out", 405, "Not this way"),
    ],
)
def test_getting_what_is_not_there(shop: Shop, url: str, status: int, title: str, htmx: bool) -> None:
    page = shop.browser(shop.alice).get(url, status, htmx=htmx)
    assert title in page.words
    assert "To the start page" in page.words
    # The reader's own ways on stand around the page; a fragment has no such frame.
    assert ("alice@example.com" in page.words) is not htmx


def test_who_is_not_signed_in_reads_of_a_page_that_is_not_there_as_well(shop: Shop) -> None:
    page = shop.browser().get("/no/such/page", 404)
    assert "Nothing here" in page.words
    assert "Sign out" not in page.words


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "fragment"])
def test_a_mistake_of_ours_shows_a_reference_and_no_secret(shop: Shop, htmx: bool) -> None:
    shop.app.add_url_rule("/broken", "broken", public(broken))
    page = shop.browser(shop.alice).get("/broken", 500, htmx=htmx)
    assert "Nothing that you did just now was recorded." in page.words
    assert "reference" in page.words.lower()
    assert "secret of the house" not in page.text


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "fragment"])
def test_a_form_without_its_secret_is_refused(shop: Shop, htmx: bool) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    url = f"/certificates/{certificate.id}/withdraw-submission"
    browser = shop.browser(shop.alice)
    response = browser.client.post(url, data={"version": "2"}, headers=HEADERS if htmx else {})
    page = Page(response, fragment=htmx)
    assert page.status == 400
    assert "This form is too old" in page.words
    assert shop.get(certificate.id).state == State.SUBMITTED


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "fragment"])
def test_an_event_that_is_not_possible_says_what_is(shop: Shop, htmx: bool) -> None:
    certificate = shop.certificate_in(State.PENDING)
    browser = shop.browser(shop.alice)
    url = f"/certificates/{certificate.id}/withdraw-submission"
    page = browser.post(url, {"version": certificate.version}, 409, htmx=htmx)
    assert "Withdraw the submission" in page.words
    assert "To the certificate" in page.words
    assert shop.get(certificate.id).version == certificate.version


def test_a_lost_race_names_the_winner(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    shop.fire(certificate, Event.VERIFY)
    url = f"/certificates/{certificate.id}/withdraw-submission"
    page = shop.browser(shop.alice).post(url, {"version": certificate.version}, 409)
    assert "by Rita" in page.words


def test_too_large_a_request(shop: Shop) -> None:
    certificate = shop.certificate_in(State.PENDING)
    data = {"csr": "x" * 300_000}
    page = shop.browser(shop.alice).post(f"/certificates/{certificate.id}/submit", data, 413)
    assert "Too large" in page.words


def test_every_answer_carries_the_security_headers(shop: Shop) -> None:
    for url, status in (("/sign-in", 200), ("/no/such", 404), ("/certificates", 200)):
        page = shop.browser(shop.alice if status == 200 and url != "/sign-in" else None)
        response = page.client.get(url)
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in policy
        assert "HX-Request" in response.headers["Vary"]


def test_private_pages_are_kept_by_nobody_and_assets_by_everybody(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    for headers in ({}, {"HX-Request": "true"}):
        assert browser.client.get("/certificates", headers=headers).headers["Cache-Control"] == "no-store"
    asset = browser.client.get("/static/desk.css?v=1")
    assert "immutable" in asset.headers["Cache-Control"]
    asset.close()


def test_whether_the_desk_is_well_is_no_secret(shop: Shop) -> None:
    response = shop.browser().client.get("/healthz")
    assert (response.status_code, response.text) == (200, "ok\n")


def test_what_somebody_wrote_turns_nothing_round_that_stands_beside_it(shop: Shop) -> None:
    """Bidirectional controls in a name, which came by an import or the command line, are marked and do nothing."""
    name = "Rita \u202e)drawkcab(\u202c \u2066x\u2069"
    with shop.database.writing() as session:
        session.execute(update(Account).where(col(Account.id) == shop.rita.id).values(name=name))
    case = shop.certificate_in(State.SUBMITTED)
    for url in ("/review", f"/review/{case.id}"):
        answer = shop.browser(shop.rita).client.get(url)
        assert "Rita �)drawkcab(� �x�" in answer.text
        assert not set(answer.text) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def test_the_headers_say_what_a_page_may_do(shop: Shop) -> None:
    answer = shop.browser(shop.alice).client.get("/certificates")
    policy = answer.headers["Content-Security-Policy"].split("; ")
    for rule in (
        "default-src 'none'",
        "script-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types default",
    ):
        assert rule in policy
    assert (
        answer.headers["Cross-Origin-Opener-Policy"] == answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    )
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert "publickey-credentials-get=(self)" in answer.headers["Permissions-Policy"]
    assert "Strict-Transport-Security" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"


def test_over_tls_browsers_are_told_to_stay_there(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(sqlite_url, public_url="https://desk.example.com", trusted_hosts=("desk.example.com",))
    answer = shop.browser().client.get("/sign-in", base_url="https://desk.example.com")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
