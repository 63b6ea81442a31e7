"""The reviewers' forms: what the customer reads, and what only other reviewers do."""

from collections.abc import Sequence

from flask_wtf import FlaskForm
from wtforms import BooleanField, Field, HiddenField, IntegerField, RadioField, StringField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional, ValidationError
from wtforms.widgets import HiddenInput

from webapp.forms import LARGEST_VERSION, LONGEST_TEXT, VersionForm, tidy
from webapp.review.models import ReasonKind, ReasonTemplate
from webapp.review.reasons import KIND_WORDS, Wording


def _words(label: str, key: str, *validators: DataRequired, rows: int = 3) -> TextAreaField:
    return TextAreaField(
        label,
        id=key,
        filters=[tidy],
        validators=[
            *validators,
            Length(max=LONGEST_TEXT, message=f"This is too long: at most {LONGEST_TEXT:,} characters."),
        ],
        render_kw={"rows": rows},
    )


class DecisionForm(VersionForm):
    """A decision as it was made from a page.

    ``note`` is for other reviewers alone. ``despite`` names the claim of another reviewer that the decision passes
    over.
    """

    note = _words("Internal note", "go-note", rows=2)
    despite = HiddenField(id="go-despite", validators=[Optional(), Length(max=32)])

    @property
    def written(self) -> str:
        """What the reviewer typed, to be shown where the form can no longer be."""
        return self.note.data or ""


class Reason:
    """What the forms of a refusal share: a template that fills the text, and the text that the customer reads."""

    template: StringField
    words: TextAreaField
    instructions: TextAreaField | None = None

    def offer(self, templates: Sequence[ReasonTemplate]) -> None:
        """Put these templates on offer."""
        self.offered = templates
        self._texts = {one.id: (one.reason, one.instructions) for one in templates}

    def use(self) -> None:
        """Fill in the words of the chosen template. What somebody typed is never taken away."""
        reason, instructions = self._texts.get(self.template.data or "", ("", ""))
        self.words.data = _filled(self.words.data, reason, [known for known, _ in self._texts.values()])
        if self.instructions is not None:
            known_advice = [known for _, known in self._texts.values()]
            self.instructions.data = _filled(self.instructions.data, instructions, known_advice)

    def fill_when_empty(self) -> bool:
        """Fill in a template that was chosen and not used yet, so that it is read before it is sent."""
        if (self.words.data or "") or not self.template.data or self.template.data not in self._texts:
            return False
        self.use()
        return True


def _filled(typed: str | None, text: str, known: Sequence[str]) -> str:
    """The text in the place of nothing or of another template's, behind anything else."""
    if not typed or typed in known:
        return text
    return typed if not text or text in typed else f"{typed}\n{text}"


def _template() -> StringField:
    # Drawn as a select by the page; one that is offered no more is as good as none, and never an error.
    return StringField("Text to begin with", validators=[Optional(), Length(max=32)])


class FailForm(DecisionForm, Reason):
    """Why a verification fails."""

    kind = ReasonKind.FAIL
    template = _template()
    words = _words("Reason", "words", DataRequired("Write the reason."), rows=4)
    note = _words("Internal note", "note", rows=2)
    despite = HiddenField(id="despite", validators=[Optional(), Length(max=32)])

    @property
    def written(self) -> str:
        """What the reviewer typed, to be shown where the form can no longer be."""
        return "\n".join(filter(None, [self.words.data, self.note.data]))


class RejectForm(DecisionForm, Reason):
    """Why a refund is refused, and what the customer can do."""

    kind = ReasonKind.REJECT
    template = _template()
    words = _words("Reason", "words", DataRequired("Write the reason."), rows=4)
    instructions = _words(
        "What the customer can do now", "instructions", DataRequired("Tell the customer what to do now.")
    )
    note = _words("Internal note", "note", rows=2)
    despite = HiddenField(id="despite", validators=[Optional(), Length(max=32)])

    @property
    def written(self) -> str:
        """What the reviewer typed, to be shown where the form can no longer be."""
        return "\n".join(filter(None, [self.words.data, self.instructions.data, self.note.data]))


ReasonForm = FailForm | RejectForm


class ManyForm(FlaskForm):
    """A decision about many cases; what they were like stands beside it in the form."""

    note = _words("Internal note", "note", rows=2)
    despite = BooleanField("Decide them all the same")


class RefuseManyForm(ManyForm, Reason):
    """Why many cases are refused. ``instructions`` are for refunds and missing where there is none."""

    template = _template()
    words = _words("Reason", "words", DataRequired("Write the reason."), rows=4)
    instructions = _words(
        "What the customer can do now", "instructions", DataRequired("Tell the customer what to do now.")
    )

    @property
    def advice(self) -> str:
        """What the customers of refunds can do; empty where there is none among the cases."""
        return str(self.data.get("instructions") or "")


class NoteForm(FlaskForm):
    """An internal note by itself."""

    text = _words("Internal note", "new-note", DataRequired("Write the note."), rows=2)


class TemplateForm(FlaskForm):
    """A reason that reviewers give often."""

    version = IntegerField(widget=HiddenInput(), validators=[Optional(), NumberRange(1, LARGEST_VERSION)])
    kind = RadioField(
        "Used when",
        choices={kind.value: label for kind, label in KIND_WORDS.items()},
        validators=[InputRequired("Choose when it is used.")],
    )
    label = StringField(
        "Name",
        filters=[tidy],
        validators=[
            DataRequired("Give it a name."),
            Length(max=80, message="This is too long: at most 80 characters."),
        ],
    )
    reason = _words("Reason", "reason", DataRequired("Write what the customer reads."))
    instructions = _words("What the customer can do now", "instructions")

    @property
    def wording(self) -> Wording:
        """What the form says."""
        return Wording(
            ReasonKind(self.kind.data), self.label.data or "", self.reason.data or "", self.instructions.data or ""
        )

    def validate_instructions(self, field: Field) -> None:
        """A refused refund always says what to do next."""
        if self.kind.data == ReasonKind.REJECT and not field.data:
            raise ValidationError("Tell the customer what to do now.")
