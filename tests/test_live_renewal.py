"""A new ticket for a page that has been open for long."""

from shop import Shop

from certlifecycle import State
from webapp.live.tickets import read_ticket


def test_a_signed_in_person_gets_a_new_ticket_from_the_present_on(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    certificate = shop.certificate_in(State.ISSUED)
    answer = browser.client.get("/live-ticket", headers={"Accept": "application/json"})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    ticket = read_ticket(shop.settings.secret_key, answer.json["ticket"], 60)
    assert ticket.account_id == shop.alice.id
    assert ticket.topics == (f"customer:{shop.alice.id}",)
    assert ticket.since == shop.history(certificate)[-1].id


def test_nobody_else_gets_one(shop: Shop) -> None:
    answer = shop.browser().client.get("/live-ticket", headers={"Accept": "application/json"})
    # live.js takes a redirect for the end of the session.
    assert answer.status_code == 303


def test_pages_show_their_ticket_and_where_another_comes_from(shop: Shop) -> None:
    page = shop.browser(shop.alice).get("/certificates")
    (body,) = page.tree.iter("body")
    assert body.get("data-live-renew") == "/live-ticket"
    assert read_ticket(shop.settings.secret_key, body.get("data-live-ticket"), 60).account_id == shop.alice.id


def test_no_address_has_a_ticket_in_it(shop: Shop) -> None:
    page = shop.browser(shop.alice).get("/certificates")
    ticket = next(page.tree.iter("body")).get("data-live-ticket")
    assert ticket
    others = [value for one in page.tree.iter() for name, value in one.items() if name != "data-live-ticket"]
    assert others
    assert not [value for value in others if ticket in value]
