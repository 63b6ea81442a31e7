"""Long rows of things, a portion at a time: what a statement, a transaction or the memory can take at once."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def portions(things: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """All of them in their order, ``size`` at a time, the last portion as long as is left; nothing of nothing."""
    return (things[start : start + size] for start in range(0, len(things), size))
