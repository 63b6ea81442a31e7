"""A shop whose mail leaves: the tables, a post office, and what tests ask about mails."""

from collections.abc import Callable
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from shop import Shop
from smtp import MailServer
from sqlmodel import col, select

from webapp.accounts.models import Account
from webapp.accounts.recovery import Recovering
from webapp.certificates.models import Certificate
from webapp.mail.compose import Composer
from webapp.mail.models import Mail, MailCursor, MailKind, MailPreference
from webapp.mail.office import PostOffice
from webapp.mail.plan import add_once, new_mail
from webapp.mail.preferences import Unsubscribing
from webapp.mail.settings import Encryption, MailSettings, SmtpServer
from webapp.mail.transport import Transport, transport_for
from webapp.wording import Wording

PUBLIC_URL = "https://desk.example.com"


def make_tables(engine: sa.Engine) -> None:
    """Create the tables of mail where they are not there yet."""
    for model in (Mail, MailCursor, MailPreference):
        model.__table__.create(engine, checkfirst=True)  # type: ignore[attr-defined]


@dataclass
class MailShop:
    """A shop and its post offices. The history so far is taken as told."""

    shop: Shop
    server: MailServer | None = None
    reader_of: Callable[[Account], Wording] | None = None
    smtp: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        make_tables(self.shop.database.engine)
        self.settings = MailSettings(
            Address("Certificate desk", "desk", "example.com"),
            Address("Help", "help", "example.com"),
            self._server() if self.server else None,
            self.shop.settings.data_dir / "mail",
        )
        self.office = self.open_office()
        self.office.plan()

    def _server(self) -> SmtpServer:
        assert self.server is not None
        plain = {"encryption": Encryption.NEVER, "timeout_seconds": 10.0, "limit_seconds": 20.0}
        return SmtpServer("127.0.0.1", self.server.port, **(plain | self.smtp))  # type: ignore[arg-type]

    def open_office(self, transport: Transport | None = None) -> PostOffice:
        """A post office as one worker has it."""
        shop = self.shop
        transport = transport or transport_for(self.settings)
        return PostOffice(shop.database, transport, self.composer(), shop.desk.policy, shop.clock, self.settings.domain)

    def composer(self) -> Composer:
        """What writes the mails, for readers in Shanghai unless the test says otherwise."""
        return Composer(
            self.settings,
            shop_name=self.shop.settings.shop_name,
            public_url=PUBLIC_URL,
            policy=self.shop.desk.policy,
            payable=self.shop.desk.payable,
            unsubscribing=Unsubscribing(self.shop.settings.secret_key),
            recovering=Recovering(self.shop.settings.secret_key),
            reader_of=self.reader_of or (lambda _account: Wording(ZoneInfo("Asia/Shanghai"))),
        )

    def mails(self) -> list[Mail]:
        """All mails, in the order in which they were made."""
        with self.shop.database.reading() as session:
            statement = select(Mail).order_by(col(Mail.created_at), col(Mail.history_id), col(Mail.id))
            return list(session.exec(statement).all())

    def told(self) -> list[tuple[MailKind, str]]:
        """Which mails there are, and to whom."""
        return [(MailKind(mail.kind), mail.address) for mail in self.mails()]

    def last(self) -> Mail:
        """The newest mail."""
        return self.mails()[-1]

    def compose(self, mail: Mail | None = None) -> EmailMessage:
        """A mail as it would leave now."""
        mail = mail or self.last()
        with self.shop.database.reading() as session:
            recipient = session.get(Account, mail.recipient_id)
            assert recipient is not None
            return self.composer().compose(session, mail, recipient, self.shop.clock())

    def add(self, kind: MailKind, recipient: Account, certificate: Certificate | None = None) -> Mail:
        """A mail that the clock might have called for."""
        key = certificate.id if certificate else None
        mail = new_mail(kind, recipient, self.shop.clock(), "example.com", occasion="test", certificate_id=key)
        with self.shop.database.writing() as session:
            add_once(session, [mail])
        return mail


def text_of(message: EmailMessage) -> str:
    """The text part, with white space folded."""
    part = message.get_body(("plain",))
    assert part is not None
    return " ".join(part.get_content().split())


def html_of(message: EmailMessage) -> str:
    """The HTML part."""
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())
