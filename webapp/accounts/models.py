"""People and their sessions."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from certlifecycle import Actor, Role
from webapp.columns import UtcDateTime, new_id, words_of

# Written for the database, so that a version that does not know the column can go on adding rows.
UNSET = {"server_default": sa.text("''")}


class Account(SQLModel, table=True):
    """Somebody who can sign in. ``email`` is stored in lower case.

    ``language`` (BCP 47) and ``timezone`` (IANA) are their choice, empty where they have made none. For mails,
    ``browser_language`` is the language in which they read the console when they last signed in.
    """

    __tablename__ = "account"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    email: str = Field(max_length=254, unique=True)
    name: str = Field(max_length=200)
    password_hash: str = Field(max_length=200)
    role: Role = Field(sa_type=words_of(Role, "account_role"))
    created_at: datetime = Field(sa_type=UtcDateTime)
    disabled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    language: str = Field(default="", max_length=35, sa_column_kwargs=UNSET)
    timezone: str = Field(default="", max_length=64, sa_column_kwargs=UNSET)
    browser_language: str = Field(default="", max_length=35, sa_column_kwargs=UNSET)

    @property
    def actor(self) -> Actor:
        """This person as the life cycle knows them."""
        return Actor(self.id, Role(self.role), self.name)


class WebSession(SQLModel, table=True):
    """A signed-in browser. The browser holds the token, the desk only its hash, so a stolen table opens nothing."""

    __tablename__ = "web_session"
    __table_args__ = (sa.Index("ix_web_session_account_id", "account_id"),)

    token_hash: str = Field(primary_key=True, max_length=64)
    account_id: str = Field(foreign_key="account.id", max_length=32)
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_seen_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    address: str = Field(default="", max_length=64)
    user_agent: str = Field(default="", max_length=300)
