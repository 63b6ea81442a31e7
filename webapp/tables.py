"""Every table of the desk, in one import: for the migrations, and for tests that compare with the models."""

from webapp.accounts.models import Account, WebSession
from webapp.audit.models import AuditEvent, ChainLink
from webapp.authorities.acme_models import AcmeAccount, AcmeAuthorization, AcmeOrder
from webapp.authorities.choice_models import ChosenAuthority
from webapp.authorities.models import CaCertificate, CaCrl
from webapp.certificates.models import Certificate, History, Purchase
from webapp.certificates.saved import SavedSearch
from webapp.domaincontrol.models import DomainControl
from webapp.jobs.models import Job, JobChunk, JobItem
from webapp.live.models import LiveSignal
from webapp.mail.models import Mail, MailCursor, MailDecision, MailPreference
from webapp.organisations.models import Invitation, Note, NoteDecision, Organisation, Registration
from webapp.payments.models import LedgerAccount, LedgerTransfer, Payout
from webapp.payments.models_books import DailyComparison, DailyDifference, PaymentAct
from webapp.payments.models_outside import (
    BankBatch,
    BankPayment,
    BankReport,
    BankReportLine,
    PayerAccount,
    ProviderNotification,
)
from webapp.refunds.models import Refund, RefundApproval
from webapp.review.models import ReasonTemplate, ReviewClaim, ReviewClaimEvent, ReviewNote, ReviewVisit

FORMER: frozenset[str] = frozenset()
"""Tables that once were ours and still have to be dropped where they stand."""

__all__ = [
    "FORMER",
    "Account",
    "AcmeAccount",
    "AcmeAuthorization",
    "AcmeOrder",
    "AuditEvent",
    "BankBatch",
    "BankPayment",
    "BankReport",
    "BankReportLine",
    "CaCertificate",
    "CaCrl",
    "Certificate",
    "ChainLink",
    "ChosenAuthority",
    "DailyComparison",
    "DailyDifference",
    "DomainControl",
    "History",
    "Invitation",
    "Job",
    "JobChunk",
    "JobItem",
    "LedgerAccount",
    "LedgerTransfer",
    "LiveSignal",
    "Mail",
    "MailCursor",
    "MailDecision",
    "MailPreference",
    "Note",
    "NoteDecision",
    "Organisation",
    "PayerAccount",
    "PaymentAct",
    "Payout",
    "ProviderNotification",
    "Purchase",
    "ReasonTemplate",
    "Refund",
    "RefundApproval",
    "Registration",
    "ReviewClaim",
    "ReviewClaimEvent",
    "ReviewNote",
    "ReviewVisit",
    "SavedSearch",
    "WebSession",
]
