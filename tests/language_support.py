"""Languages for tests: catalogues made of a few messages, and what on a page is left in English."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from io import BytesIO
from typing import Any

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from webapp.locales.catalogues import FOLDER, Catalogue

ENGLISH = re.compile(r"(?<![\w.@/:*“-])[A-Za-z][a-z’']+(?: [A-Za-z’']+){2,}")
"""Three words of Latin letters one after the other: a piece of an English sentence."""
AS_IT_IS = {"code", "pre", "script", "style", "samp", "kbd", "optgroup", "textarea"}
"""Elements that hold what machines read or somebody wrote; time zones have their cities in both scripts."""
NAMES = {"Certificate Desk Issuing CA", "Certificate Desk Root CA"}
"""Names that are the same in every language."""
TYPED = {"The site moved to another address"}
"""What the demo's customer wrote."""


def catalogue_of(language: str, messages: Mapping[str, str], stored: tuple[str, ...] = ()) -> Catalogue:
    """A catalogue with these messages; all others stay English. ``stored`` are those that the database may hold."""
    content = Catalog(locale=Locale.parse(language))
    for message, translation in messages.items():
        content.add(message, translation)
    compiled = BytesIO()
    write_mo(compiled, content)
    compiled.seek(0)
    return Catalogue(Locale.parse(language), Translations(compiled), stored=stored)


def read(node: Any) -> Iterator[str]:
    """What somebody reads on a page, piece by piece."""
    if node.tag in AS_IT_IS or node.get("translate") == "no" or "mono" in (node.get("class") or "").split():
        return
    for name in ("aria-label", "title", "placeholder", "alt"):
        yield node.get(name) or ""
    yield node.text or ""
    for child in node:
        if isinstance(child.tag, str):
            yield from read(child)
        yield child.tail or ""


def english(tree: Any) -> set[str]:
    """Pieces of English on a page: of sentences, and short texts that the catalogues have a translation of."""
    texts = [" ".join(text.split()) for text in read(tree)]
    sentences = {
        found
        for text in texts
        for found in ENGLISH.findall(text)
        if not any(found in name or name in found for name in NAMES | TYPED)
    }
    return sentences | {part for text in texts for part in text.split(" · ") if part in translated()}


@cache
def translated() -> frozenset[str]:
    """The texts of two words and more that read otherwise in Chinese."""
    with (FOLDER / "zh_Hans" / "LC_MESSAGES" / "messages.po").open("rb") as file:
        content = read_po(file)
    return frozenset(
        str(one.id) for one in content if isinstance(one.id, str) and " " in one.id and one.string != one.id
    )
