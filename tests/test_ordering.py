"""Ordering: the price list, the domain, and paying once from the balance."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from pages import links, value
from shop import Shop
from sqlmodel import col, func, select

from certlifecycle import PRESETS, Money, State
from webapp.catalogue import PRODUCTS
from webapp.certificates.models import Certificate, Channel, Purchase
from webapp.columns import new_id
from webapp.desk import By
from webapp.ordering.service import FormUsed, Order, buy
from webapp.payments.ledger import SALES, InsufficientFunds, balance, booked, wallet

PRICE = 26800


def held(shop: Shop, owner: str) -> int:
    with shop.database.reading() as session:
        return balance(session, owner, "CNY").minor


def certificates(shop: Shop) -> list[Certificate]:
    with shop.database.reading() as session:
        return list(session.exec(select(Certificate).order_by(col(Certificate.created_at))).all())


def test_the_price_list_leads_to_every_product(shop: Shop) -> None:
    shop.give(shop.alice, 123456)
    browser = shop.browser(shop.alice)
    page = browser.get("/order")
    assert "Your balance: 1,234.56 CNY" in page.words
    for product in PRODUCTS.values():
        assert product.name in page.words
        assert str(product.price("CNY")) in page.words
        assert f"/order/{product.code}" in links(page)
        browser.get(f"/order/{product.code}")


def test_the_refund_rules_on_the_price_list_are_those_of_the_policy(shop: Shop) -> None:
    shop.desk.policy = replace(PRESETS["7-days-from-payment"])
    assert "within 7 days of the payment" in shop.browser(shop.alice).get("/order").words


def test_buying_moves_the_money_and_begins_a_certificate(shop: Shop) -> None:
    shop.give(shop.alice, 30000)
    browser = shop.browser(shop.alice)
    form = browser.get("/order/dv")
    assert "268.00 CNY" in form.words
    assert "Left after it 32.00 CNY" in form.words
    assert certificates(shop) == []

    answer = browser.post("/order/dv", {"order_id": value(form, "order_id"), "domain": " WWW.Example.COM. "})
    (certificate,) = certificates(shop)
    assert answer.location == f"/certificates/{certificate.id}"
    assert "Ordered and paid: www.example.com." in browser.follow(answer).words
    assert (certificate.domain, certificate.names) == ("www.example.com", ["www.example.com"])
    assert certificate.state == State.PENDING
    assert held(shop, wallet(shop.alice.id)) == 30000 - PRICE
    assert held(shop, SALES) == PRICE

    purchase: Purchase = shop.find(Purchase, certificate.purchase_id)
    assert purchase.paid == Money(PRICE, "CNY")
    assert purchase.payment_method == "balance"
    with shop.database.reading() as session:
        assert booked(session, "order", purchase.number) is not None
    (row,) = shop.history(certificate)
    assert (row.event, row.actor_id, row.channel) == ("order", shop.alice.id, "web")


def test_with_htmx_it_redirects_as_well(shop: Shop) -> None:
    shop.give(shop.alice, PRICE)
    page = shop.browser(shop.alice).post(
        "/order/dv", {"order_id": new_id(), "domain": "www.example.com"}, 204, htmx=True
    )
    assert page.location == f"/certificates/{certificates(shop)[0].id}"


@pytest.mark.parametrize(
    ("product", "typed", "names"),
    [
        ("wildcard", "example.com", ["*.example.com", "example.com"]),
        ("wildcard", "*.example.com", ["*.example.com", "example.com"]),
        ("dv", "bücher.example.com", ["xn--bcher-kva.example.com"]),
        ("ov", "example.com", ["example.com"]),
    ],
)
def test_the_names_that_the_certificate_will_bear(shop: Shop, product: str, typed: str, names: list[str]) -> None:
    shop.give(shop.alice, 500000)
    shop.browser(shop.alice).post(f"/order/{product}", {"order_id": new_id(), "domain": typed})
    (certificate,) = certificates(shop)
    assert certificate.names == names
    assert certificate.domain == names[0]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", "Enter the domain that the certificate is for."),
        ("https://www.example.com/", "is a web address"),
        ("192.0.2.1", "is an IP address"),
        ("*.example.com", "For every name below a domain, order a wildcard."),
    ],
)
def test_a_domain_that_is_none_comes_back_with_the_reason(shop: Shop, typed: str, message: str) -> None:
    shop.give(shop.alice, PRICE)
    browser = shop.browser(shop.alice)
    key = new_id()
    page = browser.post("/order/dv", {"order_id": key, "domain": typed}, 422)
    assert message in page.words
    assert value(page, "domain") == typed
    assert value(page, "order_id") == key
    assert certificates(shop) == []
    checked = browser.post("/order/dv/check", {"domain": typed}, 200, htmx=True)
    assert message in checked.words
    assert value(checked, "domain") == typed


@pytest.mark.parametrize("typed", ["co.uk", "*.co.uk"])
def test_a_wildcard_for_a_whole_registry_cannot_be_ordered(shop: Shop, typed: str) -> None:
    shop.give(shop.alice, 500000)
    page = shop.browser(shop.alice).post("/order/wildcard", {"order_id": new_id(), "domain": typed}, 422)
    assert "would cover every customer of a domain registry" in page.words
    assert value(page, "domain") == typed
    assert certificates(shop) == []


def test_a_wildcard_that_is_too_long_cannot_be_ordered(shop: Shop) -> None:
    shop.give(shop.alice, 500000)
    name = f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 48}.example.com"
    page = shop.browser(shop.alice).post("/order/wildcard", {"order_id": new_id(), "domain": name}, 422)
    assert "is too long" in page.words


def test_too_little_money_says_how_much_is_missing(shop: Shop) -> None:
    shop.give(shop.alice, 20000)
    browser = shop.browser(shop.alice)
    assert "68.00 CNY are missing" in browser.get("/order/dv").words
    page = browser.post("/order/dv", {"order_id": new_id(), "domain": "www.example.com"}, 422)
    assert "Your balance lacks 68.00 CNY for this order. Nothing was booked." in page.words
    assert value(page, "domain") == "www.example.com"
    assert certificates(shop) == []
    assert held(shop, wallet(shop.alice.id)) == 20000


@pytest.mark.parametrize("key", ["", "x", "f" * 31, "F" * 32, f"{'f' * 32}\n"])
def test_a_form_without_a_proper_number_buys_nothing(shop: Shop, key: str) -> None:
    shop.give(shop.alice, PRICE)
    shop.browser(shop.alice).post("/order/dv", {"order_id": key, "domain": "www.example.com"}, 422)
    assert certificates(shop) == []


def test_every_form_has_a_number_of_its_own(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    numbers = {value(browser.get("/order/dv"), "order_id") for _ in range(3)}
    assert len(numbers) == 3


def test_pressed_twice_it_is_bought_once(shop: Shop) -> None:
    shop.give(shop.alice, PRICE)
    browser = shop.browser(shop.alice)
    data = {"order_id": new_id(), "domain": "www.example.com"}
    assert browser.post("/order/dv", data).location == browser.post("/order/dv", data).location
    assert len(certificates(shop)) == 1
    assert held(shop, wallet(shop.alice.id)) == 0


def test_a_used_form_does_not_buy_something_else(shop: Shop) -> None:
    shop.give(shop.alice, 3 * PRICE)
    browser = shop.browser(shop.alice)
    data = {"order_id": new_id(), "domain": "www.example.com"}
    browser.post("/order/dv", data)
    browser.post("/order/dv", data | {"domain": "other.example.com"}, 409)
    shop.give(shop.bob, PRICE)
    page = shop.browser(shop.bob).post("/order/dv", data, 409)
    assert "This order form was used before" in page.words
    assert len(certificates(shop)) == 1
    assert held(shop, wallet(shop.bob.id)) == PRICE


def test_only_customers_order(shop: Shop) -> None:
    for person in (shop.rita, shop.ada):
        browser = shop.browser(person)
        browser.get("/order", 403)
        browser.get("/order/dv", 403)
        browser.post("/order/dv", {"order_id": new_id(), "domain": "www.example.com"}, 403)
    shop.browser().get("/order", 303)


def test_a_product_that_does_not_exist(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    browser.get("/order/nonsense", 404)
    browser.post("/order/nonsense", {"order_id": new_id(), "domain": "www.example.com"}, 404)


# At once, on both databases


def at_once(shop: Shop, orders: list[Order]) -> list[str]:
    """Let all orders be placed at the same time; what became of each: a certificate's id or the error's name."""
    start = Barrier(len(orders))

    def place(order: Order) -> str:
        start.wait()
        try:
            return buy(shop.desk, shop.alice, order, By(shop.alice.actor, Channel.WEB)).id
        except (InsufficientFunds, FormUsed) as refused:
            return type(refused).__name__

    with ThreadPoolExecutor(len(orders)) as threads:
        return list(threads.map(place, orders))


def test_a_double_click_buys_once_even_if_the_money_would_reach_for_one_only(any_shop: Shop) -> None:
    any_shop.give(any_shop.alice, PRICE)
    order = Order(new_id(), PRODUCTS["dv"], "www.example.com", "CNY")
    answers = at_once(any_shop, [order] * 6)
    (certificate,) = certificates(any_shop)
    assert answers == [certificate.id] * 6
    assert held(any_shop, wallet(any_shop.alice.id)) == 0
    assert held(any_shop, SALES) == PRICE


def test_orders_at_once_never_overdraw_the_balance(any_shop: Shop) -> None:
    any_shop.give(any_shop.alice, 2 * PRICE + 1)
    orders = [Order(new_id(), PRODUCTS["dv"], f"n{number}.example.com", "CNY") for number in range(6)]
    answers = at_once(any_shop, orders)
    assert answers.count("InsufficientFunds") == 4
    assert len(certificates(any_shop)) == 2
    assert held(any_shop, wallet(any_shop.alice.id)) == 1
    with any_shop.database.reading() as session:
        assert session.exec(select(func.count()).select_from(Purchase)).one() == 2
