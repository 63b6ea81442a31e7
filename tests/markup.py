"""What holds for every page besides the grammar of HTML: labels, headings, language, references that lead somewhere."""

from collections.abc import Iterator
from typing import Any

CONTROLS = {"input", "select", "textarea"}
HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
REFERENCES = ("for", "aria-describedby", "aria-labelledby", "aria-controls", "popovertarget", "list", "form")


def faults(tree: Any, language: str) -> list[str]:
    """What is wrong with a whole page in this language, in words; nothing for a good one."""
    return [*_language(tree, language), *_headings(tree), *_labels(tree), *_references(tree), *_names(tree)]


def _language(tree: Any, language: str) -> Iterator[str]:
    page = next(tree.iter("html"))
    if page.get("lang") != language:
        yield f"the page says it is in {page.get('lang')!r} and is in {language!r}"


def _headings(tree: Any) -> Iterator[str]:
    levels = [int(node.tag[1]) for node in tree.iter() if node.tag in HEADINGS]
    if levels.count(1) != 1:
        yield f"there are {levels.count(1)} headings of the first level"
    for before, after in zip([0, *levels], levels, strict=False):
        if after > before + 1:
            yield f"a heading of level {after} follows one of level {before}: {levels}"
    if len(list(tree.iter("main"))) != 1:
        yield "there is not exactly one main part"


def _labels(tree: Any) -> Iterator[str]:
    named = {label.get("for") for label in tree.iter("label")}
    wrapped = {control for label in tree.iter("label") for control in label.iter() if control.tag in CONTROLS}
    for node in tree.iter():
        if node.tag not in CONTROLS or node.get("type") in ("hidden", "submit", "button"):
            continue
        if not (node in wrapped or node.get("id") in named or node.get("aria-label") or node.get("aria-labelledby")):
            yield f"a {node.tag} has no label: {dict(node.items())}"


def _references(tree: Any) -> Iterator[str]:
    ids = {node.get("id") for node in tree.iter()}
    for node in tree.iter():
        for name in REFERENCES:
            for key in (node.get(name) or "").split():
                if key not in ids:
                    yield f"{node.tag} {name}={key} leads nowhere"
        target = node.get("href") or ""
        if node.tag == "a" and len(target) > 1 and target.startswith("#") and target[1:] not in ids:
            yield f"a link to {target} leads nowhere"


def _names(tree: Any) -> Iterator[str]:
    """Links, buttons and summaries say something, and pictures have an alternative."""
    for node in tree.iter():
        if node.tag in ("a", "button", "summary") and not _name(node):
            yield f"a {node.tag} has no words: {dict(node.items())}"
    for node in tree.iter("img"):
        if node.get("alt") is None:
            yield f"a picture has no alternative: {node.get('src')}"


def _name(node: Any) -> str:
    """What a link or a button is called: its words, and those of the pictures in it."""
    told = [one.get("aria-label") or one.get("alt") or "" for one in node.iter()]
    return "".join([*node.itertext(), *told]).strip()
