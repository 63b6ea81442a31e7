"""Every address × everybody × every method × with and without the form's secret, against the table of rules."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from furnished import EVERY_WAY
from job_support import by, work
from outside_shop import SHOPS_ACCOUNT
from permissions import ANYBODY, RULES, SEEN_BY, Rule
from provider_keys import make_keys
from shop import Shop
from sign_in_support import session_name
from sqlmodel import select
from werkzeug.routing import Rule as Address
from werkzeug.test import TestResponse

from certlifecycle import Role, State
from webapp.accounts.models import Account, Passkey
from webapp.certificates import saved
from webapp.jobs.exports import start_export
from webapp.payments.alipay_client import AlipaySettings
from webapp.payments.alipay_protocol import read_private_key, read_public_key
from webapp.payments.bank import BankSettings
from webapp.payments.settings import PaymentSettings

METHODS = frozenset({"GET", "POST", "DELETE"})
"""What is tried everywhere. DELETE stands for all that no page can send."""

MISSING = "0" * 32
ENDS_THE_SESSION = {"accounts.sign_out", "security.sign_out_everywhere"}
ALICES = {"certificate", "awaited", "refund", "search", "passkey", "session", "job"}
VALUES = {
    "product": "dv",
    "act": "approve",
    "kind": "png",
    "token": "nonsense",
    "encoded": "nonsense",
    "filename": "desk.css",
}
NAMES = {
    "figures.table": "percentiles",
    "help.page": "customers",
    "help.picture": "screenshots/list",
    "jobs.export_table": "certificates",
    "jobs.export_table_post": "certificates",
}


class Everything:
    """A shop with all its doors, the things that somebody owns in it, and a browser for everybody."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.people: dict[str, Account | None] = {
            "anonymous": None,
            "stranger": shop.bob,
            "reviewer": shop.rita,
            "admin": shop.ada,
            # Last, so that the others find what the owner ends.
            "owner": shop.alice,
        }
        rejected = shop.certificate_in(State.REJECTED)
        awaited = shop.certificate_in(State.SUBMITTED)
        shop.run_due(awaited.id)
        with shop.database.writing() as session:
            passkey = Passkey(
                credential_id="eA",
                account_id=shop.alice.id,
                public_key="",
                sign_count=0,
                name="",
                created_at=shop.clock(),
            )
            session.add(passkey)
            saved.save(session, shop.alice, "Mine", {"q": "example"}, shop.clock())
        with shop.database.reading() as session:
            search = session.exec(select(saved.SavedSearch.id)).one()
        self.things = {
            "certificate": rejected.id,
            "awaited": awaited.id,
            "refund": shop.refund_of(shop.certificate_in(State.REFUNDED)).id,
            "search": search,
            "passkey": passkey.id,
            "session": self._session_of(shop.alice),
            "job": start_export(shop.parts.jobs, by(shop.alice), "certificates"),
        }
        work(shop, self.things["job"])
        self.clients = {role: self.client(role) for role in self.people}
        self.secrets = {role: self.secret(client) for role, client in self.clients.items()}

    def client(self, role: str) -> FlaskClient:
        return self.shop.browser(self.people[role]).client

    @staticmethod
    def secret(client: FlaskClient) -> str:
        return client.get("/csrf-for-tests").text

    def _session_of(self, who: Account) -> str:
        """What stands in an address for a session of somebody's that has just begun."""
        return session_name(self.shop, self.shop.browser(who))

    def url(self, address: Address, key: str) -> str:
        values = VALUES | {"name": NAMES.get(address.endpoint, "nonsense")}
        given = {name: values.get(name, key) for name in address.arguments}
        with self.shop.app.test_request_context():
            return self.shop.app.url_for(address.endpoint, **given)

    def ask(self, role: str, address: Address, method: str, key: str, *, with_secret: bool = True) -> TestResponse:
        client, secret = self.clients[role], self.secrets[role]
        if address.endpoint in ENDS_THE_SESSION and with_secret:
            client = self.client(role)
            secret = self.secret(client)
        headers = {"X-CSRFToken": secret} if with_secret else {}
        if method not in (address.methods or ()) or not with_secret:
            # The refusal alone will do; it is the same as that of a whole page, and cheaper to make.
            headers["HX-Request"] = "true"
        answer = client.open(self.url(address, key), method=method, headers=headers, buffered=True)
        if address.endpoint in ENDS_THE_SESSION and with_secret:
            self.clients[role] = self.client(role)
            self.secrets[role] = self.secret(self.clients[role])
            self.things["session"] = self._session_of(self.shop.alice)
        return answer


@pytest.fixture
def everything(sqlite_url: str, open_shop: Callable[..., Shop], tmp_path: Path) -> Everything:
    keys = make_keys()
    own, theirs = read_private_key(keys.shop_pem), read_public_key(keys.alipay_base64)
    alipay = AlipaySettings(app_id="2026000000000001", private_key=own, alipay_key=theirs)
    payments = PaymentSettings(alipay, BankSettings(SHOPS_ACCOUNT, folder=None))
    return Everything(
        open_shop(sqlite_url, payments=payments, demo=True, demo_zone=tmp_path / "zone.json", sign_in=EVERY_WAY)
    )


def came_of(response: TestResponse) -> str:
    """What somebody met, in one word; whoever came through to the view met an open door."""
    if response.status_code == 303 and response.headers["Location"].partition("?")[0] == "/sign-in":
        return "sign in"
    if response.status_code == 400 and "This form is too old" in response.text:
        return "form refused"
    # The organisation's sign-in does not answer here: whoever is told so has come through.
    known = {403: "forbidden", 404: "missing", 405: "no such method", 503: "open"}
    return known.get(response.status_code, "mistake" if response.status_code >= 500 else "open")


def expected(address: Address, rule: Rule, role: str) -> set[str]:
    """What the table says that somebody meets who sends the form's secret along."""
    if role not in rule.who:
        return {"sign in" if role == "anonymous" else "forbidden"}
    if address.endpoint in ENDS_THE_SESSION:
        return {"sign in"}
    if rule.thing in ALICES:
        return {"open" if role in SEEN_BY[rule.thing] else "missing"}
    # A thing of the shop, or a token, that is not there: whoever is told so has come through.
    return {"open", "missing"} if rule.thing or {"token", "encoded"} & address.arguments else {"open"}


def test_every_address_has_a_rule_and_every_rule_an_address(everything: Everything) -> None:
    addresses = list(everything.shop.app.url_map.iter_rules())
    assert {address.endpoint for address in addresses} == set(RULES)
    for address in addresses:
        assert (address.methods or set()) <= {"GET", "HEAD", "OPTIONS", "POST"}, address


def test_everybody_meets_what_the_table_says(everything: Everything) -> None:
    wrong: list[str] = []

    def compare(should: set[str], response: TestResponse, *what: str) -> None:
        met = came_of(response)
        if met not in should:
            wrong.append(f"{' '.join(what)} should meet: {should}, met: {met} ({response.status_code})")

    addresses = list(everything.shop.app.url_map.iter_rules())
    taken: dict[str, set[str]] = {}
    for address in addresses:
        taken.setdefault(address.rule, set()).update(address.methods or ())
    for address in addresses:
        rule = RULES[address.endpoint]
        key = everything.things.get(rule.thing, MISSING)
        for role in everything.people:
            for method in METHODS - taken[address.rule]:
                compare({"no such method"}, everything.ask(role, address, method, key), address.endpoint, method, role)
            for method in METHODS & (address.methods or set()):
                if method == "POST" and rule.form:
                    answer = everything.ask(role, address, method, key, with_secret=False)
                    compare({"form refused"}, answer, address.endpoint, method, role, "without the secret")
                answer = everything.ask(role, address, method, key)
                compare(expected(address, rule, role), answer, address.endpoint, method, role)
    assert not wrong, "\n".join(wrong)


def test_what_is_somebody_elses_looks_exactly_like_what_is_not_there(everything: Everything) -> None:
    """Down to the text and the headers: whoever guesses a key learns nothing from the answer."""
    looked_at: Counter[str] = Counter()
    for address in everything.shop.app.url_map.iter_rules():
        rule = RULES[address.endpoint]
        if rule.thing not in ALICES:
            continue
        for role in (rule.who & ANYBODY) - SEEN_BY[rule.thing]:
            for method in METHODS & (address.methods or set()):
                met, missing = (
                    everything.ask(role, address, method, key) for key in (everything.things[rule.thing], MISSING)
                )
                assert told(met, everything) == told(missing, everything), (address, role)
                looked_at[rule.thing] += 1
    assert set(looked_at) == ALICES


def told(response: TestResponse, everything: Everything) -> tuple[int, str, list[tuple[str, str]]]:
    """What an answer says, without what is drawn anew for every answer and what was asked for."""
    text = response.text
    for key in (*everything.things.values(), MISSING):
        text = text.replace(key, "KEY")
    lines = [line for line in text.splitlines() if "X-CSRFToken" not in line and "csrf_token" not in line]
    headers = [(name, value) for name, value in response.headers if name not in ("Set-Cookie", "Content-Length")]
    return response.status_code, "\n".join(lines), headers


def test_the_roles_of_the_table_are_all_that_there_are() -> None:
    assert {Role.CUSTOMER, Role.REVIEWER, Role.ADMIN} == set(Role) - {Role.SYSTEM}
