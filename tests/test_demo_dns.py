"""The demo's own DNS: a stranger without a domain takes a certificate from the order to the issue."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dns.message
import pytest
from shop import Shop

from certlifecycle import State
from webapp.config import load
from webapp.demo_dns import DemoZone, answer, serving
from webapp.domaincontrol.caa import check_caa
from webapp.domaincontrol.dns import Resolvers, read_nameservers
from webapp.effects import Effects
from webapp.serve import own_dns

BUTTON = "Put the record there for me"


@pytest.fixture
def zone(tmp_path: Path) -> DemoZone:
    return DemoZone(tmp_path / "zone.json")


def ask(zone: DemoZone, name: str, kind: str) -> list[str]:
    """The records of a name, as a resolver's answer has them."""
    said = answer(zone, dns.message.make_query(name, kind).to_wire())
    assert said is not None
    return [record.to_text() for found in dns.message.from_wire(said).answer for record in found]


def test_a_record_is_there_once_it_was_put_there(zone: DemoZone) -> None:
    assert ask(zone, "_desk.example.com", "TXT") == []
    zone.publish("_desk.example.com", "desk-verification=1")
    zone.publish("_desk.example.org", "desk-verification=2")
    zone.publish("_desk.example.com", 'a "quoted" value')
    assert ask(zone, "_DESK.example.com", "TXT") == ['"a \\"quoted\\" value"']
    assert ask(zone, "_desk.example.org", "TXT") == ['"desk-verification=2"']
    assert ask(zone, "_desk.example.org", "CAA") == []


@pytest.mark.parametrize("wire", [b"", b"\x00", b"no question at all", dns.message.Message(id=1).to_wire()])
def test_what_is_no_question_gets_no_answer(zone: DemoZone, wire: bytes) -> None:
    assert answer(zone, wire) is None


def test_without_caa_records_the_demo_may_issue(zone: DemoZone) -> None:
    with serving(zone) as address:
        assert check_caa(Resolvers(read_nameservers(address)), ["www.example.com"], "localhost").allowed


def test_the_button_puts_the_record_there_and_the_rest_follows(
    sqlite_url: str, tmp_path: Path, open_shop: Callable[..., Shop]
) -> None:
    path = tmp_path / "zone.json"
    with serving(DemoZone(path)) as address:
        shop = open_shop(sqlite_url, demo_zone=path, resolvers=read_nameservers(address), domain_control=True)
        certificate = shop.certificate_in(State.SUBMITTED)
        effects = Effects(shop.desk, shop.parts.authority, shop.parts.gateways, shop.parts.checker)
        effects.run("check_domain", certificate.id)
        alice = shop.browser(shop.alice)
        assert BUTTON in alice.get(f"/certificates/{certificate.id}").words
        assert shop.get(certificate.id).state == State.SUBMITTED
        page = alice.follow(alice.post(f"/demo/{certificate.id}/publish"))
        assert "The record stands in the demo’s DNS at _desk.www.example.com." in page.words
        effects.run("check_domain", certificate.id)
        effects.run("issue", certificate.id)
        assert shop.get(certificate.id).state == State.ISSUED


def test_it_is_for_the_owner_and_for_what_waits(
    sqlite_url: str, tmp_path: Path, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop(sqlite_url, demo_zone=tmp_path / "zone.json")
    waiting, pending = shop.certificate_in(State.SUBMITTED), shop.certificate_in(State.PENDING)
    shop.browser(shop.bob).post(f"/demo/{waiting.id}/publish", status=404)
    shop.browser(shop.alice).post(f"/demo/{pending.id}/publish", status=404)
    assert not (tmp_path / "zone.json").exists()


def test_a_real_shop_has_no_such_button(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    alice = shop.browser(shop.alice)
    assert BUTTON not in alice.get(f"/certificates/{certificate.id}").words
    alice.post(f"/demo/{certificate.id}/publish", status=404)


def test_only_the_demo_gets_a_dns_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RESOLVERS", raising=False)
    monkeypatch.delenv("DEMO_ZONE", raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    settings = load()
    with own_dns(settings):
        assert load().resolvers
        assert load().demo_zone == tmp_path / "demo-dns.json"
    monkeypatch.delenv("RESOLVERS")
    monkeypatch.delenv("DEMO_ZONE")
    with own_dns(replace(settings, resolvers=read_nameservers("192.0.2.53"))):
        assert (load().resolvers, load().demo_zone) == ((), None)
