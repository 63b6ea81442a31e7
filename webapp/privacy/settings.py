"""For how long what is known about people is kept."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """Days after which something goes; ``books_years`` for what the books need of accounts that were deleted."""

    sign_in_days: int = 365
    mail_days: int = 365
    notification_days: int = 365
    books_years: int = 10
