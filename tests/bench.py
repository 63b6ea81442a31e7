"""``make bench``: what the desk costs, as ratios side by side in one run.

Nothing here is asserted: a machine that is busy measures other figures, and a ratio of two things that were measured in
turns within the same seconds is the only one worth comparing. Each line names its yardstick.
"""

import gzip
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from statistics import median

import sqlalchemy as sa
from filled import fill
from flask import Flask
from postgres import start_postgres
from shop import START, Shop, test_settings
from sqlmodel import col, select

from certlifecycle import PRESETS, Actor, Case, Event, Facts, Money, Role, State, advance, may_do, verdict
from webapp.audit.models import AuditKind
from webapp.audit.record import record
from webapp.certificates.models import Certificate
from webapp.certificates.queries import ListPage, list_page
from webapp.certificates.search import Search
from webapp.columns import new_id
from webapp.db import make_engine
from webapp.desk import WORKER
from webapp.migrating import migrate

ROUNDS = 7
SIZES = (1_000, 100_000)


@dataclass(frozen=True)
class Measured:
    """One thing that was timed: its name, and the median of its rounds in seconds."""

    name: str
    seconds: float


def side_by_side(title: str, contenders: dict[str, Callable[[], object]], seconds: float = 0.15) -> list[Measured]:
    """Time several things in turns and print them as multiples of the first."""
    repeats = {name: _how_often(run, seconds) for name, run in contenders.items()}
    rounds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, run in contenders.items():
            start = time.perf_counter()
            for _ in range(repeats[name]):
                run()
            rounds[name].append((time.perf_counter() - start) / repeats[name])
    measured = [Measured(name, median(times)) for name, times in rounds.items()]
    yardstick = measured[0].seconds
    print(f"\n{title}")
    for one in measured:
        print(f"  {one.name:<58} {one.seconds * 1e6:>12,.1f} µs  × {one.seconds / yardstick:,.2f}")
    return measured


def _how_often(run: Callable[[], object], seconds: float) -> int:
    run()
    start = time.perf_counter()
    run()
    return max(1, int(seconds / max(time.perf_counter() - start, 1e-7)))


@contextmanager
def shop_on(url: str, folder: Path) -> Iterator[Shop]:
    """A migrated shop with the usual cast."""
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()
    shop = Shop(test_settings(url, folder))
    try:
        yield shop
    finally:
        shop.close()


def life_cycle() -> None:
    """One instance of the machine that lets an event happen, against the declared guards asked on the class."""
    facts = Facts(State.ISSUED, "a" * 32, START, Money(26800, "CNY"), issued_at=START)
    alice = Actor("a" * 32, Role.CUSTOMER, "Alice")
    case = Case(alice, facts, START + timedelta(days=3), PRESETS["30-days-from-issue"], reason="superseded")
    side_by_side(
        "The life cycle: what may happen now?",
        {
            "advance: the machine itself lets an event happen": lambda: advance(case, Event.REVOKE),
            "may_do: every event with its reasons, on the class": lambda: may_do(case),
            "verdict: does the money come back?": lambda: verdict(facts, case.now, case.policy),
        },
    )


def pages(shop: Shop) -> None:
    """The pages people look at most, against a bare Flask that says hello."""
    states = list(State) * 3
    for state in states[:25]:
        shop.certificate_in(state, domain=f"{new_id()[:8]}.example.com")
    bare = Flask("bare")
    bare.add_url_rule("/", "hello", lambda: "hello")
    hello = bare.test_client()
    alice, rita = shop.browser(shop.alice).client, shop.browser(shop.rita).client
    with shop.database.reading() as session:
        one = session.exec(select(Certificate.id).where(col(Certificate.state) == State.SUBMITTED)).first()
    side_by_side(
        "Pages, on SQLite, each made whole",
        {
            "a bare Flask that says hello": lambda: hello.get("/"),
            "the list, 25 certificates": lambda: rita.get("/certificates?tab=unsigned"),
            "one row of it": lambda: alice.get(f"/certificates/{one}/row", headers={"HX-Request": "true"}),
            "a certificate": lambda: alice.get(f"/certificates/{one}"),
            "the review queue": lambda: rita.get("/review"),
            "a case for review": lambda: rita.get(f"/review/{one}"),
        },
    )
    sizes(shop)


def sizes(shop: Shop) -> None:
    """What a first visit costs to send."""
    browser = shop.browser(shop.rita).client
    page = browser.get("/certificates").data
    static = Path(shop.app.static_folder or "")
    files = [one for one in static.rglob("*") if one.suffix in (".css", ".js", ".svg")]
    sent = {one.name: len(gzip.compress(one.read_bytes(), 6)) for one in files}
    print("\nSizes, compressed (gzip -6)")
    print(f"  {'HTML of the list, 25 certificates':<58} {len(gzip.compress(page, 6)):>12,} bytes")
    print(f"  {'style, icons and scripts':<58} {sum(sent.values()):>12,} bytes")


def door(shop: Shop, name: str) -> None:
    """One event through the door, against the bare statements it cannot do without, committed one by one."""
    numbers = count()
    table = sa.Table("bench", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))
    table.create(shop.database.engine)
    certificates = iter([shop.certificate_in(State.PENDING) for _ in range(400)])

    def bare() -> None:
        with shop.database.writing() as session:
            session.execute(table.insert().values(id=next(numbers), text="x" * 300))

    def fire() -> None:
        shop.fire(next(certificates), Event.SUBMIT)

    def note() -> None:
        with shop.database.writing() as session:
            record(session, AuditKind.SIGNED_IN, WORKER, shop.clock())

    contenders = {
        "one row, committed": bare,
        "one row of the audit trail, linked, committed": note,
        "submit: asked, told, linked, queued, committed": fire,
    }
    side_by_side(f"The door, on {name}", contenders, 0.05)


def lists(shop: Shop) -> None:
    """A page of the list in a small and in a large shop: the first, and one far down."""
    made = 0
    for size in SIZES:
        fill(shop, size - made)
        made = size
        pages_of(shop, size)


def pages_of(shop: Shop, size: int) -> None:
    """Three pages of a shop with so many certificates."""
    now, policy = shop.clock(), shop.desk.policy
    with shop.database.reading() as session:

        def page(search: Search) -> ListPage:
            return list_page(session, search, shop.rita, now, policy)

        deep = Search(before=page(Search(is_last=True)).newer)
        side_by_side(
            f"The list, in a shop with {size:,} certificates",
            {
                "the first page": lambda: page(Search()),
                "the page before the last": lambda: page(deep),
                "the keys of the same page, by OFFSET": lambda: by_offset(session, size - 50),
            },
        )


def by_offset(session: sa.orm.Session, offset: int) -> object:
    """What a page far down costs where rows are skipped instead of found."""
    newest = (col(Certificate.created_at).desc(), col(Certificate.id).desc())
    return session.execute(sa.select(Certificate.id).order_by(*newest).offset(offset).limit(25)).all()


def main() -> int:
    """Measure everything; returns the exit status."""
    print("Median of", ROUNDS, "rounds; × is the multiple of the first line of each block.")
    life_cycle()
    with tempfile.TemporaryDirectory() as folder:
        with shop_on(f"sqlite:///{folder}/pages.sqlite3", Path(folder) / "pages") as shop:
            pages(shop)
        with shop_on(f"sqlite:///{folder}/door.sqlite3", Path(folder) / "door") as shop:
            door(shop, "SQLite")
        with shop_on(f"sqlite:///{folder}/lists.sqlite3", Path(folder) / "lists") as shop:
            lists(shop)
        server = start_postgres()
        if server is None:
            print("\nPostgreSQL is missing here, so the door was measured on SQLite only: apt-get install postgresql")
            return 0
        try:
            with shop_on(server.create("bench"), Path(folder) / "postgres") as shop:
                door(shop, "PostgreSQL")
        finally:
            server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
