"""The life cycle as a table, as Mermaid text and as a picture, each read off the declaration.

The picture's layout is drawn by hand (:mod:`certlifecycle.layout`): a place for every state and a way for every
transition. A state or transition that is declared but not laid out raises :class:`LookupError`; none silently vanishes.

The SVG carries classes only, no style of its own. :data:`STYLE` shows how to dress them:

``lifecycle``
    the picture.
``state``
    with ``state--current``, ``state--past``, ``state--final`` and, for whose move it is, ``state--customer``,
    ``state--reviewer``, ``state--system`` or ``state--nobody``; holds ``state__box``, ``state__ring`` (final states),
    ``state__label`` and ``state__mover``.
``edge``
    with ``edge--possible``; holds ``edge__line``, ``edge__head`` and ``edge__label``.
``edge__casing``
    beneath the lines, to be drawn wider and in the colour of the background, so that crossing lines keep apart.
``start``
    the dot before the first state, with its line.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from html import escape

from certlifecycle.explain import Declared, declared_transitions
from certlifecycle.layout import BOX_HEIGHT, BOX_WIDTH, HEIGHT, PLACES, START, WAYS, WIDTH, Label, Point, Way
from certlifecycle.machine import Kind
from certlifecycle.sentences import Sentence, say, show_plainly
from certlifecycle.states import REVIEWERS, Event, Mover, Role, State

# The table


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the transition table: transitions that differ in nothing but where they start."""

    event: Event
    sources: tuple[State, ...]
    target: State
    who: tuple[Role, ...]
    conditions: tuple[str, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """The row in words, below :data:`HEADINGS`."""
        return (
            self.event.value,
            ", ".join(self.sources),
            self.target.value,
            " or ".join(self.who),
            "; ".join(self.conditions),
        )


HEADINGS = ("event", "from", "to", "who", "on condition")


def transition_table() -> tuple[Row, ...]:
    """All transitions, in the order of the events; those to one state under the same conditions share a row."""
    alike: dict[tuple[object, ...], list[Declared]] = {}
    for one in declared_transitions():
        alike.setdefault((one.event, one.target, one.guards), []).append(one)
    rows = (
        Row(
            group[0].event,
            tuple(one.source for one in group),
            group[0].target,
            _who(group[0]),
            tuple(guard.words for guard in group[0].guards if guard.words),
        )
        for group in alike.values()
    )
    order = list(Event)
    return tuple(sorted(rows, key=lambda row: order.index(row.event)))


def _who(one: Declared) -> tuple[Role, ...]:
    # An administrator can do what a reviewer can, and is not named beside one.
    unnamed = {Role.ADMIN} if one.roles >= REVIEWERS else set[Role]()
    return tuple(role for role in Role if role in one.roles - unnamed)


def text_table() -> str:
    """The transition table in columns, for a terminal."""
    lines = [HEADINGS, *(row.cells for row in transition_table())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    padded = (map(str.ljust, line, widths) for line in lines)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)


def markdown_table() -> str:
    """The transition table in Markdown."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(row.cells for row in transition_table())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# Mermaid


def mermaid() -> str:
    """The machine as a Mermaid ``stateDiagram-v2``; in brackets what decides between two ways of one event."""
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{state.label}" as {state.value}' for state in State]
    lines.append(f"    [*] --> {State.PENDING.value}")
    for one in declared_transitions():
        routes = "".join(f" [{words}]" for words in _routes(one))
        lines.append(f"    {one.source.value} --> {one.target.value} : {one.event.label}{routes}")
    lines += [f"    {state.value} --> [*]" for state in State if state.is_final]
    return "\n".join(lines)


def _routes(one: Declared) -> list[str]:
    return [guard.words for guard in one.guards if guard.kind is Kind.ROUTE]


# The picture

Word = Callable[[object], str]
"""How sentences, states and events are worded, in whichever language."""

STYLE = """
.lifecycle { --paper: #fff; --ink: #1f2933; --quiet: #64707d; --line: #9aa5b1; --box: #f5f7fa; --accent: #0b6bcb;
  --accent-ink: #fff; --past: #dbeafc; background: var(--paper); font-family: system-ui, sans-serif; }
@media (prefers-color-scheme: dark) {
  .lifecycle { --paper: #12171d; --ink: #e4e9ee; --quiet: #9aa7b4; --line: #5d6b79; --box: #1d252e; --accent: #4aa3ff;
    --accent-ink: #06121f; --past: #16324f; } }
.state__box { fill: var(--box); stroke: var(--line); stroke-width: 1.25; }
.state__ring { fill: none; stroke: var(--line); }
.state__label { fill: var(--ink); font-size: 14px; font-weight: 600; }
.state__mover { fill: var(--quiet); font-size: 11.5px; }
.state--past .state__box { fill: var(--past); stroke: var(--accent); }
.state--past .state__ring { stroke: var(--accent); }
.state--current .state__box { fill: var(--accent); stroke: var(--accent); stroke-width: 2.5; }
.state--current .state__ring { stroke: var(--accent-ink); }
.state--current .state__label, .state--current .state__mover { fill: var(--accent-ink); }
.edge__casing { fill: none; stroke: var(--paper); stroke-width: 7; }
.edge__line { fill: none; stroke: var(--line); stroke-width: 1.5; }
.edge__head { fill: var(--line); }
.edge__label { fill: var(--quiet); font-size: 12px; }
.edge--possible .edge__line { stroke: var(--accent); stroke-width: 2.5; }
.edge--possible .edge__head { fill: var(--accent); }
.edge--possible .edge__label { fill: var(--accent); font-weight: 600; }
.start { fill: var(--line); stroke: var(--line); stroke-width: 1.5; }
"""
"""A style sheet for the picture on its own, light and dark."""

_MOVES = {
    Mover.NOBODY: say("final"),
    Mover.CUSTOMER: say("the customer’s move"),
    Mover.REVIEWER: say("a reviewer’s move"),
    Mover.SYSTEM: say("the desk’s move"),
}

_CORNER = 9
_HEAD = 8
_LINE_HEIGHT = 14


def svg(
    current: State | None = None,
    visited: Collection[State] = (),
    possible: Collection[Event] = (),
    id_prefix: str = "lifecycle",
    *,
    origin: State | None = None,
    standalone: bool = False,
    word: Word = show_plainly,
) -> str:
    """The picture as SVG: a document of its own with ``standalone``, else to be put in a page that dresses its classes.

    ``current`` is the present state, ``visited`` those it has been in, and ``possible`` the events that can happen now;
    ``origin``, where a refund came from, tells which of the ways back is meant. ``id_prefix`` keeps the ids of several
    pictures on one page apart; ``word`` puts it into another language. Raises :class:`LookupError` for what is declared
    and not laid out.
    """
    ways = {one: _way(one) for one in declared_transitions()}
    lit = {one for one in ways if one.source is current and one.event in possible and _is_meant(one, origin)}
    prefix = escape(id_prefix)
    title = say("The life of a certificate")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="lifecycle" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
        f' height="{HEIGHT}" role="img" aria-labelledby="{prefix}-title {prefix}-desc">',
        f'<title id="{prefix}-title">{escape(word(title))}</title>',
        f'<desc id="{prefix}-desc">{escape(word(_description(current, visited, possible)))}</desc>',
        f"<style>{STYLE}</style>" if standalone else "",
        _start(),
        *_edges(ways, lit, word),
        *(_state(state, current, visited, word) for state in State),
        "</svg>",
    ]
    return "\n".join(filter(None, parts))


def _way(one: Declared) -> Way:
    try:
        return WAYS[one.event, one.source, one.target]
    except KeyError:
        raise LookupError(f"the picture has no way for {one.event} from {one.source} to {one.target}") from None


def _is_meant(one: Declared, origin: State | None) -> bool:
    return origin is None or one.event not in (Event.WITHDRAW_REFUND, Event.KEEP_CERTIFICATE) or one.target is origin


def _description(current: State | None, visited: Collection[State], possible: Collection[Event]) -> Sentence:
    if current is None:
        return say(
            "{states} states and {events} events, from pending to refunded.", states=len(State), events=len(Event)
        )
    told = say("Now {state}: {meaning}", state=current, meaning=Sentence(current.meaning))
    if past := [state for state in State if state in visited and state is not current]:
        told = say("{before} It has been {states}.", before=told, states=past)
    if events := [event for event in Event if event in possible]:
        told = say("{before} Possible now: {events}.", before=told, events=events)
    return told


def _state(state: State, current: State | None, visited: Collection[State], word: Word) -> str:
    try:
        x, y = PLACES[state]
    except KeyError:
        raise LookupError(f"the picture has no place for the state {state}") from None
    classes = ["state", f"state--{state.mover}"]
    if state.is_final:
        classes.append("state--final")
    if state is current:
        classes.append("state--current")
    elif state in visited:
        classes.append("state--past")
    return "".join(
        (
            f'<g class="{" ".join(classes)}"><title>{escape(word(Sentence(state.meaning)))}</title>',
            _box("state__box", x, y, 0),
            _box("state__ring", x, y, 4) if state.is_final else "",
            f'<text class="state__label" text-anchor="middle" x="{x}" y="{y - 2}">{escape(word(state))}</text>',
            f'<text class="state__mover" text-anchor="middle" x="{x}" y="{y + 16}">{escape(word(_MOVES[state.mover]))}'
            "</text>",
            "</g>",
        )
    )


def _box(name: str, x: int, y: int, inset: int) -> str:
    left, top = x - BOX_WIDTH // 2 + inset, y - BOX_HEIGHT // 2 + inset
    width, height = BOX_WIDTH - 2 * inset, BOX_HEIGHT - 2 * inset
    return f'<rect class="{name}" x="{left}" y="{top}" width="{width}" height="{height}" rx="{10 - inset}"/>'


def _edges(ways: Mapping[Declared, Way], lit: Collection[Declared], word: Word) -> Iterator[str]:
    # Event by event, so that a casing never cuts a line that its own event shares; the lit ones last, on top.
    for event in sorted(Event, key=lambda event: any(one.event is event for one in lit)):
        mine = sorted((one for one in ways if one.event is event), key=lambda one: one in lit)
        yield from (f'<path class="edge__casing" d="{_path(ways[one].points)}"/>' for one in mine)
        # A label that several ways share is drawn once, and lit with any of them: those come last.
        labels: dict[Label, str] = {}
        for one in mine:
            points = ways[one].points
            name = "edge edge--possible" if one in lit else "edge"
            yield f'<g class="{name}"><path class="edge__line" d="{_path(points)}"/>{_head(points)}</g>'
            labels |= {label: f'<g class="{name}">{_text(one, label, word)}</g>' for label in ways[one].labels}
        yield from labels.values()


def _text(one: Declared, label: Label, word: Word) -> str:
    name = word(one.event)
    lines = name.split(" ") if label.broken else [name]
    if label.conditional:
        lines += [word(Sentence(words)) for words in _routes(one)]
    spans = "".join(
        f'<tspan x="{label.x}" y="{label.y + place * _LINE_HEIGHT}">{escape(line)}</tspan>'
        for place, line in enumerate(lines)
    )
    return f'<text class="edge__label" text-anchor="{label.anchor}">{spans}</text>'


def _start() -> str:
    x, y = START[0]
    return f'<g class="start"><circle cx="{x}" cy="{y}" r="5"/><path d="{_path(START)}"/>{_head(START)}</g>'


def _path(points: tuple[Point, ...]) -> str:
    """A line through the points, rounded at its corners, that ends where its head begins."""
    bends = (
        f"L{_toward(corner, before)}Q{corner[0]},{corner[1]} {_toward(corner, after)}"
        for before, corner, after in zip(points, points[1:], points[2:], strict=False)
    )
    return f"M{points[0][0]},{points[0][1]}{''.join(bends)}L{_toward(points[-1], points[-2], _HEAD)}"


def _toward(start: Point, goal: Point, distance: int = _CORNER) -> str:
    x, y = _direction(start, goal)
    return f"{start[0] + x * distance},{start[1] + y * distance}"


def _head(points: tuple[Point, ...]) -> str:
    (x, y), (back_x, back_y) = points[-1], _direction(points[-1], points[-2])
    base_x, base_y = x + back_x * (_HEAD + 1), y + back_y * (_HEAD + 1)
    # Turned by a right angle, the direction leads to the corners of the base.
    left, right = (f"{base_x - side * back_y * _HEAD // 2},{base_y + side * back_x * _HEAD // 2}" for side in (1, -1))
    return f'<path class="edge__head" d="M{x},{y}L{left}L{right}z"/>'


def _direction(start: Point, goal: Point) -> Point:
    # Lines are upright or level, so that one of the two differences is nought.
    (x, y), (goal_x, goal_y) = start, goal
    return (goal_x > x) - (goal_x < x), (goal_y > y) - (goal_y < y)
