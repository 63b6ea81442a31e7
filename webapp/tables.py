"""Every table of the desk, in one import: for the migrations, and for tests that compare with the models."""

from webapp.accounts.models import Account, WebSession
from webapp.authorities.models import CaCertificate, CaCrl
from webapp.certificates.models import Certificate, History, Purchase
from webapp.payments.models import LedgerAccount, LedgerTransfer, Payout
from webapp.refunds.models import Refund, RefundApproval

FORMER: frozenset[str] = frozenset()
"""Tables that once were ours and still have to be dropped where they stand."""

__all__ = [
    "FORMER",
    "Account",
    "CaCertificate",
    "CaCrl",
    "Certificate",
    "History",
    "LedgerAccount",
    "LedgerTransfer",
    "Payout",
    "Purchase",
    "Refund",
    "RefundApproval",
    "WebSession",
]
