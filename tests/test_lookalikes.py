"""Names that look like others: reviewers are told, and nobody who writes in a script of their own is suspected."""

from contextlib import suppress

import pytest
from shop import Shop

from certlifecycle import State
from webapp.certificates.lookalikes import doubts_about
from webapp.certificates.names import NameRejected, display_name, read_domain


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("раураӏ.example.com", "looks like “paypal”"),
        ("pаypal.example.com", "looks like “paypal”"),
        ("αρρ.example.com", "looks like “app”"),
        ("ехаmрlе.com", "looks like “example”"),
        ("*.ехаmрlе.com", "looks like “example”"),
        ("gооgle.рф", "looks like “google”"),
        ("ɡoogle.example", "looks like “google”"),
        ("paypаlж.example.com", "mixes letters"),
        ("банк中.example.com", "mixes letters"),
        ("αбв.example.com", "mixes letters"),
        ("abcא.example.com", "mixes letters"),
    ],
)
def test_what_may_be_taken_for_another_name_is_said(typed: str, said: str) -> None:
    try:
        name = read_domain(typed)
    except NameRejected:
        # The rules of right-to-left labels (RFC 5893) forbid some mixtures altogether.
        assert typed.startswith("abcא")
        return
    assert [said in str(one) for one in doubts_about(name)] == [True]


@pytest.mark.parametrize(
    "typed",
    [
        "example.com",
        "*.example.com",
        "bücher.example",
        "café-été.example.com",
        "łódź.example",
        "москва.example.com",
        "сор.рф",
        "ελλάδα.example.com",
        "例え.example.com",
        "東京タワー.example.com",
        "iphone手机.example.com",
        "한국어.example.com",
        "اختبار.example.com",
        "בדיקה.example.com",
        "xn--zz.example.com",
    ],
)
def test_a_word_of_one_script_is_not_suspected(typed: str) -> None:
    with suppress(NameRejected):
        typed = read_domain(typed)
    assert doubts_about(typed) == ()


def test_a_reviewer_is_told_and_sees_what_is_really_asked_for(shop: Shop) -> None:
    name = read_domain("раураӏ.example.com")
    case = shop.certificate_in(State.SUBMITTED, domain=name)
    page = shop.browser(shop.rita).get(f"/review/{case.id}")
    assert "Look at this name twice" in page.words
    assert f"раураӏ.example.com ({name})" in page.words
    honest = shop.certificate_in(State.SUBMITTED)
    assert "Look at this name twice" not in shop.browser(shop.rita).get(f"/review/{honest.id}").words


def test_both_forms_of_a_name_are_shown_to_its_owner(shop: Shop) -> None:
    name = read_domain("bücher.example.com")
    mine = shop.certificate_in(State.PENDING, domain=name)
    for url in (f"/certificates/{mine.id}", "/certificates"):
        assert display_name(name) == f"bücher.example.com ({name})"
        assert "bücher.example.com" in shop.browser(shop.alice).get(url).words
        assert name in shop.browser(shop.alice).get(url).words


@pytest.mark.parametrize("domain", ["😀.example.com", "i❤.example.com", "xn--i-7iq.example.com", "☃.example.com"])
def test_an_emoji_is_refused_in_words_and_nothing_is_ordered(shop: Shop, domain: str) -> None:
    page = shop.browser(shop.alice).post("/order/dv", {"domain": domain}, 422)
    assert "is not a domain name" in page.words
    assert shop.browser(shop.alice).get("/certificates?tab=unsigned").tree.find(".//tbody/tr") is None
