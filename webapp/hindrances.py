"""What keeps work from being done: a kind that can be worded for a person, beside the detail for whoever looks deeper.

Pages word the kind in the reader's language; the detail is what the outside or the program said, as it came.
"""

from enum import StrEnum

from sqlalchemy.exc import DBAPIError

from webapp.authorities.port import AuthorityUnavailable


class Hindrance(StrEnum):
    """Why a piece of work is not done yet. ``is_failure`` says that something is wrong; else it only takes its time."""

    is_failure: bool

    def __new__(cls, value: str, is_failure: bool = True) -> "Hindrance":
        hindrance = str.__new__(cls, value)
        hindrance._value_ = value
        hindrance.is_failure = is_failure
        return hindrance

    AT_WORK = "at_work", False
    """The other side has taken it and is at work."""
    CUSTOMER = "customer", False
    """The customer has to do something first, such as publishing a record."""
    UNREACHABLE = "unreachable"
    """The other side does not answer, or cannot be reached."""
    NO_OUTCOME = "no_outcome"
    """It was sent and nobody knows what became of it. It is asked for, never guessed."""
    NOT_NOW = "not_now"
    """The other side definitely does not do it now, for a reason that passes or can be put right."""
    REFUSED = "refused"
    """The other side definitely never will."""
    INCOMPLETE = "incomplete"
    """The desk's own records lack what the work needs."""
    DATABASE = "database"
    """The desk's own database did not do what was asked of it."""
    DEFECT = "defect"
    """Anything else: the program itself is at fault until somebody has looked."""


def hindrance_of(failure: Exception) -> Hindrance:
    """What an exception that ended a piece of work says about it."""
    match failure:
        case AuthorityUnavailable() | OSError():
            # Every broken connection and time-out of the standard library is an OSError.
            return Hindrance.UNREACHABLE
        case DBAPIError():
            return Hindrance.DATABASE
        case LookupError():
            return Hindrance.INCOMPLETE
        case _:
            return Hindrance.DEFECT
