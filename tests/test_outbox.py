"""The outbox: what is owed, how it stands and since when, in words; and having it tried again, one or many."""

import signal
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from mail_shop import MailShop
from pages import button, links, words_of
from processes import eventually, start
from shop import Browser, Page, Shop
from sqlmodel import Session, col, select, update

from certlifecycle import Event, State
from webapp.certificates.models import Certificate, Channel
from webapp.columns import new_id
from webapp.desk import By
from webapp.due import WORK_DUE_IN
from webapp.effects.words import WORK, hindered
from webapp.hindrances import Hindrance
from webapp.mail.models import Mail, MailAct, MailDecision, MailKind, MailStatus
from webapp.mail.plan import new_mail
from webapp.outbox import queries
from webapp.outbox.queries import LONGEST_ATTEMPT, PAGE_SIZE, Kind, Place, Running, Standing
from webapp.outbox.retrying import AT_ONCE
from webapp.outbox.words import MAILS, mail_hindered
from webapp.parts import present
from webapp.work import Attempt

FAILING, GIVEN_UP, RUNNING, DUE = Standing.FAILING, Standing.GIVEN_UP, Standing.RUNNING, Standing.DUE
WHY = "The authority says that it is back."


class Queue:
    """A queue whose workers do what the test says."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.attempts: list[Attempt] = []

    def enqueue(self, session: Session, kind: str, certificate_id: str, key: str) -> None:
        self.keys.append(key)

    def under_way(self, since: datetime) -> list[Attempt]:
        return [one for one in self.attempts if one.since > since]


def owing(shop: Shop, state: State, **order: Any) -> Certificate:
    """A certificate for which the desk owes something."""
    return shop.certificate_in(state, **order)


def failing(shop: Shop, state: State = State.VERIFIED, hindrance: Hindrance = Hindrance.UNREACHABLE) -> Certificate:
    """The same, and it fails since now."""
    certificate = owing(shop, state)
    shop.desk.note_failure(certificate.id, "ConnectionResetError: [Errno 104]", hindrance)
    return shop.get(certificate.id)


def mail(shop: Shop, **columns: Any) -> Mail:
    """A mail to Alice, with these columns."""
    row = new_mail(MailKind.ISSUED, shop.alice, shop.clock(), "example.com", occasion=new_id()[:20])
    for name, value in columns.items():
        setattr(row, name, value)
    with shop.database.writing() as session:
        session.add(row)
    return row


def given_up(shop: Shop, **columns: Any) -> Mail:
    """A mail that is not tried any more."""
    refused = {"hindrance": Hindrance.REFUSED, "error": "The mail server answered: 550 5.1.1", "attempts": 3}
    return mail(shop, status=MailStatus.GIVEN_UP, **(refused | columns))


def counted(shop: Shop, *attempts: Attempt) -> Counter[tuple[Standing, Kind]]:
    with shop.database.reading() as session:
        return +queries.counts(session, Running.of(attempts), shop.clock())


def found(shop: Shop, standing: Standing, *attempts: Attempt, kinds: Any = tuple(Kind)) -> list[str]:
    with shop.database.reading() as session:
        rows = queries.entries(session, standing, kinds, Running.of(attempts), shop.clock())
    return [one.key for one in rows]


def rows(page: Page) -> list[Any]:
    return [node for node in page.tree.iter("li") if (node.get("id") or "").startswith(("work-", "mail-"))]


def row_of(page: Page, key: str) -> Any:
    (row,) = [node for node in rows(page) if node.get("id").endswith(key)]
    return row


def form_of(page: Page, key: str) -> tuple[str, dict[str, str]]:
    """Where the form of an entry leads, and its hidden fields."""
    form = next(row_of(page, key).iter("form"))
    return form.get("action"), {
        node.get("name"): node.get("value") for node in form.iter("input") if node.get("name") != "csrf_token"
    }


def press(browser: Browser, page: Page, key: str, reason: str = WHY, status: int = 303) -> Page:
    url, hidden = form_of(page, key)
    return browser.post(url, hidden | {"reason": reason}, status)


# How it stands


def test_each_entry_has_one_standing(any_shop: Shop) -> None:
    due = owing(any_shop, State.SUBMITTED)
    stuck = failing(any_shop, State.REVOKING)
    busy = failing(any_shop, State.REFUND_APPROVED)
    any_shop.certificate_in(State.ISSUED)
    later = any_shop.clock() + timedelta(minutes=5)
    fresh = mail(any_shop)
    slow = mail(any_shop, hindrance=Hindrance.NOT_NOW, error="451 Later.", due_at=later, attempts=1)
    being_sent = mail(any_shop, claimed_at=any_shop.clock(), due_at=later, attempts=1)
    refused = given_up(any_shop)
    mail(any_shop, status=MailStatus.SENT, sent_at=any_shop.clock())
    mail(any_shop, status=MailStatus.SUPPRESSED)

    attempt = Attempt("pay", busy.id, any_shop.clock(), "worker-1")
    assert counted(any_shop, attempt) == {
        (DUE, Kind.CHECK_DOMAIN): 1,
        (FAILING, Kind.REVOKE): 1,
        (RUNNING, Kind.PAY): 1,
        (DUE, Kind.MAIL): 1,
        (FAILING, Kind.MAIL): 1,
        (RUNNING, Kind.MAIL): 1,
        (GIVEN_UP, Kind.MAIL): 1,
    }
    assert set(found(any_shop, DUE, attempt)) == {due.id, fresh.id}
    assert set(found(any_shop, FAILING, attempt)) == {stuck.id, slow.id}
    assert set(found(any_shop, RUNNING, attempt)) == {busy.id, being_sent.id}
    assert found(any_shop, GIVEN_UP, attempt) == [refused.id]
    assert found(any_shop, FAILING, attempt, kinds=(Kind.MAIL,)) == [slow.id]
    # The number in the navigation: what somebody should look at, whether or not it is being tried.
    with any_shop.database.reading() as session:
        assert queries.how_much_is_stuck(session) == 4


def test_an_attempt_at_something_else_is_no_attempt_at_this(any_shop: Shop) -> None:
    """Of work that is done, or of an earlier step of the same certificate."""
    certificate = failing(any_shop, State.REVOKING)
    done = any_shop.certificate_in(State.ISSUED)
    old = Attempt("issue", certificate.id, any_shop.clock(), "worker-1")
    late = Attempt("issue", done.id, any_shop.clock(), "worker-1")
    assert counted(any_shop, old, late) == {(FAILING, Kind.REVOKE): 1}
    assert found(any_shop, RUNNING, old, late) == []


def test_a_claim_that_has_run_out_is_nobodys(any_shop: Shop) -> None:
    mail(any_shop, claimed_at=any_shop.clock(), due_at=any_shop.clock() + timedelta(minutes=15), attempts=1)
    assert counted(any_shop) == {(RUNNING, Kind.MAIL): 1}
    any_shop.clock.advance(minutes=15)
    assert counted(any_shop) == {(DUE, Kind.MAIL): 1}


def test_what_a_worker_is_at_is_what_the_queue_says(database_url: str, open_shop: Callable[..., Shop]) -> None:
    """A real worker, stopped in the middle of an effect."""
    shop = open_shop(database_url)
    shop.clock.now = present()
    certificate = shop.certificate_in(State.VERIFIED)
    since = shop.clock.now - LONGEST_ATTEMPT
    assert shop.desk.work.under_way(since) == []
    worker = start(shop.settings, "tests/stalling_worker.py")
    try:
        eventually((shop.settings.data_dir / "stalled").exists)
        # Where the worker took long to begin, the reconciler has handed in a second one.
        attempt, *_ = shop.desk.work.under_way(since)
        assert (attempt.kind, attempt.subject_id) == ("issue", certificate.id)
        assert attempt.worker == shop.settings.executor_id
        assert abs(attempt.since - present()) < timedelta(minutes=1)
        page = shop.browser(shop.ada).get("/outbox?standing=running")
        assert "Being tried since" in words_of(row_of(page, certificate.id))
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    # Its worker is dead. Nobody has noticed yet, but that is not believed for ever.
    assert shop.desk.work.under_way(since) != []
    assert shop.desk.work.under_way(present()) == []


def test_the_order_is_that_of_the_trouble_and_of_the_turn(any_shop: Shop) -> None:
    first = failing(any_shop, State.REFUND_APPROVED)
    second = mail(any_shop, hindrance=Hindrance.NOT_NOW, due_at=any_shop.clock.advance(hours=1), attempts=1)
    any_shop.clock.advance(hours=1)
    third = failing(any_shop, State.VERIFIED)
    assert found(any_shop, FAILING) == [first.id, second.id, third.id]
    later, sooner = owing(any_shop, State.SUBMITTED), owing(any_shop, State.SUBMITTED)
    any_shop.desk.postpone(later.id, later.version, any_shop.clock() + timedelta(hours=2), "", Hindrance.CUSTOMER)
    any_shop.desk.postpone(sooner.id, sooner.version, any_shop.clock() + timedelta(hours=1), "", Hindrance.CUSTOMER)
    assert found(any_shop, DUE) == [sooner.id, later.id]


def test_thousands_are_read_page_by_page(any_shop: Shop) -> None:
    """Each exactly once, also where instants are the same and pages end among them."""
    pile = [
        new_mail(
            MailKind.ISSUED, any_shop.alice, any_shop.clock() + timedelta(seconds=n // 70), "x.example", occasion=f"{n}"
        )
        for n in range(3000)
    ]
    for one in pile:
        one.status, one.hindrance = MailStatus.GIVEN_UP, Hindrance.REFUSED
    with any_shop.database.writing() as session:
        session.add_all(pile)
    read: list[str] = []
    after: Place | None = None
    with any_shop.database.reading() as session:
        while True:
            page = queries.entries(session, GIVEN_UP, (Kind.MAIL, Kind.PAY), Running({}), any_shop.clock(), after, 101)
            read += [one.key for one in page[:100]]
            if len(page) <= 100:
                break
            # As it travels in an address.
            after = Place.read(str(page[99].place))
            assert after == page[99].place
    assert len(read) == len(set(read)) == 3000


@pytest.mark.parametrize(
    "text", ["", "x", "1-", "-" + "0" * 32, "1-" + "g" * 32, "9" * 18 + "-" + "0" * 32, "١-" + "0" * 32]
)
def test_a_place_that_is_none_leads_to_the_first_page(shop: Shop, text: str) -> None:
    assert Place.read(text) is None
    certificate = failing(shop)
    page = shop.browser(shop.ada).get("/outbox", query_string={"after": text})
    assert row_of(page, certificate.id) is not None


# The page


@pytest.mark.parametrize("name", ["alice", "rita"])
def test_it_is_for_administrators_alone(shop: Shop, name: str) -> None:
    certificate, refused = failing(shop), given_up(shop)
    browser = shop.browser(getattr(shop, name))
    assert "Outbox" not in browser.get("/certificates").words
    browser.get("/outbox", 403)
    browser.post(f"/outbox/work/{certificate.id}/retry", {"reason": WHY, "version": certificate.version}, 403)
    browser.post(f"/outbox/mails/{refused.id}/retry", {"reason": WHY}, 403)
    browser.post(f"/outbox/mails/{refused.id}/drop", {"reason": WHY}, 403)
    browser.post("/outbox/retry-all?standing=failing&kind=issue", {"reason": WHY}, 403)
    assert shop.get(certificate.id) == certificate
    assert shop.find(Mail, refused.id) == refused
    assert (shop.browser().get("/outbox", 303).location or "").startswith("/sign-in")


def test_an_empty_outbox_teaches(shop: Shop) -> None:
    browser = shop.browser(shop.ada)
    assert "Nothing fails" in browser.get("/outbox").words
    assert "Nothing was given up" in browser.get("/outbox?standing=given_up").words
    assert "Nothing is running" in browser.get("/outbox?standing=running").words
    assert "Nothing is due" in browser.get("/outbox?standing=due").words
    assert "Nothing fails" in browser.get("/outbox?standing=nonsense&kind=nonsense").words


def test_an_entry_says_what_for_whom_since_when_how_often_and_when_next(shop: Shop) -> None:
    certificate = failing(shop, State.REFUND_APPROVED)
    refund = shop.refund_of(certificate)
    shop.clock.advance(days=3)
    with shop.database.writing() as session:
        values = {"attempts": 41, "due_at": shop.clock() + timedelta(minutes=4)}
        session.exec(update(Certificate).where(col(Certificate.id) == certificate.id).values(**values))
    page = shop.browser(shop.ada).get("/outbox")
    row = row_of(page, certificate.id)
    told = words_of(row)
    assert "Pay the refund back" in told
    assert f"268.00 CNY for www.example.com, refund {refund.number} · Alice" in told
    assert f"/refunds/{refund.id}" in [node.get("href") for node in row.iter("a")]
    assert "It is asked what became of the money before anything is sent again." in told
    assert "Failing since 4 May 2026, 17:00 CST (3 days ago). Tried 41 times." in told
    assert "Next try 7 May 2026, 17:04 CST (in 4 minutes)." in told
    (folded,) = [node for node in row.iter("details") if (node.get("id") or "").startswith("detail-")]
    assert "ConnectionResetError: [Errno 104]" in words_of(folded)
    assert page.words.count("ConnectionResetError") == 1
    assert "Failing 1" in page.words
    assert "Payments 1" in page.words
    assert "Outbox 1" in page.words


@pytest.mark.parametrize("state", WORK_DUE_IN, ids=lambda state: state.value)
@pytest.mark.parametrize("hindrance", [None, *Hindrance])
def test_every_hindrance_of_every_work_is_said_in_words(shop: Shop, state: State, hindrance: Hindrance | None) -> None:
    certificate = owing(shop, state)
    shop.desk.postpone(certificate.id, certificate.version, shop.clock(), "E_SOMETHING", hindrance)
    standing = FAILING if hindrance and hindrance.is_failure else DUE
    page = shop.browser(shop.ada).get(f"/outbox?standing={standing}&kind={WORK_DUE_IN[state]}")
    told = words_of(row_of(page, certificate.id))
    assert str(WORK[WORK_DUE_IN[state]]) in told
    assert str(hindered(WORK_DUE_IN[state], hindrance)) in told


@pytest.mark.parametrize("hindrance", [None, *Hindrance])
def test_so_is_every_hindrance_of_a_mail(shop: Shop, hindrance: Hindrance | None) -> None:
    row = mail(shop, hindrance=hindrance, due_at=shop.clock() + timedelta(hours=1), attempts=1)
    page = shop.browser(shop.ada).get(f"/outbox?standing={FAILING if hindrance else DUE}&kind=mail")
    told = words_of(row_of(page, row.id))
    assert str(mail_hindered(hindrance)) in told
    assert "Tried once. Next try 4 May 2026, 18:00 CST (in 1 hour)." in told


@pytest.mark.parametrize("kind", list(MailKind))
def test_every_mail_says_what_for_and_to_whom(shop: Shop, kind: MailKind) -> None:
    certificate = shop.certificate_in(State.REFUNDED)
    refund = shop.refund_of(certificate)
    plain = given_up(shop, kind=kind, subject="3 reviews are overdue")
    about = given_up(shop, kind=kind, certificate_id=certificate.id)
    money = given_up(shop, kind=kind, certificate_id=certificate.id, refund_id=refund.id)
    page = shop.browser(shop.ada).get("/outbox?standing=given_up")
    for row in (plain, about, money):
        told = words_of(row_of(page, row.id))
        assert str(MAILS[kind]) in told
        assert "Alice <alice@example.com>" in told
        assert "It is not tried any more." in told
    assert "3 reviews are overdue" in words_of(row_of(page, plain.id))
    assert f"/certificates/{certificate.id}" in [node.get("href") for node in row_of(page, about.id).iter("a")]
    assert f"/refunds/{refund.id}" in [node.get("href") for node in row_of(page, money.id).iter("a")]


def test_what_runs_says_since_when_and_where_and_needs_no_button(shop: Shop) -> None:
    certificate = owing(shop, State.VERIFIED)
    shop.desk.work = queue = Queue()
    queue.attempts = [Attempt("issue", certificate.id, shop.clock(), "worker-7")]
    sent = mail(shop, claimed_at=shop.clock(), due_at=shop.clock() + timedelta(minutes=15), attempts=1)
    page = shop.browser(shop.ada).get("/outbox?standing=running")
    assert "Being tried since 4 May 2026, 17:00 CST by worker-7." in words_of(row_of(page, certificate.id))
    assert "Being sent since 4 May 2026, 17:00 CST." in words_of(row_of(page, sent.id))
    assert button(page, "Retry now") is None
    # An attempt that has not ended for a quarter of an hour is not believed any more.
    shop.clock.advance(minutes=15)
    assert rows(shop.browser(shop.ada).get("/outbox?standing=running")) == []


def test_a_revocation_past_its_24_hours_stands_out(shop: Shop) -> None:
    certificate = failing(shop, State.REVOKING)
    shop.clock.advance(hours=24)
    assert "24 hours" not in words_of(row_of(shop.browser(shop.ada).get("/outbox"), certificate.id))
    shop.clock.advance(seconds=1)
    told = words_of(row_of(shop.browser(shop.ada).get("/outbox"), certificate.id))
    assert "must revoke within 24 hours; they were over on 5 May 2026, 17:00 CST." in told


def test_work_that_nobody_takes_up_shows_that_no_worker_runs(shop: Shop) -> None:
    owing(shop, State.VERIFIED)
    shop.clock.advance(seconds=119)
    assert "Nobody is at work" not in shop.browser(shop.ada).get("/outbox").words
    shop.clock.advance(seconds=1)
    told = shop.browser(shop.ada).get("/outbox").words
    assert "Nobody is at work Work has been due since 4 May 2026, 17:00 CST" in told


def test_tabs_count_and_filters_keep_each_other(shop: Shop) -> None:
    failing(shop, State.VERIFIED)
    failing(shop, State.REVOKING)
    given_up(shop)
    browser = shop.browser(shop.ada)
    page = browser.get("/outbox")
    assert "Failing 2 Given up 1 Running 0 Due 0" in page.words
    assert "Everything 2 Domain checks 0 Issuing 1 Revoking 1 Payments 0 Mails 0" in page.words
    assert "/outbox?standing=failing&kind=issue" in links(page)
    issuing = browser.get("/outbox?standing=failing&kind=issue")
    assert len(rows(issuing)) == 1
    assert "Failing 1 Given up 0 Running 0 Due 0" in issuing.words
    assert "/outbox?standing=due&kind=issue" in links(issuing)
    # What fails and what was given up together stand in the navigation.
    assert "Outbox 3" in page.words


def test_many_entries_have_pages(shop: Shop) -> None:
    for _ in range(PAGE_SIZE + 1):
        shop.clock.advance(seconds=1)
        last = given_up(shop)
    browser = shop.browser(shop.ada)
    first = browser.get("/outbox?standing=given_up&kind=mail")
    assert len(rows(first)) == PAGE_SIZE
    (following,) = [node.get("href") for node in first.tree.iter("a") if node.get("rel") == "next"]
    second = browser.get(following)
    assert [node.get("id") for node in rows(second)] == [f"mail-{last.id}"]
    assert "/outbox?standing=given_up&kind=mail" in links(second)
    # A decision leads back to the page on which it was made.
    url, hidden = form_of(second, last.id)
    assert browser.post(url, hidden | {"reason": WHY}).location == following


def test_it_changes_by_itself(shop: Shop) -> None:
    browser = shop.browser(shop.ada)
    page = browser.get("/outbox?kind=issue")
    box = next(node for node in page.tree.iter() if node.get("id") == "outbox")
    assert "sse:change" in box.get("hx-trigger")
    # What only fails leaves no trace in the history, so it is looked for as well.
    assert (box.get("data-live-every"), "desk:pulse" in box.get("hx-trigger")) == ("10", True)
    certificate = failing(shop)
    fragment = browser.get(box.get("hx-get"), htmx=True)
    assert fragment.text.lstrip().startswith("<div")
    assert row_of(fragment, certificate.id) is not None
    again = browser.client.get(
        box.get("hx-get"), headers={"HX-Request": "true", "If-None-Match": fragment.response.headers["ETag"]}
    )
    assert again.status_code == 304


def test_what_is_done_between_two_looks_is_left_out(shop: Shop) -> None:
    """It was found as failing, and is issued when it is read."""
    certificate = failing(shop)
    with shop.database.reading() as session:
        (entry,) = queries.entries(session, FAILING, tuple(Kind), Running({}), shop.clock())
    assert entry.key == certificate.id
    shop.fire(certificate, Event.ISSUE)
    assert rows(shop.browser(shop.ada).get("/outbox")) == []


# Trying again


def test_a_retry_is_due_at_once_and_stands_in_the_history(shop: Shop) -> None:
    certificate = failing(shop)
    shop.clock.advance(hours=1)
    shop.desk.work = queue = Queue()
    browser = shop.browser(shop.ada)
    page = browser.get("/outbox?kind=issue")
    answer = press(browser, page, certificate.id)
    assert answer.location == "/outbox?standing=failing&kind=issue"
    told = browser.follow(answer)
    assert "It is tried again now." in told.words
    assert f"Ada had it tried again on 4 May 2026, 18:00 CST: “{WHY}”" in words_of(row_of(told, certificate.id))
    assert len(queue.keys) == 1
    row = shop.history(certificate)[-1]
    assert (row.event, row.actor_name, row.reason, row.address) == ("retry", "Ada", WHY, "127.0.0.1")
    # Those who decide read it there; the customer reads that, and not why.
    details = f"/certificates/{certificate.id}"
    assert WHY in shop.browser(shop.rita).get(details).words
    customer = shop.browser(shop.alice).get(details).words
    assert "Tried again by hand" in customer
    assert WHY not in customer


def test_the_reason_for_an_earlier_piece_of_work_is_not_told_of_this_one(shop: Shop) -> None:
    certificate = failing(shop)
    shop.desk.retry(certificate.id, By(shop.ada.actor, Channel.WEB), WHY, version=certificate.version)
    shop.clock.advance(minutes=1)
    shop.fire(shop.get(certificate.id), Event.ISSUE)
    shop.fire(shop.get(certificate.id), Event.REVOKE)
    page = shop.browser(shop.ada).get("/outbox?standing=due")
    assert WHY not in words_of(row_of(page, certificate.id))


@pytest.mark.parametrize("reason", ["", "   \n", "x" * 501])
def test_a_retry_needs_a_reason_of_reasonable_length(shop: Shop, reason: str) -> None:
    certificate = failing(shop)
    browser = shop.browser(shop.ada)
    page = press(browser, browser.get("/outbox"), certificate.id, reason, 422)
    row = row_of(page, certificate.id)
    (form,) = [node for node in row.iter("details") if (node.get("id") or "").startswith("act-")]
    assert form.get("open") is not None
    assert ("Say why" in words_of(form)) == (not reason.strip())
    assert ("too long" in words_of(form)) == bool(reason.strip())
    assert shop.get(certificate.id) == certificate


def test_what_was_typed_is_kept_where_the_entry_is_gone(shop: Shop) -> None:
    certificate = failing(shop)
    browser = shop.browser(shop.ada)
    page = browser.get("/outbox")
    shop.fire(certificate, Event.ISSUE)
    long = "words that took a while " * 30
    answer = press(browser, page, certificate.id, long, 422)
    assert "The entry is no longer on this page" in answer.words
    assert "words that took a while" in answer.words


def test_a_button_pressed_twice_retries_once(shop: Shop) -> None:
    certificate = failing(shop)
    browser = shop.browser(shop.ada)
    page = browser.get("/outbox")
    for _ in range(2):
        assert "It is tried again now." in browser.follow(press(browser, page, certificate.id)).words
    assert [row.event for row in shop.history(certificate)].count("retry") == 1


def test_whoever_comes_second_is_told_who_was_first(shop: Shop) -> None:
    certificate = failing(shop)
    other = shop.account("ben", shop.ada.role)
    browser, page = shop.browser(other), shop.browser(other).get("/outbox")
    press(shop.browser(shop.ada), shop.browser(shop.ada).get("/outbox"), certificate.id)
    told = browser.follow(press(browser, page, certificate.id)).words
    assert "Ada had it tried again already, on 4 May 2026, 17:00 CST." in told


@pytest.mark.parametrize("moved", ["issued", "rests"])
def test_what_has_moved_on_is_left_alone(shop: Shop, moved: str) -> None:
    certificate = failing(shop, State.VERIFIED if moved == "issued" else State.SUBMITTED)
    browser = shop.browser(shop.ada)
    page = browser.get("/outbox")
    if moved == "issued":
        shop.fire(certificate, Event.ISSUE)
    else:
        shop.desk.rest(certificate.id, certificate.version)
    before = shop.get(certificate.id)
    told = browser.follow(press(browser, page, certificate.id)).words
    expected = "It has moved on since the page was made" if moved == "issued" else "Nothing is due any more"
    assert expected in told
    assert shop.get(certificate.id) == before


def test_with_htmx_it_leads_back_as_well(shop: Shop) -> None:
    certificate = failing(shop)
    browser = shop.browser(shop.ada)
    url, hidden = form_of(browser.get("/outbox"), certificate.id)
    assert browser.post(url, hidden | {"reason": WHY}, 204, htmx=True).location == "/outbox?standing=failing"


def test_something_unknown_is_not_found(shop: Shop) -> None:
    browser = shop.browser(shop.ada)
    browser.post(f"/outbox/work/{'0' * 32}/retry", {"reason": WHY, "version": 1}, 404)
    browser.post(f"/outbox/mails/{'0' * 32}/retry", {"reason": WHY}, 404)
    browser.post(f"/outbox/mails/{'0' * 32}/drop", {"reason": WHY}, 404)


def test_a_mail_that_was_given_up_leaves_after_all(shop: Shop) -> None:
    post = MailShop(shop)
    shop.certificate_in(State.FAILED)
    post.office.plan()
    row = post.last()
    with shop.database.writing() as session:
        values = {"status": MailStatus.GIVEN_UP, "hindrance": Hindrance.REFUSED, "attempts": 9, "error": "550 Gone."}
        session.exec(update(Mail).where(col(Mail.id) == row.id).values(**values))
    browser = shop.browser(shop.ada)
    answer = press(browser, browser.get("/outbox?standing=given_up"), row.id)
    assert "It is sent again now." in browser.follow(answer).words
    post.office.work()
    sent = post.last()
    assert (sent.status, sent.message_id, sent.attempts) == (MailStatus.SENT, row.message_id, 10)
    with shop.database.reading() as session:
        (decision,) = session.exec(select(MailDecision)).all()
    assert (decision.act, decision.reason, decision.actor_name, decision.attempts) == (MailAct.RETRY, WHY, "Ada", 9)


def test_a_mail_that_was_given_up_can_be_let_be(shop: Shop) -> None:
    row = given_up(shop)
    browser = shop.browser(shop.ada)
    page = browser.get("/outbox?standing=given_up")
    drop = next(node.get("formaction") for node in row_of(page, row.id).iter("button") if node.get("formaction"))
    told = browser.follow(browser.post(drop, {"reason": "The account is closed."}))
    assert "The mail is not owed any more." in told.words
    assert rows(told) == []
    assert shop.find(Mail, row.id).status == MailStatus.SUPPRESSED
    again = browser.follow(browser.post(drop, {"reason": "The account is closed."}))
    assert "It has left by now, or is not to leave any more" in again.words
    browser.post(drop, {"reason": ""}, 422)


# Many at once


def test_all_that_fail_of_a_kind_are_tried_again_with_a_result_for_each(shop: Shop) -> None:
    shop.desk.work = queue = Queue()
    mine = [failing(shop) for _ in range(3)]
    busy = failing(shop)
    queue.attempts = [Attempt("issue", busy.id, shop.clock(), "worker-1")]
    other = failing(shop, State.REVOKING)
    queue.keys.clear()
    browser = shop.browser(shop.ada)
    assert button(browser.get("/outbox"), "Try all of them again") is None
    page = browser.get("/outbox?kind=issue")
    assert button(page, "Try all of them again") is not None
    result = browser.post("/outbox/retry-all?standing=failing&kind=issue", {"reason": WHY}, 200)
    assert "Tried again now: 3 of 3." in result.words
    assert result.words.count("It is tried again now.") == 3
    for certificate in mine:
        assert f"/certificates/{certificate.id}" in links(result)
        assert shop.history(certificate)[-1].reason == WHY
    assert len(queue.keys) == 3
    assert shop.get(busy.id) == busy
    assert shop.get(other.id) == other


def test_one_that_does_not_let_itself_does_not_stop_the_rest(shop: Shop) -> None:
    certificates = [failing(shop) for _ in range(3)]

    class Meanwhile(Queue):
        """A reviewer's and a worker's doings fall between the reading and the retry of the second and the third."""

        def enqueue(self, session: Session, kind: str, certificate_id: str, key: str) -> None:
            super().enqueue(session, kind, certificate_id, key)
            others = [one.id for one in certificates if one.id != certificate_id]
            for version, other in enumerate(others, 1):
                gone = {"due_at": None} if version == 1 else {"version": Certificate.version + 1}
                session.exec(update(Certificate).where(col(Certificate.id) == other).values(**gone))

    shop.desk.work = Meanwhile()
    result = shop.browser(shop.ada).post("/outbox/retry-all?standing=failing&kind=issue", {"reason": WHY}, 200)
    assert "Tried again now: 1 of 3." in result.words
    assert "Nothing is due any more" in result.words
    assert "It has moved on since the page was made" in result.words


def test_very_many_are_taken_in_turns(shop: Shop) -> None:
    for _ in range(AT_ONCE + 2):
        given_up(shop)
    browser = shop.browser(shop.ada)
    first = browser.post("/outbox/retry-all?standing=given_up&kind=mail", {"reason": WHY}, 200)
    assert f"Tried again now: {AT_ONCE} of {AT_ONCE}." in first.words
    (rest,) = [node.get("action") for node in first.tree.iter("form") if "after=" in (node.get("action") or "")]
    assert first.field("reason") == WHY
    second = browser.post(rest, {"reason": WHY}, 200)
    assert "Tried again now: 2 of 2." in second.words
    third = browser.post(rest, {"reason": WHY}, 200)
    assert "Nothing was left to try again" in third.words


def test_many_at_once_need_a_kind_and_a_reason(shop: Shop) -> None:
    certificate = failing(shop)
    failing(shop)
    browser = shop.browser(shop.ada)
    assert browser.post("/outbox/retry-all?standing=failing", {"reason": WHY}).location == "/outbox?standing=failing"
    browser.post("/outbox/retry-all?standing=due&kind=issue", {"reason": WHY}, 303)
    page = browser.post("/outbox/retry-all?standing=failing&kind=issue", {"reason": ""}, 422)
    (opened,) = [node for node in page.tree.iter("details") if node.get("id") == "together"]
    assert opened.get("open") is not None
    assert "Say why" in words_of(opened)
    assert shop.get(certificate.id) == certificate
