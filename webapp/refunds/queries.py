"""Fetching refund applications with all that their pages show, for whoever may see them."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from certlifecycle import REFUND_STATES, REVIEWERS
from webapp.access import parts, visible_to
from webapp.accounts.models import Account
from webapp.certificates.facts import approvals_of
from webapp.certificates.models import Certificate, History, PaymentMethod
from webapp.certificates.queries import customer_name, history_of
from webapp.columns import UtcDateTime
from webapp.desk import File
from webapp.errors import NotFound
from webapp.payments.models import Payout
from webapp.refunds.models import Refund, RefundApproval
from webapp.wording import _

PAGE_SIZE = 20


@dataclass(frozen=True, slots=True)
class RefundFile:
    """One application, how it was decided and paid, and the certificate as it is now.

    ``history`` is what happened to this application, the latest first. ``customer`` is whose it is: for reviewers with
    the organisation, for its members whose of them.
    """

    refund: Refund
    file: File
    approvals: tuple[RefundApproval, ...]
    payouts: tuple[Payout, ...]
    history: tuple[History, ...] = ()
    customer: str | None = None

    @property
    def is_current(self) -> bool:
        """Whether the certificate's present state speaks of this application."""
        return self.file.refund is not None and self.file.refund.id == self.refund.id


@dataclass(frozen=True, slots=True)
class Listed:
    """An application in a list; ``is_current`` as in :class:`RefundFile`."""

    refund: Refund
    domain: str
    is_current: bool
    approvals: tuple[RefundApproval, ...]
    payouts: tuple[Payout, ...]


@dataclass(frozen=True, slots=True)
class RefundPage:
    """A page of a list; ``newer`` and ``older`` are the keys to continue from, ``None`` where there is no more."""

    rows: tuple[Listed, ...]
    newer: str | None
    older: str | None


def refund_file(session: Session, refund_id: str, viewer: Account) -> RefundFile:
    """One application; raises :class:`~webapp.errors.NotFound` also for somebody else's."""
    refund = session.exec(
        select(Refund)
        .join(Certificate, col(Certificate.id) == Refund.certificate_id)
        .where(Refund.id == refund_id, visible_to(viewer))
    ).first()
    if refund is None:
        raise NotFound(_("There is no such refund."))
    file = parts().desk.open_file(session, refund.certificate_id)
    is_shared = viewer.role in REVIEWERS or viewer.organisation_id is not None
    happened = [row for row in history_of(session, refund.certificate_id) if row.refund_id == refund.id]
    return RefundFile(
        refund,
        file,
        tuple(approvals_of(session, refund)),
        tuple(payouts_of(session, [refund.id])),
        tuple(happened),
        customer_name(session, file, viewer) if is_shared else None,
    )


def customer_of(session: Session, case: RefundFile) -> Account:
    """Whose refund it is."""
    return session.exec(select(Account).where(Account.id == case.refund.customer_id)).one()


def payouts_of(session: Session, refund_ids: Sequence[str]) -> Sequence[Payout]:
    """The attempts to pay these refunds, the earliest first."""
    # The balance is tried last, also where two attempts were begun in the same instant.
    is_last = sa.case((col(Payout.method) == PaymentMethod.BALANCE, 1), else_=0)
    order = (col(Payout.round), col(Payout.intended_at), is_last, col(Payout.id))
    return session.exec(select(Payout).where(col(Payout.refund_id).in_(refund_ids)).order_by(*order)).all()


def refunds_of(
    session: Session, customer: Account, *, after: str | None = None, before: str | None = None
) -> RefundPage:
    """A customer's and their organisation's applications, the newest first.

    Those older than ``after``, or newer than ``before``: ids of applications. One that is not theirs is ignored.
    """
    anchor = session.exec(
        select(Refund).where(Refund.id == (after or before), Refund.holder_id == customer.holder_id)
    ).first()
    mine = (
        select(Refund, Certificate)
        .join(Certificate, col(Certificate.id) == Refund.certificate_id)
        .where(Refund.holder_id == customer.holder_id)
        .limit(PAGE_SIZE + 1)
    )
    backwards = anchor is not None and after is None
    if anchor is not None:
        place = sa.tuple_(col(Refund.applied_at), col(Refund.id))
        there = sa.tuple_(sa.literal(anchor.applied_at, UtcDateTime()), sa.literal(anchor.id))
        mine = mine.where(place > there if backwards else place < there)
    if backwards:
        found = session.exec(mine.order_by(col(Refund.applied_at), col(Refund.id))).all()
        if len(found) <= PAGE_SIZE:
            # The beginning is reached; a full first page is better than a short one.
            return refunds_of(session, customer)
        found = found[:PAGE_SIZE][::-1]
        more = True
    else:
        found = session.exec(mine.order_by(col(Refund.applied_at).desc(), col(Refund.id).desc())).all()
        more = len(found) > PAGE_SIZE
        found = found[:PAGE_SIZE]
    rows = _listed(session, found)
    return RefundPage(
        rows,
        newer=rows[0].refund.id if anchor is not None and rows else None,
        older=rows[-1].refund.id if more else None,
    )


def _listed(session: Session, found: Sequence[tuple[Refund, Certificate]]) -> tuple[Listed, ...]:
    ids = [refund.id for refund, _ in found]
    payouts = payouts_of(session, ids)
    approvals = session.exec(select(RefundApproval).where(col(RefundApproval.refund_id).in_(ids))).all()
    newest = dict(
        session.exec(
            select(Refund.certificate_id, func.max(Refund.applied_at))
            .where(col(Refund.certificate_id).in_([certificate.id for _, certificate in found]))
            .group_by(col(Refund.certificate_id))
        ).all()
    )
    return tuple(
        Listed(
            refund,
            certificate.domain,
            certificate.state in REFUND_STATES and newest[certificate.id] == refund.applied_at,
            tuple(one for one in approvals if (one.refund_id, one.round) == (refund.id, refund.round)),
            tuple(one for one in payouts if one.refund_id == refund.id),
        )
        for refund, certificate in found
    )


def newest(session: Session, certificate_id: str) -> str:
    """The id of the latest application for a certificate, whatever became of it."""
    latest = col(Refund.applied_at).desc()
    wanted = select(Refund.id).where(Refund.certificate_id == certificate_id).order_by(latest).limit(1)
    return session.exec(wanted).one()
