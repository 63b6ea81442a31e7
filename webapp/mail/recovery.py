"""Recovery by mail: who asked for a link is looked up here, by the worker, and written to if there is such a person."""

from collections.abc import Callable, Mapping
from datetime import datetime

from sqlmodel import Session, col, delete, select

from certlifecycle import REVIEWERS, say
from webapp.accounts.addresses import with_address
from webapp.accounts.events import Where, note_from
from webapp.accounts.factors import has_any
from webapp.accounts.models import Account, Act, ProviderIdentity, RecoveryLink, RecoveryRequest
from webapp.accounts.passwords import NONE
from webapp.accounts.recovery import Recovering
from webapp.audit.models import AuditKind
from webapp.audit.record import record_claimed
from webapp.db import rows_changed
from webapp.mail.about import About, Letter, Obsolete
from webapp.mail.models import Mail, MailKind
from webapp.mail.plan import add_once, new_mail

AT_ONCE = 100


def answer_requests(session: Session, recovering: Recovering, now: datetime, domain: str) -> int:
    """Make links and mails of what was asked for, inside the caller's transaction; returns how many were asked for.

    Whatever is typed is kept no longer than until here: people type passwords into the wrong field.
    """
    waiting = session.exec(select(RecoveryRequest).order_by(col(RecoveryRequest.at)).limit(AT_ONCE)).all()
    for request in waiting:
        # Of two workers one finds it answered.
        if rows_changed(session.exec(delete(RecoveryRequest).where(col(RecoveryRequest.id) == request.id))):
            _answer(session, request, recovering, now, domain)
    return len(waiting)


def _answer(session: Session, request: RecoveryRequest, recovering: Recovering, now: datetime, domain: str) -> None:
    account = with_address(session, request.email)
    if account is None:
        record_claimed(session, AuditKind.RECOVERY_ASKED, None, request.address, request.at)
        return
    note_from(session, account.id, Act.RECOVERY_ASKED, Where(request.address, request.user_agent), request.at)
    occasion = request.id
    if not signs_in_elsewhere(session, account):
        occasion = recovering.open(session, account, now).id
    add_once(session, [new_mail(MailKind.RECOVERY, account, now, domain, occasion=occasion)])


def signs_in_elsewhere(session: Session, account: Account) -> bool:
    """Whether it is their organisation that signs somebody in.

    A link by mail would be a way past that sign-in for whoever has no password, and past its second factor for those of
    the staff who have none of their own here.
    """
    mine = select(ProviderIdentity.id).where(ProviderIdentity.account_id == account.id)
    if session.exec(mine).first() is None:
        return False
    return account.password_hash == NONE or (account.role in REVIEWERS and not has_any(session, account.id))


def password_was_reset(account: Account, now: datetime, domain: str, occasion: str) -> Mail:
    """The mail by which an owner who did not do it learns of it."""
    return new_mail(MailKind.PASSWORD_RESET, account, now, domain, occasion=occasion)


def _recovery(about: About) -> Letter:
    account = about.session.get_one(Account, about.mail.recipient_id)
    if signs_in_elsewhere(about.session, account):
        return _elsewhere(about)
    link = about.session.exec(select(RecoveryLink).where(RecoveryLink.id == about.mail.occasion)).first()
    token = about.recovering.token(link) if link is not None and link.expires_at > about.now else None
    if link is None or token is None:
        raise Obsolete("The link is used, too old, or replaced by a newer one.")
    return Letter(
        say("A new password"),
        say("Choose a new password here."),
        (
            say("Somebody has said that they forgot the password of your account. If it was you, follow the link."),
            say("If it was not you, you need do nothing: your password stays as it is."),
            say("Give the link to nobody, whoever asks for it. We never do."),
        ),
        (
            (say("Account"), about.mail.address),
            (say("The link works once, until"), link.expires_at),
        ),
        links=((say("Choose a new password"), about.links.recover(token)),),
    )


def _elsewhere(about: About) -> Letter:
    return Letter(
        say("You sign in through your organisation"),
        say("Your password is not replaced by mail."),
        (
            say("Somebody has said that they forgot the password of your account."),
            say("You sign in through your organisation. If that does not let you in, ask those who run it for help."),
        ),
        ((say("Account"), about.mail.address),),
        links=((say("Sign in"), about.links.sign_in()),),
    )


def _password_reset(about: About) -> Letter:
    return Letter(
        say("Your password was replaced"),
        say("Your account has a new password."),
        (
            say("It was chosen by the link that we sent you. Everywhere else you are signed out."),
            say(
                "If it was not you, somebody can read your mail. Make that safe first, ask for a new link, and tell us."
            ),
        ),
        (
            (say("Account"), about.mail.address),
            (say("Replaced at"), about.mail.created_at),
        ),
        links=(
            (say("Sign in"), about.links.sign_in()),
            (say("Ask for a new link"), about.links.ask_for_recovery()),
        ),
    )


LETTERS: Mapping[MailKind, Callable[[About], Letter]] = {
    MailKind.RECOVERY: _recovery,
    MailKind.PASSWORD_RESET: _password_reset,
}
