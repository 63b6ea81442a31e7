"""Why something is tried again, or let be. Only those who run the desk read it."""

from wtforms import TextAreaField
from wtforms.validators import DataRequired, Length

from webapp.forms import DeskForm, VersionForm, tidy
from webapp.wording import lazy

LONGEST_REASON = 500


class ReasonForm(DeskForm):
    """A reason, which stands in the history from then on."""

    reason = TextAreaField(
        lazy("Reason"),
        filters=[tidy],
        validators=[
            DataRequired(lazy("Say why, for whoever reads the history later.")),
            Length(
                max=LONGEST_REASON, message=lazy("This is too long: at most {most} characters.", most=LONGEST_REASON)
            ),
        ],
        render_kw={"rows": 2},
    )

    @property
    def said(self) -> str:
        """The reason of a form that is valid."""
        return self.reason.data or ""


class RetryForm(ReasonForm, VersionForm):
    """The same about a certificate as it was when the page was made."""

    @property
    def seen(self) -> int:
        """The version that was looked at, of a form that is valid."""
        return self.version.data or 0
