"""Finding people by the address that they sign in with."""

from sqlmodel import Session, col, select

from webapp.accounts.models import Account


def with_address(session: Session, email: str) -> Account | None:
    """Whoever has this email address, in lower case as accounts have it, and whose account is not switched off."""
    return session.exec(select(Account).where(Account.email == email, col(Account.disabled_at).is_(None))).first()
