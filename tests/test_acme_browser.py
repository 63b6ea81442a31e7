"""A certificate from an ACME server in a real browser: ordered, proved by what the page says, issued, revoked.

Everything runs as ``make run`` runs it, with the settings that put Pebble in the place of the built-in authority.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from acme_shop import acme_environment, publish, tasks_in
from cryptography import x509
from journey import Console, Person, download, hand_in, order, revoke, running_console
from pebble import Front, Pebble
from playwright.sync_api import Browser, expect
from shop import parse

pytest_plugins = ["acme_fixtures"]

DOMAIN = "acme.example.com"
SLOW = 90_000
"""Milliseconds for what takes several turns of the worker and of the server."""


@pytest.fixture
def console(tmp_path: Path, pebble: Pebble, front: Front) -> Iterator[Console]:
    """A desk whose certificates come from Pebble."""
    with running_console(tmp_path, **acme_environment(pebble, front.directory_url)) as console:
        yield console
    pebble.challenges.clear()


def prove_as_the_page_says(person: Person, pebble: Pebble) -> None:
    """Publish the TXT records that the page asks for."""
    for task in tasks_in(parse(person.page.content(), fragment=False)):
        if task.kind == "dns-01":
            publish(pebble.challenges, task)


def test_from_the_order_to_the_revocation_without_a_reload(
    console: Console, chromium: Browser, pebble: Pebble, front: Front, tmp_path: Path
) -> None:
    carla = Person(chromium, console, "carla@example.com", scripts=True)
    order(carla, DOMAIN)
    front.close()
    hand_in(carla, DOMAIN)

    # The server is away for a moment; she reads so, and what she has to do as soon as it is back.
    carla.sees("We are asking the certificate authority what your domain has to show")
    front.open()
    carla.watches(lambda: None, f"_acme-challenge.{DOMAIN}")
    carla.sees(f"No TXT record at _acme-challenge.{DOMAIN} yet.")
    # While she copies, the findings renew themselves and the instructions stay.
    instruction = carla.page.locator("#domain-control .copyable").first
    instruction.evaluate("node => node.dataset.seen = 'yes'")
    expect(carla.page.get_by_text("Checked").first).to_be_visible()
    assert instruction.get_attribute("data-seen") == "yes"
    # The next look finds it, and the server is asked for the certificate.
    prove_as_the_page_says(carla, pebble)
    carla.sees("Download PEM", SLOW)

    chain = x509.load_pem_x509_certificates(download(carla, tmp_path).read_bytes())
    names = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [DOMAIN]
    assert "Pebble" in chain[0].issuer.rfc4514_string()
    chain[-1].verify_directly_issued_by(pebble.root())

    revoke(carla, DOMAIN)
    carla.sees("Browsers no longer accept it.", SLOW)
    assert pebble.certificate_status(format(chain[0].serial_number, "x").zfill(16))["Status"] == "Revoked"
    carla.close()
