"""Which days somebody wants to look at: the last so many, or any others."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from werkzeug.datastructures import MultiDict
from wtforms import DateField, Form, ValidationError
from wtforms.validators import InputRequired

from webapp.figures.period import EARLIEST, LONGEST, Period
from webapp.wording import _, lazy

SPANS = (7, 30, 90)
USUAL = 30


class PeriodForm(Form):
    """Two days in an address. It changes nothing, so it needs no secret."""

    first = DateField(lazy("From"), [InputRequired(lazy("Enter the first day."))], name="from")
    last = DateField(lazy("To"), [InputRequired(lazy("Enter the last day."))], name="to")

    def __init__(self, formdata: MultiDict[str, str] | None, today: date, data: dict[str, date]) -> None:
        super().__init__(formdata, data=data)
        self.today = today

    def validate_first(self, field: DateField) -> None:
        """Refuse days from before any desk."""
        if field.data is not None and field.data < EARLIEST:
            raise ValidationError(_("There are no figures from before {earliest}.", earliest=f"{EARLIEST:%Y}"))

    def validate_last(self, field: DateField) -> None:
        """Refuse days that are still to come, and those that do not follow the first or follow it too late."""
        if field.data is None or self.first.data is None:
            return
        if field.data > self.today:
            raise ValidationError(_("This day is still to come. Today is the latest."))
        if field.data < self.first.data:
            raise ValidationError(_("The last day comes before the first one."))
        if (field.data - self.first.data).days >= LONGEST:
            raise ValidationError(_("These are more than {longest} days. Choose fewer.", longest=LONGEST))


@dataclass(frozen=True, slots=True)
class Choice:
    """What an address asks for. ``span`` is one of :data:`SPANS`, or ``None`` for days of one's own."""

    form: PeriodForm
    period: Period | None
    span: int | None

    @classmethod
    def read(cls, args: MultiDict[str, str], now: datetime, zone: ZoneInfo) -> "Choice":
        """Read an address; ``period`` is ``None`` where the form says what is wrong with it."""
        asked = args.get("days", USUAL, type=int)
        span = asked if asked in SPANS else USUAL
        usual = Period.until_today(span, now, zone)
        own = "from" in args or "to" in args
        form = PeriodForm(args if own else None, usual.last, {"first": usual.first, "last": usual.last})
        if not own:
            return cls(form, usual, span)
        if not form.validate() or form.first.data is None or form.last.data is None:
            return cls(form, None, None)
        return cls(form, Period(form.first.data, form.last.data, zone), None)

    @property
    def arguments(self) -> dict[str, str]:
        """The same choice as arguments of another address."""
        if self.span is not None or self.period is None:
            return {"days": str(self.span or USUAL)}
        return {"from": self.period.first.isoformat(), "to": self.period.last.isoformat()}
