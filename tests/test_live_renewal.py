"""A new ticket for a page that has been open for long."""

from urllib.parse import parse_qs, urlsplit

from shop import Shop

from certlifecycle import State
from webapp.live.tickets import read_ticket


def test_a_signed_in_person_gets_a_new_ticket_from_the_present_on(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    certificate = shop.certificate_in(State.ISSUED)
    answer = browser.client.get("/live-ticket", headers={"Accept": "application/json"})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    address = urlsplit(answer.json["url"])
    token = parse_qs(address.query)["ticket"][0]
    ticket = read_ticket(shop.settings.secret_key, token, 60)
    assert ticket.account_id == shop.alice.id
    assert ticket.topics == (f"customer:{shop.alice.id}",)
    assert ticket.since == shop.history(certificate)[-1].id


def test_nobody_else_gets_one(shop: Shop) -> None:
    answer = shop.browser().client.get("/live-ticket", headers={"Accept": "application/json"})
    # live.js takes a redirect for the end of the session.
    assert answer.status_code == 303


def test_pages_name_the_address(shop: Shop) -> None:
    page = shop.browser(shop.alice).get("/certificates")
    assert 'data-live-ticket="/live-ticket"' in page.text
