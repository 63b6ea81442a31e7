"""The chain: every row of the history and of the audit trail, in one order, each hashed over all before it.

A row's digest is SHA-256 over a canonical form of all its columns. A link's hash is SHA-256 over its position, the
row's place and digest, and the hash of the link before it. Whoever changes, removes or reorders a row breaks every hash
from there on; whoever computes them all anew ends at another head than the one that is kept elsewhere.

**One order, and how it is kept.** Rows are linked at the very end of the transaction that writes them, in the same
commit: there is never a row that is not in the chain yet, and none can be changed before it is sealed. SQLite has one
writer at a time anyway. On PostgreSQL an advisory lock is taken after everything else is written and held until the
commit. The alternative, sealing later in batches by the worker, would leave a row open for seconds, has to wait for
ids that commit late, and stops when the worker does. What the lock costs is little, for ``NOTIFY``, by which the live
hub is told, makes PostgreSQL serialise those commits already (``make bench`` compares); and since nothing else is
locked after it, it cannot be part of a deadlock. The link's position is the primary key, so that even without the lock
two transactions could not put two rows in one place: the second would fail.

**The form is versioned.** A link says by which form its row was digested, and old forms are kept for ever: a table that
gets a new column gets a new form, and the rows of before stay provable. A form reads a row as text, as the database
holds it, so that nothing that was put there by hand can keep it from being read.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from webapp.portions import portions

FORM = 1
"""The form by which rows are digested now."""
HISTORY, AUDIT = "history", "audit_event"
ORIGIN = "0" * 64
"""What stands before the first link."""
AT_ONCE = 500
LOCK = 0x6465736B_61756469
"""PostgreSQL's advisory lock of the chain: "deskaudi"."""
_WAITING = "rows that wait for their links"

LINKS = sa.table(
    "chain_link",
    sa.column("position", sa.BigInteger),
    sa.column("source", sa.String),
    sa.column("row_id", sa.BigInteger),
    sa.column("form", sa.SmallInteger),
    sa.column("digest", sa.String),
    sa.column("hash", sa.String),
)


@dataclass(frozen=True, slots=True)
class Form:
    """Which columns of a table are digested, besides its ``id``, which the link names."""

    table: str
    columns: tuple[str, ...]


FORMS: Mapping[tuple[str, int], Form] = {
    (HISTORY, 1): Form(
        "history",
        (
            "certificate_id",
            "customer_id",
            "refund_id",
            "event",
            "from_state",
            "to_state",
            "actor_id",
            "actor_role",
            "actor_name",
            "reason",
            "facts",
            "channel",
            "address",
            "at",
        ),
    ),
    (AUDIT, 1): Form(
        "audit_event",
        (
            "kind",
            "actor_id",
            "actor_role",
            "actor_name",
            "subject",
            "certificate_id",
            "refund_id",
            "facts",
            "channel",
            "address",
            "at",
        ),
    ),
}
"""Every form that was ever in use. Never change one: add the next."""


def digests_of(connection: sa.Connection, source: str, form: int, ids: Sequence[int]) -> dict[int, str]:
    """The digest of each of these rows that is there."""
    known = FORMS[source, form]
    table = sa.table(known.table, sa.column("id", sa.BigInteger), *map(sa.column, known.columns))
    texts = [_as_text(table.c[name], connection.dialect.name) for name in known.columns]
    rows = connection.execute(sa.select(table.c.id, *texts).where(table.c.id.in_(ids)))
    return {row[0]: _digest(source, form, dict(zip(known.columns, row[1:], strict=True))) for row in rows}


def _as_text(column: sa.ColumnClause[Any], dialect: str) -> sa.ColumnElement[Any]:
    if column.name == "at" and dialect == "postgresql":
        # As SQLite stores it: the same row has the same digest on both.
        return sa.func.to_char(sa.func.timezone("UTC", column), "YYYY-MM-DD HH24:MI:SS.US")
    return sa.cast(column, sa.Text)


def _digest(source: str, form: int, columns: Mapping[str, str | None]) -> str:
    return _sha256([source, form, columns])


def hash_of(position: int, source: str, row_id: int, digest: str, before: str) -> str:
    """A link's hash; ``before`` is the hash of the link before it."""
    return _sha256([position, source, row_id, digest, before])


def _sha256(content: object) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def link(session: Session, source: str, ids: Sequence[int]) -> None:
    """Have rows that were written in this session linked when its transaction commits, in the order given."""
    waiting: list[tuple[str, int]] | None = session.info.get(_WAITING)
    if waiting is None:
        waiting = session.info[_WAITING] = []
        sa.event.listen(session, "before_commit", _seal)
    waiting.extend((source, one) for one in ids)


def _seal(session: Session) -> None:
    if session.in_nested_transaction():
        # A savepoint ends, not the transaction.
        return
    session.flush()
    waiting = session.info[_WAITING]
    append(session.connection(), waiting)
    waiting.clear()


def append(connection: sa.Connection, rows: Sequence[tuple[str, int]]) -> None:
    """Link rows, each named by its source and id, at the end of the chain, inside the caller's transaction."""
    # In portions: whoever takes in a long file has thousands, and they must not fill the memory.
    digested = [one for some in portions(rows, AT_ONCE) for one in zip(some, _digests(connection, some), strict=True)]
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
    position, before = head(connection)
    for some in portions(digested, AT_ONCE):
        links = []
        for (source, row_id), digest in some:
            position += 1
            before = hash_of(position, source, row_id, digest, before)
            place = {"position": position, "source": source, "row_id": row_id}
            links.append(place | {"form": FORM, "digest": digest, "hash": before})
        connection.execute(sa.insert(LINKS), links)


def _digests(connection: sa.Connection, rows: Sequence[tuple[str, int]]) -> list[str]:
    """The digests of rows, in their order."""
    found: dict[tuple[str, int], str] = {}
    for source in dict(rows):
        ids = [one for name, one in rows if name == source]
        found |= {(source, one): digest for one, digest in digests_of(connection, source, FORM, ids).items()}
    return [found[one] for one in rows]


def head(connection: sa.Connection) -> tuple[int, str]:
    """The position and hash of the last link; position 0 where there is none."""
    last = sa.select(LINKS.c.position, LINKS.c.hash).order_by(LINKS.c.position.desc()).limit(1)
    found = connection.execute(last).first()
    return (found[0], found[1]) if found else (0, ORIGIN)
