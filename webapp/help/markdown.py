"""From Markdown to HTML: links of files become links of the console, and every heading has an anchor."""

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading and its anchor; ``level`` counts from 1."""

    level: int
    words: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Document:
    """A page: its title, everything below the title as HTML, and the headings in it."""

    title: str
    html: str
    headings: Sequence[Heading]


def anchor_of(words: str) -> str:
    """The anchor of a heading, as the sites that show repositories make it."""
    return re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")


@lru_cache(maxsize=64)
def render(text: str, folder: Path, base: str) -> Document:
    """Turn a document into HTML. ``base`` is the address of the first page, ``folder`` where the pictures are."""
    parser = MarkdownIt("commonmark", {"html": False, "typographer": True}).enable(["table", "smartquotes"])
    tokens = parser.parse(text)
    headings = list(_name_headings(tokens))
    title = headings[0] if headings and headings[0].level == 1 else None
    # The page's own head shows the title.
    body = tokens[3:] if title and tokens[0].type == "heading_open" else tokens
    for token in walk(body):
        _lead_to_the_console(token, folder, base)
    _label_cells(body)
    html = _Renderer(parser).render(body, parser.options, {})
    return Document(title.words if title else "", html, headings[1:] if title else headings)


def walk(tokens: Sequence[Token]) -> Iterator[Token]:
    """All tokens with those inside them."""
    for token in tokens:
        yield token
        yield from walk(token.children or ())


def plain(tokens: Sequence[Token]) -> str:
    """The words of tokens, without their marks."""
    return "".join(token.content for token in walk(tokens) if token.type in ("text", "code_inline"))


def _name_headings(tokens: Sequence[Token]) -> Iterator[Heading]:
    used: dict[str, int] = {}
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            words = plain(tokens[place + 1].children or ())
            anchor = anchor_of(words)
            used[anchor] = used.get(anchor, -1) + 1
            anchor = f"{anchor}-{used[anchor]}" if used[anchor] else anchor
            token.attrSet("id", anchor)
            yield Heading(int(token.tag[1:]), words, anchor)


def _label_cells(tokens: Sequence[Token]) -> None:
    """Give each cell the head of its column, which stands before it where a narrow page has no room for columns."""
    heads: list[str] = []
    column = 0
    for token, inside in pairwise(tokens):
        if token.type == "table_open":
            heads = []
        elif token.type == "tr_open":
            column = 0
        elif token.type == "th_open":
            heads.append(plain(inside.children or ()))
        elif token.type == "td_open":
            token.attrSet("data-head", heads[column])
            column += 1


def _lead_to_the_console(token: Token, folder: Path, base: str) -> None:
    if token.type == "link_open":
        token.attrSet("href", console_address(str(token.attrGet("href") or ""), base))
    elif token.type == "image":
        source = str(token.attrGet("src") or "")
        for name, value in size_of(folder / source).items():
            token.attrSet(name, str(value))
        token.attrSet("src", f"{base}/{source}")
        token.attrSet("loading", "lazy")


def console_address(target: str, base: str) -> str:
    """Where a link of a file leads in the console; whatever leads out of the documents stays as it is."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or not parts.path.endswith(".md"):
        return target
    name = parts.path.removesuffix(".md")
    page = base if name == "README" else f"{base}/{name}"
    return f"{page}#{parts.fragment}" if parts.fragment else page


def size_of(picture: Path) -> dict[str, int]:
    """Width and height of a PNG file, so that the page keeps room for it; nothing for other pictures."""
    if picture.suffix != ".png" or not picture.is_file():
        return {}
    with picture.open("rb") as file:
        head = file.read(24)
    # PNG, 11.2.1: the first chunk is the header, and begins with the two numbers.
    width, height = struct.unpack(">II", head[16:24])
    return {"width": width, "height": height}


class _Renderer(RendererHTML):
    """Makes what is wide scroll by itself, for the keyboard as well."""

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return '<div class="prose__wide" tabindex="0">' + self.renderToken(tokens, idx, options, env)

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return self.renderToken(tokens, idx, options, env) + "</div>\n"

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return super().fence(tokens, idx, options, env).replace("<pre>", '<pre class="code" tabindex="0">', 1)
