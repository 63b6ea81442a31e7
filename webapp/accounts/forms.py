"""The forms for signing in, for what one signs in with, and for choosing a language and a time zone."""

from collections.abc import Mapping, Sequence

from wtforms import EmailField, HiddenField, PasswordField, SelectField, StringField
from wtforms.validators import EqualTo, InputRequired, Length, ValidationError

from webapp.access import parts, signed_in_just_now, whoever_comes
from webapp.accounts.models import Account
from webapp.accounts.passwords import LONGEST, NONE, SHORTEST, Weakness, fits, weakness
from webapp.forms import DeskForm, tidy
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


class CodeForm(DeskForm):
    """A code of the authenticator app, or a recovery code."""

    code = StringField(
        lazy("Code"),
        validators=[InputRequired(lazy("Enter the code.")), Length(max=40)],
        render_kw={"autocomplete": "one-time-code", "autocapitalize": "off", "spellcheck": "false"},
    )


class ConfirmForm(DeskForm):
    """The password again, before something changes that one signs in with."""

    password = PasswordField(
        lazy("Your password"),
        validators=[InputRequired(lazy("Enter your password.")), Length(max=LONGEST)],
        render_kw={"autocomplete": "current-password"},
    )

    def __init__(self) -> None:
        super().__init__()
        if whoever_comes().password_hash == NONE:
            del self.password

    def validate(self, extra_validators: Mapping[str, Sequence[object]] | None = None) -> bool:
        """Check everything; whoever has no password must have signed in a moment ago instead."""
        is_valid = super().validate(extra_validators)
        if whoever_comes().password_hash == NONE and not signed_in_just_now():
            self.form_errors.append(
                _("Sign out and in again first. For ten minutes after that you need no password here: you have none.")
            )
            return False
        return is_valid

    def validate_password(self, field: PasswordField) -> None:
        """Whether it is theirs."""
        if not fits(whoever_comes().password_hash, field.data or ""):
            raise ValidationError(_("This is not your password."))


class LinkForm(ConfirmForm):
    """The password again, and a code where there is an app, before another sign-in may open the account."""

    code = StringField(
        lazy("Code of the authenticator app"),
        validators=[InputRequired(lazy("Enter the code.")), Length(max=40)],
        render_kw={"autocomplete": "one-time-code", "autocapitalize": "off", "spellcheck": "false"},
    )


class SetUpForm(CodeForm):
    """The first code of a new app, by somebody who is arriving and has just given the password."""


class ConfirmedSetUpForm(ConfirmForm):
    """The first code of a new app, and the password again."""

    code = StringField(
        lazy("Code"),
        validators=[InputRequired(lazy("Enter the code.")), Length(max=40)],
        render_kw={"autocomplete": "one-time-code", "inputmode": "numeric"},
    )


class CredentialForm(SignInForm):
    """What a passkey signed, as JSON from the browser, on a page that also asks for address and password."""

    credential = HiddenField()
    code = CodeForm.code


def _passkey_name() -> StringField:
    return StringField(
        lazy("Name of the passkey"),
        validators=[
            InputRequired(lazy("Give it a name, so that you know later which device it is on.")),
            Length(max=60),
        ],
        filters=[tidy],
        render_kw={"autocomplete": "off"},
    )


class PasskeyForm(DeskForm):
    """A new passkey, by somebody who is arriving and has just given the password."""

    name = _passkey_name()
    credential = HiddenField()


class ConfirmedPasskeyForm(ConfirmForm):
    """A new passkey, and the password again."""

    name = _passkey_name()
    credential = HiddenField()


def refuse_weak(password: str, about: Sequence[str]) -> None:
    """Refuse, as the error of a field, a new password that is too short, too long, or easy to guess.

    ``about`` is what anybody may know of whoever chooses it.
    """
    match weakness(password, (*about, parts().settings.shop_name)):
        case Weakness.SHORT:
            raise ValidationError(_("Take at least {count} characters.", count=SHORTEST))
        case Weakness.LONG:
            raise ValidationError(_("Take at most {count} characters.", count=LONGEST))
        case Weakness.COMMON:
            raise ValidationError(
                _("This password is easy to guess: many people have it or one made like it. Several words do well.")
            )


class ChosenPasswordForm(DeskForm):
    """A new password, twice."""

    new = PasswordField(
        lazy("New password"),
        validators=[InputRequired(lazy("Enter a new password."))],
        render_kw={"autocomplete": "new-password"},
    )
    again = PasswordField(
        lazy("New password again"),
        validators=[EqualTo("new", lazy("This is another one than above."))],
        render_kw={"autocomplete": "new-password"},
    )

    def owner(self) -> Account:
        """Whose it is to be."""
        return whoever_comes()

    def validate_new(self, field: PasswordField) -> None:
        """Whether it is good enough."""
        owner = self.owner()
        refuse_weak(field.data or "", (owner.email, owner.name))


class NewPasswordForm(ConfirmForm, ChosenPasswordForm):
    """Another password in place of the present one."""


class RecoverForm(DeskForm):
    """Whose password is forgotten?"""

    email = EmailField(
        lazy("Email address"),
        validators=[InputRequired(lazy("Enter your email address.")), Length(max=254)],
        render_kw={"autocomplete": "username"},
    )


class ResetForm(ChosenPasswordForm):
    """A new password by a link, for somebody who is not signed in."""

    def __init__(self, owner: Account) -> None:
        self._owner = owner
        super().__init__()

    def owner(self) -> Account:
        """Whose link it is."""
        return self._owner


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
