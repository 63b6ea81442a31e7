"""Who is told of what: viewers by the topics of their tickets, and how many places they take."""

from collections import defaultdict
from collections.abc import Iterable

from webapp.live.connection import Connection
from webapp.live.tickets import Ticket


class Audience:
    """All viewers from the moment their ticket was read; those who are admitted are told."""

    def __init__(self) -> None:
        self.places = 0
        self._viewers: defaultdict[str, set[Connection]] = defaultdict(set)  # By account.
        self._listeners: defaultdict[str, set[Connection]] = defaultdict(set)  # By topic.

    def places_of(self, account_id: str) -> int:
        """How many places an account has taken."""
        return len(self._viewers.get(account_id, ()))

    def take_place(self, connection: Connection, ticket: Ticket) -> None:
        """Count a viewer, who is told nothing yet."""
        connection.ticket = ticket
        self.places += 1
        self._viewers[ticket.account_id].add(connection)

    def forget(self, connection: Connection) -> None:
        """Give a viewer's place back."""
        if connection.ticket is None:
            return
        self.dismiss(connection, connection.ticket)
        self.places -= 1
        account_id = connection.ticket.account_id
        self._viewers[account_id].discard(connection)
        if not self._viewers[account_id]:
            del self._viewers[account_id]

    def admit(self, connection: Connection, ticket: Ticket) -> None:
        """Have a viewer told of what the ticket names."""
        for topic in ticket.topics:
            self._listeners[topic].add(connection)

    def dismiss(self, connection: Connection, ticket: Ticket) -> None:
        """Tell a viewer nothing more."""
        for topic in ticket.topics:
            self._listeners[topic].discard(connection)
            if not self._listeners[topic]:
                del self._listeners[topic]

    def doubt(self, account_id: str) -> None:
        """Tell the viewers of an account nothing more until it was asked again what they may see."""
        self._doubt(self._viewers.get(account_id, ()))

    def doubt_listeners(self, topic: str) -> None:
        """The same for everybody who listens to a topic."""
        self._doubt(tuple(self._listeners.get(topic, ())))

    def _doubt(self, connections: Iterable[Connection]) -> None:
        for connection in connections:
            connection.doubted.set()
            if connection.ticket is not None:
                self.dismiss(connection, connection.ticket)

    def tell(self, frames: bytes, *topics: str) -> None:
        """Write to everybody who listens to one of the topics, once."""
        for connection in set[Connection]().union(*(self._listeners.get(topic, ()) for topic in topics)):
            connection.transport.write(frames)

    def tell_all(self, frames: bytes) -> None:
        """Write to everybody who is admitted."""
        self.tell(frames, *self._listeners)
