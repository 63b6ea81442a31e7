"""The deadline that counts where an exception was granted: in the sorted list, on the start page, in the reminders."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from alembic import command
from pages import selects_of, words_of
from postgres import owning
from shop import Shop
from test_certificates_sorting import walk
from test_counting import how_sqlite_does, of_certificates, statements
from test_goodwill import by, proposed
from test_home import home, need, needs
from test_migrations import alembic

from certlifecycle import PRESETS, Event, State
from certlifecycle.waivers import LASTS
from webapp.certificates import queries
from webapp.certificates.models import Certificate
from webapp.goodwill.granting import agree
from webapp.mail.models import MailKind
from webapp.mail.reminders import closing_windows, find_reminders
from webapp.migrating import migrate

WEEK, DAY = MailKind.WINDOW_WEEK, MailKind.WINDOW_DAY


def excepted(shop: Shop, state: State, domain: str) -> Certificate:
    """A certificate whose window has closed long ago, with an exception from now on for fourteen days."""
    now = shop.clock.now
    shop.clock.now = now - timedelta(days=40)
    certificate = shop.certificate_in(state, domain=domain)
    shop.clock.now = now
    return grant(shop, certificate)


def grant(shop: Shop, certificate: Certificate) -> Certificate:
    return agree(shop.desk, certificate.id, by(shop.ada), proposed(shop, certificate))


def fill(shop: Shop) -> list[str]:
    """Certificates whose deadlines alternate between windows and exceptions; their domains, the nearest first."""
    shop.certificate_in(State.ISSUED, domain="closed.example.com")
    shop.clock.advance(days=60)
    began = shop.clock.now
    for days in (0, 2, 4):
        # The window of each ends thirty days after its issue, an exception fourteen days after it was granted.
        shop.clock.now = began + timedelta(days=days)
        shop.certificate_in(State.REVOKED, domain=f"window{days + 30}.example.com")
        shop.clock.now = began + timedelta(days=days + 17)
        excepted(shop, State.REVOKED if days else State.ISSUED, f"exception{days + 31}.example.com")
    order = ["window30", "exception31", "window32", "exception33", "window34", "exception35", "closed"]
    return [f"{name}.example.com" for name in order]


def test_an_exception_stands_in_the_list_by_its_own_end(any_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PAGE_SIZE", 2)
    expected = fill(any_shop)
    assert walk(any_shop, "/certificates?tab=signed&sort=deadline") == expected
    assert walk(any_shop, "/certificates?tab=signed&sort=-deadline") == expected[::-1]
    # What has ended is among those without a deadline, the latest issue first.
    any_shop.clock.advance(days=10, microseconds=1)
    assert walk(any_shop, "/certificates?tab=signed&sort=deadline")[:2] == expected[2:4]
    any_shop.clock.advance(days=3)
    gone = walk(any_shop, "/certificates?tab=signed&sort=deadline")
    assert gone[:1] == expected[5:6]
    assert sorted(gone) == sorted(expected)


def test_the_last_instant_of_an_exception_still_counts(shop: Shop) -> None:
    certificate = excepted(shop, State.REVOKED, "edge.example.com")
    shop.clock.advance(days=1)
    shop.certificate_in(State.REVOKED, domain="window.example.com")
    url = "/certificates?tab=signed&sort=deadline"
    assert certificate.waiver_until is not None
    shop.clock.now = certificate.waiver_until
    assert walk(shop, url) == ["edge.example.com", "window.example.com"]
    assert needs(home(shop)) == ["edge.example.com", "window.example.com"]
    shop.clock.advance(microseconds=1)
    assert walk(shop, url) == ["window.example.com", "edge.example.com"]
    assert needs(home(shop)) == ["window.example.com"]


def test_the_start_page_puts_it_where_its_end_belongs(any_shop: Shop) -> None:
    shop = any_shop
    shop.certificate_in(State.REVOKED, domain="window.example.com")
    shop.clock.advance(days=20)
    excepted(shop, State.REVOKED, "late.example.com")
    refused = excepted(shop, State.REVOKED, "refused.example.com")
    shop.fire(shop.fire(refused, Event.REQUEST_REFUND), Event.REJECT_REFUND)
    excepted(shop, State.ISSUED, "valid.example.com")
    # The window closes in ten days, the exceptions end in fourteen.
    order = needs(home(shop))
    assert order[0] == "window.example.com"
    assert sorted(order[1:]) == ["late.example.com", "refused.example.com"]
    told = words_of(need(home(shop), "late.example.com"))
    assert "Refund window closes" in told
    assert "14 days left" in told
    # What is valid stands there in the last days, as by any window.
    shop.clock.advance(days=7)
    assert "valid.example.com" in needs(home(shop))
    shop.clock.advance(days=3, microseconds=1)
    assert needs(home(shop))[-1] != "window.example.com"


def test_an_exception_counts_in_place_of_a_window_that_still_runs(shop: Shop) -> None:
    """Nothing would come back of it within the window either, so the window says nothing."""
    certificate = shop.certificate_in(State.ISSUED, domain="voucher.example.com", voucher=26800)
    shop.clock.advance(days=20)
    grant(shop, certificate)
    shop.certificate_in(State.ISSUED, domain="window.example.com")
    shop.clock.advance(days=4)
    assert needs(home(shop)) == []
    assert windows(shop) == []
    shop.clock.advance(days=4)
    assert needs(home(shop)) == ["voucher.example.com"]
    assert walk(shop, "/certificates?tab=signed&sort=deadline") == ["voucher.example.com", "window.example.com"]
    assert windows(shop) == [(WEEK, "voucher.example.com")]


def windows(shop: Shop) -> list[tuple[MailKind, str]]:
    """Of which windows a look would remind now."""
    with shop.database.reading() as session:
        found = list(closing_windows(session, shop.clock(), shop.desk.policy))
        return [(one.kind, found_domain(shop, one.certificate_id)) for one in found]


def found_domain(shop: Shop, key: str | None) -> str:
    assert key is not None
    return shop.get(key).domain


@pytest.mark.parametrize("policy", ["30-days-from-issue", "28-days-from-issue", "7-days-from-payment"])
@pytest.mark.parametrize("state", [State.ISSUED, State.REVOKED])
def test_its_end_is_reminded_of_7_days_and_1_day_before(
    sqlite_url: str, open_shop: Callable[..., Shop], policy: str, state: State
) -> None:
    shop = open_shop(sqlite_url, policy=PRESETS[policy])
    its_end(shop, state)


def test_its_end_is_reminded_of_on_postgresql_too(postgres_url: str, open_shop: Callable[..., Shop]) -> None:
    its_end(open_shop(postgres_url), State.REVOKED)


def its_end(shop: Shop, state: State) -> None:
    certificate = excepted(shop, state, "late.example.com")
    granted, domain = shop.clock.now, certificate.domain
    expected: list[tuple[timedelta, list[tuple[MailKind, str]]]] = [
        (timedelta(0), []),
        (timedelta(days=7, seconds=-1), []),
        (timedelta(days=7), [(WEEK, domain)]),
        (timedelta(days=13), [(DAY, domain)]),
        (LASTS, [(DAY, domain)]),
        (LASTS + timedelta(seconds=1), []),
    ]
    for since, reminders in expected:
        shop.clock.now = granted + since
        assert windows(shop) == reminders, since


def test_a_reminder_of_an_exception_is_found_once_by_all_looks(shop: Shop) -> None:
    certificate = excepted(shop, State.REVOKED, "late.example.com")
    shop.clock.advance(days=8)
    with shop.database.reading() as session:
        found = find_reminders(session, shop.clock(), shop.desk.policy)
    until = certificate.waiver_until
    assert isinstance(until, datetime)
    assert [one.occasion for one in found if one.kind == WEEK] == [f"{certificate.id}-{until:%Y%m%dT%H%M%S}"]


def test_another_proposal_ends_what_an_exception_said(shop: Shop) -> None:
    certificate = excepted(shop, State.REVOKED, "late.example.com")
    shop.clock.advance(days=15)
    proposed(shop, certificate)
    assert shop.get(certificate.id).waiver_until is None


def test_an_upgrade_finds_the_ends_of_exceptions_that_were_granted_before(any_shop: Shop) -> None:
    granted = excepted(any_shop, State.REVOKED, "late.example.com")
    waiting = any_shop.certificate_in(State.REVOKED)
    any_shop.clock.advance(days=31)
    proposed(any_shop, waiting)
    with owning(any_shop.database) as engine:
        alembic(engine, command.downgrade, "0021-1")
        migrate(engine)
    assert granted.waiver_until is not None
    assert any_shop.get(granted.id).waiver_until == granted.waiver_until
    assert any_shop.get(waiting.id).waiver_until is None


def test_neither_windows_nor_exceptions_are_sorted_by_the_database(shop: Shop) -> None:
    for number in range(3):
        excepted(shop, State.REVOKED, f"{number}.example.com")
    url = "/certificates?tab=signed&sort="
    for person, address in (
        (shop.alice, "/"),
        *((who, f"{url}{sort}") for who in (shop.alice, shop.rita) for sort in ("deadline", "-deadline")),
    ):
        browser = shop.browser(person)
        with statements(shop.database) as asked:
            browser.get(address)
        about = of_certificates(asked)
        assert len([one for one in about if "ORDER BY certificate.waiver_until" in one[0]]) == 1, address
        # What has no deadline is walked along the whole of the tab's own index.
        own = ("ix_certificate_unsigned", "ix_certificate_signed", "ix_certificate_issued")
        read = how_sqlite_does(shop, about)
        assert [one for one in read if not any(name in one for name in own)] == [], (address, read)


def test_the_start_page_takes_as_many_statements_however_many_exceptions_there_are(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    excepted(shop, State.REVOKED, "0.example.com")
    few = selects_of(shop, lambda: browser.get("/"))
    for number in range(1, 6):
        excepted(shop, State.REVOKED, f"{number}.example.com")
    assert selects_of(shop, lambda: browser.get("/")) == few
