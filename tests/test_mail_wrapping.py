"""Lines of text mails: as long as fits, broken where the language allows it."""

from textwrap import fill

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.mail.wrapping import TEXT_WIDTH, width, wrapped

LONG = "证书已签发。请在证书页面下载，并安装到您的服务器（有效期至 2026年11月19日 16:59，中国时间）。" * 3


@given(st.text("ab .-,", max_size=300))
def test_latin_text_is_wrapped_as_the_standard_library_does(text: str) -> None:
    text = " ".join(text.split())
    expected = fill(text, TEXT_WIDTH, initial_indent="> ", subsequent_indent="  ", break_on_hyphens=False)
    # It breaks words that are too long; an address must stay whole.
    if max(map(len, text.split()), default=0) < TEXT_WIDTH - 2:
        assert wrapped(text, "> ", "  ") == expected


def test_chinese_is_broken_between_its_characters() -> None:
    lines = wrapped(LONG).split("\n")
    assert len(lines) > 2
    assert all(width(line) <= TEXT_WIDTH for line in lines)
    # The lines are full: only what must stay together moves on.
    assert all(width(line) >= TEXT_WIDTH - 12 for line in lines[:-1])
    assert "".join(lines).replace(" ", "") == LONG.replace(" ", "")


def test_no_line_begins_with_a_closing_mark_or_ends_with_an_opening_one() -> None:
    for shift in range(40):
        lines = wrapped("字" * shift + LONG).split("\n")
        assert not [line for line in lines if line[0] in "，。）" or line[-1] in "（"]


def test_numbers_and_addresses_stay_whole() -> None:
    address = "https://desk.example.com/certificates/" + "0" * 80
    lines = wrapped(f"请打开{address}查看。").split("\n")
    assert address in [line.strip("请打开查看。") for line in lines]
    assert all("2026" in line or "202" not in line for line in wrapped("期限" * 16 + "2026年").split("\n"))


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_nothing_is_no_line(text: str) -> None:
    assert wrapped(text, "> ") == ""


def test_the_first_line_and_the_others_have_their_own_indent() -> None:
    first, *others = wrapped(LONG, "- ", "    ").split("\n")
    assert first.startswith("- 证书")
    assert others
    assert all(line.startswith("    ") and line[4] != " " for line in others)
