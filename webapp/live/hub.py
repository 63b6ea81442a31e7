"""The live hub: check, replay, fan out.

One process beside the pages holds every viewer's event stream. A viewer shows a signed ticket;
the hub asks whether its session still stands, replays what the viewer missed, and then writes
each change, framed once, to everybody whose topics it touches.
"""

import asyncio
import json
import logging
import random
from contextlib import aclosing
from http import HTTPStatus

from webapp.live import wire
from webapp.live.audience import Audience
from webapp.live.bus import Change, Opened, Signal, Source, follow
from webapp.live.connection import Connection
from webapp.live.journal import Journal, RecentSignals
from webapp.live.rights import ACCOUNT_PREFIX, RIGHTS
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
        self._audience = Audience()
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
        return Connection(self._connections, patience, settings.buffer, self._handle, self._audience.forget)

    def _handle(self, connection: Connection, request: wire.Request) -> None:
        """Route a request: ``/live`` for a stream, ``/healthz`` for whoever supervises the process."""
        origin = request.headers.get("origin")
        if request.method != "GET" and (request.method, request.path) != ("OPTIONS", "/live"):
            connection.answer(HTTPStatus.METHOD_NOT_ALLOWED, "GET only.", {"Allow": "GET"})
        elif request.path == "/healthz":
            status = HTTPStatus.OK if self._ready else HTTPStatus.SERVICE_UNAVAILABLE
            state = {"bus": self._ready, "viewers": self._audience.places}
            connection.answer(status, json.dumps(state))
        elif request.path != "/live":
            connection.answer(HTTPStatus.NOT_FOUND, "There is nothing here.")
        elif origin is not None and origin not in self._settings.origins:
            connection.answer(HTTPStatus.FORBIDDEN, "This origin may not read the stream.")
        elif request.method == "OPTIONS":
            # A browser asks for a page of another origin, before it sends what only its own may.
            connection.answer(HTTPStatus.OK, "GET, with a ticket.", wire.cross_origin(origin) | wire.PREFLIGHT)
        else:
            self._receive(connection, request, wire.cross_origin(origin))

    def _receive(self, connection: Connection, request: wire.Request, cors: dict[str, str]) -> None:
        """Read the ticket and take a place."""
        settings = self._settings
        try:
            ticket = read_ticket(settings.secret_key, request.bearer, settings.ticket_max_age)
        except TicketRefused as refusal:
            connection.answer(HTTPStatus.FORBIDDEN, str(refusal), cors)
            return
        taken = self._audience.places_of(ticket.account_id)
        if self._audience.places >= settings.viewers or taken >= settings.viewers_per_account:
            self._refuse(connection, HTTPStatus.SERVICE_UNAVAILABLE, cors)
            return
        # The place is taken before anything is awaited, so that no crowd slips in together.
        self._audience.take_place(connection, ticket)
        since = max(ticket.since, request.last_event_id)
        connection.task = self._loop.create_task(self._view(connection, ticket, since, cors))

    def _refuse(self, connection: Connection, status: HTTPStatus, cors: dict[str, str]) -> None:
        again = {"Retry-After": "5"} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
        connection.answer(status, status.description, cors | again)

    async def _view(self, connection: Connection, ticket: Ticket, since: int, cors: dict[str, str]) -> None:
        """One viewer from the first check on, for as long as the session stands."""
        heartbeat = wire.heartbeat_frame(self._settings.heartbeat)
        status = await self._standing(connection, ticket)
        if status is HTTPStatus.OK and not self._ready:
            status = HTTPStatus.SERVICE_UNAVAILABLE
        if status is not HTTPStatus.OK:
            self._refuse(connection, status, cors)
            return
        # Nothing is awaited between the replay and the audience: no change falls in between.
        retry = random.randint(1000, 3000)  # noqa: S311  Spreads a crowd that comes back.
        connection.stream(wire.stream_head(cors, retry) + heartbeat + self._replay(ticket, since))
        self._audience.admit(connection, ticket)
        pause = self._settings.heartbeat * random.uniform(0.5, 1)  # noqa: S311  Ditto.
        while True:
            is_doubted = await connection.doubted_within(pause)
            if await self._standing(connection, ticket) is not HTTPStatus.OK:
                break
            if is_doubted:
                self._audience.admit(connection, ticket)
                connection.transport.write(wire.refresh_frame(self._journal.last_id))
            connection.transport.write(heartbeat)
            pause = self._settings.heartbeat
        connection.end()

    async def _standing(self, connection: Connection, ticket: Ticket) -> HTTPStatus:
        """Whether the viewer may (still) look; when that cannot be told, nobody may.

        An answer that a change of rights may have overtaken is asked for again.
        """
        while True:
            connection.doubted.clear()
            try:
                allowed = await self._allowed(ticket.session_key, ticket.account_id, ticket.topics)
            except Exception as problem:  # noqa: BLE001  Whatever broke, the other viewers go on.
                logger.warning("A viewer's session could not be checked: %s", problem)
                return HTTPStatus.SERVICE_UNAVAILABLE
            if not allowed:
                return HTTPStatus.FORBIDDEN
            if not connection.doubted.is_set():
                return HTTPStatus.OK

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
                        self._audience.tell(wire.change_frames(event), REVIEW_TOPIC, CUSTOMER_PREFIX + event.holder_id)
                        await asyncio.sleep(0)  # Lets the frames leave before more pile up.
                elif isinstance(event, Signal) and event.name == RIGHTS:
                    self._audience.doubt(event.topic.removeprefix(ACCOUNT_PREFIX))
                elif isinstance(event, Signal):
                    self._signals.add(event)
                    self._audience.tell(wire.signal_frame(event), event.topic)
                    if event.name == MEMBERSHIP:
                        self._audience.doubt_listeners(event.topic)
                elif isinstance(event, Opened):
                    self._opened(event)
                elif self._ready:
                    self._ready = False
                    self._grace = self._loop.call_later(self._settings.bus_grace, self._end_all)

    def _opened(self, event: Opened) -> None:
        """The bus works (again): whoever stayed through an interruption looks at everything."""
        self._journal.catch_up(event.recent, event.complete)
        self._ready = True
        if self._grace is not None:
            self._grace.cancel()
        self._audience.tell_all(wire.refresh_frame(self._journal.last_id))

    def _end_all(self) -> None:
        for connection in tuple(self._connections):
            connection.end()
