"""From rows to what the life cycle wants to know."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from certlifecycle import REFUND_STATES, Facts, RefundPolicy, State, Waiver
from webapp.catalogue import suffices_automatically
from webapp.certificates.models import Certificate, Purchase
from webapp.refunds.models import Refund, RefundApproval


def latest_refund(session: Session, certificate: Certificate) -> Refund | None:
    """The refund application that the certificate's state speaks of, if it speaks of one."""
    if certificate.state not in REFUND_STATES:
        return None
    newest = col(Refund.applied_at).desc()
    return session.exec(select(Refund).where(Refund.certificate_id == certificate.id).order_by(newest).limit(1)).first()


def approvals_of(session: Session, refund: Refund | None) -> Sequence[RefundApproval]:
    """Who has approved the application in the present round, the earliest first."""
    if refund is None:
        return ()
    return session.exec(
        select(RefundApproval)
        .where(RefundApproval.refund_id == refund.id, RefundApproval.round == refund.round)
        .order_by(col(RefundApproval.at))
    ).all()


def facts_of(
    certificate: Certificate,
    purchase: Purchase,
    refund: Refund | None = None,
    approvals: Sequence[RefundApproval] = (),
) -> Facts:
    """What the life cycle is told about this certificate."""
    return Facts(
        state=State(certificate.state),
        customer_id=certificate.customer_id,
        organisation_id=organisation_of(certificate.customer_id, certificate.holder_id),
        payer_id=purchase.customer_id,
        paid_at=purchase.paid_at,
        paid=purchase.paid,
        voucher_minor=purchase.voucher_minor,
        issued_at=certificate.issued_at,
        revoked_at=certificate.revoked_at,
        origin=State(refund.origin) if refund else None,
        applicant_id=refund.applicant_id if refund else None,
        approvals=tuple(one.reviewer_id for one in approvals),
        payers=tuple(one.reviewer_id for one in approvals if one.may_pay),
        refund_minor=refund.amount_minor if refund else None,
        automatic_checks_suffice=suffices_automatically(purchase.product),
        waiver=waiver_in(certificate.waiver),
    )


def waiver_in(stored: Mapping[str, Any] | None) -> Waiver | None:
    """The exception from the refund policy that stands on a certificate, once two people have agreed upon it."""
    if stored is None or stored["agreed_by"] is None:
        return None
    return Waiver(
        until=datetime.fromisoformat(stored["until"]),
        proposed_by=stored["proposed_by"],
        agreed_by=stored["agreed_by"],
        reason=stored["reason"],
        pays_all=stored["pays_all"],
    )


def excepted(now: datetime) -> sa.ColumnElement[bool]:
    """Whether an exception is in force on a certificate, for a statement. It is the end of that which counts then.

    Nobody makes one while the policy itself pays back, so the policy's own deadline counts for nothing beside it.
    """
    until = col(Certificate.waiver_until)
    return sa.and_(until.is_not(None), until >= now)


def organisation_of(customer_id: str, holder_id: str) -> str | None:
    """The organisation whose a certificate is, ``None`` where it is its customer's alone."""
    return None if holder_id in ("", customer_id) else holder_id


def policy_for(refund: Refund | None, certificate: Certificate, present: RefundPolicy) -> RefundPolicy:
    """The policy that decides: the one frozen on an application under way, else the present one."""
    if refund is not None and certificate.state in (State.REFUND_REQUESTED, State.REFUND_APPROVED):
        return RefundPolicy.from_mapping(refund.policy)
    return present
