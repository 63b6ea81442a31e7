"""Deleting an account: what stands in the way, what would be given up, what goes, and what must stay without a name."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, delete, select, update

from certlifecycle import Actor, Money, Role, State
from webapp.accounts.models import (
    DELETED,
    DELETED_DOMAIN,
    Account,
    AccountEvent,
    Authenticator,
    Passkey,
    PasskeyChallenge,
    ProviderIdentity,
    ProviderVisit,
    RecoveryCode,
    RecoveryLink,
    RecoveryRequest,
    WebSession,
)
from webapp.accounts.passwords import NONE
from webapp.audit.erasing import erase
from webapp.audit.models import AuditKind
from webapp.audit.record import record
from webapp.certificates.models import Certificate, Channel, Purchase
from webapp.certificates.saved import SavedSearch
from webapp.desk import By
from webapp.errors import Forbidden
from webapp.jobs.models import Job, JobChunk
from webapp.mail.models import Mail, MailPreference
from webapp.organisations.models import Invitation, Note, Registration
from webapp.payments.ledger import wallet
from webapp.payments.models import LedgerAccount
from webapp.payments.models_outside import PayerAccount
from webapp.refunds.models import Refund
from webapp.wording import _

UNDER_WAY = (State.SUBMITTED, State.VERIFIED, State.REVOKING, State.REFUND_REQUESTED, State.REFUND_APPROVED)
"""Somebody else is at work on it, and would have nobody to answer to."""
NEVER_ISSUED = (State.PENDING, State.FAILED)
"""It was paid for, and the money could still come back."""


THEIRS_ALONE = (
    *(WebSession, Authenticator, RecoveryCode, Passkey, PasskeyChallenge),
    *(AccountEvent, MailPreference, SavedSearch, ProviderIdentity, ProviderVisit, RecoveryLink),
)
"""What nobody needs but the person: each table has an ``account_id``."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a deletion meets: certificates that keep it from happening, and what it would give up."""

    is_member: bool
    """Of an organisation, which goes on without them only once they have left it."""
    under_way: Sequence[Certificate]
    valid: Sequence[Certificate]
    unused: Sequence[Certificate]
    balances: Sequence[Money]

    @property
    def is_possible(self) -> bool:
        """Whether nothing keeps it from happening."""
        return not self.is_member and not self.under_way and not self.valid

    @property
    def gives_up(self) -> bool:
        """Whether something of worth would be lost."""
        return bool(self.unused or self.balances)


def standing(session: Session, who: Account, now: datetime) -> Standing:
    """How things stand for a deletion of this account."""
    mine = session.exec(
        select(Certificate).where(Certificate.holder_id == who.id).order_by(col(Certificate.created_at))
    ).all()
    held = session.exec(
        select(LedgerAccount).where(LedgerAccount.owner == wallet(who.id), LedgerAccount.balance_minor > 0)
    ).all()
    return Standing(
        is_member=who.organisation_id is not None,
        under_way=[one for one in mine if one.state in UNDER_WAY],
        valid=[one for one in mine if one.state == State.ISSUED and one.not_after is not None and one.not_after > now],
        unused=[one for one in mine if one.state in NEVER_ISSUED],
        balances=[Money(one.balance_minor, one.currency) for one in held],
    )


def forget(session: Session, who: Account, now: datetime) -> None:
    """Delete the account within the caller's transaction.

    Raises :class:`~webapp.errors.Forbidden` for anybody but customers: the names of those who decide stand for their
    decisions. The caller has looked at :func:`standing` in the same transaction.
    """
    if who.role is not Role.CUSTOMER:
        raise Forbidden(_("Only customers delete their account themselves."), _("Ask whoever runs the desk."))
    pseudonym = f"{who.id}@{DELETED_DOMAIN}"
    # Neither the name nor the address of whoever wants to be forgotten is written down once more.
    by = By(Actor(who.id, Role.CUSTOMER, DELETED), Channel.WEB)
    record(session, AuditKind.ACCOUNT_DELETED, by, now, subject=pseudonym)
    erase(session, who.id, who.email, pseudonym, by, now)
    _remove_what_may_go(session, who.id)
    _unname_what_must_stay(session, who.id, who.email, pseudonym)
    session.exec(
        update(Account)
        .where(col(Account.id) == who.id)
        .values(
            email=pseudonym,
            name=DELETED,
            password_hash=NONE,
            disabled_at=now,
            language="",
            timezone="",
            browser_language="",
        )
        .execution_options(synchronize_session=False)
    )


def _remove_what_may_go(session: Session, account_id: str) -> None:
    for model in THEIRS_ALONE:
        session.execute(sa.delete(model).where(sa.inspect(model).local_table.c.account_id == account_id))
    jobs = select(Job.id).where(Job.owner_id == account_id)
    session.exec(delete(JobChunk).where(col(JobChunk.job_id).in_(jobs)))
    orders = select(Purchase.id).where(Purchase.customer_id == account_id)
    session.exec(delete(PayerAccount).where(col(PayerAccount.purchase_id).in_(orders)))


def _unname_what_must_stay(session: Session, account_id: str, email: str, pseudonym: str) -> None:
    changes: tuple[tuple[sa.Update, dict[str, object]], ...] = (
        (update(Purchase).where(col(Purchase.customer_id) == account_id), {"has_payer_account": False}),
        (update(Refund).where(col(Refund.applicant_id) == account_id), {"reason": ""}),
        (update(Mail).where(col(Mail.recipient_id) == account_id), {"address": pseudonym, "subject": ""}),
        (update(Job).where(col(Job.owner_id) == account_id), {"address": "", "file_until": None}),
        (update(Invitation).where(col(Invitation.email) == email), {"email": pseudonym}),
        (update(Note).where(col(Note.address) == email), {"address": pseudonym}),
    )
    session.execute(sa.delete(RecoveryRequest).where(col(RecoveryRequest.email) == email))
    session.execute(sa.delete(Registration).where(col(Registration.email) == email))
    for statement, values in changes:
        session.execute(statement.values(**values).execution_options(synchronize_session=False))
