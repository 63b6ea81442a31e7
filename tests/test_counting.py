"""Numbers in a shop too large to be counted: how far they go, how they are told, and that no table is read for them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from filled import fill
from pages import link
from postgres import owning
from shop import Page, Shop

from certlifecycle import State
from webapp.certificates.queries import PAGE_SIZE
from webapp.counting import MOST
from webapp.db import Database

Asked = list[tuple[str, Any]]

PAGES = (
    "/",
    "/certificates",
    "/certificates?tab=signed",
    "/certificates?tab=unsigned&state=pending",
    "/certificates?tab=signed&state=refunded",
    "/certificates?tab=unsigned&sort=domain",
    "/certificates?tab=signed&sort=-expires",
    "/certificates?tab=unsigned&page=last",
)


@contextmanager
def statements(database: Database) -> Iterator[Asked]:
    """What a database is asked in the meantime, with the parameters."""
    asked: Asked = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    sa.event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", note)


def of_certificates(asked: Asked) -> Asked:
    """Those statements that read the table of certificates."""
    return [one for one in asked if one[0].startswith("SELECT") and "FROM certificate" in one[0]]


def how_sqlite_does(shop: Shop, asked: Asked) -> list[str]:
    """What SQLite does with the certificates in these statements, but for finding them by an index's first columns."""
    with shop.database.engine.connect() as connection:
        steps = [
            step.detail
            for statement, parameters in asked
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    # A sort among those that have the same first column is one of very few.
    sorts = [one for one in steps if one.startswith("USE TEMP B-TREE FOR ORDER BY")]
    return sorts + [one for one in steps if one.startswith("SCAN certificate")]


def test_a_number_is_told_as_far_as_it_is_counted(shop: Shop) -> None:
    fill(shop, MOST)
    alice, rita = shop.browser(shop.alice), shop.browser(shop.rita)
    page = rita.get("/certificates?tab=unsigned")
    assert "Unsigned 9,999 Signed 0" in page.words
    assert "9,999 certificates" in page.words
    assert "9,999 not issued yet" in alice.get("/").words

    shop.order(domain="one.more.example.com")
    for browser in (alice, rita):
        page = browser.get("/certificates?tab=unsigned&state=pending")
        assert "Unsigned 9,999+ more than 9,999 Signed 0" in spoken(page)
        assert "More than 9,999 certificates" in page.words
    assert "All that were found" in alice.get("/certificates").words
    assert "9,999+ more than 9,999 not issued yet" in spoken(alice.get("/"))
    in_chinese = rita.client.get("/certificates", headers={"Accept-Language": "zh-CN"}).text
    assert "9,999+" in in_chinese
    assert "超过 9,999" in in_chinese


def test_the_last_page_of_a_list_too_long_to_be_counted_is_a_full_one(shop: Shop) -> None:
    fill(shop, MOST + 2)
    rita = shop.browser(shop.rita)
    end = rita.get("/certificates?tab=unsigned&page=last")
    assert end.text.count('scope="row"') == PAGE_SIZE
    assert link(end, "Next") is None
    before = link(end, "Previous")
    assert before is not None
    assert rita.get(before).text.count('scope="row"') == PAGE_SIZE


def spoken(page: Page) -> str:
    """All the words of a page, those for readers and those for listeners with a space between."""
    return " ".join(" ".join(one.split()) for one in page.tree.itertext() if one.strip())


def test_no_list_is_sorted_and_no_table_read_for_a_number(shop: Shop) -> None:
    fill(shop, 50)
    for state in (State.ISSUED, State.REFUNDED):
        shop.certificate_in(state)
    for person in (shop.alice, shop.rita):
        browser = shop.browser(person)
        for address in PAGES[person is shop.rita :]:
            with statements(shop.database) as asked:
                browser.get(address)
            read = how_sqlite_does(shop, of_certificates(asked))
            # A tab is read from its own indexes, in the order in which it is shown, and only until there is enough.
            own = ("ix_certificate_unsigned", "ix_certificate_signed", "ix_certificate_not_after")
            assert [one for one in read if not any(name in one for name in own)] == [], (address, read)


@pytest.fixture
def planned(postgres_url: str, open_shop: Callable[..., Shop]) -> Shop:
    """A shop on PostgreSQL whose planner knows how many certificates there are."""
    shop = open_shop(postgres_url)
    fill(shop, MOST + 1)
    with (
        owning(shop.database) as engine,
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
    ):
        connection.exec_driver_sql("VACUUM ANALYZE certificate, purchase")
    return shop


def how_postgres_does(shop: Shop, asked: Asked) -> Sequence[str]:
    """The plans of these statements where an index is taken wherever one serves, however small the table is."""
    with shop.database.engine.connect() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return [
            step[0]
            for statement, parameters in asked
            for step in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        ]


def test_postgresql_reads_no_table_from_one_end_to_the_other_either(planned: Shop) -> None:
    for person in (planned.alice, planned.rita):
        browser = planned.browser(person)
        for address in PAGES[person is planned.rita :]:
            with statements(planned.database) as asked:
                assert "9,999+" in browser.get(address).words
            plans = how_postgres_does(planned, of_certificates(asked))
            assert [one for one in plans if "Seq Scan on certificate" in one] == [], address
