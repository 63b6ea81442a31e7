"""Domain control as the customer meets it: what to publish, what was seen, and the certificate that follows."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nameserver import NameServer, name_server
from shop import Shop

from certlifecycle import Event, State
from webapp.effects import Effects


@pytest.fixture
def nameserver() -> Iterator[NameServer]:
    """A real DNS server that knows nothing yet."""
    with name_server() as server:
        yield server


@pytest.fixture
def shop(sqlite_url: str, open_shop: Callable[..., Shop], nameserver: NameServer, tmp_path: Path) -> Shop:
    """A shop whose worker asks that server."""
    shop = open_shop(sqlite_url, resolvers=(nameserver.address,))
    assert shop.parts.checker is not None
    shop.effects = Effects(shop.desk, shop.parts.authority, shop.parts.gateways, shop.parts.checker)
    return shop


def test_the_customer_publishes_a_value_and_gets_the_certificate(shop: Shop, nameserver: NameServer) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    alice = shop.browser(shop.alice)
    url = f"/certificates/{certificate.id}"
    assert "We have not looked yet." in alice.get(url).words

    shop.run_due()
    page = alice.get(url)
    assert "_desk.www.example.com" in page.words
    assert shop.get(certificate.id).state == State.SUBMITTED

    value = next(word for word in page.words.split() if word.startswith("desk-verification="))
    nameserver.put("_desk.www.example.com", "TXT", f'"{value}"')
    shop.clock.advance(seconds=20)
    alice.post(f"{url}/check-now", {"version": certificate.version})
    shop.run_due()
    assert [row.event for row in shop.history(certificate)][-1] == Event.VERIFY
    assert shop.history(certificate)[-1].actor_id == "system"
    shop.run_due()
    assert shop.get(certificate.id).state == State.ISSUED


def test_a_reviewer_still_decides_about_an_organisation(shop: Shop, nameserver: NameServer) -> None:
    certificate = shop.certificate_in(State.SUBMITTED, product="ov")
    shop.run_due()
    alice = shop.browser(shop.alice)
    page = alice.get(f"/certificates/{certificate.id}")
    value = next(word for word in page.words.split() if word.startswith("desk-verification="))
    nameserver.put("_desk.www.example.com", "TXT", f'"{value}"')
    shop.clock.advance(minutes=1)
    shop.run_due()
    waiting = shop.get(certificate.id)
    assert (waiting.state, waiting.due_at) == (State.SUBMITTED, None)
    assert "We have seen that www.example.com is yours" in alice.get(f"/certificates/{certificate.id}").words
    assert shop.fire(waiting, Event.VERIFY).state == State.VERIFIED


def test_nobody_else_can_have_it_looked_at(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    shop.browser(shop.bob).post(f"/certificates/{certificate.id}/check-now", {"version": 2}, 404)


def test_a_desk_without_resolvers_leaves_it_to_reviewers(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(sqlite_url, domain_control=False)
    assert shop.parts.checker is None
    certificate = shop.certificate_in(State.SUBMITTED)
    shop.run_due()
    assert shop.get(certificate.id).due_at is None
    page = shop.browser(shop.alice).get(f"/certificates/{certificate.id}")
    assert "_desk.www.example.com" not in page.words


# Keeping up to date


def test_findings_are_shown_anew_and_instructions_only_when_they_have_changed(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    alice = shop.browser(shop.alice)
    page = alice.get(f"/certificates/{certificate.id}")
    (asks,) = (node.get("hx-get") for node in page.tree.iter() if node.get("id") == "domain-control-finding")
    same = alice.get(asks, htmx=True)
    assert 'id="domain-control-finding"' in same.text
    for header in ("HX-Retarget", "HX-Reselect"):
        assert header not in same.response.headers
    # Somebody has submitted again in another window: other values.
    shop.fire(certificate, Event.WITHDRAW_SUBMISSION, shop.alice)
    shop.fire(shop.get(certificate.id), Event.SUBMIT)
    other = alice.get(asks, htmx=True)
    assert [other.response.headers[header] for header in ("HX-Retarget", "HX-Reselect")] == ["#certificate"] * 2
    # Nothing is asked for any more.
    shop.fire(shop.get(certificate.id), Event.VERIFY)
    assert alice.get(asks, htmx=True).response.headers["HX-Retarget"] == "#certificate"
    # Whoever asks for all of it gets it where they want it.
    assert "HX-Retarget" not in alice.get(f"/certificates/{certificate.id}", htmx=True).response.headers
