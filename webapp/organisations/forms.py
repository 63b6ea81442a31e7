"""The forms of organisations, invitations and registration."""

from wtforms import EmailField, PasswordField, StringField
from wtforms.validators import EqualTo, InputRequired, Length, Regexp

from webapp.accounts.forms import refuse_weak
from webapp.accounts.passwords import LONGEST
from webapp.forms import DeskForm, tidy
from webapp.wording import lazy

LONGEST_NAME = 100

_SIGN = r"""[^\s@,;:<>()\[\]"\\\x00-\x1f\x7f]"""
ADDRESS = rf"{_SIGN}{{1,64}}@{_SIGN}+\.{_SIGN}{{2,}}\Z"
"""What may be an address: whether mail arrives there, only mail can tell."""


def _one_line(text: str | None) -> str | None:
    tidied = tidy(text)
    return " ".join(tidied.split()) if tidied else tidied


def lower(text: str | None) -> str | None:
    """An address as accounts have it."""
    return text.strip().lower() if text else text


def _email() -> EmailField:
    return EmailField(
        lazy("Email address"),
        validators=[
            InputRequired(lazy("Enter an email address.")),
            Length(max=254),
            Regexp(ADDRESS, message=lazy("This is not an email address. It looks like name@example.com.")),
        ],
        filters=[lower],
        render_kw={"autocomplete": "email"},
    )


class OrganisationForm(DeskForm):
    """What an organisation is called."""

    name = StringField(
        lazy("Name of the organisation"),
        validators=[InputRequired(lazy("Enter a name.")), Length(min=2, max=LONGEST_NAME)],
        filters=[_one_line],
        render_kw={"autocomplete": "organization"},
    )


class InviteForm(DeskForm):
    """Whom to invite."""

    email = _email()


class NewPersonForm(DeskForm):
    """A name and a password, by somebody who has shown that their address is theirs, or is about to."""

    name = StringField(
        lazy("Your name"),
        validators=[InputRequired(lazy("Enter your name.")), Length(max=LONGEST_NAME)],
        filters=[_one_line],
        render_kw={"autocomplete": "name"},
    )
    password = PasswordField(
        lazy("Password"),
        validators=[InputRequired(lazy("Choose a password."))],
        render_kw={"autocomplete": "new-password"},
    )
    again = PasswordField(
        lazy("Password again"),
        validators=[EqualTo("password", lazy("This is another one than above."))],
        render_kw={"autocomplete": "new-password"},
    )

    def about(self) -> tuple[str, ...]:
        """What anybody may know of them, and no password is to be made of."""
        return (self.name.data or "",)

    def validate_password(self, field: PasswordField) -> None:
        """Whether it is good enough."""
        refuse_weak(field.data or "", self.about())


class RegisterForm(NewPersonForm):
    """Somebody who wants an account."""

    email = _email()
    organisation = StringField(
        lazy("Name of your organisation"),
        validators=[Length(max=LONGEST_NAME)],
        filters=[_one_line],
        render_kw={"autocomplete": "organization"},
    )

    def about(self) -> tuple[str, ...]:
        """Their address and their organisation as well."""
        return (*super().about(), self.email.data or "", self.organisation.data or "")


class ConfirmRegistrationForm(DeskForm):
    """The password that was chosen when registering."""

    password = PasswordField(
        lazy("Your password"),
        validators=[InputRequired(lazy("Enter the password that you chose.")), Length(max=LONGEST)],
        render_kw={"autocomplete": "current-password"},
    )
