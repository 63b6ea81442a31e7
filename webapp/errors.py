"""What can go wrong between a person and the desk, in words that are safe to show."""

from collections.abc import Sequence

from certlifecycle import phrase
from webapp.certificates.models import History
from webapp.wording import _


class DeskError(Exception):
    """A refusal with a status code and a text for whoever asked. ``advice`` says what to do next.

    ``title`` is looked up when it is shown; the other two are in the reader's language already.
    """

    status = 400
    title = phrase("That did not work")

    def __init__(self, detail: str, advice: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.advice = advice


class NotFound(DeskError):
    """There is no such thing, or it belongs to somebody else: the asker cannot tell which."""

    status = 404
    title = phrase("Nothing here")


class Forbidden(DeskError):
    """The asker may not do this; that the thing exists is no secret."""

    status = 403
    title = phrase("Not for you")


class WrongHost(DeskError):
    """A request names a host that the desk does not go by."""

    title = phrase("This is not the desk’s address")

    def __init__(self, host: str) -> None:
        super().__init__(
            _("The desk does not go by the name “{host}”.", host=host),
            _(
                "Use the address that you were given. If you run the desk: its names are that of PUBLIC_URL and those "
                "in TRUSTED_HOSTS."
            ),
        )


class TooOften(DeskError):
    """More than one account may ask for. ``seconds`` from now on it may again."""

    status = 429
    title = phrase("Too much at once")

    def __init__(self, detail: str, advice: str, seconds: int) -> None:
        super().__init__(detail, advice)
        self.seconds = max(1, seconds)


class NothingDue(DeskError):
    """There is nothing that the desk could try again: it is done, or the next move is somebody else's."""

    status = 409
    title = phrase("Nothing is due any more")

    def __init__(self) -> None:
        super().__init__(_("The desk owes nothing here any more: it is done, or the next move is somebody else’s."))


class Superseded(DeskError):
    """Somebody else was first. ``rows`` are the changes that happened since the asker looked, the oldest first."""

    status = 409
    title = phrase("Somebody was faster")

    def __init__(self, rows: Sequence[History]) -> None:
        self.rows = tuple(rows)
        super().__init__(
            _("This certificate has changed since the page was made."),
            _("Look at what happened, then decide again. Nothing that you did just now was recorded."),
        )
