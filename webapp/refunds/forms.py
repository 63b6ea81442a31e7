"""The form of a refund application, and what every form about a certificate carries."""

from flask_wtf import FlaskForm
from wtforms import IntegerField, RadioField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange
from wtforms.widgets import HiddenInput

from webapp.refunds.models import RefundReason

SHORTEST_REASON = 5
LONGEST_TEXT = 2000
LARGEST_VERSION = 2**31 - 1

REASON_WORDS = {
    RefundReason.NOT_NEEDED: "I no longer need the certificate",
    RefundReason.WRONG_PRODUCT: "I ordered the wrong product",
    RefundReason.WRONG_DOMAIN: "I ordered it for the wrong domain",
    RefundReason.VERIFICATION_TROUBLE: "The verification does not work for me",
    RefundReason.BOUGHT_TWICE: "I bought it twice",
    RefundReason.OTHER: "Something else",
}


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


class RefundForm(VersionForm):
    """Why the money is wanted back."""

    reason_code = RadioField(
        "Which fits best?",
        choices={reason.value: words for reason, words in REASON_WORDS.items()},
        validators=[InputRequired("Choose what fits best.")],
    )
    reason = TextAreaField(
        "Refund reason",
        filters=[tidy],
        validators=[
            DataRequired("Tell us why in a few words."),
            Length(SHORTEST_REASON, message=f"Tell us a little more: at least {SHORTEST_REASON} characters."),
            Length(max=LONGEST_TEXT, message=f"This is too long: at most {LONGEST_TEXT:,} characters."),
        ],
        render_kw={"rows": 5},
    )
