"""Which authority an order was handed to: decided once, whatever the settings say later."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from webapp.columns import UtcDateTime


class ChosenAuthority(SQLModel, table=True):
    """The authority of one order, by the name it has in the settings."""

    __tablename__ = "chosen_authority"

    order_key: str = Field(primary_key=True, max_length=200)
    authority: str = Field(max_length=40)
    chosen_at: datetime = Field(sa_type=UtcDateTime)
