"""Everything the desk holds about one person, by section: what they may take with them.

What opens something is never in it: hashes, sealed secrets and keys help nobody but a thief.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, SQLModel, col

from webapp.accounts.models import (
    Account,
    AccountEvent,
    Authenticator,
    Passkey,
    ProviderIdentity,
    RecoveryCode,
    WebSession,
)
from webapp.audit.models import AuditEvent
from webapp.certificates.models import Certificate, History, Purchase
from webapp.certificates.saved import SavedSearch
from webapp.domaincontrol.models import DomainControl
from webapp.jobs.models import Job
from webapp.mail.models import Mail, MailPreference
from webapp.organisations.models import Invitation, Note, Organisation
from webapp.payments.ledger import wallet
from webapp.payments.models import LedgerAccount, LedgerTransfer, Payout
from webapp.payments.models_outside import BankPayment, PayerAccount
from webapp.refunds.models import Refund

Query = sa.Select[Any]
Row = Mapping[str, Any]


def _columns(model: type[SQLModel], names: str) -> list[Any]:
    return [col(getattr(model, name)) for name in names.split()]


def _account(who: Account) -> Query:
    names = "email name role created_at language timezone browser_language"
    return sa.select(*_columns(Account, names)).where(col(Account.id) == who.id)


def _sign_ins(who: Account) -> Query:
    names = "at act way address user_agent"
    return (
        sa.select(*_columns(AccountEvent, names)).where(col(AccountEvent.account_id) == who.id).order_by(sa.text("at"))
    )


def _sessions(who: Account) -> Query:
    names = "created_at last_seen_at expires_at revoked_at address user_agent"
    return sa.select(*_columns(WebSession, names)).where(col(WebSession.account_id) == who.id)


def _authenticators(who: Account) -> Query:
    return sa.select(*_columns(Authenticator, "created_at confirmed_at")).where(col(Authenticator.account_id) == who.id)


def _recovery_codes(who: Account) -> Query:
    return sa.select(*_columns(RecoveryCode, "created_at used_at")).where(col(RecoveryCode.account_id) == who.id)


def _passkeys(who: Account) -> Query:
    return sa.select(*_columns(Passkey, "name created_at used_at")).where(col(Passkey.account_id) == who.id)


def _provider_identities(who: Account) -> Query:
    names = "issuer subject email created_at used_at"
    return sa.select(*_columns(ProviderIdentity, names)).where(col(ProviderIdentity.account_id) == who.id)


def _mail_preferences(who: Account) -> Query:
    names = "kind_group wanted changed_at"
    return sa.select(*_columns(MailPreference, names)).where(col(MailPreference.account_id) == who.id)


def _saved_searches(who: Account) -> Query:
    return sa.select(*_columns(SavedSearch, "name args created_at")).where(col(SavedSearch.account_id) == who.id)


def _orders(who: Account) -> Query:
    names = (
        "number product product_name validity_days amount_minor voucher_minor refunded_minor currency payment_method "
        "payment_reference payment_account paid_at created_at"
    )
    mine = col(Purchase.customer_id) == who.id
    return sa.select(*_columns(Purchase, names)).where(mine).order_by(col(Purchase.created_at))


def _bank_accounts(who: Account) -> Query:
    names = "holder iban number bank_code stored_at"
    query = sa.select(col(Purchase.number).label("order"), *_columns(PayerAccount, names))
    return query.join(Purchase, col(Purchase.id) == PayerAccount.purchase_id).where(col(Purchase.customer_id) == who.id)


def _certificates(who: Account) -> Query:
    names = (
        "id domain names state created_at state_since submitted_at key_description problem issued_at not_before "
        "not_after serial issuer fingerprint revocation_reason revoked_at csr_pem chain_pem"
    )
    mine = col(Certificate.customer_id) == who.id
    return sa.select(*_columns(Certificate, names)).where(mine).order_by(col(Certificate.created_at))


def _domain_control(who: Account) -> Query:
    query = sa.select(
        *_columns(DomainControl, "certificate_id created_at checked_at attempts findings held_by held_at")
    )
    mine = col(Certificate.customer_id) == who.id
    return query.join(Certificate, col(Certificate.id) == DomainControl.certificate_id).where(mine)


def _refunds(who: Account) -> Query:
    names = (
        "number certificate_id outcome reason_code reason amount_minor currency method destination verdict deadline "
        "policy_version applied_at soonest latest decided_at decision_reason instructions paid_at paid_to "
        "payout_reference closed_at"
    )
    mine = col(Refund.customer_id) == who.id
    return sa.select(*_columns(Refund, names)).where(mine).order_by(col(Refund.applied_at))


def _payouts(who: Account) -> Query:
    query = sa.select(
        col(Refund.number).label("refund"),
        *_columns(Payout, "method status amount_minor currency reference intended_at updated_at"),
    )
    return query.join(Refund, col(Refund.id) == Payout.refund_id).where(col(Refund.customer_id) == who.id)


def _bank_payments(who: Account) -> Query:
    names = "holder iban number bank_code amount_minor currency purpose status"
    query = sa.select(col(Refund.number).label("refund"), *_columns(BankPayment, names))
    return query.join(Refund, col(Refund.id) == BankPayment.refund_no).where(col(Refund.customer_id) == who.id)


def _balance(who: Account) -> Query:
    mine = sa.select(col(LedgerAccount.id)).where(col(LedgerAccount.owner) == wallet(who.id))
    arrives = col(LedgerTransfer.credit_id).in_(mine)
    direction = sa.case((arrives, "in"), else_="out").label("direction")
    columns = _columns(LedgerTransfer, "at kind reference amount_minor currency memo")
    moved = sa.or_(arrives, col(LedgerTransfer.debit_id).in_(mine))
    return sa.select(direction, *columns).where(moved).order_by(col(LedgerTransfer.at))


def _history(who: Account) -> Query:
    # From where others came is theirs.
    address = sa.case((col(History.actor_id) == who.id, col(History.address)), else_="").label("address")
    names = "certificate_id at event from_state to_state actor_name actor_role reason channel"
    mine = sa.or_(col(History.customer_id) == who.id, col(History.actor_id) == who.id)
    return sa.select(*_columns(History, names), address).where(mine).order_by(col(History.id))


def _audit(who: Account) -> Query:
    names = "at kind subject certificate_id refund_id facts channel address"
    return (
        sa.select(*_columns(AuditEvent, names)).where(col(AuditEvent.actor_id) == who.id).order_by(col(AuditEvent.id))
    )


def _organisation(who: Account) -> Query:
    columns = (*_columns(Organisation, "name created_at"), *_columns(Account, "joined_at is_owner"))
    query = sa.select(*columns).join(Account, col(Account.organisation_id) == Organisation.id)
    return query.where(col(Account.id) == who.id)


def _invitations(who: Account) -> Query:
    names = "email created_at expires_at settled_at ended"
    about = sa.or_(col(Invitation.invited_by) == who.id, col(Invitation.email) == who.email)
    return sa.select(*_columns(Invitation, names)).where(about).order_by(col(Invitation.created_at))


def _notes(who: Account) -> Query:
    return sa.select(*_columns(Note, "created_at kind address sent_at")).where(col(Note.address) == who.email)


def _mails(who: Account) -> Query:
    names = "created_at kind address subject status sent_at"
    mine = col(Mail.recipient_id) == who.id
    return sa.select(*_columns(Mail, names)).where(mine).order_by(col(Mail.created_at))


def _jobs(who: Account) -> Query:
    names = "kind state created_at started_at ended_at done failed file_name address channel"
    mine = col(Job.owner_id) == who.id
    return sa.select(*_columns(Job, names)).where(mine).order_by(col(Job.created_at))


SECTIONS: Mapping[str, Callable[[Account], Query]] = {
    "account": _account,
    "sign-ins": _sign_ins,
    "sessions": _sessions,
    "authenticator": _authenticators,
    "recovery-codes": _recovery_codes,
    "passkeys": _passkeys,
    "provider-identities": _provider_identities,
    "mail-preferences": _mail_preferences,
    "saved-searches": _saved_searches,
    "orders": _orders,
    "bank-accounts": _bank_accounts,
    "certificates": _certificates,
    "domain-control": _domain_control,
    "refunds": _refunds,
    "payouts": _payouts,
    "bank-payments": _bank_payments,
    "balance": _balance,
    "history": _history,
    "audit-trail": _audit,
    "organisation": _organisation,
    "invitations": _invitations,
    "mails-with-links": _notes,
    "mails": _mails,
    "jobs": _jobs,
}
"""By the names that their files have: how one person's rows are found."""

LEFT_OUT: Mapping[str, str] = {
    "passkey_challenge": "is gone within minutes",
    "provider_visit": "is gone within minutes",
    "recovery_link": "is the hash of a link that works once and soon",
    "review_claim": "says who is at work on a case at this moment",
    "review_claim_event": "is about the work of reviewers, who read it beside the case",
    "review_visit": "says who looks at a case at this moment",
    "review_note": "is what reviewers tell each other",
    "refund_approval": "is about the work of reviewers; what they decided is in the history",
    "mail_decision": "is about the work of administrators",
    "note_decision": "is about the work of administrators",
    "payment_act": "is about the work of administrators",
    "reason_template": "holds texts of the shop",
}
"""Tables that name an account and are in no section, and why."""


def rows_of(session: Session, name: str, who: Account) -> list[dict[str, Any]]:
    """The rows of a section as JSON can hold them: instants in UTC, enumerations by their values."""
    found = session.execute(SECTIONS[name](who)).mappings().all()
    return [{key: _plain(value) for key, value in row.items()} for row in found]


def heads_of(name: str, who: Account) -> Sequence[str]:
    """The heads of a section's columns."""
    return list(SECTIONS[name](who).selected_columns.keys())


def _plain(value: Any) -> Any:  # noqa: ANN401  Whatever a column holds.
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value
