"""Whose account it is that the organisation's sign-in vouches for, and which role they have there now.

An account is found by issuer and subject, never by the e-mail address alone. Addresses change hands, and whoever can
have a provider say an address could take over the account of somebody else who has it here: an administrator's, say.
So an account that is there already is linked by its owner, who shows both.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlmodel import Session, col, delete, select, update

from certlifecycle import REVIEWERS, SYSTEM, Role
from webapp.accounts import sessions
from webapp.accounts.events import Where, note_from
from webapp.accounts.models import Account, Act, ProviderIdentity, Way
from webapp.accounts.oidc import Person
from webapp.accounts.passwords import NONE
from webapp.accounts.provider_settings import ProviderSettings
from webapp.audit.models import AuditKind
from webapp.audit.record import record
from webapp.certificates.models import Channel
from webapp.columns import new_id
from webapp.db import insert_unless, rows_changed
from webapp.desk import By


class Why(StrEnum):
    """Why somebody whom the provider vouches for does not come in, or is not linked."""

    NOT_IN_A_GROUP = "not_in_a_group"
    DISABLED = "disabled"
    UNVERIFIED = "unverified"
    """The provider has not seen that the address is theirs, so no account is made."""
    HAS_AN_ACCOUNT = "has_an_account"
    """An account has this address already; its owner links it."""
    SOMEBODY_ELSES = "somebody_elses"
    """What is to be linked is another account's."""
    LINKED_OTHERWISE = "linked_otherwise"
    """The account is linked to somebody else at the provider."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who it is, or why nobody."""

    account: Account | None = None
    why: Why | None = None


def recognise(session: Session, person: Person, provider: ProviderSettings, where: Where, now: datetime) -> Arrival:
    """The account of somebody who signs in through the provider, made where it is their first time.

    Their role follows their groups before anything else, also where they are not let in: what was lost is lost at once.
    """
    known = _known(session, provider.issuer, person.subject)
    if known is None:
        return _first_time(session, person, provider, where, now)
    identity, account = known
    role = provider.role_of(person.groups) if provider.groups else Role(account.role)
    _follow(session, account, role, where, now)
    if account.disabled_at is not None:
        return Arrival(why=Why.DISABLED)
    if role is None:
        return Arrival(why=Why.NOT_IN_A_GROUP)
    used = update(ProviderIdentity).where(col(ProviderIdentity.id) == identity.id)
    session.exec(used.values(used_at=now))
    return Arrival(account)


def _known(session: Session, issuer: str, subject: str) -> tuple[ProviderIdentity, Account] | None:
    wanted = select(ProviderIdentity, Account).join(Account, col(Account.id) == ProviderIdentity.account_id)
    return session.exec(wanted.where(ProviderIdentity.issuer == issuer, ProviderIdentity.subject == subject)).first()


def _follow(session: Session, account: Account, role: Role | None, where: Where, now: datetime) -> None:
    """Give an account the role of its groups; whatever was begun under the former one ends."""
    was, becomes = Role(account.role), role or Role.CUSTOMER
    if role is None and was not in REVIEWERS:
        # Nothing is taken from somebody who has nothing but their own; they are not let in, and that is all.
        sessions.end_all(session, account.id, now)
        return
    if becomes is was:
        return
    changed = update(Account).where(col(Account.id) == account.id, col(Account.role) == was)
    session.exec(changed.values(role=becomes))
    account.role = becomes
    sessions.end_all(session, account.id, now)
    note_from(session, account.id, Act.ROLE_CHANGED, where, now, Way.PROVIDER, was=was.value, becomes=becomes.value)


def _first_time(session: Session, person: Person, provider: ProviderSettings, where: Where, now: datetime) -> Arrival:
    role = provider.role_of(person.groups) if provider.groups else Role.CUSTOMER
    if role is None:
        return Arrival(why=Why.NOT_IN_A_GROUP)
    if person.email is None:
        return Arrival(why=Why.UNVERIFIED)
    key = new_id()
    fresh = {
        "id": key,
        "email": person.email,
        "name": person.name or person.email,
        "password_hash": NONE,
        "role": role,
        "created_at": now,
    }
    adding = insert_unless(session, Account).values(**fresh).on_conflict_do_nothing()
    if session.execute(adding.returning(col(Account.id))).first() is None:
        # Somebody has the address, or the same person came twice at the same instant.
        known = _known(session, provider.issuer, person.subject)
        return Arrival(known[1]) if known is not None else Arrival(why=Why.HAS_AN_ACCOUNT)
    account = session.get_one(Account, key)
    _add(session, account, person, provider, now)
    by = By(SYSTEM, Channel.WEB, where.address)
    facts = {"way": Way.PROVIDER.value, "role": role.value}
    record(session, AuditKind.ACCOUNT_ADDED, by, now, subject=account.email, **facts)
    note_from(session, account.id, Act.PROVIDER_LINKED, where, now, Way.PROVIDER)
    return Arrival(account)


def _add(session: Session, account: Account, person: Person, provider: ProviderSettings, now: datetime) -> bool:
    values = {
        "id": new_id(),
        "account_id": account.id,
        "issuer": provider.issuer,
        "subject": person.subject,
        "email": person.email or "",
        "created_at": now,
    }
    adding = insert_unless(session, ProviderIdentity).values(**values).on_conflict_do_nothing()
    return session.execute(adding.returning(col(ProviderIdentity.id))).first() is not None


# Linking


def link(
    session: Session, account: Account, person: Person, provider: ProviderSettings, where: Where, now: datetime
) -> Why | None:
    """Let the provider's sign-in open an account from now on; why not, where that cannot be."""
    if _add(session, account, person, provider, now):
        note_from(session, account.id, Act.PROVIDER_LINKED, where, now, Way.PROVIDER)
        return None
    known = _known(session, provider.issuer, person.subject)
    if known is None:
        return Why.LINKED_OTHERWISE
    return None if known[1].id == account.id else Why.SOMEBODY_ELSES


def identity_of(session: Session, account_id: str, provider: ProviderSettings) -> ProviderIdentity | None:
    """Who somebody is at the provider, if that is linked."""
    mine = select(ProviderIdentity).where(ProviderIdentity.account_id == account_id)
    return session.exec(mine.where(ProviderIdentity.issuer == provider.issuer)).first()


def unlink(session: Session, account_id: str, provider: ProviderSettings) -> bool:
    """Let go of the link; ``False`` when there was none."""
    mine = (col(ProviderIdentity.account_id) == account_id, col(ProviderIdentity.issuer) == provider.issuer)
    return bool(rows_changed(session.exec(delete(ProviderIdentity).where(*mine))))
