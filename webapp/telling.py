"""The desk's book: what happened is written down with the change itself, told to who looks, and read back."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from certlifecycle import Role, State
from webapp.audit.chain import HISTORY, link
from webapp.certificates.models import BESIDE, Certificate, History
from webapp.due import DueWork

if TYPE_CHECKING:
    from webapp.desk import By


class Telling(DueWork):
    """Writes the history. Called by the desk alone, inside its transaction."""

    def _tell(
        self,
        session: Session,
        certificate: Certificate,
        event: str,
        came_from: State | None,
        by: "By",
        reason: str,
        facts: dict[str, Any],
    ) -> None:
        state = State(certificate.state)
        row = History(
            **self._history(certificate.id, certificate.customer_id, event, came_from, state, by, facts, reason)
        )
        session.add(row)
        session.flush()
        self._announce(session, [(row.id, row.certificate_id, certificate.holder_id)])

    def _history(
        self,
        certificate_id: str,
        customer_id: str,
        event: str,
        came_from: State | None,
        state: State,
        by: "By",
        facts: dict[str, Any],
        reason: str = "",
    ) -> dict[str, Any]:
        return {
            "certificate_id": certificate_id,
            "customer_id": customer_id,
            "refund_id": facts.get("refund"),
            "event": event,
            "from_state": came_from,
            "to_state": state,
            "actor_id": by.actor.id,
            "actor_role": Role(by.actor.role),
            "actor_name": by.actor.name,
            "reason": reason,
            "facts": facts,
            "channel": by.channel,
            "address": by.address,
            "at": self.clock(),
        }

    def _announce(self, session: Session, rows: Sequence[Sequence[Any]]) -> None:
        link(session, HISTORY, [row[0] for row in rows])
        if self.database.is_sqlite:
            # The hub sees the commit itself.
            return
        # The notifications leave with the commit or not at all.
        messages = [f"{history_id}:{certificate_id}:{holder_id}" for history_id, certificate_id, holder_id in rows]
        statement = "SELECT pg_notify('desk', message) FROM unnest(CAST(:messages AS text[])) AS message"
        session.execute(sa.text(statement), {"messages": messages})

    def _decisions_since(self, session: Session, certificate_id: str, version: int) -> list[History]:
        return [row for row in self._rows_since(session, certificate_id, version) if row.event not in BESIDE]

    def _rows_since(self, session: Session, certificate_id: str, version: int) -> list[History]:
        # Each row stands for one version: the first history row made version 1.
        rows = session.exec(
            select(History)
            .where(History.certificate_id == certificate_id)
            .order_by(col(History.id))
            .offset(max(version, 0))
        ).all()
        for row in rows:
            # They outlive the transaction, which is rolled back.
            session.expunge(row)
        return list(rows)
