"""The forms that begin an import and an export."""

from collections.abc import Mapping
from secrets import token_hex
from typing import Any

from wtforms import DateField, Field, HiddenField, SelectField
from wtforms.validators import InputRequired, Length, Optional, ValidationError

from certlifecycle import phrase
from webapp.forms import DeskForm, UploadField
from webapp.importing import LARGEST_FILE
from webapp.jobs.export_tables import Table
from webapp.refunds.models import Outcome
from webapp.wording import STATE_WORDS, Vocabulary, _, lazy

OUTCOME_WORDS = Vocabulary(
    {
        Outcome.OPEN: phrase("In review"),
        Outcome.APPROVED: phrase("Approved"),
        Outcome.REFUNDED: phrase("Refunded"),
        Outcome.REJECTED: phrase("Refused"),
        Outcome.WITHDRAWN: phrase("Withdrawn"),
    }
)
STATE_WORDS_OF: Mapping[str, Mapping[Any, str]] = {"certificates": STATE_WORDS, "refunds": OUTCOME_WORDS, "history": {}}
"""What a table can be filtered by, in words."""


class OnceForm(DeskForm):
    """A form with a word of its own, so that a button pressed twice begins one job."""

    once = HiddenField(validators=[InputRequired(lazy("Load the page again.")), Length(max=40)])

    def __init__(self, **more: Any) -> None:  # noqa: ANN401  What a form takes.
        super().__init__(**more)
        self.once.data = self.once.data or token_hex(8)


class ImportForm(OnceForm):
    """A file of orders."""

    file = UploadField(lazy("File"), (".csv",))

    def validate_file(self, field: Field) -> None:
        """Take the file in; what is in it is the job's to check."""
        self.content = field.data.read() if field.data else b""
        if not self.content:
            raise ValidationError(_("Choose a file with orders in it."))
        if len(self.content) > LARGEST_FILE:
            raise ValidationError(_("The file is larger than 20 MiB. Split it and send the parts one after the other."))

    @property
    def file_name(self) -> str:
        """What the file is called where it came from."""
        return self.file.file_name or "orders.csv"


class ExportForm(OnceForm):
    """Which rows of a table."""

    since = DateField(lazy("From"), validators=[Optional()])
    until = DateField(lazy("Until, that day included"), validators=[Optional()])
    state = SelectField(lazy("State"))

    def __init__(self, table: Table) -> None:
        super().__init__()
        words = STATE_WORDS_OF[table.name]
        self.state.choices = [("", _("Any")), *((one.value, words[one]) for one in table.states or ())]
        if table.states is None:
            del self.state

    def validate_until(self, field: Field) -> None:
        """The days stand in their order."""
        if field.data and self.since.data and field.data < self.since.data:
            raise ValidationError(_("This day lies before the first one."))
