"""The main journeys in real browsers: in every language, on a phone and on a desktop, in light and in dark colours.

Each journey is made twice, by readers who share nothing; over all journeys each language meets each device and each
scheme, and each device each scheme. The pages and the hub are real; the worker's turns and the other person's steps
are the test's, so that it waits for nothing. ``DESK_PICTURES`` names a folder for the pictures of all pages.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nameserver import NameServer, name_server
from playwright.sync_api import Browser, expect
from review_support import Console, serving
from shop import Shop, signing_request
from speaking import Look, reading

from certlifecycle import Event, State
from webapp.effects import Effects
from webapp.hindrances import Hindrance

pytestmark = pytest.mark.browser

SENTENCE = {"en": "We do not need it any more.", "zh-Hans": "我们的网站不再需要这张证书了。"}
"""The one sentence that somebody types."""


def looks(first: Look, second: Look) -> pytest.MarkDecorator:
    """Two readers for a journey."""
    return pytest.mark.parametrize("look", [first, second], ids=str)


@pytest.fixture
def nameserver() -> Iterator[NameServer]:
    with name_server() as server:
        yield server


@pytest.fixture
def console(
    open_shop: Callable[..., Shop], sqlite_url: str, chromium: Browser, nameserver: NameServer
) -> Iterator[Console]:
    with serving(open_shop, sqlite_url, chromium, resolvers=(nameserver.address,)) as console:
        shop = console.shop
        shop.effects = Effects(shop.desk, shop.parts.authority, shop.parts.gateways, shop.parts.checker)
        yield console


@looks(Look("en", "phone", "light"), Look("zh-Hans", "desktop", "dark"))
def test_a_customer_applies_for_a_refund_and_watches_it_happen(console: Console, look: Look, tmp_path: Path) -> None:
    shop = console.shop
    shop.clock.advance(days=-3)
    certificate = shop.certificate_in(State.REVOKED)
    shop.certificate_in(State.ISSUED, domain="shop.example.com")
    shop.clock.advance(days=3)
    with reading(console, shop.alice, look, tmp_path) as alice:
        alice.opens("/")
        alice.sees("Needs you")
        alice.stops_at("home")
        alice.goes_to("Certificates")
        alice.main.get_by_role("link", name="www.example.com").first.wait_for()
        alice.stops_at("list")

        # Three clicks from the list, and one sentence.
        alice.clicks = 0
        row = alice.tab.locator(f"#certificate-{certificate.id}")
        alice.presses(row.get_by_role("link", name=alice.say("Refund")).first)
        alice.stops_at("apply")
        alice.presses(alice.tab.get_by_label(alice.say("Something else")))
        alice.tab.get_by_label(alice.say("Refund reason")).fill(SENTENCE[look.language])
        alice.presses(alice.button("Submit"))
        alice.sees("Applied, please wait for the verification.", "#messages")
        assert alice.clicks == 3
        assert shop.get(certificate.id).state == State.REFUND_REQUESTED
        alice.is_live()
        alice.stops_at("applied")

        # Others go on, and the page says so without being loaded again.
        loads: list[str] = []
        alice.tab.on("load", lambda page: loads.append(page.url))
        shop.fire(shop.get(certificate.id), Event.APPROVE_REFUND)
        alice.sees("Refund approved")
        alice.stops_at("approved")
        shop.run_due()
        alice.sees("Refunded")
        assert shop.get(certificate.id).state == State.REFUNDED
        alice.stops_at("refunded")
        assert loads == []


@looks(Look("en", "desktop", "dark"), Look("zh-Hans", "phone", "light"))
def test_a_certificate_from_the_order_to_its_revocation(
    console: Console, nameserver: NameServer, look: Look, tmp_path: Path
) -> None:
    shop, domain = console.shop, "new.example.com"
    shop.give(shop.alice, 100_000)
    with reading(console, shop.alice, look, tmp_path) as alice:
        alice.opens("/order")
        alice.stops_at("price-list")
        alice.presses(alice.main.locator("a[href='/order/dv']"))
        alice.tab.get_by_role("textbox", name=alice.say("Domain")).fill(domain)
        alice.stops_at("order")
        alice.presses(alice.main.get_by_role("button", name=re.compile("268.00")))
        expect(alice.tab.get_by_role("heading", name=domain, level=1)).to_be_visible()
        alice.stops_at("ordered")

        # The CSR: it is read back before anything is handed in.
        alice.follows("Submit for verification")
        alice.tab.locator("#csr").fill(signing_request(domain))
        alice.stops_at("csr")
        alice.presses(alice.button("Check the CSR"))
        expect(alice.main.get_by_text("EC, P-256").or_(alice.main.get_by_text("EC，P-256")).first).to_be_visible()
        alice.stops_at("csr-checked")
        alice.presses(alice.button("Submit for verification"))

        # The proof.
        alice.sees("Show that {domain} is yours", domain=domain)
        alice.is_live()
        (certificate_id,) = re.findall(r"/certificates/([0-9a-f]{32})", alice.tab.url)
        certificate = shop.get(certificate_id)
        shop.run_due()
        alice.stops_at("proof")
        (value,) = set(re.findall(r"desk-verification=[\w-]+", alice.main.inner_text()))
        nameserver.put(f"_desk.{domain}", "TXT", f'"{value}"')
        alice.presses(alice.button("Check now"))
        shop.clock.advance(seconds=20)
        shop.run_due()
        shop.run_due()
        assert shop.get(certificate.id).state == State.ISSUED
        alice.sees("Download PEM, full chain")
        alice.stops_at("issued")

        # The revocation.
        alice.follows("Revoke")
        alice.sees("Your money can come back")
        alice.stops_at("revoke")
        alice.presses(alice.tab.locator("input[name=reason][value=superseded]"))
        alice.tab.get_by_role("textbox", name=alice.say("Domain")).fill(domain)
        alice.presses(alice.button("Revoke"))
        alice.is_live()
        shop.run_due()
        alice.sees("Revoked")
        assert shop.get(certificate.id).state == State.REVOKED
        alice.stops_at("revoked")


@looks(Look("en", "desktop", "light"), Look("zh-Hans", "phone", "dark"))
def test_a_reviewer_claims_decides_and_goes_on_to_the_next(console: Console, look: Look, tmp_path: Path) -> None:
    shop = console.shop
    # A verification is promised sooner than a refund.
    first = shop.certificate_in(State.SUBMITTED, domain="first.example.com", product="ov")
    second = shop.certificate_in(State.REFUND_REQUESTED, domain="second.example.com")
    shop.clock.advance(minutes=1)
    third = shop.certificate_in(State.REFUND_REQUESTED, domain="third.example.com")
    with reading(console, shop.rita, look, tmp_path) as rita:
        rita.opens("/review")
        rita.is_live()
        rita.stops_at("queue")
        row = rita.tab.locator(f"#case-{first.id}")
        rita.presses(row.get_by_role("button", name=rita.say("Claim")))
        rita.sees("Let go", f"#case-{first.id}")
        rita.stops_at("claimed")
        rita.presses(rita.main.get_by_role("link", name="first.example.com", exact=True))
        rita.is_at("first.example.com")
        rita.stops_at("verification")
        rita.presses(rita.button("Verify"))
        rita.sees("This is the next case.", "#messages")
        assert shop.get(first.id).state == State.VERIFIED

        rita.is_at("second.example.com")
        rita.stops_at("refund")
        rita.presses(rita.button("Approve the refund"))
        rita.is_at("third.example.com")
        assert shop.get(second.id).state == State.REFUND_APPROVED

        # A refusal says why and what the customer can do.
        rita.presses(rita.tab.locator("#refusing summary").first)
        rita.tab.locator("#words").fill(SENTENCE[look.language])
        rita.tab.locator("#instructions").fill(SENTENCE[look.language])
        rita.stops_at("refusing")
        rita.presses(rita.button("Refuse the refund"))
        rita.sees("Nothing else waits for you.", "#messages")
        assert shop.get(third.id).state == State.REJECTED
        rita.stops_at("done")


@looks(Look("en", "phone", "dark"), Look("zh-Hans", "desktop", "light"))
def test_an_administrator_sees_at_a_glance_how_it_stands(console: Console, look: Look, tmp_path: Path) -> None:
    shop = console.shop
    now = shop.clock()
    for days, state in ((9, State.REFUNDED), (6, State.REJECTED), (5, State.REFUND_REQUESTED), (2, State.VERIFIED)):
        shop.clock.advance(days=-days)
        certificate = shop.certificate_in(state, domain=f"{days}.example.com")
        shop.clock.now = now
    shop.desk.note_failure(certificate.id, "OSError: gone", Hindrance.UNREACHABLE)
    with reading(console, shop.ada, look, tmp_path) as ada:
        ada.opens("/review")
        ada.goes_to("Figures")
        ada.sees("Refunds by day")
        ada.stops_at("figures")
        ada.goes_to("Payments")
        ada.sees("To look into")
        ada.sees("Not connected")
        ada.stops_at("payments")
        ada.goes_to("Outbox")
        entry = ada.tab.locator(f"#work-{certificate.id}")
        expect(entry).to_be_visible()
        ada.stops_at("outbox")
        # From what fails, to having it tried again.
        ada.presses(entry.get_by_text(ada.say("Try again…")))
        entry.get_by_label(ada.say("Reason")).fill(SENTENCE[look.language])
        ada.presses(entry.get_by_role("button", name=ada.say("Retry now")))
        ada.sees("It is tried again now.", "#messages")
        ada.stops_at("tried-again")
