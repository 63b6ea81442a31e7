"""Somebody who has lost the second factor and the recovery codes is let in again by an administrator alone."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from pages import link
from shop import PASSWORD, Shop
from sign_in_support import App, events_of, sign_in, with_app
from sqlmodel import select
from test_audit_trail import told
from test_cli import run

from certlifecycle import Role
from webapp.accounts import factors
from webapp.accounts.models import Account, Act, Authenticator, Passkey, RecoveryCode
from webapp.accounts.settings import Entrance, SecondFactor, SignInSettings
from webapp.certificates.models import Channel
from webapp.desk import By
from webapp.errors import Forbidden
from webapp.people.letting_in import take_off

WHY = {"reason": "She stood before me with her passport."}


def path(who: Account) -> str:
    return f"/people/{who.id}/second-factor"


@pytest.fixture
def shop(sqlite_url: str, open_shop: Callable[..., Shop]) -> Shop:
    return open_shop(sqlite_url, sign_in=SignInSettings(SecondFactor.STAFF))


def test_a_journey_of_a_reviewer_whose_telephone_is_gone(shop: Shop) -> None:
    rita, _app, codes = with_app(shop, shop.rita)
    with shop.database.writing() as session:
        key = {"credential_id": b"1", "public_key": b"2", "sign_count": 0, "name": "Key", "created_at": shop.clock()}
        session.add(Passkey(account_id=shop.rita.id, **key))
    ada = shop.browser(shop.ada)
    page = ada.get(f"/people/{shop.rita.id}")
    page = ada.get(link(page, "It is lost: Rita") or "")
    assert "The authenticator app, every passkey and the recovery codes of Rita stop working" in page.words
    assert "set up a new second factor before anything else" in page.words
    said = ada.follow(ada.post(path(shop.rita), WHY))
    assert "Rita signs in without a second factor now, and sets up a new one." in said.words
    assert link(said, "It is lost: Rita") is None
    # What she had opens nothing any more, and what was open is closed.
    rita.get("/review", 303)
    with shop.database.reading() as session:
        assert not [kind for kind in (Authenticator, Passkey, RecoveryCode) if session.exec(select(kind)).all()]
        assert factors.check(session, shop.rita.id, codes[0], shop.settings, shop.clock()) is None
    # She comes back by her password, and has a new one before she sees anything.
    browser, led = sign_in(shop, shop.rita)
    assert (led.location or "").startswith("/account/second-factor")
    browser.get("/review", 303)
    app = App(browser.get("/account/second-factor"))
    browser.post("/account/second-factor", {"code": app.shows(shop.clock())}, 200)
    browser.get("/review")
    assert (Act.SECOND_FACTOR_TAKEN_OFF, None) in events_of(shop, shop.rita)
    assert "Second factor taken off by an administrator" in browser.get("/account/security").words
    assert ("second_factor_taken_off", "Ada", "rita@example.com") in told(shop)
    trail = ada.get("/audit?kind=second_factor_taken_off")
    assert WHY["reason"] in trail.words


def test_it_needs_a_reason_and_a_proof(shop: Shop) -> None:
    with_app(shop, shop.rita)
    ada = shop.browser(shop.ada)
    assert "Say how you made sure." in ada.post(path(shop.rita), {"reason": " "}, 422).words
    shop.clock.advance(minutes=30)
    page = ada.post(path(shop.rita), WHY, 422)
    assert page.field("reason").strip() == WHY["reason"]
    assert "proof_password" in page.text
    ada.post(path(shop.rita), WHY | {"proof_password": "wrong"}, 422)
    with shop.database.reading() as session:
        assert factors.has_any(session, shop.rita.id)
    ada.post(path(shop.rita), WHY | {"proof_password": PASSWORD})
    with shop.database.reading() as session:
        assert not factors.has_any(session, shop.rita.id)


def test_nobody_takes_off_their_own(shop: Shop) -> None:
    ada, _app, _codes = with_app(shop, shop.ada)
    assert link(ada.get(f"/people/{shop.ada.id}"), "It is lost: Ada") is None
    page = ada.post(path(shop.ada), WHY, 403)
    assert "Nobody takes their own second factor off here." in page.words
    with shop.database.reading() as session:
        assert factors.has_any(session, shop.ada.id)


def test_there_must_be_one_and_a_way_back(shop: Shop, sqlite_url: str) -> None:
    ada = shop.browser(shop.ada)
    assert "Rita has no second factor." in ada.post(path(shop.rita), WHY, 409).words
    with_app(shop, shop.rita)
    passkeys = replace(shop.settings, sign_in=SignInSettings(entrances=frozenset({Entrance.PASSKEY})))
    by = By(shop.ada.actor, Channel.WEB)
    with pytest.raises(Exception, match="they could not come back"):
        take_off(shop.desk, passkeys, by, shop.rita.id, "why")
    with shop.database.reading() as session:
        assert factors.has_any(session, shop.rita.id)


def test_whoever_is_no_administrator_any_more_takes_nothing_off(any_shop: Shop) -> None:
    shop = any_shop
    with_app(shop, shop.rita)
    by = By(shop.ada.actor, Channel.WEB)
    with shop.database.writing() as session:
        session.get_one(Account, shop.ada.id).role = Role.REVIEWER
    with pytest.raises(Forbidden):
        take_off(shop.desk, shop.settings, by, shop.rita.id, "why")
    with shop.database.reading() as session:
        assert factors.has_any(session, shop.rita.id)


def test_the_last_administrator_is_let_in_from_the_command_line(shop: Shop) -> None:
    with_app(shop, shop.ada)
    said = run(shop.app, "take-off-second-factor", "ada@example.com", "--reason", "I am she.").output
    assert said == "Ada signs in without a second factor now, and sets up a new one.\n"
    assert ("second_factor_taken_off", "The desk", "ada@example.com") in told(shop)
    again = run(shop.app, "take-off-second-factor", "ada@example.com", "--reason", "I am she.", exit_code=1)
    assert "Ada has no second factor." in again.output
