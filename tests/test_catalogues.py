"""The catalogues: complete where they are offered, up to date with the sources, and with every value in its place."""

import string
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from webapp.locales.catalogues import ENGLISH, FOLDER, Catalogue, catalogues, is_translated, offered, read_catalogue
from webapp.locales.collect import KEYWORDS, collect, update, written

PATHS = sorted(FOLDER.glob("*/LC_MESSAGES/messages.po"))
EVERY_LANGUAGE = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.parent.parent.name)
COMPLETE = ("zh-Hans",)
"""The languages that are complete, and must stay so."""

Key = tuple[str | None, object]


@pytest.fixture(scope="module")
def collected() -> Catalog:
    """All texts of the sources."""
    return collect()


def contents(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.parent.name, abort_invalid=True)


def messages(content: Catalog) -> dict[Key, Message]:
    """The messages by what they are looked up with."""
    return {(one.context, tuple(one.id) if one.pluralizable else one.id): one for one in content if one.id}


def forms(message: Message) -> Iterator[tuple[str, str]]:
    """Each form of a translation, with the form of the source that it stands for."""
    if not is_translated(message.string):
        return
    if not message.pluralizable:
        yield message.id, message.string
        return
    for place, form in enumerate(message.string):
        yield (message.id[0] if place == 0 and len(message.string) > 1 else message.id[1]), form


def places(text: str) -> set[str]:
    """The names of the values that a text has places for."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("tag", COMPLETE)
def test_what_is_offered_is_complete(tag: str) -> None:
    """Nothing without a translation, nothing that a tool has guessed."""
    path = FOLDER / tag.replace("-", "_") / "LC_MESSAGES" / "messages.po"
    lacking = [one.id for one in messages(contents(path)).values() if one.fuzzy or not is_translated(one.string)]
    assert not lacking, f"{len(lacking)} texts have no translation into {tag}"
    assert tag in offered()


@EVERY_LANGUAGE
def test_a_catalogue_has_the_texts_of_the_sources(path: Path, collected: Catalog) -> None:
    theirs, ours = set(messages(contents(path))), set(messages(collected))
    hint = "run `make messages`, then translate what is new"
    assert not ours - theirs, hint
    assert not theirs - ours, hint


@EVERY_LANGUAGE
def test_every_value_has_its_place_in_the_translation(path: Path) -> None:
    for message in messages(contents(path)).values():
        for source, translation in forms(message):
            # "1 day" may become "one day".
            optional = {"count"} if message.pluralizable else set()
            assert places(translation) | optional == places(source) | optional, (source, translation)


@EVERY_LANGUAGE
def test_sentences_stay_sentences_and_nothing_is_in_markup(path: Path) -> None:
    for message in messages(contents(path)).values():
        for source, translation in forms(message):
            assert "<" not in translation, "markup comes as a value"
            if message.context is None:
                assert translation == translation.strip(), (source, translation)
            for end, marks in ((".", ".。"), ("?", "?？"), ("…", "…"), (":", ":：")):
                if source.endswith(end):
                    assert translation[-1] in marks or translation.endswith(("}", "”")), (source, translation)


def test_chinese_is_set_in_chinese_marks() -> None:
    """Marks between Chinese characters are full width."""
    wide = [chr(code) for code in range(0x4E00, 0x9FFF)]
    for message in messages(contents(FOLDER / "zh_Hans" / "LC_MESSAGES" / "messages.po")).values():
        for source, translation in forms(message):
            pairs = pairwise(translation)
            wrong = [a + b for a, b in pairs if (a in wide and b in ",;:!?(") or (a in ",;:!?)" and b in wide)]
            assert not wrong, (source, translation, wrong)


@EVERY_LANGUAGE
def test_every_language_loads_and_knows_its_name(path: Path) -> None:
    one = read_catalogue(path)
    assert one.tag == path.parent.parent.name.replace("_", "-")
    assert one.name
    assert one.name != "English"


@EVERY_LANGUAGE
def test_a_catalogue_is_written_as_the_tool_writes_it(path: Path, collected: Catalog, tmp_path: Path) -> None:
    """So that updating it changes nothing but the texts."""
    copy = tmp_path / path.parent.parent.name / "LC_MESSAGES" / "messages.po"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(path.read_bytes())
    update(copy, collected)
    assert copy.read_text("utf-8") == path.read_text("utf-8"), "run `make messages`"


def test_a_new_language_is_only_a_file(tmp_path: Path, collected: Catalog) -> None:
    path = tmp_path / "pt_BR" / "LC_MESSAGES" / "messages.po"
    content = update(path, collected)
    content["Issued"].string = "Emitido"
    path.write_bytes(written(content))
    begun = catalogues(tmp_path)["pt-BR"]
    assert not begun.is_ready
    assert begun.translations.gettext("Issued") == "Emitido"
    assert begun.translations.gettext("Revoked") == "Revoked"
    assert begun.name == "Português (Brasil)"
    assert set(offered((), tmp_path)) == {"en"}
    assert list(offered(("pt-br", "en"), tmp_path)) == ["pt-BR", "en"]
    for message in content:
        if message.id:
            message.string = ("x",) * content.num_plurals if message.pluralizable else "x"
    path.write_bytes(written(content))
    assert (read_catalogue(path).missing, read_catalogue(path).is_ready) == (0, True)


def test_a_text_or_two_that_lack_do_not_take_a_language_away(tmp_path: Path, collected: Catalog) -> None:
    path = tmp_path / "pt_BR" / "LC_MESSAGES" / "messages.po"
    content = update(path, collected)
    ids = [message for message in content if message.id]
    for message in ids[len(ids) // 20 :]:
        message.string = ("x",) * content.num_plurals if message.pluralizable else "x"
    path.write_bytes(written(content))
    assert read_catalogue(path).is_ready
    for message in ids[: len(ids) // 20 + 1]:
        message.string = ""
    for message in ids[len(ids) // 20 : len(ids) // 10]:
        message.string = ("", "") if message.pluralizable else ""
    path.write_bytes(written(content))
    assert not read_catalogue(path).is_ready


def test_what_a_tool_guessed_is_not_shown(tmp_path: Path, collected: Catalog) -> None:
    path = tmp_path / "fr" / "LC_MESSAGES" / "messages.po"
    content = update(path, collected)
    content["Issued"].string = "Émis"
    content["Issued"].flags.add("fuzzy")
    path.write_bytes(written(content))
    one = read_catalogue(path)
    assert one.translations.gettext("Issued") == "Issued"
    assert one.missing == len(content)


def test_texts_are_found_however_they_are_marked(collected: Catalog) -> None:
    ids = set(messages(collected))
    assert (None, "Applied, please wait for the verification.") in ids  # in a view and in a mail
    assert (None, "Not refundable before it is revoked.") in ids  # say(…) in the library
    assert (None, "A certificate exists and is valid.") in ids  # phrase(…) in the library
    assert (None, ("{count} day left", "{count} days left")) in ids  # phrases(…)
    assert (None, "Language and time zone") in ids  # _(…) in a template
    assert ("money pattern", "#,##0.00 ¤¤") in ids  # pgettext(…)
    assert {"say", "phrase", "lazy", "_"} < set(KEYWORDS)


def test_english_needs_no_catalogue() -> None:
    assert Catalogue(ENGLISH.locale, ENGLISH.translations) == ENGLISH
    assert (ENGLISH.tag, ENGLISH.name, ENGLISH.is_ready) == ("en", "English", True)
    assert next(iter(catalogues())) == "en"


def test_a_language_that_nobody_wrote_is_refused() -> None:
    with pytest.raises(LookupError, match="there is no catalogue of 'tlh'; there are en, de, zh-Hans"):
        offered(("en", "tlh"))
