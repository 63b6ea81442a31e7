"""Where somebody stands at this very instant: what they may do, where they belong, and whose a new certificate is.

Asked inside the transaction of an act, with the account's row held until its end. So a removal and an act of the
removed member come one after the other, never past each other.
"""

from collections.abc import Iterable
from dataclasses import replace

from sqlmodel import Session, col, select

from certlifecycle import REVIEWERS, Actor, Role
from webapp.accounts.models import Account


def as_of_now(session: Session, actor: Actor) -> Actor:
    """The actor with the organisation, and whoever acts for the shop with the role and the rights, of this moment.

    What they had when their page or their job was made may have been taken from them since. The account is held until
    the transaction ends, so that nothing is taken while they use it: either it goes first and the act is refused, or it
    goes afterwards.
    """
    if actor.role is Role.SYSTEM:
        return actor
    account = session.exec(select(Account).where(Account.id == actor.id).with_for_update(read=True)).first()
    if account is None or account.disabled_at is not None:
        return replace(actor, organisation_id=None, rights=frozenset())
    return account.actor if actor.role in REVIEWERS else replace(actor, organisation_id=account.organisation_id)


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
