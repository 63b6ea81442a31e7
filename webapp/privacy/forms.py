"""The form that deletes an account."""

from wtforms import BooleanField
from wtforms.validators import InputRequired

from webapp.accounts.forms import ConfirmForm
from webapp.wording import lazy


class DeleteForm(ConfirmForm):
    """The password, by somebody who gives up nothing of worth."""


class DeleteAndGiveUpForm(DeleteForm):
    """The password, and that they know what they give up."""

    understood = BooleanField(
        lazy("I give up what is listed above"),
        validators=[InputRequired(lazy("Say that you know what you give up, or get it back first."))],
    )
