"""Languages for tests: catalogues made of a few messages."""

from collections.abc import Mapping
from io import BytesIO

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.support import Translations

from webapp.locales.catalogues import Catalogue


def catalogue_of(language: str, messages: Mapping[str, str], stored: tuple[str, ...] = ()) -> Catalogue:
    """A catalogue with these messages; all others stay English. ``stored`` are those that the database may hold."""
    content = Catalog(locale=Locale.parse(language))
    for message, translation in messages.items():
        content.add(message, translation)
    compiled = BytesIO()
    write_mo(compiled, content)
    compiled.seek(0)
    return Catalogue(Locale.parse(language), Translations(compiled), stored=stored)
