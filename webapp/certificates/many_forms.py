"""What has to be said once for many certificates at once."""

from wtforms import Field, StringField
from wtforms.validators import InputRequired, ValidationError

from certlifecycle import Event
from webapp.certificates.forms import RevocationReasonForm
from webapp.forms import DeskForm
from webapp.refunds.forms import RefundReasonForm
from webapp.wording import lazy


class ManyRevocationsForm(RevocationReasonForm):
    """Why they are revoked, and how many, so that nobody revokes more than they mean."""

    count = StringField(
        lazy("How many"),
        validators=[InputRequired(lazy("Type how many are to be revoked."))],
        render_kw={"autocomplete": "off", "inputmode": "numeric"},
    )

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def validate_count(self, field: Field) -> None:
        """The number that stands on the page."""
        if (field.data or "").strip() != str(self.number):
            raise ValidationError(
                lazy("This is not how many would be revoked: there are {number}.", number=self.number)
            )


def form_for(event: Event, number: int) -> DeskForm:
    """The form for an event that happens to so many certificates."""
    if event is Event.REQUEST_REFUND:
        return RefundReasonForm()
    if event is Event.REVOKE:
        return ManyRevocationsForm(number)
    return DeskForm()
