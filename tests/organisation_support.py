"""What the tests of organisations share: a shop where two people are colleagues, and mails that are opened."""

import re
from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage

from shop import Shop
from sqlmodel import Session

from webapp.accounts.models import Account
from webapp.accounts.settings import SecondFactor, SignInSettings
from webapp.certificates.models import Channel
from webapp.desk import By
from webapp.mail.office import open_office
from webapp.organisations import members
from webapp.organisations.models import Organisation

NAME = "Example Limited"
NEW_PASSWORD = "seven quiet owls under glass"
OPEN = SignInSettings(SecondFactor.OFF, registration=True)


def by(account: Account) -> By:
    """Somebody at the web."""
    return By(account.actor, Channel.WEB, "192.0.2.1")


def now_of(shop: Shop, account: Account) -> Account:
    """An account as it is now."""
    found: Account = shop.find(Account, account.id)
    return found


def found(shop: Shop, owner: Account, name: str = NAME) -> Organisation:
    """Begin an organisation."""
    with shop.database.writing() as session:
        return members.found(session, owner, name, by(owner), shop.clock())


def join(shop: Shop, organisation: Organisation, *people: Account, is_owner: bool = False) -> None:
    """Let people belong to it."""
    for one in people:
        with shop.database.writing() as session:
            members.join(session, organisation, one, by(one), shop.clock(), is_owner=is_owner)


def act(shop: Shop, deed: Callable[..., object], who: Account, *what: object, **more: object) -> object:
    """Let somebody do something in a transaction of its own."""

    def do(session: Session) -> object:
        return deed(session, who, *what, by(who), shop.clock(), **more)

    with shop.database.writing() as session:
        return do(session)


def post(shop: Shop) -> list[EmailMessage]:
    """Let the worker's post office work and take out the mails to people without an account that came since.

    Mails of one instant leave in no order, and neither do files of one instant have one.
    """
    settings = replace(shop.settings.mail, folder=shop.settings.data_dir / "mail")
    office = open_office(shop.parts, settings)
    office.work()
    mails = []
    for path in settings.folder.glob("*.eml"):
        mail = message_from_bytes(path.read_bytes(), policy=policy.default)
        # Whoever has an account is written to by name.
        if "<" not in mail["To"]:
            mails.append(mail)
            path.unlink()
    return mails


def link_in(message: EmailMessage) -> str:
    """The path of the one link that a mail is about."""
    body = message.get_body(("plain",))
    assert body is not None
    (path,) = re.findall(r"^https?://[^/\s]+(/\S+)$", body.get_content().replace("\r", ""), re.MULTILINE)
    return str(path)
