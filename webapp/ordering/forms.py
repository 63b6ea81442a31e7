"""The order form."""

from wtforms import Field, StringField
from wtforms.validators import InputRequired, Regexp, ValidationError
from wtforms.widgets import HiddenInput

from webapp.catalogue import Product
from webapp.certificates.names import NameRejected, read_domain
from webapp.columns import new_id
from webapp.forms import DeskForm
from webapp.wording import _, lazy, words


class OrderForm(DeskForm):
    """For which domain. ``order_id`` is made with the form, so that a button pressed twice buys once.

    ``wanted`` is the domain as the certificate will bear it, once the form is valid.
    """

    order_id = StringField(
        lazy("This form"),
        widget=HiddenInput(),
        default=new_id,
        validators=[
            InputRequired(lazy("The form came without its number. Load the page again.")),
            Regexp(r"^[0-9a-f]{32}\Z", message=lazy("The form’s number makes no sense. Load the page again.")),
        ],
    )
    domain = StringField(
        lazy("Domain"),
        validators=[InputRequired(lazy("Enter the domain that the certificate is for."))],
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "inputmode": "url"},
    )

    def __init__(self, product: Product) -> None:
        super().__init__()
        self.product = product
        self.wanted = ""

    def validate_domain(self, field: Field) -> None:
        """Read the domain, and see that it suits the product."""
        try:
            domain = read_domain(field.data)
            if self.product.wildcard and not domain.startswith("*."):
                # A wildcard may be ordered by the domain that it is for; not every domain may have one.
                domain = read_domain(f"*.{domain}")
        except NameRejected as rejected:
            raise ValidationError(words().say(rejected.sentence)) from None
        if domain.startswith("*.") and not self.product.wildcard:
            raise ValidationError(_("This product is for one name. For every name below a domain, order a wildcard."))
        self.wanted = domain
