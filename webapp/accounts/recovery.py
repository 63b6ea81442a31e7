"""A forgotten password: a link by mail, good for one new password, once and soon.

Whoever asks learns nothing. The page writes down the address that was typed, whoever has it or not, and a worker looks
afterwards whose it is (:mod:`webapp.mail.recovery`): so the answer and the work before it are the same for all. The
link opens no session: it leads to a new password, and signing in with that asks for the second factor as ever.
"""

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlmodel import Session, col, delete, select

from webapp.accounts.events import Where
from webapp.accounts.models import Account, RecoveryLink, RecoveryRequest
from webapp.accounts.sessions import key_of
from webapp.columns import new_id
from webapp.db import rows_changed

LIFETIME = timedelta(minutes=30)


class Recovering:
    """Makes the secrets of links from the desk's key and the number of each, which a table may show to anybody."""

    def __init__(self, secret: str, former: Sequence[str] = ()) -> None:
        self._secrets = (secret, *former)

    def open(self, session: Session, account: Account, now: datetime) -> RecoveryLink:
        """A new link in place of the one before: of two mails only the later one works."""
        void(session, account.id)
        number = new_id()
        hashed = key_of(_token(self._secrets[0], number))
        link = RecoveryLink(account_id=account.id, id=number, token_hash=hashed, expires_at=now + LIFETIME)
        session.add(link)
        return link

    def token(self, link: RecoveryLink) -> str | None:
        """The secret of a link, for the mail; ``None`` where the desk's key was changed and the former one is gone."""
        made = (_token(secret, link.id) for secret in self._secrets)
        return next((token for token in made if key_of(token) == link.token_hash), None)


def _token(secret: str, number: str) -> str:
    made = hmac.digest(secret.encode(), b"certificate desk: recovery by mail: " + number.encode(), "sha256")
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def ask(session: Session, email: str, where: Where, now: datetime) -> None:
    """Have a link sent to this address if it is somebody's."""
    session.add(RecoveryRequest(email=email, address=where.address, user_agent=where.user_agent, at=now))


def owner_of(session: Session, token: str, now: datetime) -> Account | None:
    """Whose link this is, if it still works."""
    wanted = select(Account).join(RecoveryLink, col(RecoveryLink.account_id) == Account.id)
    mine = (RecoveryLink.token_hash == key_of(token), col(RecoveryLink.expires_at) > now)
    return session.exec(wanted.where(*mine, col(Account.disabled_at).is_(None))).first()


def spend(session: Session, token: str, now: datetime) -> bool:
    """Use a link up; of two who try at the same instant one is told that it is gone."""
    mine = (col(RecoveryLink.token_hash) == key_of(token), col(RecoveryLink.expires_at) > now)
    return rows_changed(session.exec(delete(RecoveryLink).where(*mine))) == 1


def void(session: Session, account_id: str) -> None:
    """Let a link that is on its way open nothing any more."""
    session.exec(delete(RecoveryLink).where(col(RecoveryLink.account_id) == account_id))
