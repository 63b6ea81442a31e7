"""The reviewers' forms. What a reviewer writes in them is read by the customer."""

from typing import ClassVar, NamedTuple

from wtforms import Field, RadioField, TextAreaField
from wtforms.validators import InputRequired, Length, ValidationError

from webapp.forms import LONGEST_TEXT, VersionForm, tidy

OWN_WORDS = "own"


class Standard(NamedTuple):
    """A reason that reviewers give often, as the customer reads it; ``instructions`` say what to do then."""

    label: str
    reason: str
    instructions: str = ""


FAILURES = {
    "no_control": Standard(
        "No control of the domain",
        "We could not confirm that you control the domain.",
    ),
    "organisation": Standard(
        "Organisation not confirmed",
        "We could not confirm the organisation that the order names.",
    ),
    "wrong_names": Standard(
        "Names do not fit",
        "The names in the signing request do not fit the order.",
    ),
}

REFUSALS = {
    "still_used": Standard(
        "Still in use",
        "The certificate was still in use when we looked.",
        "Install another certificate on your servers, then apply again.",
    ),
    "terms": Standard(
        "Not covered by the terms",
        "This order is not covered by the refund terms that you agreed to.",
        "If you see it differently, write to us with the order number.",
    ),
    "unclear": Standard(
        "Reason not clear",
        "From the reason that you gave we cannot tell why the money should go back.",
        "Apply again and tell us what happened.",
    ),
}


def _standard(standards: dict[str, Standard]) -> RadioField:
    choices = {key: one.label for key, one in standards.items()} | {OWN_WORDS: "Only what I write below"}
    return RadioField("Reason", choices=choices, validators=[InputRequired("Choose a reason, or your own words.")])


def _words(label: str) -> TextAreaField:
    return TextAreaField(
        label,
        filters=[tidy],
        validators=[Length(max=LONGEST_TEXT, message=f"This is too long: at most {LONGEST_TEXT:,} characters.")],
        render_kw={"rows": 3},
    )


class ReasonForm(VersionForm):
    """Why something is refused: a standard reason, one's own words, or both."""

    standards: ClassVar[dict[str, Standard]] = {}
    standard: RadioField
    words: TextAreaField

    @property
    def reason(self) -> str:
        """What the customer reads: the standard sentence, then the reviewer's own."""
        known = self.standards.get(self.standard.data or "")
        return "\n".join(filter(None, [known.reason if known else "", self.words.data]))

    @property
    def written(self) -> str:
        """What the reviewer typed, to be shown where the form can no longer be."""
        return self.words.data or ""

    @property
    def notes(self) -> dict[str, str]:
        """What the customer reads for each standard reason."""
        return {key: " ".join(filter(None, [one.reason, one.instructions])) for key, one in self.standards.items()}

    def validate_words(self, field: Field) -> None:
        """Own words need words."""
        if self.standard.data == OWN_WORDS and not field.data:
            raise ValidationError("Write the reason.")


class FailForm(ReasonForm):
    """Why a verification fails."""

    standards = FAILURES
    standard = _standard(FAILURES)
    words = _words("In your own words")


class RejectForm(ReasonForm):
    """Why a refund is refused, and what the customer can do."""

    standards = REFUSALS
    standard = _standard(REFUSALS)
    words = _words("In your own words")
    instructions = _words("What the customer can do now")

    @property
    def written(self) -> str:
        """What the reviewer typed, to be shown where the form can no longer be."""
        return "\n".join(filter(None, [self.words.data, self.instructions.data]))

    @property
    def advice(self) -> str:
        """What the customer can do: the reviewer's words, else those that belong to the standard reason."""
        known = self.standards.get(self.standard.data or "")
        return self.instructions.data or (known.instructions if known else "")

    def validate_instructions(self, field: Field) -> None:
        """A reason of one's own has no standard advice to fall back on."""
        if self.standard.data == OWN_WORDS and not field.data:
            raise ValidationError("Tell the customer what to do now.")
