"""The form of a refund application."""

from wtforms import RadioField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length

from certlifecycle import phrase
from webapp.forms import LONGEST_TEXT, TOO_LONG, DeskForm, VersionForm, tidy
from webapp.refunds.models import RefundReason
from webapp.wording import Vocabulary, lazy

SHORTEST_REASON = 5

REASON_WORDS = Vocabulary(
    {
        RefundReason.NOT_NEEDED: phrase("I no longer need the certificate"),
        RefundReason.WRONG_PRODUCT: phrase("I ordered the wrong product"),
        RefundReason.WRONG_DOMAIN: phrase("I ordered it for the wrong domain"),
        RefundReason.VERIFICATION_TROUBLE: phrase("The verification does not work for me"),
        RefundReason.BOUGHT_TWICE: phrase("I bought it twice"),
        RefundReason.OTHER: phrase("Something else"),
    }
)


class RefundReasonForm(DeskForm):
    """Why the money is wanted back."""

    reason_code = RadioField(
        lazy("Which fits best?"),
        choices=lambda: {reason.value: REASON_WORDS[reason] for reason in REASON_WORDS},
        validators=[InputRequired(lazy("Choose what fits best."))],
    )
    reason = TextAreaField(
        lazy("Refund reason"),
        filters=[tidy],
        validators=[
            DataRequired(lazy("Tell us why in a few words.")),
            Length(
                SHORTEST_REASON,
                message=lazy("Tell us a little more: at least {least} characters.", least=SHORTEST_REASON),
            ),
            Length(max=LONGEST_TEXT, message=TOO_LONG),
        ],
        render_kw={"rows": 5},
    )


class RefundForm(RefundReasonForm, VersionForm):
    """The application for one certificate."""
