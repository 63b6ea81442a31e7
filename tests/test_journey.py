"""The whole journey in real browsers, by two people side by side: from the order to the money on the account.

Everything runs as ``make run`` runs it: the pages, the worker, the hub, the built-in CA. Once with scripts, where each
sees the other's step without reloading, and once without, where every page and form must work just the same.
"""

import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from journey import Console, Person, download, running_console
from playwright.sync_api import Browser, expect
from shop import signing_request

DOMAIN = "journey.example.com"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """The desk as ``make run`` starts it, in a folder of its own."""
    with running_console(tmp_path_factory.mktemp("console")) as console:
        yield console


@pytest.mark.parametrize("scripts", [True, False], ids=["htmx", "no-javascript"])
def test_from_order_to_refund_with_two_people_side_by_side(
    console: Console, chromium: Browser, tmp_path: Path, scripts: bool
) -> None:
    domain = DOMAIN if scripts else f"plain.{DOMAIN}"
    carla = Person(chromium, console, "carla@example.com", scripts=scripts)
    rita = Person(chromium, console, "rita@example.com", scripts=scripts)

    # Carla orders.
    carla.open("/order")
    balance = carla.page.get_by_text("Your balance:").inner_text()
    carla.follow("Order")
    carla.page.get_by_role("textbox", name="Domain").fill(domain)
    carla.press("Order and pay 268.00 CNY")
    expect(carla.page.get_by_role("heading", name=domain, level=1)).to_be_visible()
    details = carla.page.url
    carla.sees("Refundable: it was never submitted for verification.")

    # She hands in a CSR; Rita, who looks at her queue, sees it come in.
    rita.open("/review")
    carla.follow("Submit for verification")
    carla.page.get_by_label(re.compile("CSR")).first.fill(signing_request(domain))
    carla.press("Check the CSR")
    carla.sees("EC, P-256")
    rita.watches(lambda: carla.press("Submit for verification"), domain)

    # Rita verifies; the CA issues; Carla sees both.
    rita.follow(domain, exact=True)
    carla.watches(lambda: rita.press("Verify"), "Download PEM")
    chain = download(carla, tmp_path)
    assert_openssl(console, chain, tmp_path, revoked=False)

    # Carla revokes, and reads beforehand whether the money comes back.
    carla.follow("Revoke")
    carla.sees("Your money can come back")
    carla.page.locator("input[name=reason][value=superseded]").check()
    carla.page.get_by_role("textbox", name="Domain").fill(domain)
    carla.press("Revoke")
    carla.sees("Browsers no longer accept it.")
    assert_openssl(console, chain, tmp_path, revoked=True)

    # She applies, and Rita sees it come in.
    rita.open("/review")
    carla.page.goto(details)
    carla.follow("Refund")
    carla.page.locator("input[name=reason_code][value=not_needed]").check()
    carla.page.locator("textarea[name=reason]").fill("The site moved to another address.")
    rita.watches(lambda: carla.press("Submit"), domain)
    expect(carla.page.get_by_text("Applied, please wait for the verification.").first).to_be_visible()
    carla.sees("In review")

    # Rita approves; the worker pays; Carla watches it happen.
    rita.follow(domain, exact=True)
    carla.watches(lambda: rita.press("Approve the refund"), "ledger")
    carla.sees("Refunded")
    carla.open("/order")
    assert carla.page.get_by_text("Your balance:").inner_text() == balance

    carla.close()
    rita.close()


def assert_openssl(console: Console, chain: Path, folder: Path, *, revoked: bool) -> None:
    """OpenSSL, asked with the CA's own CRL and OCSP responder, must agree with the desk."""
    fetched = {}
    for name in ("root.crt", "root.crl", "issuing.crt", "issuing.crl"):
        with urllib.request.urlopen(f"{console.url}/ca/{name}") as answer:  # noqa: S310
            fetched[name] = folder / name
            fetched[name].write_bytes(answer.read())
    for name in ("root.crt", "issuing.crt"):
        openssl("x509", "-inform", "DER", "-in", fetched[name], "-out", fetched[name].with_suffix(".pem"))
    for name in ("root.crl", "issuing.crl"):
        openssl("crl", "-inform", "DER", "-in", fetched[name], "-out", fetched[name].with_suffix(".crl.pem"))
    lists = folder / "lists.pem"
    lists.write_bytes((folder / "root.crl.pem").read_bytes() + (folder / "issuing.crl.pem").read_bytes())
    verified = openssl(
        "verify",
        "-crl_check_all",
        "-CAfile",
        folder / "root.pem",
        "-CRLfile",
        lists,
        "-untrusted",
        chain,
        chain,
        status=2 if revoked else 0,
    )
    assert ("certificate revoked" if revoked else ": OK") in verified
    asked = openssl(
        "ocsp",
        "-issuer",
        folder / "issuing.pem",
        "-cert",
        chain,
        "-url",
        f"{console.url}/ca/ocsp",
        "-CAfile",
        folder / "root.pem",
        "-verify_other",
        folder / "issuing.pem",
    )
    assert f"{chain}: {'revoked' if revoked else 'good'}" in asked
    assert "Response verify OK" in asked


def openssl(*words: str | Path, status: int = 0) -> str:
    """Run the command and return all it printed."""
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr
