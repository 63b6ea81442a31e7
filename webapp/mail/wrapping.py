"""Paragraphs of a text mail in lines that fit, also where a language writes no spaces between its words."""

import re
import unicodedata
from collections.abc import Iterator

TEXT_WIDTH = 72
"""How wide a line may be, in columns of a terminal: a Chinese character takes two."""

# What must not begin a line, and what must not end one (W3C, Requirements for Chinese Text Layout, 3.1).
_NOT_FIRST = "，。、；：！？）》」』】〉”’…—·％,.;:!?)]}%"
_NOT_LAST = "（《「『【〈“‘([{"


def width(text: str) -> int:
    """How many columns a text takes (Unicode, UAX #11)."""
    return sum(2 if is_wide(character) else 1 for character in text)


def is_wide(character: str) -> bool:
    """Whether a character takes two columns; between two of these a line may be broken."""
    return unicodedata.east_asian_width(character) in "WF"


def wrapped(text: str, indent: str = "", hanging: str | None = None) -> str:
    """A paragraph in lines of at most :data:`TEXT_WIDTH` columns; an address or a long name stays whole.

    ``indent`` stands before the first line, ``hanging`` before the others; without it they are alike.
    """
    following = indent if hanging is None else hanging
    if not text.strip():
        return ""
    lines = [indent]
    for space, piece in _pieces(text):
        is_begun = len(lines[-1]) > len(indent if len(lines) == 1 else following)
        before = space if is_begun else ""
        if is_begun and width(lines[-1] + before + piece) > TEXT_WIDTH:
            lines.append(following + piece)
        else:
            lines[-1] += before + piece
    return "\n".join(lines)


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """What stays whole, with the space before it: a word, or a wide character with the marks that belong to it."""
    for space, word in re.findall(r"(\s*)(\S+)", text):
        gap, piece = (" " if space else ""), ""
        for character in word:
            if piece and _may_break(piece[-1], character):
                yield gap, piece
                gap, piece = "", ""
            piece += character
        yield gap, piece


def _may_break(before: str, after: str) -> bool:
    if before in _NOT_LAST or after in _NOT_FIRST:
        return False
    return is_wide(before) or is_wide(after)
