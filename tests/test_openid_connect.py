"""The organisation's own sign-in, against a real provider: who comes in, as what, and what is not believed."""

import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from login_provider import (
    CLIENT,
    GROUPS,
    RETURN,
    LoginProvider,
    at_provider,
    login_provider,
    person,
    through,
    to_provider,
)
from shop import PASSWORD, START, Browser, Clock, Shop
from sign_in_support import App, events_of, sign_in, with_app
from sqlmodel import col, select, update
from webserver import WebServer

from certlifecycle import Role
from webapp.accounts import bounded
from webapp.accounts.events import Where
from webapp.accounts.identities import recognise
from webapp.accounts.models import Account, Act, ProviderIdentity, ProviderVisit, Way
from webapp.accounts.oidc import Person, Provider, ProviderUnavailable
from webapp.accounts.passwords import NONE
from webapp.accounts.provider_settings import ProviderSettingError, load_provider
from webapp.accounts.settings import Entrance, SecondFactor, SignInSettingError, SignInSettings, load_sign_in
from webapp.audit.models import AuditEvent

ALL = frozenset(Entrance)


@pytest.fixture
def provider() -> Iterator[LoginProvider]:
    with login_provider(Clock(START)) as running:
        running.person = person()
        yield running


@pytest.fixture
def open_desk(provider: LoginProvider, sqlite_url: str, open_shop: Callable[..., Shop]) -> Callable[..., Shop]:
    """Open a shop that knows the provider: ``open_desk(groups=…)``."""

    def open_one(second: SecondFactor = SecondFactor.OFF, **changes: Any) -> Shop:
        settings = SignInSettings(second_factor=second, entrances=ALL, provider=provider.settings(**changes))
        shop = open_shop(sqlite_url, sign_in=settings)
        provider.clock = shop.clock
        return shop

    return open_one


def account_of(shop: Shop, email: str) -> Account:
    with shop.database.reading() as session:
        return session.exec(select(Account).where(Account.email == email)).one()


def audited(shop: Shop, *kinds: str) -> list[tuple[str, str, dict[str, Any]]]:
    with shop.database.reading() as session:
        rows = session.exec(select(AuditEvent).order_by(col(AuditEvent.id))).all()
        return [(row.kind, row.subject, row.facts) for row in rows if row.kind in kinds]


def linked(shop: Shop, who: Account, provider: LoginProvider, subject: str = "1") -> None:
    with shop.database.writing() as session:
        row = ProviderIdentity(account_id=who.id, issuer=provider.issuer, subject=subject, created_at=shop.clock())
        session.add(row)


# Coming in


def test_a_journey_of_somebody_new(open_desk: Callable[..., Shop], provider: LoginProvider) -> None:
    shop = open_desk()
    browser = shop.browser()
    assert "Sign in with Example login" in browser.get("/sign-in?next=/refunds").words
    url = to_provider(browser, "/sign-in/provider?next=/refunds")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert (asked["response_type"], asked["client_id"], asked["redirect_uri"]) == ("code", CLIENT, RETURN)
    assert asked["code_challenge_method"] == "S256"
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    back = at_provider(url)
    answer = browser.get(back, 303)
    assert answer.location == "/refunds"
    browser.get("/refunds")
    carol = account_of(shop, "carol@example.com")
    assert (carol.name, carol.role, carol.password_hash) == ("Carol", Role.CUSTOMER, NONE)
    assert events_of(shop, carol) == [(Act.PROVIDER_LINKED, Way.PROVIDER), (Act.SIGNED_IN, Way.PROVIDER)]
    assert audited(shop, "account_added") == [("account_added", carol.email, {"way": "provider", "role": "customer"})]
    page = browser.get("/account/security")
    assert "There you are carol@example.com." in page.words
    assert "Change the password" not in page.words
    # The second time it is the same account, though the address is another one there.
    provider.person = person(email="carol.new@example.com")
    through(shop.browser())
    with shop.database.reading() as session:
        assert len(session.exec(select(ProviderIdentity)).all()) == 1
        assert session.exec(select(ProviderVisit)).all() == []
    # No password opens it: not even the one that stands for none.
    for typed in (NONE, "anything at all"):
        shop.browser().post("/sign-in", {"email": carol.email, "password": typed}, 422)


def test_an_address_alone_opens_nobodys_account(open_desk: Callable[..., Shop], provider: LoginProvider) -> None:
    shop = open_desk(groups=GROUPS)
    provider.person = person(email="Ada@Example.com")
    page = through(shop.browser(), status=403)
    assert "Your email address has an account here already." in page.words
    assert "link Example login there" in page.words
    with shop.database.reading() as session:
        assert session.exec(select(ProviderIdentity)).all() == []
    assert account_of(shop, shop.ada.email).role == Role.ADMIN


@pytest.mark.parametrize("seen", [False, None, "true"])
def test_an_address_that_nobody_has_seen_makes_no_account(
    open_desk: Callable[..., Shop], provider: LoginProvider, seen: object
) -> None:
    shop = open_desk()
    provider.person = person(email_verified=seen)
    assert "has not checked your email address" in through(shop.browser(), status=403).words
    # Nor does it tell whether the address has an account.
    provider.person = person(email=shop.alice.email, email_verified=seen)
    assert "has not checked your email address" in through(shop.browser(), status=403).words


def test_what_the_token_lacks_is_asked_for(open_desk: Callable[..., Shop], provider: LoginProvider) -> None:
    shop = open_desk(groups=GROUPS)
    provider.person = {"sub": "7"}
    provider.tells = person("7", "erin@example.com", groups=["desk-reviewers"], name="Erin", amr=["mfa"])
    through(shop.browser())
    assert account_of(shop, "erin@example.com").role == Role.REVIEWER
    provider.tells = person("8")
    page = through(shop.browser(), status=422)
    assert "did not vouch for you" in page.words


def test_two_who_come_for_the_first_time_at_once_are_one(any_shop: Shop, provider: LoginProvider) -> None:
    shop, settings = any_shop, provider.settings()
    somebody = Person("1", "carol@example.com", "Carol", frozenset(), False)
    start, found = threading.Barrier(4), list[str]()

    def come() -> None:
        start.wait()
        with shop.database.writing() as session:
            arrival = recognise(session, somebody, settings, Where(), shop.clock())
            assert arrival.account is not None
            found.append(arrival.account.id)

    threads = [threading.Thread(target=come) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


# Roles


def test_a_role_follows_the_groups_and_what_is_lost_is_lost_at_once(
    open_desk: Callable[..., Shop], provider: LoginProvider
) -> None:
    shop = open_desk(groups=GROUPS)
    provider.person = person(groups=["desk-reviewers", "desk-admins", "others"])
    browser = shop.browser()
    through(browser)
    browser.get("/audit")
    provider.person = person(groups="desk-reviewers")
    other = shop.browser()
    through(other)
    # The browser that was signed in as an administrator is out, not only less mighty.
    assert (browser.get("/audit", 303).location or "").startswith("/sign-in")
    other.get("/audit", 403)
    other.get("/review")
    provider.person = person(groups=None)
    third = shop.browser()
    through(third)
    other.get("/review", 303)
    third.get("/review", 403)
    third.get("/refunds")
    changes = [(facts["was"], facts["becomes"]) for _, _, facts in audited(shop, "role_changed")]
    assert changes == [("admin", "reviewer"), ("reviewer", "customer")]
    with shop.database.reading() as session:
        (by,) = set(session.exec(select(AuditEvent.actor_role).where(AuditEvent.kind == "role_changed")).all())
    assert by == Role.SYSTEM


def test_who_is_in_no_group_can_be_kept_out(open_desk: Callable[..., Shop], provider: LoginProvider) -> None:
    shop = open_desk(groups=GROUPS, others=None)
    assert "not as somebody who may come in here" in through(shop.browser(), status=403).words
    with shop.database.reading() as session:
        assert session.exec(select(Account).where(Account.email == "carol@example.com")).first() is None
    provider.person = person(groups=["desk-reviewers"])
    browser = shop.browser()
    through(browser)
    provider.person = person(groups=["something else"])
    through(shop.browser(), status=403)
    # Not let in, and what they had is gone.
    browser.get("/review", 303)
    assert account_of(shop, "carol@example.com").role == Role.CUSTOMER


def test_without_groups_the_provider_has_no_say(open_desk: Callable[..., Shop], provider: LoginProvider) -> None:
    shop = open_desk()
    linked(shop, shop.ada, provider)
    provider.person = person(groups=["desk-reviewers"])
    browser = shop.browser()
    through(browser)
    browser.get("/audit")


def test_an_account_that_is_switched_off_stays_off(open_desk: Callable[..., Shop], provider: LoginProvider) -> None:
    shop = open_desk()
    linked(shop, shop.alice, provider)
    with shop.database.writing() as session:
        session.exec(update(Account).where(col(Account.id) == shop.alice.id).values(disabled_at=shop.clock()))
    assert "switched off" in through(shop.browser(), status=403).words


# The second factor


@pytest.mark.parametrize("said", [{"amr": ["pwd", "mfa"]}, {"acr": "mfa"}])
def test_the_provider_may_vouch_for_the_second_factor(
    open_desk: Callable[..., Shop], provider: LoginProvider, said: dict[str, Any]
) -> None:
    shop = open_desk(SecondFactor.STAFF, groups=GROUPS, second_factor=frozenset({"mfa"}))
    provider.person = person(groups=["desk-reviewers"], **said)
    browser = shop.browser()
    assert through(browser, "/sign-in/provider?next=/review").location == "/review"
    browser.get("/review")
    provider.person = person(groups=["desk-reviewers"], amr=["pwd"])
    assert (through(shop.browser()).location or "").startswith("/account/second-factor")


def test_staff_show_their_own_where_it_does_not(open_desk: Callable[..., Shop], provider: LoginProvider) -> None:
    shop = open_desk(SecondFactor.STAFF, groups=GROUPS)
    provider.person = person(groups=["desk-reviewers"], amr=["mfa"])
    browser = shop.browser()
    led = through(browser, "/sign-in/provider?next=/review")
    assert led.location == "/account/second-factor?next=/review"
    browser.get("/review", 303)
    app = App(browser.get(led.location))
    browser.post(led.location, {"code": app.shows(shop.clock())}, 200)
    browser.get("/review")
    # What changes what one signs in with asks for a password; whoever has none must have come in just now.
    browser.post("/account/second-factor/codes", {}, 200)
    shop.clock.advance(minutes=11)
    page = browser.post("/account/second-factor/codes", {}, 422)
    assert "Sign out and in again first." in page.words
    again = shop.browser()
    led = through(again, "/sign-in/provider?next=/review")
    assert led.location == "/sign-in/code?next=/review"
    assert "you are carol@example.com" in again.follow(led).words
    again.post(led.location or "", {"code": app.shows(shop.clock())})
    again.get("/review")


# What is not believed


def test_a_link_elsewhere_begins_nothing(open_desk: Callable[..., Shop], provider: LoginProvider) -> None:
    shop = open_desk()
    browser = shop.browser()
    browser.get("/sign-in/provider", 405)
    answer = browser.client.post("/sign-in/provider")
    assert answer.status_code == 400, "a form without the page's secret"
    assert provider.asked == []


def test_a_wrong_state_and_another_browser(open_desk: Callable[..., Shop], provider: LoginProvider) -> None:
    shop = open_desk()
    victim, thief = shop.browser(), shop.browser()
    back = at_provider(to_provider(thief))
    # Somebody is led to the return address with the thief's own code and state.
    for browser in (victim, shop.browser()):
        assert "began in another browser" in browser.get(back, 422).words
    victim.get("/certificates", 303)
    to_provider(victim)
    assert "began in another browser" in victim.get(back, 422).words
    query = dict(parse_qs(urlsplit(back).query))
    for state, status in (("wrong", 422), ("", 422), ("é", 422), ("\x00", 400)):
        forged = urlencode({**{name: values[0] for name, values in query.items()}, "state": state})
        thief.get(f"/sign-in/provider/return?{forged}", status)
    assert provider.asked.count("/token") == 0
    assert thief.get(back, 303).location == "/"


def test_a_code_is_good_once_and_not_for_ever(open_desk: Callable[..., Shop], provider: LoginProvider) -> None:
    shop = open_desk()
    browser = shop.browser()
    back = at_provider(to_provider(browser))
    browser.get(back, 303)
    browser.post("/sign-out")
    assert "was used before" in browser.get(back, 422).words
    # The same code with a state of one's own: the provider refuses it.
    code = parse_qs(urlsplit(back).query)["code"][0]
    mine = parse_qs(urlsplit(at_provider(to_provider(browser))).query)
    replayed = urlencode({"code": code, "state": mine["state"][0], "iss": mine["iss"][0]})
    assert "did not vouch for you" in browser.get(f"/sign-in/provider/return?{replayed}", 422).words
    # A code that was caught on its way is worth nothing without the verifier of the one who asked for it.
    caught = parse_qs(urlsplit(at_provider(to_provider(shop.browser()))).query)["code"][0]
    mine = parse_qs(urlsplit(at_provider(to_provider(browser))).query)
    injected = urlencode({"code": caught, "state": mine["state"][0], "iss": mine["iss"][0]})
    browser.get(f"/sign-in/provider/return?{injected}", 422)
    late = at_provider(to_provider(browser))
    shop.clock.advance(minutes=10)
    assert "too old" in browser.get(late, 422).words
    browser.get("/certificates", 303)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"nonce": "another"}, 422),
        ({"nonce": None}, 422),
        ({"iss": "https://evil.example.net"}, 422),
        ({"aud": ["another"]}, 422),
        ({"aud": ["another"], "azp": CLIENT}, 422),
        ({"aud": [CLIENT, "another"]}, 422),
        ({"azp": "another"}, 422),
        ({"exp": int(START.timestamp()) - 61}, 422),
        ({"exp": int(START.timestamp()) - 59}, 303),
        ({"iat": int(START.timestamp()) + 61}, 422),
        ({"iat": int(START.timestamp()) + 59}, 303),
        ({"nbf": int(START.timestamp()) + 61}, 422),
        ({"exp": "tomorrow"}, 422),
        ({"exp": None}, 422),
        ({"at_hash": "AAAA"}, 422),
        ({"sub": ""}, 422),
        ({"sub": 7}, 422),
        ({"sub": "x" * 256}, 422),
    ],
)
def test_a_token_that_does_not_hold(
    open_desk: Callable[..., Shop], provider: LoginProvider, wrong: dict[str, Any], status: int
) -> None:
    shop = open_desk()
    provider.claims = wrong
    browser = shop.browser()
    page = through(browser, status=status)
    if status == 422:
        assert "Example login did not vouch for you." in page.words
        browser.get("/certificates", 303)
        assert [kind for kind, _, _ in audited(shop, "sign_in_refused")] == ["sign_in_refused"]


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_signature_that_anybody_can_make(
    open_desk: Callable[..., Shop], provider: LoginProvider, algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_desk()
    forged = forge(provider, algorithm)
    monkeypatch.setitem(provider.app.view_functions, "token", lambda: {"access_token": "x", "id_token": forged()})
    through(shop.browser(), status=422)


def forge(provider: LoginProvider, algorithm: str) -> Callable[[], str]:
    """Tokens without a signature, and with one that was made with the provider's public key as if it were a secret."""
    import base64
    import hashlib
    import hmac
    import json

    def part(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    def make() -> str:
        (code,) = provider.codes.values()
        now = int(provider.clock().timestamp())
        claims = person() | {"iss": provider.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": code.nonce}
        header = {"alg": algorithm, "kid": provider.key.kid}
        signed = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}"
        pem = provider.key.as_pem(private=False)
        made = hmac.digest(pem, signed.encode(), hashlib.sha256) if algorithm == "HS256" else b""
        return f"{signed}.{part(made)}"

    return make


def test_a_key_that_is_not_the_providers(open_desk: Callable[..., Shop], provider: LoginProvider) -> None:
    shop = open_desk()
    through(shop.browser())
    published = provider.listed
    provider.rotate()
    provider.listed = published
    assert "did not vouch" in through(shop.browser(), status=422).words


def test_a_new_key_of_the_provider_is_found(open_desk: Callable[..., Shop], provider: LoginProvider) -> None:
    shop = open_desk()
    through(shop.browser())
    provider.rotate()
    through(shop.browser())
    assert provider.asked.count("/keys") == 2, "what is known is kept until it fits no more"


@pytest.mark.parametrize("issuer", ["https://evil.example.net", None])
def test_an_answer_of_another_issuer(
    open_desk: Callable[..., Shop], provider: LoginProvider, issuer: str | None
) -> None:
    """RFC 9207: the code of one provider is never sent to another."""
    shop = open_desk()
    browser = shop.browser()
    sent = {name: values[0] for name, values in parse_qs(urlsplit(at_provider(to_provider(browser))).query).items()}
    del sent["iss"]
    query = urlencode(sent | ({"iss": issuer} if issuer else {}))
    browser.get(f"/sign-in/provider/return?{query}", 422)
    assert "/token" not in provider.asked


def test_somebody_who_says_no_there(open_desk: Callable[..., Shop], provider: LoginProvider) -> None:
    shop = open_desk()
    browser = shop.browser()
    url = to_provider(browser)
    provider.person = {}
    page = browser.get(at_provider(url), 422)
    assert "did not vouch for you" in page.words


# The provider is not there


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("error", {}),
        ("<html>Hello", {}),
        ("[1, 2]", {}),
        ("[" * 100_000, {}),
        ("x" * 600_000, {}),
        ("", {"issuer": "https://evil.example.net"}),
        ("", {"token_endpoint": "http://login.example.com/token"}),
        ("", {"jwks_uri": None}),
        ("", {"authorization_endpoint": "javascript:alert(1)"}),
        ("", {"token_endpoint": "https://user@login.example.com/"}),
    ],
)
def test_a_provider_that_answers_nonsense(
    open_desk: Callable[..., Shop], provider: LoginProvider, broken: str, says: dict[str, Any]
) -> None:
    shop = open_desk()
    provider.broken, provider.says = broken, says
    browser = shop.browser()
    page = browser.post("/sign-in/provider?next=/refunds", status=503)
    assert "Example login does not answer at present." in page.words
    # What was wanted is not lost, and the ordinary way works.
    assert "next=/refunds" in page.text
    sign_in(shop, shop.alice, browser)
    # Nothing of it is kept: once it is well, it is well.
    provider.broken, provider.says = "", {}
    through(shop.browser())


def test_a_provider_that_is_gone_halfway(open_desk: Callable[..., Shop], provider: LoginProvider) -> None:
    shop = open_desk()
    browser = shop.browser()
    for broken in ("error", "nonsense", "[]", '{"access_token": 7, "id_token": 9}'):
        back = at_provider(to_provider(browser, "/sign-in/provider?next=/refunds"))
        provider.broken = broken
        page = browser.get(back, 422 if "id_token" in broken else 503)
        assert "next=/refunds" in page.text
        provider.broken = ""
    through(browser)


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """For one that sends a byte now and then, one that never ends, one that leads elsewhere, and one that is gone."""
    monkeypatch.setattr(bounded, "SECONDS", 1)
    server = WebServer()
    address = f"http://127.0.0.1:{server.port}"
    settings = load_provider({"OIDC_ISSUER": address, "OIDC_CLIENT_ID": "x", "OIDC_LOOPBACK": "1"})
    assert settings is not None
    metadata = "/.well-known/openid-configuration"

    def refuses() -> None:
        with pytest.raises(ProviderUnavailable):
            Provider(settings, RETURN, Clock()).begin("state", "nonce", "verifier")

    try:
        server.drip(metadata, 0.2)
        refuses()
        server.flood(metadata)
        refuses()
        server.redirect(metadata, f"{address}/elsewhere")
        refuses()
        assert {one.path for one in server.requests} == {metadata}
    finally:
        server.close()
    refuses()


# Linking


def test_an_account_is_linked_by_its_owner(open_desk: Callable[..., Shop], provider: LoginProvider) -> None:
    shop = open_desk(groups=GROUPS)
    _, app, _ = with_app(shop, shop.alice)
    browser = shop.browser(shop.alice)
    assert "Link it" in browser.get("/account/security").words
    browser.get("/account/provider")
    # The password and the code, both.
    shop.clock.advance(seconds=30)
    code = app.shows(shop.clock())
    browser.post("/account/provider", {"password": "wrong", "code": code}, 422)
    browser.post("/account/provider", {"password": PASSWORD, "code": "000000" if code != "000000" else "1"}, 422)
    page = browser.post("/account/provider", {"password": PASSWORD, "code": code}, 200)
    url = page.response.headers["Refresh"].removeprefix("0; url=")
    assert url.startswith(f"{provider.issuer}/authorize?")
    answer = browser.get(at_provider(url), 303)
    assert "It is linked." in browser.follow(answer).words
    assert events_of(shop, shop.alice)[-1] == (Act.PROVIDER_LINKED, Way.PROVIDER)
    # From now on it opens the account, and the second factor is asked for as ever.
    assert (through(shop.browser()).location or "").startswith("/sign-in/code")

    page = browser.post("/account/provider/remove", {"password": PASSWORD})
    assert "The link is removed." in browser.follow(page).words
    assert events_of(shop, shop.alice)[-1][0] is Act.PROVIDER_UNLINKED
    assert "Nothing is linked." in browser.get("/account/provider/remove").words
    provider.person = person(email=shop.alice.email)
    assert "has an account here already" in through(shop.browser(), status=403).words


def begin_link(browser: Browser) -> str:
    page = browser.post("/account/provider", {"password": PASSWORD}, 200)
    return str(page.response.headers["Refresh"]).removeprefix("0; url=")


def test_what_cannot_be_linked(open_desk: Callable[..., Shop], provider: LoginProvider) -> None:
    shop = open_desk(groups=GROUPS)
    linked(shop, shop.bob, provider)
    alice = shop.browser(shop.alice)
    answer = alice.get(at_provider(begin_link(alice)), 303)
    assert "belongs to another account here" in alice.follow(answer).words
    provider.person = person("2")
    linked(shop, shop.alice, provider, "3")
    answer = alice.get(at_provider(begin_link(alice)), 303)
    assert "is linked to somebody else" in alice.follow(answer).words
    # Somebody else is signed in by the time it comes back.
    back = at_provider(begin_link(alice))
    sign_in(shop, shop.robin, alice)
    alice.get(back, 303)
    with shop.database.reading() as session:
        assert len(session.exec(select(ProviderIdentity)).all()) == 2
    # The link of somebody who has no other way in stays, and that of staff whose role comes from there.
    provider.person = person("4", "dora@example.com")
    dora = shop.browser()
    through(dora)
    # Nor can she give herself a password, though she has come in a moment ago.
    dora.get("/account/password", 404)
    dora.post("/account/password", {"new": "ferry lantern quilt moss", "again": "ferry lantern quilt moss"}, 404)
    assert "no way in any more" in dora.post("/account/provider/remove", {}, 422).words
    linked(shop, shop.rita, provider, "5")
    rita = shop.browser(shop.rita)
    page = rita.post("/account/provider/remove", {"password": PASSWORD}, 422)
    assert "Your role here comes from Example login" in page.words


def test_linking_where_the_provider_is_down(open_desk: Callable[..., Shop], provider: LoginProvider) -> None:
    shop = open_desk()
    alice = shop.browser(shop.alice)
    provider.broken = "error"
    assert "does not answer" in alice.post("/account/provider", {"password": PASSWORD}, 503).words
    provider.broken = ""
    back = at_provider(begin_link(alice))
    provider.broken = "error"
    assert "does not answer" in alice.follow(alice.get(back, 303)).words
    assert alice.get("/account/security").status == 200


# Settings

SET = {"OIDC_ISSUER": "https://login.example.com", "OIDC_CLIENT_ID": "desk"}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"OIDC_ISSUER": "http://login.example.com"}, "OIDC_ISSUER"),
        ({"OIDC_ISSUER": "http://127.0.0.1:9"}, "OIDC_ISSUER"),
        ({"OIDC_ISSUER": "https://login.example.com/?x"}, "OIDC_ISSUER"),
        ({"OIDC_ISSUER": "https://[::1"}, "OIDC_ISSUER"),
        ({"OIDC_CLIENT_ID": ""}, "OIDC_CLIENT_ID"),
        ({"OIDC_GROUPS": "desk-admins"}, "OIDC_GROUPS"),
        ({"OIDC_GROUPS": "desk-admins=root"}, "OIDC_GROUPS"),
        ({"OIDC_GROUPS": "x=system"}, "OIDC_GROUPS"),
        ({"OIDC_OTHERS": "nobody"}, "OIDC_OTHERS"),
        ({"OIDC_OTHERS": "refuse"}, "OIDC_OTHERS"),
        ({"OIDC_LOOPBACK": "yes"}, "OIDC_LOOPBACK"),
    ],
)
def test_a_malformed_setting_is_named(given: dict[str, str], name: str) -> None:
    with pytest.raises(ProviderSettingError, match=f"^{name} "):
        load_provider(SET | given)
    with pytest.raises(SignInSettingError, match=f"^{name} "):
        load_sign_in(SET | given, demo=False)


def test_which_ways_are_open() -> None:
    assert load_sign_in({}, demo=False).entrances == {Entrance.PASSWORD, Entrance.PASSKEY}
    assert load_sign_in(SET, demo=False).entrances == set(Entrance)
    assert load_sign_in(SET | {"SIGN_IN_WITH": " oidc "}, demo=False).entrances == {Entrance.OIDC}
    for wrong in ("oidc", "password,telepathy"):
        with pytest.raises(SignInSettingError, match=r"^SIGN_IN_WITH (names|must) "):
            load_sign_in({"SIGN_IN_WITH": wrong}, demo=False)


def test_what_is_set_is_read() -> None:
    more = {
        "OIDC_CLIENT_SECRET": "hush",
        "OIDC_NAME": "Example login",
        "OIDC_GROUPS": "cn=reviewers=reviewer, desk-admins=admin",
        "OIDC_GROUPS_CLAIM": "roles",
        "OIDC_SECOND_FACTOR": "mfa,hwk",
    }
    settings = load_provider(SET | more)
    assert settings is not None
    assert settings.role_of(frozenset({"cn=reviewers"})) is Role.REVIEWER
    assert settings.role_of(frozenset()) is Role.CUSTOMER
    assert settings.second_factor == {"mfa", "hwk"}
    assert "hush" not in repr(settings)
    named = load_provider(SET)
    assert named is not None
    assert named.name == "login.example.com"


def test_a_provider_alone_lets_nobody_in_by_password(
    provider: LoginProvider, sqlite_url: str, open_shop: Callable[..., Shop]
) -> None:
    settings = SignInSettings(SecondFactor.OFF, entrances=frozenset({Entrance.OIDC}), provider=provider.settings())
    shop = open_shop(sqlite_url, sign_in=settings)
    page = shop.browser().get("/sign-in")
    assert "Password" not in page.words
    assert "passkey" not in page.words
    shop.browser().post("/sign-in", {"email": shop.alice.email, "password": PASSWORD}, 404)
    through(shop.browser())
