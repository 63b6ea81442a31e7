"""A forgotten password: a link by mail that works once, tells nobody who has an account, and opens no session."""

import re
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from mail_shop import MailShop, text_of
from shop import PASSWORD, Page, Shop
from sign_in_support import events_of, sign_in, with_app
from sqlmodel import col, select, update

from certlifecycle import Role
from webapp.accounts import recovery
from webapp.accounts.models import Account, Act, ProviderIdentity, RecoveryLink, RecoveryRequest, Way
from webapp.accounts.passwords import NONE
from webapp.accounts.recovery import Recovering
from webapp.accounts.settings import Entrance, SecondFactor, SignInSettings
from webapp.audit.models import AuditEvent
from webapp.mail.about import Obsolete
from webapp.mail.models import MailKind

NEW = "ferry lantern quilt moss"
CHOICE = {"new": NEW, "again": NEW}


@pytest.fixture
def post(shop: Shop) -> MailShop:
    return MailShop(shop)


def asked(post: MailShop, who: str = "alice@example.com") -> Page:
    """Somebody asks, and the worker has answered."""
    page = post.shop.browser().post("/sign-in/recover", {"email": who}, 200)
    post.office.recover()
    return page


def link_in(post: MailShop) -> str:
    """The path of the link in the newest mail."""
    (path,) = re.findall(r"https://desk\.example\.com(/sign-in/recover/\S+)", text_of(post.compose(newest(post))))
    return path


def newest(post: MailShop) -> object:
    return [mail for mail in post.mails() if mail.kind == MailKind.RECOVERY][-1]


def audited(shop: Shop) -> list[tuple[str, str]]:
    with shop.database.reading() as session:
        rows = session.exec(select(AuditEvent).order_by(col(AuditEvent.id))).all()
        return [(row.kind, row.subject) for row in rows]


def test_a_journey_from_the_forgotten_password_to_the_new_one(post: MailShop) -> None:
    shop = post.shop
    elsewhere = shop.browser(shop.alice)
    browser = shop.browser()
    assert 'href="/sign-in/recover"' in browser.get("/sign-in").text
    page = browser.post("/sign-in/recover", {"email": " Alice@Example.com "}, 200)
    assert "If alice@example.com has an account here, a link is on its way there." in page.words
    post.office.recover()
    link = link_in(post)
    # Looking at it, as programs that check mails do, uses nothing up.
    for _ in range(2):
        shown = browser.get(link)
        assert "For alice@example.com." in shown.words
        assert shown.response.headers["Cache-Control"] == "no-store"
    assert "Take at least 12 characters." in browser.post(link, {"new": "short", "again": "short"}, 422).words
    answer = browser.post(link, CHOICE)
    assert answer.location == "/sign-in"
    assert "Your password is replaced" in browser.follow(answer).words
    # Nobody is signed in by it, and everybody else is out.
    browser.get("/certificates", 303)
    elsewhere.get("/certificates", 303)
    shop.browser().post("/sign-in", {"email": shop.alice.email, "password": PASSWORD}, 422)
    browser.post("/sign-in", {"email": shop.alice.email, "password": NEW})
    browser.get("/certificates")
    assert (MailKind.PASSWORD_RESET, shop.alice.email) in post.told()
    happened = [Act.RECOVERY_ASKED, Act.PASSWORD_RESET, Act.SIGN_IN_FAILED, Act.SIGNED_IN]
    assert [act for act, _ in events_of(shop, shop.alice)] == happened
    assert audited(shop)[:2] == [(one, shop.alice.email) for one in ("recovery_asked", "password_reset")]
    assert browser.get(link, 404).words.count("It is used up, too old, or replaced by a newer one.") == 1
    browser.post(link, CHOICE, 404)


def test_the_second_factor_is_asked_for_as_ever(post: MailShop) -> None:
    shop = post.shop
    _, app, _ = with_app(shop, shop.alice)
    asked(post)
    browser = shop.browser()
    browser.post(link_in(post), CHOICE)
    led = browser.post("/sign-in", {"email": shop.alice.email, "password": NEW})
    assert (led.location or "").startswith("/sign-in/code")
    browser.get("/certificates", 303)
    shop.clock.advance(seconds=30)
    browser.post("/sign-in/code", {"code": app.shows(shop.clock())})
    browser.get("/certificates")
    assert events_of(shop, shop.alice)[-1] == (Act.SIGNED_IN, Way.CODE)


def test_the_answer_is_the_same_for_whoever_has_no_account(post: MailShop) -> None:
    """And so is the work before it: one row, whoever it is; that is looked up by the worker."""
    shop = post.shop
    texts = []
    for who in ("alice@example.com", "nobody@example.com"):
        statements: list[str] = []
        listen(shop, statements)
        page = shop.browser().post("/sign-in/recover", {"email": who}, 200)
        texts.append((page.words.replace(who, "…"), tuple(statements)))
    assert texts[0] == texts[1]
    assert texts[0][1], "the statements were heard"
    post.office.recover()
    assert post.told() == [(MailKind.RECOVERY, "alice@example.com")]
    # What was typed is kept only where it is the address of an account.
    assert sorted(audited(shop)) == [("recovery_asked", ""), ("recovery_asked", "alice@example.com")]
    with shop.database.reading() as session:
        assert session.exec(select(RecoveryRequest)).all() == []


def listen(shop: Shop, into: list[str]) -> None:
    """Hear what the database is asked from now on."""
    import sqlalchemy as sa

    @sa.event.listens_for(shop.database.engine, "before_cursor_execute")
    def hear(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        into.append(statement)


@pytest.mark.parametrize("how", ["newer", "late", "changed", "locked out"])
def test_a_link_ends(post: MailShop, how: str) -> None:
    shop = post.shop
    asked(post)
    link = link_in(post)
    match how:
        case "newer":
            # Mails of one instant have no order.
            shop.clock.advance(seconds=1)
            asked(post)
            assert link_in(post) != link
        case "late":
            shop.clock.advance(minutes=29, seconds=59)
            shop.browser().get(link)
            shop.clock.advance(seconds=1)
            with pytest.raises(Obsolete):
                post.compose(newest(post))
        case "changed":
            shop.browser(shop.alice).post("/account/password", {"password": PASSWORD, **CHOICE})
        case "locked out":
            with shop.database.writing() as session:
                session.exec(update(Account).where(col(Account.id) == shop.alice.id).values(disabled_at=shop.clock()))
    shop.browser().get(link, 404)
    shop.browser().post(link, CHOICE, 404)


def test_of_many_who_use_it_at_once_one_does(any_shop: Shop) -> None:
    shop = any_shop
    recovering = Recovering(shop.settings.secret_key)
    with shop.database.writing() as session:
        token = recovering.token(recovering.open(session, shop.alice, shop.clock()))
    assert token is not None
    start, taken = threading.Barrier(6), list[bool]()

    def try_it() -> None:
        start.wait()
        with shop.database.writing() as session:
            taken.append(recovery.spend(session, token, shop.clock()))

    threads = [threading.Thread(target=try_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [False] * 5 + [True]


def test_the_table_opens_nothing_and_a_new_key_loses_no_link(post: MailShop) -> None:
    shop = post.shop
    asked(post)
    with shop.database.reading() as session:
        link = session.exec(select(RecoveryLink)).one()
    assert link_in(post).rpartition("/")[2] not in (link.id, link.token_hash)
    for guess in (link.id, link.token_hash):
        shop.browser().get(f"/sign-in/recover/{guess}", 404)
    assert Recovering("another", (shop.settings.secret_key,)).token(link) == link_in(post).rpartition("/")[2]
    assert Recovering("another").token(link) is None


def test_one_can_ask_three_times_and_signing_in_is_not_held_up(post: MailShop) -> None:
    shop = post.shop
    for who in ("alice@example.com", "nobody@example.com"):
        for _ in range(3):
            shop.browser().post("/sign-in/recover", {"email": who}, 200)
        page = shop.browser().post("/sign-in/recover", {"email": who.upper()}, 429)
        assert "There were too many tries" in page.words
    shop.browser().post("/sign-in/recover", {"email": "bob@example.com"}, 200)
    sign_in(shop, shop.alice)


def test_an_address_and_all_together_have_their_limits(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    settings = SignInSettings(second_factor=SecondFactor.OFF, limit_address=2, limit_all=3)
    shop = open_shop(sqlite_url, sign_in=settings)
    for number, (address, status) in enumerate((("1", 200), ("1", 200), ("1", 429), ("2", 200), ("3", 429))):
        sent = {"email": f"nobody{number}@example.com"}
        shop.browser().post("/sign-in/recover", sent, status, environ_base={"REMOTE_ADDR": f"192.0.2.{address}"})


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.REVIEWER])
def test_nobody_gets_past_the_organisations_sign_in_by_mail(post: MailShop, role: Role) -> None:
    """Not a customer who has no password here, nor one of the staff whose second factor is the organisation's."""
    shop = post.shop
    who = shop.alice if role is Role.CUSTOMER else shop.rita
    identity = {"issuer": "https://login.example.com", "subject": "1", "created_at": shop.clock()}
    with shop.database.writing() as session:
        session.add(ProviderIdentity(account_id=who.id, **identity))
        if role is Role.CUSTOMER:
            session.exec(update(Account).where(col(Account.id) == who.id).values(password_hash=NONE))
    asked(post, who.email)
    text = text_of(post.compose(newest(post)))
    assert "You sign in through your organisation." in text
    assert "/recover/" not in text
    with shop.database.reading() as session:
        assert session.exec(select(RecoveryLink)).all() == []


def test_whoever_never_had_a_password_gets_one(post: MailShop) -> None:
    """An account that was taken over from elsewhere."""
    shop = post.shop
    with shop.database.writing() as session:
        session.exec(update(Account).where(col(Account.id) == shop.bob.id).values(password_hash=NONE))
    asked(post, shop.bob.email)
    browser = shop.browser()
    browser.post(link_in(post), CHOICE)
    browser.post("/sign-in", {"email": shop.bob.email, "password": NEW})


def test_the_mail_leaves_in_the_workers_round(post: MailShop) -> None:
    post.shop.browser().post("/sign-in/recover", {"email": "alice@example.com"}, 200)
    post.office.work()
    assert [mail.status for mail in post.mails()] == ["sent"]
    assert post.office.recover() == 0


# Ways that are switched off

PASSWORDS = ("/sign-in", "/account/password", "/sign-in/recover", "/sign-in/recover/nonsense")


def test_without_passwords_nothing_takes_one(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    settings = SignInSettings(second_factor=SecondFactor.OFF, entrances=frozenset({Entrance.PASSKEY}))
    shop = open_shop(sqlite_url, sign_in=settings)
    browser = shop.browser()
    page = browser.get("/sign-in")
    assert "Password" not in page.words
    assert "recover" not in page.text
    assert "Use a passkey" in page.words
    signed_in = shop.browser(shop.alice)
    for path in PASSWORDS:
        sent = {"email": shop.alice.email, "password": PASSWORD, **CHOICE}
        (signed_in if path.startswith("/account") else browser).post(path, sent, 404)
    browser.get("/sign-in/recover", 404)
    signed_in.get("/account/password", 404)
    assert "/account/password" not in signed_in.get("/account/security").text
    browser.get("/certificates", 303)


def test_without_passkeys_none_opens_the_console_alone(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    settings = SignInSettings(second_factor=SecondFactor.OFF, entrances=frozenset({Entrance.PASSWORD}))
    shop = open_shop(sqlite_url, sign_in=settings)
    browser = shop.browser()
    assert "passkey" not in browser.get("/sign-in").words
    for path in ("/sign-in/passkey", "/sign-in/passkey/options"):
        page = browser.post(path, {"credential": "{}"}, 404)
        assert "One cannot sign in with a passkey alone here." in page.words
    # As the second factor it stays what it was.
    with_app(shop, shop.alice)
    half, _ = sign_in(shop, shop.alice)
    half.post("/sign-in/passkey/options", status=200)


def test_without_a_provider_there_is_no_way_through_it(shop: Shop) -> None:
    assert "Sign in with" not in shop.browser().get("/sign-in").words
    shop.browser().post("/sign-in/provider", status=404)
    shop.browser().get("/sign-in/provider/return?code=x&state=y", 404)
    shop.browser(shop.alice).get("/account/provider", 404)


def test_links_live_for_half_an_hour() -> None:
    assert timedelta(minutes=30) == recovery.LIFETIME
