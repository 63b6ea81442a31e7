"""The price list, and buying from it."""

from flask import Blueprint, flash, render_template, request, url_for
from werkzeug.wrappers import Response

from certlifecycle import Money
from webapp.access import account, by, customers_only, parts
from webapp.catalogue import PRODUCTS, Product
from webapp.certificates.names import display_name
from webapp.errors import NotFound
from webapp.htmx import go_to
from webapp.ordering.forms import OrderForm
from webapp.ordering.service import Order, buy
from webapp.payments.ledger import InsufficientFunds, balance, wallet
from webapp.refunds.present import policy_words
from webapp.wording import _

blueprint = Blueprint("ordering", __name__, url_prefix="/order")


@blueprint.get("")
@customers_only
def price_list() -> str:
    """What can be ordered, and what it costs."""
    currency = parts().settings.currency
    cards = [(product, product.price(currency)) for product in PRODUCTS.values()]
    rules = policy_words(parts().desk.policy, currency)
    return render_template("ordering/price_list.html", cards=cards, balance=_balance(), rules=rules)


@blueprint.get("/<product>")
@customers_only
def order(product: str) -> str:
    """Ask for the domain, and show what it costs and what remains."""
    wanted = _product(product)
    return _order_page(wanted, OrderForm(wanted))


@blueprint.post("/<product>")
@customers_only
def order_post(product: str) -> tuple[str, int] | Response:
    """Buy, once however often the button is pressed."""
    wanted = _product(product)
    form = OrderForm(wanted)
    if not form.validate():
        return _order_page(wanted, form), 422
    placed = Order(form.order_id.data or "", wanted, form.wanted, parts().settings.currency)
    try:
        certificate = buy(parts().desk, account(), placed, by())
    except InsufficientFunds as poor:
        form.form_errors.append(
            _("Your balance lacks {amount} for this order. Nothing was booked.", amount=poor.missing)
        )
        return _order_page(wanted, form), 422
    flash(
        _("Ordered and paid: {domain}. Submit it for verification next.", domain=display_name(certificate.domain)),
        "success",
    )
    return go_to(url_for("certificates.details", certificate_id=certificate.id))


@blueprint.post("/<product>/check")
@customers_only
def check(product: str) -> str:
    """Check one field while the form is being filled in; nothing is stored."""
    form = OrderForm(_product(product))
    form.validate()
    return render_template("ordering/_domain.html", form=form, product=form.product, check_url=request.path)


def _product(code: str) -> Product:
    if code not in PRODUCTS:
        raise NotFound(_("There is no such product."), _("Choose one from the price list."))
    return PRODUCTS[code]


def _balance() -> Money:
    with parts().database.reading() as session:
        return balance(session, wallet(account().id), parts().settings.currency)


def _order_page(product: Product, form: OrderForm) -> str:
    price, held = product.price(parts().settings.currency), _balance()
    return render_template(
        "ordering/order.html",
        product=product,
        form=form,
        price=price,
        balance=held,
        rest=Money(held.minor - price.minor, price.currency),
        check_url=url_for("ordering.check", product=product.code),
    )
