"""Mails with a link to somebody who may have no account: written down with what they are for, sent by the worker.

They leave the same way as every other mail (:mod:`webapp.mail.send`) and are tried for as long; but they are about no
certificate, and about nobody's account, so they stand in a table of their own.
"""

from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage

from sqlmodel import Session, col

from certlifecycle import say
from webapp.accounts.models import Account
from webapp.columns import new_id
from webapp.db import Database
from webapp.languages import Languages
from webapp.mail.about import Letter, Obsolete
from webapp.mail.compose import Composer
from webapp.mail.send import Tray, send_all
from webapp.mail.transport import Transport
from webapp.organisations.links import OneTimeLinks
from webapp.organisations.models import Invitation, Note, NoteKind, Organisation, Registration


def add_note(
    session: Session, kind: NoteKind, subject_id: str, address: str, now: datetime, *, language: str, mail_domain: str
) -> None:
    """Have a mail sent, once the caller's transaction commits. ``mail_domain`` is the right side of its Message-ID."""
    key = new_id()
    note = Note(
        id=key,
        kind=kind,
        subject_id=subject_id,
        address=address,
        language=language,
        due_at=now,
        message_id=f"<{key}@{mail_domain}>",
        created_at=now,
    )
    session.add(note)


class NoteOffice:
    """Sends them. Any number of workers may do so; each note is claimed by one of them."""

    def __init__(
        self,
        database: Database,
        transport: Transport,
        composer: Composer,
        languages: Languages,
        links: OneTimeLinks,
        clock: Callable[[], datetime],
        *,
        shop_name: str,
        public_url: str,
    ) -> None:
        self._database = database
        self._transport = transport
        self._composer = composer
        self._languages = languages
        self._links = links
        self._clock = clock
        self._shop_name = shop_name
        self._public_url = public_url

    def send_notes(self) -> int:
        """Send what is due, until nothing is left that can be sent now; returns how many left."""
        tray = Tray(Note, (col(Note.due_at), col(Note.id)), self._write)
        return send_all(self._database, self._transport, tray, self._clock)

    # Writing

    def _write(self, session: Session, note: Note, now: datetime) -> EmailMessage:
        letter, why = self._letter(session, note, now)
        reader = self._languages.wording(self._languages.choose([note.language], []))
        return self._composer.compose_note(letter, why, note.address, note.message_id, reader, now)

    def _letter(self, session: Session, note: Note, now: datetime) -> tuple[Letter, object]:
        match note.kind:
            case NoteKind.INVITATION:
                return self._invitation(session, note, now)
            case NoteKind.REGISTRATION:
                return self._registration(session, note, now)
            case _:
                return self._known_address()

    def _invitation(self, session: Session, note: Note, now: datetime) -> tuple[Letter, object]:
        invitation = session.get_one(Invitation, note.subject_id)
        if invitation.settled_at is not None or invitation.expires_at <= now:
            raise Obsolete("The invitation does not count any more.")
        organisation = session.get_one(Organisation, invitation.organisation_id)
        inviter = session.get_one(Account, invitation.invited_by)
        url = f"{self._public_url}/invitation/{self._links.token(NoteKind.INVITATION, invitation.id)}"
        letter = Letter(
            say("You are invited to {organisation}", organisation=organisation.name),
            say("Join {organisation} and share its certificates.", organisation=organisation.name),
            (
                say(
                    "{who} ({email}) invites you. As a member you see every certificate of the organisation and can "
                    "act for it.",
                    who=inviter.name,
                    email=inviter.email,
                ),
                say("The link works once, until {until}. Do not pass it on.", until=invitation.expires_at),
            ),
            links=((say("Look at the invitation"), url),),
        )
        return letter, say(
            "You get this mail because {email} gave us your address. If you do not know them, do nothing.",
            email=inviter.email,
        )

    def _registration(self, session: Session, note: Note, now: datetime) -> tuple[Letter, object]:
        registration = session.get(Registration, note.subject_id)
        if registration is None or registration.expires_at <= now:
            raise Obsolete("The registration does not count any more.")
        url = f"{self._public_url}/register/{self._links.token(NoteKind.REGISTRATION, registration.id)}"
        letter = Letter(
            say("Confirm your address for {shop_name}", shop_name=self._shop_name),
            say("One more step, and your account is ready."),
            (
                say("Open the page below and enter the password that you chose."),
                say("The link works once, until {until}.", until=registration.expires_at),
            ),
            links=((say("Confirm the address"), url),),
        )
        return letter, say(
            "You get this mail because somebody registered with this address. If it was not you, do nothing: without "
            "your confirmation there is no account."
        )

    def _known_address(self) -> tuple[Letter, object]:
        letter = Letter(
            say("You have an account at {shop_name} already", shop_name=self._shop_name),
            say("You have an account already."),
            (
                say("Somebody just registered with this address. There is an account for it, so nothing was changed."),
                say(
                    "If it was you, sign in with the password of that account. If it was not, you need not do anything."
                ),
            ),
            links=((say("Sign in"), f"{self._public_url}/sign-in"),),
        )
        return letter, say("You get this mail because you have an account at {shop_name}.", shop_name=self._shop_name)
