"""Every kind of mail and the letter that it is."""

from webapp.mail import certificate_letters, exception_letters, recovery, refund_letters, reminder_letters
from webapp.mail.about import About, Letter
from webapp.mail.models import MailKind

LETTERS = {
    **refund_letters.LETTERS,
    **exception_letters.LETTERS,
    **certificate_letters.LETTERS,
    **reminder_letters.LETTERS,
    **recovery.LETTERS,
}


def write(about: About) -> Letter:
    """Write the letter of a mail.

    Raises :class:`~webapp.mail.about.Obsolete` when there is no reason any more to send it, and
    :class:`~webapp.mail.about.Unwritable` where its rows are missing.
    """
    return LETTERS[MailKind(about.mail.kind)](about)
