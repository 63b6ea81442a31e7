"""One certificate through the whole outside world, in real browsers: a real CA, and a provider whose answer is lost.

The order comes in from elsewhere, paid by Alipay; Pebble issues; it is revoked; the refund goes back through Alipay's
stand-in, which pays and hangs up without a word. Everything else runs as ``make run`` runs it.
"""

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from acme_shop import acme_environment, publish, tasks_in
from connected_shop import payment_environment
from cryptography import x509
from journey import Console, Person, download, hand_in, revoke, running_console
from pebble import Pebble
from playwright.sync_api import Browser, expect
from provider import Provider
from provider_books import Call, Fault
from shop import parse
from test_refunds_pages import badge, steps

from webapp.importing import FIELDS

pytest_plugins = ["acme_fixtures"]
pytestmark = pytest.mark.browser

DOMAIN = "outside.example.com"
TRADE = "20260504-0001"
SLOW = 90_000
"""Milliseconds for what takes several turns of the worker and of a server."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    """Alipay's stand-in, where Carla has paid 268 yuan."""
    with Provider() as opened:
        # The payment was for more than this order, so Alipay itself would not stop a second refund.
        opened.books.add_trade(TRADE, 4 * 26800)
        yield opened


@pytest.fixture
def console(tmp_path: Path, pebble: Pebble, provider: Provider) -> Iterator[Console]:
    """A desk whose certificates come from Pebble and whose refunds go through Alipay."""
    outside = acme_environment(pebble) | payment_environment(provider, tmp_path / "payments")
    with running_console(tmp_path, **outside) as console:
        yield console
    pebble.challenges.clear()


def orders_file(folder: Path) -> Path:
    """The order as the shop's own checkout hands it over."""
    row = {
        "number": "SHOP-2026-0001",
        "email": "carla@example.com",
        "product": "dv",
        "domain": DOMAIN,
        "amount": "268.00",
        "voucher": "",
        "currency": "CNY",
        "payment_method": "alipay",
        "payment_reference": TRADE,
        "payment_account": "ending 88",
        "paid_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    path = folder / "orders.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerow(row)
    return path


def asked_about_money(provider: Provider) -> list[Call]:
    """What the provider was asked to do, or asked about, but for the daily comparison of the books."""
    return [call for call in provider.books.calls if call.method != "bill"]


def shown(person: Person) -> tuple[str, list[str]]:
    """What the refund page says of itself: its badge, and the steps of the way."""
    page = SimpleNamespace(tree=parse(person.page.content(), fragment=False))
    return badge(page), steps(page)


def test_from_a_real_authority_to_the_money_whose_way_back_was_not_confirmed(
    console: Console, chromium: Browser, pebble: Pebble, provider: Provider, tmp_path: Path
) -> None:
    ada = Person(chromium, console, "ada@example.com", scripts=True)
    carla = Person(chromium, console, "carla@example.com", scripts=True)
    rita = Person(chromium, console, "rita@example.com", scripts=True)

    # The order comes in.
    ada.open("/jobs/import")
    ada.page.locator("input[type=file]").set_input_files(orders_file(tmp_path))
    ada.press("Check and take in")
    ada.sees("Orders taken in: 1.")

    # Carla proves her domain, and Pebble issues.
    carla.open("/certificates?tab=not-issued")
    carla.page.get_by_role("link", name=DOMAIN, exact=True).click()
    details = carla.page.url
    hand_in(carla, DOMAIN)
    carla.sees(f"No TXT record at _acme-challenge.{DOMAIN} yet.", SLOW)
    for task in tasks_in(parse(carla.page.content(), fragment=False)):
        if task.kind == "dns-01":
            publish(pebble.challenges, task)
    carla.sees("Download PEM", SLOW)
    leaf = x509.load_pem_x509_certificates(download(carla, tmp_path).read_bytes())[0]
    assert "Pebble" in leaf.issuer.rfc4514_string()

    # She revokes.
    revoke(carla, DOMAIN)
    carla.sees("Browsers no longer accept it.", SLOW)
    assert pebble.certificate_status(format(leaf.serial_number, "x").zfill(16))["Status"] == "Revoked"

    # She reads where the money will go, and applies; nothing has been sent to anybody.
    carla.page.goto(details)
    carla.follow("Refund")
    carla.sees("back to the Alipay account ending 88")
    carla.page.locator("input[name=reason_code][value=not_needed]").check()
    carla.page.locator("textarea[name=reason]").fill("The site moved to another address.")
    carla.press("Submit")
    expect(carla.page.locator("#messages")).to_have_text("Applied, please wait for the verification.")
    carla.sees("In review")
    applied = ["Done: Applied", "Now: In review", "To come: Approved", "To come: Sent to Alipay", "To come: Refunded"]
    assert shown(carla) == ("In review", applied)
    assert asked_about_money(provider) == []

    # Rita approves. Alipay pays, and hangs up before it has said so.
    provider.books.plan_next(Fault.DROP)
    rita.open("/review")
    rita.page.get_by_role("link", name=DOMAIN, exact=True).click()
    rita.press("Approve the refund")
    carla.sees("Sent to Alipay, no answer yet", SLOW)
    sent = ["Done: Applied", "Done: Reviewed", "Done: Approved", "Now: Sent to Alipay", "To come: Refunded"]
    assert shown(carla) == ("Sent to Alipay, no answer yet", sent)
    trade = provider.books.trade(TRADE, "")
    assert [one.minor for one in trade.refunds.values()] == [26800]
    # What was true when she applied does not stand above what is true now.
    expect(carla.page.locator("#messages")).to_have_text("")
    # The money has moved, and nobody says so before Alipay does.
    carla.sees("We keep asking")
    assert carla.page.get_by_text("confirmed that").count() == 0
    ada.open("/outbox")
    ada.sees(DOMAIN)

    # The desk asks, and Alipay tells. Nothing was sent a second time.
    carla.sees(trade.trade_no, SLOW)
    carla.sees("The payment provider confirmed that 268.00 CNY went to the Alipay account ending 88.")
    done = ["Done: Applied", "Done: Reviewed", "Done: Approved", "Done: Sent to Alipay", "Done: Refunded"]
    assert shown(carla) == ("Refunded", done)
    assert [one.minor for one in trade.refunds.values()] == [26800]
    first, *others = asked_about_money(provider)
    assert (first.method, first.amount) == ("refund", "268.00")
    assert {call.method for call in others} == {"query"}
    carla.page.goto(details)
    expect(carla.page.locator("main").get_by_text(re.compile("^Refunded")).first).to_be_visible()

    for person in (ada, carla, rita):
        person.close()
