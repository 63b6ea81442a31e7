"""Sentences for people, made in one place and worded at the edge.

The life cycle says *what* it has to say; a time zone, a language and a number format belong to whoever shows it.
A :class:`Sentence` therefore keeps its template and its values apart until it is rendered.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime


def show_plainly(value: object) -> str:
    """Show a value in English and UTC: the default wording, for logs, tests and the command line.

    A state or an event is shown by its label, a tuple as alternatives, a list as an enumeration.
    """
    match value:
        case datetime():
            instant = value.astimezone(UTC)
            return f"{instant.day} {instant:%B %Y, %H:%M} UTC"
        case date():
            return f"{value.day} {value:%B %Y}"
        case tuple():
            return " or ".join(show_plainly(one) for one in value)
        case list():
            return ", ".join(show_plainly(one) for one in value)
        case object(label=str() as label):
            return label
        case _:
            return str(value)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One or more plain sentences for a person, with named places for values.

    ``template`` is English and serves as the message id of a translation; ``values`` may hold strings, numbers,
    aware instants, dates, :class:`~certlifecycle.money.Money`, states, events, other sentences,
    and tuples (alternatives) or lists (enumerations) of these.
    """

    template: str
    values: Mapping[str, object] = field(default_factory=dict)

    def render(
        self,
        show: Callable[[object], str] = show_plainly,
        translate: Callable[[str], str] = str,
    ) -> str:
        """Word the sentence: ``translate`` maps the template, ``show`` turns each value into text."""
        shown = {name: show(value) for name, value in self.values.items()}
        return translate(self.template).format_map(shown)

    def __str__(self) -> str:
        return self.render()


def say(template: str, **values: object) -> Sentence:
    """Make a :class:`Sentence`; the keywords fill the template's named places."""
    return Sentence(template, values)


def phrase(text: str) -> str:
    """Return ``text`` as it is. The name marks it as something that people read, for tools that collect such texts."""
    return text
