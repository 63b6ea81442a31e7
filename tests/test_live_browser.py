"""The stream behind a page in a real browser: it is kept alive, told truthfully, and replaced by polling."""

import signal

import pytest
from live_desk import Scene, hide, viewers
from playwright.sync_api import expect

pytest_plugins = ["live_fixtures"]
pytestmark = pytest.mark.browser


def test_a_fragment_shows_a_change_of_another_process(scene: Scene) -> None:
    scene.start_hub()
    page = scene.open_live()
    scene.writer.change("c1")
    scene.counts("c1", 1)
    scene.counts("c2", 0)
    expect(page.locator("#list")).to_have_text("1 in all")
    # The fragment that replaced the first one listens as well.
    for times in (2, 3, 4):
        scene.writer.change("c1")
        scene.counts("c1", times)
    scene.writer.change("c2")
    scene.counts("c2", 1)
    assert scene.desk.asked.count("/fragment/c2") == 1


def test_it_polls_while_the_hub_is_away_and_is_live_again_when_it_returns(scene: Scene) -> None:
    scene.start_hub()
    scene.open_live()
    scene.remember_statuses()
    scene.stop_hub()
    scene.is_shown("polling", "Polling")
    assert scene.statuses[:2] == ["reconnecting", "polling"]
    scene.writer.change("c1")
    scene.counts("c1", 1)
    scene.start_hub()
    scene.is_shown("live", "Live")
    scene.writer.change("c1")
    scene.counts("c1", 2)
    asked = len(scene.desk.asked)
    scene.page.wait_for_timeout(1500)
    assert len(scene.desk.asked) <= asked + 4, "it goes on polling"


def test_without_a_hub_from_the_start_it_polls(scene: Scene) -> None:
    scene.open()
    scene.is_shown("polling", "Polling")
    scene.writer.change("c1")
    scene.counts("c1", 1)


def test_what_changed_while_the_hub_was_away_is_shown(scene: Scene) -> None:
    scene.start_hub()
    scene.open_live()
    hide(scene.page, True)  # So that only the stream can bring it.
    scene.stop_hub()
    scene.is_shown("reconnecting", "Reconnecting")
    scene.writer.change("c1")
    scene.start_hub()
    scene.is_shown("live", "Live")
    scene.counts("c1", 1)


def test_a_hidden_tab_does_not_poll(scene: Scene) -> None:
    scene.open()
    scene.is_shown("polling", "Polling")
    hide(scene.page, True)
    scene.page.wait_for_timeout(300)
    asked = len(scene.desk.asked)
    scene.page.wait_for_timeout(1500)
    assert [path for path in scene.desk.asked[asked:] if path != "/ticket"] == []


def test_a_tab_that_is_seen_again_does_not_wait_for_the_next_poll(scene: Scene) -> None:
    scene.desk.poll = 600
    scene.open()
    scene.is_shown("polling", "Polling")
    hide(scene.page, True)
    scene.writer.change("c1")
    hide(scene.page, False)
    scene.counts("c1", 1)


def test_it_does_not_claim_to_poll_when_the_desk_does_not_answer(scene: Scene) -> None:
    scene.open()
    scene.is_shown("polling", "Polling")
    scene.desk.down = True
    scene.is_shown("reconnecting", "Reconnecting")
    scene.desk.down = False
    scene.is_shown("polling", "Polling")


def test_an_expired_ticket_is_renewed(scene: Scene) -> None:
    scene.start_hub(ticket_max_age=1)
    page = scene.open_live()
    page.wait_for_timeout(3200)
    scene.stop_hub()
    scene.is_away()
    # A new ticket is given time to arrive, the old one is older than that.
    scene.start_hub(ticket_max_age=2)
    scene.is_shown("live", "Live")
    assert "/ticket" in scene.desk.asked
    scene.writer.change("c1")
    scene.counts("c1", 1)


def test_an_ended_session_ends_the_attempts(scene: Scene) -> None:
    scene.start_hub()
    scene.open_live()
    scene.desk.signed_in = False
    scene.writer.run("UPDATE web_session SET revoked_at = CURRENT_TIMESTAMP")
    scene.is_shown("off", "Not live")
    asked = len(scene.desk.asked)
    scene.page.wait_for_timeout(4000)
    assert len(scene.desk.asked) == asked


def test_a_stream_without_heartbeats_counts_as_dead(scene: Scene) -> None:
    scene.start_hub()
    scene.open_live()
    assert scene.hub is not None
    # The kernel keeps the connection; nothing answers on it.
    scene.hub.process.send_signal(signal.SIGSTOP)
    try:
        scene.is_away()
        scene.writer.change("c1")
        scene.counts("c1", 1)
    finally:
        scene.hub.process.send_signal(signal.SIGCONT)
    scene.is_shown("live", "Live")


def test_a_stream_that_returns_shows_the_present_whatever_the_hub_knows(scene: Scene) -> None:
    scene.start_hub()
    scene.open_live()
    hide(scene.page, True)
    scene.stop_hub()
    scene.is_shown("reconnecting", "Reconnecting")
    assert "/fragment/c1" not in scene.desk.asked
    scene.start_hub()
    scene.is_shown("live", "Live")
    scene.until("/fragment/c1", 1)


def test_a_tab_that_was_hidden_for_long_returns_its_connection_and_comes_back(scene: Scene) -> None:
    scene.start_hub()
    page = scene.page
    page.clock.install()
    scene.open_live()
    assert viewers(scene) == 1
    hide(page, True)
    page.clock.run_for(61_000)
    for _ in range(200):
        if viewers(scene) == 0:
            break
        page.wait_for_timeout(20)
    assert viewers(scene) == 0
    scene.writer.change("c1")
    hide(page, False)
    scene.counts("c1", 1)
    page.clock.run_for(3000)
    scene.is_shown("live", "Live")
    assert viewers(scene) == 1
