"""Buying a certificate from the balance: payment and order are one transaction."""

from dataclasses import dataclass

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from certlifecycle import phrase
from webapp.accounts.models import Account
from webapp.catalogue import Product
from webapp.certificates.models import Certificate, PaymentMethod, Purchase
from webapp.desk import By, Desk, order_number
from webapp.errors import DeskError
from webapp.payments.ledger import SALES, transfer, wallet
from webapp.wording import _

KIND = "order"
NUMBER_PREFIX = "N"


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants to buy. ``id`` is made with the form and used once; it becomes the purchase's key."""

    id: str
    product: Product
    domain: str
    currency: str


class FormUsed(DeskError):
    """The order's once-only id belongs to an order for something else."""

    status = 409
    title = phrase("This order form was used before")


def buy(desk: Desk, customer: Account, order: Order, by: By) -> Certificate:
    """Pay for a certificate from the customer's balance and begin its life.

    The same order again leads to the same certificate and pays nothing. Raises
    :class:`~webapp.payments.ledger.InsufficientFunds`, and :class:`FormUsed` when its id is that of another order.
    """
    try:
        with desk.database.writing() as session:
            return _buy(session, desk, customer, order, by)
    except IntegrityError:
        # The button was pressed before, or twice at once: what the first one bought is the answer.
        with desk.database.reading() as session:
            bought = session.exec(select(Certificate).where(Certificate.purchase_id == order.id)).first()
        if bought is None:
            raise
    if (bought.customer_id, bought.domain) != (customer.id, order.domain):
        raise FormUsed(_("An order was placed with this form already."), _("Begin a new order."))
    return bought


def _buy(session: Session, desk: Desk, customer: Account, order: Order, by: By) -> Certificate:
    now = desk.clock()
    price = order.product.price(order.currency)
    number = order_number(NUMBER_PREFIX, now)
    purchase = Purchase(
        id=order.id,
        number=number,
        customer_id=customer.id,
        product=order.product.code,
        product_name=order.product.name,
        validity_days=order.product.validity_days,
        amount_minor=price.minor,
        currency=price.currency,
        payment_method=PaymentMethod.BALANCE,
        payment_reference=number,
        paid_at=now,
        created_at=now,
    )
    session.add(purchase)
    # Written before the money moves: a second one with the same key must fail here, not for want of money.
    session.flush()
    transfer(session, KIND, number, wallet(customer.id), SALES, price, now, memo=order.domain)
    return desk.open_order(session, purchase, order.domain, order.product.names_for(order.domain), by)
