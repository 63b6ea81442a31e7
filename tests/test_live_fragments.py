"""Fragments that renew themselves in a real browser: nothing is taken from the reader, and nothing newer is lost."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from live_desk import Scene
from playwright.sync_api import expect

pytest_plugins = ["live_fixtures"]
pytestmark = pytest.mark.browser


@contextmanager
def told_of_a_change(scene: Scene) -> Iterator[None]:
    """At the end of the block, wait until the page has told its fragments of a change in it, even if none asks."""
    page = scene.page
    page.evaluate("() => addEventListener('sse:change', () => { document.documentElement.dataset.told = 1; })")
    yield
    page.wait_for_function("() => document.documentElement.dataset.told")


def test_nothing_is_replaced_under_somebody_who_writes(scene: Scene) -> None:
    scene.start_hub()
    page = scene.open_live()
    field = page.get_by_label("why c1")
    field.focus()
    scene.writer.change("c1")
    expect(page.locator("#c1")).to_have_attribute("data-live-held", "")
    expect(page.locator("#list")).to_have_text("1 in all")
    assert "/fragment/c1" not in scene.desk.asked
    page.keyboard.type("because")
    # Leaving the field does not throw away what was written.
    page.get_by_label("why c2").focus()
    page.wait_for_timeout(300)
    expect(field).to_have_value("because")
    scene.counts("c1", 0)
    # Once it is taken back, the change is shown.
    field.fill("")
    page.locator("summary").nth(1).focus()
    scene.counts("c1", 1)
    expect(page.locator("#c1")).not_to_have_attribute("data-live-held", "")


def test_an_answer_that_arrives_while_somebody_writes_waits_too(scene: Scene) -> None:
    scene.start_hub()
    page = scene.open_live()
    scene.desk.hold["/fragment/c1"] = threading.Event()
    scene.writer.change("c1")
    scene.until("/fragment/c1", 1)
    page.get_by_label("why c1").focus()
    scene.desk.hold.pop("/fragment/c1").set()
    expect(page.locator("#c1")).to_have_attribute("data-live-held", "")
    scene.counts("c1", 0)
    page.get_by_label("why c1").blur()
    scene.counts("c1", 1)


def test_a_press_is_not_lost_to_a_refresh(scene: Scene) -> None:
    scene.start_hub()
    page = scene.open_live()
    page.get_by_role("button", name="press c1").hover()
    with told_of_a_change(scene):
        page.mouse.down()
        scene.writer.change("c1")
    assert "/fragment/c1" not in scene.desk.asked
    page.mouse.up()
    scene.counts("c1", 2)
    assert scene.desk.asked.count("/press/c1") == 1


def test_a_change_during_a_refresh_is_not_lost(scene: Scene) -> None:
    scene.start_hub()
    scene.open_live()
    held = scene.desk.hold["/fragment/c1"] = threading.Event()
    scene.writer.change("c1")
    scene.until("/fragment/c1", 1)
    # The first answer is rendered and on its way; these come too late for it.
    scene.writer.change("c1")
    scene.writer.change("c1")
    expect(scene.page.locator("#list")).to_have_text("3 in all")
    del scene.desk.hold["/fragment/c1"]
    held.set()
    scene.counts("c1", 3)
    assert scene.desk.asked.count("/fragment/c1") == 2


def test_what_is_put_off_is_not_lost_to_an_answer_from_before(scene: Scene) -> None:
    scene.desk.puts_off = " delay:1s"
    scene.start_hub()
    page = scene.open_live()
    held = scene.desk.hold["/fragment/list"] = threading.Event()
    scene.writer.change("c1")
    scene.until("/fragment/list", 1)
    with told_of_a_change(scene):
        scene.writer.change("c1")
    # What heard it and would ask in a second is replaced before that.
    del scene.desk.hold["/fragment/list"]
    held.set()
    expect(page.locator("#list")).to_have_text("2 in all")
    assert scene.desk.asked.count("/fragment/list") == 2


def test_a_change_during_another_request_is_not_lost_to_what_that_brings(scene: Scene) -> None:
    scene.start_hub()
    page = scene.open_live()
    held = scene.desk.hold["/more"] = threading.Event()
    page.get_by_role("button", name="more certificates").click()
    scene.until("/more", 1)
    scene.writer.change("c3")
    expect(page.locator("#list")).to_have_text("1 in all")
    held.set()
    scene.counts("c3", 1)


def test_the_same_content_is_not_put_in_again(scene: Scene) -> None:
    scene.open()
    scene.is_shown("polling", "Polling")
    page = scene.page
    page.locator("#c1").evaluate("element => { element.mark = 1; }")
    page.locator("#c1-more").evaluate("element => { element.open = true; }")
    scene.until("/fragment/c1", scene.desk.asked.count("/fragment/c1") + 3)
    assert page.locator("#c1").evaluate("element => element.mark") == 1
    scene.writer.change("c1")
    scene.counts("c1", 1)
    assert page.locator("#c1").evaluate("element => element.mark") is None
    expect(page.locator("#c1-more")).to_have_attribute("open", "")


def test_many_changes_are_not_as_many_requests(scene: Scene) -> None:
    scene.start_hub()
    page = scene.open_live()
    begun = time.monotonic()
    for _ in range(60):
        scene.writer.change("other")
    expect(page.locator("#list")).to_have_text("60 in all")
    # One at once, and from then on one in half a second.
    assert scene.desk.asked.count("/fragment/list") <= 2 + 2 * (time.monotonic() - begun)


def test_a_refused_background_refresh_is_not_announced(scene: Scene) -> None:
    scene.start_hub()
    page = scene.open_live()
    page.locator("#c1").evaluate("element => element.setAttribute('hx-get', '/gone')")
    page.evaluate("() => htmx.process(document.querySelector('#c1'))")
    page.evaluate("() => addEventListener('htmx:responseError', () => { window.refused = true; })")
    scene.writer.change("c1")
    page.wait_for_function("() => window.refused")
    expect(page.locator("#messages")).to_have_text("")


def test_what_changed_lights_up_and_nothing_else(scene: Scene) -> None:
    scene.start_hub()
    page = scene.open_live()
    # A list that is replaced as a whole, in which one row is new and one is another than before.
    rows = "<ul id='list' hx-get='/fragment/rows' hx-trigger='desk:refresh from:body' hx-swap='outerHTML'>"
    old = [("r1", "same"), ("r2", "before")]
    page.evaluate(
        "html => { document.querySelector('#list').outerHTML = html; htmx.process(document.body); }",
        rows + "".join(f"<li id='{name}' data-flash>{text}</li>" for name, text in old) + "</ul>",
    )
    new = [("r1", "same"), ("r2", "after"), ("r3", "new")]
    scene.desk.given["/fragment/rows"] = (
        rows + "".join(f"<li id='{name}' data-flash>{text}</li>" for name, text in new) + "</ul>"
    )
    page.evaluate("() => htmx.trigger(document.body, 'desk:refresh')")
    expect(page.locator("#r3")).to_have_class("is-changed")
    expect(page.locator("#r2")).to_have_class("is-changed")
    expect(page.locator("#r1")).not_to_have_class("is-changed")
    # The light is no difference: the same answer again changes nothing.
    page.locator("#list").evaluate("element => { element.mark = 1; }")
    page.evaluate("() => htmx.trigger(document.body, 'desk:refresh')")
    scene.until("/fragment/rows", 2)
    scene.page.wait_for_timeout(200)
    assert page.locator("#list").evaluate("element => element.mark") == 1


def test_a_row_is_asked_for_by_what_it_names_and_by_its_end(scene: Scene) -> None:
    """htmx knows nothing of such rows: they are too many."""
    scene.start_hub()
    page = scene.open_live()
    row = "<p id='row' data-live-on='certificate-c2 claim-c2' data-live-get='/fragment/rows' hx-swap='outerHTML'>{}</p>"
    page.evaluate("html => document.querySelector('#list').insertAdjacentHTML('afterend', html)", row.format("first"))
    scene.desk.given["/fragment/rows"] = row.format("second")
    scene.writer.change("c1")
    scene.counts("c1", 1)
    scene.writer.change("c2")
    expect(page.locator("#row")).to_have_text("second")
    assert scene.desk.asked.count("/fragment/rows") == 1
    # What replaced it is asked for as well, and also when its time has run out.
    scene.desk.given["/fragment/rows"] = row.format("third")
    scene.writer.change("c2")
    expect(page.locator("#row")).to_have_text("third")
    scene.desk.given["/fragment/rows"] = row.format("fourth")
    page.evaluate("() => htmx.trigger('#row', 'desk:expired')")
    expect(page.locator("#row")).to_have_text("fourth")
    # An answer that went wrong takes nothing away.
    scene.desk.down = True
    page.evaluate("() => htmx.trigger('#row', 'desk:expired')")
    scene.until("/fragment/rows", 4)
    scene.desk.down = False
    expect(page.locator("#row")).to_have_text("fourth")


WHOLE = """<section id="whole" hx-get="/fragment/whole" hx-swap="outerHTML" hx-trigger="sse:certificate-c2">
  {whole} <p id="part" hx-get="/fragment/part" hx-target="this" hx-swap="outerHTML"
    hx-trigger="sse:certificate-c1, desk:pulse">{part}</p>
</section>"""
"""A fragment in a fragment, as the findings about a domain are in the page of its certificate."""


def open_whole(scene: Scene) -> None:
    """Open the page with the fragment in a fragment; the inner one's answer takes the place of the outer one."""
    scene.start_hub()
    whole = WHOLE.format(whole="first", part="first")
    scene.open_live().evaluate(
        "html => { document.querySelector('#list').insertAdjacentHTML('afterend', html);"
        " htmx.process(document.querySelector('#whole')); }",
        whole,
    )
    scene.desk.replaces["/fragment/part"] = "#whole"


def part_asks(scene: Scene, text: str) -> threading.Event:
    """Have the inner fragment ask; its answer, with this text, is rendered and waits for the event."""
    scene.desk.given["/fragment/part"] = WHOLE.format(whole=text, part=text)
    held = scene.desk.hold["/fragment/part"] = threading.Event()
    scene.page.evaluate("htmx.trigger('#part', 'desk:pulse')")
    scene.until("/fragment/part", 1)
    return held


def whole_asks(scene: Scene, whole: str, part: str) -> threading.Event:
    """Have the outer fragment ask; its answer, with these texts, is rendered and waits for the event."""
    scene.desk.given["/fragment/whole"] = WHOLE.format(whole=whole, part=part)
    held = scene.desk.hold["/fragment/whole"] = threading.Event()
    scene.writer.change("c2")
    scene.until("/fragment/whole", 1)
    return held


def test_what_was_replaced_while_it_asked_is_asked_for_anew(scene: Scene) -> None:
    open_whole(scene)
    held = part_asks(scene, "part's")
    scene.desk.given["/fragment/whole"] = WHOLE.format(whole="second", part="second")
    scene.writer.change("c2")
    expect(scene.page.locator("#part")).to_have_text("second")
    # The answer to what is gone has nowhere to go; what stands in its place asks, and gets what holds now.
    scene.desk.given["/fragment/part"] = WHOLE.format(whole="third", part="third")
    del scene.desk.hold["/fragment/part"]
    held.set()
    expect(scene.page.locator("#part")).to_have_text("third")
    assert scene.desk.asked.count("/fragment/part") == 2
    assert scene.complaints == []


def test_an_older_answer_from_within_does_not_outlive_a_newer_one(scene: Scene) -> None:
    open_whole(scene)
    held = whole_asks(scene, whole="newer", part="newer")
    scene.desk.given["/fragment/part"] = WHOLE.format(whole="older", part="older")
    scene.page.evaluate("htmx.trigger('#part', 'desk:pulse')")
    expect(scene.page.locator("#part")).to_have_text("older")
    del scene.desk.hold["/fragment/whole"]
    held.set()
    expect(scene.page.locator("#part")).to_have_text("newer")
    assert scene.desk.asked.count("/fragment/whole") == 2


def test_an_older_answer_of_the_whole_does_not_outlive_a_newer_one_of_a_part(scene: Scene) -> None:
    open_whole(scene)
    scene.desk.replaces["/fragment/part"] = "#part"
    held = whole_asks(scene, whole="second", part="older")
    scene.desk.given["/fragment/part"] = WHOLE.format(whole="third", part="newer")
    scene.writer.change("c1")
    expect(scene.page.locator("#part")).to_have_text("newer")
    held.set()
    expect(scene.page.locator("#whole")).to_contain_text("second")
    expect(scene.page.locator("#part")).to_have_text("newer")
    assert scene.desk.asked.count("/fragment/part") == 2


def test_what_does_not_live_any_more_is_not_asked_for_again(scene: Scene) -> None:
    open_whole(scene)
    held = part_asks(scene, "late")
    scene.desk.given["/fragment/whole"] = '<section id="whole"><p id="part">the end</p></section>'
    scene.writer.change("c2")
    expect(scene.page.locator("#part")).to_have_text("the end")
    with scene.page.expect_event("requestfinished"):
        held.set()
    # A request that came of it would have been sent before this one.
    scene.page.evaluate("() => new Promise((done) => setTimeout(done, 50))")
    expect(scene.page.locator("#part")).to_have_text("the end")
    assert scene.desk.asked.count("/fragment/part") == 1
