"""Sending in a file of orders that were placed elsewhere."""

import csv
import io

from flask import Response, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from certlifecycle import Role
from webapp.access import by, only, parts, who_asks
from webapp.catalogue import PRODUCTS
from webapp.certificates.models import PaymentMethod
from webapp.htmx import go_to
from webapp.importing import ACCOUNT_FIELDS, LARGEST_FILE, MAY_BE_EMPTY
from webapp.jobs.blueprint import blueprint
from webapp.jobs.forms import ImportForm
from webapp.jobs.import_orders import MOST_ROWS, start_import
from webapp.wording import _

Answer = str | tuple[str, int] | BaseResponse

EXAMPLE = {
    "number": "X-1001",
    "email": "carla@example.com",
    "product": "dv",
    "domain": "shop.example.com",
    "amount": "268.00",
    "voucher": "",
    "currency": "CNY",
    "payment_method": "alipay",
    "payment_reference": "2026042822001",
    "payment_account": "ending 88",
    "paid_at": "2026-05-01T12:00:00+08:00",
    "bank_holder": "",
    "bank_account": "",
    "bank_code": "",
}
"""A row as it should be, by column."""
OPTIONAL = MAY_BE_EMPTY | set(ACCOUNT_FIELDS.values())


@blueprint.url_value_preprocessor
def make_room(endpoint: str | None, _values: dict[str, object] | None) -> None:
    """Let admins send in a large file. This comes before the form is read, and so before its secret is checked."""
    if endpoint == "jobs.import_orders_post" and (person := who_asks()) and person.role == Role.ADMIN:
        request.max_content_length = LARGEST_FILE + 64 * 1024


@blueprint.get("/import")
@only(Role.ADMIN)
def import_orders() -> str:
    """Say what the file must hold, and ask for it."""
    return _page(ImportForm())


@blueprint.post("/import")
@only(Role.ADMIN)
def import_orders_post() -> Answer:
    """Begin the import."""
    form = ImportForm()
    if not form.validate():
        return _page(form), 422
    job_id = start_import(parts().jobs, by(), form.content, form.file_name, form.once.data)
    return go_to(url_for("jobs.details", job_id=job_id))


@blueprint.get("/import/orders.csv")
@only(Role.ADMIN)
def import_template() -> Response:
    """A file with the columns and one row as an example."""
    text = io.StringIO()
    csv.writer(text).writerows([list(EXAMPLE), list(EXAMPLE.values())])
    response = Response(text.getvalue().encode("utf-8-sig"), mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename="orders.csv")
    return response


def _page(form: ImportForm) -> str:
    columns = [(name, meaning, EXAMPLE[name], name in OPTIONAL) for name, meaning in _meanings().items()]
    return render_template("jobs/import.html", form=form, columns=columns, most_rows=MOST_ROWS)


def _meanings() -> dict[str, str]:
    """What each column holds, in words."""
    return {
        "number": _("The order’s number. An order that is known already is left as it is: a file can be sent again."),
        "email": _("The customer’s email address. There must be an account for it."),
        "product": _("One of {products}.", products=list(PRODUCTS)),
        "domain": _("The domain that the certificate is for."),
        "amount": _("What the order cost, as a decimal number."),
        "voucher": _("The part of it that was paid by voucher, as a decimal number."),
        "currency": _("The currency of both, in three letters (ISO 4217)."),
        "payment_method": _("One of {methods}.", methods=[one.value for one in PaymentMethod]),
        "payment_reference": _("The payment’s number at the payment provider."),
        "payment_account": _("What people recognise the account that paid by."),
        "paid_at": _("When it was paid, with the time zone (ISO 8601)."),
        "bank_holder": _("Whose bank account paid. Only for orders paid from a bank account, as are the next two."),
        "bank_account": _("That account: an IBAN, or its number. Money can go back to it."),
        "bank_code": _("The bank of a number: a BIC, or a CNAPS code of twelve digits."),
    }
