"""What an administrator says about somebody's role and rights."""

from wtforms import BooleanField, HiddenField, RadioField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length

from certlifecycle import Role
from webapp.forms import LONGEST_TEXT, TOO_LONG, DeskForm, tidy
from webapp.people.changing import Standing
from webapp.wording import ROLE_WORDS, lazy

ROLES = (Role.CUSTOMER, Role.REVIEWER, Role.ADMIN)


class LettingInForm(DeskForm):
    """How an administrator made sure who is asking."""

    reason = TextAreaField(
        lazy("How you made sure that it is them"),
        filters=[tidy],
        validators=[
            DataRequired(lazy("Say how you made sure.")),
            Length(max=LONGEST_TEXT, message=TOO_LONG),
        ],
        render_kw={"rows": 2},
    )


class StandingForm(DeskForm):
    """A role, two rights, and why. ``was`` is the standing that the page was made from."""

    was = HiddenField()
    role = RadioField(
        lazy("Role"),
        choices=lambda: {role.value: ROLE_WORDS[role] for role in ROLES},
        validators=[InputRequired(lazy("Choose a role."))],
    )
    may_decide = BooleanField(lazy("May decide"))
    may_pay = BooleanField(lazy("May send money"))
    reason = TextAreaField(
        lazy("Reason"),
        filters=[tidy],
        validators=[DataRequired(lazy("Say why.")), Length(max=LONGEST_TEXT, message=TOO_LONG)],
        render_kw={"rows": 2},
    )

    @property
    def standing(self) -> Standing:
        """What is wanted."""
        return Standing(Role(self.role.data), bool(self.may_decide.data), bool(self.may_pay.data))
