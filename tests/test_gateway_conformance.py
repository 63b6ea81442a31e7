"""What every way of paying guarantees, whatever the outside does: paid exactly once, the amount right, the truth told.

The balance is in the same database, Alipay behind real HTTP, the bank behind files; each fails in its own manner. The
scenarios and what must hold afterwards are the same for all.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest
from bank_provider import Says
from outside_shop import OutsideShop
from processes import eventually
from provider import Provider
from provider_books import Fault
from shop import Shop
from sqlmodel import select

from certlifecycle import Event, State
from webapp.certificates.models import Certificate, PaymentMethod, Purchase
from webapp.desk import Desk
from webapp.effects.pay import pay
from webapp.payments.ledger import SALES, balance
from webapp.payments.models import LedgerTransfer, Payout, PayoutStatus
from webapp.payments.notifications import Inbox
from webapp.payments.payouts import waking
from webapp.payments.port import Answer, Deferred, Failed, PaymentGateway, PayoutOrder, Succeeded, Unheard, Unknown

PRICE = 26800


@pytest.fixture
def outside(any_shop: Shop, tmp_path: Path) -> Iterator[OutsideShop]:
    with (
        Provider(any_shop.clock) as provider,
        OutsideShop(any_shop, provider, tmp_path / "bank", seconds=1.5) as opened,
    ):
        yield opened


# Three worlds


class World(Protocol):
    """A way of paying, and what its outside can be told to do."""

    method: PaymentMethod
    scenarios: dict[str, Callable[[str], None]]

    def turn(self, refund_no: str) -> None:
        """Let the outside do what it does between two of our attempts."""

    def paid(self, refund_no: str) -> list[int]:
        """What the outside's own books say was paid."""

    def orders(self, refund_no: str) -> set[str]:
        """Every amount that was ever asked for under the number."""


class FaultyBalance:
    """The balance's gateway, failing as a database or a worker may fail around it."""

    method = PaymentMethod.BALANCE
    in_flight = timedelta(0)

    def __init__(self, real: PaymentGateway) -> None:
        self._real = real
        self.faults: deque[str] = deque()
        self.asked: list[PayoutOrder] = []

    def refund(self, order: PayoutOrder) -> Answer:
        """Book, or fail."""
        self.asked.append(order)
        match self.faults.popleft() if self.faults else "":
            case "broken":
                return Unknown("The database did not answer.")
            case "refused":
                return Failed("The balance is closed.")
            case "late" | "broken_after":
                self._real.refund(order)
                return Unknown("The database did not answer.")
            case "dropped":
                self._real.refund(order)
                raise ConnectionError("the worker died")
            case "twice":
                self._real.refund(order)
        return self._real.refund(order)

    def query(self, order: PayoutOrder) -> Answer:
        """Look the booking up."""
        return self._real.query(order)


class BalanceWorld:
    method = PaymentMethod.BALANCE

    def __init__(self, outside: OutsideShop) -> None:
        self._outside = outside
        self._gateway = FaultyBalance(outside.balance)
        outside.gateways = {**outside.gateways, PaymentMethod.BALANCE: self._gateway}  # type: ignore[dict-item]
        names = ("late", "dropped", "broken", "broken_after", "twice", "refused")
        self.scenarios = {name: self._planned(name) for name in names}
        self.scenarios["well"] = self._planned()
        self.scenarios["one_after_another"] = self._planned("broken", "dropped", "late")

    def _planned(self, *faults: str) -> Callable[[str], None]:
        return lambda _refund_no: self._gateway.faults.extend(faults)

    def turn(self, _refund_no: str) -> None:
        """Nobody calls back here."""

    def paid(self, refund_no: str) -> list[int]:
        with self._outside.shop.database.reading() as session:
            rows = session.exec(select(LedgerTransfer).where(LedgerTransfer.reference == refund_no)).all()
        return [row.amount_minor for row in rows]

    def orders(self, refund_no: str) -> set[str]:
        return {str(order.amount.minor) for order in self._gateway.asked if order.refund_no == refund_no}


class AlipayWorld:
    method = PaymentMethod.ALIPAY

    def __init__(self, outside: OutsideShop) -> None:
        self._outside = outside
        self._books = outside.provider.books
        wake = waking(outside.shop.database, outside.woken.append)
        self._inbox = Inbox(outside.alipay, outside.shop.database, wake, outside.shop.clock)
        self._says: deque[Callable[[str], None]] = deque()
        self.scenarios = {
            "well": self._planned(),
            "late": self._planned(Fault.LATE),
            "dropped": self._planned(Fault.DROP),
            "broken": self._planned(Fault.ERROR_500, Fault.RESET, Fault.SYSTEM_ERROR, Fault.UNAVAILABLE, Fault.GARBAGE),
            "broken_after": self._planned(Fault.ERROR_500_AFTER),
            "twice": self._planned(Fault.TWICE),
            "refused": self._planned(Fault.REFUSED),
            "one_after_another": self._planned(Fault.RESET, Fault.UNAVAILABLE, Fault.SYSTEM_ERROR_AFTER),
            "not_now": self._planned(Fault.SHORT_OF_MONEY, Fault.SHORT_OF_MONEY),
            "unsigned": self._planned(Fault.NO_SIGNATURE),
            "wrongly_signed": self._planned(Fault.BAD_SIGNATURE),
            "silent": self._planned(Fault.SILENT_CHANGE),
            "unheard_questions": self._unheard_questions,
            "notified": self._notified(self._notify),
            "notified_twice": self._notified(self._notify_twice),
            "notified_out_of_order": self._notified(self._early_word, self._notify, self._early_word),
            "notified_by_a_forger": self._notified(self._forge, self._forge),
        }

    def _planned(self, *faults: Fault) -> Callable[[str], None]:
        return lambda refund_no: self._books.plan(refund_no, *faults)

    def _unheard_questions(self, refund_no: str) -> None:
        self._books.plan(refund_no, Fault.DROP)
        self._books.plan(refund_no, Fault.ERROR_500, Fault.LATE, Fault.BAD_SIGNATURE, method="query")

    def _notified(self, *says: Callable[[str], None]) -> Callable[[str], None]:
        def plan(refund_no: str) -> None:
            self._books.plan(refund_no, Fault.DROP)
            self._says.extend(says)

        return plan

    def _notify(self, refund_no: str) -> None:
        self._inbox.take_in(self._outside.provider.notification(refund_no))

    def _notify_twice(self, refund_no: str) -> None:
        notification = self._outside.provider.notification(refund_no)
        self._inbox.take_in(notification)
        self._inbox.take_in(notification)

    def _early_word(self, refund_no: str) -> None:
        self._inbox.take_in(self._outside.provider.notification(refund_no, refund_fee="0.00"))

    def _forge(self, refund_no: str) -> None:
        notification = self._outside.provider.notification(refund_no) | {"refund_fee": "999.00"}
        with pytest.raises(Exception, match="signature does not hold"):
            self._inbox.take_in(notification)

    def turn(self, refund_no: str) -> None:
        if self._says and self._books.paid(refund_no):
            self._says.popleft()(refund_no)

    def paid(self, refund_no: str) -> list[int]:
        return self._books.paid(refund_no)

    def orders(self, refund_no: str) -> set[str]:
        asked = [call for call in self._books.calls if call.refund_no == refund_no and call.method == "refund"]
        return {call.amount.replace(".", "") for call in asked}


class BankWorld:
    method = PaymentMethod.BANK

    def __init__(self, outside: OutsideShop) -> None:
        self._outside = outside
        self._bank = outside.bank
        self.scenarios = {
            "well": self._planned(),
            "late": self._planned(Says.NOTHING, Says.NOTHING, Says.CHECKED, Says.ACCEPTED, Says.PENDING),
            "dropped": self._planned(Says.PAYS_SILENTLY, Says.NOTHING),
            "broken": self._planned(Says.NOTHING, Says.PENDING),
            "broken_after": self._planned(Says.BROKEN),
            "twice": self._planned(Says.TWICE, Says.SETTLED),
            "refused": self._planned(Says.CLOSED),
            "one_after_another": self._planned(Says.PENDING, Says.BROKEN, Says.PAYS_SILENTLY, Says.TWICE),
            "notified_out_of_order": self._planned(Says.SETTLED, Says.PENDING, Says.ACCEPTED),
            "notified_by_a_forger": self._planned(Says.FORGED_AMOUNT, Says.FORGED_FILE),
        }

    def _planned(self, *says: Says) -> Callable[[str], None]:
        return lambda refund_no: self._bank.plan(refund_no, *says)

    def turn(self, _refund_no: str) -> None:
        self._outside.bank_turn()

    def paid(self, refund_no: str) -> list[int]:
        return [int(amount.replace(".", "")) for amount in self._bank.paid[refund_no]]

    def orders(self, refund_no: str) -> set[str]:
        return {order.amount.replace(".", "") for order in self._bank.orders if order.key == refund_no}


WORLDS = {
    PaymentMethod.BALANCE: BalanceWorld,
    PaymentMethod.ALIPAY: AlipayWorld,
    PaymentMethod.BANK: BankWorld,
}
COMMON = ("well", "late", "dropped", "broken", "broken_after", "twice", "one_after_another")
OWN = {
    PaymentMethod.BALANCE: (),
    PaymentMethod.ALIPAY: (
        *("not_now", "unsigned", "wrongly_signed", "silent", "unheard_questions", "notified", "notified_twice"),
        *("notified_out_of_order", "notified_by_a_forger"),
    ),
    PaymentMethod.BANK: ("notified_out_of_order", "notified_by_a_forger"),
}
CASES = [(method, name) for method in WORLDS for name in (*COMMON, *OWN[method])]


def until_decided(outside: OutsideShop, world: World, certificate: Certificate) -> State:
    """Attempts and the outside's turns, one after the other, as the worker and the world would have them."""
    refund_no = outside.refund_no(certificate)
    state = State.REFUND_APPROVED
    for _ in range(20):
        with suppress(ConnectionError):
            state = outside.pay(certificate)
        if state != State.REFUND_APPROVED:
            break
        world.turn(refund_no)
        outside.shop.clock.advance(minutes=11)
    return state


def check_refunded(outside: OutsideShop, certificate: Certificate, paid_by: PaymentMethod) -> None:
    """The desk tells what happened: once, by this way, in full."""
    refund = outside.shop.refund_of(certificate)
    payouts = outside.payouts(certificate)
    assert outside.shop.get(certificate.id).state == State.REFUNDED
    assert [row.event for row in outside.shop.history(certificate)].count(Event.COMPLETE_REFUND) == 1
    assert payouts[paid_by].status == PayoutStatus.CONFIRMED
    assert [one.status for one in payouts.values()].count(PayoutStatus.CONFIRMED) == 1
    assert refund.payout_reference == payouts[paid_by].reference
    assert refund.payout_reference
    assert outside.purchase(certificate).refunded_minor == PRICE


@pytest.mark.parametrize(("method", "scenario"), CASES)
def test_paid_once_in_full_and_told_truthfully(outside: OutsideShop, method: PaymentMethod, scenario: str) -> None:
    world: World = WORLDS[method](outside)
    certificate = outside.approved(method)
    refund_no = outside.refund_no(certificate)
    world.scenarios[scenario](refund_no)
    assert until_decided(outside, world, certificate) == State.REFUNDED
    check_refunded(outside, certificate, paid_by=method)
    assert world.paid(refund_no) == [PRICE]
    assert world.orders(refund_no) == {str(PRICE)}
    assert outside.on_balance() == (PRICE if method is PaymentMethod.BALANCE else 0)
    # Whatever comes afterwards finds it done.
    world.turn(refund_no)
    assert outside.pay(certificate) == State.REFUNDED
    assert world.paid(refund_no) == [PRICE]


@pytest.mark.parametrize("method", [PaymentMethod.ALIPAY, PaymentMethod.BANK])
def test_what_the_account_cannot_take_goes_to_the_balance_once(outside: OutsideShop, method: PaymentMethod) -> None:
    world: World = WORLDS[method](outside)
    certificate = outside.approved(method)
    refund_no = outside.refund_no(certificate)
    world.scenarios["refused"](refund_no)
    assert until_decided(outside, world, certificate) == State.REFUNDED
    check_refunded(outside, certificate, paid_by=PaymentMethod.BALANCE)
    assert world.paid(refund_no) == []
    assert outside.on_balance() == PRICE
    assert outside.payouts(certificate)[method].status == PayoutStatus.REFUSED
    assert outside.shop.refund_of(certificate).paid_to == "your balance in this shop"


def test_when_every_way_fails_the_reviewers_have_it_again(outside: OutsideShop) -> None:
    world = BalanceWorld(outside)
    certificate = outside.approved(PaymentMethod.BALANCE)
    refund_no = outside.refund_no(certificate)
    world.scenarios["refused"](refund_no)
    assert until_decided(outside, world, certificate) == State.REFUND_REQUESTED
    assert world.paid(refund_no) == []
    assert outside.shop.history(certificate)[-1].reason == "The balance is closed."
    outside.shop.clock.advance(minutes=1)
    outside.shop.fire(outside.shop.get(certificate.id), Event.APPROVE_REFUND)
    assert until_decided(outside, world, certificate) == State.REFUNDED
    assert world.paid(refund_no) == [PRICE]


def test_what_may_have_gone_back_by_hand_waits_for_a_person(outside: OutsideShop) -> None:
    certificate = outside.approved(PaymentMethod.ALIPAY)
    books = outside.provider.books
    books.refund(books.trade(outside.purchase(certificate).payment_reference, ""), "by hand", PRICE)
    assert outside.pay(certificate) == State.REFUND_REQUESTED
    assert outside.on_balance() == 0
    assert outside.shop.history(certificate)[-1].reason == (
        "Alipay says that more would be refunded than is left of the payment. (40004, ACQ.REFUND_AMT_NOT_EQUAL_TOTAL)"
    )
    # A person has looked, and approves once more.
    outside.shop.fire(outside.shop.get(certificate.id), Event.APPROVE_REFUND)
    assert outside.pay(certificate) == State.REFUNDED
    assert outside.on_balance() == PRICE
    assert books.paid(outside.refund_no(certificate)) == []


def test_a_worker_that_dies_before_the_reviewers_have_it_pays_nothing_elsewhere(outside: OutsideShop) -> None:
    """Somebody must look first: a refusal of that kind is not on the row until they can."""
    certificate = outside.approved(PaymentMethod.ALIPAY)
    books = outside.provider.books
    books.refund(books.trade(outside.purchase(certificate).payment_reference, ""), "by hand", PRICE)
    with pytest.raises(ConnectionError):
        pay(dying(outside), outside.gateways, certificate.id)
    assert outside.payouts(certificate)[PaymentMethod.ALIPAY].status == PayoutStatus.SENT
    outside.shop.clock.advance(minutes=11)
    assert outside.pay(certificate) == State.REFUND_REQUESTED
    assert outside.on_balance() == 0


class DyingDesk(Desk):
    """A desk at whose door the worker dies."""

    def fire(self, *_: object, **__: object) -> Certificate:
        """Never happens."""
        raise ConnectionError("the worker died")


def dying(outside: OutsideShop) -> Desk:
    """The same desk as it is for a worker that dies before it can record an answer."""
    desk = outside.shop.desk
    return DyingDesk(desk.database, desk.work, desk.policy, desk.clock, desk.payable)


def test_money_that_is_under_way_is_not_paid_elsewhere_when_the_connection_is_taken_away(outside: OutsideShop) -> None:
    certificate = outside.approved(PaymentMethod.ALIPAY)
    outside.provider.books.plan(outside.refund_no(certificate), Fault.DROP)
    outside.pay(certificate)
    only_balance = {PaymentMethod.BALANCE: outside.balance}
    outside.shop.clock.advance(days=2)
    pay(outside.shop.desk, only_balance, certificate.id)
    assert outside.shop.get(certificate.id).state == State.REFUND_APPROVED
    assert outside.on_balance() == 0
    assert outside.pay(certificate) == State.REFUNDED


def test_what_was_never_sent_goes_to_the_balance_when_there_is_no_connection(outside: OutsideShop) -> None:
    certificate = outside.approved(PaymentMethod.ALIPAY)
    pay(outside.shop.desk, {PaymentMethod.BALANCE: outside.balance}, certificate.id)
    check_refunded(outside, certificate, paid_by=PaymentMethod.BALANCE)


# Time


def test_an_order_that_may_still_be_on_its_way_is_not_sent_again(outside: OutsideShop) -> None:
    """Alipay does not know it yet, for it lies in a queue. A second order could be refused while the first is paid."""
    certificate = outside.approved(PaymentMethod.ALIPAY)
    refund_no = outside.refund_no(certificate)
    outside.provider.books.plan(refund_no, Fault.HELD, Fault.REFUSED)
    outside.pay(certificate)
    outside.shop.clock.advance(seconds=outside.alipay.in_flight.total_seconds() - 1)
    assert outside.pay(certificate) == State.REFUND_APPROVED
    assert [call.method for call in outside.provider.books.calls] == ["refund", "query"]
    assert outside.shop.get(certificate.id).work_error == (
        "The payment provider does not know the order yet; it may still be on its way."
    )
    outside.provider.let_go()
    eventually(lambda: outside.provider.books.paid(refund_no))
    assert outside.pay(certificate) == State.REFUNDED
    assert outside.provider.books.paid(refund_no) == [PRICE]
    assert outside.on_balance() == 0


def test_the_shops_own_trouble_is_waited_out_and_told(outside: OutsideShop) -> None:
    certificate = outside.approved(PaymentMethod.ALIPAY)
    outside.provider.books.plan(outside.refund_no(certificate), Fault.SHORT_OF_MONEY)
    assert outside.pay(certificate) == State.REFUND_APPROVED
    row = outside.shop.get(certificate.id)
    assert row.due_at == outside.shop.clock() + timedelta(minutes=10)
    assert row.work_error is not None
    assert "Top it up. Nothing was paid; it is sent again by itself." in row.work_error
    payout = outside.payouts(certificate)[PaymentMethod.ALIPAY]
    assert (payout.status, payout.detail) == (PayoutStatus.INTENDED, row.work_error)
    assert outside.pay(certificate) == State.REFUNDED


def test_a_provider_that_takes_days_is_asked_less_and_less_often(outside: OutsideShop) -> None:
    certificate = outside.approved(PaymentMethod.BANK)
    pauses = []
    for _ in range(8):
        outside.pay(certificate)
        due = outside.shop.get(certificate.id).due_at
        assert due is not None
        pauses.append(due - outside.shop.clock())
        outside.shop.clock.advance(hours=4)
    assert pauses[0] == timedelta(seconds=30)
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(hours=1)


# Races


class Scripted:
    """A provider of which each call answers what it is told, when it is told."""

    method = PaymentMethod.ALIPAY
    in_flight = timedelta(seconds=60)

    def __init__(self) -> None:
        self.refunds: deque[Callable[[], Answer]] = deque()
        self.queries: deque[Callable[[], Answer]] = deque()
        self.sent = 0

    def refund(self, _order: PayoutOrder) -> Answer:
        """The next answer to a refund."""
        self.sent += 1
        return self.refunds.popleft()()

    def query(self, _order: PayoutOrder) -> Answer:
        """The next answer to a query."""
        return self.queries.popleft()()


@pytest.mark.parametrize("late", [Failed("no"), Unknown("?"), Deferred("later")])
@pytest.mark.parametrize("then", [Succeeded("second"), Unknown("?")])
def test_an_attempt_that_was_overtaken_changes_nothing(outside: OutsideShop, late: Answer, then: Answer) -> None:
    """The first attempt hangs, a second one sends again. What the first one hears must not send money elsewhere."""
    certificate = outside.approved(PaymentMethod.ALIPAY)
    scripted = Scripted()
    begun, go_on = threading.Event(), threading.Event()

    def hang() -> Answer:
        begun.set()
        assert go_on.wait(20)
        return late

    scripted.refunds.extend([hang, lambda: then])
    scripted.queries.append(lambda: Unheard())
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(outside.pay, certificate, alipay=scripted)
        assert begun.wait(20)
        outside.shop.clock.advance(minutes=2)
        state = outside.pay(certificate, alipay=scripted)
        go_on.set()
        first.result(20)
    reached = State.REFUNDED if isinstance(then, Succeeded) else State.REFUND_APPROVED
    assert state == outside.shop.get(certificate.id).state == reached
    assert outside.on_balance() == 0
    assert outside.payouts(certificate).keys() == {PaymentMethod.ALIPAY}
    assert scripted.sent == 2


def test_a_refusal_of_an_attempt_that_was_overtaken_is_not_believed(outside: OutsideShop) -> None:
    """Both attempts hang, and the earlier one is refused: the later one may be paying at that very moment."""
    certificate = outside.approved(PaymentMethod.ALIPAY)
    scripted = Scripted()
    begun, go_on = [threading.Event(), threading.Event()], [threading.Event(), threading.Event()]

    def hang(number: int, answer: Answer) -> Answer:
        begun[number].set()
        assert go_on[number].wait(20)
        return answer

    scripted.refunds.extend([lambda: hang(0, Failed("no")), lambda: hang(1, Succeeded("second"))])
    scripted.queries.append(lambda: Unheard())
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(outside.pay, certificate, alipay=scripted)
        assert begun[0].wait(20)
        outside.shop.clock.advance(minutes=2)
        second = pool.submit(outside.pay, certificate, alipay=scripted)
        assert begun[1].wait(20)
        go_on[0].set()
        assert first.result(20) == State.REFUND_APPROVED
        go_on[1].set()
        assert second.result(20) == State.REFUNDED
    check_refunded(outside, certificate, paid_by=PaymentMethod.ALIPAY)
    assert outside.on_balance() == 0


def test_a_confirmation_counts_whoever_hears_it(outside: OutsideShop) -> None:
    certificate = outside.approved(PaymentMethod.ALIPAY)
    scripted = Scripted()
    begun, go_on = threading.Event(), threading.Event()

    def hang() -> Answer:
        begun.set()
        assert go_on.wait(20)
        return Succeeded("first")

    scripted.refunds.extend([hang, lambda: Unknown("?")])
    scripted.queries.append(lambda: Unheard())
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(outside.pay, certificate, alipay=scripted)
        assert begun.wait(20)
        outside.shop.clock.advance(minutes=2)
        assert outside.pay(certificate, alipay=scripted) == State.REFUND_APPROVED
        go_on.set()
        first.result(20)
    check_refunded(outside, certificate, paid_by=PaymentMethod.ALIPAY)
    assert outside.shop.refund_of(certificate).payout_reference == "first"


def test_what_is_confirmed_is_never_asked_for_again(outside: OutsideShop) -> None:
    """A worker that died between the provider's confirmation and the door must not find a provider without memory."""
    certificate = outside.approved(PaymentMethod.ALIPAY)
    scripted = Scripted()
    scripted.refunds.append(lambda: Succeeded("first"))
    with pytest.raises(ConnectionError):
        pay(dying(outside), {PaymentMethod.ALIPAY: scripted}, certificate.id)
    assert outside.pay(certificate, alipay=scripted) == State.REFUNDED
    assert scripted.sent == 1


@pytest.mark.parametrize("method", list(PaymentMethod))
def test_several_workers_at_once_pay_once(outside: OutsideShop, method: PaymentMethod) -> None:
    world: World = WORLDS[method](outside)
    certificate = outside.approved(method)
    refund_no = outside.refund_no(certificate)
    for _ in range(8):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: outside.pay(certificate), range(4)))
        world.turn(refund_no)
        outside.shop.clock.advance(minutes=11)
    check_refunded(outside, certificate, paid_by=method)
    assert world.paid(refund_no) == [PRICE]


SOME = (Fault.DROP, Fault.RESET, Fault.ERROR_500, Fault.ERROR_500_AFTER, Fault.SYSTEM_ERROR, Fault.SYSTEM_ERROR_AFTER)
MORE = (Fault.UNAVAILABLE, Fault.BAD_SIGNATURE, Fault.NO_SIGNATURE, Fault.TWICE, Fault.SHORT_OF_MONEY, Fault.GARBAGE)


def test_many_refunds_with_faults_at_random_are_paid_once_each(outside: OutsideShop) -> None:
    certificates = [outside.approved(list(PaymentMethod)[number % 3]) for number in range(24)]
    refused = certificates[1::6]
    for one in refused:
        outside.provider.books.plan(outside.refund_no(one), Fault.PAYER_GONE)
    outside.provider.books.at_random(7, 0.5, *SOME, *MORE)
    waiting = {one.id: one for one in certificates}
    for _ in range(60):
        with ThreadPoolExecutor(4) as pool:
            # Some of them twice at once, as a reconciler may do that takes slow work for lost.
            todo = [*waiting.values(), *list(waiting.values())[::3]]
            list(pool.map(outside.pay, todo))
        outside.bank_turn()
        outside.shop.clock.advance(minutes=11)
        waiting = {key: one for key, one in waiting.items() if _is_waiting(outside, one)}
        if not waiting:
            break
    assert not waiting
    by_way = dict.fromkeys(PaymentMethod, 0)
    for one in certificates:
        (paid_by,) = [way for way, row in outside.payouts(one).items() if row.status == PayoutStatus.CONFIRMED]
        check_refunded(outside, one, paid_by)
        by_way[paid_by] += 1
        refund_no = outside.refund_no(one)
        really = [
            *outside.provider.books.paid(refund_no),
            *(int(amount.replace(".", "")) for amount in outside.bank.paid[refund_no]),
            *BalanceWorld(outside).paid(refund_no),
        ]
        assert really == [PRICE]
    assert by_way == {PaymentMethod.BALANCE: 12, PaymentMethod.ALIPAY: 4, PaymentMethod.BANK: 8}
    with outside.shop.database.reading() as session:
        assert balance(session, SALES, "CNY").minor == -12 * PRICE
        refunded = sum(row.refunded_minor for row in session.exec(select(Purchase)).all())
        confirmed = session.exec(select(Payout).where(Payout.status == PayoutStatus.CONFIRMED)).all()
    assert refunded == sum(row.amount_minor for row in confirmed) == 24 * PRICE


def _is_waiting(outside: OutsideShop, certificate: Certificate) -> bool:
    return bool(outside.shop.get(certificate.id).state == State.REFUND_APPROVED)
