"""Deleting one's account: what is in the way, what goes, what stays without a name, and that the chain still holds."""

import pytest
import sqlalchemy as sa
from job_support import by, work
from pages import link
from postgres import owning
from shop import PASSWORD, Shop
from sign_in_support import sign_in, with_app
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel, select
from test_cli import run

from certlifecycle import Event, State
from webapp.accounts.models import DELETED, Account, AccountEvent
from webapp.accounts.passwords import NONE
from webapp.audit import verify as verifying
from webapp.audit.models import AuditEvent
from webapp.audit.verify import Broken, Fault, verify
from webapp.certificates.models import Certificate, History, PaymentMethod
from webapp.organisations.models import Invitation
from webapp.payments.models_outside import PayerAccount
from webapp.privacy import export
from webapp.refunds.models import Refund
from webapp.tables import FORMER

DELETE = "/account/data/delete"
RIGHT = {"password": PASSWORD}


def lived(shop: Shop) -> Certificate:
    """Alice has bought, signed in, set up an app, got her money back, and taken her data along."""
    sign_in(shop, shop.alice)
    with_app(shop, shop.alice)
    shop.browser().post("/sign-in", {"email": shop.alice.email, "password": "wrong"}, 422)
    certificate = shop.certificate_in(State.REFUNDED, method=PaymentMethod.BANK)
    with shop.database.writing() as session:
        holder = PayerAccount(
            purchase_id=certificate.purchase_id, holder="Alice", number="62220202", stored_at=shop.clock()
        )
        session.add(holder)
    shop.browser(shop.alice).post("/certificates/saved", {"name": "Mine", "tab": "signed", "q": "x"})
    work(shop, export.start(shop.parts.jobs, by(shop.alice)))
    run(shop.app, "sign-out", "alice@example.com")
    # A refund to the balance leaves money there; she has had it paid out.
    with shop.database.writing() as session:
        session.execute(sa.text("UPDATE ledger_account SET balance_minor = 0 WHERE owner LIKE 'customer:%'"))
    return certificate


def everything(shop: Shop) -> dict[str, str]:
    """All that stands in the database, by table."""
    with shop.database.reading() as session:
        names = set(SQLModel.metadata.tables) - FORMER
        return {name: repr(session.execute(sa.select(SQLModel.metadata.tables[name])).all()) for name in names}


def whole(shop: Shop) -> int:
    with shop.database.reading() as session:
        return verify(session.connection()).position


def test_nothing_is_left_but_a_pseudonym_and_the_chain_holds(any_shop: Shop) -> None:
    shop = any_shop
    certificate = lived(shop)
    entries = whole(shop)
    browser, elsewhere = shop.browser(shop.alice), shop.browser(shop.alice)
    page = browser.get(link(browser.get("/account/data"), "Delete your account") or "")
    assert "This stays, without your name" in page.words
    assert "for 10 years at least" in page.words
    done = browser.post(DELETE, RIGHT)
    assert "Your account is deleted." in browser.follow(done).words
    elsewhere.get("/certificates", 303)
    shop.browser().post("/sign-in", {"email": "alice@example.com", "password": PASSWORD}, 422)
    for name, rows in everything(shop).items():
        # The last try to sign in with an address that is nobody's any more keeps nothing of it.
        assert "alice@example.com" not in rows, name
        assert "Alice" not in rows, name
        assert "62220202" not in rows, name
    with shop.database.reading() as session:
        gone = session.get_one(Account, shop.alice.id)
        refund = session.exec(select(Refund)).one()
        own = session.exec(select(History).where(History.actor_id == gone.id)).all()
        kinds = [row.kind for row in session.exec(select(AuditEvent).order_by(sa.text("id")))]
        assert session.exec(select(AccountEvent)).all() == []
    assert (gone.name, gone.is_deleted, gone.disabled_at) == (DELETED, True, shop.clock())
    assert (refund.reason, refund.outcome) == ("", "refunded")
    assert {(row.actor_name, row.address) for row in own} == {(DELETED, "")}
    # Why a certificate was revoked is one of the reasons of RFC 5280, and nobody's words.
    assert {row.event: row.reason for row in own if row.reason} == {"revoke": "superseded"}
    assert {row.event for row in own} >= {"order", "submit", "request_refund"}
    assert kinds.count("account_deleted") == 1
    assert kinds.count("personal_data_erased") == 2
    # Everything of before is still proved, and what came is in the chain as well.
    assert whole(shop) == entries + 4
    told = run(shop.app, "verify-history").output
    assert "personal data was emptied since" in told
    shown = shop.browser(shop.rita).get(f"/certificates/{certificate.id}")
    assert "Deleted account" in shown.words
    found = shop.browser(shop.ada).get("/audit")
    assert "Account deleted" in found.words
    assert "Personal data emptied in earlier entries" in found.words


def test_what_is_done_to_emptied_rows_is_found_as_before(any_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = any_shop
    lived(shop)
    shop.browser(shop.alice).post(DELETE, RIGHT)
    whole(shop)
    changes = (
        "UPDATE history SET actor_name = 'Mallory' WHERE actor_name = 'Deleted account'",
        "UPDATE history SET event = 'revoke' WHERE actor_name = 'Deleted account'",
        "UPDATE audit_event SET address = '192.0.2.66' WHERE actor_name = 'Deleted account'",
        "UPDATE history SET address = '', actor_name = 'Deleted account', reason = '' WHERE actor_role = 'reviewer'",
    )
    for statement in changes:
        with owning(shop.database) as engine, engine.connect() as connection:
            unguard(connection)
            connection.exec_driver_sql(statement)
            with pytest.raises(Broken) as caught:
                verify(connection)
            assert caught.value.fault is Fault.CHANGED, statement
            connection.rollback()
    # It is the entries that make the difference.
    monkeypatch.setattr(verifying, "erased", lambda _connection: {})
    with shop.database.reading() as session, pytest.raises(Broken, match="was changed"):
        verify(session.connection())


def unguard(connection: sa.Connection) -> None:
    """What the owner of a database can do."""
    for table in ("history", "audit_event"):
        sqlite = connection.dialect.name == "sqlite"
        what = f"DROP TRIGGER {table}_no_update" if sqlite else f"DROP FUNCTION {table}_no_update() CASCADE"
        connection.exec_driver_sql(what)


def test_the_database_lets_nothing_else_change(any_shop: Shop) -> None:
    any_shop.certificate_in(State.ISSUED)
    sign_in(any_shop, any_shop.alice)
    for statement in (
        "UPDATE history SET actor_name = 'Mallory'",
        "UPDATE history SET address = ''",
        "UPDATE history SET actor_name = 'Deleted account', address = '', event = 'revoke'",
        "UPDATE history SET actor_name = 'Deleted account', address = '', facts = '{}'",
        "UPDATE history SET actor_name = 'Deleted account', address = '', reason = 'something else'",
        "UPDATE audit_event SET actor_name = 'Mallory'",
        "UPDATE audit_event SET subject = 'mallory@example.com'",
        "UPDATE audit_event SET actor_name = 'Deleted account', kind = 'signed_out'",
        "UPDATE account_event SET address = ''",
    ):
        with pytest.raises(DBAPIError, match="append-only"), any_shop.database.writing() as session:
            session.connection().exec_driver_sql(statement)


def test_what_is_under_way_or_valid_stands_in_the_way(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    shop.certificate_in(State.REFUND_REQUESTED, domain="money.example.com")
    shop.certificate_in(State.ISSUED, domain="valid.example.com")
    page = browser.get(DELETE)
    assert "This stands in the way" in page.words
    for domain in ("money.example.com", "valid.example.com"):
        assert link(page, domain)
    assert "Delete my account" not in page.words
    assert "This stands in the way" in browser.post(DELETE, RIGHT, 409).words
    assert not shop.find(Account, shop.alice.id).is_deleted
    shop.clock.advance(days=400)
    assert "valid.example.com" not in shop.browser(shop.alice).get(DELETE).words


def test_what_would_be_given_up_has_to_be_known(shop: Shop) -> None:
    shop.certificate_in(State.PENDING, domain="unused.example.com")
    shop.give(shop.alice, 12_00)
    browser = shop.browser(shop.alice)
    page = browser.get(DELETE)
    assert "12.00" in page.words
    assert link(page, "unused.example.com")
    assert "Say that you know what you give up" in browser.post(DELETE, RIGHT, 422).words
    assert "This is not your password." in browser.post(DELETE, {"password": "wrong", "understood": "y"}, 422).words
    assert not shop.find(Account, shop.alice.id).is_deleted
    browser.post(DELETE, RIGHT | {"understood": "y"})
    assert shop.find(Account, shop.alice.id).is_deleted
    # Others are as they were, and the name is free again.
    assert shop.find(Account, shop.bob.id).email == "bob@example.com"
    shop.account("alice", shop.bob.role)


def test_what_comes_in_between_is_seen(shop: Shop) -> None:
    """The form was made when nothing was in the way; by the time it comes, something is."""
    certificate = shop.certificate_in(State.REVOKED)
    browser = shop.browser(shop.alice)
    assert "This stands in the way" not in browser.get(DELETE).words
    shop.fire(certificate, Event.REQUEST_REFUND)
    assert "This stands in the way" in browser.post(DELETE, RIGHT, 409).words
    assert not shop.find(Account, shop.alice.id).is_deleted


def test_whoever_decides_does_not_delete_their_name(shop: Shop) -> None:
    for who in (shop.rita, shop.ada):
        assert link(shop.browser(who).get("/account/data"), "Delete your account") is None
        shop.browser(who).get(DELETE, 403)
        shop.browser(who).post(DELETE, RIGHT, 403)


def test_a_member_leaves_the_organisation_first(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    browser.post("/account/organisation", {"name": "Example Ltd"})
    certificate = shop.certificate_in(State.ISSUED, shop.find(Account, shop.alice.id))
    page = browser.get(DELETE)
    assert link(page, "Leave the organisation") == "/account/organisation/leave"
    assert "This stands in the way" in browser.post(DELETE, RIGHT, 409).words
    bob = shop.find(Account, shop.bob.id)
    with shop.database.writing() as session:
        session.add(
            Invitation(
                organisation_id=shop.find(Account, shop.alice.id).organisation_id or "",
                email="alice@example.com",
                invited_by=bob.id,
                created_at=shop.clock(),
                expires_at=shop.clock(),
            )
        )
    browser.post("/account/organisation/leave")
    # The last to leave keeps the certificates, and a valid one has to be revoked.
    assert link(browser.get(DELETE), certificate.domain)
    shop.clock.advance(days=300)
    browser = shop.browser(shop.alice)
    browser.post(DELETE, RIGHT)
    for name, rows in everything(shop).items():
        assert "alice@example.com" not in rows, name
    whole(shop)


def test_whoever_has_no_password_has_just_signed_in_instead(shop: Shop) -> None:
    with shop.database.writing() as session:
        session.get_one(Account, shop.alice.id).password_hash = NONE
    browser = shop.browser(shop.alice)
    page = browser.get(DELETE)
    assert not [node for node in page.tree.iter("input") if node.get("type") == "password"]
    shop.clock.advance(minutes=11)
    assert "Sign out and in again first." in browser.post(DELETE, {}, 422).words
    assert not shop.find(Account, shop.alice.id).is_deleted
    shop.browser(shop.alice).post(DELETE, {})
    assert shop.find(Account, shop.alice.id).is_deleted
