"""Names that look like other names: what a reviewer is told before a certificate makes one of them trustworthy.

Nothing is forbidden here. Whether a label of another script imitates anything is for a person to see; the desk says
when to look. After UTS #39: scripts that belong together as in its "highly restrictive" level,
and of its confusable characters those single letters that no typeface tells apart from Latin ones.
"""

import unicodedata

import idna

from certlifecycle import Sentence, say

_ASCII_LIKE = str.maketrans(
    "".join(
        (
            "аеорсухѕіјԁһӏԛԝѵҽ",  # Cyrillic.
            "αονρικυχ",  # Greek.
            "ոօսհցզյ",  # Armenian.
            "ıɑɡɩ",  # Latin itself.
        )
    ),
    "".join(("aeopcyxsijdhlqwve", "aovpikux", "nouhgqj", "iagi")),
)
_TOGETHER = (
    {"LATIN", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"},
    {"LATIN", "CJK", "BOPOMOFO"},
    {"LATIN", "CJK", "HANGUL"},
)
"""Scripts that one word may be written in."""


def doubts_about(domain: str) -> tuple[Sentence, ...]:
    """Why a name (in A-labels) may be taken for another one, a sentence for each label; usually none."""
    labels = [_decoded(label) for label in domain.removeprefix("*.").split(".")]
    own = _scripts(labels[-1])
    found = (_doubt(label, own) for label in dict.fromkeys(labels) if not label.isascii())
    return tuple(one for one in found if one is not None)


def _doubt(label: str, registry: frozenset[str]) -> Sentence | None:
    scripts = _scripts(label)
    looks_like = label.translate(_ASCII_LIKE)
    # Under a registry of its own script a word is what it says: whoever reads that script knows it.
    if looks_like.isascii() and not (len(scripts) == 1 and scripts == registry and "LATIN" not in scripts):
        return say(
            "“{label}” looks like “{other}” and is another name: its letters come from another alphabet.",
            label=label,
            other=looks_like,
        )
    if len(scripts) > 1 and not any(scripts <= these for these in _TOGETHER):
        return say("“{label}” mixes letters of alphabets that no word is written in together.", label=label)
    return None


def _decoded(label: str) -> str:
    try:
        return idna.decode(label)
    except (idna.IDNAError, UnicodeError):
        return label


def _scripts(label: str) -> frozenset[str]:
    """The scripts of a label's letters, by the first word of their names; the standard library knows no better."""
    letters = (char for char in label if unicodedata.category(char) in ("Ll", "Lo"))
    return frozenset(unicodedata.name(char, "UNKNOWN").partition(" ")[0] for char in letters)
