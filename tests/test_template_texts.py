"""Nothing that people read stands in a template without being looked up in their language."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from webapp.locales.collect import ROOT, files

TEMPLATES = sorted(path for method, path in files() if "jinja2" in method)
READ_ATTRIBUTES = {"aria-label", "title", "placeholder", "alt", "content", "summary"}
"""Attributes that people read or hear; of ``data-text-…`` as well."""
NO_WORDS = {"meta"}
"""Elements whose ``content`` is for programs."""
LOOK_UP = {"_", "ngettext", "pgettext", "phrase"}
NOT_READ = {
    # Arguments of the macros, and keys of mappings, that are for programs.
    "variant", "mark", "tone", "key", "name", "type", "action_icon", "attrs", "state", "pace", "outlook", "mover",
}  # fmt: skip
NAMES = {".key", ".csr", "TXT", "CSR", "CSV", "PEM", "PDF", "DNS", "UTC", "Alipay"}
"""Names that are the same in every language."""

ENGLISH_ONLY: set[str] = set()
"""Templates that still speak English to everybody. The list may only become shorter."""

PLACE = "\ue000"


def is_text(text: str) -> bool:
    """Whether somebody could read it: it has letters beyond names and what an expression puts there."""
    names = "|".join(re.escape(name) for name in sorted(NAMES, key=len, reverse=True))
    rest = re.sub(names, "", text.replace(PLACE, ""))
    return bool(re.search(r"[^\W\d_]", rest))


class Reader(HTMLParser):
    """Collects what a page says by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("style", "script"):
            self.silent += 1
        for name, value in attrs:
            read = name in READ_ATTRIBUTES or name.startswith("data-text-")
            if read and tag not in NO_WORDS and value and is_text(value):
                self.found.append(f'{name}="{value}"')

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script"):
            self.silent -= 1

    def handle_data(self, data: str) -> None:
        if not self.silent and is_text(data):
            self.found.append(data.strip())


def environment() -> Environment:
    return Environment(extensions=[])  # noqa: S701  # nothing is rendered


def said(source: str) -> list[str]:
    """What stands in a template outside of its expressions."""
    parts = []
    for _line, kind, value in environment().lex(source):
        if kind == "data":
            parts.append(value)
        elif kind in ("variable_begin",):
            parts.append(PLACE)
    reader = Reader()
    reader.feed("".join(parts))
    reader.close()
    return reader.found


def literals(node: nodes.Node, looked_up: bool = False, key: str = "") -> Iterator[tuple[int, str]]:
    """Strings in a template's expressions that read like something said, and are not looked up."""
    match node:
        case nodes.Const(value=str() as value):
            words = value.replace("{", " ").split()
            reads = re.match(r"[A-Z][a-z]+(?!\w)", value) or (len(words) > 2 and re.search(r"[a-z]{3}", value))
            is_shown = key not in NOT_READ and not key.startswith(("hx-", "data-")) and value not in NAMES
            if reads and is_shown and not looked_up:
                yield node.lineno, value
            return
        case nodes.Call(node=nodes.Name(name=name)) if name in LOOK_UP:
            looked_up = True
        case nodes.Compare() | nodes.Getitem():
            # Compared with something, or a key: not shown.
            return
        case nodes.Keyword(key=name, value=value):
            yield from literals(value, looked_up, name)
            return
        case nodes.Pair(key=nodes.Const(value=name), value=value):
            yield from literals(value, looked_up, str(name))
            return
        case nodes.Include() | nodes.Import() | nodes.FromImport() | nodes.Extends():
            return
        case nodes.Filter(name="replace") | nodes.Call(node=nodes.Name(name="url_for" | "asset")):
            return
    for child in node.iter_child_nodes():
        yield from literals(child, looked_up, key)


def lacking(source: str) -> bool:
    """Whether a template says something by itself."""
    return bool(said(source)) or any(True for _ in literals(environment().parse(source)))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_text_of_a_template_is_looked_up(path: Path) -> None:
    is_begun = path.relative_to(ROOT).as_posix() not in ENGLISH_ONLY
    assert lacking(path.read_text("utf-8")) != is_begun, (
        "write {{ _('…') }}" if is_begun else "it is all looked up now: take it off ENGLISH_ONLY"
    )


def test_the_list_of_what_is_english_only_names_templates_that_exist() -> None:
    assert {path.relative_to(ROOT).as_posix() for path in TEMPLATES} >= ENGLISH_ONLY


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>Hello</p>", ["Hello"]),
        ("<p>{{ name }}: 3 · {{ x }}</p>", []),
        ("<p>{{ _('Hello') }}</p>", []),
        ('<nav aria-label="Pages">', ['aria-label="Pages"']),
        ('<nav aria-label="{{ label }}" class="big one">', []),
        ("<style>a { b: c }</style>{# a comment #}{% set x = 1 %}", []),
        ('<span data-text-live="Live">', ['data-text-live="Live"']),
        ("<dt>TXT</dt>", []),
    ],
)
def test_what_a_template_says_is_found(source: str, found: list[str]) -> None:
    assert said(source) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("{{ parts.panel('Progress') }}", ["Progress"]),
        ("{{ parts.panel(_('Progress'), mark='circle-x') }}", []),
        ("{{ 'You' if mine else _('They') }}", ["You"]),
        ("{% if role == 'Customer' %}{% endif %}", []),
        ("{{ ui.field(x, attrs={'hx-trigger': 'change from body now'}) }}", []),
        ("{{ url_for('a.b', tab='signed one two') }}", []),
        ("{% set title = 'order ' ~ number ~ ' of many more' %}", [" of many more"]),
    ],
)
def test_what_an_expression_says_is_found(source: str, found: list[str]) -> None:
    assert [text for _, text in literals(environment().parse(source))] == found
