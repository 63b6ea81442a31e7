"""Finding things on a page as its reader would: a link by its words, a field by its name, a button by its label."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from shop import Page, Shop


def words_of(node: Any) -> str:
    """What a reader sees of a node, with white space folded."""
    return " ".join("".join(node.itertext()).split())


def link(page: Page, label: str) -> str | None:
    """Where the link with this label leads, if the page has one."""
    return next((node.get("href") for node in page.tree.iter("a") if words_of(node) == label), None)


def links(page: Page) -> list[str]:
    """Where all links of the page lead."""
    return [node.get("href", "") for node in page.tree.iter("a")]


def value(page: Page, name: str) -> str:
    """The value of the page's first field with this name."""
    for node in page.tree.iter():
        if node.tag in ("input", "textarea") and node.get("name") == name:
            return node.get("value", "") if node.tag == "input" else "".join(node.itertext())
    raise AssertionError(f"there is no field {name}")


def button(page: Page, label: str) -> Any:
    """The button with this label, or ``None``."""
    return next((node for node in page.tree.iter("button") if words_of(node) == label), None)


def refusal(page: Page, label: str) -> str:
    """Why a refused action cannot be taken: the text that its disabled button points to."""
    node = button(page, label)
    assert node is not None, f"there is no button {label}"
    assert node.get("aria-disabled") == "true"
    target = node.get("aria-describedby")
    return next(words_of(one) for one in page.tree.iter() if one.get("id") == target)


def selects_of(shop: Shop, act: Callable[[], object]) -> int:
    """How many SELECT statements something takes."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    sa.event.listen(shop.database.engine, "before_cursor_execute", note)
    try:
        act()
    finally:
        sa.event.remove(shop.database.engine, "before_cursor_execute", note)
    return len([one for one in asked if one.startswith("SELECT")])
