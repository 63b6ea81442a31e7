"""Sentences as they are stored: the template and its values apart, so that every reader gets their own wording."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from certlifecycle import Event, Money, Sentence, State, say
from webapp.certificates.models import History
from webapp.wording import happened


@dataclass(frozen=True, slots=True)
class Deed:
    """A change of a certificate as a sentence's value, worded when it is shown."""

    event: str
    to_state: State

    def __str__(self) -> str:
        return happened(self.event, self.to_state)


def tell(row: History) -> Sentence:
    """Who did what, and when."""
    deed = Deed(row.event, State(row.to_state))
    return say("{deed} by {who}, {at}.", deed=deed, who=row.actor_name, at=row.at)


def pack(sentence: Sentence) -> dict[str, Any]:
    """A sentence as JSON."""
    return {"text": sentence.template, "values": {name: _pack(value) for name, value in sentence.values.items()}}


def unpack(packed: Mapping[str, Any]) -> Sentence:
    """The sentence that :func:`pack` made this of."""
    return Sentence(packed["text"], {name: _unpack(value) for name, value in packed["values"].items()})


def _pack(value: object) -> object:
    match value:
        case datetime():
            return {"instant": value.isoformat()}
        case date():
            return {"day": value.isoformat()}
        case Money():
            return {"money": [value.minor, value.currency]}
        case Deed():
            return {"deed": [value.event, value.to_state.value]}
        case Sentence():
            return {"sentence": pack(value)}
        case State():
            return {"state": value.value}
        case Event():
            return {"event": value.value}
        case tuple():
            return {"or": [_pack(one) for one in value]}
        case list():
            return {"list": [_pack(one) for one in value]}
        case int():
            return value
        case _:
            return str(value)


_READERS: Mapping[str, Callable[[Any], object]] = {
    "instant": datetime.fromisoformat,
    "day": date.fromisoformat,
    "money": lambda pair: Money(*pair),
    "deed": lambda pair: Deed(pair[0], State(pair[1])),
    "sentence": lambda packed: unpack(packed),
    "state": State,
    "event": Event,
    "or": lambda several: tuple(_unpack(one) for one in several),
    "list": lambda several: [_unpack(one) for one in several],
}


def _unpack(value: object) -> object:
    if isinstance(value, dict):
        ((kind, content),) = value.items()
        return _READERS[kind](content)
    return value
