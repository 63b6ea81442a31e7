"""Separate rights to decide and to send money: at the door, on the pages, many at once, and when one is taken."""

from collections.abc import Callable
from dataclasses import replace
from threading import Barrier, Thread

import pytest
import sqlalchemy as sa
from pages import refusal
from review_support import decide, element, text_of, url_of
from shop import Shop
from sqlmodel import col, select, update

from certlifecycle import PRESETS, Event, EventRefused, Right, Role, State
from webapp.accounts.models import Account
from webapp.audit.models import AuditEvent, AuditKind
from webapp.certificates.models import Certificate, Channel
from webapp.desk import By
from webapp.errors import Forbidden
from webapp.people.changing import ChangedMeanwhile, Standing, change
from webapp.review.many import Act, Chosen, Ending, Order, run_many

LOOK = "You may look at cases, but not decide them. Somebody with the right to decide does; administrators give it."
NOT_YET = "You may send money, but not decide. Once somebody with the right to decide approved, it is your turn."
WAITS = "It is approved once. The second approval sends the money, so somebody with the right to send money gives it."


def allow(shop: Shop, who: Account, *rights: Right) -> Account:
    """Leave somebody these rights and no others."""
    values = {"may_decide": Right.DECIDE in rights, "may_pay": Right.PAY in rights}
    with shop.database.writing() as session:
        session.exec(update(Account).where(col(Account.id) == who.id).values(**values))
    return shop.find(Account, who.id)


def why_not(shop: Shop, certificate: Certificate, event: Event, who: Account) -> list[str]:
    with pytest.raises(EventRefused) as refused:
        shop.fire(certificate, event, who)
    return [str(one.sentence) for one in refused.value.permission.refusals]


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (State.SUBMITTED, Event.VERIFY),
        (State.SUBMITTED, Event.FAIL_VERIFICATION),
        (State.REFUND_REQUESTED, Event.REJECT_REFUND),
        (State.REFUND_REQUESTED, Event.APPROVE_REFUND),
        (State.ISSUED, Event.REVOKE),
    ],
)
def test_whoever_has_no_right_only_looks(shop: Shop, state: State, event: Event) -> None:
    robin = allow(shop, shop.robin)
    assert why_not(shop, shop.certificate_in(state), event, robin) == [LOOK]


def test_whoever_only_pays_waits_for_a_judgement_and_then_sends_the_money(any_shop: Shop) -> None:
    shop = any_shop
    dora, pia = allow(shop, shop.rita, Right.DECIDE), allow(shop, shop.robin, Right.PAY)
    certificate = shop.certificate_in(State.REFUND_REQUESTED)

    assert why_not(shop, certificate, Event.APPROVE_REFUND, pia) == [NOT_YET]
    assert shop.fire(certificate, Event.APPROVE_REFUND, dora).state == State.REFUND_REQUESTED
    assert shop.fire(certificate, Event.APPROVE_REFUND, pia).state == State.REFUND_APPROVED


def test_the_approval_of_one_who_may_pay_and_the_judgement_of_another_make_two(open_shop, sqlite_url) -> None:
    shop = open_shop(sqlite_url, policy=replace(PRESETS["30-days-from-issue"], two_reviewers_above_minor=100))
    dora = allow(shop, shop.robin, Right.DECIDE)
    certificate = shop.certificate_in(State.REFUND_REQUESTED)

    shop.fire(certificate, Event.APPROVE_REFUND, shop.rita)
    assert shop.fire(certificate, Event.APPROVE_REFUND, dora).state == State.REFUND_APPROVED


def test_two_who_only_judge_send_no_money(shop: Shop) -> None:
    dora, doris = allow(shop, shop.rita, Right.DECIDE), allow(shop, shop.robin, Right.DECIDE)
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    shop.fire(certificate, Event.APPROVE_REFUND, dora)

    assert why_not(shop, certificate, Event.APPROVE_REFUND, doris) == [WAITS]
    assert why_not(shop, certificate, Event.APPROVE_REFUND, dora) == [
        "You have approved it already; somebody with the right to send money gives the second approval."
    ]
    page = shop.browser(doris).get(url_of(certificate))
    assert refusal(page, "Approve the refund") == WAITS
    assert "Waits for who sends money" in shop.browser(doris).get("/review").words


def test_the_pages_say_it_before_and_afterwards(shop: Shop) -> None:
    dora, looks = allow(shop, shop.rita, Right.DECIDE), allow(shop, shop.robin)
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    page = shop.browser(looks).get(url_of(certificate))
    assert [refusal(page, one) for one in ("Approve the refund", "Refuse the refund")] == [LOOK, LOOK]
    refused = decide(shop.browser(looks), certificate, "approve", 409)
    assert LOOK in refused.words

    browser = shop.browser(dora)
    decision = text_of(element(browser.get(url_of(certificate)), "decision"))
    assert "Your approval is the first; somebody who may gives the second." in decision
    decide(browser, certificate, "approve")
    assert "Approved by you" in text_of(element(browser.get(url_of(certificate)), "decision"))
    other = text_of(element(shop.browser(shop.ada).get(url_of(certificate)), "decision"))
    assert "Approved by Rita" in other
    assert "the second approval sends the money" in other


def test_many_at_once_obey_the_same_rights(shop: Shop) -> None:
    dora, looks = allow(shop, shop.rita, Right.DECIDE), allow(shop, shop.robin)
    one = shop.certificate_in(State.REFUND_REQUESTED)
    chosen = f"case={one.id}:{one.version}"
    page = shop.browser(dora).get(f"/review/many?do=approve&{chosen}")
    assert "Your approval is the first" in page.words
    assert LOOK in shop.browser(looks).get(f"/review/many?do=approve&{chosen}").words

    with shop.app.test_request_context():
        for who, ending in ((looks, Ending.RULE), (dora, Ending.FIRST)):
            (result,) = run_many(
                shop.desk, Order(Act.APPROVE, By(who.actor, Channel.WEB)), [Chosen(one.id, one.version)]
            )
            assert result.ending is ending
        assert result.words == "Your approval is recorded. Somebody who may send money gives the second approval."


# A right that is taken


def test_the_door_asks_for_the_rights_of_this_moment_and_not_of_the_page(any_shop: Shop) -> None:
    shop = any_shop
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    stale = By(shop.rita.actor, Channel.WEB)
    allow(shop, shop.rita)
    with pytest.raises(EventRefused, match="You may look at cases"):
        shop.desk.fire(certificate.id, Event.APPROVE_REFUND, stale)


@pytest.mark.parametrize("values", [{"role": Role.CUSTOMER}, {"disabled_at": "now"}])
def test_whoever_is_no_reviewer_any_more_decides_nothing(shop: Shop, values: dict[str, object]) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    values = {name: shop.clock() if value == "now" else value for name, value in values.items()}
    with shop.database.writing() as session:
        session.exec(update(Account).where(col(Account.id) == shop.rita.id).values(**values))
    with pytest.raises(EventRefused):
        shop.desk.fire(certificate.id, Event.VERIFY, By(shop.rita.actor, Channel.WEB))


def test_a_right_that_is_taken_while_it_is_used(any_shop: Shop) -> None:
    """Either the approval was first and stands, or the right was taken first and nothing is approved."""
    shop = any_shop
    for turn in range(4):
        certificate = shop.certificate_in(State.REFUND_REQUESTED, domain=f"race-{turn}.example.com")
        standing = Standing(Role.REVIEWER, may_decide=True, may_pay=True)
        start, refused = Barrier(2), []

        def approve(one: Certificate = certificate, start: Barrier = start, refused: list[object] = refused) -> None:
            start.wait()
            try:
                shop.desk.fire(one.id, Event.APPROVE_REFUND, By(shop.rita.actor, Channel.WEB))
            except EventRefused as late:
                refused.append(late)

        def take(start: Barrier = start, standing: Standing = standing) -> None:
            start.wait()
            wanted = replace(standing, may_decide=False, may_pay=False)
            change(shop.desk, By(shop.ada.actor, Channel.WEB), shop.rita.id, str(standing), wanted, "She left.")

        threads = [Thread(target=approve), Thread(target=take)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()

        state = shop.get(certificate.id).state
        assert state == (State.REFUND_REQUESTED if refused else State.REFUND_APPROVED)
        allow(shop, shop.rita, *Right)


def test_nobody_takes_a_right_in_the_middle_of_its_use(any_shop: Shop) -> None:
    shop = any_shop
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    standing = Standing(Role.REVIEWER, may_decide=True, may_pay=True)
    wanted = replace(standing, may_pay=False)
    ada = By(shop.ada.actor, Channel.WEB)
    taking = Thread(target=lambda: change(shop.desk, ada, shop.rita.id, str(standing), wanted, "Why not."))
    seen: list[bool] = []

    def meanwhile(_session: object, _certificate: Certificate) -> None:
        taking.start()
        taking.join(0.3)
        seen.append(shop.find(Account, shop.rita.id).may_pay)

    shop.desk.fire(certificate.id, Event.APPROVE_REFUND, By(shop.rita.actor, Channel.WEB), also=meanwhile)
    taking.join()
    assert seen == [True], "whoever takes the right waits until it has been used"
    assert shop.find(Account, shop.rita.id).may_pay is False


# The page for people


def test_the_list_says_who_may_do_what(shop: Shop) -> None:
    allow(shop, shop.robin, Right.DECIDE)
    page = shop.browser(shop.ada).get("/people")
    rows = [text_of(row) for row in page.tree.iter("tr")]
    (robin,), (rita,) = ([row for row in rows if row.startswith(name)] for name in ("Robin", "Rita"))
    assert ("Decides" in robin, "Sends money" in robin) == (True, False)
    assert ("Decides" in rita, "Sends money" in rita) == (True, True)
    assert not [row for row in rows if row.startswith("Alice")]


def test_an_address_leads_to_somebody_who_is_not_on_the_list(shop: Shop) -> None:
    browser = shop.browser(shop.ada)
    assert browser.get("/people?email=ALICE@example.com", 303).location == f"/people/{shop.alice.id}"
    assert "There is no account for nobody@example.com" in browser.get("/people?email=nobody@example.com", 404).words
    browser.get(f"/people/{'0' * 32}", 404)


def standing_form(shop: Shop, who: Account, **changes: str) -> dict[str, str]:
    given = Standing.of(shop.find(Account, who.id))
    data = {"was": str(given), "role": given.role.value, "may_decide": "y", "may_pay": "y", "reason": "New duties."}
    return {name: value for name, value in (data | changes).items() if value}


def test_a_change_takes_effect_at_once_and_stands_in_the_trail(shop: Shop) -> None:
    browser, rita = shop.browser(shop.ada), shop.browser(shop.rita)
    certificate = shop.certificate_in(State.SUBMITTED)
    browser.post(f"/people/{shop.rita.id}", standing_form(shop, shop.rita, may_decide=""))

    assert refusal(rita.get(url_of(certificate)), "Verify") == LOOK
    decide(rita, certificate, "verify", 409)
    trail = browser.get("/audit?what=rights_changed").words
    assert "Role or rights changed" in trail
    assert "New duties." in trail
    assert "rita@example.com" in trail


def test_another_role_ends_every_session(shop: Shop) -> None:
    browser, rita = shop.browser(shop.ada), shop.browser(shop.rita)
    browser.post(f"/people/{shop.rita.id}", standing_form(shop, shop.rita, role="customer"))
    assert rita.get("/review", 303).location.startswith("/sign-in")
    assert shop.find(Account, shop.rita.id).role == Role.CUSTOMER


def test_nobody_changes_their_own_rights(shop: Shop) -> None:
    browser = shop.browser(shop.ada)
    page = browser.get(f"/people/{shop.ada.id}")
    assert "Nobody changes their own role and rights." in page.words
    refused = browser.post(f"/people/{shop.ada.id}", standing_form(shop, shop.ada, role="reviewer"), 403)
    assert "Nobody changes their own role and rights." in refused.words
    assert shop.find(Account, shop.ada.id).role == Role.ADMIN


def test_a_change_needs_a_reason_and_keeps_what_was_chosen(shop: Shop) -> None:
    page = shop.browser(shop.ada).post(f"/people/{shop.rita.id}", standing_form(shop, shop.rita, reason=""), 422)
    assert "Say why." in page.words
    assert page.field("was") == "reviewer-11"


def test_two_who_change_the_same_person_do_not_overwrite_each_other(shop: Shop) -> None:
    browser = shop.browser(shop.ada)
    stale = standing_form(shop, shop.rita, may_pay="")
    allow(shop, shop.rita, Right.PAY)
    page = browser.post(f"/people/{shop.rita.id}", stale, 409)
    assert "Somebody else has changed this person’s role or rights" in page.words
    assert page.field("was") == "reviewer-01"


def test_two_administrators_who_demote_each_other_leave_one(any_shop: Shop) -> None:
    shop = any_shop
    for turn in range(3):
        eve = shop.account(f"eve{turn}", Role.ADMIN)
        with shop.database.writing() as session:
            session.exec(update(Account).where(col(Account.id) == shop.ada.id).values(role=Role.ADMIN))
        start, refused = Barrier(2), []

        def demote(who: Account, other: Account, start: Barrier = start, refused: list[str] = refused) -> None:
            start.wait()
            was = Standing(Role.ADMIN, may_decide=True, may_pay=True)
            try:
                change(shop.desk, By(who.actor, Channel.WEB), other.id, str(was), replace(was, role=Role.REVIEWER), "x")
            except Forbidden:
                refused.append(who.name)

        threads = [Thread(target=lambda a=a, b=b: demote(a, b)) for a, b in ((shop.ada, eve), (eve, shop.ada))]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        roles = {shop.find(Account, one.id).role for one in (shop.ada, eve)}
        assert (len(refused), roles) == (1, {Role.ADMIN, Role.REVIEWER})
        with shop.database.writing() as session:
            session.exec(update(Account).where(col(Account.id) == eve.id).values(role=Role.CUSTOMER))


def test_what_another_way_changes_at_the_same_instant_is_not_written_over(
    postgres_url: str, open_shop: Callable[..., Shop]
) -> None:
    """A sign-in through the organisation changes roles without waiting for administrators. On SQLite all wait."""
    shop = open_shop(postgres_url)
    elsewhere = sa.create_engine(postgres_url)
    others: list[str] = []

    @sa.event.listens_for(shop.database.engine, "before_cursor_execute")
    def meanwhile(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if statement.startswith("UPDATE account SET") and not others:
            others.append(statement)
            with elsewhere.begin() as connection:
                connection.execute(sa.text("UPDATE account SET role = 'customer' WHERE id = :id"), {"id": shop.rita.id})

    by, wanted = By(shop.ada.actor, Channel.WEB), Standing(Role.REVIEWER, may_decide=True, may_pay=False)
    with pytest.raises(ChangedMeanwhile):
        change(shop.desk, by, shop.rita.id, str(Standing.of(shop.rita)), wanted, "A trial.")
    elsewhere.dispose()
    assert others
    with shop.database.reading() as session:
        told = session.exec(select(AuditEvent).where(AuditEvent.kind == AuditKind.RIGHTS_CHANGED)).all()
    assert told == []
    assert shop.find(Account, shop.rita.id).role == Role.CUSTOMER
