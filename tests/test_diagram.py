"""The table, the Mermaid text and the picture: complete, legible, and drawn from the declaration."""

import re
import runpy
import sys
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from test_lifecycle_transitions import RULES

from certlifecycle import Event, Role, State, declared_transitions, diagram, layout
from certlifecycle.__main__ import main
from certlifecycle.diagram import markdown_table, mermaid, svg, text_table, transition_table
from certlifecycle.layout import BOX_HEIGHT, BOX_WIDTH, HEIGHT, PLACES, START, WAYS, WIDTH

SVG = "{http://www.w3.org/2000/svg}"

PAST = {State.PENDING, State.SUBMITTED, State.VERIFIED, State.ISSUED, State.REVOKING, State.REVOKED}


def drawn(*arguments, **keywords):
    return ElementTree.fromstring(svg(*arguments, **keywords))  # noqa: S314  # our own text


def elements(picture, name):
    """The elements of a class."""
    return [one for one in picture.iter() if name in one.get("class", "").split()]


def words(element):
    return " ".join(element.itertext())


# The table


def test_the_table_holds_every_transition_of_the_rules_once():
    rows = [(row.event.value, source.value, row.target.value) for row in transition_table() for source in row.sources]

    assert sorted(rows) == sorted((event, source, target) for event, source, target, _ in RULES)


def test_the_table_says_who_and_on_what_condition():
    rows = {(row.event, row.target): row for row in transition_table()}

    apply = rows[Event.REQUEST_REFUND, State.REFUND_REQUESTED]
    assert apply.sources == (State.PENDING, State.FAILED, State.REVOKED, State.REJECTED)
    assert apply.who == (Role.CUSTOMER,)
    assert apply.conditions == ("customers only their own", "the refund policy allows it", "with a reason")
    assert rows[Event.VERIFY, State.VERIFIED].who == (Role.REVIEWER, Role.SYSTEM)
    assert rows[Event.APPROVE_REFUND, State.REFUND_APPROVED].conditions == (
        "somebody with the right to decide",
        "somebody with the right to send money",
        "never the applicant",
        "nobody of the same organisation",
        "nobody approves twice",
        "the only or the second approval",
    )


def test_the_rows_come_in_the_order_of_the_events():
    events = [row.event for row in transition_table()]
    assert events == sorted(events, key=list(Event).index)
    assert set(events) == set(Event)


def test_every_condition_but_the_role_has_words():
    for one in declared_transitions():
        for guard in one.guards:
            assert bool(guard.words) != bool(guard.roles), guard.__name__


def test_the_columns_of_the_text_table_are_straight():
    header, rule, *rows = text_table().splitlines()

    assert re.split(" {2,}", header) == ["event", "from", "to", "who", "on condition"]
    edges = [match.start() for match in re.finditer(r"(?<=  )-", rule)]
    assert len(edges) == 4
    assert all(row[edge - 2 : edge].isspace() for row in rows for edge in edges if len(row) > edge)
    assert len(rows) == len(transition_table())


def test_the_markdown_table_has_five_cells_in_every_line():
    lines = markdown_table().splitlines()
    assert lines[1] == "| --- | --- | --- | --- | --- |"
    assert {line.count("|") for line in lines} == {6}
    assert "| refuse_revocation | revoking | issued | system | with a reason |" in lines


# Mermaid


def test_mermaid_tells_every_state_and_every_transition():
    text = mermaid()
    assert text.startswith("stateDiagram-v2\n")
    arrows = re.findall(r"^    (\w+) --> (\w+) : ([a-z ]+?)(?: \[.*\])?$", text, re.MULTILINE)

    assert sorted((event.replace(" ", "_"), source, target) for source, target, event in arrows) == sorted(
        (event, source, target) for event, source, target, _ in RULES
    )
    assert all(f'    state "{state.label}" as {state.value}\n' in text for state in State)
    assert "    [*] --> pending\n" in text
    assert text.endswith("    refunded --> [*]")
    assert "rejected --> failed : keep certificate [the refund came from failed]" in text


# The picture: what is in it


def test_the_picture_shows_every_state_and_names_every_event():
    picture = drawn()

    assert [words(label) for label in elements(picture, "state__label")] == [state.label for state in State]
    names = {words(label) for label in elements(picture, "edge__label")}
    assert {name.removesuffix(" the first of two approvals") for name in names} == {event.label for event in Event}
    assert len(elements(picture, "edge__line")) == len(declared_transitions()) == len(RULES)


def test_whose_move_it_is_stands_in_every_box():
    movers = [words(mover) for mover in elements(drawn(), "state__mover")]
    assert movers.count("the customer’s move") == 5
    assert movers.count("a reviewer’s move") == 2
    assert movers.count("the desk’s move") == 3
    assert movers.count("final") == 1


def test_a_state_without_a_place_is_an_error(monkeypatch):
    monkeypatch.setattr(diagram, "PLACES", {state: place for state, place in PLACES.items() if state != "verified"})
    with pytest.raises(LookupError, match="the picture has no place for the state verified"):
        svg()


@pytest.mark.parametrize("missing", WAYS, ids=lambda way: "-".join(way))
def test_a_transition_without_a_way_is_an_error(missing, monkeypatch):
    monkeypatch.setattr(diagram, "WAYS", {key: way for key, way in WAYS.items() if key != missing})
    with pytest.raises(LookupError, match=f"no way for {missing[0]} from {missing[1]} to {missing[2]}"):
        svg()


def test_nothing_is_laid_out_that_is_not_declared():
    assert set(PLACES) == set(State)
    assert set(WAYS) == {(one.event, one.source, one.target) for one in declared_transitions()}


def test_the_present_state_is_marked_and_the_past_ones():
    picture = drawn(State.REFUND_REQUESTED, PAST | {State.REFUND_REQUESTED})

    (current,) = elements(picture, "state--current")
    assert [words(label) for label in elements(current, "state__label")] == ["refund requested"]
    assert len(elements(picture, "state--past")) == len(PAST)
    assert len(elements(picture, "state--final")) == 1
    assert not elements(drawn(), "state--current")


def lit(*arguments, **keywords):
    """The labels that are lit, and how many lines."""
    possible = elements(drawn(*arguments, **keywords), "edge--possible")
    labels = {words(one) for one in possible if elements(one, "edge__label")}
    return labels, sum(bool(elements(one, "edge__line")) for one in possible)


def test_what_is_possible_now_is_lit():
    assert lit(State.PENDING, (), {Event.SUBMIT, Event.REQUEST_REFUND}) == ({"submit", "request refund"}, 2)
    assert lit(State.ISSUED, PAST, {Event.REVOKE}) == ({"revoke"}, 1)
    assert lit(State.ISSUED, PAST, ()) == (set(), 0)
    assert lit(None, (), set(Event)) == (set(), 0)


def test_of_the_ways_back_only_the_meant_one_is_lit():
    events = {Event.WITHDRAW_REFUND, Event.REJECT_REFUND}
    assert lit(State.REFUND_REQUESTED, PAST, events) == ({"withdraw refund", "reject refund"}, 4)
    assert lit(State.REFUND_REQUESTED, PAST, events, origin=State.REVOKED) == ({"withdraw refund", "reject refund"}, 2)
    assert lit(State.REJECTED, PAST, {Event.KEEP_CERTIFICATE}, origin=State.PENDING) == ({"keep certificate"}, 1)


def test_a_shared_label_is_drawn_once():
    texts = [ElementTree.tostring(one) for one in elements(drawn(), "edge__label")]
    assert len(texts) == len(set(texts))


def test_the_picture_is_dressed_by_classes_alone():
    text = svg(State.ISSUED, PAST, {Event.REVOKE})
    assert "style" not in text
    assert not re.search(r"\b(fill|stroke|font-[a-z]+|on\w+)=", text)
    used = {name for one in drawn(State.ISSUED, PAST).iter() for name in one.get("class", "").split()}
    documented = set(re.findall(r"``([a-z_-]+)``", diagram.__doc__))
    assert used <= documented


def test_the_picture_tells_its_content_in_words():
    picture = drawn(State.ISSUED, {State.ISSUED, State.PENDING, State.SUBMITTED}, {Event.REVOKE}, id_prefix="one")
    title, description = picture[0], picture[1]

    assert picture.get("role") == "img"
    assert picture.get("aria-labelledby") == "one-title one-desc"
    assert (title.tag, title.get("id"), title.text) == (f"{SVG}title", "one-title", "The life of a certificate")
    assert (description.tag, description.get("id")) == (f"{SVG}desc", "one-desc")
    assert description.text == (
        "Now issued: A certificate exists and is valid. It has been pending, submitted. Possible now: revoke."
    )
    assert drawn(State.REFUNDED)[1].text == "Now refunded: The payment provider confirmed that the money went back."
    assert drawn()[1].text == "11 states and 16 events, from pending to refunded."


def test_ids_are_kept_apart_and_escaped():
    assert re.findall(r'id="([^"]*)"', svg(id_prefix="a")) == ["a-title", "a-desc"]
    assert drawn(id_prefix='"><script>')[0].get("id") == '"><script>-title'


def test_a_picture_on_its_own_brings_its_style():
    text = svg(standalone=True)
    assert text.count("<style>") == 1
    assert "prefers-color-scheme: dark" in text
    styled = set(re.findall(r"\.([a-z_-]+)", diagram.STYLE))
    documented = set(re.findall(r"``([a-z_-]+)``", diagram.__doc__))
    assert styled <= documented


# The picture: that nothing is in the way of anything else


def box(state):
    x, y = PLACES[state]
    return x - BOX_WIDTH / 2, y - BOX_HEIGHT / 2, x + BOX_WIDTH / 2, y + BOX_HEIGHT / 2


def overlap(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def label_box(event, label, condition=""):
    """An estimate for a wide typeface at 12 px."""
    lines = event.label.split() if label.broken else [event.label, *([condition] if condition else [])]
    width = 7.3 * max(map(len, lines))
    left = {"start": label.x, "middle": label.x - width / 2, "end": label.x - width}[label.anchor]
    return left, label.y - 10, left + width, label.y + 3 + 14 * (len(lines) - 1)


LABELS = {(event, label) for (event, _, _), way in WAYS.items() for label in way.labels}


def test_everything_is_inside_the_picture():
    for left, top, right, bottom in [*map(box, State), *(label_box(*one) for one in LABELS)]:
        assert left >= 0
        assert top >= 0
        assert right <= WIDTH
        assert bottom <= HEIGHT
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for way in WAYS.values() for x, y in way.points)


def test_boxes_keep_their_distance():
    for one, other in combinations(map(box, State), 2):
        assert not overlap((one[0] - 30, one[1] - 30, one[2] + 30, one[3] + 30), other)


@pytest.mark.parametrize("transition", WAYS, ids=lambda way: "-".join(way))
def test_a_way_leads_from_box_to_box_and_through_no_other(transition):
    _, source, target = transition
    points = WAYS[transition].points

    assert on_edge(points[0], box(source))
    assert on_edge(points[-1], box(target))
    for (x, y), (to_x, to_y) in pairwise(points):
        assert (x == to_x) != (y == to_y), "lines are upright or level"
        line = min(x, to_x), min(y, to_y), max(x, to_x), max(y, to_y)
        assert not any(overlap(line, box(state)) for state in State)
        assert not any(overlap(line, label_box(*label)) for label in LABELS), "no line runs through a label"


def on_edge(point, box):
    (x, y), (left, top, right, bottom) = point, box
    return (x in (left, right) and top < y < bottom) or (y in (top, bottom) and left < x < right)


def test_ways_of_different_events_cross_and_never_run_on_each_other():
    lines = [(event, min(a, b), max(a, b)) for (event, _, _), way in WAYS.items() for a, b in pairwise(way.points)]
    for (event, start, end), (other, other_start, other_end) in combinations(lines, 2):
        if event is not other:
            both_upright = start[0] == end[0] == other_start[0] == other_end[0]
            both_level = start[1] == end[1] == other_start[1] == other_end[1]
            assert not (both_upright and start[1] < other_end[1] and other_start[1] < end[1])
            assert not (both_level and start[0] < other_end[0] and other_start[0] < end[0])


def test_no_label_covers_a_box_or_another_label():
    for event, label in LABELS:
        assert not any(overlap(label_box(event, label), box(state)) for state in State), event
    for one, other in combinations(LABELS, 2):
        assert not overlap(label_box(*one), label_box(*other)), (one, other)


def test_the_dot_leads_to_the_first_state():
    assert on_edge(START[1], box(State.PENDING))
    assert layout.START[0][1] < START[1][1]


# The command


def test_the_command_prints_all_three(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["certlifecycle"])
    monkeypatch.delitem(sys.modules, "certlifecycle.__main__")
    runpy.run_module("certlifecycle", run_name="__main__")

    assert capsys.readouterr().out == f"{text_table()}\n\n{mermaid()}\n\n{svg(standalone=True)}\n"


@pytest.mark.parametrize(
    ("form", "printed"),
    [
        ("table", text_table),
        ("markdown", markdown_table),
        ("mermaid", mermaid),
        ("svg", lambda: svg(standalone=True)),
    ],
)
def test_the_command_prints_the_form_asked_for(form, printed, capsys):
    main([form])
    assert capsys.readouterr().out == printed() + "\n"


def test_the_command_refuses_a_form_it_does_not_know(capsys):
    with pytest.raises(SystemExit) as refused:
        main(["png"])
    assert refused.value.code == 2
    assert "invalid choice: 'png'" in capsys.readouterr().err
