"""One browser's connection to the hub: first a request head, then perhaps a stream."""

import asyncio
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

from webapp.live import wire
from webapp.live.tickets import Ticket

_LAST_WORDS_SECONDS = 2.0  # How long an answer may take to leave before the connection is cut.


class Connection(asyncio.Protocol):
    """Collects a request head within bounds of size and time, and never waits for a slow reader.

    It stands in ``everyone`` for as long as it is open. ``on_request`` gets it with the parsed head, ``on_lost`` when
    it is gone. Times are in seconds, ``buffer`` is in bytes.
    """

    ticket: Ticket | None = None  # Set when a place was taken for a viewer.
    task: asyncio.Task[None] | None = None  # What is being done for the viewer, while it is there.

    def __init__(
        self,
        everyone: set["Connection"],
        head_timeout: float,
        buffer: int,
        on_request: Callable[["Connection", wire.Request], None],
        on_lost: Callable[["Connection"], None],
    ) -> None:
        self._everyone = everyone
        self._head: bytearray | None = bytearray()
        self._head_timeout = head_timeout
        self._buffer = buffer
        self._on_request = on_request
        self._on_lost = on_lost
        self.doubted = asyncio.Event()  # What the viewer may see has changed since it was last asked about.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock for the request head and bound what may pile up unread."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=self._buffer)
        self._everyone.add(self)
        kernel = self.transport.get_extra_info("socket")
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._buffer)
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.call_later(self._head_timeout, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        """Collect the head and hand it over; whatever follows it is not listened to."""
        if self._head is None:
            return
        self._head += data
        head, end, _ = self._head.partition(b"\r\n\r\n")
        if len(head) > wire.MAX_HEAD_BYTES:
            self._head = None
            self.answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request is too large.")
        elif end:
            self._head = None
            try:
                request = wire.parse_head(bytes(head))
            except wire.Malformed:
                self.answer(HTTPStatus.BAD_REQUEST, "The request is malformed.")
            else:
                self._on_request(self, request)

    def answer(self, status: HTTPStatus, body: str, headers: dict[str, str] | None = None) -> None:
        """Send a whole answer and end."""
        self.transport.write(wire.response(status, body, headers or {}))
        self.end()

    def stream(self, start: bytes) -> None:
        """Stop the clock and send the start of a stream that may last."""
        self._clock.cancel()
        self.transport.write(start)

    async def doubted_within(self, seconds: float) -> bool:
        """Wait for so many seconds, or until it has to be asked again what the viewer may see; whether it has."""
        try:
            async with asyncio.timeout(seconds):
                await self.doubted.wait()
        except TimeoutError:
            return False
        return True

    def end(self) -> None:
        """Close once what is written has left, and after a moment whether it has or not."""
        if self.transport.is_closing():
            return
        self._clock.cancel()
        self._clock = self._loop.call_later(_LAST_WORDS_SECONDS, self.transport.abort)
        self.transport.close()

    def pause_writing(self) -> None:
        """Drop a viewer who does not keep up: the browser reconnects and gets what it missed."""
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tidy up, whoever ended it."""
        self._clock.cancel()
        if self.task is not None:
            self.task.cancel()
        self._everyone.discard(self)
        self._on_lost(self)
