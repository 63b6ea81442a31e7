"""Every table of the desk, in one import: for the migrations, and for tests that compare with the models."""

from webapp.accounts.models import Account, WebSession
from webapp.authorities.acme_models import AcmeAccount, AcmeOrder
from webapp.authorities.choice_models import ChosenAuthority
from webapp.authorities.models import CaCertificate, CaCrl
from webapp.certificates.models import Certificate, History, Purchase
from webapp.domaincontrol.models import DomainControl
from webapp.live.models import LiveSignal
from webapp.mail.models import Mail, MailCursor, MailPreference
from webapp.payments.models import LedgerAccount, LedgerTransfer, Payout
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
    "AcmeOrder",
    "BankBatch",
    "BankPayment",
    "BankReport",
    "BankReportLine",
    "CaCertificate",
    "CaCrl",
    "Certificate",
    "ChosenAuthority",
    "DomainControl",
    "History",
    "LedgerAccount",
    "LedgerTransfer",
    "LiveSignal",
    "Mail",
    "MailCursor",
    "MailPreference",
    "PayerAccount",
    "Payout",
    "ProviderNotification",
    "Purchase",
    "ReasonTemplate",
    "Refund",
    "RefundApproval",
    "ReviewClaim",
    "ReviewClaimEvent",
    "ReviewNote",
    "ReviewVisit",
    "WebSession",
]
