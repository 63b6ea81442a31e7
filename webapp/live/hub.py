"""The live hub: check, replay, fan out.

One process beside the pages holds every viewer's event stream. A viewer shows a signed ticket;
the hub asks whether its session still stands, replays what the viewer missed, and then writes
each change, framed once, to everybody whose topics it touches.
"""

import asyncio
import json
import logging
import random
from collections import defaultdict
from contextlib import aclosing
from http import HTTPStatus

from webapp.live import wire
from webapp.live.bus import Change, Opened, Signal, Source, follow
from webapp.live.connection import Connection
from webapp.live.journal import Journal, RecentSignals
from webapp.live.settings import HubSettings
from webapp.live.tickets import CUSTOMER_PREFIX, MEMBERSHIP, REVIEW_TOPIC, Ticket, TicketRefused, read_ticket
from webapp.live.viewers import StillAllowed

logger = logging.getLogger(__name__)


class Hub:
    """All viewers, the journal, and the task that follows the bus."""

    def __init__(self, settings: HubSettings, source: Source, allowed: StillAllowed) -> None:
        self._settings = settings
        self._source = source
        self._allowed = allowed
        self._journal = Journal(settings.journal, source.overlap)
        self._signals = RecentSignals(settings.signals)
        self._connections: set[Connection] = set()
        self._viewers = 0  # From the moment their ticket was read.
        self._places: defaultdict[str, int] = defaultdict(int)  # The same by account.
        self._audience: defaultdict[str, set[Connection]] = defaultdict(set)  # By topic.
        self._checks: set[asyncio.Task[None]] = set()
        self._ready = False
        self._grace: asyncio.TimerHandle | None = None

    async def start(self) -> int:
        """Listen for viewers and follow the bus; returns the port. Raises OSError."""
        settings = self._settings
        self._loop = asyncio.get_running_loop()
        self._server = await self._loop.create_server(self._connection, settings.host, settings.port, backlog=1024)
        self.following = self._loop.create_task(self._follow())
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close every stream, giving what is written a second to leave."""
        self._server.close()
        self.following.cancel()
        self._end_all()
        await asyncio.wait({self.following}, timeout=1)
        for _ in range(20):
            if not self._connections:
                return
            await asyncio.sleep(0.05)
        for connection in tuple(self._connections):
            connection.transport.abort()

    def _connection(self) -> Connection:
        settings = self._settings
        crowded = len(self._connections) >= settings.viewers + settings.waiting
        patience = 0.0 if crowded else settings.head_timeout
        return Connection(self._connections, patience, settings.buffer, self._handle, self._forget)

    def _handle(self, connection: Connection, request: wire.Request) -> None:
        """Route a request: ``/live`` for a stream, ``/healthz`` for whoever supervises the process."""
        origin = request.headers.get("origin")
        if request.method != "GET":
            connection.answer(HTTPStatus.METHOD_NOT_ALLOWED, "GET only.", {"Allow": "GET"})
        elif request.path == "/healthz":
            status = HTTPStatus.OK if self._ready else HTTPStatus.SERVICE_UNAVAILABLE
            state = {"bus": self._ready, "viewers": self._viewers}
            connection.answer(status, json.dumps(state))
        elif request.path != "/live":
            connection.answer(HTTPStatus.NOT_FOUND, "There is nothing here.")
        elif origin is not None and origin not in self._settings.origins:
            connection.answer(HTTPStatus.FORBIDDEN, "This origin may not read the stream.")
        else:
            self._receive(connection, request, wire.cross_origin(origin))

    def _receive(self, connection: Connection, request: wire.Request, cors: dict[str, str]) -> None:
        """Read the ticket and take a place."""
        settings = self._settings
        try:
            token = request.query.get("ticket", "")
            ticket = read_ticket(settings.secret_key, token, settings.ticket_max_age)
        except TicketRefused as refusal:
            connection.answer(HTTPStatus.FORBIDDEN, str(refusal), cors)
            return
        taken = self._places.get(ticket.account_id, 0)
        if self._viewers >= settings.viewers or taken >= settings.viewers_per_account:
            self._refuse(connection, HTTPStatus.SERVICE_UNAVAILABLE, cors)
            return
        # The place is taken before anything is awaited, so that no crowd slips in together.
        connection.ticket = ticket
        self._viewers += 1
        self._places[ticket.account_id] += 1
        since = max(ticket.since, request.last_event_id)
        connection.task = self._loop.create_task(self._view(connection, ticket, since, cors))

    def _refuse(self, connection: Connection, status: HTTPStatus, cors: dict[str, str]) -> None:
        again = {"Retry-After": "5"} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
        connection.answer(status, status.description, cors | again)

    async def _view(self, connection: Connection, ticket: Ticket, since: int, cors: dict[str, str]) -> None:
        """One viewer from the first check on, for as long as the session stands."""
        heartbeat = wire.heartbeat_frame(self._settings.heartbeat)
        status = await self._standing(ticket)
        if status is HTTPStatus.OK and not self._ready:
            status = HTTPStatus.SERVICE_UNAVAILABLE
        if status is not HTTPStatus.OK:
            self._refuse(connection, status, cors)
            return
        # Nothing is awaited between the replay and the audience: no change falls in between.
        retry = random.randint(1000, 3000)  # noqa: S311  Spreads a crowd that comes back.
        connection.stream(wire.stream_head(cors, retry) + heartbeat + self._replay(ticket, since))
        for topic in ticket.topics:
            self._audience[topic].add(connection)
        await asyncio.sleep(self._settings.heartbeat * random.uniform(0.5, 1))  # noqa: S311  Ditto.
        while await self._standing(ticket) is HTTPStatus.OK:
            connection.transport.write(heartbeat)
            await asyncio.sleep(self._settings.heartbeat)
        connection.end()

    async def _standing(self, ticket: Ticket) -> HTTPStatus:
        """Whether the viewer may (still) look; when that cannot be told, nobody may."""
        try:
            allowed = await self._allowed(ticket.session_key, ticket.account_id, ticket.topics)
        except Exception as problem:  # noqa: BLE001  Whatever broke, the other viewers go on.
            logger.warning("A viewer's session could not be checked: %s", problem)
            return HTTPStatus.SERVICE_UNAVAILABLE
        return HTTPStatus.OK if allowed else HTTPStatus.FORBIDDEN

    def _replay(self, ticket: Ticket, since: int) -> bytes:
        missed = self._journal.missed(since, ticket.topics, self._settings.replayed)
        if missed is None:
            return wire.refresh_frame(self._journal.last_id)
        signals = self._signals.within(ticket.topics)
        return b"".join([*map(wire.change_frames, missed), *map(wire.signal_frame, signals)])

    async def _follow(self) -> None:
        async with aclosing(follow(self._source, self._settings.journal)) as events:
            async for event in events:
                if isinstance(event, Change):
                    if self._journal.add(event):
                        self._publish(wire.change_frames(event), REVIEW_TOPIC, CUSTOMER_PREFIX + event.holder_id)
                        await asyncio.sleep(0)  # Lets the frames leave before more pile up.
                elif isinstance(event, Signal):
                    self._signals.add(event)
                    self._publish(wire.signal_frame(event), event.topic)
                    if event.name == MEMBERSHIP:
                        self._ask_again(event.topic)
                elif isinstance(event, Opened):
                    self._opened(event)
                elif self._ready:
                    self._ready = False
                    self._grace = self._loop.call_later(self._settings.bus_grace, self._end_all)

    def _ask_again(self, topic: str) -> None:
        """Ask at once, and not at the next heartbeat, about everybody who follows a topic."""
        for connection in self._audience.get(topic, ()):
            check = self._loop.create_task(self._check(connection))
            self._checks.add(check)
            check.add_done_callback(self._checks.discard)

    async def _check(self, connection: Connection) -> None:
        if connection.ticket is not None and await self._standing(connection.ticket) is HTTPStatus.FORBIDDEN:
            connection.end()

    def _publish(self, frames: bytes, *topics: str) -> None:
        for connection in set[Connection]().union(*(self._audience.get(topic, ()) for topic in topics)):
            connection.transport.write(frames)

    def _opened(self, event: Opened) -> None:
        """The bus works (again): whoever stayed through an interruption looks at everything."""
        self._journal.catch_up(event.recent, event.complete)
        self._ready = True
        if self._grace is not None:
            self._grace.cancel()
        frame = wire.refresh_frame(self._journal.last_id)
        for connection in set().union(*self._audience.values()):
            connection.transport.write(frame)

    def _end_all(self) -> None:
        for connection in tuple(self._connections):
            connection.end()

    def _forget(self, connection: Connection) -> None:
        """Give a viewer's place back."""
        if connection.ticket is None:
            return
        self._viewers -= 1
        account_id = connection.ticket.account_id
        self._places[account_id] -= 1
        if not self._places[account_id]:
            del self._places[account_id]
        for topic in connection.ticket.topics:
            self._audience[topic].discard(connection)
            if not self._audience[topic]:
                del self._audience[topic]
