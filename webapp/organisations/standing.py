"""Where somebody stands at this very instant: which organisation they belong to, and whose a new certificate is.

Asked inside the transaction of an act, with the account's row held until its end. So a removal and an act of the
removed member come one after the other, never past each other.
"""

from collections.abc import Iterable
from dataclasses import replace

from sqlmodel import Session, col, select

from certlifecycle import Actor, Role
from webapp.accounts.models import Account


def as_of_now(session: Session, actor: Actor) -> Actor:
    """The actor with the organisation that they belong to now; who was removed since they asked has none."""
    if actor.role is Role.SYSTEM:
        return actor
    wanted = select(Account.organisation_id).where(Account.id == actor.id).with_for_update(read=True)
    return replace(actor, organisation_id=session.exec(wanted).first())


def holders_of(session: Session, account_ids: Iterable[str]) -> dict[str, str]:
    """Whose the certificates are that these people buy now: their organisation's, else their own."""
    wanted = (
        select(Account.id, Account.organisation_id)
        .where(col(Account.id).in_(sorted(set(account_ids))))
        # Two that hold several rows take them in the same order.
        .order_by(col(Account.id))
        .with_for_update(read=True)
    )
    return {key: organisation_id or key for key, organisation_id in session.exec(wanted).all()}
