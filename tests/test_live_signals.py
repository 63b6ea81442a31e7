"""Signals: what viewers are told besides changes of certificates, on both databases."""

import pytest
from live_support import ALICE, RITA, Stream, Told, hub_at, play, ticket
from shop import Shop
from sqlmodel import func, select

from webapp.live import signals
from webapp.live.bus import Signal, make_signal, readable_signals
from webapp.live.journal import RecentSignals
from webapp.live.models import LiveSignal


def tell(shop: Shop, *names: str) -> None:
    with shop.database.writing() as session:
        signals.tell(session, "review", *names)


def reviewer() -> str:
    return ticket(RITA, topics=("review",))


def test_a_signal_reaches_the_viewers_of_its_topic_and_nobody_else(any_shop: Shop) -> None:
    async def scenario() -> None:
        async with hub_at(any_shop.settings.database_url, signals=0.0) as port:
            rita, alice = await Stream.open(port, reviewer()), await Stream.open(port, ticket(ALICE))
            tell(any_shop, "claims", "claim-c1")
            assert await rita.event() == Told("claims", "review", None)
            assert await rita.event() == Told("claim-c1", "review", None)
            with any_shop.database.writing() as session:
                signals.tell(session, f"customer:{ALICE}", "other")
            # Had Alice been told of the claim, that would have come first.
            assert await alice.event() == Told("other", f"customer:{ALICE}", None)

    play(scenario())


def test_what_is_rolled_back_is_never_told(any_shop: Shop) -> None:
    def tell_and_fail() -> None:
        with any_shop.database.writing() as session:
            signals.tell(session, "review", "never")
            raise RuntimeError

    async def scenario() -> None:
        async with hub_at(any_shop.settings.database_url) as port:
            rita = await Stream.open(port, reviewer())
            with pytest.raises(RuntimeError):
                tell_and_fail()
            tell(any_shop, "then")
            assert (await rita.event()).name == "then"

    play(scenario())


def test_whoever_connects_is_told_what_was_told_a_moment_before(any_shop: Shop) -> None:
    async def scenario() -> None:
        async with hub_at(any_shop.settings.database_url) as port:
            witness = await Stream.open(port, reviewer())
            tell(any_shop, "claim-c1", "claim-c2", "claim-c1")
            tell(any_shop, "claim-c1")
            assert [(await witness.event()).name for _ in range(3)] == ["claim-c1", "claim-c2", "claim-c1"]
            later = await Stream.open(port, reviewer())
            tell(any_shop, "now")
            assert [(await later.event()).name for _ in range(3)] == ["claim-c1", "claim-c2", "now"]

    play(scenario())


def test_signals_are_forgotten_after_a_while() -> None:
    now = 100.0
    recent = RecentSignals(60.0, lambda: now)
    recent.add(Signal("review", "early"))
    now = 130.0
    recent.add(Signal("review", "late"))
    recent.add(Signal("customer:a", "other"))
    assert [one.name for one in recent.within(("review",))] == ["early", "late"]
    now = 161.0
    assert [one.name for one in recent.within(("review",))] == ["late"]


def test_few_rows_are_kept(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "KEPT_ROWS", 5)
    for number in range(8):
        tell(shop, f"claim-{number}")
    with shop.database.reading() as session:
        assert session.exec(select(func.count()).select_from(LiveSignal)).one() == 5


@pytest.mark.parametrize(("topic", "name"), [("review", "a\nb"), ("review", ""), ("", "a"), ("re view", "a")])
def test_a_signal_that_is_no_name_is_refused_and_left_out(shop: Shop, topic: str, name: str) -> None:
    with pytest.raises(ValueError, match="An id holds"):
        make_signal(topic, name)
    with pytest.raises(ValueError, match="An id holds"), shop.database.writing() as session:
        signals.tell(session, topic, name)
    assert list(readable_signals([(topic, name), ("review", "good")])) == [Signal("review", "good")]
