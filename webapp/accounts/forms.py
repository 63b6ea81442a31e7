"""The forms for signing in, and for choosing a language and a time zone."""

from wtforms import EmailField, PasswordField, SelectField
from wtforms.validators import InputRequired, Length

from webapp.access import parts
from webapp.accounts.models import Account
from webapp.accounts.passwords import LONGEST
from webapp.forms import DeskForm
from webapp.languages import offered_here
from webapp.wording import _, lazy
from webapp.zones import zone_choices


class SignInForm(DeskForm):
    """Who are you?"""

    email = EmailField(
        lazy("Email address"),
        validators=[InputRequired(lazy("Enter your email address.")), Length(max=254)],
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        lazy("Password"),
        validators=[InputRequired(lazy("Enter your password.")), Length(max=LONGEST)],
        render_kw={"autocomplete": "current-password"},
    )


class PreferencesForm(DeskForm):
    """A language and a time zone; the empty choice of each follows the browser and the shop."""

    language = SelectField(lazy("Language"))
    timezone = SelectField(lazy("Time zone"))

    def __init__(self, account: Account | None = None) -> None:
        super().__init__(obj=account)
        own = {one.tag: one.name for one in offered_here().offered.values()}
        self.language.choices = {"": _("As my browser asks for"), **own}
        shops = _("As the shop: {zone}", zone=parts().settings.timezone)
        self.timezone.choices = {"": shops, "UTC": "UTC", **zone_choices()}
