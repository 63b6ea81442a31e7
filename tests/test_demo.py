"""The demo shop: every state, dates around the refund deadline, and never among real data."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from money_support import assert_books_balance
from shop import Shop, test_settings
from sqlmodel import SQLModel, col, func, select

from certlifecycle import REVIEWERS, Event, Outlook, Role, Rule, State, Verdict
from webapp.accounts.models import Account
from webapp.accounts.passwords import fits
from webapp.certificates.models import Certificate, Channel, History
from webapp.config import Settings
from webapp.db import Database, make_engine
from webapp.demo import PASSWORD, PEOPLE, STORIES, DemoRefused, load_demo
from webapp.desk import By
from webapp.parts import Parts, assemble, present
from webapp.recording import Application
from webapp.refunds.models import RefundReason
from webapp.tables import LedgerTransfer, Purchase, Refund


@pytest.fixture(scope="module")
def demo(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    """A demo shop that was filled a moment ago; these tests only look at it."""
    folder = tmp_path_factory.mktemp("demo")
    copy = folder / "desk.sqlite3"
    copy.write_bytes(migrated_sqlite.read_bytes())
    settings = test_settings(f"sqlite:///{copy}", folder / "data")
    assert load_demo(settings)
    parts = assemble(settings)
    yield parts
    parts.database.engine.dispose()


def count(database: Database, *models: type[SQLModel]) -> list[int]:
    with database.reading() as session:
        return [session.exec(select(func.count()).select_from(model)).one() for model in models]


def certificates(parts: Parts) -> list[Certificate]:
    with parts.database.reading() as session:
        return list(session.exec(select(Certificate)).all())


def verdicts(parts: Parts) -> dict[str, Verdict]:
    """The refund verdict of every certificate at this moment, by its domain."""
    found = {}
    with parts.database.reading() as session:
        for one in session.exec(select(Certificate)).all():
            file = parts.desk.open_file(session, one.id)
            found[one.domain] = parts.desk.verdict(file.certificate, file.purchase, file.refund)
    return found


def test_it_fills_a_shop_once(database_url: str, tmp_path: Path) -> None:
    settings = test_settings(database_url, tmp_path / "data")
    database = Database(make_engine(database_url))
    everything = (Account, Certificate, History, Purchase, Refund, LedgerTransfer)
    assert load_demo(settings) is True
    filled = count(database, *everything)
    assert filled[:2] == [len(PEOPLE), len(STORIES)]
    assert load_demo(settings) is False
    assert count(database, *everything) == filled
    database.engine.dispose()


def stories(database: Database) -> dict[tuple[str, str], tuple[object, ...]]:
    """What came of each story: state, events with their order, whether it is held back, and how much money is where."""
    with database.reading() as session:
        people = {one.id: one.email for one in session.exec(select(Account)).all()}
        told: dict[tuple[str, str], tuple[object, ...]] = {}
        for one in session.exec(select(Certificate)).all():
            rows = session.exec(select(History).where(History.certificate_id == one.id).order_by(col(History.id))).all()
            assert [row.at for row in rows] == sorted(row.at for row in rows)
            told[people[one.customer_id], one.domain] = (one.state, [row.event for row in rows], one.work_error)
        assert_books_balance(session)
    assert len(told) == count(database, Certificate)[0]
    return told


def test_a_filling_that_was_interrupted_is_taken_up(demo: Parts, database_url: str, tmp_path: Path) -> None:
    """Again and again, after every few steps: what has happened does not happen twice, and nothing is left out."""
    settings = test_settings(database_url, tmp_path / "data")
    steps = 0

    def get_tired() -> None:
        nonlocal steps
        steps += 1
        if steps % 3 == 1:
            raise KeyboardInterrupt

    interruptions = 0
    while True:
        try:
            assert load_demo(settings, get_tired) is True
            break
        except KeyboardInterrupt:
            interruptions += 1
    assert interruptions > 20
    assert load_demo(settings) is False
    database = Database(make_engine(database_url))
    assert stories(database) == stories(demo.database)
    assert count(database, Purchase, Refund) == count(demo.database, Purchase, Refund)
    database.engine.dispose()


def test_what_visitors_did_meanwhile_is_left_to_them(sqlite_url: str, tmp_path: Path) -> None:
    settings = test_settings(sqlite_url, tmp_path / "data")
    steps = 0

    def stop_early() -> None:
        nonlocal steps
        steps += 1
        if steps == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_demo(settings, stop_early)
    parts = assemble(settings)
    # The people and the first certificate are there. Its owner, who can sign in by now, asks for the money back.
    (first,) = certificates(parts)
    with parts.database.reading() as session:
        owner = session.get(Account, first.customer_id)
    assert owner is not None
    by = By(owner.actor, Channel.WEB)
    parts.desk.fire(first.id, Event.REQUEST_REFUND, by, reason="No.", handed=Application(RefundReason.NOT_NEEDED))
    assert load_demo(settings) is True
    assert count(parts.database, Account, Certificate) == [len(PEOPLE), len(STORIES)]
    with parts.database.reading() as session:
        assert parts.desk.open_file(session, first.id).certificate.state == State.REFUND_REQUESTED
    parts.database.engine.dispose()


@pytest.mark.parametrize("currency", ["JPY", "KWD", "EUR"])
def test_it_suits_any_currency(sqlite_url: str, tmp_path: Path, currency: str) -> None:
    settings = test_settings(sqlite_url, tmp_path / "data", currency=currency)
    assert load_demo(settings)
    database = Database(make_engine(sqlite_url))
    with database.reading() as session:
        assert set(session.exec(select(Purchase.currency)).all()) == {currency}
    database.engine.dispose()


def test_it_refuses_a_shop_with_real_people(shop: Shop) -> None:
    before = count(shop.database, Account, Certificate)
    with pytest.raises(DemoRefused, match="real data"):
        load_demo(shop.settings)
    assert count(shop.database, Account, Certificate) == before == [5, 0]


def test_it_refuses_a_shop_with_some_people_of_the_demo(
    sqlite_url: str, tmp_path: Path, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop(sqlite_url)
    shop.account("carla", Role.CUSTOMER)
    with pytest.raises(DemoRefused):
        load_demo(shop.settings)
    assert count(shop.database, Account) == [6]


def test_everybody_can_sign_in(demo: Parts) -> None:
    with demo.database.reading() as session:
        people = {one.email: one for one in session.exec(select(Account)).all()}
    assert {email: one.role for email, one in people.items()} == {one.email: one.role for one in PEOPLE}
    # One hash serves them all; checking it once is enough.
    (secret,) = {one.password_hash for one in people.values()}
    assert fits(secret, PASSWORD)
    assert sum(one.role == Role.CUSTOMER for one in PEOPLE) >= 2
    assert sum(one.role in REVIEWERS for one in PEOPLE) >= 2


def test_every_state_is_there(demo: Parts) -> None:
    assert {one.state for one in certificates(demo)} == set(State)


def test_dates_lie_around_the_refund_deadline(demo: Parts) -> None:
    now, day = present(), timedelta(days=1)
    left = {
        outlook: [one.deadline - now for one in verdicts(demo).values() if one.outlook is outlook and one.deadline]
        for outlook in (Outlook.NOW, Outlook.AFTER_A_STEP, Outlook.NEVER)
    }
    for open_still in (left[Outlook.NOW], left[Outlook.AFTER_A_STEP]):
        assert min(open_still) > timedelta(0)
        assert any(one < day for one in open_still), "none closes within a day"
    assert max(left[Outlook.AFTER_A_STEP]) > 10 * day
    closed = left[Outlook.NEVER]
    assert any(-day < one < timedelta(0) for one in closed), "none has closed some hours ago"
    assert min(closed) < -10 * day


def test_verdicts_of_every_outlook_are_there(demo: Parts) -> None:
    found = verdicts(demo).values()
    assert {one.outlook for one in found} == set(Outlook)
    assert {Rule.NEVER_SUBMITTED, Rule.FAILED_VERIFICATION, Rule.REVOKED_IN_WINDOW, Rule.WINDOW_CLOSED} <= {
        one.rule for one in found
    }


def test_everything_happened_in_its_order_through_the_door(demo: Parts) -> None:
    now = present()
    with demo.database.reading() as session:
        for one in certificates(demo):
            rows = session.exec(select(History).where(History.certificate_id == one.id).order_by(col(History.id))).all()
            assert len(rows) == one.version, one.domain
            assert all(earlier.at <= later.at for earlier, later in pairwise(rows)), one.domain
            assert rows[-1].at <= now, one.domain
            assert {row.channel for row in rows} <= {Channel.DEMO, Channel.WORKER}
        assert_books_balance(session)


def test_nothing_moves_by_itself_while_somebody_looks(demo: Parts) -> None:
    """States in which the system owes a step are held back, and say so."""
    waiting = [one for one in certificates(demo) if one.due_at is not None]
    assert {one.state for one in waiting} == {State.SUBMITTED, State.VERIFIED, State.REVOKING, State.REFUND_APPROVED}
    for one in waiting:
        assert one.due_at is not None
        assert one.due_at > present() + timedelta(hours=23)
        assert "demo" in (one.work_error or "")


def test_settings_of_the_demo_are_those_of_the_shop(demo: Parts) -> None:
    settings: Settings = demo.settings
    with demo.database.reading() as session:
        assert set(session.exec(select(Refund.policy_version)).all()) == {settings.policy.version}
