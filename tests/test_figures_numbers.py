"""The figures, counted by hand, on both databases.

June 2026 begins on a Monday. The calendar of these shops knows weekends only, and their days are those of Shanghai,
eight hours ahead of UTC, unless a test says otherwise.
"""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from fakes import Provider, refuses, takes_its_time
from shop import Shop

from certlifecycle import PRESETS, Event, State
from webapp.certificates.models import Certificate, PaymentMethod
from webapp.due import WORK_DUE_IN
from webapp.effects import Effects
from webapp.figures import queries
from webapp.figures.period import Period
from webapp.figures.queries import Work
from webapp.recording import Application
from webapp.refunds.models import RefundReason

SHANGHAI = ZoneInfo("Asia/Shanghai")
POLICY = replace(PRESETS["30-days-from-issue"], version="weekends/1", calendar="")
JUNE = Period(date(2026, 6, 1), date(2026, 6, 30), SHANGHAI)
ADDRESS = "from=2026-06-01&to=2026-06-30"


def at(day: int, hour: int = 10, minute: int = 0, **more: int) -> datetime:
    """An instant of June 2026 by the clock in Shanghai."""
    return datetime(2026, 6, day, hour, minute, tzinfo=SHANGHAI, **more).astimezone(UTC)


@pytest.fixture
def shop_(database_url: str, open_shop: Callable[..., Shop]) -> Shop:
    """A shop on each database, on the first morning of June."""
    shop = open_shop(database_url, policy=POLICY)
    shop.clock.now = at(1, 8)
    return shop


def apply(shop: Shop, when: datetime, reason: RefundReason = RefundReason.NOT_NEEDED, **order: Any) -> Certificate:
    """A certificate that is ordered and whose refund is applied for at an instant."""
    shop.clock.now = when
    certificate = shop.order(**order)
    handed = Application(reason)
    return shop.fire(certificate, Event.REQUEST_REFUND, handed=handed, reason="It is not needed.")


def decide(shop: Shop, certificate: Certificate, when: datetime, event: Event = Event.APPROVE_REFUND) -> None:
    shop.clock.now = when
    shop.fire(certificate, event)


def pay(shop: Shop, certificate: Certificate, when: datetime) -> None:
    shop.clock.now = when
    shop.run_due(certificate.id)


def rows(shop: Shop, name: str, address: str = ADDRESS) -> list[list[str]]:
    """A table as the file that Ada downloads says it, without its head."""
    text = shop.browser(shop.ada).get(f"/figures/{name}.csv?{address}").text
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))[1:]


def a_month(shop: Shop) -> None:
    """Seven applications: four answered in June (one of them late), one withdrawn, one open, one answered in July."""
    # Applied on Monday, answered on the same day: 0 business days, 4 hours. 268.00.
    same_day = apply(shop, at(1))
    decide(shop, same_day, at(1, 14))
    pay(shop, same_day, at(2, 0))
    # Applied on Friday, answered on Monday: 1 business day, 72 hours. 268.00.
    weekend = apply(shop, at(5), RefundReason.WRONG_DOMAIN)
    decide(shop, weekend, at(8), Event.REJECT_REFUND)
    # Applied on Monday the 8th, promised by Monday the 15th, answered at its last instant: 5 days, 182 hours. 980.00.
    last_instant = apply(shop, at(8), minor=98000)
    decide(shop, last_instant, at(15, 23, 59, second=59, microsecond=999999))
    pay(shop, last_instant, at(16, 9))
    # Applied on the same day and answered an instant later: 6 business days, 182 hours, late. 268.00.
    too_late = apply(shop, at(8), RefundReason.WRONG_DOMAIN)
    decide(shop, too_late, at(16, 0), Event.REJECT_REFUND)
    # Taken back, still open, and answered outside the month.
    withdrawn = apply(shop, at(20), RefundReason.OTHER)
    shop.fire(withdrawn, Event.WITHDRAW_REFUND)
    apply(shop, at(22))
    july = apply(shop, at(30, 23, 59))
    decide(shop, july, at(30, 23, 59) + timedelta(minutes=1))
    shop.clock.now = at(30, 23, 59)


def test_what_happened_to_refunds_by_day(shop_: Shop) -> None:
    a_month(shop_)
    found = [row for row in rows(shop_, "refunds") if set(row[1:]) != {"0"}]
    # Day, applied for, approved, refused, refunded, withdrawn.
    assert found == [
        ["2026-06-01", "1", "1", "0", "0", "0"],
        ["2026-06-02", "0", "0", "0", "1", "0"],
        ["2026-06-05", "1", "0", "0", "0", "0"],
        ["2026-06-08", "2", "0", "1", "0", "0"],
        ["2026-06-15", "0", "1", "0", "0", "0"],
        ["2026-06-16", "0", "0", "1", "1", "0"],
        ["2026-06-20", "1", "0", "0", "0", "1"],
        ["2026-06-22", "1", "0", "0", "0", "0"],
        ["2026-06-30", "1", "0", "0", "0", "0"],
    ]
    assert len(rows(shop_, "refunds")) == 30


def test_the_time_to_an_answer_against_the_promise(shop_: Shop) -> None:
    a_month(shop_)
    spread = rows(shop_, "answers")
    # Business days, decided, in time, late.
    assert [row for row in spread if row[1] != "0"] == [
        ["0", "1", "1", "0"],
        ["1", "1", "1", "0"],
        ["5", "1", "1", "0"],
        ["6", "1", "0", "1"],
    ]
    (answers, checks) = rows(shop_, "percentiles")
    # Three of four in time. Of 0, 1, 5, 6 days the second is the half, the fourth 90 and 99 per cent.
    assert answers[:6] == ["Answers about refunds", "4", "75.0", "1", "6", "6"]
    # 4 h, 72 h, 182 h less a millionth of a second, 182 h: 8 June, 10 o'clock, to 16 June, midnight.
    assert answers[6:] == ["72.0", "182.0", "182.0", "182.0"]
    assert checks == ["Decisions about submissions", "0", *[""] * 8]


def test_reasons_and_what_became_of_them(shop_: Shop) -> None:
    a_month(shop_)
    # Reason, currency, applications, refunded, refused, withdrawn, under way, amount applied for.
    assert rows(shop_, "reasons") == [
        ["I no longer need the certificate", "CNY", "4", "2", "0", "0", "2", "1784.00"],
        ["I ordered it for the wrong domain", "CNY", "2", "0", "2", "0", "0", "536.00"],
        ["Something else", "CNY", "1", "0", "0", "1", "0", "268.00"],
    ]
    # Reason, currency, decisions, approved, refused, share refused, amount refused.
    assert rows(shop_, "refusals") == [
        ["I no longer need the certificate", "CNY", "2", "2", "0", "0.0", "0.00"],
        ["I ordered it for the wrong domain", "CNY", "2", "0", "2", "100.0", "536.00"],
    ]


def test_amounts_and_providers(shop_: Shop) -> None:
    a_month(shop_)
    assert rows(shop_, "amounts") == [
        ["2026-06-02", "CNY", "1", "268.00"],
        ["2026-06-16", "CNY", "1", "980.00"],
    ]
    # Provider, currency, confirmed with amount, refused with amount, under way now with amount.
    assert rows(shop_, "payouts") == [
        ["Balance in this shop", "CNY", "2", "1248.00", "0", "0.00", "0", "0.00"],
    ]


def test_the_page_says_the_same_as_the_files(shop_: Shop) -> None:
    a_month(shop_)
    words = shop_.browser(shop_.rita).get(f"/figures?{ADDRESS}").words
    for told in (
        "Refunds applied for 7 1 withdrawn",
        "Decisions about refunds 4 50.0 % refused",
        "Answered in time 75.0 % 3 of 4 by the promised day",
        "Refunded in CNY 1,248.00 Payments confirmed: 2",
        "3 of 4 answers came by the promised day.",
        "I no longer need the certificate 4 of 7 (57.1 %)",
        "I ordered it for the wrong domain 2 of 2 refused (100.0 %)",
        "CNY 1,248.00 CNY in all, at most 980.00 CNY a day",
        "Balance in this shop 2 confirmed, 0 refused",
        "Days begin and end at midnight in Asia/Shanghai.",
    ):
        assert told in words, told


def test_verifications_by_reviewers_against_the_target(shop_: Shop) -> None:
    # Submitted on Monday, verified on Wednesday: 2 business days, in time.
    shop_.clock.now = at(1)
    first = shop_.fire(shop_.order(), Event.SUBMIT)
    shop_.clock.now = at(3)
    shop_.fire(first, Event.VERIFY)
    # Submitted on Thursday, failed on Saturday: due on Monday, so in time after 1 business day.
    shop_.clock.now = at(4)
    second = shop_.fire(shop_.order(), Event.SUBMIT)
    shop_.clock.now = at(6)
    shop_.fire(second, Event.FAIL_VERIFICATION)
    # Submitted again on Saturday, due on Tuesday, verified on Wednesday: 3 business days, late.
    shop_.fire(second, Event.SUBMIT)
    shop_.clock.now = at(10)
    shop_.fire(second, Event.VERIFY)
    # The desk's own decision is counted by day, and its time is not.
    third = shop_.fire(shop_.order(), Event.SUBMIT)
    shop_.clock.now = at(30)
    shop_.fire_as_system(third, Event.FAIL_VERIFICATION, reason="Nothing was seen.")
    shop_.run_due(first.id)

    assert [row for row in rows(shop_, "checks") if row[1] != "0"] == [
        ["1", "1", "1", "0"],
        ["2", "1", "1", "0"],
        ["3", "1", "0", "1"],
    ]
    checks = rows(shop_, "percentiles")[1]
    assert checks[1:] == ["3", "66.7", "2", "3", "3", "48.0", "96.0", "96.0", "96.0"]
    # Day, ordered, submitted, verified, failed, issued.
    assert [row for row in rows(shop_, "certificates") if set(row[1:]) != {"0"}] == [
        ["2026-06-01", "1", "1", "0", "0", "0"],
        ["2026-06-03", "0", "0", "1", "0", "0"],
        ["2026-06-04", "1", "1", "0", "0", "0"],
        ["2026-06-06", "0", "1", "0", "1", "0"],
        ["2026-06-10", "1", "1", "1", "0", "0"],
        ["2026-06-30", "0", "0", "0", "1", "1"],
    ]


def test_the_first_of_two_approvals_is_no_decision(database_url: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(database_url, policy=replace(POLICY, two_reviewers_above_minor=10000))
    certificate = apply(shop, at(1))
    decide(shop, certificate, at(2))
    shop.clock.now = at(4)
    shop.fire(certificate, Event.APPROVE_REFUND, shop.robin)
    with shop.database.reading() as session:
        counted = queries.by_day(session, JUNE)
        speed = queries.refund_speed(session, JUNE)
    assert {key: cases for key, cases in counted.items() if key[0] is Work.APPROVED} == {
        (Work.APPROVED, date(2026, 6, 4)): 1
    }
    assert [(one.came.day, one.decided.day, one.cases, one.kept) for one in speed.groups] == [(1, 4, 1, 1)]


def test_an_answer_that_a_payment_brought_back_is_counted_once(shop_: Shop) -> None:
    """Decisions are two, and the customer waited for the first of them."""
    certificate = apply(shop_, at(1))
    decide(shop_, certificate, at(2))
    shop_.clock.now = at(3)
    shop_.fire_as_system(certificate, Event.RETURN_REFUND, reason="No account could take it.")
    decide(shop_, certificate, at(25))
    with shop_.database.reading() as session:
        speed = queries.refund_speed(session, JUNE)
        decisions = queries.decisions(session, JUNE)
    assert [(one.came.day, one.decided.day, one.cases) for one in speed.groups] == [(1, 2, 1)]
    assert [(one.cases, one.refused) for one in decisions] == [(2, False)]


def test_a_provider_that_refuses_and_the_balance_that_takes_over(shop_: Shop) -> None:
    shop_.desk.payable = frozenset({PaymentMethod.BALANCE, PaymentMethod.ALIPAY})
    certificate = apply(shop_, at(1), method=PaymentMethod.ALIPAY, account="ending 88")
    decide(shop_, certificate, at(2))
    gateways = {**shop_.parts.gateways, PaymentMethod.ALIPAY: Provider(refuses)}
    shop_.clock.now = at(3)
    work = WORK_DUE_IN[State.REFUND_APPROVED]
    Effects(shop_.desk, shop_.parts.authority, gateways).run(work, certificate.id)
    shop_.clock.now = at(30)
    assert rows(shop_, "payouts") == [
        ["Alipay", "CNY", "0", "0.00", "1", "268.00", "0", "0.00"],
        ["Balance in this shop", "CNY", "1", "268.00", "0", "0.00", "0", "0.00"],
    ]


def test_what_is_under_way_is_counted_whenever_it_was_sent(shop_: Shop) -> None:
    shop_.desk.payable = frozenset({PaymentMethod.BALANCE, PaymentMethod.ALIPAY})
    certificate = apply(shop_, at(1), method=PaymentMethod.ALIPAY)
    decide(shop_, certificate, at(2))
    gateways = {**shop_.parts.gateways, PaymentMethod.ALIPAY: Provider(takes_its_time)}
    Effects(shop_.desk, shop_.parts.authority, gateways).run(WORK_DUE_IN[State.REFUND_APPROVED], certificate.id)
    shop_.clock.now = at(30)
    assert rows(shop_, "payouts", "from=2026-06-29&to=2026-06-30") == [
        ["Alipay", "CNY", "0", "0.00", "0", "0.00", "1", "268.00"],
    ]


def test_currencies_are_never_added(shop_: Shop) -> None:
    first, second = apply(shop_, at(1)), apply(shop_, at(1))
    with shop_.database.writing() as session:
        for table in ("refund", "purchase"):
            key = "certificate_id = :id" if table == "refund" else "id = :purchase"
            session.connection().execute(
                sa.text(f"UPDATE {table} SET currency = 'JPY', amount_minor = 5000 WHERE {key}"),  # noqa: S608
                {"id": second.id, "purchase": second.purchase_id},
            )
    for certificate in (first, second):
        decide(shop_, certificate, at(2))
        pay(shop_, certificate, at(3))
    shop_.clock.now = at(30)
    assert rows(shop_, "amounts") == [
        ["2026-06-03", "CNY", "1", "268.00"],
        # The yen has no smaller unit.
        ["2026-06-03", "JPY", "1", "5000"],
    ]
    page = shop_.browser(shop_.ada).get(f"/figures?{ADDRESS}").words
    assert "Refunded in CNY 268.00" in page
    assert "Refunded in JPY 5,000" in page
    assert [row[1:3] for row in rows(shop_, "reasons")] == [["CNY", "1"], ["JPY", "1"]]


# The borders of days


def test_an_instant_belongs_to_the_day_that_the_vendor_has(shop_: Shop) -> None:
    midnight = datetime(2026, 6, 9, 16, tzinfo=UTC)
    apply(shop_, midnight - timedelta(microseconds=1))
    apply(shop_, midnight)
    apply(shop_, midnight + timedelta(days=1, microseconds=-1))
    apply(shop_, midnight + timedelta(days=1))
    assert [row[1] for row in rows(shop_, "refunds", "from=2026-06-09&to=2026-06-11")] == ["1", "2", "1"]
    # What lies outside by an instant is outside.
    assert [row[1] for row in rows(shop_, "refunds", "from=2026-06-10&to=2026-06-10")] == ["2"]
    assert rows(shop_, "reasons", "from=2026-06-10&to=2026-06-10")[0][2] == "2"


@pytest.mark.parametrize(
    ("day", "begins", "ends"),
    [
        # Clocks go forward on 29 March, a day of 23 hours, and back on 25 October, one of 25.
        (date(2026, 3, 29), datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)),
        (date(2026, 10, 25), datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)),
    ],
)
def test_days_on_which_clocks_are_changed(
    database_url: str, open_shop: Callable[..., Shop], day: date, begins: datetime, ends: datetime
) -> None:
    shop = open_shop(database_url, policy=replace(POLICY, timezone="Europe/Berlin"))
    instant = timedelta(microseconds=1)
    for when in (begins - instant, begins, ends - instant, ends):
        apply(shop, when)
    around = f"from={day - timedelta(days=1)}&to={day + timedelta(days=1)}"
    assert [row[1] for row in rows(shop, "refunds", around)] == ["1", "2", "1"]


# Many rows


def test_a_period_is_read_through_an_index(shop: Shop) -> None:
    """A month of a desk with years of history costs what the month holds."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        asked.append((statement, parameters))

    sa.event.listen(shop.database.engine, "before_cursor_execute", note)
    with shop.database.reading() as session:
        for count in (
            queries.by_day,
            queries.refund_speed,
            queries.verification_speed,
            queries.fates,
            queries.decisions,
            queries.paid_back,
        ):
            count(session, JUNE)
    sa.event.remove(shop.database.engine, "before_cursor_execute", note)
    with shop.database.engine.connect() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            scans = [step[3] for step in plan if step[3].startswith("SCAN ") and "USING INDEX" not in step[3]]
            tables = [step for step in scans if any(name in step for name in ("history", "refund", "payout"))]
            assert tables == [], plan
