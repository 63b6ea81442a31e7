"""Whether a domain's control has been shown, to whom it has to be, and whose move that makes it.

The list, the start page, the page of a certificate and the review queue all ask here, so that they say the same.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Session, col

from certlifecycle import Mover, State
from webapp.authorities.acme_models import AcmeOrder
from webapp.authorities.acme_orders import ShownProof, shown_in
from webapp.authorities.choice_models import ChosenAuthority
from webapp.authorities.settings import BUILTIN
from webapp.certificates.models import Certificate, Purchase
from webapp.domaincontrol.models import DomainControl
from webapp.domaincontrol.tokens import Challenge

STATES = (State.SUBMITTED, State.VERIFIED)
"""Where control is shown: while a submission is checked, and to an authority that asks although it was approved."""


@dataclass(frozen=True, slots=True)
class Showing:
    """Where one submission stands. ``by_authority`` says that a certificate authority has control proved to itself;
    then ``proof`` is that of its order, as soon as there is one."""

    state: State
    names: tuple[str, ...]
    control: DomainControl | None
    proof: ShownProof | None
    by_authority: bool

    @property
    def is_held(self) -> bool:
        """Whether control was shown."""
        return self.control is not None and self.control.held_at is not None

    @property
    def is_ours(self) -> bool:
        """Whether it is the desk that looks: an authority that has seen enough leaves the rest to it."""
        return not self.by_authority or (self.proof is not None and self.proof.is_ready)

    @property
    def challenge(self) -> Challenge | None:
        """The desk's own value, while it has to be published."""
        if self.control is None or self.is_held or not self.is_ours:
            return None
        return self.control.challenge(list(self.names))

    @property
    def is_forbidden(self) -> bool:
        """Whether the domain's CAA records forbid the certificate, which only the customer can change."""
        return self.state is State.SUBMITTED and self.control is not None and self.control.caa_problem is not None

    @property
    def is_asked(self) -> bool:
        """Whether a certificate authority asks for something to be published for itself."""
        return self.proof is not None and bool(self.proof.challenges)

    @property
    def asks_customer(self) -> bool:
        """Whether something has to be published, for the desk or for an authority."""
        return self.is_asked or self.challenge is not None or not (self.is_held or self.by_authority)

    @property
    def mover(self) -> Mover | None:
        """Whose move it is; ``None`` where that is for the certificate's state to say."""
        if self.state is State.VERIFIED and not self.is_asked:
            return None
        if self.asks_customer or self.is_forbidden:
            return Mover.CUSTOMER
        # What is left is between the desk and the certificate authority.
        return None if self.is_held else Mover.SYSTEM


def showings(session: Session, keys: Collection[str], by_acme: Callable[[str], bool]) -> dict[str, Showing]:
    """Where those of these certificates stand whose control is being shown, by the certificates' keys.

    ``by_acme`` says whether new orders of a product go to an ACME server: it counts until an authority has the order.
    """
    order_of = sa.and_(
        col(AcmeOrder.order_key) == Certificate.submission_id,
        sa.or_(col(ChosenAuthority.authority).is_(None), col(AcmeOrder.authority) == ChosenAuthority.authority),
    )
    found = session.execute(
        sa.select(Certificate, col(Purchase.product), DomainControl, col(ChosenAuthority.authority), AcmeOrder)
        .join(Purchase, col(Purchase.id) == Certificate.purchase_id)
        .outerjoin(DomainControl, col(DomainControl.submission_id) == Certificate.submission_id)
        .outerjoin(ChosenAuthority, col(ChosenAuthority.order_key) == Certificate.submission_id)
        .outerjoin(AcmeOrder, order_of)
        .where(
            col(Certificate.id).in_(keys),
            col(Certificate.state).in_(STATES),
            col(Certificate.submission_id).is_not(None),
        )
    ).all()
    return {
        one.id: _showing(one, control, order, chosen != BUILTIN if chosen else by_acme(product))
        for one, product, control, chosen, order in found
    }


def _showing(
    certificate: Certificate, control: DomainControl | None, order: AcmeOrder | None, by_authority: bool
) -> Showing:
    proof = shown_in(order) if order is not None and by_authority else None
    return Showing(State(certificate.state), tuple(certificate.names), control, proof, by_authority)
