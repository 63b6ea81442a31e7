"""The form of a refund application."""

from flask_wtf import FlaskForm
from wtforms import RadioField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length

from webapp.forms import LONGEST_TEXT, VersionForm, tidy
from webapp.refunds.models import RefundReason

SHORTEST_REASON = 5

REASON_WORDS = {
    RefundReason.NOT_NEEDED: "I no longer need the certificate",
    RefundReason.WRONG_PRODUCT: "I ordered the wrong product",
    RefundReason.WRONG_DOMAIN: "I ordered it for the wrong domain",
    RefundReason.VERIFICATION_TROUBLE: "The verification does not work for me",
    RefundReason.BOUGHT_TWICE: "I bought it twice",
    RefundReason.OTHER: "Something else",
}


class RefundReasonForm(FlaskForm):
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


class RefundForm(RefundReasonForm, VersionForm):
    """The application for one certificate."""
