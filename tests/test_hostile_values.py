"""Values that no form sends, in every parameter and path of every address: never a mistake of ours."""

import os
import re
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from urllib.parse import quote

import pytest
from flask_wtf import FlaskForm
from outside_shop import SHOPS_ACCOUNT
from permissions import RULES
from provider_keys import make_keys
from shop import Shop
from test_permissions import ENDS_THE_SESSION, MISSING, Everything
from werkzeug.routing import Rule as Address
from werkzeug.test import TestResponse

import webapp
from webapp.payments.alipay_client import AlipaySettings
from webapp.payments.alipay_protocol import read_private_key, read_public_key
from webapp.payments.bank import BankSettings
from webapp.payments.settings import PaymentSettings

HOSTILE = {
    "null": b"a\x00b",
    "bad utf-8": b"\xff\xfe\xc3",
    "half a surrogate": b"\xed\xa0\x80",
    "huge number": b"9" * 5000,
    "long number": b"9" * 19,
    "negative": b"-1",
    "exponent": b"1e999",
    "no number": b"NaN",
    "digits of another script": "٣".encode(),
    "superscript": "²".encode(),
    "last day": b"9999-12-31",
    "first day": b"0001-01-01",
    "override": "a\u202eb\u2066".encode(),
    "long": b"x" * 20_000,
    "quotes": b"'\"><%s%n{}\\`${7*7}{{7*7}}",
    "line break": b"a\r\nX: y",
    "emoji": "😀.example.com".encode(),
    "version and more": b"0:999999999999999999999999",
    "json": b'{"id":{"a":[]},"rawId":"eA","type":"public-key","response":{}}',
    "empty": b"",
}
TURNS = int(os.environ.get("DESK_HOSTILE_TURNS", "3"))
"""How many values each parameter of each address gets; whoever has an hour sets it to the number of values."""
HEADERS = (
    "User-Agent",
    "Accept-Language",
    "Cookie",
    "If-None-Match",
    "HX-Current-URL",
    "HX-Target",
    "Referer",
    "Range",
)


def forms() -> Iterator[type[FlaskForm]]:
    waiting = [FlaskForm]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += one.__subclasses__()


def names_in_sources() -> set[str]:
    """Every name under which a view looks for something in a request."""
    found: set[str] = set()
    asked = re.compile(r"""(?:args|form|files|values)\.(?:get|getlist|pop)\(\s*["'](\w+)""")
    for path in Path(webapp.__file__).parent.rglob("*.py"):
        found.update(asked.findall(path.read_text("utf-8")))
    for form in forms():
        found.update(
            name for name in vars(form) if not name.startswith("_") and hasattr(getattr(form, name), "field_class")
        )
    return found


@pytest.fixture
def everything(database_url: str, open_shop: Callable[..., Shop], tmp_path: Path) -> Everything:
    keys = make_keys()
    alipay = AlipaySettings("2026000000000001", read_private_key(keys.shop_pem), read_public_key(keys.alipay_base64))
    payments = PaymentSettings(alipay, BankSettings(SHOPS_ACCOUNT, folder=None))
    return Everything(open_shop(database_url, payments=payments, demo=True, demo_zone=tmp_path / "zone.json"))


def who(address: Address) -> str:
    """Somebody who comes through to the view."""
    allowed = RULES[address.endpoint].who
    return next(one for one in ("owner", "admin", "reviewer", "anonymous") if one in allowed)


class Sender:
    """Somebody who comes through to a view, and sends it hostile values. ``wrong`` is what the desk failed at."""

    def __init__(self, everything: Everything, address: Address, names: list[str]) -> None:
        self.role = who(address)
        self.client = everything.clients[self.role]
        self.headers = {"X-CSRFToken": everything.secrets[self.role], "HX-Request": "true"}
        self.key = everything.things.get(RULES[address.endpoint].thing, MISSING)
        self.url = everything.url(address, self.key)
        self.address = address
        self.names = names
        self.wrong: set[str] = set()

    def fields(self, turn: int) -> str:
        """Each parameter with another value, in each turn with another."""
        values = [quote(value[:3000]) for value in HOSTILE.values()]
        return "&".join(f"{name}={values[(turn + place) % len(values)]}" for place, name in enumerate(self.names))

    def sends(self, turn: int) -> None:
        methods = self.address.methods or set()
        kind = list(HOSTILE)[turn % len(HOSTILE)]
        fields = self.fields(turn)
        if "GET" in methods:
            self._notes(self.client.get(f"{self.url}?{fields}", headers=self.headers, buffered=True), kind)
        if "POST" in methods:
            form = {"data": fields, "content_type": "application/x-www-form-urlencoded"}
            self._notes(self.client.post(self.url, headers=self.headers, buffered=True, **form), kind)
            raw = {"data": HOSTILE[kind], "content_type": "multipart/form-data; boundary=x"}
            self._notes(self.client.post(self.url, headers=self.headers, buffered=True, **raw), kind)
        if self.address.arguments:
            there, _, last = self.url.rpartition("/")
            written = quote(HOSTILE[kind][:3000])
            other = self.url.replace(self.key, written) if self.key in self.url else f"{there}/{written or last}"
            self._notes(self.client.get(other, headers=self.headers, buffered=True), kind)

    def _notes(self, answer: TestResponse, kind: str) -> None:
        if answer.status_code >= 500:
            self.wrong.add(f"{answer.request.method} {self.address.endpoint} ({kind}): {answer.status_code}")


def test_no_value_anywhere_makes_the_desk_fail(everything: Everything) -> None:
    names = sorted(names_in_sources() - {"csrf_token"})
    assert {"q", "next", "csr", "domain", "email", "password", "days", "reason"} <= set(names)
    wrong: set[str] = set()
    for place, address in enumerate(everything.shop.app.url_map.iter_rules()):
        if address.endpoint in ENDS_THE_SESSION or address.endpoint == "static":
            continue
        sender = Sender(everything, address, names)
        for turn in range(TURNS):
            # Sixth apart: the values that are alike stand beside each other.
            sender.sends(place + turn * 6)
        wrong |= sender.wrong
    assert not wrong, "\n".join(sorted(wrong))


def test_no_header_makes_the_desk_fail(everything: Everything) -> None:
    client = everything.clients["owner"]
    anonymous = everything.shop.app.test_client()
    for (kind, value), name in product(HOSTILE.items(), HEADERS):
        text = value.decode("latin-1").replace("\r\n", " ")[:4000]
        answer = client.get("/live-ticket", headers={name: text, "HX-Request": "true"})
        assert answer.status_code < 500, (kind, name)
    for kind, value in HOSTILE.items():
        text = value.decode("latin-1").replace("\r\n", " ")[:3000]
        answer = client.post("/account/preferences", headers={"X-CSRFToken": text}, data={"language": "en"})
        assert answer.status_code < 500, kind
        for cookie in ("desk", "desk_form", "language", "theme"):
            anonymous.set_cookie(cookie, text)
        assert anonymous.get("/sign-in", headers={"Accept-Language": text}).status_code < 500, kind
