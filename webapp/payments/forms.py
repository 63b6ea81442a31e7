"""The forms of the pages about payments."""

from wtforms import DateField, SelectField
from wtforms.validators import InputRequired

from certlifecycle import phrase
from webapp.certificates.models import PaymentMethod
from webapp.forms import DeskForm, UploadField
from webapp.wording import Vocabulary, lazy

PROVIDER_WORDS = Vocabulary(
    {
        PaymentMethod.BALANCE: phrase("Balance"),
        PaymentMethod.ALIPAY: phrase("Alipay"),
        PaymentMethod.BANK: phrase("Bank"),
    }
)
"""What a way of paying is called in a list."""


class ReportForm(DeskForm):
    """A status report of the bank's."""

    report = UploadField(
        lazy("Report (pain.002)"),
        (".xml",),
        # An empty field of a form comes as a file without a name, which is false.
        validators=[InputRequired(lazy("Choose the file that the bank made."))],
    )


class DayForm(DeskForm):
    """A day of a provider that is to be compared."""

    method = SelectField(lazy("Provider"))
    day = DateField(
        lazy("Day"),
        validators=[InputRequired(lazy("Enter a day."))],
        render_kw={"required": True},
    )
