"""The style guide: every component in every state, for whoever designs a page."""

from typing import Any

from flask import Blueprint, render_template
from markupsafe import Markup
from wtforms import (
    BooleanField,
    EmailField,
    FileField,
    Form,
    PasswordField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.validators import InputRequired

from certlifecycle import State
from certlifecycle.diagram import svg
from webapp.access import parts, public

blueprint = Blueprint("styleguide", __name__)

# The type stubs know pairs only, which WTForms itself warns of.
ACCOUNTS: Any = ["Alipay account ending 88", "Balance"]
REASONS: Any = ["Ordered twice", "Another reason"]
PRODUCTS: Any = ["dv", "ov", "wildcard"]


class SampleForm(Form):
    """One field of every kind."""

    domain = StringField("Domain", [InputRequired("Enter a domain.")])
    password = PasswordField("Password", [InputRequired("Enter your password.")])
    csr = TextAreaField("Signing request (CSR)", [InputRequired("Paste a signing request.")])
    upload = FileField("File")
    account = SelectField("Account", choices=ACCOUNTS)
    reason = RadioField("Refund reason", [InputRequired("Choose a reason.")], choices=REASONS)
    product = RadioField("Product", choices=PRODUCTS, default="dv")
    remember = BooleanField("Keep me signed in")
    note = TextAreaField("Note to the customer")
    confirm = StringField("Domain", [InputRequired("Type the domain.")])
    email = EmailField("Email address", [InputRequired("Enter your email address.")])
    secret = PasswordField("Password", [InputRequired("Enter your password.")])

    def validate_remember(self, _field: BooleanField) -> None:
        """Always refuse, so that a check box with an error can be looked at."""
        raise ValidationError("Not on this computer.")


def refused_form() -> SampleForm:
    """The sample with an error at every field that a guide page shows twice."""
    form = SampleForm(prefix="refused-")
    del form.confirm, form.email, form.secret
    form.validate()
    return form


@blueprint.get("/styleguide")
@public
def styleguide() -> str:
    """Show all components on one page."""
    return render_template(
        "styleguide.html",
        now=parts().desk.clock(),
        fresh=SampleForm(prefix="fresh-"),
        refused=refused_form(),
        diagram=Markup(svg(State.REVOKED, [State.PENDING, State.ISSUED])),  # noqa: S704  # Our own drawing.
    )
