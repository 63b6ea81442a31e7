"""Mails with a link to somebody who may have no account: written down with what they are for, sent by the worker.

They leave the same way as every other mail and are tried for as long; but they are about no certificate, and about
nobody's account, so they stand in a table of their own.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from sqlmodel import Session, col, select, update

from certlifecycle import say
from webapp.accounts.models import Account
from webapp.columns import new_id
from webapp.db import Database, rows_changed
from webapp.languages import Languages
from webapp.mail.about import Letter, Obsolete, Unwritable
from webapp.mail.compose import Composer
from webapp.mail.send import GIVE_UP_AFTER, LEASE, pause_after
from webapp.mail.transport import Delivery, NotNow, Refused, Transport
from webapp.organisations.links import OneTimeLinks
from webapp.organisations.models import Invitation, Note, NoteKind, NoteStatus, Organisation, Registration

log = logging.getLogger("desk.mail")

AT_ONCE = 50


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
        """Send what is due; returns how many left the house."""
        with self._database.reading() as session:
            due = select(Note.id).where(Note.status == NoteStatus.DUE, col(Note.due_at) <= self._clock())
            waiting = session.exec(due.order_by(col(Note.due_at)).limit(AT_ONCE)).all()
        if not waiting:
            return 0
        sent = 0
        with self._transport.connection() as deliver:
            for note_id in waiting:
                note = self._claim(note_id)
                if note is not None:
                    sent += self._send(note, deliver)
        return sent

    def _claim(self, note_id: str) -> Note | None:
        now = self._clock()
        with self._database.writing() as session:
            note = session.get_one(Note, note_id)
            claimed = session.exec(
                update(Note)
                .where(
                    col(Note.id) == note_id,
                    col(Note.status) == NoteStatus.DUE,
                    col(Note.due_at) <= now,
                    col(Note.attempts) == note.attempts,
                )
                .values(attempts=note.attempts + 1, due_at=now + LEASE)
                .execution_options(synchronize_session=False)
            )
        return note if rows_changed(claimed) == 1 else None

    def _send(self, note: Note, deliver: Delivery) -> bool:
        now = self._clock()
        try:
            with self._database.reading() as session:
                letter, why = self._letter(session, note, now)
            reader = self._languages.wording(self._languages.choose([note.language], []))
            deliver(self._composer.compose_note(letter, why, note.address, note.message_id, reader, now), note.address)
        except (Obsolete, Refused, Unwritable) as reason:
            log.warning("Note %s (%s) is given up: %s", note.id, note.kind, reason)
            self._record(note, status=NoteStatus.GIVEN_UP, error=str(reason))
            return False
        except NotNow as reason:
            self._later(note, now, str(reason))
            return False
        self._record(note, status=NoteStatus.SENT, sent_at=self._clock(), error=None)
        return True

    def _later(self, note: Note, now: datetime, error: str) -> None:
        log.warning("Note %s (%s) has to wait: %s", note.id, note.kind, error)
        if now - note.created_at >= GIVE_UP_AFTER:
            self._record(note, status=NoteStatus.GIVEN_UP, error=error)
        else:
            self._record(note, due_at=now + pause_after(note.attempts + 1), error=error)

    def _record(self, note: Note, **fate: object) -> None:
        with self._database.writing() as session:
            session.exec(update(Note).where(col(Note.id) == note.id).values(**fate))

    # Writing

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
