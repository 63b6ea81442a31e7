"""Collecting the texts that people read from the sources, and bringing every catalogue up to date with them.

``make messages`` does it; it needs a checkout. A new language begins with
``python -m webapp.locales.collect pt_BR``.
"""

import sys
from collections.abc import Iterator, Sequence
from copy import deepcopy
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from webapp.locales.catalogues import FOLDER, STORED_NOTE, missing_in

ROOT = FOLDER.parent.parent
SOURCES = (
    ("python", "webapp", "*.py"),
    ("python", "statemachine/certlifecycle", "*.py"),
    ("jinja2.ext:babel_extract", "templates", "*.html"),
    ("jinja2.ext:babel_extract", "templates", "*.txt"),
)
"""Where texts are: how a file is read, in which folder, and which files."""

KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    # Looked up where they stand.
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    # Looked up later, by whoever shows them.
    "say": None,
    "lazy": None,
    "phrase": None,
    "phrase_in": ((1, "c"), 2),
    "phrases": (1, 2),
    # Written into the database, and looked up by whoever reads it there.
    "stored": None,
}
"""The functions whose first arguments are such texts. Those in certlifecycle know nothing of translations."""

NOTE = "Translators:"
"""How a comment begins that is meant for translators."""

IDLE = tuple(
    f'"{name}:'.encode()
    for name in (
        "Project-Id-Version",
        "Report-Msgid-Bugs-To",
        "POT-Creation-Date",
        "PO-Revision-Date",
        "Last-Translator",
        "Language-Team",
        "Generated-By",
    )
)
"""The lines of a catalogue's head that nobody fills in."""

NOT_FOR_READERS = {"templates/styleguide.html"}
"""Pages for those who build the console; their samples stay English."""


def collect() -> Catalog:
    """All texts of the sources, with the files they come from."""
    content = Catalog(project="certificate-desk", charset="utf-8")
    for method, path in files():
        name = path.relative_to(ROOT).as_posix()
        options = {"silent": "false"} if path.suffix in (".html", ".txt") else {}
        found = extract_from_file(
            method, path, keywords=KEYWORDS, comment_tags=(NOTE,), options=options, strip_comment_tags=True
        )
        for line, message, comments, context in found:
            content.add(message, locations=[(name, line)], auto_comments=comments, context=context)
        for line, message, _, _ in extract_from_file(method, path, keywords={"stored": None}, options=options):
            content.add(message, locations=[(name, line)], auto_comments=[STORED_NOTE])
    return content


def files() -> Iterator[tuple[str, Path]]:
    """Every file that may hold texts, and how it is read."""
    for method, folder, pattern in SOURCES:
        for path in sorted((ROOT / folder).rglob(pattern)):
            if path.relative_to(ROOT).as_posix() not in NOT_FOR_READERS:
                yield method, path


def update(path: Path, collected: Catalog) -> Catalog:
    """Bring one catalogue up to date: new texts are added, those that are gone are dropped, translations stay."""
    locale = Locale.parse(path.parent.parent.name)
    if path.exists():
        with path.open("rb") as file:
            content = read_po(file, locale=locale)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = Catalog(locale=locale, project="certificate-desk", fuzzy=False)
    # Copied, because the library puts its messages themselves into the catalogue, where they get their translations.
    collected = deepcopy(collected)
    # A translation that only resembles what is needed is worse than none: it would be shown without being read.
    content.update(collected, no_fuzzy_matching=True, update_creation_date=False)
    content.obsolete.clear()
    content.header_comment = f"# {locale.get_display_name('en')} texts of the certificate desk."
    path.write_bytes(written(content))
    return content


def written(content: Catalog) -> bytes:
    """A catalogue as a file, with only those lines of its head that say something and do not change at every run."""
    file = BytesIO()
    write_po(file, content, width=120, include_lineno=False)
    lines = file.getvalue().splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(IDLE))


def main(languages: Sequence[str]) -> None:
    """Update all catalogues, and begin those of ``languages``."""
    collected = collect()
    paths = {FOLDER / name / "LC_MESSAGES" / "messages.po" for name in languages}
    for path in sorted(paths | set(FOLDER.glob("*/LC_MESSAGES/messages.po"))):
        content = update(path, collected)
        print(f"{path.relative_to(ROOT)}: {len(content)} texts, {missing_in(content)} without a translation")


if __name__ == "__main__":
    main(sys.argv[1:])
