"""What every form about a certificate carries."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import Field, IntegerField
from wtforms.form import BaseForm
from wtforms.i18n import DummyTranslations, get_translations
from wtforms.validators import InputRequired, NumberRange, StopValidation, ValidationError
from wtforms.widgets import HiddenInput

from webapp.wording import _, lazy, words

LONGEST_TEXT = 2000
TOO_LONG = lazy("This is too long: at most {most} characters.", most=f"{LONGEST_TEXT:,}")
LARGEST_VERSION = 2**31 - 1
MOST_FLOAT = 10**300
LEAST_FLOAT = -MOST_FLOAT


def tidy(text: str | None) -> str | None:
    """Text as it is stored: one kind of line end, no invisible control characters, nothing around it."""
    if text is None:
        return None
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(one for one in lines if one in "\n\t" or one.isprintable()).strip()


class Within(NumberRange):
    """``NumberRange`` for whole numbers of any length: it makes a ``float`` of them, which not every one can be."""

    def __call__(self, form: BaseForm, field: Field) -> None:
        """Refuse what lies outside."""
        if isinstance(field.data, int) and not LEAST_FLOAT < field.data < MOST_FLOAT:
            raise ValidationError(self.message or "")
        super().__call__(form, field)


class UploadField(FileField):
    """A file of a known kind. Its content is looked at by whoever takes it; here, that its name does not say otherwise.

    A name without an ending says nothing, and is taken.
    """

    def __init__(self, label: object, endings: Sequence[str], **more: Any) -> None:  # noqa: ANN401  What a field takes.
        super().__init__(label, render_kw={"accept": ",".join(endings)}, **more)
        self.endings = tuple(endings)

    @property
    def file_name(self) -> str:
        """What the file is called where it came from, fit to be shown."""
        given = str(self.data.filename or "") if self.data else ""
        return "".join(one for one in given if one.isprintable()).strip()[-100:]

    def pre_validate(self, form: BaseForm) -> None:
        """Refuse a file whose name ends as those of another kind do (ASVS 5.0, 5.2.2)."""
        _before, dot, _ending = self.file_name.rpartition(".")
        if dot and not self.file_name.lower().endswith(self.endings):
            problem = _(
                "“{name}” is another kind of file. Choose one whose name ends in {endings}.",
                name=self.file_name,
                endings=list(self.endings),
            )
            raise StopValidation(problem)


class DeskForm(FlaskForm):
    """What all forms of the console share: they speak the reader's language."""

    class Meta(FlaskForm.Meta):
        """How WTForms is to make the form."""

        def get_translations(self, form: FlaskForm) -> object:
            """WTForms' own messages, for what we have no words of our own."""
            return _translations(str(words().locale), words().locale.language)

    def validate(self, extra_validators: Mapping[str, Sequence[object]] | None = None) -> bool:
        """Check everything; what is wrong then stands there in the reader's language, as plain text."""
        is_valid: bool = super().validate(extra_validators)
        for field in self:
            field.errors = [str(error) for error in field.errors]
        return is_valid


@lru_cache(maxsize=16)
def _translations(*languages: str) -> object:
    try:
        return get_translations(languages)
    except FileNotFoundError:
        return DummyTranslations()


class VersionForm(DeskForm):
    """A form made from a certificate as it was at one version; whoever comes too late is told so."""

    version = IntegerField(
        lazy("This page"),
        widget=HiddenInput(),
        validators=[
            InputRequired(lazy("The form came without its version. Load the page again.")),
            Within(1, LARGEST_VERSION, lazy("The form’s version makes no sense. Load the page again.")),
        ],
    )
