"""Writing what somebody did into the audit trail, in the transaction of the act itself."""

from datetime import datetime
from typing import Any

from sqlmodel import Session

from certlifecycle import Role
from webapp.accounts.models import Account
from webapp.audit.chain import AUDIT, link
from webapp.audit.models import AuditEvent, AuditKind
from webapp.certificates.models import Channel
from webapp.desk import By

LONGEST_SUBJECT = 300


def record(
    session: Session,
    kind: AuditKind,
    by: By,
    at: datetime,
    *,
    subject: str = "",
    certificate_id: str | None = None,
    refund_id: str | None = None,
    **facts: Any,  # noqa: ANN401  Whatever JSON can hold.
) -> None:
    """Note that somebody did something at ``at``. ``subject`` is what it was about, as people call it.

    ``facts`` are further details that a search need not find; they must be what JSON can hold. Never hand over a
    password, a key or a token: what is written here can never be removed.
    """
    _write(
        session,
        AuditEvent(
            kind=kind.value,
            actor_id=by.actor.id,
            actor_role=Role(by.actor.role),
            actor_name=by.actor.name,
            subject=subject[:LONGEST_SUBJECT],
            certificate_id=certificate_id,
            refund_id=refund_id,
            facts=facts,
            channel=by.channel,
            address=by.address,
            at=at,
        ),
    )


def record_refused_sign_in(session: Session, account: Account | None, address: str, at: datetime) -> None:
    """Note that somebody could not sign in, with the account that they named."""
    record_claimed(session, AuditKind.SIGN_IN_REFUSED, account, address, at)


def record_claimed(session: Session, kind: AuditKind, account: Account | None, address: str, at: datetime) -> None:
    """Note what somebody did who has shown nothing yet, with the account that they named.

    What was typed is kept only where it is the address of an account: people type passwords into the wrong field.
    """
    _write(
        session,
        AuditEvent(
            kind=kind.value,
            actor_id=account.id if account else None,
            actor_role=Role(account.role) if account else None,
            actor_name=account.name if account else "",
            subject=account.email if account else "",
            channel=Channel.WEB,
            address=address,
            at=at,
        ),
    )


def _write(session: Session, row: AuditEvent) -> None:
    session.add(row)
    session.flush()
    link(session, AUDIT, [row.id or 0])
