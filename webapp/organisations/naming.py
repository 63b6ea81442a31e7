"""By what names reviewers know whose a certificate is: its customer's, and that of their organisation."""

import sqlalchemy as sa
from sqlmodel import Session, col, select

from webapp.accounts.models import Account
from webapp.certificates.models import Certificate
from webapp.organisations.models import Organisation
from webapp.wording import _

OF_CERTIFICATE = col(Organisation.id) == col(Certificate.holder_id)
"""Joins a certificate with the organisation whose it is; where it is its customer's alone, there is none."""


def customer_words(name: str, organisation: str | None) -> str:
    """``Carla, Example Ltd``; the name alone where the certificate is no organisation's."""
    return _("{customer}, {organisation}", customer=name, organisation=organisation) if organisation else name


def organisation_name(session: Session, holder_id: str) -> str | None:
    """What the organisation is called that something belongs to; ``None`` where it belongs to a person."""
    return session.exec(select(Organisation.name).where(Organisation.id == holder_id)).first()


def is_of_named(text: str) -> sa.ColumnElement[bool]:
    """Whether a certificate is of somebody with this in their name or address, or of an organisation so named."""
    return sa.or_(col(Certificate.customer_id).in_(_people(text)), col(Certificate.holder_id).in_(_organisations(text)))


def narrowed(session: Session, text: str) -> list[sa.ColumnElement[bool]]:
    """The same as alternatives, without those that hold for nobody. It takes one statement to find out.

    A list of certificates as long as you like is looked through by its domains alone, which an index holds, where the
    text names nobody.
    """
    people, organisations = _people(text), _organisations(text)
    any_person, any_organisation = session.execute(sa.select(people.exists(), organisations.exists())).one()
    found: list[sa.ColumnElement[bool]] = []
    if any_person:
        found.append(col(Certificate.customer_id).in_(people))
    if any_organisation:
        found.append(col(Certificate.holder_id).in_(organisations))
    return found


def _people(text: str) -> sa.Select[str]:
    names = (one.icontains(text, autoescape=True) for one in (col(Account.name), col(Account.email)))
    return sa.select(col(Account.id)).where(sa.or_(*names))


def _organisations(text: str) -> sa.Select[str]:
    return sa.select(col(Organisation.id)).where(col(Organisation.name).icontains(text, autoescape=True))
