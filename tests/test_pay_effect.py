"""Paying a refund: intended before it is sent, asked for when unknown, never twice, and truthfully told."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from fakes import Mood, Provider, breaks_off, loses_the_answer, never_hears, pays, refuses, takes_its_time
from money_support import assert_books_balance, at_once, waiting_for_locks
from processes import eventually
from shop import Shop
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col, select, update

from certlifecycle import Event, Money, State
from webapp.certificates.models import Certificate, Channel, PaymentMethod, Purchase
from webapp.desk import File
from webapp.effects import Effects
from webapp.payments.bank_accounts import BankAccount, store
from webapp.payments.destination import Destination, destination, label_of
from webapp.payments.ledger import balance, wallet
from webapp.payments.models import Payout, PayoutStatus
from webapp.payments.port import Answer, Failed, PaymentGateway, PayoutOrder, Pending, Succeeded, Unknown
from webapp.recording import Payment
from webapp.refunds.models import Outcome

ALIPAY, BALANCE = PaymentMethod.ALIPAY, PaymentMethod.BALANCE
INTENDED, SENT, UNKNOWN = PayoutStatus.INTENDED, PayoutStatus.SENT, PayoutStatus.UNKNOWN
CONFIRMED, REFUSED = PayoutStatus.CONFIRMED, PayoutStatus.REFUSED
STILL_ON_ITS_WAY = "The payment provider does not know the order yet; it may still be on its way."


def approved(shop: Shop, method: PaymentMethod = ALIPAY) -> Certificate:
    """A certificate whose refund was approved, to be paid to the account that paid for it."""
    shop.desk.payable = frozenset({BALANCE, ALIPAY})
    return shop.certificate_in(State.REFUND_APPROVED, method=method, account="ending 88")


def effects_with(shop: Shop, *gateways: PaymentGateway) -> Effects:
    """The effects of a shop that is connected to these, besides its own balance."""
    connected = {**shop.parts.gateways, **{gateway.method: gateway for gateway in gateways}}
    return Effects(shop.desk, shop.parts.authority, connected)


def payouts(shop: Shop) -> list[Payout]:
    with shop.database.reading() as session:
        return list(session.exec(select(Payout).order_by(col(Payout.round), col(Payout.method))).all())


def told(shop: Shop) -> list[tuple[PaymentMethod, PayoutStatus]]:
    return [(PaymentMethod(one.method), PayoutStatus(one.status)) for one in payouts(shop)]


def on_balance(shop: Shop) -> int:
    with shop.database.reading() as session:
        assert_books_balance(session)
        return balance(session, wallet(shop.alice.id), "CNY").minor


# As it should be


def test_a_refund_to_the_balance_is_paid_at_once(any_shop: Shop) -> None:
    certificate = approved(any_shop, BALANCE)
    any_shop.clock.advance(seconds=3)
    any_shop.effects.run("pay", certificate.id)
    assert any_shop.get(certificate.id).state == State.REFUNDED
    (payout,) = payouts(any_shop)
    refund = any_shop.refund_of(certificate)
    assert (payout.status, payout.amount_minor, payout.currency) == (CONFIRMED, 26800, "CNY")
    assert (refund.outcome, refund.paid_at, refund.closed_at) == (
        Outcome.REFUNDED,
        any_shop.clock(),
        any_shop.clock(),
    )
    assert (refund.paid_to, refund.payout_reference) == ("your balance in this shop", payout.reference)
    assert on_balance(any_shop) == 26800
    purchase = any_shop.find(Purchase, certificate.purchase_id)
    assert purchase.refunded_minor == purchase.amount_minor
    row = any_shop.history(certificate)[-1]
    assert (row.event, row.actor_role, row.channel) == (Event.COMPLETE_REFUND, "system", Channel.WORKER)
    assert (row.facts["to"], row.facts["reference"]) == (refund.paid_to, refund.payout_reference)


def test_the_provider_is_told_what_it_needs(any_shop: Shop) -> None:
    certificate = approved(any_shop)
    orders: list[PayoutOrder] = []
    provider = Provider(pays, meanwhile=orders.append)
    effects_with(any_shop, provider).run("pay", certificate.id)
    refund = any_shop.refund_of(certificate)
    purchase = any_shop.find(Purchase, certificate.purchase_id)
    assert orders == [
        PayoutOrder(
            refund_no=refund.id,
            purchase_id=purchase.id,
            payment_reference=purchase.payment_reference,
            customer_id=any_shop.alice.id,
            amount=Money(26800, "CNY"),
            reason=f"Refund {refund.number} of order {purchase.number}",
        )
    ]
    assert refund.paid_to == "the Alipay account ending 88"
    assert on_balance(any_shop) == 0


def test_the_intent_is_written_before_anything_is_sent_and_nothing_is_locked_meanwhile(any_shop: Shop) -> None:
    certificate = approved(any_shop)
    seen: list[list[tuple[PaymentMethod, PayoutStatus]]] = []

    def look(order: PayoutOrder) -> None:
        seen.append(told(any_shop))
        # On SQLite a second writer would wait for ever for one that holds a transaction open.
        any_shop.give(any_shop.bob, 100)

    effects_with(any_shop, Provider(pays, meanwhile=look)).run("pay", certificate.id)
    assert seen == [[(ALIPAY, SENT)]]


@pytest.mark.parametrize("method", [ALIPAY, BALANCE])
def test_done_twice_or_by_several_at_once_it_pays_once(any_shop: Shop, method: PaymentMethod) -> None:
    certificate = approved(any_shop, method)
    provider = Provider(pays)
    effects = effects_with(any_shop, provider)
    at_once(*[lambda: effects.run("pay", certificate.id)] * 6)
    effects.run("pay", certificate.id)
    assert any_shop.get(certificate.id).state == State.REFUNDED
    assert told(any_shop) == [(method, CONFIRMED)]
    # Whoever comes while the first one waits may ask; one alone sends.
    assert provider.calls.count("refund") == (1 if method is ALIPAY else 0)
    assert on_balance(any_shop) == (0 if method is ALIPAY else 26800)
    assert [row.event for row in any_shop.history(certificate)].count(Event.COMPLETE_REFUND) == 1


def test_an_attempt_is_never_deleted(any_shop: Shop) -> None:
    any_shop.effects.run("pay", approved(any_shop, BALANCE).id)
    with pytest.raises(DBAPIError, match="payout is append-only"), any_shop.database.writing() as session:
        session.connection().exec_driver_sql("DELETE FROM payout")
    assert told(any_shop) == [(BALANCE, CONFIRMED)]


# Nobody knows


def assert_waiting(shop: Shop, certificate: Certificate, note: str) -> None:
    """The refund is approved and not paid; it is looked at again in half a minute, and the row says why."""
    waiting = shop.get(certificate.id)
    assert (waiting.state, waiting.version) == (State.REFUND_APPROVED, certificate.version)
    assert (waiting.due_at, waiting.work_error) == (shop.clock() + timedelta(seconds=30), note)


def test_an_answer_that_was_lost_is_asked_for_and_nothing_is_paid_twice(any_shop: Shop) -> None:
    certificate = approved(any_shop)
    provider = Provider(loses_the_answer)
    effects = effects_with(any_shop, provider)
    effects.run("pay", certificate.id)
    assert_waiting(any_shop, certificate, "There was no answer within 10 seconds.")
    (payout,) = payouts(any_shop)
    assert (payout.status, payout.detail) == (UNKNOWN, "There was no answer within 10 seconds.")

    any_shop.clock.advance(seconds=30)
    effects.run("pay", certificate.id)
    assert provider.calls == ["refund", "query"]
    refund = any_shop.refund_of(certificate)
    assert (refund.outcome, refund.payout_reference) == (Outcome.REFUNDED, f"P-{refund.id[:8]}")
    (payout,) = payouts(any_shop)
    assert (payout.status, payout.detail, payout.reference) == (CONFIRMED, None, f"P-{refund.id[:8]}")


def test_a_request_that_never_arrived_is_sent_again_once_it_cannot_be_on_its_way(any_shop: Shop) -> None:
    certificate = approved(any_shop)
    provider = Provider(never_hears, pays, in_flight=timedelta(seconds=40))
    effects = effects_with(any_shop, provider)
    effects.run("pay", certificate.id)
    any_shop.clock.advance(seconds=39)
    effects.run("pay", certificate.id)
    assert provider.calls == ["refund", "query"]
    assert_waiting(any_shop, certificate, STILL_ON_ITS_WAY)
    assert told(any_shop) == [(ALIPAY, UNKNOWN)]
    any_shop.clock.advance(seconds=1)
    effects.run("pay", certificate.id)
    assert provider.calls == ["refund", "query", "query", "refund"]
    assert any_shop.get(certificate.id).state == State.REFUNDED


def test_what_stays_unknown_is_never_paid_elsewhere(any_shop: Shop) -> None:
    certificate = approved(any_shop)
    provider = Provider(loses_the_answer)
    effects = effects_with(any_shop, provider)
    effects.run("pay", certificate.id)
    refund = any_shop.refund_of(certificate)
    provider.known[refund.id] = Unknown("The provider is being maintained.")
    for _ in range(3):
        any_shop.clock.advance(seconds=40)
        effects.run("pay", certificate.id)
        assert_waiting(any_shop, certificate, "The provider is being maintained.")
    assert provider.calls == ["refund", "query", "query", "query"]
    assert told(any_shop) == [(ALIPAY, UNKNOWN)]
    assert on_balance(any_shop) == 0


def test_a_provider_that_takes_its_time_is_waited_for(any_shop: Shop) -> None:
    certificate = approved(any_shop)
    provider = Provider(takes_its_time)
    effects = effects_with(any_shop, provider)
    note = "The payment provider has taken the order and has not finished yet."
    for _ in range(2):
        effects.run("pay", certificate.id)
        assert_waiting(any_shop, certificate, note)
        (payout,) = payouts(any_shop)
        assert (payout.status, payout.reference) == (SENT, "P-pending")
        any_shop.clock.advance(seconds=30)
    provider.settle()
    effects.run("pay", certificate.id)
    assert provider.calls == ["refund", "query", "query"]
    assert any_shop.refund_of(certificate).payout_reference == "P-pending"


def test_the_provider_s_reference_outlives_an_answer_without_one(any_shop: Shop) -> None:
    certificate = approved(any_shop)
    provider = Provider(takes_its_time)
    effects = effects_with(any_shop, provider)
    effects.run("pay", certificate.id)
    provider.known[any_shop.refund_of(certificate).id] = Unknown("The provider is being maintained.")
    any_shop.clock.advance(seconds=30)
    effects.run("pay", certificate.id)
    (payout,) = payouts(any_shop)
    assert (payout.status, payout.reference) == (UNKNOWN, "P-pending")


# The account that paid cannot take it


def test_a_definite_refusal_sends_the_money_to_the_balance_and_says_so(any_shop: Shop) -> None:
    certificate = approved(any_shop)
    effects_with(any_shop, Provider(refuses)).run("pay", certificate.id)
    assert any_shop.get(certificate.id).state == State.REFUNDED
    refund = any_shop.refund_of(certificate)
    # What was promised stays, and beside it what became of it.
    assert (refund.destination, refund.method) == ("the Alipay account ending 88", ALIPAY)
    assert refund.paid_to == "your balance in this shop"
    refused, confirmed = payouts(any_shop)
    assert (refused.method, refused.status, refused.detail) == (ALIPAY, REFUSED, "The account is closed.")
    assert (confirmed.method, confirmed.status, confirmed.reference) == (
        BALANCE,
        CONFIRMED,
        refund.payout_reference,
    )
    assert on_balance(any_shop) == 26800


def test_a_provider_that_is_no_longer_connected_counts_as_a_refusal(any_shop: Shop) -> None:
    certificate = approved(any_shop)
    any_shop.effects.run("pay", certificate.id)
    assert any_shop.get(certificate.id).state == State.REFUNDED
    refused, _ = payouts(any_shop)
    assert (refused.status, refused.detail) == (REFUSED, "The desk has no connection to this payment provider.")
    assert on_balance(any_shop) == 26800


def test_who_has_refused_is_not_asked_again(any_shop: Shop) -> None:
    certificate = approved(any_shop)
    alipay, cloud = Provider(refuses, pays), Provider(loses_the_answer, method=BALANCE)
    effects = effects_with(any_shop, alipay, cloud)
    effects.run("pay", certificate.id)
    assert told(any_shop) == [(ALIPAY, REFUSED), (BALANCE, UNKNOWN)]
    any_shop.clock.advance(seconds=30)
    effects.run("pay", certificate.id)
    assert (alipay.calls, cloud.calls) == (["refund"], ["refund", "query"])
    assert any_shop.refund_of(certificate).paid_to == "your balance in this shop"


def test_when_everything_fails_reviewers_decide_anew_and_every_way_is_tried_anew(any_shop: Shop) -> None:
    certificate = approved(any_shop)
    alipay, cloud = Provider(refuses), Provider(refuses, method=BALANCE)
    effects = effects_with(any_shop, alipay, cloud)
    effects.run("pay", certificate.id)
    returned = any_shop.get(certificate.id)
    assert (returned.state, returned.due_at) == (State.REFUND_REQUESTED, None)
    refund = any_shop.refund_of(certificate)
    assert (refund.outcome, refund.round, refund.decided_at, refund.closed_at) == (Outcome.OPEN, 2, None, None)
    row = any_shop.history(certificate)[-1]
    assert (row.event, row.reason) == (Event.RETURN_REFUND, "The account is closed.")
    assert told(any_shop) == [(ALIPAY, REFUSED), (BALANCE, REFUSED)]

    # The account is open again. The key toward the provider is the same as ever.
    alipay.moods, alipay.known = [pays], {}
    any_shop.fire(returned, Event.APPROVE_REFUND, any_shop.robin)
    effects.run("pay", certificate.id)
    assert any_shop.get(certificate.id).state == State.REFUNDED
    assert told(any_shop) == [(ALIPAY, REFUSED), (BALANCE, REFUSED), (ALIPAY, CONFIRMED)]
    assert [one.round for one in payouts(any_shop)] == [1, 1, 2]
    assert alipay.paid == {refund.id: Money(26800, "CNY")}
    assert cloud.paid == {}


# Several attempts, slow ones and dead ones


def test_a_connection_that_breaks_is_noted_and_the_money_asked_for(any_shop: Shop) -> None:
    certificate = approved(any_shop)
    provider = Provider(breaks_off)
    effects = effects_with(any_shop, provider)
    with pytest.raises(ConnectionResetError):
        effects.run("pay", certificate.id)
    broken = any_shop.get(certificate.id)
    assert (broken.state, broken.work_error) == (
        State.REFUND_APPROVED,
        "ConnectionResetError: the connection was reset",
    )
    assert told(any_shop) == [(ALIPAY, SENT)]
    # Several come at once. They may ask, and none of them sends.
    any_shop.clock.advance(seconds=1)
    at_once(*[lambda: effects.run("pay", certificate.id)] * 4)
    assert provider.calls.count("refund") == 1
    assert provider.calls[1] == "query"
    assert any_shop.get(certificate.id).state == State.REFUNDED
    assert told(any_shop) == [(ALIPAY, CONFIRMED)]
    assert on_balance(any_shop) == 0


def test_a_connection_that_broke_before_anything_arrived_is_tried_again_by_one_alone(any_shop: Shop) -> None:
    certificate = approved(any_shop)

    def break_off(order: PayoutOrder) -> None:
        provider.meanwhile = lambda order: None
        raise ConnectionResetError("the connection was reset")

    provider = Provider(pays, meanwhile=break_off)
    effects = effects_with(any_shop, provider)
    with pytest.raises(ConnectionResetError):
        effects.run("pay", certificate.id)
    any_shop.clock.advance(seconds=9)
    at_once(*[lambda: effects.run("pay", certificate.id)] * 4)
    assert provider.calls.count("refund") == 1
    assert_waiting(any_shop, certificate, STILL_ON_ITS_WAY)
    any_shop.clock.advance(seconds=1)
    at_once(*[lambda: effects.run("pay", certificate.id)] * 4)
    assert provider.calls.count("refund") == 2
    assert any_shop.get(certificate.id).state == State.REFUNDED
    assert told(any_shop) == [(ALIPAY, CONFIRMED)]


def test_while_one_attempt_waits_for_its_answer_no_other_one_sends(any_shop: Shop) -> None:
    """Or it could hear a refusal, and pay to the balance what the first one has just paid."""
    certificate = approved(any_shop)

    def second_attempt(order: PayoutOrder) -> None:
        provider.meanwhile = lambda order: None
        any_shop.clock.advance(seconds=9)
        effects.run("pay", certificate.id)

    provider = Provider(pays, refuses, meanwhile=second_attempt)
    effects = effects_with(any_shop, provider)
    effects.run("pay", certificate.id)
    assert provider.calls == ["refund", "query"]
    assert told(any_shop) == [(ALIPAY, CONFIRMED)]
    assert any_shop.refund_of(certificate).paid_to == "the Alipay account ending 88"
    assert on_balance(any_shop) == 0


def says(answer: Answer) -> Mood:
    return lambda provider, order: answer


LOOK_FIRST = Failed("The payment is closed.", elsewhere=False)


@pytest.mark.parametrize("last", [Failed("Too late."), LOOK_FIRST, Unknown("No answer."), Pending("P-2")], ids=repr)
def test_a_slower_attempt_does_not_take_a_confirmation_back(any_shop: Shop, last: Answer) -> None:
    """It was taken for dead, and what it hears at last is not the truth any more."""
    certificate = approved(any_shop)

    def taken_for_dead(order: PayoutOrder) -> None:
        provider.meanwhile = lambda order: None
        any_shop.clock.advance(minutes=10)
        effects.run("pay", certificate.id)

    provider = Provider(pays, says(last), meanwhile=taken_for_dead)
    effects = effects_with(any_shop, provider)
    effects.run("pay", certificate.id)
    assert provider.calls == ["refund", "query", "refund"]
    assert told(any_shop) == [(ALIPAY, CONFIRMED)]
    assert any_shop.get(certificate.id).state == State.REFUNDED
    assert any_shop.get(certificate.id).due_at is None
    assert on_balance(any_shop) == 0


@pytest.mark.parametrize("last", [Unknown("No answer."), Pending("P-2")], ids=repr)
def test_nor_a_refusal_after_which_the_money_went_elsewhere(any_shop: Shop, last: Answer) -> None:
    certificate = approved(any_shop)

    def taken_for_dead(order: PayoutOrder) -> None:
        provider.meanwhile = lambda order: None
        any_shop.clock.advance(minutes=10)
        effects.run("pay", certificate.id)

    provider = Provider(refuses, says(last), meanwhile=taken_for_dead)
    effects = effects_with(any_shop, provider)
    effects.run("pay", certificate.id)
    assert told(any_shop) == [(ALIPAY, REFUSED), (BALANCE, CONFIRMED)]
    assert on_balance(any_shop) == 26800


def test_money_that_did_arrive_is_written_down_whatever_was_said_before(any_shop: Shop) -> None:
    """A provider that contradicts itself cannot be hidden: the books show both payments."""
    certificate = approved(any_shop)

    def taken_for_dead(order: PayoutOrder) -> None:
        provider.meanwhile = lambda order: None
        any_shop.clock.advance(minutes=10)
        effects.run("pay", certificate.id)

    provider = Provider(refuses, says(Succeeded("P-late")), meanwhile=taken_for_dead)
    effects = effects_with(any_shop, provider)
    effects.run("pay", certificate.id)
    late, fallback = payouts(any_shop)
    assert (late.status, late.reference, fallback.status) == (CONFIRMED, "P-late", CONFIRMED)
    assert any_shop.refund_of(certificate).paid_to == "your balance in this shop"


# Where a person has to look first


def test_a_refusal_that_a_person_must_look_at_is_paid_elsewhere_only_after_it_was_approved_again(
    any_shop: Shop,
) -> None:
    certificate = approved(any_shop)
    other = Failed("The payment is frozen.", elsewhere=False)
    provider = Provider(says(LOOK_FIRST), says(other), says(LOOK_FIRST))
    effects = effects_with(any_shop, provider)
    for expected in (LOOK_FIRST, other):
        # Another refusal than the one that reviewers have looked at is put before them as well.
        effects.run("pay", certificate.id)
        returned = any_shop.get(certificate.id)
        assert returned.state == State.REFUND_REQUESTED
        assert any_shop.history(certificate)[-1].reason == expected.reason
        assert on_balance(any_shop) == 0
        any_shop.fire(returned, Event.APPROVE_REFUND, any_shop.robin)
    effects.run("pay", certificate.id)
    assert provider.calls == ["refund"] * 3
    assert any_shop.get(certificate.id).state == State.REFUNDED
    assert told(any_shop) == [(ALIPAY, REFUSED)] * 3 + [(BALANCE, CONFIRMED)]
    assert on_balance(any_shop) == 26800


@pytest.mark.parametrize("next_word", [Unknown("No answer."), Pending("P-2")], ids=repr)
def test_an_attempt_that_was_overtaken_does_not_call_the_reviewers(any_shop: Shop, next_word: Answer) -> None:
    certificate = approved(any_shop)

    def taken_for_dead(order: PayoutOrder) -> None:
        provider.meanwhile = lambda order: None
        any_shop.clock.advance(minutes=10)
        effects.run("pay", certificate.id)

    provider = Provider(says(next_word), says(LOOK_FIRST), meanwhile=taken_for_dead)
    effects = effects_with(any_shop, provider)
    effects.run("pay", certificate.id)
    assert any_shop.get(certificate.id).state == State.REFUND_APPROVED
    assert any_shop.refund_of(certificate).round == 1
    assert on_balance(any_shop) == 0


def test_money_that_arrived_while_reviewers_had_the_application_is_not_paid_again(any_shop: Shop) -> None:
    """The second attempt hears that the payment is closed, which the first one's success has caused."""
    certificate = approved(any_shop)

    def taken_for_dead(order: PayoutOrder) -> None:
        provider.meanwhile = lambda order: None
        any_shop.clock.advance(minutes=10)
        effects.run("pay", certificate.id)

    provider = Provider(says(LOOK_FIRST), says(Succeeded("P-late")), refuses, meanwhile=taken_for_dead)
    effects = effects_with(any_shop, provider)
    effects.run("pay", certificate.id)
    returned = any_shop.get(certificate.id)
    assert returned.state == State.REFUND_REQUESTED
    assert told(any_shop) == [(ALIPAY, CONFIRMED)]
    any_shop.fire(returned, Event.APPROVE_REFUND, any_shop.robin)
    effects.run("pay", certificate.id)
    assert provider.calls == ["refund", "query", "refund"]
    refund = any_shop.refund_of(certificate)
    assert (refund.outcome, refund.payout_reference) == (Outcome.REFUNDED, "P-late")
    assert refund.paid_to == "the Alipay account ending 88"
    assert told(any_shop) == [(ALIPAY, CONFIRMED)]
    assert on_balance(any_shop) == 0


def test_an_attempt_that_began_before_the_reviewers_were_called_pays_nothing(any_shop: Shop) -> None:
    """It has read that the refund is approved, and finds on the row what is for the reviewers to judge."""
    certificate = approved(any_shop)
    provider = Provider(says(LOOK_FIRST))
    effects = effects_with(any_shop, provider)
    open_file = any_shop.desk.open_file

    def slowly(session: Session, certificate_id: str) -> File:
        file = open_file(session, certificate_id)
        any_shop.desk.open_file = open_file  # type: ignore[method-assign]
        with ThreadPoolExecutor(1) as pool:
            pool.submit(effects.run, "pay", certificate_id).result()
        return file

    # Between the look at the refund and the look at its payouts, another attempt does all of its work.
    any_shop.desk.open_file = slowly  # type: ignore[method-assign]
    effects.run("pay", certificate.id)
    assert any_shop.get(certificate.id).state == State.REFUND_REQUESTED
    assert told(any_shop) == [(ALIPAY, REFUSED)]
    assert on_balance(any_shop) == 0


def test_a_confirmation_that_was_not_recorded_is_recorded_without_asking(any_shop: Shop) -> None:
    """The worker died between the provider's word and the door."""
    certificate = approved(any_shop)
    refund = any_shop.refund_of(certificate)
    with any_shop.database.writing() as session:
        session.add(
            Payout(
                refund_id=refund.id,
                method=ALIPAY,
                status=CONFIRMED,
                amount_minor=26800,
                currency="CNY",
                reference="P-confirmed",
                intended_at=any_shop.clock(),
                updated_at=any_shop.clock(),
            )
        )
    provider = Provider(refuses)
    effects_with(any_shop, provider).run("pay", certificate.id)
    assert provider.calls == []
    assert any_shop.refund_of(certificate).payout_reference == "P-confirmed"
    assert on_balance(any_shop) == 0


def test_two_that_write_the_intent_at_once_share_it(postgres_url: str, open_shop: Callable[[str], Shop]) -> None:
    shop = open_shop(postgres_url)
    certificate = approved(shop)
    refund = shop.refund_of(certificate)
    provider = Provider(pays)
    with ThreadPoolExecutor(1) as pool:
        with shop.database.writing() as session:
            session.add(
                Payout(
                    refund_id=refund.id,
                    method=ALIPAY,
                    status=INTENDED,
                    amount_minor=26800,
                    currency="CNY",
                    intended_at=shop.clock(),
                    updated_at=shop.clock(),
                )
            )
            session.flush()
            slower = pool.submit(effects_with(shop, provider).run, "pay", certificate.id)
            eventually(lambda: waiting_for_locks(shop) == 1)
        slower.result()
    assert told(shop) == [(ALIPAY, CONFIRMED)]
    assert provider.calls == ["refund"]


def test_an_approved_refund_without_an_application_is_told(shop: Shop) -> None:
    certificate = shop.certificate_in(State.PENDING)
    with shop.database.writing() as session:
        # As no code of the desk would.
        row = update(Certificate).where(col(Certificate.id) == certificate.id)
        session.exec(row.values(state=State.REFUND_APPROVED, due_at=shop.clock()))
    with pytest.raises(LookupError, match="without an application"):
        shop.effects.run("pay", certificate.id)
    assert (shop.get(certificate.id).work_error or "").startswith("LookupError")
    with pytest.raises(LookupError, match="needs a refund application"):
        shop.fire_as_system(certificate, Event.COMPLETE_REFUND, handed=Payment("P-1", "somewhere"))
    assert shop.get(certificate.id).state == State.REFUND_APPROVED


@pytest.mark.parametrize(
    ("method", "account", "label"),
    [
        (BALANCE, "", "your balance in this shop"),
        (BALANCE, "ending 88", "your balance in this shop"),
        (ALIPAY, "ending 88", "the Alipay account ending 88"),
        (ALIPAY, "", "the Alipay account"),
        (PaymentMethod.BANK, "ending 4711", "the bank account ending 4711"),
    ],
)
def test_accounts_are_named_so_that_their_owner_recognises_them(
    method: PaymentMethod, account: str, label: str
) -> None:
    assert label_of(method, account) == label


@pytest.mark.parametrize(("connected", "known"), [(True, True), (True, False), (False, True)])
def test_the_money_is_promised_to_where_it_can_go(shop: Shop, connected: bool, known: bool) -> None:
    """Connected is not enough: without the number of the account nothing can be paid to it."""
    purchase = shop.find(Purchase, shop.order(method=PaymentMethod.BANK, account="ending 4711").purchase_id)
    if known:
        with shop.database.writing() as session:
            store(session, purchase.id, BankAccount.read("Example", "DE89370400440532013000"), shop.clock())
        purchase = shop.find(Purchase, purchase.id)
    target = destination(purchase, frozenset({BALANCE, PaymentMethod.BANK} if connected else {BALANCE}))
    if connected and known:
        assert target == Destination(PaymentMethod.BANK, "the bank account ending 4711", changed=False)
    else:
        assert target == Destination(BALANCE, "your balance in this shop", changed=True)


def test_alipay_is_promised_for_the_currency_that_it_pays(shop: Shop) -> None:
    purchase = shop.find(Purchase, shop.order(method=ALIPAY, account="ending 88").purchase_id)
    assert destination(purchase, frozenset({BALANCE, ALIPAY})).method is ALIPAY
    purchase.currency = "EUR"
    assert destination(purchase, frozenset({BALANCE, ALIPAY})).method is BALANCE
