"""From a refund number that a provider speaks of to the certificate it belongs to."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlmodel import Session, col, select

from certlifecycle import Money
from webapp.certificates.models import Certificate, Purchase
from webapp.db import Database
from webapp.refunds.models import Refund


@dataclass(frozen=True, slots=True)
class KnownRefund:
    """A refund as a provider may speak of it."""

    certificate_id: str
    payment_reference: str
    amount: Money


def find_refund(session: Session, refund_no: str) -> KnownRefund | None:
    """The refund behind a number that came from outside, if there is one."""
    found = session.exec(
        select(Refund, Purchase.payment_reference)
        .join(Certificate, col(Certificate.id) == Refund.certificate_id)
        .join(Purchase, col(Purchase.id) == Certificate.purchase_id)
        .where(Refund.id == refund_no)
    ).first()
    if found is None:
        return None
    refund, reference = found
    return KnownRefund(refund.certificate_id, reference, refund.amount)


def waking(database: Database, make_due: Callable[[str], object]) -> Callable[[str], None]:
    """A function that has a refund's payout looked at now, by its number; ``make_due`` does it by the certificate."""

    def wake(refund_no: str) -> None:
        with database.reading() as session:
            known = find_refund(session, refund_no)
        if known is not None:
            make_due(known.certificate_id)

    return wake
