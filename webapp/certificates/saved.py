"""Searches of the list that somebody keeps under a name of their own."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel, col, delete, func, select, update

from webapp.accounts.models import Account
from webapp.columns import JSON, UtcDateTime, new_id
from webapp.db import rows_changed

MOST = 20
"""How many searches one account may keep: more would be a list to search through itself."""

LONGEST_NAME = 40


class SavedSearch(SQLModel, table=True):
    """A named search. ``args`` are the parameters of the list's address (:meth:`~.search.Search.args`)."""

    __tablename__ = "saved_search"
    __table_args__ = (sa.UniqueConstraint("account_id", "name"),)

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    account_id: str = Field(foreign_key="account.id", max_length=32)
    name: str = Field(max_length=LONGEST_NAME)
    args: dict[str, str] = Field(sa_type=JSON)
    created_at: datetime = Field(sa_type=UtcDateTime)


def saved_by(session: Session, owner: Account) -> Sequence[SavedSearch]:
    """Somebody's searches, in the order in which they were first kept."""
    mine = select(SavedSearch).where(SavedSearch.account_id == owner.id)
    return session.exec(mine.order_by(col(SavedSearch.created_at), col(SavedSearch.id))).all()


def save(session: Session, owner: Account, name: str, args: Mapping[str, str], now: datetime) -> bool:
    """Keep a search under a name; one that had the name is replaced. ``False`` when there are too many already."""
    same = (col(SavedSearch.account_id) == owner.id, col(SavedSearch.name) == name)
    if rows_changed(session.exec(update(SavedSearch).where(*same).values(args=dict(args)))):
        return True
    count = select(func.count()).select_from(SavedSearch).where(SavedSearch.account_id == owner.id)
    if session.exec(count).one() >= MOST:
        return False
    session.add(SavedSearch(account_id=owner.id, name=name, args=dict(args), created_at=now))
    return True


def forget(session: Session, owner: Account, saved_id: str) -> bool:
    """Let a search go; ``False`` when it is nobody's, or somebody else's."""
    mine = (col(SavedSearch.id) == saved_id, col(SavedSearch.account_id) == owner.id)
    return bool(rows_changed(session.exec(delete(SavedSearch).where(*mine))))
