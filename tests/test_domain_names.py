"""Domain names as people type them, as certificates carry them, and as they are shown."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from webapp.certificates.names import NameRejected, display_name, read_domain, shown


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("example.com", "example.com"),
        (" WWW.Example.COM. ", "www.example.com"),
        ("*.example.com", "*.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("*.BÜCHER.example", "*.xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        # IDNA 2008 keeps the letter that IDNA 2003 turned into "ss".
        ("faß.example", "xn--fa-hia.example"),
        ("例子。example", "xn--fsqu00a.example"),
        ("ｗｗｗ.example.com", "www.example.com"),
        ("שלום.example", "xn--9dbne9b.example"),
        ("1.2.3.4.example.com", "1.2.3.4.example.com"),
        ("a.b2", "a.b2"),
        (f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 61}", f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 61}"),
    ],
)
def test_a_name_is_read_into_its_canonical_form(typed, canonical):
    assert read_domain(typed) == canonical
    assert read_domain(canonical) == canonical


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "missing"),
        (" \t\n", "missing"),
        ("localhost", "at least one dot"),
        ("*.com", "at least one dot"),
        ("example.com..", "a dot too many"),
        (".example.com", "a dot too many"),
        ("a..example.com", "a dot too many"),
        (".", "a dot too many"),
        ("*.co.uk", "every customer of a domain registry: under co.uk anybody can register"),
        ("*.CO.UK.", "under CO.UK anybody can register"),
        ("*.公司.cn", "under 公司.cn anybody can register"),
        # The registry of .ck gives out names below every second level but one.
        ("*.anything.ck", "under anything.ck anybody can register"),
        ("*", "wrong place"),
        ("*.*.example.com", "wrong place"),
        ("www.*.example.com", "wrong place"),
        ("w*.example.com", "wrong place"),
        ("a_b.example.com", "underscore"),
        ("192.0.2.1", "IP address"),
        ("2001:db8::1", "IP address"),
        ("[2001:db8::1]", "IP address"),
        ("1.2.3", "ends in a number"),
        ("１９２.０.２.１", "ends in a number"),
        ("https://example.com/", "web address"),
        ("example.com/path", "web address"),
        ("someone@example.com", "mail address"),
        ("example.com:443", "port"),
        ("-a.example.com", "hyphen"),
        ("a-.example.com", "hyphen"),
        ("ab--cd.example.com", "internationalised"),
        ("xn--a.example.com", "internationalised"),
        # A snowman is a symbol, and IDNA 2008 admits none; neither does it in disguise.
        ("☃.example.com", "cannot have"),
        ("xn--n3h.example.com", "internationalised"),
        ("a" * 64 + ".example.com", "63 characters"),
        (f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 62}", "253"),
        ("a" * 2000, "too long"),
        ("exa mple.com", "a space"),
        ("example.com\0", "U+0000"),
        ("exam\nple.com", "U+000A"),
        ("\u202eexample.com", "U+202E"),
        ("exam\u200bple.com", "U+200B"),
        ("exam\u200dple.com", "U+200D"),
        ("exam\u00adple.com", "U+00AD"),
        ("\ufeffexample.com", "U+FEFF"),
        ("\ud800.example.com", "U+D800"),
        ("exam\u00a0ple.com", "U+00A0"),
        ('"><script>.example.com', "cannot have"),
        # A variation selector is dropped on the way, and a number is left.
        ("www.example.1\ufe0f", "not a domain name"),
    ],
)
def test_what_is_no_name_is_refused_in_words(typed, words):
    with pytest.raises(NameRejected, match=words.replace("+", r"\+")) as refusal:
        read_domain(typed)
    assert str(refusal.value).endswith(".")
    # Nothing invisible is repeated.
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    "name",
    [
        "*.example.co.uk",
        # Without a star it is one name, and whoever controls it may have it.
        "co.uk",
        "*.www.ck",
        # A hoster decides for itself, and so does a top-level domain that nobody has registered.
        "*.github.io",
        "*.example.test",
    ],
)
def test_a_wildcard_is_for_one_registrant(name):
    assert read_domain(name) == name


@pytest.mark.parametrize(
    ("domain", "for_people"),
    [
        ("www.example.com", "www.example.com"),
        ("*.example.com", "*.example.com"),
        ("xn--bcher-kva.example", "bücher.example (xn--bcher-kva.example)"),
        ("*.xn--bcher-kva.example", "*.bücher.example (*.xn--bcher-kva.example)"),
        # Cyrillic letters that look like Latin ones: only the second form gives it away.
        ("xn--80ak6aa92e.com", "аррӏе.com (xn--80ak6aa92e.com)"),
        ("xn--zzzzzz.example", "xn--zzzzzz.example"),
    ],
)
def test_a_name_is_shown_in_both_forms(domain, for_people):
    assert display_name(domain) == for_people


def test_a_text_to_repeat_is_bounded_and_visible():
    assert shown("a\u202eb\0c") == "a\ufffdb\ufffdc"
    assert shown("x" * 200) == "x" * 80 + "…"


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(st.text(max_size=80) | st.text(alphabet="a.-*_1xn", max_size=20).map(lambda text: f"{text}.com"))
@example("a.⒈")
@example("½.com")
def test_anything_else_is_a_canonical_name_or_refused(typed):
    try:
        name = read_domain(typed)
    except NameRejected:
        return
    assert read_domain(name) == name
    assert set(name.removeprefix("*.")) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
    assert display_name(name)
