"""The catalogues: which languages there are, how complete each is, and the messages in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

FOLDER = Path(__file__).parent
MAY_BE_MISSING = 0.05
"""Which part of a language may be missing for it to be offered."""
STORED_NOTE = "Stored in English, and recognised by this text when it is shown."
"""The comment that marks such messages in a catalogue."""
SOURCE_LANGUAGE = "en"
"""The language that the texts in the sources are written in. It needs no catalogue."""


@dataclass(frozen=True)
class Catalogue:
    """One language. Of its ``total`` messages those that are ``missing`` have no translation yet; they are English.

    ``stored`` are the messages that may stand in the database, in English (:mod:`webapp.retelling`).
    """

    locale: Locale
    translations: NullTranslations
    total: int = 0
    missing: int = 0
    stored: tuple[str, ...] = ()

    @cached_property
    def tag(self) -> str:
        """The language as browsers and mails name it (BCP 47): ``zh-Hans``."""
        return str(self.locale).replace("_", "-")

    @property
    def is_ready(self) -> bool:
        """Whether it can be offered: a new text or two that nobody has translated yet must not take it away."""
        return self.missing <= self.total * MAY_BE_MISSING

    @cached_property
    def name(self) -> str:
        """What the language calls itself, with a capital where it has them: ``English``, ``简体中文``."""
        own = str(self.translations.pgettext("the name of this language in itself", "English"))
        # Before somebody has translated the name, CLDR knows one.
        return own if own != "English" or self.tag == SOURCE_LANGUAGE else str(self.locale.get_display_name()).title()


ENGLISH = Catalogue(Locale.parse(SOURCE_LANGUAGE), NullTranslations())


def read_catalogue(path: Path) -> Catalogue:
    """Read one ``messages.po``; its folder's name is the language. Raises :class:`ValueError` for one that is none."""
    locale = Locale.parse(path.parent.parent.name)
    with path.open("rb") as file:
        content = read_po(file, locale=locale, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, content)
    compiled.seek(0)
    stored = tuple(str(message.id) for message in content if STORED_NOTE in message.auto_comments)
    return Catalogue(locale, Translations(compiled), len(content), missing_in(content), stored)


def missing_in(content: Catalog) -> int:
    """How many messages have no translation that counts: none at all, one form too few, or one marked as fuzzy."""
    return sum(bool(message.id) and (message.fuzzy or not is_translated(message.string)) for message in content)


def is_translated(string: str | Sequence[str] | None) -> bool:
    """Whether every form of a translation is there."""
    return all(string) if isinstance(string, list | tuple) else bool(string)


@lru_cache(maxsize=4)
def catalogues(folder: Path = FOLDER) -> Mapping[str, Catalogue]:
    """All languages by their tags, English first. Read once a process."""
    found = [read_catalogue(path) for path in sorted(folder.glob("*/LC_MESSAGES/messages.po"))]
    return {one.tag: one for one in (ENGLISH, *found)}


def offered(names: tuple[str, ...] = (), folder: Path = FOLDER) -> Mapping[str, Catalogue]:
    """The languages that a shop offers: those it names, in this order, else all that are ready.

    A language that was only started may be named, too; what it lacks is shown in English. Raises :class:`LookupError`
    for one that there is no catalogue of.
    """
    known = catalogues(folder)
    if not names:
        return {tag: one for tag, one in known.items() if one.is_ready}
    tags = {tag.casefold(): tag for tag in known}
    if unknown := [name for name in names if name.casefold() not in tags]:
        raise LookupError(f"there is no catalogue of {unknown[0]!r}; there are {', '.join(known)}")
    return {tag: known[tag] for tag in (tags[name.casefold()] for name in names)}
