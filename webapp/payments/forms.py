"""The forms of the pages about payments."""

from flask_wtf import FlaskForm
from wtforms import DateField, FileField, SelectField
from wtforms.validators import InputRequired

from webapp.certificates.models import PaymentMethod

PROVIDER_WORDS = {PaymentMethod.BALANCE: "Balance", PaymentMethod.ALIPAY: "Alipay", PaymentMethod.BANK: "Bank"}
"""What a way of paying is called in a list."""


class ReportForm(FlaskForm):
    """A status report of the bank's."""

    report = FileField(
        "Report (pain.002)",
        # An empty field of a form comes as a file without a name, which is false.
        validators=[InputRequired("Choose the file that the bank made.")],
        render_kw={"accept": ".xml"},
    )


class DayForm(FlaskForm):
    """A day of a provider that is to be compared."""

    method = SelectField("Provider")
    day = DateField(
        "Day",
        validators=[InputRequired("Enter a day.")],
        render_kw={"required": True},
    )
