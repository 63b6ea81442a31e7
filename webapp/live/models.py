"""What viewers are told besides the history of certificates, on the embedded database."""

import sqlalchemy as sa
from sqlmodel import Field, SQLModel


class LiveSignal(SQLModel, table=True):
    """One thing to be told to the viewers of a topic. Only the newest are kept: nothing is ever looked up here.

    PostgreSQL tells the hub by itself (NOTIFY); on SQLite the hub reads these rows when it sees a commit.
    """

    __tablename__ = "live_signal"

    id: int | None = Field(
        default=None,
        sa_column=sa.Column(sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    )
    topic: str = Field(max_length=64)
    name: str = Field(max_length=64)
