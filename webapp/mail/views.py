"""Choosing one's mails, stopping them from a mail, and reading them where no mail server is set."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import default
from pathlib import Path

from flask import Blueprint, flash, render_template, send_file, url_for
from werkzeug.wrappers import Response

from certlifecycle import Role, phrase
from webapp.access import account, only, parts, public
from webapp.accounts.models import Account
from webapp.errors import NotFound
from webapp.htmx import go_to
from webapp.mail.forms import PreferencesForm
from webapp.mail.models import MailGroup
from webapp.mail.preferences import Unsubscribing, choose, group_of, wants
from webapp.wording import _

blueprint = Blueprint("mail", __name__)
unsubscribing = Blueprint("unsubscribing", __name__)
"""Apart from the others, because it takes no CSRF token: mail programs post here (RFC 8058), without a session."""

NEWEST = 100

# What each group is called, what is in it, what goes on without it, and what is said once it is stopped.
GROUPS = {
    MailGroup.REMINDERS: (
        phrase("Reminders"),
        phrase("A refund window that closes in 7 days or in 1 day, and a certificate that expires in 30 or in 7 days."),
        phrase("What happens to your certificates and your money is written to you in any case."),
        phrase("We send you no more reminders."),
    ),
    MailGroup.DUTIES: (
        phrase("Notices about late work"),
        phrase(
            "Once a day, when refund applications or verifications wait longer than they should, or a revocation "
            "longer than it may."
        ),
        phrase("What waits for you stands in the review queue in any case."),
        phrase("We send you no more notices about late work."),
    ),
}


# Choosing


@blueprint.get("/account/mail")
def preferences() -> str:
    """Show which mails somebody gets."""
    group = group_of(account())
    with parts().database.reading() as session:
        form = PreferencesForm(data={"wanted": wants(session, account().id, group)})
    return render_template("mail/preferences.html", form=form, group=GROUPS[group])


@blueprint.post("/account/mail")
def preferences_post() -> Response | tuple[str, int]:
    """Note the choice."""
    form, group = PreferencesForm(), group_of(account())
    if not form.validate():
        return render_template("mail/preferences.html", form=form, group=GROUPS[group]), 422
    with parts().database.writing() as session:
        choose(session, account().id, group, parts().desk.clock(), wanted=form.wanted.data)
    flash(_("Your choice is noted."), "success")
    return go_to(url_for("mail.preferences"))


# Stopping, without signing in


@unsubscribing.get("/mail/unsubscribe/<token>")
@public
def unsubscribe(token: str) -> str:
    """Ask first: programs that look through mails open every link in them."""
    _recipient, group = _read(token)
    return render_template("mail/unsubscribe.html", group=GROUPS[group], done=False)


@unsubscribing.post("/mail/unsubscribe/<token>")
@public
def unsubscribe_post(token: str) -> str:
    """Stop the group of mails that the link names, for a person or for their mail program."""
    recipient, group = _read(token)
    with parts().database.writing() as session:
        choose(session, recipient.id, group, parts().desk.clock(), wanted=False)
    return render_template("mail/unsubscribe.html", group=GROUPS[group], done=True)


def _read(token: str) -> tuple[Account, MailGroup]:
    settings = parts().settings
    found = Unsubscribing(settings.secret_key, settings.secret_key_fallbacks).read(token)
    if found is not None and found[1] in GROUPS:
        with parts().database.reading() as session:
            recipient = session.get(Account, found[0])
        if recipient is not None:
            return recipient, found[1]
    raise NotFound(
        _("This link was not made by us, or it is incomplete."),
        _("Open it from the mail again, or sign in and choose your mails there."),
    )


# Reading, where they land in a folder


@dataclass(frozen=True, slots=True)
class Written:
    """A mail in the folder."""

    mail_id: str
    to: str
    subject: str
    at: datetime | None


def development(folder: Path) -> Blueprint:
    """Pages that show the mails in ``folder``, for a demo and for development."""
    pages = Blueprint("development", __name__)

    @pages.get("/dev/mail")
    @only(Role.ADMIN)
    def mails() -> str:
        """The newest mails."""
        return render_template("mail/dev_list.html", mails=list(_newest(folder)), folder=folder)

    @pages.get("/dev/mail/<key:mail_id>")
    @only(Role.ADMIN)
    def mail(mail_id: str) -> str:
        """One mail: its headers and its text."""
        message = message_from_bytes(_path(folder, mail_id).read_bytes(), EmailMessage, policy=default)
        body = message.get_body(("plain",))
        return render_template(
            "mail/dev_mail.html",
            mail_id=mail_id,
            subject=str(message["Subject"]),
            headers=[(name, str(value)) for name, value in message.items()],
            text=body.get_content() if body is not None else "",
        )

    @pages.get("/dev/mail/<key:mail_id>.eml")
    @only(Role.ADMIN)
    def file(mail_id: str) -> Response:
        """The mail as it is, for a mail program."""
        path = _path(folder, mail_id)
        return send_file(path, "message/rfc822", as_attachment=True, download_name=path.name)

    return pages


def _path(folder: Path, mail_id: str) -> Path:
    path = folder / f"{mail_id}.eml"
    if not path.is_file():
        raise NotFound(_("There is no such mail in the folder."))
    return path


def _newest(folder: Path) -> Iterator[Written]:
    files = sorted(folder.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in files[:NEWEST]:
        with path.open("rb") as file:
            headers = BytesHeaderParser(policy=default).parse(file)
        date = headers["Date"]
        yield Written(path.stem, str(headers["To"]), str(headers["Subject"]), date.datetime if date else None)
