"""Who wants which mails, and the link by which somebody stops a group of them without signing in."""

from collections.abc import Sequence
from datetime import datetime

from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, select

from certlifecycle import REVIEWERS
from webapp.accounts.models import Account
from webapp.mail.models import MailGroup, MailPreference

_SALT = "webapp.mail.unsubscribe"


def group_of(account: Account) -> MailGroup:
    """The group that somebody can switch off: the one of which they get mails at all."""
    return MailGroup.DUTIES if account.role in REVIEWERS else MailGroup.REMINDERS


def wants(session: Session, account_id: str, group: MailGroup) -> bool:
    """Whether somebody wants the mails of a group. Receipts are not asked about."""
    if group is MailGroup.RECEIPTS:
        return True
    row = session.exec(
        select(MailPreference).where(MailPreference.account_id == account_id, MailPreference.kind_group == group)
    ).first()
    return row is None or row.wanted


def choose(session: Session, account_id: str, group: MailGroup, now: datetime, *, wanted: bool) -> None:
    """Note a choice, inside the caller's transaction. Chosen twice at once, the later one holds."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    table = MailPreference.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
    values = {"account_id": account_id, "kind_group": group, "wanted": wanted, "changed_at": now}
    insert = dialect.insert(table).values(**values)
    session.execute(
        insert.on_conflict_do_update(
            index_elements=["account_id", "kind_group"], set_={"wanted": wanted, "changed_at": now}
        )
    )


class Unsubscribing:
    """Signs the links that stop a group of mails, and reads them.

    A link does not expire: it must work for as long as the mail lies in somebody's box. All it can do is to stop mails.
    """

    def __init__(self, secret: str, former: Sequence[str] = ()) -> None:
        # The last one signs; the others are still read, for a mail may lie in a box for years.
        self._serializer = URLSafeSerializer([*former, secret], salt=_SALT)

    def token(self, account_id: str, group: MailGroup) -> str:
        """Text for an address that names an account and a group."""
        return str(self._serializer.dumps([account_id, group.value]))

    def read(self, token: str) -> tuple[str, MailGroup] | None:
        """The account and group of a link, or ``None`` when the desk never made it."""
        try:
            account_id, group = self._serializer.loads(token)
            return str(account_id), MailGroup(group)
        except (BadSignature, TypeError, ValueError):
            return None
