"""What the mails say: the same facts as text and as HTML, in the reader's words, with headers nobody injects into."""

import re
import shutil
from datetime import UTC
from email.message import EmailMessage
from pathlib import Path
from zoneinfo import ZoneInfo

import html5lib
import pytest
from language_support import catalogue_of
from mail_cases import CASES, happen
from mail_shop import PUBLIC_URL, MailShop, html_of, text_of
from shop import Shop, test_settings
from sqlmodel import select

from certlifecycle import Event, Role, State
from webapp.accounts.models import Account
from webapp.certificates.models import Certificate
from webapp.mail.about import Obsolete
from webapp.mail.links import Links
from webapp.mail.models import MailGroup, MailKind
from webapp.mail.transport import FolderTransport
from webapp.wording import Wording

Written = dict[MailKind, EmailMessage]
EVERY_KIND = pytest.mark.parametrize("kind", MailKind)


@pytest.fixture
def post(shop: Shop) -> MailShop:
    """A shop whose history is told from now on."""
    return MailShop(shop)


@pytest.fixture(scope="module")
def written(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """One message of every kind, each from a shop of its own."""
    messages = {}
    for kind in MailKind:
        folder = tmp_path_factory.mktemp(kind.value)
        shutil.copy(migrated_sqlite, folder / "desk.sqlite3")
        shop = Shop(test_settings(f"sqlite:///{folder / 'desk.sqlite3'}", folder))
        post = MailShop(shop)
        messages[kind] = post.compose(happen(post, kind))
        shop.close()
    return messages


def words_of_html(html: str) -> str:
    """What a reader of the HTML sees, parsed strictly."""
    parser = html5lib.HTMLParser(tree=html5lib.getTreeBuilder("etree"), namespaceHTMLElements=False)
    tree = parser.parse(html)
    assert not parser.errors, parser.errors
    body = tree.find("body")
    return " ".join(" ".join(body.itertext()).split())


@EVERY_KIND
def test_text_and_html_both_tell_the_facts(written: Written, kind: MailKind) -> None:
    message = written[kind]
    for words in (text_of(message).replace("> ", ""), words_of_html(html_of(message))):
        for fact in CASES[kind].facts:
            assert fact in words
    assert message["Auto-Submitted"] == "auto-generated"
    assert str(message["From"]) == "Certificate desk <desk@example.com>"
    assert str(message["Reply-To"]) == "Help <help@example.com>"
    assert message["Subject"]
    assert message.get_content_type() == "multipart/alternative"


@EVERY_KIND
def test_links_lead_to_pages_that_exist_and_nothing_is_loaded(written: Written, kind: MailKind) -> None:
    message = written[kind]
    html, text = html_of(message), "".join(message.get_body(("plain",)).get_content())
    links = re.findall(r'href="([^"]+)"', html)
    assert links
    assert set(links) == set(re.findall(r"https?://\S+", text))
    for link in links:
        assert link.startswith(f"{PUBLIC_URL}/")
    assert not re.search(r"<img|<link|<script|url\(|src=|@import", html)


def test_the_links_are_those_of_the_console(shop: Shop) -> None:
    key = "0" * 32
    links, known = Links(""), shop.app.url_map.bind("localhost")
    for url, endpoint in (
        (links.certificate(key), "certificates.details"),
        (links.submit(key), "certificates.submit"),
        (links.revoke(key), "certificates.revoke"),
        (links.apply(key), "refunds.apply"),
        (links.refund(key), "refunds.details"),
        (links.sign_in(), "accounts.sign_in"),
        (links.ask_for_recovery(), "recovery.ask"),
        (links.recover("token"), "recovery.choose"),
        (links.order(), "ordering.price_list"),
        (links.queue(), "review.queue"),
        (links.outbox(), "outbox.outbox"),
    ):
        assert known.match(url)[0] == endpoint


@EVERY_KIND
def test_only_what_can_be_stopped_says_how(written: Written, kind: MailKind) -> None:
    message = written[kind]
    if kind.group is MailGroup.RECEIPTS:
        assert "List-Unsubscribe" not in message
        assert "unsubscribe" not in html_of(message)
        return
    # RFC 8058: one address, whole, and the promise that a POST suffices.
    (line,) = [line for line in message.as_bytes().split(b"\r\n") if line.startswith(b"List-Unsubscribe:")]
    assert re.fullmatch(rb"List-Unsubscribe: <https://desk\.example\.com/mail/unsubscribe/[\w.-]+>", line)
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert line.split(b"<")[1][:-1].decode() in html_of(message)


@EVERY_KIND
def test_messages_keep_to_the_lengths_and_characters_of_the_wire(written: Written, kind: MailKind) -> None:
    raw = written[kind].as_bytes()
    assert raw.isascii()
    head = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert all(len(line) <= 78 for line in head if not line.startswith((b"List-Unsubscribe", b"Message-ID")))
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")


def test_instants_are_those_of_the_reader(shop: Shop) -> None:
    berlin = MailShop(shop, reader_of=lambda _: Wording(ZoneInfo("Europe/Berlin")))
    message = berlin.compose(happen(berlin, MailKind.ISSUED))
    assert "apply by 3 Jun 2026, 11:00 CEST" in text_of(message)


def test_each_reader_is_written_to_in_their_language(shop: Shop) -> None:
    german = catalogue_of(
        "de",
        {
            "The certificate for {domain} is issued": "Das Zertifikat für {domain} ist ausgestellt",
            "Revoke it, then apply by {deadline}.": "Widerrufen Sie es und stellen Sie bis {deadline} den Antrag.",
        },
    )

    def reader_of(account: Account) -> Wording:
        if account.id == shop.bob.id:
            return Wording(ZoneInfo("Europe/Berlin"), german)
        return Wording(ZoneInfo("UTC"))

    post = MailShop(shop, reader_of=reader_of)
    shop.certificate_in(State.ISSUED)
    shop.certificate_in(State.ISSUED, owner=shop.bob)
    post.office.plan()
    english, other = (post.compose(mail) for mail in post.mails())
    assert (english["Subject"], english["Content-Language"]) == ("The certificate for www.example.com is issued", "en")
    assert (other["Subject"], other["Content-Language"]) == ("Das Zertifikat für www.example.com ist ausgestellt", "de")
    assert "Widerrufen Sie es und stellen Sie bis 3 Juni 2026, 11:00 MESZ den Antrag." in text_of(other)
    assert '<html lang="de">' in html_of(other)


# What others wrote

HOSTILE = "Eve\r\nBcc: everybody@example.net\r\n\r\n<script>alert(1)</script>\u2028\u202e\x85X-Evil: 1"


def test_a_hostile_name_makes_no_header(post: MailShop) -> None:
    eve = post.shop.account("eve", Role.CUSTOMER)
    with post.shop.database.writing() as session:
        session.merge(eve).name = HOSTILE
    post.shop.certificate_in(State.ISSUED, owner=eve)
    post.office.plan()
    message = post.compose()
    raw = message.as_bytes()
    head = raw.partition(b"\r\n\r\n")[0].decode()
    names = [line.partition(":")[0] for line in head.split("\r\n") if not line.startswith(" ")]
    assert "Bcc" not in names
    assert "X-Evil" not in names
    assert [address.addr_spec for address in message["To"].addresses] == ["eve@example.com"]
    assert message["To"].addresses[0].display_name.startswith("Eve Bcc: everybody@example.net <script>")


def test_a_hostile_domain_or_shop_makes_no_header(post: MailShop) -> None:
    certificate = post.shop.certificate_in(State.ISSUED)
    with post.shop.database.writing() as session:
        session.merge(certificate).domain = "www.example.com\r\nBcc: everybody@example.net"
    post.office.plan()
    message = post.compose()
    assert message["Bcc"] is None
    assert message["Subject"] == "The certificate for www.example.com Bcc: everybody@example.net is issued"


def test_hostile_reasons_stay_text(post: MailShop) -> None:
    reason = "<b>bold</b>\r\n.\r\n-- \r\nPay to: https://evil.example.net\x00\x1b[31m"
    certificate = post.shop.certificate_in(State.SUBMITTED)
    post.shop.fire(certificate, Event.FAIL_VERIFICATION, reason=reason.replace("\x00", ""))
    post.office.plan()
    message = post.compose()
    assert "<b>bold</b>" not in html_of(message)
    assert "&lt;b&gt;bold&lt;/b&gt;" in html_of(message)
    text = message.get_body(("plain",)).get_content()
    # What others wrote is marked as theirs, line by line.
    assert "> <b>bold</b>\n> .\n> --\n> Pay to: https://evil.example.net [31m\n" in text
    assert "\x1b" not in text + html_of(message)


def test_a_long_subject_is_folded_and_read_back_whole(post: MailShop) -> None:
    domain = ".".join(["a" * 60] * 4) + ".example.com"
    certificate = post.shop.certificate_in(State.ISSUED)
    with post.shop.database.writing() as session:
        session.merge(certificate).domain = domain
    post.office.plan()
    message = post.compose()
    assert message["Subject"] == f"The certificate for {domain} is issued"
    assert domain in html_of(message)


# No longer true


def _overdue(shop: Shop) -> str:
    with shop.database.reading() as session:
        return session.exec(select(Certificate.id).where(Certificate.state == State.REFUND_REQUESTED)).one()


def test_a_reminder_that_came_too_late_has_nothing_to_say(post: MailShop) -> None:
    shop = post.shop
    closing, overdue = happen(post, MailKind.WINDOW_DAY), happen(post, MailKind.REVIEW_OVERDUE)
    with pytest.raises(Obsolete, match="window is closed"):
        post.compose(closing)
    shop.fire(shop.get(_overdue(shop)), Event.APPROVE_REFUND)
    with pytest.raises(Obsolete, match="No review is overdue"):
        post.compose(overdue)


def test_a_file_of_the_folder_is_the_message(post: MailShop) -> None:
    mail = happen(post, MailKind.PAID)
    message = post.compose(mail)
    with FolderTransport(post.settings.folder).connection() as deliver:
        deliver(message, mail.address)
        deliver(message, mail.address)
    (file,) = post.settings.folder.iterdir()
    assert file.name == f"{mail.id}.eml"
    assert file.read_bytes() == message.as_bytes()


def test_dates_are_in_utc_on_the_wire(post: MailShop) -> None:
    message = post.compose(happen(post, MailKind.ISSUED))
    assert message["Date"].datetime == post.shop.clock()
    assert message["Date"].datetime.tzinfo == UTC
