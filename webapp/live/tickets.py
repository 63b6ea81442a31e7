"""Short-lived signed tickets: what lets a browser open a live stream.

The page that a signed-in person gets carries a ticket naming what they may follow, and shows it in a
header, as a bearer token: what stands in addresses ends up in logs (ASVS 5.0, 14.2.1). The live hub
reads the ticket and needs neither the cookie nor the page's process. A ticket is signed, not
encrypted: it may hold nothing that its holder must not read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeTimedSerializer

from webapp.live.bus import plain_id

REVIEW_TOPIC = "review"
CUSTOMER_PREFIX = "customer:"
MEMBERSHIP = "membership"
"""The signal to a topic that somebody may have lost it: the hub asks again about all who follow it."""
_SALT = "webapp.live.tickets"


class TicketRefused(Exception):
    """The ticket is forged, damaged or too old. The text says which, and is safe to show."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who follows which topics, and from which change on.

    ``session_key`` names the server-side session and is asked about again while the stream lasts.
    ``since`` is the id of the newest history row the page was rendered from: changes after it are
    replayed, so nothing is lost between rendering and connecting.
    """

    session_key: str
    account_id: str
    topics: tuple[str, ...]
    since: int


def customer_topic(holder_id: str) -> str:
    """The topic of all changes to the certificates of one customer, or of one organisation.

    Raises ValueError when the text cannot be the id of either.
    """
    return CUSTOMER_PREFIX + plain_id(holder_id)


def issue_ticket(secret: str, *, session_key: str, account_id: str, topics: Sequence[str], since: int) -> str:
    """Sign a ticket for the page being rendered; the text is safe in a header.

    Topics are ``customer:<holder's id>`` (see ``customer_topic``) and ``review`` (every change).
    Raises ValueError for any other topic or a negative ``since``.
    """
    if since < 0:
        raise ValueError("A ticket's 'since' is the id of a history row, or 0.")
    claims = [session_key, account_id, [_known_topic(topic) for topic in topics], since]
    return _serializer(secret).dumps(claims)


def read_ticket(secret: str, token: str, max_age_seconds: int) -> Ticket:
    """Check a ticket's signature and age and return what it says.

    Raises TicketRefused when it was not signed with ``secret``, or is older than ``max_age_seconds``.
    """
    try:
        claims = _serializer(secret).loads(token, max_age=max_age_seconds)
        session_key, account_id, topics, since = claims
        return Ticket(str(session_key), str(account_id), tuple(map(str, topics)), int(since))
    except BadSignature as problem:
        raise TicketRefused("This live ticket is not valid or has expired.") from problem
    except (TypeError, ValueError) as problem:
        raise TicketRefused("This live ticket cannot be read.") from problem


def _serializer(secret: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret, salt=_SALT)


def _known_topic(topic: str) -> str:
    if topic == REVIEW_TOPIC:
        return topic
    if topic.startswith(CUSTOMER_PREFIX):
        return customer_topic(topic.removeprefix(CUSTOMER_PREFIX))
    raise ValueError(f"Unknown live topic: {topic!r}")
