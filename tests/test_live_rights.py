"""Whoever loses the right to see something is told nothing more, from that very commit on."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from live_support import (
    ALICE,
    BOB,
    PATIENCE,
    Door,
    Stream,
    Writer,
    hub_at,
    make_sqlite,
    play,
    settings_for,
    ticket,
    until_healthy,
)
from shop import Shop
from sqlmodel import SQLModel

from certlifecycle import Event, Role, State
from webapp.accounts import sessions
from webapp.accounts.models import Account
from webapp.certificates.models import Certificate
from webapp.live.bus import Change, Signal
from webapp.live.bus_sqlite import SqliteSource
from webapp.live.hub import Hub
from webapp.live.process import open_source
from webapp.live.tickets import REVIEW_TOPIC, customer_topic, issue_ticket
from webapp.live.viewers import SessionCheck

NO_HEARTBEAT = 600.0
"""Seconds between two questions that come by themselves: longer than any test."""
TELLS = f"INSERT INTO live_signal (topic, name) VALUES ('account:{ALICE}', 'rights')"  # noqa: S608  Our own words.


def test_a_stream_ends_with_the_right_to_it_and_not_at_the_next_heartbeat(tmp_path: Path) -> None:
    async def scenario() -> None:
        door = Door()
        async with hub_at(url, door, heartbeat=NO_HEARTBEAT) as port:
            alice, bob = await Stream.open(port, ticket(ALICE)), await Stream.open(port, ticket(BOB))
            door.ended.add(f"session-{ALICE}")
            writer.run(TELLS)
            writer.change("c1", ALICE)
            assert b"certificate-c1" not in await alice.rest()
            number = writer.change("c2", BOB)
            assert await bob.change() == ("c2", number)

    url = make_sqlite(tmp_path / "desk.sqlite3")
    with Writer(url) as writer:
        play(scenario())


def test_nothing_is_told_while_the_answer_is_awaited_and_everything_is_looked_at_after_it(tmp_path: Path) -> None:
    class SlowDoor(Door):
        def __init__(self) -> None:
            super().__init__()
            self.asked_again, self.open = asyncio.Event(), asyncio.Event()

        async def __call__(self, session_key: str, account_id: str, topics: object) -> bool:
            if self.asked and account_id == ALICE:
                self.asked_again.set()
                await self.open.wait()
            return await super().__call__(session_key, account_id, topics)

    async def scenario() -> None:
        door = SlowDoor()
        async with hub_at(url, door, heartbeat=NO_HEARTBEAT) as port:
            alice = await Stream.open(port, ticket(ALICE))
            writer.run(TELLS)
            async with asyncio.timeout(PATIENCE):
                await door.asked_again.wait()
            bob = await Stream.open(port, ticket(BOB))
            writer.change("c1", ALICE)
            # Bob hears of a later change, so the hub has heard of Alice's.
            number = writer.change("c2", BOB)
            await bob.change()
            door.open.set()
            told = await alice.event()
            assert (told.name, int(told.data)) == ("refresh", number)
            later = writer.change("c3", ALICE)
            assert await alice.change() == ("c3", later)

    url = make_sqlite(tmp_path / "desk.sqlite3")
    with Writer(url) as writer:
        play(scenario())


def test_an_answer_that_was_overtaken_by_a_change_of_rights_lets_nobody_in(tmp_path: Path) -> None:
    class LateDoor(Door):
        """Says yes to what it read before the session ended, and takes its time."""

        def __init__(self) -> None:
            super().__init__()
            self.reading, self.open = asyncio.Event(), asyncio.Event()

        async def __call__(self, session_key: str, account_id: str, topics: object) -> bool:
            allowed = await super().__call__(session_key, account_id, topics)
            if account_id == ALICE:
                self.reading.set()
                await self.open.wait()
            return allowed

    async def scenario() -> None:
        door = LateDoor()
        async with hub_at(url, door, heartbeat=NO_HEARTBEAT) as port:
            bob = await Stream.open(port, ticket(BOB))
            opening = asyncio.create_task(Stream.open(port, ticket(ALICE)))
            async with asyncio.timeout(PATIENCE):
                await door.reading.wait()
            door.ended.add(f"session-{ALICE}")
            writer.run(TELLS)
            # Bob hears of a later change, so the hub has heard of the earlier signal.
            writer.change("c1", BOB)
            await bob.change()
            door.open.set()
            assert (await opening).status == 403

    url = make_sqlite(tmp_path / "desk.sqlite3")
    with Writer(url) as writer:
        play(scenario())


def test_a_lost_right_is_told_before_the_changes_of_the_same_moment(tmp_path: Path) -> None:
    path = tmp_path / "desk.sqlite3"
    make_sqlite(path)

    async def scenario() -> None:
        async with asyncio.timeout(PATIENCE):
            events = SqliteSource(str(path)).listen(10)
            await anext(events)
            with closing(sqlite3.connect(path)) as database, database:
                database.execute(
                    "INSERT INTO history (certificate_id, customer_id, event) VALUES ('c1', 'a', 'verify')"
                )
                database.execute(TELLS)
            told = [await anext(events), await anext(events)]
            assert [type(one) for one in told] == [Signal, Change]
            await events.aclose()

    asyncio.run(scenario())


# The whole desk: its own tables, its own triggers, its own hub


class Scene:
    """Rita looks at what is to be reviewed, in a browser with a stream; the hub asks by itself hardly ever."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        # The hub knows no other clock than the machine's.
        shop.clock.now = datetime.now(UTC)
        self.browsers = {who.id: shop.browser(who) for who in (shop.alice, shop.bob, shop.rita)}

    def ticket(self, who: Account, topic: str) -> str:
        cookie = self.browsers[who.id].client.get_cookie(sessions.cookie_name(self.shop.settings))
        assert cookie is not None
        secret = self.shop.settings.secret_key
        key = sessions.key_of(cookie.value)
        return issue_ticket(secret, session_key=key, account_id=who.id, topics=[topic], since=0)

    def plays(self, scenario: Callable[[int], Coroutine[object, object, None]]) -> None:
        """Run a scenario with the port of a hub."""

        async def whole() -> None:
            url, secret = self.shop.settings.database_url, self.shop.settings.secret_key
            check = SessionCheck(url)
            hub = Hub(settings_for(url, secret_key=secret, heartbeat=NO_HEARTBEAT), open_source(url), check)
            port = await hub.start()
            try:
                await until_healthy(port)
                await scenario(port)
            finally:
                await hub.stop()
                check.close()

        play(whole())


def signs_out(scene: Scene) -> None:
    scene.browsers[scene.shop.rita.id].post("/sign-out", status=303)


def signs_out_everywhere(scene: Scene) -> None:
    scene.shop.browser(scene.shop.rita).post("/account/sign-out-everywhere", status=303)


def becomes_a_customer(scene: Scene) -> None:
    change(scene.shop, Account, scene.shop.rita.id, role=Role.CUSTOMER)


def is_disabled(scene: Scene) -> None:
    change(scene.shop, Account, scene.shop.rita.id, disabled_at=datetime(2026, 1, 1, tzinfo=UTC))


def change(shop: Shop, model: type[SQLModel], key: str, **values: object) -> None:
    with shop.database.writing() as session:
        session.execute(sa.update(model).where(sa.column("id") == key).values(**values))


@pytest.mark.parametrize("loses", [signs_out, signs_out_everywhere, becomes_a_customer, is_disabled])
def test_no_change_reaches_whoever_has_lost_the_right_to_it(any_shop: Shop, loses: Callable[[Scene], None]) -> None:
    scene = Scene(any_shop)

    async def scenario(port: int) -> None:
        rita = await Stream.open(port, scene.ticket(any_shop.rita, REVIEW_TOPIC))
        alice = await Stream.open(port, scene.ticket(any_shop.alice, customer_topic(any_shop.alice.id)))
        assert (rita.status, alice.status) == (200, 200)
        await asyncio.to_thread(loses, scene)
        later = await asyncio.to_thread(any_shop.certificate_in, State.PENDING)
        while (await alice.event()).name != f"certificate-{later.id}":
            pass
        assert later.id.encode() not in await rita.rest()

    scene.plays(scenario)


def test_a_certificate_with_another_owner_is_told_to_that_one_alone(any_shop: Shop) -> None:
    scene = Scene(any_shop)

    async def scenario(port: int) -> None:
        both = [
            await Stream.open(port, scene.ticket(who, customer_topic(who.id))) for who in (any_shop.alice, any_shop.bob)
        ]
        mine = await asyncio.to_thread(any_shop.certificate_in, State.PENDING)
        theirs = {"customer_id": any_shop.bob.id, "holder_id": any_shop.bob.id}
        await asyncio.to_thread(change, any_shop, Certificate, mine.id, **theirs)
        await asyncio.to_thread(any_shop.fire, any_shop.get(mine.id), Event.REQUEST_REFUND)
        other = await asyncio.to_thread(any_shop.certificate_in, State.PENDING)
        heard: list[str] = []
        while (told := await both[0].event()).name != f"certificate-{other.id}":
            heard.append(told.name)
        # Once for the order, which was hers still.
        assert heard.count(f"certificate-{mine.id}") == 1
        assert (await both[1].change())[0] == mine.id

    scene.plays(scenario)
