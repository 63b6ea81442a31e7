"""Coming to the shop by oneself: registering, and confirming the address."""

from datetime import datetime, timedelta

from sqlmodel import Session, col, delete, select

from certlifecycle import Role
from webapp.accounts.models import Account
from webapp.accounts.passwords import fits
from webapp.audit.models import AuditKind
from webapp.audit.record import record
from webapp.certificates.models import Channel
from webapp.db import rows_changed
from webapp.desk import By
from webapp.errors import NotFound
from webapp.organisations.members import found
from webapp.organisations.models import NoteKind, Registration
from webapp.organisations.notes import add_note
from webapp.wording import _

LASTS = timedelta(days=1)
"""How long a registration waits for its confirmation."""


def register(session: Session, wanted: Registration, now: datetime, *, language: str, mail_domain: str) -> None:
    """Write down a registration and have its link sent; where the address has an account, its owner is told instead.

    Whoever asks cannot see which of the two happened.
    """
    session.exec(delete(Registration).where(col(Registration.expires_at) <= now))
    has_account = session.exec(select(Account.id).where(Account.email == wanted.email)).first() is not None
    if not has_account:
        session.add(wanted)
    kind = NoteKind.KNOWN_ADDRESS if has_account else NoteKind.REGISTRATION
    add_note(session, kind, wanted.id, wanted.email, now, language=language, mail_domain=mail_domain)


def waiting(session: Session, registration_id: str | None, now: datetime) -> Registration:
    """A registration that can be confirmed; raises :class:`~webapp.errors.NotFound`."""
    wanted = select(Registration).where(Registration.id == registration_id, col(Registration.expires_at) > now)
    row = session.exec(wanted).first()
    if row is None:
        raise NotFound(
            _("This link does not count any more: it has run out, or was used."),
            _("If your account is ready, sign in. Otherwise register again."),
        )
    return row


def confirm(session: Session, registration: Registration, password: str, address: str, now: datetime) -> Account | None:
    """Make the account, for whoever has the link and the password; ``None`` where the password is another.

    The password shows that the mail was opened by whoever registered: somebody else may have typed a stranger's
    address. Raises :class:`~webapp.errors.NotFound` when the link was used at the same time, and
    :class:`sqlalchemy.exc.IntegrityError` when the address has got an account meanwhile.
    """
    if not fits(registration.password_hash, password):
        return None
    used = session.exec(delete(Registration).where(col(Registration.id) == registration.id))
    if rows_changed(used) != 1:
        raise NotFound(_("This link was used a moment ago."), _("Sign in."))
    account = new_customer(session, registration.email, registration.name, registration.password_hash, address, now)
    if registration.organisation_name:
        found(session, account, registration.organisation_name, By(account.actor, Channel.WEB, address), now)
    return account


def new_customer(session: Session, email: str, name: str, password_hash: str, address: str, now: datetime) -> Account:
    """An account for somebody who has shown that the address is theirs."""
    account = Account(email=email, name=name, password_hash=password_hash, role=Role.CUSTOMER, created_at=now)
    session.add(account)
    session.flush()
    by = By(account.actor, Channel.WEB, address)
    record(session, AuditKind.ACCOUNT_ADDED, by, now, subject=email, account=account.id, role=Role.CUSTOMER.value)
    return account
