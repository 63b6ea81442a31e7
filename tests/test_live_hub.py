"""The hub on a real SQLite file that another process writes."""

import asyncio
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from live_support import (
    ALICE,
    BOB,
    ORIGIN,
    RITA,
    Door,
    Stream,
    Told,
    Writer,
    health,
    hub_at,
    make_sqlite,
    play,
    ticket,
    until_viewers,
)

from webapp.live.wire import MAX_HEAD_BYTES


def test_a_change_reaches_its_customer_and_the_reviewers_and_nobody_else(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            alice = await Stream.open(port, ticket(ALICE))
            bob = await Stream.open(port, ticket(BOB))
            rita = await Stream.open(port, ticket(RITA, topics=("review",)))
            first, second = writer.change("c1", ALICE), writer.change("c2", BOB)
            assert await alice.event() == Told("change", "c1", None)
            assert await alice.event() == Told("certificate-c1", str(first), str(first))
            assert await rita.change() == ("c1", first)
            assert await rita.change() == ("c2", second)
            # Alice's change was committed earlier, so it would have come first.
            assert await bob.change() == ("c2", second)

    url = make_sqlite(tmp_path / "desk.sqlite3")
    with Writer(url) as writer:
        play(scenario())


def test_a_reviewer_who_also_owns_the_certificate_is_told_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            rita = await Stream.open(port, ticket(RITA, topics=("review", f"customer:{RITA}")))
            first, second = writer.change("c1", RITA), writer.change("c2", ALICE)
            assert [await rita.change(), await rita.change()] == [("c1", first), ("c2", second)]

    url = make_sqlite(tmp_path / "desk.sqlite3")
    with Writer(url) as writer:
        play(scenario())


def test_what_changed_between_rendering_and_connecting_is_replayed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            rendered = writer.change("c1")
            missed = writer.change("c2")
            writer.change("c3", BOB)
            alice = await Stream.open(port, ticket(since=rendered))
            assert await alice.change() == ("c2", missed)
            now = writer.change("c4")
            assert await alice.change() == ("c4", now)

    url = make_sqlite(tmp_path / "desk.sqlite3")
    with Writer(url) as writer:
        play(scenario())


def test_the_last_event_id_counts_when_it_is_later_than_the_ticket(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            numbers = [writer.change(f"c{number}") for number in range(4)]
            later = await Stream.open(port, ticket(since=numbers[0]), last_event_id=numbers[2])
            assert await later.change() == ("c3", numbers[3])
            earlier = await Stream.open(port, ticket(since=numbers[2]), last_event_id=numbers[0])
            assert await earlier.change() == ("c3", numbers[3])

    url = make_sqlite(tmp_path / "desk.sqlite3")
    with Writer(url) as writer:
        play(scenario())


def test_nothing_is_lost_around_connecting_while_the_desk_is_busy(tmp_path: Path) -> None:
    async def read(port: int, since: int, last: int) -> list[int]:
        stream, seen = await Stream.open(port, ticket(since=since)), [since]
        while seen[-1] < last:
            seen.append((await stream.change())[1])
        return seen

    async def scenario() -> None:
        async with hub_at(url, viewers_per_account=100) as port:
            start = writer.change("c0")
            writing = asyncio.create_task(asyncio.to_thread(write_many))
            readers = []
            for _ in range(20):
                readers.append(asyncio.create_task(read(port, start, start + 100)))
                await asyncio.sleep(0.005)
            await writing
            for seen in await asyncio.gather(*readers):
                assert seen == list(range(start, start + 101))

    def write_many() -> None:
        for number in range(100):
            writer.change(f"c{number + 1}")

    url = make_sqlite(tmp_path / "desk.sqlite3")
    with Writer(url) as writer:
        play(scenario())


def test_too_much_to_replay_asks_for_a_look_at_everything(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with hub_at(url, replayed=3) as port:
            numbers = [writer.change(f"c{number}") for number in range(5)]
            stream = await Stream.open(port, ticket(since=numbers[0]))
            assert await stream.event() == Told("refresh", str(numbers[-1]), str(numbers[-1]))
            now = writer.change("c9")
            assert await stream.change() == ("c9", now)

    url = make_sqlite(tmp_path / "desk.sqlite3")
    with Writer(url) as writer:
        play(scenario())


def test_forged_and_expired_tickets_and_ended_sessions_are_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        door = Door()
        door.ended.add("ended")
        async with hub_at(url, door) as port:
            for token in ("", "forged", ticket(secret="another secret of somebody else")):
                assert (await Stream.open(port, token, origin=ORIGIN)).status == 403
            assert door.asked == 0
            assert (await Stream.open(port, ticket(session_key="ended"))).status == 403
            assert (await Stream.open(port, ticket())).status == 200
        async with hub_at(url, ticket_max_age=-1) as port:
            assert (await Stream.open(port, ticket())).status == 403

    url = make_sqlite(tmp_path / "desk.sqlite3")
    play(scenario())


def test_a_stream_ends_within_a_heartbeat_of_its_session(tmp_path: Path) -> None:
    async def scenario() -> None:
        door = Door()
        async with hub_at(url, door, heartbeat=0.2) as port:
            alice, bob = await Stream.open(port, ticket(ALICE)), await Stream.open(port, ticket(BOB))
            door.ended.add(f"session-{ALICE}")
            async with asyncio.timeout(2):
                await alice.rest()
            number = writer.change("c1", BOB)
            assert await bob.change() == ("c1", number)
            await until_viewers(port, 1)

    url = make_sqlite(tmp_path / "desk.sqlite3")
    with Writer(url) as writer:
        play(scenario())


def test_when_sessions_cannot_be_asked_about_nobody_may_look(tmp_path: Path) -> None:
    class BrokenDoor(Door):
        broken = False

        async def __call__(self, session_key: str, account_id: str, topics: object) -> bool:
            if self.broken:
                raise TimeoutError("the database does not answer")
            return True

    async def scenario() -> None:
        door = BrokenDoor()
        async with hub_at(url, door, heartbeat=0.2) as port:
            before = await Stream.open(port, ticket())
            door.broken = True
            await before.rest()
            refused = await Stream.open(port, ticket())
            assert refused.status == 503
            assert int(refused.headers["retry-after"]) > 0
            door.broken = False
            assert (await Stream.open(port, ticket())).status == 200

    url = make_sqlite(tmp_path / "desk.sqlite3")
    play(scenario())


def test_a_quiet_stream_has_heartbeats(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with hub_at(url, heartbeat=0.05) as port:
            stream = await Stream.open(port, ticket())
            assert (await stream.reader.readuntil(b"\n\n")).startswith(b"retry: ")
            for _ in range(4):
                assert await stream.reader.readuntil(b"\n\n") == b"event: heartbeat\ndata: 0.05\n\n"

    url = make_sqlite(tmp_path / "desk.sqlite3")
    play(scenario())


def test_every_answer_says_that_it_is_nothing_but_text(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            for stream in (await Stream.open(port, ticket()), await Stream.open(port, "made up")):
                assert stream.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
                assert stream.headers["x-content-type-options"] == "nosniff"
                assert stream.headers["referrer-policy"] == "no-referrer"

    url = make_sqlite(tmp_path / "desk.sqlite3")
    play(scenario())


def test_a_ticket_in_the_address_opens_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            address = f"/live?ticket={ticket()}"
            assert (await Stream.ask(port, f"GET {address} HTTP/1.1\r\n\r\n".encode())).status == 403
            shown = f"GET {address} HTTP/1.1\r\nAuthorization: bearer  {ticket()}\r\n\r\n".encode()
            assert (await Stream.ask(port, shown)).status == 200

    url = make_sqlite(tmp_path / "desk.sqlite3")
    play(scenario())


def test_a_browser_may_ask_first_what_a_page_may_send(tmp_path: Path) -> None:
    def asked(origin: str) -> bytes:
        return f"OPTIONS /live HTTP/1.1\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: GET\r\n\r\n".encode()

    async def scenario() -> None:
        async with hub_at(url) as port:
            own = await Stream.ask(port, asked(ORIGIN))
            assert own.status == 200
            assert own.headers["access-control-allow-origin"] == ORIGIN
            assert own.headers["access-control-allow-headers"] == "Authorization, Last-Event-ID"
            assert own.headers["access-control-allow-methods"] == "GET"
            stranger = await Stream.ask(port, asked("https://example.com"))
            assert stranger.status == 403
            assert not [name for name in stranger.headers if name.startswith("access-control")]

    url = make_sqlite(tmp_path / "desk.sqlite3")
    play(scenario())


def test_only_the_consoles_origin_may_read_a_stream(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            own = await Stream.open(port, ticket(), origin=ORIGIN)
            assert own.status == 200
            assert own.headers["access-control-allow-origin"] == ORIGIN
            assert own.headers["vary"] == "Origin"
            assert own.headers["content-type"] == "text/event-stream"
            assert own.headers["cache-control"] == "no-store"
            for other in ("https://example.com", "null", ORIGIN + ".example.com", ORIGIN.upper(), "*", ""):
                stranger = await Stream.open(port, ticket(), origin=other)
                assert stranger.status == 403
                assert not [name for name in stranger.headers if name.startswith("access-control")]
            same = await Stream.open(port, ticket())
            assert same.status == 200
            assert not [name for name in same.headers if name.startswith("access-control")]

    url = make_sqlite(tmp_path / "desk.sqlite3")
    play(scenario())


def test_one_account_and_all_together_have_a_limited_number_of_places(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with hub_at(url, viewers=5, viewers_per_account=3) as port:
            # Together, so that a count taken only after the first await would let all of them in.
            crowd = await asyncio.gather(*(Stream.open(port, ticket(ALICE)) for _ in range(8)))
            inside = [stream for stream in crowd if stream.status == 200]
            assert len(inside) == 3
            assert {stream.headers["retry-after"] for stream in crowd if stream.status == 503} == {"5"}
            assert (await Stream.open(port, ticket(BOB))).status == 200
            assert (await Stream.open(port, ticket(BOB))).status == 200
            assert (await Stream.open(port, ticket(RITA))).status == 503
            inside[0].close()
            await until_viewers(port, 4)
            assert (await Stream.open(port, ticket(ALICE))).status == 200

    url = make_sqlite(tmp_path / "desk.sqlite3")
    play(scenario())


def test_connections_that_never_show_a_ticket_do_not_crowd_out_the_viewers(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with hub_at(url, viewers=2, waiting=3) as port:
            idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 2) == b""
            for _, waiting in (*idle, (reader, writer)):
                waiting.close()

    url = make_sqlite(tmp_path / "desk.sqlite3")
    play(scenario())


def test_a_reader_who_does_not_keep_up_is_dropped_and_the_others_are_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with hub_at(url, buffer=16_384) as port:
            with socket.create_connection(("127.0.0.1", port)) as slow:
                slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                shown = ticket(BOB, topics=("review",))
                slow.sendall(f"GET /live HTTP/1.1\r\nAuthorization: Bearer {shown}\r\n\r\n".encode())
                await until_viewers(port, 1)
                quick = await Stream.open(port, ticket())
                last = await asyncio.to_thread(writer.change, "c1", ALICE, 5000)
                while (await quick.change())[1] != last:
                    pass
                await until_viewers(port, 1)

    url = make_sqlite(tmp_path / "desk.sqlite3")
    with Writer(url) as writer:
        play(scenario())


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /live HTTP/1.1\r\n\r\n", 403),
        (b"GET /elsewhere HTTP/1.1\r\n\r\n", 404),
        (b"POST /live HTTP/1.1\r\n\r\n", 405),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /live HTTP/1.1\r\nAuthorization: Bearer \xff\r\n\r\n", 403),
        (b"GET /live HTTP/1.1\r\nAuthorization: Basic eDp5\r\n\r\n", 403),
        (b"OPTIONS /healthz HTTP/1.1\r\n\r\n", 405),
        (b"GET /live HTTP/1.1\r\nCookie: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n", 431),
        (b"G" * (MAX_HEAD_BYTES + 1), 431),
    ],
)
def test_other_requests_get_an_answer_and_no_stream(tmp_path: Path, request_bytes: bytes, status: int) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            answer = await Stream.ask(port, request_bytes)
            assert answer.status == status
            assert answer.headers["connection"] == "close"
            await answer.rest()
            assert (await health(port))[1] == {"bus": True, "viewers": 0}

    url = make_sqlite(tmp_path / "desk.sqlite3")
    play(scenario())


def test_a_request_that_takes_too_long_is_cut_off(tmp_path: Path) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)

    async def scenario() -> None:
        async with hub_at(url, head_timeout=0.3) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            dripping = asyncio.create_task(drip(writer))
            with suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 2) == b""
            dripping.cancel()
            writer.close()

    url = make_sqlite(tmp_path / "desk.sqlite3")
    play(scenario())


def test_a_request_in_many_pieces_is_still_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for byte in b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n":
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0)
            assert b" 200 OK" in await asyncio.wait_for(reader.readline(), 2)
            writer.close()

    url = make_sqlite(tmp_path / "desk.sqlite3")
    play(scenario())


def test_a_hub_that_stops_ends_its_streams(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with hub_at(url) as port:
            stream = await Stream.open(port, ticket())
            assert stream.status == 200
        await stream.rest()

    url = make_sqlite(tmp_path / "desk.sqlite3")
    play(scenario())
