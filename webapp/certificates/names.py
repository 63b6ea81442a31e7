"""Domain names as people type them and as certificates carry them.

A certificate carries A-labels (``xn--bcher-kva.example``); a person reads and types U-labels
(``bücher.example``). Rules: RFC 5890 and 5891 (IDNA 2008) through the ``idna`` package, RFC 5280
section 4.2.1.6 (preferred name syntax), TLS Baseline Requirements section 7.1.4 (no underscore, no
reserved hyphens), RFC 6125 section 6.4.3 (a wildcard is the whole leftmost label) and TLS Baseline
Requirements section 3.2.2.6 (no wildcard for everything that a registry gives out).
"""

import ipaddress
import re
import unicodedata
from functools import cache, lru_cache

import idna
from publicsuffixlist import PublicSuffixList

from certlifecycle import Sentence, phrase, say

MAX_TYPED_LENGTH = 1_000
MAX_DOMAIN_LENGTH = 253

# The full stops that IDNA reads as a label separator (RFC 3490, section 3.1, kept by UTS #46).
_FULL_STOPS = str.maketrans({"\u3002": ".", "\uff0e": ".", "\uff61": "."})

_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_CANONICAL = re.compile(rf"(?:{_LABEL}\.)+(?!\d+$){_LABEL}")

# Control, format (bidirectional overrides, zero-width characters), surrogate, private use,
# unassigned, and every separator: none of them is seen by the reader of a domain name.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}


class NameRejected(ValueError):
    """A text is not a domain name that a certificate can carry; ``sentence`` says why, the message in English."""

    def __init__(self, sentence: Sentence) -> None:
        super().__init__(str(sentence))
        self.sentence = sentence


def shown(text: str, limit: int = 80) -> str:
    """``text`` made safe to repeat in a message: invisible characters marked, length bounded."""
    start = "".join(char if char.isprintable() else "\ufffd" for char in text[:limit])
    return f"{start}…" if len(text) > limit else start


def read_domain(text: str) -> str:
    """Read a typed domain name, with an optional leading ``*.``, into its canonical A-label form.

    The answer is lower case and has no trailing dot. Raises NameRejected with a sentence for
    whoever typed it.
    """
    typed = text[: MAX_TYPED_LENGTH + 1].strip(" \t\r\n")
    if not typed:
        raise NameRejected(say("The domain name is missing."))
    if len(typed) > MAX_TYPED_LENGTH:
        raise NameRejected(say("The domain name is too long: at most 253 characters are possible."))
    _refuse_what_is_no_name(typed)
    typed = typed.translate(_FULL_STOPS)
    wildcard = typed.startswith("*.")
    base = (typed[2:] if wildcard else typed).removesuffix(".")
    _refuse_odd_structure(typed, base)
    domain = ".".join(_a_label(label, typed) for label in base.split("."))
    # The mapping of UTS #46 may bring forth a dot or a number that was not there when typed.
    if _CANONICAL.fullmatch(domain) is None:
        raise _refused(phrase("“{typed}” is not a domain name."), typed)
    name = f"*.{domain}" if wildcard else domain
    if len(name) > MAX_DOMAIN_LENGTH:
        raise NameRejected(
            say(
                "“{typed}” is too long: a domain name has at most {most} characters, this one has {length}.",
                typed=shown(typed),
                most=MAX_DOMAIN_LENGTH,
                length=len(name),
            )
        )
    if wildcard and _registries().publicsuffix(domain) == domain:
        raise NameRejected(
            say(
                "“{typed}” would cover every customer of a domain registry: under {registry} anybody can register a "
                "domain. Name the domain that is yours, as in *.example.com.",
                typed=shown(typed),
                registry=shown(base),
            )
        )
    return name


@cache
def _registries() -> PublicSuffixList:
    """The public suffix list as its package ships it. Nothing is fetched; a newer list comes with a newer package.

    Only the part that registries answer for, as the Baseline Requirements advise (section 3.2.2.6): below a name of the
    list's private part, such as that of a hoster, it is the hoster's own decision who gets a wildcard.
    """
    return PublicSuffixList(only_icann=True)


@lru_cache(maxsize=4096)
def display_name(domain: str) -> str:
    """A domain name for people: the Unicode form, with the A-label form in brackets if it differs.

    Both are shown because letters of different scripts can look alike. A name that cannot be
    decoded is shown as it is.
    """
    prefix, base = ("*.", domain[2:]) if domain.startswith("*.") else ("", domain)
    try:
        unicode_form = prefix + idna.decode(base)
    except (idna.IDNAError, UnicodeError):
        return domain
    return domain if unicode_form == domain else f"{unicode_form} ({domain})"


def _refuse_what_is_no_name(typed: str) -> None:
    for char in typed:
        if unicodedata.category(char) in _INVISIBLE:
            if char == " ":
                raise _refused(phrase("“{typed}” contains a space, which a domain name cannot have."), typed)
            raise NameRejected(
                say(
                    "“{typed}” contains an invisible character ({code}), which a domain name cannot have.",
                    typed=shown(typed),
                    code=f"U+{ord(char):04X}",
                )
            )
    _refuse_addresses(typed)
    if "://" in typed or "/" in typed:
        raise _refused(
            phrase("“{typed}” is a web address. Give only the domain name in it, such as www.example.com."), typed
        )
    if "@" in typed:
        raise _refused(phrase("“{typed}” is a mail address, not a domain name."), typed)
    if ":" in typed:
        raise _refused(phrase("“{typed}” contains a colon. Give the domain name without a port number."), typed)


def _refuse_addresses(typed: str) -> None:
    try:
        ipaddress.ip_address(typed.strip("[]"))
    except ValueError:
        return
    raise _refused(phrase("“{typed}” is an IP address. Certificates are issued for domain names only."), typed)


def _refuse_odd_structure(typed: str, base: str) -> None:
    if "*" in base:
        raise _refused(
            phrase(
                "“{typed}” has a * in the wrong place. A wildcard is written *.example.com: "
                "one star, at the very beginning, followed by a dot."
            ),
            typed,
        )
    if "_" in base:
        raise _refused(phrase("“{typed}” contains an underscore, which the name of a server cannot have."), typed)
    labels = base.split(".")
    if "" in labels:
        raise _refused(
            phrase("“{typed}” has a dot too many: there is nothing between two of its dots, or before the first one."),
            typed,
        )
    if len(labels) < 2:
        raise _refused(
            phrase("“{typed}” is not a full domain name: it needs at least one dot, as in example.com."), typed
        )
    if labels[-1].isdigit():
        raise _refused(phrase("“{typed}” ends in a number, so it is not a domain name on the internet."), typed)


def _a_label(label: str, typed: str) -> str:
    try:
        return idna.encode(label, uts46=True, std3_rules=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        # The library's sentence names code points and positions: right, but of no help here.
        whole = say("“{typed}” is not a domain name: {fault}", typed=shown(typed), fault=_fault(label))
        raise NameRejected(whole) from None


def _fault(label: str) -> Sentence:
    """One sentence about the likely fault of a label that cannot be encoded."""
    if len(label) > 63:
        return say("the part between two dots may have at most 63 characters.")
    if label.startswith("-") or label.endswith("-"):
        return say("“{label}” begins or ends with a hyphen.", label=shown(label))
    if label[2:4] == "--":
        return say("“{label}” is not a valid internationalised name.", label=shown(label))
    return say("“{label}” contains characters that a domain name cannot have.", label=shown(label))


def _refused(template: str, typed: str) -> NameRejected:
    return NameRejected(Sentence(template, {"typed": shown(typed)}))
