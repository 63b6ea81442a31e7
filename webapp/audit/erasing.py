"""Emptying personal data in entries that must stay, so that the chain still proves them.

The history and the audit trail say who did what, by name and from where. Both are hashed over all of their columns, so
a name cannot go without breaking the chain; and leaving the name out of the hash instead would let anybody put another
one in. So it goes openly: what was emptied is an entry of the chain itself, with the digest of each row as it reads
now. A row then is as it was written, or as the latest such entry says; anything else is found as before. The account's
id stays: it stands for the person, and nothing says any more who that was.

What this proves: whoever empties a row leaves an entry that says which row and when. What it does not: that nothing
else in that row was changed along with it by somebody with the rights of the database's owner; the database itself lets
nothing but these columns change.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, update

from certlifecycle import Event
from webapp.accounts.models import DELETED
from webapp.audit.chain import AUDIT, HISTORY, LINKS, digests_of
from webapp.audit.models import AuditEvent, AuditKind, ChainLink
from webapp.audit.record import record
from webapp.certificates.models import History
from webapp.desk import By
from webapp.portions import portions

AT_ONCE = 200
"""How many rows one entry names."""

Place = tuple[str, int]
"""A row: its table in the chain, and its id."""


def erase(session: Session, account_id: str, email: str, pseudonym: str, by: By, at: datetime) -> int:
    """Empty what entries say of a person, and write down which; returns how many they are.

    ``email`` is what the entries call the person, ``pseudonym`` what they are called from now on, an address in
    :data:`~webapp.accounts.models.DELETED_DOMAIN`. ``by`` says who wants it so, and must not name the person either.
    """
    session.flush()
    own, named = col(AuditEvent.actor_id) == account_id, col(AuditEvent.subject) == email
    wanted: list[tuple[str, Sequence[int]]] = [
        (HISTORY, _linked(session, HISTORY, sa.select(col(History.id)).where(col(History.actor_id) == account_id))),
        (AUDIT, _linked(session, AUDIT, sa.select(col(AuditEvent.id)).where(sa.or_(own, named)))),
    ]
    # The reason of a revocation is one of a list; every other is what the person wrote.
    words = sa.case((col(History.event) == Event.REVOKE.value, col(History.reason)), else_="")
    session.exec(
        update(History)
        .where(col(History.actor_id) == account_id)
        .values(actor_name=DELETED, address="", reason=words)
        .execution_options(synchronize_session=False)
    )
    session.exec(
        update(AuditEvent)
        .where(own)
        .values(actor_name=DELETED, address="")
        .execution_options(synchronize_session=False)
    )
    session.exec(update(AuditEvent).where(named).values(subject=pseudonym).execution_options(synchronize_session=False))
    for source, ids in wanted:
        for some in portions(ids, AT_ONCE):
            rows = [[source, one, digest] for one, digest in sorted(_digests(session, source, some).items())]
            record(session, AuditKind.PERSONAL_DATA_ERASED, by, at, subject=pseudonym, rows=rows)
    return sum(len(ids) for _source, ids in wanted)


def erased(connection: sa.Connection) -> Mapping[Place, str]:
    """The rows that were emptied, each with the digest that the latest entry about it says."""
    query = sa.select(sa.cast(sa.column("facts"), sa.Text)).select_from(sa.table("audit_event"))
    told = query.where(sa.column("kind") == AuditKind.PERSONAL_DATA_ERASED.value).order_by(sa.column("id"))
    found: dict[Place, str] = {}
    for text in connection.scalars(told):
        found.update({(source, row_id): digest for source, row_id, digest in _rows(text)})
    return found


def _rows(facts: str) -> Iterator[tuple[str, int, str]]:
    """What an entry says, as far as it makes sense: somebody may have put anything there by hand."""
    try:
        for source, row_id, digest in json.loads(facts)["rows"]:
            yield str(source), int(row_id), str(digest)
    except (ValueError, TypeError, KeyError):
        return


def _linked(session: Session, source: str, ids: "sa.Select[Any]") -> Sequence[int]:
    """Those of the rows that are in the chain already; what this transaction writes itself names nobody."""
    query = sa.select(col(ChainLink.row_id)).where(col(ChainLink.source) == source, col(ChainLink.row_id).in_(ids))
    return session.execute(query.order_by(col(ChainLink.row_id))).scalars().all()


def _digests(session: Session, source: str, ids: Sequence[int]) -> dict[int, str]:
    """The rows as they read now, each by the form that its link names."""
    connection, found = session.connection(), dict[int, str]()
    links = sa.select(LINKS.c.row_id, LINKS.c.form).where(LINKS.c.source == source, LINKS.c.row_id.in_(ids))
    forms = [(row[0], row[1]) for row in connection.execute(links)]
    for form in {form for _row, form in forms}:
        found |= digests_of(connection, source, form, [row for row, its in forms if its == form])
    return found
