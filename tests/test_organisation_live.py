"""Live updates of an organisation: told to whoever holds a certificate now, and to nobody who has left."""

import asyncio
import re
from pathlib import Path

from live_support import ALICE, BOB, Door, Stream, Writer, hub_at, make_sqlite, play, ticket
from organisation_support import act, found, join, now_of
from shop import Page, Shop
from sqlmodel import select

from webapp.live.models import LiveSignal
from webapp.live.rights import RIGHTS
from webapp.live.tickets import MEMBERSHIP, read_ticket
from webapp.organisations import members

TOPICS = ("customer:o",)


def test_a_stream_ends_the_moment_its_viewer_leaves(tmp_path: Path) -> None:
    async def scenario() -> None:
        url, door = make_sqlite(tmp_path / "desk.sqlite3"), Door()
        # The next heartbeat is far away: it is the signal that ends the stream.
        async with hub_at(url, door, heartbeat=3600.0) as port:
            with Writer(url) as desk:
                desk.run("INSERT INTO certificate (id, holder_id) VALUES ('c1', 'o')")
                alice, bob = [
                    await Stream.open(port, ticket(who, topics=TOPICS), last_event_id=0) for who in (ALICE, BOB)
                ]
                number = desk.change("c1", ALICE)
                assert await alice.change() == await bob.change() == ("c1", number)
                door.ended.add(f"session-{BOB}")
                desk.run("INSERT INTO live_signal (topic, name) VALUES ('customer:o', 'membership')")
                async with asyncio.timeout(15):
                    assert b"certificate-" not in await bob.rest()
                assert (await alice.event()).name == "membership"
                # Whoever stays is told to look again, because nothing was told while the hub asked anew.
                assert (await alice.event()).name == "refresh"
                desk.change("c1", ALICE)
                assert (await alice.change())[0] == "c1"

    play(scenario())


def test_what_a_stream_missed_is_told_to_the_holder_of_now(tmp_path: Path) -> None:
    async def scenario() -> None:
        url = make_sqlite(tmp_path / "desk.sqlite3")
        with Writer(url) as desk:
            desk.change("c0")
            desk.change("c1", BOB)
            desk.run("INSERT INTO certificate (id, holder_id) VALUES ('c1', 'o')")
            async with hub_at(url) as port:
                member = await Stream.open(port, ticket(ALICE, topics=TOPICS, since=1))
                former = await Stream.open(port, ticket(BOB, since=1))
                assert await member.change() == ("c1", 2)
                desk.change("c2", BOB)
                assert await former.change() == ("c2", 3)

    play(scenario())


def topics_in(shop: Shop, page: Page) -> tuple[str, ...]:
    (token,) = re.findall(r'data-live-ticket="([^"]+)"', page.text)
    return read_ticket(shop.settings.secret_key, token, 600).topics


def test_tickets_name_the_organisation_and_every_deed_says_who_may_have_lost_sight(shop: Shop) -> None:
    organisation = found(shop, shop.alice)
    join(shop, organisation, shop.bob)
    bob = shop.browser(shop.bob)
    assert topics_in(shop, bob.get("/certificates")) == (f"customer:{organisation.id}",)
    act(shop, members.remove, now_of(shop, shop.alice), shop.bob.id)
    assert topics_in(shop, bob.get("/certificates")) == (f"customer:{shop.bob.id}",)
    with shop.database.reading() as session:
        told = [(row.topic, row.name) for row in session.exec(select(LiveSignal).order_by(LiveSignal.id)).all()]
    assert [one for one in told if one[1] == MEMBERSHIP] == [
        (f"customer:{shop.alice.id}", MEMBERSHIP),
        (f"customer:{shop.bob.id}", MEMBERSHIP),
        (f"customer:{organisation.id}", MEMBERSHIP),
    ]
    # The accounts' rows say it as well.
    assert {one[0] for one in told if one[1] == RIGHTS} == {f"account:{one.id}" for one in (shop.alice, shop.bob)}
