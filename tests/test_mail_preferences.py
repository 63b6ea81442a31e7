"""Choosing one's mails, stopping them from a mail without signing in, and reading them where no server is set."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from mail_shop import MailShop, html_of
from shop import Shop

from certlifecycle import State
from webapp.accounts.models import Account
from webapp.mail.models import MailGroup, MailKind
from webapp.mail.preferences import Unsubscribing, wants
from webapp.mail.views import blueprint, development, unsubscribing


@pytest.fixture
def console(shop: Shop) -> Shop:
    """A shop whose console has the pages of mail."""
    MailShop(shop)
    app = shop.app
    if blueprint.name not in app.blueprints:
        app.register_blueprint(blueprint)
        app.register_blueprint(unsubscribing)
        app.extensions["csrf"].exempt(unsubscribing)
    if "development" not in app.blueprints:
        app.register_blueprint(development(shop.settings.data_dir / "mail"))
    return shop


def wanted(shop: Shop, account: Account, group: MailGroup = MailGroup.REMINDERS) -> bool:
    """Whether somebody wants a group of mails now."""
    with shop.database.reading() as session:
        return wants(session, account.id, group)


def link_for(shop: Shop, account: Account, group: MailGroup = MailGroup.REMINDERS) -> str:
    """The link that stops a group of mails."""
    return f"/mail/unsubscribe/{Unsubscribing(shop.settings.secret_key).token(account.id, group)}"


# Choosing


def test_somebody_chooses_and_changes_their_mind(console: Shop) -> None:
    browser = console.browser(console.alice)
    page = browser.get("/account/mail")
    assert "alice@example.com" in page.words
    assert "refund window" in page.words
    assert 'name="wanted"' in page.text
    assert "checked" in page.text
    page = browser.follow(browser.post("/account/mail"))
    assert "Your choice is noted." in page.words
    assert "checked" not in page.text.partition('name="wanted"')[2][:60]
    assert not wanted(console, console.alice)
    browser.post("/account/mail", {"wanted": "y"})
    assert wanted(console, console.alice)
    assert wanted(console, console.bob)


def test_a_reviewer_chooses_about_late_work(console: Shop) -> None:
    browser = console.browser(console.rita)
    assert "Notices about late work" in browser.get("/account/mail").words
    browser.post("/account/mail")
    assert not wanted(console, console.rita, MailGroup.DUTIES)
    assert wanted(console, console.rita, MailGroup.REMINDERS)


def test_it_works_with_htmx(console: Shop) -> None:
    page = console.browser(console.alice).post("/account/mail", status=204, htmx=True)
    assert page.location == "/account/mail"
    assert not wanted(console, console.alice)


def test_whoever_is_not_signed_in_is_asked_to(console: Shop) -> None:
    page = console.browser().get("/account/mail", status=303)
    assert "/sign-in" in (page.location or "")
    assert console.app.test_client().post("/account/mail").status_code in (302, 303, 400)
    assert wanted(console, console.alice)


def test_receipts_are_always_wanted(console: Shop) -> None:
    assert wanted(console, console.alice, MailGroup.RECEIPTS)


# Stopping


def test_the_link_asks_first_and_then_stops(console: Shop) -> None:
    browser, link = console.browser(), link_for(console, console.alice)
    page = browser.get(link)
    assert "Stop these mails?" in page.words
    # Programs that look through mails open every link.
    assert wanted(console, console.alice)
    page = browser.post(link, status=200)
    assert "You get no more of these mails" in page.words
    assert not wanted(console, console.alice)
    assert wanted(console, console.bob)


def test_a_mail_program_stops_them_with_one_request(console: Shop) -> None:
    """RFC 8058, 3.2: a POST with this body, without cookies, without a token of ours."""
    link = link_for(console, console.alice)
    answer = console.app.test_client().post(link, data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert not wanted(console, console.alice)
    answer = console.app.test_client().post(link, data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200


def test_the_link_of_a_mail_is_this_link(console: Shop) -> None:
    post = MailShop(console)
    certificate = console.certificate_in(State.ISSUED)
    console.clock.advance(days=25)
    message = post.compose(post.add(MailKind.WINDOW_WEEK, console.alice, certificate))
    (link,) = set(re.findall(r"https://desk\.example\.com(/mail/unsubscribe/[^\"<>]+)", html_of(message)))
    assert message["List-Unsubscribe"] == f"<https://desk.example.com{link}>"
    console.browser().post(link, status=200)
    assert not wanted(console, console.alice)


def test_links_that_we_did_not_make_stop_nothing(console: Shop) -> None:
    right = link_for(console, console.alice)
    # Not the last letter: of a base64 text it holds bits that stand for nothing.
    start, letter, rest = right[:-2], right[-2], right[-1]
    for link in (
        right[:-1],
        start + ("A" if letter != "A" else "B") + rest,
        "/mail/unsubscribe/x",
        "/mail/unsubscribe/%C3%A4",
        f"/mail/unsubscribe/{Unsubscribing('another secret').token(console.alice.id, MailGroup.REMINDERS)}",
        link_for(console, console.alice, MailGroup.RECEIPTS),
    ):
        for page in (console.browser().get(link, status=404), console.browser().post(link, status=404)):
            assert "This link was not made by us" in page.words
    assert wanted(console, console.alice)


def test_the_link_of_somebody_who_was_removed_is_not_found(console: Shop) -> None:
    nobody = Account(id="0" * 32, email="x@example.com", name="X", password_hash="", role="customer")  # type: ignore[call-arg,arg-type]
    console.browser().post(link_for(console, nobody), status=404)


# Reading


@pytest.fixture
def letters(console: Shop) -> Callable[[], list[Path]]:
    """Two mails in the folder, the second one newer."""
    post = MailShop(console)
    console.certificate_in(State.FAILED)
    post.office.work()
    (first,) = post.settings.folder.glob("*.eml")
    os.utime(first, (1, 1))
    console.certificate_in(State.ISSUED, domain="new.example.com")
    post.office.work()
    return lambda: sorted(post.settings.folder.glob("*.eml"), key=lambda path: path.stat().st_mtime)


def test_the_folder_is_read_on_a_page(console: Shop, letters: Callable[[], list[Path]]) -> None:
    browser = console.browser(console.ada)
    page = browser.get("/dev/mail")
    assert page.words.index("The certificate for new.example.com is issued") < page.words.index("The verification")
    old, new = letters()
    page = browser.get(f"/dev/mail/{old.stem}")
    assert "No record was found." in page.words
    assert f"<{old.stem}@example.com>" in page.words
    assert "&lt;html" not in page.text
    with browser.client.get(f"/dev/mail/{new.stem}.eml") as answer:
        assert answer.mimetype == "message/rfc822"
        assert "attachment" in answer.headers["Content-Disposition"]
        assert answer.data == new.read_bytes()
    browser.get(f"/dev/mail/{'0' * 32}", status=404)


def test_an_empty_folder_says_how_it_fills(console: Shop) -> None:
    assert "No mail yet" in console.browser(console.ada).get("/dev/mail").words


@pytest.mark.parametrize("name", ["alice", "rita"])
def test_only_administrators_read_it(console: Shop, letters: Callable[[], list[Path]], name: str) -> None:
    browser = console.browser(getattr(console, name))
    for path in ("/dev/mail", f"/dev/mail/{letters()[0].stem}", f"/dev/mail/{letters()[0].stem}.eml"):
        browser.get(path, status=403)
    console.browser().get("/dev/mail", status=303)


def test_the_pages_for_everybody_are_marked_so(console: Shop) -> None:
    open_to_all = [
        endpoint
        for endpoint, view in console.app.view_functions.items()
        if getattr(view, "is_public", False) and endpoint.partition(".")[0] in ("mail", "unsubscribing", "development")
    ]
    assert sorted(open_to_all) == ["unsubscribing.unsubscribe", "unsubscribing.unsubscribe_post"]
