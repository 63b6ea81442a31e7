"""The page of figures: who may read it, what it says when there is nothing, and its pictures."""

import gzip
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pages import links, value, words_of
from shop import Shop

from certlifecycle import State
from webapp.certificates.models import PaymentMethod
from webapp.figures.charts import Series, Step, bars, distribution, strips
from webapp.figures.money import PROVIDER_WORDS
from webapp.figures.tables import Hours, Share, Table
from webapp.locales.catalogues import catalogues
from webapp.wording import Wording

TABLES = ["refunds", "certificates", "answers", "checks", "percentiles", "reasons", "refusals", "amounts", "payouts"]


def tag(node: Any) -> str:
    """A node's name, without the name space that pictures have."""
    return str(node.tag).rpartition("}")[2]


def nodes(page: Any, name: str) -> list[Any]:
    return [node for node in page.tree.iter() if tag(node) == name]


def test_reviewers_and_admins_read_it_and_customers_do_not(shop: Shop) -> None:
    for person in (shop.rita, shop.ada):
        browser = shop.browser(person)
        page = browser.get("/figures")
        assert "Figures" in page.words
        assert browser.get("/review").tree is not None
        assert "/figures" in links(browser.get("/review"))
        browser.get("/figures/refunds.csv")
    customer = shop.browser(shop.alice)
    customer.get("/figures", 403)
    customer.get("/figures/refunds.csv", 403)
    assert "/figures" not in links(customer.get("/certificates"))
    shop.browser().get("/figures", 303)


def test_an_empty_desk_says_that_there_is_nothing(shop: Shop) -> None:
    page = shop.browser(shop.ada).get("/figures")
    for told in (
        "Nothing happened to any refund in these days.",
        "Nothing was ordered, submitted or issued in these days.",
        "No application got its answer in these days.",
        "No reviewer decided about a submission in these days.",
        "Nobody applied for a refund in these days.",
        "No refund was decided about in these days.",
        "No money was paid back in these days.",
        "No payment was sent in these days, and none waits for an answer.",
    ):
        assert told in page.words
    assert "Waiting now 0" in page.words
    # Nothing to draw, and no file of nothing but the percentiles' names.
    assert [node for node in nodes(page, "svg") if node.get("role") == "img"] == []
    assert [link for link in links(page) if ".csv" in link] == ["/figures/percentiles.csv?days=30"]


def test_the_usual_periods_and_days_of_ones_own(shop: Shop) -> None:
    browser = shop.browser(shop.ada)
    page = browser.get("/figures")
    assert [node.get("href") for node in nodes(page, "a") if node.get("aria-current") == "true"] == ["/figures?days=30"]
    assert (value(page, "from"), value(page, "to")) == ("2026-04-05", "2026-05-04")
    own = browser.get("/figures?from=2026-05-01&to=2026-05-04")
    assert "Friday, 1 May 2026 to Monday, 4 May 2026" in own.words
    assert (value(own, "from"), value(own, "to")) == ("2026-05-01", "2026-05-04")
    assert [node for node in nodes(own, "a") if node.get("aria-current") == "true"] == []


@pytest.mark.parametrize("path", ["/figures", "/figures/refunds.csv"])
def test_days_that_cannot_be_come_back_with_the_reason(shop: Shop, path: str) -> None:
    page = shop.browser(shop.ada).get(f"{path}?from=2026-05-04&to=2026-05-01", 422)
    assert "The last day comes before the first one." in page.words
    assert value(page, "to") == "2026-05-01"
    assert "Refunds by day" not in page.words


def test_a_table_that_does_not_exist(shop: Shop) -> None:
    page = shop.browser(shop.ada).get("/figures/nonsense.csv", 404)
    assert "There is no such table." in page.words


def test_every_picture_has_a_name_a_description_and_its_numbers(shop: Shop) -> None:
    shop.certificate_in(State.REFUNDED)
    shop.certificate_in(State.REJECTED)
    page = shop.browser(shop.ada).get("/figures?days=7")
    by_id = {node.get("id"): node for node in page.tree.iter() if node.get("id")}
    pictures = [node for node in nodes(page, "svg") if node.get("role") == "img"]
    # Four strips of refunds, five of certificates, two distributions, one currency.
    assert len(pictures) == 12
    for picture in pictures:
        title, description = (by_id[key] for key in picture.get("aria-labelledby").split())
        assert (tag(title), tag(description)) == ("title", "desc")
        assert title in list(picture)
        assert words_of(title)
        assert words_of(description)
    assert len(nodes(page, "table")) == len(TABLES)
    # Nothing that the content security policy would stop.
    assert [node.tag for node in page.tree.iter() if node.get("style")] == []


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_a_file_for_a_spreadsheet(shop: Shop, name: str) -> None:
    shop.certificate_in(State.REFUNDED)
    page = shop.browser(shop.ada).get("/figures?days=7")
    address = f"/figures/{name}.csv?days=7"
    assert address in links(page)
    answer = shop.browser(shop.ada).get(address).response
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"] == f"attachment; filename={name}-2026-04-28-2026-05-04.csv"
    body = answer.get_data()
    assert body.startswith(b"\xef\xbb\xbf")
    assert b"\r\n" in body


def test_a_year_by_day_is_a_page_that_one_can_send(shop: Shop) -> None:
    shop.certificate_in(State.REFUNDED)
    page = shop.browser(shop.ada).get("/figures?from=2025-05-04&to=2026-05-04")
    assert "a week" in page.words
    assert len(gzip.compress(page.text.encode())) < 40 * 1024


def test_every_provider_has_a_name() -> None:
    assert set(PROVIDER_WORDS) == set(PaymentMethod)


# Pictures


def test_columns_fill_their_room_and_little_is_seen() -> None:
    chart = strips([Series("a", "A", "", [(1000, "many"), (1, "one"), (0, "none")])], ["", "", ""], alike=True)
    many, one = chart.rows[0].marks
    assert (many.x, many.width, many.y, many.height) == (3.33, 26.67, 0, 44)
    assert (one.y, one.height, one.words) == (42.5, 1.5, "one")


def test_rows_have_one_scale_or_each_its_own() -> None:
    rows = [Series("a", "A", "", [(10, "")]), Series("b", "B", "", [(5, "")])]
    assert [row.marks[0].height for row in strips(rows, [], alike=True).rows] == [44, 22]
    assert [row.marks[0].height for row in strips(rows, [], alike=False).rows] == [44, 44]


def test_a_distribution_puts_what_was_late_on_top_and_outlines_it() -> None:
    chart = distribution("d", "D", "", [Step("0", 3, 1, "zero"), Step("1", 0, 0, "one")], (0, 0), "promised")
    kept, late = chart.marks
    assert (kept.hollow, late.hollow) == (False, True)
    assert (late.y + late.height, kept.y + kept.height) == (kept.y, chart.base)
    assert (chart.band.x, chart.band.width) == (0, 50)
    assert [label.words for label in chart.labels] == ["promised", "0", "4", "1"]


def test_bars_are_parts_of_the_longest() -> None:
    first, second, third = bars([("a", "", 8, 2), ("b", "", 4, 4), ("c", "", 0, 0)])
    assert (first.full, first.hollow) == (75, 25)
    assert (second.full, second.hollow) == (0, 50)
    assert (third.full, third.hollow) == (0, 0)
    assert bars([]) == []


# Files


def test_a_cell_that_a_spreadsheet_would_run_is_only_text(shop: Shop) -> None:
    with shop.app.test_request_context("/"):
        table = Table("t", "T", ["a", "b"], [["=1+1", -5], ["+x", None]])
        assert table.as_csv() == "\ufeffa,b\r\n'=1+1,-5\r\n'+x,\r\n"


def test_a_share_of_nothing_is_no_number() -> None:
    assert str(Share(0, 0)) == "–"
    assert str(Share(1, 3)) == "33.3 %"
    assert str(Hours(5400)) == "1.5 h"


@pytest.mark.parametrize(("language", "said"), [("en", "4 May"), ("zh-Hans", "5月4日"), ("de", "4. Mai")])
def test_a_short_day_is_that_of_the_language(language: str, said: str) -> None:
    wording = Wording(ZoneInfo("Asia/Shanghai"), catalogues()[language])
    assert wording.short_day(date(2026, 5, 4)) == said
