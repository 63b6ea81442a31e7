"""Why an exception is made, or declined."""

from wtforms import HiddenField, StringField
from wtforms.validators import DataRequired, Length

from webapp.forms import DeskForm, tidy
from webapp.wording import lazy

LONGEST_REASON = 300
TOO_LONG = lazy("This is too long: at most {most} characters.", most=LONGEST_REASON)


def _reason(label: str, key: str) -> StringField:
    return StringField(
        label,
        id=key,
        filters=[tidy],
        validators=[
            DataRequired(lazy("Say why.")),
            Length(max=LONGEST_REASON, message=TOO_LONG),
        ],
        render_kw={"autocomplete": "off"},
    )


class ProposalForm(DeskForm):
    """Why an exception is to be made."""

    reason = _reason(lazy("Why an exception is made"), "reason")


class AgreementForm(DeskForm):
    """Which proposal is agreed to."""

    proposal = HiddenField(validators=[DataRequired(), Length(max=32)])


class DeclineForm(DeskForm):
    """Which proposal is declined, and why."""

    proposal = HiddenField(id="declined", validators=[DataRequired(), Length(max=32)])
    reason = _reason(lazy("Why not"), "why")
