"""What the clock calls for: the right people, at the right time, once, and only while there is something to do."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from mail_shop import MailShop, text_of
from shop import START, Shop

from certlifecycle import PRESETS, Event, RefundPolicy, State
from webapp.certificates.models import Certificate
from webapp.hindrances import Hindrance
from webapp.mail.about import Obsolete
from webapp.mail.models import MailKind, MailStatus
from webapp.mail.office import LOOK_EVERY
from webapp.mail.reminders import (
    add_reminders,
    closing_windows,
    expiring_certificates,
    find_reminders,
    late_reviews,
    late_revocations,
    overdue_verifications,
)

DEFAULT = PRESETS["30-days-from-issue"]
BY_PAYMENT = PRESETS["7-days-from-payment"]
WEEK, DAY = MailKind.WINDOW_WEEK, MailKind.WINDOW_DAY


def windows(shop: Shop, policy: RefundPolicy = DEFAULT) -> list[tuple[MailKind, str]]:
    """Whom a look now would remind of a window."""
    with shop.database.reading() as session:
        return [(one.kind, one.recipient.name) for one in closing_windows(session, shop.clock(), policy)]


def at(shop: Shop, **since: float) -> datetime:
    """Set the clock so long after the beginning."""
    shop.clock.now = START + timedelta(**since)
    return shop.clock.now


# Refund windows


@pytest.mark.parametrize("state", [State.ISSUED, State.REVOKED])
def test_a_window_is_reminded_of_7_days_and_1_day_before_it_closes(any_shop: Shop, state: State) -> None:
    any_shop.certificate_in(state)
    expected = [
        (timedelta(days=23, seconds=-1), []),
        (timedelta(days=23), [(WEEK, "Alice")]),
        (timedelta(days=29, seconds=-1), [(WEEK, "Alice")]),
        (timedelta(days=29), [(DAY, "Alice")]),
        # The last instant still counts, as for the refund itself.
        (timedelta(days=30), [(DAY, "Alice")]),
        (timedelta(days=30, seconds=1), []),
    ]
    for since, reminders in expected:
        any_shop.clock.now = START + since
        assert windows(any_shop) == reminders, since


@pytest.mark.parametrize(
    "state",
    [state for state in State if state not in (State.ISSUED, State.REVOKED)],
)
def test_where_nothing_is_to_be_gained_nobody_is_reminded(shop: Shop, state: State) -> None:
    shop.certificate_in(state)
    at(shop, days=25)
    assert windows(shop) == []


def test_where_the_window_runs_from_payment_it_runs_before_the_issue_too(
    sqlite_url: str, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop(sqlite_url, policy=BY_PAYMENT)
    for state in (State.PENDING, State.SUBMITTED, State.FAILED, State.ISSUED, State.REVOKED):
        shop.certificate_in(state)
    shop.certificate_in(State.REFUND_REQUESTED)
    # Of seven days nobody is reminded at once: only one day before the end.
    at(shop, hours=1)
    assert windows(shop, BY_PAYMENT) == []
    at(shop, days=6)
    assert windows(shop, BY_PAYMENT) == [(DAY, "Alice")] * 5


def test_a_revocation_that_came_too_late_for_the_policy_is_not_reminded_of(
    sqlite_url: str, open_shop: Callable[..., Shop]
) -> None:
    policy = PRESETS["28-days-from-issue"]
    shop = open_shop(sqlite_url, policy=policy)
    certificate = shop.certificate_in(State.ISSUED)
    at(shop, days=25)
    assert windows(shop, policy) == [(WEEK, "Alice")]
    with shop.database.writing() as session:
        session.merge(certificate).revoked_at = START + timedelta(days=40)
    assert windows(shop, policy) == [(WEEK, "Alice")]
    at(shop, days=41)
    assert windows(shop, policy) == []


def test_each_reminder_is_sent_once(any_shop: Shop) -> None:
    post = MailShop(any_shop)
    any_shop.certificate_in(State.ISSUED)
    post.office.plan()
    start = any_shop.clock()
    for hours in range(0, 31 * 24, 6):
        any_shop.clock.now = start + timedelta(hours=hours)
        post.office.remind()
    assert [kind for kind, _ in post.told()] == [MailKind.ISSUED, WEEK, DAY]
    assert [mail.created_at - start for mail in post.mails()[1:]] == [timedelta(days=23), timedelta(days=29)]


def test_lookers_at_once_remind_once(any_shop: Shop) -> None:
    post = MailShop(any_shop)
    for owner in (any_shop.alice, any_shop.bob):
        any_shop.certificate_in(State.ISSUED, owner=owner)
    post.office.plan()
    at(any_shop, days=25)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: post.open_office().remind(), range(6)))
    reminders = [mail for mail in post.mails() if mail.kind == WEEK]
    assert sorted(mail.address for mail in reminders) == ["alice@example.com", "bob@example.com"]


def test_what_another_worker_found_in_the_meantime_is_not_added(any_shop: Shop) -> None:
    MailShop(any_shop)
    any_shop.certificate_in(State.ISSUED)
    now = at(any_shop, days=25)
    with any_shop.database.reading() as session:
        found = find_reminders(session, now, DEFAULT)
    assert len(found) == 1
    added = []
    for _ in range(2):
        with any_shop.database.writing() as session:
            added.append(add_reminders(session, found, now, "example.com"))
    assert added == [1, 0]
    with any_shop.database.reading() as session:
        assert find_reminders(session, now, DEFAULT) == []


def test_the_clock_is_not_looked_at_all_the_time(shop: Shop) -> None:
    post = MailShop(shop)
    post.office.remind()
    shop.certificate_in(State.ISSUED)
    at(shop, days=25)
    assert post.office.remind() == 1
    shop.certificate_in(State.ISSUED, owner=shop.bob)
    # It is Bob's turn much later; a look a moment after the last one is left out.
    shop.clock.now += LOOK_EVERY - timedelta(seconds=1)
    assert post.office.remind() == 0


def test_a_policy_that_moves_the_end_is_reminded_of_anew(shop: Shop) -> None:
    post = MailShop(shop)
    shop.certificate_in(State.ISSUED)
    for policy, days in ((DEFAULT, 25), (replace(DEFAULT, version="60/1", window_days=60), 55)):
        now = at(shop, days=days)
        with shop.database.writing() as session:
            add_reminders(session, find_reminders(session, now, policy), now, "example.com")
    assert [mail.kind for mail in post.mails()] == [WEEK, WEEK]


def test_a_reminder_whose_reason_is_gone_is_not_sent(shop: Shop) -> None:
    post = MailShop(shop)
    certificate = shop.certificate_in(State.REVOKED)
    post.office.work()
    at(shop, days=25)
    post.office.remind()
    shop.fire(certificate, Event.REQUEST_REFUND)
    post.office.work()
    reminder = next(mail for mail in post.mails() if mail.kind == WEEK)
    assert reminder.status == MailStatus.SUPPRESSED
    assert reminder.error == "The refund window is closed, or the refund is under way."


def test_the_reminder_says_what_to_do(shop: Shop) -> None:
    post = MailShop(shop)
    for state, todo in (
        (State.ISSUED, "Revoke it, then apply by 3 Jun 2026, 17:00 CST."),
        (State.REVOKED, "Refundable until 3 Jun 2026, 17:00 CST."),
    ):
        at(shop)
        certificate = shop.certificate_in(state, domain=f"{state}.example.com")
        at(shop, days=25)
        post.open_office().remind()
        mail = next(one for one in post.mails() if one.certificate_id == certificate.id)
        assert todo in text_of(post.compose(mail))


# Certificates that expire


def expiring(shop: Shop) -> list[MailKind]:
    """Which reminders of an expiry a look now would find."""
    with shop.database.reading() as session:
        return [one.kind for one in expiring_certificates(session, shop.clock(), DEFAULT)]


def _ends(certificate: Certificate) -> datetime:
    assert certificate.not_after is not None
    return certificate.not_after


def test_a_certificate_is_reminded_of_30_and_7_days_before_it_expires(any_shop: Shop) -> None:
    end = _ends(any_shop.certificate_in(State.ISSUED))
    for before, kinds in (
        (timedelta(days=30, seconds=1), []),
        (timedelta(days=30), [MailKind.EXPIRING_MONTH]),
        (timedelta(days=7, seconds=1), [MailKind.EXPIRING_MONTH]),
        (timedelta(days=7), [MailKind.EXPIRING_WEEK]),
        (timedelta(seconds=1), [MailKind.EXPIRING_WEEK]),
        (timedelta(0), []),
        (timedelta(days=-1), []),
    ):
        any_shop.clock.now = end - before
        assert expiring(any_shop) == kinds, before


def test_a_short_lived_certificate_is_not_reminded_of_when_it_is_new(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    with shop.database.writing() as session:
        # 47 days, as certificates will have from 2029 on.
        session.merge(certificate).not_after = START + timedelta(days=47)
    at(shop, days=20)
    assert expiring(shop) == []
    at(shop, days=40)
    assert expiring(shop) == [MailKind.EXPIRING_WEEK]


def test_what_is_revoked_or_renewed_needs_no_reminder(shop: Shop) -> None:
    post = MailShop(shop)
    old = shop.certificate_in(State.ISSUED)
    shop.certificate_in(State.REVOKED, domain="other.example.com")
    shop.clock.now = _ends(old) - timedelta(days=20)
    post.office.remind()
    assert [mail.certificate_id for mail in post.mails() if mail.kind == MailKind.EXPIRING_MONTH] == [old.id]
    # Renewed before the mail had its turn.
    shop.certificate_in(State.ISSUED)
    assert expiring(shop) == []
    post.office.send()
    reminder = next(mail for mail in post.mails() if mail.kind == MailKind.EXPIRING_MONTH)
    assert reminder.status == MailStatus.SUPPRESSED


def test_of_two_for_the_same_name_the_one_that_lasts_longer_counts(shop: Shop) -> None:
    old, new = shop.certificate_in(State.ISSUED), shop.certificate_in(State.ISSUED)
    with shop.database.writing() as session:
        session.merge(new).not_after = _ends(old) + timedelta(days=5)
    shop.clock.now = _ends(old) - timedelta(days=20)
    with shop.database.reading() as session:
        found = list(expiring_certificates(session, shop.clock(), DEFAULT))
    assert [one.certificate_id for one in found] == [new.id]


def test_somebody_elses_certificate_for_the_same_name_renews_nothing(shop: Shop) -> None:
    old = shop.certificate_in(State.ISSUED)
    shop.clock.now = _ends(old) - timedelta(days=20)
    shop.certificate_in(State.ISSUED, owner=shop.bob)
    assert expiring(shop) == [MailKind.EXPIRING_MONTH]


# What waits for the vendor


def test_reviewers_are_told_once_a_day_while_a_promise_is_broken(any_shop: Shop) -> None:
    post = MailShop(any_shop)
    certificate = any_shop.certificate_in(State.REFUND_REQUESTED)
    latest = any_shop.refund_of(certificate).latest
    # The whole of the latest day, where the vendor is, still keeps the promise.
    end = datetime(latest.year, latest.month, latest.day, 16, tzinfo=START.tzinfo)
    for since, count in ((-1, 0), (0, 3), (1, 3), (3600, 3), (86400 - 1, 3), (86400, 6), (2 * 86400, 9)):
        any_shop.clock.now = end + timedelta(seconds=since)
        post.open_office().remind()
        told = [address for kind, address in post.told() if kind == MailKind.REVIEW_OVERDUE]
        assert len(told) == count, since
    assert set(told) == {"rita@example.com", "robin@example.com", "ada@example.com"}
    any_shop.fire(certificate, Event.APPROVE_REFUND)
    any_shop.clock.advance(days=1)
    with any_shop.database.reading() as session:
        assert list(late_reviews(session, any_shop.clock(), DEFAULT)) == []


def test_one_mail_names_all_that_is_late_the_oldest_first(shop: Shop) -> None:
    post = MailShop(shop)
    for day in range(25):
        at(shop, days=day / 24)
        shop.certificate_in(State.REFUND_REQUESTED, domain=f"d{day}.example.com")
    at(shop, days=20)
    post.office.remind()
    message = post.compose(next(mail for mail in post.mails() if mail.kind == MailKind.REVIEW_OVERDUE))
    text = text_of(message)
    assert message["Subject"] == "25 refund applications are overdue"
    assert "The 20 oldest of 25 are listed here." in text
    assert text.index("d0.example.com") < text.index("d1.example.com") < text.index("d19.example.com")
    assert "d20.example.com" not in text


def waits_for_a_reviewer(shop: Shop, domain: str) -> None:
    """A submission for which the system has done its part."""
    certificate = shop.certificate_in(State.SUBMITTED, domain=domain, product="ov")
    shop.desk.rest(certificate.id, certificate.version)


def test_reviewers_are_told_of_verifications_that_wait_for_them_too_long(any_shop: Shop) -> None:
    waits_for_a_reviewer(any_shop, "late.example.com")
    # Here the domain is still looked at, so the move is the customer's.
    any_shop.certificate_in(State.SUBMITTED, domain="looking.example.com")

    def told() -> list[str]:
        with any_shop.database.reading() as session:
            return [one.recipient.name for one in late_reviews(session, any_shop.clock(), DEFAULT)]

    # The 4th and 5th of May are holidays; the second business day after the submission ends with the 7th.
    any_shop.clock.now = datetime(2026, 5, 7, 15, 59, 59, tzinfo=START.tzinfo)
    assert told() == []
    any_shop.clock.advance(seconds=1)
    assert sorted(told()) == ["Ada", "Rita", "Robin"]
    with any_shop.database.reading() as session:
        late = overdue_verifications(session, any_shop.clock(), DEFAULT)
    assert [(one.domain, due_at) for one, due_at in late] == [("late.example.com", any_shop.clock())]


def test_one_mail_tells_of_late_verifications_and_of_late_refunds(shop: Shop) -> None:
    post = MailShop(shop)
    waits_for_a_reviewer(shop, "late.example.com")
    at(shop, days=5)
    mail = post.add(MailKind.REVIEW_OVERDUE, shop.rita)
    message = post.compose(mail)
    assert message["Subject"] == "1 verification is overdue"
    assert "Verifications are late." in text_of(message)
    assert "late.example.com: verification, to be done by 8 May 2026, 00:00 CST" in text_of(message)
    assert "promised an answer" not in text_of(message)
    waits_for_a_reviewer(shop, "later.example.com")
    at(shop, days=10)
    assert post.compose(mail)["Subject"] == "2 verifications are overdue"
    shop.certificate_in(State.REFUND_REQUESTED, domain="money.example.com")
    at(shop, days=30)
    message = post.compose(mail)
    assert message["Subject"] == "3 reviews are overdue"
    for part in (
        "money.example.com",
        "268.00 CNY, promised by",
        "late.example.com: verification",
        "promised an answer",
    ):
        assert part in text_of(message)


def test_where_nothing_is_late_any_more_nothing_is_sent(shop: Shop) -> None:
    post = MailShop(shop)
    mail = post.add(MailKind.REVIEW_OVERDUE, shop.rita)
    with pytest.raises(Obsolete, match="No review is overdue"):
        post.compose(mail)


def test_administrators_are_told_of_a_revocation_past_its_24_hours(any_shop: Shop) -> None:
    any_shop.certificate_in(State.REVOKING)
    for since, people in ((timedelta(hours=24), []), (timedelta(hours=24, seconds=1), ["Ada"])):
        any_shop.clock.now = START + since
        with any_shop.database.reading() as session:
            assert [one.recipient.name for one in late_revocations(session, any_shop.clock(), DEFAULT)] == people


def test_they_are_told_why_in_words(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKING)
    shop.desk.note_failure(certificate.id, "ConnectionResetError: [Errno 104]", Hindrance.UNREACHABLE)
    post = MailShop(shop)
    at(shop, days=2)
    post.office.remind()
    text = text_of(post.compose(next(mail for mail in post.mails() if mail.kind == MailKind.REVOCATION_SLOW)))
    assert "The certificate authority cannot be reached, or does not answer." in text
    assert "Errno" not in text


def test_people_who_left_are_not_told(shop: Shop) -> None:
    shop.certificate_in(State.REVOKING)
    with shop.database.writing() as session:
        session.merge(shop.ada).disabled_at = shop.clock()
    at(shop, days=2)
    with shop.database.reading() as session:
        assert list(late_revocations(session, shop.clock(), DEFAULT)) == []
