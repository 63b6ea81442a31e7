"""What every form about a certificate carries."""

from flask_wtf import FlaskForm
from wtforms import IntegerField
from wtforms.validators import InputRequired, NumberRange
from wtforms.widgets import HiddenInput

LONGEST_TEXT = 2000
LARGEST_VERSION = 2**31 - 1


def tidy(text: str | None) -> str | None:
    """Text as it is stored: one kind of line end, no invisible control characters, nothing around it."""
    if text is None:
        return None
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(one for one in lines if one in "\n\t" or one.isprintable()).strip()


class VersionForm(FlaskForm):
    """A form made from a certificate as it was at one version; whoever comes too late is told so."""

    version = IntegerField(
        "This page",
        widget=HiddenInput(),
        validators=[
            InputRequired("The form came without its version. Load the page again."),
            NumberRange(1, LARGEST_VERSION, "The form's version makes no sense. Load the page again."),
        ],
    )
