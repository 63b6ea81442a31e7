"""The reviewers' forms: what the customer reads, and what only other reviewers do."""

from collections.abc import Sequence
from dataclasses import dataclass

from wtforms import BooleanField, Field, HiddenField, IntegerField, RadioField, StringField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length, Optional, ValidationError
from wtforms.widgets import HiddenInput

from webapp.forms import LARGEST_VERSION, LONGEST_TEXT, TOO_LONG, DeskForm, VersionForm, Within, tidy
from webapp.review.models import ReasonKind, ReasonTemplate
from webapp.review.reasons import KIND_WORDS, Wording
from webapp.wording import lazy, words


def _words(label: str, key: str, *validators: DataRequired, rows: int = 3) -> TextAreaField:
    return TextAreaField(
        label,
        id=key,
        filters=[tidy],
        validators=[
            *validators,
            Length(max=LONGEST_TEXT, message=TOO_LONG),
        ],
        render_kw={"rows": rows},
    )


class DecisionForm(VersionForm):
    """A decision as it was made from a page.

    ``note`` is for other reviewers alone. ``despite`` names the claim of another reviewer that the decision passes
    over.
    """

    note = _words(lazy("Internal note"), "go-note", rows=2)
    despite = HiddenField(id="go-despite", validators=[Optional(), Length(max=32)])

    @property
    def written(self) -> str:
        """What the reviewer typed, to be shown where the form can no longer be."""
        return self.note.data or ""


@dataclass(frozen=True, slots=True)
class Text:
    """A template in the language of whoever decides."""

    id: str
    label: str
    reason: str
    instructions: str


class Reason:
    """What the forms of a refusal share: a template that fills the text, and the text that the customer reads."""

    template: StringField
    words: TextAreaField
    instructions: TextAreaField | None = None

    def offer(self, templates: Sequence[ReasonTemplate]) -> None:
        """Put these templates on offer, in the language of whoever decides."""
        retell = words().retell
        self.offered = [
            Text(one.id, retell(one.label), retell(one.reason), retell(one.instructions)) for one in templates
        ]
        self._texts = {one.id: (one.reason, one.instructions) for one in self.offered}
        self._stored = {
            line: original
            for one in templates
            for text in (one.reason, one.instructions)
            for line, original in zip(retell(text).split("\n"), text.split("\n"), strict=True)
        }

    def as_stored(self, text: str | None) -> str:
        """The text as it is kept: what came from a template as it stands there, for every reader's own language."""
        return "\n".join(self._stored.get(line, line) for line in (text or "").split("\n"))

    def use(self) -> None:
        """Fill in the words of the chosen template. What somebody typed is never taken away."""
        reason, instructions = self._texts.get(self.template.data or "", ("", ""))
        self.words.data = _filled(self.words.data, reason, [known for known, _advice in self._texts.values()])
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
    return StringField(lazy("Text to begin with"), validators=[Optional(), Length(max=32)])


class FailForm(DecisionForm, Reason):
    """Why a verification fails."""

    kind = ReasonKind.FAIL
    template = _template()
    words = _words(lazy("Reason"), "words", DataRequired(lazy("Write the reason.")), rows=4)
    note = _words(lazy("Internal note"), "note", rows=2)
    despite = HiddenField(id="despite", validators=[Optional(), Length(max=32)])

    @property
    def written(self) -> str:
        """What the reviewer typed, to be shown where the form can no longer be."""
        return "\n".join(filter(None, [self.words.data, self.note.data]))


class RejectForm(DecisionForm, Reason):
    """Why a refund is refused, and what the customer can do."""

    kind = ReasonKind.REJECT
    template = _template()
    words = _words(lazy("Reason"), "words", DataRequired(lazy("Write the reason.")), rows=4)
    instructions = _words(
        lazy("What the customer can do now"), "instructions", DataRequired(lazy("Tell the customer what to do now."))
    )
    note = _words(lazy("Internal note"), "note", rows=2)
    despite = HiddenField(id="despite", validators=[Optional(), Length(max=32)])

    @property
    def written(self) -> str:
        """What the reviewer typed, to be shown where the form can no longer be."""
        return "\n".join(filter(None, [self.words.data, self.instructions.data, self.note.data]))


ReasonForm = FailForm | RejectForm


class ManyForm(DeskForm):
    """A decision about many cases; what they were like stands beside it in the form."""

    note = _words(lazy("Internal note"), "note", rows=2)
    despite = BooleanField(lazy("Decide them all the same"))


class RefuseManyForm(ManyForm, Reason):
    """Why many cases are refused. ``instructions`` are for refunds and missing where there is none."""

    template = _template()
    words = _words(lazy("Reason"), "words", DataRequired(lazy("Write the reason.")), rows=4)
    instructions = _words(
        lazy("What the customer can do now"), "instructions", DataRequired(lazy("Tell the customer what to do now."))
    )

    @property
    def advice(self) -> str:
        """What the customers of refunds can do; empty where there is none among the cases."""
        return str(self.data.get("instructions") or "")


class NoteForm(DeskForm):
    """An internal note by itself."""

    text = _words(lazy("Internal note"), "new-note", DataRequired(lazy("Write the note.")), rows=2)


class TemplateForm(DeskForm):
    """A reason that reviewers give often."""

    version = IntegerField(widget=HiddenInput(), validators=[Optional(), Within(1, LARGEST_VERSION)])
    kind = RadioField(
        lazy("Used when"),
        choices=lambda: {kind.value: KIND_WORDS[kind] for kind in KIND_WORDS},
        validators=[InputRequired(lazy("Choose when it is used."))],
    )
    label = StringField(
        lazy("Name"),
        filters=[tidy],
        validators=[
            DataRequired(lazy("Give it a name.")),
            Length(max=80, message=lazy("This is too long: at most {most} characters.", most=80)),
        ],
    )
    reason = _words(lazy("Reason"), "reason", DataRequired(lazy("Write what the customer reads.")))
    instructions = _words(lazy("What the customer can do now"), "instructions")

    @property
    def wording(self) -> Wording:
        """What the form says."""
        return Wording(
            ReasonKind(self.kind.data), self.label.data or "", self.reason.data or "", self.instructions.data or ""
        )

    def validate_instructions(self, field: Field) -> None:
        """A refused refund always says what to do next."""
        if self.kind.data == ReasonKind.REJECT and not field.data:
            raise ValidationError(lazy("Tell the customer what to do now."))
