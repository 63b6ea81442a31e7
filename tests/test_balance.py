"""Paying back to the customer's balance: once, however often and by however many it is asked for."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from money_support import assert_books_balance, at_once, waiting_for_locks
from processes import eventually
from shop import Shop
from sqlmodel import select

from certlifecycle import Money
from webapp.certificates.models import PaymentMethod
from webapp.payments.balance import BalanceGateway
from webapp.payments.ledger import SALES, balance, transfer, wallet
from webapp.payments.models import LedgerTransfer
from webapp.payments.port import Failed, PayoutOrder, Succeeded, Unheard


@pytest.fixture
def gateway(any_shop: Shop) -> BalanceGateway:
    return BalanceGateway(any_shop.database, any_shop.clock)


def order_for(shop: Shop, minor: int = 26800, currency: str = "CNY", reason: str = "Refund R1") -> PayoutOrder:
    return PayoutOrder("f" * 32, "e" * 32, "N-1", shop.alice.id, Money(minor, currency), reason)


def booked_refunds(shop: Shop) -> list[LedgerTransfer]:
    with shop.database.reading() as session:
        assert_books_balance(session)
        return list(session.exec(select(LedgerTransfer).where(LedgerTransfer.kind == "refund")).all())


def test_the_money_is_on_the_balance_and_the_books_say_why(any_shop: Shop, gateway: BalanceGateway) -> None:
    answer = gateway.refund(order_for(any_shop))
    (row,) = booked_refunds(any_shop)
    assert answer == Succeeded(f"ledger {row.id}")
    assert (row.reference, row.amount_minor, row.currency, row.at) == ("f" * 32, 26800, "CNY", any_shop.clock())
    assert row.memo == "Refund R1"
    with any_shop.database.reading() as session:
        assert balance(session, wallet(any_shop.alice.id), "CNY") == Money(26800, "CNY")
        # What the order brought in is less by that much.
        assert balance(session, SALES, "CNY") == Money(-26800, "CNY")
    assert gateway.method is PaymentMethod.BALANCE


def test_asked_again_it_gives_the_same_answer_and_pays_nothing(any_shop: Shop, gateway: BalanceGateway) -> None:
    order = order_for(any_shop)
    first = gateway.refund(order)
    any_shop.clock.advance(days=40)
    assert gateway.refund(order) == gateway.query(order) == first
    assert len(booked_refunds(any_shop)) == 1


def test_a_refund_that_was_never_booked_is_not_there(any_shop: Shop, gateway: BalanceGateway) -> None:
    assert gateway.query(order_for(any_shop)) == Unheard()


@pytest.mark.parametrize("other", [(26801, "CNY"), (26800, "USD")], ids=["amount", "currency"])
def test_the_same_number_with_another_amount_is_refused(
    any_shop: Shop, gateway: BalanceGateway, other: tuple[int, str]
) -> None:
    gateway.refund(order_for(any_shop))
    wrong = order_for(any_shop, *other)
    # Something was paid, so that it must not go anywhere else before somebody has looked.
    refused = Failed("This refund was booked with another amount.", elsewhere=False)
    assert gateway.refund(wrong) == gateway.query(wrong) == refused
    assert [row.amount_minor for row in booked_refunds(any_shop)] == [26800]


def test_a_long_reason_is_cut_to_what_the_books_keep(any_shop: Shop, gateway: BalanceGateway) -> None:
    assert isinstance(gateway.refund(order_for(any_shop, reason="w" * 1000)), Succeeded)
    assert booked_refunds(any_shop)[0].memo == "w" * 300


def test_twenty_at_once_pay_once(any_shop: Shop, gateway: BalanceGateway) -> None:
    order = order_for(any_shop)
    answers = at_once(*[lambda: gateway.refund(order)] * 20)
    assert len(set(answers)) == 1
    assert isinstance(answers[0], Succeeded)
    assert len(booked_refunds(any_shop)) == 1
    with any_shop.database.reading() as session:
        assert balance(session, wallet(any_shop.alice.id), "CNY").minor == 26800


def test_the_slower_of_two_finds_the_booking_of_the_faster(postgres_url: str, open_shop: Callable[[str], Shop]) -> None:
    """Both have looked and found nothing; the database lets one of them book."""
    shop = open_shop(postgres_url)
    gateway = BalanceGateway(shop.database, shop.clock)
    order = order_for(shop)
    with ThreadPoolExecutor(1) as pool:
        with shop.database.writing() as session:
            target = wallet(shop.alice.id)
            row = transfer(session, "refund", order.refund_no, SALES, target, order.amount, shop.clock())
            slower = pool.submit(gateway.refund, order)
            eventually(lambda: waiting_for_locks(shop) == 1)
        assert slower.result() == Succeeded(f"ledger {row.id}")
    assert len(booked_refunds(shop)) == 1
