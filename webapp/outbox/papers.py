"""What the entries of one page are about: their rows, whom they belong to, and who asked for another try."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy.orm import QueryableAttribute, defer
from sqlmodel import Session, col, func, select

from webapp.accounts.models import Account
from webapp.certificates.models import RETRY, Certificate, History
from webapp.mail.models import Mail, MailAct, MailDecision
from webapp.organisations.models import Invitation, Note, NoteDecision, NoteKind, Organisation
from webapp.outbox.queries import Found, Kind
from webapp.refunds.models import Refund


@dataclass(frozen=True, slots=True)
class Papers:
    """Everything by its key; ``paying`` are the refunds that are to be paid, by certificate.

    ``asked`` is the latest request for another try, by certificate or mail. ``inviting`` are the names of organisations
    that mails invite to, by mail. Nothing of it holds a link that somebody could follow.
    """

    certificates: Mapping[str, Certificate]
    paying: Mapping[str, Refund]
    refunds: Mapping[str, Refund]
    mails: Mapping[str, Mail]
    notes: Mapping[str, Note]
    names: Mapping[str, str]
    inviting: Mapping[str, str]
    asked: Mapping[str, History | MailDecision | NoteDecision]


def papers(session: Session, found: Sequence[Found]) -> Papers:
    """Read what these entries are about, in a handful of statements however many they are."""
    work = [one.key for one in found if one.kind is not Kind.MAIL]
    keys = [one.key for one in found if one.kind is Kind.MAIL]
    mails = session.exec(select(Mail).where(col(Mail.id).in_(keys))).all()
    large = (Certificate.csr_pem, Certificate.chain_pem)
    certificates = session.exec(
        select(Certificate)
        .where(col(Certificate.id).in_({*work, *(one.certificate_id for one in mails)}))
        .options(*(defer(cast(QueryableAttribute[Any], one)) for one in large))
    ).all()
    paying = [one.key for one in found if one.kind is Kind.PAY]
    to_pay = select(Refund).where(col(Refund.certificate_id).in_(paying), col(Refund.closed_at).is_(None))
    told = select(Refund).where(col(Refund.id).in_({one.refund_id for one in mails}))
    people = {one.customer_id for one in certificates} | {one.recipient_id for one in mails}
    names = session.exec(select(Account.id, Account.name).where(col(Account.id).in_(people))).all()
    return Papers(
        certificates={one.id: one for one in certificates},
        paying={one.certificate_id: one for one in session.exec(to_pay)},
        refunds={one.id: one for one in session.exec(told)},
        mails={one.id: one for one in mails},
        notes={one.id: one for one in session.exec(select(Note).where(col(Note.id).in_(keys)))},
        names=dict(names),
        inviting=_inviting(session, keys),
        asked={**_retries(session, work), **_decisions(session, keys)},
    )


def _retries(session: Session, keys: list[str]) -> dict[str, History]:
    latest = (
        select(func.max(History.id))
        .where(col(History.certificate_id).in_(keys), History.event == RETRY)
        .group_by(col(History.certificate_id))
    )
    rows = session.exec(select(History).where(col(History.id).in_(latest))).all()
    return {row.certificate_id: row for row in rows}


def _decisions(session: Session, keys: list[str]) -> dict[str, MailDecision | NoteDecision]:
    of_mails = select(MailDecision).where(col(MailDecision.mail_id).in_(keys), MailDecision.act == MailAct.RETRY)
    of_notes = select(NoteDecision).where(col(NoteDecision.note_id).in_(keys), NoteDecision.act == MailAct.RETRY)
    return {
        **{row.mail_id: row for row in session.exec(of_mails.order_by(col(MailDecision.at)))},
        **{row.note_id: row for row in session.exec(of_notes.order_by(col(NoteDecision.at)))},
    }


def _inviting(session: Session, keys: list[str]) -> dict[str, str]:
    statement = (
        select(Note.id, Organisation.name)
        .join(Invitation, col(Invitation.id) == Note.subject_id)
        .join(Organisation, col(Organisation.id) == Invitation.organisation_id)
        .where(col(Note.id).in_(keys), Note.kind == NoteKind.INVITATION)
    )
    return dict(session.exec(statement).all())
