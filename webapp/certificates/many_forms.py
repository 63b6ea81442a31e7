"""What has to be said once for many certificates at once."""

from flask_wtf import FlaskForm
from wtforms import Field, StringField
from wtforms.validators import InputRequired, ValidationError

from certlifecycle import Event
from webapp.certificates.forms import RevocationReasonForm
from webapp.refunds.forms import RefundReasonForm


class ManyRevocationsForm(RevocationReasonForm):
    """Why they are revoked, and how many, so that nobody revokes more than they mean."""

    count = StringField(
        "How many",
        validators=[InputRequired("Type how many are to be revoked.")],
        render_kw={"autocomplete": "off", "inputmode": "numeric"},
    )

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def validate_count(self, field: Field) -> None:
        """The number that stands on the page."""
        if (field.data or "").strip() != str(self.number):
            raise ValidationError(f"This is not how many would be revoked: there are {self.number}.")


def form_for(event: Event, number: int) -> FlaskForm:
    """The form for an event that happens to so many certificates."""
    if event is Event.REQUEST_REFUND:
        return RefundReasonForm()
    if event is Event.REVOKE:
        return ManyRevocationsForm(number)
    return FlaskForm()
