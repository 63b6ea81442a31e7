"""What is owed and how it stands, in words for an administrator."""

from collections.abc import Mapping

from certlifecycle import Sentence, say
from webapp.effects.words import WORK
from webapp.hindrances import Hindrance
from webapp.mail.decisions import Result
from webapp.mail.models import MailKind
from webapp.organisations.models import NoteKind
from webapp.outbox.queries import Kind, Standing

KINDS: Mapping[Kind, Sentence] = {
    Kind.CHECK_DOMAIN: say("Domain checks"),
    Kind.ISSUE: say("Issuing"),
    Kind.REVOKE: say("Revoking"),
    Kind.PAY: say("Payments"),
    Kind.MAIL: say("Mails"),
}
STANDINGS: Mapping[Standing, Sentence] = {
    Standing.FAILING: say("Failing"),
    Standing.GIVEN_UP: say("Given up"),
    Standing.RUNNING: say("Running"),
    Standing.DUE: say("Due"),
}
ABOUT: Mapping[Standing, Sentence] = {
    Standing.FAILING: say(
        "Something is wrong. The desk goes on trying by itself, with growing pauses; what has failed the longest "
        "stands first."
    ),
    Standing.GIVEN_UP: say(
        "Mails that are not tried any more: refused for good, or tried in vain for days. Work on certificates and "
        "money is never given up."
    ),
    Standing.RUNNING: say("A worker is at it right now."),
    Standing.DUE: say("Nothing is wrong: its turn comes, or it waits for somebody. What comes next stands first."),
}
NOTHING: Mapping[Standing, tuple[Sentence, Sentence]] = {
    Standing.FAILING: (say("Nothing fails"), say("What the outside does not take appears here by itself.")),
    Standing.GIVEN_UP: (
        say("Nothing was given up"),
        say("A mail that nobody takes, or that was refused for good, appears here by itself."),
    ),
    Standing.RUNNING: (say("Nothing is running"), say("What a worker is at appears here while it lasts.")),
    Standing.DUE: (say("Nothing is due"), say("Whatever the desk owes the outside appears here by itself.")),
}
TONES: Mapping[Standing, tuple[str, str]] = {
    Standing.FAILING: ("bad", "triangle-alert"),
    Standing.GIVEN_UP: ("bad", "octagon-x"),
    Standing.RUNNING: ("progress", "refresh-cw"),
    Standing.DUE: ("neutral", "clock"),
}
"""What a standing looks like: tone and icon."""

MAILS: Mapping[MailKind, Sentence] = {
    MailKind.APPLIED: say("Tell that the refund application has arrived"),
    MailKind.APPROVED: say("Tell that the refund is approved"),
    MailKind.PAID: say("Tell that the money went back"),
    MailKind.FALLBACK: say("Tell that the money went to the balance"),
    MailKind.REJECTED: say("Tell that the refund is refused, and why"),
    MailKind.RETURNED: say("Tell that the payment did not go through"),
    MailKind.ISSUED: say("Tell that the certificate is issued"),
    MailKind.VERIFICATION_FAILED: say("Tell that the verification failed, and why"),
    MailKind.ISSUANCE_REFUSED: say("Tell that the certificate was not issued, and why"),
    MailKind.REVOKED: say("Tell that the certificate is revoked"),
    MailKind.REVOCATION_REFUSED: say("Tell that the certificate could not be revoked"),
    MailKind.WINDOW_WEEK: say("Remind that the refund window closes in 7 days"),
    MailKind.WINDOW_DAY: say("Remind that the refund window closes in 1 day"),
    MailKind.EXPIRING_MONTH: say("Remind that the certificate expires in 30 days"),
    MailKind.EXPIRING_WEEK: say("Remind that the certificate expires in 7 days"),
    MailKind.REVIEW_OVERDUE: say("Tell reviewers that reviews are overdue"),
    MailKind.REVOCATION_SLOW: say("Tell administrators that a revocation takes too long"),
    MailKind.HISTORY_HEAD: say("Send administrators the head of the history"),
    MailKind.RECOVERY: say("Send a link for a new password"),
    MailKind.PASSWORD_RESET: say("Tell that the password was replaced"),
    MailKind.EXCEPTION_GRANTED: say("Tell that an exception from the refund policy is granted"),
}
"""What each kind of mail is for."""

NOTES: Mapping[NoteKind, Sentence] = {
    NoteKind.INVITATION: say("Invite somebody to an organisation"),
    NoteKind.REGISTRATION: say("Have somebody who registers confirm the address"),
    NoteKind.KNOWN_ADDRESS: say("Tell that there is an account for the address already"),
}
"""The same of mails with a link to people who may have no account."""

_MAIL_HINDERED: Mapping[Hindrance, Sentence] = {
    Hindrance.UNREACHABLE: say("The mail server cannot be reached, or takes no mail from the desk."),
    Hindrance.NOT_NOW: say("The mail server does not take this mail now."),
    Hindrance.REFUSED: say(
        "The mail server will never deliver this mail. Most often there is no such address: correct it in the account "
        "before you try again, or let the mail be."
    ),
    Hindrance.INCOMPLETE: say(
        "The mail cannot be written: something that it is about is missing, or the address is none."
    ),
    Hindrance.DATABASE: say("The desk’s own database did not do what was asked of it."),
}

_NOBODY_THERE = say(
    "The mail server will never deliver this mail. Most often there is no such address: whoever typed it has to do it "
    "again with the right one. Let this mail be."
)
"""Where there is no account in which an address could be corrected."""

WORK_AGAIN = say("It is tried again now.")
WORK_DONE = say("Nothing is due any more: it is done, or the next move is somebody else’s.")
WORK_MOVED_ON = say("It has moved on since the page was made, so nothing was changed. Look at where it stands now.")
MAIL_DROPPED = say("The mail is not owed any more.")
MAIL_RESULTS: Mapping[Result, Sentence] = {
    Result.DONE: say("It is sent again now."),
    Result.UNDER_WAY: say("It is being sent at this moment, so it was left alone."),
    Result.SETTLED: say("It has left by now, or is not to leave any more; nothing was changed."),
    Result.DUE_ALREADY: say("It is due already and leaves within seconds; nothing was changed."),
}


def work_title(kind: Kind) -> Sentence:
    """What a piece of work on a certificate is."""
    return WORK[kind.value]


def mail_hindered(hindrance: Hindrance | None, *, has_account: bool = True) -> Sentence:
    """Why a mail has not left, without anything technical; ``has_account`` is whether its reader has one."""
    if hindrance is None:
        return say("It has not left yet.")
    if hindrance is Hindrance.REFUSED and not has_account:
        return _NOBODY_THERE
    return _MAIL_HINDERED.get(hindrance) or say(
        "The program failed at this mail in a way that nobody foresaw. Give the details to whoever maintains it."
    )
